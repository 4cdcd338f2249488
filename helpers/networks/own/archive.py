"""PyTorch's files of weights, read without running anything that is in them.

Such a file is a pickle, which may name any function of Python's and have it called. Here it may name those that build
tensors alone, as with PyTorch's own `weights_only=True`, which is not needed. Both of PyTorch's forms are read: the
archive of today, and that of before version 1.6.
"""

import pickle
import zipfile
from collections import OrderedDict
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from ml_dtypes import bfloat16

from helpers.networks.own.source import NetworkError

_NUMBERS = {"Float": "<f4", "Double": "<f8", "Half": "<f2", "Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "i1"}
_NUMBERS |= {"Byte": "u1", "Bool": "?", "BFloat16": bfloat16}
_TYPES = {f"{name}Storage": np.dtype(kind) for name, kind in _NUMBERS.items()}
_MAGIC = 0x1950A86A20F9469CFC6C  # what a file of the older form begins with


class _Unpickler(pickle.Unpickler):
    """Builds tensors as views of numbers that are filled in later; refuses all else before it is looked up."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _view
            case "torch._utils", "_rebuild_parameter":
                return lambda tensor, *_: tensor
            case "torch", _ if name in _TYPES:
                return _TYPES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which builds no tensor")

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, dtype, key, _, count, *_ = pid
        return self.storages.setdefault(key, np.zeros(count, dtype))


def _view(numbers: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> np.ndarray:
    last = sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    if min(offset, *shape, *strides, 0) < 0 or (0 not in shape and offset + last >= len(numbers)):
        raise ValueError("a tensor reaches beyond its numbers")
    return np.lib.stride_tricks.as_strided(numbers[offset:], shape, [numbers.itemsize * stride for stride in strides])


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read the tensors of a PyTorch file by name; nothing that it holds is run.

    Raises NetworkError on a file that is none, or that asks for more than tensors.
    """
    try:
        content = BytesIO(path.read_bytes())
        found = _read_zip(content) if zipfile.is_zipfile(content) else _read_older(content)
        return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}
    except Exception as error:  # what a damaged pickle raises may be anything
        raise NetworkError(f"{path} holds no weights that can be read: {error}; give a PyTorch state dict.") from error


def _read_zip(content: BytesIO) -> Any:
    with zipfile.ZipFile(content) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        unpickler = _Unpickler(BytesIO(archive.read(name)))
        found = unpickler.load()
        for key, numbers in unpickler.storages.items():
            numbers[:] = np.frombuffer(archive.read(f"{name.removesuffix('.pkl')}/{key}"), numbers.dtype)
    return found


def _read_older(content: BytesIO) -> Any:
    content.seek(0)
    if _Unpickler(content).load() != _MAGIC:
        raise ValueError("it is no file of PyTorch's")
    _Unpickler(content).load(), _Unpickler(content).load()  # version, and what is said of the machine
    unpickler = _Unpickler(content)
    found = unpickler.load()
    for key in _Unpickler(content).load():
        numbers, _ = unpickler.storages[key], content.read(8)  # the count again
        numbers[:] = np.frombuffer(content.read(numbers.nbytes), numbers.dtype)
    return found
