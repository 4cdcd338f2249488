"""Guided backpropagation: gradients that every ReLU passes back only where they are positive."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from helpers.base.checks import require
from helpers.explain.registry import method
from helpers.explain.saliency.gradients import mean_gradient, reduce_channels, unchanged
from helpers.networks.inference import replaced_calls
from helpers.networks.layers import Layer
from helpers.networks.logits import Classes, check


def _no_relu(model: keras.Model) -> str:
    return "" if _relus(model) else "the network has no ReLU"


@method("guided backprop.", signed=False, passes="few", source="Springenberg et al., 2015", refused=_no_relu)
def guided_backpropagation(
    model: keras.Model, images: np.ndarray, classes: Classes, *, signed: bool = True
) -> np.ndarray:
    """Differentiate the logit, but let every ReLU pass back positive gradients only: pictures that mislead.

    They are sharp because they restore the image's edges, and hardly change with the class or when the upper layers are
    given random weights (Adebayo et al., 2018; Nie et al., 2018): kept here as the failure that a check of explanations
    has to catch. Channels as in `gradient`. Raises ValueError on a model without a ReLU. Springenberg et al., 2015.
    """
    images, classes = check(model, images, classes)
    require(bool(_relus(model)), f"{model.name} has no ReLU, and so nothing for guided backpropagation to change.")
    return reduce_channels(mean_gradient(model, images, classes, unchanged, 1, _guided_relus), signed)


def _relus(model: keras.Model) -> list[Layer]:
    """List the layers that apply a plain ReLU, as a layer of its own or as their activation."""
    return [layer for layer in model.layers if _is_relu(layer)]


def _is_relu(layer: Layer) -> bool:
    if isinstance(layer, keras.layers.ReLU):
        return layer.max_value is None and layer.negative_slope == 0 and layer.threshold == 0
    return getattr(layer, "activation", None) is keras.activations.relu


@contextmanager
def _guided_relus(model: keras.Model) -> Iterator[None]:
    """Let the ReLUs of a model pass back positive gradients only, while it is traced."""
    relus = _relus(model)
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
