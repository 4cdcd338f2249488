"""Tables that lie beside images and label them: which there are, and which of their columns say what."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import takewhile
from os.path import commonprefix
from pathlib import PurePosixPath
from posixpath import splitext
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize
from urllib.parse import unquote

from helpers.data.containers import Members
from helpers.data.labels import words
from helpers.data.labels.frames import read_frame, read_matlab, read_sidecars
from helpers.data.options import Options
from helpers.data.sources import Image, printable, refused

if TYPE_CHECKING:
    import pandas as pd

_ENDINGS = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".parquet", ".json", ".txt", ".lst", ".mat")
_TEXTS = ("", ".txt", ".json", ".mat")  # which may say something else
SHEETS = (".xlsx", ".xls", ".ods")
_SURE_NAMES, _MORE_NAMES, _GROUP_NAMES, _SPLIT_NAMES, _ASIDE = (
    words.VOCABULARY["columns"][kind] for kind in ("sure", "labels", "groups", "splits", "aside")
)
_LABEL_NAMES = (*_SURE_NAMES, *_MORE_NAMES)
_FILE_WORDS = ({"file", "files", "filename", "path"}, {"image", "images", "img", "picture", "photo", "name", "id"})
_NO_LABELS = frozenset((*_GROUP_NAMES, *_SPLIT_NAMES, *_ASIDE, "age", "width", "height", "url", "id"))
_FOUND = 0.5  # share of a column's values that have to be names of images
_COVER = 0.9  # share of the rows of votes that have the same sum
_ENTIRE = 0.99  # share of the rows for which something has to hold, such as one class a row
_NAMED = 3  # columns that a sentence proposes
_PARTITION = {"0": "train", "1": "validation", "2": "test"}  # as CelebA and others count them
_YES, _NO = ("1", "true"), ("0", "false")  # in a column that tells whether an image is in a split
_SIGNS = {"-1", "0", "1"}
_ONE_EACH = 50  # files of MATLAB, at most, or there is one for each image
_OF_SPLITS = {"split", "splits", "partition", "folds"}  # words in the name of a list that should not be passed over
_MARKS = ("|", ";", ", ", ",", " ")  # between several labels of one image
_WHOLE = re.compile(r"^(\d+)\.0$")  # a number of an image, as a table of floats spells it
_SUBMISSION = re.compile(r"submi(t|ssion)|sample_?sub", re.IGNORECASE)

Index = Mapping[str, Sequence[str]]  # name of an image without folders, ending and zeros in front -> its paths


class Table(NamedTuple):
    """A table that names images: rows by the image's path, and what its columns are.

    labelled_by: the column of labels; "" where there is none, or where each class has one. strong: whether its name
    says so; otherwise it is the only one that could be. of_split: the split that the table's name tells, or ""; group:
    a further column, or ""; rivals: columns of which each could be the labels, where the table does not say which are;
    untold: images without a label, each with why: "several_rows" that differ, or "several_names" for one row.
    """

    name: str
    rows: Mapping[str, Image]
    labelled_by: str
    strong: bool
    of_split: str
    group: str
    rivals: Sequence[str]
    untold: Mapping[str, str]

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the table tells, by the images' paths."""
        return {name: row.label for name, row in self.rows.items() if row.label}


def read_tables(path: str, members: Members, images: Sequence[str], options: Options) -> tuple[list[Table], list[str]]:
    """Read all tables that name images, and list the others.

    images: paths of all images. Raises DatasetError where options name a table or column that is not there, and where
    a table has several columns that could be the labels.
    """
    pictures = {*images}
    names = [n for n in members.files if n.lower().endswith(_ENDINGS) or not (n in pictures or splitext(n)[1])]
    sidecars = read_sidecars(members, images)
    index = _by_stem(images) if names or sidecars else {}
    names = [name for name in names if not (name.lower().endswith((".txt", ".json")) and _stem(name) in index)]
    names += [name for name in sidecars if name not in names]
    others = [n for n in members.files if n.lower().endswith(SHEETS) or (n in names and _SUBMISSION.search(n))]
    names = [name for name in names if name not in others]
    wanted = options.labels
    chosen = [name for name in names if name == wanted] or [n for n in names if PurePosixPath(n).name == wanted]
    if wanted and not chosen:
        raise refused("no_table", path=path, table=wanted, tables=names or "none")
    chosen = [name for name in names if name in chosen or series(name) in map(series, chosen)]
    matlab = {name: members.files[name] for name in sorted(names) if name.lower().endswith(".mat")}
    joined = sidecars | (read_matlab(matlab, images) if 0 < len(matlab) <= _ONE_EACH else {})
    alone = [name for name in chosen or names if name not in {*matlab, *sidecars}]
    read = {name: read_frame(members.files[name], name) for name in alone} | joined
    frames = {name: frame for name, frame in read.items() if frame is not None and name in (chosen or names)}
    _follow_numbers(frames, index)
    for name, frame in frames.items():
        if [*frame.columns] == ["column 1", "column 2"] and not _OF_SPLITS.isdisjoint(words.words(name)):
            frames[name] = frame.rename(columns={"column 2": PurePosixPath(name).stem})
    below, folders = _by_folder(images) if frames else ({}, set())
    known = {name for name in folders if not name.isdecimal()}
    found = []
    for name, frame in frames.items():
        table = _understand(path, name, frame, index, below, known, options)
        if table and (table.rows or table.untold):
            found.append(table)
        elif splitext(name)[1].lower() not in _TEXTS or {*words.words(PurePosixPath(name).stem)} & _OF_SPLITS:
            others.append(name)
    columns = [*dict.fromkeys(column for frame in frames.values() for column in frame.columns)]
    labelled = {table.labelled_by for table in found}
    for option, column, known in (("FILE", options.file, {*columns}), ("LABEL", options.label, labelled)):
        if column and column not in known:
            raise refused("no_column", path=path, option=option, wanted=column, columns=columns or "none")
    if chosen and not found:
        raise refused("no_names", path=path, table=wanted)
    return found, others


def _by_stem(images: Sequence[str]) -> Index:
    """Give the images by their names, with and without what all these end in, such as "_rgb"."""
    index: dict[str, list[str]] = defaultdict(list)
    ends = re.search(r"[\W_].*", commonprefix([_own(name)[::-1] for name in images])[::-1])  # noqa: RUF071
    for name in images:
        for stem in {_stem(name), _stem(_own(name).removesuffix(ends[0] if ends else ""))}:
            index[stem].append(name)
    return index


def _by_folder(images: Sequence[str]) -> tuple[Index, set[str]]:
    """Give the images below each folder, by its name and by its path, and how folders' names are spelled."""
    below: dict[str, list[str]] = defaultdict(list)
    for name in images:
        parts = name.split("/")[:-1]
        for folder in {*map(_stem, parts), *("/".join(parts[:depth]) for depth in range(2, len(parts) + 1))}:
            below[folder].append(name)
    folders = {name.rpartition("/")[0] for name in images}
    return below, {words.key(part) for folder in folders for part in folder.split("/")}


def series(name: str) -> Sequence[str]:
    """Give what the name of a table says beside its split, which it shares with those of the other splits."""
    stem, _, ending = PurePosixPath(name).name.rpartition(".")
    return (words.without_split(stem), *re.findall(r"\d+", stem), ending) if words.splits_of(name) else (name,)


def _stem(name: str) -> str:
    """Spell the name of an image as all systems do: small, without folders, ending and a number's zeros in front."""
    stem = _WHOLE.sub(r"\1", normalize("NFC", _own(name)).casefold())
    return stem.lstrip("0") or "0" if stem.isdecimal() else stem


def _own(name: str) -> str:
    """Give the name of an image without its folders and its ending."""
    last = unquote(name).strip().replace("\\", "/").rpartition("/")[2]
    stem, dot, ending = last.rpartition(".")
    return stem if dot and ending and not ending.isdecimal() and len(ending) < 6 else last


def _key(value: str, index: Index) -> str:
    """Give the key by which an index has what a cell names: the end of a folder's path that it knows, or the stem."""
    parts = value.replace("\\", "/").strip("/").split("/")
    ends = ("/".join(parts[first:]) for first in range(len(parts) - 1))
    return next((end for end in ends if end in index), _stem(value))


def _follow_numbers(frames: "dict[str, pd.DataFrame]", index: Index) -> None:
    """Put the images' names in place of their numbers in lists of these, as those of CUB-200 are.

    https://www.vision.caltech.edu/datasets/cub_200_2011/ describes them.
    """
    pairs = {name: frame for name, frame in frames.items() if frame.shape[1] == 2}
    files = {name: next(iter(_find_files(frame, index)), None) for name, frame in pairs.items()}
    for name, file in files.items():
        numbers = pairs[name].set_index(pairs[name].columns[0])
        if file not in numbers or not numbers.index.is_unique:
            continue
        for other, frame in pairs.items():
            ids, values = (frame[column] for column in frame)
            if files[other] is None and len(frame) == len(numbers) and ids.isin(numbers.index).all():
                named = numbers[file].reindex(ids).reset_index(drop=True)
                frames[other] = named.to_frame("file").assign(**{PurePosixPath(other).stem: values})


def _understand(
    path: str, name: str, frame: "pd.DataFrame", index: Index, folders: Index, known: set[str], options: Options
) -> Table | None:
    """Find the columns of a table and join it to images, or to those in folders that it labels; None if to none."""
    files = [options.file] if options.file and options.file in frame else _find_files(frame, index)
    of_folders = not files
    if of_folders and not (files := _find_files(frame, folders)[:1]):
        return None
    file = files[0]
    spelled = {column: " ".join(words.words(column)) for column in frame.columns if column != file}
    splits = [column for column in spelled if column != options.label and _tells_splits(frame[column])]
    for column in splits:
        spelled.pop(column)
    label, strong, values, rivals = _find_label(path, name, frame, spelled, known, options.label)
    if of_folders and not any(values):
        return None
    if len(files) > 1 and any(values):
        refuse_columns(path, name, files, "FILE")
    spelled.pop(label, None)
    group = _find_group(frame, spelled, options.group)
    of_table = words.find_split(PurePosixPath(name).stem)
    rows: dict[str, Image] = {}
    untold: dict[str, str] = {}
    blank = [""] * len(frame)
    told = zip(*([_split_of(column, said) for said in frame[column]] for column in splits))
    in_splits = [max(found, key=lambda split: split not in ("", "train")) for found in told] if splits else blank
    columns = frame[file], values, in_splits, frame[group] if group else blank
    for value, text, in_split, owner in zip(*columns, strict=True):
        images = (
            folders.get(_key(value, folders), ())
            if of_folders
            else _find_images(value, index, name, in_split or of_table)
        )
        owner = owner or value * of_folders
        if len(images) > 1 and not of_folders:
            untold |= dict.fromkeys(images, "several_names")
            continue
        for image in images:
            row = Image(image, printable(text), in_split, f"{group or file} {owner}" if owner else "")
            untold |= {image: "several_rows"} if rows.setdefault(image, row).label != row.label else {}
            rows[image] = row
    rows |= {image: rows[image]._replace(label="") for image, why in untold.items() if why == "several_rows"}
    return Table(name, rows, label, strong, of_table, group or file * of_folders, rivals, untold)


def _find_files(frame: "pd.DataFrame", index: Index) -> list[str]:
    """Find the column with the names of images; several where each may be, and names other images."""
    found = {column: [_key(value, index) for value in frame[column]] for column in frame.columns}
    known = {c: (sum(stem in index for stem in stems), frame[c].nunique()) for c, stems in found.items()}
    best = max(known.values(), default=(0, 0))
    enough = _FOUND * min(len(frame), len({names[0] for names in index.values()}))  # an image may have several rows
    if best[0] < _FOUND * len(frame) or best[1] <= enough:
        return []
    can = [column for column in found if known[column] == best]
    for called in _FILE_WORDS:
        can = [column for column in can if not called.isdisjoint(words.words(column))] or can
    return can if any(found[column] != found[can[0]] for column in can) else can[:1]


def _find_label(
    path: str, name: str, frame: "pd.DataFrame", spelled: Mapping[str, str], known: set[str], wanted: str
) -> tuple[str, bool, Sequence[str], Sequence[str]]:
    """Find the labels: their column, whether that is sure, the label of each row, and columns that could be as well."""
    blank = [""] * len(frame)
    if wanted:
        return (wanted, True, _one_label(path, name, frame[wanted]), ()) if wanted in frame else ("", False, blank, ())
    named = [c for called in _LABEL_NAMES for c in spelled if spelled[c] == called and _has_classes(frame[c])]
    can = _by_content(frame, spelled)
    if named:
        best, *others = named
        rivals = [column for column in others if not _same_classes(frame[best], frame[column])]
        alike_named = _SURE_NAMES if spelled[best] in _SURE_NAMES else (spelled[best],)  # "Type1" and "Type2"
        if sure := [column for column in rivals if spelled[column] in alike_named]:
            refuse_columns(path, name, [best, *sure])
        alike = [column for column in spelled if _same_classes(frame[best], frame[column])]  # names rather than numbers
        rivals += [] if spelled[best] in _SURE_NAMES else [c for c in can if c not in (*rivals, *alike)]
        best = next((c for c in alike if not all(value.isdecimal() for value in frame[c].unique() if value)), best)
        return best, True, _one_label(path, name, frame[best]), [best, *rivals]
    if (one_hot := _read_one_hot(path, name, frame[[*spelled]])) is not None:
        return "", True, one_hot, ()
    for column in spelled:
        # such as a list of test images, where folders tell the others; ImageNet's have a box behind the class
        for texts in (frame[column], frame[column].str.split().str[0].fillna("")):
            if texts.nunique() > 1 and {*map(words.key, texts.unique())} <= known:
                return column, True, list(texts), ()
    more = [c for c in spelled if spelled[c] in (*_ASIDE, "age") and c not in can and _has_classes(frame[c])]
    if can and all(_same_classes(frame[can[0]], frame[column]) for column in can[1:]):
        return can[0], False, list(frame[can[0]]), [can[0], *more]
    return "", False, blank, [*can, *more]  # refused where nothing else labels the images


def _by_content(frame: "pd.DataFrame", spelled: Mapping[str, str]) -> list[str]:
    """Name the columns that can be labels by their values, and are not known to be something else."""
    can = [column for column in spelled if _has_classes(frame[column]) and not _is_measure(frame[column])]
    flags = {c for c in can if spelled[c] == "column" and {"-1"} < {*frame[c]} <= _SIGNS}  # of one class among several
    aside = flags | _votes(frame[[*spelled]])
    can = [column for column in can if column not in aside and not _several(frame[column])]
    meant = [c for c in can if spelled[c] not in _NO_LABELS] or [c for c in can if spelled[c] in _ASIDE]
    return meant or [c for c in can if spelled[c] == "id"]  # of whales, say


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


def _votes(frame: "pd.DataFrame") -> set[str]:
    """Name the columns, three at least, of numbers that have one sum in nearly all rows, as votes and shares have."""
    import pandas as pd

    numbers = frame.apply(pd.to_numeric, errors="coerce").dropna(axis=1)
    sums = numbers.sum(axis=1).round(3).value_counts(normalize=True)
    return {*numbers} if numbers.shape[1] > 2 and sums.max() >= _COVER else set()


def refuse_columns(path: str, name: str, columns: Sequence[str], option: str = "LABEL") -> None:
    """Raise the DatasetError of a table of which several columns could be the labels, or the files."""
    ways = [f"{column!r} ({option}={column})" for column in columns[:_NAMED]]
    ways += [f"{len(columns) - _NAMED} more"] * (len(columns) > _NAMED)
    key = "columns" if option == "LABEL" else "files"
    raise refused(key, path=path, n=len(columns), table=name, columns=" or ".join(ways))


def _one_label(path: str, name: str, values: "pd.Series") -> Sequence[str]:
    """Give a column's labels; DatasetError where many rows have several at once."""
    if several := _several(values):
        raise refused("several_labels", path=path, table=name, n=len(several), example=several[0])
    return list(values)


def _several(values: "pd.Series") -> list[str]:
    """List the values that are several labels at once; none where hardly any are."""
    known = {*values}
    several = [v for v in values if any(len(parts := v.split(mark)) > 1 and {*parts} <= known for mark in _MARKS)]
    return several if len(several) > (1 - _ENTIRE) * len(values) else []


def _read_one_hot(path: str, name: str, frame: "pd.DataFrame") -> list[str] | None:
    """Read labels where each class has a column of zeros and ones; None where that is not so."""
    flags = [column for column in frame.columns if {*frame[column]} <= {"0", "1", "0.0", "1.0"}]
    marked = frame[flags].isin(("1", "1.0"))
    if marked.any().sum() < 2:
        return None
    counts = marked.sum(axis=1)
    if (counts == 1).sum() >= _ENTIRE * max(1, (counts > 0).sum()):
        if (none := int((counts == 0).sum())) > (1 - _ENTIRE) * len(frame):
            ways = ") or (".join(f"LABEL={flag}" for flag in flags[:_NAMED])
            raise refused("no_flag", path=path, table=name, n=none, names=flags, options=ways)
        return [*marked.idxmax(axis=1).map(str.strip).where(counts == 1, "")]
    if (counts > 1).sum() > (counts == 1).sum() / 10 and len(flags) > 2:
        several = int((counts > 1).sum())
        raise refused("several_flags", path=path, table=name, n=several, names=flags)
    return None


def _tells_splits(column: "pd.Series") -> bool:
    name, values = str(column.name), [value for value in column.unique() if value]
    found = [_split_of(name, value) for value in values]
    called = " ".join(words.words(name)) in _SPLIT_NAMES or not _OF_SPLITS.isdisjoint(words.words(name))
    return (called or _flags(name) or all(map(words.find_split, values))) and all(found) and len({*found}) > 1


def _flags(column: str) -> str:
    """Name the split of which a column tells whether an image is in it, "" if none: "is_valid", "test"."""
    said, split = words.words(column), words.find_split(column)
    return split if split == "train" or said[:1] == ["is"] or said == ["test"] else ""


def _split_of(column: str, value: str) -> str:
    if split := _flags(column):
        counted = dict.fromkeys(_YES, split) | dict.fromkeys(_NO, "test" if split == "train" else "train")
    else:
        counted = _PARTITION if words.words(column) != ["fold"] else {}
    return words.find_split(value) or counted.get(value.casefold(), "")


def _find_group(frame: "pd.DataFrame", spelled: Mapping[str, str], wanted: str) -> str:
    """Find the column whose values are to be kept on one side: as the user says, else by name, if several share one."""
    if wanted:
        return wanted if wanted in frame else ""
    by_name = {said: column for column, said in spelled.items()}
    known = [by_name[said] for said in _GROUP_NAMES if said in by_name]
    return next((column for column in known if 1 < frame[column].nunique() < len(frame)), "")


def _find_images(value: str, index: Index, table: str, split: str) -> Sequence[str]:
    """Find the image that a table means: of several with that name, the one, or those, whose folders fit best."""
    found = index.get(_stem(value), ())
    if len(found) < 2:
        return found
    named, folder = PurePosixPath(value.replace("\\", "/")), PurePosixPath(table).parent.parts

    def fit(name: str) -> tuple[bool, int, int, bool, bool]:
        own = PurePosixPath(name)
        *parents, _ = own.parts
        pairs = zip(reversed(parents), reversed(named.parts[:-1]))
        same = len([*takewhile(lambda pair: pair[0] == pair[1], pairs)])
        below = len(folder) * (own.parts[: len(folder)] == folder)
        in_split = bool(split) and split in map(words.find_split, parents)
        return _own(name) == _own(value), same, below, in_split, own.suffix == named.suffix

    best = max(map(fit, found))
    return [name for name in found if fit(name) == best]
