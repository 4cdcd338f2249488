"""What lies behind a path: files that can be opened, and the records of labelled images that readers make of them."""

import gzip
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import numpy as np

from helpers import faces

SPLITS = ("train", "validation", "test")
FER2013_CLASSES = faces.CLASS_NAMES
FER2013_SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
FER2013_SPLIT_NAMES = {split: usage for usage, split in FER2013_SPLITS.items()}
FER2013_SIZE, OTHER_SIZE = 48, 64  # pixels a side, unless asked otherwise
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile)


class DatasetError(ValueError):
    """A data set that cannot be found or used; the message is one sentence for the user."""


class Record(NamedTuple):
    name: str
    label: int
    split: str  # one of SPLITS, or "" where the source does not say
    pixels: np.ndarray | str  # (H, W, C) uint8, or why it cannot be read


@dataclass(frozen=True)
class Contents:
    title: str
    class_names: tuple[str, ...]
    split_names: Mapping[str, str]  # what the source calls each of SPLITS
    shape: tuple[int, int, int]
    notes: tuple[str, ...]
    records: Iterable[Record]


Opener = Callable[[], BinaryIO]
Members = Mapping[str, Opener]


def list_members(path: Path) -> Members:
    """Map the name of each file that a folder, an archive or a file holds to a function that opens it."""
    if path.is_dir():
        return {name: partial(file.open, "rb") for name, file in visible_files(path).items()}
    if zipfile.is_zipfile(path):
        return _zip_members(path)
    if tarfile.is_tarfile(path):
        return _tar_members(path)
    with path.open("rb") as file:
        magic = file.read(2)
    if magic == b"PK":
        raise zipfile.BadZipFile("its end is missing")
    return {path.name: partial(gzip.open, path) if magic == b"\x1f\x8b" else partial(path.open, "rb")}


def _zip_members(path: Path) -> Members:
    archive = zipfile.ZipFile(path)
    entries = [entry for entry in archive.infolist() if not entry.is_dir() and not is_hidden(entry.filename)]
    if any(entry.flag_bits & 1 for entry in entries):
        raise DatasetError(f"{path} is protected by a password; unpack it and give the folder instead.")
    return {entry.filename: partial(archive.open, entry) for entry in entries}


def _tar_members(path: Path) -> Members:
    """List the tables of a tar archive; its pictures cannot be read in any order but its own."""
    archive = tarfile.open(path)  # noqa: SIM115 (its members are opened later)
    tables = [entry for entry in archive if entry.isfile() and entry.name.lower().endswith(".csv")]
    return {entry.name: partial(archive.extractfile, entry) for entry in tables if not is_hidden(entry.name)}


def visible_files(folder: Path) -> dict[str, Path]:
    """Map the relative path of every file that is not hidden to the file, sorted."""
    found = [Path(parent, file) for parent, _, files in os.walk(folder) for file in files]
    names = {file.relative_to(folder).as_posix(): file for file in found}
    return {name: names[name] for name in sorted(names) if not is_hidden(name)}


def is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)
