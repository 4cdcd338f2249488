"""The cache: data decoded once into a folder of arrays, checked by size and hash, memory-mapped ever after."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
from filelock import FileLock

from helpers import faces
from helpers.decode import scale, scale_masks
from helpers.files import write_json
from helpers.sources import SPLITS, Contents, DatasetError, Record, visible_files
from helpers.splits import arrange, keep_training, missing_splits, shuffle_within

MAX_UNREADABLE = 0.01  # share of the images that may be left out
Facts = dict[str, object]
_SPLIT_INDEX = {"": -1} | {split: index for index, split in enumerate(SPLITS)}
_ROUND = 1024  # images copied at a time


def content_digest(path: Path, cache: Path) -> str:
    """Hash the content of a file or folder, or recall it where sizes and times are those of last time."""
    files = visible_files(path) if path.is_dir() else {"": path}
    stats = {name: file.stat() for name, file in files.items()}
    stamp = digest_lines(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats.items())
    memo = cache / "known" / f"{digest_lines([str(path)])[:16]}.json"
    with suppress(OSError, ValueError, KeyError):
        known = json.loads(memo.read_text())
        if known["stamp"] == stamp:
            return known["digest"]
    digest = digest_lines(f"{name} {file_sha256(file)}" for name, file in files.items())
    write_json(memo, {"stamp": stamp, "digest": digest})
    return digest


def digest_lines(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def file_sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def ensure(folder: Path, write: Callable[[Path], Facts]) -> None:
    """Fill a cache folder unless it holds what was written before; of several processes one does it.

    write: puts the arrays into the folder that it is given and returns facts about them. A folder is written
    beside its place and moved there at the end, so that it is whole or absent.
    """
    if is_intact(folder):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not is_intact(folder):
            _fill(folder, write)


def _fill(folder: Path, write: Callable[[Path], Facts]) -> None:
    draft = folder.with_suffix(".partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        facts = write(draft)
        write_json(draft / "dataset.json", facts | {"files": _describe_files(draft)})
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_faces(draft: Path, image_size: int | None) -> Facts:
    """Draw the embedded faces into a folder, scaled where a size is given; returns the facts about them."""
    drawn = faces.generate()
    images, labels, evidence = (np.concatenate([drawn[split][part] for split in SPLITS]) for part in range(3))
    if image_size:
        images, evidence = scale(images, image_size), scale_masks(evidence, image_size)
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


def write_contents(draft: Path, path: Path, contents: Contents) -> Facts:
    """Decode and split what a path holds into a folder; returns the facts about it."""
    scratch = draft / "decoded"
    labels, given, twins, skipped = _decode_records(contents.records, scratch)
    _check_skipped(path, skipped, len(labels))
    splits, notes = arrange(path, contents, labels, given, twins)
    order = shuffle_within(splits)
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
        "missing": missing_splits(given),
        "keep_training": keep_training(given, twins, contents.split_names),
    }


def _decode_records(
    records: Iterable[Record], scratch: Path
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
        file.name: {"size": stat.st_size, "modified": stat.st_mtime_ns, "sha256": file_sha256(file)}
        for file, stat in stats.items()
    }


def is_intact(folder: Path) -> bool:
    """Tell whether a cache folder holds what was written; a file is hashed only if its time has changed."""
    try:
        facts = read_facts(folder)
        return "missing" in facts and all(_is_unchanged(folder / name, **file) for name, file in facts["files"].items())
    except (OSError, ValueError, KeyError):
        return False


def _is_unchanged(file: Path, size: int, modified: int, sha256: str) -> bool:
    status = file.stat()
    return status.st_size == size and (status.st_mtime_ns == modified or file_sha256(file) == sha256)


def read_facts(folder: Path) -> Facts:
    """Read the facts about a cache folder."""
    return json.loads((folder / "dataset.json").read_text())


def read_arrays(folder: Path, facts: Facts) -> dict[str, dict[str, np.ndarray]]:
    """Open the arrays of a cache folder, by name and split, memory-mapped."""
    return {Path(name).stem: _cut(folder / name, facts["bounds"]) for name in facts["files"]}


def _cut(file: Path, bounds: Mapping[str, tuple[int, int]]) -> dict[str, np.ndarray]:
    array = np.load(file, mmap_mode="r")
    return {split: array[start:end] for split, (start, end) in bounds.items()}
