"""What a computation ran on, said without naming the computer."""

import gc
import os
import platform
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module, metadata
from pathlib import Path

import psutil

_STARTER = Path(__file__).parents[1] / "build" / "kernel.py"  # the program that asks the nursery


def import_quietly(module: str) -> None:
    """Import a module with nothing on stderr, where TensorFlow logs two lines whatever it is told.

    And without JAX, unless Keras runs on it: a converter within TensorFlow would import it for a second, for nothing.
    What modules hold stays, so that Python's collector need not look at it, now or ever again.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    hidden = "jax" not in sys.modules and os.environ.get("KERAS_BACKEND") != "jax"
    try:
        os.dup2(nowhere, 2)
        if hidden:
            sys.modules["jax"] = None  # type: ignore[assignment]  # as Python has it for what cannot be imported
        gc.disable()
        import_module(module)
        gc.freeze()
    finally:
        gc.enable()
        if hidden:
            del sys.modules["jax"]
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def forked(module: str, *arguments: str) -> list[str]:
    """Give the command that runs `python -m module`, forked of the build's nursery where there is one."""
    starter = [] if not hasattr(os, "fork") else ["-I", "-S", str(_STARTER), "--forked"]
    return [sys.executable, *(starter or ["-m"]), module, *arguments]


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Give the versions of those of the packages that are installed."""
    found = {}
    for name in packages:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def usable_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def describe_machine() -> str:
    """Say which GPU that Keras uses, processor, cores and memory there are, as in "AMD EPYC, 2 cores, 24 GB"."""
    memory = round(psutil.virtual_memory().total / 1e9)
    return ", ".join([*_gpus(), _processor(), f"{os.cpu_count()} cores", f"{memory} GB"])


def free_memory(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Give the bytes that this process may still use without swapping: those of the machine, or of its control group.

    root: where control groups are mounted; own: the file that names this process's.
    """
    left = [psutil.virtual_memory().available]
    for line in own.read_text().splitlines() if own.is_file() else []:
        _, controllers, path = line.split(":", 2)
        if not controllers or "memory" in controllers:  # version 2, or the part of version 1 that counts memory
            inside = root / controllers / path.strip("/")
            left += [_left(folder) for folder in (inside, *inside.parents) if folder.is_relative_to(root)]
    return min(left)


def _left(group: Path) -> int:
    """Give the bytes that a control group leaves, what is cached of files not counted; many where it sets no limit."""
    for most, used, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        if (group / most).is_file() and (limit := (group / most).read_text().strip()) != "max":
            counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            return max(0, int(limit) - int((group / used).read_text()) + int(counts.get(cached, 0)))
    return sys.maxsize


def _gpus() -> list[str]:
    """Name the GPUs that Keras's backend uses."""
    import keras  # slow, and what asks for the processor alone does without it

    if keras.backend.backend() == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform == "gpu"]
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    return [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in found]


def _processor(described: Path = Path("/proc/cpuinfo")) -> str:
    """Read the processor's name, or where the system does not tell it, its kind."""
    lines = described.read_text(errors="replace").splitlines() if described.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, names), platform.processor() or platform.machine())
