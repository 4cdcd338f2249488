"""Which images belong together, such as those of one patient, and stay on one side of a split that is drawn."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from helpers.base.words import Said, said
from helpers.data.containers import Members
from helpers.data.labels import words
from helpers.data.labels.folders import FolderReading, Labels
from helpers.data.labels.tables import Table
from helpers.data.options import Options
from helpers.data.sources import Image, refused

_SERIES = re.compile(r"((?:vid|video|clip|movie|seq|sequence|patient|subject|person|case|slide)[-_]?[0-9]+)")
_FOLDS = 3  # folds, at least, that can be kept whole


class Found(NamedTuple):
    """What lies below a path: its images, how their folders can be read, and the tables that name them."""

    path: str
    members: Members
    images: Sequence[str]
    folders: FolderReading
    tables: Sequence[Table]
    options: Options


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
    elif len({*folds.values()}) >= _FOLDS and all(image.name in folds for image in images):
        groups, by = folds, said("data.groups.folds", names=words.first(folds.values()))
    else:
        return images, _series_notes(images)
    grouped = [image._replace(group=groups.get(image.name, "")) for image in images]
    if wanted and (whole := _undivided(grouped)):
        raise refused("undivided", path=found.path, group=wanted, name=whole)
    number = len({image.group for image in grouped if image.group})
    return grouped, (said("data.notes.groups", n=number, by=by),)


def _undivided(images: Iterable[Image]) -> str:
    """Name a class of which all images are of one group, though splits are to be drawn; "" where there is none."""
    groups: dict[str, set[str]] = {}
    for image in images:
        groups.setdefault(image.label, set()).add(image.split or image.group)
    return next((label for label, found in groups.items() if len(found) == 1 and "" not in found), "")


def _series_notes(images: Sequence[Image]) -> tuple[Said, ...]:
    """Say where file names number videos, patients or the like, whose images a split would part."""
    found = [_SERIES.search(image.name.rpartition("/")[2]) for image in images]
    series = {match[1] for match in found if match}
    if all(image.split for image in images) or not all(found) or not 1 < len(series) <= len(images) / 2:
        return ()
    return (said("data.notes.series", names=words.first(series), pattern=_SERIES.pattern),)


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
