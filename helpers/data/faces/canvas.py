"""The canvas that faces are drawn on, in half heads: windows of it, and the shapes that are painted."""

import numpy as np

from helpers.data.faces.traits import Number

REACH = 1.25  # half the side of the canvas, in half heads
CANVAS = 110  # pixels a side of the canvas
DENSITY = CANVAS / (2 * REACH)  # canvas pixels a half head


def _pixel(coordinate: float) -> int:
    return min(max(round((coordinate + REACH) * DENSITY), 0), CANVAS)


_COORDINATES = ((np.arange(CANVAS) + 0.5) / DENSITY - REACH).astype(np.float32)  # of the pixels' middles


class Window:
    """The same rectangle of all canvases of a batch, with the coordinates of its pixels."""

    def __init__(self, canvas: np.ndarray, left: float, right: float, top: float, bottom: float) -> None:
        columns, rows = slice(_pixel(left), _pixel(right)), slice(_pixel(top), _pixel(bottom))
        self.pixels = canvas[:, rows, columns]
        self.x = _COORDINATES[None, None, columns]
        self.y = _COORDINATES[None, rows, None]

    def paint(self, coverage: np.ndarray, tone: Number) -> None:
        self.pixels += coverage * (tone - self.pixels)

    def darken(self, coverage: np.ndarray, depth: Number) -> None:
        self.pixels *= 1 - coverage * depth

    def lighten(self, coverage: np.ndarray, height: Number) -> None:
        self.pixels *= 1 + coverage * height


def beside(canvas: np.ndarray, side: int, inner: float, outer: float, top: float, bottom: float) -> Window:
    """The window of a feature on the left (side -1) or right (side 1) half of the face."""
    left, right = sorted((side * inner, side * outer))
    return Window(canvas, left, right, top, bottom)


def inside(distance: np.ndarray) -> np.ndarray:
    """Turn a signed distance (half heads, positive inside) into coverage with an edge one pixel wide."""
    return np.clip(distance * np.float32(DENSITY) + np.float32(0.5), 0, 1)


def between(y: np.ndarray, upper: Number, lower: Number) -> np.ndarray:
    return np.minimum(y - upper, lower - y)


def ellipse(window: Window, x: Number, y: Number, width: Number, height: Number) -> np.ndarray:
    radius = np.sqrt(((window.x - x) / width) ** 2 + ((window.y - y) / height) ** 2)
    return (1 - radius) * np.minimum(width, height)


def blob(window: Window, x: Number, y: Number, width: Number, height: Number) -> np.ndarray:
    """A soft spot that fades from 1 at its middle to 0 at its rim."""
    falloff = np.maximum(1 - ((window.x - x) / width) ** 2 - ((window.y - y) / height) ** 2, 0)
    return falloff * falloff


def stroke(offset: np.ndarray, along: np.ndarray, half_width: float) -> np.ndarray:
    """A soft line where `offset` is 0, fading towards its ends at along = -1 and 1."""
    return np.maximum(1 - np.abs(offset) / half_width, 0) * np.maximum(1 - along * along, 0)


def whole(canvas: np.ndarray) -> Window:
    return Window(canvas, -REACH, REACH, -REACH, REACH)
