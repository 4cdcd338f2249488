"""Tables whose rows are images: a label, and the pixels in one cell (as in FER2013) or in a column each (MNIST)."""

import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from helpers.data.containers import Members
from helpers.data.faces import CLASS_SHARES
from helpers.data.labels.words import find_split
from helpers.data.options import Options
from helpers.data.readers.stacks import Row, Stack, Values, is_square, read_stacks
from helpers.data.reading import Pixels, unused
from helpers.data.sources import (
    FER2013_CLASSES,
    FER2013_SIZE,
    FER2013_SPLITS,
    Contents,
    DatasetError,
    Opener,
    UnreadableError,
    printable,
)

_CELL = ("pixels", "feature")
_LABELS = ("emotion", "label", "labels", "class", "target", "digit", "letter", "y", "category")
_PIXEL = re.compile(r"[a-z]*[ _.-]?\d+([x_ ]\d+)?")
_FEWEST = 64  # columns of pixels; fewer are features of something else
_LONGEST_LINE = 2**20  # characters
_WIDE = 20  # columns, above which a table is not one whose maker forgot a column
_SIZES = (24, 128)  # pixels a side that images get where nobody says
_MOST = 0.95  # share of the labels that FER2013's seven have to make up, in a table that is taken for it
_NEAR = 0.01  # by which a class's share of the images may differ from FER2013's, where nothing else tells it


@dataclass(frozen=True)
class _Table:
    """A table: names of its columns, where it has any, and which of them are the label, the usage and the pixels."""

    name: str
    opener: Opener
    mark: str
    header: Sequence[str]
    titled: bool
    label: int | None
    usage: int | None
    pixels: Sequence[int]

    @property
    def split(self) -> str:
        """The split that the table's name tells, or ""."""
        return find_split(PurePosixPath(self.name).stem)

    def lines(self) -> Iterator[tuple[int, str]]:
        """Give number and text of every row that is not blank, cut off where it is longer than could be of use."""
        with io.TextIOWrapper(self.opener(), encoding="utf-8-sig", errors="replace") as stream:
            for number, line in enumerate(_lines(stream), start=1):
                if line.strip() and (number > 1 or not self.titled):
                    yield number, line

    def cells(self, line: str) -> list[str]:
        """Part a row into cells; none holds the mark, as pixels in one cell are parted by blanks."""
        return line.replace('"', "").rstrip("\r\n").split(self.mark)


def _lines(stream: io.TextIOWrapper) -> Iterator[str]:
    while line := stream.readline(_LONGEST_LINE):
        yield line
        while len(line) == _LONGEST_LINE and not line.endswith("\n"):
            line = stream.readline(_LONGEST_LINE)


def find(path: Path, members: Members) -> list[_Table]:
    """List the tables of images; none where there are none.

    Raises DatasetError where there is a table with a label or pixels, but none with both.
    """
    names = [n for n in members.files if n.lower().endswith((".csv", ".tsv", ".txt")) or len(members.files) == 1]
    tables = [table for name in sorted(names) if (table := _describe(name, members.files[name]))]
    if any(table.label is not None and table.pixels for table in tables):
        return tables
    for table in tables:
        if len(table.header) <= _WIDE:
            lacking = "'emotion' or 'label'" if table.label is None else "'pixels' or 'feature'"
            raise DatasetError(
                f"{path} holds the table {printable(table.name)}, whose columns {', '.join(map(repr, table.header))} "
                f"do not include {lacking}; name its columns emotion,pixels,Usage or label,feature."
            )
    return []


def _describe(name: str, opener: Opener) -> _Table | None:
    """Read the first line of a table; None where none of its columns is of use here, or it is none."""
    try:
        with opener() as file:
            lines = file.read(_LONGEST_LINE).decode("utf-8-sig", errors="replace").splitlines()[:1]
    except UnreadableError:
        return None
    mark = max(",;\t", key=lines[0].count) if lines else ","
    header = [cell.strip().strip('"').lower() for cell in lines[0].split(mark)] if lines else []
    label, cell, usage = (_place(header, words) for words in (_LABELS, _CELL, ("usage",)))
    table = partial(_Table, name, opener, mark, header)
    if len(header) > _FEWEST and all(re.fullmatch(r"-?[\d.]+", cell) for cell in header) and is_square(len(header) - 1):
        return table(titled=False, label=0, usage=None, pixels=range(1, len(header)))  # no names, the label first
    columns = [place for place, cell in enumerate(header) if _PIXEL.fullmatch(cell) and place != label]
    if cell is None and len(columns) >= _FEWEST and is_square(len(columns)):
        return table(titled=True, label=label, usage=usage, pixels=columns)
    known = [place is not None for place in (label, cell, usage)]
    return table(titled=True, label=label, usage=usage, pixels=[] if cell is None else [cell]) if any(known) else None


def _place(header: Sequence[str], words: Sequence[str]) -> int | None:
    return next((header.index(word) for word in words if word in header), None)


def read(path: Path, members: Members, tables: Sequence[_Table], options: Options) -> Contents:
    """Read the tables of one set of images: the first that has a column of usages alone, else those named by splits."""
    usable = [table for table in tables if table.label is not None and table.pixels]
    named = [table for table in usable if table.split]
    with_usage = [table for table in usable if table.usage is not None]
    read = with_usage[:1] or (named if len({table.split for table in named}) > 1 else usable)
    read = [table for table in read if len(table.pixels) == len(read[0].pixels)]
    side = _find_side(read[0]) if len(read[0].pixels) == 1 else 0
    rows = {table.name: list(_read_rows(table)) for table in read}
    stacks = [
        Stack(f"{table.name}, row", [row for row in rows[table.name] if row.label], partial(_values, table, side))
        for table in read
    ]
    blank = [t for t in tables if t.label is None and t.pixels]
    without = [name for name in rows for row in rows[name] if not row.label]
    without += [table.name for table in blank for _ in table.lines()]
    others = [table.name for table in tables if table not in read and table not in blank]
    by = _recognise(Counter(row.label for found in rows.values() for row in found), side, bool(with_usage))
    size = options.image_size or min(max(side, _SIZES[0]), _SIZES[1])
    return read_stacks(
        path,
        members,
        stacks,
        f"the values of the column of labels of {', '.join(printable(table.name) for table in read)}",
        options,
        (
            *unused("rows of tables without a label", [*map(printable, without)]),
            *unused("tables of pixels or labels beside those that are read", [*map(printable, others)]),
        ),
        FER2013_CLASSES if by else (),
        Pixels(size, colour=False, white=255) if side else None,
        by,
    )


def _recognise(labels: Mapping[str, int], side: int, has_usage: bool) -> str:
    """Say by what a table is recognised as FER2013; "" where it is not."""
    own = [labels.get(str(number), 0) for number in range(len(FER2013_CLASSES))]
    if side != FER2013_SIZE or not all(own) or sum(own) < _MOST * sum(labels.values()):
        return ""
    if has_usage:
        return "its column Usage and its labels 0 to 6 of 48 x 48 pixels"
    near = np.abs(np.divide(own, sum(own)) - np.divide(CLASS_SHARES, sum(CLASS_SHARES))).max() < _NEAR
    return "its labels 0 to 6 of 48 x 48 pixels, as frequent as there" if near else ""


def _find_side(table: _Table) -> int:
    """Give pixels a side of the first image that is square; FER2013's where there is none."""
    cells = (table.cells(line) for _, line in table.lines())
    counts = (len(row[table.pixels[0]].split()) for row in cells if len(row) > table.pixels[0])
    return next((math.isqrt(count) for count in counts if count > 1 and math.isqrt(count) ** 2 == count), FER2013_SIZE)


def _read_rows(table: _Table) -> Iterator[Row]:
    for number, line in table.lines():
        cells = table.cells(line)
        yield Row(number, _label_of(table, cells), _split_of(table, cells))


def _label_of(table: _Table, cells: Sequence[str]) -> str:
    text = cells[table.label].strip() if table.label is not None and len(cells) > table.label else ""
    return re.sub(r"(?<=\d)\.0+$", "", text)


def _split_of(table: _Table, cells: Sequence[str]) -> str:
    if table.usage is None:
        return table.split
    usage = cells[table.usage].strip() if len(cells) > table.usage else ""
    return FER2013_SPLITS.get(usage) or find_split(usage)


def _values(table: _Table, side: int) -> Iterator[Values]:
    """Give the pixels of every row that has a label."""
    return (partial(_parse, table, side, line) for _, line in table.lines() if _label_of(table, table.cells(line)))


def _parse(table: _Table, side: int, line: str) -> np.ndarray:
    """Read the pixels of a row, side * side uint8 where they are in one cell; UnreadableError says why not."""
    cells = table.cells(line)
    if len(line) >= _LONGEST_LINE:
        raise UnreadableError(f"has {_LONGEST_LINE:,} characters or more, too many")
    if len(cells) <= max(*table.pixels, table.label or 0, table.usage or 0):
        raise UnreadableError(f"has {len(cells)} columns, too few")
    if table.usage is not None and not _split_of(table, cells):
        raise UnreadableError(f"usage {cells[table.usage].strip()!r} is none of {', '.join(FER2013_SPLITS)}")
    try:
        if not side:
            return np.array([cells[place] for place in table.pixels], np.float32)
        values = np.fromstring(cells[table.pixels[0]], np.int64, sep=" ")
    except ValueError:
        raise UnreadableError(f"has a pixel that is not a {'whole ' * bool(side)}number") from None
    if len(values) != side**2:
        raise UnreadableError(f"has {len(values)} pixels instead of {side**2}")
    if values.min() < 0 or values.max() > 255:
        raise UnreadableError("has a pixel outside 0..255")
    return values.astype(np.uint8)
