"""What a computation ran on, said without naming the computer."""

import os
import platform
import sys
from pathlib import Path

import psutil


def describe_machine() -> str:
    """Say which GPU that Keras uses, processor, cores and memory there are, as in "AMD EPYC, 2 cores, 24 GB"."""
    memory = round(psutil.virtual_memory().total / 1e9)
    return ", ".join([*_gpus(), _processor(), f"{os.cpu_count()} cores", f"{memory} GB"])


def peak_memory() -> int:
    """Give the most memory that this process has held so far, in bytes; on Linux or macOS.

    Linux counts what the starting process held into `getrusage`, and tells the process's own peak elsewhere.
    """
    if sys.platform == "linux":
        own = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(own.split()[1])
    import resource  # which Windows has not

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


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
