"""Batch normalization folded into the convolution or dense layer before it: in inference, it is an affine map."""

import keras
from keras import layers, ops

FOLDABLE = (layers.Conv2D, layers.Dense)


def is_linear(layer: keras.layers.Layer) -> bool:
    """Whether a layer has no activation, so that an affine map behind it can become part of it."""
    return layer.activation is keras.activations.linear


def affine(norm: layers.BatchNormalization) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Give what a batch normalization multiplies by and adds in inference: two tensors (C,) float32."""
    scale = ops.rsqrt(ops.convert_to_tensor(norm.moving_variance) + norm.epsilon)
    scale = scale * ops.convert_to_tensor(norm.gamma) if norm.scale else scale
    shift = -scale * ops.convert_to_tensor(norm.moving_mean)
    return scale, shift + ops.convert_to_tensor(norm.beta) if norm.center else shift
