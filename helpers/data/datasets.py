"""Labelled images from any source: decoded once, split once, memory-mapped ever after.

A source is a known name, an archive or a folder, and what it holds is recognised by its content. It becomes a stream
of records, the records become one cache folder `data/cache/<fingerprint>/`, and the cache folder becomes a Dataset.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from helpers.base import runs
from helpers.base.code import file_digest, room_digest
from helpers.base.files import ROOT, cache_folder, write_atomically
from helpers.base.folders import Facts, content_of, keep_folder, kept_facts
from helpers.base.legal import near
from helpers.base.machine import installed_versions
from helpers.base.notebook import UsageError
from helpers.base.words import Said, plain, said, stored
from helpers.data import cache as store
from helpers.data import faces, readers
from helpers.data.containers import list_members, refuse_foreign_members
from helpers.data.options import Options, read_options
from helpers.data.reading import SPLITS, Reading, count, from_json, printable, unused
from helpers.data.sources import FER2013_SIZE, OTHER_SIZE, PREVIEWED, Contents, Record, reading_from, refused
from helpers.data.splits import plan

KNOWN_NAMES = ("faces", "fer2013", "food11")

_ENDINGS = (".zip", "", ".csv", ".csv.gz", ".csv.zip", ".tar.gz")
_KNOWN_FILES = {
    "fer2013": [f"{stem}{ending}" for stem in ("fer2013", "icml_face_data") for ending in _ENDINGS],
    "food11": ["food11.zip", "food11"],
}
_TAKEN_NAMES = ("faces", "sample", "")  # of run folders; only a whole disk has no name
_ARCHIVE_ENDINGS = {".zip", ".gz", ".tar", ".tgz", ".csv", ".parquet"}
_DECODING = ("numpy", "scipy", "pandas", "pyarrow", "pillow", "pillow-heif")
_SIZES = (24, 512)  # pixels a side: least that the deepest network can pool, most that is sensible to train on


@dataclass(frozen=True)
class Split:
    """One part of a data set.

    images: (N, H, W, C) uint8, memory-mapped; labels: (N,) int64, index into the data set's class names; names: (N,)
    UTF-8 bytes, what the source calls each image, or None where they are drawn.
    """

    images: np.ndarray
    labels: np.ndarray
    names: np.ndarray | None = None

    def name(self, place: int) -> str:
        """Give what the source calls an image, such as the path of its file; of drawn ones, their place."""
        return f"image {place}" if self.names is None else self.names[place].decode(errors="ignore")


@dataclass(frozen=True)
class Dataset:
    """Labelled images in three splits; nothing may be chosen on the test split.

    name: of the run; fingerprint: changes when the images do; title: for people; notes: whole sentences that
    a report must state; evidence: split -> (N, H, W) bool, or None; skipped: images left out, each with why;
    missing: splits that the source lacks, so that others stand in for them; reading: how the source was read; content:
    digest of the decoded arrays.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    fingerprint: str
    title: Said | str
    notes: tuple[Said | str, ...]
    evidence: Mapping[str, np.ndarray] | None
    skipped: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    reading: Reading = field(default_factory=Reading)
    content: str = ""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every image."""
        return self.train.images.shape[1:]

    @property
    def digest(self) -> str:
        """What is computed of these data is known by it: source and splits, and what was decoded of them."""
        return f"{self.fingerprint}-{self.content}"

    @property
    def validates_on_test(self) -> bool:
        """Whether the validation and the test split are the same images."""
        return np.may_share_memory(self.validation.labels, self.test.labels)


def claim_run(
    dataset: Dataset,
    recipe: str,
    seed: int,
    reports: Path,
    image_size: int,
    ending: str = "",
    **facts: Any,
) -> Path:
    """Give the folder of the run of these data, recipe, seed and size, with its record; see `runs.claim`.

    ending: of the folder's name, where a run is apart from that of a report. facts: further ones, of which the network,
    the balance of classes, the trainings and the precision are in the name.
    """
    usual = FER2013_SIZE if dataset.title == "FER2013" or dataset.evidence is not None else OTHER_SIZE
    size = 0 if image_size == usual else image_size
    record = {"dataset": dataset.name, "recipe": recipe, "seed": seed, "image_size": size}
    record |= {"title": plain("title", dataset.title), "notes": plain("notes", dataset.reading.sentences())}
    record |= {"fingerprint": dataset.fingerprint, "reading": dataset.reading.as_json()}
    named = {key: facts[key] for key in ("network", "balance", "trainings", "precision") if key in facts}
    name = runs.name_run(dataset.name, recipe, seed, size, **named)
    return runs.claim(reports, name + ending, record | facts)


def write_skipped(path: Path, skipped: Sequence[tuple[str, str]]) -> None:
    """List the images that were left out, each with its reason; no file where there are none."""
    if skipped:
        import pandas as pd

        table = pd.DataFrame(skipped, columns=["file", "reason"])
        write_atomically(path, table.to_csv(index=False, lineterminator="\n").encode())
    else:
        path.unlink(missing_ok=True)


class Source(NamedTuple):
    """Where a data set comes from: name of the run, fingerprint of the content, path (None for the faces)."""

    name: str
    fingerprint: str
    path: Path | None


def load_dataset(
    name_or_path: str,
    cache: Path | None = None,
    image_size: int | None = None,
    keep_training: bool = False,
    options: Options | None = None,
) -> Dataset:
    """Open a data set, decoding it into the cache, by default `cache_folder`, the first time.

    name_or_path: "faces", "fer2013" (looked for under data/), or a path, relative to the repository root or
    else to the working directory; image_size: pixels a side, 24 to 512, by default 48 for the faces and
    FER2013, 64 for other images.
    keep_training: where the source lacks a validation or a test split, take none of its training images for
    validation; the split that it has is then both. Such a data set has a fingerprint of its own.
    options: what the user decides about reading; by default what the environment says.
    Raises DatasetError where there is no such data, or where they cannot be used.
    """
    cache = cache or cache_folder()
    options = replace(options or read_options(), image_size=image_size)
    source = identify(name_or_path, cache, image_size, options)
    folder = cache / source.fingerprint

    def write(draft: Path) -> Facts:
        if source.path is None:
            return store.write_faces(draft, image_size)
        return store.write_contents(draft, source.path, recognise(source.path, options, draft))

    facts = keep_folder(folder, _decoder(), write)
    return _open(source, folder, facts, keep_training)


def _decoder() -> str:
    """Say what decodes: the code of this room, and the versions of the packages that read images and tables."""
    return f"{room_digest('data')} {installed_versions(_DECODING)}"


def identify(
    name_or_path: str, cache: Path | None = None, image_size: int | None = None, options: Options | None = None
) -> Source:
    """Find a data set and fingerprint its content, without decoding an image.

    Files are hashed once and then known by size and time. Arguments and errors are those of load_dataset, but
    that only missing data, and options that drawn faces do not have, are an error.
    """
    if image_size is not None and not _SIZES[0] <= image_size <= _SIZES[1]:
        raise refused("size", size=str(image_size), low=_SIZES[0], high=_SIZES[1])
    path = _locate(name_or_path)
    # the same text where all is left as it is, whatever options there are
    chosen = " ".join(f"{name}={value}" for name, value in (options or read_options()).chosen().items())
    if path is None:  # another program draws other faces
        image_size = None if image_size == FER2013_SIZE else image_size  # the size that they have anyway
        program = sorted(file for file in Path(faces.__file__).parent.iterdir() if file.suffix in (".py", ".toml"))
        digest = store.digest_lines(f"{file.name} {file_digest(file)}" for file in program)
        if chosen:
            raise refused("drawn", option=chosen)
    else:
        with reading_from(path):
            digest = store.content_digest(path, cache or cache_folder())
    fingerprint = hashlib.sha256(f"{digest} {image_size} {chosen}".encode()).hexdigest()[:16]
    name = name_or_path if name_or_path in KNOWN_NAMES else _run_name(path or Path(), fingerprint)
    return Source(name, fingerprint, path)


def look(
    name_or_path: str, cache: Path | None = None, image_size: int | None = None, options: Options | None = None
) -> tuple[str, Reading, Iterable[Record]]:
    """Say how a data set is read, in seconds, without decoding it: its name, the reading, and images to look at.

    Of what has been opened before, all is known; of other data, images that turn out to be equal or unreadable may
    shift a few from split to split. Arguments and errors are those of load_dataset, of
    unreadable images as one is met.
    """
    cache = cache or cache_folder()
    options = replace(options or read_options(), image_size=image_size)
    source = identify(name_or_path, cache, image_size, options)
    if source.path is None or kept_facts(cache / source.fingerprint, _decoder()):
        dataset = load_dataset(name_or_path, cache, image_size, options=options)
        labels = dataset.train.labels
        places = ((n, i) for n in range(len(dataset.class_names)) for i in np.flatnonzero(labels == n)[:PREVIEWED])
        shown = (Record(f"training image {i}", n, "train", dataset.train.images[i]) for n, i in places)
        return source.name, dataset.reading, shown
    contents = recognise(source.path, options, cache)
    return source.name, plan(source.path, contents.reading), _preview(source.path, contents)


def _preview(path: Path, contents: Contents) -> Iterator[Record]:
    """Give images to look at; where one cannot be read, DatasetError if that is so of too many."""
    unchecked = bool(contents.preview)
    for record in contents.preview or contents.records:
        if unchecked and isinstance(record.pixels, str):
            store.check_readable(path, contents.records)
            unchecked = False
        yield record


def known_data(name_or_path: str) -> str:
    """Give the name of a known data set, or the whole path of another; UsageError where there is none."""
    if name_or_path not in KNOWN_NAMES and not Path(name_or_path).exists():
        others = f"{near(name_or_path, KNOWN_NAMES)} Or give a path that exists."
        raise UsageError(f"There is no data set {name_or_path}; {others}")
    return name_or_path if name_or_path in KNOWN_NAMES else str(Path(name_or_path).resolve())


def _locate(name_or_path: str) -> Path | None:
    """Return the path of a data set, or None for the embedded faces."""
    if name_or_path == "faces":
        return None
    known = [ROOT / "data" / file for file in _KNOWN_FILES.get(name_or_path, ())]
    path = Path(name_or_path)
    with suppress(RuntimeError):  # where there is no such user, "~" is part of the name
        path = path.expanduser()
    candidates = known or list(dict.fromkeys([ROOT / path, Path.cwd() / path]))
    for path in candidates if name_or_path else ():
        kind = ""
        with suppress(OSError, ValueError):  # a name that no file can have
            kind = "data" if path.is_dir() or path.is_file() else "other" * path.exists()
        if kind == "other":  # a pipe would be waited for, a device might never end
            raise refused("special", path=path)
        if kind:
            return path.resolve()
    shown = [path.relative_to(ROOT) if path.is_relative_to(ROOT) else path for path in candidates]
    key = "missing_known" if known else "missing"
    names = ", ".join(map(repr, KNOWN_NAMES[:-1]))
    raise refused(key, name=name_or_path, places=shown, known=names, last=KNOWN_NAMES[-1])


def _run_name(path: Path, fingerprint: str) -> str:
    name = path.name
    while path.is_file() and Path(name).suffix.lower() in _ARCHIVE_ENDINGS:
        name = Path(name).stem
    # the report of somebody's faces.zip must not overwrite that of the embedded faces
    return printable(f"{name}-{fingerprint[:6]}" if name in _TAKEN_NAMES else name)


def _guarded(path: Path, records: Iterable[Record]) -> Iterator[Record]:
    with reading_from(path):
        yield from records


def recognise(path: Path, options: Options, scratch: Path | None = None) -> Contents:
    """Ask the readers what a path holds, decoding no more images than that takes; DatasetError where none can read it.

    scratch: folder in which archives that are compressed as a whole are unpacked into a file without a name.
    """
    with reading_from(path):
        members = list_members(path, scratch)
        for reader in readers.READERS:
            if found := reader.find(path, members):
                reading, *records = reader.read(path, members, found, options)
                notes, left = (*members.notes, *reading.notes), unused(said("data.left.deeper"), members.deeper)
                reading = replace(reading, options=options.chosen(), notes=notes, unused=(*reading.unused, *left))
                return Contents(reading, *(_guarded(path, part) if part else () for part in records))
        refuse_foreign_members(path, members)
    kinds = ", ".join(reader.what for reader in readers.READERS)
    raise refused("unknown", path=path, kinds=kinds)


def _open(source: Source, folder: Path, facts: Facts, keep_training: bool) -> Dataset:
    changed = keep_training and bool(facts["missing"])
    if changed and facts["keep_training"] is None:
        raise refused("no_splits", path=source.path)
    facts |= facts["keep_training"] if changed else {}
    arrays, reading = store.read_arrays(folder, facts), from_json(facts["reading"])
    pairs = ((split, reading.class_names[label]) for split in SPLITS for label in arrays["labels"][split])
    notes = (*reading.notes, *map(stored, facts["split_notes"]))
    reading = replace(reading, counts=count(pairs) if changed else reading.counts, notes=notes)
    return Dataset(
        name=source.name,
        class_names=reading.class_names,
        **{s: Split(arrays["images"][s], arrays["labels"][s], arrays.get("names", {}).get(s)) for s in SPLITS},
        fingerprint=f"{source.fingerprint}-kept" if changed else source.fingerprint,
        title=reading.title,
        notes=(*map(stored, (*facts["notes"], *facts["split_notes"])), *reading.pixels.notes),
        evidence=arrays.get("evidence"),
        skipped=tuple(map(tuple, facts["skipped"])),
        missing=tuple(facts["missing"]),
        reading=reading,
        content=content_of(facts)[:16],
    )
