"""What stands in for a layer or an optimiser of Keras's gives what Keras's own gives."""

import keras
import numpy as np
import pytest

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
