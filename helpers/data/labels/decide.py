"""Which labels are meant: those of folders, of tables beside the images, or of file names; refused where two may be."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, NoReturn

from helpers.data.containers import Members
from helpers.data.labels import words
from helpers.data.labels.beside import set_aside
from helpers.data.labels.folders import FolderReading, Level, quoted, read_folders
from helpers.data.labels.groups import Image, folder_of, group
from helpers.data.labels.known import FOOD11_CLASSES, find_known
from helpers.data.labels.names import cross, name_classes, read_names
from helpers.data.labels.tables import Table, read_tables, refuse_columns
from helpers.data.options import Options
from helpers.data.reading import OTHER_SPLIT_NAMES, SPLITS, Unused, unused
from helpers.data.sources import FER2013_CLASSES, OTHER_SIZE, DatasetError, printable

_AGREE = 0.99  # share of the images on which two sources of labels have to agree to count as one
_MANY, _FEW = 5, 20  # so many folders of so few images each may be persons rather than classes
_CODE = 3  # capitals, at most, of names that are initials or codes rather than words
_SURE, _NUMBERED, _GUESSED, _ALONE = 3, 2, 1, 0  # ranks of sources


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


class Source(NamedTuple):
    """One place that may label images.

    labels: by path; said: what they are, as the end of a sentence; option: what a user writes to decide for it; rank:
    how likely it is meant; those of one rank that disagree are for the user to decide.
    """

    labels: dict[str, str]
    said: str
    option: str
    rank: int

    @property
    def shown(self) -> str:
        """What the classes would be, with some of their names, and what decides for these."""
        names = quoted(words.sort_classes(self.labels.values()))
        return f"{self.said}, which are {names} ({self.option})"


def label(path: str, members: Members, images: Sequence[str], options: Options) -> Labelling:
    """Label the images below a path.

    images: paths of all images, sorted. Raises DatasetError where nothing labels them, or where two readings are
    possible and no option says which is meant.
    """
    meant, aside = set_aside(members, images)
    if not options.chosen().keys() - {"FIT", "GROUP"} and (known := find_known(meant)):
        without = unused("images without a label", [printable(n) for n in meant if n not in known.labels])
        return Labelling(
            [Image(name, *known.labels[name]) for name in meant if name in known.labels],
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
    by_folders = options.class_level or options.labels in ("folders", "names")
    tables, others = ([], []) if by_folders else read_tables(path, members, meant, options)
    source, notes = _choose(path, meant, folders, tables, options)
    labelled, left = _split(path, meant, source, folders, tables)
    grouped, group_notes = group(path, labelled, folders, tables, options)
    named = _name(path, members, grouped, source, options)
    return replace(
        named,
        splits_from=_splits_from(grouped, bool(tables)),
        unused=(*aside, *left, *unused("tables that label none of the images", [*map(printable, others)])),
        notes=(
            *notes,
            *_merged_notes(meant),
            *(() if options.class_level else _person_notes(source, named)),
            *group_notes,
            *named.notes,
        ),
    )


# Which source ------------------------------------------------------------------------------------------------


def _choose(
    path: str, images: Sequence[str], folders: FolderReading, tables: list[Table], options: Options
) -> tuple[Source, tuple[str, ...]]:
    """Choose what labels the images: the likeliest source, and what tables and folders say alike; and notes."""
    of_tables = [_of_tables(path, found) for found in _parted(tables)]
    ways = [_of_level(images, way, folders) for way in folders.ways] if options.labels in ("", "folders") else []
    by_names = options.labels in ("", "names") and not options.class_level
    splits = {name: folders.places[folder_of(name)].split for name in images}
    names = _of_names(images, options, [*(way.labels for way in ways), splits]) if by_names else []
    ways = [way._replace(rank=_GUESSED) if _may_be_persons(way, names) else way for way in ways]
    sources = sorted([*of_tables, *ways, *names], key=lambda source: -source.rank)
    if options.class_level and not (ways and ways[0].rank):
        _refuse_level(path, folders, options.class_level)
    if not sources or (sources[0].rank == _ALONE and any(len(table.rivals) > 1 for table in tables)):
        _refuse_nothing(path, tables)
    best = sources[0]
    rivals = [source for source in sources if source.rank == best.rank]
    if best in of_tables:
        for way in ways:
            if joined := _join(best, way):
                return joined, ()
    if len(rivals) > 1:
        raise DatasetError(
            f"{path} can be read in {len(rivals) if len(rivals) > 2 else 'two'} ways: the classes are "
            f"{', or '.join(source.shown for source in rivals[:3])}; give one of these options."
        )
    return best, (folders.notes if best in ways else ()) + _crossing_notes(best, ways, names)


def _parted(tables: list[Table]) -> list[list[Table]]:
    """Give the tables whose columns are called labels or, if there are none, those whose only column may be."""
    labelling = [table for table in tables if table.labels]
    found = [table for table in labelling if table.strong] or labelling
    return [found] if found else []


def _of_tables(path: str, tables: list[Table]) -> Source:
    """Join what tables say of images; DatasetError where two of them disagree."""
    labels: dict[str, str] = {}
    told: dict[str, Table] = {}
    for table in tables:
        for name, found in table.labels.items():
            if words.key(labels.setdefault(name, found)) != words.key(found):
                ways = " or ".join(
                    f"the column {t.labelled_by!r} of {printable(t.name)} (LABELS={t.name})"
                    for t in (told[name], table)
                )
                raise DatasetError(f"{path} can be read in two ways: the labels are {ways}; give one of these options.")
            told.setdefault(name, table)
    names = ", ".join(printable(table.name) for table in tables[:3]) + (" and others" if len(tables) > 3 else "")
    column = "columns of zeros and ones" if tables[0].one_hot else f"values of the column {tables[0].labelled_by!r}"
    rank = _SURE if tables[0].strong else _GUESSED
    return Source(labels, f"the {column} of {names}", f"LABELS={printable(tables[0].name)}", rank)


def _of_level(images: Sequence[str], way: Level, folders: FolderReading) -> Source:
    labels = {name: printable(way.labels[folder_of(name)]) for name in images if folder_of(name) in way.labels}
    learned = (name for name in labels if folders.places[folder_of(name)].split in ("", "train"))
    example = next(learned, next(iter(labels), ""))
    said = f"the names of folders at level {way.level}, such as {labels.get(example, '')!r} of {printable(example)}"
    numbered = words.are_numbered(way.names)
    rank = (_NUMBERED if way.names[0].isdecimal() else _GUESSED) if numbered else _SURE
    return Source(labels, said, f"CLASS_LEVEL={way.level}", rank if len({*labels.values()}) > 1 else _ALONE)


def _of_names(images: Sequence[str], options: Options, known: Sequence[Mapping[str, str]]) -> list[Source]:
    """Give what the names of files say, beside what is known of the images already."""
    part = int(options.label) if options.label.isdecimal() else 0
    sources = []
    for place, labels in read_names(images, part).items():
        if labels and not any(_mean_the_same(said, labels) for said in known):
            example = next(iter(labels))
            said = f"parts of the file names, such as {printable(labels[example])!r} of {printable(example)}"
            option = f"LABELS=names{f' LABEL={place}' if place else ''}"
            labels = {name: printable(found) for name, found in labels.items()}
            sources.append(Source(labels, said, option, _GUESSED))
    return sources


def _mean_the_same(labels: Mapping[str, str], others: Mapping[str, str]) -> bool:
    pairs = {(labels.get(name, ""), found) for name, found in others.items()}
    return len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


def _may_be_persons(way: Source, names: Sequence[Source]) -> bool:
    """Tell whether folders are called by codes, while a part of the file names recurs in each."""
    codes = all(len(name) <= _CODE and name.isupper() for name in way.labels.values())
    return codes and any(cross(way.labels, source.labels) for source in names)


def _crossing_notes(best: Source, ways: Sequence[Source], names: Sequence[Source]) -> tuple[str, ...]:
    """Say where a part of the file names recurs in every folder, as persons' do."""
    named = [source for source in names if not all(label.isdecimal() for label in source.labels.values())]
    crossing = [source for source in named if best in ways and cross(best.labels, source.labels)][:1]
    return tuple(
        f"Parts of the file names recur in every folder ({quoted(words.sort_classes(source.labels.values()))}); if "
        f"these are the classes, and the folders persons or the like, {source.option} reads them so."
        for source in crossing
    )


def _join(table: Source, folders: Source) -> Source | None:
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
    further = {*folders.labels} - {*table.labels}
    return table._replace(
        labels=labels | table.labels, said=f"{folders.said}, and {table.said}" if further else table.said
    )


def _refuse_level(path: str, folders: FolderReading, level: int) -> NoReturn:
    deepest = max((len(place.levels) for place in folders.places.values()), default=0)
    raise DatasetError(
        f"CLASS_LEVEL={level} gives no two classes in {path}; its images lie below {deepest} levels of folders, "
        "counted without those that all share and those of splits."
    )


def _refuse_nothing(path: str, tables: Sequence[Table]) -> NoReturn:
    for table in tables:
        if len(table.rivals) > 1:
            refuse_columns(path, table.name, table.rivals)
    raise DatasetError(
        f"{path} has images, but nothing that labels them: no class folders, no table with their names and labels, and "
        "no classes in their names; put the images of each class into a folder of its own, or name a table with "
        "LABELS=file LABEL=column FILE=column."
    )


# Splits ------------------------------------------------------------------------------------------------------


def _split(
    path: str, images: Sequence[str], source: Source, folders: FolderReading, tables: list[Table]
) -> tuple[list[Image], tuple[Unused, ...]]:
    """Give the labelled images their splits; and what is left out for want of a label, or of a split as others have."""
    _refuse_folds(path, folders)
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


def _refuse_folds(path: str, folders: FolderReading) -> None:
    """Refuse folds that have splits of their own, as each is the whole set, divided in another way."""
    splits: dict[str, set[str]] = {}
    for place in folders.places.values():
        splits.setdefault(place.fold, set()).add(place.split)
    several = sorted(fold for fold, found in splits.items() if fold and len(found - {""}) > 1)
    if len(several) > 1:
        raise DatasetError(
            f"{path} has the folds {quoted(several)}, each with splits of its own, so that what one tests on another "
            "learns from; give the folder of one of them alone as DATASET."
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


def _name(path: str, members: Members, images: list[Image], source: Source, options: Options) -> Labelling:
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


def _merged_notes(images: Sequence[str]) -> tuple[str, ...]:
    """Say which folders beside each other, such as of originals and of augmented images, are read as one."""
    beside: dict[str, set[str]] = {}
    for folder in {folder_of(name) for name in images}:
        for depth, part in enumerate(folder):
            if words.is_plain(part) and not words.find_split(part):
                beside.setdefault("/".join(folder[:depth]), set()).add(part)
    return tuple(
        f"The folders {quoted(sorted(parts))} are read as one; where they hold the same images, give one of them alone."
        for parts in [*beside.values()]
        if len(parts) > 1
    )[:1]


def _person_notes(source: Source, named: Labelling) -> tuple[str, ...]:
    """Ask whether many folders of equally few images are persons."""
    counts = Counter(image.label for image in named.images)
    usual, number = Counter(counts.values()).most_common(1)[0] if counts else (0, 0)
    alike = len(counts) >= _MANY and number > 0.9 * len(counts) and usual <= _FEW
    if (
        not alike
        or not source.option.startswith("CLASS_LEVEL")
        or named.recognised_by
        or all(map(str.isdecimal, counts))
    ):
        return ()
    return (f"There are {len(counts)} folders of about {usual} images each: are these persons rather than classes?",)
