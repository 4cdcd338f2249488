"""Ten views of an image: itself and its mirror image, each also moved along both diagonals, for an average answer.

A network that pools or strides answers a moved image a little differently, and what it gets wrong about one view it
may get right about another. Averaging the answers is the ten-crop test of Krizhevsky et al., 2012, for images too small
to be cropped.
"""

from collections.abc import Callable, Iterator

import numpy as np

VIEWS = 10
MOVED_BY = 1 / 24  # share of height and width: two of 48 pixels


def ten_views(images: np.ndarray) -> Iterator[np.ndarray]:
    """Give views of images (N, H, W, C), each of their shape and dtype: as they are first, mirrored ones second.

    What moves in at a border repeats the nearest pixel, as in training.
    """
    rows, columns = (max(1, round(MOVED_BY * size)) for size in images.shape[1:3])
    padded = np.pad(images, ((0, 0), (rows, rows), (columns, columns), (0, 0)), mode="edge")
    for down, right in ((1, 1), (0, 0), (0, 2), (2, 0), (2, 2)):
        height, width = images.shape[1:3]
        moved = padded[:, down * rows : down * rows + height, right * columns : right * columns + width]
        yield moved
        yield moved[:, :, ::-1]


def average_over_views(answer: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    """Average what `answer` gives for each of the ten views of images (N, H, W, C): an array as it gives."""
    return sum(answer(view) for view in ten_views(images)) / np.float32(VIEWS)
