"""IDX files, as MNIST comes in: images and labels in files of their own, paired by their names.

http://yann.lecun.com/exdb/mnist/ describes the form.
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np

from helpers.data.containers import Members
from helpers.data.labels.words import find_split
from helpers.data.options import Options
from helpers.data.readers.stacks import Stack, as_labels, read_stacks
from helpers.data.reading import Unused
from helpers.data.sources import Contents, DatasetError, Opener, UnreadableError, printable

_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_PART = re.compile(r"images?|labels?|idx\d?|ubyte|[\W_]+")  # what names of one pair may differ by


def find(path: Path, members: Members) -> dict[str, tuple[Opener, int]]:
    """List the IDX files by name, each with how to open it and its number of dimensions."""
    found = {}
    for name, opener in members.files.items():
        place = PurePosixPath(name)
        if ("idx" in name.lower() or place.suffix.lower() in ("", ".ubyte")) and (dimensions := _dimensions(opener)):
            found[name] = (opener, dimensions)
    return found if any(dimensions > 1 for _, dimensions in found.values()) else {}


def _dimensions(opener: Opener) -> int:
    """Give the number of dimensions of an IDX file, 0 where it is none."""
    try:
        with opener() as stream:
            head = stream.read(4)
    except (OSError, EOFError, UnreadableError):
        return 0
    return head[3] if len(head) == 4 and head[:2] == b"\0\0" and head[2] in _TYPES and 1 <= head[3] <= 4 else 0


def read(path: Path, members: Members, found: Mapping[str, tuple[Opener, int]], options: Options) -> Contents:
    """Read the files of images, each with the file of labels of its name."""
    labels = {_key(name): name for name, (_, dimensions) in found.items() if dimensions == 1}
    images = [name for name, (_, dimensions) in found.items() if dimensions > 1]
    stacks = [_stack(path, name, labels[_key(name)], found) for name in images if _key(name) in labels]
    alone = [name for name in images if _key(name) not in labels]
    if not stacks:
        raise DatasetError(
            f"{path} holds the IDX file {printable(alone[0])} without one of its labels; add that, named like it with "
            "'labels' instead of 'images'."
        )
    unused = [Unused("IDX files of images without one of labels", len(alone), printable(alone[0]))] if alone else []
    return read_stacks(path, stacks, "the numbers of the IDX files of labels", options, unused=unused)


def _key(name: str) -> str:
    return _PART.sub("", name.lower())


def _stack(path: Path, images: str, labels: str, found: Mapping[str, tuple[Opener, int]]) -> Stack:
    values = np.array(list(_rows(labels, found[labels][0])))
    with found[images][0]() as stream:
        number = _read_header(stream)[1][0]
    if number != len(values):
        raise DatasetError(
            f"{path} holds {number:,} images in {printable(images)} and {len(values):,} labels; make them as many."
        )
    split = find_split(PurePosixPath(images).name.replace("t10k", "test"))
    return Stack(images, split, as_labels(path, labels, values), partial(_rows, images, found[images][0]))


def _read_header(stream: BinaryIO) -> tuple[np.dtype, tuple[int, ...]]:
    head = stream.read(4)
    sizes = stream.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise EOFError("an IDX file ends in its header")
    return np.dtype(_TYPES[head[2]]), tuple(np.frombuffer(sizes, ">u4").tolist())


def _rows(name: str, opener: Opener) -> Iterator[np.ndarray]:
    with opener() as stream:
        dtype, shape = _read_header(stream)
        size = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
        for _ in range(shape[0]):
            data = stream.read(size)
            if len(data) < size:
                raise EOFError(f"{printable(name)} ends too early")
            yield np.frombuffer(data, dtype).reshape(shape[1:])
