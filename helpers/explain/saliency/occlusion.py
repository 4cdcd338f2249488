"""Occlusion: how far the class logit drops where a square covers the image."""

import keras
import numpy as np

from helpers.base.checks import require
from helpers.explain.registry import method
from helpers.explain.saliency.hiding import Views, mean_logits
from helpers.networks.logits import Classes, check, class_logits


@method("occlusion", signed=True, passes="many", baseline="image mean", source="Zeiler and Fergus, 2014")
def occlusion(
    model: keras.Model, images: np.ndarray, classes: Classes, size: int | None = None, stride: int | None = None
) -> np.ndarray:
    """Slide a plain square over each image and note by how much it lowers the class logit where it lies.

    size: side of the square in pixels, an eighth of the image's shorter side by default; stride: its step, its side by
    default. The square has the image's mean colour. Maps are signed: at each pixel the mean drop over the squares that
    cover it, in logits. Raises ValueError on a size below 1 or larger than the image, a stride below 1 or larger than
    the square. Zeiler and Fergus, 2014.
    """
    images, classes = check(model, images, classes)
    shortest = min(images.shape[1:3])
    size = max(1, shortest // 8) if size is None else size
    require(1 <= size <= shortest, f"The square is {size} pixels wide: choose 1 to {shortest}.")
    stride = size if stride is None else stride
    require(1 <= stride <= size, f"The stride is {stride} pixels: choose 1 to the square's {size}.")
    corners = _corners(images.shape[1:3], size, stride)
    squares = _squares(images.shape[1:3], size, corners)
    covered, _ = mean_logits(model, images, classes, squares, len(corners), hides=True)
    whole = class_logits(model, images, classes)
    return (whole[:, np.newaxis, np.newaxis] - covered).astype(np.float32)


def _corners(shape: tuple[int, int], size: int, stride: int) -> np.ndarray:
    """Place squares so that every pixel is covered: the last of a row or column ends at the image's edge."""
    starts = [np.unique([*range(0, side - size, stride), side - size]) for side in shape]
    return np.stack(np.meshgrid(*starts, indexing="ij"), axis=-1).reshape(-1, 2)


def _squares(shape: tuple[int, int], size: int, corners: np.ndarray) -> Views:
    def views(numbers: slice) -> np.ndarray:
        rows, columns = (
            (np.arange(side) >= first[:, np.newaxis]) & (np.arange(side) < first[:, np.newaxis] + size)
            for side, first in zip(shape, corners[numbers].T)
        )
        return 1 - (rows[:, :, np.newaxis] & columns[:, np.newaxis]).astype(np.float32)

    return views
