"""What a network computes in while it is trained: float32, or bfloat16 where the processor has it and it pays.

Nothing slow is imported here, since a build asks before it knows whether anything has to run.
"""

import os
from functools import cache
from pathlib import Path
from typing import Literal, get_args

Precision = Literal["float32", "bfloat16"]
CHOICES = ("auto", *get_args(Precision))
VARIABLE = "PRECISION"  # of the environment; "auto" where it is not set

# From this many multiplications an image on, bfloat16 saves more than the conversions at its borders cost.
WORK_WORTH_BFLOAT16 = 2_000_000


def choose_precision(multiplications: int) -> Precision:
    """Choose the precision for training a network that takes this many multiplications an image.

    PRECISION=float32 or PRECISION=bfloat16 in the environment decides for all networks; otherwise it is bfloat16 for
    those that gain by it, where `supports_bfloat16`. Raises ValueError on another value, naming the legal ones.
    """
    chosen = requested_precision()
    if chosen != "auto":
        return chosen
    return "bfloat16" if supports_bfloat16() and multiplications >= WORK_WORTH_BFLOAT16 else "float32"


def requested_precision() -> str:
    """Read the precision that the environment asks for; raises ValueError on one that does not exist."""
    chosen = os.environ.get(VARIABLE) or "auto"
    if chosen not in CHOICES:
        raise ValueError(f"There is no precision {chosen!r}: choose one of {', '.join(CHOICES)}.")
    return chosen


def describe_precision() -> str:
    """Say what the environment and the processor come to for all networks of a run, such as "float32"."""
    chosen = requested_precision()
    if chosen != "auto":
        return chosen
    return "bfloat16 where it pays" if supports_bfloat16() else "float32"


@cache
def supports_bfloat16() -> bool:
    """Whether what trains multiplies bfloat16 numbers well; where the system does not say, it is taken not to.

    On Keras's JAX backend that is a GPU alone: on a processor, JAX 0.11 makes wrong numbers of them.
    """
    if os.environ.get("KERAS_BACKEND") == "jax":
        import jax

        return jax.default_backend() != "cpu"
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(processor_flags())


def processor_flags(description: Path = Path("/proc/cpuinfo")) -> set[str]:
    """List what the first processor can do, in Linux's words; nothing on a system that does not say."""
    if not description.exists():
        return set()
    lines = (line.partition(":") for line in description.read_text().splitlines())
    return next((set(value.split()) for name, _, value in lines if name.strip() in ("flags", "Features")), set())
