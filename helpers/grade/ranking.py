"""Who is first, and whether that may be said: ranks over several ways to grade, leaders, and agreement."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from helpers.grade.insertion import expanded_means


@dataclass(frozen=True)
class Leader:
    """Who has the highest value, and those that the images cannot tell from it; none, and it may be called first."""

    name: str
    value: float
    tied: list[str]


def find_leader(
    names: Sequence[str] | np.ndarray, values: np.ndarray, drawn: np.ndarray | None = None, seed: int = 0
) -> Leader:
    """Find the highest mean over images, and whose 95% interval of the difference to it holds zero.

    names: of the rows; values: (names, N), image by image. Where the value is no mean over images, values: (names, 1)
    and drawn: (names, resamples), the same value over resampled images.
    """
    means, drawn = values.mean(axis=1), expanded_means(values, seed) if drawn is None else drawn
    first = int(means.argmax())
    close = np.quantile(drawn[first] - drawn, 0.025, axis=1) <= 0
    tied = [str(name) for place, name in enumerate(names) if close[place] and place != first]
    return Leader(str(names[first]), float(means[first]), tied)


def rank(values: np.ndarray) -> np.ndarray:
    """Rank names, the first axis, from 1 for the highest value; equal values share the mean of their ranks."""
    return rankdata(-values, axis=0)


def resampled_ranks(values: np.ndarray, seed: int, resamples: int = 1000) -> np.ndarray:
    """Rank again over resampled images: (names, settings, N) to the mean rank over settings, (names, resamples)."""
    return rank(expanded_means(values, seed, resamples)).mean(axis=1)


def kendalls_w(ranks: np.ndarray) -> float:
    """Measure how far several rankings agree: 1 for the same order, 1/rankings on average for unrelated ones.

    ranks: (names, rankings), equal ones averaged. Returns Kendall's W in 0..1, corrected for ties; nan where nothing
    is ranked. Kendall and Smith, 1939.
    """
    count, rankings = ranks.shape
    sizes = [np.unique(column, return_counts=True)[1] for column in ranks.T]
    ties = sum(int((size**3 - size).sum()) for size in sizes)
    most = rankings**2 * (count**3 - count) - rankings * ties
    spread = ((ranks.sum(axis=1) - rankings * (count + 1) / 2) ** 2).sum()
    return float(12 * spread / most) if most else float("nan")
