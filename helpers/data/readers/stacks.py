"""Images that lie behind each other, whatever holds them: what the readers of arrays, tables and Parquet share."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from helpers.base.words import said
from helpers.data.containers import Members
from helpers.data.decode import decode_all
from helpers.data.labels.names import name_classes
from helpers.data.labels.words import sort_classes
from helpers.data.options import Options
from helpers.data.reading import Pixels, Reading, count
from helpers.data.sources import Contents, Giver, Image, Record, UnreadableError, printable, refused
from helpers.data.survey import survey

_SAMPLE = 64  # images by which it is decided how rows of numbers become pictures
_MOST = 0.95  # share of the labels that are numbers, where those that are none are mistakes


class Stack(NamedTuple):
    """Images that lie behind each other: what all are called, and what is known of each, called by its number.

    images: gives every image in turn, as a file or as an array of (H, W), (H, W, C), (C, H, W) or as many numbers.
    """

    called: str
    rows: Sequence[Image]
    images: Callable[[], Iterator[Giver]]


def read_stacks(
    path: Path,
    members: Members,
    stacks: Sequence[Stack],
    options: Options,
    reading: Reading,
    names: Sequence[str] = (),
    pixels: Pixels | None = None,
    decided: Sequence[str] = (),
) -> Contents:
    """Read stacks of one set of images.

    reading: what is known of them already; names: of classes, which whole numbers count from 0; pixels: how images
    become arrays, where that is known; decided: further options that the reader has followed. Raises DatasetError
    where there are others, which mean nothing here.
    """
    if ignored := options.chosen().keys() - {"CLASSES", "FIT", *decided}:
        raise refused("ignored", path=path, option=min(ignored))
    splits = {row.split for stack in stacks for row in stack.rows}
    if any(splits) and "train" not in splits:  # those that do not say are for training
        stacks = [s._replace(rows=[row._replace(split=row.split or "train") for row in s.rows]) for s in stacks]
    rows = [row for stack in stacks for row in stack.rows]
    called, classes = _name(path, members, Counter(row.label for row in rows), options, names)
    planes = _are_planes(stacks)
    pairs = [(row.split, called[row.label]) for row in rows if row.label in called]
    by_split = said("data.splits.told") if len({split for split, _ in pairs}) > 1 else None
    reading = replace(
        reading,
        title=reading.title or said("data.title.count", n=len(classes)),
        class_names=classes,
        pixels=pixels or survey(_givers(stacks, planes), options),
        splits_from=by_split,
        counts=count(pairs),
    )
    numbers = {label: classes.index(name) for label, name in called.items()}
    return Contents(reading, _records(stacks, numbers, planes, reading.pixels))


def _name(
    path: Path, members: Members, labels: Mapping[str, int], options: Options, given: Sequence[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Give the name of the class of each label, and all classes; where nearly all labels are numbers, others are none.

    given: names that whole numbers count from 0, where these fit.
    """
    for reach in (len(given), float("inf")):
        decimals = {label: n for label, n in labels.items() if label.isdecimal() and int(label) < reach}
        if decimals and sum(decimals.values()) >= _MOST * sum(labels.values()):
            break
    else:
        decimals, reach = dict(labels), float("inf")
    found = sort_classes(decimals)
    if reach == len(given) and not options.classes:
        names = {label: given[int(label)] for label in found}
    else:
        given = ()
        names, _ = name_classes(str(path), found, members, options.classes) if found else ({}, None)
    called = {label: printable(names.get(label, label)) for label in found}
    return called, tuple(dict.fromkeys(map(printable, given or called.values())))


def _records(stacks: Sequence[Stack], numbers: Mapping[str, int], planes: bool, pixels: Pixels) -> Iterator[Record]:
    rows = ((stack.called, row) for stack in stacks for row in stack.rows)
    for (called, row), found in zip(rows, decode_all(_givers(stacks, planes), pixels), strict=True):
        if row.label not in numbers:
            found = f"label {row.label!r} is not a number from {min(numbers, key=int)} to {max(numbers, key=int)}"
        yield Record(f"{printable(called)} {row.name}", numbers.get(row.label, 0), row.split, found)


def _givers(stacks: Sequence[Stack], planes: bool) -> Iterator[Giver]:
    return (partial(_picture_of, giver, planes) for stack in stacks for giver in stack.images())


def _are_planes(stacks: Sequence[Stack]) -> bool:
    """Decide by the first images whether numbers in a row are three planes of colour, or colours pixel by pixel."""
    flat = []
    for giver in (giver for stack in stacks for giver in islice(stack.images(), _SAMPLE)):
        with suppress(UnreadableError):
            row = giver()
            if isinstance(row, np.ndarray) and row.ndim == 1 and side_of(row.size / 3):
                flat.append(row)
    drawn = ([_as_picture(row, planes).astype(np.float64) for row in flat] for planes in (True, False))
    rough = [sum(np.abs(np.diff(one, axis=axis)).mean() for one in each for axis in (0, 1)) for each in drawn]
    return bool(rough[0] <= rough[1])


def is_square(pixels: int) -> bool:
    """Tell whether so many numbers are the pixels of a square, grey or in colour."""
    return bool(side_of(pixels) or side_of(pixels / 3))


def side_of(area: float) -> int:
    """Give the side of a square of so many pixels, 0 where there is none."""
    side = round(area**0.5)
    return side if side * side == area else 0


def _picture_of(giver: Giver, planes: bool) -> np.ndarray | BinaryIO:
    image = giver()
    return _as_picture(image, planes) if isinstance(image, np.ndarray) else image


def _as_picture(image: np.ndarray, planes: bool) -> np.ndarray:
    """Give (H, W) or (H, W, 3) for an image in any of the forms of a Stack; raises UnreadableError for others."""
    if image.ndim == 1 and (side := side_of(image.size)):
        return image.reshape(side, side)
    if image.ndim == 1 and (side := side_of(image.size / 3)):
        return image.reshape(3, side, side).transpose(1, 2, 0) if planes else image.reshape(side, side, 3)
    if image.ndim == 3 and image.shape[0] in (1, 3) and image.shape[2] not in (1, 3, 4):
        image = image.transpose(1, 2, 0)
    if image.ndim == 3 and image.shape[2] in (1, 3, 4):
        return image[..., 0] if image.shape[2] == 1 else image[..., :3]
    if image.ndim != 2:
        raise UnreadableError(f"has the shape {image.shape}, which is no image's")
    return image
