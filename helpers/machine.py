"""What a computation ran on, said without naming the computer."""

import os
import platform
from pathlib import Path

import psutil


def describe_machine() -> str:
    """Say which processor, how many cores and how much memory there are, as in "AMD EPYC, 2 cores, 24 GB"."""
    memory = round(psutil.virtual_memory().total / 1e9)
    return f"{_processor()}, {os.cpu_count()} cores, {memory} GB"


def _processor(described: Path = Path("/proc/cpuinfo")) -> str:
    """Read the processor's name, or where the system does not tell it, its kind."""
    lines = described.read_text(errors="replace").splitlines() if described.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, names), platform.processor() or platform.machine())
