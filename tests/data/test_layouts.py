"""Layouts of labelled images as people have them: each is read as its owner means it, or refused by what decides."""

import contextlib
import csv
import importlib.util
import json
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from helpers.base.words import parts, use
from helpers.data.datasets import SPLITS, load_dataset, look
from helpers.data.options import Options, read_options
from helpers.data.reading import Reading
from helpers.data.sources import DatasetError

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


def celebrities(folder: Path) -> None:
    """Attributes of -1 and 1, and a table that counts the splits from 0."""
    names = put(folder / "img_align_celeba" / "img_align_celeba", 60, "{:06}.jpg")
    flags = np.random.default_rng(0).choice((-1, 1), (60, 5))
    header = ["image_id", "Smiling", "Male", "Young", "Bald", "Hat"]
    table(folder / "list_attr_celeba.csv", header, [[n, *row] for n, row in zip(names, flags)])
    table(folder / "list_eval_partition.csv", ["image_id", "partition"], [[n, i % 3] for i, n in enumerate(names)])


def flowers(folder: Path) -> None:
    """Labels in the order of the images and numbers of the images of each split, in MATLAB's files."""
    put(folder / "jpg", 40, "image_{:05}.jpg")
    savemat(folder / "imagelabels.mat", {"labels": np.arange(40)[None] % 2 + 1})
    parts = {"trnid": np.arange(1, 23), "valid": np.arange(23, 31), "tstid": np.arange(31, 41)}
    savemat(folder / "setid.mat", {key: numbers[None] for key, numbers in parts.items()})


def tiny(folder: Path) -> None:
    """Class folders for training with boxes in each, a list for validation, nothing for testing, and names."""
    ids = ("n01443537", "n01629819")
    for place in ids:
        names = put(folder / "train" / place / "images", 12, f"{place}_{{}}.JPEG")
        boxes = "".join(f"{name}\t0\t{i}\t62\t{i + 40}\n" for i, name in enumerate(names))
        (folder / "train" / place / f"{place}_boxes.txt").write_text(boxes)
    names = put(folder / "val" / "images", 10, "val_{}.JPEG")
    lines = [f"{name}\t{ids[i % 2]}\t0\t{i}\t62\t{i + 40}" for i, name in enumerate(names)]
    (folder / "val" / "val_annotations.txt").write_text("\n".join(lines))
    put(folder / "test" / "images", 7, "test_{}.JPEG")
    (folder / "words.txt").write_text("".join(f"{place}\t{name}\n" for place, name in zip(ids, ("goldfish", "newt"))))


def birds(folder: Path) -> None:
    """Lists of pairs of a number and what it is: of the images, the classes, and whether an image is for training."""
    places = ("001.Albatross", "002.Auklet")
    names = [f"{c}/{name}" for c in places for name in put(folder / "images" / c, 12, c[4:] + "_{:04}.jpg")]
    lists = {"images": names, "image_class_labels": [1 + i // 12 for i in range(24)],
             "train_test_split": [int(i % 3 > 0) for i in range(24)], "classes": places}  # fmt: skip
    for name, values in lists.items():
        (folder / f"{name}.txt").write_text("".join(f"{i} {value}\n" for i, value in enumerate(values, start=1)))


def lines(file: Path, rows: Sequence[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{row}\n" for row in rows))


def celebrities_in_lists(folder: Path) -> None:
    """Lists that say how many rows there are and name the columns, the images' own left out; another of the splits."""
    names = put(folder / "img_align_celeba", 60, "{:06}.jpg")
    flags = np.random.default_rng(0).choice((-1, 1), (60, 3))
    rows = [f"{name} {' '.join(f'{flag:2}' for flag in row)}" for name, row in zip(names, flags)]
    lines(folder / "Anno/list_attr_celeba.txt", ["60", "Smiling Male Young ", *rows])
    lines(folder / "Eval/list_eval_partition.txt", [f"{name} {i % 3}" for i, name in enumerate(names)])


def planes(folder: Path) -> None:
    """Lists of three kinds of labels, some of several words, for each split and for two of them together."""
    kinds = {"variant": ("Boeing 707-320", "Boeing 727", "A318", "DC-8"), "family": ("B 7", "B 7", "A320", "DC-8"),
             "manufacturer": ("Douglas Aircraft Company", "Airbus", "Airbus", "Airbus")}  # fmt: skip
    names = put(folder / "images", 48, "{:07}.jpg")
    splits = {split: names[i * 16 :][:16] for i, split in enumerate(("train", "val", "test"))}
    for split, found in (splits | {"trainval": names[:32]}).items():
        lines(folder / f"images_{split}.txt", [name[:-4] for name in found])
        for kind, labels in kinds.items():
            rows = [f"{name[:-4]} {labels[int(name[:-4]) % 4]}" for name in found]
            lines(folder / f"images_{kind}_{split}.txt", rows)


def cars(folder: Path) -> None:
    """A table in a file of MATLAB's, and the names of the classes in another."""
    names = put(folder / "car_ims", 40, "{:06}.jpg")
    rows = np.empty((1, 40), [(key, "O") for key in ("relative_im_path", "bbox_x1", "class", "test")])
    for i, name in enumerate(names):
        rows[0, i] = (f"car_ims/{name}", 3, i % 2 + 1, int(i % 4 > 1))
    savemat(folder / "cars_annos.mat", {"annotations": rows})
    savemat(folder / "cars_meta.mat", {"class_names": np.array([["Acura RL", "BMW M3"]], object)})


def hounds(folder: Path) -> None:
    """Folders of classes, and lists of paths and numbers of the classes in a file of MATLAB's for each split."""
    tree({f"Images/{c}": 12 for c in ("n01-Pug", "n02-Husky")})(folder)
    for split, numbers in (("train", range(8)), ("test", range(8, 12)), ("file", range(12))):
        files = [f"{c}/{i}.png" for c in ("n01-Pug", "n02-Husky") for i in numbers]
        labels = np.repeat((1, 2), len(numbers))[:, None]
        savemat(folder / f"{split}_list.mat", {"file_list": np.array(files, object)[:, None], "labels": labels})


def boxes_behind_classes(folder: Path) -> None:
    ids = ("n01440764", "n01443537")
    for place in ids:
        put(folder / "train" / place, 12, f"{place}_{{}}.JPEG")
    names = put(folder / "val", 10, "val_{}.JPEG")
    rows = [[name[:-5], f"{ids[i % 2]} {i} 2 {i + 9} 7"] for i, name in enumerate(names)]
    table(folder / "val_solution.csv", ["ImageId", "PredictionString"], rows)


def letters(folder: Path) -> None:
    """Tables of pixels, of which one lies in a folder once more, with codes of the letters, beside a picture."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 784))
    for name, count in (("train", 40), ("test", 20)):
        table(folder / f"letters-{name}.csv", [1, *range(784)], [[1 + i % 2, *noise[i]] for i in range(count)])
    (folder / "again").mkdir()
    shutil.copy(folder / "letters-train.csv", folder / "again")
    lines(folder / "letters-mapping.txt", ["1 65 97", "2 66 98"])
    put(folder, 2, "example{}.png")


def masks(folder: Path) -> None:
    for place in ("benign", "malignant"):
        for name in put(folder / place, 12, "tumour ({}).png"):
            square = np.zeros((28, 28), np.uint8)
            square[8:20, 6:18] = 255
            Image.fromarray(square).save(folder / place / name.replace(".png", "_mask.png"))
    (folder / "malignant" / "masks").mkdir()
    Image.new("L", (28, 28), 255).save(folder / "malignant" / "masks" / "a.png")


def drawn_masks(folder: Path) -> None:
    (folder / "GroundTruth").mkdir()
    for number in range(12):
        mask = Image.new("L", (28, 28))
        mask.paste(255, (4, 8, 9 + number, 20))
        mask.save(folder / f"GroundTruth/I{number}_segmentation.png")


def drawn_signs(folder: Path) -> None:
    """Images that all look like masks, of which a class is called as masks are."""
    for place in ("gt", "lt", "plus"):
        for number, name in enumerate(put(folder / place, 12)):
            sign = Image.new("L", (28, 28), 255)
            sign.paste(0, (4 + number, 8, 8 + number, 10 + len(place) * 4))
            sign.save(folder / place / name)


def aligned_faces(folder: Path) -> None:
    names = [*put(folder / "Image/aligned", 30, "train_{:05}_aligned.png")]
    names += put(folder / "Image/aligned", 10, "test_{:04}_aligned.png")
    (folder / "list.txt").write_text("".join(f"{n.replace('_aligned', '')} {1 + i % 2}\n" for i, n in enumerate(names)))


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


def skin_of_two_parts(folder: Path) -> None:
    """Two parts whose names have a number of the set, as HAM10000's have."""
    names = [
        *put(folder / "HAM10000_images_part_1", 20, "I0{}.jpg"),
        *put(folder / "HAM10000_images_part_2", 20, "I1{}.jpg"),
    ]
    table(
        folder / "metadata.csv", ["image_id", "dx"], [[Path(n).stem, ("nv", "mel")[i % 2]] for i, n in enumerate(names)]
    )


def written_in(encoding: str, classes: Sequence[str]) -> Maker:
    """Make a table as a program for sheets of another country writes it."""

    def make(folder: Path) -> None:
        names = put(folder / "\u5716\u7247", 40, "\u5716{}.jpg")
        rows = [f"{name};{classes[i % 2]}" for i, name in enumerate(names)]
        (folder / "t.csv").write_bytes("\n".join(["\u6a94\u540d;\u985e\u5225", *rows]).encode(encoding))

    return make


def boxes(same: bool) -> Maker:
    """Make a table of three boxes an image, of which the labels are the same or not."""

    def make(folder: Path) -> None:
        names = put(folder / "images", 40, "p{}.jpg")
        rows = [[n, pets(i + (not same and box)), 5 * box] for i, n in enumerate(names) for box in range(3)]
        table(folder / "boxes.csv", ["image", "label", "left"], rows)

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
TRAINING, TESTING = "\u8a13\u7df4\u8cc7\u6599\u96c6", "\u6e2c\u8a66\u96c6"
HOUND_AND_CAT, HOUND_AND_CAT_SIMPLY = ("\u72d7", "\u8c93"), ("\u72d7", "\u732b")
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
    "two parts and a table that have a number": (skin_of_two_parts, ("mel", "nv"), 40, None),
    "names in capitals that a table spells small": (
        both(tree({"images*IMG_{}.JPG": 40}), lambda f: table(f / "t.csv", ["file", "label"], [
            [f"img_{i}.jpg", pets(i)] for i in range(40)])), PETS, 40, None),
    "names that differ by their capitals alone": (
        both(tree({"images*a{}.png": 12, "images*A{}.png": 12}), lambda f: table(f / "t.csv", ["file", "label"], [
            [f"{'aA'[i % 2]}{i // 2}.png", pets(i)] for i in range(24)])), PETS, 24, None),
    "splits in traditional Chinese": (
        tree({f"{s}/{c}": n for s, n in ((TRAINING, 12), (TESTING, 5)) for c in PETS}),
        PETS, 34, 10),
    "a table in Big5": (written_in("big5", HOUND_AND_CAT), HOUND_AND_CAT, 40, None),
    "a table in GBK": (written_in("gb18030", HOUND_AND_CAT_SIMPLY), HOUND_AND_CAT_SIMPLY, 40, None),
    "a table in UTF-16": (written_in("utf-16", HOUND_AND_CAT), HOUND_AND_CAT, 40, None),
    "several rows an image that agree": (boxes(same=True), PETS, 40, None),
    "class folders and boxes of other labels": (
        both(tree({"images/cat*c{}.jpg": 20, "images/dog*d{}.jpg": 20}), lambda f: table(f / "b.csv", ["file", "label"],
             [[f"{'cd'[i % 2]}{i // 2}.jpg", ("eye", "ear")[box]] for i in range(40) for box in range(2)])),
        PETS, 40, None),
    "a test set beside a set without a split's name": (
        tree({f"rps{s}/rps{s}/{c}": n for s, n in (("", 12), ("-test-set", 5)) for c in PETS}), PETS, 34, 10),
    "images without a label beside those with one": (
        tree({"labeled-images/tract/cat": 12, "labeled-images/tract/dog": 12, "unlabeled-images/images": 5}),
        PETS, 24, None),
    "numbers of images as a table of floats spells them": (
        both(tree({"images": 40}), lambda f: table(f / "t.csv", ["id", "label"], [
            [f"{i}.0", pets(i)] for i in range(40)])), PETS, 40, None),
    "lists of files by class in JSON": (
        both(tree({"images": 40}), text("classes.json", json.dumps(
            {c: [f"{i}.png" for i in range(k, 40, 2)] for k, c in enumerate(PETS)}))), PETS, 40, None),
    "lists of rows by split in JSON": (
        both(tree({"images": 40}), text("data.json", json.dumps(
            {s: [{"img": f"images/{i}.png", "label": pets(i)} for i in range(*reach)] for s, reach in
             (("train", (0, 30)), ("test", (30, 40)))}))), PETS, 40, 10),
    "a list of classes beside lists of rows by split in JSON": (
        both(tree({"images": 40}), text("data.json", json.dumps({"classes": PETS} | {
            s: [{"img": f"images/{i}.png", "label": pets(i)} for i in range(*reach)] for s, reach in
            (("train", (0, 30)), ("test", (30, 40)))}))), PETS, 40, 10),
    "rows in a list of another name in JSON": (
        both(tree({"images": 40}), text("data.json", json.dumps(
            {"images": [{"img": f"{i}.png", "label": pets(i)} for i in range(40)]}))), PETS, 40, None),
    "facts of each file in JSON": (
        both(tree({"images": 40}), text("data.json", json.dumps(
            {f"{i}.png": {"label": pets(i), "seen": 1} for i in range(40)}))), PETS, 40, None),
    "a table that tells Excel its mark": (
        both(tree({"images": 40}), text("t.csv", "sep=;\nfile;label\n" + "".join(
            f"{i}.png;{pets(i)}\n" for i in range(40)))), PETS, 40, None),
    "splits, places in a cloud and labels without a header": (
        both(tree({"images": 60}), lambda f: table(f / "all.csv", ["TRAIN", "gs://bucket/images/0.png", "cat"], [
            [("TRAIN", "VALIDATION", "TEST")[i // 2 % 3], f"gs://bucket/images/{i}.png", pets(i)]
            for i in range(1, 60)])), PETS, 60, 20),
    "splits in a column of any name": (
        both(tree({"images": 60}), lambda f: table(f / "t.csv", ["file", "type", "label"], [
            [f"{i}.png", ("train", "val", "test")[i // 2 % 3], pets(i)] for i in range(60)])), PETS, 60, 20),
    "numbers of rows beside numbers of images": (
        both(tree({"images": 40}), lambda f: table(f / "t.csv", ["", "image_id", "label"], [
            [i, 39 - i, ("cat", "dog")[i < 20]] for i in range(40)])), PETS, 40, None),
    "lists in MATLAB's files": (flowers, ("1", "2"), 40, 10),
    "a list for validation beside folders for training": (tiny, ("goldfish", "newt"), 34, 10),
    "paths of another machine": (
        flat_with_table(("Path", "Label"), pets, shown="C:\\Users\\me\\Desktop\\images\\{}.jpg"), PETS, 40, None),
    "breeds in file names": (
        tree({f"images*{c}_{{}}.jpg": 12 for c in ("Abyssinian", "american_bulldog")}),
        ("Abyssinian", "american_bulldog"), 24, None),
    "ids and breeds in folders": (
        tree({f"Images/{c}*{c[:9]}_{{}}.jpg": 12 for c in ("n02085620-Chihuahua", "n02085936-Maltese_dog")}),
        ("n02085620-Chihuahua", "n02085936-Maltese_dog"), 24, None),
    "splits in file names too": (
        tree({f"Training/{c}*Tr-{c[:2]}_{{:04}}.jpg": 12 for c in PETS} |
             {f"Testing/{c}*Te-{c[:2]}_{{:04}}.jpg": 5 for c in PETS}), PETS, 34, 10),
    "versions of the same images": (
        tree({f"{v}/{c}*{c}{{}}{e}": 12 for v, e in (("grayscale", ".png"), ("color", ".jpg"),
              ("segmented", "_final_masked.jpg")) for c in PETS}), PETS, 24, None),
    "faces as they were taken and aligned, with a list": (
        both(tree({"Image/original*train_{:03}.png": 24, "Image/original*test_{:03}.png": 8,
                   "Image/aligned*train_{:03}_aligned.png": 24, "Image/aligned*test_{:03}_aligned.png": 8}),
             lambda f: text("list_patition_label.txt", "".join(
                 f"{s}_{i:03}.png {i % 2 + 1}\n" for s, n in (("train", 24), ("test", 8)) for i in range(n)))(f)),
        ("1", "2"), 32, 8),
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
    "lists by number": (birds, ("001.Albatross", "002.Auklet"), 24, 8),
    "a column that tells what is for training": (
        lambda f: table(f / "t.csv", ["file", "label", "is_train"], [
            [n, pets(i), int(i % 4 > 1)] for i, n in enumerate(put(f / "all", 40))]), PETS, 40, 20),
    "a list whose labels have several words": (
        both(tree({"images": 40}), lambda f: [lines(f / f"variant_{s}.txt", [
            f"{i} {('Boeing 707-320', 'A318')[i % 2]}" for i in range(*reach)]) for s, reach in
            (("train", (0, 30)), ("test", (30, 40)))]), ("A318", "Boeing 707-320"), 40, 10),
    "a table in a file of MATLAB's": (cars, ("Acura RL", "BMW M3"), 40, 20),
    "lists of paths in MATLAB's files": (hounds, ("n01-Pug", "n02-Husky"), 24, 8),
    "a class and a box in one cell": (boxes_behind_classes, ("n01440764", "n01443537"), 34, 10),
    "columns that tell what is held out": (
        both(tree({"all": 60}), lambda f: table(f / "t.csv", ["file", "label", "is_valid", "is_final_valid"], [
            [f"{i}.png", pets(i), int(i < 10), int(10 <= i < 20)] for i in range(60)])), PETS, 60, 20),
    "numbers in a table of images in folders of names": (
        both(tree({f"{c}*{c}{{}}.png": 12 for c in PETS}), lambda f: table(f / "t.csv", ["id_code", "diagnosis"], [
            [f"{c}{i}", number] for number, c in enumerate(PETS) for i in range(12)])), PETS, 24, None),
    "lists that count the classes from 0 and from 1": (
        both(tree({f"{c}*{c}{{}}.png": 12 for c in PETS}), lambda f: [lines(f / name, [
            f"{c}{i}.png {number + first}" for number, c in enumerate(PETS) for i in reach]) for name, first, reach in (
                ("zero.txt", 0, range(12)), ("one_train.txt", 1, range(8)), ("one_test.txt", 1, range(8, 12)))]),
        PETS, 24, 8),
    "tables of pixels with codes of letters": (letters, ("A", "B"), 62, 21),
    "pets with a list of attributes": (oxford, ("Beagle", "Sphynx"), 24, None),
    "numbers named by a map": (
        both(flat_with_table(("image_id", "label"), lambda i: i % 2, file="train.csv"),
             text("label_num_to_name_map.json", json.dumps({"0": "blight", "1": "rust"}))),
        ("blight", "rust"), 40, None),
    "folds": (tree({f"fold_{i}/{c}": 5 for i in range(5) for c in PETS}), PETS, 50, None),
    "a class whose name begins with a split's, in splits": (
        tree({f"{s}/{c}": n for s, n in PARTS for c in ("test tube", "beaker", "flask")}),
        ("beaker", "flask", "test tube"), 51, 15),
    "classes of trains": (
        tree(dict.fromkeys(("train station", "bus station", "airport"), 12)),
        ("airport", "bus station", "train station"), 36, None),
    "signs in black and white, of which one is called gt": (drawn_signs, ("gt", "lt", "plus"), 36, None),
    "columns in Chinese": (
        both(tree({"images": 40}), lambda f: table(f / "t.csv", ["檔名", "醫院", "類別"], [
            [f"{i}.png", "甲乙丙"[i % 3], pets(i)] for i in range(40)])), PETS, 40, None),
    "splits in Spanish": (
        tree({f"{s}/{c}": n for s, n in (("entrenamiento", 12), ("prueba", 5)) for c in PETS}), PETS, 34, 10),
    "splits in Japanese": (tree({f"{s}/{c}": n for s, n in (("学習", 12), ("テスト", 5)) for c in PETS}), PETS, 34, 10),
    "splits in the names of files, and a list of names without what all end in": (
        aligned_faces, ("1", "2"), 40, 10),
    "train is a class beside bus": (tree({"train": 12, "bus": 12, "car": 12}), ("bus", "car", "train"), 36, None),
    "test without labels beside classes": (tree({"cat": 12, "dog": 12, "test": 6}), PETS, 24, None),
    "test of unknown labels": (tree({"train/cat": 12, "train/dog": 12, "test/unknown": 6}), PETS, 24, None),
    "unlabelled images": (tree({"cat": 12, "dog": 12, "unlabeled": 6}), PETS, 24, None),
    "system folders": (system_folders, PETS, 24, None),
    "a set beside itself": (
        tree({**dict.fromkeys(PETS, 12), **{f"all/{c}*a{{}}.png": 12 for c in PETS}}), PETS, 48, None),
    "numbers of whales": (flat_with_table(("Image", "Id"), lambda i: f"w{i % 2}"), ("w0", "w1"), 40, None),
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


def in_files(name: str, content: Callable[[int], str], folder: str = "images", count: int = 40) -> Maker:
    """Make pictures, and for each a file of its own that labels it."""

    def make(place: Path) -> None:
        names = put(place / folder, count, "p{}.jpg")
        for number, file in enumerate(names):
            lines(place / name.format(file.removesuffix(".jpg")), [content(number)])

    return make


def coco(place: str, count: int, several: bool = False) -> Maker:
    """Make pictures with two boxes each, of one category or of two."""

    def make(folder: Path) -> None:
        names = put(folder / place, count, place + "{}.jpg")
        content = {
            "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
            "categories": [{"id": i, "name": name} for i, name in enumerate(("pets", *PETS))],
            "annotations": [{"image_id": i, "category_id": 1 + (i + (several and box)) % 2} for i in range(count)
                            for box in range(2)],
        }  # fmt: skip
        (folder / place / "_annotations.coco.json").write_text(json.dumps(content))

    return make


def patients(columns: Sequence[str], folder: str = "P{:03}/scans") -> Maker:
    """Make two pictures of each of twenty patients, and a table of the patients."""

    def make(place: Path) -> None:
        for number in range(20):
            put(place / folder.format(number), 2)
        table(place / "patients.csv", columns, [[f"P{i:03}", pets(i // 2), "MF"[i % 2]] for i in range(20)])

    return make


def sized(name: str) -> Maker:
    """Make pictures, and each in another size beside it."""

    def make(folder: Path) -> None:
        for c in PETS:
            put(folder / c, 12)
            for number in range(12):
                picture(f"{c}{number}", 50).save(folder / c / name.format(number))

    return make


def from_drive(folder: Path) -> None:
    for number in (1, 2):
        with zipfile.ZipFile(folder / f"pets-20240101T120000Z-00{number}.zip", "w") as archive:
            for split, count in PARTS:
                for i, c in ((i, c) for i in range(number, 2 * count, 2) for c in PETS):
                    stream = BytesIO()
                    picture(f"{split}{i}{c}").save(stream, "PNG")
                    archive.writestr(f"pets/{split}/{c}/{i}.png", stream.getvalue())


BOX = "<annotation><object><name>{0}</name></object><object><name>{0}</name></object></annotation>"
READ |= {
    "splits in Russian": (
        tree({f"{s}/{c}": n for s, n in (("обучение", 12), ("тест", 5)) for c in PETS}), PETS, 34, 10),
    "splits in German": (
        tree({f"{s}daten/{c}": n for s, n in (("Trainings", 12), ("Test", 5)) for c in PETS}), PETS, 34, 10),
    "splits that are misspelt": (
        tree({f"{s}/{c}": n for s, n in (("traning", 12), ("vaildation", 5)) for c in PETS}), PETS, 34, None),
    "splits that are both called otherwise": (
        tree({f"{s}/{c}": n for s, n in (("trainning", 12), ("tset", 5)) for c in PETS}), PETS, 34, 10),
    "splits for short": (
        tree({f"{s}/{c}": n for s, n in (("tr", 12), ("va", 6), ("te", 5)) for c in PETS}), PETS, 46, 10),
    "classes a letter away from a split": (
        tree({"rain": 12, "tests": 12, "train": 12}), ("rain", "tests", "train"), 36, None),
    "numbered folders alone": (
        tree({f"Img/Sample{i:03}": 9 for i in range(4)}), [f"Sample{i:03}" for i in range(4)], 36, None),
    "a folder for each class that a system has named": (
        tree({"New folder/cat": 12, "New folder (2)/dog": 12}), PETS, 24, None),
    "thumbnails beside images": (
        both(*(sized(name) for name in ("{}_thumb.jpg", "thumb_{}.png", "{}-80x80.jpg", "{}@2x.png"))), PETS, 24, None),
    "facts as JSON in the cells of a table, as of VIA": (
        both(tree({"images": 40}), lambda f: table(f / "via.csv", ["filename", "region_count", "region_attributes"], [
            [f"{i}.png", 1, json.dumps({"pet": pets(i)})] for i in range(40)])), PETS, 40, None),
    "a table in UTF-16 without its mark": (written_in("utf-16-le", HOUND_AND_CAT), HOUND_AND_CAT, 40, None),
    "a table in UTF-16 of the other order": (written_in("utf-16-be", HOUND_AND_CAT), HOUND_AND_CAT, 40, None),
    "a list of folders by their paths": (
        both(tree({f"arm/P{i:02}/study{1 + i % 2}*{{}}.png": 2 for i in range(20)}), lambda f: table(
            f / "studies.csv", ["study", "label"], [
                [f"xr/arm/P{i:02}/study{1 + i % 2}/", pets(i)] for i in range(20)])), PETS, 40, None),
    "parts of a folder as Google Drive packs them": (from_drive, PETS, 64, 18),
    "names as in addresses": (
        both(tree({"images*a b {}.jpg": 40}), lambda f: table(f / "t.csv", ["file", "label"], [
            [f"images/a%20b%20{i}.jpg", pets(i)] for i in range(40)])), PETS, 40, None),
    "a text for each image": (in_files("labels/{}.txt", pets), PETS, 40, None),
    "texts for images of the same names in two splits": (
        both(*(in_files(s + "/labels/{}.txt", lambda i, n=n: pets(i + n), f"{s}/images", n) for s, n in
               (("train", 40), ("test", 15)))), PETS, 55, 15),
    "a shard of the web's sets": (in_files("train-000/{}.cls", pets, "train-000"), PETS, 40, None),
    "facts of each image in a file": (
        in_files("{}.json", lambda i: json.dumps({"label": pets(i), "seen": i}), ""), PETS, 40, None),
    "boxes of one class an image": (
        in_files("labels/{}.txt", lambda i: f"{i % 2} .1 .2 .3 .4\n" * 2), ("0", "1"), 40, None),
    "objects of one class an image in XML": (in_files("boxes/{}.xml", lambda i: BOX.format(pets(i))), PETS, 40, None),
    "objects of one class an image": (both(coco("train", 40), coco("test", 16)), PETS, 56, 16),
    "a table of patients": (patients(["PatientID", "Diagnosis", "Sex"]), PETS, 40, None),
    "a table without an ending": (
        both(tree({"images": 40}), lambda f: table(f / "labels", ["file", "label"], [
            [f"{i}.png", pets(i)] for i in range(40)])), PETS, 40, None),
    "names beside numbers in a table": (
        both(tree({"images": 40}), lambda f: table(f / "t.csv", ["file", "target", "animal"], [
            [f"{i}.png", i % 2, pets(i)] for i in range(40)])), PETS, 40, None),
    "a sample beside labels": (
        both(flat_with_table(("id", "label"), pets, folder="train", file="train.csv"), tree({"test*t{}.jpg": 9}),
             lambda f: table(f / "sample_sub.csv", ["id", "label"], [[f"t{i}", pets(i)] for i in range(9)])),
        PETS, 40, None),
}  # fmt: skip


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
    "numbered folders that recur in two others": (
        tree({f"Img/{a}/Bmp/Sample{b:03}": 6 for a in ("Good", "Bad") for b in range(3)}),
        {"CLASS_LEVEL=1": (Options(class_level=1), 2), "CLASS_LEVEL=3": (Options(class_level=3), 3)},
    ),
    "grades above what recurs in them": (
        tree({f"grade {b}/{a}": 6 for a in ("left", "right") for b in range(3)}),
        {"CLASS_LEVEL=1": (Options(class_level=1), 3), "CLASS_LEVEL=2": (Options(class_level=2), 2)},
    ),
    "persons by codes, or expressions behind these in file names": (
        tree({f"{p}/*{p}{e}{{}}S.png": 2 for p in ("AF01", "AM02", "BF03", "BM04") for e in ("AN", "HA", "SU")}),
        {"CLASS_LEVEL=1": (Options(class_level=1), 4),
         "LABELS=names LABEL='^.{4}(..)'": (Options(labels="names", label="^.{4}(..)"), 3)},
    ),
    "two levels and a list of folders": (
        both(tree({f"{a}/{b}": 6 for a in ("red", "green") for b in ("round", "square", "flat")}), lambda f: table(
            f / "t.csv", ["red/round/", 1], [[f"{a}/{b}/", int(b > "r")] for a in ("red", "green") for b in
                                             ("round", "square", "flat")][1:])),
        {"CLASS_LEVEL=2": (Options(class_level=2), 3), "LABELS=t.csv": (Options(labels="t.csv"), 2)},
    ),
    "two levels that cross": (
        tree({f"train/{a}/{b}": 6 for a in ("red", "green") for b in ("round", "square", "flat")}),
        {"CLASS_LEVEL=1": (Options(class_level=1), 2), "CLASS_LEVEL=2": (Options(class_level=2), 3)},
    ),
    "a table against the folders": (
        both(tree({"red": 12, "green": 12}), lambda f: table(f / "t.csv", ["file", "label"], [
            [f"{c}/{i}.png", ("ripe", "raw", "rotten")[i % 3]] for c in ("red", "green") for i in range(12)])),
        {"CLASS_LEVEL=1": (Options(class_level=1), 2), "LABELS=t.csv": (Options(labels="t.csv"), 3)},
    ),
    "two columns": (
        both(lambda f: put(f / "images", 36, "p{}.png"), lambda f: table(f / "t.csv", ["file", "label", "class"], [
            [f"p{i}.png", "ab"[i % 2], "xyz"[i % 3]] for i in range(36)])),
        {"LABEL=label": (Options(label="label"), 2), "LABEL=class": (Options(label="class"), 3)},
    ),
    "two columns that are alike but for a number": (
        both(tree({"images": 36}), lambda f: table(f / "t.csv", ["Name", "Type1", "Type2"], [
            [i, "ab"[i % 2], ("x", "y", "z", "")[i % 4]] for i in range(36)])),
        {"LABEL=Type1": (Options(label="Type1"), 2), "LABEL=Type2": (Options(label="Type2"), 3)},
    ),
    "two columns of numbers of images": (
        both(tree({"images": 36}), lambda f: table(f / "t.csv", ["scan", "slice", "label"], [
            [i, 35 - i, ("a", "b")[i < 12]] for i in range(36)])),
        {"FILE=scan": (Options(file="scan"), 2), "FILE=slice": (Options(file="slice"), 2)},
    ),
    "two tables": (
        both(lambda f: put(f / "images", 36, "p{}.png"), partial(count_off, number=2), partial(count_off, number=3)),
        {"LABELS=2.csv": (Options(labels="2.csv"), 2), "LABELS=3.csv": (Options(labels="3.csv"), 3)},
    ),
    "persons, or emotions in file names": (
        tree({f"person{i}*{e}_{{}}.png": 3 for i in range(6) for e in ("happy", "sad")}),
        {"CLASS_LEVEL=1": (Options(class_level=1), 6), "LABELS=names": (Options(labels="names"), 2)},
    ),
    "columns of zeros and ones with rows that have none": (
        both(tree({"images": 36}), lambda f: table(f / "t.csv", ["file", "melanoma", "keratosis"], [
            [i, int(i % 3 == 0), int(i % 3 == 1)] for i in range(36)])),
        {"LABEL=melanoma": (Options(label="melanoma"), 2), "LABEL=keratosis": (Options(label="keratosis"), 2)},
    ),
    "attributes of celebrities": (
        celebrities,
        {"LABEL=Smiling": (Options(label="Smiling"), 2), "LABEL=Male": (Options(label="Male"), 2)},
    ),
    "attributes of celebrities in lists": (
        celebrities_in_lists,
        {"LABEL=Smiling": (Options(label="Smiling"), 2), "LABEL=Male": (Options(label="Male"), 2)},
    ),
    "lists of variants, families and manufacturers": (
        planes,
        {f"LABELS=images_{kind}_test.txt": (Options(labels=f"images_{kind}_test.txt"), classes)
         for kind, classes in (("variant", 4), ("family", 3), ("manufacturer", 2))},
    ),
    "columns of findings beside folders of patients": (
        both(tree({f"patient{i:03}/study1*view.png": 1 for i in range(40)}), lambda f: table(
            f / "t.csv", ["Path", "Edema", "Cardiomegaly"], [
                [f"patient{i:03}/study1/view.png", ("1.0", "-1.0", "")[i % 3], ("0.0", "1.0")[i % 2]]
                for i in range(40)])),
        {"LABEL=Edema": (Options(label="Edema"), 2), "LABEL=Cardiomegaly": (Options(label="Cardiomegaly"), 2)},
    ),
    "a few persons by their initials, with expressions in file names": (
        tree({f"{p}*{p}.{e}{{}}.{i}.png": 3 for i, p in enumerate(("KA", "KL", "KM")) for e in ("AN", "HA", "SU")}),
        {"CLASS_LEVEL=1": (Options(class_level=1), 3), "LABELS=names LABEL=2": (Options(labels="names", label="2"), 3)},
    ),
    "file names of which several parts may be classes": (
        tree({f"*{{}}1_{sex}_{race}_2017{sex}{race}{{}}.jpg".replace("{}", "{0}"): 8 for sex in range(2) for race in
              range(3)}),
        {"LABELS=names LABEL=2": (Options(labels="names", label="2"), 2),
         "LABELS=names LABEL=3": (Options(labels="names", label="3"), 3)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", REFUSED)
def test_two_readings_are_refused_by_the_options_that_decide(
    layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], cli: Callable
) -> None:
    make, ways = REFUSED[layout]
    path = build(make, tmp_path)
    assert cli("look", f"DATASET={path}", f"REPORTS={tmp_path}") == 2
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
        (Options(file="nothing"), "FILE=nothing"),
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


@pytest.mark.parametrize("options", [Options(label="wing"), Options(file="wing")])
def test_a_column_where_there_is_no_table_is_refused(options: Options, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="=wing is no column of a table"):
        look(str(build(tree(SPLIT_PETS), tmp_path)), tmp_path / "cache", options=options)


@pytest.mark.parametrize(
    ("columns", "options", "count"),
    [
        (("scan", "slice"), Options(file="scan"), 24),
        (("scan", "slice"), Options(file="slice"), 23),
        (("", "image_id"), Options(), 23),
        (("id", "Unnamed: 0"), Options(), 24),
    ],
)
def test_the_column_of_files_is_the_one_that_is_named_so(
    columns: tuple[str, str], options: Options, count: int, tmp_path: Path
) -> None:
    rows = [[i, 35 - i, "a" if i >= 12 else "b"] for i in range(36)]  # the image 0 is b by one, and a by the other
    path = build(lambda folder: (put(folder, 36), table(folder / "t.csv", [*columns, "label"], rows)), tmp_path)
    (path / "0.png").unlink()
    counts = look(str(path), tmp_path / "cache", options=options)[1].counts
    assert sum(split["a"] for split in counts.values()) == count


def test_classes_are_named_in_the_order_of_their_labels(tmp_path: Path) -> None:
    path = build(tree({"2": 12, "10": 12}), tmp_path)
    reading = look(str(path), tmp_path / "cache", options=Options(classes="ten less eight,ten"))[1]
    assert reading.class_names == ("ten less eight", "ten")


@pytest.mark.parametrize("named", [
    ["ant", "bee", "cow"], {"0": "ant", "1": "bee", "2": "cow"}, {"ant": 0, "bee": 1, "cow": 2},
    {"classes": ["ant", "bee", "cow"]}, {"0": ["n1", "ant"], "1": ["n2", "bee"], "2": ["n3", "cow"]},
    [{"id": n, "name": name} for n, name in enumerate(("ant", "bee", "cow"))],
])  # fmt: skip
def test_classes_are_named_by_lists_and_maps_in_json(named: object, tmp_path: Path) -> None:
    path = build(both(tree({str(i): 12 for i in range(3)}), text("classes.json", json.dumps(named))), tmp_path)
    assert look(str(path))[1].class_names == ("ant", "bee", "cow")


def test_a_list_of_images_does_not_name_classes(tmp_path: Path) -> None:
    path = build(tree({"images*actor_x{}.png": 30}), tmp_path)
    lines(path / "labels.txt", [f"actor_x{i}.png 4 22.94 {i % 3}" for i in range(30)])
    assert look(str(path))[1].class_names == DIGITS


def test_arrays_of_two_sets_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("path", "blood"):
        arrays = {f"{s}_images": np.zeros((20, 8, 8), np.uint8) for s in ("train", "test")}
        arrays |= {f"{s}_labels": np.arange(20) % 2 for s in ("train", "test")}
        np.savez(tmp_path / "data" / f"{name}.npz", **arrays)
    with pytest.raises(DatasetError, match="several sets of images and labels, 'train_images in blood'"):
        look(str(tmp_path / "data"))
    assert look(str(tmp_path / "data" / "path.npz"))[1].class_names == ("0", "1")


def test_what_is_left_out_is_counted_by_kind_with_an_example(tmp_path: Path) -> None:
    path = build(
        both(tree({"train/cat": 12, "train/dog": 12, "test": 5, "extra": 3}), masks, text("x.dat", "x")), tmp_path
    )
    reading = look(str(path), tmp_path / "cache")[1]
    told = parts(reading.unused_notes())
    assert "Not used: 5 test images without a label, such as test/0.png." in told
    assert "Not used: 1 file that ends in .dat, which is no image, such as x.dat." in told
    assert any(one.startswith("Not used: 25 masks beside the images, such as") for one in told)


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


def test_patients_by_number_above_classes_are_groups_and_told(tmp_path: Path) -> None:
    path = build(tree({f"{10250 + p}/{c}": 4 for p in range(12) for c in range(2)}), tmp_path)
    split = groups_of(path, tmp_path / "cache", lambda file: file.parts[-3], Options())
    assert sum(map(len, split)) == len(set.union(*split)) == 12
    told = parts(look(str(path), tmp_path / "cache")[1].sentences())
    assert any("at level 1 are not taken for classes; CLASS_LEVEL=1 would do so" in sentence for sentence in told)


def test_further_columns_beside_one_that_is_called_like_labels_are_told(tmp_path: Path) -> None:
    path = build(lambda f: table(f / "t.csv", ["file", "breed", "mood"], [
        [name, pets(i), "abc"[i % 3]] for i, name in enumerate(put(f / "all", 40))]), tmp_path)  # fmt: skip
    assert any("'mood' could be the labels as well" in one for one in parts(look(str(path))[1].sentences()))


def test_patients_of_a_table_stay_on_one_side_and_objects_of_several_classes_are_refused(tmp_path: Path) -> None:
    path = build(patients(["PatientID", "Diagnosis", "Sex"], "P{:03}"), tmp_path)
    split = groups_of(path, tmp_path / "cache", lambda file: file.parent.name, Options())
    assert sum(map(len, split)) == len(set.union(*split)) == 20
    coco("other", 40, several=True)(tmp_path)
    with pytest.raises(DatasetError, match="in the form of COCO"):
        look(str(tmp_path / "other"))


def test_images_that_cannot_be_read_are_refused_before_anything_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cli: Callable
) -> None:
    for number in range(24):
        lines(tmp_path / "data" / PETS[number % 2] / f"{number}.jpg", ["<html>"])
    assert cli("look", f"DATASET={tmp_path / 'data'}", f"REPORTS={tmp_path}") == 2
    printed = capsys.readouterr()
    assert printed.out == "" and "24 of 24 images cannot be read" in printed.err


@pytest.mark.parametrize(("image", "label"), [("image_bytes", "target"), ("jpg", "cls")])
def test_parquet_knows_further_names_of_columns(image: str, label: str, tmp_path: Path) -> None:
    import pandas as pd

    put(tmp_path, 24)
    rows = [(tmp_path.joinpath(f"{i}.png").read_bytes(), pets(i)) for i in range(24)]
    pd.DataFrame(rows, columns=[image, label]).to_parquet(tmp_path / "d.parquet")
    assert look(str(tmp_path / "d.parquet"))[1].class_names == PETS


def test_columns_that_could_be_the_labels_as_well_are_told(tmp_path: Path) -> None:
    path = build(lambda f: table(f / "t.csv", ["file", "age", "gender", "wing"], [
        [name, i // 20, "MF"[i % 2], pets(i)] for i, name in enumerate(put(f / "all", 40))]), tmp_path)  # fmt: skip
    reading = look(str(path), tmp_path / "cache")[1]
    assert reading.class_names == PETS
    assert any("'age' and 'gender' could be the labels as well" in one for one in parts(reading.sentences()))


def test_what_is_taken_for_a_split_and_what_lies_outside_of_splits_is_said(tmp_path: Path) -> None:
    path = build(tree({f"{s}/{c}": 12 for s in ("train", "tset", "more") for c in PETS}), tmp_path)
    told = parts(look(str(path))[1].sentences())
    assert "The folder 'tset' is taken for the test split, by what lies in it and beside it." in told
    assert "Not used: 24 images outside the folders of splits, such as more/cat/0.png." in told


@pytest.mark.parametrize(("counts", "sentence"), [
    ({"ann/cat": 12, "bob/dog": 12}, "folders 'cat' and 'dog' at level 2 are not taken for classes; CLASS_LEVEL=2"),
    ({"cat": 12, "dog": 12, "dog - Copy": 12}, "The classes dog and dog - Copy differ in"),
    ({f"{c}/video{v}": 4 for c in PETS for v in range(6)}, "6 groups are told by the folders 'video0'"),
    ({f"{c}/v_{c}_g{v}": 4 for c in PETS for v in range(6)}, "'v_cat_g2' and 9 more); GROUP='([^/]*[0-9])"),
])  # fmt: skip
def test_names_that_may_be_meant_otherwise_are_pointed_out(
    counts: Mapping[str, int], sentence: str, tmp_path: Path
) -> None:
    path = build(tree(counts), tmp_path)
    class_level = 1 if any("v_" in place for place in counts) else 0
    assert sentence in " ".join(parts(look(str(path), options=Options(class_level=class_level))[1].sentences()))


def test_a_class_that_the_option_names_and_no_image_has_is_told(tmp_path: Path) -> None:
    path = build(tree({"0": 12, "1": 12}), tmp_path)
    told = " ".join(parts(look(str(path), options=Options(classes="ant,bee,cow"))[1].sentences()))
    assert "named by the option CLASSES, of which 'cow' has no image: ant and bee" in told


def test_a_table_that_is_passed_over_for_the_folders_is_told(tmp_path: Path) -> None:
    path = build(tree(dict.fromkeys(PETS, 12)), tmp_path)
    table(path / "t.csv", ["file", "mood"], [[f"{c}/{i}.png", "abc"[i % 3]] for c in PETS for i in range(12)])
    told = " ".join(parts(look(str(path))[1].sentences()))
    assert "though they might be: the values of the column 'mood' of t.csv; LABELS=t.csv would do so." in told


def test_arrays_whose_names_say_nothing_are_named(tmp_path: Path) -> None:
    path = build(lambda folder: [np.save(folder / f"{c}.npy", np.zeros((12, 64), np.uint8)) for c in PETS], tmp_path)
    with pytest.raises(DatasetError, match="holds the arrays 'cat' and 'dog', which are not images with labels"):
        look(str(path))


def test_persons_above_classes_in_file_names_stay_on_one_side(tmp_path: Path) -> None:
    path = build(tree({f"AF{i:02}*{e}{{}}.png": 2 for i in range(20) for e in ("AN", "HA")}), tmp_path)
    split = groups_of(path, tmp_path / "cache", lambda f: f.parent.name, Options(labels="names"))
    assert all(split) and sum(map(len, split)) == len(set.union(*split)) == 20


@pytest.mark.parametrize(("counts", "copies"), [
    ({"yes": 12, "no": 12}, {"yes": "brain/yes", "no": "brain/no"}),
    ({"a/yes": 12, "a/no": 12}, {"a": "b"}), ({"a/yes": 12, "a/no": 12}, {"a": "a - Copy"}),
    ({"yes": 24, "no": 12}, {"no": "no (1)"}),
    ({f"x/{s}/{c}": n for s, n in PARTS for c in ("yes", "no")}, {"x/train": "x/x/train", "x/test": "x/x/test"}),
    ({f"Train/{c}": 12 for c in ("yes", "no")}, {"Train": "train"}),
])  # fmt: skip
def test_a_folder_that_is_there_twice_is_read_once_and_counted(
    counts: Mapping[str, int], copies: Mapping[str, str], tmp_path: Path
) -> None:
    path = build(tree(counts), tmp_path)
    for source, target in copies.items():
        shutil.copytree(path / source, path / target)
    reading = look(str(path))[1]
    assert reading.class_names == ("no", "yes") and total(reading) == sum(counts.values())
    twice = sum(number for place, number in counts.items() if place.startswith(tuple(copies)))
    assert any(f"{twice} images that lie in another folder once more" in s for s in parts(reading.unused_notes()))


def test_folders_that_share_some_images_or_are_of_two_splits_are_kept(tmp_path: Path) -> None:
    path = build(tree({f"{top}/{c}": 12 for top in ("train", "all/train") for c in PETS}), tmp_path)
    shutil.copytree(path / "train", path / "test")
    for number in range(6):
        shutil.copy(path / f"train/cat/{number}.png", path / f"all/train/cat/{number}.png")
    assert total(look(str(path))[1]) == 72


@pytest.mark.parametrize("top", ["test_data", "my val images", "masks of tumours"])
def test_words_in_the_name_of_a_folder_that_all_images_share_mean_nothing(top: str, tmp_path: Path) -> None:
    path = build(both(tree({f"{top}/{s}/{c}": n for s, n in PARTS for c in PETS}), tree({f"{top}/extra": 3})), tmp_path)
    reading = look(str(path))[1]
    assert reading.class_names == PETS and sum(reading.counts["test"].values()) == 10
    shutil.rmtree(path / top)
    names = put(path / top / "images", 40)
    for split, found in (("train", names[:30]), ("test", names[30:])):
        lines(path / top / f"{split}.txt", [f"{name} {PETS[int(name[:-4]) % 2]}" for name in found])
    assert sum(look(str(path))[1].counts["test"].values()) == 10


def test_folders_of_one_split_that_are_read_as_one_are_told(tmp_path: Path) -> None:
    path = build(tree({f"{top}/{c}": 12 for top in ("trainingSet", "trainingSample") for c in PETS}), tmp_path)
    told = parts(look(str(path), tmp_path / "cache")[1].sentences())
    assert any("'trainingSample' and 'trainingSet' are read as one" in sentence for sentence in told)


def test_a_pattern_for_paths_makes_groups(tmp_path: Path) -> None:
    path = build(tree({f"{c}*v{v}_{{}}.png": 4 for c in PETS for v in range(10)}), tmp_path)
    split = groups_of(path, tmp_path / "cache", lambda f: f.name.split("_")[0], Options(group=r"(v\d+)_"))
    assert sum(map(len, split)) == len(set.union(*split)) == 10


@pytest.mark.parametrize("pattern", ["(cat|dog)", "png", r"(cat|dog\d)"])
def test_groups_that_leave_a_class_nothing_to_divide_are_refused(pattern: str, tmp_path: Path) -> None:
    path = build(tree({f"{c}*{c}{{}}.png": 6 for c in PETS}), tmp_path)
    with pytest.raises(DatasetError, match="puts all images of the class 'cat' in"):
        look(str(path), tmp_path / "cache", options=Options(group=pattern))
    look(str(path), tmp_path / "cache", options=Options(group=r"(\d)\.png"))
    splits = {f"{split}/{c}*{c}{{}}.png": 6 for c in PETS for split in ("train", "test")}
    (tmp_path / "given").mkdir()
    look(str(build(tree(splits), tmp_path / "given")), tmp_path / "cache", options=Options(group=pattern))


def test_a_validation_split_too_small_to_choose_by_is_replaced(tmp_path: Path) -> None:
    counts = {f"{split}/{c}": n for split, n in (("train", 150), ("val", 4), ("test", 20)) for c in PETS}
    dataset = load_dataset(str(build(tree(counts), tmp_path)), tmp_path / "cache")
    assert [len(getattr(dataset, split).labels) for split in SPLITS] == [270, 30, 40]
    assert any("8 validation images are too few" in note for note in parts(dataset.notes))


def test_many_folders_of_as_many_images_are_pointed_out(tmp_path: Path) -> None:
    for kind, name in (("words", "name{}"), ("numbers", "{:02}")):
        (tmp_path / kind).mkdir()
        path = build(
            tree({name.format(i if kind == "numbers" else chr(97 + i)): 5 for i in range(12)}), tmp_path / kind
        )
        assert any("persons rather than classes" in sentence for sentence in parts(look(str(path))[1].sentences()))


@pytest.mark.parametrize(("names", "told"), [("AF{:02}", True), ("kind{:02}", False), ("{}", False)])
def test_as_many_images_under_codes_of_persons_are_pointed_out_and_under_words_are_not(
    names: str, told: bool, tmp_path: Path
) -> None:
    path = build(tree({names.format(i): 30 for i in range(8)}), tmp_path)
    said = parts(look(str(path))[1].sentences())
    assert any("persons rather than classes" in sentence for sentence in said) == told


def test_look_unpacks_beside_the_cache_and_not_where_the_system_keeps_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    path = tgz(tmp_path / "data")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    assert total(look(str(path), tmp_path / "cache")[1]) == 24


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({f"{c}*{c}vid{v}_frame_{{:04}}.png": 6 for c in PETS for v in range(4)}, "GROUP="),
        ({f"{v}/{c}*{c}{v[:3]}{{}}.png": 12 for v in ("original", "augmented") for c in PETS}, "are read as one"),
        ({f"{c}*{c}_{e}_{{}}.png": 5 for c in ("Anna", "Bert") for e in ("happy", "sad")}, "LABELS=names LABEL=2"),
    ],
)
def test_what_may_be_meant_otherwise_is_said(counts: Mapping[str, int], said: str, tmp_path: Path) -> None:
    assert any(said in sentence for sentence in parts(look(str(build(tree(counts), tmp_path)))[1].sentences()))


def test_folds_with_splits_of_their_own_are_refused(tmp_path: Path) -> None:
    path = build(tree({f"fold{i}/{s}/{c}": n for i in range(3) for s, n in PARTS for c in PETS}), tmp_path)
    with pytest.raises(DatasetError, match="the folds 'fold0', 'fold1' and 'fold2', each with splits of its own"):
        look(str(path))
    assert look(str(path / "fold0"))[1].class_names == PETS


@pytest.mark.parametrize(
    "names",
    [
        ("2021-10-{:02} 001.jpg", "2021-11-{:02} 001.jpg"),
        ("2021_05_{:02}_1.jpg", "2022_05_{:02}_1.jpg"),
        ("IMG-20210101-WA00{:02}.jpg", "IMG-20210102-WA00{:02}.jpg"),
        ("PXL_20210101_1234{:02}.jpg", "PXL_20210102_1234{:02}.jpg"),
        ("Screenshot 2021-10-12 at 10.10.{:02}.jpg", "Screenshot 2021-11-12 at 10.10.{:02}.jpg"),
        ("2007_0000{:02}.jpg", "2008_0000{:02}.jpg"),
    ],
)
def test_days_in_the_names_of_photos_are_no_classes(names: Sequence[str], tmp_path: Path) -> None:
    path = build(lambda folder: [put(folder, 23, name.replace("{:02}", "{0:02}")) for name in names], tmp_path)
    (path / names[0].format(0)).unlink(), (path / names[1].format(0)).unlink()  # no month has a day 0
    with pytest.raises(DatasetError, match="nothing that labels them"):
        look(str(path))


@pytest.mark.parametrize(("counts", "named"), [
    ({"images": 12, "labels": 12}, "images"),
    ({f"{s}/{c}": 12 for s in ("train", "val") for c in ("img", "gt")}, "img"),
    ({"image": 12, "1st_manual": 12}, "image"),
    ({"cat": 12, "dog": 12, "images": 12}, "images"),
])  # fmt: skip
def test_a_folder_of_images_is_no_class_beside_others(counts: Mapping[str, int], named: str, tmp_path: Path) -> None:
    path = build(tree(counts), tmp_path)
    with pytest.raises(DatasetError, match=f"folder '{named}' .* CLASS_LEVEL=1"):
        look(str(path))
    assert named in look(str(path), options=Options(class_level=1))[1].class_names


@pytest.mark.parametrize("name", ["test tube", "valid ticket", "rapid test"])
def test_a_folder_that_may_be_a_class_or_a_split_is_refused(name: str, tmp_path: Path) -> None:
    path = build(tree({name: 12, "beaker": 12, "flask": 12}), tmp_path)
    with pytest.raises(DatasetError, match=f"folder '{name}' .* may be"):
        look(str(path))
    (path / name).rename(path / name.replace(" ", ""))
    assert len(look(str(path))[1].class_names) == 3


def test_splits_that_a_table_counts_are_kept(tmp_path: Path) -> None:
    reading = look(str(build(celebrities, tmp_path)), options=Options(label="Male"))[1]
    assert sum(reading.counts["test"].values()) == 20


def test_a_list_of_splits_that_is_not_understood_is_counted(tmp_path: Path) -> None:
    path = build(
        both(tree({"cat*c{}.png": 12, "dog*d{}.png": 12}), text("train_test_split.txt", "1 0\n2 1\n3 0\n")), tmp_path
    )
    assert any("train_test_split.txt" in part.example for part in look(str(path))[1].unused)


@pytest.mark.parametrize(
    ("form", "file", "content"),
    [
        ("COCO", "instances.json", '{"images": [{"id": 1, "file_name": "0.png"}], "annotations": [{"image_id": 1}]}'),
        ("YOLO", "labels/3.txt", "0 0.5 0.5 0.25 .125\n1 0.1 0.1 0.1 0.1\n"),
        ("LabelMe", "3.json", '{"version": "5.0", "shapes": [{"label": "cat"}]}'),
        ("VIA", "via.json", '{"3.png20": {"filename": "3.png", "regions": [{}]}}'),
        ("Label Studio", "project.json", '[{"id": 1, "annotations": [{"id": 3, "result": []}]}]'),
        ("CVAT", "annotations.xml", '<annotations><version>1</version><image id="0"></image></annotations>'),
        ("Pascal VOC", "Annotations/3.xml", "<annotation>\n<object><name>cat</name></object>\n</annotation>"),
    ],
)
def test_annotations_of_objects_are_refused_by_name(form: str, file: str, content: str, tmp_path: Path) -> None:
    path = build(tree({"images": 12}), tmp_path)
    with pytest.raises(DatasetError, match="nothing that labels them"):
        look(str(path))
    (path / file).parent.mkdir(exist_ok=True)
    (path / file).write_text(content)
    with pytest.raises(DatasetError, match=f"in the form of {form}, such as {file}, and no class") as caught:
        look(str(path))
    assert str(caught.value).count(".") < 8 and "\n" not in str(caught.value)
    table(path / "labels.csv", ["file", "label"], [[f"{i}.png", pets(i)] for i in range(12)])
    assert look(str(path))[1].class_names == PETS


@pytest.mark.parametrize(
    ("make", "refusal"),
    [
        (boxes(same=False), "boxes.csv, of which 40 images have rows with different labels, such as 'images/p0.jpg'"),
        (flat_with_table(("image", "labels"), lambda i: ("scab", "rust", "scab rust")[i % 3]), "13 rows have several"),
        (both(tree({"images": 12}), text("grades.xlsx", "PK")), "grades.xlsx, a workbook, which is not read"),
        (both(tree({"Base11": 12}), text("grades.xls", "PK")), "grades.xls, a workbook, which is not read"),
        (
            both(
                tree({"images": 40}),
                lambda f: table(
                    f / "votes.csv",
                    ["Image name", "happy", "sad", "fear"],
                    [[f"{i}.png", i % 10, 9 - i % 10, 0] for i in range(40)],
                ),
            ),
            "that 'votes.csv' names, but without one class",
        ),
        (
            both(
                tree({"images": 40}),
                lambda f: table(
                    f / "t.csv", ["id", "attribute_ids"], [[i, f"{i % 3} {3 + i % 7} {i}"] for i in range(40)]
                ),
            ),
            "that 't.csv' names, but without one class",
        ),
        (
            both(
                tree({"images": 40}),
                lambda f: table(
                    f / "t.csv",
                    ["filename", "class", "xmin"],
                    [[f"{i}.png", pets(i + box), box] for i in range(40) for box in range(1 + i % 2)],
                ),
            ),
            "of which 20 images have rows with different labels",
        ),
        (
            both(tree({"images": 12}), lambda f: [np.save(f / f"{i}_exp.npy", i % 2) for i in range(12)]),
            "such as 0_exp.npy",
        ),
        (
            both(
                tree({f"imgs/S{s:03}/{q:03}*S{s:03}_{q:03}_{{}}.png": 3 for s in range(6) for q in range(3)}),
                lambda f: [
                    lines(f / f"Emotion/S{s:03}_{q:03}_2_emotion.txt", [f"  {q}.0e+00"])
                    for s in range(6)
                    for q in range(3)
                ],
            ),
            "such as Emotion/S000_000_2_emotion.txt",
        ),
        (both(tree({"Input*I{}.png": 12}), drawn_masks), "12 masks beside the images, such as GroundTruth/I0_segm"),
        (tree({"HAM10000_images_part_1": 12, "HAM10000_images_part_2": 12}), "whose name is that of no class"),
        (both(letters, lambda f: shutil.copy(f / "letters-test.csv", f / "digits-test.csv")), "several sets of images"),
    ],
)
def test_several_labels_and_workbooks_are_refused_by_name(make: Maker, refusal: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        look(str(build(make, tmp_path)))
    assert refusal in str(caught.value)


SHARED = Path(__file__).parents[2].parent / "shared" / "cases" / "layouts.py"


def shared_cases() -> dict[str, tuple[Callable, Mapping[str, Any]]]:
    """The layouts that lie beside the repository, each with what is expected of it."""
    if not SHARED.exists():
        return {}
    specification = importlib.util.spec_from_file_location("layouts", SHARED)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.CASES


# What is written in Latin letters in Chinese as well: what files and options are called, and a few technical terms.
LATIN = {"x", "fold", "Parquet", "Arrow", "Usage", "Training", "PublicTest", "PrivateTest", "CLASSES", "IMAGE_SIZE"}


def foreign_words(reading: Reading) -> list[str]:
    """List the words of a reading's Chinese sentences that are neither names of its own nor meant to be Latin."""
    with use("zh-Hant"):
        told = " ".join(parts(reading.sentences()))
    own = sorted({*reading.class_names, *(part.example for part in reading.unused)}, key=len, reverse=True)
    told = re.sub("|".join(["「[^」]*」", *map(re.escape, own)]), " ", told)
    found = re.findall(r"[\w./=-]*[a-z][\w./=-]*", told, re.ASCII | re.IGNORECASE)
    return [word for word in found if not {*"./="} & {*word} and word not in LATIN]


@pytest.mark.parametrize("case", shared_cases())
def test_shared_layout_is_read_as_it_says(case: str, tmp_path: Path) -> None:
    make, expected = shared_cases()[case]
    (tmp_path / case).mkdir()
    path = make(tmp_path / case) or tmp_path / case
    if "error" in expected:
        with pytest.raises(DatasetError, match=expected["error"]):
            load_dataset(str(path), tmp_path / "cache")
        return
    dataset = load_dataset(str(path), tmp_path / "cache")
    found: dict[str, Any] = {split: len(getattr(dataset, split).labels) for split in SPLITS}
    found |= {"total": sum(found.values()), "classes": list(dataset.class_names)}
    found |= {"bright": dataset.train.images.mean() > 30, "colour": dataset.image_shape[2] == 3}
    wanted = expected | ({"classes": [*map(str, expected["classes"])]} if "classes" in expected else {})
    assert {key: found[key] for key in wanted if key in found} == {k: v for k, v in wanted.items() if k in found}
    assert str(dataset.title) != expected.get("not_title")
    assert foreign_words(dataset.reading) == []


@pytest.mark.parametrize(("bad", "refusal"), [(6, "6 of 46 images cannot be read"), (40, "40 of 80 images"), (0, "")])
def test_look_refuses_images_that_a_report_would_refuse(bad: int, refusal: str, tmp_path: Path) -> None:
    path = build(tree({"cat": 20, "dog": 20}), tmp_path)
    for number in range(bad):
        (path / "cat" / f"a{number}.jp2").write_bytes(b"no image")
    *_, shown = look(str(path), tmp_path / "cache")
    with pytest.raises(DatasetError, match=refusal) if refusal else contextlib.nullcontext():
        assert len([*shown]) == 24


@pytest.mark.parametrize("given", [{"LABELS": "names", "LABEL": "abc"}, {"LABELS": "folders", "LABEL": "2"},
                                   {"LABELS": "names", "FILE": "id"}])  # fmt: skip
def test_an_option_that_decides_nothing_beside_another_is_refused(given: Mapping[str, str]) -> None:
    with pytest.raises(DatasetError, match=f"decides nothing beside LABELS={given['LABELS']}"):
        read_options(given)
    assert read_options({"LABELS": "names", "LABEL": "2"}).label == "2"


@pytest.mark.parametrize("option", ["CLASS_LEVEL=1", "LABELS=t.csv", "LABEL=a", "FILE=a", "CLASSES=a,b", "GROUP=x",
                                    "FIT=pad"])  # fmt: skip
def test_an_option_that_drawn_faces_do_not_have_is_refused(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], cli: Callable
) -> None:
    assert cli("look", "DATASET=faces", option, f"REPORTS={tmp_path}") == 2
    said = capsys.readouterr().err
    assert f"{option} decides nothing with DATASET=faces" in said and said.count("\n") == 1


@pytest.mark.parametrize("more", [(), ("train", "test")])
def test_names_that_stand_in_both_splits_are_refused_until_the_table_has_paths(
    more: Sequence[str], tmp_path: Path
) -> None:
    path = build(tree({"train": 20, "test": 12}), tmp_path)
    rows = [[f"{n}.png", pets(n)] for n in range(20)]
    table(path / "labels.csv", ["file", "label", *(["split"] if more else [])],
          [[*row, s] for s in more for row in rows[: None if s == "train" else 12]] or rows)  # fmt: skip
    if not more:
        refusal = "labels.csv, whose names stand for several .*, 24 in all, such as 'test/0.png' and 'train/0.png'"
        with pytest.raises(DatasetError, match=refusal):
            look(str(path), tmp_path / "cache")
        table(
            path / "labels.csv",
            ["file", "label"],
            [[f"{s}/{row[0]}", row[1]] for s in ("train", "test") for row in rows],
        )
    counts = look(str(path), tmp_path / "cache")[1].counts
    assert {split: sum(found.values()) for split, found in counts.items()} == {"train": 18, "validation": 2, "test": 12}


def test_images_that_a_table_does_not_tell_apart_or_of_two_labels_are_counted_with_why(tmp_path: Path) -> None:
    path = build(both(tree({"a*p{}.png": 300, "b*p{}.png": 1, "b*q{}.png": 3}), lambda f: table(
        f / "t.csv", ["file", "label"], [[f"p{n}.png", pets(n)] for n in range(300)] + [["q0", "cat"], ["q0", "dog"]]
    )), tmp_path)  # fmt: skip
    told = parts(look(str(path), options=Options(labels="t.csv"))[1].unused_notes())
    assert any("2 images of which the table gives a name that stands for several, such as a/p0.png" in s for s in told)
    assert any("1 image with different labels in several rows of the table, such as b/q0.png" in s for s in told)


BLOOD = {f"images/{s}/{c}": n for s, n in (("TRAIN", 20), ("TEST", 8), ("TEST_SIMPLE", 2)) for c in PETS}


@pytest.mark.parametrize(("counts", "said"), [
    (BLOOD, "4 images in a further folder of a split, .*, such as images/TEST_SIMPLE/cat/0.png"),
    ({f"{s}/{c}": n for s, n in (("train_clean", 9), ("train_noisy", 9), ("test", 8)) for c in PETS},
     "The folders 'train_clean' and 'train_noisy' are read as one"),
])  # fmt: skip
def test_a_further_folder_of_a_split_is_left_out_or_told(counts: Mapping[str, int], said: str, tmp_path: Path) -> None:
    reading = look(str(build(tree(counts), tmp_path)))[1]
    assert reading.class_names == PETS and sum(reading.counts["test"].values()) == 16
    assert re.search(said, " ".join(parts(reading.sentences())))


@pytest.mark.parametrize(("names", "told"), [
    (("100CANON", "101CANON"), True), (("100_PANA", "101_PANA"), True), (("2021-05-03", "2021-06-04"), True),
    (("20210503", "20210504"), True), (("2019", "2020", "2021"), True), (("03.05.2021", "04.05.2021"), True),
    (("2021-05-03 Rome", "2021-06 Oslo"), True), (("1990s", "2000s"), False), (("100", "200", "500"), False),
    (("10000000", "20000000"), False), (("100CANON", "cat"), False),
])  # fmt: skip
def test_days_and_folders_of_cameras_are_pointed_out(names: Sequence[str], told: bool, tmp_path: Path) -> None:
    path = build(tree(dict.fromkeys(names, 12)), tmp_path)
    assert any("dates or camera folders" in sentence for sentence in parts(look(str(path))[1].sentences())) == told


@pytest.mark.parametrize("place", ["2021-05-{:02}/{}", "{1}/2021-05-{0:02}", "10{}CANON/{}"])
def test_days_above_or_below_classes_are_none(place: str, tmp_path: Path) -> None:
    path = build(tree({place.format(day, c): 6 for day in range(1, 5) for c in PETS}), tmp_path)
    assert look(str(path))[1].class_names == PETS


@pytest.mark.parametrize("names", [
    ("*{}_left.png", "*{}_right.png"), ("*{}-L.png", "*{}-R.png"), ("*P_{:05}_LEFT_CC.png", "*P_{:05}_RIGHT_MLO.png"),
    tuple(f"*{n:05}_{{:05}}.png" for n in range(6)), ("*vid{}_frame1.png", "*vid{}_frame2.png"),
])  # fmt: skip
@pytest.mark.parametrize("top", ["", "train/"])
def test_what_is_seen_several_times_is_pointed_out_with_a_pattern_that_works(
    names: Sequence[str], top: str, tmp_path: Path
) -> None:
    places = {f"{top}{c}{name}": 12 for c in PETS for name in names}
    path = build(tree(places), tmp_path)
    told = " ".join(parts(look(str(path))[1].sentences()))
    pattern = re.search("GROUP='(.*?)' keeps", told)
    assert pattern
    owner = re.compile(pattern[1])
    split = groups_of(path, tmp_path / "cache", lambda f: owner.search(str(f.relative_to(path)))[1],  # type: ignore
                      Options(group=pattern[1]))  # fmt: skip
    assert all(split) and sum(map(len, split)) == len(set.union(*split)) >= 12


@pytest.mark.parametrize("copies", [
    ("{}.png", "aug_{}.png"), ("{}.png", "{}_aug1.png", "{}_aug2.png"), ("{}.png", "{}_flip.png", "{}_hflip_rot90.png"),
    ("{}_jpg.rf.00112233445566778899aabbccddeeff.png", "{}_jpg.rf.ff112233445566778899aabbccddeeff.png"),
    ("aug_{}_1234.png", "aug_{}_99.png"), ("x {}.png", "x {}_270deg.png", "x {}_new30degFlipLR.png"),
    ("x{}.png", "aug_x{}_0_1234.png", "aug_x{}_1_777.png"),
])  # fmt: skip
def test_copies_of_an_image_stay_on_one_side_by_themselves(copies: Sequence[str], tmp_path: Path) -> None:
    path = build(tree({f"{c}*{name}": 12 for c in PETS for name in copies}), tmp_path)
    spelled = {name.format(n): n for name in copies for n in range(12)}
    split = groups_of(path, tmp_path / "cache", lambda f: f"{f.parent.name} {spelled[f.name]}", Options())
    assert all(split) and sum(map(len, split)) == len(set.union(*split)) == 24
    assert any("24 groups are told by the names of the originals" in s for s in parts(look(str(path))[1].sentences()))


def test_copies_on_both_sides_of_given_splits_are_pointed_out(tmp_path: Path) -> None:
    names = {
        "train": "{}_jpg.rf.00112233445566778899aabbccddeeff.jpg",
        "test": "{}_jpg.rf.ff112233445566778899aabbccddeef.jpg",
    }
    path = build(tree({f"{s}/{c}*{name}": 12 for s, name in names.items() for c in PETS}), tmp_path)
    assert any("24 of the 24 test images" in s for s in parts(look(str(path))[1].sentences()))
    for file in path.glob("train/*/*"):
        file.rename(file.with_name(f"other{file.name}"))
    assert not any("24 test images" in s for s in parts(look(str(path))[1].sentences()))


@pytest.mark.parametrize("names", [("{}_aug.png", "{}_sep.png"), ("{}_left.png",)])
def test_a_word_alone_makes_no_copies_and_no_views(names: Sequence[str], tmp_path: Path) -> None:
    path = build(tree({f"{c}*{name}": 12 for c in PETS for name in names}), tmp_path)
    told = " ".join(parts(look(str(path))[1].sentences()))
    assert "copies" not in told and "GROUP=" not in told


def test_lists_of_several_divisions_are_refused(tmp_path: Path) -> None:
    path = build(tree(SPLIT_PETS), tmp_path)
    for number in (1, 2):
        for split, tens in (("train", (0, 1)), ("test", (1, 2))):
            numbers = [i * (2 * number - 1) % 10 for i in range(10)[slice(*(5 * t for t in tens))]]
            names = [f"{c}/{i}.png" for c in PETS for i in numbers]
            (path / f"{split}{number}.txt").write_text("\n".join(names))
    with pytest.raises(DatasetError, match=r"put .* into the splits 'test' and 'train', as those of several divisions"):
        look(str(path))
    for number in (1, 2):
        reading = look(str(path), options=Options(labels=f"train{number}.txt"))[1]
        assert reading.class_names == PETS and sum(reading.counts["test"].values()) == 10
    for split in ("train", "test"):
        (path / f"{split}2.txt").unlink()
    assert sum(look(str(path))[1].counts["test"].values()) == 10


def test_a_pattern_takes_classes_out_of_the_names_of_files(tmp_path: Path) -> None:
    path = build(tree({f"KDEF*AF{i:02}{e}S.png": 1 for i in range(12) for e in ("AN", "HA")}), tmp_path)
    with pytest.raises(DatasetError, match=r"one class only, 'KDEF' by the name .* LABELS=names LABEL="):
        look(str(path))
    reading = look(str(path), options=read_options({"LABELS": "names", "LABEL": "^.{4}(..)"}))[1]
    assert reading.class_names == ("AN", "HA") and total(reading) == 24
    with pytest.raises(DatasetError, match="is no regular expression with one class in parentheses"):
        look(str(path), options=Options(labels="names", label="^(.."))


def test_look_prints_the_plan_and_draws_a_row_a_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cli: Callable
) -> None:
    path = build(tree({"cat": 20, "dog": 20, "cow": 20}), tmp_path)
    assert cli("look", f"DATASET={path}", f"REPORTS={tmp_path / 'reports'}") == 0
    printed = capsys.readouterr().out
    assert "The 3 classes are the names of folders" in printed and "Training: 48 images" in printed
    with Image.open(tmp_path / "reports" / "data.look.png") as sheet:
        rows = np.asarray(sheet)[:, 200:].reshape(sheet.height, -1)
    filled = np.flatnonzero((rows != 255).any(axis=1))
    assert np.count_nonzero(np.diff(filled) > 1) == 2  # three rows with a gap after each but the last
