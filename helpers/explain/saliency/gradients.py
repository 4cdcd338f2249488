"""Gradients of the class logit by the pixels: plain, times the pixel, and averaged over noise."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import keras
import numpy as np
import tensorflow as tf

from helpers.base.checks import require
from helpers.explain.registry import OF_SUBSTRATE, method
from helpers.explain.substrates import BLACK, substrate
from helpers.networks.chunks import chunks, gradient_bytes
from helpers.networks.inference import call
from helpers.networks.logits import Classes, Compiled, check, pick_logits, signature

Variant = Callable[[np.ndarray, np.ndarray], np.ndarray]  # images, numbers of their copies
Rule = Callable[[keras.Model], AbstractContextManager[None]]  # changes how a model passes gradients back


def plain(model: keras.Model) -> AbstractContextManager[None]:
    """Let a model pass gradients back as they are."""
    return nullcontext()


@method("gradient", signed=False, passes="few", source="Simonyan et al., 2014")
def gradient(model: keras.Model, images: np.ndarray, classes: Classes, *, signed: bool = True) -> np.ndarray:
    """Differentiate each image's class logit with respect to its pixels.

    Maps are in logits per grey level: summed over the channels or, with signed=False, the largest magnitude among the
    channels. Simonyan et al., 2014.
    """
    images, classes = check(model, images, classes)
    return reduce_channels(mean_gradient(model, images, classes, unchanged, count=1), signed)


@method("gradient × input", signed=True, passes="few", baseline=OF_SUBSTRATE, source="Shrikumar et al., 2016")
def gradient_times_input(
    model: keras.Model, images: np.ndarray, classes: Classes, baseline: str = "blur"
) -> np.ndarray:
    """Multiply each pixel's gradient by what the pixel adds to a baseline: its first-order share of the logit.

    baseline: what each image is measured from, as `substrate` names it; ValueError where there is none such. Maps are
    signed, summed over the channels. Shrikumar et al., 2016, who measure from black.
    """
    images, classes = check(model, images, classes)
    gradients = mean_gradient(model, images, classes, unchanged, count=1)
    return reduce_channels(gradients * (images - substrate(images, baseline).astype(np.float32)), signed=True)


@method("gradient × input (black)", signed=True, passes="few", baseline=BLACK, source="Shrikumar et al., 2016")
def gradient_times_input_from_black(model: keras.Model, images: np.ndarray, classes: Classes) -> np.ndarray:
    """Multiply each pixel's gradient by the pixel, as Shrikumar et al., 2016: `gradient_times_input` from black."""
    return gradient_times_input(model, images, classes, BLACK)


@method("SmoothGrad", signed=False, passes="many", source="Smilkov et al., 2017")
def smooth_gradient(
    model: keras.Model,
    images: np.ndarray,
    classes: Classes,
    samples: int = 25,
    noise: float = 0.1,
    seed: int = 0,
    *,
    signed: bool = True,
) -> np.ndarray:
    """Average the gradient over noisy copies of each image, so that only what is stable under noise remains.

    noise: standard deviation as a share of each image's own range of values. Every image meets the same noise, so its
    map does not depend on the images beside it. Channels as in `gradient`. Raises ValueError on samples below 1 or a
    negative noise. Smilkov et al., 2017.
    """
    images, classes = check(model, images, classes)
    require(samples >= 1, f"samples is {samples}; it must be at least 1.")
    require(noise >= 0, f"noise is {noise}; it must be 0 or more.")
    random = np.random.default_rng(seed)
    fields = noise * random.standard_normal((samples, *images.shape[1:]), dtype=np.float32)

    def noisy(batch: np.ndarray, copies: np.ndarray) -> np.ndarray:
        return batch + np.ptp(batch, axis=(1, 2, 3), keepdims=True) * fields[copies]

    return reduce_channels(mean_gradient(model, images, classes, noisy, samples), signed)


def unchanged(batch: np.ndarray, copies: np.ndarray) -> np.ndarray:
    return batch


def mean_gradient(
    model: keras.Model,
    images: np.ndarray,
    classes: np.ndarray,
    variant: Variant,
    count: int,
    rule: Rule = plain,
    factor: Variant | None = None,
) -> np.ndarray:
    """Average the gradient over `count` variants of every image; (N, H, W, C) float32.

    Images and variants are batched together: few images with many variants fill a batch as well as many
    images do. rule: how the model passes gradients back; factor: what each variant's gradient is multiplied by.
    """
    function = _gradient_function(model, rule)
    total = np.zeros(images.shape, np.float32)
    for chunk in chunks(len(images) * count, gradient_bytes(model, images.shape[1:])):
        rows, copies = np.divmod(np.arange(chunk.start, chunk.stop), count)
        batch = images[rows].astype(np.float32)
        slopes = function(variant(batch, copies), classes[rows]).numpy()
        present, starts = np.unique(rows, return_index=True)
        total[present] += np.add.reduceat(slopes if factor is None else slopes * factor(batch, copies), starts, axis=0)
    return total / np.float32(count)


def reduce_channels(gradients: np.ndarray, signed: bool) -> np.ndarray:
    """Reduce (N, H, W, C) to (N, H, W): the sum over the channels, or the largest magnitude among them."""
    return gradients.sum(axis=-1) if signed else np.abs(gradients).max(axis=-1)


@lru_cache(maxsize=8)
def _gradient_function(model: keras.Model, rule: Rule) -> Compiled:
    @tf.function(input_signature=signature(model), autograph=False)
    def function(images: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape, rule(model):
            tape.watch(images)
            logits = pick_logits(call(model, images), classes)
        return tape.gradient(logits, images, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    return function
