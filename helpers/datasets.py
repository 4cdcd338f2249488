"""Labelled images from any source: decoded once, split once, memory-mapped ever after.

A source is a known name, an archive or a folder. What it holds is recognised by its content: pictures in
class folders, or a table of pixels. Either becomes a stream of records, the records become one cache folder
`data/cache/<fingerprint>/`, and the cache folder becomes a Dataset.
"""

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain, pairwise
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import numpy as np
from filelock import FileLock
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers import faces
from helpers.files import write_json

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "data" / "cache"
KNOWN_NAMES = ("faces", "fer2013")
SPLITS = ("train", "validation", "test")
FER2013_CLASSES = faces.CLASS_NAMES
FER2013_SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
FER2013_SIZE, OTHER_SIZE = 48, 64  # pixels a side, unless asked otherwise
MAX_UNREADABLE = 0.01  # share of the images that may be left out

_FER2013_FILES = tuple(
    f"{stem}{ending}"
    for stem in ("fer2013", "icml_face_data")
    for ending in (".zip", "", ".csv", ".csv.gz", ".csv.zip", ".tar.gz")
)
_ARCHIVE_ENDINGS = {".zip", ".gz", ".tar", ".tgz", ".csv"}
_PICTURE_ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
_PICTURE_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # no format that runs a program
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_LABEL_COLUMNS, _PIXEL_COLUMNS = ("emotion", "label"), ("pixels", "feature")
_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile)
_FER2013_SPLIT_NAMES = {split: usage for usage, split in FER2013_SPLITS.items()}
_OTHER_SPLIT_NAMES = {"train": "training", "validation": "validation", "test": "test"}
_TRAIN, _VALIDATION, _TEST = range(len(SPLITS))
_SPLIT_INDEX = {"": -1, "train": _TRAIN, "validation": _VALIDATION, "test": _TEST}
_ONE_PIECE_NOTE = (
    "These data come in one piece, so 80 % of the images are the training, 10 % the validation and 10 % the "
    "test split, drawn class by class, with identical images kept on one side."
)
_LAYOUT = 1  # raised when the same source is decoded or split differently
_SPLIT_SEED = 0
_BATCH, _ROUND = 32, 1024  # images a task, images under way at once: threads pay off only above single images
_PROBES = 256  # images that decide between grey and colour


class DatasetError(ValueError):
    """A data set that cannot be found or used; the message is one sentence for the user."""


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


class _Record(NamedTuple):
    name: str
    label: int
    split: str  # one of SPLITS, or "" where the source does not say
    pixels: np.ndarray | str  # (H, W, C) uint8, or why it cannot be read


@dataclass(frozen=True)
class _Contents:
    title: str
    class_names: tuple[str, ...]
    split_names: Mapping[str, str]  # what the source calls each of SPLITS
    shape: tuple[int, int, int]
    notes: tuple[str, ...]
    records: Iterable[_Record]


_Opener = Callable[[], BinaryIO]
_Members = Mapping[str, _Opener]


def load_dataset(
    name_or_path: str, cache: Path = CACHE, image_size: int | None = None, keep_training: bool = False
) -> Dataset:
    """Open a data set, decoding it into the cache the first time.

    name_or_path: "faces", "fer2013" (looked for under data/), or a path, relative to the repository root or
    else to the working directory; image_size: pixels a side, by default 48 for FER2013, 64 for other images.
    keep_training: where the source lacks a validation or a test split, take none of its training images for
    validation; the split that it has is then both. Such a data set has a fingerprint of its own.
    Raises DatasetError where there is no such data, or where they cannot be used.
    """
    source = identify(name_or_path, cache, image_size)
    folder = cache / source.fingerprint
    if not _is_intact(folder):
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{source.fingerprint}.lock"):
            if not _is_intact(folder):
                _build(source, folder, image_size)
    return _open(source, folder, keep_training)


def identify(name_or_path: str, cache: Path = CACHE, image_size: int | None = None) -> Source:
    """Find a data set and fingerprint its content, without decoding an image.

    Files are hashed once and then known by size and time. Arguments and errors are those of load_dataset, but
    that only missing data are an error.
    """
    path = _locate(name_or_path)
    digest = _sha256(Path(faces.__file__)) if path is None else _content_digest(path, cache)
    fingerprint = hashlib.sha256(f"{digest} {image_size} {_LAYOUT}".encode()).hexdigest()[:16]
    name = name_or_path if name_or_path in KNOWN_NAMES else _run_name(path, fingerprint)
    return Source(name, fingerprint, path)


# finding and fingerprinting


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


def _content_digest(path: Path, cache: Path) -> str:
    """Hash the content of a file or folder, or recall it where sizes and times are those of last time."""
    files = _visible_files(path) if path.is_dir() else {"": path}
    stats = {name: file.stat() for name, file in files.items()}
    stamp = _digest_lines(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats.items())
    memo = cache / "known" / f"{_digest_lines([str(path)])[:16]}.json"
    with suppress(OSError, ValueError, KeyError):
        known = json.loads(memo.read_text())
        if known["stamp"] == stamp:
            return known["digest"]
    digest = _digest_lines(f"{name} {_sha256(file)}" for name, file in files.items())
    write_json(memo, {"stamp": stamp, "digest": digest})
    return digest


def _visible_files(folder: Path) -> dict[str, Path]:
    """Map the relative path of every file that is not hidden to the file, sorted."""
    found = [Path(parent, file) for parent, _, files in os.walk(folder) for file in files]
    names = {file.relative_to(folder).as_posix(): file for file in found}
    return {name: names[name] for name in sorted(names) if not _is_hidden(name)}


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _digest_lines(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# recognising what a path holds


def _recognise(path: Path, image_size: int | None) -> _Contents:
    members = _members(path)
    pictures = [PurePosixPath(name) for name in sorted(members) if _is_picture(name)]
    if pictures:
        return _picture_contents(path, members, pictures, image_size)
    tables = {name: _find_columns(members[name]) for name in members if _may_be_table(name, members)}
    usable = [name for name, columns in tables.items() if columns]
    if usable:
        name = max(usable, key=lambda name: len(tables[name]))  # the one that knows its splits, if any
        return _table_contents(members[name], tables[name], image_size or FER2013_SIZE)
    raise DatasetError(
        f"{path} holds no labelled images; give a folder or a zip with a folder of images for each class, or "
        "a CSV with the columns emotion,pixels,Usage or label,feature (plain, .gz, .zip or .tar.gz)."
    )


def _members(path: Path) -> _Members:
    """Map the name of each file that a folder, an archive or a file holds to a function that opens it."""
    if path.is_dir():
        return {name: partial(file.open, "rb") for name, file in _visible_files(path).items()}
    if zipfile.is_zipfile(path):
        return _zip_members(path)
    if tarfile.is_tarfile(path):
        return _tar_members(path)
    with path.open("rb") as file:
        magic = file.read(2)
    if magic == b"PK":
        raise zipfile.BadZipFile("its end is missing")
    return {path.name: partial(gzip.open, path) if magic == b"\x1f\x8b" else partial(path.open, "rb")}


def _zip_members(path: Path) -> _Members:
    archive = zipfile.ZipFile(path)
    entries = [entry for entry in archive.infolist() if not entry.is_dir() and not _is_hidden(entry.filename)]
    if any(entry.flag_bits & 1 for entry in entries):
        raise DatasetError(f"{path} is protected by a password; unpack it and give the folder instead.")
    return {entry.filename: partial(archive.open, entry) for entry in entries}


def _tar_members(path: Path) -> _Members:
    """List the tables of a tar archive; its pictures cannot be read in any order but its own."""
    archive = tarfile.open(path)  # noqa: SIM115 (its members are opened later)
    tables = [entry for entry in archive if entry.isfile() and entry.name.lower().endswith(".csv")]
    return {entry.name: partial(archive.extractfile, entry) for entry in tables if not _is_hidden(entry.name)}


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in _PICTURE_ENDINGS and len(path.parts) > 1


def _may_be_table(name: str, members: _Members) -> bool:
    return len(members) == 1 or name.lower().endswith(".csv")


# tables of pixels


def _find_columns(opener: _Opener) -> dict[str, int] | None:
    """Number a table's columns "label", "pixels" and, if any, "usage"; None where it is no table of faces."""
    with opener() as file:
        header = file.readline(1000).decode("utf-8-sig", errors="replace")
    names = [cell.strip().lower() for cell in _cells(header)]
    meanings = {"label": _LABEL_COLUMNS, "pixels": _PIXEL_COLUMNS, "usage": ("usage",)}
    columns = {key: names.index(word) for key, words in meanings.items() for word in words if word in names}
    return columns if {"label", "pixels"} <= columns.keys() else None


def _cells(line: str) -> list[str]:
    # pixels are parted by blanks, so no cell holds a comma; csv.reader would take twice as long
    return line.replace('"', "").rstrip().split(",")


def _table_contents(opener: _Opener, columns: Mapping[str, int], size: int) -> _Contents:
    records = _table_records(opener, columns, size)
    return _Contents("FER2013", FER2013_CLASSES, _FER2013_SPLIT_NAMES, (size, size, 1), (), records)


def _table_records(opener: _Opener, columns: Mapping[str, int], size: int) -> Iterator[_Record]:
    with io.TextIOWrapper(opener(), encoding="utf-8", errors="replace") as lines:
        next(lines)
        for number, line in enumerate(lines, start=2):
            if line.strip():
                yield _table_record(f"row {number}", _cells(line), columns, size)


def _table_record(name: str, cells: Sequence[str], columns: Mapping[str, int], size: int) -> _Record:
    try:
        label, split = _parse_label(cells[columns["label"]]), _parse_usage(cells, columns)
        return _Record(name, label, split, _parse_pixels(cells[columns["pixels"]], size))
    except IndexError:
        return _Record(name, 0, "", f"has {len(cells)} columns, too few")
    except ValueError as error:
        return _Record(name, 0, "", str(error))


def _parse_label(text: str) -> int:
    if text.strip() not in map(str, range(len(FER2013_CLASSES))):
        raise ValueError(f"label {text.strip()!r} is not a number from 0 to {len(FER2013_CLASSES) - 1}")
    return int(text)


def _parse_usage(cells: Sequence[str], columns: Mapping[str, int]) -> str:
    if "usage" not in columns:
        return ""
    usage = cells[columns["usage"]].strip()
    if usage not in FER2013_SPLITS:
        raise ValueError(f"usage {usage!r} is none of {', '.join(FER2013_SPLITS)}")
    return FER2013_SPLITS[usage]


def _parse_pixels(text: str, size: int) -> np.ndarray:
    """Turn 48 * 48 numbers parted by blanks into (size, size, 1) uint8."""
    try:
        values = np.fromstring(text, dtype=np.int64, sep=" ")
    except ValueError:
        raise ValueError("has a pixel that is not a whole number") from None
    if len(values) != FER2013_SIZE**2:
        raise ValueError(f"has {len(values)} pixels instead of {FER2013_SIZE**2}")
    if values.min() < 0 or values.max() > 255:
        raise ValueError("has a pixel outside 0..255")
    pixels = values.astype(np.uint8).reshape(FER2013_SIZE, FER2013_SIZE)
    return _resize(Image.fromarray(pixels), size)


# pictures in class folders


def _picture_contents(
    path: Path, members: _Members, pictures: Sequence[PurePosixPath], image_size: int | None
) -> _Contents:
    is_fer2013 = all(map(_is_fer2013, pictures))
    splits = {picture: _find_split(picture, is_fer2013) for picture in pictures}
    used = [picture for picture in pictures if splits[picture]] or pictures
    class_names = FER2013_CLASSES if is_fer2013 else _class_names(path, used)
    size = image_size or (FER2013_SIZE if is_fer2013 else OTHER_SIZE)
    openers = [members[str(picture)] for picture in used]
    mode = "RGB" if _has_colour(openers, size) else "L"
    return _Contents(
        "FER2013" if is_fer2013 else f"Images of {len(class_names)} classes",
        class_names,
        _FER2013_SPLIT_NAMES if is_fer2013 else _OTHER_SPLIT_NAMES,
        (size, size, len(mode)),
        _leftover_notes(len(pictures) - len(used)),
        (
            _Record(str(picture), class_names.index(_class_name(picture)), splits[picture], pixels)
            for picture, pixels in zip(used, _decode_all(openers, size, mode), strict=True)
        ),
    )


def _is_fer2013(picture: PurePosixPath) -> bool:
    return _class_name(picture) in FER2013_CLASSES and picture.name.split("_")[0] in FER2013_SPLITS


def _class_name(picture: PurePosixPath) -> str:
    name = picture.parent.name
    return name.lower() if name.lower() in FER2013_CLASSES else name


def _find_split(picture: PurePosixPath, is_fer2013: bool) -> str:
    """Read the split off the file's name (FER2013) or the folder above the class's folder; "" if none."""
    if is_fer2013:
        return FER2013_SPLITS[picture.name.split("_")[0]]
    words = re.split("[^a-z]+", picture.parent.parent.name.lower())
    return next((_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS), "")


def _class_names(path: Path, pictures: Sequence[PurePosixPath]) -> tuple[str, ...]:
    names = {_class_name(picture) for picture in pictures}
    if names <= _SPLIT_WORDS.keys():
        raise DatasetError(f"{path} has no class folders; put the images of each class into a folder of its own.")
    return FER2013_CLASSES if names == set(FER2013_CLASSES) else tuple(sorted(names))


def _leftover_notes(count: int) -> tuple[str, ...]:
    return (f"Images outside the folders of the splits, {count:,} in number, were not used.",) if count else ()


def _has_colour(openers: Sequence[_Opener], size: int) -> bool:
    """Tell whether any of a few hundred images, evenly spaced, has a pixel that is not grey."""
    probes = openers[:: max(1, len(openers) // _PROBES)]
    return any(
        not isinstance(image, str) and np.ptp(image, axis=-1).any() for image in _decode_all(probes, size, "RGB")
    )


def _decode_all(openers: Sequence[_Opener], size: int, mode: str) -> Iterator[np.ndarray | str]:
    """Decode images on all cores, in order, a bounded number at a time."""
    decode = partial(_decode_batch, size=size, mode=mode)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for round_ in _cut_up(openers, _ROUND):
            yield from chain.from_iterable(pool.map(decode, _cut_up(round_, _BATCH)))


def _cut_up(openers: Sequence[_Opener], length: int) -> Iterator[Sequence[_Opener]]:
    return (openers[start : start + length] for start in range(0, len(openers), length))


def _decode_batch(openers: Sequence[_Opener], size: int, mode: str) -> list[np.ndarray | str]:
    return [_decode(opener, size, mode) for opener in openers]


def _decode(opener: _Opener, size: int, mode: str) -> np.ndarray | str:
    """Decode an image to (size, size, C) uint8, C being 1 for mode "L" and 3 for "RGB", or say why not."""
    try:
        with opener() as file, Image.open(io.BytesIO(file.read()), formats=_PICTURE_FORMATS) as image:
            image.draft(None, (size, size))
            return _resize(ImageOps.exif_transpose(image).convert(mode), size)
    except UnidentifiedImageError:
        return "is not an image"
    except Exception as error:  # decoders answer foreign bytes with errors of any kind
        return str(error) or type(error).__name__


def _resize(image: Image.Image, size: int) -> np.ndarray:
    """Crop the middle square and scale it, with antialiasing, to (size, size, C) uint8."""
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(size, size, -1)


# splitting


def _arrange(
    path: Path, contents: _Contents, labels: np.ndarray, given: np.ndarray, twins: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Give each image its split; returns (N,) int64, index into SPLITS, and notes that say what was done.

    labels: (N,) int64; given: (N,) int64, index into SPLITS or -1; twins: (N,) int64, equal for equal images.
    """
    present = set(given.tolist())
    if len(present) == 1:
        splits, notes = _deal(labels, twins, (0.8, 0.1, 0.1)), (_ONE_PIECE_NOTE,)
    elif _TRAIN in present:
        splits, notes = _complete(given, labels, twins, contents.split_names)
    else:
        raise DatasetError(f"{path} has no {contents.split_names['train']} images; add some, or take the splits away.")
    _check_classes(path, contents.class_names, labels, splits)
    return splits, notes + _twin_notes(splits, twins)


def _complete(
    given: np.ndarray, labels: np.ndarray, twins: np.ndarray, names: Mapping[str, str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Where the validation or the test split is missing, validate on a tenth of the training images."""
    missing = [split for index, split in enumerate(SPLITS) if index not in given]
    if not missing:
        return given, ()
    is_train = given == _TRAIN
    splits = np.full_like(given, _TEST)
    splits[is_train] = _deal(labels[is_train], twins[is_train], (0.9, 0.1))
    stand_in = f"the {names['validation']} images are the test split and " if missing == ["test"] else ""
    tenth = f"a tenth of the {names['train']} images, drawn class by class, is the validation split."
    return splits, (f"These data have no {names[missing[0]]} images, so {stand_in}{tenth}",)


def _deal(labels: np.ndarray, twins: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Divide images among the first splits, class by class, at random; identical images stay together."""
    generator = np.random.default_rng(_SPLIT_SEED)
    _, first, group, sizes = np.unique(twins, return_index=True, return_inverse=True, return_counts=True)
    dealt = np.zeros(len(first), np.int64)
    for label in np.unique(labels[first]):
        groups = generator.permutation(np.flatnonzero(labels[first] == label))
        middles = np.cumsum(sizes[groups]) - sizes[groups] / 2
        dealt[groups] = np.searchsorted(np.cumsum(shares)[:-1] * sizes[groups].sum(), middles)
    return dealt[group]


def _check_classes(path: Path, names: Sequence[str], labels: np.ndarray, splits: np.ndarray) -> None:
    if len(np.unique(labels)) < 2:
        raise DatasetError(f"{path} has images of one class only, {names[labels[0]]!r}; add a second class.")
    for index, split in enumerate(SPLITS):
        if index not in splits:
            raise DatasetError(
                f"{path} has too few images, {len(labels)}, for a {split} split; add more of each class."
            )
    untrained = np.setdiff1d(labels, labels[splits == _TRAIN])
    if len(untrained):
        unknown = ", ".join(repr(names[label]) for label in untrained)
        raise DatasetError(f"{path} has no training image of {unknown}; add some, or take that class out.")


def _twin_notes(splits: np.ndarray, twins: np.ndarray) -> tuple[str, ...]:
    tested = twins[splits == _TEST]
    known = np.isin(tested, twins[splits == _TRAIN]).sum()
    note = f"The test split shares {known:,} of its {len(tested):,} images with the training split."
    return (note,) if known else ()


def _keep_training(given: np.ndarray, twins: np.ndarray, names: Mapping[str, str]) -> dict[str, object] | None:
    """Say what differs where no training image is held out: bounds and notes; None where the source has no splits.

    given, twins: as in `_arrange`. Images are ordered by split, so the training images stay neighbours.
    """
    missing = _missing_splits(given)
    if len(missing) != 1:
        return None
    only = next(split for split in ("validation", "test") if split not in missing)
    train, tested = int((given == _TRAIN).sum()), int((given == _SPLIT_INDEX[only]).sum())
    note = (
        f"These data have no {names[missing[0]]} images, so the {names[only]} images are both the validation split, "
        "by which networks are chosen, and the test split: their accuracies there flatter them."
    )
    both = (train, train + tested)
    return {
        "bounds": {"train": (0, train), "validation": both, "test": both},
        "split_notes": (note, *_twin_notes(np.where(given == _TRAIN, _TRAIN, _TEST), twins)),
    }


def _missing_splits(given: np.ndarray) -> list[str]:
    """Name the splits that the source does not have; all three where it is in one piece."""
    present = set(given.tolist())
    return [split for index, split in enumerate(SPLITS) if index not in present or len(present) == 1]


# the cache


def _build(source: Source, folder: Path, image_size: int | None) -> None:
    """Fill the cache folder beside its place and move it there at the end; needs the folder's lock."""
    draft = folder.with_suffix(".partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        facts = _store_faces(draft) if source.path is None else _store_path(draft, source.path, image_size)
        write_json(draft / "dataset.json", facts | {"files": _describe_files(draft)})
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    except _DAMAGE as error:
        raise DatasetError(f"{source.path} is damaged ({error}); download or make it again.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _store_faces(draft: Path) -> dict[str, object]:
    drawn = faces.generate()
    images, labels, evidence = (np.concatenate([drawn[split][part] for split in SPLITS]) for part in range(3))
    for name, array in (("images", images), ("labels", labels), ("evidence", evidence)):
        np.save(draft / f"{name}.npy", array)
    return {
        "title": "Schematic faces (generated)",
        "class_names": faces.CLASS_NAMES,
        "bounds": _bounds(len(drawn[split][1]) for split in SPLITS),
        "notes": ("The faces are drawn by a program, so every pixel's part in the expression is known.",),
        "split_notes": (),
        "skipped": (),
        "missing": (),
        "keep_training": None,
    }


def _store_path(draft: Path, path: Path, image_size: int | None) -> dict[str, object]:
    contents = _recognise(path, image_size)
    scratch = draft / "decoded"
    labels, given, twins, skipped = _decode_records(contents.records, scratch)
    _check_skipped(path, skipped, len(labels))
    splits, notes = _arrange(path, contents, labels, given, twins)
    order = _shuffle_within(splits)
    images = np.memmap(scratch, np.uint8, "r", shape=(len(labels), *contents.shape))
    _reorder(images, order, draft / "images.npy")
    scratch.unlink()
    np.save(draft / "labels.npy", labels[order])
    return {
        "title": contents.title,
        "class_names": contents.class_names,
        "bounds": _bounds(np.bincount(splits, minlength=len(SPLITS)).tolist()),
        "notes": contents.notes,
        "split_notes": notes,
        "skipped": skipped,
        "missing": _missing_splits(given),
        "keep_training": _keep_training(given, twins, contents.split_names),
    }


def _decode_records(
    records: Iterable[_Record], scratch: Path
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Write the pixels one behind the other; return labels, given splits, twins, and what was left out."""
    facts, skipped = [], []
    with scratch.open("wb") as file:
        for record in records:
            if isinstance(record.pixels, str):
                skipped.append(f"{record.name}: {record.pixels}")
                continue
            file.write(record.pixels.tobytes())
            facts.append((record.label, _SPLIT_INDEX[record.split], _hash_pixels(record.pixels)))
    labels, given, twins = np.array(facts, np.int64).reshape(-1, 3).T
    return labels, given, twins, tuple(skipped)


def _hash_pixels(pixels: np.ndarray) -> int:
    return int.from_bytes(hashlib.blake2b(pixels.tobytes(), digest_size=8).digest(), signed=True)


def _check_skipped(path: Path, skipped: Sequence[str], kept: int) -> None:
    if not kept or len(skipped) > MAX_UNREADABLE * (kept + len(skipped)):
        raise DatasetError(
            f"{path}: {len(skipped):,} of {kept + len(skipped):,} images cannot be read, more than "
            f"{MAX_UNREADABLE:.0%}; repair or remove them, the first being {'; '.join(skipped[:10])}."
        )


def _shuffle_within(splits: np.ndarray) -> np.ndarray:
    """Order images by split and at random within each, so that the head of a split is a fair sample of it."""
    shuffled = np.random.default_rng(_SPLIT_SEED).permutation(len(splits))
    return shuffled[np.argsort(splits[shuffled], kind="stable")]


def _reorder(images: np.ndarray, order: np.ndarray, target: Path) -> None:
    ordered = np.lib.format.open_memmap(target, "w+", np.uint8, images.shape)
    for start in range(0, len(order), _ROUND):
        ordered[start : start + _ROUND] = images[order[start : start + _ROUND]]
    ordered.flush()


def _bounds(counts: Iterable[int]) -> dict[str, tuple[int, int]]:
    ends = list(accumulate(counts, initial=0))
    return dict(zip(SPLITS, pairwise(ends), strict=True))


def _describe_files(folder: Path) -> dict[str, dict[str, int | str]]:
    stats = {file: file.stat() for file in sorted(folder.glob("*.npy"))}
    return {
        file.name: {"size": stat.st_size, "modified": stat.st_mtime_ns, "sha256": _sha256(file)}
        for file, stat in stats.items()
    }


def _is_intact(folder: Path) -> bool:
    """Tell whether a cache folder holds what was written; a file is hashed only if its time has changed."""
    try:
        facts = json.loads((folder / "dataset.json").read_text())
        return "missing" in facts and all(_is_unchanged(folder / name, **file) for name, file in facts["files"].items())
    except (OSError, ValueError, KeyError):
        return False


def _is_unchanged(file: Path, size: int, modified: int, sha256: str) -> bool:
    status = file.stat()
    return status.st_size == size and (status.st_mtime_ns == modified or _sha256(file) == sha256)


def _open(source: Source, folder: Path, keep_training: bool) -> Dataset:
    facts = json.loads((folder / "dataset.json").read_text())
    changed = keep_training and bool(facts["missing"])
    if changed and facts["keep_training"] is None:
        raise DatasetError(
            f"{source.path} does not say which of its images are for training; give data that are divided into splits."
        )
    facts |= facts["keep_training"] if changed else {}
    cut = {name: _cut(folder / name, facts["bounds"]) for name in facts["files"]}
    return Dataset(
        name=source.name,
        class_names=tuple(facts["class_names"]),
        **{split: Split(cut["images.npy"][split], cut["labels.npy"][split]) for split in SPLITS},
        fingerprint=f"{source.fingerprint}-kept" if changed else source.fingerprint,
        title=facts["title"],
        notes=(*facts["notes"], *facts["split_notes"]),
        evidence=cut.get("evidence.npy"),
        skipped=tuple(facts["skipped"]),
        missing=tuple(facts["missing"]),
    )


def _cut(file: Path, bounds: Mapping[str, tuple[int, int]]) -> dict[str, np.ndarray]:
    array = np.load(file, mmap_mode="r")
    return {split: array[start:end] for split, (start, end) in bounds.items()}
