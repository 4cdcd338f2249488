"""The head: what no expression changes, and forehead, cheeks, nose and fringe."""

import numpy as np

from helpers.data.faces.canvas import CANVAS, REACH, Window, beside, between, blob, ellipse, inside, stroke, whole
from helpers.data.faces.traits import Traits
from helpers.data.faces.units import Units


def draw_person(face: Traits) -> np.ndarray:
    """Draw what no expression changes."""
    canvas = np.empty((len(face.skin), CANVAS, CANVAS), np.float32)
    _draw_background(canvas, face)
    draw_hair_behind(canvas, face)
    draw_body(canvas, face)
    draw_ears(canvas, face)
    return canvas


def _draw_background(canvas: np.ndarray, face: Traits) -> None:
    window = whole(canvas)
    across, down = face.background_x * window.x, face.background_y * window.y
    canvas[:] = face.background + across + down * (1 + window.x)


def hair_tone(face: Traits) -> np.ndarray:
    return 12 + face.hair * 190


def _strands(face: Traits, across: np.ndarray) -> np.ndarray:
    """How light the hair is from strand to strand: a triangle wave around 1."""
    phase = across * 7
    return 1 + face.hair_strands * (4 * np.abs(phase - np.floor(phase) - 0.5) - 1)


def _unless_bald(face: Traits, distance: np.ndarray) -> np.ndarray:
    return inside(distance) * (face.hair_volume > 0)


def draw_hair_behind(canvas: np.ndarray, face: Traits) -> None:
    window = whole(canvas)
    width = face.head_width + face.hair_volume + 0.04
    dome = ellipse(window, 0, -0.08, width, 0.94 + face.hair_volume)
    locks = np.minimum(width - np.abs(window.x), between(window.y, -0.1, face.hair_length))
    tone = 0.8 * hair_tone(face) * _strands(face, window.x)
    window.paint(_unless_bald(face, np.maximum(dome, locks)), tone)


def draw_body(canvas: np.ndarray, face: Traits) -> None:
    window = Window(canvas, -REACH, REACH, 0.5, REACH)
    window.paint(inside(face.neck_width - np.abs(window.x)), face.skin * 0.68)
    collar = np.maximum(0.12 - np.abs(window.x) * 0.2, 0)
    window.paint(inside(window.y - 1.12 - 0.25 * window.x * window.x + collar), face.clothes)


def draw_ears(canvas: np.ndarray, face: Traits) -> None:
    window = Window(canvas, -1.05, 1.05, -0.3, 0.4)
    for side in (-1, 1):
        x = side * (face.head_width + 0.01)
        window.paint(inside(ellipse(window, x, 0.03, 0.7 * face.ear_size, 1.3 * face.ear_size)), face.skin * 0.82)


def draw_head(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    window = Window(canvas, -0.9, 0.9, -1.05, 1.2)
    height = 0.98 + 0.13 * unit[26] * np.clip(window.y, 0, 1)
    depth = np.clip(window.y / height, 0, 1)
    width = face.head_width * (1 - face.jaw * depth * depth)
    radius = np.sqrt((window.x / width) ** 2 + (window.y / height) ** 2)
    from_light = window.x - face.nose_x - face.light_x * 0.7
    shade = 1 - 0.3 * np.minimum(from_light * from_light + (window.y + 0.1) ** 2 * 0.5, 1)
    window.paint(inside((1 - radius) * face.head_width), face.skin * shade)


def draw_forehead(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    """Wrinkle the forehead across where the brows rise."""
    window = Window(canvas, -0.6, 0.6, -0.85, -0.1)
    x = window.x - face.turn
    depth = np.minimum(face.wrinkle * (0.28 * unit[1] + 0.22 * unit[2]), 0.5)
    for height in (0.16, 0.29):
        line = face.eye_y - face.brow_gap - height - 0.12 * unit[1] + 0.25 * x * x * (1 - unit[2])
        window.darken(stroke(window.y - line, x / 0.5, 0.035), depth)


def draw_frown(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    """Furrow the skin between the brows where they come down and together."""
    window = Window(canvas, -0.3, 0.3, -0.6, -0.05)
    along = (window.y - face.eye_y + face.brow_gap * 0.75) / 0.16
    for side in (-1, 1):
        furrow = window.x - face.turn - side * (0.055 + 0.02 * along)
        window.darken(stroke(furrow, along, 0.035), face.wrinkle * 0.7 * unit[4] * (1 - 0.4 * unit[1]))


def draw_cheek(canvas: np.ndarray, face: Traits, unit: Units, side: int) -> None:
    """Raise the apple of the cheek, and fold the skin between nose and mouth."""
    window = beside(canvas, side, 0.02, 0.85, -0.2, 0.8)
    apple = blob(window, face.turn + side * 0.42, 0.24 - 0.06 * unit[6], 0.24, 0.2)
    window.lighten(apple, 0.16 * np.maximum(unit[6], 0.6 * unit[12]))
    along = (window.y - 0.44) / 0.26
    bulge = 0.05 * unit[12] * (1 - along * along)
    fold = side * (window.x - face.nose_x) - (0.26 + 0.1 * along + bulge)
    depth = np.minimum(face.fold + 0.42 * unit[12] + 0.35 * unit[10] + 0.35 * unit[9], 0.6)
    window.darken(stroke(fold, along, 0.045), depth)


def draw_nose(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    window = Window(canvas, -0.5, 0.5, -0.3, 0.55)
    tip = face.nose_y - 0.06 * unit[9] - 0.02 * unit[10]
    width = face.nose_width * (1 + 0.25 * unit[9])
    x = window.x - face.nose_x
    _draw_bridge(window, face, unit, x)
    window.lighten(blob(window, face.nose_x, tip - 0.05, width * 0.7, width * 0.9), 0.15)
    base = window.y - tip - 0.03 + 0.06 * (x / width) ** 2
    window.darken(stroke(base, x / width * 0.9, 0.03), 0.3 + face.nose_depth)
    for side in (-1, 1):
        nostril = ellipse(window, face.nose_x + side * width * 0.55, tip + 0.015, width * 0.3, 0.022)
        window.paint(inside(nostril) * 0.75, face.skin * 0.25)


def _draw_bridge(window: Window, face: Traits, unit: Units, x: np.ndarray) -> None:
    """Shade the side of the nose that is away from the light, and wrinkle its bridge across."""
    dark_side = 1 - 2 * (face.light_x > 0).astype(np.float32)
    along = (window.y - 0.06) / 0.27
    window.darken(stroke(x - dark_side * (0.06 + 0.025 * along), along, 0.06), face.nose_depth)
    for height in (0.09, 0.17, 0.25):
        line = face.eye_y + height - 1.6 * x * x
        window.darken(stroke(window.y - line, x / 0.17, 0.03), face.wrinkle * 0.65 * unit[9])


def draw_fringe(canvas: np.ndarray, face: Traits) -> None:
    window = Window(canvas, -1.1, 1.1, -REACH, 0.1)
    volume = np.maximum(face.hair_volume, 0)
    dome = ellipse(window, 0, -0.08, face.head_width + volume, 0.92 + volume)
    x = window.x - face.parting
    hair = np.minimum(dome, face.hairline + face.hairline_curve * x * x - window.y)
    tone = hair_tone(face) * (1.15 - 0.3 * np.abs(x)) * _strands(face, x * (0.4 - window.y))
    window.paint(_unless_bald(face, hair), tone)
