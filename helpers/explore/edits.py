"""What is changed of an image to ask "what if?": parts hidden, brightness, and where it lies."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.ndimage import affine_transform

from helpers.explain.substrates import substrate

OUTSIDE = -1  # the part of a pixel that was not in the image before it was moved


@dataclass(frozen=True)
class Edit:
    """Changes of one image, made in this order.

    hidden: numbers of parts that are filled; fill: with what, as `substrate` names it; mirror: left becomes right;
    turn: degrees, as the clock turns; right, down: pixels; brightness: grey levels that are added.
    """

    hidden: frozenset[int] = frozenset()
    fill: str = "blur"
    mirror: bool = False
    turn: float = 0.0
    right: int = 0
    down: int = 0
    brightness: int = 0

    def toggle(self, part: int) -> "Edit":
        """Hide a part, or show it again; what is no part changes nothing."""
        return self if part == OUTSIDE else replace(self, hidden=self.hidden ^ {part})

    def apply(self, image: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """Change an image (H, W, C) uint8 whose pixels belong to parts (H, W) int: (H, W, C) uint8.

        What comes in from beyond the border continues the border.
        """
        shown = np.isin(parts, [*self.hidden])[..., np.newaxis]
        image = np.where(shown, substrate(image[np.newaxis], self.fill)[0], image) if self.hidden else image
        moved = self._move(image.astype(np.float32), order=1, mode="nearest")
        return np.clip(np.rint(moved + self.brightness), 0, 255).astype(np.uint8)

    def move_parts(self, parts: np.ndarray) -> np.ndarray:
        """Say to which part each pixel of the changed image belongs: (H, W) int, OUTSIDE where to none."""
        return self._move(parts[..., np.newaxis], order=0, mode="constant")[..., 0]

    def _move(self, image: np.ndarray, order: Literal[0, 1], mode: Literal["nearest", "constant"]) -> np.ndarray:
        image = image[:, ::-1] if self.mirror else image
        if not (self.turn or self.right or self.down):
            return image
        angle = np.deg2rad(self.turn)
        back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])  # rows, columns
        middle = (np.array(image.shape[:2]) - 1) / 2
        offset = middle - back @ (middle + np.array([self.down, self.right]))
        planes = np.moveaxis(image, -1, 0)
        moved = [affine_transform(plane, back, offset, order=order, mode=mode, cval=OUTSIDE) for plane in planes]
        return np.stack(moved, axis=-1)


def squares(shape: tuple[int, ...], side: int) -> np.ndarray:
    """Number the squares of so many pixels a side that an image (H, W) is tiled with: (H, W) int64."""
    rows, columns = (np.arange(length) // side for length in shape[:2])
    return rows[:, np.newaxis] * (columns[-1] + 1) + columns
