"""Every form of the same images gives the same data set; no bad input or interruption gives a wrong one."""

import csv
import functools
import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from helpers.base import folders
from helpers.base.words import parts
from helpers.data import datasets, decode, faces, splits
from helpers.data.datasets import SPLITS, Dataset, identify, load_dataset
from helpers.data.options import Options
from helpers.data.sources import DatasetError

USAGES = ("Training", "PublicTest", "PrivateTest")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def few_faces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Draw few faces, and count how often they are drawn."""
    calls = []
    monkeypatch.setattr(faces, "generate", lambda: calls.append(1) or draw_few_faces())
    return calls


@functools.cache
def draw_few_faces(generate: Callable = faces.generate) -> dict:
    return generate((40, 20, 30))


def noise(seed: int, channels: int = 1, side: int = 48) -> np.ndarray:
    shape = (side, side) if channels == 1 else (side, side, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_png(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, "PNG")


def write_tree(folder: Path, counts: Mapping[str, int], channels: int = 1) -> Path:
    """Write `counts[place]` different pictures into each place, "<split>/<class>" or "<class>"."""
    for number, (place, count) in enumerate(counts.items()):
        for index in range(count):
            write_png(folder / place / f"{index:03}.png", noise(1000 * number + index, channels))
    return folder


def zip_folder(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in sorted(folder.rglob("*"), reverse=True):
            zipped.write(file, file.relative_to(folder))
    return archive


def table_rows(count: int = 60) -> list[list[str]]:
    """Rows of emotion, pixels, usage; every third is of another usage, and every class has all three."""
    return [
        [str(index // 3 % 7), " ".join(map(str, noise(index).ravel())), USAGES[index % 3]] for index in range(count)
    ]


def table_bytes(rows: list[list[str]], header: str = "emotion,pixels,Usage", end: str = "\n") -> bytes:
    columns = len(header.split(","))
    return end.join([header, *(",".join(row[:columns]) for row in rows), ""]).encode()


def contents(dataset: Dataset) -> dict[str, list[tuple[bytes, int]]]:
    """What each split holds, whatever its order."""
    return {
        split: sorted((image.tobytes(), int(label)) for image, label in zip(part.images, part.labels, strict=True))
        for split in SPLITS
        for part in [getattr(dataset, split)]
    }


def all_images(dataset: Dataset) -> list[bytes]:
    return sorted(image for pairs in contents(dataset).values() for image, _ in pairs)


def sizes(dataset: Dataset) -> list[int]:
    return [len(getattr(dataset, split).labels) for split in SPLITS]


def message(path: Path | str, cache: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        load_dataset(str(path), cache)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text
    assert not [left for left in cache.glob("*") if left.name != "known" and left.suffix != ".lock"]
    return text


# the real data


@pytest.fixture(scope="module")
def fer2013(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path]:
    cache = tmp_path_factory.mktemp("fer2013")
    return load_dataset(str(shared_data / "fer2013.zip"), cache), cache


@pytest.fixture(scope="module")
def fer2013_head(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load_dataset(str(shared_data / "fer2013_head.csv.gz"), tmp_path_factory.mktemp("head"))


def test_archive_is_split_as_its_file_names_say(fer2013: tuple[Dataset, Path]) -> None:
    dataset, _ = fer2013
    train, validation, test = sizes(dataset)
    assert (train + validation, test) == (28_709, 3_589)
    assert dataset.name == "fer2013" and dataset.image_shape == (48, 48, 1) and not dataset.skipped
    assert dataset.class_names == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert np.bincount(dataset.test.labels).tolist() == [467, 56, 496, 895, 653, 415, 607]
    held = np.bincount(dataset.validation.labels) / np.bincount(
        np.concatenate([dataset.train.labels, dataset.validation.labels])
    )
    assert np.allclose(held, 0.1, atol=0.01)
    assert "PrivateTest" in parts(dataset.notes)[0] and parts(dataset.notes)[0].endswith(".")


def test_archive_validation_shares_no_image_with_training(fer2013: tuple[Dataset, Path]) -> None:
    found = contents(fer2013[0])
    images = {split: {image for image, _ in pairs} for split, pairs in found.items()}
    assert not images["train"] & images["validation"]
    shared = sum(image in images["train"] for image, _ in found["test"])
    assert f"{shared:,} of the 3,589 test images also" in parts(fer2013[0].notes)[1]


def test_archive_opens_at_once_the_second_time(fer2013: tuple[Dataset, Path], shared_data: Path) -> None:
    start = time.perf_counter()
    again = load_dataset(str(shared_data / "fer2013.zip"), fer2013[1])
    assert time.perf_counter() - start < 0.3
    assert isinstance(again.train.images, np.memmap) and again.train.images.dtype == np.uint8
    assert again.fingerprint == fer2013[0].fingerprint


def test_head_of_the_table_keeps_every_pixel(fer2013_head: Dataset, shared_data: Path) -> None:
    with gzip.open(shared_data / "fer2013_head.csv.gz", "rt") as lines:
        rows = list(csv.DictReader(lines))
    expected = sorted((bytes(map(int, row["pixels"].split())), int(row["emotion"])) for row in rows)
    assert sum(sizes(fer2013_head)) == len(expected) == 1_167
    assert sorted(pair for pairs in contents(fer2013_head).values() for pair in pairs) == expected
    assert fer2013_head.name == "fer2013_head" and "one piece" in parts(fer2013_head.notes)[0]


def test_archive_and_table_agree_on_the_same_faces(fer2013: tuple[Dataset, Path], fer2013_head: Dataset) -> None:
    probes = fer2013_head.test.images[:20].reshape(20, -1).astype(np.float32)
    parts = [fer2013[0].train, fer2013[0].validation]
    images = np.concatenate([part.images.reshape(len(part.images), -1) for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    wide = images.astype(np.float32)
    nearest = np.argmin((wide**2).sum(axis=1) - 2 * probes @ wide.T, axis=1)
    errors = np.abs(wide[nearest] - probes).mean(axis=1)
    assert errors.max() < 6  # grey levels that JPEG costs; a face and the next one are tens apart
    assert np.abs(wide[np.roll(nearest, 1)] - probes).mean(axis=1).min() > 20
    assert np.array_equal(labels[nearest], fer2013_head.test.labels[:20])


def test_food_is_in_colour_and_its_validation_images_are_the_test(shared_data: Path, cache: Path) -> None:
    dataset = load_dataset(str(shared_data / "food10.zip"), cache)
    assert sizes(dataset) == [2_700, 300, 750] and dataset.image_shape == (64, 64, 3)
    assert len(dataset.class_names) == 10 and "pizza" not in dataset.class_names
    assert np.ptp(dataset.train.images[:50], axis=-1).mean() > 10
    assert "the validation images are the test split" in parts(dataset.notes)[0]


# the embedded faces


def test_faces_carry_their_evidence(few_faces: list[int], cache: Path) -> None:
    dataset = load_dataset("faces", cache)
    drawn = faces.generate()
    for split in SPLITS:
        images, labels, evidence = drawn[split]
        assert np.array_equal(getattr(dataset, split).images, images)
        assert np.array_equal(getattr(dataset, split).labels, labels)
        assert np.array_equal(dataset.evidence[split], evidence)


def test_faces_have_another_fingerprint_when_their_program_changes(tmp_path: Path, monkeypatch, cache: Path) -> None:
    before = identify("faces", cache).fingerprint
    program = shutil.copytree(Path(faces.__file__).parent, tmp_path / "faces")
    monkeypatch.setattr(faces, "__file__", str(program / "__init__.py"))
    assert identify("faces", cache).fingerprint == before
    for added, changes in (("\n# a comment\n", False), ("\nHEIGHT = 1\n", True)):
        with (program / "render.py").open("a") as file:
            file.write(added)
        assert (identify("faces", cache).fingerprint != before) is changes


# one content in many forms


def pack_plain(data: bytes, folder: Path) -> Path:
    (folder / "faces of mine").write_bytes(data)
    return folder / "faces of mine"


def pack_gzip(data: bytes, folder: Path) -> Path:
    (folder / "table.csv.gz").write_bytes(gzip.compress(data))
    return folder / "table.csv.gz"


def pack_zip(data: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(folder / "table.zip", "w") as archive:
        archive.writestr("example_submission.csv", "id,emotion\n1,0\n")
        archive.writestr("__MACOSX/fer2013/._fer2013.csv", "emotion,pixels,Usage\n")
        archive.writestr("fer2013/fer2013.csv", data)
        archive.writestr("fer2013/train.csv", "emotion,pixels\n")
    return folder / "table.zip"


def pack_tar(data: bytes, folder: Path) -> Path:
    with tarfile.open(folder / "table.tar.gz", "w:gz") as archive:
        for name, content in (("fer2013/README", b"read me"), ("fer2013/fer2013.csv", data)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))
    return folder / "table.tar.gz"


def pack_folder(data: bytes, folder: Path) -> Path:
    (folder / "table").mkdir()
    (folder / "table" / "fer2013.csv").write_bytes(data)
    return folder / "table"


def pack_gzip_in_folder(data: bytes, folder: Path) -> Path:
    (folder / "download").mkdir()
    return pack_gzip(data, folder / "download").parent


def pack_tar_in_folder(data: bytes, folder: Path) -> Path:
    (folder / "download").mkdir()
    return pack_tar(data, folder / "download").parent


def pack_csv_zip(data: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(folder / "fer2013.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("fer2013.csv", data)
    return folder / "fer2013.csv.zip"


@pytest.mark.parametrize(
    "pack",
    [pack_plain, pack_gzip, pack_zip, pack_csv_zip, pack_tar, pack_folder, pack_gzip_in_folder, pack_tar_in_folder],
)
def test_table_is_the_same_however_it_is_packed(pack: Callable, tmp_path: Path, cache: Path) -> None:
    rows = table_rows()
    found = contents(load_dataset(str(pack(table_bytes(rows), tmp_path)), cache))
    for split, usage in zip(SPLITS, USAGES, strict=True):
        expected = [(bytes(map(int, row[1].split())), int(row[0])) for row in rows if row[2] == usage]
        assert found[split] == sorted(expected)


@pytest.mark.parametrize(
    ("header", "end"),
    [
        ("emotion, pixels, Usage", "\n"),
        ("\ufeffemotion,pixels,Usage", "\r\n"),
        ('"Emotion","Pixels","usage"', "\n"),
    ],
)
def test_table_is_the_same_whatever_its_dialect(header: str, end: str, tmp_path: Path, cache: Path) -> None:
    plain = load_dataset(str(pack_plain(table_bytes(table_rows()), tmp_path)), cache)
    other = load_dataset(str(pack_gzip(table_bytes(table_rows(), header, end), tmp_path)), cache)
    assert contents(other) == contents(plain)


def test_columns_may_come_in_another_order(tmp_path: Path, cache: Path) -> None:
    turned = [[usage, label, pixels] for label, pixels, usage in table_rows()]
    (tmp_path / "icml_face_data.csv").write_bytes(table_bytes(turned, "Usage, emotion, pixels"))
    found = load_dataset(str(tmp_path / "icml_face_data.csv"), cache)
    plain = load_dataset(str(pack_plain(table_bytes(table_rows()), tmp_path)), cache)
    assert contents(found) == contents(plain) and found.name == "icml_face_data"


def test_table_of_two_columns_is_divided(tmp_path: Path, cache: Path) -> None:
    rows = table_rows(210)
    dataset = load_dataset(str(pack_plain(table_bytes(rows, "label,feature"), tmp_path)), cache)
    assert sizes(dataset) == [168, 21, 21] and "one piece" in parts(dataset.notes)[0]
    assert all_images(dataset) == sorted(bytes(map(int, row[1].split())) for row in rows)


def test_folder_and_zip_give_the_same_data_set(tmp_path: Path, cache: Path) -> None:
    folder = write_tree(tmp_path / "pets", {"cat": 20, "dog": 30})
    one, two = (
        load_dataset(str(folder), cache),
        load_dataset(str(zip_folder(folder, tmp_path / "p.zip")), cache),
    )
    for split in SPLITS:
        assert np.array_equal(getattr(one, split).images, getattr(two, split).images)
        assert np.array_equal(getattr(one, split).labels, getattr(two, split).labels)
    assert one.class_names == ("cat", "dog") and (one.name, two.name) == ("pets", "p")
    assert np.bincount(one.train.labels).tolist() == [16, 24]


def test_file_names_tell_the_splits_of_fer2013(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "renamed"
    for index in range(63):
        usage, name = USAGES[index % 3], faces.CLASS_NAMES[index // 3 % 7]
        place = "train" if usage == "Training" else "test"
        write_png(folder / place / name.title() / f"{usage}_{index}.png", noise(index))
    dataset = load_dataset(str(folder), cache)
    assert sizes(dataset) == [21, 21, 21] and dataset.title == "FER2013" and parts(dataset.notes) == []
    assert dataset.class_names == faces.CLASS_NAMES and dataset.image_shape == (48, 48, 1)


@pytest.mark.parametrize(
    "names",
    [("train", "val", "test"), ("Training", "validation", "evaluation"), ("seg_train", "valid", "seg_test")],
)
def test_split_folders_are_known_by_their_usual_names(names: tuple[str, ...], tmp_path: Path, cache: Path) -> None:
    counts = {
        f"set/{split}/{pet}": size for split, size in zip(names, (5, 3, 2), strict=True) for pet in ("cat", "dog")
    }
    dataset = load_dataset(str(write_tree(tmp_path / "pets", counts)), cache)
    assert sizes(dataset) == [10, 6, 4] and parts(dataset.notes) == []


FOOD11 = (
    "bread", "dairy product", "dessert", "egg", "fried food", "meat", "noodles/pasta", "rice", "seafood", "soup",
    "vegetable/fruit",
)  # fmt: skip


def write_food11(folder: Path, name: Callable[[str, int, int], str]) -> Path:
    """Write two images of each class into each split; name: gives the path for split, class and running number."""
    for split in ("training", "validation", "evaluation"):
        for label in range(11):
            for index in range(2):
                write_png(folder / name(split, label, index), noise(1000 * label + 10 * index + len(split), channels=3))
    return folder


@pytest.mark.parametrize("pack", [lambda folder: folder, lambda folder: zip_folder(folder, folder.with_suffix(".zip"))])
@pytest.mark.parametrize(
    "name",
    [
        lambda split, label, index: f"food-11/{split}/{label}_{index}.jpg",
        lambda split, label, index: f"{split}/{FOOD11[label].title().replace('/', '-')}/{label}_{index}.jpg",
    ],
)
def test_food11_has_its_classes_whether_files_or_folders_tell_them(
    name: Callable, pack: Callable, tmp_path: Path, cache: Path
) -> None:
    dataset = load_dataset(str(pack(write_food11(tmp_path / "food", name))), cache)
    assert (dataset.title, dataset.class_names, dataset.notes) == ("Food-11", FOOD11, ())
    assert sizes(dataset) == [22, 22, 22] and dataset.image_shape == (64, 64, 3)
    for split, long in (("train", "training"), ("validation", "validation"), ("test", "evaluation")):
        found = contents(dataset)[split]
        expected = [
            (decode.resize(Image.fromarray(noise(1000 * label + 10 * index + len(long), channels=3)), 64), label)
            for label in range(11)
            for index in range(2)
        ]
        assert found == sorted((image.tobytes(), label) for image, label in expected)


def test_food11_images_without_a_class_are_not_used(tmp_path: Path, cache: Path) -> None:
    folder = write_food11(tmp_path / "food", lambda split, label, index: f"{split}/{label}_{index}.jpg")
    for index in range(5):
        write_png(folder / "testing" / f"{index:04}.jpg", noise(index))
    dataset = load_dataset(str(folder), cache)
    assert sizes(dataset) == [22, 22, 22] and "Not used: 5 images" in parts(dataset.notes)[0]


def test_classes_that_are_numbers_are_in_the_order_of_numbers(tmp_path: Path, cache: Path) -> None:
    dataset = load_dataset(str(write_tree(tmp_path / "digits", {str(digit): 3 for digit in range(12)})), cache)
    assert dataset.class_names == tuple(map(str, range(12)))


# Parquet


def png(seed: int, channels: int = 1) -> bytes:
    stream = BytesIO()
    Image.fromarray(noise(seed, channels)).save(stream, "PNG")
    return stream.getvalue()


def write_shard(file: Path, columns: Mapping[str, list], features: Mapping | None = None) -> None:
    """Write a Parquet file as the hub does, in several row groups, its features in the metadata."""
    content = pyarrow.table(dict(columns))
    if features:
        content = content.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(content, file, row_group_size=7)


def images_of(seeds: range, channels: int = 1) -> list[dict]:
    return [{"bytes": png(seed, channels), "path": f"{seed}.png"} for seed in seeds]


IMAGE, PETS = {"_type": "Image"}, {"_type": "ClassLabel", "names": ["cat", "dog", "cow"]}
SHARDS = {
    "train-00000-of-00002": range(20),
    "train-00001-of-00002-ab": range(20, 40),
    "test-00000-of-00001": range(40, 52),
}


def write_shards(folder: Path, place: str = "data/{name}.parquet") -> Path:
    for name, seeds in SHARDS.items():
        columns = {"image": images_of(seeds), "label": [seed % 3 for seed in seeds]}
        write_shard(
            folder / place.format(name=name, split=name.split("-")[0]), columns, {"image": IMAGE, "label": PETS}
        )
    return folder


@pytest.mark.parametrize("pack", [lambda folder: folder, lambda folder: zip_folder(folder, folder.with_suffix(".zip"))])
@pytest.mark.parametrize("place", ["data/{name}.parquet", "default/{split}/{name}.parquet"])
def test_parquet_keeps_splits_classes_and_pixels(place: str, pack: Callable, tmp_path: Path, cache: Path) -> None:
    dataset = load_dataset(str(pack(write_shards(tmp_path / "pets", place))), cache, image_size=48)
    assert dataset.class_names == ("cat", "dog", "cow") and dataset.image_shape == (48, 48, 1)
    found = contents(dataset)
    assert sorted(found["train"] + found["validation"]) == sorted((noise(i).tobytes(), i % 3) for i in range(40))
    assert found["test"] == sorted((noise(i).tobytes(), i % 3) for i in range(40, 52))
    assert "no validation images" in parts(dataset.notes)[0] and dataset.skipped == ()


def test_one_parquet_file_in_colour_with_words_for_labels_is_divided(tmp_path: Path, cache: Path) -> None:
    words = ["salt" if seed % 2 else "pepper" for seed in range(40)]
    write_shard(tmp_path / "spices.parquet", {"label": words, "photo": [png(seed, 3) for seed in range(40)]})
    dataset = load_dataset(str(tmp_path / "spices.parquet"), cache, image_size=48)
    assert dataset.class_names == ("pepper", "salt") and dataset.name == "spices"
    assert sizes(dataset) == [32, 4, 4] and dataset.image_shape == (48, 48, 3)
    assert all_images(dataset) == sorted(noise(seed, 3).tobytes() for seed in range(40))


def test_parquet_rows_that_cannot_be_used_are_named_or_counted(tmp_path: Path, cache: Path) -> None:
    images = images_of(range(203))
    images[5], images[6] = {"bytes": b"no image", "path": "a.png"}, {"bytes": None, "path": "b.png"}
    labels = [seed % 2 for seed in range(200)] + [-1, None, 1]
    write_shard(tmp_path / "pets.parquet", {"image": images, "label": labels}, {"image": IMAGE, "label": PETS})
    dataset = load_dataset(str(tmp_path / "pets.parquet"), cache)
    assert dataset.skipped == (
        ("pets.parquet, row 6", "is not an image"),
        ("pets.parquet, row 7", "holds no image, at most the path of one"),
    )
    assert sum(sizes(dataset)) == 199 and dataset.class_names == ("cat", "dog")
    assert "Not used: 2 images" in parts(dataset.notes)[0] and "no image of 'cow'" in parts(dataset.notes)[1]


def test_of_several_columns_of_labels_the_one_called_so_counts(tmp_path: Path, cache: Path) -> None:
    columns = {"coarse": [0] * 40, "img": images_of(range(40)), "label": [seed % 3 for seed in range(40)]}
    coarse = {"_type": "ClassLabel", "names": ["animal"]}
    write_shard(tmp_path / "pets.parquet", columns, {"coarse": coarse, "img": IMAGE, "label": PETS})
    assert load_dataset(str(tmp_path / "pets.parquet"), cache).class_names == ("cat", "dog", "cow")


def test_of_several_columns_of_labels_the_one_that_is_asked_for_counts(tmp_path: Path, cache: Path) -> None:
    columns = {"age": [0, 1] * 20, "img": images_of(range(40)), "kind": [seed % 3 for seed in range(40)]}
    age = {"_type": "ClassLabel", "names": ["young", "old"]}
    write_shard(tmp_path / "pets.parquet", columns, {"age": age, "img": IMAGE, "kind": PETS})
    path = str(tmp_path / "pets.parquet")
    with pytest.raises(DatasetError, match=r"'age' \(LABEL=age\) or 'kind' \(LABEL=kind\)"):
        load_dataset(path, cache)
    assert load_dataset(path, cache, options=Options(label="kind")).class_names == ("cat", "dog", "cow")
    for options in (Options(label="nothing"), Options(label="age", class_level=1), Options(label="age", group="g")):
        with pytest.raises(DatasetError, match=r"LABEL=nothing is no column|(CLASS_LEVEL|GROUP) decides nothing"):
            load_dataset(path, cache, options=options)


def test_several_labels_an_image_are_refused(tmp_path: Path, cache: Path) -> None:
    columns = {"image": images_of(range(40)), "label": [[seed % 2, 2] for seed in range(40)]}
    write_shard(tmp_path / "pets.parquet", columns, {"image": IMAGE})
    with pytest.raises(DatasetError, match="several an image"):
        load_dataset(str(tmp_path / "pets.parquet"), cache)


def test_missing_validation_split_is_a_tenth_of_training(tmp_path: Path, cache: Path) -> None:
    counts = {"train/cat": 40, "train/dog": 20, "test/cat": 5, "test/dog": 5}
    dataset = load_dataset(str(write_tree(tmp_path / "pets", counts)), cache)
    assert sizes(dataset) == [54, 6, 10] and np.bincount(dataset.validation.labels).tolist() == [4, 2]
    assert "no validation images" in parts(dataset.notes)[0]


@pytest.mark.parametrize(("held", "lacking"), [("PublicTest", "PrivateTest"), ("PrivateTest", "PublicTest")])
def test_training_images_can_all_be_kept_for_training(held: str, lacking: str, tmp_path: Path, cache: Path) -> None:
    rows = [row for row in table_rows(315) if row[2] != lacking]
    rows += [[row[0], row[1], held] for row in rows[:2] if row[2] == "Training"]  # one twin across the splits
    (tmp_path / "fer.csv").write_bytes(table_bytes(rows))
    usual, kept = (load_dataset(str(tmp_path / "fer.csv"), cache, keep_training=keep) for keep in (False, True))
    assert usual.missing == kept.missing == (("test",) if lacking == "PrivateTest" else ("validation",))
    assert sizes(usual)[0] < 105 == sizes(kept)[0] and sizes(kept)[1:] == [106, 106]
    assert contents(kept)["validation"] == contents(kept)["test"] == contents(usual)["test"]
    assert contents(kept)["train"] == sorted(contents(usual)["train"] + contents(usual)["validation"])
    first, second = parts(kept.notes)[:2]
    assert lacking in first and "too high" in first and "1 of the 106 test images also occurs" in second
    assert kept.fingerprint != usual.fingerprint and not set(parts(kept.notes)[:1]) & set(parts(usual.notes))
    for opened in (usual, kept):  # what is said first is what there is
        assert [sum(opened.reading.counts[split].values()) for split in SPLITS] == sizes(opened)


def test_keeping_training_images_changes_nothing_where_all_splits_are_there(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "fer.csv").write_bytes(table_bytes(table_rows(90)))
    usual, kept = (load_dataset(str(tmp_path / "fer.csv"), cache, keep_training=keep) for keep in (False, True))
    assert contents(usual) == contents(kept) and usual.missing == ()
    assert (usual.fingerprint, parts(usual.notes)) == (kept.fingerprint, parts(kept.notes))


def test_keeping_training_images_of_undivided_data_is_an_error(tmp_path: Path, cache: Path) -> None:
    write_tree(tmp_path / "pets", {"cat": 20, "dog": 20})
    assert load_dataset(str(tmp_path / "pets"), cache).missing == SPLITS
    with pytest.raises(DatasetError, match="pets does not say which of its images are for training"):
        load_dataset(str(tmp_path / "pets"), cache, keep_training=True)


def test_images_outside_the_split_folders_are_counted_and_not_used(tmp_path: Path, cache: Path) -> None:
    counts = {f"{split}/{pet}": 3 for split in SPLITS for pet in ("cat", "dog")}
    dataset = load_dataset(str(write_tree(tmp_path / "pets", counts | {"unsorted": 4})), cache)
    assert sizes(dataset) == [6, 6, 6] and dataset.class_names == ("cat", "dog")
    assert "Not used: 4 images" in parts(dataset.notes)[0]


def test_class_may_be_called_train(tmp_path: Path, cache: Path) -> None:
    dataset = load_dataset(str(write_tree(tmp_path / "vehicles", {"bus": 10, "train": 10})), cache)
    assert dataset.class_names == ("bus", "train") and sizes(dataset) == [16, 2, 2]


def test_hidden_files_are_not_looked_at(tmp_path: Path, cache: Path) -> None:
    folder = write_tree(tmp_path / "pets", {"cat": 10, "dog": 10, "__MACOSX/cat": 2, ".trash/cat": 2})
    (folder / "cat" / ".DS_Store").write_bytes(b"x")
    archive = zip_folder(folder, tmp_path / "pets.zip")
    assert [sum(sizes(load_dataset(str(path), cache))) for path in (folder, archive)] == [20, 20]


# grey, colour and size


def test_colour_is_decided_by_the_pixels(tmp_path: Path, cache: Path) -> None:
    folder = write_tree(tmp_path / "grey", {"cat": 10})
    for index in range(10):
        write_png(folder / "dog" / f"{index}.png", np.repeat(noise(index)[..., None], 3, axis=-1))
    assert load_dataset(str(folder), cache).image_shape == (48, 48, 1)
    write_png(folder / "dog" / "red.png", noise(0, channels=3))
    assert load_dataset(str(folder), cache).image_shape == (48, 48, 3)


def test_image_size_can_be_chosen(tmp_path: Path, cache: Path) -> None:
    folder = write_tree(tmp_path / "pets", {"cat": 10, "dog": 10})
    small, usual = load_dataset(str(folder), cache, image_size=32), load_dataset(str(folder), cache)
    assert small.image_shape == (32, 32, 1) and small.fingerprint != usual.fingerprint


@pytest.mark.parametrize("size", [0, 23, 513, -48])
def test_image_size_that_no_network_can_use_is_an_error(size: int, cache: Path) -> None:
    with pytest.raises(DatasetError, match=f"cannot be {size} pixels a side; choose 24 to 512"):
        identify("faces", cache, image_size=size)


def test_faces_and_their_evidence_are_scaled_together(few_faces: list[int], cache: Path) -> None:
    usual, same, double = (load_dataset("faces", cache, image_size=size) for size in (None, 48, 96))
    assert same.fingerprint == usual.fingerprint != double.fingerprint and len(few_faces) == 2
    assert double.image_shape == (96, 96, 1)
    assert np.array_equal(double.evidence["test"][:, ::2, 1::2], usual.evidence["test"])
    centre = double.test.images.astype(int).reshape(-1, 48, 2, 48, 2).mean(axis=(2, 4))
    assert np.abs(centre - usual.test.images[..., 0]).mean() < 2


def test_middle_of_a_wide_picture_is_kept(tmp_path: Path, cache: Path) -> None:
    wide = np.zeros((64, 192), np.uint8)
    wide[:, 64:128] = noise(0, side=64)
    folder = write_tree(tmp_path / "pets", {"cat": 10, "dog": 10})
    write_png(folder / "cat" / "wide.png", wide)
    assert wide[:, 64:128].tobytes() in all_images(load_dataset(str(folder), cache, image_size=64))


# dividing


def worst_share_error(labels: np.ndarray, splits: np.ndarray, shares: tuple[float, ...]) -> float:
    shape = [np.bincount(splits[labels == label], minlength=3) / (labels == label).sum() for label in set(labels)]
    return np.abs(np.array(shape) - shares).max()


def test_dealing_keeps_class_shares_and_identical_images_together() -> None:
    generator = np.random.default_rng(0)
    labels = generator.choice(7, 5_000, p=[0.3, 0.25, 0.2, 0.1, 0.08, 0.05, 0.02])
    twins = generator.integers(0, 4_000, 5_000)  # about half have a twin, and many a twin of another class
    dealt = splits.deal(labels, twins, (0.8, 0.1, 0.1))
    assert all(len(set(dealt[twins == twin])) == 1 for twin in set(twins))
    assert worst_share_error(labels, dealt, (0.8, 0.1, 0.1)) < 0.06
    in_order = np.repeat([0, 1, 2], [4_000, 500, 500])[np.argsort(np.argsort(labels, kind="stable"))]
    assert worst_share_error(labels, in_order, (0.8, 0.1, 0.1)) > 0.06
    assert np.array_equal(dealt, splits.deal(labels, twins, (0.8, 0.1, 0.1)))


def test_head_of_a_split_is_a_sample_of_it(tmp_path: Path, cache: Path) -> None:
    dataset = load_dataset(str(write_tree(tmp_path / "pets", {"cat": 50, "dog": 50})), cache)
    assert 4 < np.bincount(dataset.train.labels[:20])[0] < 16


# bad input


def test_unknown_name_lists_the_legal_ones_and_where_was_looked(cache: Path) -> None:
    text = message("facse", cache)
    assert all(part in text for part in ("'facse'", "'faces'", "'fer2013'", "path"))


def test_fer2013_is_looked_for_under_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(datasets, "ROOT", tmp_path)
    assert "data/fer2013.zip" in message("fer2013", cache) and str(tmp_path) not in message("fer2013", cache)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fer2013.csv.gz").write_bytes(gzip.compress(table_bytes(table_rows())))
    found = load_dataset("fer2013", cache)
    assert found.name == "fer2013" and sizes(found) == [20, 20, 20]


def test_own_faces_do_not_take_the_name_of_the_embedded_ones(tmp_path: Path, cache: Path) -> None:
    folder = write_tree(tmp_path / "faces", {"cat": 10, "dog": 10})
    assert load_dataset(str(folder), cache).name.startswith("faces-")


def test_few_unreadable_images_are_left_out_and_named(tmp_path: Path, cache: Path) -> None:
    folder = write_tree(tmp_path / "pets", {"cat": 100, "dog": 99})
    (folder / "dog" / "broken.jpg").write_bytes(b"no image")
    write_png(folder / "dog" / "cut.png", noise(1))
    (folder / "dog" / "cut.png").write_bytes((folder / "dog" / "cut.png").read_bytes()[:1000])
    dataset = load_dataset(str(folder), cache)
    assert sum(sizes(dataset)) == 199 and len(dataset.skipped) == 2
    assert dataset.skipped[0] == ("dog/broken.jpg", "is not an image")
    assert dataset.skipped[1] == ("dog/cut.png", "is cut short")
    assert parts(dataset.notes)[0] == "Images that cannot be read, 2 of 201, are left out; skipped.csv lists them."


def test_many_unreadable_images_are_an_error_that_lists_the_first_ten(tmp_path: Path, cache: Path) -> None:
    folder = write_tree(tmp_path / "pets", {"cat": 100, "dog": 99})
    for index in range(12):
        (folder / "dog" / f"broken{index:02}.jpg").write_bytes(b"")
    text = message(folder, cache)
    assert "12 of 211 images" in text and text.count("is empty") == 10 and "broken10" not in text


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (["7", "PIXELS", "Training"], "label '7' is not a number from 0 to 6"),
        (["0", "1 2 3", "Training"], "has 3 pixels instead of 2304"),
        (["0", "PIXELS 1", "Training"], "has 2305 pixels instead of 2304"),
        (["0", " ".join(["256"] * 2304), "Training"], "has a pixel outside 0..255"),
        (["0", " ".join(["-1"] * 2304), "Training"], "has a pixel outside 0..255"),
        (["0", " ".join(["x"] * 2304), "Training"], "has a pixel that is not a whole number"),
        (["0", "PIXELS", "Exam"], "usage 'Exam' is none of Training, PublicTest, PrivateTest"),
        (["0", "PIXELS"], "has 2 columns, too few"),
    ],
)
def test_bad_row_is_left_out_with_its_reason(row: list[str], reason: str, tmp_path: Path, cache: Path) -> None:
    rows = table_rows(120)
    rows.insert(50, [cell.replace("PIXELS", rows[0][1]) for cell in row])
    dataset = load_dataset(str(pack_plain(table_bytes(rows), tmp_path)), cache)
    assert len(dataset.skipped) == 1 and dataset.skipped[0][0].endswith(", row 52")
    assert reason in dataset.skipped[0][1]
    assert sizes(dataset) == [40, 40, 40]


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"cat": 10}, ["one class only, 'cat'"]),
        ({"train": 10, "test": 10}, ["no class folders"]),
        ({"cat": 2, "dog": 20}, ["no test image of 'cat'"]),
        ({"train/cat": 1, "train/dog": 1, "test/cat": 2, "test/dog": 2}, ["too few training images"]),
        ({"train/cat": 20, "test/cat": 2, "test/dog": 2}, ["no training image of 'dog'"]),
        ({"val/cat": 20, "test/cat": 2, "test/dog": 2}, ["no training images"]),
        ({}, ["holds no labelled images", "emotion,pixels,Usage"]),
    ],
)
def test_folder_that_cannot_be_used_says_why(counts, words: list[str], tmp_path: Path, cache: Path) -> None:
    (tmp_path / "mine").mkdir()
    text = message(write_tree(tmp_path / "mine", counts), cache)
    assert all(word in text for word in [*words, str(tmp_path / "mine")])


def test_damaged_archives_say_so(tmp_path: Path, cache: Path) -> None:
    table = table_bytes(table_rows())
    for path in (pack_gzip(table, tmp_path), pack_zip(table, tmp_path)):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert f"{path} is damaged" in message(path, cache)


def test_protected_archive_says_so(tmp_path: Path, cache: Path) -> None:
    archive = zip_folder(write_tree(tmp_path / "pets", {"cat": 2, "dog": 2}), tmp_path / "pets.zip")
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"))
    assert "password" in message(archive, cache)


# the cache


def test_fingerprint_follows_content_not_time(tmp_path: Path, cache: Path) -> None:
    folder = write_tree(tmp_path / "pets", {"cat": 10, "dog": 10})
    before = identify(str(folder), cache)
    os.utime(folder / "cat" / "000.png", (1, 1))
    assert identify(str(folder), cache) == before
    write_png(folder / "cat" / "000.png", noise(77))
    assert identify(str(folder), cache).fingerprint != before.fingerprint
    assert load_dataset(str(folder), cache).fingerprint == identify(str(folder), cache).fingerprint


def test_identify_decodes_nothing(few_faces: list[int], tmp_path: Path, cache: Path) -> None:
    (tmp_path / "not an archive.zip").write_bytes(b"anything")
    assert identify(str(tmp_path / "not an archive.zip"), cache).name == "not an archive"
    assert identify("faces", cache).name == "faces" and not few_faces


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-2])


def cut_short_at_the_same_time(file: Path) -> None:
    before = file.stat().st_mtime_ns
    cut_short(file)
    os.utime(file, ns=(before, before))


def tamper_at_the_same_time(file: Path) -> None:
    before = file.stat().st_mtime_ns
    tamper(file)
    os.utime(file, ns=(before, before))


def tamper(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 255
    file.write_bytes(data)


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "evidence.npy"])
@pytest.mark.parametrize("harm", [cut_short, cut_short_at_the_same_time, tamper, tamper_at_the_same_time, Path.unlink])
def test_harmed_cache_is_made_again(harm: Callable, name: str, few_faces: list[int], cache: Path) -> None:
    before = contents(load_dataset("faces", cache))
    harm(cache / identify("faces", cache).fingerprint / name)
    assert contents(load_dataset("faces", cache)) == before and len(few_faces) == 2


def test_cut_description_is_made_again_and_a_copy_is_not(few_faces: list[int], cache: Path) -> None:
    folder = cache / load_dataset("faces", cache).fingerprint
    os.utime(folder / "images.npy", (1, 1))
    load_dataset("faces", cache)
    assert len(few_faces) == 1
    cut_short(folder / "dataset.json")
    load_dataset("faces", cache)
    assert len(few_faces) == 2
    description = (folder / "dataset.json").read_bytes()
    (folder / "dataset.json").write_bytes(description.replace(b'"angry"', b'"happy!"'))
    assert load_dataset("faces", cache).class_names == faces.CLASS_NAMES
    assert len(few_faces) == 3


def test_changed_code_decodes_anew_and_the_same_pixels_are_the_same_data(
    monkeypatch: pytest.MonkeyPatch, few_faces: list[int], cache: Path
) -> None:
    before = load_dataset("faces", cache)
    monkeypatch.setattr("helpers.data.datasets.room_digest", lambda room: f"changed {room}")
    again = load_dataset("faces", cache)
    assert len(few_faces) == 2 and again.digest == before.digest
    load_dataset("faces", cache)
    assert len(few_faces) == 2


def test_other_versions_of_what_decodes_decode_anew(
    monkeypatch: pytest.MonkeyPatch, few_faces: list[int], cache: Path
) -> None:
    load_dataset("faces", cache)
    monkeypatch.setattr("helpers.data.datasets.installed_versions", lambda names: dict.fromkeys(names, "another"))
    for _ in range(2):
        load_dataset("faces", cache)
    assert len(few_faces) == 2


def test_other_pixels_are_other_data_to_networks(few_faces: list[int], cache: Path, tmp_path: Path) -> None:
    facts = [{"files": {"images.npy": {"sha256": digest}}} for digest in "aab"]
    first, same, other = map(folders.content_of, facts)
    assert first == same != other
    dataset = load_dataset("faces", cache)
    assert replace(dataset, content=other).digest != dataset.digest


def test_interruption_leaves_no_cache(monkeypatch: pytest.MonkeyPatch, few_faces: list[int], cache: Path) -> None:
    folder = cache / identify("faces", cache).fingerprint
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    left = cache / f".{folder.name}.{int(ended.stdout)}.1.draft"
    left.mkdir(parents=True)
    (left / "images.npy").write_bytes(b"left by a run that was killed")
    with monkeypatch.context() as patch:
        patch.setattr(folders, "_describe_files", lambda folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            load_dataset("faces", cache)
    assert [path.suffix for path in cache.iterdir()] == [".lock"]
    assert sizes(load_dataset("faces", cache)) == [40, 20, 30]


def test_loaders_at_once_build_once(few_faces: list[int], cache: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(functools.partial(load_dataset, cache=cache), ["faces"] * 4))
    assert len(few_faces) == 1 and all(sizes(dataset) == [40, 20, 30] for dataset in found)


def test_nothing_is_written_beside_the_cache(tmp_path: Path, cache: Path) -> None:
    folder = write_tree(tmp_path / "pets", {"cat": 10, "dog": 10})
    before = sorted(folder.rglob("*"))
    load_dataset(str(zip_folder(folder, tmp_path / "pets.zip")), cache)
    assert sorted(folder.rglob("*")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "pets", "pets.zip"]


def test_module_is_light_to_import() -> None:
    heavy = {"tensorflow", "keras", "pandas", "matplotlib"}
    code = f"import sys, helpers.data.datasets; print({heavy} & {{*sys.modules}})"
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=datasets.ROOT)
    assert printed.stdout == "set()\n"


def test_every_image_is_known_by_the_name_of_its_file(tmp_path: Path, few_faces: list[int], cache: Path) -> None:
    tree = write_tree(tmp_path / "pets", {"cat": 20, "h\u00fcndchen" + "n" * 90: 20})
    for path in (tree, zip_folder(tree, tmp_path / "pets.zip")):
        dataset = load_dataset(str(path), cache, image_size=48)
        for split in (dataset.train, dataset.validation, dataset.test):
            for place, image in enumerate(split.images):
                np.testing.assert_array_equal(np.asarray(Image.open(tree / split.name(place))), image[..., 0])
    assert load_dataset("faces", cache).train.name(3) == "image 3"
