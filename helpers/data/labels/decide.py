"""Which labels are meant: those of folders, of tables beside the images, or of file names; refused where two may be."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from posixpath import splitext
from typing import NamedTuple, NoReturn

from helpers.base.words import Said, said, some, text
from helpers.data import sources
from helpers.data.containers import Members
from helpers.data.labels import words
from helpers.data.labels.beside import find_objects, find_sidecar, set_aside
from helpers.data.labels.folders import (
    ASIDE,
    FolderReading,
    Labels,
    Level,
    cross,
    folder_notes,
    read_folders,
    same_parts,
)
from helpers.data.labels.groups import MANY, Found, group, settle
from helpers.data.labels.names import (
    FOOD11_CLASSES,
    Labelled,
    find_fer2013,
    find_food11,
    name_classes,
    read_names,
    read_places,
)
from helpers.data.labels.tables import SHEETS, Table, read_tables, refuse_columns, series
from helpers.data.options import Options
from helpers.data.reading import SPLITS, Reading, Unused, unused
from helpers.data.sources import OTHER_SIZE, Image, printable, refused

_AGREE = 0.99  # share of the images on which two sources of labels have to agree to count as one
_PERSON, _OF_ONE = re.compile(r"[A-Z]{2,3}|[A-Za-z]{1,3}\d{1,3}"), 100  # a code of a person, and most images of one
_FEW = 20  # images each of many folders, at most, that may be persons rather than classes
_WHOLE = {"image", "images", "img", "imgs"}  # what a folder is called that is no class
_SURE, _NUMBERED, _GUESSED, _ALONE = 3, 2, 1, 0  # ranks of sources


class Source(NamedTuple):
    """One place that may label images.

    labels: by path; told: what they are, as the end of a sentence; option: what a user writes to decide for it; rank:
    how likely it is meant; those of one rank that disagree are for the user to decide; notes: what else it could be.
    """

    labels: Labels
    told: Said
    option: str
    rank: int
    notes: tuple[Said, ...] = ()


def label(path: str, members: Members, names: Sequence[str], options: Options) -> Labelled:
    """Label the images below a path; names: paths of all images, sorted.

    Gives the reading, as far as it does not depend on pixels, the labelled images, and pixels a side where these are
    known. Raises DatasetError where nothing labels them, or where two readings are possible and no option says which.
    """
    meant, aside = set_aside(members, names)
    if not options.chosen().keys() - {"FIT", "GROUP"} and (known := find_fer2013(meant) or find_food11(meant)):
        reading, images, size = known
        labelled = {image.name for image in images}
        left = unused(said("data.left.unlabelled"), [name for name in meant if name not in labelled])
        return replace(reading, unused=(*aside, *left)), images, size
    folders = read_folders(meant, options.class_level)
    by_folders = options.class_level or options.labels in ("folders", "names")
    tables, others = ([], []) if by_folders else read_tables(path, members, meant, options)
    found = Found(path, members, meant, folders, tables, options, aside)
    source = _choose(found)
    images, left, splits_from = _split(found, source)
    above, level_notes = settle(folders, source.option, source.labels)
    images, group_notes = group(found, images, above)
    named, images = _name(found, images, source)
    person_notes = () if options.class_level else _person_notes(images, source, named)
    reading = replace(
        named,
        splits_from=splits_from,
        unused=(*aside, *left, *unused(said("data.left.tables"), others)),
        notes=(*source.notes, *level_notes, *folder_notes(folders), *person_notes, *group_notes, *named.notes),
    )
    return reading, images, OTHER_SIZE if named.recognised_by else None


def _choose(found: Found) -> Source:
    """Choose what labels the images: the likeliest source, and what tables and folders say alike."""
    path, folders, tables, options = found.path, found.folders, found.tables, found.options
    of_tables = _of_tables(tables)
    only_splits = tables and not of_tables and not any(table.rivals or table.untold for table in tables)
    ways = [_of_level(way, folders) for way in folders.ways] if options.labels in ("", "folders") or only_splits else []
    names = _of_names(found, ways) if options.labels in ("", "names") and not options.class_level else []
    coded = [way for way in ways if _are_persons(way.labels) and any(cross(way.labels, s.labels) for s in names)]
    ways = [way._replace(rank=_GUESSED) if way in coded else way for way in ways]
    ranked = sorted([*of_tables, *ways, *names], key=lambda source: -source.rank)
    if options.class_level and not (ways and ways[0].rank):
        deepest = max(len(place.levels) for place in folders.places.values())
        raise refused("no_level", path=path, level=options.class_level, deepest=deepest)
    if not ranked or len({*ranked[0].labels.values()}) < 2:
        _refuse_nothing(found, *ranked[:1])
    best, classes = ranked[0], {*ranked[0].labels.values()}
    if best in ways and best.rank < _SURE and not options.class_level:  # these may only count things
        _refuse_unsure(found)
    whole = next((name for name in classes if words.key(name) in _WHOLE), "")
    whole = whole or (min(classes) if words.are_numbered(classes) and all(map(words.says_plain, classes)) else "")
    if best in ways and whole and not options.class_level:
        raise refused("no_class", path=path, name=whole, others=words.first(classes - {whole}), option=best.option)
    joined = (_join(best, way) for way in ways if [best] == of_tables)
    if both := next(filter(None, joined), None):
        return both
    rivals = [source for source in ranked if source.rank == best.rank]
    if len(rivals) > 1:
        rivals += [table for table in of_tables if table not in rivals]
        named = [(source, words.first(source.labels.values())) for source in rivals[:3]]
        shown = [text("refused.way", source=s.told, names=names, option=s.option) for s, names in named]
        number = str(len(rivals)) if len(rivals) > 2 else "two"
        raise refused("ways", path=path, n=number, ways=", or ".join(shown))
    told = _crossing_notes(best, names) if best in ways else ()
    passed = (said("data.notes.passed", source=s.told, option=s.option) for s in of_tables if s is not best)
    return best._replace(notes=(*best.notes, *told, *passed))


def _of_tables(tables: Sequence[Table]) -> list[Source]:
    """Join what tables say that do not contradict each other, those whose columns are called labels or else all."""
    labelling = [table for table in tables if table.labels]
    sets: list[list[Table]] = []
    for table in [table for table in labelling if table.strong] or labelling:
        alike = sorted(sets, key=lambda known: series(known[0].name) != series(table.name))
        own = next((known for known in alike if all(_agree(table, other) for other in known)), None)
        own.append(table) if own else sets.append([table])
    return [_of_set(known, tables, 3 if len(sets) == 1 else 1) for known in sets]


def _agree(table: Table, other: Table) -> bool:
    """Tell whether two tables give the images that both name the same labels, or number the same parts otherwise."""
    labels, others = ({n: words.key(label) for n, label in one.labels.items()} for one in (table, other))
    shared = labels.keys() & others.keys()
    same = all(labels[name] == others[name] for name in shared)
    return same or (len({labels[name] for name in shared}) > 1 and same_parts(labels, others, shared))


def _of_set(known: Sequence[Table], tables: Sequence[Table], named: int) -> Source:
    """Make a source of tables that agree, spelled as by the first; named: those that a sentence names."""
    labels: dict[str, str] = {}
    for table in known:
        same = {label: labels[name] for name, label in table.labels.items() if name in labels}
        labels = {name: same.get(label, label) for name, label in table.labels.items()} | labels
    first, names = known[0], some([printable(table.name) for table in known], named)
    flags = said("data.labels.flags", tables=names)
    column = said("data.labels.column", column=first.labelled_by, tables=names) if first.labelled_by else flags
    rivals = dict.fromkeys(column for table in tables for column in table.rivals[1:])
    notes = (said("data.notes.columns", names=[*rivals], column=next(iter(rivals))),) if rivals else ()
    return Source(labels, column, f"LABELS={printable(first.name)}", _SURE if first.strong else _GUESSED, notes)


def _of_level(way: Level, folders: FolderReading) -> Source:
    names = words.sort_classes(way.names)
    numbered = _NUMBERED if names[0].isdecimal() else _GUESSED
    beside = not all(words.are_numbered(way.names) for way in folders.ways)  # others, so that these may be meant
    rank = _SURE if not words.are_numbered(names) or (beside and not names[0].isdecimal()) else numbered
    rank = rank if len(names) > 1 else _ALONE
    return _source(way.labels, folders, f"CLASS_LEVEL={way.level}", rank, "data.labels.level", level=way.level)


def _of_names(found: Found, ways: Sequence[Source]) -> list[Source]:
    """Give what the names of files say, beside what is known of the images already."""
    known = [{name: place.split for name, place in found.folders.places.items()}, *(way.labels for way in ways)]
    read = read_names(found.images, found.options.label)
    coded = [way.labels for way in ways if not (read or found.options.labels) and _are_persons(way.labels)]
    said_by = []
    for place, labels in (read or next((read_places(found.images, persons) for persons in coded), read)).items():
        if labels and not any(same_parts(one, labels, labels) for one in known):
            option = f"LABELS=names LABEL={shlex.quote(str(place))}" if place else "LABELS=names"
            said_by.append(_source(labels, found.folders, option, _GUESSED, "data.labels.parts"))
    return said_by


def _are_persons(labels: Labels) -> bool:
    """Tell whether all labels are initials or codes, such as AF01."""
    return all(map(_PERSON.fullmatch, {*labels.values()}))


def _source(labels: Labels, folders: FolderReading, option: str, rank: int, key: str, **values: object) -> Source:
    """Make a source of labels with an image as an example, one for training if there is any."""
    spelled = {name: printable(label) for name, label in labels.items()}
    example = next((name for name in spelled if folders.places[name].split in ("", "train")), next(iter(spelled)))
    return Source(spelled, said(key, label=spelled[example], path=printable(example), **values), option, rank)


def _crossing_notes(best: Source, names: Sequence[Source]) -> tuple[Said, ...]:
    """Say where a part of the file names recurs in every folder, as persons' do."""
    named = [source for source in names if not all(label.isdecimal() for label in source.labels.values())]
    crossing = [source for source in named if cross(best.labels, source.labels)][:1]
    return tuple(said("data.notes.crossing", names=words.first(s.labels.values()), option=s.option) for s in crossing)


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
    both_told = said("data.labels.both", folders=folders.told, table=table.told)
    numbers = [number for number in spelled.values() if number.isdecimal()]
    if numbers and len(numbers) == len(spelled) and not any(map(str.isdecimal, spelled)):  # which the folders name
        names = {number: name for name, number in spelled.items()}
        labels = {n: names.get(number, number) for n, number in table.labels.items()}
        return table._replace(labels={**labels, **folders.labels}, told=both_told, notes=())
    labels = {n: spelled.get(name) or by_key.get(words.key(name), name) for n, name in folders.labels.items()}
    told = both_told if folders.labels.keys() - table.labels.keys() else table.told
    return table._replace(labels={**labels, **table.labels}, told=told, notes=())


def _refuse_unsure(found: Found) -> None:
    """Refuse tables with several columns of labels, and files beside the images that may hold these."""
    for table in found.tables:
        if len(table.rivals) > 1:
            refuse_columns(found.path, table.name, table.rivals)
    if example := find_sidecar(found.members, found.images):
        raise refused("sidecars", path=found.path, example=example)


def _refuse_nothing(found: Found, *alone: Source) -> NoReturn:
    """Refuse images that nothing labels, or that are all of one class by what seems to, which is given."""
    path = found.path
    for table in found.tables:
        for why in {*table.untold.values()}:
            _refuse_untold(found, why, [name for name, said in table.untold.items() if said == why])
    for name in found.members.files:
        if name.lower().endswith(SHEETS):
            raise refused("workbook", path=path, name=name)
    masks = [(said(p.kind.key, n=p.count), p.example) for p in found.aside if p.kind.key == "data.left.masks"]
    for form, example in (find_objects(found.members, found.images), *masks):
        if form:
            raise refused("objects", path=path, form=form, example=example)
    _refuse_unsure(found)
    if unlabelling := [table.name for table in found.tables if not table.labels]:
        raise refused("unlabelling", path=path, tables=unlabelling)
    levels = [place.levels for place in found.folders.places.values() if place.levels]
    if len(plain := {names[-1] for names in levels}) > 1 and not alone:
        ways = {"others": words.first(plain - {min(plain)}), "option": f"CLASS_LEVEL={max(map(len, levels))}"}
        raise refused("no_class", path=path, name=min(plain), **ways)
    if alone:
        raise refused("one_folder", path=path, name=next(iter(alone[0].labels.values())))
    raise refused("nothing", path=path)


def _refuse_untold(found: Found, why: str, names: Sequence[str]) -> NoReturn:
    """Refuse a table that says of many images nothing clear, by one of them and those of its name."""
    table = next(table.name for table in found.tables if names[0] in table.untold)
    alike = [name for name in names if splitext(name)[0].endswith(f"/{splitext(names[0])[0].rpartition('/')[2]}")]
    raise refused(why, path=found.path, table=table, n=len(names), example=alike[:2] or names[:1])


def _split(found: Found, source: Source) -> tuple[list[Image], tuple[Unused, ...], Said | None]:
    """Give the labelled images their splits; what is left out for want of a label, or of a split; and what tells it."""
    _refuse_folds(found)
    of_rows = {name: row.split for table in found.tables for name, row in table.rows.items() if row.split}
    of_tables: dict[str, str] = {}
    for table in found.tables:
        for name in table.rows if table.of_split else ():
            if of_tables.setdefault(name, table.of_split) != table.of_split:
                both = sorted({of_tables[name], table.of_split})
                raise refused("lists", path=found.path, name=name, splits=both, table=table.name)
    places = found.folders.places
    splits = {n: of_rows.get(n) or places[n].split or of_tables.get(n, "") for n in found.images}
    of_names = {n: words.find_split("".join(words.words(n.rpartition("/")[2])[:1])) for n in found.images}
    told = "tables" if of_rows or of_tables else "folders"
    if not any(splits.values()) and all(of_names.values()) and "train" in of_names.values():
        splits, told = of_names, "names"
    if "train" not in {splits[name] for name in source.labels} and any(splits.values()):
        splits = {name: split or "train" for name, split in splits.items()}  # what is in no split is for training
    unknown = _unknown_labels(found.path, source.labels, splits)
    known = {name: label for name, label in source.labels.items() if splits[name] != ASIDE}
    labelled = {name: label for name, label in known.items() if (splits[name], label) not in unknown}
    has_splits = any(splits[name] for name in labelled)
    untold = {name: why for table in found.tables for name, why in table.untold.items()}
    images: list[Image] = []
    left: dict[str, list[str]] = {}
    for name, split in splits.items():
        if has_splits and not split and not any(map(words.is_unlabelled, name.split("/"))):
            left.setdefault("outside", []).append(name)
        elif name not in labelled:
            left.setdefault(untold.get(name, f"unlabelled{'_' * bool(split)}{split}"), []).append(name)
        else:
            images.append(Image(name, labelled[name], split))
    for why in ("several_names", "several_rows"):
        if len(left.get(why, ())) > (1 - _AGREE) * len(images):
            _refuse_untold(found, why, left[why])
    parts = tuple(part for kind, names in left.items() for part in unused(said(f"data.left.{kind}"), names))
    return images, parts, said(f"data.splits.{told}") if len({image.split for image in images}) > 1 else None


def _refuse_folds(found: Found) -> None:
    """Refuse folds that have splits of their own, as each is the whole set, divided in another way."""
    pairs = {(place.fold, place.split) for place in found.folders.places.values() if place.fold and place.split}
    several = sorted(fold for fold, number in Counter(fold for fold, _ in pairs).items() if number > 1)
    if len(several) > 1:
        raise refused("folds", path=found.path, names=several)


def _unknown_labels(path: str, labels: Labels, splits: Mapping[str, str]) -> set[tuple[str, str]]:
    """Name the folders of other splits that are no classes, as (split, name), such as one of unlabelled test images."""
    by_split: dict[str, dict[str, str]] = {split: {} for split in ("", *SPLITS, ASIDE)}
    for name, found in labels.items():
        by_split[splits[name]].setdefault(words.key(found), found)
    train, unknown = by_split["train"], set()
    for split in ("validation", "test") if train else ():
        strange = {key: name for key, name in by_split[split].items() if key not in train}
        if len(strange) == len(by_split[split]) > 1:
            names = {"train": [*train.values()], "others": [*strange.values()]}
            raise refused("strange", path=path, split=said(f"data.part.{split}"), **names)
        alone = len(by_split[split]) == 1
        unknown |= {(split, name) for name in strange.values() if alone or words.is_unknown(name)}
    return unknown


def _name(found: Found, images: list[Image], source: Source) -> tuple[Reading, list[Image]]:
    """Spell each class one way, put the classes in order and give them the names that lie beside them."""
    alike = _spell_alike(images)
    labels = words.sort_classes({alike.get(image.label, image.label) for image in images})
    tables = {table.name for table in found.tables if table.labels and not table.name.lower().endswith(".mat")}
    lists = replace(found.members, files={n: o for n, o in found.members.files.items() if n not in tables})
    names, named_by = name_classes(found.path, labels, lists, found.options.classes)
    order = tuple(dict.fromkeys(names.get(label, label) for label in labels))
    title, known = _known_names(order)
    final = {label: known.get(names.get(label, label), names.get(label, label)) for label in labels}
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
    for title, classes in (("Food-11", FOOD11_CLASSES), ("", sources.FER2013_CLASSES)):
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


def _person_notes(images: Sequence[Image], source: Source, named: Reading) -> tuple[Said, ...]:
    """Ask whether folders are days or those of a camera, or many folders of equally few images persons."""
    counts = Counter(image.label for image in images)
    if source.option.startswith("CLASS_LEVEL") and words.are_days(counts):
        return (said("data.notes.days", names=words.first(counts)),)
    usual, number = Counter(counts.values()).most_common(1)[0] if counts else (0, 0)
    few = _OF_ONE if _are_persons(source.labels) and min(counts)[-1].isdigit() else _FEW
    alike = len(counts) >= MANY and number > 0.9 * len(counts) and usual <= few
    digits = all(name.isdecimal() and len(name) == 1 for name in counts)
    named_so = not source.option.startswith("CLASS_LEVEL") or named.recognised_by or digits
    return (said("data.notes.persons", n=len(counts), each=usual),) if alike and not named_so else ()
