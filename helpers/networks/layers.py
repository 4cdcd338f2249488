"""The layers of a network: their kinds, what follows one, and networks copied layer by layer."""

from typing import Any, TypeAlias

import keras
import tensorflow as tf
from keras import layers, ops

Layer: TypeAlias = keras.layers.Layer

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
POOLINGS = (layers.MaxPooling2D, layers.AveragePooling2D)
AGAIN = "__"  # stands before the number of a further call of a layer that is shared, in its copy's name
ACTIVATIONS = (layers.Activation, layers.ELU, layers.LeakyReLU, layers.PReLU, layers.ReLU)


def describe_maps(model: keras.Model) -> str:
    """Say why a network has no feature maps to look at; nothing where it has."""
    if any(isinstance(layer, CONVOLUTIONS) for layer in model.layers):
        return ""
    if closed := next((one for one in model.layers if isinstance(one, keras.Model | layers.TFSMLayer)), None):
        return f"what the network computes inside {closed.name} cannot be looked into"
    return "the network has no convolution, and so no feature maps"


def activation_after(model: keras.Model, layer: Layer) -> Layer | None:
    """Find the layer that holds a convolution's output after its activation.

    This is the layer itself if the activation is built in, and None where no activation comes before the next
    convolution, or before the maps end.
    """
    if layer.activation is not keras.activations.linear:
        return layer
    for follower in model.layers[model.layers.index(layer) + 1 :]:
        if isinstance(follower, CONVOLUTIONS) or len(follower.output.shape) != 4:
            return None
        if isinstance(follower, ACTIVATIONS):
            return follower
    return None


def weights(layer: Layer) -> tuple[tf.Tensor, tf.Tensor]:
    """Read kernel and bias in float32, whatever precision the layer computes in."""
    kernel = ops.convert_to_tensor(layer.kernel)
    return kernel, ops.convert_to_tensor(layer.bias) if layer.use_bias else tf.zeros(kernel.shape[-1], kernel.dtype)


def copy_of(model: keras.Model, shape: tuple[int | None, ...] | None = None) -> keras.Model:
    """Copy a network with its weights, which do not follow those of the network; shape: (H, W, C) of other images."""
    inputs = keras.Input(shape or model.input_shape[1:])
    copy = keras.models.clone_model(model, inputs, lambda layer: duplicate(layer, layer.get_config()))
    copy.set_weights(model.get_weights())
    return copy


def duplicate(layer: Layer, config: dict[str, Any]) -> Layer:
    """Make a layer anew of a configuration, without weights; a Lambda keeps its function, which has no other form.

    Raises TypeError on a layer of a user's own that does not say how it was made.
    """
    if type(layer) is layers.Lambda:
        options = {"output_shape": layer._output_shape, "arguments": layer.arguments, "name": config["name"]}
        return layers.Lambda(layer.function, **options)
    try:
        return type(layer).from_config(config)
    except (TypeError, NotImplementedError, ValueError) as error:
        raise TypeError(
            f"The layer {layer.name} ({type(layer).__name__}) cannot be made anew from its `get_config`; give it a "
            f"`get_config` that returns its arguments ({str(error).splitlines()[0]})."
        ) from None
