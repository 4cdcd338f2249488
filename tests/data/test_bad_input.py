"""What bad and odd input does: a table, each row with the exact sentence, or the exact result, that is expected.

A row makes its data in an empty folder. Its expectation may say {path} for the path that is then given as the data
set.
"""

import ast
import gzip
import io
import json
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from helpers.base.words import parts
from helpers.build import report as driver
from helpers.data import datasets, decode, sources
from helpers.data.datasets import SPLITS, Dataset, load_dataset
from helpers.data.readers import READERS
from helpers.data.reading import Pixels
from helpers.report import pdf

SIDE = 8  # pixels; most rows need many images and none needs large ones
PIXELS = " ".join(["7"] * 2304)

Maker = Callable[[Path], Path]


def encode(pixels: np.ndarray | Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    """Encode an image, (H, W) or (H, W, C) uint8 if an array, as a file."""
    stream = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(stream, file_format, **options)
    return stream.getvalue()


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape or (SIDE, SIDE), dtype=np.uint8)


def picture(seed: int) -> bytes:
    return encode(noise(seed))


def pictures(counts: Mapping[str, int]) -> dict[str, bytes]:
    """Encode `counts[folder]` different pictures for each folder, by path."""
    numbered = [(folder, index) for folder, count in counts.items() for index in range(count)]
    return {f"{folder}/{index:03}.png": picture(seed) for seed, (folder, index) in enumerate(numbered)}


PETS = pictures({"cat": 10, "dog": 10})
MANY = pictures({"cat": 50, "dog": 49})  # with one bad file more, one in a hundred is bad


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def folder_of(*files: Mapping[str, bytes], name: str = "mine", empty: Sequence[str] = ()) -> Maker:
    """Make a folder of these files and empty folders."""

    def make(place: Path) -> Path:
        for part in ("", *empty):
            (place / name / part).mkdir(parents=True, exist_ok=True)
        return write(place / name, {key: value for part in files for key, value in part.items()})

    return make


def zip_of(files: Sequence[tuple[str | zipfile.ZipInfo, bytes]], change: Callable[[bytes], bytes] = bytes) -> Maker:
    """Make a zip of these files, of which some may have one name, and change its bytes."""

    def make(place: Path) -> Path:
        with zipfile.ZipFile(place / "mine.zip", "w") as archive:
            for name, content in files:
                archive.writestr(name, content)
        (place / "mine.zip").write_bytes(change((place / "mine.zip").read_bytes()))
        return place / "mine.zip"

    return make


def tar_of(files: Mapping[str, bytes]) -> Maker:
    def make(place: Path) -> Path:
        with tarfile.open(place / "mine.tar.gz", "w:gz") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return place / "mine.tar.gz"

    return make


def file_of(content: bytes, name: str = "mine.csv") -> Maker:
    return lambda place: write(place, {name: content}) / name


def rows(count: int = 126) -> list[str]:
    """Rows of a table, each of another image; every class has images of every usage."""
    usages = ("Training", "PublicTest", "PrivateTest")
    return [f"{index // 3 % 7},{' '.join(map(str, noise(index, 2304)))},{usages[index % 3]}" for index in range(count)]


ROWS = rows()


def table(*extra: str, header: str = "emotion,pixels,Usage", end: str = "\n", start: str = "") -> bytes:
    return (start + end.join([header, *ROWS, *extra, ""])).encode()


def shard(columns: Mapping[str, Sequence], features: Mapping[str, Any] | None = None) -> bytes:
    """Write a Parquet file as the hub does, its features in the metadata."""
    content = pyarrow.table(dict(columns))
    if features:
        content = content.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    stream = io.BytesIO()
    parquet.write_table(content, stream)
    return stream.getvalue()


def structs(seeds: Sequence[int]) -> list[dict]:
    return [{"bytes": picture(seed), "path": None} for seed in seeds]


FEATURES = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
SHARD = shard({"image": structs(range(20)), "label": [0, 1] * 10}, FEATURES)


def png_that_declares(width: int, height: int) -> bytes:
    """Write a PNG whose header declares a size that its data do not have."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    )


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    return entry, target.encode()


def set_password_flag(data: bytes) -> bytes:
    return data.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")


def zip_with_bomb(place: Path) -> Path:
    entry = zipfile.ZipInfo("dog/bad.png")
    entry.compress_type = zipfile.ZIP_DEFLATED
    return zip_of([*MANY.items(), (entry, bytes(101 * 2**20))])(place)


def with_pipe(place: Path) -> Path:
    folder_of(MANY)(place)
    os.mkfifo(place / "mine" / "dog" / "bad.png")
    return place / "mine"


def with_link(target: str) -> Maker:
    def make(place: Path) -> Path:
        if target.startswith("/") and not Path(target).exists():
            pytest.skip(f"this system has no {target}")
        folder_of(MANY)(place)
        (place / "mine" / "dog" / "bad.png").symlink_to(target)
        return place / "mine"

    return make


def pipe(place: Path) -> Path:
    os.mkfifo(place / "mine.zip")
    return place / "mine.zip"


def folder_with_pipe(name: str) -> Maker:
    def make(place: Path) -> Path:
        (place / "mine").mkdir()
        os.mkfifo(place / "mine" / name)
        return place / "mine"

    return make


# Errors: what is given, and the whole sentence that it is answered with.

KINDS = ", ".join(reader.what for reader in READERS)
NOTHING = f"{{path}} holds no labelled images; give a folder or an archive with one of these: {KINDS}."
ONE_CLASS = (
    "{path} has images of one class only, 'cat' by the name of their folder; add a folder of a second class or, if "
    "that is no class, name a table with LABELS=file LABEL=column FILE=column, or take classes out of the file names "
    "with LABELS=names LABEL='^(..)', a regular expression with the class in parentheses."
)
NO_LABELS = (
    "{path} has images, but nothing that labels them: no class folders, no table with their names and labels, and no "
    "classes in their names; put the images of each class into a folder of its own, name a table with LABELS=file "
    "LABEL=column FILE=column, or take classes out of the file names with LABELS=names LABEL='^(..)', a regular "
    "expression with the class in parentheses."
)
WAY_OUT = "{path} holds the path %r, which leads out of the archive; get it from a source that you trust."
DAMAGED = "{path} is damaged (%s); download or make it again."
COLUMNS = (
    "{path} holds the table mine.csv, whose columns %s do not include %s; name its columns emotion,pixels,Usage or "
    "label,feature."
)
TEN_OF_TWELVE = "; ".join(f"dog/bad{index:02}.jpg is empty" for index in range(10))

ERRORS: dict[str, tuple[Maker, str]] = {
    "empty folder": (folder_of({}), NOTHING),
    "folder without images": (folder_of({"cat/notes.txt": b"none", "dog/notes.txt": b"none"}), NOTHING),
    "file that is neither archive nor table": (file_of(b"hello", "mine.txt"), NOTHING),
    "empty file": (file_of(b"", "mine.zip"), NOTHING),
    "archive renamed from something else": (file_of(b"%PDF-1.7 ...", "mine.zip"), NOTHING),
    "image instead of a folder": (file_of(picture(0), "mine.png"), NOTHING),
    "images that lie in no folder": (folder_of({"a.png": picture(0), "b.png": picture(1)}), NO_LABELS),
    "empty zip": (zip_of([]), NOTHING),
    "pipe": (pipe, "{path} is neither a file nor a folder; give an archive or a folder of images."),
    "folder with a pipe for a table": (folder_with_pipe("fer2013.csv"), NOTHING),
    "folder with a pipe for an archive": (folder_with_pipe("fer2013.zip"), NOTHING),
    "folder with a pipe for a Parquet file": (
        folder_with_pipe("train.parquet"),
        "{path} holds the Parquet file train.parquet, which cannot be read (is not a regular file); download it again.",
    ),
    "broken zip in a zip": (zip_of([("inner.zip", b"PK")]), DAMAGED % "the end of inner.zip is missing"),
    "zip cut in half": (zip_of([*PETS.items()], lambda data: data[: len(data) // 2]), DAMAGED % "its end is missing"),
    "gzip cut in half": (
        file_of(gzip.compress(table())[:50_000], "mine.csv.gz"),
        DAMAGED % "Compressed file ended before the end-of-stream marker was reached",
    ),
    "gzip with a wrong checksum": (
        file_of(gzip.compress(table())[:-8] + b"\0" * 8, "mine.csv.gz"),
        DAMAGED % f"CRC check failed 0x0 != {zlib.crc32(table()):#x}",
    ),
    "zip with a password": (
        zip_of([*PETS.items()], set_password_flag),
        "{path} is protected by a password; unpack it and give the folder instead.",
    ),
    "zip with a path above it": (
        zip_of([*PETS.items(), ("../../evil/cat.png", picture(0))]),
        WAY_OUT % "../../evil/cat.png",
    ),
    "zip with a path above it, hidden in the middle": (
        zip_of([*PETS.items(), ("cat/../../evil.png", picture(0))]),
        WAY_OUT % "cat/../../evil.png",
    ),
    "zip with an absolute path": (
        zip_of([*PETS.items(), ("/etc/cat/evil.png", picture(0))]),
        WAY_OUT % "/etc/cat/evil.png",
    ),
    "zip with a drive": (zip_of([*PETS.items(), ("C:\\cat\\evil.png", picture(0))]), WAY_OUT % "C:/cat/evil.png"),
    "tar with a path above it": (tar_of({"../fer2013.csv": table()}), WAY_OUT % "../fer2013.csv"),
    "tar with an absolute path": (tar_of({"/fer2013.csv": table()}), WAY_OUT % "/fer2013.csv"),
    "zip with more links than one in a hundred": (
        zip_of([*PETS.items(), link("cat/passwords.png", "/etc/passwd")]),
        "{path}: 1 of 21 images cannot be read, more than 1%; repair or remove them, the first being: "
        "cat/passwords.png is a link, and holds no image itself.",
    ),
    "twelve empty images": (
        folder_of(MANY, {f"dog/bad{index:02}.jpg": b"" for index in range(12)}),
        "{path}: 12 of 111 images cannot be read, more than 1%; repair or remove them, the first being: "
        f"{TEN_OF_TWELVE}.",
    ),
    "two bad images where one may be": (
        folder_of(MANY, {"cat/bad.jpg": b"no image", "dog/bad.jpg": b""}),
        "{path}: 2 of 101 images cannot be read, more than 1%; repair or remove them, the first being: "
        "cat/bad.jpg is not an image; dog/bad.jpg is empty.",
    ),
    "images with a name that breaks the line": (
        folder_of(PETS, {"cat/two\nlines.jpg": b"no image"}),
        "{path}: 1 of 21 images cannot be read, more than 1%; repair or remove them, the first being: "
        "cat/two\\nlines.jpg is not an image.",
    ),
    "no image that can be read": (
        folder_of({f"{pet}/{index:02}.jpg": b"" for pet in ("cat", "dog") for index in range(10)}),
        "{path}: 20 of 20 images cannot be read, more than 1%; repair or remove them, the first being: "
        + "; ".join(f"cat/{index:02}.jpg is empty" for index in range(10))
        + ".",
    ),
    "one class only": (
        folder_of(pictures({"cat": 10})),
        ONE_CLASS,
    ),
    "one class and an empty one": (
        folder_of(pictures({"cat": 10}), empty=["dog"]),
        ONE_CLASS,
    ),
    "class with one image": (
        folder_of(pictures({"cat": 10, "dog": 1})),
        "{path} has no test image of 'dog'; add some, or take that class out.",
    ),
    "class with one image, many times": (
        folder_of(pictures({"cat": 10}), {f"dog/{index}.png": picture(99) for index in range(10)}),
        "{path} has no test image of 'dog'; add some, or take that class out.",
    ),
    "class that only the training split has": (
        folder_of(pictures({"train/cat": 9, "train/dog": 9, "train/cow": 9, "test/cat": 3, "test/dog": 3})),
        "{path} has no test image of 'cow'; add some, or take that class out.",
    ),
    "class that only the test split has": (
        folder_of(pictures({"train/cat": 9, "train/dog": 9, "test/cat": 3, "test/dog": 3, "test/cow": 3})),
        "{path} has no training image of 'cow'; add some, or take that class out.",
    ),
    "splits without classes": (
        folder_of(pictures({"train": 9, "test": 3})),
        NO_LABELS,
    ),
    "training split without images": (
        folder_of(pictures({"val/cat": 3, "val/dog": 3, "test/cat": 3, "test/dog": 3}), empty=["train/cat"]),
        "{path} has no training images; add some, or take the splits away.",
    ),
    "training split too small to hold images out": (
        folder_of(pictures({"train/cat": 1, "train/dog": 1, "test/cat": 3, "test/dog": 3})),
        "{path} has too few training images to hold some out for validation; add more.",
    ),
    "table without pixels": (
        file_of(b"emotion,Usage\n0,Training\n"),
        COLUMNS.replace("; name", ", and no images that it could name; put the images there, or name")
        % ("'emotion' and 'usage'", "'pixels' or 'feature'"),
    ),
    "table without labels": (
        file_of(f"id,feature\n0,{PIXELS}\n".encode()),
        COLUMNS % ("'id' and 'feature'", "'emotion' or 'label'"),
    ),
    "table of something else": (file_of(b"name,age\nAda,36\n"), NOTHING),
    "table without rows": (
        file_of(b"emotion,pixels,Usage\n"),
        "{path} holds no images with a label; give a data set that has some.",
    ),
    "table with more bad rows than one in a hundred": (
        file_of(table("9,1 2,Training", "x,,Training")),
        "{path}: 2 of 128 images cannot be read, more than 1%; repair or remove them, the first being: "
        "mine.csv, row 128 label '9' is not a number from 0 to 6; "
        "mine.csv, row 129 label 'x' is not a number from 0 to 6.",
    ),
    "table in UTF-16": (file_of(table().decode().encode("utf-16")), NOTHING),
    "Parquet cut in half": (
        file_of(SHARD[: len(SHARD) // 2], "mine.parquet"),
        "{path} holds the Parquet file mine.parquet, which cannot be read (Parquet magic bytes not found in footer. "
        "Either the file is corrupted or this is not a parquet file); download it again.",
    ),
    "Parquet without images": (
        file_of(shard({"text": ["a"], "label": [0]}), "mine.parquet"),
        "{path} holds the Parquet file mine.parquet, whose columns 'text' and 'label' include none of images; give "
        "files with the columns image and label.",
    ),
    "Parquet without labels": (
        file_of(shard({"image": structs([0]), "caption": ["a"]}), "mine.parquet"),
        "{path} holds the Parquet file mine.parquet, whose columns 'image' and 'caption' include none of labels; give "
        "files with the columns image and label.",
    ),
    "Parquet of two data sets": (
        folder_of({"a.parquet": SHARD, "b.parquet": shard({"img": structs([0]), "label": [0]})}),
        "{path} holds Parquet files of several data sets; give a folder with those of one.",
    ),
    "Parquet without a label that is known": (
        file_of(shard({"image": structs(range(3)), "label": [-1] * 3}, FEATURES), "mine.parquet"),
        "{path} holds no images with a label; give a data set that has some.",
    ),
}


def listing(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_used_is_one_sentence_and_exit_code_2(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cli: Callable
) -> None:
    make, sentence = ERRORS[case]
    (tmp_path / "given").mkdir()
    path = make(tmp_path / "given")
    before = listing(tmp_path)
    monkeypatch.setenv("DATA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(driver, "make_report", lambda *_: pytest.fail("the data were not refused"))
    assert cli("report", f"DATASET={path}", f"REPORTS={tmp_path / 'reports'}") == 2
    assert capsys.readouterr().err == f"error: {sentence.format(path=path)}\n"
    left = {str(path) for path in tmp_path.rglob("*")} - {*before}
    assert all(name.startswith(str(tmp_path / "cache")) and not name.endswith(".npy") for name in left)


# Images that are left out: a file, and why.

UNREADABLE: dict[str, tuple[Maker, str]] = {
    "zero bytes": (folder_of(MANY, {"dog/bad.png": b""}), "is empty"),
    "text": (folder_of(MANY, {"dog/bad.png": b"hello"}), "is not an image"),
    "program": (
        folder_of(MANY, {"dog/bad.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"}),
        "is not an image",
    ),
    "vector drawing": (
        folder_of(MANY, {"dog/bad.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}),
        "is not an image",
    ),
    "JPEG cut in half": (
        folder_of(MANY, {"dog/bad.png": encode(noise(1, 90, 90), "JPEG")[:3000]}),
        "is cut short",
    ),
    "PNG cut in half": (
        folder_of(MANY, {"dog/bad.png": encode(noise(1, 90, 90))[:3000]}),
        "is cut short",
    ),
    "PNG with nothing but its header": (
        folder_of(MANY, {"dog/bad.png": encode(noise(1, 90, 90))[:33]}),
        "is not an image",
    ),
    "decompression bomb": (
        folder_of(MANY, {"dog/bad.png": png_that_declares(60_000, 60_000)}),
        "has more than 178,956,970 pixels",
    ),
    "image that is too large to decode": (
        folder_of(MANY, {"dog/bad.png": png_that_declares(9_000, 9_000)}),
        "has 81,000,000 pixels, more than 67,108,864",
    ),
    "pipe": (with_pipe, "is not a regular file"),
    "link that leads nowhere": (with_link("nowhere"), "is a link that leads nowhere"),
    "file that the system does not let be read": (with_link("/proc/self/mem"), "Input/output error"),
    "link in a zip": (
        zip_of([*MANY.items(), link("dog/bad.png", "/etc/passwd")]),
        "is a link, and holds no image itself",
    ),
    "file damaged inside a zip": (
        zip_of([*MANY.items(), ("dog/bad.png", b"A" * 99)], lambda data: data.replace(b"A" * 99, b"B" * 99)),
        "Bad CRC-32 for file 'dog/bad.png'",
    ),
    "size that a zip declares and does not hold": (
        zip_of(
            [*MANY.items(), ("dog/bad.png", b"A" * 99)],
            lambda data: data.replace(struct.pack("<II", 99, 99), struct.pack("<II", 99, 2**31)),
        ),
        "is not an image",
    ),
    "file that grows when it is unpacked": (zip_with_bomb, "is larger than 104,857,600 bytes"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_one_unreadable_image_in_a_hundred_is_left_out_with_its_reason(case: str, tmp_path: Path) -> None:
    make, reason = UNREADABLE[case]
    dataset = load_dataset(str(make(tmp_path)), tmp_path / "cache")
    assert dataset.skipped == (("dog/bad.png", reason),)
    assert sum(sizes(dataset)) == 99
    assert parts(dataset.notes)[0] == "Images that cannot be read, 1 of 100, are left out; skipped.csv lists them."


def test_file_that_the_system_refuses_to_open_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in, since nothing is forbidden to the user who runs tests in a container."""
    folder = folder_of(MANY, {"dog/bad.png": picture(0)})(tmp_path)
    open_file = Path.open

    def refuse(self: Path, *arguments: Any, **options: Any) -> Any:
        if self.name == "bad.png":
            raise PermissionError(13, "Permission denied", str(self))
        return open_file(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    assert load_dataset(str(folder), tmp_path / "cache").skipped == (("dog/bad.png", "Permission denied"),)


def test_folder_that_the_system_refuses_to_list_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(PETS)(tmp_path)

    def refuse(*_: Any, onerror: Callable[[OSError], None], **__: Any) -> list:
        onerror(PermissionError(13, "Permission denied", str(folder)))
        return []

    monkeypatch.setattr(os, "walk", refuse)
    with pytest.raises(sources.DatasetError) as caught:
        load_dataset(str(folder), tmp_path / "cache")
    assert str(caught.value) == f"{folder} cannot be read (Permission denied); make it readable, or copy it elsewhere."


def test_image_file_of_more_bytes_than_any_image_has_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "MAX_BYTES", 1000)
    dataset = load_dataset(
        str(folder_of(MANY, {"dog/bad.png": picture(0) + b"\0" * 1000})(tmp_path)), tmp_path / "cache"
    )
    assert dataset.skipped == (("dog/bad.png", "is larger than 1,000 bytes"),)


BAD_ROWS: dict[str, tuple[str, str]] = {
    "too few pixels": ("0,1 2 3,Training", "has 3 pixels instead of 2304"),
    "no pixels": ("0,,Training", "has 0 pixels instead of 2304"),
    "too many pixels": (f"0,{PIXELS} 7,Training", "has 2305 pixels instead of 2304"),
    "pixel above 255": (f"0,{PIXELS[:-1]}256,Training", "has a pixel outside 0..255"),
    "pixel below 0": (f"0,{PIXELS[:-1]}-1,Training", "has a pixel outside 0..255"),
    "pixel beyond all numbers": (f"0,{PIXELS[:-1]}{10**30},Training", "has a pixel outside 0..255"),
    "pixel with a fraction": (f"0,{PIXELS[:-1]}7.5,Training", "has a pixel that is not a whole number"),
    "pixel that is a word": (f"0,{PIXELS[:-1]}x,Training", "has a pixel that is not a whole number"),
    "label above 6": (f"7,{PIXELS},Training", "label '7' is not a number from 0 to 6"),
    "label below 0": (f"-1,{PIXELS},Training", "label '-1' is not a number from 0 to 6"),
    "label that is a word": (f"happy,{PIXELS},Training", "label 'happy' is not a number from 0 to 6"),
    "usage that is none": (f"0,{PIXELS},Exam", "usage 'Exam' is none of Training, PublicTest, PrivateTest"),
    "too few columns": (f"0,{PIXELS}", "has 2 columns, too few"),
    "endless line": ("0," + "7 " * 599_999 + ",Training", "has 1,048,576 characters or more, too many"),
    "bytes that are no text": ("\0,\0,\0", r"label '\x00' is not a number from 0 to 6"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_one_bad_row_in_a_hundred_is_left_out_with_its_reason(case: str, tmp_path: Path) -> None:
    row, reason = BAD_ROWS[case]
    dataset = load_dataset(str(file_of(table(row))(tmp_path)), tmp_path / "cache")
    assert dataset.skipped == (("mine.csv, row 128", reason),) and sizes(dataset) == [42, 42, 42]


def test_row_without_a_label_is_counted_and_not_used(tmp_path: Path) -> None:
    dataset = load_dataset(str(file_of(table(f",{PIXELS},Training"))(tmp_path)), tmp_path / "cache")
    assert dataset.skipped == () and sizes(dataset) == [42, 42, 42]
    assert "Not used: 1 row of tables without a label, such as mine.csv." in parts(dataset.notes)


def test_no_file_is_read_in_a_way_that_can_run_code() -> None:
    assert all(map(dangers, ("np.load(path, allow_pickle=True)", "import pickle", "from dill import load", "eval(x)")))
    sources_of = {file.name: file.read_text() for file in Path(datasets.__file__).parent.rglob("*.py")}
    assert len(sources_of) > 10 and [name for name, text in sources_of.items() if dangers(text)] == []


def dangers(text: str) -> set[str]:
    """Name what in a program can run code that data hold, whatever stands in its sentences for the user."""
    nodes = list(ast.walk(ast.parse(text)))
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    keywords = [node for node in nodes if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant)]
    options = {f"{keyword.arg}={keyword.value.value}" for keyword in keywords}
    modules = {"pickle", "joblib", "dill", "marshal", "shelve"}
    return imported & modules | called & {"eval", "exec"} | options & {"allow_pickle=True", "safe_mode=False"}


# Odd input that can be used, and what becomes of it.


def sizes(dataset: Dataset) -> list[int]:
    return [len(getattr(dataset, split).labels) for split in SPLITS]


def gif(*frames: np.ndarray) -> bytes:
    first, *rest = [Image.fromarray(frame) for frame in frames]
    return encode(first, "GIF", save_all=True, append_images=rest)


ONE_PIECE = (
    "These data come in one piece, so 80% of the images are the training, 10% the validation and 10% the test "
    "split, drawn class by class, with identical images kept on one side."
)
ODD_NAMES = {
    "blanks": ("  a cat ", "a dog"),
    "quotes": ('"cat"', "dog's"),
    "emoji": ("😀", "👩‍🔬"),
    "Chinese": ("貓", "狗"),
    "signs that mean something elsewhere": ("#cat_*$[]{}<&>", "%dog\\`~^"),
    "dashes and dots": ("--help", "dog..."),
    "very long": ("c" * 200, "d" * 200),
}


@pytest.mark.parametrize("case", ODD_NAMES)
@pytest.mark.parametrize("pack", [lambda files: folder_of(files), lambda files: zip_of([*files.items()])])
def test_classes_keep_their_names_whatever_they_are(case: str, pack: Callable, tmp_path: Path) -> None:
    first, second = ODD_NAMES[case]
    if "\\" in second and pack({})(tmp_path).suffix == ".zip":
        second = second.replace("\\", "")  # in a zip it parts folders
    files = pictures({first: 10, second: 10})
    dataset = load_dataset(str(pack(files)(tmp_path)), tmp_path / "cache")
    assert {*dataset.class_names} == {first, second} and sizes(dataset) == [16, 2, 2]


def test_data_set_keeps_its_name_whatever_it_is(tmp_path: Path) -> None:
    for name in ("a b", "it's", '"x"', "貓 😀", "--help"):
        assert load_dataset(str(folder_of(PETS, name=name)(tmp_path)), tmp_path / "cache").name == name


CUNEIFORM = "\N{CUNEIFORM SIGN A}"


def test_class_whose_name_no_font_can_show_is_an_error_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cli: Callable
) -> None:
    if not pdf.missing_characters(CUNEIFORM):
        pytest.skip("this machine has a font for cuneiform")
    monkeypatch.setenv("DATA_CACHE", str(tmp_path / "cache"))
    folder = folder_of(pictures({f"{CUNEIFORM} cat": 10, "dog": 10}))(tmp_path)
    assert cli("report", f"DATASET={folder}", f"REPORTS={tmp_path / 'reports'}") == 2
    assert capsys.readouterr().err == (
        f"error: No font on this machine has the characters {CUNEIFORM} (U+12000) of '{CUNEIFORM} cat'; install a font "
        "that has them, or write the text without them.\n"
    )
    assert not (tmp_path / "reports").exists()


def test_names_that_no_text_can_hold_are_spelled_with_escapes(tmp_path: Path) -> None:
    folder = folder_of(PETS)(tmp_path)
    try:
        (folder / "cat").rename(os.fsdecode(os.fsencode(folder) + b"/c\xff\nt"))
    except OSError:
        pytest.skip("this system allows no such names")
    dataset = load_dataset(str(folder), tmp_path / "cache")
    assert dataset.class_names == ("c\\udcff\\nt", "dog") and sizes(dataset) == [16, 2, 2]


def test_accents_that_two_systems_store_differently_are_one_class(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    counts = {f"train/{composed}": 10, "train/tea": 10, f"test/{decomposed}": 5, "test/tea": 5}
    dataset = load_dataset(str(folder_of(pictures(counts))(tmp_path)), tmp_path / "cache")
    assert dataset.class_names == (composed, "tea") and sizes(dataset) == [18, 2, 10]


TABLES: dict[str, bytes] = {
    "byte-order mark": table(start="\ufeff"),
    "line ends of Windows": table(end="\r\n"),
    "line ends of old Macs": table(end="\r"),
    "blank lines": table("", "   ", ""),
    "no last line end": table()[:-1],
    "blanks in column names": table(header="emotion, pixels, Usage"),
    "column names in quotes and capitals": table(header='"EMOTION","Pixels","usage"'),
}


@pytest.mark.parametrize("case", TABLES)
def test_table_is_the_same_whatever_its_dialect(case: str, tmp_path: Path) -> None:
    plain = load_dataset(str(file_of(table(), "plain.csv")(tmp_path)), tmp_path / "cache")
    other = load_dataset(str(file_of(TABLES[case])(tmp_path)), tmp_path / "cache")
    for split in SPLITS:
        one, two = getattr(plain, split), getattr(other, split)
        assert np.array_equal(one.images, two.images) and np.array_equal(one.labels, two.labels)
    assert other.skipped == () and sizes(other) == [42, 42, 42]


def test_table_that_lacks_a_class_of_fer2013_is_not_given_its_names(tmp_path: Path) -> None:
    lines = [row for row in ROWS if row[0] != "1"]
    content = "\n".join(["emotion,pixels,Usage", *lines]).encode()
    dataset = load_dataset(str(file_of(content)(tmp_path)), tmp_path / "cache")
    assert dataset.class_names == ("0", "2", "3", "4", "5", "6") and str(dataset.title) == "Images of 6 classes"
    labels = np.concatenate([getattr(dataset, split).labels for split in SPLITS])
    assert np.bincount(labels).tolist() == [18] * 6


def test_empty_class_is_no_class_and_named(tmp_path: Path) -> None:
    dataset = load_dataset(str(folder_of(PETS, empty=["cow"])(tmp_path)), tmp_path / "cache")
    assert dataset.class_names == ("cat", "dog")
    assert parts(dataset.notes) == ["Folders without images are no classes: 'cow'.", ONE_PIECE]


def test_class_of_three_images_has_one_in_each_split(tmp_path: Path) -> None:
    dataset = load_dataset(str(folder_of(pictures({"cat": 10, "dog": 3}))(tmp_path)), tmp_path / "cache")
    for split in SPLITS:
        assert (getattr(dataset, split).labels == 1).sum() == 1


@pytest.mark.parametrize(
    ("empty", "note", "expected"),
    [
        ("validation", "no validation images, so a tenth of the training images", [18, 2, 20]),
        ("test", "no test images, so the validation images are the test split and a tenth", [18, 2, 20]),
    ],
)
def test_split_without_images_is_made_up_for_and_named(
    empty: str, note: str, expected: list[int], tmp_path: Path
) -> None:
    kept = "test" if empty == "validation" else "validation"
    counts = {f"{split}/{pet}": 10 for split in ("train", kept) for pet in ("cat", "dog")}
    maker = folder_of(pictures(counts), empty=[f"{empty}/cat", f"{empty}/dog"])
    dataset = load_dataset(str(maker(tmp_path)), tmp_path / "cache")
    assert sizes(dataset) == expected and note in parts(dataset.notes)[0]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_files_with_one_name_the_last_counts_and_the_other_is_named(tmp_path: Path) -> None:
    files = [*MANY.items(), ("dog/twice.png", b"not this one"), ("dog/twice.png", picture(777))]
    dataset = load_dataset(str(zip_of(files)(tmp_path)), tmp_path / "cache")
    assert dataset.skipped == (("dog/twice (earlier 1).png", "has the name of a later file of the archive"),)
    assert sum(sizes(dataset)) == 100


def test_one_name_in_two_classes_is_two_images(tmp_path: Path) -> None:
    assert {Path(name).name for name in PETS} == {f"{index:03}.png" for index in range(10)}
    assert sum(sizes(load_dataset(str(folder_of(PETS)(tmp_path)), tmp_path / "cache"))) == 20


def test_folders_that_link_to_each_other_are_read_once(tmp_path: Path) -> None:
    folder_of(PETS, name="elsewhere")(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "cat").symlink_to(tmp_path / "elsewhere" / "cat")
    (tmp_path / "mine" / "dog").symlink_to(tmp_path / "elsewhere" / "dog")
    (tmp_path / "elsewhere" / "dog" / "round").symlink_to(tmp_path / "mine")
    dataset = load_dataset(str(tmp_path / "mine"), tmp_path / "cache")
    assert dataset.class_names == ("cat", "dog") and sum(sizes(dataset)) == 20


def test_zip_with_the_path_separators_of_windows_is_read(tmp_path: Path) -> None:
    files = [(name.replace("/", "\\"), content) for name, content in PETS.items()]
    dataset = load_dataset(str(zip_of(files)(tmp_path)), tmp_path / "cache")
    assert dataset.class_names == ("cat", "dog") and sum(sizes(dataset)) == 20


def test_image_under_another_ending_is_known_by_its_content(tmp_path: Path) -> None:
    files = {
        f"{pet}/{index}.{ending}": encode(noise(index, 8, 8), file_format)
        for pet in ("cat", "dog")
        for index, (ending, file_format) in enumerate([("jpg", "PNG"), ("png", "JPEG"), ("gif", "BMP"), ("bmp", "GIF")])
    }
    dataset = load_dataset(str(folder_of(files)(tmp_path)), tmp_path / "cache")
    assert dataset.skipped == () and sum(sizes(dataset)) == 8


QUARTERS = np.kron(np.array([[10, 80], [150, 220]], np.uint8), np.ones((4, 4), np.uint8))  # a dark corner, top left
GLASS = np.dstack([np.full((SIDE, SIDE, 3), 90, np.uint8), np.where(QUARTERS == 10, 0, 255).astype(np.uint8)])
PALETTE = Image.fromarray(np.where(QUARTERS == 10, 0, 1).astype(np.uint8), "P")
PALETTE.putpalette([200, 0, 0, 90, 90, 90])
TURNED = Image.Exif()
TURNED[0x0112] = 6  # to be turned a quarter clockwise
HALF_WHITE = np.where(QUARTERS == 10, 255, 90)
IMAGES: dict[str, tuple[bytes, str, np.ndarray]] = {
    "one pixel": (encode(np.full((1, 1), 77, np.uint8)), "L", np.full((SIDE, SIDE), 77)),
    "one row": (encode(np.full((1, 500), 77, np.uint8)), "L", np.full((SIDE, SIDE), 77)),
    "animated GIF": (gif(QUARTERS, 255 - QUARTERS), "L", QUARTERS),
    "animated WebP": (
        encode(Image.fromarray(QUARTERS), "WEBP", lossless=True, save_all=True, append_images=[Image.new("L", (8, 8))]),
        "L",
        QUARTERS,
    ),
    "16 bits of grey": (encode(QUARTERS.astype(np.uint16) * 257), "L", QUARTERS),
    "16 bits of grey in a PGM": (
        b"P5 8 8 65535\n" + (QUARTERS.astype(np.uint16) * 257).astype(">u2").tobytes(),
        "L",
        QUARTERS,
    ),
    "one bit": (encode(Image.fromarray(QUARTERS > 100)), "L", np.where(QUARTERS > 100, 255, 0)),
    "transparent": (encode(GLASS), "L", HALF_WHITE),
    "transparent grey": (encode(GLASS[..., 2:]), "L", HALF_WHITE),
    "palette": (encode(PALETTE), "L", np.where(QUARTERS == 10, 60, 90)),
    "palette with a transparent colour": (encode(PALETTE, transparency=0), "L", HALF_WHITE),
    "inks": (
        encode(Image.merge("CMYK", [Image.fromarray(x) for x in [QUARTERS] * 3 + [QUARTERS * 0]]), "TIFF"),
        "L",
        255 - QUARTERS,
    ),
    "turned by its EXIF data": (encode(np.rot90(QUARTERS), exif=TURNED), "L", QUARTERS),
    "EXIF data that make no sense": (encode(QUARTERS, exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"), "L", QUARTERS),
    "colour where grey is wanted": (encode(np.dstack([QUARTERS] * 3)), "L", QUARTERS),
}


@pytest.mark.parametrize("case", IMAGES)
def test_odd_image_is_decoded_to_these_very_pixels(case: str) -> None:
    content, mode, expected = IMAGES[case]
    pixels = decode.decode(lambda: io.BytesIO(content), Pixels(SIDE, colour=mode == "RGB"))
    assert isinstance(pixels, np.ndarray) and pixels.shape == (SIDE, SIDE, 1) and pixels.dtype == np.uint8
    assert np.abs(pixels[..., 0].astype(int) - expected).max() <= 1
