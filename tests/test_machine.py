"""A machine is described by what it can do, and not by its name."""

import os
import platform
import re
from pathlib import Path

from helpers import machine


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
