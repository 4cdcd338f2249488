"""The data sets that are known by name, in folders of images: recognised by what only they have."""

import re
from collections.abc import Sequence
from dataclasses import replace
from posixpath import splitext

from helpers.base.words import said
from helpers.data import sources
from helpers.data.labels import words
from helpers.data.reading import Reading
from helpers.data.sources import OTHER_SIZE, Image

FOOD11_CLASSES = tuple(words.VOCABULARY["known"]["food11"])
_FOOD11_FOLDERS = {"training": "train", "validation": "validation", "evaluation": "test"}
_FOOD11_NAME = re.compile(r"(\d+)_\d+")  # class, running number
_READING = Reading(labels_from=said("data.labels.known"), splits_from=said("data.splits.known"))
Labelled = tuple[Reading, list[Image], int | None]  # how images are read, they themselves, and pixels a side if known


def find_fer2013(names: Sequence[str]) -> Labelled | None:
    """FER2013: the folders tell the seven classes and the files' names the splits, whichever folders they lie in."""
    paths = [(name, *["", *name.split("/")][-2:]) for name in names]
    splits = sources.FER2013_SPLITS
    images = [Image(name, folder.lower(), splits.get(file.split("_")[0], "")) for name, folder, file in paths]
    if {image.label for image in images} != {*sources.FER2013_CLASSES} or not all(image.split for image in images):
        return None
    by = said("data.known_by.fer2013_files")
    known = replace(_READING, title="FER2013", recognised_by=by, class_names=sources.FER2013_CLASSES)
    return replace(known, split_names=sources.FER2013_SPLIT_NAMES), images, sources.FER2013_SIZE


def find_food11(names: Sequence[str]) -> Labelled | None:
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
