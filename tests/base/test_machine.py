"""A machine is described by what it can do, and not by its name."""

import importlib
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest

from helpers.base import machine
from helpers.base.files import ROOT


def test_the_description_tells_processor_cores_and_memory_and_no_name() -> None:
    described = machine.describe_machine()
    assert re.fullmatch(rf".+, {os.cpu_count()} cores, \d+ GB", described)
    assert platform.node() not in described and "/proc" not in described


def test_the_processor_is_read_where_the_system_tells_it(tmp_path: Path) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nmodel name\t: Example 9000\nprocessor\t: 1\nmodel name\t: Example 9000\n")
    assert machine._processor(told) == "Example 9000"
    told.write_text("processor\t: 0\n")
    assert machine._processor(told) == machine._processor(tmp_path / "nothing") != ""


@pytest.mark.parametrize(("backend", "there"), [("tensorflow", False), ("jax", True)])
def test_jax_is_imported_beside_tensorflow_only_where_keras_runs_on_it(
    backend: str, there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jax.py").touch()
    (tmp_path / "converter.py").write_text("try:\n    import jax\nexcept ImportError:\n    jax = None\n")
    for name in ("jax", "converter"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", backend)
    machine.import_quietly("converter")
    assert (sys.modules["converter"].jax is not None) is there
    assert importlib.import_module("jax").__file__ == str(tmp_path / "jax.py")  # afterwards, whoever wants it has it


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="oneDNN is asked for on these alone")
@pytest.mark.parametrize("asked", ["", "0"])
def test_onednn_is_asked_for_unless_the_user_says_otherwise(asked: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    environment |= {"TF_ENABLE_ONEDNN_OPTS": asked} if asked else {}
    command = [sys.executable, "-c", "import helpers, os; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"]
    printed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == (asked or "1")


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_gpu_that_keras_uses_is_named_first(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    kinds = {"gpu": "NVIDIA H200", "cpu": "cpu"}
    jax = SimpleNamespace(devices=lambda: [SimpleNamespace(platform=one, device_kind=kinds[one]) for one in kinds])
    details = SimpleNamespace(get_device_details=lambda gpu: {"device_name": kinds[gpu]})
    config = SimpleNamespace(list_physical_devices=lambda kind: [kind.lower()], experimental=details)
    monkeypatch.setitem(sys.modules, "jax", jax)
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config))
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    assert machine.describe_machine().split(", ")[0] == "NVIDIA H200"
    assert "cpu," not in machine.describe_machine()


GROUPS = {
    2: ("0::/box/inner\n", "box/inner", "memory.max", "memory.current", "inactive_file"),
    1: (
        "4:memory:/box/inner\n0::/\n",
        "memory/box",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
}


@pytest.mark.parametrize("version", GROUPS)
def test_free_memory_is_what_the_control_group_leaves_where_that_is_less(tmp_path: Path, version: int) -> None:
    named, folder, most, used, cached = GROUPS[version]
    own, group = tmp_path / "own", tmp_path / "groups" / folder
    own.write_text(named)
    group.mkdir(parents=True)
    assert machine.free_memory(tmp_path / "groups", own) > 10_000_000  # nothing is limited yet
    for name, text in {most: "9000000", used: "5000000", "memory.stat": f"anon 1\n{cached} 1000000\n"}.items():
        (group / name).write_text(text)
    assert machine.free_memory(tmp_path / "groups", own) == 5_000_000
    (group / most).write_text("max" if version == 2 else "9223372036854771712")
    assert machine.free_memory(tmp_path / "groups", own) > 10_000_000


def test_what_a_module_says_as_it_is_imported_is_not_seen_and_what_comes_later_is(tmp_path, monkeypatch, capfd) -> None:
    (tmp_path / "loud.py").write_text("import os\nos.write(2, b'as it is imported')\n")
    (tmp_path / "broken.py").write_text("raise ImportError('it is broken')\n")
    monkeypatch.syspath_prepend(tmp_path)
    machine.import_quietly("loud")
    with pytest.raises(ImportError, match="it is broken"):
        machine.import_quietly("broken")
    os.write(2, b"later")
    assert capfd.readouterr().err == "later" and "loud" in sys.modules
