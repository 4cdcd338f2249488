"""Twins of a network that compute the same thing faster: one to train in its place, one to predict in its place.

A network is built, saved and explained as plain Keras in float32. A twin shares nothing with it but the values of its
weights; its layers never reach a file.
"""

from collections import deque
from collections.abc import Collection, Iterator
from itertools import pairwise

import keras
import numpy as np
from keras import layers, ops
from keras.layers import Layer

from helpers.networks.architectures import ENLARGEMENT, enlarge
from helpers.networks.fast.fused import FusedBatchNormalization
from helpers.networks.layers import FOLDABLE, affine, is_linear
from helpers.networks.precision import Precision

_RECTIFIER = {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}
_HALVING = {"pool_size": (2, 2), "strides": (2, 2), "padding": "valid", "data_format": "channels_last"}


def training_twin(model: keras.Model, precision: Precision, without: Collection[str] = ()) -> keras.Model:
    """Copy a network into one that trains faster: in this precision, with the layers of `helpers.networks.fast.fused`.

    The twin's weights are float32 and in the same order, so `set_weights` brings them back. What prepares the pixels
    and what makes the logits computes in float32 in any case. without: parts that are left out.
    """
    low = _low_precision_layers(model, precision)
    normalization = layers.BatchNormalization if "batch norm" in without else FusedBatchNormalization

    def copy(layer: Layer, **options: object) -> Layer:
        kind = normalization if type(layer) is layers.BatchNormalization else type(layer)
        return kind.from_config({**_config(layer, low), **options})

    if _is_chain(model):
        inputs = tensor = keras.Input(model.input_shape[1:])
        for layer, options in _merged_layers(model, normalization is FusedBatchNormalization):
            tensor = copy(layer, **options)(tensor)
        twin = keras.Model(inputs, tensor, name=model.name)
        for layer, after in pairwise(twin.layers):  # of biases that normalization takes out again, rounding is learned
            if _takes_in(layer, after) and layer.use_bias and after.trainable:
                layer.bias.trainable = False
    else:
        twin = keras.models.clone_model(model, clone_function=copy)
    twin.set_weights(model.get_weights())
    return twin


def _merged_layers(model: keras.Model, fused: bool) -> Iterator[tuple[Layer, dict[str, bool]]]:
    """List the layers of a chain for a training twin, each with what it does in place of layers that follow it.

    A batch normalization does the work of a ReLU behind it, and then of the max pooling behind that one.
    """
    queue = deque(layer for layer in model.layers if not isinstance(layer, layers.InputLayer))
    while queue:
        layer, merged = queue.popleft(), {}
        if fused and type(layer) is layers.BatchNormalization and queue and _is(queue[0], layers.ReLU, **_RECTIFIER):
            queue.popleft()
            merged["rectified"] = True
            if queue and _is(queue[0], layers.MaxPooling2D, **_HALVING):
                queue.popleft()
                merged["pooled"] = True
        yield layer, merged


def _is(layer: Layer, kind: type[Layer], **usual: object) -> bool:
    """Whether a layer is exactly of a kind, with these settings."""
    return type(layer) is kind and all(getattr(layer, name) == value for name, value in usual.items())


def prediction_twin(model: keras.Model, precision: Precision) -> keras.Model:
    """Copy a network into one that gives its logits faster: in this precision, and without batch normalization.

    Each batch normalization becomes part of the convolution or dense layer that it follows, and what acts in training
    alone is left out. `folded_weights` brings the twin up to date when the network's weights change. A network that
    is no chain of layers is copied as a training twin. Raises ValueError if given one whose layers do several's work.
    """
    if any(getattr(layer, "rectified", False) for layer in model.layers):
        raise ValueError(f"{model.name} is a training twin: make its prediction twin of the network itself.")
    if not _is_chain(model):
        return training_twin(model, precision)
    low = _low_precision_layers(model, precision)
    inputs = tensor = keras.Input(model.input_shape[1:])
    for layer, norm in _folded_layers(model):
        config = {**_config(layer, low), **({"use_bias": True} if norm else {})}
        tensor = type(layer).from_config(config)(tensor)
    twin = keras.Model(inputs, tensor, name=model.name)
    twin.set_weights(folded_weights(model))
    return twin


def folded_weights(model: keras.Model) -> list[np.ndarray]:
    """Give the weights that a network's prediction twin computes with, in its order."""
    if not _is_chain(model):
        return model.get_weights()
    return [weight for layer, norm in _folded_layers(model) for weight in _fold(layer, norm)]


def enlarging(model: keras.Model, factor: tuple[int, int]) -> keras.Model:
    """Give a network that is a chain and enlarges images by another factor; it shares the layers and weights of this.

    factor: (3, 2) by three halves, (1, 1) not at all. A network that averages its last maps takes images of any size.
    Small ones are faster to learn from, and what was learned from them is a good start for learning from larger ones
    (Touvron et al., 2019). Raises ValueError for a network that is no chain.
    """
    kept = [layer for layer in model.layers if not isinstance(layer, layers.InputLayer)]
    kept = [layer for layer in kept if not layer.name.startswith(ENLARGEMENT)]
    first = next((layer for layer in kept if isinstance(layer, layers.Conv2D)), None)
    if first is None or not _is_chain(model):
        raise ValueError(f"{model.name} cannot enlarge its images otherwise: it is no chain with convolutions.")
    inputs = tensor = keras.Input(model.input_shape[1:])
    for layer in kept:
        if layer is first and factor != (1, 1):
            tensor = enlarge(tensor, factor)
        tensor = layer(tensor)
    return keras.Model(inputs, tensor, name=model.name)


def _fold(layer: Layer, norm: layers.BatchNormalization | None) -> list[np.ndarray]:
    """Give a layer's weights such that it gives what it and the normalization after it gave: kernel and bias."""
    weights = layer.get_weights()
    if norm is None:
        return weights
    scale, shift = map(ops.convert_to_numpy, affine(norm))
    bias = weights[1] if layer.use_bias else 0
    return [weights[0] * scale, bias * scale + shift]


def _folded_layers(model: keras.Model) -> Iterator[tuple[Layer, layers.BatchNormalization | None]]:
    """List the layers that a prediction twin has, each with the batch normalization that it takes in."""
    taken_in = None
    for layer, after in pairwise([*model.layers, None]):
        if layer is taken_in or isinstance(layer, layers.InputLayer | layers.Dropout):
            continue
        taken_in = after if _takes_in(layer, after) else None
        yield layer, taken_in


def _takes_in(layer: Layer, after: Layer | None) -> bool:
    return isinstance(layer, FOLDABLE) and is_linear(layer) and isinstance(after, layers.BatchNormalization)


def _is_chain(model: keras.Model) -> bool:
    """Whether each layer takes the output of the one before, and nothing else."""
    if isinstance(model, keras.Sequential):
        return True
    return all(after.input is before.output for before, after in pairwise(model.layers))


def _config(layer: Layer, low: set[str]) -> dict:
    return {**layer.get_config(), **({"dtype": "mixed_bfloat16"} if layer.name in low else {})}  # weights stay float32


def _low_precision_layers(model: keras.Model, precision: Precision) -> set[str]:
    """Name the layers that compute in bfloat16: from the first that has a kernel to the one before the last."""
    weighted = [i for i, layer in enumerate(model.layers) if isinstance(layer, layers.Conv2D | layers.Dense)]
    chosen = model.layers[weighted[0] : weighted[-1]] if precision == "bfloat16" and weighted else []
    return {layer.name for layer in chosen}
