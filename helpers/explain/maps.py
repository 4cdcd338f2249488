"""What can be measured of maps: where their relevance lies, and their means by class."""

import numpy as np

from helpers.base.checks import require


def top_fraction_mask(maps: np.ndarray, fraction: float) -> np.ndarray:
    """Mark in each map the fraction of the pixels that count most, for or against: the largest magnitudes.

    maps: (N, H, W) float; fraction: in 0..1. Returns (N, H, W) bool with exactly round(fraction * H * W) pixels marked
    in every map; among equal magnitudes the first in reading order. Raises ValueError on a fraction outside 0..1.
    """
    require(0 <= fraction <= 1, f"The fraction is {fraction}; it must lie between 0 and 1.")
    flat = np.abs(maps).reshape(len(maps), -1)
    kept = np.argsort(-flat, axis=1, kind="stable")[:, : round(fraction * flat.shape[1])]
    mask = np.zeros(flat.shape, bool)
    np.put_along_axis(mask, kept, True, axis=1)
    return mask.reshape(maps.shape)


def concentration(maps: np.ndarray, fraction: float) -> np.ndarray:
    """Measure which share of each map's relevance its top fraction of pixels holds.

    maps: (N, H, W) float; fraction: in 0..1. Returns (N,) float32 from the fraction, where all pixels count
    alike, to 1. Raises ValueError on a fraction outside 0..1.
    """
    return (relevance_share(maps) * top_fraction_mask(maps, fraction)).sum(axis=(1, 2))


def relevance_share(maps: np.ndarray) -> np.ndarray:
    """Turn each map into the share of the relevance that falls on each pixel, whatever its sign.

    maps: (N, H, W) float. Returns (N, H, W) float32, >= 0; each map sums to 1, so that in a mean over images
    the steepest do not outweigh the others. A map that is zero everywhere gives equal shares.
    """
    magnitude = np.abs(np.asarray(maps, np.float32))
    total = magnitude.sum(axis=(1, 2), keepdims=True)
    even = np.float32(1 / np.prod(maps.shape[1:]))
    return np.where(total > 0, magnitude / np.where(total > 0, total, 1), even)


def mean_map_by_class(maps: np.ndarray, classes: np.ndarray, class_count: int) -> np.ndarray:
    """Average the maps of each class.

    maps: (N, H, W) float; classes: (N,) int. Returns (class_count, H, W) float32; nan for a class without a map.
    """
    means = np.full((class_count, *maps.shape[1:]), np.nan, np.float32)
    for number in np.unique(classes):
        means[number] = maps[classes == number].mean(axis=0)
    return means
