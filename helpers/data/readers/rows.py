"""Tables whose rows are images: a label, and the pixels in one cell (as in FER2013) or in a column each (MNIST)."""

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from helpers.base.words import Said, said
from helpers.data import sources
from helpers.data.containers import Members, refuse_foreign_members
from helpers.data.faces import CLASS_SHARES
from helpers.data.labels.words import VOCABULARY, find_split, without_split
from helpers.data.options import Options
from helpers.data.readers.stacks import Stack, is_square, read_stacks, side_of
from helpers.data.reading import OTHER_SPLIT_NAMES, Pixels, Reading, unused
from helpers.data.sources import Contents, Giver, Image, Opener, UnreadableError, printable, refused

_LABELS, _CELL = VOCABULARY["columns"]["of_pixels"], ("pixels", "feature")
_PICTURES = tuple(VOCABULARY["files"]["images"])
_PIXEL = re.compile(r"[a-z]*[ _.-]?\d+([x_ ]\d+)?")
_FEWEST = 64  # columns of pixels; fewer are features of something else
_LONGEST_LINE = 2**20  # characters
_WIDE = 20  # columns, above which a table is not one whose maker forgot a column
_SIZES = (24, 128)  # pixels a side that images get where nobody says
_MOST = 0.95  # share of the labels that FER2013's seven have to make up, in a table that is taken for it
_NEAR = 0.01  # by which a class's share of the images may differ from FER2013's, where nothing else tells it


class _Table(NamedTuple):
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

    def rows(self) -> Iterator[tuple[int, str, str]]:
        """Give number, text and label, or "", of every row that is not blank, cut off where it is too long for use."""
        with io.TextIOWrapper(self.opener(), encoding="utf-8-sig", errors="replace") as stream:
            number = 0
            while line := stream.readline(_LONGEST_LINE):
                number += 1
                if line.strip() and (number > 1 or not self.titled):
                    cells, place = self.cells(line), self.label
                    label = cells[place].strip() if place is not None and len(cells) > place else ""
                    yield number, line, re.sub(r"(?<=\d)\.0+$", "", label)
                while len(line) == _LONGEST_LINE and not line.endswith("\n"):
                    line = stream.readline(_LONGEST_LINE)

    def cells(self, line: str) -> list[str]:
        """Part a row into cells; none holds the mark, as pixels in one cell are parted by blanks."""
        return line.replace('"', "").rstrip("\r\n").split(self.mark)

    def split_of(self, cells: Sequence[str]) -> str:
        """Give the split that a row of cells, or else the table's name, tells."""
        if self.usage is None:
            return self.split
        usage = cells[self.usage].strip() if len(cells) > self.usage else ""
        return sources.FER2013_SPLITS.get(usage) or find_split(usage)


def find(path: Path, members: Members) -> list[_Table]:
    """List the tables of images; none where there are none.

    Raises DatasetError where there is a table with a label or pixels, but none with both.
    """
    names = [n for n in members.files if n.lower().endswith((".csv", ".tsv", ".txt")) or len(members.files) == 1]
    tables = [table for name in sorted(names) if (table := _describe(name, members.files[name]))]
    if any(table.label is not None and table.pixels for table in tables):
        return tables
    if tables:
        refuse_foreign_members(path, members)
    for table in tables:
        if len(table.header) <= _WIDE and table.label is not None and not table.pixels:
            raise refused("no_images", path=path, table=table.name, columns=[*table.header])
        if len(table.header) <= _WIDE:
            lacking = "'emotion' or 'label'" if table.label is None else "'pixels' or 'feature'"
            raise refused("table", path=path, table=table.name, columns=[*table.header], lacking=lacking)
    return []


def _describe(name: str, opener: Opener) -> _Table | None:
    """Read the first line of a table; None where none of its columns is of use here, or it is none."""
    first = ""
    with suppress(UnreadableError), io.TextIOWrapper(opener(), encoding="utf-8-sig", errors="replace") as stream:
        first = stream.readline(_LONGEST_LINE).rstrip("\n")
    mark = max(",;\t", key=first.count)
    header = [cell.strip().strip('"').lower() for cell in first.split(mark)]
    label, cell, usage = (
        next((header.index(word) for word in words if word in header), None) for words in (_LABELS, _CELL, ["usage"])
    )
    table = partial(_Table, name, opener, mark, header)
    if len(header) > _FEWEST and all(re.fullmatch(r"-?[\d.]+", cell) for cell in header) and is_square(len(header) - 1):
        return table(titled=False, label=0, usage=None, pixels=range(1, len(header)))  # no names, the label first
    columns = [place for place, cell in enumerate(header) if _PIXEL.fullmatch(cell) and place != label]
    if cell is None and len(columns) >= _FEWEST and is_square(len(columns)):
        return table(titled=True, label=label, usage=usage, pixels=columns)
    known = [place is not None for place in (label, cell, usage)]
    return table(titled=True, label=label, usage=usage, pixels=[] if cell is None else [cell]) if any(known) else None


def read(path: Path, members: Members, tables: Sequence[_Table], options: Options) -> Contents:
    """Read the tables of one set of images: the first that has a column of usages alone, else those named by splits."""
    usable = _unlike([table for table in tables if table.label is not None and table.pixels])
    named = [table for table in usable if table.split]
    with_usage = [table for table in usable if table.usage is not None]
    read = with_usage[:1] or (named if len({table.split for table in named}) > 1 else usable)
    read = [table for table in read if len(table.pixels) == len(read[0].pixels)]
    if len({without_split(PurePosixPath(table.name).stem) for table in read if table.split}) > 1:
        raise refused("several_sets", path=path, names=[table.name for table in read])
    side = _find_side(read[0]) if len(read[0].pixels) == 1 else 0
    stacks = [_stack(table, side) for table in read]
    blank = [t for t in tables if t.label is None and t.pixels]
    without = [t.name for t in (*read, *blank) for *_, label in t.rows() if not label]
    others = [table.name for table in tables if table not in read and table not in blank]
    by = _recognise(Counter(row.label for stack in stacks for row in stack.rows), side, bool(with_usage))
    pictures = [name for name in members.files if name.lower().endswith(_PICTURES)]
    reading = Reading(
        title="FER2013" if by else "",
        recognised_by=by,
        split_names=sources.FER2013_SPLIT_NAMES if by else OTHER_SPLIT_NAMES,
        labels_from=said("data.labels.rows", tables=[printable(table.name) for table in read]),
        unused=tuple(
            part
            for kind, names in (("rows", without), ("beside", others), ("unlabelled", pictures))
            for part in unused(said(f"data.left.{kind}"), names)
        ),
    )
    size = options.image_size or min(max(side, _SIZES[0]), _SIZES[1])
    pixels = Pixels(size, colour=False, white=255) if side else None
    return read_stacks(path, members, stacks, options, reading, sources.FER2013_CLASSES if by else (), pixels)


def _unlike(tables: Sequence[_Table]) -> list[_Table]:
    """Leave out tables that lie in another folder once more, byte for byte."""
    kept: list[_Table] = []
    for table in tables:
        called = [t for t in kept if PurePosixPath(t.name).name == PurePosixPath(table.name).name]
        if not any(all(one == two for one, two in zip_longest(table.rows(), other.rows())) for other in called):
            kept.append(table)
    return kept


def _stack(table: _Table, side: int) -> Stack:
    """Give the rows that have a label, and the pixels of each."""

    def images() -> Iterator[Giver]:
        return (partial(_parse, table, side, line) for _, line, label in table.rows() if label)

    labelled = (row for row in table.rows() if row[2])
    rows = [Image(str(number), label, table.split_of(table.cells(line))) for number, line, label in labelled]
    return Stack(f"{table.name}, row", rows, images)


def _recognise(labels: Mapping[str, int], side: int, has_usage: bool) -> Said | None:
    """Say by what a table is recognised as FER2013; None where it is not."""
    own = [labels.get(str(number), 0) for number in range(len(sources.FER2013_CLASSES))]
    if side != sources.FER2013_SIZE or not all(own) or sum(own) < _MOST * sum(labels.values()):
        return None
    if has_usage:
        return said("data.known_by.fer2013_usage")
    near = np.abs(np.divide(own, sum(own)) - np.divide(CLASS_SHARES, sum(CLASS_SHARES))).max() < _NEAR
    return said("data.known_by.fer2013_shares") if near else None


def _find_side(table: _Table) -> int:
    """Give pixels a side of the first image that is square; FER2013's where there is none."""
    cells = (table.cells(line) for _, line, _ in table.rows())
    counts = (len(row[table.pixels[0]].split()) for row in cells if len(row) > table.pixels[0])
    return next((side for count in counts if (side := side_of(count)) > 1), sources.FER2013_SIZE)


def _parse(table: _Table, side: int, line: str) -> np.ndarray:
    """Read the pixels of a row, side * side uint8 where they are in one cell; UnreadableError says why not."""
    cells = table.cells(line)
    if len(line) >= _LONGEST_LINE:
        raise UnreadableError(f"has {_LONGEST_LINE:,} characters or more, too many")
    if len(cells) <= max(*table.pixels, table.label or 0, table.usage or 0):
        raise UnreadableError(f"has {len(cells)} columns, too few")
    if table.usage is not None and not table.split_of(cells):
        raise UnreadableError(f"usage {cells[table.usage].strip()!r} is none of {', '.join(sources.FER2013_SPLITS)}")
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
