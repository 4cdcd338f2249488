"""What moving the images costs two networks: how far the accuracy of each falls, and which falls farther."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from helpers.base.words import Said, said
from helpers.grade.insertion import intervals
from helpers.networks.prediction import predict_logits

SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0))  # rows and columns: towards which images are moved
_WORDS = "02_compare_dnn.moved"


@dataclass(frozen=True)
class Falls:
    """How the accuracies of two networks change when the images move, in points; negative where they fall."""

    images: int
    cnn: Sequence[float]  # one a distance
    dnn: Sequence[float]
    difference: float  # mean change of the CNN minus that of the DNN, over all distances
    low: float  # of its paired 95 % interval over images
    high: float
    sure: float  # the same sign as the difference where that is one after the correction for all claims, else 0

    @property
    def verdict(self) -> Said:
        """Say which of the two falls farther, or that this is not known; a part of a sentence."""
        key = "less" if self.sure > 0 else "more" if self.sure < 0 else "open"
        means = {"cnn": -float(np.mean(self.cnn)), "dnn": -float(np.mean(self.dnn))}
        return said(f"{_WORDS}.{key}", low=self.low, high=self.high, **means)


def answers_to_moved(model: keras.Model, images: np.ndarray, pixels: Sequence[int]) -> np.ndarray:
    """Give a network's answers to images (N, H, W, C) as they are, and moved so far to each of the four sides.

    pixels: distances, rising. What moves in repeats the nearest pixel, as in training. Returns (1 + 4 distances, N)
    int64, the images as they are first.
    """
    (height, width), most = images.shape[1:3], pixels[-1]
    padded = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    starts = [(most, most), *((most + far * down, most + far * right) for far in pixels for down, right in SIDES)]
    moved = np.concatenate([padded[:, row : row + height, column : column + width] for row, column in starts])
    return predict_logits(model, moved).argmax(axis=1).reshape(len(starts), len(images))


def compare_falls(labels: np.ndarray, cnn: np.ndarray, dnn: np.ndarray, significance: float = 0.05) -> Falls:
    """Compare what moving the images costs two networks.

    labels: (N,) int; cnn, dnn: what `answers_to_moved` gives; significance: p-value below which one is said to lose
    more; of a report that makes many claims, divided by their number. The intervals are a paired bootstrap over images;
    two more images, on which one network alone loses all, hold their level where few images differ, as in
    `confusion.compare`.
    """
    changes = [right[1:] - right[0] for right in ((given == labels).astype(float) for given in (cnn, dnn))]
    apart = np.append(changes[0].mean(axis=0) - changes[1].mean(axis=0), [-1, 1])
    low, high = (100 * intervals(apart, seed=0)).tolist()
    ends = np.sign(intervals(apart, seed=0, resamples=20_000, level=1 - significance))
    first, second = [(100 * each.reshape(-1, len(SIDES) * len(labels)).mean(axis=1)).tolist() for each in changes]
    sure = float(ends[0] if ends[0] == ends[1] else 0)
    return Falls(len(labels), first, second, 100 * float(apart[:-2].mean()), low, high, sure)
