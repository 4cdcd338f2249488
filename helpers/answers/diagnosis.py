"""What is wrong with a trained network, looked for before anything is said of what it learned."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from sklearn.metrics import confusion_matrix

from helpers.answers.answer import Answer
from helpers.base.words import Said, said, some
from helpers.data.datasets import Dataset
from helpers.networks.prediction import predict_logits
from helpers.networks.shares import balanced_accuracy, share_interval
from helpers.training.batches import balances
from helpers.training.loop import Trained

TRAINING = "01_train_cnn"  # the notebook that warns of its network itself, once it is trained
CNN = "CNN"  # the network that all is about
IMAGES, BATCH = 64, 16  # training images that layers are tried on, and how many at a time
DRAWS = 1000  # how often a network's answers are dealt out anew, to see what chance alone gives
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
    predicted = probabilities.argmax(axis=1)
    blind = no_better(predicted, dataset)
    stuck = not_learned(trained, dataset, plan) if [key for key, _ in blind] == ["no_better"] else []
    if len(np.unique(predicted)) == 1 < len(np.unique(dataset.test.labels)):
        blind = [("one_answer", {"name": dataset.class_names[predicted[0]], "images": len(predicted)}), *blind]
    images = np.asarray(dataset.train.images[:IMAGES])
    dead, doubled = keep(look_into_layers, trained.model, images)
    silent: Found = [("dead", {"count": len(dead), "layers": some(dead), "images": len(images)})] if dead else []
    return [*blind, *stuck, *silent, *([("softmax", {})] if doubled else [])]


def no_better(predicted: np.ndarray, dataset: Dataset) -> Found:
    """Tell whether test predictions (N,) int are surely right more often than one class alone would be.

    Not surely where Wilson's interval holds the commonest class's share, or lies below it. Such a network may yet tell
    the classes apart: "outdone" where its balanced accuracy lies above what guessing gives, by its interval and, since
    that is too high with few images a class, by a permutation test (p < 0.025); else "no_better".
    """
    labels, names = dataset.test.labels, dataset.class_names
    counts = confusion_matrix(labels, predicted, labels=range(len(names)))
    images = counts.sum(axis=1)
    right, share = share_interval(int(np.trace(counts)), len(labels)), float(images.max() / len(labels))
    if right.low > share:
        return []
    values = {**asdict(right), "name": names[int(images.argmax())], "share": share}
    balanced, guess = balanced_accuracy(counts), float(1 / np.sum(images > 0))
    if balanced.low <= guess or _p_of_chance(labels, predicted) >= 0.025:
        return [("no_better", values)]
    even = {f"balanced_{name}": value for name, value in asdict(balanced).items()}
    return [("outdone", {**values, **even, "guess": guess})]


def _p_of_chance(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Test, by random orders of the answers, whether the mean recall is one that chance gives, too."""
    random, weights = np.random.default_rng(0), 1 / np.bincount(labels)[labels]
    found = weights[predicted == labels].sum() - 1e-9
    drawn = [weights[random.permutation(predicted) == labels].sum() >= found for _ in range(DRAWS)]
    return (1 + sum(drawn)) / (1 + DRAWS)


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
