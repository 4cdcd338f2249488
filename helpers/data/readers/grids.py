"""Tables whose rows are images of any size: a label, and pixels in a column each."""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from helpers.data.containers import Members
from helpers.data.labels.words import find_split
from helpers.data.options import Options
from helpers.data.readers.stacks import Stack, as_labels, is_square, read_stacks
from helpers.data.reading import Unused
from helpers.data.sources import Contents, DatasetError, Opener, UnreadableError, printable

if TYPE_CHECKING:
    import pandas as pd

_LABELS = ("label", "labels", "class", "target", "emotion", "digit", "letter", "y", "category")
_PIXEL = re.compile(r"[a-z]*[ _.-]?\d+([x_ ]\d+)?")
_FEWEST = 64  # columns of pixels; fewer are features of something else
_LONGEST_HEADER = 2**20  # bytes
_ROWS = 256  # read at a time


class _Table(NamedTuple):
    """A table: its columns by number, of the label (None where it has none) and of pixels."""

    name: str
    opener: Opener
    delimiter: str
    titled: bool  # whether the first row names the columns
    label: int | None
    pixels: list[int]


def find(path: Path, members: Members) -> list[_Table]:
    """List the tables of images; none where none of them has labels."""
    names = [n for n in members.files if n.lower().endswith((".csv", ".tsv", ".txt")) or len(members.files) == 1]
    headers = {name: _read_header(members.files[name]) for name in sorted(names)}
    found = [_describe(name, members.files[name], *header) for name, header in headers.items()]
    tables = [table for table in found if table]
    return tables if any(table.label is not None for table in tables) else []


def _read_header(opener: Opener) -> tuple[str, list[str]]:
    """Read what parts the columns of a table and their names, or the first row; nothing where it is no table."""
    try:
        with opener() as file:
            line = file.read(_LONGEST_HEADER).decode("utf-8-sig", errors="replace").split("\n", 1)[0]
    except (OSError, UnreadableError):
        return ",", []
    delimiter = max(",;\t", key=line.count)
    return delimiter, [cell.strip().strip('"').lower() for cell in line.strip().split(delimiter)]


def _describe(name: str, opener: Opener, delimiter: str, header: Sequence[str]) -> _Table | None:
    label = next((header.index(word) for word in _LABELS if word in header), None)
    if all(re.fullmatch(r"-?[\d.]+", cell) for cell in header):  # a row of numbers, the label first
        whole = len(header) > _FEWEST and is_square(len(header) - 1)
        return _Table(name, opener, delimiter, False, 0, [*range(1, len(header))]) if whole else None
    pixels = [place for place, cell in enumerate(header) if _PIXEL.fullmatch(cell) and place != label]
    whole = len(pixels) >= _FEWEST and is_square(len(pixels))
    return _Table(name, opener, delimiter, True, label, pixels) if whole else None


def read(path: Path, members: Members, tables: Sequence[_Table], options: Options) -> Contents:
    """Read tables of one set of images; those named after splits are these."""
    stacks, unused = [], []
    for table in tables:
        labels = _read_labels(path, table)
        known = [label for label in labels if label]
        if known:
            images = partial(_read_images, path, table, [bool(label) for label in labels])
            stacks.append(Stack(table.name, find_split(PurePosixPath(table.name).stem), known, images))
        if without := len(labels) - len(known):
            unused.append(Unused("rows of tables without a label", without, printable(table.name)))
    said = ", ".join(sorted({printable(stack.name) for stack in stacks}))
    return read_stacks(path, stacks, f"the values of the column of labels of {said}", options, unused=unused)


def _chunks(path: Path, table: _Table, columns: Sequence[int]) -> Iterator["pd.DataFrame"]:
    """Read some columns, some rows at a time."""
    import pandas as pd  # slow to import, and seldom needed

    try:
        with table.opener() as file:
            yield from pd.read_csv(
                file,
                sep=table.delimiter,
                header=0 if table.titled else None,
                usecols=[*columns],
                chunksize=_ROWS,
                encoding_errors="replace",
                low_memory=False,
            )
    except pd.errors.ParserError as error:
        raise DatasetError(f"{path} holds the table {printable(table.name)}, which is damaged ({error}).") from error


def _read_labels(path: Path, table: _Table) -> list[str]:
    """Read the label of every row, "" where it has none."""
    column = table.pixels[0] if table.label is None else table.label
    labels: list[str] = []
    for chunk in _chunks(path, table, [column]):
        values = chunk.iloc[:, 0]
        kept = values.notna().to_numpy() & (table.label is not None)
        texts = iter(as_labels(path, table.name, values[kept].to_numpy()))
        labels += [next(texts) if keep else "" for keep in kept]
    return labels


def _read_images(path: Path, table: _Table, kept: Sequence[bool]) -> Iterator[np.ndarray | str]:
    """Give the pixels of every row that is kept, or say why there are none."""
    import pandas as pd

    keep = iter(kept)
    for chunk in _chunks(path, table, table.pixels):
        values = chunk.apply(pd.to_numeric, errors="coerce").to_numpy(np.float32)
        rows = ("has a pixel that is not a number" if np.isnan(row).any() else row for row in values)
        yield from (row for row in rows if next(keep))
