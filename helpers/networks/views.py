"""Views of an image, for an average answer: moved a little, and mirrored.

A network that pools or strides answers a moved image a little differently, and what it gets wrong about one view it
may get right about another. They are moved by whole pixels, since reading between pixels would blur them.
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
    for window in _windows(images, PLACES):
        yield from (window, window[:, :, ::-1])


def four_crops(images: np.ndarray) -> Iterator[np.ndarray]:
    """Give the four corners, as large as the images, of images (N, H, W, C) that are padded by the nearest pixels.

    The corners at the top right and at the bottom left are mirrored, so that mirror images have the same crops. All
    have the images' shape and dtype. After the ten-crop test of Krizhevsky et al., 2012, without the middle.
    """
    for (down, right), window in zip(CORNERS, _windows(images, CORNERS), strict=True):
        yield window if down == right else window[:, :, ::-1]


def average_answer(answer: Callable[[np.ndarray], np.ndarray], views: Iterable[np.ndarray]) -> np.ndarray:
    """Average what `answer` gives for each of the views: an array as it gives."""
    answers = [answer(view) for view in views]
    return np.add.reduce(answers) / np.float32(len(answers))


def _windows(images: np.ndarray, places: Iterable[tuple[int, int]]) -> Iterator[np.ndarray]:
    """Cut windows of the images' shape from the images padded by a margin, at these places."""
    height, width = images.shape[1:3]
    rows, columns = (max(1, round(MARGIN * size)) for size in (height, width))
    padded = np.pad(images, ((0, 0), (rows, rows), (columns, columns), (0, 0)), mode="edge")
    for down, right in places:
        yield padded[:, down * rows : down * rows + height, right * columns : right * columns + width]
