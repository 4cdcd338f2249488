"""The door to speed gives twins where they compute the same for certain, and plain Keras where not, and says so."""

import keras
import numpy as np
import pytest

from helpers.networks.architectures import build_cnn
from helpers.networks.fast import Accelerated, accelerate
from tests.toys import difference

FLOAT32 = 1e-4  # share of the largest value by which float32 may differ


class Doubling(keras.layers.Layer):
    def call(self, inputs):
        return inputs * 2


class Stepping(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


def around(layer: keras.layers.Layer, kind: type[keras.Model] = keras.Model) -> keras.Model:
    """Build a network around a layer of maps (N, 8, 8, 2)."""
    layers = keras.layers
    inputs = keras.Input((8, 8, 1))
    maps = layer(layers.Conv2D(2, 3, padding="same")(inputs))
    return kind(inputs, layers.Dense(3)(layers.Flatten()(maps)), name="toy")


def double(values):
    return values * 2


STRANGE = {
    "a layer of the user's": lambda: around(Doubling()),
    "a function of the user's": lambda: around(keras.layers.Activation(double)),
    "a lambda": lambda: around(keras.layers.Activation(lambda values: values * 2)),
    "code": lambda: around(keras.layers.Lambda(lambda values: values * 2)),
    "a nested model": lambda: around(keras.Sequential([keras.Input((8, 8, 2)), keras.layers.ReLU()])),
    "another axis": lambda: around(keras.layers.BatchNormalization(axis=1)),
    "a training step": lambda: around(keras.layers.ReLU(), Stepping),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_not_known_is_left_to_plain_keras_with_one_line(kind: str) -> None:
    lines: list[str] = []
    model = STRANGE[kind]()
    accelerated = accelerate(model, report=lines.append)
    assert accelerated.plain and accelerated.trainer is model is accelerated.validator is accelerated.predictor()
    assert accelerated.adamw is keras.optimizers.AdamW
    assert len(lines) == 1 and lines[0].startswith("toy is left to plain Keras, which is slower: it")


@pytest.mark.parametrize(
    "layer", [keras.layers.ReLU(), keras.layers.BatchNormalization(axis=-1), keras.layers.BatchNormalization(axis=3)]
)
def test_what_keras_has_is_accelerated_without_a_word(layer: keras.layers.Layer) -> None:
    lines: list[str] = []
    accelerated = accelerate(around(layer), report=lines.append)
    assert not accelerated.plain and accelerated.trainer is not accelerated.model and lines == []


def test_the_environment_leaves_all_to_plain_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_cnn("vgg9_small", (24, 24, 1), 3)
    assert not accelerate(model).plain
    monkeypatch.setenv("ACCELERATE", "0")
    accelerated = accelerate(model, "bfloat16")
    assert accelerated.trainer is model and accelerated.precision == "float32"


def changed(accelerated: Accelerated) -> None:
    trainer = accelerated.trainer
    trainer.set_weights([weight + 0.1 for weight in trainer.get_weights()])


@pytest.mark.parametrize("acceleration", ["0", "1"])
def test_weights_return_to_the_model_and_to_what_validates(acceleration: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE", acceleration)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 24, 24, 1)).astype(np.float32)
    model = build_cnn("vgg9_small", (24, 24, 1), 3)
    accelerated, before = accelerate(model, "float32"), np.array(model(pixels))
    validator = accelerated.validator
    changed(accelerated)
    expected = accelerated.trainer(pixels, training=False)
    assert difference(before, expected) > FLOAT32
    accelerated.refresh()
    assert difference(validator(pixels), expected) < FLOAT32
    accelerated.give_weights()
    assert difference(model(pixels, training=False), expected) < FLOAT32
    model.set_weights([weight * 0.5 for weight in model.get_weights()])
    accelerated.take_weights()
    assert difference(accelerated.trainer(pixels, training=False), model(pixels, training=False)) < FLOAT32


def test_a_part_that_is_switched_off_is_keras_s_own() -> None:
    model = build_cnn("vgg9", (24, 24, 1), 3)
    plain, fast = (accelerate(model, without=parts).trainer.layers for parts in (("batch norm",), ()))
    assert keras.layers.BatchNormalization in map(type, plain)
    assert keras.layers.BatchNormalization not in map(type, fast)
    assert accelerate(model, without=("AdamW",)).adamw is keras.optimizers.AdamW is not accelerate(model).adamw


def test_a_network_that_is_no_chain_is_not_enlarged() -> None:
    inputs = keras.Input((8, 8, 1))
    maps = keras.layers.Conv2D(2, 3, padding="same")(inputs)
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Add()([maps, keras.layers.ReLU()(maps)]))
    accelerated = accelerate(keras.Model(inputs, keras.layers.Dense(3)(pooled), name="toy"))
    with pytest.raises(ValueError, match="toy cannot enlarge its images otherwise"):
        accelerated.resize(accelerated.trainer, (2, 1))
