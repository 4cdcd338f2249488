"""Layouts of labelled images as people have them: each is read as its owner means it, or refused by what decides."""

import csv
import json
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.data import look as looking
from helpers.data.datasets import SPLITS, DatasetError, load_dataset, look
from helpers.data.options import Options
from helpers.data.reading import Reading

Maker = Callable[[Path], object]


def picture(key: str, side: int = 28) -> Image.Image:
    """Make noise that is another one for every key."""
    noise = np.random.default_rng(zlib.crc32(key.encode())).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def put(place: Path, count: int, name: str = "{}.png") -> list[str]:
    """Put pictures into a folder, and give their names."""
    place.mkdir(parents=True, exist_ok=True)
    names = [name.format(number) for number in range(count)]
    for file in names:
        picture(str(place / file)).save(place / file)
    return names


def table(file: Path, header: Sequence[str], rows: Sequence[Sequence[object]], mark: str = ",") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as out:
        csv.writer(out, delimiter=mark).writerows([header, *rows])


def tree(counts: Mapping[str, int]) -> Maker:
    """Make pictures in folders, so many in each; with "*" in a folder's name, the files' own name behind it."""

    def make(folder: Path) -> None:
        for place, count in counts.items():
            where, _, name = place.partition("*")
            put(folder / where, count, name or "{}.png")

    return make


def flat_with_table(header: Sequence[str], label: Callable[[int], object], **how: str) -> Maker:
    """Make twenty pictures of each of two classes in one folder, and a table of them."""

    def make(folder: Path) -> None:
        names = put(folder / how.get("folder", "images"), 40, "p{:03}.jpg")
        shown = [how.get("shown", "{}").format(name.removesuffix(".jpg")) for name in names]
        rows = [[name, label(number)] for number, name in enumerate(shown)]
        table(folder / how.get("file", "labels.csv"), header, rows, how.get("mark", ","))

    return make


def pets(number: int) -> str:
    return ("cat", "dog")[number % 2]


def one_hot(folder: Path) -> None:
    for split in ("train", "test"):
        names = put(folder / split, 20, f"{split}{{}}.jpg")
        table(
            folder / split / "_classes.csv",
            ["filename", " cat", " dog"],
            [[n, i % 2, 1 - i % 2] for i, n in enumerate(names)],
        )


def json_lines(folder: Path) -> None:
    for split in ("train", "test"):
        names = put(folder / split, 20, f"{split}{{}}.jpg")
        lines = [json.dumps({"file_name": name, "label": pets(i)}) for i, name in enumerate(names)]
        (folder / split / "metadata.jsonl").write_text("\n".join(lines))


def split_column(folder: Path) -> None:
    names = put(folder / "all", 60, "x{}.png")
    rows = [[f"all/{n}", pets(i), ("train", "valid", "test")[i // 2 % 3]] for i, n in enumerate(names)]
    table(folder / "index.tsv", ["path", "breed", "set"], rows, "\t")


def signs(folder: Path) -> None:
    tree({"Train/00000": 12, "Train/00001": 12, "Test": 8})(folder)
    rows = [[64, 64, i % 2, f"Test/{i}.png"] for i in range(8)]
    table(folder / "Test.csv", ["Width", "Height", "ClassId", "Path"], rows)
    put(folder / "Meta", 2, "{}.png")


def skin(folder: Path) -> None:
    """Two parts of one set, with a table that knows the lesion of each image: four images a lesion."""
    names = [
        f"part_{part}/{name}" for part in (1, 2) for name in put(folder / f"part_{part}", 40, f"I{part}{{:03}}.jpg")
    ]
    rows = [[f"L{i // 4}", Path(n).stem, ("nv", "mel")[i // 4 % 2], "histo", 40 + i % 7] for i, n in enumerate(names)]
    table(folder / "metadata.csv", ["lesion_id", "image_id", "dx", "dx_type", "age"], rows)


def food_lists(folder: Path) -> None:
    tree({"images/cat": 20, "images/dog": 20})(folder)
    (folder / "meta").mkdir()
    for split, numbers in (("train", range(14)), ("test", range(14, 20))):
        lines = [f"{c}/{number}" for c in PETS for number in numbers]
        (folder / "meta" / f"{split}.txt").write_text("\n".join(lines))


def oxford(folder: Path) -> None:
    """File names tell the breed; a list has numbers of breed, species and more, of which each could be the label."""
    names = [*put(folder / "images", 12, "Beagle_{}.jpg"), *put(folder / "images", 12, "Sphynx_{}.jpg")]
    lines = [f"{name.removesuffix('.jpg')} {1 + i // 12} {1 + i % 2} {1 + i % 3}" for i, name in enumerate(names)]
    (folder / "list.txt").write_text("\n".join(lines))


def masks(folder: Path) -> None:
    for place in ("benign", "malignant"):
        for name in put(folder / place, 12, "tumour ({}).png"):
            square = np.zeros((28, 28), np.uint8)
            square[8:20, 6:18] = 255
            Image.fromarray(square).save(folder / place / name.replace(".png", "_mask.png"))
    (folder / "malignant" / "masks").mkdir()
    Image.new("L", (28, 28), 255).save(folder / "malignant" / "masks" / "a.png")


def system_folders(folder: Path) -> None:
    tree({"cat": 12, "dog": 12})(folder)
    tree({"cat/@eaDir/0.png": 1, "Thumbs": 2, "$RECYCLE.BIN": 3, "__MACOSX/cat": 2, "cat/.ipynb_checkpoints": 2})(
        folder
    )


def with_submission(folder: Path) -> None:
    names = put(folder / "train", 40, "t{}.jpg")
    put(folder / "test", 10, "s{}.jpg")
    table(folder / "train_labels.csv", ["id", "label"], [[n.removesuffix(".jpg"), i % 2] for i, n in enumerate(names)])
    table(folder / "sample_submission.csv", ["id", "label"], [[f"s{i}", 0] for i in range(10)])


def inner_archives(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "all.zip", "w") as outer:
        for split, count in (("train", 10), ("test", 4)):
            inner = BytesIO()
            with zipfile.ZipFile(inner, "w") as archive:
                for number in range(2 * count):
                    stream = BytesIO()
                    picture(f"{split}{number}").save(stream, "PNG")
                    archive.writestr(f"{split}/{pets(number)}/{number}.png", stream.getvalue())
            outer.writestr(f"{split}.zip", inner.getvalue())
    return folder / "all.zip"


def tgz(folder: Path) -> Path:
    tree({"../loose/cat": 12, "../loose/dog": 12})(folder)
    with tarfile.open(folder / "pets.tgz", "w:gz") as archive:
        archive.add(folder / "../loose", "pets")
    return folder / "pets.tgz"


def faces_table(name: str, count: int, classes: int, header: Sequence[str] = ("emotion", "pixels")) -> Maker:
    def make(folder: Path) -> None:
        noise = np.random.default_rng(len(name)).integers(0, 256, (count, 48 * 48))
        table(folder / name, header, [[i % classes, " ".join(map(str, row))] for i, row in enumerate(noise)])

    return make


def count_off(folder: Path, number: int) -> None:
    rows = [[f"p{i}.png", i % number] for i in range(36)]
    table(folder / f"{number}.csv", ["file", "label"], rows)


def both(*makers: Maker) -> Maker:
    def make(folder: Path) -> None:
        for maker in makers:
            maker(folder)

    return make


def text(file: str, content: str) -> Maker:
    def make(folder: Path) -> None:
        (folder / file).write_text(content)

    return make


PETS, DIGITS = ("cat", "dog"), ("0", "1", "2")
SPLIT_PETS = {"cat": 10, "dog": 10}

PARTS = (("train", 12), ("test", 5))


def divided(place: str) -> Maker:
    """Make pictures for training and testing in places like "{c}/{s}" for class and split."""
    return tree({place.format(c=c, s=split): count for split, count in PARTS for c in PETS})


# What is made, the classes, images in all, and images for testing where the owner has put some aside.
READ: dict[str, tuple[Maker, Sequence[str], int, int | None]] = {
    "table beside a flat folder": (
        both(flat_with_table(("id_code", "diagnosis"), lambda i: i % 2, folder="train_images", file="train.csv"),
             tree({"test_images": 7})), ("0", "1"), 40, None),
    "table of file names": (flat_with_table(("filename", "label"), pets, shown="{}.jpg"), PETS, 40, None),
    "table of paths with another mark": (
        flat_with_table(("Image", "Target"), pets, shown="images/{}.jpg", mark=";"), PETS, 40, None),
    "table of ids with a bar": (flat_with_table(("image_id", "category"), pets, mark="|"), PETS, 40, None),
    "list without a header": (
        flat_with_table(("images/p000.jpg", "cat"), pets, shown="images/{}.jpg", file="all.txt", mark=" "),
                              PETS, 40, None),
    "column of an unknown name": (flat_with_table(("picture", "wing"), pets), PETS, 40, None),
    "one column a class": (one_hot, PETS, 40, 20),
    "metadata of the hub": (json_lines, PETS, 40, 20),
    "column of splits": (split_column, PETS, 60, 20),
    "traffic signs": (signs, ("0", "1"), 32, 8),
    "two parts and a table": (skin, ("mel", "nv"), 80, None),
    "table and a sample of a submission": (with_submission, ("0", "1"), 40, None),
    "class in the file name": (
        tree({"train*cat.{}.jpg": 12, "train*dog.{}.jpg": 12, "test1*{}.jpg": 6}), PETS, 24, None),
    "class in the file name, no folder": (tree({"*cat_{}.jpg": 12, "*dog_{}.jpg": 12}), PETS, 24, None),
    "class behind the number": (tree({"all*{:03}_cat.jpg": 12, "all*{:03}-dog.jpg": 12}), PETS, 24, None),
    "digits in file names": (
        tree({f"{s}*{d}_{{}}.png": n for s, n in (("train", 20), ("test", 6)) for d in DIGITS}), DIGITS, 78, 18),
    "folders below classes": (
        tree({"cats/kaggle": 9, "cats/wild": 9, "dogs/kaggle": 9, "dogs/show": 9}), ("cats", "dogs"), 36, None),
    "sources below classes": (tree({f"{c}/{s}": 6 for c in PETS for s in ("google", "flickr")}), PETS, 24, None),
    "patients below classes": (tree({f"{c}/patient{i}": 4 for i, c in enumerate(PETS * 5)}), PETS, 40, None),
    "persons above classes": (
        tree({f"subject{i:02}/{c}": 4 for c in ("happy", "sad") for i in range(8)}), ("happy", "sad"), 64, None),
    "images and masks": (masks, ("benign", "malignant"), 24, None),
    "folder of masks": (tree({"COVID/images": 12, "Normal/images": 12}), ("COVID", "Normal"), 24, None),
    "trainset and testset": (divided("{s}set/{c}"), PETS, 34, 10),
    "words before the splits": (divided("cloud_{s}/{c}"), PETS, 34, 10),
    "class and split in one name": (divided("{c}_{s}"), PETS, 34, 10),
    "splits below classes": (divided("{c}/{s}ing"), PETS, 34, 10),
    "splits in splits": (divided("seg_{s}/seg_{s}/{c}"), PETS, 34, 10),
    "folder between split and class": (divided("{s}/images/{c}"), PETS, 34, 10),
    "folders below classes in splits": (
        tree({f"{s}/{c}/{p}": 6 for s in ("train", "test") for c in PETS for p in ("set1", "set2")}), PETS, 48, 24),
    "another depth in each split": (
        tree({**{f"train/{c}/{y}": 6 for c in PETS for y in ("spring", "autumn")}, **{f"test/{c}": 5 for c in PETS}}),
        PETS, 34, 10),
    "valid is a class beside invalid": (tree({"valid": 12, "invalid": 12}), ("invalid", "valid"), 24, None),
    "a training split beside other pictures": (tree({"train/cat": 12, "train/dog": 12, "figures": 3}), PETS, 24, None),
    "lists of the splits": (food_lists, PETS, 40, 12),
    "pets with a list of attributes": (oxford, ("Beagle", "Sphynx"), 24, None),
    "numbers named by a map": (
        both(flat_with_table(("image_id", "label"), lambda i: i % 2, file="train.csv"),
             text("label_num_to_name_map.json", json.dumps({"0": "blight", "1": "rust"}))),
        ("blight", "rust"), 40, None),
    "folds": (tree({f"fold_{i}/{c}": 5 for i in range(5) for c in PETS}), PETS, 50, None),
    "train is a class beside bus": (tree({"train": 12, "bus": 12, "car": 12}), ("bus", "car", "train"), 36, None),
    "test without labels beside classes": (tree({"cat": 12, "dog": 12, "test": 6}), PETS, 24, None),
    "test of unknown labels": (tree({"train/cat": 12, "train/dog": 12, "test/unknown": 6}), PETS, 24, None),
    "unlabelled images": (tree({"cat": 12, "dog": 12, "unlabeled": 6}), PETS, 24, None),
    "system folders": (system_folders, PETS, 24, None),
    "splits that spell differently": (
        tree({"train/Cat": 12, "train/Dog": 12, "test/cat": 5, "test/dog": 5}), ("Cat", "Dog"), 34, 10),
    "a folder twice": (tree({f"pets/pets/{c}": 12 for c in PETS}), PETS, 24, None),
    "a set with itself in it": (
        tree({f"{top}/{s}/{c}": n for top in ("xray", "xray/xray") for s, n in PARTS for c in PETS}), PETS, 68, 20),
    "tar": (tgz, PETS, 24, None),
    "archives in an archive": (inner_archives, PETS, 28, 8),
    "names beside numbers": (both(tree({str(i): 12 for i in range(3)}), text("classes.txt", "ant\nbee\ncow\n")),
                             ("ant", "bee", "cow"), 36, None),
    "names of ids": (
        both(tree({"n01440764": 12, "n02102040": 12}), text("words.txt", "n02102040\tspringer\nn01440764\ttench\n")),
                     ("tench", "springer"), 24, None),
    "tables of pixels that are split": (
        both(faces_table("train.csv", 70, 7), faces_table("test.csv", 21, 7)), tuple("0123456"), 91, 21),
    "faces with another set of emotions": (faces_table("faces.csv", 80, 8), tuple("01234567"), 80, None),
}  # fmt: skip


def build(make: Maker, folder: Path) -> Path:
    (folder / "data").mkdir()
    made = make(folder / "data")
    return made if isinstance(made, Path) else folder / "data"


def total(reading: Reading) -> int:
    return sum(sum(counts.values()) for counts in reading.counts.values())


@pytest.mark.parametrize("layout", READ)
def test_layout_is_read_as_it_is_meant(layout: str, tmp_path: Path) -> None:
    make, classes, images, tested = READ[layout]
    path = build(make, tmp_path)
    _, planned, _ = look(str(path), tmp_path / "cache")
    assert (planned.class_names, total(planned)) == (tuple(classes), images)
    dataset = load_dataset(str(path), tmp_path / "cache")
    assert dataset.class_names == tuple(classes)
    assert sum(len(getattr(dataset, split).labels) for split in SPLITS) == images
    assert tested is None or len(dataset.test.labels) == sum(planned.counts["test"].values()) == tested


# What is made, and what the refusal names: two ways, and the options that decide. With each option it is read.
REFUSED: dict[str, tuple[Maker, Mapping[str, tuple[Options, int]]]] = {
    "groups of classes": (
        tree({"animal/cat": 12, "animal/dog": 12, "vehicle/car": 12, "vehicle/bus": 12, "vehicle/van": 12}),
        {"CLASS_LEVEL=1": (Options(class_level=1), 2), "CLASS_LEVEL=2": (Options(class_level=2), 5)},
    ),
    "two levels that cross": (
        tree({f"train/{a}/{b}": 6 for a in ("red", "green") for b in ("round", "square", "flat")}),
        {"CLASS_LEVEL=1": (Options(class_level=1), 2), "CLASS_LEVEL=2": (Options(class_level=2), 3)},
    ),
    "a table against the folders": (
        both(tree({"red": 12, "green": 12}), lambda f: table(f / "t.csv", ["file", "label"], [
            [f"{c}/{i}.png", ("ripe", "raw", "rotten")[i % 3]] for c in ("red", "green") for i in range(12)])),
        {"LABELS=folders": (Options(labels="folders"), 2), "LABELS=t.csv": (Options(labels="t.csv"), 3)},
    ),
    "two columns": (
        both(lambda f: put(f / "images", 36, "p{}.png"), lambda f: table(f / "t.csv", ["file", "label", "class"], [
            [f"p{i}.png", "ab"[i % 2], "xyz"[i % 3]] for i in range(36)])),
        {"LABEL=label": (Options(label="label"), 2), "LABEL=class": (Options(label="class"), 3)},
    ),
    "two tables": (
        both(lambda f: put(f / "images", 36, "p{}.png"), partial(count_off, number=2), partial(count_off, number=3)),
        {"LABELS=2.csv": (Options(labels="2.csv"), 2), "LABELS=3.csv": (Options(labels="3.csv"), 3)},
    ),
    "persons, or emotions in file names": (
        tree({f"person{i}*{e}_{{}}.png": 3 for i in range(6) for e in ("happy", "sad")}),
        {"LABELS=folders": (Options(labels="folders"), 6), "LABELS=names": (Options(labels="names"), 2)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", REFUSED)
def test_two_readings_are_refused_by_the_options_that_decide(
    layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, ways = REFUSED[layout]
    path = build(make, tmp_path)
    assert looking.main([str(path), "--reports", str(tmp_path)]) == 2
    refusal = capsys.readouterr().err
    assert [way for way in ways if f"({way})" not in refusal] == [] and refusal.count("\n") == 1
    for options, classes in ways.values():
        reading = look(str(path), tmp_path / "cache", options=options)[1]
        assert len(reading.class_names) == classes and reading.options == options.chosen()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (Options(class_level=3), "CLASS_LEVEL=3"),
        (Options(labels="none.csv"), "t.csv"),
        (Options(labels="t.csv", file="nothing"), "FILE=nothing"),
        (Options(label="nothing"), "LABEL=nothing"),
        (Options(classes="a,b,c"), "3 classes"),
        (Options(group="[0-9"), "GROUP="),
        (Options(group="zebra"), "GROUP=zebra"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(options: Options, named: str, tmp_path: Path) -> None:
    path = build(flat_with_table(("file", "label"), pets, file="t.csv"), tmp_path)
    with pytest.raises(DatasetError) as caught:
        look(str(path), tmp_path / "cache", options=options)
    assert named in str(caught.value)


def test_classes_are_named_in_the_order_of_their_labels(tmp_path: Path) -> None:
    path = build(tree({"2": 12, "10": 12}), tmp_path)
    reading = look(str(path), tmp_path / "cache", options=Options(classes="ten less eight,ten"))[1]
    assert reading.class_names == ("ten less eight", "ten")


def test_what_is_left_out_is_counted_by_kind_with_an_example(tmp_path: Path) -> None:
    path = build(
        both(tree({"train/cat": 12, "train/dog": 12, "test": 5, "extra": 3}), masks, text("x.dat", "x")), tmp_path
    )
    reading = look(str(path), tmp_path / "cache")[1]
    found = {part.kind: (part.count, part.example) for part in reading.unused}
    assert found["test images without a label"] == (5, "test/0.png")
    assert found["masks beside the images"][0] == 25
    assert found["files that end in .dat, which is no image"] == (1, "x.dat")


def groups_of(path: Path, cache: Path, group: Callable[[Path], str], options: Options) -> list[set[str]]:
    """Give the groups that each split has, found again by the images' bytes."""
    owners = {np.asarray(Image.open(file)).tobytes(): group(file) for file in path.rglob("*.png")}
    dataset = load_dataset(str(path), cache, image_size=28, options=options)
    return [{owners[image.tobytes()] for image in getattr(dataset, split).images} for split in SPLITS]


@pytest.mark.parametrize(("column", "options"), [("patient", Options()), ("ward", Options(group="ward"))])
def test_images_of_one_group_stay_on_one_side(column: str, options: Options, tmp_path: Path) -> None:
    path = build(lambda f: table(f / "t.csv", ["file", "label", column], [
        [name, pets(i // 4), i // 4] for i, name in enumerate(put(f / "all", 80))]), tmp_path)  # fmt: skip
    split = groups_of(path, tmp_path / "cache", lambda file: str(int(file.stem) // 4), options)
    assert all(split) and sum(map(len, split)) == len(set.union(*split)) == 20


def test_a_pattern_for_paths_makes_groups(tmp_path: Path) -> None:
    path = build(tree({f"{c}*v{v}_{{}}.png": 4 for c in PETS for v in range(10)}), tmp_path)
    split = groups_of(path, tmp_path / "cache", lambda f: f.name.split("_")[0], Options(group=r"(v\d+)_"))
    assert sum(map(len, split)) == len(set.union(*split)) == 10


def test_a_validation_split_too_small_to_choose_by_is_replaced(tmp_path: Path) -> None:
    counts = {f"{split}/{c}": n for split, n in (("train", 150), ("val", 4), ("test", 20)) for c in PETS}
    dataset = load_dataset(str(build(tree(counts), tmp_path)), tmp_path / "cache")
    assert [len(getattr(dataset, split).labels) for split in SPLITS] == [270, 30, 40]
    assert any("8 validation images are too few" in note for note in dataset.notes)


def test_many_folders_of_as_many_images_are_pointed_out(tmp_path: Path) -> None:
    path = build(tree({f"name{chr(97 + i)}": 5 for i in range(12)}), tmp_path)
    assert any("persons rather than classes" in sentence for sentence in look(str(path))[1].sentences())


def test_look_prints_the_plan_and_draws_a_row_a_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = build(tree({"cat": 20, "dog": 20, "cow": 20}), tmp_path)
    assert looking.main([str(path), "--reports", str(tmp_path / "reports")]) == 0
    printed = capsys.readouterr().out
    assert "The 3 classes are the names of folders" in printed and "Training: 48 images" in printed
    with Image.open(tmp_path / "reports" / "data.look.png") as sheet:
        rows = np.asarray(sheet)[:, 200:].reshape(sheet.height, -1)
    filled = np.flatnonzero((rows != 255).any(axis=1))
    assert np.count_nonzero(np.diff(filled) > 1) == 2  # three rows with a gap after each but the last
