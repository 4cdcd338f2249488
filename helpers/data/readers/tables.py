"""Tables with all pixels of an image in one cell: FER2013 as comma-separated values, in any form in circulation."""

import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TextIO

import numpy as np
from PIL import Image

from helpers.data.containers import Members
from helpers.data.decode import resize
from helpers.data.faces import CLASS_SHARES
from helpers.data.labels.names import name_classes
from helpers.data.labels.words import find_split, sort_classes
from helpers.data.options import Options
from helpers.data.reading import OTHER_SPLIT_NAMES, Pixels, Reading, count, unused
from helpers.data.sources import (
    FER2013_CLASSES,
    FER2013_SIZE,
    FER2013_SPLIT_NAMES,
    FER2013_SPLITS,
    Contents,
    DatasetError,
    Opener,
    Record,
    UnreadableError,
    printable,
)

_MEANINGS = {"label": ("emotion", "label"), "pixels": ("pixels", "feature"), "usage": ("usage",)}
_LONGEST_LINE = 2**16  # characters; a row of 48 x 48 pixels has at most 9,300
_WIDE = 20  # columns: a table with more has its pixels in columns of their own, and is for another reader
_SIZES = (24, 128)  # pixels a side that images get where nobody says
_MOST = 0.95  # share of the labels that FER2013's seven have to make up, in a table that is taken for it
_NEAR = 0.01  # by which a class's share of the images may differ from FER2013's, where nothing else tells it


@dataclass(frozen=True)
class Table:
    """A table of labelled pixels: its name, how to open it, where its columns are, and the split its name tells."""

    name: str
    opener: Opener
    columns: Mapping[str, int]
    split: str


@dataclass(frozen=True)
class Found:
    """The tables that are read, and the names of those that are not."""

    tables: list[Table]
    others: list[str]


def find(path: Path, members: Members) -> Found | None:
    """Find the tables of labelled pixels that a path holds; None if there are none.

    The one that knows its splits is read alone, else those whose names tell them, else the first. Raises DatasetError
    where there is a table with labels or pixels, but none with both.
    """
    headers = {name: _read_header(opener) for name, opener in members.files.items() if _may_be_table(name, members)}
    headers = {name: header for name, header in headers.items() if len(header) <= _WIDE}
    usable = [name for name, header in headers.items() if {"label", "pixels"} <= _find_columns(header).keys()]
    tables = [Table(n, members.files[n], _find_columns(headers[n]), find_split(PurePosixPath(n).stem)) for n in usable]
    if tables:
        with_usage = [table for table in tables if "usage" in table.columns]
        with_split = [table for table in tables if table.split]
        read = with_usage[:1] or (with_split if len({table.split for table in with_split}) > 1 else tables[:1])
        used = {table.name for table in read}
        return Found(read, [name for name, header in headers.items() if name not in used and _find_columns(header)])
    for name, header in headers.items():
        if found := _find_columns(header):
            _lament(path, name, header, found)
    return None


def _may_be_table(name: str, members: Members) -> bool:
    return len(members.files) == 1 or name.lower().endswith(".csv")


def _lament(path: Path, name: str, header: Sequence[str], found: Mapping[str, int]) -> None:
    lacking = next(words for meaning, words in _MEANINGS.items() if meaning not in found)
    raise DatasetError(
        f"{path} holds the table {printable(name)}, whose columns {', '.join(map(repr, header))} do not include "
        f"{' or '.join(map(repr, lacking))}; name its columns emotion,pixels,Usage or label,feature."
    )


def _read_header(opener: Opener) -> list[str]:
    """Read the names of a table's columns; none where it is no table, or no regular file."""
    try:
        with opener() as file:
            lines = file.read(1000).decode("utf-8-sig", errors="replace").splitlines()
    except UnreadableError:
        return []
    return [cell.strip().lower() for cell in _cells(lines[0])] if lines else []


def _find_columns(header: Sequence[str]) -> dict[str, int]:
    """Number the columns "label", "pixels" and "usage", as far as there are such."""
    return {key: header.index(word) for key, words in _MEANINGS.items() for word in words if word in header}


def _cells(line: str) -> list[str]:
    # pixels are parted by blanks, so no cell holds a comma; csv.reader would take twice as long
    return line.replace('"', "").rstrip().split(",")


def read(path: Path, members: Members, found: Found, options: Options) -> Contents:
    """Read tables of square images, a row each; found: what `find` found."""
    pairs = [pair for table in found.tables for pair in _read_pairs(table)]
    side = _find_side(found.tables[0])
    labels = Counter(label for _, label in pairs)
    by = _recognise(labels, side, "usage" in found.tables[0].columns)
    if by:
        names = dict(zip(map(str, range(len(FER2013_CLASSES))), FER2013_CLASSES, strict=True))
    else:
        names = _name(path, members, labels, options)
    shown = ", ".join(printable(table.name) for table in found.tables)
    pixels = Pixels(options.image_size or min(max(side, _SIZES[0]), _SIZES[1]), colour=False)
    reading = Reading(
        title="FER2013" if by else f"Images of {len(names)} classes",
        class_names=tuple(names.values()),
        labels_from=f"the column of labels of {shown}",
        pixels=pixels,
        splits_from=_splits_from(found.tables) if len({split for split, _ in pairs}) > 1 else "",
        counts=count((split, names[label]) for split, label in pairs if label in names),
        unused=unused("tables of pixels or labels beside those that are read", [printable(n) for n in found.others]),
        recognised_by=by,
        options=options.chosen(),
        split_names=FER2013_SPLIT_NAMES if by else OTHER_SPLIT_NAMES,
    )
    numbers = {label: number for number, label in enumerate(names)}
    records = (record for table in found.tables for record in _read_records(table, numbers, side, pixels.size))
    return Contents(reading, records)


def _recognise(labels: Mapping[str, int], side: int, has_usage: bool) -> str:
    """Say by what a table is recognised as FER2013; "" where it is not."""
    own = [labels.get(str(number), 0) for number in range(len(FER2013_CLASSES))]
    total = sum(labels.values())
    if side != FER2013_SIZE or not all(own) or sum(own) < _MOST * total:
        return ""
    if has_usage:
        return "its column Usage and its labels 0 to 6 of 48 x 48 pixels"
    shares = np.divide(CLASS_SHARES, sum(CLASS_SHARES))
    if np.abs(np.divide(own, sum(own)) - shares).max() < _NEAR:
        return "its labels 0 to 6 of 48 x 48 pixels, as frequent as there"
    return ""


def _name(path: Path, members: Members, labels: Mapping[str, int], options: Options) -> dict[str, str]:
    """Give the classes of a table by label: of numbers, those; with names where there are any beside it."""
    numbers = sum(number for label, number in labels.items() if label.isdecimal())
    are_numbers = numbers >= _MOST * sum(labels.values())
    classes = sort_classes(label for label in labels if label and (label.isdecimal() or not are_numbers))
    names, _ = name_classes(str(path), classes, members, options.classes) if classes else ({}, "")
    return {label: printable(names.get(label, label)) for label in classes}


def _splits_from(tables: Sequence[Table]) -> str:
    if "usage" in tables[0].columns:
        return f"told by the column Usage of {printable(tables[0].name)}"
    return "told by the names of the tables" if len(tables) > 1 else ""


def _read_rows(table: Table) -> Iterator[tuple[int, str]]:
    """Give number and text of every row that is not blank."""
    with io.TextIOWrapper(table.opener(), encoding="utf-8", errors="replace") as stream:
        lines = _read_lines(stream)
        next(lines)
        yield from ((number, line) for number, line in enumerate(lines, start=2) if line.strip())


def _read_pairs(table: Table) -> Iterator[tuple[str, str]]:
    """Give split and label of every row that has both."""
    for _, line in _read_rows(table):
        cells = _cells(line)
        if len(cells) > max(table.columns.values()):
            usage = (
                FER2013_SPLITS.get(cells[table.columns["usage"]].strip()) if "usage" in table.columns else table.split
            )
            if usage is not None:
                yield usage, cells[table.columns["label"]].strip()


def _find_side(table: Table) -> int:
    """Give pixels a side of the first image that is square; FER2013's where there is none."""
    for _, line in _read_rows(table):
        cells = _cells(line)
        if len(cells) > table.columns["pixels"]:
            pixels = len(cells[table.columns["pixels"]].split())
            if pixels > 1 and math.isqrt(pixels) ** 2 == pixels:
                return math.isqrt(pixels)
    return FER2013_SIZE


def _read_lines(stream: TextIO) -> Iterator[str]:
    """Give line by line, each cut off at the longest length that could be of use."""
    while line := stream.readline(_LONGEST_LINE):
        yield line
        while len(line) == _LONGEST_LINE and not line.endswith("\n"):
            line = stream.readline(_LONGEST_LINE)


def _read_records(table: Table, numbers: Mapping[str, int], side: int, size: int) -> Iterator[Record]:
    for number, line in _read_rows(table):
        yield _read_record(f"{printable(table.name)}, row {number}", line, table, numbers, side, size)


def _read_record(name: str, line: str, table: Table, numbers: Mapping[str, int], side: int, size: int) -> Record:
    if len(line) >= _LONGEST_LINE:
        return Record(name, 0, "", f"has {_LONGEST_LINE:,} characters or more, too many")
    cells, columns = _cells(line), table.columns
    try:
        label = _parse_label(cells[columns["label"]].strip(), numbers)
        split = _parse_usage(cells[columns["usage"]].strip()) if "usage" in columns else table.split
        return Record(name, label, split, _parse_pixels(cells[columns["pixels"]], side, size))
    except IndexError:
        return Record(name, 0, "", f"has {len(cells)} columns, too few")
    except ValueError as error:
        return Record(name, 0, "", str(error))


def _parse_label(text: str, numbers: Mapping[str, int]) -> int:
    if text not in numbers:
        names = [*numbers]
        raise ValueError(f"label {text!r} is not a number from {names[0]} to {names[-1]}")
    return numbers[text]


def _parse_usage(text: str) -> str:
    if text not in FER2013_SPLITS:
        raise ValueError(f"usage {text!r} is none of {', '.join(FER2013_SPLITS)}")
    return FER2013_SPLITS[text]


def _parse_pixels(text: str, side: int, size: int) -> np.ndarray:
    """Turn side * side numbers parted by blanks into (size, size, 1) uint8."""
    try:
        values = np.fromstring(text, dtype=np.int64, sep=" ")
    except ValueError:
        raise ValueError("has a pixel that is not a whole number") from None
    if len(values) != side**2:
        raise ValueError(f"has {len(values)} pixels instead of {side**2}")
    if values.min() < 0 or values.max() > 255:
        raise ValueError("has a pixel outside 0..255")
    return resize(Image.fromarray(values.astype(np.uint8).reshape(side, side)), size)
