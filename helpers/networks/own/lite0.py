"""EfficientNet-Lite0, a small network that has learned ImageNet, built of Keras layers from PyTorch's weights.

Tan and Le, 2019, in the form without squeezing and with ReLU6 that is meant for small machines (TensorFlow, 2020).
"""

from collections.abc import Mapping

import keras
import numpy as np
from keras import layers

# Of each stage: kernel, stride, expansion, filters, blocks.
STAGES = (
    *((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3)),
    *((5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1)),
)
STEM, HEAD = 32, 1280  # filters
EPSILON = 1e-3  # of batch normalization, as in training


def lite0(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Add the network's layers to pixels (N, H, W, 3) in 0..255, up to its last maps (N, H / 32, W / 32, 1280)."""
    scaled = layers.Rescaling(1 / 128, offset=-127 / 128, name="rescaling")(pixels)
    tensor = _unit(layers.Conv2D(STEM, 3, 2, "same", use_bias=False, name="stem"), scaled)
    number = 0
    for kernel, stride, expansion, filters, blocks in STAGES:
        for place in range(blocks):
            tensor = _block(tensor, f"block{number}", kernel, 1 if place else stride, expansion, filters)
            number += 1
    return _unit(layers.Conv2D(HEAD, 1, use_bias=False, name="head"), tensor)


def _block(
    tensor: keras.KerasTensor, name: str, kernel: int, stride: int, expansion: int, filters: int
) -> keras.KerasTensor:
    """Add an inverted residual block (Sandler et al., 2018)."""
    inner, channels = tensor, tensor.shape[-1]
    if expansion > 1:
        inner = _unit(layers.Conv2D(channels * expansion, 1, use_bias=False, name=f"{name}_expand"), inner)
    inner = _unit(layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=f"{name}_depthwise"), inner)
    inner = _unit(layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project"), inner, activated=False)
    return layers.Add(name=f"{name}_add")([tensor, inner]) if stride == 1 and channels == filters else inner


def _unit(convolution: keras.layers.Layer, tensor: keras.KerasTensor, activated: bool = True) -> keras.KerasTensor:
    name = convolution.name
    tensor = layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_norm")(convolution(tensor))
    return layers.ReLU(6.0, name=f"{name}_relu")(tensor) if activated else tensor


def set_weights(model: keras.Model, tensors: Mapping[str, np.ndarray]) -> None:
    """Set PyTorch's tensors into a model of the layers of `lite0`, in whose order they are.

    Raises ValueError where they are fewer, or of other shapes.
    """
    arrays = [tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")]
    for layer in model.layers:
        own, arrays = arrays[: len(layer.weights)], arrays[len(layer.weights) :]
        if own and own[0].ndim == 4:  # (out, in / groups, height, width)
            own = [own[0].transpose((2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0))]
        layer.set_weights(own)
