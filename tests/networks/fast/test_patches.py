"""The first convolution of grey images, its normalization and ReLU, in one, learn as Keras's three layers."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from helpers.networks.fast.fused import FusedBatchNormalization, FusedConv2D, GreyUnit
from tests.toys import difference

tf = pytest.importorskip("tensorflow")
FLOAT32 = 1e-4  # share of the largest value by which float32 may differ


def make_images(shape: tuple[int, ...] = (6, 9, 7, 1), seed: int = 0) -> np.ndarray:
    """Draw images whose pixels are like their neighbours, and bright on average."""
    noise = np.random.default_rng(seed).normal(0.3, 1, shape)
    return (noise + np.roll(noise, 1, axis=1) + np.roll(noise, 1, axis=2)).astype(np.float32) / 3


def make_unit(*, dtype: str = "float32", bias: bool = True, scale: bool = True) -> GreyUnit:
    """Make a unit for images of one channel, with random weights; some scales are negative."""
    convolution = FusedConv2D(5, 3, padding="same", use_bias=bias, dtype=dtype, name="convolution")
    norm = FusedBatchNormalization(rectified=True, scale=scale, momentum=0.9, dtype=dtype, name="normalization")
    unit = GreyUnit(convolution, norm)
    unit.build((None, None, None, 1))
    random = np.random.default_rng(1)
    unit.set_weights([random.normal(0.2, 0.5, weight.shape) for weight in unit.get_weights()])
    norm.moving_variance.assign(random.uniform(0.5, 2, norm.moving_variance.shape))
    return unit


def chain_of(unit: GreyUnit) -> Callable[..., tf.Tensor]:
    """Give Keras's three layers with the unit's weights, as a function, and the two layers that have weights."""
    convolution, norm = unit.parts
    plain = keras.layers.Conv2D.from_config(convolution.get_config() | {"dtype": "float32"})
    options = {name: getattr(norm, name) for name in ("scale", "momentum", "epsilon")}
    pair = plain, keras.layers.BatchNormalization(**options)
    for layer, like in zip(pair, unit.parts, strict=True):
        layer.build((None, None, None, like.weights[0].shape[-2] if layer is plain else convolution.filters))
        layer.set_weights(like.get_weights())
    return lambda images, training: keras.ops.relu(pair[1](plain(images), training=training)), pair


def learned(give: Callable[..., tf.Tensor], parts: tuple, images: np.ndarray) -> dict[str, np.ndarray]:
    """Give what becomes of images in training: the maps, the gradients of a weighted sum of them, moved statistics."""
    images = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = give(images, training=True)
        wanted = np.random.default_rng(2).normal(0.2, 1, outputs.shape).astype(np.float32)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * wanted)
    weights = {weight.path: weight.value for part in parts for weight in part.trainable_weights}
    gradients = tape.gradient(loss, {"images": images, **weights})
    moved = {weight.path: weight.numpy() for part in parts for weight in part.non_trainable_weights}
    named = {"outputs": outputs, **gradients, **moved}
    return {name.split("/")[-1]: np.array(tf.cast(value, tf.float32)) for name, value in named.items()}


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"scale": False}])
@pytest.mark.parametrize("shape", [(6, 9, 7, 1), (5, 8, 10, 1), (3, 2, 1, 1)])
def test_a_unit_learns_as_keras_s_three_layers(shape: tuple[int, ...], options: dict) -> None:
    unit, images = make_unit(**options), make_images(shape)
    give, pair = chain_of(unit)
    theirs, ours = learned(give, pair, images), learned(unit, unit.parts, images)
    assert set(ours) == set(theirs) and len(ours) >= 6
    largest = np.abs(theirs["kernel"]).max()
    for name in theirs:
        if name == "bias":  # it moves the mean and nothing else, so all that Keras has there is rounding
            assert np.abs(theirs[name]).max() < FLOAT32 * largest and not ours[name].any()
        else:
            assert difference(ours[name], theirs[name]) < 10 * FLOAT32, name
    assert difference(unit(images), give(images, training=False)) < FLOAT32


def test_the_tolerance_would_notice_a_gradient_that_is_not_by_way_of_the_variance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from helpers.networks.fast import patches

    give = patches._kernel_gradient
    monkeypatch.setattr(patches, "_kernel_gradient", lambda p, k, covariance, *rest: give(p, k, 0 * covariance, *rest))
    unit, images = make_unit(), make_images()
    plain, pair = chain_of(unit)
    theirs = learned(plain, pair, images)["kernel"]
    assert difference(learned(unit, unit.parts, images)["kernel"], theirs) > 100 * FLOAT32


@pytest.mark.parametrize(
    ("shape", "size"),
    [((6, 9, 7, 1), (3, 3)), ((4, 9, 11, 1), (5, 3)), ((7, 4, 4, 1), (3, 5)), ((11, 2, 1, 1), (3, 3))],
)
def test_moments_of_patches_are_those_of_all_patches_cut_out(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    from helpers.networks.fast.patches import patch_moments

    images = make_images(shape)
    cut = tf.image.extract_patches(images, [1, *size, 1], [1] * 4, [1] * 4, "SAME")
    cut = np.reshape(cut, (-1, size[0] * size[1])).astype(np.float64)
    center, covariance = patch_moments(tf.constant(images), size)
    assert difference(center, cut.mean(axis=0)) < FLOAT32
    assert difference(covariance, np.cov(cut.T, bias=True)) < FLOAT32


def test_in_bfloat16_a_unit_is_as_exact_as_its_parts() -> None:
    """Both are compared with float32, on images and weights that bfloat16 holds as they are.

    Of many positions, sums are the difficult part: TensorFlow's own of a gradient in bfloat16 is far off.
    """
    images = np.array(tf.cast(tf.cast(make_images((32, 48, 48, 1)), tf.bfloat16), tf.float32))
    unit = make_unit(dtype="mixed_bfloat16")
    unit.set_weights([np.array(tf.cast(tf.cast(w, tf.bfloat16), tf.float32)) for w in unit.get_weights()])
    weights = unit.get_weights()
    give, pair = chain_of(unit)
    exact = learned(give, pair, images)
    convolution, norm = unit.parts

    def apart(images, training: bool):
        return norm(convolution(images), training=training)

    found = {}
    for name, way in (("unit", unit), ("apart", apart)):
        unit.set_weights(weights)
        found[name] = learned(way, unit.parts, images)
    for name in ("outputs", "kernel", "gamma", "beta", "moving_mean", "moving_variance"):
        off = {way: float(np.linalg.norm(values[name] - exact[name])) for way, values in found.items()}
        assert off["unit"] < 2.5 * off["apart"] + 1e-3 * np.linalg.norm(exact[name]), (name, off)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_of_blank_images_a_unit_makes_finite_maps_and_gradients(dtype: str) -> None:
    unit = make_unit(dtype=dtype)
    found = learned(unit, unit.parts, np.full((4, 8, 8, 1), 0.7, np.float32))
    assert all(np.isfinite(values).all() for values in found.values())


def test_a_unit_whose_normalization_is_frozen_uses_and_keeps_the_moving_statistics() -> None:
    unit, images = make_unit(), make_images()
    unit.normalization.trainable = False
    kept = unit.normalization.get_weights()
    assert difference(unit(images, training=True), unit(images, training=False)) == 0
    np.testing.assert_array_equal(unit.normalization.get_weights(), kept)


def test_images_of_open_size_are_normalized_as_they_are() -> None:
    unit, images = make_unit(), make_images()
    give, _ = chain_of(unit)
    learn = tf.function(lambda images: unit(images, training=True), input_signature=[tf.TensorSpec((None,) * 3 + (1,))])
    assert difference(learn(images), give(images, training=True)) < FLOAT32


@pytest.mark.parametrize(
    ("convolved", "normalized", "channels", "can_be"),
    [
        ({}, {}, 1, True),
        ({"strides": 2}, {}, 1, False),
        ({}, {}, 3, False),
        ({"padding": "valid"}, {}, 1, False),
        ({"kernel_size": 5}, {}, 1, False),
        ({"filters": 7}, {}, 1, False),
        ({"filters": 8}, {}, 1, True),
        ({"filters": 31, "dtype": "mixed_bfloat16"}, {}, 1, False),
        ({"activation": "relu"}, {}, 1, False),
        ({"dilation_rate": 2}, {}, 1, False),
        ({}, {"pooled": True}, 1, False),
        ({}, {"rectified": False}, 1, False),
    ],
)
def test_only_usual_layers_are_one_unit(convolved: dict, normalized: dict, channels: int, can_be: bool) -> None:
    convolution = FusedConv2D(**{"filters": 32, "kernel_size": 3, "padding": "same", **convolved})
    norm = FusedBatchNormalization(**{"rectified": True, **normalized})
    assert GreyUnit.can_be(convolution, norm, channels) is can_be
    assert not GreyUnit.can_be(convolution, keras.layers.BatchNormalization(), channels)
    assert not GreyUnit.can_be(keras.layers.Conv2D(2, 3, padding="same"), norm, channels)
