"""What stands in for a layer or an optimiser of Keras's gives what Keras's own gives."""

import keras
import numpy as np
import pytest

from helpers.networks import architectures
from helpers.networks.fast import fused
from tests.toys import difference

tf = pytest.importorskip("tensorflow")
FLOAT32 = 1e-4  # share of the largest value by which float32 may differ


def plain_and_fused(shape: tuple[int, ...], **options) -> tuple[keras.layers.Layer, keras.layers.Layer]:
    pair = keras.layers.BatchNormalization(**options), fused.FusedBatchNormalization(**options)
    for layer in pair:
        layer.build(shape)
        random = np.random.default_rng(1)
        layer.set_weights([random.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])
    return pair


# One row of few values: there the difference between dividing by N and by N - 1 is largest.
@pytest.mark.parametrize("shape", [(4, 3, 3, 5), (64, 5), (2, 1, 2, 8)])
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"momentum": 0.7, "center": False}])
def test_fused_batch_normalization_is_keras_s_own(shape: tuple[int, ...], options: dict) -> None:
    values = np.random.default_rng(0).normal(3, 2, shape).astype(np.float32)
    plain, fused = plain_and_fused(shape, **options)
    for training in (True, False, True):
        assert difference(fused(values, training=training), plain(values, training=training)) < FLOAT32
        for ours, theirs in zip(fused.get_weights(), plain.get_weights(), strict=True):
            assert difference(ours, theirs) < FLOAT32  # the moving statistics among them


def test_the_tolerance_would_notice_the_other_variance() -> None:
    """Of few values, the variance over N - 1 instead of N is further off than the tolerance allows."""
    shape, momentum = (2, 3, 3, 5), 0.9
    values = np.random.default_rng(0).normal(3, 2, shape).astype(np.float32)
    plain, _ = plain_and_fused(shape, momentum=momentum)
    before = keras.ops.convert_to_numpy(plain.moving_variance)
    plain(values, training=True)
    other = before * momentum + values.var(axis=(0, 1, 2), ddof=1) * (1 - momentum)
    assert difference(other, plain.moving_variance) > 10 * FLOAT32


def test_fused_batch_normalization_has_keras_s_gradients() -> None:
    tf = pytest.importorskip("tensorflow")
    values = tf.constant(np.random.default_rng(0).normal(3, 2, (4, 3, 3, 5)).astype(np.float32))
    wanted = tf.constant(np.random.default_rng(1).normal(size=values.shape).astype(np.float32))
    gradients = []
    for layer in plain_and_fused(values.shape):
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = tf.reduce_sum(layer(values, training=True) * wanted)
        gradients.append(tape.gradient(loss, [values, *(weight.value for weight in layer.trainable_weights)]))
    for theirs, ours in zip(*gradients, strict=True):
        assert difference(ours, theirs) < 10 * FLOAT32


def chain_and_fused(shape: tuple[int, ...], **options) -> tuple[list[keras.layers.Layer], keras.layers.Layer]:
    """Give batch normalization, ReLU and perhaps pooling of Keras's, and the layer that does it all; random weights."""
    pair = keras.layers.BatchNormalization(), fused.FusedBatchNormalization(rectified=True, **options)
    for layer in pair:
        layer.build(shape)
        random = np.random.default_rng(1)
        weights = [random.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()]
        layer.set_weights([weights[0] * random.choice([-1, 1], weights[0].shape), *weights[1:]])
    pool = [keras.layers.MaxPooling2D()] if options else []
    return [pair[0], keras.layers.ReLU(), *pool], pair[1]


def learned(chain: list[keras.layers.Layer], images: np.ndarray, seed: int = 2) -> list[tf.Tensor]:
    """Give what layers make of images in training, and the gradients of a weighted sum of it by images and weights."""
    images = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = images
        for layer in chain:
            training = {"training": True} if isinstance(layer, keras.layers.BatchNormalization) else {}
            outputs = layer(outputs, **training)
        wanted = np.random.default_rng(seed).normal(size=outputs.shape)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * wanted.astype(np.float32))
    weights = [weight.value for layer in chain for weight in layer.trainable_weights]
    return [outputs, *tape.gradient(loss, [images, *weights])]


# Maps of one position, and with a row that pooling cuts.
@pytest.mark.parametrize("shape", [(5, 11, 13, 3), (6, 1, 1, 2), (4, 7, 6, 5), (2, 8, 8, 3)])
@pytest.mark.parametrize("pooled", [False, True])
def test_normalization_that_rectifies_and_pools_is_keras_s_chain(shape: tuple[int, ...], pooled: bool) -> None:
    pooled = pooled and shape[1] > 1
    images = np.random.default_rng(0).normal(1, 2, shape).astype(np.float32)
    chain, ours = chain_and_fused(shape, **({"pooled": True} if pooled else {}))
    for theirs, own in zip(learned(chain, images), learned([ours], images), strict=True):
        assert difference(own, theirs) < 10 * FLOAT32
    for theirs, own in zip(chain[0].get_weights(), ours.get_weights(), strict=True):
        assert difference(own, theirs) < FLOAT32  # the moving statistics among them
    seen = images
    for layer in chain:
        seen = layer(seen)
    assert difference(ours(images), seen) < FLOAT32
    assert ours.compute_output_shape(shape) == seen.shape


def gradients(layer: keras.layers.Layer, images: np.ndarray, wanted: np.ndarray) -> list[tf.Tensor]:
    """Give the gradients of a weighted sum of what a layer makes of images, by the images and by its weights."""
    images = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = tf.reduce_sum(layer(images) * wanted)
    return tape.gradient(loss, [images, *(weight.value for weight in layer.trainable_weights)])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(4, 4, 4, 3), (3, 1, 5, 2), (2, 3, 2, 1), (2, 7, 6, 2)])  # the last map is large
def test_a_fused_convolution_has_keras_s_outputs_and_gradients(
    shape: tuple[int, ...], bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32, where rounding hides little, as if it paid there."""
    monkeypatch.setattr(fused, "SMALL_MAP_PRECISION", "float32")
    random = np.random.default_rng(0)
    images, wanted = (random.normal(size=(*shape[:3], last)).astype(np.float32) for last in (shape[3], 5))
    pair = [kind(5, 3, padding="same", use_bias=bias) for kind in (keras.layers.Conv2D, fused.FusedConv2D)]
    for layer in pair:
        layer.build(shape)
    pair[1].set_weights(pair[0].get_weights())
    assert difference(pair[1](images), pair[0](images)) < FLOAT32
    for theirs, ours in zip(*(gradients(layer, images, wanted) for layer in pair), strict=True):
        assert difference(ours, theirs) < FLOAT32


@pytest.mark.parametrize(
    ("options", "shape", "products"),
    [
        ({}, (2, 4, 4, 3), True),
        ({}, (2, 4, 5, 3), False),
        ({"dtype": "float32"}, (2, 4, 4, 3), False),
        ({"strides": 2}, (2, 4, 4, 3), False),
        ({"padding": "valid"}, (2, 4, 4, 3), False),
        ({"kernel_size": 1}, (2, 4, 4, 3), False),
        ({"groups": 3}, (2, 4, 4, 3), False),
        ({"dilation_rate": 2}, (2, 4, 4, 3), False),
    ],
)
def test_only_usual_filters_on_small_maps_are_products(
    options: dict, shape: tuple[int, ...], products: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, give = [], fused.filter_gradient
    monkeypatch.setattr(fused, "filter_gradient", lambda *given: asked.append(True) or give(*given))
    usual = {"filters": 3, "kernel_size": 3, "padding": "same", "dtype": "mixed_bfloat16"}
    layer = fused.FusedConv2D(**{**usual, **options})
    images = np.ones(shape, np.float32)
    gradients(layer, images, tf.ones(layer(images).shape, layer.compute_dtype))
    assert bool(asked) is products


def test_dropout_drops_at_its_rate_and_keeps_the_mean() -> None:
    """Of 999,999 values, the share that is dropped is off by 0.0018 once in ten thousand times."""
    values, limit = np.ones((333, 3003), np.float32), 0.0018
    for rate in (0.1, 0.4, 0.999):
        near = min(255, round(256 * rate)) / 256
        dropped = keras.ops.convert_to_numpy(fused.FusedDropout(rate, seed=1)(values, training=True))
        assert abs((dropped == 0).mean() - near) < limit and abs(near - rate) < 1 / 256
        np.testing.assert_allclose(dropped[dropped > 0], 1 / (1 - near), rtol=1e-5)
        assert abs(dropped.mean() - 1) < 2 * limit / (1 - near)
    assert abs((dropped == 0).mean() - (near - 1 / 256)) > limit  # one number in 256 more or less is noticed


def test_dropout_drops_other_values_each_time_and_the_same_ones_from_the_same_seed() -> None:
    values = np.ones((7, 3, 11), np.float32)  # 231, no multiple of eight
    first, second = ([layer(values, training=True) for _ in range(2)] for layer in (make_dropout(1), make_dropout(1)))
    np.testing.assert_array_equal(first, second)
    assert (np.array(first[0]) != np.array(first[1])).any()
    assert (np.array(make_dropout(2)(values, training=True)) != np.array(first[0])).any()
    np.testing.assert_array_equal(make_dropout(1)(values, training=False), values)


def test_dropout_of_everything_is_keras_s_own() -> None:
    assert not np.array(fused.FusedDropout(1.0, seed=1)(np.ones((3, 4), np.float32), training=True)).any()


def test_images_of_open_size_are_convolved_as_by_keras() -> None:
    layer = fused.FusedConv2D(2, 3, padding="same", dtype="mixed_bfloat16")
    layer.build((None, None, None, 1))
    convolve = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 1))])
    assert convolve(np.ones((1, 4, 5, 1), np.float32)).shape == (1, 4, 5, 2)


def make_dropout(seed: int) -> keras.layers.Layer:
    return fused.FusedDropout(0.5, seed=seed)


def test_neighbours_are_dropped_independently() -> None:
    """The four numbers of a draw have nothing to do with each other: both of a pair are dropped a quarter of times."""
    dropped = np.array(make_dropout(3)(np.ones((250_000, 4), np.float32), training=True)) == 0
    for first in range(4):
        for second in range(first):
            assert abs((dropped[:, first] & dropped[:, second]).mean() - 0.25) < 0.005


@pytest.mark.parametrize("factor", [(2, 1), (3, 2), (4, 3)])
def test_images_are_enlarged_as_the_network_s_own_layers_do(factor: tuple[int, int]) -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (2, 24, 18, 3)).astype(np.float32)
    enlarged = architectures.enlarge(keras.ops.convert_to_tensor(images), factor)
    ours = fused.FusedEnlargement(factor)
    assert difference(ours(images), enlarged) < FLOAT32
    assert ours.compute_output_shape(images.shape) == enlarged.shape
    assert difference(fused.FusedEnlargement.from_config(ours.get_config())(images), enlarged) < FLOAT32
    assert difference(ours(images[:, ::-1])[:, :, ::-1], enlarged) > 100 * FLOAT32
