"""Which labels are meant: those of folders, of tables beside the images, or of file names; refused where two may be."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from helpers.data.containers import Members
from helpers.data.labels import words
from helpers.data.labels.beside import set_aside
from helpers.data.labels.folders import FolderReading, Level, quoted, read_folders
from helpers.data.labels.groups import Image, folder_of, group
from helpers.data.labels.known import FOOD11_CLASSES, find_known
from helpers.data.labels.names import name_classes, read_names
from helpers.data.labels.tables import Table, read_tables, refuse_columns
from helpers.data.options import Options
from helpers.data.reading import OTHER_SPLIT_NAMES, SPLITS, Unused, unused
from helpers.data.sources import FER2013_CLASSES, OTHER_SIZE, DatasetError, printable

_AGREE = 0.99  # share of the images on which two sources of labels have to agree to count as one
_MANY, _FEW = 10, 20  # so many folders of so few images each may be persons rather than classes


@dataclass(frozen=True)
class Labelling:
    """What a reader of images as files needs to know; as in `reading.Reading`, with the images themselves."""

    images: list[Image]
    class_names: tuple[str, ...]
    labels_from: str
    splits_from: str = ""
    unused: tuple[Unused, ...] = ()
    notes: tuple[str, ...] = ()
    title: str = ""
    recognised_by: str = ""
    split_names: Mapping[str, str] = field(default_factory=lambda: dict(OTHER_SPLIT_NAMES))
    size: int | None = None


class _Source(NamedTuple):
    """One place that labels come from: the label by path, and what to call it."""

    labels: dict[str, str]
    said: str


def label(path: str, members: Members, images: Sequence[str], options: Options) -> Labelling:
    """Label the images below a path.

    images: paths of all images, sorted. Raises DatasetError where nothing labels them, or where two readings are
    possible and no option says which is meant.
    """
    meant, aside = set_aside(members, images)
    if not options.chosen().keys() - {"FIT", "GROUP"} and (known := find_known(meant)):
        found = [Image(name, *known.labels[name]) for name in meant if name in known.labels]
        without = unused("images without a label", [printable(n) for n in meant if n not in known.labels])
        return Labelling(
            found,
            known.class_names,
            labels_from="those of this data set",
            splits_from="those of this data set",
            unused=(*aside, *without),
            title=known.title,
            recognised_by=known.by,
            split_names=known.split_names,
            size=known.size,
        )
    folders = read_folders(Counter(map(folder_of, meant)), options.class_level)
    tables, others = _read_tables(path, members, meant, options)
    source = _choose(path, meant, folders, tables, options)
    labelled, left = _split(path, meant, source, folders, tables)
    grouped, group_notes = group(path, labelled, folders, tables, options)
    named = _name(path, members, grouped, source, options)
    return replace(
        named,
        splits_from=_splits_from(grouped, bool(tables)),
        unused=(*aside, *left, *_unread(others)),
        notes=(*_notes(folders, source, named), *group_notes, *named.notes),
    )


def _unread(tables: Sequence[str]) -> tuple[Unused, ...]:
    return unused("tables that label none of the images", [printable(name) for name in tables])


def _read_tables(path: str, members: Members, images: Sequence[str], options: Options) -> tuple[list[Table], list[str]]:
    if options.class_level or options.labels in ("folders", "names"):
        return [], []
    tables, others = read_tables(path, members, images, options)
    return tables, others


# Which source ------------------------------------------------------------------------------------------------


def _choose(path: str, images: Sequence[str], folders: FolderReading, tables: list[Table], options: Options) -> _Source:
    """Choose what labels the images, and give each its label."""
    by_tables = _from_tables(path, [table for table in tables if table.labels and table.strong] or tables)
    if options.labels and options.labels not in ("folders", "names"):
        return by_tables
    if options.labels == "names":
        return _from_names(images) or _refuse_nothing(path)
    ways = [_from_folders(images, way, folders) for way in folders.ways]
    useful = [way for way in ways if len({*way.labels.values()}) > 1]
    if options.class_level and not useful:
        _refuse_level(path, folders, options.class_level)
    strong = any(table.strong and table.labels for table in tables)
    if by_tables.labels and (strong or not useful):
        return _weigh(path, by_tables, useful, folders, options)
    if len(useful) > 1:
        _refuse_levels(path, folders)
    if useful:
        return _weigh_names(path, images, useful[0], folders.ways[ways.index(useful[0])], options)
    if found := _from_names(images):
        return found
    if ways:
        return ways[0]
    for table in tables:
        if len(table.rivals) > 1:
            refuse_columns(path, table.name, table.rivals)
    return _refuse_nothing(path)


def _from_tables(path: str, tables: list[Table]) -> _Source:
    """Join what tables say of images; DatasetError where two of them disagree."""
    labels: dict[str, str] = {}
    told: dict[str, Table] = {}
    for table in tables:
        for name, told_label in table.labels.items():
            if name in labels and words.key(labels[name]) != words.key(told_label):
                ways = " or ".join(
                    f"the column {t.labelled_by!r} of {printable(t.name)} (LABELS={t.name})"
                    for t in (told[name], table)
                )
                raise DatasetError(f"{path} can be read in two ways: the labels are {ways}; give one of these options.")
            labels.setdefault(name, told_label)
            told.setdefault(name, table)
    shown = [table for table in tables if table.labels]
    names = ", ".join(printable(table.name) for table in shown[:3]) + (" and others" if len(shown) > 3 else "")
    if shown and shown[0].one_hot:
        said = f"the columns of zeros and ones of {names}"
    else:
        said = f"the values of the column {shown[0].labelled_by!r} of {names}" if shown else ""
    return _Source(labels, said)


def _from_folders(images: Sequence[str], way: Level, folders: FolderReading) -> _Source:
    labels = {name: printable(way.labels[folder_of(name)]) for name in images if folder_of(name) in way.labels}
    learned = (name for name in labels if folders.places[folder_of(name)].split in ("", "train"))
    example = next(learned, next(iter(labels), ""))
    said = f"the names of folders at level {way.level}, such as {labels.get(example, '')!r} of {printable(example)}"
    return _Source(labels, said)


def _from_names(images: Sequence[str]) -> _Source | None:
    labels = read_names(images)
    if not labels:
        return None
    example = next(iter(labels))
    return _Source(labels, f"parts of the file names, such as {labels[example]!r} of {printable(example)}")


def _weigh(path: str, table: _Source, ways: list[_Source], folders: FolderReading, options: Options) -> _Source:
    """Join the labels of tables with those of folders where they say the same; else refuse, unless folders count."""
    if not ways:
        return table
    for way in ways:
        if (joined := _join(table, way)) is not None:
            return joined
    if all(words.are_numbered({*way.labels.values()}) for way in ways):
        return table
    raise DatasetError(
        f"{path} can be read in two ways: the classes are {table.said}, which are {quoted({*table.labels.values()})} "
        f"(LABELS={_table_name(table)}), or {ways[0].said} (LABELS=folders); give one of these options."
    )


def _table_name(table: _Source) -> str:
    return table.said.rpartition(" of ")[2].split(",")[0].removesuffix(" and others")


def _join(table: _Source, folders: _Source) -> _Source | None:
    """Give the labels of both, spelled as in the table; None where they do not mean the same."""
    both = Counter((folders.labels[n], label) for n, label in table.labels.items() if n in folders.labels)
    spelled: dict[str, str] = {}
    for (of_folder, of_table), _ in both.most_common():
        spelled.setdefault(of_folder, of_table)
    agreeing = sum(number for (of_folder, of_table), number in both.items() if spelled[of_folder] == of_table)
    if agreeing < _AGREE * sum(both.values()) or len({*spelled.values()}) < len(spelled):
        return None
    by_key = {words.key(name): name for name in table.labels.values()}
    labels = {n: spelled.get(name) or by_key.get(words.key(name), name) for n, name in folders.labels.items()}
    return _Source(
        labels | table.labels,
        f"{folders.said}, and {table.said}" if {*folders.labels} - {*table.labels} else table.said,
    )


def _weigh_names(path: str, images: Sequence[str], source: _Source, way: Level, options: Options) -> _Source:
    """See that folders which only count things, such as persons, do not hide classes in the names of files."""
    if options.class_level or options.labels or not words.are_numbered(way.names) or way.names[0].isdecimal():
        return source
    if by_names := _from_names([name for name in images if name in source.labels]):
        raise DatasetError(
            f"{path} can be read in two ways: the classes are {source.said} (LABELS=folders), or {by_names.said} "
            "(LABELS=names); give one of these options."
        )
    return source


def _refuse_levels(path: str, folders: FolderReading) -> None:
    ways = [
        f"the folders {quoted(way.names)} at level {way.level} (CLASS_LEVEL={way.level})" for way in folders.ways[:2]
    ]
    raise DatasetError(
        f"{path} can be read in two ways: the classes are {' or '.join(ways)}; give one of these options."
    )


def _refuse_level(path: str, folders: FolderReading, level: int) -> None:
    deepest = max((len(place.levels) for place in folders.places.values()), default=0)
    raise DatasetError(
        f"CLASS_LEVEL={level} gives no two classes in {path}; its images lie below {deepest} levels of folders, "
        "counted without those that all share and those of splits."
    )


def _refuse_nothing(path: str) -> _Source:
    raise DatasetError(
        f"{path} has images, but nothing that labels them: no class folders, no table with their names and labels, and "
        "no classes in their names; put the images of each class into a folder of its own, or name a table with "
        "LABELS=file LABEL=column FILE=column."
    )


# Splits ------------------------------------------------------------------------------------------------------


def _split(
    path: str, images: Sequence[str], source: _Source, folders: FolderReading, tables: list[Table]
) -> tuple[list[Image], tuple[Unused, ...]]:
    """Give the labelled images their splits; and what is left out for want of a label, or of a split as others have."""
    rows = {name: (row.split, table.of_split) for table in tables for name, row in table.rows.items()}
    found: dict[str, str] = {}
    for name in images:
        of_row, of_table = rows.get(name, ("", ""))
        found[name] = of_row or folders.places[folder_of(name)].split or of_table
    if "train" not in {found[name] for name in source.labels}:  # what is in no folder of a split is for training
        found = {name: split or "train" for name, split in found.items()} if any(found.values()) else found
    unknown = _unknown_labels(path, source.labels, found)
    labelled = [n for n in images if n in source.labels and (found[n], source.labels[n]) not in unknown]
    has_splits = any(found[name] for name in labelled)
    kept = [name for name in labelled if found[name] or not has_splits]
    outside = [printable(name) for name in labelled if has_splits and not found[name]]
    without = {*images} - {*labelled}
    parts: tuple[Unused, ...] = ()
    for split in ("", *SPLITS):
        names = [printable(name) for name in images if name in without and found[name] == split]
        parts += unused(f"{OTHER_SPLIT_NAMES.get(split, '')} images without a label".strip(), names)
    return (
        [Image(name, source.labels[name], found[name]) for name in kept],
        (*parts, *unused("images outside the folders of splits", outside)),
    )


def _unknown_labels(path: str, labels: Mapping[str, str], splits: Mapping[str, str]) -> set[tuple[str, str]]:
    """Name the folders of other splits that are no classes, as (split, name), such as one of unlabelled test images."""
    by_split: dict[str, dict[str, str]] = {split: {} for split in ("", *SPLITS)}
    for name, found in labels.items():
        by_split[splits[name]].setdefault(words.key(found), found)
    train, unknown = by_split["train"], set()
    for split in ("validation", "test"):
        strange = {key: name for key, name in by_split[split].items() if key not in train}
        if not train or not strange:
            continue
        if len(strange) == len(by_split[split]) > 1:
            raise DatasetError(
                f"{path} has the classes {quoted(train.values())} for training and {quoted(strange.values())} for "
                f"{split}; give both the same, or name the level of the classes with CLASS_LEVEL=1 or 2."
            )
        alone = len(by_split[split]) == 1
        unknown |= {(split, name) for name in strange.values() if alone or words.is_unknown(name)}
    return unknown


# Names -------------------------------------------------------------------------------------------------------


def _name(path: str, members: Members, images: list[Image], source: _Source, options: Options) -> Labelling:
    """Spell each class one way, put the classes in order and give them the names that lie beside them."""
    images, notes = _spell_alike(images)
    found = words.sort_classes({image.label for image in images})
    names, named_by = name_classes(path, found, members, options.classes)
    if names:
        images = [image._replace(label=names[image.label]) for image in images]
    title, known = _known_names({image.label for image in images})
    images = [image._replace(label=known.get(image.label, image.label)) for image in images]
    order = tuple(known.values()) or tuple(dict.fromkeys(names.get(name, name) for name in found))
    by = "the names of its classes" if title else ""
    said = f"{source.said}, named by {named_by}" if names else source.said
    title = title or f"Images of {len(order)} classes"
    return Labelling(images, order, said, notes=notes, title=title, recognised_by=by, size=OTHER_SIZE if by else None)


def _splits_from(images: Iterable[Image], has_tables: bool) -> str:
    splits = {image.split for image in images}
    return "" if len(splits) < 2 else "named by folders" + " and tables" * has_tables


def _known_names(names: set[str]) -> tuple[str, dict[str, str]]:
    """Give title and classes in order, by how they are spelled here, where these are those of a known data set."""
    spelled = {_letters(name): name for name in names}
    for title, classes in (("Food-11", FOOD11_CLASSES), ("", FER2013_CLASSES)):
        if len(names) == len(classes) and spelled.keys() == {*map(_letters, classes)}:
            return title, {spelled[_letters(name)]: name for name in classes}
    return "", {}


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _spell_alike(images: list[Image]) -> tuple[list[Image], tuple[str, ...]]:
    """Spell a class alike in all splits; where one split tells two spellings apart, they are two classes."""
    spellings: dict[str, dict[str, set[str]]] = {}
    for image in images:
        spellings.setdefault(words.key(image.label), {}).setdefault(image.split, set()).add(image.label)
    alike: dict[str, str] = {}
    for by_split in spellings.values():
        names = set().union(*by_split.values())
        if len(names) > 1 and all(len(found) == 1 for found in by_split.values()):
            learned = by_split.get("train", names)
            alike |= dict.fromkeys(names, min(names if min(names).isdecimal() else learned, key=len))
    note = f"Classes that splits spell differently are one: {quoted(sorted(alike))}." if alike else ""
    return [image._replace(label=alike.get(image.label, image.label)) for image in images], (note,) if note else ()


def _notes(folders: FolderReading, source: _Source, named: Labelling) -> tuple[str, ...]:
    counts = Counter(image.label for image in named.images)
    usual, number = Counter(counts.values()).most_common(1)[0] if counts else (0, 0)
    by_folders = source.said.startswith("the names of folders")
    persons = by_folders and len(counts) >= _MANY and number > 0.9 * len(counts) and usual <= _FEW
    persons = persons and not named.recognised_by and not all(name.isdecimal() for name in counts)
    said = f"There are {len(counts)} folders of about {usual} images each: are these persons rather than classes?"
    return (*(folders.notes if by_folders else ()), *((said,) if persons else ()))
