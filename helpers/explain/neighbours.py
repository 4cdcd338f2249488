"""Which training images a network finds most alike, and whether a picture is like any of them."""

from dataclasses import dataclass, replace
from functools import lru_cache

import keras
import numpy as np
from skimage.transform import downscale_local_mean
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from helpers.networks.chunks import chunks
from helpers.networks.logits import all_logits

USUAL = 0.995  # share of the validation images within each of two limits, so that 99 % are within both


@dataclass(frozen=True)
class Index:
    """The training images as a network sees them.

    features: (N, D) float32, its last ones of each training image; limit: the distance to the nearest of them that
    a share of USUAL of the validation images does not exceed; centre, precision: mean and inverse covariance of their
    `textures`; texture_limit: the distance from that mean, in standard deviations, which as many do not exceed.
    """

    features: np.ndarray
    limit: float
    centre: np.ndarray
    precision: np.ndarray
    texture_limit: float

    def nearest(self, features: np.ndarray, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """Give the Euclidean distances to the nearest training images, rising, and their places: (K, count) each."""
        found = NearestNeighbors(n_neighbors=min(count, len(self.features)), algorithm="brute").fit(self.features)
        return found.kneighbors(features)

    def texture_distances(self, images: np.ndarray) -> np.ndarray:
        """Give the Mahalanobis distances of the textures of images (K, H, W, C) from those of training: (K,)."""
        apart = textures(images) - self.centre
        return np.sqrt(np.einsum("kd,de,ke->k", apart, self.precision, apart))


def textures(images: np.ndarray) -> np.ndarray:
    """Give the logarithms of an image's contrast and of its steps from pixel to pixel, at halving sizes: (N, D).

    images: (N, H, W, C) in 0..255. Noise, a blank picture and text differ from photos in these, whatever their means.
    """

    def size(values: np.ndarray) -> np.ndarray:
        return np.log(np.abs(values).mean(axis=(1, 2)) + 0.5)

    def of(grey: np.ndarray) -> np.ndarray:
        sizes = [size(grey - grey.mean(axis=(1, 2), keepdims=True))]
        while min(grey.shape[1:]) >= 4:
            sizes += [size(np.diff(grey, axis=axis)) for axis in (1, 2)]
            grey = downscale_local_mean(grey[:, : grey.shape[1] // 2 * 2, : grey.shape[2] // 2 * 2], (1, 2, 2))
        return np.stack(sizes, axis=1)

    parts = chunks(len(images), 8 * int(np.prod(images.shape[1:])))
    return np.concatenate([of(images[part].mean(axis=-1, dtype=np.float32)) for part in parts])


def last_features(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Give what goes into a network's last layer with weights: (N, D) float32, maps averaged over their places.

    images: (N, H, W, C) in 0..255. Of a network whose layers cannot be told apart, its logits.
    """
    return all_logits(_extractor(model), images)


def build_index(model: keras.Model, train: np.ndarray, validation: np.ndarray) -> Index:
    """Compute the features of the training images, and how far validation images lie from them; both (N, H, W, C)."""
    usual = LedoitWolf().fit(textures(train))
    index = Index(last_features(model, train), np.inf, usual.location_, usual.precision_, np.inf)
    distances = index.nearest(last_features(model, validation), 1)[0], index.texture_distances(validation)
    limit, texture_limit = (float(np.quantile(values, USUAL)) for values in distances)
    return replace(index, limit=limit, texture_limit=texture_limit)


@lru_cache(maxsize=8)
def _extractor(model: keras.Model) -> keras.Model:
    before = next(layer for layer in reversed(model.layers) if layer.weights).input
    if before is model.input:
        return model
    while len(before.shape) > 2:
        before = keras.ops.mean(before, axis=1)
    return keras.Model(model.input, before)
