"""The layers of a network: their kinds, what follows one, batch normalization folded, networks copied by layers."""

import re
from textwrap import shorten
from typing import Any, TypeAlias

import keras
import tensorflow as tf
from keras import layers, ops

Layer: TypeAlias = keras.layers.Layer

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
POOLINGS = (layers.MaxPooling2D, layers.AveragePooling2D)
AGAIN = "__"  # stands before the number of a further call of a layer that is shared, in its copy's name
FOLDABLE = (layers.Conv2D, layers.Dense)  # what takes in a batch normalization behind it: in inference, an affine map
ACTIVATIONS = (layers.Activation, layers.ELU, layers.LeakyReLU, layers.PReLU, layers.ReLU)


def describe_maps(model: keras.Model) -> str:
    """Say why a network has no feature maps to look at; nothing where it has."""
    if any(isinstance(layer, CONVOLUTIONS) for layer in model.layers):
        return ""
    if closed := next((one for one in model.layers if isinstance(one, keras.Model | layers.TFSMLayer)), None):
        return f"what the network computes inside {closed.name} cannot be looked into"
    return "the network has no convolution, and so no feature maps"


def kind_in_words(layer: Layer) -> str:
    """Name the kind of a layer in words, as in "zero padding"."""
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", re.sub(r"\dD", "", type(layer).__name__)).lower()


def has_map(layer: Layer) -> bool:
    """Whether a layer gives maps of more than one place: squeeze and excitation weighs channels by one."""
    return len(layer.output.shape) == 4 and max(layer.output.shape[1:3]) > 1


def activation_after(model: keras.Model, layer: Layer) -> Layer | None:
    """Find the layer that holds a convolution's output after its activation.

    This is the layer itself if it is built in, and None where none comes before the next convolution or the maps end.
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
    copy = keras.models.clone_model(model, inputs, duplicate)
    copy.set_weights(model.get_weights())
    return copy


def duplicate(layer: Layer, **changes: Any) -> Layer:
    """Make a layer anew of its configuration with changes, without weights.

    A Lambda keeps its function, as does an activation of a user's own, of which a configuration has the name or the
    bytecode alone, and a normalization what it was adapted to, as numbers of its configuration.

    Raises TypeError on a layer of a user's own that does not say how it was made.
    """
    if type(layer) is layers.Lambda:
        options = {"output_shape": layer._output_shape, "arguments": layer.arguments}
        return layers.Lambda(layer.function, name=changes.get("name", layer.name), **options)
    if type(layer) is layers.Normalization and layer.input_mean is None and layer.built:
        adapted = {"mean": layer.adapt_mean, "variance": layer.adapt_variance}
        changes |= {name: ops.convert_to_numpy(values).tolist() for name, values in adapted.items()}
    try:
        config, function = layer.get_config() | changes, vars(layer).get("activation")
        own = "activation" not in changes and not str(getattr(function, "__module__", "keras.")).startswith("keras.")
        if not (own and "activation" in config):
            return type(layer).from_config(config)
        twin = type(layer).from_config(config | {"activation": "linear"})
        twin.activation = function
        return twin
    except (TypeError, NotImplementedError, ValueError) as error:
        why = str(error).split("\n\nExample")[0].rpartition("Exception encountered: ")[2]
        why = shorten(why, 300, placeholder=" ...").removesuffix(".")
        instead = ", or compute in its `call` by keras.ops, and not by tf" if isinstance(layer, keras.Model) else ""
        told = f"The layer {layer.name} ({type(layer).__name__}) cannot be made anew from its `get_config`"
        raise TypeError(f"{told}; give it a `get_config` that returns its arguments{instead} ({why}).") from None


def per_image(name: str) -> Layer:
    """Make the layer that gives (x - mean) / deviation of each image: normalization over all axes, without a scale."""
    return layers.LayerNormalization(axis=[1, 2, 3], center=False, scale=False, epsilon=1e-6, name=name)


def is_linear(layer: keras.layers.Layer) -> bool:
    """Whether a layer has no activation, so that an affine map behind it can become part of it."""
    return layer.activation is keras.activations.linear


def affine(norm: layers.BatchNormalization) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Give what a batch normalization multiplies by and adds in inference: two tensors (C,) float32."""
    scale = ops.rsqrt(ops.convert_to_tensor(norm.moving_variance) + norm.epsilon)
    scale = scale * ops.convert_to_tensor(norm.gamma) if norm.scale else scale
    shift = -scale * ops.convert_to_tensor(norm.moving_mean)
    return scale, shift + ops.convert_to_tensor(norm.beta) if norm.center else shift
