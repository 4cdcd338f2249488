"""What a network computes in while it is trained: float32, or bfloat16 where the processor has it and it pays.

Nothing slow is imported here, since a build asks before it knows whether anything has to run.
"""

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from helpers.base.notebook import UsageError

if TYPE_CHECKING:
    import keras

Precision = Literal["float32", "bfloat16"]
CHOICES: tuple[Literal["auto", "float32", "bfloat16"], ...] = ("auto", "float32", "bfloat16")
VARIABLE = "PRECISION"  # of the environment; "auto" where it is not set
ACCELERATION = "ACCELERATE"  # of the environment; "1" where it is not set, and "0" for plain Keras

ONEDNN = "ONEDNN_MAX_CPU_ISA"  # a variable of oneDNN's: the newest instructions that it may use
_WITHOUT_BFLOAT16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}
# From this many multiplications an image on, bfloat16 saves more than the conversions at its borders cost.
WORK_WORTH_BFLOAT16 = 2_000_000


def choose_precision(multiplications: int) -> Precision:
    """Choose the precision for training a network that takes this many multiplications an image.

    PRECISION=float32 or PRECISION=bfloat16 in the environment decides for all networks; otherwise it is bfloat16 for
    those that gain by it, where `supports_bfloat16`. Plain Keras computes in float32. Raises UsageError on another
    value, naming the legal ones.
    """
    chosen, accelerated = requested_precision(), accelerates()
    if chosen != "auto":
        return chosen
    pays = accelerated and supports_bfloat16() and multiplications >= WORK_WORTH_BFLOAT16
    return "bfloat16" if pays else "float32"


def precision_for(model: "keras.Model") -> Precision:
    """Choose the precision for training a network, by `choose_precision`.

    Where it has depthwise convolutions, bfloat16 never pays: TensorFlow takes twice as long for their gradients in it.
    """
    from helpers.networks.architectures import multiplications

    return choose_precision(0 if is_depthwise(model) else multiplications(model))


def is_depthwise(model: "keras.Model") -> bool:
    """Whether a network has depthwise convolutions."""
    return any(type(layer).__name__ == "DepthwiseConv2D" for layer in model.layers)


def requested_precision() -> Literal["auto", "float32", "bfloat16"]:
    """Read the precision that the environment asks for; raises ValueError on one that does not exist."""
    chosen = os.environ.get(VARIABLE) or "auto"
    if chosen == "bfloat16" and not accelerates():
        raise UsageError("ACCELERATE=0 trains in float32: leave PRECISION=bfloat16 out, or ACCELERATE=0.")
    for choice in CHOICES:
        if chosen == choice:
            return choice
    raise UsageError(f"There is no precision {chosen!r}: choose one of {', '.join(CHOICES)}.")


def accelerates() -> bool:
    """Read whether the environment lets networks be accelerated; raises ValueError on what is neither 0 nor 1."""
    chosen = os.environ.get(ACCELERATION) or "1"
    if chosen not in ("0", "1"):
        raise UsageError(f"ACCELERATE={chosen} is no choice: 1 trains faster, 0 by plain Keras.")
    return chosen == "1"


def describe_precision() -> str:
    """Say what the environment and the processor come to for all networks of a run, such as "float32"."""
    chosen = requested_precision()
    if not accelerates():
        return "float32, by plain Keras"
    if chosen != "auto":
        return chosen
    return "bfloat16 where it pays" if supports_bfloat16() else "float32"


@cache
def supports_bfloat16() -> bool:
    """Whether what trains multiplies bfloat16 numbers well; where the system does not say, it is taken not to.

    On Keras's JAX backend that is a GPU alone: on a processor, JAX 0.11 makes wrong numbers of them. What oneDNN, which
    multiplies for TensorFlow, is told by its own variable to do without counts as not there.
    """
    if os.environ.get("KERAS_BACKEND") == "jax":
        import jax

        return jax.default_backend() != "cpu"
    if os.environ.get(ONEDNN, "").upper() in _WITHOUT_BFLOAT16:
        return False
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(processor_flags())


def processor_flags(description: Path = Path("/proc/cpuinfo")) -> set[str]:
    """List what the first processor can do, in Linux's words; nothing on a system that does not say."""
    if not description.exists():
        return set()
    lines = (line.partition(":") for line in description.read_text().splitlines())
    return next((set(value.split()) for name, _, value in lines if name.strip() in ("flags", "Features")), set())
