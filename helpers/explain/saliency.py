"""Saliency maps: which pixels a class logit depends on, by gradients of the logit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from helpers.networks.inference import (
    CONVOLUTIONS,
    Classes,
    Compiled,
    Layer,
    call,
    check,
    chunks,
    class_logits,
    flat_layers,
    pick_logits,
    replaced_calls,
    require,
    signature,
)

__all__ = ["class_logits"]  # read here too, beside the maps that explain it

ACTIVATIONS = (
    keras.layers.Activation,
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ReLU,
)

Variant = Callable[[np.ndarray, np.ndarray], np.ndarray]  # images, numbers of their copies
Weighting = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # features and the logit's slopes, to (N, 1, 1, channels)


def gradient(model: keras.Model, images: np.ndarray, classes: Classes, *, signed: bool = True) -> np.ndarray:
    """Differentiate each image's class logit with respect to its pixels.

    images: (N, H, W, C) in 0..255; classes: (N,) int, or one class for all. Returns (N, H, W) float32 in
    logits per grey level: summed over the channels or, with signed=False, the largest magnitude among the
    channels. Raises ValueError on a class that the model does not have. Simonyan et al., 2014.
    """
    images, classes = check(model, images, classes)
    return _reduce_channels(_mean_gradient(model, images, classes, _unchanged, count=1), signed)


def gradient_times_input(model: keras.Model, images: np.ndarray, classes: Classes) -> np.ndarray:
    """Multiply each pixel's gradient by the pixel: the first-order share of the logit that it contributes.

    images: (N, H, W, C) in 0..255; classes: (N,) int, or one class for all. Returns (N, H, W) float32,
    signed, summed over the channels. Raises ValueError on a class that the model does not have. Shrikumar et
    al., 2016.
    """
    images, classes = check(model, images, classes)
    return _reduce_channels(_mean_gradient(model, images, classes, _unchanged, count=1) * images, signed=True)


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

    images: (N, H, W, C) in 0..255; classes: (N,) int, or one class for all; noise: standard deviation as a
    share of each image's own range of values. Every image meets the same noise, so its map does not depend on
    the images beside it. Returns (N, H, W) float32, channels as in `gradient`. Raises ValueError on a class
    that the model does not have, samples below 1 or a negative noise. Smilkov et al., 2017.
    """
    images, classes = check(model, images, classes)
    require(samples >= 1, f"samples is {samples}; it must be at least 1.")
    require(noise >= 0, f"noise is {noise}; it must be 0 or more.")
    random = np.random.default_rng(seed)
    fields = noise * random.standard_normal((samples, *images.shape[1:]), dtype=np.float32)

    def noisy(batch: np.ndarray, copies: np.ndarray) -> np.ndarray:
        return batch + np.ptp(batch, axis=(1, 2, 3), keepdims=True) * fields[copies]

    return _reduce_channels(_mean_gradient(model, images, classes, noisy, samples), signed)


def integrated_gradients(model: keras.Model, images: np.ndarray, classes: Classes, steps: int = 32) -> np.ndarray:
    """Attribute each image's class logit to its pixels, along the straight path from black.

    images: (N, H, W, C) in 0..255; classes: (N,) int, or one class for all. Returns (N, H, W) float32,
    signed, summed over the channels; each map sums to logit(image) - logit(black) up to the error of the
    midpoint rule with this many steps. A network that divides each image by its own spread sees the path
    change only at its very start, which the steps miss. Raises ValueError on a class that the model does not
    have, or steps below 1. Sundararajan et al., 2017.
    """
    images, classes = check(model, images, classes)
    require(steps >= 1, f"steps is {steps}; it must be at least 1.")

    def on_path(batch: np.ndarray, copies: np.ndarray) -> np.ndarray:
        return batch * ((copies + np.float32(0.5)) / np.float32(steps))[:, None, None, None]

    return _reduce_channels(_mean_gradient(model, images, classes, on_path, steps) * images, signed=True)


def guided_backpropagation(
    model: keras.Model, images: np.ndarray, classes: Classes, *, signed: bool = True
) -> np.ndarray:
    """Differentiate the logit, but let every ReLU pass back positive gradients only: pictures that mislead.

    They are sharp because they restore the image's edges, and hardly change with the class or when the upper
    layers are given random weights (Adebayo et al., 2018; Nie et al., 2018): kept here as the failure that a
    check of explanations has to catch. images: (N, H, W, C) in 0..255; classes: (N,) int, or one class for
    all. Returns (N, H, W) float32, channels as in `gradient`. Raises ValueError on a class that the model
    does not have, or a model without a ReLU. Springenberg et al., 2015.
    """
    images, classes = check(model, images, classes)
    require(bool(_relus(model)), f"{model.name} has no ReLU, and so nothing for guided backpropagation to change.")
    return _reduce_channels(_mean_gradient(model, images, classes, _unchanged, count=1, guided=True), signed)


def grad_cam(model: keras.Model, images: np.ndarray, classes: Classes, layer: Layer | None = None) -> np.ndarray:
    """Weigh a layer's feature maps by the logit's mean gradient over each; keep what speaks for the class.

    images: (N, H, W, C) in 0..255; classes: (N,) int, or one class for all; layer: any layer of the model, or
    of a model nested in it, that gives (N, h, w, channels); by default the activation after the last
    convolution. Returns (N, H, W) float32, >= 0, brought to the size of the image bilinearly. Raises
    ValueError on a class that the model does not have, or on a layer that gives no feature maps. Selvaraju et
    al., 2017.
    """
    return _class_activation_maps(model, images, classes, layer, _mean_slopes)


def grad_cam_plus_plus(
    model: keras.Model, images: np.ndarray, classes: Classes, layer: Layer | None = None
) -> np.ndarray:
    """Weigh a layer's feature maps by their positive gradients, so that a map counts wherever it is awake.

    Arguments, result and errors as in `grad_cam`, but for one positive factor an image, which is left out: the
    exponential of its logit. Chattopadhay et al., 2018.
    """
    return _class_activation_maps(model, images, classes, layer, _rising_slopes)


def compare_methods(
    model: keras.Model,
    images: np.ndarray,
    classes: Classes,
    samples: int = 25,
    steps: int = 32,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Explain the same images by gradient, SmoothGrad, integrated gradients and Grad-CAM.

    Arguments as in these. Returns maps (N, H, W) float32 by the method's name; those of Grad-CAM are >= 0,
    the others are signed.
    """
    return {
        "gradient": gradient(model, images, classes),
        "SmoothGrad": smooth_gradient(model, images, classes, samples, seed=seed),
        "integrated gradients": integrated_gradients(model, images, classes, steps),
        "Grad-CAM": grad_cam(model, images, classes),
    }


def last_feature_layer(model: keras.Model) -> Layer:
    """Find the layer whose output is the activation after the last convolution, in nested models too.

    This is the last convolution itself where no activation layer follows it before the map's size changes.
    Raises ValueError on a model without convolutions.
    """
    flat = flat_layers(model)
    last = max((i for i, layer in enumerate(flat) if isinstance(layer, CONVOLUTIONS)), default=None)
    require(last is not None, f"{model.name} has no convolution, and so no feature maps for Grad-CAM.")
    for layer in flat[last + 1 :]:
        if layer.output.shape[1:-1] != flat[last].output.shape[1:-1]:
            break
        if isinstance(layer, ACTIVATIONS):
            return layer
    return flat[last]


def class_similarity(means: np.ndarray) -> float:
    """Correlate the mean maps of every two classes and average: 1 where all are read in the same places.

    means: (K, H, W) float, nan for a class without a map; such classes and even maps are left out. Returns a
    number in -1..1; nan for fewer than two classes.
    """
    present = means[means.std(axis=(1, 2)) > 0].reshape(-1, means[0].size)
    if len(present) < 2:
        return float("nan")
    return float(np.corrcoef(present)[np.triu_indices(len(present), k=1)].mean())


def top_fraction_mask(maps: np.ndarray, fraction: float) -> np.ndarray:
    """Mark in each map the fraction of the pixels that count most, for or against: the largest magnitudes.

    maps: (N, H, W) float; fraction: in 0..1. Returns (N, H, W) bool with exactly round(fraction * H * W)
    pixels marked in every map; among equal magnitudes the first in reading order. Raises ValueError on a
    fraction outside 0..1.
    """
    require(0 <= fraction <= 1, f"The fraction is {fraction}; it must lie between 0 and 1.")
    flat = np.abs(maps).reshape(len(maps), -1)
    kept = np.argsort(-flat, axis=1, kind="stable")[:, : round(fraction * flat.shape[1])]
    mask = np.zeros(flat.shape, bool)
    np.put_along_axis(mask, kept, True, axis=1)
    return mask.reshape(maps.shape)


def mask_overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Measure which share of the first masks' pixels the second masks hold too.

    first, second: (N, H, W) bool. Returns (N,) float32 in 0..1, nan for an empty first mask. Masks drawn at
    random overlap by the second's share of the image.
    """
    with np.errstate(invalid="ignore"):
        return ((first & second).sum(axis=(1, 2)) / first.sum(axis=(1, 2))).astype(np.float32)


def mean_overlap(masks: Sequence[np.ndarray]) -> np.ndarray:
    """Average over the images which share of one method's pixels another method marks too.

    masks: K arrays (N, H, W) bool. Returns (K, K) float32: row i, column j is the share of i's pixels that j
    holds.
    """
    rows = [[np.nanmean(mask_overlap(first, second)) for second in masks] for first in masks]
    return np.array(rows, np.float32)


def concentration(maps: np.ndarray, fraction: float) -> np.ndarray:
    """Measure which share of each map's relevance its top fraction of pixels holds.

    maps: (N, H, W) float; fraction: in 0..1. Returns (N,) float32 from the fraction, where all pixels count
    alike, to 1. Raises ValueError on a fraction outside 0..1.
    """
    return (relevance_share(maps) * top_fraction_mask(maps, fraction)).sum(axis=(1, 2))


def compare_traits(maps: Mapping[str, np.ndarray], means: Mapping[str, np.ndarray], fraction: float) -> pd.DataFrame:
    """Measure what sets methods apart that explain the same images.

    maps: (N, H, W) by the method's name; means: (K, H, W), the mean map of each class; fraction: in 0..1.
    Returns a row a method: concentration, the relevance in the top fraction of the pixels; overlap, the share
    of these pixels that another method marks too, mean over the others; class likeness, the correlation
    between two classes' mean maps.
    """
    overlap = mean_overlap([top_fraction_mask(values, fraction) for values in maps.values()])
    others = (overlap.sum(axis=1) - overlap.diagonal()) / (len(overlap) - 1)
    traits = {
        "concentration": [concentration(values, fraction).mean() for values in maps.values()],
        "overlap": others,
        "class likeness": [class_similarity(means[method]) for method in maps],
    }
    return pd.DataFrame(traits, index=pd.Index(maps, name="method"))


def upper_share(maps: np.ndarray) -> np.ndarray:
    """Measure which share of each map's relevance lies in the upper half of the image.

    maps: (N, H, W) float; the middle row of an odd height belongs to the lower half. Returns (N,) float32 in
    0..1.
    """
    return relevance_share(maps)[:, : maps.shape[1] // 2].sum(axis=(1, 2))


def relevance_share(maps: np.ndarray) -> np.ndarray:
    """Turn each map into the share of the relevance that falls on each pixel, whatever its sign.

    maps: (N, H, W) float. Returns (N, H, W) float32, >= 0; each map sums to 1, so that in a mean over images
    the steepest do not outweigh the others. A map that is zero everywhere gives equal shares.
    """
    magnitude = np.abs(np.asarray(maps, np.float32))
    total = magnitude.sum(axis=(1, 2), keepdims=True)
    even = np.float32(1 / np.prod(maps.shape[1:]))
    return np.where(total > 0, magnitude / np.where(total > 0, total, 1), even)


def mean_map_by_class(maps: np.ndarray, classes: np.ndarray, class_count: int) -> np.ndarray:
    """Average the maps of each class.

    maps: (N, H, W) float; classes: (N,) int. Returns (class_count, H, W) float32; nan for a class without a
    map.
    """
    means = np.full((class_count, *maps.shape[1:]), np.nan, np.float32)
    for number in np.unique(classes):
        means[number] = maps[classes == number].mean(axis=0)
    return means


def _unchanged(batch: np.ndarray, copies: np.ndarray) -> np.ndarray:
    return batch


def _mean_gradient(
    model: keras.Model,
    images: np.ndarray,
    classes: np.ndarray,
    variant: Variant,
    count: int,
    *,
    guided: bool = False,
) -> np.ndarray:
    """Average the gradient over `count` variants of every image; (N, H, W, C) float32.

    Images and variants are batched together: few images with many variants fill a batch as well as many
    images do.
    """
    function = _gradient_function(model, guided)
    total = np.zeros(images.shape, np.float32)
    for chunk in chunks(len(images) * count, images.shape):
        rows, copies = np.divmod(np.arange(chunk.start, chunk.stop), count)
        batch = variant(images[rows].astype(np.float32), copies)
        present, starts = np.unique(rows, return_index=True)
        total[present] += np.add.reduceat(function(batch, classes[rows]).numpy(), starts, axis=0)
    return total / np.float32(count)


def _class_activation_maps(
    model: keras.Model, images: np.ndarray, classes: Classes, layer: Layer | None, weigh: Weighting
) -> np.ndarray:
    images, classes = check(model, images, classes)
    layer = last_feature_layer(model) if layer is None else layer
    legal = [choice for choice in flat_layers(model) if len(choice.output.shape) == 4]
    require(
        layer in legal,
        f"Layer {layer.name!r} has no feature maps in {model.name}; those that have are: {_names(legal)}.",
    )
    function = _cam_function(model, layer, weigh)
    maps = np.empty(images.shape[:3], np.float32)
    for chunk in chunks(len(images), images.shape):
        maps[chunk] = function(images[chunk].astype(np.float32), classes[chunk])
    return maps


def _reduce_channels(gradients: np.ndarray, signed: bool) -> np.ndarray:
    """Reduce (N, H, W, C) to (N, H, W): the sum over the channels, or the largest magnitude among them."""
    return gradients.sum(axis=-1) if signed else np.abs(gradients).max(axis=-1)


def _names(layers: list[Layer]) -> str:
    return ", ".join(layer.name for layer in layers)


@lru_cache(maxsize=8)
def _gradient_function(model: keras.Model, guided: bool = False) -> Compiled:
    @tf.function(input_signature=signature(model))
    def function(images: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape, _guided_relus(model if guided else None):
            tape.watch(images)
            logits = pick_logits(call(model, images), classes)
        return tape.gradient(logits, images, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    return function


@lru_cache(maxsize=8)
def _cam_function(model: keras.Model, layer: Layer, weigh: Weighting) -> Compiled:
    @tf.function(input_signature=signature(model))
    def function(images: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape, _watched_output(layer, tape) as outputs:
            logits = pick_logits(call(model, images, intact=layer), classes)
        slopes = tape.gradient(logits, outputs[-1], unconnected_gradients=tf.UnconnectedGradients.ZERO)
        features, slopes = (tf.cast(values, tf.float32) for values in (outputs[-1], slopes))
        maps = tf.nn.relu(tf.reduce_sum(weigh(features, slopes) * features, axis=-1, keepdims=True))
        return tf.image.resize(maps, tf.shape(images)[1:3], method="bilinear")[..., 0]

    return function


def _mean_slopes(features: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(slopes, axis=(1, 2), keepdims=True)


def _rising_slopes(features: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    """Add up the positive slopes, each divided by what the paper's second and third derivatives come to.

    These are those of the exponential of the logit, whose own size cancels but for a factor an image.
    """
    rising = tf.nn.relu(slopes)
    divisor = 2 + rising * tf.reduce_sum(features, axis=(1, 2), keepdims=True)
    return tf.reduce_sum(tf.math.divide_no_nan(rising, divisor), axis=(1, 2), keepdims=True)


@contextmanager
def _watched_output(layer: Layer, tape: tf.GradientTape) -> Iterator[list[tf.Tensor]]:
    """Collect what the layer gives while the model runs.

    A model from the inputs to this layer would do for a flat model, but a nested layer's output is not part
    of the outer graph.
    """
    outputs: list[tf.Tensor] = []
    original = layer.call

    def watched(*args, **kwargs) -> tf.Tensor:
        outputs.append(original(*args, **kwargs))
        tape.watch(outputs[-1])
        return outputs[-1]

    with replaced_calls({layer: watched}):
        yield outputs


def _relus(model: keras.Model) -> list[Layer]:
    """List the layers that apply a plain ReLU, as a layer of its own or as their activation."""
    return [layer for layer in flat_layers(model) if _is_relu(layer)]


def _is_relu(layer: Layer) -> bool:
    if isinstance(layer, keras.layers.ReLU):
        return layer.max_value is None and layer.negative_slope == 0 and layer.threshold == 0
    return getattr(layer, "activation", None) is keras.activations.relu


@contextmanager
def _guided_relus(model: keras.Model | None) -> Iterator[None]:
    """Let the ReLUs of a model pass back positive gradients only, while it is traced; none without a model."""
    relus = _relus(model) if model is not None else []
    own = [layer for layer in relus if isinstance(layer, keras.layers.ReLU)]
    built_in = [layer for layer in relus if layer not in own]
    try:
        for layer in built_in:
            layer.activation = _guided_relu
        with replaced_calls({layer: lambda inputs, **_: _guided_relu(inputs) for layer in own}):
            yield
    finally:
        for layer in built_in:
            layer.activation = keras.activations.relu


@tf.custom_gradient
def _guided_relu(inputs: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    outputs = tf.nn.relu(inputs)
    return outputs, lambda upstream: tf.where(outputs > 0, tf.nn.relu(upstream), 0)
