"""Images that come as stacks of numbers, whatever holds these: what is common to the readers of arrays and tables."""

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.decode import decode_all
from helpers.data.labels.words import sort_classes
from helpers.data.options import Options
from helpers.data.reading import Pixels, Reading, Unused, count
from helpers.data.sources import Contents, DatasetError, Opener, Record, UnreadableError, printable
from helpers.data.survey import survey

_SAMPLE = 64  # images by which it is decided how rows of numbers become pictures
_SPLIT_IN_KEY = re.compile(r"train(?:ing)?|test(?:ing)?|val(?:id(?:ation)?)?|sets?(?![a-z])|dev")
_IMAGE_WORDS = frozenset(("x", "images", "image", "data", "features", "feature", "imgs", "img", "pixels", "inputs"))
_LABEL_WORDS = frozenset(("y", "labels", "label", "targets", "target", "class"))
_NO_LABELS = frozenset(("coarse", "batch", "names"))  # as in CIFAR's files


@dataclass(frozen=True)
class Stack:
    """Images of one split: their name for people, labels as they are written, and how to go through the images.

    split: one of SPLITS, or "" where the source does not say; images: gives every image in turn, each as an array of
    (H, W), (H, W, C), (C, H, W) or of as many numbers in a row, or says why there is none.
    """

    name: str
    split: str
    labels: Sequence[Any]
    images: Callable[[], Iterator[np.ndarray | str]]


def kind_of(key: str) -> str:
    """Tell whether an array is called one of "images" or of "labels", "" if neither."""
    words = {*re.findall("[a-z]+", _SPLIT_IN_KEY.sub(" ", key.lower()))}
    if words & _NO_LABELS:
        return ""
    return "images" if words & _IMAGE_WORDS else "labels" if words & _LABEL_WORDS else ""


def as_labels(path: Path, name: str, values: np.ndarray) -> list[str]:
    """Read labels, also in a column or one-hot, as text; raises DatasetError where images have several.

    name: of the array, for messages.
    """
    values = values.reshape(len(values), -1) if values.ndim != 1 else values
    if values.ndim == 2 and values.shape[1] > 1:
        if not np.isin(values, (0, 1)).all() or (values.sum(axis=1) != 1).any():
            raise DatasetError(
                f"{path} holds the labels {printable(name)}, several an image; give data with one class an image."
            )
        values = values.argmax(axis=1)
    flat = values.reshape(-1)
    if np.issubdtype(flat.dtype, np.floating) and np.all(flat == np.rint(flat)):
        flat = flat.astype(np.int64)
    return [value.decode() if isinstance(value, bytes) else str(value) for value in flat.tolist()]


def read_stacks(
    path: Path,
    stacks: Sequence[Stack],
    labels_from: str,
    options: Options,
    names: Sequence[str] = (),
    unused: Sequence[Unused] = (),
) -> Contents:
    """Read stacks of one set of images; names: of classes, which whole numbers count from 0."""
    if any(stack.split for stack in stacks) and not any(stack.split == "train" for stack in stacks):
        stacks = [replace(stack, split=stack.split or "train") for stack in stacks]
    labels = {str(label) for stack in stacks for label in stack.labels}
    counted = len(names) > 0 and all(label.isdecimal() and int(label) < len(names) for label in labels)
    classes = [str(number) for number in range(len(names))] if counted else list(sort_classes(labels))
    shown = tuple(map(printable, names if counted else classes))
    form = _find_form(stacks)
    pixels = survey(_openers(stacks, form), options)
    reading = Reading(
        title=f"Images of {len(shown)} classes",
        class_names=shown,
        labels_from=labels_from,
        pixels=pixels,
        splits_from="named by the arrays or files" if any(stack.split for stack in stacks) else "",
        counts=count((stack.split, shown[classes.index(str(label))]) for stack in stacks for label in stack.labels),
        unused=tuple(unused),
        options=options.chosen(),
    )
    return Contents(
        reading, _records(stacks, {name: number for number, name in enumerate(classes)}, _openers(stacks, form), pixels)
    )


def _records(
    stacks: Sequence[Stack], numbers: Mapping[str, int], openers: Iterable[Opener], pixels: Pixels
) -> Iterator[Record]:
    rows = ((stack, row, str(label)) for stack in stacks for row, label in enumerate(stack.labels, start=1))
    for (stack, row, label), found in zip(rows, decode_all(openers, pixels), strict=True):
        yield Record(f"{printable(stack.name)}, number {row}", numbers[label], stack.split, found)


def _openers(stacks: Sequence[Stack], form: Callable[[np.ndarray], np.ndarray]) -> Iterator[Opener]:
    """Give every image as a file of one array, so that it is looked at and decoded as image files are."""
    return (partial(_as_file, image, form) for stack in stacks for image in stack.images())


def _as_file(image: np.ndarray | str, form: Callable[[np.ndarray], np.ndarray]) -> io.BytesIO:
    if isinstance(image, str):
        raise UnreadableError(image)
    file = io.BytesIO()
    np.save(file, form(image), allow_pickle=False)
    file.seek(0)
    return file


def _find_form(stacks: Sequence[Stack]) -> Callable[[np.ndarray], np.ndarray]:
    """Decide by the first images how each becomes a picture."""
    sample = [image for stack in stacks for image in islice(stack.images(), _SAMPLE) if isinstance(image, np.ndarray)]
    flat = [image for image in sample if image.ndim == 1 and _side(image.size / 3)]
    if not flat:
        return _as_picture
    planes = sum(_roughness(_from_planes(image)) for image in flat)
    return _as_picture if planes <= sum(_roughness(_from_pixels(image)) for image in flat) else _from_pixels


def is_square(pixels: int) -> bool:
    """Tell whether so many numbers are the pixels of a square, grey or in colour."""
    return bool(_side(pixels) or _side(pixels / 3))


def _side(area: float) -> int:
    """Give the side of a square of so many pixels, 0 where there is none."""
    side = round(area**0.5)
    return side if side * side == area else 0


def _roughness(picture: np.ndarray) -> float:
    return float(
        np.abs(np.diff(picture.astype(np.float64), axis=0)).mean()
        + np.abs(np.diff(picture.astype(np.float64), axis=1)).mean()
    )


def _from_planes(row: np.ndarray) -> np.ndarray:
    side = _side(row.size / 3)
    return row.reshape(3, side, side).transpose(1, 2, 0)


def _from_pixels(row: np.ndarray) -> np.ndarray:
    side = _side(row.size / 3)
    return row.reshape(side, side, 3)


def _as_picture(image: np.ndarray) -> np.ndarray:
    """Give (H, W) or (H, W, 3) for an image in any of the forms of a Stack; raises UnreadableError for others."""
    if image.ndim == 1 and (side := _side(image.size)):
        return image.reshape(side, side)
    if image.ndim == 1 and _side(image.size / 3):
        return _from_planes(image)
    if image.ndim == 3 and image.shape[0] in (1, 3) and image.shape[2] not in (1, 3, 4):
        image = image.transpose(1, 2, 0)
    if image.ndim == 3 and image.shape[2] in (1, 3, 4):
        return image[..., 0] if image.shape[2] == 1 else image[..., :3]
    if image.ndim != 2:
        raise UnreadableError(f"has the shape {image.shape}, which is no image's")
    return image
