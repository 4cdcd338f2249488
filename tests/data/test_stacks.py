"""The same images come out of arrays, IDX and MATLAB files, Arrow and tables, with their labels and splits."""

import csv
import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat

from helpers.base.words import parts
from helpers.data.datasets import SPLITS, Dataset, load_dataset
from helpers.data.sources import DatasetError

SIDE = 48  # pixels, so that nothing is scaled
COUNTS = {"train": 30, "validation": 9, "test": 12}


def smooth(number: int, channels: int = 1) -> np.ndarray:
    """A picture whose neighbouring pixels are alike, (H, W) or (H, W, C) uint8, with values up to 255 and its own."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    planes = [(rows * 2 + columns * (1 + channel) + number * 3) % 200 for channel in range(channels)]
    picture = np.dstack(planes)
    picture[0, 0] = 255
    return (picture[..., 0] if channels == 1 else picture).astype(np.uint8)


def make(channels: int = 1) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images and labels of every split."""
    made, number = {}, 0
    for split, count in COUNTS.items():
        made[split] = (np.stack([smooth(number + i, channels) for i in range(count)]), np.arange(count) % 3)
        number += count
    return made


def assert_same(dataset: Dataset, made: Mapping[str, tuple[np.ndarray, np.ndarray]], names=("0", "1", "2")) -> None:
    assert dataset.class_names == names and dataset.skipped == ()
    for split, (images, labels) in made.items():
        found = getattr(dataset, split)
        pairs = sorted((i.tobytes(), int(label)) for i, label in zip(found.images, found.labels, strict=True))
        assert pairs == sorted((i.tobytes(), int(label)) for i, label in zip(images, labels, strict=True)), split


def opened(path: Path, tmp_path: Path) -> Dataset:
    return load_dataset(str(path), tmp_path / "cache")


def message(path: Path, tmp_path: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        opened(path, tmp_path)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    return str(caught.value)


NAMES: dict[str, Callable[[str], tuple[str, str]]] = {
    "MedMNIST": lambda s: (
        f"{s[:3] if s == 'validation' else s}_images",
        f"{s[:3] if s == 'validation' else s}_labels",
    ),
    "Keras": lambda s: (f"x_{s[:3] if s == 'validation' else s}", f"y_{s[:3] if s == 'validation' else s}"),
    "capitals": lambda s: (f"X_{s}", f"Y_{s}"),
    "other way round": lambda s: (f"{s}X", f"{s}Y"),
    "sets": lambda s: (f"{s}_set_x", f"{s}_set_y"),
}


@pytest.mark.parametrize("naming", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_are_found_by_their_names(naming: str, channels: int, tmp_path: Path) -> None:
    made = make(channels)
    keys = {split: NAMES[naming](split) for split in made}
    arrays = {key: part for split, pair in made.items() for key, part in zip(keys[split], pair)}
    np.savez_compressed(tmp_path / "mine.npz", **arrays)
    assert_same(opened(tmp_path / "mine.npz", tmp_path), made)
    (tmp_path / "mine").mkdir()
    for key, part in arrays.items():
        np.save(tmp_path / "mine" / f"{key}.npy", part)
    assert_same(opened(tmp_path / "mine", tmp_path), made)


FORMS: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray]]] = {
    "channels first": (3, lambda images: images.transpose(0, 3, 1, 2)),
    "one channel": (1, lambda images: images[..., None]),
    "one channel first": (1, lambda images: images[:, None]),
    "rows": (1, lambda images: images.reshape(len(images), -1)),
    "rows of planes": (3, lambda images: images.transpose(0, 3, 1, 2).reshape(len(images), -1)),
    "rows of colours": (3, lambda images: images.reshape(len(images), -1)),
    "Fortran's order": (3, np.asfortranarray),
    "floats up to 1": (1, lambda images: images.astype(np.float32) / 255),
    "12 bits": (1, lambda images: np.round(images * (4095 / 255)).astype(np.uint16)),
}


@pytest.mark.parametrize("form", FORMS)
def test_arrays_of_images_may_have_any_form(form: str, tmp_path: Path) -> None:
    channels, change = FORMS[form]
    made = make(channels)
    np.savez(
        tmp_path / "mine.npz", **{f"x_{s}": change(made[s][0]) for s in made}, **{f"y_{s}": made[s][1] for s in made}
    )
    dataset = opened(tmp_path / "mine.npz", tmp_path)
    assert_same(dataset, made)


LABELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "in a column": lambda labels: labels[:, None],
    "one-hot": lambda labels: np.eye(3)[labels],
    "floats": lambda labels: labels.astype(np.float64),
}


@pytest.mark.parametrize("form", LABELS)
def test_labels_may_have_any_form(form: str, tmp_path: Path) -> None:
    made = make()
    arrays = {f"{s}_images": made[s][0] for s in made} | {f"{s}_labels": LABELS[form](made[s][1]) for s in made}
    np.savez(tmp_path / "mine.npz", **arrays)
    assert_same(opened(tmp_path / "mine.npz", tmp_path), made)


def test_arrays_of_names_name_the_classes(tmp_path: Path) -> None:
    made, names = make(), ("zebra", "cat", "dog")
    words = {f"y_{split}": np.array(names)[made[split][1]] for split in made}
    np.savez(tmp_path / "words.npz", **{f"x_{split}": made[split][0] for split in made}, **words)
    turned = {split: (images, np.array([2, 0, 1])[labels]) for split, (images, labels) in made.items()}
    assert_same(opened(tmp_path / "words.npz", tmp_path), turned, ("cat", "dog", "zebra"))
    numbers = {f"y_{split}": made[split][1] for split in made} | {"class_names": np.array(names)}
    np.savez(tmp_path / "numbers.npz", **{f"x_{split}": made[split][0] for split in made}, **numbers)
    assert_same(opened(tmp_path / "numbers.npz", tmp_path), made, names)


def test_batches_without_a_split_are_for_training_where_others_are_for_testing(tmp_path: Path) -> None:
    made = make(3)
    (tmp_path / "mine").mkdir()
    rows = {split: images.transpose(0, 3, 1, 2).reshape(len(images), -1) for split, (images, _) in made.items()}
    for number, half in enumerate((slice(0, 15), slice(15, None))):
        np.savez(
            tmp_path / "mine" / f"data_batch_{number}.npz", data=rows["train"][half], labels=made["train"][1][half]
        )
    np.savez(tmp_path / "mine" / "test_batch.npz", data=rows["test"], labels=made["test"][1])
    dataset = opened(tmp_path / "mine", tmp_path)
    assert len(dataset.train.labels) + len(dataset.validation.labels) == 30
    assert_same(dataset, {"test": made["test"]})


def test_what_arrays_cannot_be_used_says_why(tmp_path: Path) -> None:
    images = make()["train"][0]
    cases: dict[str, tuple[dict[str, np.ndarray], str]] = {
        "pickled": ({"x": images, "y": np.array(["a", 1] * 15, object)}, "pickled objects"),
        "fewer": ({"x": images, "y": np.zeros(29)}, "30 images 'x' and 29 labels 'y'; make them as many"),
        "several": ({"x": images, "y": np.ones((30, 4))}, "several an image"),
        "alone": ({"x": images}, "not images with labels"),
        "nameless": ({"arr_0": images, "arr_1": np.zeros(30)}, "'arr_0' and 'arr_1', which are not images with labels"),
    }
    for name, (arrays, words) in cases.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
        assert words in message(tmp_path / f"{name}.npz", tmp_path)
    stream = io.BytesIO()
    np.save(stream, images)
    with zipfile.ZipFile(tmp_path / "cut.npz", "w") as archive:
        archive.writestr("x.npy", stream.getvalue()[:-1])
        archive.writestr("y.npy", stream.getvalue()[:40])
    assert "damaged" in message(tmp_path / "cut.npz", tmp_path)


# IDX and MATLAB files


def idx(values: np.ndarray, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("dot", ["-", "."])
def test_idx_files_are_paired_by_their_names(pack: Callable, dot: str, tmp_path: Path) -> None:
    made = make()
    (tmp_path / "mine").mkdir()
    for stem, split in (("train", "train"), ("t10k", "test")):
        for word, part in zip(("images", "labels"), made[split], strict=True):
            name = f"{stem}-{word}{dot}idx{part.ndim}-ubyte{'.gz' if pack is gzip.compress else ''}"
            (tmp_path / "mine" / name).write_bytes(pack(idx(part.astype(np.uint8))))
    dataset = opened(tmp_path / "mine", tmp_path)
    assert_same(dataset, {"test": made["test"]})
    assert len(dataset.train.labels) + len(dataset.validation.labels) == 30


def test_idx_files_that_are_cut_short_or_alone_say_so(tmp_path: Path) -> None:
    images, labels = make()["train"]
    (tmp_path / "mine").mkdir()
    file = tmp_path / "mine" / "train-images-idx3-ubyte"
    file.write_bytes(idx(images))
    assert "not images with labels of their own" in message(tmp_path / "mine", tmp_path)
    (tmp_path / "mine" / "train-labels-idx1-ubyte").write_bytes(idx(labels.astype(np.uint8)[:-1]))
    assert "30 images" in message(tmp_path / "mine", tmp_path)
    (tmp_path / "mine" / "train-labels-idx1-ubyte").write_bytes(idx(labels.astype(np.uint8)))
    file.write_bytes(idx(images)[:-100])
    assert "damaged" in message(tmp_path / "mine", tmp_path)


def test_matlab_files_of_the_kind_of_svhn_are_read(tmp_path: Path) -> None:
    made = make(3)
    (tmp_path / "mine").mkdir()
    for split in ("train", "test"):
        images, labels = made[split]
        savemat(tmp_path / "mine" / f"{split}_32x32.mat", {"X": images.transpose(1, 2, 3, 0), "y": labels[:, None] + 1})
    assert_same(opened(tmp_path / "mine", tmp_path), {"test": made["test"]}, ("1", "2", "3"))
    savemat(tmp_path / "other.mat", {"A": np.eye(3)})
    assert "images X" in message(tmp_path / "other.mat", tmp_path)
    cells = np.array([f"class {label}" for label in made["test"][1]], object)
    savemat(tmp_path / "cells.mat", {"X": made["test"][0].transpose(1, 2, 3, 0), "y": cells})
    assert "the array 'y' as pickled objects" in message(tmp_path / "cells.mat", tmp_path)
    (tmp_path / "broken.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    assert "broken.mat" in message(tmp_path / "broken.mat", tmp_path)


# tables


def write_table(file: Path, rows: list[list], delimiter: str = ",") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as out:
        csv.writer(out, delimiter=delimiter).writerows(rows)


HEADERS: dict[str, list[str]] = {
    "Kaggle": ["label", *(f"pixel{n}" for n in range(SIDE**2))],
    "rows and columns": ["label", *(f"{r}x{c}" for r in range(1, SIDE + 1) for c in range(1, SIDE + 1))],
    "numbers": ["class", *map(str, range(SIDE**2))],
    "none": [],
}


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_of_pixels_are_images(header: str, delimiter: str, tmp_path: Path) -> None:
    made = make()
    for split in ("train", "test"):
        rows = [[label, *image.ravel()] for image, label in zip(*made[split])]
        write_table(
            tmp_path / "mine" / f"mnist_{split}.csv", [HEADERS[header], *rows] if header != "none" else rows, delimiter
        )
    dataset = opened(tmp_path / "mine", tmp_path)
    assert_same(dataset, {"test": made["test"]})
    assert len(dataset.train.labels) + len(dataset.validation.labels) == 30


def test_label_may_stand_last_and_a_table_without_one_is_counted(tmp_path: Path) -> None:
    images, labels = make()["train"]
    pixels = [f"pixel{n}" for n in range(SIDE**2)]
    write_table(
        tmp_path / "mine" / "train.csv", [[*pixels, "label"], *([*i.ravel(), k] for i, k in zip(images, labels))]
    )
    write_table(tmp_path / "mine" / "test.csv", [pixels, *(i.ravel() for i in images[:7])])
    dataset = opened(tmp_path / "mine", tmp_path)
    assert sum(len(getattr(dataset, split).labels) for split in SPLITS) == 30
    assert "Not used: 7 rows of tables without a label, such as test.csv." in parts(dataset.notes)


def test_tables_of_faces_named_after_splits_are_these(tmp_path: Path) -> None:
    made = make()
    for split in ("train", "test"):
        rows = [[label, " ".join(map(str, image.ravel()))] for image, label in zip(*made[split])]
        write_table(tmp_path / "mine" / f"{split}.csv", [["emotion", "pixels"], *rows])
    assert_same(opened(tmp_path / "mine", tmp_path), {"test": made["test"]})


def test_rows_whose_pixels_are_no_image_are_left_out(tmp_path: Path) -> None:
    images = [smooth(number) for number in range(100)]
    rows = [[n % 2, " ".join(map(str, image.ravel()))] for n, image in enumerate(images)]
    for bad, reason in (
        ("1 2 3", "has 3 pixels instead of 2304"),
        ("x", "has a pixel that is not a whole number"),
    ):
        write_table(tmp_path / "mine.csv", [["emotion", "pixels"], *rows, [1, bad]])
        assert [why for _, why in opened(tmp_path / "mine.csv", tmp_path).skipped] == [reason]


def test_table_of_a_few_features_is_no_table_of_images(tmp_path: Path) -> None:
    write_table(
        tmp_path / "mine.csv", [["label", *(f"x{n}" for n in range(16))], *([n % 2, *range(16)] for n in range(30))]
    )
    assert "do not include 'pixels'" in message(tmp_path / "mine.csv", tmp_path)


# Arrow


@pytest.mark.parametrize("stream", [True, False])
def test_folder_that_the_hubs_library_saved_is_read(stream: bool, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    made = make(3)
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog", "cow"]}}
    for split, (images, labels) in made.items():
        folder = tmp_path / "mine" / split
        folder.mkdir(parents=True)
        files = []
        for image in images:
            files.append(io.BytesIO())
            Image.fromarray(image).save(files[-1], "PNG")
        table = pyarrow.table(
            {"image": [{"bytes": f.getvalue(), "path": None} for f in files], "label": labels.tolist()}
        )
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        new = pyarrow.ipc.new_stream if stream else pyarrow.ipc.new_file
        with new(str(folder / "data-00000-of-00001.arrow"), table.schema) as writer:
            writer.write_table(table, max_chunksize=7)
        (folder / "state.json").write_text("{}")
    (tmp_path / "mine" / "dataset_dict.json").write_text(json.dumps({"splits": list(made)}))
    assert_same(opened(tmp_path / "mine", tmp_path), made, ("cat", "dog", "cow"))
    shard = tmp_path / "mine" / "train" / "data-00000-of-00001.arrow"
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    assert "Arrow file" in message(tmp_path / "mine", tmp_path)


def test_large_table_is_read_as_pandas_reads_it(tmp_path: Path) -> None:
    images = np.stack([smooth(number) for number in range(600)])
    frame = pd.DataFrame(images.reshape(600, -1), columns=[f"pixel{n}" for n in range(SIDE**2)])
    frame.insert(0, "label", np.arange(600) % 2)
    frame.to_csv(tmp_path / "mine.csv.gz", index=False)
    dataset = opened(tmp_path / "mine.csv.gz", tmp_path)
    found = sorted(image.tobytes() for split in SPLITS for image in getattr(dataset, split).images)
    assert found == sorted(image.tobytes() for image in images)
