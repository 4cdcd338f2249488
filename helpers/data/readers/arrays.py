"""Arrays of images and of labels in NumPy's files (.npy, .npz), IDX (as MNIST comes) or MATLAB's (as SVHN comes).

A .npz is an archive of .npy files, and is listed as one.

They are paired by their names, which are those of MedMNIST, Keras and others. Nothing that is pickled is read.
http://yann.lecun.com/exdb/mnist/ describes IDX.
"""

import io
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import numpy as np

from helpers.base.words import said
from helpers.data.containers import Members
from helpers.data.labels.words import VOCABULARY, find_split, without_split
from helpers.data.options import Options
from helpers.data.readers.stacks import Stack, read_stacks
from helpers.data.reading import Reading, unused
from helpers.data.sources import Contents, Image, Opener, UnreadableError, refused

_SPLIT = re.compile(r"(?<![a-wz])(train(?:ing)?|test(?:ing)?|t10k|val(?:id(?:ation)?)?|dev)")
_IMAGES, _LABELS, _NO_LABELS, _CLASS_NAMES = (
    frozenset(VOCABULARY["arrays"][kind]) for kind in ("images", "labels", "no_labels", "class_names")
)
_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


_Header = tuple[tuple[int, ...], bool, np.dtype]  # shape, whether in Fortran's order, type


class _Array(NamedTuple):
    """An array in a file, of which no more is read than is asked for."""

    path: Path
    key: str
    opener: Opener
    parse: Callable[[BinaryIO], _Header]

    def open(self) -> tuple[BinaryIO, _Header]:
        """Open the file behind the header; DatasetError where that is damaged or what follows is pickled."""
        stream = self.opener()
        try:
            header = self.parse(stream)
        except ValueError as error:
            raise refused("array", path=self.path, name=f"the array {self.key!r}", reason=str(error)) from error
        if header[2].hasobject:
            raise refused("pickled", path=self.path, name=self.key)
        return stream, header

    def rows(self) -> Iterator[np.ndarray]:
        """Give what the first axis counts, one by one, without holding all where they lie behind each other."""
        stream, (shape, fortran, dtype) = self.open()
        count, *inner = shape or (0,)
        size = math.prod(inner) * dtype.itemsize
        with stream:
            if fortran:
                yield from np.frombuffer(_read_exactly(stream, count * size), dtype).reshape(shape, order="F")
                return
            for _ in range(count):
                yield np.frombuffer(_read_exactly(stream, size), dtype).reshape(inner)


Arrays = Mapping[str, _Array]  # by key


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("an array ends too early")
    return data


def find(path: Path, members: Members) -> dict[str, Arrays]:
    """List the arrays by file, or by folder where each has a file of its own, and by key."""
    found: dict[str, dict[str, _Array]] = {}
    for name, opener in members.files.items():
        place = PurePosixPath(name)
        folder, ending = str(place.parent) if len(place.parts) > 1 else path.name, place.suffix.lower()
        if ending == ".npy":
            if (
                place.stem == "arr_0" and len(place.parts) > 1
            ):  # as NumPy calls the array of a .npz whose maker gave no name
                place, folder = place.parent, str(place.parent.parent)
            found.setdefault(folder, {})[place.stem] = _Array(path, place.stem, opener, _parse_npy)
        elif ending == ".mat":
            found[name] = _read_matlab(path, name, opener)
        elif ("idx" in name.lower() or ending in ("", ".ubyte")) and _is_idx(opener):
            found.setdefault(folder, {})[place.name] = _Array(path, place.name, opener, _parse_idx)
    # whatever these are called, `read` says what they should be
    meant = path.suffix == ".npz" or all(name.endswith(".npy") for name in members.files)
    return {n: arrays for n, arrays in found.items() if meant or n.endswith(".mat") or any(map(_kind_of, arrays))}


def _parse_npy(stream: BinaryIO) -> _Header:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(stream)


def _is_idx(opener: Opener) -> bool:
    head = b""
    with suppress(OSError, EOFError, UnreadableError), opener() as stream:
        head = stream.read(4)
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in _IDX_TYPES and 1 <= head[3] <= 4


def _parse_idx(stream: BinaryIO) -> _Header:
    head = stream.read(4)
    sizes = np.frombuffer(_read_exactly(stream, 4 * head[3]), ">u4")
    return tuple(sizes.tolist()), False, np.dtype(_IDX_TYPES[head[2]])


def _read_matlab(path: Path, name: str, opener: Opener) -> dict[str, _Array]:
    """Read the arrays of a file before version 7.3, those of images, (H, W, C, N), turned to have these in front."""
    from scipy.io import loadmat

    try:
        with opener() as stream:
            loaded = loadmat(stream)  # type: ignore[arg-type]  # it takes files as well as paths
    except Exception as error:  # its reader answers foreign bytes with errors of any kind
        raise refused("array", path=path, name=name, reason=str(error)) from error
    values = {key: np.asarray(value) for key, value in loaded.items() if isinstance(value, np.ndarray)}
    values = {key: value.reshape(-1) if value.size in value.shape else value for key, value in values.items()}
    counts = {value.size for key, value in values.items() if _kind_of(key) == "labels"}
    turned = {k: np.moveaxis(v, -1, 0) if v.ndim > 2 and v.shape[-1] in counts else v for k, v in values.items()}
    parsers = {k: partial(lambda header, _: header, (v.shape, False, v.dtype)) for k, v in turned.items()}
    return {k: _Array(path, k, partial(io.BytesIO, value.tobytes()), parsers[k]) for k, value in turned.items()}


def _kind_of(key: str) -> str:
    """Tell whether an array is called one of "images" or of "labels", "" if neither."""
    words = _words(key)
    if words & _NO_LABELS:
        return ""
    return "images" if words & _IMAGES else "labels" if words & _LABELS else ""


def _words(key: str) -> set[str]:
    return {*re.findall("[a-z]+", _SPLIT.sub(" ", key.lower()))}


def _split_of(key: str) -> str:
    found = _SPLIT.search(key.lower())
    return find_split(found[1].replace("t10k", "test")) if found else ""


def _pair(arrays: Arrays) -> Iterator[tuple[str, str | None]]:
    """Pair arrays of images with those of labels whose names say the same beside that, or are alone in their split."""
    by_kind = {kind: [key for key in arrays if _kind_of(key) == kind] for kind in ("images", "labels")}
    for key in by_kind["images"]:
        rivals, labels = ([k for k in keys if _split_of(k) == _split_of(key)] for keys in by_kind.values())
        same = [label for label in labels if _words(label) - _LABELS == _words(key) - _IMAGES]
        yield key, next(iter(same or (labels if len(rivals) == 1 else [])), None)


def read(path: Path, members: Members, found: Mapping[str, Arrays], options: Options) -> Contents:
    """Read arrays of images, each with those of their labels."""
    pairs = [(file, arrays, *pair) for file, arrays in found.items() for pair in _pair(arrays)]
    stacks = [_stack(path, file, arrays[images], arrays[key]) for file, arrays, images, key in pairs if key]
    if not stacks:
        raise refused("arrays", path=path, names=[key for arrays in found.values() for key in arrays])
    named = [
        (find_split(file), without_split(PurePosixPath(file).stem), key) for file, _, key, labels in pairs if labels
    ]
    sets = {(_split_of(key) or split, rest, *sorted(_words(key) - _IMAGES)) for split, rest, key in named}
    if len(sets) > len({split for split, *_ in sets}):
        raise refused("several_sets", path=path, names=[f"{key} in {file}" for file, _, key, labels in pairs if labels])
    alone = [f"{images} in {file}" for file, _, images, key in pairs if not key]
    told = said("data.labels.arrays", arrays=sorted({key for *_, key in pairs if key}))
    names = [array for arrays in found.values() for key, array in arrays.items() if key in _CLASS_NAMES]
    tables = [name for name in members.files if name.lower().endswith((".csv", ".tsv"))]
    left = (*unused(said("data.left.arrays"), alone), *unused(said("data.left.beside"), tables))
    reading = Reading(labels_from=told, unused=left)
    return read_stacks(path, members, stacks, options, reading, [n for array in names[:1] for n in _read_labels(array)])


def _stack(path: Path, file: str, images: _Array, labels: _Array) -> Stack:
    split, texts = _split_of(images.key) or find_split(PurePosixPath(file).stem), _read_labels(labels)
    stream, (shape, *_) = images.open()
    stream.close()
    if (count := next(iter(shape), 0)) != len(texts):
        raise refused("numbers", path=path, name=images.key, images=count, label=labels.key, labels=len(texts))
    rows = [Image(str(number), text, split) for number, text in enumerate(texts, start=1)]
    return Stack(f"{file}, {images.key}, number", rows, lambda: (partial(np.asarray, row) for row in images.rows()))


def _read_labels(array: _Array) -> list[str]:
    """Read labels, also in a column or one-hot, as text; raises DatasetError where images have several."""
    values = np.array([*array.rows()])
    values = values.reshape(len(values), -1) if values.size else values.reshape(0, 1)
    if values.shape[1] > 1:
        if not np.isin(values, (0, 1)).all() or (values.sum(axis=1) != 1).any():
            raise refused("several", path=array.path, name=array.key)
        values = values.argmax(axis=1)
    flat = values.reshape(-1)
    if np.issubdtype(flat.dtype, np.floating) and np.all(flat == np.rint(flat)):
        flat = flat.astype(np.int64)
    return [value.decode() if isinstance(value, bytes) else str(value) for value in flat.tolist()]
