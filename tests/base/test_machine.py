"""A machine is described by what it can do, and not by its name."""

import os
import platform
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest

from helpers.base import machine


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
