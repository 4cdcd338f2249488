"""Suspected label errors: images whose label is contradicted by a prediction that never saw it.

Features that no label has shaped (histograms of oriented gradients, and mean colours) are classified
by linear discriminants in five folds, each image by discriminants that were fitted to the others. Features of the
trained network would be better ones, and leak: it has learned from the very labels that are doubted. It is therefore
only asked to agree: what it learned by heart can shorten the list, and cannot put an image on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.datasets import Split

FOLDS = 5
_CELLS, _DIRECTIONS = 8, 8
_FEATURES = 300  # principal components
_SIDE = 48  # pixels; of larger images, means of blocks are described, at least so many a side
_CHUNK = 64  # images described at a time


@dataclass(frozen=True)
class Suspects:
    """Images whose label is doubtful.

    table: the most doubtful first, with the columns place among the images, label, suggested (by the other folds),
    probability of that class, and margin, the probability of the likeliest other class less that of the label; both
    are means of folds and network. judged: number of images whose class has enough of them for the folds; accuracy:
    how often the folds predict their labels, 0 to 1.
    """

    table: pd.DataFrame
    judged: int
    accuracy: float

    def named(self, split: Split, class_names: Sequence[str]) -> pd.DataFrame:
        """Give a split's suspects with the names of their classes and files, or places where they are drawn."""
        names = np.array(class_names, object)
        named = {column: names[self.table[column].to_numpy(int)] for column in ("label", "suggested")}
        places = self.table["place"]
        image = {"image": places} if split.names is None else {"file": [*map(split.name, places)]}
        return pd.DataFrame({**image, **named}).join(self.table[["probability", "margin"]])


def out_of_fold(features: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Predict each image's class from the other folds' images: (N, classes) float64, columns in the order of labels.

    features: (N, F) float32, as `describe` gives them; labels: (N,) int, every one with at least FOLDS images. Dalal
    and Triggs, 2005, for the histograms; Ledoit and Wolf, 2004, for the discriminants' covariance.
    """
    from sklearn.decomposition import PCA  # seconds to import, and most processes never ask
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    # Features are fewer than images as a rule: exact, and far quicker than the random way, which is the default.
    parts = PCA(min(_FEATURES, *features.shape), svd_solver="covariance_eigh").fit_transform(features)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    discriminants = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    return cross_val_predict(discriminants, parts, labels, cv=folds, method="predict_proba")


def contradicted(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Give for each image the class that confidently contradicts its label, or the label itself: (N,) int64.

    labels: (N,) int, columns of probabilities (N, classes). A class is confident of an image when its probability
    reaches the mean that the class has on images labelled so; of several, the likeliest counts. Confident learning,
    Northcutt et al., 2021.
    """
    classes = probabilities.shape[1]
    counts = np.maximum(1, np.bincount(labels, minlength=classes))
    own = np.bincount(labels, probabilities[np.arange(len(labels)), labels], classes) / counts
    confident = np.where(probabilities >= own, probabilities, 0.0)
    return np.where(confident.any(axis=1), confident.argmax(axis=1), labels)


def find_suspects(images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, seed: int) -> Suspects:
    """List the images whose label both the other folds and the trained network contradict, the most doubtful first.

    images: (N, H, W, C) uint8; labels: (N,) int; probabilities: (N, classes), what the network that was trained on
    them says.
    """
    judged = np.flatnonzero(np.bincount(labels)[labels] >= FOLDS)
    table = pd.DataFrame(columns=["place", "label", "suggested", "probability", "margin"])
    accuracy = 0.0
    if len(classes := np.unique(labels[judged])) > 1:
        own = np.searchsorted(classes, labels[judged])
        unseen = out_of_fold(describe(images)[judged], own, seed)
        seen = probabilities[judged][:, classes]
        found = contradicted(own, unseen)
        doubtful = (found != own) & (contradicted(own, seen) != own)
        margin = (_margin(own, unseen) + _margin(own, seen)) / 2
        likely = np.take_along_axis((unseen + seen) / 2, found[:, None], axis=1)[:, 0]
        columns = {"place": judged, "label": classes[own], "suggested": classes[found], "probability": likely}
        table = pd.DataFrame({**columns, "margin": margin})[doubtful]
        table = table.sort_values("margin", ascending=False, ignore_index=True)
        accuracy = float((unseen.argmax(axis=1) == own).mean())
    return Suspects(table, len(judged), accuracy)


def describe(images: np.ndarray) -> np.ndarray:
    """Describe images by the directions of their gradients and their mean colours in cells: (N, features) float32.

    images: (N, H, W, C) uint8. Cells overlap, and a pixel counts in the four nearest as in the two nearest of eight
    directions, so that a small shift changes little. A cell's histogram is divided by its length, with the image's
    mean added so that noise stays small.
    """
    step = max(1, min(images.shape[1:3]) // _SIDE)
    starts = range(0, len(images), _CHUNK)
    return np.concatenate([_describe(images[start : start + _CHUNK], step) for start in starts])


def _describe(images: np.ndarray, step: int) -> np.ndarray:
    height, width = (side // step * step for side in images.shape[1:3])
    blocks = images[:, :height, :width].reshape(len(images), height // step, step, width // step, step, -1)
    channels = np.moveaxis(blocks.mean(axis=(2, 4), dtype=np.float32), 3, 1)
    down, across = (_overlapping_cells(side) for side in channels.shape[2:])
    slopes = np.zeros((2, *channels.shape), np.float32)
    slopes[0, :, :, 1:-1] = channels[:, :, 2:] - channels[:, :, :-2]
    slopes[1, ..., 1:-1] = channels[..., 2:] - channels[..., :-2]
    steepest = np.hypot(*slopes).argmax(axis=1)[None, :, None]
    vertical, horizontal = np.take_along_axis(slopes, steepest, axis=2)[:, :, 0]
    angle = np.arctan2(vertical, horizontal) / (2 * np.pi) * _DIRECTIONS
    nearness = [1 - np.abs((angle - i + _DIRECTIONS / 2) % _DIRECTIONS - _DIRECTIONS / 2) for i in range(_DIRECTIONS)]
    weights = np.maximum(0, np.stack(nearness, axis=1)) * np.hypot(vertical, horizontal)[:, None]
    histograms = down @ weights @ across.T
    energy = (histograms**2).sum(axis=1, keepdims=True)
    histograms /= np.sqrt(energy + energy.mean(axis=(2, 3), keepdims=True) / _DIRECTIONS + 1)
    colours = np.sqrt(down @ channels @ across.T / 255) / 7
    return np.concatenate([part.reshape(len(images), -1) for part in (histograms, colours)], axis=1)


def _overlapping_cells(side: int) -> np.ndarray:
    centres = (np.arange(side) + 0.5) / side * _CELLS - 0.5
    return np.maximum(0, 1 - np.abs(centres - np.arange(_CELLS)[:, None])).astype(np.float32)


def _margin(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    others = np.where(np.eye(probabilities.shape[1], dtype=bool)[labels], 0, probabilities)
    return others.max(axis=1) - own
