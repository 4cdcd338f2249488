"""What every layer of a network makes of an image, read with keract."""

from collections import Counter
from collections.abc import Sequence
from itertools import filterfalse

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import tree
from scipy.stats import t
from skimage.transform import resize

from helpers.explain.keract_bridge import is_input, keract
from helpers.networks.architectures import ENLARGEMENT
from helpers.networks.chunks import chunks, gradient_bytes
from helpers.networks.layers import ACTIVATIONS, CONVOLUTIONS, POOLINGS, has_map, kind_in_words

ROLES = {
    "Conv2D": "conv", "DepthwiseConv2D": "depthwise", "SeparableConv2D": "separable", "GroupNormalization": "norm",
    "LayerNormalization": "norm", "BatchNormalization": "norm", "ReLU": "relu", "MaxPooling2D": "pool",
    "AveragePooling2D": "pool", "GlobalAveragePooling2D": "average", "Dropout": "dropout", "UpSampling2D": "enlarge",
}  # fmt: skip
RECTIFIED = ("ReLU", "LeakyReLU", "PReLU", "ELU", "Activation")  # kinds of layers that bend what comes


def activations(model: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """Give the output of every layer, pooling layers included, in the order of the model.

    images: (N, H, W, C) in 0..255. Returns layer name -> float32 array (N, ...), without the input itself.
    """
    found = keract.get_activations(model, images.astype(np.float32))
    return {layer.name: found[layer.name] for layer in model.layers if not is_input(layer)}


def gradients(model: keras.Model, image: np.ndarray, label: int) -> dict[str, np.ndarray]:
    """Give the gradient of one class's logit with respect to the output of every layer.

    image: (H, W, C) in 0..255; label: a class of the model. Returns layer name -> (1, ...) float32, signed.
    Not of the cross-entropy, of which a confident network has next to none. Raises ValueError on an unknown class.
    """
    classes = model.output_shape[-1]
    if not 0 <= label < classes:
        raise ValueError(f"Class {label} is unknown to the model: give one of 0 to {classes - 1}.")
    layers = [layer for layer in model.layers if not is_input(layer)]
    traced = keras.Model(model.inputs[0], [*(layer.output for layer in layers), *model.outputs])

    @tf.function(autograph=False)  # a graph leaves out the gradients of weights, which can end TensorFlow's process
    def slopes(pixels: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(pixels)
            *outputs, logits = traced(pixels, training=False)
            logit = logits[:, label]
        return tape.gradient(logit, outputs, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    found = slopes(tf.constant(image[np.newaxis], tf.float32))
    return {layer.name: np.asarray(gradient) for layer, gradient in zip(layers, found, strict=True)}


def layer_labels(model: keras.Model) -> dict[str, str]:
    """Name every layer by its role and its number among its kind, as in "conv 3" or "random flip 1"."""
    seen: Counter[str] = Counter()
    labels = {}
    for layer in filterfalse(is_input, model.layers):
        role = ROLES.get(type(layer).__name__, kind_in_words(layer))
        seen[role] += 1
        labels[layer.name] = f"{role} {seen[role]}"
    return labels


def stages(model: keras.Model) -> list[str]:
    """List the names of the layers that rectify or pool a map, in order: what the next layers get to see.

    Where there are none, the convolutions are given; what enlarges images before the first of these is left out.
    """
    for kinds in ((*ACTIVATIONS, *POOLINGS), CONVOLUTIONS):
        found = [layer for layer in model.layers if isinstance(layer, kinds) and has_map(layer)]
        if names := [layer.name for layer in found if not layer.name.startswith(ENLARGEMENT)]:
            return names
    return []


def pooling_pairs(model: keras.Model) -> list[tuple[str, str]]:
    """Pair stages with the first pooling layer that each leads to: (name of the stage, name of the pooling layer)."""
    made_by, shown = {id(layer.output): layer for layer in model.layers if not is_input(layer)}, stages(model)

    def before(layer: keras.Layer) -> keras.Layer | None:  # of what joins branches, the first one
        return made_by.get(id(tree.flatten(layer.input)[0]))

    pairs: dict[str, str] = {}
    for name in shown:
        if isinstance(model.get_layer(name), POOLINGS):
            stage = before(model.get_layer(name))
            while stage and stage.name not in shown:
                stage = before(stage)
            if stage:
                pairs.setdefault(stage.name, name)
    return [*pairs.items()]


def heatmap(activation: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Average the channels of one layer into one map, enlarged to the size of the image.

    activation: (h, w, channels); each channel is divided by its own maximum first, so that a loud one does not drown
    the others, and is zero where it has no positive output. Returns `shape` float32 in 0..1, bilinear.
    """
    positive = activation.clip(min=0)
    peaks = positive.max(axis=(0, 1))
    mean = (positive / np.where(peaks > 0, peaks, 1)).mean(axis=2)
    return resize(mean, shape, order=1, mode="edge").astype(np.float32)


def contribution(activation: np.ndarray, gradient: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Sum activation times gradient (h, w, channels): what each place adds to the logit, to first order.

    Returns `shape` float32, signed, enlarged bilinearly.
    """
    return resize((activation * gradient).sum(axis=2), shape, order=1, mode="edge").astype(np.float32)


def layer_statistics(model: keras.Model, images: np.ndarray) -> pd.DataFrame:
    """Measure what depth and pooling do, one layer a row.

    images: (N, H, W, C) in 0..255. Index: the layers' names. Columns: kind, height, width (1 for a vector), channels,
    units (outputs for one image), silent (share of the outputs that are exactly zero, mean over the images), dead
    (share of the channels that are zero everywhere, on every image), shift (correlation of the layer's output before
    and after the image is moved right by one pixel, mean over the images; 1: the layer does not notice).
    """
    moved = np.roll(images, 1, axis=2)
    moved[:, :, 0] = images[:, :, 0]
    sums: dict[str, list[dict]] = {}
    held = 2 * gradient_bytes(model, images.shape[1:])  # all layers' outputs, before and after the shift
    for chunk in chunks(len(images), held):
        shifted = activations(model, moved[chunk])
        for name, values in activations(model, images[chunk]).items():
            zero = values == 0
            silent, quiet = zero.reshape(len(zero), -1).mean(axis=1).sum(), zero.all(axis=tuple(range(zero.ndim - 1)))
            found = {"silent": silent, "quiet": quiet, "shifts": _correlation(values, shifted[name])}
            sums.setdefault(name, []).append(found | {"shape": (1, 1, *values.shape[1:])[-3:]})
    kinds = {layer.name: type(layer).__name__ for layer in model.layers}
    rows = {name: _row(kinds[name], batches, len(images)) for name, batches in sums.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")


def changed_by_pooling(profile: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Count the pooling layers that make their output less sensitive to a shift, more, and neither for certain.

    profile: as `layer_statistics` gives it; pairs: as `pooling_pairs` does. Certain is what the paired 95% interval of
    the mean change over images, which holds for all layers at once (Bonferroni), leaves zero out of.
    """
    shifts = profile["shifts"].to_dict()
    gained = [shifts[after] - shifts[before] for before, after in pairs]
    freedom = len(gained[0]) - 1
    reach = [t.isf(0.025 / len(pairs), freedom) * each.std() / np.sqrt(freedom) for each in gained]  # of one image, nan
    less = sum(bool(each.mean() > far) for each, far in zip(gained, reach))
    more = sum(bool(each.mean() < -far) for each, far in zip(gained, reach))
    return {"less": less, "more": more, "open": len(pairs) - less - more}


def _row(kind: str, batches: list[dict], images: int) -> dict:
    shifts = np.concatenate([batch["shifts"] for batch in batches])
    height, width, channels = batches[0]["shape"]
    return {
        "kind": kind, "height": height, "width": width, "channels": channels, "units": height * width * channels,
        "silent": sum(batch["silent"] for batch in batches) / images,
        "dead": np.logical_and.reduce([batch["quiet"] for batch in batches]).mean(),
        "shift": float(shifts.mean()), "shifts": shifts,
    }  # fmt: skip


def _correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    a, b = (values.reshape(len(values), -1) for values in (first, second))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.divide((a * b).sum(axis=1), norms, out=np.ones_like(norms), where=norms > 0)
