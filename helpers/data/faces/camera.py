"""From the canvas to the finished image: light, pose, blur, contrast, and what is held before the face."""

import numpy as np

from helpers.data.faces.canvas import CANVAS, DENSITY, whole
from helpers.data.faces.traits import BAR_SHARE, HAND_SHARE, SIZE, Traits

_OVERSAMPLING = 3  # canvas samples a finished pixel, along each axis


def add_light(canvas: np.ndarray, face: Traits) -> np.ndarray:
    window = whole(canvas)
    return canvas * (1 + face.light_x * window.x + face.light_y * window.y)


def view_of(face: Traits) -> np.ndarray:
    """Tilt, scale and shift the head: which canvas pixel each sample of the image sees, as flat indices."""
    side = SIZE * _OVERSAMPLING
    grid = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / _OVERSAMPLING - SIZE // 2
    x, y = grid[None, None, :] - face.shift_x, grid[None, :, None] - face.shift_y
    square = face.tilt * face.tilt
    zoom = np.float32(DENSITY) / face.scale / (1 + square)
    cosine, sine = (1 - square) * zoom, 2 * face.tilt * zoom
    columns = _whole_pixel(x * cosine + y * sine)
    rows = _whole_pixel(y * cosine - x * sine)
    first = np.arange(len(rows), dtype=np.intp)[:, None, None] * CANVAS**2
    return rows * CANVAS + columns + first


def _whole_pixel(offset: np.ndarray) -> np.ndarray:
    return np.clip(offset + CANVAS // 2, 0, CANVAS - 1).astype(np.intp)


def photograph(canvas: np.ndarray, view: np.ndarray, face: Traits) -> np.ndarray:
    image = _blur(_reduce(np.take(canvas, view)), face.blur)
    image = 128 + (image - 128) * face.contrast + face.brightness
    return occlude(image, face)


def _reduce(samples: np.ndarray) -> np.ndarray:
    """Average the samples of each pixel, in an order that is the same on every machine."""
    rows = samples[:, ::3] + samples[:, 1::3] + samples[:, 2::3]
    return (rows[:, :, ::3] + rows[:, :, 1::3] + rows[:, :, 2::3]) / np.float32(_OVERSAMPLING**2)


def _blur(image: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Spread `strength` of each inner pixel to each of its neighbours, first down, then across."""
    for _ in range(2):
        around = image[:, :-2] + image[:, 2:] - 2 * image[:, 1:-1]
        image[:, 1:-1] += around * strength
        image = image.swapaxes(1, 2)
    return image


def occlude(image: np.ndarray, face: Traits) -> np.ndarray:
    """Hold a bar or a hand before some faces."""
    grid = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
    x, y = grid[None, None, :] - 16 * face.occluder_x, grid[None, :, None] - 16 * face.occluder_y
    length = np.sqrt(1 + face.occluder_angle**2)
    along, across = (x + face.occluder_angle * y) / length, (y - face.occluder_angle * x) / length
    has_bar = face.occlusion < BAR_SHARE
    has_hand = ~has_bar & (face.occlusion < BAR_SHARE + HAND_SHARE)
    image = _cover(image, face.occluder_width - np.abs(across), has_bar, face.occluder_tone)
    for finger in (-1.5, -0.5, 0.5, 1.5):
        offset = across - 4.2 * finger
        beyond = np.maximum(np.maximum(abs(finger) - 8 - along, along - 30), 0)
        shape = 2.3 - np.sqrt(offset * offset + beyond * beyond)
        image = _cover(image, shape, has_hand, face.skin * (0.8 - 0.08 * np.abs(offset)))
    return image


def _cover(image: np.ndarray, distance: np.ndarray, applies: np.ndarray, tone: np.ndarray) -> np.ndarray:
    return image + np.clip(distance + np.float32(0.5), 0, 1) * applies * (tone - image)
