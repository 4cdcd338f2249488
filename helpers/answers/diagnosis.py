"""What is wrong with a trained network, looked for before anything is said of what it learned."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from scipy.stats import binomtest

from helpers.answers.answer import Answer
from helpers.base.words import Said, said, some
from helpers.data.datasets import Dataset
from helpers.networks.prediction import predict_logits
from helpers.training.batches import balances
from helpers.training.loop import Trained

TRAINING = "01_train_cnn"  # the notebook that warns of its network itself, once it is trained
CNN = "CNN"  # the network that all is about
IMAGES, BATCH = 64, 16  # training images that layers are tried on, and how many at a time
Found = list[tuple[str, dict[str, Any]]]  # keys of the words `faults`, each with the values of its sentence


def warn(answer: Answer, what: str, found: Found) -> list[str]:
    """Say first in an answer what is wrong with a network, and of the CNN on the report's first page, too."""
    warnings = sentences(found, what)
    if warnings and what == CNN:
        answer.number("warnings", warnings)
    return [answer.summary(warning).text for warning in warnings]


def sentences(found: Found, what: str = CNN) -> list[Said]:
    """Say what is wrong with a network, the worst first; nothing where nothing was found."""
    return [said(f"faults.{key}", what=what, **values) for key, values in found]


def faults(
    trained: Trained,
    dataset: Dataset,
    probabilities: np.ndarray,
    plan: Mapping[str, Any],
    keep: Callable[..., Any] = lambda function, *given: function(*given),
) -> Found:
    """Look for what keeps a network from learning, and for whether it learned: the faults found, the worst first.

    probabilities: (N, classes) of the test split; plan: of its training, as `Run.plan` gives it; keep: calls a
    function, or gives what is kept of such a call.
    """
    blind = no_better(probabilities.argmax(axis=1), dataset)
    stuck = not_learned(trained, dataset, plan) if blind else []
    images = np.asarray(dataset.train.images[:IMAGES])
    dead, doubled = keep(look_into_layers, trained.model, images)
    silent: Found = [("dead", {"count": len(dead), "layers": some(dead), "images": len(images)})] if dead else []
    return [*blind, *stuck, *silent, *([("softmax", {})] if doubled else [])]


def no_better(predicted: np.ndarray, dataset: Dataset) -> Found:
    """Tell whether test predictions (N,) int are no better than the commonest class: Wilson's interval holds it."""
    labels = dataset.test.labels
    counts, right = np.bincount(labels, minlength=len(dataset.class_names)), int(np.sum(predicted == labels))
    interval = binomtest(right, len(labels)).proportion_ci(method="wilson")
    share = float(counts.max() / len(labels))
    if interval.low > share:
        return []
    values = {"value": right / len(labels), "low": float(interval.low), "high": float(interval.high)}
    return [("no_better", {**values, "name": dataset.class_names[int(counts.argmax())], "share": share})]


def not_learned(trained: Trained, dataset: Dataset, plan: Mapping[str, Any]) -> Found:
    """Tell whether the loss in training never fell below that of a network that knows the classes' shares alone."""
    if not len(trained.history) or "loss" not in trained.history:
        return []
    classes, smoothing = len(dataset.class_names), plan.get("label_smoothing", 0.0)
    shares = np.bincount(dataset.train.labels, minlength=classes) / len(dataset.train.labels)
    shares = (1 - smoothing) * (np.full(classes, 1 / classes) if balances() else shares) + smoothing / classes
    blind = -float((shares * np.log(np.maximum(shares, 1e-12))).sum())
    values = {"loss": float(trained.history["loss"].min()), "blind": blind, "epochs": len(trained.history)}
    if values["loss"] <= 0.99 * blind:
        return []
    if not plan:
        return [("not_learned_untold", values)]
    rate = max(phase["learning_rate"] for phase in plan["phases"])  # which the history has after each epoch alone
    return [("not_learned", {**values, "rate": rate})]


def look_into_layers(model: keras.Model, images: np.ndarray) -> tuple[list[str], bool]:
    """Name the layers that give nothing but zeros for images (N, H, W, C), and say whether logits are probabilities."""
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    probe = keras.Model(model.inputs[0], [layer.output for layer in layers])
    peaks = np.zeros(len(layers))
    for start in range(0, len(images), BATCH):
        outputs = probe(images[start : start + BATCH].astype(np.float32), training=False)
        peaks = np.maximum(peaks, [float(keras.ops.max(keras.ops.abs(output))) for output in outputs])
    dead = [layer.name for layer, peak in zip(layers, peaks) if peak == 0]
    logits = predict_logits(model, images)
    return dead, bool(logits.min() >= 0 and np.allclose(logits.sum(axis=1), 1, atol=1e-3))
