"""Tables that lie beside images and label them: which there are, and which of their columns say what."""

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from helpers.data.containers import Members
from helpers.data.labels import words
from helpers.data.options import Options
from helpers.data.sources import DatasetError, Opener, UnreadableError, printable

if TYPE_CHECKING:
    import pandas as pd

_ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".json", ".txt")
_SHEETS = (".xlsx", ".xls", ".ods")
_SURE_NAMES = ("label", "labels", "class", "classes", "target", "category", "class name", "label name")
_LABEL_NAMES = (
    *_SURE_NAMES, "classname", "category name", "diagnosis", "dx", "classid", "class id", "label id", "category id",
    "y", "ground truth", "gt", "emotion", "expression", "species", "breed", "variety", "disease", "finding",
    "finding labels", "level", "grade", "cell type", "landmark id", "style", "genre", "tag", "type",
)  # fmt: skip
_GROUP_NAMES = (
    "group", "group id", "lesion", "lesion id", "patient", "patient id", "patientid", "subject", "subject id",
    "person", "person id", "participant", "participant id", "individual", "individual id", "video", "video id",
    "case id",
)  # fmt: skip
_SPLIT_NAMES = ("split", "set", "subset", "usage", "partition", "phase", "data set", "dataset", "fold")
_ASIDE = ("sex", "gender", "localization", "view")
_NO_LABELS = frozenset((*_GROUP_NAMES, *_SPLIT_NAMES, *_ASIDE, "age", "width", "height", "url", "id"))
_MOST_BYTES = 2**28  # of a table
_FOUND = 0.5  # share of a column's values that have to be names of images
_ENTIRE = 0.99  # share of the rows for which something has to hold, such as one class a row
_NAMED = 3  # columns that a sentence names
_PARTITION = {"0": "train", "1": "validation", "2": "test"}  # as CelebA and others count them
_OF_SPLITS = {"split", "splits", "partition", "folds"}  # words in the name of a list that should not be passed over
_SUBMISSION = re.compile(r"submi(t|ssion)", re.IGNORECASE)

Index = Mapping[str, Sequence[str]]  # name of an image without folders, ending and zeros in front -> its paths


class Row(NamedTuple):
    """What a table says of one image."""

    label: str
    split: str
    group: str


class Table(NamedTuple):
    """A table that names images: rows by the image's path, and what its columns are.

    labelled_by: the column of labels; "" where there is none, or where each class has one. strong: whether its name
    says so; otherwise it is the only one that could be. of_split: the split that the table's name tells, or ""; group:
    a further column, or ""; rivals: columns of which each could be the labels, where the table does not say which are.
    """

    name: str
    rows: Mapping[str, Row]
    labelled_by: str
    strong: bool
    of_split: str
    group: str
    rivals: Sequence[str]

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the table tells, by the images' paths."""
        return {name: row.label for name, row in self.rows.items() if row.label}


def read_tables(path: str, members: Members, images: Sequence[str], options: Options) -> tuple[list[Table], list[str]]:
    """Read all tables that name images, and list the others.

    images: paths of all images. Raises DatasetError where options name a table or column that is not there, and where
    a table has several columns that could be the labels.
    """
    names = [name for name in members.files if name.lower().endswith(_ENDINGS)]
    others = [n for n in members.files if n.lower().endswith(_SHEETS) or (n in names and _SUBMISSION.search(n))]
    names = [name for name in names if name not in others]
    chosen = _find_chosen(path, names, options.labels)
    frames = {name: frame for name in chosen or names if (frame := _read_frame(members.files[name], name)) is not None}
    matlab = sorted(name for name in members.files if name.lower().endswith(".mat"))
    if not chosen and (frame := _read_matlab([members.files[name] for name in matlab], images)) is not None:
        frames[", ".join(matlab)] = frame
    index: dict[str, list[str]] = defaultdict(list)
    for name in images:
        index[_stem(name)].append(name)
    folders = {words.key(part) for folder in {name.rpartition("/")[0] for name in images} for part in folder.split("/")}
    known = {name for name in folders if not name.isdecimal()}
    found = []
    for name, frame in frames.items():
        table = _understand(path, name, frame, index, known, options, bool(chosen))
        if table and table.rows:
            found.append(table)
        elif not name.lower().endswith((".txt", ".json")) or {*words.words(PurePosixPath(name).stem)} & _OF_SPLITS:
            others.append(name)
    if options.label and (chosen or found) and not any(table.labelled_by == options.label for table in found):
        columns = dict.fromkeys(column for frame in frames.values() for column in _columns(frame))
        raise DatasetError(
            f"LABEL={options.label} is no column of a table with names of images in {path}; the columns there are "
            f"{words_of(columns)}."
        )
    if chosen and not found:
        raise DatasetError(
            f"LABELS={options.labels} names a table of which no column has the names of images below {path}; name the "
            "column with FILE=column, or another table."
        )
    return found, others


def _find_chosen(path: str, names: Sequence[str], wanted: str) -> list[str]:
    """Give the tables that LABELS names: by path, or by name in any folder."""
    if wanted in ("", "folders", "names"):
        return []
    found = [name for name in names if name == wanted] or [n for n in names if PurePosixPath(n).name == wanted]
    if not found:
        there = words_of(names) or "none"
        raise DatasetError(f"LABELS={wanted} names no table in {path}; the tables there are: {there}.")
    return found


def words_of(names: Iterable[str], most: int = 12) -> str:
    """List names, the first so many of them."""
    shown = [*map(printable, names)]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")


def _stem(name: str) -> str:
    """Spell the name of an image without its folders, its ending and the zeros in front of a number."""
    last = name.strip().replace("\\", "/").rpartition("/")[2]
    stem, dot, ending = last.rpartition(".")
    stem = stem if dot and ending and not ending.isdecimal() and len(ending) < 6 else last
    return stem.lstrip("0") or "0" if stem.isdecimal() else stem


# Files of rows and columns as tables of text ------------------------------------------------------------------


def _read_frame(opener: Opener, name: str) -> "pd.DataFrame | None":
    """Read a table as text, its columns named; None where it is none."""
    import pandas as pd
    from pyarrow import ArrowException

    ending = PurePosixPath(name).suffix.lower()
    try:
        with opener() as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            return None
        if ending == ".parquet":
            return _as_text(pd.read_parquet(io.BytesIO(data)))
        text = data.decode("utf-8-sig", errors="replace")
        if ending not in (".json", ".jsonl", ".ndjson"):
            return _read_cells(text, ending == ".txt")
        rows = json.loads(text if ending == ".json" else f"[{','.join(filter(str.strip, text.splitlines()))}]")
    except (UnreadableError, ValueError, OSError, csv.Error, ArrowException):
        return None
    if isinstance(rows, dict) and all(isinstance(value, str | int) for value in rows.values()):
        rows = [{"file": name, "label": label} for name, label in rows.items()]
    flat = isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows)
    return _as_text(pd.DataFrame(rows)) if flat else None


def _as_text(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Spell all cells as text: empty where nothing is, whole numbers without a point."""

    def spell(cell: object) -> str:
        if isinstance(cell, float):
            return "" if cell != cell else str(int(cell)) if cell.is_integer() else str(cell)
        return "" if cell is None or str(cell) == "<NA>" else str(cell)

    return frame.rename(columns=str).map(spell)


def _read_cells(text: str, is_list: bool) -> "pd.DataFrame | None":
    """Read a table of cells parted by what parts most; lists (.txt) may be parted by blanks, and have no header."""
    import pandas as pd

    head = [line for line in text[:20_000].splitlines() if line.strip()][:20]
    if not head or max(map(len, head)) > 5_000:
        return None
    marks = [",", "\t", ";", "|", *([" "] if is_list else [])]
    mark = max(marks, key=lambda mark: min(line.count(mark) for line in head))
    if not head[0].count(mark) and not is_list:
        return None
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=mark) if any(row)]
    width = len(rows[0])
    body = [row[:width] + [""] * (width - len(row)) for row in rows]
    if is_list or any(re.search(r"\.\w{3,4}$", cell) for cell in rows[0]) or len({*rows[0]}) < width:
        return pd.DataFrame(body, columns=[f"column {number}" for number in range(1, width + 1)])
    return pd.DataFrame(body[1:], columns=rows[0])


def _read_matlab(openers: Iterable[Opener], images: Sequence[str]) -> "pd.DataFrame | None":
    """Read MATLAB's files of as many labels as images, in the order of their names, and of numbers for each split.

    Flowers102 comes so (https://www.robots.ox.ac.uk/~vgg/data/flowers/102/). None where there are no such labels.
    """
    import numpy as np
    import pandas as pd
    from scipy.io import loadmat

    arrays: dict[str, np.ndarray] = {}
    for opener in openers:
        with suppress(Exception), opener() as file:  # its reader answers foreign bytes with errors of any kind
            held = loadmat(file)  # type: ignore[arg-type]  # it takes files as well as paths
            arrays |= {key: value.ravel() for key, value in held.items() if isinstance(value, np.ndarray)}
    labels = next((v for k, v in arrays.items() if words.words(k) in (["label"], ["labels"])), np.empty(0))
    if len(labels) != len(images):
        return None
    frame = pd.DataFrame({"file": sorted(images), "label": labels.astype(str), "split": ""})
    for key, numbers in arrays.items():
        if (split := words.find_split(key.removesuffix("id"))) and numbers.dtype.kind in "iu":
            frame.loc[frame.index.isin(numbers.astype(np.int64) - 1), "split"] = split
    return frame


# Columns ------------------------------------------------------------------------------------------------------


def _understand(
    path: str, name: str, frame: "pd.DataFrame", index: Index, known: set[str], options: Options, chosen: bool
) -> Table | None:
    """Find the columns of a table and join it to the images; None where it names none."""
    file = options.file if chosen and options.file else _find_file(frame, index)
    if file is None:
        return None
    if file not in frame:
        raise DatasetError(
            f"FILE={file} is no column of {printable(name)} in {path}; its columns are {words_of(_columns(frame))}."
        )
    spelled = {column: " ".join(words.words(column)) for column in _columns(frame) if column != file}
    label, strong, values, rivals = _find_label(path, name, frame, spelled, known, options.label)
    left = {column: said for column, said in spelled.items() if column != label}
    split = next((column for column, said in left.items() if said in _SPLIT_NAMES and _are_splits(frame[column])), "")
    group = _find_group(frame, {column: said for column, said in left.items() if column != split}, options.group)
    of_table = words.find_split(PurePosixPath(name).stem)
    rows: dict[str, Row] = {}
    blank = [""] * len(frame)
    columns = frame[file], values, frame[split] if split else blank, frame[group] if group else blank
    for value, text, said, owner in zip(*columns, strict=True):
        if image := _find_image(value, index, name, of_table):
            rows[image] = Row(printable(text), _split_of(split, said), f"{group} {owner}" if owner else "")
    return Table(name, rows, label, strong, of_table, group, rivals)


def _columns(frame: "pd.DataFrame") -> list[str]:
    return [*map(str, frame.columns)]


def _find_file(frame: "pd.DataFrame", index: Index) -> str | None:
    """Find the column with the names of images."""
    found = {column: sum(_stem(value) in index for value in frame[column]) for column in _columns(frame)}
    best = max(found, key=lambda column: (found[column], frame[column].nunique()), default=None)
    enough = _FOUND * len(frame)
    return best if best is not None and found[best] >= enough and frame[best].nunique() > enough else None


def _find_label(
    path: str, name: str, frame: "pd.DataFrame", spelled: Mapping[str, str], known: set[str], wanted: str
) -> tuple[str, bool, Sequence[str], Sequence[str]]:
    """Find the labels: their column, whether that is sure, the label of each row, and columns that could be as well."""
    if wanted:
        found = wanted in frame
        return (
            (wanted, True, _one_label(path, name, frame[wanted]), ()) if found else ("", False, [""] * len(frame), ())
        )
    by_name = {said: column for column, said in spelled.items()}
    named = [by_name[said] for said in _LABEL_NAMES if said in by_name and _has_classes(frame[by_name[said]])]
    if named:
        best, *others = named
        rivals = [column for column in others if not _same_classes(frame[best], frame[column])]
        sure = [column for column in rivals if spelled[column] in _SURE_NAMES]
        if sure and spelled[best] in _SURE_NAMES:
            refuse_columns(path, name, [best, *sure])
        alike = [column for column in named if column not in rivals]  # of which names are better than numbers
        best = next((c for c in alike if not all(value.isdecimal() for value in frame[c].unique() if value)), best)
        return best, True, _one_label(path, name, frame[best]), ()
    if (one_hot := _read_one_hot(path, name, frame[[*spelled]])) is not None:
        return "", True, one_hot, ()
    for column in spelled:
        if frame[column].nunique() > 1 and {*map(words.key, frame[column].unique())} <= known:
            return column, True, list(frame[column]), ()  # such as a list of test images, where folders tell the others
    can = [column for column in spelled if _has_classes(frame[column]) and not _is_measure(frame[column])]
    can = [c for c in can if spelled[c] not in _NO_LABELS] or [c for c in can if spelled[c] in _ASIDE]
    if can and all(_same_classes(frame[can[0]], frame[column]) for column in can[1:]):
        return can[0], False, _one_label(path, name, frame[can[0]]), ()
    return "", False, [""] * len(frame), can  # refused where nothing else labels the images


def _has_classes(column: "pd.Series") -> bool:
    """Tell whether a column's values can be classes: at least two, and each for two rows on average."""
    values = column[column != ""]
    return 2 <= values.nunique() <= len(values) / 2


def _same_classes(one: "pd.Series", other: "pd.Series") -> bool:
    return len({*zip(one, other)}) == one.nunique() == other.nunique()


def _is_measure(column: "pd.Series") -> bool:
    """Tell whether values are measured, not classes: numbers with a point, or very many."""
    import pandas as pd

    numbers = pd.to_numeric(column[column != ""], errors="coerce")
    return bool(numbers.notna().all() and ((numbers % 1 != 0).any() or numbers.nunique() > 50))


def refuse_columns(path: str, name: str, columns: Sequence[str]) -> None:
    """Raise the DatasetError of a table of which several columns could be the labels."""
    ways = " or ".join(f"{column!r} (LABEL={column})" for column in columns[:_NAMED])
    others = f", or {len(columns) - _NAMED} more" if len(columns) > _NAMED else ""
    raise DatasetError(
        f"{path} can be read in {len(columns)} ways, since the labels of {printable(name)} can be its column {ways}"
        f"{others}; give one of these options."
    )


def _one_label(path: str, name: str, values: "pd.Series") -> Sequence[str]:
    """Give a column's labels; DatasetError where many rows have several at once."""
    single = {value for value in values if "|" not in value}
    several = [value for value in values if "|" in value and {*value.split("|")} <= single]
    if len(several) > (1 - _ENTIRE) * len(values):
        raise DatasetError(
            f"{path} holds the table {printable(name)}, of which {len(several):,} rows have several labels, such as "
            f"{several[0]!r}; keep one a row, or name another column with LABEL=column."
        )
    return list(values)


def _read_one_hot(path: str, name: str, frame: "pd.DataFrame") -> list[str] | None:
    """Read labels where each class has a column of zeros and ones; None where that is not so."""
    flags = [column for column in _columns(frame) if {*frame[column]} <= {"0", "1", "0.0", "1.0"}]
    if len(flags) < 2:
        return None
    marked = frame[flags].isin(("1", "1.0"))
    counts = marked.sum(axis=1)
    if (counts == 1).sum() >= _ENTIRE * (counts > 0).sum():
        return [*marked.idxmax(axis=1).map(str.strip).where(counts == 1, "")]
    if (counts > 1).sum() > (counts == 1).sum() / 10 and len(flags) > 2:
        raise DatasetError(
            f"{path} holds the table {printable(name)}, of which {(counts > 1).sum():,} rows have several of the "
            f"labels {words_of(flags)}; keep one a row, or name a column with LABEL=column."
        )
    return None


def _are_splits(column: "pd.Series") -> bool:
    found = [_split_of(str(column.name), value) for value in column.unique() if value]
    return all(found) and len({*found}) > 1


def _split_of(column: str, value: str) -> str:
    return words.find_split(value) or (_PARTITION.get(value, "") if words.words(column) != ["fold"] else "")


def _find_group(frame: "pd.DataFrame", spelled: Mapping[str, str], wanted: str) -> str:
    """Find the column whose values are to be kept on one side: as the user says, else by name, if several share one."""
    if wanted:
        return wanted if wanted in frame else ""
    by_name = {said: column for column, said in spelled.items()}
    known = [by_name[said] for said in _GROUP_NAMES if said in by_name]
    return next((column for column in known if 1 < frame[column].nunique() < len(frame)), "")


def _find_image(value: str, index: Index, table: str, split: str) -> str | None:
    """Find the image that a table means: of several with that name, the one whose folders fit best."""
    found = index.get(_stem(value), ())
    if len(found) < 2:
        return found[0] if found else None
    named, folder = PurePosixPath(value.replace("\\", "/")), PurePosixPath(table).parent.parts

    def fit(name: str) -> tuple[int, int, bool, bool]:
        own = PurePosixPath(name)
        *parents, _ = own.parts
        pairs = zip(reversed(parents), reversed(named.parts[:-1]))
        same = len([*takewhile(lambda pair: pair[0] == pair[1], pairs)])
        below = len(folder) * (own.parts[: len(folder)] == folder)
        return same, below, bool(split) and split in map(words.find_split, parents), own.suffix == named.suffix

    best = sorted(found, key=fit, reverse=True)
    return best[0] if fit(best[0]) > fit(best[1]) else None
