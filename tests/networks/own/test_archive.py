"""PyTorch's files of weights: read to the last bit, and nothing that stands in them is run."""

import io
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from helpers.networks.own.archive import _MAGIC, read_tensors
from helpers.networks.own.source import NetworkError

NUMBERS = np.arange(24, dtype=np.float32)
VIEWS = {
    "whole": (0, (2, 3, 4), (12, 4, 1)),
    "turned": (4, (2, 3), (1, 2)),
    "none": (0, (0,), (1,)),
    "one": (7, (), ()),
}


class Storage:
    """Stands for PyTorch's, which the pickler names by a persistent id."""


class View:
    """Pickled as PyTorch pickles a tensor: a call of the function that builds one."""

    def __init__(self, *parts: object) -> None:
        self.parts = parts

    def __reduce__(self) -> tuple:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, (Storage(), *self.parts, False, OrderedDict())


class Pickler(pickle.Pickler):
    def persistent_id(self, value: object) -> tuple | None:
        return ("storage", sys.modules["torch"].FloatStorage, "0", "cpu", 24) if isinstance(value, Storage) else None


@pytest.fixture
def write(monkeypatch, tmp_path):
    """Write what PyTorch would, of either form, without it."""
    utils, torch = ModuleType("torch._utils"), ModuleType("torch")
    exec("def _rebuild_tensor_v2(*_): ...", vars(utils))
    utils._rebuild_tensor_v2.__module__ = "torch._utils"
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    def pickled(value: object) -> bytes:
        buffer = io.BytesIO()
        Pickler(buffer, 2).dump(value)
        return buffer.getvalue()

    def to(kind: str, value: object) -> Path:
        path = tmp_path / f"{kind}.pth"
        if kind == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("any/data.pkl", pickled(value))
                archive.writestr("any/data/0", NUMBERS.tobytes())
            return path
        parts = [_MAGIC, 1001, {"little_endian": True}, value, ["0"]]
        path.write_bytes(b"".join(map(pickled, parts)) + struct.pack("<q", 24) + NUMBERS.tobytes())
        return path

    return to


@pytest.mark.parametrize("kind", ["zip", "older"])
def test_tensors_are_read_as_the_views_that_they_are(kind: str, write) -> None:
    saved = OrderedDict((name, View(*parts)) for name, parts in VIEWS.items())
    found = read_tensors(write(kind, saved))
    assert list(found) == list(VIEWS)
    np.testing.assert_array_equal(found["whole"], NUMBERS.reshape(2, 3, 4))
    np.testing.assert_array_equal(found["turned"], [[4, 6, 8], [5, 7, 9]])
    assert found["none"].shape == (0,) and found["one"] == 7


@pytest.mark.parametrize("kind", ["zip", "older"])
@pytest.mark.parametrize("parts", [(20, (2, 3), (3, 1)), (-1, (2,), (1,)), (0, (4,), (1 << 40,)), (23, (2,), (-1,))])
def test_a_view_of_memory_that_is_not_the_files_is_refused(kind: str, parts: tuple, write) -> None:
    with pytest.raises(NetworkError, match="holds no weights that can be read"):
        read_tensors(write(kind, {"weight": View(*parts)}))


class Hostile:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple:
        import os

        return os.system, (self.command,)


@pytest.mark.parametrize("kind", ["zip", "older"])
def test_a_program_in_a_file_is_refused_and_not_run(kind: str, write, tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    path = write(kind, {"weight": Hostile(f"touch '{mark}'")})
    with pytest.raises(NetworkError, match=r"it asks for (posix|nt)\.system, which builds no tensor"):
        read_tensors(path)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Hostile(f"touch '{mark}'")))
    assert mark.exists()  # the same would have run elsewhere


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps(5), pickle.dumps([1, 2])])
def test_what_is_no_file_of_weights_is_told_so(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(NetworkError, match="give a PyTorch state dict"):
        read_tensors(tmp_path / "weights.pth")


@pytest.mark.parametrize("form", [True, False])
def test_pytorchs_own_files_are_read_as_pytorch_reads_them(form: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    base = torch.randn(6, 8)
    saved = {"a": base, "b": base.T[2:5], "c": torch.arange(5), "d": base.double(), "e": torch.nn.Parameter(base[1])}
    saved |= {"half": base.half(), "brain": base.bfloat16(), "bool": base > 0, "bytes": base.to(torch.uint8)}
    torch.save(saved, tmp_path / "weights.pth", _use_new_zipfile_serialization=form)
    found = read_tensors(tmp_path / "weights.pth")
    for name, tensor in saved.items():
        np.testing.assert_array_equal(found[name].astype(np.float64), tensor.detach().double().numpy(), err_msg=name)
