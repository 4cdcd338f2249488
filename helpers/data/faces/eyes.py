"""Eyes, brows and glasses."""

import numpy as np

from helpers.data.faces.canvas import Window, beside, between, blob, ellipse, inside, stroke
from helpers.data.faces.head import hair_tone
from helpers.data.faces.traits import GLASSES_SHARE, Traits
from helpers.data.faces.units import Units


def _eye_x(face: Traits, side: int) -> np.ndarray:
    return face.turn + side * face.eye_distance * (1 - 0.5 * side * face.turn)


def draw_eye(canvas: np.ndarray, face: Traits, unit: Units, side: int) -> None:
    window = beside(canvas, side, 0.0, 0.85, -0.5, 0.35)
    x = _eye_x(face, side)
    t = side * (window.x - x) / face.eye_width
    arch = np.maximum(1 - t * t, 0)
    raised = face.eye_open * (1 - 0.3 * unit[7] - 0.3 * unit[9] - 0.25 * unit[6]) + 0.075 * unit[5]
    lowered = 0.045 - 0.045 * unit[7] - 0.06 * unit[6] - 0.02 * unit[9] + 0.01 * unit[5]
    middle = face.eye_y - face.eye_tilt * t
    upper = middle - raised * arch * (1 - 0.25 * t * unit[1])
    lower = middle + lowered * arch
    window.darken(blob(window, x, face.eye_y - 0.06, 0.28, 0.22), 0.18)
    lids = np.minimum(between(window.y, upper, lower), face.eye_width * (1 - np.abs(t)))
    _draw_eyeball(window, face, inside(lids), x)
    _draw_lids(window, face, unit, t, upper, lower)
    _draw_crows_feet(window, face, unit, side * (window.x - x))


def _draw_eyeball(window: Window, face: Traits, visible: np.ndarray, eye_x: np.ndarray) -> None:
    x, y = eye_x + face.gaze_x, face.eye_y - 0.008 + face.gaze_y
    iris = ellipse(window, x, y, face.iris_size, face.iris_size)
    window.paint(visible, 205 + 0.15 * face.skin)
    window.paint(visible * inside(iris), face.iris)
    window.paint(visible * inside(iris - face.iris_size * 0.5), 8)
    glint = ellipse(window, x + 0.03, y - 0.03, 0.28 * face.iris_size, 0.28 * face.iris_size)
    window.paint(visible * inside(glint), 245)


def _draw_lids(window: Window, face: Traits, unit: Units, t: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> None:
    """Draw both rims, the crease above the eye and the bag beneath it; t runs from -1 (nose) to 1."""
    ends = face.eye_width * (1.05 - np.abs(t))
    window.paint(inside(np.minimum(0.02 - np.abs(window.y - upper), ends)) * 0.85, face.skin * 0.18)
    window.darken(inside(np.minimum(0.012 - np.abs(window.y - lower), ends)), 0.35)
    crease = window.y - upper + 0.055 - 0.03 * unit[5]
    window.darken(stroke(crease, t * 0.95, 0.025), face.crease)
    depth = np.minimum(face.fold * 0.7 + 0.4 * unit[6] + 0.3 * unit[7], 0.6)
    window.darken(stroke(window.y - lower - 0.065, t * 0.9, 0.035), depth)


def _draw_crows_feet(window: Window, face: Traits, unit: Units, outward: np.ndarray) -> None:
    along = (outward - face.eye_width - 0.1) / 0.09
    for foot in (-1, 0, 1):
        offset = window.y - face.eye_y - 0.015 - foot * (0.045 + 0.035 * along)
        window.darken(stroke(offset, along, 0.022), face.wrinkle * 0.55 * unit[6])


def draw_brow(canvas: np.ndarray, face: Traits, unit: Units, side: int) -> None:
    window = beside(canvas, side, -0.1, 0.9, -0.75, 0.1)
    # Where 1 and 4 act together the inner ends rise and draw together; they hardly come down.
    x = _eye_x(face, side) + side * (0.01 - 0.05 * unit[4] * (1 - 0.4 * unit[1]))
    t = side * (window.x - x) / face.brow_width
    inner = -face.brow_slant - 0.15 * unit[1] + 0.19 * unit[4] * (1 - 0.8 * unit[1]) + 0.07 * unit[9]
    outer = face.brow_slant - 0.15 * unit[2] + 0.03 * unit[4] + 0.01 * unit[9]
    arch = face.brow_arch * (1 - 0.6 * unit[4]) + 0.03 * unit[2]
    line = face.eye_y - face.brow_gap + (inner * (1 - t) + outer * (1 + t)) * 0.5 - arch * (1 - t * t)
    half = face.brow_thickness * np.clip(1.05 - 0.3 * t - 0.35 * t * t, 0.1, 1)
    hair = np.minimum(half - np.abs(window.y - line), face.brow_width * (1 - np.abs(t)))
    window.paint(inside(hair) * 0.9, np.minimum(hair_tone(face), face.skin * 0.6) * (0.4 + face.brow_tone))


def draw_glasses(canvas: np.ndarray, face: Traits, side: int) -> None:
    window = beside(canvas, side, -0.1, 0.95, -0.5, 0.4)
    x, y = _eye_x(face, side), face.eye_y + 0.02
    lens = ellipse(window, x, y, face.rim_size * 1.1, face.rim_size)
    outward = side * (window.x - x)
    bridge = between(outward, side * (face.turn - x) - 0.02, -1.08 * face.rim_size)
    temple = np.minimum(outward - 1.08 * face.rim_size, face.head_width - side * window.x)
    bar = np.minimum(0.018 - np.abs(window.y - y + 0.06), np.maximum(bridge, temple))
    frame = np.maximum(0.02 - np.abs(lens), bar)
    window.paint(inside(frame) * (face.glasses < GLASSES_SHARE), face.rim_tone)
