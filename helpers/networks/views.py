"""Views of an image, for an average answer: moved a little, or cropped and enlarged a little, and mirrored.

A network that pools or strides answers a moved image a little differently, and what it gets wrong about one view it
may get right about another. They are moved by whole pixels, since reading between pixels blurs them, as enlarging does.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

Views = Callable[[np.ndarray], Iterable[np.ndarray]]  # of images (N, H, W, C), each of their shape and dtype

MARGIN = 1 / 24  # share of height and width: two of 48 pixels
# In margins from the top and from the left, where the middle lies at 1.
CORNERS = ((0, 0), (0, 2), (2, 0), (2, 2))
PLACES = ((1, 1), *CORNERS)


def ten_views(images: np.ndarray) -> Iterator[np.ndarray]:
    """Give images (N, H, W, C) as they are and moved along both diagonals, and the mirror image of each.

    The images as they are come first, their mirror images second; all have the images' shape and dtype. What moves in
    at a border repeats the nearest pixel, as in training.
    """
    for window in _windows(_padded(images), images.shape[1:3], PLACES):
        yield from (window, window[:, :, ::-1])


def four_crops(images: np.ndarray) -> Iterator[np.ndarray]:
    """Give the four corners, as large as the images, of images (N, H, W, C) that are padded by the nearest pixels.

    The corners at the top right and at the bottom left are mirrored, so that mirror images have the same crops. All
    have the images' shape and dtype. After the ten-crop test of Krizhevsky et al., 2012, without the middle.
    """
    yield from _mirrored(_windows(_padded(images), images.shape[1:3], CORNERS))


def enlarged_crops(images: np.ndarray) -> Iterator[np.ndarray]:
    """Give the four corners of images (N, H, W, C), each two margins smaller and enlarged to the images' size.

    They suit networks that learned from images that were blurred. Else as `four_crops`.
    """
    from keras import ops

    shape, (rows, columns) = images.shape[1:3], _margins(images)
    for window in _mirrored(_windows(images, (shape[0] - 2 * rows, shape[1] - 2 * columns), CORNERS)):
        resized = ops.convert_to_numpy(ops.image.resize(window.astype(np.float32), shape, interpolation="bilinear"))
        yield np.rint(resized).astype(images.dtype) if images.dtype.kind in "iu" else resized


def average_answer(answer: Callable[[np.ndarray], np.ndarray], views: Iterable[np.ndarray]) -> np.ndarray:
    """Average what `answer` gives for each of the views: an array as it gives."""
    answers = [answer(view) for view in views]
    return np.add.reduce(answers) / np.float32(len(answers))


def _margins(images: np.ndarray) -> tuple[int, int]:
    rows, columns = (max(1, round(MARGIN * size)) for size in images.shape[1:3])
    return rows, columns


def _padded(images: np.ndarray) -> np.ndarray:
    rows, columns = _margins(images)
    return np.pad(images, ((0, 0), (rows, rows), (columns, columns), (0, 0)), mode="edge")


def _windows(images: np.ndarray, shape: tuple[int, ...], places: Iterable[tuple[int, int]]) -> Iterator[np.ndarray]:
    """Cut windows of one shape, two margins smaller than the images, at these places."""
    height, width = shape
    rows, columns = ((whole - part) // 2 for whole, part in zip(images.shape[1:3], shape, strict=True))
    for down, right in places:
        yield images[:, down * rows : down * rows + height, right * columns : right * columns + width]


def _mirrored(corners: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Mirror two of the four corners, those at the top right and at the bottom left."""
    for (down, right), window in zip(CORNERS, corners, strict=True):
        yield window if down == right else window[:, :, ::-1]
