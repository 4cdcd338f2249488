"""Grades of an explanation: how far it agrees with the truth, where the truth about an image is known."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.explain import maps as measures

BLOB, CHANCE = "centred Gaussian", "chance"  # rows of the table of grades that need no network

# Each grade gives a map that singles out nothing the level of chance: ties count by their expected value.


def mean_evidence(evidence: np.ndarray, classes: np.ndarray, class_count: int) -> np.ndarray:
    """Average the evidence of each class as if it were a map, every image having the same say.

    evidence: (N, H, W) bool; classes: (N,) int. Returns (class_count, H, W) float32 that each sum to 1; nan
    for a class without evidence.
    """
    marked = evidence.any(axis=(1, 2))
    shares = measures.relevance_share(evidence[marked])
    return measures.mean_map_by_class(shares, classes[marked], class_count)


def mass_by_class(maps: Mapping[str, np.ndarray], evidence: np.ndarray, names: np.ndarray) -> pd.DataFrame:
    """Average the relevance mass of each method by class.

    maps: (N, H, W) by the method's name; evidence: (N, H, W) bool; names: (N,) class of each image. Returns a
    row a method, the last for chance, and a column a class, in order of appearance, without classes that have
    no evidence.
    """
    masses = {name: relevance_mass(values, evidence) for name, values in maps.items()}
    frame = pd.DataFrame({**masses, CHANCE: chance_level(evidence)})
    return frame.groupby(names, sort=False).mean().dropna().T


def centred_gaussian(shape: tuple[int, int, int], width: float = 0.2) -> np.ndarray:
    """Draw the same blob in the middle of every image: a map that has not looked at any of them.

    shape: (N, H, W); width: standard deviation as a share of the image. Returns (N, H, W) float32, at most 1.
    """
    rows, columns = (np.linspace(-0.5, 0.5, size) / width for size in shape[1:])
    blob = np.exp(-(rows[:, None] ** 2 + columns**2) / 2)
    return np.broadcast_to(blob.astype(np.float32), shape)


def chance_level(evidence: np.ndarray) -> np.ndarray:
    """Give the grade that a map drawn at random gets on average: the evidence's share of the image.

    evidence: (N, H, W) bool. Returns (N,) float32 in 0..1; nan where an image has no evidence.
    """
    return _where_evidence(evidence, evidence.mean(axis=(1, 2)))


def pointing_game(maps: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Ask whether the pixel that counts most is a pixel of the evidence.

    maps: (N, H, W) float, graded by magnitude; evidence: (N, H, W) bool. Returns (N,) float32: 1 for a hit, 0
    for a miss, and between them where several pixels share the largest magnitude; nan where an image has no
    evidence. Zhang et al., 2018.
    """
    magnitude = np.abs(maps)
    top = magnitude == magnitude.max(axis=(1, 2), keepdims=True)
    return _where_evidence(evidence, _share(top, evidence))


def relevance_mass(maps: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Measure which share of the relevance, whatever its sign, lies on the evidence.

    maps: (N, H, W) float, graded by magnitude; evidence: (N, H, W) bool. Returns (N,) float32 in 0..1; nan
    where an image has no evidence. Arras et al., 2022.
    """
    magnitude = np.abs(maps, dtype=np.float64)
    blank = ~magnitude.any(axis=(1, 2), keepdims=True)
    return _where_evidence(evidence, _share(magnitude + blank, evidence))


def relevance_rank(maps: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Measure which share of the K pixels that count most lies on the evidence, which is K pixels large.

    maps: (N, H, W) float, graded by magnitude; evidence: (N, H, W) bool. Returns (N,) float32 in 0..1; nan
    where an image has no evidence. Arras et al., 2022.
    """
    magnitude = np.abs(maps)
    grades = [_expected_precision(one, mask) for one, mask in zip(magnitude, evidence, strict=True)]
    return _where_evidence(evidence, np.array(grades))


def _expected_precision(magnitude: np.ndarray, mask: np.ndarray) -> float:
    """Give the share of the mask among the mask.sum() largest values, ties broken by chance."""
    size = int(mask.sum())
    if size == 0:
        return np.nan
    threshold = np.partition(magnitude, -size, axis=None)[-size]
    above, tied = magnitude > threshold, magnitude == threshold
    return (mask[above].sum() + mask[tied].mean() * (size - above.sum())) / size


def _share(weights: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    return (weights * evidence).sum(axis=(1, 2)) / weights.sum(axis=(1, 2))


def _where_evidence(evidence: np.ndarray, grades: np.ndarray) -> np.ndarray:
    return np.where(evidence.any(axis=(1, 2)), grades, np.nan).astype(np.float32)
