"""Which images belong together, such as those of one patient, and stay on one side of a split that is drawn."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from posixpath import splitext
from typing import NamedTuple

from helpers.base.words import Said, said
from helpers.data.containers import Members
from helpers.data.labels import words
from helpers.data.labels.folders import FolderReading, Labels, Level, cross
from helpers.data.labels.tables import Table
from helpers.data.options import Options
from helpers.data.reading import SPLITS, Unused
from helpers.data.sources import Image, refused

_SERIES, _COPIES = (words.VOCABULARY["files"][kind] for kind in ("series", "copies"))
_COPY = re.compile("|".join(_COPIES), re.IGNORECASE)
_RUNNING = re.compile(r"(?<=.)_\d+_\d+$|(?<=\d)_\d+$")  # what Keras puts behind the prefix of a copy
_SEVERAL = 0.75  # things a picture, at most, where several are of one thing
MANY = 5  # folders, at least, that may be persons rather than classes
_FEWEST = 3  # groups of a class, so that each split can have one


class Found(NamedTuple):
    """What lies below a path: its images, how their folders can be read, tables that name them, what was set aside."""

    path: str
    members: Members
    images: Sequence[str]
    folders: FolderReading
    tables: Sequence[Table]
    options: Options
    aside: Sequence[Unused]


def settle(folders: FolderReading, option: str, labels: Labels) -> tuple[Labels, tuple[Said, ...]]:
    """Give the level beside the chosen one that groups images, if any, and say which levels are not the classes."""
    chosen = [way for way in folders.ways if option == f"CLASS_LEVEL={way.level}"]
    by_names = option.startswith("LABELS=names")  # while folders of persons, say, have all the classes
    meant = chosen or folders.ways[: len(folders.ways) == 1 and not by_names]
    others = [way for way in (*folders.ways, *folders.others) if way not in meant and len(way.names) > 1]
    counted = [way for way in others if len(way.names) >= MANY or words.are_numbered(way.names)]
    above = [way for way in counted if by_names or (meant and (way.level < meant[0].level or _count_things(way)))]
    groups = next((way.labels for way in above if not by_names or cross(way.labels, labels)), {})
    levels = [said("data.notes.levels", names=words.first(way.names), level=way.level) for way in others]
    return groups, tuple(levels) if chosen else ()


def _count_things(way: Level) -> bool:
    """Tell whether many folders in those of classes count persons, videos or the like."""
    return words.are_numbered(way.names) and len(way.names) >= MANY and not words.may_be_classes(way.names, lower=True)


def group(found: Found, images: list[Image], above: Labels) -> tuple[list[Image], tuple[Said, ...]]:
    """Give images the group that has to stay on one side of a split: as the user says, else where the data tell.

    above: what the folders above those of the classes say. Gives the images and a note on what was done. Raises
    DatasetError where GROUP is no column and matches no path, or leaves a class nothing to divide.
    """
    columns, wanted = {table.group for table in found.tables if table.group}, found.options.group
    folds = {name: place.fold for name, place in found.folders.places.items() if place.fold}
    if wanted and wanted not in columns:
        groups, by = _match_groups(found.path, images, wanted), said("data.groups.pattern", pattern=wanted)
    elif columns:
        groups = {name: row.group for table in found.tables for name, row in table.rows.items() if row.group}
        by = said("data.groups.column", columns=sorted(columns))
    elif any(image.name in above for image in images):
        groups = {image.name: above[image.name] for image in images if image.name in above}
        by = said("data.groups.folders", names=words.first(groups.values()))
    elif len({*folds.values()}) >= _FEWEST and all(image.name in folds for image in images):
        groups, by = folds, said("data.groups.folds", names=words.first(folds.values()))
    else:
        groups = _find_copies(images)
        by = said("data.groups.copies", name=max(groups, key=len, default=""))
    grouped = [image._replace(group=groups.get(image.name, "")) for image in images]
    whole = _undivided(grouped)
    if wanted and whole:
        raise refused("undivided", path=found.path, group=wanted, name=whole)
    number = len({image.group for image in grouped if image.group})
    if not number or (whole and not columns):
        return images, _series_notes(images)
    return grouped, (said("data.notes.groups", n=number, by=by), *_across_notes(grouped))


def _undivided(images: Sequence[Image]) -> str:
    """Name a class whose images are of so few groups that splits which are drawn lack it; "" where there is none."""
    groups: dict[str, set[str]] = {}
    divided = len({image.split for image in images}) > 1
    for number, image in enumerate(images):
        groups.setdefault(image.label, set()).add((divided and image.split) or image.group or str(number))
    fewest = 2 if divided else _FEWEST
    return next((label for label, found in groups.items() if len(found) < fewest), "")


def _find_copies(images: Sequence[Image]) -> dict[str, str]:
    """Find images that names call copies of one, such as "a_flip" and "a.rf.5f3c", with what they are copies of."""
    stems = {image: splitext(image.name.rpartition("/")[2])[0] for image in images}
    there, originals = {*stems.values()}, {}
    for image, stem in stems.items():
        original = _COPY.sub("", stem) or stem
        if original != stem and original not in there:
            original = _RUNNING.sub("", original)
        originals[image] = f"{image.label} {original}"
    copied = {original for image, original in originals.items() if original != f"{image.label} {stems[image]}"}
    often = Counter(originals.values())
    return {image.name: one for image, one in originals.items() if one in copied and often[one] > 1}


def _across_notes(images: Sequence[Image]) -> tuple[Said, ...]:
    """Say how many test images the source has put aside from others of their group."""
    learned = {image.group for image in images if image.group and image.split == "train"}
    tested = [image for image in images if image.split == "test"]
    known = [image.name for image in tested if image.group in learned]
    return (said("data.notes.across", n=len(known), all=len(tested), example=known[0]),) if known else ()


def _series_notes(images: Sequence[Image]) -> tuple[Said, ...]:
    """Say where file names tell of videos, patients or the like, whose images a split would part."""
    to_part = [image._replace(split="") for image in images if image.split in ("", "train")]
    for pattern in map(re.compile, _SERIES if len({image.split for image in images}) < len(SPLITS) else ()):
        if not any(pattern.search(image.name) for image in to_part[:1]):
            continue  # as nearly always: then the others need not be looked at
        found = [match for image in to_part if (match := pattern.search(image.name))]
        series = {match[1] for match in found}
        grouped = [image._replace(group=match[1]) for image, match in zip(to_part, found)]
        several = len(found) == len(to_part) and len(series) <= _SEVERAL * len({match[0] for match in found})
        if several and not _undivided(grouped) and all(pattern.search(image.name) for image in images):
            return (said("data.notes.series", names=words.first(series), pattern=pattern.pattern),)
    return ()


def _match_groups(path: str, images: Iterable[Image], pattern: str) -> dict[str, str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise refused("no_pattern", pattern=pattern, reason=str(error)) from None
    groups = {}
    for image in images:
        if (match := compiled.search(image.name)) is None:
            raise refused("no_match", path=path, pattern=pattern, name=image.name)
        groups[image.name] = match[1] if compiled.groups else match[0]
    return groups
