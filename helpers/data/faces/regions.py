"""Where the parts of each face lie: found by the functions that draw it, on a canvas of a tone that no face has."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from helpers.data.faces import eyes, head, mouth
from helpers.data.faces.camera import occlude, view_of
from helpers.data.faces.canvas import CANVAS, whole
from helpers.data.faces.mouth import mouth_shape
from helpers.data.faces.render import BATCH, SPLIT_STRIDE
from helpers.data.faces.traits import Traits, draw_uniforms, make_generators, make_intensities, make_traits
from helpers.data.faces.units import SIZE, SPLITS, Units, by_unit

REGIONS = ("forehead", "brows", "eyes", "nose", "cheeks", "mouth", "chin", "hair", "ground")
_FOREHEAD, _BROWS, _EYES, _NOSE, _CHEEKS, _MOUTH, _CHIN, _HAIR, _GROUND = range(len(REGIONS))
_BLANK = np.float32(-1000)
_CHANGED = 0.04  # share of the tone by which what is drawn changes a pixel that belongs to it


def draw_regions(split: str, numbers: np.ndarray, labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Name the region of every pixel of faces of `generate`: (N, 48, 48) uint8, places in REGIONS.

    split, numbers, labels: as in `redraw`. Eyes go as far as their sockets, brows reach from one to the other, the
    mouth has the skin between nose and lips, and the ground is all that is neither face nor hair: background, neck,
    ears and clothes, and what is held before the face.
    """
    first, parts = SPLITS.index(split) * SPLIT_STRIDE, [np.empty((0, SIZE, SIZE), np.uint8)]
    for start in range(0, len(labels), BATCH):
        chunk = slice(start, start + BATCH)
        uniform = draw_uniforms([make_generators(seed, first + int(number), 1)[0] for number in numbers[chunk]])
        parts.append(_photograph(make_traits(uniform), by_unit(make_intensities(uniform, labels[chunk]))))
    return np.concatenate(parts)


def _photograph(face: Traits, unit: Units) -> np.ndarray:
    """See the regions as the camera does: of each pixel, what is in its middle."""
    seen = np.take(_on_canvas(face, unit), view_of(face)[:, 1::3, 1::3])
    blank = np.full(seen.shape, _BLANK)
    return np.where(occlude(blank, face) - blank > -_BLANK / 2, np.uint8(_GROUND), seen)


def _on_canvas(face: Traits, unit: Units) -> np.ndarray:
    canvas = np.full((len(face.skin), CANVAS, CANVAS), _GROUND, np.uint8)
    x, y = (np.broadcast_to(axis, canvas.shape) for axis in (whole(canvas).x, whole(canvas).y))
    lip, sides = mouth_shape(face, unit), (-1, 1)
    skin = _drawn(face, [partial(head.draw_head, unit=unit)])
    between_eyes = np.abs(x - face.turn) < face.eye_distance - face.eye_width
    canvas[_drawn(face, [head.draw_hair_behind])] = _HAIR
    canvas[_drawn(face, [head.draw_body, head.draw_ears])] = _GROUND
    canvas[skin] = _CHEEKS
    canvas[skin & (y < face.eye_y - 0.1)] = _FOREHEAD
    canvas[skin & (y > lip.y + lip.down + lip.lower)] = _CHIN
    flank = face.nose_width * np.clip(0.6 + 0.6 * (y - face.eye_y) / (face.nose_y - face.eye_y), 0, 1.2)
    canvas[(np.abs(x - face.nose_x) < flank) & (y > face.eye_y - 0.1) & (y < face.nose_y + 0.06)] = _NOSE
    philtrum = (np.abs(x - lip.x) < lip.width) & (y > face.nose_y + 0.06) & (y < lip.y)
    lips = [partial(mouth.draw_mouth, unit=unit), *(partial(mouth.draw_mouth_corner, unit=unit, side=s) for s in sides)]
    canvas[philtrum | _drawn(face, lips)] = _MOUTH
    canvas[_drawn(face, [partial(eyes.draw_eye, unit=unit, side=side) for side in sides])] = _EYES
    canvas[between_eyes & (np.abs(y - face.eye_y + 0.75 * face.brow_gap) < 0.12)] = _BROWS
    canvas[_drawn(face, [partial(eyes.draw_brow, unit=unit, side=side) for side in sides])] = _BROWS
    canvas[_drawn(face, [head.draw_fringe])] = _HAIR
    return canvas


def _drawn(face: Traits, parts: Iterable[Callable[[np.ndarray, Traits], None]]) -> np.ndarray:
    canvas = np.full((len(face.skin), CANVAS, CANVAS), _BLANK, np.float32)
    for draw in parts:
        draw(canvas, face)
    return np.abs(canvas - _BLANK) > -_CHANGED * _BLANK
