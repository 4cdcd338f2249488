"""Labels and splits from the names of folders, at any depth."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from os.path import commonprefix
from typing import NamedTuple

from helpers.base.words import Said, said, some
from helpers.data.labels import words
from helpers.data.reading import SPLITS
from helpers.data.sources import refused

Folder = tuple[str, ...]  # the parts of its path
Labels = Mapping[str, str]  # by the image's path
ASIDE = "aside"  # the split of what is in a further folder of a split that has one of its own
_COVER = 0.95  # share of the images that a level of classes has a name for
_CROSSED = 0.8  # share of the pairs of what two ways say that are found, where these cross


class Place(NamedTuple):
    """What a folder's path says: its split, its fold, and the levels that may be classes.

    levels: the names below what all folders share, without those of splits; named: those of them that can name a
    class, each with its place in `levels`, counted from 1.
    """

    split: str
    levels: Folder
    named: tuple[tuple[int, str], ...]
    fold: str


class Level(NamedTuple):
    """A way to read classes off folders: level, counted from 1, and labels."""

    level: int
    labels: Labels

    @property
    def names(self) -> set[str]:
        """The names of its classes."""
        return {*self.labels.values()}


class FolderReading(NamedTuple):
    """How folders can be read: places by image; ways that can be meant, one where it is clear; others, that cannot."""

    places: Mapping[str, Place]
    ways: Sequence[Level]
    others: Sequence[Level] = ()


def folder_of(name: str) -> Folder:
    """Give the parts of the path of the folder that a file lies in."""
    return tuple(name.split("/")[:-1])


def read_folders(images: Sequence[str], class_level: int = 0) -> FolderReading:
    """Read the folders of images, given by path; class_level: as the user says, or 0."""
    by_folder = _read_places({*map(folder_of, images)})
    places = {name: by_folder[folder_of(name)] for name in images}
    used = {name: place for name, place in places.items() if place.split in SPLITS}
    if not any(place.split == "train" for place in used.values()):
        used = {n: place for n, place in places.items() if place.split != ASIDE}  # what is in no split is for training
    used = {name: place for name, place in used.items() if not any(map(words.is_unlabelled, place.levels))}
    if class_level:
        labels = {n: place.levels[class_level - 1] for n, place in used.items() if len(place.levels) >= class_level}
        return FolderReading(places, [Level(class_level, labels)] if labels else [])
    return _choose(places, _candidates(used))


def _read_places(folders: Collection[Folder]) -> dict[Folder, Place]:
    """Tell splits, folds and plain folders from the levels that may name classes, below what all folders share."""
    children: dict[Folder, set[str]] = defaultdict(set)
    for folder in folders:
        for depth, name in enumerate(folder):
            children[folder[:depth]].add(name)
    splits, plain, shared = {}, set[Folder](), commonprefix([*folders])  # noqa: RUF071
    for parent, names in children.items():
        splits[parent] = _find_splits({name: children.get((*parent, name), set()) for name in names}, parent)
        # a set beside itself is no class, as "pets" beside "cat" and "dog" that holds these once more
        again = {name for name in names if len(names) > 2 and names - {name} <= children.get((*parent, name), set())}
        splits[parent] |= dict.fromkeys(again, ("", ""))
        if len(parent) < len(shared):  # a split that all are in divides nothing
            splits[parent] = {name: ("", rest) for name, (_, rest) in splits[parent].items()}
        if all(words.is_plain(name) or words.is_fold(name) or words.find_split(name) for name in names):
            plain.add(parent)
    places = {folder: _place(folder, splits, plain) for folder in folders}
    while True:
        firsts = {place.levels[:1] for place in places.values() if place.levels}
        if len(firsts) != 1 or not any(len(place.levels) > 1 for place in places.values()):
            return places
        places = {folder: _without_first(place) for folder, place in places.items()}


def _find_splits(siblings: Mapping[str, set[str]], parent: Folder) -> dict[str, tuple[str, str]]:
    """Give split and further meaning of those siblings that are folders of splits, not classes of such a name.

    siblings: each with the folders in it; parent: the folder that they lie in. Raises DatasetError where a name, such
    as "test tube", may be either.
    """
    found = {name: split for name in siblings if (split := words.find_split(name))}
    near = {name: split for name in siblings if (split := found.get(name) or words.guess_split(name))}
    most = max((siblings[name] for name in near), key=len, default=set())
    parted = {"train"} < {*near.values()} and len({*near.values()}) == len(near)
    if near != found and parted and all(siblings[name] and siblings[name] <= most for name in near):  # "traning"
        return {name: (split, "") for name, split in near.items()}
    others = [name for name in siblings if not (name in found or words.is_unknown(name) or words.is_plain(name))]
    alone = len({*found.values()}) == 1 and not any(siblings[name] for name in (*found, *others))
    rests = {name: words.without_split(name) for name in found}
    more = alone and others and all(rest or n.lower() in ("train", "trains") for n, rest in rests.items())
    if alone and (len(others) == 1 or (more and (any(map(words.find_split, parent)) or "train" in found.values()))):
        return {}  # "valid" beside "invalid", "train" or "train station" beside "bus" and "car"
    shared = {*map(words.without_split, others)} & {*rests.values()}
    if more and not shared and not any(map(words.is_unlabelled, rests.values())):
        raise refused("may_be_split", name=min(found), others=words.first(others))
    if "train" not in found.values():  # "rps" beside "rps-test-set"
        found |= {name: "train" for name in others if words.without_split(name) in rests.values()}
        rests = {name: words.without_split(name) for name in found}
    plain = {found[name] for name, rest in rests.items() if not rest}
    if {"train", "test"} <= plain:  # beside which "TEST_SIMPLE" is a further cut of what "TEST" is
        found |= {name: ASIDE for name, rest in rests.items() if rest and [*rests.values()].count(rest) == 1}
    if len({*rests.values()}) == 1 or plain:
        rests = dict.fromkeys(rests, "")  # "seg_train" and "seg_test"
    return {name: (split, rests[name]) for name, split in found.items()}


def _place(folder: Folder, splits: Mapping[Folder, Mapping[str, tuple[str, str]]], plain: set[Folder]) -> Place:
    split, fold = "", ""
    levels: list[str] = []
    named: list[tuple[int, str]] = []
    for depth, part in enumerate(folder):
        parent = folder[:depth]
        found, name = splits[parent].get(part, ("", part))
        split = split or found
        if not name or (depth and part == folder[depth - 1] and part in splits[folder[: depth - 1]]):
            continue
        levels.append(name)
        if words.is_fold(name):
            fold = fold or name
        elif name not in folder or parent not in plain:
            named.append((len(levels), name))
    return Place(split, tuple(levels), tuple(named), fold)


def _without_first(place: Place) -> Place:
    cut = 1 + (place.levels[1:2] == place.levels[:1])  # a folder of its own name in it is the whole set once more
    named = tuple((level - cut, name) for level, name in place.named if level > cut)
    return place._replace(levels=place.levels[cut:], named=named)


def _candidates(places: Mapping[str, Place]) -> list[Level]:
    """List the levels that have a name for nearly all images, of those that any level names."""
    named = {name: place.named for name, place in places.items() if place.named}
    ways: list[Level] = []
    for index in [*range(max(map(len, named.values()), default=0)), -1]:
        found = {name: levels[index] for name, levels in named.items() if len(levels) > index}
        labels = {name: label for name, (_, label) in found.items()}
        level = Counter(level for level, _ in found.values()).most_common(1)[0][0] if found else 0
        if len(found) >= max(1, _COVER * len(named)) and not any(way.level == level for way in ways):
            ways.append(Level(level, labels))
    return ways


def _choose(places: Mapping[str, Place], ways: Sequence[Level]) -> FolderReading:
    """Keep the levels that can be meant: those that mean the same in all splits and do not just count things."""
    ways = [way for number, way in enumerate(ways) if way.labels not in [upper.labels for upper in ways[:number]]]
    own = [way for number, way in enumerate(ways) if not any(_same(way, upper) for upper in ways[:number])]
    if len(own) < 2:
        return FolderReading(places, own, [way for way in ways if way not in own])
    several = [way for way in own if len(way.names) > 1] or own[:1]
    meant = [way for way in several if _agrees(way, places)] or several
    counted = [way for way in meant if words.are_numbered(way.names)]
    if meant[0] in counted and all(map(str.isdecimal, meant[0].names)):  # bare numbers on top may well be classes
        counted.remove(meant[0])
    kept = [way for way in meant if way not in counted] or meant
    recurring = [way for way in counted if way not in kept and cross(way.labels, kept[0].labels)]
    recurring = [way for way in recurring if words.may_be_classes(way.names, lower=way.level > kept[0].level)]
    if recurring:
        kept = sorted([kept[0], *recurring], key=lambda way: way.level)
    elif len(kept) > 1 and _are_loose(kept[0], kept[1]):
        kept = kept[:1]
    return FolderReading(places, kept, [way for way in ways if way not in kept])


def _same(way: Level, other: Level) -> bool:
    return same_parts(way.labels, other.labels, {*way.labels, *other.labels})


def same_parts(labels: Labels, others: Labels, names: Iterable[str]) -> bool:
    """Tell whether two ways part the images alike, whatever they name the parts."""
    pairs = {(labels.get(name), others.get(name)) for name in names}
    return len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


def cross(one: Labels, other: Labels) -> bool:
    """Tell whether what one way to label images says is found with nearly all that another says."""
    pairs = {(label, other[name]) for name, label in one.items() if name in other}
    firsts, seconds = ({pair[place] for pair in pairs} for place in (0, 1))
    return len(firsts) > 1 and len(seconds) > 1 and len(pairs) >= _CROSSED * len(firsts) * len(seconds)


def _are_loose(upper: Level, lower: Level) -> bool:
    """Tell whether lower names recur below some upper ones only: then they say what else there is of each class.

    Where each recurs everywhere, either level may be the classes; where none does, the upper may be groups of these.
    """
    pairs = {(label, upper.labels[name]) for name, label in lower.labels.items() if name in upper.labels}
    return len(pairs) > len({label for label, _ in pairs}) and not cross(lower.labels, upper.labels)


def _agrees(way: Level, places: Mapping[str, Place]) -> bool:
    """Tell whether the other splits know the classes that training does."""
    names: dict[str, set[str]] = {split: set() for split in ("", *SPLITS)}
    for name, label in way.labels.items():
        if not words.is_unknown(label):
            names[places[name].split].add(words.key(label))
    train, others = names["train"], [names["validation"], names["test"]]
    return not train or all(not found or (found <= train and len(found) > 1) for found in others)


def folder_notes(folders: FolderReading) -> tuple[Said, ...]:
    """Say which folders beside each other are read as one, and which are taken for a split that they are not called."""
    beside: dict[tuple[str, str], set[str]] = {}
    guessed: dict[str, str] = {}
    for folder, place in {folder_of(n): place for n, place in folders.places.items() if place.split != ASIDE}.items():
        if place.split and not words.splits_of("/".join(folder)):
            guessed[next(part for part in folder if part not in place.levels)] = place.split
        for depth, part in enumerate(folder):
            of_class = {part, words.without_split(part)} & {*place.levels}
            if words.is_plain(part) or (words.find_split(part) and not of_class):
                beside.setdefault(("/".join(folder[:depth]), words.find_split(part)), set()).add(part)
    merged = [parts for parts in beside.values() if len(parts) > 1][:1]
    splits = ((name, said(f"data.part.{split}")) for name, split in sorted(guessed.items()))
    told = (said("data.notes.guessed", name=name, split=split) for name, split in splits)
    return (*told, *(said("data.notes.merged", names=some(sorted(parts), 3)) for parts in merged))
