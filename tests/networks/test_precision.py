"""The precision is the one asked for, or else the one that the processor and the network's size allow."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.networks import precision

LARGE, SMALL = precision.WORK_WORTH_BFLOAT16, precision.WORK_WORTH_BFLOAT16 - 1


@pytest.mark.parametrize(
    ("asked", "able", "chosen"),
    [
        (None, True, ("bfloat16", "float32")),
        ("auto", True, ("bfloat16", "float32")),
        ("auto", False, ("float32", "float32")),
        ("float32", True, ("float32", "float32")),
        ("bfloat16", False, ("bfloat16", "bfloat16")),
    ],
)
def test_the_request_decides_and_otherwise_processor_and_size(
    asked: str | None, able: bool, chosen: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(precision.VARIABLE, raising=False)
    if asked:
        monkeypatch.setenv(precision.VARIABLE, asked)
    monkeypatch.setattr(precision, "supports_bfloat16", lambda: able)
    assert (precision.choose_precision(LARGE), precision.choose_precision(SMALL)) == chosen
    assert precision.describe_precision().startswith(chosen[0])


@pytest.mark.parametrize(("device", "able"), [("gpu", True), ("cpu", False)])
def test_on_jax_only_a_gpu_has_bfloat16(device: str, able: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(default_backend=lambda: device))
    monkeypatch.setattr(precision, "processor_flags", lambda: set() if able else {"amx_bf16"})
    assert precision.supports_bfloat16.__wrapped__() is able


@pytest.mark.parametrize(
    ("most", "able"), [("AVX512_CORE", False), ("avx2", False), ("AVX512_CORE_AMX", True), ("", True)]
)
def test_what_onednn_is_told_to_do_without_is_not_counted_on(
    most: str, able: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv(precision.ONEDNN, most)
    monkeypatch.setattr(precision, "processor_flags", lambda: {"amx_bf16"})
    assert precision.supports_bfloat16.__wrapped__() is able


def test_an_unknown_precision_is_an_error_that_names_the_legal_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(precision.VARIABLE, "half")
    with pytest.raises(ValueError, match=r"'half'.*auto, float32, bfloat16"):
        precision.choose_precision(LARGE)


def test_the_processor_is_read_from_what_the_system_says(tmp_path: Path) -> None:
    description = tmp_path / "cpuinfo"
    description.write_text("processor\t: 0\nflags\t\t: fpu avx512_bf16\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    assert precision.processor_flags(description) == {"fpu", "avx512_bf16"}
    assert precision.processor_flags(tmp_path / "missing") == set()


def test_without_acceleration_all_is_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "supports_bfloat16", lambda: True)
    monkeypatch.delenv(precision.VARIABLE, raising=False)
    monkeypatch.setenv(precision.ACCELERATION, "0")
    assert (precision.choose_precision(LARGE), precision.accelerates()) == ("float32", False)
    assert precision.describe_precision() == "float32, by plain Keras"
    monkeypatch.setenv(precision.VARIABLE, "bfloat16")
    with pytest.raises(ValueError, match="ACCELERATE=0 trains in float32: leave PRECISION=bfloat16 out"):
        precision.describe_precision()


def test_an_unknown_choice_of_acceleration_is_an_error_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(precision.ACCELERATION, "yes")
    with pytest.raises(ValueError, match="ACCELERATE=yes is no choice: 1 trains faster, 0 by plain Keras"):
        precision.describe_precision()


def test_bfloat16_is_not_chosen_for_depthwise_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.setattr(precision, "supports_bfloat16", lambda: True)
    pixels = keras.Input((64, 64, 64))
    deep = keras.layers.DepthwiseConv2D(3)(pixels)
    for maps, chosen in ((pixels, "bfloat16"), (deep, "float32")):
        assert precision.precision_for(keras.Model(pixels, keras.layers.Conv2D(64, 3)(maps))) == chosen
