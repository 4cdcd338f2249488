"""Views of an image, for an average answer: moved a little, or cropped and enlarged a little, and mirrored.

A network that pools or strides answers a moved image a little differently, and what it gets wrong about one view it
may get right about another. Crops are after the ten-crop test of Krizhevsky et al., 2012, without the middle and with
each corner once; they show things larger, as a part of augmented training images does (Touvron et al., 2019).
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

MARGIN = 1 / 24  # share of height and width: two of 48 pixels
# In margins from the top and from the left, where the middle lies at 1.
CORNERS = ((0, 0), (0, 2), (2, 0), (2, 2))
PLACES = ((1, 1), *CORNERS)


def ten_views(images: np.ndarray) -> Iterator[np.ndarray]:
    """Give images (N, H, W, C) as they are and moved along both diagonals, and the mirror image of each.

    The images as they are come first, their mirror images second; all have the images' shape and dtype. What moves in
    at a border repeats the nearest pixel, as in training.
    """
    rows, columns = _margins(images)
    padded = np.pad(images, ((0, 0), (rows, rows), (columns, columns), (0, 0)), mode="edge")
    for window in _windows(padded, images.shape[1:3], rows, columns, PLACES):
        yield from (window, window[:, :, ::-1])


def four_crops(images: np.ndarray) -> Iterator[np.ndarray]:
    """Give the four corners of images (N, H, W, C), enlarged to the images' size.

    The corners at the top right and at the bottom left are mirrored, so that mirror images have the same crops. All
    have the images' shape and dtype; of a corner, two margins are left out on two sides.
    """
    rows, columns = _margins(images)
    height, width = images.shape[1:3]
    windows = _windows(images, (height - 2 * rows, width - 2 * columns), rows, columns, CORNERS)
    for (down, right), window in zip(CORNERS, windows, strict=True):
        yield _enlarge(window if down == right else window[:, :, ::-1], (height, width))


def average_answer(answer: Callable[[np.ndarray], np.ndarray], views: Iterable[np.ndarray]) -> np.ndarray:
    """Average what `answer` gives for each of the views: an array as it gives."""
    answers = [answer(view) for view in views]
    return np.add.reduce(answers) / np.float32(len(answers))


def _margins(images: np.ndarray) -> tuple[int, int]:
    rows, columns = (max(1, round(MARGIN * size)) for size in images.shape[1:3])
    return rows, columns


def _windows(
    images: np.ndarray, shape: tuple[int, int], rows: int, columns: int, places: Iterable[tuple[int, int]]
) -> Iterator[np.ndarray]:
    """Cut windows of one shape at these places."""
    for down, right in places:
        yield images[:, down * rows : down * rows + shape[0], right * columns : right * columns + shape[1]]


def _enlarge(images: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from keras import ops

    resized = ops.convert_to_numpy(ops.image.resize(images.astype(np.float32), shape, interpolation="bilinear"))
    return np.rint(resized).astype(images.dtype) if images.dtype.kind in "iu" else resized
