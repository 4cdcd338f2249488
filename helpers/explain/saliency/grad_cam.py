"""Grad-CAM and Grad-CAM++: feature maps weighed by what they do for the class logit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from helpers.base.checks import require
from helpers.explain.registry import method
from helpers.networks.chunks import chunks, gradient_bytes
from helpers.networks.inference import call, replaced_calls
from helpers.networks.layers import CONVOLUTIONS, Layer, activation_after, describe_maps, has_map
from helpers.networks.logits import Classes, Compiled, check, pick_logits, signature

Weighting = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # features and the logit's slopes, to (N, 1, 1, channels)


@method("Grad-CAM", signed=True, passes="few", source="Selvaraju et al., 2017", refused=describe_maps)
def grad_cam(model: keras.Model, images: np.ndarray, classes: Classes, layer: Layer | None = None) -> np.ndarray:
    """Weigh a layer's feature maps by the logit's mean gradient over each; keep what speaks for the class.

    layer: any layer of the model that gives (N, h, w, channels); by default the activation after the last convolution.
    Maps are >= 0, brought to the size of the image bilinearly. Raises ValueError on a layer that gives no feature maps.
    Selvaraju et al., 2017.
    """
    return _class_activation_maps(model, images, classes, layer, _mean_slopes)


@method("Grad-CAM++", signed=True, passes="few", source="Chattopadhay et al., 2018", refused=describe_maps)
def grad_cam_plus_plus(
    model: keras.Model, images: np.ndarray, classes: Classes, layer: Layer | None = None
) -> np.ndarray:
    """Weigh a layer's feature maps by their positive gradients, so that a map counts wherever it is awake.

    Arguments, result and errors as in `grad_cam`, but for one positive factor an image, which is left out: the
    exponential of its logit. Chattopadhay et al., 2018.
    """
    return _class_activation_maps(model, images, classes, layer, _rising_slopes)


def last_feature_layer(model: keras.Model) -> Layer:
    """Find the layer whose output is the activation after the last convolution.

    This is the last convolution itself where no activation layer follows it before the map's size changes.
    Raises ValueError on a model without convolutions.
    """
    convolutions = sorted((one for one in model.layers if isinstance(one, CONVOLUTIONS)), key=has_map)
    require(bool(convolutions), f"{model.name} has no convolution, and so no feature maps for Grad-CAM.")
    last = convolutions[-1]
    activated = activation_after(model, last)
    same_size = activated is not None and activated.output.shape[1:-1] == last.output.shape[1:-1]
    return activated if same_size else last


def _class_activation_maps(
    model: keras.Model, images: np.ndarray, classes: Classes, layer: Layer | None, weigh: Weighting
) -> np.ndarray:
    images, classes = check(model, images, classes)
    layer = last_feature_layer(model) if layer is None else layer
    legal = [choice for choice in model.layers if len(choice.output.shape) == 4]
    names = ", ".join(one.name for one in legal)
    require(layer in legal, f"Layer {layer.name!r} has no feature maps in {model.name}; those that have are: {names}.")
    function = _cam_function(model, layer, weigh)
    maps = np.empty(images.shape[:3], np.float32)
    for chunk in chunks(len(images), gradient_bytes(model, images.shape[1:])):
        maps[chunk] = function(images[chunk].astype(np.float32), classes[chunk])
    return maps


@lru_cache(maxsize=8)
def _cam_function(model: keras.Model, layer: Layer, weigh: Weighting) -> Compiled:
    @tf.function(input_signature=signature(model), autograph=False)
    def function(images: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape, _watched_output(layer, tape) as outputs:
            logits = pick_logits(call(model, images, intact=layer), classes)
        slopes = tape.gradient(logits, outputs[-1], unconnected_gradients=tf.UnconnectedGradients.ZERO)
        features, slopes = (tf.cast(values, tf.float32) for values in (outputs[-1], slopes))
        maps = tf.nn.relu(tf.reduce_sum(weigh(features, slopes) * features, axis=-1, keepdims=True))
        return tf.image.resize(maps, tf.shape(images)[1:3], method="bilinear")[..., 0]

    return function


def _mean_slopes(features: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(slopes, axis=(1, 2), keepdims=True)


def _rising_slopes(features: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    """Add up the positive slopes, each divided by what the paper's second and third derivatives come to.

    These are those of the exponential of the logit, whose own size cancels but for a factor an image.
    """
    rising = tf.nn.relu(slopes)
    divisor = 2 + rising * tf.reduce_sum(features, axis=(1, 2), keepdims=True)
    return tf.reduce_sum(tf.math.divide_no_nan(rising, divisor), axis=(1, 2), keepdims=True)


@contextmanager
def _watched_output(layer: Layer, tape: tf.GradientTape) -> Iterator[list[tf.Tensor]]:
    """Collect what the layer gives while the model runs."""
    outputs: list[tf.Tensor] = []
    original = layer.call

    def watched(*args: Any, **kwargs: Any) -> tf.Tensor:
        outputs.append(original(*args, **kwargs))
        tape.watch(outputs[-1])
        return outputs[-1]

    with replaced_calls({layer: watched}):
        yield outputs
