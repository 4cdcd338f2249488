"""MATLAB's files before version 7.3, as SVHN comes in: images X in (H, W, C, N) and labels y."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from helpers.data.containers import Members
from helpers.data.labels.words import find_split
from helpers.data.options import Options
from helpers.data.readers.stacks import Stack, as_labels, kind_of, read_stacks
from helpers.data.sources import Contents, DatasetError, Opener, printable


def find(path: Path, members: Members) -> list[str]:
    """List the names of MATLAB's files."""
    return sorted(name for name in members.files if PurePosixPath(name).suffix.lower() == ".mat")


def read(path: Path, members: Members, names: Sequence[str], options: Options) -> Contents:
    """Read the files of one set of images; raises DatasetError where one has no images or no labels."""
    stacks = [_stack(path, name, members.files[name]) for name in names]
    return read_stacks(path, stacks, "the values of y in the MATLAB files", options)


def _stack(path: Path, name: str, opener: Opener) -> Stack:
    from scipy.io import loadmat

    try:
        with opener() as stream:
            loaded = loadmat(stream)  # type: ignore[arg-type]  # it takes files as well as paths
            values = {key: value for key, value in loaded.items() if isinstance(value, np.ndarray)}
    except Exception as error:  # its reader answers foreign bytes with errors of any kind
        raise DatasetError(f"{path} holds {printable(name)}, which cannot be read ({error}); make it again.") from error
    labels = next(
        (as_labels(path, key, value.reshape(-1, 1)) for key, value in values.items() if kind_of(key) == "labels"), []
    )
    images = next((value for key, value in values.items() if kind_of(key) == "images"), np.empty(0))
    if images.ndim and len(labels) in (images.shape[-1], images.shape[0]) and labels:
        samples = images if images.shape[0] == len(labels) else np.moveaxis(images, -1, 0)
        return Stack(name, find_split(PurePosixPath(name).stem), labels, lambda: iter(samples))
    raise DatasetError(
        f"{path} holds {printable(name)}, whose arrays {', '.join(map(repr, values))} are not images X with as many "
        "labels y; name them so."
    )
