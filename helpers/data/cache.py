"""Data as a folder of arrays: decoded once, split once, memory-mapped ever after."""

import hashlib
import json
import math
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np

from helpers.base.files import write_json, writing
from helpers.base.folders import Facts, file_sha256
from helpers.base.words import plain, said
from helpers.data import faces
from helpers.data.containers import visible_files
from helpers.data.decode import scale, scale_masks
from helpers.data.reading import Pixels, Reading, count
from helpers.data.sources import SPLITS, Contents, Record, printable, refused
from helpers.data.splits import arrange, drop_empty_classes, keep_training, missing_splits, shuffle_within

MAX_UNREADABLE = 0.01  # share of the images that may be left out
_SPLIT_INDEX = {"": -1} | {split: index for index, split in enumerate(SPLITS)}
_NAME = 200  # bytes kept of an image's name, the last ones, so that names take less room than images


def content_digest(path: Path, cache: Path) -> str:
    """Hash the content of a file or folder, or recall it where sizes and times are those of last time."""
    files = visible_files(path) if path.is_dir() else {"": path}
    stamp = digest_lines(f"{name} {_state(file)}" for name, file in files.items())
    memo = cache / "known" / f"{digest_lines([str(path)])[:16]}.json"
    with suppress(OSError, ValueError, KeyError):
        known = json.loads(memo.read_text())
        if known["stamp"] == stamp:
            return known["digest"]
    hash_file = _try_sha256 if path.is_dir() else file_sha256
    digest = digest_lines(f"{name} {hash_file(file)}" for name, file in files.items())
    with suppress(OSError):  # it only saves time, so that a full or read-only disk is no reason to stop
        write_json(memo, {"stamp": stamp, "digest": digest})
    return digest


def digest_lines(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _state(file: Path) -> str:
    """Give a file's size and time; a link that leads nowhere has neither."""
    with suppress(OSError):
        stat = file.stat()
        return f"{stat.st_size} {stat.st_mtime_ns}"
    return "nothing"


def _try_sha256(file: Path) -> str:
    """Hash one file of many, of which some may be unreadable, and pipes, which would be waited for."""
    with suppress(OSError):
        return file_sha256(file) if file.is_file() else "nothing"
    return "unreadable"


def write_faces(draft: Path, image_size: int | None) -> Facts:
    """Draw the embedded faces into a folder, scaled where a size is given; returns the facts about them."""
    drawn = faces.generate()
    images, labels, evidence = (np.concatenate([drawn[split][part] for split in SPLITS]) for part in range(3))
    if image_size:
        images, evidence = scale(images, image_size), scale_masks(evidence, image_size)
    for name, values in (("images", images), ("labels", labels), ("evidence", evidence)):
        _write_array(draft / f"{name}.npy", values.shape, values.dtype, [values.data])
    by_split = {split: np.bincount(drawn[split][1]).tolist() for split in SPLITS}
    reading = Reading(
        title=said("data.title.faces"),
        class_names=faces.CLASS_NAMES,
        labels_from=said("data.labels.drawn"),
        pixels=Pixels(images.shape[1], colour=False),
        splits_from=said("data.splits.drawn"),
        counts={split: dict(zip(faces.CLASS_NAMES, numbers)) for split, numbers in by_split.items()},
    )
    notes = plain("notes", [said("data.notes.drawn")])
    facts = {"reading": reading.as_json(), "bounds": _bounds(map(sum, by_split.values())), "notes": notes}
    return facts | {"split_notes": (), "skipped": (), "missing": (), "keep_training": None}


def write_contents(draft: Path, path: Path, contents: Contents) -> Facts:
    """Decode and split what a path holds into a folder; returns the facts about it."""
    scratch, reading = draft / "decoded", contents.reading
    (labels, given, twins, groups), names, skipped = _decode_records(contents.records, scratch)
    _check_skipped(path, skipped, len(labels))
    class_names, labels, class_notes = drop_empty_classes(reading.class_names, labels)
    splits, notes = arrange(path, class_names, reading.split_names, labels, given, twins, groups)
    order = shuffle_within(splits)[(splits < 0).sum() :]  # those of no split come first
    shape = (len(order), *reading.pixels.shape)
    _write_array(draft / "images.npy", shape, np.dtype(np.uint8), _pick(scratch, order, math.prod(shape[1:])))
    scratch.unlink()
    for file, values in (("labels.npy", labels[order]), ("names.npy", names[order])):
        _write_array(draft / file, values.shape, values.dtype, [values.data])
    pairs = zip(np.take(SPLITS, splits[order]).tolist(), np.take(class_names, labels[order]).tolist())
    unreadable = [said("data.notes.unreadable", n=len(skipped), all=len(labels) + len(skipped))] if skipped else []
    all_notes = (*reading.notes, *class_notes, *unreadable)
    known = replace(reading, class_names=class_names, counts=count(pairs), notes=all_notes)
    return {
        "reading": known.as_json(),
        "bounds": _bounds(np.bincount(splits[order], minlength=len(SPLITS)).tolist()),
        "notes": plain("notes", [*known.unused_notes(), *known.notes]),
        "split_notes": plain("notes", notes),
        "skipped": skipped,
        "missing": missing_splits(given),
        "keep_training": keep_training(given, twins, reading.split_names),
    }


def _decode_records(records: Iterable[Record], scratch: Path) -> tuple[np.ndarray, np.ndarray, list[tuple[str, str]]]:
    """Write the pixels one behind the other.

    Returns labels, given splits, twins and groups, (4, N) int64; names, (N,) bytes; and what was left out, with why.
    """
    facts, names, skipped = array("q"), [], []
    with writing(scratch):
        file = scratch.open("wb")
    with file:
        for record in records:
            if isinstance(record.pixels, str):
                skipped.append((record.name, record.pixels))
                continue
            content = np.asarray(record.pixels).tobytes()
            with writing(scratch):
                file.write(content)
            group = _hash(record.group.encode()) if record.group else 0
            facts.extend((record.label, _SPLIT_INDEX[record.split], _hash(content), group))
            names.append(printable(record.name).encode()[-_NAME:])
        with writing(scratch):
            file.flush()
    return np.array(facts, np.int64).reshape(-1, 4).T, np.array(names or [b"-"]), skipped


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), signed=True)


def check_readable(path: Path, records: Iterable[Record]) -> None:
    """Raise DatasetError where more images than may be left out cannot be read."""
    read = [(record.name, record.pixels if isinstance(record.pixels, str) else "") for record in records]
    skipped = [pair for pair in read if pair[1]]
    _check_skipped(path, skipped, len(read) - len(skipped))


def _check_skipped(path: Path, skipped: Sequence[tuple[str, str]], kept: int) -> None:
    if not kept + len(skipped):
        raise refused("empty", path=path)
    if len(skipped) > MAX_UNREADABLE * (kept + len(skipped)):
        first = "; ".join(f"{name} {printable(reason).rstrip('.')}" for name, reason in skipped[:10])
        counts = {"n": len(skipped), "all": kept + len(skipped)}
        raise refused("unreadable", path=path, **counts, most=MAX_UNREADABLE, first=first)


def _pick(scratch: Path, order: np.ndarray, size: int) -> Iterator[bytes]:
    """Read images of `size` bytes in this order; not memory-mapped, so that they do not count as memory in use."""
    with scratch.open("rb", buffering=0) as file:
        for place in order.tolist():
            file.seek(place * size)
            yield file.read(size)


def _write_array(file: Path, shape: tuple[int, ...], dtype: np.dtype, parts: Iterable[bytes | memoryview]) -> None:
    """Write an array, given in parts, as a .npy file, and see that it reaches the disk.

    A memory-mapped file would not do: where the disk is full, writing into one ends the process without a word.
    """
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with writing(file), file.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        stream.writelines(parts)
        stream.flush()
        os.fsync(stream.fileno())


def _bounds(counts: Iterable[int]) -> dict[str, tuple[int, int]]:
    return dict(zip(SPLITS, pairwise(accumulate(counts, initial=0)), strict=True))


def read_arrays(folder: Path, facts: Facts) -> dict[str, dict[str, np.ndarray]]:
    """Open the arrays of a cache folder, by name and split, memory-mapped."""
    arrays = {Path(name).stem: np.load(folder / name, mmap_mode="r") for name in facts["files"]}
    bounds = facts["bounds"].items()
    return {name: {split: values[start:end] for split, (start, end) in bounds} for name, values in arrays.items()}
