"""The layers of a network, those of models nested in it too, and networks built anew from them."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import keras
import tensorflow as tf
from keras import layers, ops

Layer: TypeAlias = keras.layers.Layer

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
POOLINGS = (layers.MaxPooling2D, layers.AveragePooling2D)
ACTIVATIONS = (layers.Activation, layers.ELU, layers.LeakyReLU, layers.PReLU, layers.ReLU)


def flat_layers(model: keras.Model) -> list[Layer]:
    """List the layers in order, those of nested models in place of the model that holds them."""
    nested = ((flat_layers(layer) if isinstance(layer, keras.Model) else [layer]) for layer in model.layers)
    return [layer for layers in nested for layer in layers]


def activation_after(model: keras.Model, layer: Layer) -> Layer | None:
    """Find the layer that holds a convolution's output after its activation.

    This is the layer itself if the activation is built in, and None where no activation comes before the next
    convolution.
    """
    if layer.activation is not keras.activations.linear:
        return layer
    flat = flat_layers(model)
    for follower in flat[flat.index(layer) + 1 :]:
        if isinstance(follower, ACTIVATIONS):
            return follower
        if isinstance(follower, CONVOLUTIONS):
            return None
    return None


def flatten(model: keras.Model) -> tuple[keras.Model, Mapping[Layer, Layer]]:
    """Give a model in which no model is nested, and each layer's place in it: the model itself if it is such.

    Otherwise it is a copy, made once, that takes over the model's weights in every call.
    """
    if not any(isinstance(layer, keras.Model) for layer in model.layers):
        return model, {layer: layer for layer in model.layers}
    copy, twins = _flat_copy(model)
    copy_weights(twins)
    return copy, twins


def weights(layer: Layer) -> tuple[tf.Tensor, tf.Tensor]:
    """Read kernel and bias in float32, whatever precision the layer computes in."""
    kernel = ops.convert_to_tensor(layer.kernel)
    return kernel, ops.convert_to_tensor(layer.bias) if layer.use_bias else tf.zeros(kernel.shape[-1], kernel.dtype)


@lru_cache(maxsize=8)
def _flat_copy(model: keras.Model) -> tuple[keras.Model, Mapping[Layer, Layer]]:
    return rebuild(model, lambda layer: {})


def rebuild(model: keras.Model, changes: Callable[[Layer], dict]) -> tuple[keras.Model, dict[Layer, Layer]]:
    """Build a model anew, what is nested in it laid flat; give it and each layer's twin, with weights of its own.

    changes: what differs in a twin's configuration.
    """
    twins: dict[Layer, Layer] = {}

    def copied(layer: Layer) -> Layer:
        if not isinstance(layer, keras.Model) and layer not in twins:
            twins[layer] = type(layer).from_config(layer.get_config() | changes(layer))
        return twins.get(layer, layer)

    def called(layer: Layer, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        return laid_out(layer, args[0]) if isinstance(layer, keras.Model) else layer(*args, **kwargs)

    def laid_out(part: keras.Model, inputs: keras.KerasTensor) -> keras.KerasTensor:
        # Around the part's tensors: a Sequential model cannot be cloned with a function for its calls.
        bare = keras.Model(part.inputs[0], part.outputs[0])
        clone = keras.models.clone_model(bare, inputs, clone_function=copied, call_function=called)
        return clone.outputs[0]

    inputs = keras.Input(model.input_shape[1:])
    return keras.Model(inputs, laid_out(model, inputs), name=model.name), twins


def copy_weights(twins: Mapping[Layer, Layer]) -> None:
    for layer, twin in twins.items():
        twin.set_weights(layer.get_weights())
