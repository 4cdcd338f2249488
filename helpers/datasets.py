"""Labelled images from any source: decoded once, split once, memory-mapped ever after.

A source is a known name, an archive or a folder. What it holds is recognised by its content: pictures in
class folders, or a table of pixels. Either becomes a stream of records, the records become one cache folder
`data/cache/<fingerprint>/`, and the cache folder becomes a Dataset.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from helpers import cache as store
from helpers import faces
from helpers.pictures import is_picture, read_pictures
from helpers.sources import DAMAGE, FER2013_SIZE, SPLITS, Contents, DatasetError, Members, list_members
from helpers.tables import find_columns, read_table

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "data" / "cache"
KNOWN_NAMES = ("faces", "fer2013")

_FER2013_FILES = tuple(
    f"{stem}{ending}"
    for stem in ("fer2013", "icml_face_data")
    for ending in (".zip", "", ".csv", ".csv.gz", ".csv.zip", ".tar.gz")
)
_ARCHIVE_ENDINGS = {".zip", ".gz", ".tar", ".tgz", ".csv"}
_SIZES = (24, 512)  # pixels a side: least that the deepest network can pool, most that is sensible to train on
_LAYOUT = 1  # raised when the same source is decoded or split differently


@dataclass(frozen=True)
class Split:
    """One part of a data set.

    images: (N, H, W, C) uint8, memory-mapped; labels: (N,) int64, index into the data set's class names.
    """

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """Labelled images in three splits; nothing may be chosen on the test split.

    name: of the run; fingerprint: changes when the images do; title: for people; notes: whole sentences that
    a report must state; evidence: split -> (N, H, W) bool, or None; skipped: images left out, each with why;
    missing: splits that the source lacks, so that others stand in for them.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    fingerprint: str
    title: str
    notes: tuple[str, ...]
    evidence: Mapping[str, np.ndarray] | None
    skipped: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every image."""
        return self.train.images.shape[1:]


@dataclass(frozen=True)
class Source:
    """Where a data set comes from: name of the run, fingerprint of the content, path (None for the faces)."""

    name: str
    fingerprint: str
    path: Path | None


def load_dataset(
    name_or_path: str, cache: Path = CACHE, image_size: int | None = None, keep_training: bool = False
) -> Dataset:
    """Open a data set, decoding it into the cache the first time.

    name_or_path: "faces", "fer2013" (looked for under data/), or a path, relative to the repository root or
    else to the working directory; image_size: pixels a side, 24 to 512, by default 48 for the faces and
    FER2013, 64 for other images.
    keep_training: where the source lacks a validation or a test split, take none of its training images for
    validation; the split that it has is then both. Such a data set has a fingerprint of its own.
    Raises DatasetError where there is no such data, or where they cannot be used.
    """
    source = identify(name_or_path, cache, image_size)
    source = identify(name_or_path, cache, image_size)
    folder = cache / source.fingerprint
    store.ensure(folder, lambda draft: _write(draft, source.path, image_size))
    return _open(source, folder, keep_training)


def identify(name_or_path: str, cache: Path = CACHE, image_size: int | None = None) -> Source:
    """Find a data set and fingerprint its content, without decoding an image.

    Files are hashed once and then known by size and time. Arguments and errors are those of load_dataset, but
    that only missing data are an error.
    """
    if image_size is not None and not _SIZES[0] <= image_size <= _SIZES[1]:
        raise DatasetError(f"Images cannot be {image_size} pixels a side; choose {_SIZES[0]} to {_SIZES[1]}.")
    path = _locate(name_or_path)
    if path is None and image_size == FER2013_SIZE:
        image_size = None  # the size that the faces have anyway
    digest = store.file_sha256(Path(faces.__file__)) if path is None else store.content_digest(path, cache)
    fingerprint = hashlib.sha256(f"{digest} {image_size} {_LAYOUT}".encode()).hexdigest()[:16]
    name = name_or_path if name_or_path in KNOWN_NAMES else _run_name(path, fingerprint)
    return Source(name, fingerprint, path)


def _locate(name_or_path: str) -> Path | None:
    """Return the path of a data set, or None for the embedded faces."""
    if name_or_path == "faces":
        return None
    if name_or_path == "fer2013":
        return _first_existing([ROOT / "data" / file for file in _FER2013_FILES], name_or_path)
    path = Path(name_or_path).expanduser()
    return _first_existing(list(dict.fromkeys([ROOT / path, Path.cwd() / path])), name_or_path)


def _first_existing(candidates: Sequence[Path], name_or_path: str) -> Path:
    for path in candidates:
        if name_or_path and path.exists():
            return path.resolve()
    raise DatasetError(
        f"There is no data set {name_or_path!r} (looked for {', '.join(map(_shown, candidates))}); DATASET "
        f"is {' or '.join(map(repr, KNOWN_NAMES))}, or the path of an archive or a folder of images."
    )


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _run_name(path: Path, fingerprint: str) -> str:
    name = path.name
    while path.is_file() and Path(name).suffix.lower() in _ARCHIVE_ENDINGS:
        name = Path(name).stem
    # the report of somebody's faces.zip must not overwrite that of the embedded faces
    return f"faces-{fingerprint[:6]}" if name == "faces" else name


def _write(draft: Path, path: Path | None, image_size: int | None) -> store.Facts:
    """Write the arrays of a source, None for the faces, into a cache folder."""
    if path is None:
        return store.write_faces(draft, image_size)
    try:
        return store.write_contents(draft, path, _recognise(path, image_size))
    except DAMAGE as error:
        raise DatasetError(f"{path} is damaged ({error}); download or make it again.") from error


def _recognise(path: Path, image_size: int | None) -> Contents:
    members = list_members(path)
    pictures = [PurePosixPath(name) for name in sorted(members) if is_picture(name)]
    if pictures:
        return read_pictures(path, members, pictures, image_size)
    tables = {name: find_columns(members[name]) for name in members if _may_be_table(name, members)}
    usable = [name for name, columns in tables.items() if columns]
    if usable:
        name = max(usable, key=lambda name: len(tables[name]))  # the one that knows its splits, if any
        return read_table(members[name], tables[name], image_size or FER2013_SIZE)
    raise DatasetError(
        f"{path} holds no labelled images; give a folder or a zip with a folder of images for each class, or "
        "a CSV with the columns emotion,pixels,Usage or label,feature (plain, .gz, .zip or .tar.gz)."
    )


def _may_be_table(name: str, members: Members) -> bool:
    return len(members) == 1 or name.lower().endswith(".csv")


def _open(source: Source, folder: Path, keep_training: bool) -> Dataset:
    facts = store.read_facts(folder)
    changed = keep_training and bool(facts["missing"])
    if changed and facts["keep_training"] is None:
        raise DatasetError(
            f"{source.path} does not say which of its images are for training; give data that are divided into splits."
        )
    facts |= facts["keep_training"] if changed else {}
    arrays = store.read_arrays(folder, facts)
    return Dataset(
        name=source.name,
        class_names=tuple(facts["class_names"]),
        **{split: Split(arrays["images"][split], arrays["labels"][split]) for split in SPLITS},
        fingerprint=f"{source.fingerprint}-kept" if changed else source.fingerprint,
        title=facts["title"],
        notes=(*facts["notes"], *facts["split_notes"]),
        evidence=arrays.get("evidence"),
        skipped=tuple(facts["skipped"]),
        missing=tuple(facts["missing"]),
    )
