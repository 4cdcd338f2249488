"""NumPy's arrays, .npz or a folder of .npy, named as MedMNIST, Keras and others name them; never pickled objects."""

import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import numpy as np

from helpers.data.containers import Members
from helpers.data.labels.words import find_split
from helpers.data.options import Options
from helpers.data.readers.stacks import Stack, as_labels, kind_of, read_stacks
from helpers.data.reading import Unused
from helpers.data.sources import Contents, DatasetError, Opener, UnreadableError, printable

_Arrays = Mapping[str, Opener]  # by key


class _Header(NamedTuple):
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype


def find(path: Path, members: Members) -> dict[str, dict[str, Opener]]:
    """List the arrays of each .npz file, and of each folder of .npy files, by key."""
    found: dict[str, dict[str, Opener]] = {}
    for name, opener in members.files.items():
        place = PurePosixPath(name)
        if place.suffix.lower() == ".npy":
            found.setdefault(str(place.parent) if len(place.parts) > 1 else path.name, {})[place.stem] = opener
        elif place.suffix.lower() == ".npz":
            archive = _open_archive(path, name, opener)
            keys = [key for key in archive.namelist() if key.endswith(".npy")]
            found[name] = {key[:-4]: partial(archive.open, key) for key in keys}  # type: ignore[misc]
    return {name: keys for name, keys in found.items() if any(map(kind_of, keys))}


def _open_archive(path: Path, name: str, opener: Opener) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(opener())
    except (zipfile.BadZipFile, UnreadableError) as error:
        raise DatasetError(f"{path} holds {printable(name)}, which is damaged ({error}); make it again.") from error


def read(path: Path, members: Members, found: Mapping[str, _Arrays], options: Options) -> Contents:
    """Read arrays of images and of labels, paired by what their names say beside that."""
    stacks: list[Stack] = []
    unused: list[Unused] = []
    names: tuple[str, ...] = ()
    for file, arrays in found.items():
        for split, images, labels in _pair(arrays):
            if labels is None:
                unused.append(Unused("arrays of images without labels", 1, f"{images} in {printable(file)}"))
            else:
                stacks.append(_stack(path, file, split or find_split(PurePosixPath(file).stem), arrays, images, labels))
    for arrays in found.values():
        for key in arrays.keys() & {"label_names", "fine_label_names", "class_names", "classes"}:
            names = tuple(as_labels(path, key, _load(path, key, arrays[key])))
    if not stacks:
        held = ", ".join(repr(key) for arrays in found.values() for key in arrays)
        raise DatasetError(
            f"{path} holds the arrays {held}, which are not images with labels; name them x_train, y_train, x_test and "
            "y_test, say, or images and labels."
        )
    keys = sorted({labels for arrays in found.values() for _, _, labels in _pair(arrays) if labels})
    return read_stacks(path, stacks, f"the values of the arrays {', '.join(map(repr, keys))}", options, names, unused)


def _pair(arrays: _Arrays) -> list[tuple[str, str, str | None]]:
    """Pair arrays: the split that their names tell, "" if none, the key of the images, and that of their labels."""
    labels = {find_split(_spaced(key)): key for key in sorted(arrays, reverse=True) if kind_of(key) == "labels"}
    images = [key for key in arrays if kind_of(key) == "images"]
    return [(split, key, labels.get(split)) for key in images for split in [find_split(_spaced(key))]]


def _spaced(key: str) -> str:
    """Part "xtrain" into "x train"."""
    lower = key.lower()
    return (
        f"{lower[0]} {lower[1:]}"
        if lower[:1] in ("x", "y")
        else f"{lower[:-1]} {lower[-1:]}"
        if lower[-1:] in "xy"
        else lower
    )


def _stack(path: Path, file: str, split: str, arrays: _Arrays, images: str, labels: str) -> Stack:
    texts = as_labels(path, labels, _load(path, labels, arrays[labels]))
    with arrays[images]() as stream:
        header = _read_header(path, images, stream)
    if header.shape[:1] != (len(texts),):
        raise DatasetError(
            f"{path} holds {header.shape[0] if header.shape else 0:,} images {images!r} and {len(texts):,} labels "
            f"{labels!r}; make them as many."
        )
    return Stack(f"{file}, {images}", split, texts, partial(_rows, path, images, arrays[images]))


def _read_header(path: Path, key: str, stream: BinaryIO) -> _Header:
    """Read what an array is; raises DatasetError where it is damaged or holds pickled objects."""
    try:
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        header = _Header(*read_header(stream))
    except ValueError as error:
        raise DatasetError(f"{path} holds the array {key!r}, which is damaged ({error}); make it again.") from error
    if header.dtype.hasobject:
        raise DatasetError(
            f"{path} holds the array {key!r} as pickled objects, which may run any program when opened; if you trust "
            f"it, save it anew as numbers or text, such as numpy.array({key}.tolist())."
        )
    return header


def _load(path: Path, key: str, opener: Opener) -> np.ndarray:
    with opener() as stream:
        _read_header(path, key, stream)
    with opener() as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _rows(path: Path, key: str, opener: Opener) -> Iterator[np.ndarray]:
    """Give image by image, without holding them all where they lie one behind the other."""
    with opener() as stream:
        header = _read_header(path, key, stream)
        if header.fortran:
            yield from _load(path, key, opener)
            return
        size = int(np.prod(header.shape[1:])) * header.dtype.itemsize
        for _ in range(header.shape[0]):
            data = stream.read(size)
            if len(data) < size:
                raise EOFError(f"the array {key!r} ends too early")
            yield np.frombuffer(data, header.dtype).reshape(header.shape[1:])
