"""Pictures in class folders, with or without folders of splits above them; FER2013 by its file names."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from helpers.decode import decode_all, has_colour
from helpers.sources import (
    FER2013_CLASSES,
    FER2013_SIZE,
    FER2013_SPLIT_NAMES,
    FER2013_SPLITS,
    OTHER_SIZE,
    Contents,
    DatasetError,
    Members,
    Record,
)

_PICTURE_ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_OTHER_SPLIT_NAMES = {"train": "training", "validation": "validation", "test": "test"}


def is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in _PICTURE_ENDINGS and len(path.parts) > 1


def read_pictures(path: Path, members: Members, pictures: Sequence[PurePosixPath], image_size: int | None) -> Contents:
    is_fer2013 = all(map(_is_fer2013, pictures))
    splits = {picture: _find_split(picture, is_fer2013) for picture in pictures}
    used = [picture for picture in pictures if splits[picture]] or pictures
    class_names = FER2013_CLASSES if is_fer2013 else _class_names(path, used)
    size = image_size or (FER2013_SIZE if is_fer2013 else OTHER_SIZE)
    openers = [members[str(picture)] for picture in used]
    mode = "RGB" if has_colour(openers, size) else "L"
    return Contents(
        "FER2013" if is_fer2013 else f"Images of {len(class_names)} classes",
        class_names,
        FER2013_SPLIT_NAMES if is_fer2013 else _OTHER_SPLIT_NAMES,
        (size, size, len(mode)),
        _leftover_notes(len(pictures) - len(used)),
        (
            Record(str(picture), class_names.index(_class_name(picture)), splits[picture], pixels)
            for picture, pixels in zip(used, decode_all(openers, size, mode), strict=True)
        ),
    )


def _is_fer2013(picture: PurePosixPath) -> bool:
    return _class_name(picture) in FER2013_CLASSES and picture.name.split("_")[0] in FER2013_SPLITS


def _class_name(picture: PurePosixPath) -> str:
    name = picture.parent.name
    return name.lower() if name.lower() in FER2013_CLASSES else name


def _find_split(picture: PurePosixPath, is_fer2013: bool) -> str:
    """Read the split off the file's name (FER2013) or the folder above the class's folder; "" if none."""
    if is_fer2013:
        return FER2013_SPLITS[picture.name.split("_")[0]]
    words = re.split("[^a-z]+", picture.parent.parent.name.lower())
    return next((_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS), "")


def _class_names(path: Path, pictures: Sequence[PurePosixPath]) -> tuple[str, ...]:
    names = {_class_name(picture) for picture in pictures}
    if names <= _SPLIT_WORDS.keys():
        raise DatasetError(f"{path} has no class folders; put the images of each class into a folder of its own.")
    return FER2013_CLASSES if names == set(FER2013_CLASSES) else tuple(sorted(names))


def _leftover_notes(count: int) -> tuple[str, ...]:
    return (f"Images outside the folders of the splits, {count:,} in number, were not used.",) if count else ()
