"""Labels and splits from the names of folders, at any depth."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from helpers.data.labels import words
from helpers.data.reading import SPLITS

Folder = tuple[str, ...]  # the parts of its path
_COVER = 0.95  # share of the images that a level of classes has a name for
_CROSSED = 0.8  # share of the upper folders in which lower names are found, on average, where two levels cross


@dataclass(frozen=True)
class Place:
    """What a folder's path says: its split, the folds and other folders that are no class, and the levels that may be.

    levels: the names below what all folders share, without those of splits; named: those of them that can name a
    class, each with its place in `levels`, counted from 1.
    """

    split: str
    levels: Folder
    named: tuple[tuple[int, str], ...]
    fold: str = ""


@dataclass(frozen=True)
class Level:
    """A way to read classes off folders: level, counted from 1, and the name of the class of each folder that has one.

    group: what else a folder's path says that images of one thing share, such as a person.
    """

    level: int
    labels: Mapping[Folder, str]
    group: Mapping[Folder, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes, sorted."""
        return words.sort_classes(self.labels.values())


@dataclass(frozen=True)
class FolderReading:
    """How folders can be read.

    places: by folder; ways: those that are possible, the one that is meant alone where that is clear.
    """

    places: Mapping[Folder, Place]
    ways: tuple[Level, ...]
    notes: tuple[str, ...] = ()


def read_folders(counts: Mapping[Folder, int], class_level: int = 0) -> FolderReading:
    """Read the folders of images; counts: images that lie directly in each; class_level: as the user says, or 0."""
    places = _cut_shared(_split_places(counts))
    used = {folder: place for folder, place in places.items() if place.split}
    if not any(place.split == "train" for place in used.values()):
        used = places  # what is in no folder of a split is for training
    used = {folder: place for folder, place in used.items() if not _is_unlabelled(place)}
    if class_level:
        labels = {f: place.levels[class_level - 1] for f, place in used.items() if len(place.levels) >= class_level}
        return FolderReading(places, (Level(class_level, labels),) if labels else ())
    candidates = _candidates(used, counts)
    return _choose(places, candidates, used)


def _is_unlabelled(place: Place) -> bool:
    return any(words.is_unlabelled(name) for name in place.levels)


def _split_places(counts: Mapping[Folder, int]) -> dict[Folder, Place]:
    """Tell splits, folds and plain folders from the levels that may name classes."""
    children: dict[Folder, set[str]] = defaultdict(set)
    for folder in counts:
        for depth, name in enumerate(folder):
            children[folder[:depth]].add(name)

    @cache
    def splits(parent: Folder) -> dict[str, tuple[str, str]]:
        return _find_splits(children[parent], {name for name in children[parent] if (*parent, name) not in children})

    @cache
    def plain(parent: Folder) -> bool:
        return all(words.is_plain(name) or words.is_fold(name) or words.find_split(name) for name in children[parent])

    return {folder: _place(folder, splits, plain) for folder in counts}


def _find_splits(siblings: set[str], leaves: set[str]) -> dict[str, tuple[str, str]]:
    """Give split and further meaning of those siblings that are folders of splits, not classes of such a name.

    leaves: those of the siblings that have no folders in them.
    """
    found = {name: split for name in siblings if (split := words.find_split(name))}
    others = [
        name for name in siblings if name not in found and not words.is_unknown(name) and not words.is_plain(name)
    ]
    alone = len({*found.values()}) == 1 and {*found, *others} <= leaves
    if alone and (len(others) == 1 or ({name.lower() for name in found} <= {"train", "trains"} and others)):
        return {}  # "valid" beside "invalid", "train" beside "bus" and "car"
    rests = {name: words.without_split(name) for name in found}
    if len({*rests.values()}) == 1 or "" in rests.values():
        rests = dict.fromkeys(rests, "")  # "seg_train" and "seg_test"
    return {name: (split, rests[name]) for name, split in found.items()}


def _place(
    folder: Folder, splits: Callable[[Folder], dict[str, tuple[str, str]]], plain: Callable[[Folder], bool]
) -> Place:
    split, fold = "", ""
    levels: list[str] = []
    named: list[tuple[int, str]] = []
    for depth, name in enumerate(folder):
        parent = folder[:depth]
        if name in splits(parent):
            found, rest = splits(parent)[name]
            split = split or found
            if not rest:
                continue
            name = rest
        levels.append(name)
        if words.is_fold(name):
            fold = fold or name
        elif name not in folder or not plain(parent):
            named.append((len(levels), name))
    return Place(split, tuple(levels), tuple(named), fold)


def _cut_shared(places: dict[Folder, Place]) -> dict[Folder, Place]:
    """Take out the folders at the top that all images share, also where one lies in another of the same name."""
    while True:
        firsts = {place.levels[:1] for place in places.values() if place.levels}
        seconds = {place.levels[1] for place in places.values() if len(place.levels) > 1}
        if len(firsts) != 1 or not seconds:
            return places
        places = {folder: _without_first(place) for folder, place in places.items()}


def _without_first(place: Place) -> Place:
    again = place.levels[1:2] == place.levels[:1]  # a folder of the same name in it is the whole set once more
    cut = 1 + again
    named = tuple((level - cut, name) for level, name in place.named if level > cut)
    return Place(place.split, place.levels[cut:], named, place.fold)


def _candidates(places: Mapping[Folder, Place], counts: Mapping[Folder, int]) -> list[Level]:
    """List the levels that have a name for nearly all images, of those that any level names."""
    named = {folder: place for folder, place in places.items() if place.named}
    total = sum(counts[folder] for folder in named)
    found: list[Level] = []
    depth = max((len(place.named) for place in named.values()), default=0)
    for index in [*range(depth), -1]:
        labels = {f: p.named[index][1] for f, p in named.items() if len(p.named) > index}
        covered = sum(counts[folder] for folder in labels)
        if labels and covered >= _COVER * total and not any(_same_parts(labels, way.labels) for way in found):
            level = Counter(p.named[index][0] for f, p in named.items() if f in labels).most_common(1)[0][0]
            found.append(Level(level, labels))
    return found


def _choose(places: Mapping[Folder, Place], ways: list[Level], used: Mapping[Folder, Place]) -> FolderReading:
    """Keep the levels that can be meant: those that mean the same in all splits and do not just count things."""
    if len(ways) < 2:
        return FolderReading(places, tuple(ways))
    several = [way for way in ways if len({*way.labels.values()}) > 1] or ways[:1]
    meant = [way for way in several if _agrees(way, used)] or several
    counted = [way for way in meant if _counts_things(way, meant[0])]
    kept = [way for way in meant if way not in counted] or meant
    above = next((other.labels for other in counted if other.level < kept[0].level), {})
    if len(kept) > 1 and _are_loose(kept[0], kept[1]):
        kept = kept[:1]
    if len(kept) > 1:
        return FolderReading(places, tuple(kept))
    return FolderReading(places, (Level(kept[0].level, kept[0].labels, above),), _other_notes(kept[0], ways))


def _same_parts(labels: Mapping[Folder, str], others: Mapping[Folder, str]) -> bool:
    """Tell whether two levels part the folders alike, whatever they name the parts."""
    pairs = {(labels.get(folder), others.get(folder)) for folder in {*labels, *others}}
    return len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


def _counts_things(way: Level, first: Level) -> bool:
    """Tell whether a level's names are numbers of things; bare numbers at the top level may well be classes."""
    names = {*way.labels.values()}
    return words.are_numbered(names) and not (way is first and all(name.isdecimal() for name in names))


def _are_loose(upper: Level, lower: Level) -> bool:
    """Tell whether lower names recur below some upper ones only: then they say what else there is of each class.

    Where each recurs everywhere, either level may be the classes; where none does, the upper may be groups of these.
    """
    above: dict[str, set[str]] = defaultdict(set)
    for folder, name in lower.labels.items():
        if folder in upper.labels:
            above[name].add(upper.labels[folder])
    parents = [len(found) for found in above.values()]
    return max(parents, default=0) > 1 and sum(parents) < _CROSSED * len(parents) * len(upper.names)


def _agrees(way: Level, places: Mapping[Folder, Place]) -> bool:
    """Tell whether the other splits know the classes that training does."""
    names: dict[str, set[str]] = {split: set() for split in SPLITS}
    for folder, name in way.labels.items():
        if (split := places[folder].split) and not words.is_unknown(name):
            names[split].add(words.key(name))
    train = names.pop("train")
    return not train or all(not found or (found <= train and len(found) > 1) for found in names.values())


def _other_notes(way: Level, ways: Sequence[Level]) -> tuple[str, ...]:
    """Say which other level of folders is not told apart."""
    return tuple(
        f"The folders {quoted(other.names)} at level {other.level} are not taken for classes; "
        f"CLASS_LEVEL={other.level} would do so."
        for other in ways
        if other is not way and other.level != way.level
    )


def quoted(names: Iterable[str], most: int = 3) -> str:
    """Quote the first names of a list and count the others."""
    names = list(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + rest
