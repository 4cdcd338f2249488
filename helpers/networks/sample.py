"""Images chosen to be explained, by what a network says of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from helpers.base.words import Said, said


@dataclass(frozen=True)
class Sample:
    """Images chosen from one split to be explained."""

    images: np.ndarray  # (N, H, W, C) uint8
    labels: np.ndarray  # (N,) int64, true classes
    predicted: np.ndarray  # (N,) int64
    confidence: np.ndarray  # (N,) float32, probability of the predicted class
    indices: np.ndarray  # (N,) int64, places in the split
    class_names: tuple[str, ...]
    evidence: np.ndarray | None  # (N, H, W) bool, where the data set knows it
    confident: np.ndarray  # (N,) bool, whether the confidence asked for was reached

    def titles(self) -> list[Said]:
        """Say above each image what it is and how sure the network is; of a wrong answer, this too."""
        titles = []
        for label, answered, p in zip(self.labels, self.predicted, self.confidence, strict=True):
            name, wrong = self.class_names[label], {"answered": self.class_names[answered]} if label != answered else {}
            titles.append(said("shared.wrong_title" if wrong else "shared.right_title", name=name, p=float(p), **wrong))
        return titles

    def of_each_class(self, count: int) -> np.ndarray:
        """Give the places of the first `count` images of each class, of one that has fewer all: (n,) int, rising."""
        firsts = [np.flatnonzero(self.labels == label)[:count] for label in np.unique(self.labels)]
        return np.sort(np.concatenate(firsts))

    def choose(self, wanted: str, preference: np.ndarray) -> int:
        """Give the place of the first image of the class `wanted`, or for "" of the most preferred one.

        preference: (N,), the higher the better; confident images come before others. Raises ValueError on a
        class that the data set does not have.
        """
        if not wanted:
            return int(np.lexsort((preference, self.confident))[-1])
        if wanted not in self.class_names:
            raise ValueError(f"There is no class {wanted!r}: choose one of {', '.join(self.class_names)}.")
        return int(np.flatnonzero(self.labels == self.class_names.index(wanted))[0])


def choose_of_class(
    probabilities: np.ndarray,
    labels: np.ndarray,
    label: int,
    count: int,
    min_confidence: float,
    random: np.random.Generator,
) -> np.ndarray:
    """Choose places of images of one class: confident ones at random, then by falling confidence."""
    own = np.flatnonzero(labels == label)
    correct = probabilities[own].argmax(axis=1) == label
    confidence = probabilities[own, label]
    confident = own[correct & (confidence >= min_confidence)]
    if len(confident) >= count:
        return random.choice(confident, count, replace=False)
    return own[np.lexsort((-confidence, ~correct))][:count]


def choose_classes(recalls: Callable[[], np.ndarray], names: Sequence[str], most: int) -> np.ndarray:
    """Choose the classes whose images are shown: all, or of more than `most` some, as labels in rising order.

    They lie evenly between the one with the highest recall and the one with the lowest, both among them. recalls:
    gives (classes,) float, asked only where it is needed.
    """
    if len(names) <= most:
        return np.arange(len(names))
    ranked = np.argsort(-recalls(), kind="stable")
    return np.unique(ranked[np.linspace(0, len(names) - 1, most).round().astype(int)])
