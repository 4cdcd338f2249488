"""Networks run as in inference: batch normalization folded away, and in a lower precision."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

from helpers.networks.layers import FOLDABLE, Layer, affine, is_linear, weights
from helpers.networks.precision import is_depthwise, supports_bfloat16

BFLOAT16 = "auto_mixed_precision_onednn_bfloat16"


def call(model: keras.Model, images: tf.Tensor, intact: Layer | None = None) -> tf.Tensor:
    """Run a model as in inference, each batch normalization folded into the convolution or dense layer before it.

    To be traced by a tf.function, whose calls then see the model's weights of that moment. A normalization that follows
    no such layer is computed as it is, and so is that after `intact`, a layer whose own output is asked for.
    """
    flat = model.layers
    folded = {layer: affine(layer) for layer in flat if type(layer) is layers.BatchNormalization}
    # Exactly of these types: a layer that derives from them may compute otherwise.
    linear = [layer for layer in flat if type(layer) in FOLDABLE and is_linear(layer) and layer is not intact]
    affected = {layer: weights(layer) for layer in linear} if folded else {}
    made: dict[int, tuple[tf.Tensor, Layer, tf.Tensor]] = {}

    def remember(layer: Layer, original: Callable, inputs: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        outputs = original(inputs, *args, **kwargs)
        made[id(outputs)] = outputs, layer, inputs
        return outputs

    def normalize(norm: Layer, original: Callable, inputs: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        if id(inputs) not in made:
            return original(inputs, *args, **kwargs)
        # The layer is run anew, with folded weights; its first run is dropped from the graph where nothing reads it.
        _, layer, earlier = made[id(inputs)]
        (scale, shift), (kernel, bias) = folded[norm], affected[layer]
        apply = layer.convolution_op if isinstance(layer, layers.Conv2D) else ops.matmul
        outputs = apply(earlier, tf.cast(kernel * scale, inputs.dtype))
        return tf.nn.bias_add(outputs, tf.cast(bias * scale + shift, inputs.dtype))

    replaced = {layer: partial(remember, layer, layer.call) for layer in affected}
    replaced |= {norm: partial(normalize, norm, norm.call) for norm in folded}
    if None in images.shape[1:]:
        replaced |= {layer: partial(_enlarge, layer) for layer in flat if type(layer) is layers.UpSampling2D}
    with replaced_calls(replaced):
        return model(images, training=False)


def _enlarge(layer: layers.UpSampling2D, images: tf.Tensor) -> tf.Tensor:
    """Do what Keras's layer does, which has to know the size of the images."""
    size = tf.shape(images)[1:3] * tf.constant(layer.size)
    return tf.cast(tf.image.resize(images, size, layer.interpolation), images.dtype)


@contextmanager
def replaced_calls(calls: Mapping[Layer, Callable]) -> Iterator[None]:
    """Let layers compute something else while a model is traced.

    A model rebuilt from other layers would do as well, but would have to follow every change of the weights.
    """
    with ExitStack() as undo:
        for layer, function in calls.items():
            earlier = vars(layer).get("call")
            undo.callback(delattr, layer, "call") if earlier is None else undo.callback(setattr, layer, "call", earlier)
            layer.call = function
        yield


def gains_by_bfloat16(model: keras.Model) -> bool:
    """Whether a network is explained faster in bfloat16: where the processor can, without depthwise convolutions."""
    return supports_bfloat16() and not is_depthwise(model)


@contextmanager
def bfloat16(model: keras.Model) -> Iterator[None]:
    """Let a network's convolutions and matrix products run in bfloat16, twice as fast, where it gains by that.

    Weights and what is between them stay in float32. For answers of which many are averaged: a probability may be off
    by a hundredth. Where the processor has AVX-512 but no bfloat16, TensorFlow would imitate it, half as fast, and
    depthwise convolutions take half as long again in it.
    """
    if not gains_by_bfloat16(model):
        yield
        return
    before = tf.config.optimizer.get_experimental_options().get(BFLOAT16, False)
    tf.config.optimizer.set_experimental_options({BFLOAT16: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({BFLOAT16: before})
