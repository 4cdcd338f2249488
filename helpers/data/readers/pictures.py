"""Images as files, labelled by folders, by tables beside them or by their own names."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from posixpath import splitext

from helpers.base.words import Said, said
from helpers.data.containers import Members
from helpers.data.decode import decode_all, is_picture
from helpers.data.labels.decide import label
from helpers.data.labels.words import VOCABULARY
from helpers.data.options import Options
from helpers.data.reading import Reading, Unused, count, unused
from helpers.data.sources import PREVIEWED, Contents, Image, Opener, Record, UnreadableError, printable
from helpers.data.survey import survey

_FEW, _FEWEST, _LINE = 10, 64, 2**20  # pictures beside a table of pixels; columns and bytes of its first line
_ENDINGS, _NOT_IMAGES = (frozenset(VOCABULARY["files"][kind]) for kind in ("images", "others"))


def find(path: Path, members: Members) -> list[str]:
    """List the paths of all images, sorted: by their ending, or where that says nothing by their first bytes."""
    names = [name for name in sorted(members.files) if _is_image(name, members.files[name])]
    beside = len(names) < _FEW and any(map(_has_pixels, members.files.items()))
    return names if len(members.files) > 1 and not beside else []


def _has_pixels(file: tuple[str, Opener]) -> bool:
    """Tell whether a table has columns of pixels, beside which a few pictures only illustrate."""
    with suppress(OSError, UnreadableError):
        return file[0].lower().endswith(".csv") and file[1]().readline(_LINE).count(b",") > _FEWEST
    return False


def _is_image(name: str, opener: Opener) -> bool:
    ending = splitext(name)[1].lower()
    if ending in _ENDINGS or ending in _NOT_IMAGES:
        return ending in _ENDINGS
    try:
        with opener() as file:
            return is_picture(file.read(16))
    except (OSError, UnreadableError):
        return False


def read(path: Path, members: Members, names: Sequence[str], options: Options) -> Contents:
    """Read images as files; names: those of all images.

    Raises DatasetError where nothing labels them, or where it is not clear what does.
    """
    reading, images, size = label(str(path), members, names, options)
    pixels = survey([members.files[image.name] for image in images], options, size, [image.name for image in images])
    reading = replace(
        reading,
        pixels=pixels,
        counts=count((image.split, image.label) for image in images),
        unused=(*reading.unused, *_other_files(members, names)),
        notes=(*reading.notes, *_empty_notes(members, names, images)),
    )
    return Contents(reading, _records(members, images, reading), _records(members, _some(images), reading))


def _records(members: Members, images: Sequence[Image], reading: Reading) -> Iterator[Record]:
    numbers = {name: number for number, name in enumerate(reading.class_names)}
    decoded = decode_all((members.files[image.name] for image in images), reading.pixels)
    for image, pixels in zip(images, decoded, strict=True):
        if image.label not in numbers:
            pixels = f"is of a class {image.label!r}, and there is none"
        yield Record(printable(image.name), numbers.get(image.label, 0), image.split, pixels, image.group)


def _some(images: Sequence[Image]) -> list[Image]:
    """Choose a few images of each class, from all over its list."""
    by_class: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        by_class[image.label].append(image)
    return [image for found in by_class.values() for image in found[:: max(1, len(found) // PREVIEWED)][:PREVIEWED]]


def _other_files(members: Members, images: Sequence[str]) -> tuple[Unused, ...]:
    """Count files of kinds that are neither images nor tables or texts, by their ending."""
    by_kind: dict[Said, list[str]] = defaultdict(list)
    for name in sorted({*members.files} - {*images}):
        ending = splitext(name)[1].lower()
        if {ending or name.rpartition("/")[2].lower()}.isdisjoint(_NOT_IMAGES):
            by_kind[said("data.left.ending", ending=ending) if ending else said("data.left.files")].append(name)
    return tuple(part for kind, names in by_kind.items() for part in unused(kind, names))


def _empty_notes(members: Members, names: Sequence[str], images: Sequence[Image]) -> tuple[Said, ...]:
    """Say which folders beside those of classes hold no image."""
    holding = map(PurePosixPath, {name.rpartition("/")[0] for name in names})
    full = {str(parent) for folder in holding for parent in (folder, *folder.parents)}
    beside = {str(PurePosixPath(folder).parent) for folder in {image.name.rpartition("/")[0] for image in images}}
    folders = [PurePosixPath(name) for name in members.folders if name not in full]
    empty = {printable(folder.name) for folder in folders if str(folder.parent) in beside}
    named = sorted(empty - {image.label for image in images})
    return (said("data.notes.empty_folders", names=named),) if named else ()
