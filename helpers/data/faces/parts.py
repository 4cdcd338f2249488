"""The parts of a face as they are drawn: the head and what no expression changes, eyes, brows, nose, mouth and chin."""

import numpy as np

from helpers.data.faces.canvas import CANVAS, REACH, Window, beside, between, blob, ellipse, inside, stroke, whole
from helpers.data.faces.traits import BEARD_SHARE, GLASSES_SHARE, MOUSTACHE_SHARE, Traits, Units


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
