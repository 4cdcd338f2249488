"""Checks that a network in the form of `canonical` is what it was before, and can be explained."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from helpers.networks.logits import all_logits, softmax
from helpers.networks.own.canonical import Scale, as_graph, fit, taken_shape
from helpers.networks.own.scaling import are_probabilities
from helpers.networks.own.source import NetworkError

IMAGES = 64
CLOSE, CLOSE_IN_HALF = 1e-3, 3e-2  # how far probabilities may be apart; the second where a network computes in float16


@dataclass(frozen=True)
class Check:
    """One check: what holds, the number that was found, and the number that it may at most or must at least be."""

    what: str
    found: float
    limit: float
    passed: bool


def prove(model: keras.Model, network: keras.Model, images: np.ndarray, scale: Scale | None) -> list[Check]:
    """Check a network in the form of `canonical` against the one that it was made of, as Keras predicts with it.

    images: (N, H, W, C) uint8, of which up to 64 are used; scale: what is done to pixels before `network` sees them.
    Raises NetworkError, in one sentence, on the first check that fails.
    """
    images = images[:IMAGES].astype(np.float32)
    logits = all_logits(model, images)
    checks = [*_same_answers(network, images, scale, softmax(logits), logits), *_gradients(model, images[:8])]
    alone = np.concatenate([all_logits(model, images[i : i + 1]) for i in range(min(4, len(images)))])
    apart = float(np.abs(softmax(alone) - softmax(logits[: len(alone)])).max())
    checks.append(Check("largest difference between an image alone and among others", apart, CLOSE, apart <= CLOSE))
    for one in checks:
        if not one.passed:
            why = "no gradient tells its classes apart" if "gradient" in one.what else "its layers are not as they say"
            raise NetworkError(
                f"The network {model.name} cannot be explained: {one.what} is {one.found:.3g}, and the limit is "
                f"{one.limit:.3g}; {why}."
            )
    return checks


def _same_answers(
    network: keras.Model, images: np.ndarray, scale: Scale | None, said: np.ndarray, logits: np.ndarray
) -> list[Check]:
    graph = as_graph(network, images.shape[1:])
    shape = taken_shape(graph, images.shape[1:])
    pixels = fit(tf.constant(images), shape)
    pixels = np.asarray(scale(pixels) if scale else pixels)
    if graph.input_shape[1:] not in (shape, (None, None, shape[2]), (None, None, None)):
        return []  # channels first, with which TensorFlow cannot compute on a processor
    answers = np.asarray(keras.tree.flatten(network.predict(pixels, verbose=0))[0], np.float32)  # it may be in a dict
    if answers.shape[1] == 1:
        wanted = np.concatenate([1 - answers, answers], axis=1) if answers.min() >= 0 else said
    else:
        wanted = answers if are_probabilities(answers) else softmax(answers)
    if not np.allclose(wanted, said, atol=CLOSE_IN_HALF) and (answers >= 0).all() and (answers <= 1).all():
        wanted, said = answers, 1 / (1 + np.exp(-logits))  # a sigmoid for each class
    apart = float(np.abs(wanted - said).max())
    half = any("16" in str(layer.compute_dtype) for layer in network._flatten_layers())
    limit = CLOSE_IN_HALF if half else CLOSE
    return [Check("largest difference of a probability to Keras's predict", apart, limit, apart <= limit)]


def _gradients(model: keras.Model, images: np.ndarray) -> list[Check]:
    """Take the gradients of two classes' logits: they have to be finite, not all zero, and not the same."""

    @tf.function(autograph=False)  # a graph leaves out the gradients of weights, which can end TensorFlow's process
    def slopes(pixels: tf.Tensor) -> list[tf.Tensor]:
        logits, zero = model(pixels, training=False), tf.UnconnectedGradients.ZERO
        return [tf.gradients(logits[:, k], pixels, unconnected_gradients=zero)[0] for k in (0, 1)]

    one, other = map(np.asarray, slopes(tf.constant(images)))
    size, apart = float(np.abs(one).max()), float(np.abs(one - other).max())
    wrong = int((~np.isfinite(one)).sum() + (~np.isfinite(other)).sum())
    return [
        Check("number of pixels whose gradient is not finite", wrong, 0, wrong == 0),
        Check("largest gradient of a logit by a pixel", size, 0.0, size > 0),
        Check("largest difference between the gradients of two classes", apart, 0.0, apart > 0),
    ]
