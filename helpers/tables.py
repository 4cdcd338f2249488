"""Tables of pixels: FER2013 as comma-separated values, in any of the forms in circulation."""

import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from PIL import Image

from helpers.decode import resize
from helpers.sources import (
    FER2013_CLASSES,
    FER2013_SIZE,
    FER2013_SPLIT_NAMES,
    FER2013_SPLITS,
    Contents,
    Opener,
    Record,
)

_LABEL_COLUMNS, _PIXEL_COLUMNS = ("emotion", "label"), ("pixels", "feature")


def find_columns(opener: Opener) -> dict[str, int] | None:
    """Number a table's columns "label", "pixels" and, if any, "usage"; None where it is no table of faces."""
    with opener() as file:
        header = file.readline(1000).decode("utf-8-sig", errors="replace")
    names = [cell.strip().lower() for cell in _cells(header)]
    meanings = {"label": _LABEL_COLUMNS, "pixels": _PIXEL_COLUMNS, "usage": ("usage",)}
    columns = {key: names.index(word) for key, words in meanings.items() for word in words if word in names}
    return columns if {"label", "pixels"} <= columns.keys() else None


def _cells(line: str) -> list[str]:
    # pixels are parted by blanks, so no cell holds a comma; csv.reader would take twice as long
    return line.replace('"', "").rstrip().split(",")


def read_table(opener: Opener, columns: Mapping[str, int], size: int) -> Contents:
    records = _table_records(opener, columns, size)
    return Contents("FER2013", FER2013_CLASSES, FER2013_SPLIT_NAMES, (size, size, 1), (), records)


def _table_records(opener: Opener, columns: Mapping[str, int], size: int) -> Iterator[Record]:
    with io.TextIOWrapper(opener(), encoding="utf-8", errors="replace") as lines:
        next(lines)
        for number, line in enumerate(lines, start=2):
            if line.strip():
                yield _table_record(f"row {number}", _cells(line), columns, size)


def _table_record(name: str, cells: Sequence[str], columns: Mapping[str, int], size: int) -> Record:
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
