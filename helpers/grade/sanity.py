"""Sanity checks: does a map change when the network's weights do, and when another class is asked about?"""

from collections.abc import Iterator

import keras
import numpy as np
from scipy.stats import entropy as scipy_entropy
from scipy.stats import rankdata
from scipy.stats import t as student

from helpers.networks.layers import copy_of

CHANGES, STAYS, UNDECIDED = "changes", "does not change", "undecided"
PASSING = 0.5  # a map that is more alike than this after the upper half of the network is random ignores the network


def cascade(
    model: keras.Model, seed: int | list[int], copy: keras.Model | None = None
) -> Iterator[tuple[str, keras.Model]]:
    """Randomise a model's weights layer by layer, from the logits down to the pixels.

    Yields, after each layer, its name and a model in which it and all above it have new random weights; a
    normalization goes with the layer before it. It is one model, changed in place: use it before going on.
    copy: what `copy_of` made of the model, with the trained weights, if it was made before.
    The model given stays as it is. Adebayo et al., 2018.
    """
    copy = copy_of(model) if copy is None else copy
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
    return correlate(standard_ranks(first), standard_ranks(second))


def standard_ranks(maps: np.ndarray) -> np.ndarray:
    """Rank the pixels of each map (N, H, W), about zero and of length one: (N, H * W) float64; 0 for an even map."""
    ranks = rankdata(maps.reshape(len(maps), -1), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.sqrt((ranks**2).sum(axis=1, keepdims=True))
    return ranks / np.where(length > 0, length, 1)


def correlate(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlate what `standard_ranks` gives of two maps of each image: (N,) float32 in -1..1."""
    return np.einsum("np,np->n", first, second).astype(np.float32)


def entropy(maps: np.ndarray, bins: int = 100) -> np.ndarray:
    """Measure how evenly the values of each map fill their range: the entropy of their histogram, in bits.

    maps: (N, H, W) float. Returns (N,) float32; 0 for an even map. What a network with random weights makes of an image
    is more of a jumble than what a trained one does, so that the entropy of an explanation that follows the network
    rises. Hedstroem et al., 2024 (efficient MPRT).
    """
    counts = [np.histogram(values, bins)[0] for values in maps]
    return np.array([scipy_entropy(count, base=2) for count in counts], np.float32)


def verdicts(likeness: np.ndarray) -> np.ndarray:
    """Say of each map whether it changes with the network's weights, by draws of random weights.

    likeness: (..., draws), the mean over images of each draw, at least two. Returns (...) of CHANGES, STAYS or
    UNDECIDED, where the interval holds PASSING.
    """
    low, high = interval(likeness)
    return np.where(high < PASSING, CHANGES, np.where(low > PASSING, STAYS, UNDECIDED))


def interval(likeness: np.ndarray) -> np.ndarray:
    """Give the 95% interval of the mean over draws (Student's t): (..., draws), at least two, to (2, ...)."""
    draws, mean, spread = likeness.shape[-1], likeness.mean(axis=-1), likeness.std(axis=-1, ddof=1)
    margin = student.ppf(0.975, draws - 1) * spread / np.sqrt(draws)
    return np.stack([mean - margin, mean + margin])


def runner_up(probabilities: np.ndarray) -> np.ndarray:
    """Name the class with the second highest probability: (N, classes) to (N,) int64."""
    return np.argsort(-probabilities, axis=1, kind="stable")[:, 1]


def _weighted_layers(model: keras.Model) -> list[list[keras.layers.Layer]]:
    """Group the layers that have weights, from the logits down: each with a kernel, then those that follow it."""
    groups: list[list[keras.layers.Layer]] = []
    for layer in model.layers:
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
    return np.full(weight.shape, weight.name.split(":")[0].endswith(("gamma", "moving_variance")), np.float32)
