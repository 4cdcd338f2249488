"""Tables that lie beside images and label them: which there are, and which of their columns say what."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from helpers.data.containers import Members
from helpers.data.labels import words
from helpers.data.labels.frames import read_frame, read_matlab
from helpers.data.options import Options
from helpers.data.sources import DatasetError, printable

_ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".json", ".txt")
_LABEL_NAMES = (
    "label", "labels", "class", "classes", "target", "category", "class name", "label name", "classname",
    "category name", "diagnosis", "dx", "classid", "class id", "label id", "category id", "y", "ground truth",
    "gt", "emotion", "expression", "species", "breed", "variety", "disease", "finding", "finding labels", "level",
    "grade", "cell type", "landmark id", "style", "genre", "tag", "type",
)  # fmt: skip
_GROUP_NAMES = (
    "group", "group id", "lesion", "lesion id", "patient", "patient id", "patientid", "subject", "subject id",
    "person", "person id", "participant", "participant id", "individual", "individual id", "video", "video id",
    "case id",
)  # fmt: skip
_SPLIT_NAMES = ("split", "set", "subset", "usage", "partition", "phase", "data set", "dataset", "fold")
_ASIDE = frozenset(("sex", "gender", "localization", "view"))
_NO_LABELS = frozenset(
    (*_GROUP_NAMES, *_SPLIT_NAMES, "age", "sex", "gender", "width", "height", "localization", "view", "url", "id")
)
_FOUND = 0.5  # share of a column's values that have to be names of images
_ENTIRE = 0.99  # share of the rows for which something has to hold, such as one class a row
_NAMED = 3  # columns that a sentence names
_PARTITION = {"0": "train", "1": "validation", "2": "test"}  # as CelebA and others count them
_SUBMISSION = re.compile(r"submi(t|ssion)", re.IGNORECASE)

if TYPE_CHECKING:
    import pandas as pd

Index = Mapping[str, Sequence[str]]  # name of an image without folders, ending and zeros in front -> its paths


@dataclass(frozen=True)
class Row:
    """What a table says of one image."""

    label: str
    split: str = ""
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table that names images: rows by the image's path, and the columns that say what.

    labelled_by: the column of labels; "" where the table has none. strong: whether its name says so; otherwise it is
    the only one that could be. one_hot: whether each class has a column of its own. of_split: the split that the
    table's name tells, or ""; split, group: further columns, or ""; rivals: columns of which each could be the labels,
    where the table does not say which are.
    """

    name: str
    rows: Mapping[str, Row]
    file: str
    labelled_by: str
    strong: bool
    one_hot: bool = False
    of_split: str = ""
    split: str = ""
    group: str = ""
    rivals: tuple[str, ...] = ()

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the table tells, by the images' paths."""
        return {name: row.label for name, row in self.rows.items() if row.label}


def read_tables(path: str, members: Members, images: Sequence[str], options: Options) -> tuple[list[Table], list[str]]:
    """Read all tables that name images, and list the others.

    images: paths of all images. Raises DatasetError where options name a table or column that is not there, and where
    a table has several columns that could be the labels.
    """
    names = [name for name in members.files if name.lower().endswith(_ENDINGS) and not _SUBMISSION.search(name)]
    chosen = _find_chosen(path, names, options.labels)
    index = _index(images)
    known = {words.key(part) for folder in {name.rpartition("/")[0] for name in images} for part in folder.split("/")}
    known = {name for name in known if not name.isdecimal()}
    found, others = [], [name for name in members.files if _is_unread(name)]
    matlab = sorted(name for name in members.files if name.lower().endswith(".mat"))
    frames = [(name, read_frame(members.files[name], name)) for name in chosen or names]
    if matlab and not chosen:
        frames.append((", ".join(matlab), read_matlab([members.files[name] for name in matlab], images)))
    for name, frame in frames:
        table = _understand(path, name, frame, index, known, options, bool(chosen)) if frame is not None else None
        if table and table.rows:
            found.append(table)
        elif frame is not None and (_is_list_of_splits(name) or not _may_be_else(name)):
            others.append(name)
    if options.label and (chosen or found) and not any(table.labelled_by == options.label for table in found):
        columns = [column for name, frame in frames if frame is not None for column in _columns(frame)]
        raise DatasetError(
            f"LABEL={options.label} is no column of a table with names of images in {path}; the columns there are "
            f"{words_of(dict.fromkeys(columns))}."
        )
    if chosen and not found:
        raise DatasetError(
            f"LABELS={options.labels} names a table of which no column has the names of images below {path}; name the "
            "column with FILE=column, or another table."
        )
    return found, others


def _may_be_else(name: str) -> bool:
    return name.lower().endswith((".txt", ".json"))


def _is_list_of_splits(name: str) -> bool:
    said = words.words(PurePosixPath(name).stem)
    return any(word in ("split", "splits", "partition", "folds") for word in said)


def _is_unread(name: str) -> bool:
    """Tell whether a file is a table that is not read: a sample of a competition's submission, or a spreadsheet."""
    return name.lower().endswith((".xlsx", ".xls", ".ods")) or (
        bool(_SUBMISSION.search(name)) and name.lower().endswith(_ENDINGS)
    )


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
    shown = [printable(str(name)) for name in names]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")


def _index(images: Sequence[str]) -> Index:
    index: dict[str, list[str]] = defaultdict(list)
    for name in images:
        index[_stem(name)].append(name)
    return index


def _stem(name: str) -> str:
    """Spell the name of an image without its folders, its ending and the zeros in front of a number."""
    last = name.strip().replace("\\", "/").rpartition("/")[2]
    stem, dot, ending = last.rpartition(".")
    stem = stem if dot and ending and not ending.isdecimal() and len(ending) < 6 else last
    return stem.lstrip("0") or "0" if stem.isdecimal() else stem


def _understand(
    path: str, name: str, frame: "pd.DataFrame", index: Index, known: set[str], options: Options, chosen: bool
) -> Table | None:
    """Find the columns of a table and join it to the images; None where it names none."""
    file = _find_file(path, name, frame, index, options if chosen else Options())
    if file is None:
        return None
    label, strong, values = _find_label(path, name, frame, file, known, options)
    rivals = () if label or strong or options.label else tuple(_possible_labels(frame, file))
    split = _find_split(frame, {file, label})
    group = _find_group(frame, {file, label, split}, options)
    of_table = words.find_split(PurePosixPath(name).stem)
    rows: dict[str, Row] = {}
    splits = frame[split] if split else [""] * len(frame)
    groups = frame[group] if group else [""] * len(frame)
    for value, text, said, owner in zip(frame[file], values, splits, groups, strict=True):
        image = _find_image(value, index, name, of_table)
        if image is not None:
            rows[image] = Row(printable(text), _find_split_of(split, said), f"{group} {owner}" if owner else "")
    return Table(name, rows, file, label, strong, label == "" and strong, of_table, split, group, rivals)


def _find_file(path: str, name: str, frame: "pd.DataFrame", index: Index, options: Options) -> str | None:
    """Find the column with the names of images."""
    if options.file and options.file not in frame:
        raise DatasetError(
            f"FILE={options.file} is no column of {printable(name)} in {path}; its columns are "
            f"{words_of(_columns(frame))}."
        )
    if options.file:
        return options.file
    shares = {column: sum(_stem(value) in index for value in frame[column]) for column in _columns(frame)}
    best = max(shares, key=lambda column: (shares[column], frame[column].nunique()), default=None)
    enough = best is not None and shares[best] >= _FOUND * len(frame) and frame[best].nunique() > _FOUND * len(frame)
    return best if enough else None


def _columns(frame: "pd.DataFrame") -> list[str]:
    return [str(column) for column in frame.columns]


def _find_label(
    path: str, name: str, frame: "pd.DataFrame", file: str, known: set[str], options: Options
) -> tuple[str, bool, Sequence[str]]:
    """Find the labels: column ("" where each class has one), whether it is sure, and the label of each row."""
    if options.label and options.label not in frame:
        return "", False, [""] * len(frame)
    if options.label:
        return options.label, True, _one_label(path, name, frame, options.label)
    spelled = {" ".join(words.words(column)): column for column in _columns(frame) if column != file}
    named = [spelled[known] for known in _LABEL_NAMES if known in spelled and _has_classes(frame[spelled[known]])]
    if named:
        different = [column for column in named[1:] if not _same_classes(frame[named[0]], frame[column])]
        sure = _LABEL_NAMES[:8]
        rivals = [column for column in different if " ".join(words.words(column)) in sure]
        if rivals and " ".join(words.words(named[0])) in sure:
            refuse_columns(path, name, [named[0], *rivals])
        best = _best_named([column for column in named if column not in different], frame)
        return best, True, _one_label(path, name, frame, best)
    if (one_hot := _read_one_hot(path, name, frame, file)) is not None:
        return "", True, one_hot
    for column in _columns(frame):
        if column != file and frame[column].nunique() > 1 and {*map(words.key, frame[column].unique())} <= known:
            return column, True, list(frame[column])  # such as a list of test images, where folders tell the others
    return _guess_label(path, name, frame, file)


def _best_named(columns: Sequence[str], frame: "pd.DataFrame") -> str:
    """Of columns that say the same, give one with names rather than numbers."""
    return next((c for c in columns if not all(value.isdecimal() for value in frame[c].unique() if value)), columns[0])


def _has_classes(column: "pd.Series") -> bool:
    """Tell whether a column's values can be classes: at least two, and each for two rows on average."""
    values = column[column != ""]
    return 2 <= values.nunique() <= len(values) / 2


def _same_classes(one: "pd.Series", other: "pd.Series") -> bool:
    return len({*zip(one, other)}) == one.nunique() == other.nunique()


def refuse_columns(path: str, name: str, columns: Sequence[str]) -> None:
    ways = " or ".join(f"{column!r} (LABEL={column})" for column in columns[:_NAMED])
    others = f", or {len(columns) - _NAMED} more" if len(columns) > _NAMED else ""
    raise DatasetError(
        f"{path} can be read in {len(columns)} ways, since the labels of {printable(name)} can be its column {ways}"
        f"{others}; give one of these options."
    )


def _one_label(path: str, name: str, frame: "pd.DataFrame", column: str) -> Sequence[str]:
    """Give a column's labels; DatasetError where many rows have several at once."""
    values = frame[column]
    single = {value for value in values if "|" not in value}
    several = sum("|" in value and {*value.split("|")} <= single for value in values)
    if several > (1 - _ENTIRE) * len(values):
        example = next(value for value in values if "|" in value)
        raise DatasetError(
            f"{path} holds the table {printable(name)}, of which {several:,} rows have several labels, such as "
            f"{example!r}; keep one a row, or name another column with LABEL=column."
        )
    return list(values)


def _read_one_hot(path: str, name: str, frame: "pd.DataFrame", file: str) -> list[str] | None:
    """Read labels where each class has a column of zeros and ones; None where that is not so."""
    flags = [column for column in _columns(frame) if column != file and {*frame[column]} <= {"0", "1", "0.0", "1.0"}]
    if len(flags) < 2:
        return None
    marked = frame[flags].isin(("1", "1.0"))
    counts = marked.sum(axis=1)
    if (counts == 1).sum() >= _ENTIRE * (counts > 0).sum():
        labels = marked.idxmax(axis=1).map(str.strip)
        return [label if number == 1 else "" for label, number in zip(labels, counts, strict=True)]
    if (counts > 1).sum() > (counts == 1).sum() / 10 and len(flags) > 2:
        raise DatasetError(
            f"{path} holds the table {printable(name)}, of which {(counts > 1).sum():,} rows have several of the "
            f"labels {words_of(flags)}; keep one a row, or name a column with LABEL=column."
        )
    return None


def _guess_label(path: str, name: str, frame: "pd.DataFrame", file: str) -> tuple[str, bool, Sequence[str]]:
    """Take the only column whose values can be classes, whatever its name; refuse where there are several."""
    left = _possible_labels(frame, file)
    if len(left) > 1 and not all(_same_classes(frame[left[0]], frame[column]) for column in left[1:]):
        return "", False, [""] * len(frame)  # refused where nothing else labels the images
    if not left:
        return "", False, [""] * len(frame)
    return left[0], False, _one_label(path, name, frame, left[0])


def _possible_labels(frame: "pd.DataFrame", file: str) -> list[str]:
    """List the columns whose values can be classes; those of a person or a view only where there is no other."""
    can = [c for c in _columns(frame) if c != file and _has_classes(frame[c]) and not _is_measure(frame[c])]
    spelled = {column: " ".join(words.words(column)) for column in can}
    return [c for c in can if spelled[c] not in _NO_LABELS] or [c for c in can if spelled[c] in _ASIDE]


def _is_measure(column: "pd.Series") -> bool:
    """Tell whether values are measured, not classes: numbers with a point, or very many."""
    import pandas as pd

    numbers = pd.to_numeric(column[column != ""], errors="coerce")
    return bool(numbers.notna().all() and ((numbers % 1 != 0).any() or numbers.nunique() > 50))


def _find_split(frame: "pd.DataFrame", taken: set[str]) -> str:
    """Find the column of splits, by its name and its values; "" if there is none."""
    for column in _columns(frame):
        if column not in taken and " ".join(words.words(column)) in _SPLIT_NAMES:
            found = [_find_split_of(column, value) for value in frame[column].unique() if value]
            if all(found) and len({*found}) > 1:
                return column
    return ""


def _find_split_of(column: str, value: str) -> str:
    return words.find_split(value) or (_PARTITION.get(value, "") if words.words(column) != ["fold"] else "")


def _find_group(frame: "pd.DataFrame", taken: set[str], options: Options) -> str:
    """Find the column whose values are to be kept on one side: as the user says, else by name, if several share one."""
    if options.group in frame:
        return options.group
    spelled = {" ".join(words.words(column)): column for column in _columns(frame) if column not in taken}
    known = [spelled[name] for name in _GROUP_NAMES if name in spelled]
    return (
        next((column for column in known if 1 < frame[column].nunique() < len(frame)), "") if not options.group else ""
    )


def _find_image(value: str, index: Index, table: str, split: str) -> str | None:
    """Find the image that a table means: of several with that name, the one whose folders fit best."""
    found = index.get(_stem(value), ())
    if len(found) < 2:
        return found[0] if found else None
    parts = PurePosixPath(value.replace("\\", "/")).parts
    folder = PurePosixPath(table).parent.parts

    def fit(name: str) -> tuple[int, int, int, int]:
        own = PurePosixPath(name).parts
        pairs = zip(reversed(own[:-1]), reversed(parts[:-1]))
        same = len([*takewhile(lambda pair: pair[0] == pair[1], pairs)])
        below = len(folder) if own[: len(folder)] == folder else -1
        fits = any(words.find_split(part) == split for part in own[:-1]) if split else False
        return same, below if below > 0 else 0, fits, PurePosixPath(name).suffix == PurePosixPath(value).suffix

    best = sorted(found, key=fit, reverse=True)
    return best[0] if fit(best[0]) > fit(best[1]) else None
