"""Pictures in class folders, with or without folders of splits above them; FER2013 and Food-11 by their file names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from helpers.data.containers import Members
from helpers.data.decode import decode_all
from helpers.data.options import Options
from helpers.data.reading import OTHER_SPLIT_NAMES, Reading, count, unused
from helpers.data.sources import (
    FER2013_CLASSES,
    FER2013_SIZE,
    FER2013_SPLIT_NAMES,
    FER2013_SPLITS,
    OTHER_SIZE,
    Contents,
    DatasetError,
    Record,
    printable,
)
from helpers.data.survey import survey

FOOD11_CLASSES = (
    "bread",
    "dairy product",
    "dessert",
    "egg",
    "fried food",
    "meat",
    "noodles/pasta",
    "rice",
    "seafood",
    "soup",
    "vegetable/fruit",
)

# What ends so and cannot be read, such as .heic, is counted as an unreadable image and not passed over in silence.
_PICTURE_ENDINGS = (
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
    | {".heic", ".heif", ".jp2", ".svg"}
)  # fmt: skip
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_FOOD11_NUMBERS = {str(number): name for number, name in enumerate(FOOD11_CLASSES)}
_FOOD11_NAME = re.compile(r"(\d+)_\d+\.\w+")  # class, running number


class _Picture(NamedTuple):
    name: str  # path in the source
    class_name: str
    split: str  # one of SPLITS, or "" where the path does not say


class _Layout(NamedTuple):
    """How a source tells the classes and splits of its pictures."""

    title: str
    pictures: list[_Picture]  # those that have a class
    class_names: tuple[str, ...]
    split_names: Mapping[str, str]
    size: int | None


def find(path: Path, members: Members) -> list[PurePosixPath]:
    """List the paths of all pictures in folders, sorted."""
    return [PurePosixPath(name) for name in sorted(members.files) if _is_picture(PurePosixPath(name))]


def _is_picture(path: PurePosixPath) -> bool:
    return path.suffix.lower() in _PICTURE_ENDINGS and len(path.parts) > 1


def read(path: Path, members: Members, paths: Sequence[PurePosixPath], options: Options) -> Contents:
    """Read pictures that lie in folders of classes, or whose names tell the classes of FER2013 or Food-11."""
    layout = _find_layout(path, paths)
    openers = [members.files[picture.name] for picture in layout.pictures]
    pixels = survey(openers, options, layout.size)
    known = {picture.name for picture in layout.pictures}
    outside = [printable(name) for name in map(str, paths) if name not in known]
    reading = Reading(
        title=layout.title,
        class_names=layout.class_names,
        labels_from="the names of folders",
        pixels=pixels,
        splits_from="the names of folders" if layout.pictures[0].split else "",
        counts=count((picture.split, picture.class_name) for picture in layout.pictures),
        unused=unused("images outside the folders of splits and classes", outside),
        options=options.chosen(),
        split_names=layout.split_names,
        notes=_empty_notes(members, layout.pictures),
    )
    images = decode_all(openers, pixels)
    records = (
        _record(picture, layout.class_names, image) for picture, image in zip(layout.pictures, images, strict=True)
    )
    return Contents(reading, records)


def _record(picture: _Picture, class_names: Sequence[str], pixels: np.ndarray | str) -> Record:
    name = printable(picture.name)
    if picture.class_name not in class_names:
        return Record(name, 0, picture.split, f"is of a class {picture.class_name!r}, and there is none")
    return Record(name, class_names.index(picture.class_name), picture.split, pixels)


def _find_layout(path: Path, paths: Sequence[PurePosixPath]) -> _Layout:
    if all(map(_is_fer2013, paths)):
        return _lay_out_fer2013(paths)
    if all(find_split(picture.parent.name) for picture in paths) and any(map(_food11_class, paths)):
        return _lay_out_food11(paths)
    return _lay_out_folders(path, paths)


def _is_fer2013(path: PurePosixPath) -> bool:
    return path.parent.name.lower() in FER2013_CLASSES and path.name.split("_")[0] in FER2013_SPLITS


def _lay_out_fer2013(paths: Sequence[PurePosixPath]) -> _Layout:
    """Read classes off the folders and splits off the files' names, whichever folders they lie in."""
    pictures = [
        _Picture(str(path), path.parent.name.lower(), FER2013_SPLITS[path.name.split("_")[0]]) for path in paths
    ]
    return _Layout("FER2013", pictures, FER2013_CLASSES, FER2013_SPLIT_NAMES, FER2013_SIZE)


def _food11_class(path: PurePosixPath) -> str:
    """Read the class off a name such as `3_141.jpg`; "" where the name tells none."""
    match = _FOOD11_NAME.fullmatch(path.name)
    return _FOOD11_NUMBERS.get(match[1], match[1]) if match else ""


def _lay_out_food11(paths: Sequence[PurePosixPath]) -> _Layout:
    """Read splits off the folders and classes off the files' names; some copies have test images without a class."""
    pictures = [
        _Picture(str(path), name, find_split(path.parent.name)) for path in paths if (name := _food11_class(path))
    ]
    return _Layout("Food-11", pictures, FOOD11_CLASSES, OTHER_SPLIT_NAMES, OTHER_SIZE)


def _lay_out_folders(path: Path, paths: Sequence[PurePosixPath]) -> _Layout:
    """Read classes off the folders and splits off the folders above these."""
    pictures = [
        _Picture(str(picture), printable(picture.parent.name), find_split(picture.parent.parent.name))
        for picture in paths
    ]
    used = [picture for picture in pictures if picture.split] or pictures
    found = {picture.class_name for picture in used}
    if {name.lower() for name in found} <= _SPLIT_WORDS.keys():
        raise DatasetError(f"{path} has no class folders; put the images of each class into a folder of its own.")
    title, classes = _known_classes(found)
    spelled = {_letters(name): name for name in classes}
    used = [p if p.class_name in classes else p._replace(class_name=spelled[_letters(p.class_name)]) for p in used]
    size = OTHER_SIZE if title == "Food-11" else None
    return _Layout(title, used, classes, OTHER_SPLIT_NAMES, size)


def _known_classes(found: set[str]) -> tuple[str, tuple[str, ...]]:
    """Give title and classes in order: those of a known data set, whatever their spelling, or as they are."""
    for title, classes in (("Food-11", FOOD11_CLASSES), (f"Images of {len(found)} classes", FER2013_CLASSES)):
        if len(found) == len(classes) and {*map(_letters, found)} == {*map(_letters, classes)}:
            return title, classes
    return f"Images of {len(found)} classes", sort_classes(found)


def sort_classes(names: set[str]) -> tuple[str, ...]:
    """Sort the names of classes: by value where all are numbers, else by letters."""
    are_numbers = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=lambda name: (int(name) if are_numbers else 0, name)))


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def find_split(folder: str) -> str:
    """Name the split that a folder's name tells of, "" if none."""
    words = re.split("[^a-z]+", folder.lower())
    return next((_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS), "")


def _empty_notes(members: Members, pictures: Iterable[_Picture]) -> tuple[str, ...]:
    """Say which folders beside those of classes hold no image."""
    full = {str(parent) for picture in pictures for parent in PurePosixPath(picture.name).parents}
    beside = {str(PurePosixPath(picture.name).parent.parent) for picture in pictures}
    names = {
        printable(folder.name)
        for folder in map(PurePosixPath, members.folders)
        if str(folder) not in full and str(folder.parent) in beside
    } - {picture.class_name for picture in pictures}
    named = ", ".join(map(repr, sorted(names)))
    return (f"Folders without images are no classes: {named}.",) if names else ()
