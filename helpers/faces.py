"""Schematic faces, drawn from the action units of the Facial Action Coding System (FACS).

Every face comes with the pixels that its expression changed, the truth against which an explanation can be graded.

The bytes depend on the seed alone: drawing uses only float32 +, -, *, / and comparisons, which IEEE 754 rounds alike on
every machine, and random bits in place of distributions that call the C library. Hence no sine, power, sum or dot product.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

CLASS_NAMES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
CLASS_SHARES = (3995, 436, 4097, 7215, 4830, 3171, 4965)  # faces a class in FER2013's training split
SPLITS = ("train", "validation", "test")
SIZE = 48  # pixels a side of a finished image

ACTION_UNITS: Mapping[int, str] = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    15: "lip corner depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    25: "lips part",
    26: "jaw drop",
}


@dataclass(frozen=True)
class Expression:
    """The action units of one emotion: `units` always act, each of `optional` on about half of the faces."""

    units: tuple[int, ...]
    optional: tuple[int, ...] = ()


# EMFACS: Friesen and Ekman, 1983.
EXPRESSIONS: Mapping[str, Expression] = {
    "angry": Expression((4, 5, 7, 23)),
    "disgust": Expression((9, 15, 17), optional=(10,)),
    "fear": Expression((1, 2, 4, 5, 7, 20, 26)),
    "happy": Expression((6, 12), optional=(25,)),
    "sad": Expression((1, 4, 15), optional=(17,)),
    "surprise": Expression((1, 2, 5, 26)),
    "neutral": Expression(()),
}

# How hard the data set is: intensities run from 0 (rest) to 1 (as strong as it gets).
WEAKEST_EXPRESSION, STRONGEST_EXPRESSION = 0.35, 1.0  # of a whole face, uniform
UNIT_SPREAD = 0.5  # each unit's own intensity is the face's, times a factor in 1 -+ this

EVIDENCE_THRESHOLD = 8.0  # grey levels by which the expression must change a pixel, before noise, to count as evidence

# What differs between faces beside the expression: name -> (lowest, highest), uniform. Lengths are in half heads,
# x to the right and y down from the middle of the head; tones are grey levels.
VARIATION: Mapping[str, tuple[float, float]] = {
    # head
    "head_width": (0.68, 0.82),
    "jaw": (0.10, 0.34),
    "ear_size": (0.10, 0.17),
    "skin": (105, 215),
    "neck_width": (0.32, 0.48),
    "clothes": (20, 235),
    # hair
    "hair": (0.08, 0.75),
    "hair_volume": (-0.03, 0.2),
    "hairline": (-0.86, -0.5),
    "hairline_curve": (-0.1, 0.9),
    "parting": (-0.4, 0.4),
    "hair_length": (-0.4, 1.1),
    "hair_strands": (0.02, 0.22),
    # brows
    "brow_gap": (0.19, 0.27),
    "brow_width": (0.19, 0.26),
    "brow_thickness": (0.02, 0.06),
    "brow_arch": (0.01, 0.08),
    "brow_slant": (-0.05, 0.05),
    "brow_tone": (0.15, 0.6),
    # eyes
    "eye_distance": (0.30, 0.39),
    "eye_y": (-0.14, -0.02),
    "eye_width": (0.15, 0.2),
    "eye_open": (0.055, 0.09),
    "eye_tilt": (-0.025, 0.025),
    "iris": (20, 110),
    "iris_size": (0.07, 0.085),
    "gaze_x": (-0.05, 0.05),
    "gaze_y": (-0.012, 0.02),
    "crease": (0.0, 0.3),
    # nose
    "nose_y": (0.22, 0.34),
    "nose_width": (0.10, 0.16),
    "nose_depth": (0.1, 0.3),
    # mouth
    "mouth_y": (0.5, 0.6),
    "mouth_width": (0.22, 0.31),
    "mouth_corner": (-0.03, 0.03),
    "mouth_skew": (-0.02, 0.02),
    "upper_lip": (0.03, 0.06),
    "lower_lip": (0.045, 0.085),
    "lip_tone": (0.55, 0.85),
    # age
    "fold": (0.0, 0.25),
    "wrinkle": (0.5, 1.0),
    # what is worn: the shares below decide who wears it
    "glasses": (0, 1),
    "rim_tone": (10, 70),
    "rim_size": (0.19, 0.25),
    "beard": (0, 1),
    "moustache": (0, 1),
    "facial_hair": (0.3, 0.85),
    # light and background
    "light_x": (-0.35, 0.35),
    "light_y": (-0.25, 0.1),
    "background": (20, 235),
    "background_x": (-60, 60),
    "background_y": (-60, 60),
    # pose: turning shifts the features, tilting (the tangent of half the angle) turns the image
    "turn": (-0.13, 0.13),
    "nod": (-0.05, 0.05),
    "tilt": (-0.09, 0.09),
    "scale": (21.0, 26.0),
    "shift_x": (-3.0, 3.0),
    "shift_y": (-3.0, 3.0),
    # camera
    "blur": (0.0, 0.2),
    "contrast": (0.65, 1.1),
    "brightness": (-25, 25),
    "noise": (2.0, 8.0),
    # occlusion
    "occlusion": (0, 1),
    "occluder_tone": (20, 220),
    "occluder_angle": (-1.0, 1.0),
    "occluder_x": (-1.0, 1.0),
    "occluder_y": (-1.0, 1.0),
    "occluder_width": (2.5, 4.5),
}
GLASSES_SHARE, BEARD_SHARE, MOUSTACHE_SHARE, BAR_SHARE, HAND_SHARE = 0.18, 0.2, 0.22, 0.05, 0.07

Traits = SimpleNamespace  # one (N, 1, 1) float32 array for each name in VARIATION
Units = Mapping[int, np.ndarray]  # action unit -> (N, 1, 1) float32 intensity

_UNIT_COLUMN = {unit: column for column, unit in enumerate(ACTION_UNITS)}
_SPLIT_STRIDE = 10_000_000  # the faces of split k are numbered from k times this
_BATCH = 32  # faces drawn at once: their canvases stay in the processor's cache
_REACH = 1.25  # half the side of the canvas, in half heads
_CANVAS = 110  # pixels a side of the canvas
_DENSITY = _CANVAS / (2 * _REACH)  # canvas pixels a half head
_OVERSAMPLING = 3  # canvas samples a finished pixel, along each axis


def generate(
    counts: Sequence[int] = (4200, 600, 1200), seed: int = 0, workers: int | None = None
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Draw the training, validation and test split.

    counts: faces a split; workers: threads, by default one a processor (the bytes do not depend on it).
    Returns split -> (images (N, 48, 48, 1) uint8, labels (N,) int64, evidence (N, 48, 48) bool).
    Raises ValueError on a negative count or seed.
    """
    if len(counts) != len(SPLITS) or min(counts) < 0:
        raise ValueError(f"counts is {tuple(counts)}; give {len(SPLITS)} numbers, none of them negative.")
    firsts = [split * _SPLIT_STRIDE for split in range(len(SPLITS))]
    labels = [draw_labels(count, seed, first) for count, first in zip(counts, firsts)]
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        rendered = [_render_in_pool(pool, known, seed, first) for known, first in zip(labels, firsts)]
    return {
        split: (images, known, evidence)
        for split, known, (images, evidence) in zip(SPLITS, labels, rendered)
    }


def draw_labels(count: int, seed: int, first_index: int = 0) -> np.ndarray:
    """Shuffle `count` labels (int64) in FER2013's class proportions, to the nearest whole face."""
    labels = np.repeat(np.arange(len(CLASS_NAMES)), class_counts(count))
    return np.random.default_rng([seed, first_index, count]).permutation(labels)


def class_counts(count: int) -> np.ndarray:
    """Divide `count` faces in FER2013's class proportions by largest remainder; returns (7,) int64."""
    exact = np.array(CLASS_SHARES) * count
    counts = exact // sum(CLASS_SHARES)
    by_remainder = np.argsort(-(exact % sum(CLASS_SHARES)), kind="stable")
    counts[by_remainder[: count - sum(counts)]] += 1
    return counts


def render_faces(labels: np.ndarray, seed: int, first_index: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Render a face for each label, as a camera would see it, with the evidence of its expression.

    labels: (N,) int, index into CLASS_NAMES; face i depends on its label, the seed and first_index + i alone.
    Returns images (N, 48, 48, 1) uint8 and evidence (N, 48, 48) bool: the pixels that differ from the same face at rest
    by more than EVIDENCE_THRESHOLD before noise is added. Raises ValueError on a label or seed out of range.
    """
    parts = [
        _render_batch(labels[start : start + _BATCH], seed, first_index + start)
        for start in range(0, len(labels), _BATCH)
    ]
    return _join(parts)


def draw_intensities(labels: np.ndarray, seed: int, first_index: int = 0) -> np.ndarray:
    """Draw how strongly each action unit acts; returns (N, 15) float32 in 0..1, columns in the order of ACTION_UNITS.

    These are the intensities of the faces that `render_faces` renders from the same arguments.
    """
    return _intensities(_uniforms(_generators(seed, first_index, len(labels))), labels)


def draw_faces(intensities: np.ndarray, seed: int, first_index: int = 0) -> np.ndarray:
    """Draw faces with given action units, without noise.

    intensities: (N, 15) in 0..1, columns in the order of ACTION_UNITS. Returns (N, 48, 48) float32 grey levels, not clipped.
    The same seed and index give the same person, pose, light and occlusion, whatever the intensities.
    """
    face = _traits(_uniforms(_generators(seed, first_index, len(intensities))))
    return _photograph(_draw_expression(_draw_person(face), face, _by_unit(intensities)), _view(face), face)


# Batches -----------------------------------------------------------------------------------------------------------


def _render_batch(labels: np.ndarray, seed: int, first_index: int) -> tuple[np.ndarray, np.ndarray]:
    generators = _generators(seed, first_index, len(labels))
    uniform = _uniforms(generators)
    face, intensities = _traits(uniform), _intensities(uniform, labels)
    person, view = _draw_person(face), _view(face)
    drawn = _photograph(_draw_expression(person, face, _by_unit(intensities)), view, face)
    rest = _photograph(_draw_expression(person, face, _by_unit(0 * intensities)), view, face)
    noisy = np.rint(drawn + face.noise * _sensor_noise(generators))
    return np.clip(noisy, 0, 255).astype(np.uint8)[..., None], np.abs(drawn - rest) > EVIDENCE_THRESHOLD


def _render_in_pool(
    pool: Executor, labels: np.ndarray, seed: int, first_index: int
) -> tuple[np.ndarray, np.ndarray]:
    starts = range(0, len(labels), _BATCH)
    batches = [labels[start : start + _BATCH] for start in starts]
    return _join(pool.map(_render_batch, batches, [seed] * len(starts), [first_index + start for start in starts]))


def _join(parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    nothing = np.empty((0, SIZE, SIZE, 1), np.uint8), np.empty((0, SIZE, SIZE), bool)
    images, evidence = zip(nothing, *parts)
    return np.concatenate(images), np.concatenate(evidence)


# Random numbers ----------------------------------------------------------------------------------------------------


def _generators(seed: int, first_index: int, count: int) -> list[np.random.Generator]:
    if seed < 0:
        raise ValueError(f"The seed is {seed}; give a whole number of at least 0.")
    return [np.random.default_rng([seed, first_index + face]) for face in range(count)]


def _uniforms(generators: list[np.random.Generator]) -> np.ndarray:
    columns = len(VARIATION) + 1 + 2 * len(ACTION_UNITS)
    return np.array([generator.random(columns) for generator in generators], np.float32).reshape(-1, columns)


def _traits(uniform: np.ndarray) -> Traits:
    columns = uniform[:, : len(VARIATION)].T[..., None, None]
    ranges = zip(columns, VARIATION.items())
    return Traits(**{name: low + column * np.float32(high - low) for column, (name, (low, high)) in ranges})


def _intensities(uniform: np.ndarray, labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels, np.int64)
    if np.any((labels < 0) | (labels >= len(CLASS_NAMES))):
        raise ValueError(f"A label lies outside 0..{len(CLASS_NAMES) - 1}; labels index {', '.join(CLASS_NAMES)}.")
    strength, factor, chance = np.split(uniform[:, len(VARIATION) :], [1, 1 + len(ACTION_UNITS)], axis=1)
    strength = WEAKEST_EXPRESSION + strength * (STRONGEST_EXPRESSION - WEAKEST_EXPRESSION)
    own = strength * (1 - UNIT_SPREAD + 2 * UNIT_SPREAD * factor)
    return np.minimum(own, 1) * (chance < _unit_probabilities()[labels])


def _unit_probabilities() -> np.ndarray:
    table = np.zeros((len(CLASS_NAMES), len(ACTION_UNITS)), np.float32)
    for row, name in enumerate(CLASS_NAMES):
        table[row, [_UNIT_COLUMN[unit] for unit in EXPRESSIONS[name].units]] = 1
        table[row, [_UNIT_COLUMN[unit] for unit in EXPRESSIONS[name].optional]] = 0.5
    return table


def _by_unit(intensities: np.ndarray) -> Units:
    columns = np.asarray(intensities, np.float32).T[..., None, None]
    return dict(zip(ACTION_UNITS, columns))


def _sensor_noise(generators: list[np.random.Generator]) -> np.ndarray:
    # The sum of four bytes is nearly normal, and the same on every machine.
    bytes_ = np.stack([generator.integers(0, 256, (4, SIZE, SIZE), np.uint8) for generator in generators])
    total = bytes_.astype(np.int32).sum(axis=1) - 510
    return total.astype(np.float32) / np.float32(147.8)


# Drawing -----------------------------------------------------------------------------------------------------------


class _Window:
    """A fixed rectangle of all canvases of a batch, with the coordinates of its pixels."""

    def __init__(self, canvas: np.ndarray, left: float, right: float, top: float, bottom: float):
        columns = slice(_pixel(left), _pixel(right))
        rows = slice(_pixel(top), _pixel(bottom))
        self.pixels = canvas[:, rows, columns]
        self.x = _COORDINATES[None, None, columns]
        self.y = _COORDINATES[None, rows, None]

    def paint(self, coverage: np.ndarray, tone: np.ndarray | float) -> None:
        self.pixels += coverage * (tone - self.pixels)

    def darken(self, coverage: np.ndarray, depth: np.ndarray | float) -> None:
        self.pixels *= 1 - coverage * depth


def _pixel(coordinate: float) -> int:
    return int(np.clip(round((coordinate + _REACH) * _DENSITY), 0, _CANVAS))


_COORDINATES = ((np.arange(_CANVAS, dtype=np.float32) + 0.5) / np.float32(_DENSITY) - np.float32(_REACH)).astype(
    np.float32
)


def _inside(distance: np.ndarray) -> np.ndarray:
    """Turn a signed distance (half heads, positive inside) into coverage with a one pixel edge."""
    return np.clip(distance * np.float32(_DENSITY) + np.float32(0.5), 0, 1)


def _between(y: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    return np.minimum(y - upper, lower - y)


def _ellipse(window: _Window, x: np.ndarray, y: np.ndarray, width: np.ndarray, height: np.ndarray) -> np.ndarray:
    radius = np.sqrt(((window.x - x) / width) ** 2 + ((window.y - y) / height) ** 2)
    return (1 - radius) * np.minimum(width, height)


def _blob(window: _Window, x: np.ndarray, y: np.ndarray, width: np.ndarray, height: np.ndarray) -> np.ndarray:
    """A soft spot that fades from 1 at its middle to 0 at its rim."""
    falloff = np.maximum(1 - ((window.x - x) / width) ** 2 - ((window.y - y) / height) ** 2, 0)
    return falloff * falloff


def _stroke(offset: np.ndarray, along: np.ndarray, half_width: float | np.ndarray) -> np.ndarray:
    """A soft line where `offset` is 0, fading towards its ends at along = -1 and 1."""
    return np.maximum(1 - np.abs(offset) / half_width, 0) * np.maximum(1 - along * along, 0)


def _draw_person(face: Traits) -> np.ndarray:
    """Draw what no expression changes."""
    canvas = np.empty((len(face.skin), _CANVAS, _CANVAS), np.float32)
    _draw_background(canvas, face)
    _draw_hair_behind(canvas, face)
    _draw_body(canvas, face)
    return canvas


def _draw_expression(person: np.ndarray, face: Traits, unit: Units) -> np.ndarray:
    canvas = person.copy()
    _draw_head(canvas, face, unit)
    _draw_forehead(canvas, face, unit)
    _draw_cheeks(canvas, face, unit)
    _draw_nose(canvas, face, unit)
    _draw_facial_hair(canvas, face, unit)
    _draw_chin(canvas, face, unit)
    _draw_mouth(canvas, face, unit)
    for side in (-1, 1):
        _draw_eye(canvas, face, unit, side)
        _draw_brow(canvas, face, unit, side)
        _draw_glasses(canvas, face, side)
    _draw_fringe(canvas, face)
    return _light(canvas, face)


def _whole(canvas: np.ndarray) -> _Window:
    return _Window(canvas, -_REACH, _REACH, -_REACH, _REACH)


def _draw_background(canvas: np.ndarray, face: Traits) -> None:
    all_ = _whole(canvas)
    canvas[:] = face.background + face.background_x * all_.x + face.background_y * all_.y * all_.x
    canvas += face.background_y * all_.y


def _hair_tone(face: Traits) -> np.ndarray:
    return 12 + face.hair * 190


def _strands(face: Traits, across: np.ndarray) -> np.ndarray:
    """How light the hair is from strand to strand: a triangle wave around 1."""
    phase = across * 7
    return 1 + face.hair_strands * (4 * np.abs(phase - np.floor(phase) - 0.5) - 1)


def _draw_hair_behind(canvas: np.ndarray, face: Traits) -> None:
    all_ = _whole(canvas)
    width = face.head_width + face.hair_volume + 0.04
    dome = _ellipse(all_, 0 * width, -0.08 + 0 * width, width, 0.94 + face.hair_volume)
    sides = np.minimum(width - np.abs(all_.x), np.minimum(all_.y + 0.1, face.hair_length - all_.y))
    all_.paint(_inside(np.where(face.hair_volume > 0, np.maximum(dome, sides), -1)), _hair_tone(face) * 0.8 * _strands(face, all_.x))


def _draw_body(canvas: np.ndarray, face: Traits) -> None:
    low = _Window(canvas, -_REACH, _REACH, 0.5, _REACH)
    low.paint(_inside(face.neck_width - np.abs(low.x)), face.skin * 0.68)
    shoulders = low.y - 1.12 - 0.25 * low.x * low.x + np.maximum(0.12 - np.abs(low.x) * 0.2, 0)
    low.paint(_inside(shoulders), face.clothes)
    ears = _Window(canvas, -1.05, 1.05, -0.3, 0.4)
    for side in (-1, 1):
        ear = _ellipse(ears, side * (face.head_width + 0.01), 0.03 + 0 * face.skin, face.ear_size * 0.7, face.ear_size * 1.3)
        ears.paint(_inside(ear), face.skin * 0.82)


def _draw_head(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    all_ = _Window(canvas, -0.9, 0.9, -1.05, 1.2)
    height = 0.98 + 0.13 * unit[26] * np.clip(all_.y, 0, 1)
    depth = np.clip(all_.y / height, 0, 1)
    width = face.head_width * (1 - face.jaw * depth * depth)
    radius = np.sqrt((all_.x / width) ** 2 + (all_.y / height) ** 2)
    towards_light = all_.x - face.turn * 1.5 - face.light_x * 0.7
    shade = 1 - 0.3 * np.minimum(towards_light * towards_light + (all_.y + 0.1) ** 2 * 0.5, 1)
    all_.paint(_inside((1 - radius) * face.head_width), face.skin * shade)


def _features(face: Traits) -> Traits:
    """Where the features sit once the head has turned and nodded."""
    eye_y = face.eye_y + face.nod
    return Traits(x=face.turn, nose_x=face.turn * 1.5, eye_y=eye_y)


def _draw_forehead(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    brow = _Window(canvas, -0.6, 0.6, -0.85, -0.1)
    at = _features(face)
    x = brow.x - at.x
    for line in (0.16, 0.29):
        centre = at.eye_y - face.brow_gap - line - 0.12 * unit[1] + 0.25 * x * x * (1 - unit[2])
        depth = face.wrinkle * (0.28 * unit[1] + 0.22 * unit[2])
        brow.darken(_stroke(brow.y - centre, x / 0.5, 0.035), np.minimum(depth, 0.5))
    for side in (-1, 1):
        middle = at.eye_y - face.brow_gap * 0.75
        along = (brow.y - middle) / 0.16
        line = x - side * (0.055 + 0.02 * along)
        brow.darken(_stroke(line, along, 0.035), face.wrinkle * 0.7 * unit[4])


def _draw_cheeks(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    at = _features(face)
    for side in (-1, 1):
        cheek = _Window(canvas, *sorted((side * 0.02, side * 0.85)), -0.2, 0.8)
        raised = np.maximum(unit[6], 0.6 * unit[12])
        x = at.x + side * 0.42
        apple = _blob(cheek, x, 0.24 - 0.06 * unit[6], 0.24 + 0 * raised, 0.2 + 0 * raised)
        cheek.pixels *= 1 + 0.16 * raised * apple
        along = (cheek.y - 0.44) / 0.26
        bulge = 0.05 * unit[12] * (1 - along * along)
        fold = side * (cheek.x - at.nose_x) - (0.26 + 0.1 * along + bulge)
        depth = np.minimum(face.fold + 0.42 * unit[12] + 0.35 * unit[10] + 0.35 * unit[9], 0.6)
        cheek.darken(_stroke(fold, along, 0.045), depth)


def _draw_nose(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    nose = _Window(canvas, -0.5, 0.5, -0.3, 0.55)
    at = _features(face)
    lift = 0.06 * unit[9] + 0.02 * unit[10]
    tip = face.nose_y + face.nod - lift
    wide = face.nose_width * (1 + 0.25 * unit[9])
    x = nose.x - at.nose_x
    side = np.where(face.light_x > 0, np.float32(-1), np.float32(1))
    along = (nose.y - 0.06) / 0.27
    nose.darken(_stroke(x - side * (0.06 + 0.025 * along), along, 0.06), face.nose_depth)
    nose.pixels *= 1 + 0.15 * _blob(nose, at.nose_x, tip - 0.05, wide * 0.7, wide * 0.9)
    across = x / wide
    nose.darken(_stroke(nose.y - tip - 0.03 + 0.06 * across * across, across * 0.9, 0.03), 0.3 + face.nose_depth)
    for nostril in (-1, 1):
        hole = _ellipse(nose, at.nose_x + nostril * wide * 0.55, tip + 0.015, wide * 0.3, 0.022 + 0 * wide)
        nose.paint(_inside(hole) * 0.75, face.skin * 0.25)
    for line in (-0.04, 0.04, 0.12):
        centre = line + at.eye_y + 0.06 - 1.6 * x * x + 0.07
        nose.darken(_stroke(nose.y - centre, x / 0.17, 0.03), face.wrinkle * 0.65 * unit[9])


def _draw_facial_hair(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    jaw = _Window(canvas, -0.85, 0.85, 0.2, 1.2)
    drop = 0.13 * unit[26] * np.clip(jaw.y, 0, 1)
    inside = _inside(face.head_width * (1 - face.jaw * 0.6) - np.abs(jaw.x) + 0.15 * (0.6 - jaw.y))
    chin = _inside(0.97 + drop - np.sqrt((jaw.x / face.head_width) ** 2 * 0.6 + jaw.y**2))
    low = np.clip((jaw.y - 0.74 - drop + 0.6 * np.abs(jaw.x - face.turn)) * 5, 0, 1)
    has_beard = (face.beard < BEARD_SHARE) * face.facial_hair
    jaw.paint(inside * chin * low * has_beard, _hair_tone(face) * 0.9)
    lip = _mouth_shape(face, unit)
    t = (jaw.x - lip.x) / (lip.width * 1.1)
    middle = lip.y - lip.up - lip.upper - 0.045 + (lip.corner + 0.05) * t * t
    hair = 0.055 * np.maximum(1 - t * t, 0) - 0.01 - np.abs(jaw.y - middle)
    has_moustache = (face.moustache < MOUSTACHE_SHARE) * face.facial_hair
    jaw.paint(_inside(hair) * has_moustache, _hair_tone(face) * 0.9)


def _mouth_shape(face: Traits, unit: Units) -> Traits:
    widen = 1 + 0.32 * unit[12] + 0.34 * unit[20] - 0.25 * unit[23] - 0.08 * unit[17]
    width = face.mouth_width * (widen - 0.25 * unit[26] * (1 - unit[20]))
    opening = 0.13 * unit[25] + 0.32 * unit[26] * (1 - 0.25 * unit[20])
    return Traits(
        x=face.turn * 1.1,
        y=face.mouth_y + face.nod - 0.04 * unit[10] - 0.03 * unit[9] - 0.03 * unit[17] + 0.02 * unit[26],
        width=width,
        corner=face.mouth_corner - 0.16 * unit[12] + 0.15 * unit[15] + 0.02 * unit[20],
        up=0.3 * opening + 0.03 * unit[10],
        down=0.7 * opening,
        push=0.05 * unit[17],
        upper=face.upper_lip * (1 - 0.65 * unit[23] - 0.35 * unit[20] - 0.25 * unit[12] + 0.2 * unit[10]),
        lower=face.lower_lip * (1 - 0.6 * unit[23] - 0.35 * unit[20] - 0.2 * unit[12] + 0.3 * unit[17]),
        opening=opening,
    )


def _draw_mouth(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    window = _Window(canvas, -0.65, 0.65, 0.2, 1.1)
    lip = _mouth_shape(face, unit)
    t = (window.x - lip.x) / lip.width
    arch = np.maximum(1 - t * t, 0)
    line = lip.y + lip.corner * (1 - 1.6 * arch) * 0.75 - lip.push * arch + face.mouth_skew * t
    ends = lip.width - np.abs(window.x - lip.x)
    full = arch * (2 - arch)  # opens the corners too: a jaw drop makes an oval, a stretched mouth a slot
    gape = arch + np.maximum(unit[26], unit[20]) * (full - arch)
    top, bottom = line - lip.up * gape, line + lip.down * gape
    bow = arch * (1.15 - 0.5 * np.maximum(1 - 16 * t * t, 0))
    lips = np.minimum(_between(window.y, top - lip.upper * bow - 0.004, bottom + lip.lower * gape + 0.004), ends)
    window.paint(_inside(lips), face.skin * face.lip_tone)
    hole = np.minimum(_between(window.y, top, bottom), ends)
    window.paint(_inside(hole) * np.minimum(lip.opening * 40, 1), 28)
    teeth = np.minimum(hole, top + 0.02 + 0.08 * unit[25] + 0.06 * unit[20] - window.y)
    window.paint(_inside(teeth) * np.minimum(lip.opening * 20, 1) * 0.95, 225)
    shut = 1 - np.minimum(lip.opening * 20, 1)
    window.darken(_inside(np.minimum(0.014 + 0.008 * unit[23] - np.abs(window.y - line), ends)), 0.65 * shut)
    under = line + lip.down + lip.lower + 0.04
    window.darken(_stroke(window.y - under, t * 1.3, 0.045), 0.2)
    for side in (-1, 1):
        corner_y = lip.y + lip.corner * 0.75 + side * face.mouth_skew
        window.darken(_blob(window, lip.x + side * lip.width, corner_y, 0.06 + 0 * t[:, :, :1], 0.05), 0.45)
        along = (window.y - corner_y - 0.07) / 0.1
        pouch = side * (window.x - lip.x) - lip.width - 0.02 - 0.03 * along
        window.darken(_stroke(pouch, along, 0.04), 0.55 * unit[15])


def _draw_chin(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    chin = _Window(canvas, -0.45, 0.45, 0.55, 1.15)
    lip = _mouth_shape(face, unit)
    t = (chin.x - lip.x) / 0.2
    crease = lip.y + lip.down + lip.lower + 0.07 + 0.08 * t * t
    chin.darken(_stroke(chin.y - crease, t, 0.04), 0.6 * unit[17])
    boss = _blob(chin, lip.x, lip.y + lip.down + 0.25, 0.16 + 0 * lip.y, 0.1 + 0 * lip.y)
    chin.pixels *= 1 + 0.15 * unit[17] * boss


def _eye_x(face: Traits, side: int) -> np.ndarray:
    return face.turn + side * face.eye_distance * (1 - 0.5 * side * face.turn)


def _draw_eye(canvas: np.ndarray, face: Traits, unit: Units, side: int) -> None:
    eye = _Window(canvas, *sorted((side * 0.0, side * 0.85)), -0.5, 0.35)
    x, y = _eye_x(face, side), face.eye_y + face.nod
    t = side * (eye.x - x) / face.eye_width
    arch = np.maximum(1 - t * t, 0)
    middle = y - face.eye_tilt * t
    raise_ = face.eye_open * (1 - 0.3 * unit[7] - 0.3 * unit[9] - 0.25 * unit[6]) + 0.075 * unit[5]
    upper = middle - raise_ * arch * (1 - 0.25 * t * unit[1])
    lower = middle + (0.045 - 0.045 * unit[7] - 0.06 * unit[6] - 0.02 * unit[9] + 0.01 * unit[5]) * arch
    socket = _blob(eye, x, y - 0.06, 0.28 + 0 * x, 0.22 + 0 * x)
    eye.darken(socket, 0.18)
    lids = np.minimum(_between(eye.y, upper, lower), face.eye_width * (1 - np.abs(t)))
    white = _inside(lids)
    eye.paint(white, 205 + 0.15 * face.skin)
    iris_x, iris_y = x + face.gaze_x, y - 0.008 + face.gaze_y
    iris = _ellipse(eye, iris_x, iris_y, face.iris_size, face.iris_size)
    eye.paint(white * _inside(iris), face.iris)
    eye.paint(white * _inside(iris - face.iris_size * 0.5), 8)
    glint = _ellipse(eye, iris_x + 0.03, iris_y - 0.03, 0.022 + 0 * x, 0.022 + 0 * x)
    eye.paint(white * _inside(glint), 245)
    reach = face.eye_width * (1.05 - np.abs(t))
    eye.paint(_inside(np.minimum(0.02 - np.abs(eye.y - upper), reach)) * 0.85, face.skin * 0.18)
    eye.darken(_inside(np.minimum(0.012 - np.abs(eye.y - lower), reach)), 0.35)
    fold = upper - 0.055 + 0.03 * unit[5]
    eye.darken(_stroke(eye.y - fold, t * 0.95, 0.025), face.crease)
    bag = lower + 0.065
    eye.darken(_stroke(eye.y - bag, t * 0.9, 0.035), np.minimum(face.fold * 0.7 + 0.4 * unit[6] + 0.3 * unit[7], 0.6))
    for line in (-1, 0, 1):
        along = (side * (eye.x - x) - face.eye_width - 0.1) / 0.09
        foot = eye.y - y - 0.015 - line * (0.045 + 0.035 * along)
        eye.darken(_stroke(foot, along, 0.022), face.wrinkle * 0.55 * unit[6])


def _draw_brow(canvas: np.ndarray, face: Traits, unit: Units, side: int) -> None:
    brow = _Window(canvas, *sorted((side * -0.1, side * 0.9)), -0.75, 0.1)
    x = _eye_x(face, side) + side * (0.01 - 0.05 * unit[4] * (1 - 0.4 * unit[1]))
    t = side * (brow.x - x) / face.brow_width
    inner = -face.brow_slant - 0.15 * unit[1] + 0.17 * unit[4] * (1 - 0.75 * unit[1]) + 0.07 * unit[9]
    outer = face.brow_slant - 0.15 * unit[2] + 0.03 * unit[4] + 0.01 * unit[9]
    middle = face.eye_y + face.nod - face.brow_gap + (inner * (1 - t) + outer * (1 + t)) * 0.5
    arch = face.brow_arch * (1 - 0.6 * unit[4]) + 0.03 * unit[2]
    centre = middle - arch * (1 - t * t)
    half = face.brow_thickness * np.clip(1.05 - 0.3 * t - 0.35 * t * t, 0.1, 1)
    hair = np.minimum(half - np.abs(brow.y - centre), face.brow_width * (1 - np.abs(t)))
    brow.paint(_inside(hair) * 0.9, np.minimum(_hair_tone(face), face.skin * 0.6) * (0.4 + face.brow_tone))


def _draw_glasses(canvas: np.ndarray, face: Traits, side: int) -> None:
    eye = _Window(canvas, *sorted((side * -0.1, side * 0.95)), -0.5, 0.4)
    x, y = _eye_x(face, side), face.eye_y + face.nod + 0.02
    rim = np.abs(_ellipse(eye, x, y, face.rim_size * 1.1, face.rim_size))
    bridge_x = side * (eye.x - face.turn)
    bridge = np.minimum(0.018 - np.abs(eye.y - y + 0.06), side * (x - face.turn) - face.rim_size * 1.08 - bridge_x)
    bridge = np.minimum(bridge, bridge_x + 0.02)
    temple = np.minimum(0.018 - np.abs(eye.y - y + 0.06), bridge_x - side * (x - face.turn) - face.rim_size * 1.08)
    temple = np.minimum(temple, face.head_width - side * eye.x)
    frame = np.maximum(0.02 - rim, np.maximum(bridge, temple))
    eye.paint(_inside(frame) * (face.glasses < GLASSES_SHARE), face.rim_tone)


def _draw_fringe(canvas: np.ndarray, face: Traits) -> None:
    top = _Window(canvas, -1.1, 1.1, -_REACH, 0.1)
    width = face.head_width + face.hair_volume
    dome = _ellipse(top, 0 * width, -0.08 + 0 * width, width, 0.92 + face.hair_volume)
    x = top.x - face.parting
    line = face.hairline + face.hairline_curve * x * x - top.y
    hair = np.where(face.hair_volume > 0, np.minimum(dome, line), -1)
    top.paint(_inside(hair), _hair_tone(face) * (1.15 - 0.3 * np.abs(x)) * _strands(face, x * (0.4 - top.y)))


def _light(canvas: np.ndarray, face: Traits) -> np.ndarray:
    all_ = _whole(canvas)
    canvas *= 1 + face.light_x * all_.x + face.light_y * all_.y
    return canvas


# Camera ------------------------------------------------------------------------------------------------------------


def _view(face: Traits) -> np.ndarray:
    """Tilt, scale and shift the head: which canvas pixel each sample of the image sees, as flat indices."""
    side = SIZE * _OVERSAMPLING
    grid = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / _OVERSAMPLING - SIZE // 2
    x, y = grid[None, None, :] - face.shift_x, grid[None, :, None] - face.shift_y
    square = face.tilt * face.tilt
    zoom = np.float32(_DENSITY) / face.scale / (1 + square)
    cosine, sine = (1 - square) * zoom, 2 * face.tilt * zoom
    columns = _whole_pixel(x * cosine + y * sine)
    rows = _whole_pixel(y * cosine - x * sine)
    first = np.arange(len(rows), dtype=np.intp)[:, None, None] * _CANVAS**2
    return rows * _CANVAS + columns + first


def _whole_pixel(offset: np.ndarray) -> np.ndarray:
    return np.clip(offset + _CANVAS // 2, 0, _CANVAS - 1).astype(np.intp)


def _photograph(canvas: np.ndarray, view: np.ndarray, face: Traits) -> np.ndarray:
    image = _blur(_reduce(np.take(canvas, view)), face.blur)
    image = 128 + (image - 128) * face.contrast + face.brightness
    return _occlude(image, face)


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


def _occlude(image: np.ndarray, face: Traits) -> np.ndarray:
    grid = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
    x, y = grid[None, None, :] - 16 * face.occluder_x, grid[None, :, None] - 16 * face.occluder_y
    length = np.sqrt(1 + face.occluder_angle**2)
    across = (y - face.occluder_angle * x) / length
    along = (x + face.occluder_angle * y) / length
    bar = face.occluder_width - np.abs(across)
    image = _cover(image, bar, face.occlusion < BAR_SHARE, face.occluder_tone)
    is_hand = (face.occlusion >= BAR_SHARE) & (face.occlusion < BAR_SHARE + HAND_SHARE)
    for finger in range(4):
        reach = np.maximum(np.maximum(-along - 8 + abs(finger - 1.5), along - 30), 0)
        offset = across - 4.2 * (finger - 1.5)
        knuckles = 2.3 - np.sqrt(offset * offset + reach * reach)
        image = _cover(image, knuckles, is_hand, face.skin * (0.8 - 0.08 * np.abs(offset)))
    return image


def _cover(image: np.ndarray, distance: np.ndarray, applies: np.ndarray, tone: np.ndarray) -> np.ndarray:
    return image + np.clip(distance + np.float32(0.5), 0, 1) * applies * (tone - image)
