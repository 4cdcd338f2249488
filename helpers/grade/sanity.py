"""Sanity checks: does a map change when the network's weights do, and when another class is asked about?"""

from collections.abc import Iterator

import keras
import numpy as np
from scipy.stats import rankdata
from skimage.metrics import structural_similarity

from helpers.networks.layers import copy_weights, flat_layers, rebuild

PASSING = 0.5  # a map that is more alike than this after the upper half of the network is random ignores the network


def cascade(model: keras.Model, seed: int) -> Iterator[tuple[str, keras.Model]]:
    """Randomise a model's weights layer by layer, from the logits down to the pixels.

    Yields, after each layer, its name and a model in which it and all above it have new random weights; a
    normalization goes with the layer before it. It is one model, changed in place: use it before going on.
    The model given stays as it is. Adebayo et al., 2018.
    """
    copy, twins = rebuild(model, lambda layer: {})
    copy_weights(twins)
    random = np.random.default_rng(seed)
    for layers in _weighted_layers(copy):
        for layer in layers:
            layer.set_weights([_fresh(weight, random) for weight in layer.weights])
        yield layers[0].name, copy


def cascade_layers(model: keras.Model) -> list[str]:
    """Name the layers that `cascade` randomises, in its order."""
    return [layers[0].name for layers in _weighted_layers(model)]


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlate the ranks of the pixels in two maps of each image (Spearman).

    first, second: (N, H, W) float. Returns (N,) float32 in -1..1; 0 where a map is even and ranks nothing.
    """
    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (first, second)]
    centred = [values - values.mean(axis=1, keepdims=True) for values in ranks]
    norm = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    product = (centred[0] * centred[1]).sum(axis=1)
    return (product / np.where(norm > 0, norm, 1)).astype(np.float32)


def structural_similarities(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compare two maps of each image as pictures (SSIM), each on its own scale to the 99th percentile.

    first, second: (N, H, W) float, at least 7 pixels high and wide. Returns (N,) float32, at most 1. Wang et
    al., 2004.
    """
    pairs = zip(_own_scale(first), _own_scale(second), strict=True)
    spread = 2.0 if min(first.min(), second.min()) < 0 else 1.0
    return np.array([structural_similarity(a, b, data_range=spread) for a, b in pairs], np.float32)


def runner_up(probabilities: np.ndarray) -> np.ndarray:
    """Name the class with the second highest probability: (N, classes) to (N,) int64."""
    return np.argsort(-probabilities, axis=1, kind="stable")[:, 1]


def _own_scale(maps: np.ndarray) -> np.ndarray:
    limits = np.percentile(np.abs(maps), 99, axis=(1, 2), keepdims=True)
    return np.clip(maps / np.where(limits > 0, limits, 1), -1, 1).astype(np.float64)


def _weighted_layers(model: keras.Model) -> list[list[keras.layers.Layer]]:
    """Group the layers that have weights, from the logits down: each with a kernel, then those that follow it."""
    groups: list[list[keras.layers.Layer]] = []
    for layer in flat_layers(model):
        if any(len(weight.shape) > 1 for weight in layer.weights):
            groups.append([layer])
        elif layer.weights and groups:
            groups[-1].append(layer)
    return groups[::-1]


def _fresh(weight: keras.Variable, random: np.random.Generator) -> np.ndarray:
    """Draw a kernel as before training (He et al., 2015); reset scales and variances to one, shifts to zero."""
    if len(weight.shape) > 1:
        spread = np.sqrt(2 / np.prod(weight.shape[:-1]))
        return random.normal(0, spread, weight.shape).astype(np.float32)
    return np.full(weight.shape, weight.name in ("gamma", "moving_variance"), np.float32)
