"""Which training images a network finds most alike, and whether a picture is like any of them."""

from dataclasses import dataclass
from functools import lru_cache

import keras
import numpy as np
from sklearn.neighbors import NearestNeighbors

from helpers.networks.logits import all_logits

USUAL = 0.99  # share of the validation images that lie no farther from the training images than the limit


@dataclass(frozen=True)
class Index:
    """The training images as a network sees them.

    features: (N, D) float32, its last ones of each training image; limit: the distance to the nearest of them that
    a share of USUAL of the validation images does not exceed.
    """

    features: np.ndarray
    limit: float

    def nearest(self, features: np.ndarray, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """Give the Euclidean distances to the nearest training images, rising, and their places: (K, count) each."""
        found = NearestNeighbors(n_neighbors=min(count, len(self.features)), algorithm="brute").fit(self.features)
        return found.kneighbors(features)


def last_features(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Give what goes into a network's last layer with weights: (N, D) float32, maps averaged over their places.

    images: (N, H, W, C) in 0..255. Of a network whose layers cannot be told apart, its logits.
    """
    return all_logits(_extractor(model), images)


def build_index(model: keras.Model, train: np.ndarray, validation: np.ndarray) -> Index:
    """Compute the features of the training images, and how far validation images lie from them; both (N, H, W, C)."""
    index = Index(last_features(model, train), np.inf)
    distances = index.nearest(last_features(model, validation), 1)[0]
    return Index(index.features, float(np.quantile(distances, USUAL)))


@lru_cache(maxsize=8)
def _extractor(model: keras.Model) -> keras.Model:
    before = next(layer for layer in reversed(model.layers) if layer.weights).input
    if before is model.input:
        return model
    while len(before.shape) > 2:
        before = keras.ops.mean(before, axis=1)
    return keras.Model(model.input, before)
