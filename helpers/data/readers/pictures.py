"""Images as files, labelled by folders, by tables beside them or by their own names."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from posixpath import splitext

import numpy as np

from helpers.data.containers import Members
from helpers.data.decode import decode_all, is_picture
from helpers.data.labels.decide import Labelling, label
from helpers.data.labels.groups import Image
from helpers.data.options import Options
from helpers.data.reading import Pixels, Reading, Unused, count
from helpers.data.sources import PREVIEWED, Contents, Opener, Record, UnreadableError, printable
from helpers.data.survey import survey

# What ends so and cannot be read, such as .svg, is counted as an unreadable image and not passed over in silence.
_ENDINGS = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
    ".pnm", ".avif", ".heic", ".heif", ".jp2", ".svg",
))  # fmt: skip
_NOT_IMAGES = frozenset((
    ".txt", ".csv", ".tsv", ".md", ".json", ".jsonl", ".xml", ".html", ".pdf", ".parquet", ".arrow", ".npy",
    ".npz", ".mat", ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".py", ".ipynb", ".yaml", ".yml", ".db", ".ini",
    ".log", ".names", ".7z", ".rar", ".pkl", ".pickle", ".h5", ".hdf5", ".pt", ".pth", ".xlsx", ".xls", ".mp4",
    ".avi", ".mov", ".wav",
))  # fmt: skip


def find(path: Path, members: Members) -> list[str]:
    """List the paths of all images, sorted: by their ending, or where that says nothing by their first bytes."""
    names = [name for name in sorted(members.files) if _is_image(name, members.files[name])]
    return names if len(members.files) > 1 else []


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
    labelling = label(str(path), members, names, options)
    images = labelling.images
    openers = [members.files[image.name] for image in images]
    pixels = survey(openers, options, labelling.size, [image.name for image in images])
    reading = Reading(
        title=labelling.title,
        class_names=labelling.class_names,
        labels_from=labelling.labels_from,
        pixels=pixels,
        splits_from=labelling.splits_from,
        counts=count((image.split, image.label) for image in images),
        unused=(*labelling.unused, *_other_files(members, names)),
        recognised_by=labelling.recognised_by,
        options=options.chosen(),
        split_names=labelling.split_names,
        notes=(*labelling.notes, *_empty_notes(members, names, labelling)),
    )
    return Contents(
        reading, _records(members, images, labelling, pixels), _records(members, _some(images), labelling, pixels)
    )


def _records(members: Members, images: Sequence[Image], labelling: Labelling, pixels: Pixels) -> Iterable[Record]:
    numbers = {name: number for number, name in enumerate(labelling.class_names)}
    decoded = decode_all((members.files[image.name] for image in images), pixels)
    for image, found in zip(images, decoded, strict=True):
        yield _record(image, numbers, found)


def _record(image: Image, numbers: Mapping[str, int], pixels: np.ndarray | str) -> Record:
    if image.label not in numbers:
        pixels = f"is of a class {image.label!r}, and there is none"
    return Record(printable(image.name), numbers.get(image.label, 0), image.split, pixels, image.group)


def _some(images: Sequence[Image]) -> list[Image]:
    """Choose a few images of each class, from all over its list."""
    by_class: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        by_class[image.label].append(image)
    return [image for found in by_class.values() for image in found[:: max(1, len(found) // PREVIEWED)][:PREVIEWED]]


def _other_files(members: Members, images: Sequence[str]) -> tuple[Unused, ...]:
    """Count files of kinds that are neither images nor tables or texts, by their ending."""
    known = {*images}
    others = [n for n in members.files if n not in known and splitext(n)[1].lower() not in _NOT_IMAGES]
    endings = Counter(splitext(name)[1].lower() for name in others)
    return tuple(
        Unused(
            f"files that end in {ending}, which is no image" if ending else "files that are no image",
            number,
            printable(next(name for name in others if splitext(name)[1].lower() == ending)),
        )
        for ending, number in endings.items()
    )


def _empty_notes(members: Members, names: Sequence[str], labelling: Labelling) -> tuple[str, ...]:
    """Say which folders beside those of classes hold no image."""
    holding = map(PurePosixPath, {name.rpartition("/")[0] for name in names})
    full = {str(parent) for folder in holding for parent in (folder, *folder.parents)}
    beside = {str(PurePosixPath(n).parent) for n in {image.name.rpartition("/")[0] for image in labelling.images}}
    empty = {
        printable(folder.name)
        for folder in map(PurePosixPath, members.folders)
        if str(folder) not in full and str(folder.parent) in beside
    } - {*labelling.class_names}
    named = ", ".join(map(repr, sorted(empty)))
    return (f"Folders without images are no classes: {named}.",) if empty else ()
