"""Which labels are meant: those of folders, of tables beside the images, or of file names; refused where two may be."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, NoReturn

from helpers.base.words import Said, said, some
from helpers.data.containers import Members
from helpers.data.labels import words
from helpers.data.labels.beside import find_objects, set_aside
from helpers.data.labels.folders import FolderReading, Labels, Level, cross, folder_of, read_folders, same_parts
from helpers.data.labels.groups import Image, group
from helpers.data.labels.known import FOOD11_CLASSES, find_known
from helpers.data.labels.names import name_classes, read_names
from helpers.data.labels.tables import SHEETS, Table, read_tables, refuse_columns
from helpers.data.labels.words import quoted
from helpers.data.options import Options
from helpers.data.reading import SPLITS, Reading, Unused, unused
from helpers.data.sources import FER2013_CLASSES, OTHER_SIZE, DatasetError, printable

_AGREE = 0.99  # share of the images on which two sources of labels have to agree to count as one
_PERSON, _OF_ONE = re.compile(r"[A-Za-z]{1,3}\d{1,3}"), 100  # a code such as AF01, and most images of one such person
_MANY, _FEW = 5, 20  # so many folders of so few images each may be persons rather than classes
_CODE = 3  # capitals, at most, of names that are initials or codes rather than words
_SURE, _NUMBERED, _GUESSED, _ALONE = 3, 2, 1, 0  # ranks of sources


class Source(NamedTuple):
    """One place that may label images.

    labels: by path; told: what they are, as the end of a sentence; option: what a user writes to decide for it; rank:
    how likely it is meant; those of one rank that disagree are for the user to decide.
    """

    labels: Labels
    told: Said
    option: str
    rank: int

    @property
    def names(self) -> str:
        """Some names of its classes."""
        return quoted(words.sort_classes(self.labels.values()))


def label(
    path: str, members: Members, names: Sequence[str], options: Options
) -> tuple[Reading, list[Image], int | None]:
    """Label the images below a path; names: paths of all images, sorted.

    Gives the reading, as far as it does not depend on pixels, the labelled images, and pixels a side where these are
    known. Raises DatasetError where nothing labels them, or where two readings are possible and no option says which.
    """
    meant, aside = set_aside(members, names)
    if not options.chosen().keys() - {"FIT", "GROUP"} and (known := find_known(meant)):
        reading, images, size = known
        labelled = {image.name for image in images}
        left = unused(said("data.left.unlabelled"), [name for name in meant if name not in labelled])
        return reading.with_unused((*aside, *left)), images, size
    folders = read_folders(meant, options.class_level)
    by_folders = options.class_level or options.labels in ("folders", "names")
    tables, others = ([], []) if by_folders else read_tables(path, members, meant, options)
    source, notes = _choose(path, members, meant, folders, tables, options)
    images, left = _split(path, meant, source, folders, tables)
    folders, level_notes = _settle(folders, source)
    images, group_notes = group(path, images, folders, tables, options)
    named, images = _name(path, members, images, source, options)
    several = len({image.split for image in images}) > 1
    person_notes = () if options.class_level else _person_notes(images, source, named)
    reading = replace(
        named,
        splits_from=said("data.splits.tables" if tables else "data.splits.folders") if several else None,
        unused=(*aside, *left, *unused(said("data.left.tables"), others)),
        notes=(*notes, *level_notes, *_merged_notes(meant), *person_notes, *group_notes, *named.notes),
    )
    return reading, images, OTHER_SIZE if named.recognised_by else None


def _choose(
    path: str,
    members: Members,
    images: Sequence[str],
    folders: FolderReading,
    tables: Sequence[Table],
    options: Options,
) -> tuple[Source, tuple[Said, ...]]:
    """Choose what labels the images: the likeliest source, and what tables and folders say alike; and notes."""
    of_tables = _of_tables(path, tables)
    ways = [_of_level(way, folders) for way in folders.ways] if options.labels in ("", "folders") else []
    names = []
    if options.labels in ("", "names") and not options.class_level:
        splits = {name: place.split for name, place in folders.places.items()}
        names = _of_names(images, options, [*(way.labels for way in ways), splits])
    for place, way in enumerate(ways):
        # whose names may be persons' codes, while a part of the file names recurs in each
        coded = all(len(name) <= _CODE and name.isupper() for name in way.labels.values())
        if coded and any(cross(way.labels, other.labels) for other in names):
            ways[place] = way._replace(rank=_GUESSED)
    sources = sorted([*of_tables, *ways, *names], key=lambda source: -source.rank)
    if options.class_level and not (ways and ways[0].rank):
        deepest = max(len(place.levels) for place in folders.places.values())
        raise DatasetError(
            f"CLASS_LEVEL={options.class_level} gives no two classes in {path}; its images lie below {deepest} levels "
            "of folders, counted without those that all share and those of splits."
        )
    if not sources or (sources[0].rank == _ALONE and any(len(table.rivals) > 1 for table in tables)):
        _refuse_nothing(path, members, images, tables)
    best = sources[0]
    if best in of_tables and (joined := next((both for way in ways if (both := _join(best, way))), None)):
        return joined, ()
    rivals = [source for source in sources if source.rank == best.rank]
    if len(rivals) > 1:
        shown = ", or ".join(f"{source.told}, which are {source.names} ({source.option})" for source in rivals[:3])
        raise DatasetError(
            f"{path} can be read in {len(rivals) if len(rivals) > 2 else 'two'} ways: the classes are {shown}; give "
            "one of these options."
        )
    if best in of_tables:
        return best, _column_notes(tables)
    return best, (*folders.notes, *_crossing_notes(best, names)) if best in ways else ()


def _settle(folders: FolderReading, source: Source) -> tuple[FolderReading, tuple[Said, ...]]:
    """Of several levels keep the one that is chosen, if one is, and say which are not; many names above are groups."""
    ways = [way for way in folders.ways if source.option == f"CLASS_LEVEL={way.level}"]
    others = [way for way in folders.ways if way not in ways]
    if not ways or not others:
        return folders, ()
    above = [way.labels for way in others if way.level < ways[0].level and len({*way.labels.values()}) >= _MANY]
    several = [(names, way.level) for way in others if len(names := {*way.labels.values()}) > 1]
    notes = tuple(said("data.notes.levels", names=words.first(names), level=level) for names, level in several)
    return folders._replace(ways=[ways[0]._replace(group=above[0] if above else {})]), notes


def _of_tables(path: str, tables: Sequence[Table]) -> list[Source]:
    """Join what tables say of images, those whose columns are called labels or, without such, whose only column may be.

    Raises DatasetError where two of them disagree.
    """
    labelling = [table for table in tables if table.labels]
    labelling = [table for table in labelling if table.strong] or labelling
    if not labelling:
        return []
    labels: dict[str, str] = {}
    told: dict[str, Table] = {}
    for table in labelling:
        for name, found in table.labels.items():
            if words.key(labels.setdefault(name, found)) != words.key(found):
                ways = " or ".join(
                    f"the column {t.labelled_by!r} of {printable(t.name)} (LABELS={t.name})"
                    for t in (told[name], table)
                )
                raise DatasetError(f"{path} can be read in two ways: the labels are {ways}; give one of these options.")
            told.setdefault(name, table)
    first = labelling[0]
    names = some([printable(table.name) for table in labelling], 3)
    flags = said("data.labels.flags", tables=names)
    column = said("data.labels.column", column=first.labelled_by, tables=names) if first.labelled_by else flags
    rank = _SURE if first.strong else _GUESSED
    return [Source(labels, column, f"LABELS={printable(first.name)}", rank)]


def _of_level(way: Level, folders: FolderReading) -> Source:
    labels = {name: printable(label) for name, label in way.labels.items()}
    example = next((n for n in labels if folders.places[n].split in ("", "train")), next(iter(labels), ""))
    shown = {"label": labels.get(example, ""), "path": printable(example)}
    told = said("data.labels.level", level=way.level, **shown)
    names = words.sort_classes(labels.values())
    numbered = _NUMBERED if names[0].isdecimal() else _GUESSED
    rank = numbered if words.are_numbered(names) else _SURE
    return Source(labels, told, f"CLASS_LEVEL={way.level}", rank if len(names) > 1 else _ALONE)


def _of_names(images: Sequence[str], options: Options, known: Sequence[Labels]) -> list[Source]:
    """Give what the names of files say, beside what is known of the images already."""
    part = int(options.label) if options.label.isdecimal() else 0
    sources = []
    for place, labels in read_names(images, part).items():
        if labels and not any(same_parts(one, labels, labels) for one in known):
            labels = {name: printable(found) for name, found in labels.items()}
            example = next(iter(labels))
            told = said("data.labels.parts", label=labels[example], path=printable(example))
            sources.append(Source(labels, told, f"LABELS=names{f' LABEL={place}' if place else ''}", _GUESSED))
    return sources


def _column_notes(tables: Sequence[Table]) -> tuple[Said, ...]:
    """Say which columns could be the labels as well, of a table whose columns' names do not say which is."""
    rivals = dict.fromkeys(column for table in tables if not table.strong for column in table.rivals[1:])
    return (said("data.notes.columns", names=[*rivals], column=next(iter(rivals))),) if rivals else ()


def _crossing_notes(best: Source, names: Sequence[Source]) -> tuple[Said, ...]:
    """Say where a part of the file names recurs in every folder, as persons' do."""
    named = [source for source in names if not all(label.isdecimal() for label in source.labels.values())]
    return tuple(
        said("data.notes.crossing", names=words.first(source.labels.values()), option=source.option)
        for source in [source for source in named if cross(best.labels, source.labels)][:1]
    )


def _join(table: Source, folders: Source) -> Source | None:
    """Give the labels of both, spelled as in the table; None where they do not mean the same."""
    both = Counter((folders.labels[n], label) for n, label in table.labels.items() if n in folders.labels)
    spelled: dict[str, str] = {}
    for (of_folder, of_table), _ in both.most_common():
        spelled.setdefault(of_folder, of_table)
    agreeing = sum(both[pair] for pair in spelled.items())
    if agreeing < _AGREE * sum(both.values()) or len({*spelled.values()}) < len(spelled):
        return None
    by_key = {words.key(name): name for name in table.labels.values()}
    labels = {n: spelled.get(name) or by_key.get(words.key(name), name) for n, name in folders.labels.items()}
    further = folders.labels.keys() - table.labels.keys()
    told = said("data.labels.both", folders=folders.told, table=table.told) if further else table.told
    return table._replace(labels={**labels, **table.labels}, told=told)


def _refuse_nothing(path: str, members: Members, images: Sequence[str], tables: Sequence[Table]) -> NoReturn:
    for table in tables:
        if len(table.rivals) > 1:
            refuse_columns(path, table.name, table.rivals)
        if table.several:
            raise DatasetError(
                f"{path} holds the table {printable(table.name)}, of which {len(table.several):,} images have rows "
                f"with different labels, such as {printable(min(table.several))}; keep one row an image."
            )
    for name in members.files:
        if name.lower().endswith(SHEETS):
            raise DatasetError(
                f"{path} has images, and {printable(name)}, a workbook, which is not read; if it labels the images, "
                "save its sheet as a CSV file beside it."
            )
    form, example = find_objects(members, images)
    if form:
        raise DatasetError(
            f"{path} has images with annotations of objects in the form of {form}, such as {printable(example)}, and "
            "no class for each image; cut the objects out into a folder for each class, or name a table with "
            "LABELS=file LABEL=column FILE=column."
        )
    raise DatasetError(
        f"{path} has images, but nothing that labels them: no class folders, no table with their names and labels, and "
        "no classes in their names; put the images of each class into a folder of its own, or name a table with "
        "LABELS=file LABEL=column FILE=column."
    )


def _split(
    path: str, images: Sequence[str], source: Source, folders: FolderReading, tables: Sequence[Table]
) -> tuple[list[Image], tuple[Unused, ...]]:
    """Give the labelled images their splits; and what is left out for want of a label, or of a split as others have."""
    _refuse_folds(path, folders)
    of_rows = {name: row.split for table in tables for name, row in table.rows.items() if row.split}
    of_tables = {name: table.of_split for table in tables for name in table.rows if table.of_split}
    found = {n: of_rows.get(n) or folders.places[n].split or of_tables.get(n, "") for n in images}
    if "train" not in {found[name] for name in source.labels} and any(found.values()):
        found = {name: split or "train" for name, split in found.items()}  # what is in no split is for training
    unknown = _unknown_labels(path, source.labels, found)
    labelled = [n for n in images if n in source.labels and (found[n], source.labels[n]) not in unknown]
    has_splits = any(found[name] for name in labelled)
    outside = [name for name in labelled if has_splits and not found[name]]
    without = {*images} - {*labelled}
    parts: tuple[Unused, ...] = ()
    for split in ("", *SPLITS):
        names = [name for name in images if name in without and found[name] == split]
        parts += unused(said(f"data.left.unlabelled{'_' * bool(split)}{split}"), names)
    parts += unused(said("data.left.outside"), outside)
    return [Image(name, source.labels[name], found[name]) for name in labelled if found[name] or not has_splits], parts


def _refuse_folds(path: str, folders: FolderReading) -> None:
    """Refuse folds that have splits of their own, as each is the whole set, divided in another way."""
    pairs = {(place.fold, place.split) for place in folders.places.values() if place.fold and place.split}
    several = sorted(fold for fold, number in Counter(fold for fold, _ in pairs).items() if number > 1)
    if len(several) > 1:
        raise DatasetError(
            f"{path} has the folds {quoted(several)}, each with splits of its own, so that what one tests on another "
            "learns from; give the folder of one of them alone as DATASET."
        )


def _unknown_labels(path: str, labels: Labels, splits: Mapping[str, str]) -> set[tuple[str, str]]:
    """Name the folders of other splits that are no classes, as (split, name), such as one of unlabelled test images."""
    by_split: dict[str, dict[str, str]] = {split: {} for split in ("", *SPLITS)}
    for name, found in labels.items():
        by_split[splits[name]].setdefault(words.key(found), found)
    train, unknown = by_split["train"], set()
    for split in ("validation", "test") if train else ():
        strange = {key: name for key, name in by_split[split].items() if key not in train}
        if len(strange) == len(by_split[split]) > 1:
            raise DatasetError(
                f"{path} has the classes {quoted(train.values())} for training and {quoted(strange.values())} for "
                f"{split}; give both the same, or name the level of the classes with CLASS_LEVEL=1 or 2."
            )
        alone = len(by_split[split]) == 1
        unknown |= {(split, name) for name in strange.values() if alone or words.is_unknown(name)}
    return unknown


def _name(
    path: str, members: Members, images: list[Image], source: Source, options: Options
) -> tuple[Reading, list[Image]]:
    """Spell each class one way, put the classes in order and give them the names that lie beside them."""
    alike = _spell_alike(images)
    found = words.sort_classes({alike.get(image.label, image.label) for image in images})
    names, named_by = name_classes(path, found, members, options.classes)
    order = tuple(dict.fromkeys(names.get(name, name) for name in found))
    title, known = _known_names(order)
    final = {name: known.get(names.get(name, name), names.get(name, name)) for name in found}
    reading = Reading(
        title=title or said("data.title.count", n=len(order)),
        class_names=tuple(known.values()) or order,
        labels_from=said("data.labels.named", labels=source.told, by=named_by) if names else source.told,
        recognised_by=said("data.known_by.classes") if title else None,
        notes=(said("data.notes.alike", names=some(sorted(alike), 3)),) if alike else (),
    )
    return reading, [image._replace(label=final[alike.get(image.label, image.label)]) for image in images]


def _known_names(names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Give title and classes in order, by how they are spelled here, where these are those of a known data set."""
    spelled = {words.key(name): name for name in names}
    for title, classes in (("Food-11", FOOD11_CLASSES), ("", FER2013_CLASSES)):
        if len(names) == len(classes) and spelled.keys() == {*map(words.key, classes)}:
            return title, {spelled[words.key(name)]: name for name in classes}
    return "", {}


def _spell_alike(images: Sequence[Image]) -> dict[str, str]:
    """Spell a class alike in all splits, by spelling; where one split tells two apart, they are two classes."""
    spellings: dict[str, dict[str, set[str]]] = {}
    for image in images:
        spellings.setdefault(words.key(image.label), {}).setdefault(image.split, set()).add(image.label)
    alike: dict[str, str] = {}
    for by_split in spellings.values():
        names = set().union(*by_split.values())
        if len(names) > 1 and all(len(found) == 1 for found in by_split.values()):
            learned = by_split.get("train", names)
            alike |= dict.fromkeys(names, min(names if min(names).isdecimal() else learned, key=len))
    return alike


def _merged_notes(images: Sequence[str]) -> tuple[Said, ...]:
    """Say which folders beside each other, such as of originals and of augmented images, are read as one."""
    beside: dict[tuple[str, str], set[str]] = {}
    for folder in {*map(folder_of, images)}:
        for depth, part in enumerate(folder):
            if words.is_plain(part):
                beside.setdefault(("/".join(folder[:depth]), words.find_split(part)), set()).add(part)
    return tuple(
        said("data.notes.merged", names=some(sorted(parts), 3)) for parts in [*beside.values()] if len(parts) > 1
    )[:1]


def _person_notes(images: Sequence[Image], source: Source, named: Reading) -> tuple[Said, ...]:
    """Ask whether many folders of equally few images are persons."""
    counts = Counter(image.label for image in images)
    usual, number = Counter(counts.values()).most_common(1)[0] if counts else (0, 0)
    few = _OF_ONE if all(map(_PERSON.fullmatch, counts)) else _FEW
    alike = len(counts) >= _MANY and number > 0.9 * len(counts) and usual <= few
    named_so = not source.option.startswith("CLASS_LEVEL") or named.recognised_by or all(map(str.isdecimal, counts))
    if not alike or named_so:
        return ()
    return (said("data.notes.persons", n=len(counts), each=usual),)
