"""Data sets that are known by what only they have: FER2013 and Food-11, as files."""

import re
from collections.abc import Sequence
from dataclasses import replace
from posixpath import splitext

from helpers.base.words import said
from helpers.data.labels import words
from helpers.data.labels.groups import Image
from helpers.data.reading import Reading
from helpers.data.sources import FER2013_CLASSES, FER2013_SIZE, FER2013_SPLIT_NAMES, FER2013_SPLITS, OTHER_SIZE

FOOD11_CLASSES = (
    "bread", "dairy product", "dessert", "egg", "fried food", "meat", "noodles/pasta", "rice", "seafood", "soup",
    "vegetable/fruit",
)  # fmt: skip
_FOOD11_FOLDERS = {"training": "train", "validation": "validation", "evaluation": "test"}
_FOOD11_NAME = re.compile(r"(\d+)_\d+")  # class, running number
_READING = Reading(labels_from=said("data.labels.known"), splits_from=said("data.splits.known"))


def find_known(names: Sequence[str]) -> tuple[Reading, list[Image], int] | None:
    """Recognise a data set by the names of all its images; None if it is none of those known.

    Gives how it is read, its images with class and split, and pixels a side.
    """
    return _find_fer2013(names) or _find_food11(names)


def _find_fer2013(names: Sequence[str]) -> tuple[Reading, list[Image], int] | None:
    """FER2013: the folders tell the seven classes and the files' names the splits, whichever folders they lie in."""
    paths = [["", *name.split("/")] for name in names]
    images = [
        Image(name, path[-2].lower(), FER2013_SPLITS.get(path[-1].split("_")[0], ""))
        for name, path in zip(names, paths, strict=True)
    ]
    if {image.label for image in images} != {*FER2013_CLASSES} or not all(image.split for image in images):
        return None
    by = said("data.known_by.fer2013_files")
    known = replace(_READING, title="FER2013", recognised_by=by, class_names=FER2013_CLASSES)
    return replace(known, split_names=FER2013_SPLIT_NAMES), images, FER2013_SIZE


def _find_food11(names: Sequence[str]) -> tuple[Reading, list[Image], int] | None:
    """Food-11: folders tell the splits, and files' names the classes; some copies have others without a class."""
    images = []
    for name in names:
        *_, folder, file = ["", *name.split("/")]
        split, match = _FOOD11_FOLDERS.get(folder.lower(), ""), _FOOD11_NAME.fullmatch(splitext(file)[0])
        if split and match:
            images.append(Image(name, match[1], split))
        elif not words.find_split(folder):
            return None
    named = {str(number): name for number, name in enumerate(FOOD11_CLASSES)}
    found = {(image.split, image.label) for image in images}
    if not found >= {(split, number) for split in _FOOD11_FOLDERS.values() for number in named}:
        return None
    by = said("data.known_by.food11_files")
    known = replace(_READING, title="Food-11", recognised_by=by, class_names=FOOD11_CLASSES)
    return known, [image._replace(label=named.get(image.label, image.label)) for image in images], OTHER_SIZE
