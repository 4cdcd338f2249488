"""The mouth, what grows around it, and the chin."""

import numpy as np

from helpers.data.faces.canvas import Window, beside, between, blob, inside, stroke
from helpers.data.faces.head import hair_tone
from helpers.data.faces.traits import BEARD_SHARE, MOUSTACHE_SHARE, Traits
from helpers.data.faces.units import Units


def draw_beard(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    window = Window(canvas, -0.85, 0.85, 0.2, 1.2)
    drop = 0.13 * unit[26] * np.clip(window.y, 0, 1)
    cheeks = face.head_width * (1 - face.jaw * 0.6) - np.abs(window.x) + 0.15 * (0.6 - window.y)
    chin = 0.97 + drop - np.sqrt((window.x / face.head_width) ** 2 * 0.6 + window.y**2)
    grown = np.clip((window.y - 0.74 - drop + 0.6 * np.abs(window.x - face.turn)) * 5, 0, 1)
    density = (face.beard < BEARD_SHARE) * face.facial_hair
    window.paint(inside(np.minimum(cheeks, chin)) * grown * density, hair_tone(face) * 0.9)


def draw_moustache(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    window = Window(canvas, -0.6, 0.6, 0.2, 0.8)
    lip = mouth_shape(face, unit)
    t = (window.x - lip.x) / (lip.width * 1.1)
    middle = lip.y - lip.up - lip.upper - 0.045 + (lip.corner + 0.05) * t * t
    hair = 0.055 * np.maximum(1 - t * t, 0) - 0.01 - np.abs(window.y - middle)
    density = (face.moustache < MOUSTACHE_SHARE) * face.facial_hair
    window.paint(inside(hair) * density, hair_tone(face) * 0.9)


def mouth_shape(face: Traits, unit: Units) -> Traits:
    """What the action units make of the mouth: its middle, half width, and how far its parts are moved."""
    stretch = 1 + 0.32 * unit[12] + 0.34 * unit[20] - 0.3 * unit[23] - 0.08 * unit[17]
    opening = 0.13 * unit[25] + 0.32 * unit[26] * (1 - 0.25 * unit[20])
    return Traits(
        x=face.turn * 1.1,
        y=face.mouth_y - 0.04 * unit[10] - 0.03 * unit[9] - 0.03 * unit[17] + 0.02 * unit[26],
        width=face.mouth_width * (stretch - 0.25 * unit[26] * (1 - unit[20])),
        corner=face.mouth_corner - 0.16 * unit[12] + 0.115 * unit[15] + 0.02 * unit[20],
        opening=opening,
        up=0.3 * opening + 0.03 * unit[10],
        down=0.7 * opening,
        upper=face.upper_lip * (1 - 0.65 * unit[23] - 0.35 * unit[20] - 0.25 * unit[12] + 0.2 * unit[10]),
        lower=face.lower_lip * (1 - 0.6 * unit[23] - 0.35 * unit[20] - 0.2 * unit[12] + 0.3 * unit[17]),
    )


def draw_chin(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    window = Window(canvas, -0.45, 0.45, 0.55, 1.15)
    lip = mouth_shape(face, unit)
    t = (window.x - lip.x) / 0.2
    crease = lip.y + lip.down + lip.lower + 0.07 + 0.08 * t * t
    window.darken(stroke(window.y - crease, t, 0.04), 0.6 * unit[17])
    window.lighten(blob(window, lip.x, lip.y + lip.down + 0.25, 0.16, 0.1), 0.15 * unit[17])


def draw_mouth(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    window = Window(canvas, -0.65, 0.65, 0.2, 1.1)
    lip = mouth_shape(face, unit)
    t = (window.x - lip.x) / lip.width
    arch = np.maximum(1 - t * t, 0)
    # A dropped jaw makes an oval and a stretched mouth a slot: both part the corners of the lips too.
    gape = arch + np.maximum(unit[26], unit[20]) * arch * (1 - arch)
    line = lip.y + lip.corner * (0.75 - 1.2 * arch) - 0.05 * unit[17] * arch + face.mouth_skew * t
    top, bottom = line - lip.up * gape, line + lip.down * gape
    ends = lip.width - np.abs(window.x - lip.x)
    bow = arch * (1.15 - 0.5 * np.maximum(1 - 16 * t * t, 0))
    lips = between(window.y, top - lip.upper * bow - 0.004, bottom + lip.lower * gape + 0.004)
    window.paint(inside(np.minimum(lips, ends)), face.skin * face.lip_tone)
    _draw_gap(window, lip, unit, np.minimum(between(window.y, top, bottom), ends), top)
    shut = np.minimum(0.014 + 0.012 * unit[23] - np.abs(window.y - line), ends)
    window.darken(inside(shut), 0.65 * (1 - np.minimum(lip.opening * 20, 1)))
    window.darken(stroke(window.y - line - lip.down - lip.lower - 0.04, t * 1.3, 0.045), 0.2)


def _draw_gap(window: Window, lip: Traits, unit: Units, gap: np.ndarray, top: np.ndarray) -> None:
    """Open the mouth: darkness, and under the upper lip the teeth."""
    window.paint(inside(gap) * np.minimum(lip.opening * 40, 1), 28)
    teeth = np.minimum(gap, top + 0.02 + 0.08 * unit[25] + 0.06 * unit[20] - window.y)
    window.paint(inside(teeth) * np.minimum(lip.opening * 20, 1) * 0.95, 225)


def draw_mouth_corner(canvas: np.ndarray, face: Traits, unit: Units, side: int) -> None:
    window = beside(canvas, side, -0.1, 0.65, 0.2, 1.0)
    lip = mouth_shape(face, unit)
    y = lip.y + lip.corner * 0.75 + side * face.mouth_skew
    window.darken(blob(window, lip.x + side * lip.width, y, 0.06, 0.05), 0.45)
    along = (window.y - y - 0.07) / 0.1
    pouch = side * (window.x - lip.x) - lip.width - 0.02 - 0.03 * along
    window.darken(stroke(pouch, along, 0.04), 0.45 * unit[15])
