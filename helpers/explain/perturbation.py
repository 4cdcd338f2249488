"""Maps by hiding: how far a class logit changes where parts of an image are covered."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from helpers.networks.inference import FORWARD_AT_ONCE, Classes, all_logits, check, chunks, require

Views = Callable[[slice], np.ndarray]  # numbers of views to how far each shows the pixels: (k, H, W) in 0..1


def occlusion(
    model: keras.Model, images: np.ndarray, classes: Classes, size: int | None = None, stride: int | None = None
) -> np.ndarray:
    """Slide a plain square over each image and note by how much it lowers the class logit where it lies.

    images: (N, H, W, C) in 0..255; classes: (N,) int, or one class for all; size: side of the square in
    pixels, an eighth of the image's shorter side by default; stride: its step, half of its side by default.
    The square has the image's mean colour. Returns (N, H, W) float32, signed: at each pixel the mean drop over
    the squares that cover it, in logits. Raises ValueError on a class that the model does not have, a size
    below 1 or larger than the image, a stride below 1 or larger than the square. Zeiler and Fergus, 2014.
    """
    images, classes = check(model, images, classes)
    shortest = min(images.shape[1:3])
    size = max(1, shortest // 8) if size is None else size
    require(1 <= size <= shortest, f"The square is {size} pixels wide: choose 1 to {shortest}.")
    stride = max(1, size // 2) if stride is None else stride
    require(1 <= stride <= size, f"The stride is {stride} pixels: choose 1 to the square's {size}.")
    corners = _corners(images.shape[1:3], size, stride)
    covered, _ = _mean_logits(
        model, images, classes, _squares(images.shape[1:3], size, corners), len(corners), hides=True
    )
    whole = np.take_along_axis(all_logits(model, images), classes[:, np.newaxis], axis=1)
    return (whole[..., np.newaxis] - covered).astype(np.float32)


def rise(
    model: keras.Model,
    images: np.ndarray,
    classes: Classes,
    masks: int = 500,
    cells: int = 7,
    share: float = 0.5,
    seed: int = 0,
) -> np.ndarray:
    """Show each image through many random masks; a pixel counts by the class logit of the views that show it.

    images: (N, H, W, C) in 0..255; classes: (N,) int, or one class for all; masks: number of views, the same
    for every image; cells: length of the grid, drawn at random and enlarged bilinearly, that a mask comes from
    (at most the image's sides); share: chance of a cell to show the image. What a mask hides takes the image's
    mean colour. Returns (N, H, W) float32, signed: the mean logit, weighted by how far the mask shows the
    pixel, less the mean over all views. Raises ValueError on a class that the model does not have, fewer than
    one mask or cell, or a share outside 0..1. Petsiuk et al., 2018, who take the probability, not the logit.
    """
    images, classes = check(model, images, classes)
    require(masks >= 1, f"masks is {masks}; it must be at least 1.")
    require(cells >= 1, f"cells is {cells}; it must be at least 1.")
    require(0 < share < 1, f"share is {share}; it must lie between 0 and 1.")
    views = random_masks(images.shape[1:3], masks, cells, share, seed)
    shown, mean = _mean_logits(model, images, classes, views, masks, hides=False)
    return (shown - mean[:, np.newaxis, np.newaxis]).astype(np.float32)


def random_masks(shape: tuple[int, int], masks: int, cells: int = 7, share: float = 0.5, seed: int = 0) -> Views:
    """Draw smooth random masks: grids of cells that show or hide, enlarged bilinearly and shifted by up to a cell.

    shape: (H, W); share: chance of a cell to show. Gives a function from a slice of 0..masks to these masks,
    (k, H, W) float32 in 0..1, 1 where the image shows. Petsiuk et al., 2018.
    """
    random = np.random.default_rng(seed)
    rows, columns = (min(cells, side) for side in shape)
    height, width = (-(-side // count) for side, count in zip(shape, (rows, columns)))  # of a cell, rounded up
    grids = (random.random((masks, rows + 1, columns + 1, 1)) < share).astype(np.float32)
    shifts = random.integers(0, (height, width), (masks, 2))

    def views(numbers: slice) -> np.ndarray:
        large = tf.image.resize(grids[numbers], ((rows + 1) * height, (columns + 1) * width)).numpy()[..., 0]
        pairs = zip(large, shifts[numbers])
        return np.stack([mask[top : top + shape[0], left : left + shape[1]] for mask, (top, left) in pairs])

    return views


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


def _mean_logits(
    model: keras.Model, images: np.ndarray, classes: np.ndarray, views: Views, count: int, *, hides: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Average each image's class logit over views of it: at each pixel, and over all views.

    At a pixel a view counts by how far it shows the pixel or, with hides, by how far it hides it. Returns
    (N, H, W) and (N,) float64; a pixel that no view counts for gets the mean over all.
    """
    fills = images.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    total, weights, logits = np.zeros(images.shape[:3]), np.zeros(images.shape[1:3]), np.zeros(len(images))
    for chunk in chunks(count, images.shape, FORWARD_AT_ONCE):
        shown = views(chunk)
        counted = 1 - shown if hides else shown
        weights += counted.sum(axis=0, dtype=np.float64)
        for number, (image, fill) in enumerate(zip(images, fills)):
            batch = fill + shown[..., np.newaxis] * (image - fill)
            found = all_logits(model, batch)[:, classes[number]].astype(np.float64)
            total[number] += np.tensordot(found, counted, axes=1)
            logits[number] += found.sum()
    mean = logits / count
    at_pixel = np.where(weights > 0, total / np.where(weights > 0, weights, 1), mean[:, np.newaxis, np.newaxis])
    return at_pixel, mean
