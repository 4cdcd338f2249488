"""Checks that a network in the form of `canonical` is what it was before, and can be explained."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import keras
import numpy as np
import tensorflow as tf
from scipy import special

from helpers.networks.logits import all_logits, softmax
from helpers.networks.own.canonical import Scale, as_graph, fit, taken_shape
from helpers.networks.own.scaling import are_probabilities
from helpers.networks.own.source import NetworkError

IMAGES, SLOPED = 64, 8  # that are looked at, and of which gradients are taken
CLASSES = 20  # whose gradients are looked at, the first
CLOSE, CLOSE_IN_HALF = 1e-3, 3e-2  # how far probabilities may be apart; the second where a network computes in float16


@dataclass(frozen=True)
class Check:
    """One check: what holds, the number that was found, and the number that it may at most or must at least be.

    where: which classes the number is of, as it is said after what is checked.
    """

    what: str
    found: float
    limit: float
    passed: bool
    where: str = ""


def prove(
    model: keras.Model, network: keras.Model, images: np.ndarray, scale: Scale | None, names: Sequence[str] = ()
) -> list[Check]:
    """Check a network in the form of `canonical` against the one that it was made of, as Keras predicts with it.

    images: (N, H, W, C) uint8, of which up to 64 are used; scale: what is done to pixels before `network` sees them;
    names: of the classes, for the sentence of NetworkError, which is raised on the first check that fails.
    """
    shown = images[:IMAGES].astype(np.float32)
    logits = all_logits(model, shown)
    check_numbers(model, logits)
    same = _passed(model, _same_answers(network, shown, scale, softmax(logits), logits))
    return [*same, *explainable(model, images, names)]


def explainable(model: keras.Model, images: np.ndarray, names: Sequence[str] = ()) -> list[Check]:
    """Check that a network has a gradient for each class, and answers an image alone as it does among 64.

    Takes images and names, and raises, as `prove` does.
    """
    images = images[:IMAGES].astype(np.float32)
    logits = all_logits(model, images)
    check_numbers(model, logits)
    alone = np.concatenate([all_logits(model, images[i : i + 1]) for i in range(len(images))])
    apart = float(np.abs(softmax(alone) - softmax(logits)).max())
    among = Check("largest difference between an image alone and among others", apart, CLOSE, apart <= CLOSE)
    return _passed(model, [*_gradients(model, images[:SLOPED], names), among])


def check_numbers(model: keras.Model, logits: np.ndarray | float = 0.0) -> None:
    """Raise NetworkError where weights, or these answers (N, classes), are no finite numbers."""
    told, no = f"The network {model.name}", "no finite numbers"
    if wrong := next((one.path for one in model.weights if not np.isfinite(one).all()), ""):
        raise NetworkError(f"{told} has weights that are {no}, such as {wrong}; train it with a smaller learning rate.")
    if not np.isfinite(logits).all():
        raise NetworkError(f"{told} answers images with what are {no}; see where it divides or takes a logarithm.")


def _passed(model: keras.Model, checks: list[Check]) -> list[Check]:
    for one in checks:
        if not one.passed:
            why = "no gradient tells its classes apart" if "gradient" in one.what else "its layers are not as they say"
            raise NetworkError(
                f"The network {model.name} cannot be explained: {one.what}{one.where} is {one.found:.3g}, and the "
                f"limit is {one.limit:.3g}; {why}."
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
    if answers.shape[1] == 1:  # one unit, after its sigmoid or before it
        pairs = [(answers, said[:, 1:]), (special.expit(answers), said[:, 1:])]
    elif are_probabilities(answers):
        pairs = [(answers, said)]
    else:  # logits, or a sigmoid for each class
        pairs = [(softmax(answers), said), (answers, special.expit(logits))]
    apart = min(float(np.abs(one - other).max()) for one, other in pairs)
    half = any("16" in str(layer.compute_dtype) for layer in network._flatten_layers())
    limit = CLOSE_IN_HALF if half else CLOSE
    return [Check("largest difference of a probability to Keras's predict", apart, limit, apart <= limit)]


def _gradients(model: keras.Model, images: np.ndarray, names: Sequence[str]) -> list[Check]:
    """Take the gradients of the classes' logits: they have to be finite, none all zero, and no two the same."""

    @tf.function(autograph=False)  # a graph leaves out the gradients of weights, which can end TensorFlow's process
    def slope(pixels: tf.Tensor, which: tf.Tensor) -> tf.Tensor:
        logit, zero = model(pixels, training=False)[:, which], tf.UnconnectedGradients.ZERO
        return tf.gradients(logit, pixels, unconnected_gradients=zero)[0]

    count, pixels = min(CLASSES, model.output_shape[-1]), tf.constant(images)
    slopes = np.stack([slope(pixels, tf.constant(k)) for k in range(count)])
    called = names or [f"number {k}" for k in range(1, count + 1)]
    wrong, sizes = int((~np.isfinite(slopes)).sum()), np.abs(slopes).reshape(count, -1).max(axis=1)
    gaps = {(i, k): float(np.abs(slopes[i] - slopes[k]).max()) for i, k in combinations(range(count), 2)}
    (first, second), apart = min(gaps.items(), key=lambda one: one[1])
    faint, size = f" for the class {called[int(sizes.argmin())]}", float(sizes.min())
    alike = f", {called[first]} and {called[second]},"
    return [
        Check("number of pixels whose gradient is not finite", wrong, 0, wrong == 0),
        Check("largest gradient of a logit by a pixel", size, 0.0, size > 0, faint),
        Check("largest difference between the gradients of two classes", apart, 0.0, apart > 0, alike),
    ]
