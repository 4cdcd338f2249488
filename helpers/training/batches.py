"""The batches of an epoch, what each image is blended with (mixup), and what it counts for (class weights)."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from helpers.base.files import read_soon
from helpers.base.notebook import UsageError

READ_AHEAD = 16  # steps


@dataclass(frozen=True)
class EpochBatches:
    """The batches of an epoch, as indices among all training images."""

    indices: np.ndarray  # (steps, size) int
    partners: np.ndarray | None = None  # (steps, size) int: what each image is blended with; None: with nothing
    shares: np.ndarray | None = None  # (steps, size) float32 in 0..0.5: the partners' part in it

    def batch(self, data: tuple[np.ndarray, ...], step: int) -> tuple[np.ndarray, ...]:
        """Give the batch of one step, (size, ...) each, of all images, targets and what else there is of each image."""
        indices = self.indices[step]
        if self.partners is None or self.shares is None:
            return tuple(part[indices] for part in data)
        partners, shares = self.partners[step], self.shares[step]
        return tuple(blend(part[indices], part[partners], shares) for part in data)

    def all(self, data: tuple[np.ndarray, ...]) -> Iterator[tuple[np.ndarray, ...]]:
        """Give the batch of each step; what of those to come lies on a disk is read in the meantime."""
        for step in range(-READ_AHEAD, len(self.indices)):
            if step + READ_AHEAD < len(self.indices):
                for part, some in product(data, (self.indices, self.partners)):
                    if some is not None:
                        read_soon(part, some[step + READ_AHEAD])
            if step >= 0:
                yield self.batch(data, step)


def draw_batches(images: int, shape: tuple[int, int], mixup: float, random: np.random.Generator) -> EpochBatches:
    """Draw the batches (steps, size) of so many images, and what each is blended with. Zhang et al., 2018.

    mixup: the shares of the partners are drawn from Beta(mixup, mixup); with 0 nothing is blended. The larger of the
    two shares is the image's own, so that the order of the images means as much as without.
    """
    order = random.permutation(images)[: shape[0] * shape[1]]
    if not mixup:
        return EpochBatches(order.reshape(shape))
    shares = random.beta(mixup, mixup, len(order)).astype(np.float32)
    partners = order[random.permutation(len(order))]
    return EpochBatches(order.reshape(shape), partners.reshape(shape), np.minimum(shares, 1 - shares).reshape(shape))


def blend(first: np.ndarray, second: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Blend arrays (N, ...) of one dtype, the second by its shares (N,) of at most one; whole numbers are rounded."""
    shares = shares.reshape(-1, *[1] * (first.ndim - 1))
    blended = first * (1 - shares) + second * shares
    return np.rint(blended).astype(first.dtype) if first.dtype.kind == "u" else blended


VARIABLE = "BALANCE"  # of the environment; "0" where it is not set


def balances(recipe: str = "") -> bool:
    """Tell whether every class counts the same in the loss, however few its images.

    Raises UsageError on a value that is none, and where the recipe trains nothing.
    """
    chosen = os.environ.get(VARIABLE) or "0"
    if chosen not in ("0", "1"):
        raise UsageError(f"BALANCE={chosen} is no choice: with 1 every class counts the same in training, with 0 not.")
    if chosen == "1" and recipe == "pretrained":
        raise UsageError("BALANCE=1 weighs classes in training, and RECIPE=pretrained trains nothing: leave one out.")
    return chosen == "1"


def class_weights(labels: np.ndarray, classes: int) -> dict[int, float]:
    """Say what an image of each class counts for in training: nothing where all count the same, as without BALANCE=1.

    labels: (N,) int. With these weights all classes count the same, and images 1 on average. King and Zeng, 2001.
    """
    if not balances():
        return {}
    counts = np.maximum(1, np.bincount(labels, minlength=classes))
    return dict(enumerate((len(labels) / (classes * counts)).tolist()))
