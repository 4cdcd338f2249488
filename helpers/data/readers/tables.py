"""Tables of pixels: FER2013 as comma-separated values, in any of the forms in circulation."""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
from PIL import Image

from helpers.data.containers import Members
from helpers.data.decode import resize
from helpers.data.options import Options
from helpers.data.reading import Pixels, Reading
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


def find(path: Path, members: Members) -> str | None:
    """Name the table of labelled pixels that a path holds, of several the one with most columns; None if none.

    Raises DatasetError where there is a table with labels or pixels, but none with both.
    """
    tables = {name: _read_header(opener) for name, opener in members.files.items() if _may_be_table(name, members)}
    usable = [name for name, header in tables.items() if {"label", "pixels"} <= _find_columns(header).keys()]
    if usable:
        return max(usable, key=lambda name: len(_find_columns(tables[name])))  # the one that knows its splits, if any
    for name, header in tables.items():
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


def read(path: Path, members: Members, name: str, options: Options) -> Contents:
    """Read a table of 48 x 48 pixels a row; name: of the table."""
    opener, pixels = members.files[name], Pixels(options.image_size or FER2013_SIZE, colour=False)
    columns = _find_columns(_read_header(opener))
    reading = Reading(
        title="FER2013",
        class_names=FER2013_CLASSES,
        labels_from=f"the column of labels of the table {printable(name)}",
        pixels=pixels,
        splits_from=f"the column 'usage' of the table {printable(name)}" if "usage" in columns else "",
        options=options.chosen(),
        split_names=FER2013_SPLIT_NAMES,
    )
    return Contents(reading, _read_records(name, opener, columns, pixels.size))


def _read_records(name: str, opener: Opener, columns: Mapping[str, int], size: int) -> Iterator[Record]:
    with io.TextIOWrapper(opener(), encoding="utf-8", errors="replace") as stream:
        lines = _read_lines(stream)
        next(lines)
        for number, line in enumerate(lines, start=2):
            if line.strip():
                yield _read_record(f"{printable(name)}, row {number}", line, columns, size)


def _read_lines(stream: TextIO) -> Iterator[str]:
    """Give line by line, each cut off at the longest length that could be of use."""
    while line := stream.readline(_LONGEST_LINE):
        yield line
        while len(line) == _LONGEST_LINE and not line.endswith("\n"):
            line = stream.readline(_LONGEST_LINE)


def _read_record(name: str, line: str, columns: Mapping[str, int], size: int) -> Record:
    if len(line) >= _LONGEST_LINE:
        return Record(name, 0, "", f"has {_LONGEST_LINE:,} characters or more, too many")
    cells = _cells(line)
    try:
        label, split = _parse_label(cells[columns["label"]]), _parse_usage(cells, columns)
        return Record(name, label, split, _parse_pixels(cells[columns["pixels"]], size))
    except IndexError:
        return Record(name, 0, "", f"has {len(cells)} columns, too few")
    except ValueError as error:
        return Record(name, 0, "", str(error))


def _parse_label(text: str) -> int:
    if text.strip() not in map(str, range(len(FER2013_CLASSES))):
        raise ValueError(f"label {text.strip()!r} is not a number from 0 to {len(FER2013_CLASSES) - 1}")
    return int(text)


def _parse_usage(cells: Sequence[str], columns: Mapping[str, int]) -> str:
    if "usage" not in columns:
        return ""
    usage = cells[columns["usage"]].strip()
    if usage not in FER2013_SPLITS:
        raise ValueError(f"usage {usage!r} is none of {', '.join(FER2013_SPLITS)}")
    return FER2013_SPLITS[usage]


def _parse_pixels(text: str, size: int) -> np.ndarray:
    """Turn 48 * 48 numbers parted by blanks into (size, size, 1) uint8."""
    try:
        values = np.fromstring(text, dtype=np.int64, sep=" ")
    except ValueError:
        raise ValueError("has a pixel that is not a whole number") from None
    if len(values) != FER2013_SIZE**2:
        raise ValueError(f"has {len(values)} pixels instead of {FER2013_SIZE**2}")
    if values.min() < 0 or values.max() > 255:
        raise ValueError("has a pixel outside 0..255")
    pixels = values.astype(np.uint8).reshape(FER2013_SIZE, FER2013_SIZE)
    return resize(Image.fromarray(pixels), size)
