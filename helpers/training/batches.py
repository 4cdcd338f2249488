"""In what batches the images of an epoch are shown, and what each of them is blended with."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# What is shown at once, between two looks at whether the user has had enough: so many steps, and no more bytes.
LONGEST_PIECE, LARGEST_PIECE = 16, 2**25


@dataclass(frozen=True)
class Showing:
    """The batches of an epoch, as places of images among all training images."""

    places: np.ndarray  # (steps, size) int
    partners: np.ndarray | None = None  # (steps, size) int: what each image is blended with; None: with nothing
    shares: np.ndarray | None = None  # (steps, size) float32 in 0..0.5: the partners' part in it

    def batch(self, images: np.ndarray, targets: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Give what is shown in one step, of all images (N, H, W, C) uint8 and their targets (N, classes)."""
        places = self.places[step]
        if self.partners is None:
            return images[places], targets[places]
        partners, shares = self.partners[step], self.shares[step]
        return blend(images[places], images[partners], shares), blend(targets[places], targets[partners], shares)

    def pieces(self, images: np.ndarray, targets: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Give what is shown in a few steps at a time: images (steps, size, H, W, C) uint8 and their targets."""
        size = self.places.shape[1] * images[:1].nbytes
        steps = min(LONGEST_PIECE, max(1, LARGEST_PIECE // size))
        for start in range(0, len(self.places), steps):
            shown = range(start, min(start + steps, len(self.places)))
            batches = zip(*(self.batch(images, targets, step) for step in shown), strict=True)
            yield tuple(np.stack(part) for part in batches)


def order_epoch(images: int, shape: tuple[int, int], mixup: float, random: np.random.Generator) -> Showing:
    """Draw in what batches (steps, size) so many images are shown, and what each is blended with. Zhang et al., 2018.

    mixup: the shares of the partners are drawn from Beta(mixup, mixup); with 0 nothing is blended. The larger of the
    two shares is the image's own, so that the order of the images means as much as without.
    """
    order = random.permutation(images)[: shape[0] * shape[1]]
    if not mixup:
        return Showing(order.reshape(shape))
    shares = random.beta(mixup, mixup, len(order)).astype(np.float32)
    partners = order[random.permutation(len(order))]
    return Showing(order.reshape(shape), partners.reshape(shape), np.minimum(shares, 1 - shares).reshape(shape))


def blend(first: np.ndarray, second: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Blend arrays (N, ...) of one dtype, the second by its shares (N,) of at most one; whole numbers are rounded."""
    shares = shares.reshape(-1, *[1] * (first.ndim - 1))
    blended = first * (1 - shares) + second * shares
    return np.rint(blended).astype(first.dtype) if first.dtype.kind == "u" else blended
