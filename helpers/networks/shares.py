"""How sure a measured share of right answers is."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest


@dataclass(frozen=True)
class Interval:
    """A measured share with its 95 % confidence interval, all in 0..1."""

    value: float
    low: float
    high: float


def share_interval(count: int, images: int) -> Interval:
    """Give the share of so many of these images with Wilson's 95 % interval; raises ValueError when there are none."""
    if images == 0:
        raise ValueError("An accuracy needs at least one image.")
    interval = binomtest(count, images).proportion_ci(0.95, method="wilson")
    return Interval(count / images, float(interval.low), float(interval.high))


def balanced_accuracy(counts: np.ndarray) -> Interval:
    """Give the mean recall of the classes that have images, with a 95 % interval.

    counts: (classes, classes) int, a confusion matrix. Every class counts the same, however few its images. The
    interval is of the mean of independent recalls, each drawn from Jeffreys' posterior (Brodersen et al., 2010).
    Raises ValueError when there are no images.
    """
    images, right = counts.sum(axis=1), np.diag(counts)
    there = images > 0
    if not there.any():
        raise ValueError("A balanced accuracy needs at least one image.")
    random = np.random.default_rng(0)
    drawn = random.beta(right[there] + 0.5, (images - right)[there] + 0.5, (10_000, int(there.sum()))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = float((right[there] / images[there]).mean())
    return Interval(value, min(value, float(low)), max(value, float(high)))
