"""Data sets that are known by what only they have: FER2013 and Food-11, as files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from posixpath import splitext

from helpers.data.labels import words
from helpers.data.reading import OTHER_SPLIT_NAMES
from helpers.data.sources import FER2013_CLASSES, FER2013_SIZE, FER2013_SPLIT_NAMES, FER2013_SPLITS, OTHER_SIZE

FOOD11_CLASSES = (
    "bread", "dairy product", "dessert", "egg", "fried food", "meat", "noodles/pasta", "rice", "seafood", "soup",
    "vegetable/fruit",
)  # fmt: skip
_FOOD11_FOLDERS = {"training": "train", "validation": "validation", "evaluation": "test"}
_FOOD11_NAME = re.compile(r"(\d+)_\d+")  # class, running number


@dataclass(frozen=True)
class Known:
    """A data set that is known.

    labels: class and split by path; by: what it was recognised by; size: pixels a side, unless asked otherwise.
    """

    title: str
    by: str
    class_names: tuple[str, ...]
    labels: Mapping[str, tuple[str, str]]
    split_names: Mapping[str, str]
    size: int


def find_known(images: Sequence[str]) -> Known | None:
    """Recognise a data set by the names of all its images; None if it is none of those known."""
    return _find_fer2013(images) or _find_food11(images)


def _find_fer2013(images: Sequence[str]) -> Known | None:
    """FER2013: the folders tell the seven classes and the files' names the splits, whichever folders they lie in."""
    parts = [name.rsplit("/", 2) for name in images]
    labels = {
        name: (path[-2].lower() if len(path) > 1 else "", FER2013_SPLITS.get(path[-1].split("_")[0], ""))
        for name, path in zip(images, parts, strict=True)
    }
    if {label for label, _ in labels.values()} != {*FER2013_CLASSES} or not all(split for _, split in labels.values()):
        return None
    by = "its seven folders of expressions and file names that begin with Training, PublicTest or PrivateTest"
    return Known("FER2013", by, FER2013_CLASSES, labels, FER2013_SPLIT_NAMES, FER2013_SIZE)


def _find_food11(images: Sequence[str]) -> Known | None:
    """Food-11: folders tell the splits, and files' names the classes; some copies have others without a class."""
    labels = {}
    for name in images:
        *parents, file = name.split("/")
        folder = parents[-1] if parents else ""
        split, match = _FOOD11_FOLDERS.get(folder.lower(), ""), _FOOD11_NAME.fullmatch(splitext(file)[0])
        if split and match:
            labels[name] = match[1], split
        elif not words.find_split(folder):
            return None
    numbers = {*map(str, range(len(FOOD11_CLASSES)))}
    for split in {split for _, split in labels.values()}:
        if {label for label, found in labels.values() if found == split} < numbers:
            return None
    if {split for _, split in labels.values()} != {*_FOOD11_FOLDERS.values()}:
        return None
    by = "its folders training, validation and evaluation, each with file names of the classes 0 to 10"
    named = {
        name: (FOOD11_CLASSES[int(label)] if label in numbers else label, split)
        for name, (label, split) in labels.items()
    }
    return Known("Food-11", by, FOOD11_CLASSES, named, OTHER_SPLIT_NAMES, OTHER_SIZE)
