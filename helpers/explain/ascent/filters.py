"""What the filters of a network answer to real images, and how much of an image they see."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import ceil

import keras
import numpy as np
import tensorflow as tf

from helpers.base.checks import require
from helpers.networks.chunks import chunks, gradient_bytes
from helpers.networks.inference import call
from helpers.networks.layers import Layer, activation_after, copy_of

FEWEST = 6  # places a side of a map in which something can be seen
REDUCTIONS = {"mean": tf.reduce_mean, "size": lambda maps, axis: tf.reduce_max(tf.abs(maps), axis)}


def filter_outputs(model: keras.Model, layer: keras.layers.Layer, image: np.ndarray) -> np.ndarray:
    """Output of every filter of a layer on one image (H, W, C) in 0..255, as maps (F, h, w) float32."""
    return np.moveaxis(outputs(cut_model(model, layer), image[np.newaxis])[0].numpy(), -1, 0)


def filter_maps(model: keras.Model, layer: keras.layers.Layer, images: np.ndarray) -> np.ndarray:
    """Output of every filter of a layer on images (N, H, W, C) in 0..255, as maps (N, h, w, F) float32."""
    cut, cuts = cut_model(model, layer), chunks(len(images), gradient_bytes(model, images.shape[1:]))
    return np.concatenate([outputs(cut, images[chunk]).numpy() for chunk in cuts])


def filter_responses(
    model: keras.Model, layers: Sequence[keras.layers.Layer], images: np.ndarray, by: str = "mean"
) -> list[np.ndarray]:
    """One number for each image and filter of several layers, from one pass that stops at the deepest.

    images: (N, H, W, C) in 0..255; by: "mean", or "size" (the largest absolute value), over the positions of a map.
    Returns, for each layer, (N, F) float32. Raises ValueError on an unknown reduction.
    """
    require(by in REDUCTIONS, f"A response by {by!r} is unknown: choose one of {', '.join(REDUCTIONS)}.")
    respond = _respond_function(model, tuple(layers), by)
    # Outputs that are asked for may all be there before the first is reduced.
    cuts = chunks(len(images), gradient_bytes(model, images.shape[1:]))
    batches = [respond(tf.constant(images[chunk], tf.float32)) for chunk in cuts]
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def rank_images(responses: np.ndarray, top_k: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (F, top_k) int64 and values (F, top_k) of the largest responses in each column of (N, F)."""
    indices = np.argsort(-responses, axis=0, kind="stable")[:top_k].T
    return indices, np.take_along_axis(responses.T, indices, axis=1)


def silent_filters(model: keras.Model, layers: Sequence[keras.layers.Layer], images: np.ndarray) -> list[np.ndarray]:
    """Which filters of each convolution are zero, after their activation, at every position of every image.

    images: (N, H, W, C) in 0..255. Returns, for each layer, (F,) bool.
    """
    activated = [rectified(model, layer) for layer in layers]
    return [np.all(size == 0, axis=0) for size in filter_responses(model, activated, images, by="size")]


def rectified(model: keras.Model, layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer that holds a convolution's output after its activation; the layer itself if none follows it."""
    return activation_after(model, layer) or layer


def cut_model(model: keras.Model, *layers: Layer, any_size: bool = False) -> keras.Model:
    """The part of a model from its input to the given layers, whose outputs it gives, in order.

    any_size: rebuild it, with the same weights, for inputs of any height and width; possible up to a
    convolution, not past a Flatten. Raises ValueError when a layer is not part of the model.
    """
    check_layers(model, *layers)
    outputs = [layer.output for layer in layers]
    cut = keras.Model(model.inputs[0], outputs if len(outputs) > 1 else outputs[0])
    return copy_of(cut, (None, None, model.input_shape[-1])) if any_size else cut


def receptive_field(model: keras.Model, layer: keras.layers.Layer) -> int:
    """Side, in input pixels, of the square that one output of a layer can see, in a chain of layers."""
    side, spacing = 1.0, 1.0
    for earlier in model.layers[: model.layers.index(layer) + 1]:
        if isinstance(earlier, keras.layers.UpSampling2D):
            side += spacing * (earlier.interpolation == "bilinear")  # each pixel is made of two neighbours
            spacing /= earlier.size[0]
        window = getattr(earlier, "kernel_size", None) or getattr(earlier, "pool_size", None)
        if window is not None and hasattr(earlier, "strides"):
            side += (window[0] - 1) * getattr(earlier, "dilation_rate", (1,))[0] * spacing
            spacing *= earlier.strides[0]
    return ceil(side)


def choose_depth(layers: Sequence[Layer], number: int = 0, default: int = 7) -> int:
    """The number of the convolution to look into, from 1.

    layers: the convolutions, in order; number: the wish; 0 means the default, or the middle convolution where the
    network has fewer, or, where its maps have fewer than FEWEST places a side, the nearest whose maps have as many.
    Raises ValueError naming the legal numbers.
    """
    depth = len(layers)
    require(0 <= number <= depth, f"There is no convolution {number}: choose 1 to {depth}, or 0 for the default.")
    usual = usual_depth(layers, default)
    seen = [place for place, layer in enumerate(layers, 1) if min(layer.output.shape[1:3]) >= FEWEST]
    return number or min(seen or [usual], key=lambda place: abs(place - usual))


def usual_depth(layers: Sequence[Layer], default: int = 7) -> int:
    """Give the number of the convolution that one looks into as a rule: the default, or the middle one of fewer."""
    return default if default <= len(layers) else (len(layers) + 1) // 2


def check_layers(model: keras.Model, *layers: Layer) -> None:
    """See that layers are a model's; raises ValueError naming one that is not."""
    for layer in layers:
        own = layer in model.layers
        require(own, f"Layer {layer.name!r} is not part of the model: ask networks.architectures for its layers.")


@lru_cache(maxsize=8)
def _respond_function(model: keras.Model, layers: tuple[Layer, ...], by: str) -> Callable[[tf.Tensor], list[tf.Tensor]]:
    cut = cut_model(model, *layers)

    @tf.function(input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)], autograph=False)
    def respond(batch: tf.Tensor) -> list[tf.Tensor]:
        return [REDUCTIONS[by](full(maps), axis=(1, 2)) for maps in tf.nest.flatten(call(cut, batch))]

    return respond


def full(maps: tf.Tensor) -> tf.Tensor:
    """Bring maps to float32."""
    return tf.cast(maps, tf.float32)


def outputs(cut: keras.Model, images: np.ndarray) -> tf.Tensor:
    """Run a model on images (N, H, W, C) as in inference."""
    return cut(tf.constant(images, tf.float32), training=False)
