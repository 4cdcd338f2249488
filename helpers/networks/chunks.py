"""Work on many images cut into chunks that fit in memory, by what an image takes on its way through a network."""

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from itertools import pairwise

import keras
import numpy as np

BYTES_AT_ONCE = 320_000_000  # of layers' outputs in flight: 64 images of 48 x 48 with their gradients in vgg9
PARTS = 8  # into which such a chunk is cut where CHECK is set: a tenth of a second each
# What a thread may set to be called before each chunk, and to end its work by an error.
CHECK: ContextVar[Callable[[], None] | None] = ContextVar("CHECK", default=None)

# For `as_many_as_last`: images that say anything of a method, and what an image has at most of pixels, and a network of
# multiplications for it, where all are taken.
FEWEST, USUAL, USUAL_WORK = 24, 64**2, 60_000_000


def as_many_as_last(count: int, shape: tuple[int, ...], work: int = 0, least: int = FEWEST) -> int:
    """Give how many images (H, W, C) of this shape take as long as `count` usual ones, and at least `least`.

    work: multiplications of the network for one. No more than `count`, however small they are.
    """
    cost = max(1, float(np.prod(shape[:2])) / USUAL, work / USUAL_WORK)
    return min(count, max(least, int(count / cost)))


def chunks(count: int, image_bytes: int) -> Iterator[slice]:
    """Cut `count` pieces of work, each of which holds so many bytes, into slices that fit in memory."""
    check = CHECK.get()
    size = max(1, BYTES_AT_ONCE // (PARTS if check else 1) // max(1, image_bytes))
    for start in range(0, count, size):
        if check:
            check()
        yield slice(start, min(start + size, count))


def gradient_bytes(model: keras.Model, shape: tuple[int, ...]) -> int:
    """Give what one image (H, W, C) of this shape holds while gradients are taken: the outputs of all layers."""
    return sum(_output_bytes(model, shape))


def forward_bytes(model: keras.Model, shape: tuple[int, ...]) -> int:
    """Give what one image (H, W, C) of this shape holds on a forward pass: the largest two outputs in a row.

    And, in float32, itself, as an array of NumPy and as a tensor.
    """
    sizes = _output_bytes(model, shape)
    return max((first + second for first, second in pairwise(sizes)), default=sum(sizes)) + 8 * int(np.prod(shape))


def _output_bytes(model: keras.Model, shape: tuple[int, ...]) -> list[int]:
    """Give the bytes of each layer's output in float32; where a layer takes any size, that of the image counts."""
    outputs = [getattr(layer, "output", None) for layer in model.layers]  # none inside a model of a user's class
    shapes = [tensor.shape[1:] for tensor in keras.tree.flatten(outputs) if tensor is not None] or [shape]
    return [4 * int(np.prod([side or max(shape[:2]) for side in sides])) for sides in shapes]
