"""Saliency maps: which pixels a class logit depends on, by gradients of the logit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

# Gradients keep every layer's activations, so the pixels in flight bound the memory: 64 images of 48 x 48.
PIXELS_AT_ONCE = 64 * 48 * 48

ACTIVATIONS = (
    keras.layers.Activation,
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ReLU,
)
CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)

Classes = np.ndarray | int
Variant = Callable[[np.ndarray, np.ndarray], np.ndarray]  # images, numbers of their copies
Compiled = Callable[[np.ndarray, np.ndarray], tf.Tensor]


def gradient(model: keras.Model, images: np.ndarray, classes: Classes, *, signed: bool = True) -> np.ndarray:
    """Differentiate each image's class logit with respect to its pixels.

    images: (N, H, W, C) in 0..255; classes: (N,) int, or one class for all. Returns (N, H, W) float32 in
    logits per grey level: summed over the channels or, with signed=False, the largest magnitude among the
    channels. Raises ValueError on a class that the model does not have. Simonyan et al., 2014.
    """
    images, classes = _checked(model, images, classes)
    return _reduce_channels(_mean_gradient(model, images, classes, _unchanged, count=1), signed)


def gradient_times_input(model: keras.Model, images: np.ndarray, classes: Classes) -> np.ndarray:
    """Multiply each pixel's gradient by the pixel: the first-order share of the logit that it contributes.

    images: (N, H, W, C) in 0..255; classes: (N,) int, or one class for all. Returns (N, H, W) float32,
    signed, summed over the channels. Raises ValueError on a class that the model does not have. Shrikumar et
    al., 2016.
    """
    images, classes = _checked(model, images, classes)
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
    images, classes = _checked(model, images, classes)
    _require(samples >= 1, f"samples is {samples}; it must be at least 1.")
    _require(noise >= 0, f"noise is {noise}; it must be 0 or more.")
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
    images, classes = _checked(model, images, classes)
    _require(steps >= 1, f"steps is {steps}; it must be at least 1.")

    def on_path(batch: np.ndarray, copies: np.ndarray) -> np.ndarray:
        return batch * ((copies + np.float32(0.5)) / np.float32(steps))[:, None, None, None]

    return _reduce_channels(_mean_gradient(model, images, classes, on_path, steps) * images, signed=True)


def grad_cam(
    model: keras.Model, images: np.ndarray, classes: Classes, layer: keras.layers.Layer | None = None
) -> np.ndarray:
    """Weigh a layer's feature maps by the logit's mean gradient over each; keep what speaks for the class.

    images: (N, H, W, C) in 0..255; classes: (N,) int, or one class for all; layer: any layer of the model, or
    of a model nested in it, that gives (N, h, w, channels); by default the activation after the last
    convolution. Returns (N, H, W) float32, >= 0, brought to the size of the image bilinearly. Raises
    ValueError on a class that the model does not have, or on a layer that gives no feature maps. Selvaraju et
    al., 2017.
    """
    images, classes = _checked(model, images, classes)
    layer = last_feature_layer(model) if layer is None else layer
    legal = [choice for choice in _flat_layers(model) if len(choice.output.shape) == 4]
    _require(
        layer in legal,
        f"Layer {layer.name!r} has no feature maps in {model.name}; those that have are: {_names(legal)}.",
    )
    function = _grad_cam_function(model, layer)
    maps = np.empty(images.shape[:3], np.float32)
    for chunk in _chunks(len(images), images.shape):
        maps[chunk] = function(images[chunk].astype(np.float32), classes[chunk])
    return maps


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


def class_logits(model: keras.Model, images: np.ndarray, classes: Classes) -> np.ndarray:
    """Read each image's class logit.

    images: (N, H, W, C) in 0..255; classes: (N,) int, or one class for all. Returns (N,) float32. Raises
    ValueError on a class that the model does not have.
    """
    images, classes = _checked(model, images, classes)
    function = _logit_function(model)
    logits = np.empty(len(images), np.float32)
    for chunk in _chunks(len(images), images.shape):
        logits[chunk] = function(images[chunk].astype(np.float32), classes[chunk])
    return logits


def last_feature_layer(model: keras.Model) -> keras.layers.Layer:
    """Find the layer whose output is the activation after the last convolution, in nested models too.

    This is the last convolution itself where no activation layer follows it before the map's size changes.
    Raises ValueError on a model without convolutions.
    """
    flat = _flat_layers(model)
    last = max((i for i, layer in enumerate(flat) if isinstance(layer, CONVOLUTIONS)), default=None)
    _require(last is not None, f"{model.name} has no convolution, and so no feature maps for Grad-CAM.")
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
    _require(0 <= fraction <= 1, f"The fraction is {fraction}; it must lie between 0 and 1.")
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


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)


def _checked(model: keras.Model, images: np.ndarray, classes: Classes) -> tuple[np.ndarray, np.ndarray]:
    """Check images and classes against the model; give the images and one int32 class for each."""
    shape = tuple(model.input_shape[1:])
    fits = np.ndim(images) == 4 and all(
        want in (None, have) for want, have in zip(shape, images.shape[1:], strict=True)
    )
    _require(
        fits,
        f"The images have shape {np.shape(images)}; {model.name} takes (N, {', '.join(map(str, shape))}).",
    )
    classes = np.asarray(classes)
    _require(np.issubdtype(classes.dtype, np.integer), f"Classes must be integers, not {classes.dtype}.")
    _require(
        classes.shape in ((), (len(images),)),
        f"{len(images)} images have classes of shape {classes.shape}; give one per image or one for all.",
    )
    count = model.output_shape[-1]
    wrong = np.unique(classes[(classes < 0) | (classes >= count)])
    _require(
        wrong.size == 0,
        f"{model.name} has no class {', '.join(map(str, wrong))}: choose classes from 0 to {count - 1}.",
    )
    return images, np.broadcast_to(classes.astype(np.int32), len(images))


def _chunks(count: int, shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut `count` pieces of work on images of this shape (N, H, W, C) into slices that fit in memory."""
    size = max(1, PIXELS_AT_ONCE // (shape[1] * shape[2]))
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _unchanged(batch: np.ndarray, copies: np.ndarray) -> np.ndarray:
    return batch


def _mean_gradient(
    model: keras.Model, images: np.ndarray, classes: np.ndarray, variant: Variant, count: int
) -> np.ndarray:
    """Average the gradient over `count` variants of every image; (N, H, W, C) float32.

    Images and variants are batched together: few images with many variants fill a batch as well as many
    images do.
    """
    function = _gradient_function(model)
    total = np.zeros(images.shape, np.float32)
    for chunk in _chunks(len(images) * count, images.shape):
        rows, copies = np.divmod(np.arange(chunk.start, chunk.stop), count)
        batch = variant(images[rows].astype(np.float32), copies)
        np.add.at(total, rows, function(batch, classes[rows]).numpy())
    return total / np.float32(count)


def _reduce_channels(gradients: np.ndarray, signed: bool) -> np.ndarray:
    """Reduce (N, H, W, C) to (N, H, W): the sum over the channels, or the largest magnitude among them."""
    return gradients.sum(axis=-1) if signed else np.abs(gradients).max(axis=-1)


def _flat_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """List the layers in order, those of nested models in place of the model that holds them."""
    nested = ((_flat_layers(layer) if isinstance(layer, keras.Model) else [layer]) for layer in model.layers)
    return [layer for layers in nested for layer in layers]


def _names(layers: list[keras.layers.Layer]) -> str:
    return ", ".join(layer.name for layer in layers)


def _signature(model: keras.Model) -> tuple[tf.TensorSpec, tf.TensorSpec]:
    """Leave the batch size open, so that one trace serves chunks of every length."""
    return tf.TensorSpec((None, *model.input_shape[1:]), tf.float32), tf.TensorSpec((None,), tf.int32)


def _pick_logits(logits: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    return tf.gather(tf.cast(logits, tf.float32), classes, axis=1, batch_dims=1)


@lru_cache(maxsize=8)
def _logit_function(model: keras.Model) -> Compiled:
    @tf.function(input_signature=_signature(model))
    def function(images: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        return _pick_logits(model(images, training=False), classes)

    return function


@lru_cache(maxsize=8)
def _gradient_function(model: keras.Model) -> Compiled:
    @tf.function(input_signature=_signature(model))
    def function(images: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            logits = _pick_logits(model(images, training=False), classes)
        return tape.gradient(logits, images, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    return function


@lru_cache(maxsize=8)
def _grad_cam_function(model: keras.Model, layer: keras.layers.Layer) -> Compiled:
    @tf.function(input_signature=_signature(model))
    def function(images: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape, _watched_output(layer, tape) as outputs:
            logits = _pick_logits(model(images, training=False), classes)
        features = outputs[-1]
        slopes = tape.gradient(logits, features, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        weights = tf.reduce_mean(slopes, axis=(1, 2), keepdims=True)
        maps = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1, keepdims=True))
        return tf.image.resize(maps, tf.shape(images)[1:3], method="bilinear")[..., 0]

    return function


@contextmanager
def _watched_output(layer: keras.layers.Layer, tape: tf.GradientTape) -> Iterator[list[tf.Tensor]]:
    """Collect what the layer gives while the model runs.

    A model from the inputs to this layer would do for a flat model, but a nested layer's output is not part
    of the outer graph.
    """
    outputs: list[tf.Tensor] = []
    call = layer.call

    def watched(*args, **kwargs) -> tf.Tensor:
        outputs.append(call(*args, **kwargs))
        tape.watch(outputs[-1])
        return outputs[-1]

    layer.call = watched
    try:
        yield outputs
    finally:
        del layer.call
