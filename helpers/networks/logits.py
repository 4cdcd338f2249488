"""Logits and probabilities of many images, which are checked and cut into chunks."""

from collections.abc import Callable
from functools import lru_cache

import keras
import numpy as np
import tensorflow as tf
from scipy import special

from helpers.base.checks import require
from helpers.networks.chunks import chunks, forward_bytes
from helpers.networks.inference import call

Classes = np.ndarray | int
Compiled = Callable[..., tf.Tensor]


def class_logits(model: keras.Model, images: np.ndarray, classes: Classes) -> np.ndarray:
    """Read each image's class logit.

    images: (N, H, W, C) in 0..255; classes: (N,) int, or one class for all. Returns (N,) float32. Raises
    ValueError on a class that the model does not have.
    """
    images, classes = check(model, images, classes)
    return np.take_along_axis(all_logits(model, images), classes[:, np.newaxis], axis=1)[:, 0]


def all_logits(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Compute the logits of every class for images (N, H, W, C) in 0..255: (N, classes) float32."""
    function = _logits_function(model)
    logits = np.empty((len(images), model.output_shape[-1]), np.float32)
    for chunk in chunks(len(images), forward_bytes(model, images.shape[1:])):
        logits[chunk] = function(images[chunk].astype(np.float32))
    return logits


def all_probabilities(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Compute the softmax of the logits for images (N, H, W, C) in 0..255: (N, classes) float32."""
    return softmax(all_logits(model, images))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits (N, classes) into probabilities float32 that sum to one."""
    return special.softmax(logits, axis=-1).astype(np.float32)


def check(model: keras.Model, images: np.ndarray, classes: Classes) -> tuple[np.ndarray, np.ndarray]:
    """Check images and classes against the model; give the images and one int32 class for each.

    images: (N, H, W, C), at least one pixel high and wide; classes: (N,) int, or one for all. Raises
    ValueError on images that the model does not take and on classes that it does not have.
    """
    shape = tuple(model.input_shape[1:])
    fits = np.ndim(images) == 4 and all(
        want in (None, have) for want, have in zip(shape, images.shape[1:], strict=True)
    )
    require(fits, f"The images have shape {np.shape(images)}; {model.name} takes (N, {', '.join(map(str, shape))}).")
    require(min(images.shape[1:3]) >= 1, f"The images have shape {images.shape}: they need at least one pixel.")
    classes = np.asarray(classes)
    require(np.issubdtype(classes.dtype, np.integer), f"Classes must be integers, not {classes.dtype}.")
    told = f"{len(images)} images have classes of shape {classes.shape}; give one per image or one for all."
    require(classes.shape in ((), (len(images),)), told)
    count = model.output_shape[-1]
    wrong = ", ".join(map(str, np.unique(classes[(classes < 0) | (classes >= count)])))
    require(not wrong, f"{model.name} has no class {wrong}: choose classes from 0 to {count - 1}.")
    return images, np.broadcast_to(classes.astype(np.int32), len(images))


def signature(model: keras.Model) -> tuple[tf.TensorSpec, tf.TensorSpec]:
    """Describe images and classes with the batch size open, so that one trace serves chunks of every length."""
    return tf.TensorSpec((None, *model.input_shape[1:]), tf.float32), tf.TensorSpec((None,), tf.int32)


def pick_logits(logits: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """Pick from logits (N, classes) the one of each image's class: (N,) float32."""
    return tf.gather(tf.cast(logits, tf.float32), classes, axis=1, batch_dims=1)


@lru_cache(maxsize=8)
def _logits_function(model: keras.Model) -> Compiled:
    @tf.function(input_signature=signature(model)[:1], autograph=False)
    def function(images: tf.Tensor) -> tf.Tensor:
        return tf.cast(call(model, images), tf.float32)

    return function
