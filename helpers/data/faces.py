"""Schematic faces, drawn from the action units of the Facial Action Coding System (FACS).

Every face comes with the pixels that its expression changed: the truth to grade explanations against.

The bytes depend on the seed alone. Drawing uses +, -, *, /, square root and comparison of float32 numbers,
which IEEE 754 rounds alike on every machine, and random numbers that are uniform. Hence no sine, exponential,
power, pairwise sum or dot product of floating-point numbers, and half-angle tangents in place of angles.
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
WEAKEST_EXPRESSION, STRONGEST_EXPRESSION = 0.4, 1.0  # of a whole face, uniform
UNIT_SPREAD = 0.8  # each unit's own intensity is the face's, times a factor in 1 -+ this

# A pixel is evidence where the expression changes it by more than this many grey levels, before noise.
EVIDENCE_THRESHOLD = 8.0

# What differs between faces beside the expression: name -> (lowest, highest), uniform. Lengths are in half
# heads, x to the right and y down from the middle of the head; tones are grey levels or shares of a tone.
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
    "background_x": (-40, 40),
    "background_y": (-40, 40),
    # pose: turning shifts the features, tilting (the tangent of half the angle) turns the image
    "turn": (-0.1, 0.1),
    "nod": (-0.05, 0.05),
    "tilt": (-0.07, 0.07),
    "scale": (21.5, 25.5),
    "shift_x": (-2.0, 2.0),
    "shift_y": (-2.0, 2.0),
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

Traits = SimpleNamespace  # (N, 1, 1) float32 arrays, one for each name in VARIATION
Number = np.ndarray | float
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
        raise ValueError(f"counts is {tuple(counts)}: give {len(SPLITS)} numbers of faces, none of them negative.")
    splits = {}
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for number, (name, count) in enumerate(zip(SPLITS, counts, strict=True)):
            first = number * _SPLIT_STRIDE
            labels = draw_labels(count, seed, first)
            images, evidence = _render_in_pool(pool, labels, seed, first)
            splits[name] = images, labels, evidence
    return splits


def draw_labels(count: int, seed: int, first_index: int = 0) -> np.ndarray:
    """Shuffle `count` labels (int64) in FER2013's class proportions, to the nearest whole face."""
    _check_seed(seed)
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

    labels: (N,) int, index into CLASS_NAMES; face i depends on its label, seed and first_index + i alone.
    Returns images (N, 48, 48, 1) uint8 and evidence (N, 48, 48) bool: the pixels that differ from the
    same face's at rest by more than EVIDENCE_THRESHOLD, before noise is added.
    Raises ValueError on a label or seed out of range.
    """
    parts = [
        _render_batch(labels[start : start + _BATCH], seed, first_index + start)
        for start in range(0, len(labels), _BATCH)
    ]
    return _join(parts)


def draw_intensities(labels: np.ndarray, seed: int, first_index: int = 0) -> np.ndarray:
    """Draw how strongly each action unit acts in the faces that `render_faces` makes of the same arguments.

    labels: (N,) int. Returns (N, 15) float32 in 0..1, columns in the order of ACTION_UNITS.
    Raises ValueError on a label or seed out of range.
    """
    return _intensities(_uniforms(_generators(seed, first_index, len(labels))), labels)


def draw_faces(intensities: np.ndarray, seed: int, first_index: int = 0) -> np.ndarray:
    """Draw faces with given action units, without noise.

    intensities: (N, 15) in 0..1, columns in the order of ACTION_UNITS. The same seed and index give the same
    person, pose, light and occlusion, whatever the intensities.
    Returns (N, 48, 48) float32 grey levels, not clipped.
    Raises ValueError on another number of columns, or an intensity or seed out of range.
    """
    _check_intensities(intensities)
    face = _traits(_uniforms(_generators(seed, first_index, len(intensities))))
    return _photograph(_draw_expression(_draw_person(face), face, _by_unit(intensities)), _view(face), face)


# Batches ----------------------------------------------------------------------------------------------------


def _render_batch(labels: np.ndarray, seed: int, first_index: int) -> tuple[np.ndarray, np.ndarray]:
    generators = _generators(seed, first_index, len(labels))
    uniform = _uniforms(generators)
    face, intensities = _traits(uniform), _intensities(uniform, labels)
    person, view = _draw_person(face), _view(face)
    drawn = _photograph(_draw_expression(person, face, _by_unit(intensities)), view, face)
    rest = _photograph(_draw_expression(person, face, _by_unit(0 * intensities)), view, face)
    noisy = np.rint(drawn + face.noise * _sensor_noise(generators))
    return np.clip(noisy, 0, 255).astype(np.uint8)[..., None], np.abs(drawn - rest) > EVIDENCE_THRESHOLD


def _render_in_pool(pool: Executor, labels: np.ndarray, seed: int, first_index: int) -> tuple[np.ndarray, np.ndarray]:
    starts = range(0, len(labels), _BATCH)
    batches = [labels[start : start + _BATCH] for start in starts]
    firsts = [first_index + start for start in starts]
    return _join(pool.map(_render_batch, batches, [seed] * len(firsts), firsts))


def _join(parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    nothing = np.empty((0, SIZE, SIZE, 1), np.uint8), np.empty((0, SIZE, SIZE), bool)
    images, evidence = zip(nothing, *parts, strict=True)
    return np.concatenate(images), np.concatenate(evidence)


# Random numbers ---------------------------------------------------------------------------------------------


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise ValueError(f"The seed is {seed}: give a whole number of at least 0.")


def _generators(seed: int, first_index: int, count: int) -> list[np.random.Generator]:
    _check_seed(seed)
    return [np.random.default_rng([seed, first_index + face]) for face in range(count)]


def _uniforms(generators: list[np.random.Generator]) -> np.ndarray:
    columns = len(VARIATION) + 1 + 2 * len(ACTION_UNITS)
    return np.array([generator.random(columns) for generator in generators], np.float32).reshape(-1, columns)


def _traits(uniform: np.ndarray) -> Traits:
    columns = uniform[:, : len(VARIATION)].T[..., None, None]
    ranges = zip(columns, VARIATION.items(), strict=True)
    face = Traits(**{name: low + column * np.float32(high - low) for column, (name, (low, high)) in ranges})
    return _turn_head(face)


def _turn_head(face: Traits) -> Traits:
    """Move the features with the head: what stands out, the nose, moves furthest."""
    face.nose_x = 1.5 * face.turn
    for feature in ("eye_y", "nose_y", "mouth_y"):
        setattr(face, feature, getattr(face, feature) + face.nod)
    return face


def _intensities(uniform: np.ndarray, labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels, np.int64)
    if np.any((labels < 0) | (labels >= len(CLASS_NAMES))):
        raise ValueError(f"A label is outside 0..{len(CLASS_NAMES) - 1}: use the indices of {CLASS_NAMES}.")
    strength, factor, chance = np.split(uniform[:, len(VARIATION) :], [1, 1 + len(ACTION_UNITS)], axis=1)
    strength = WEAKEST_EXPRESSION + strength * (STRONGEST_EXPRESSION - WEAKEST_EXPRESSION)
    own = strength * (1 - UNIT_SPREAD + 2 * UNIT_SPREAD * factor)
    return np.minimum(own, 1) * (chance < _unit_probabilities()[labels])


def _check_intensities(intensities: np.ndarray) -> None:
    if np.ndim(intensities) != 2 or np.shape(intensities)[1] != len(ACTION_UNITS):
        given = np.shape(intensities)
        raise ValueError(f"The intensities have shape {given}: give a row a face and {len(ACTION_UNITS)} columns.")
    if not np.all((np.asarray(intensities) >= 0) & (np.asarray(intensities) <= 1)):
        raise ValueError("An intensity is outside 0..1: 0 is a face at rest, 1 as strong as a unit acts.")


def _unit_probabilities() -> np.ndarray:
    table = np.zeros((len(CLASS_NAMES), len(ACTION_UNITS)), np.float32)
    for row, name in enumerate(CLASS_NAMES):
        table[row, [_UNIT_COLUMN[unit] for unit in EXPRESSIONS[name].units]] = 1
        table[row, [_UNIT_COLUMN[unit] for unit in EXPRESSIONS[name].optional]] = 0.5
    return table


def _by_unit(intensities: np.ndarray) -> Units:
    columns = np.asarray(intensities, np.float32).T[..., None, None]
    return dict(zip(ACTION_UNITS, columns, strict=True))


def _sensor_noise(generators: list[np.random.Generator]) -> np.ndarray:
    # The sum of four bytes is nearly normal, and the same on every machine.
    bytes_ = np.stack([generator.integers(0, 256, (4, SIZE, SIZE), np.uint8) for generator in generators])
    total = bytes_.astype(np.int32).sum(axis=1) - 510
    return total.astype(np.float32) / np.float32(147.8)


# Drawing ----------------------------------------------------------------------------------------------------


def _pixel(coordinate: float) -> int:
    return min(max(round((coordinate + _REACH) * _DENSITY), 0), _CANVAS)


_COORDINATES = ((np.arange(_CANVAS) + 0.5) / _DENSITY - _REACH).astype(np.float32)  # of the pixels' middles


class _Window:
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


def _beside(canvas: np.ndarray, side: int, inner: float, outer: float, top: float, bottom: float) -> _Window:
    """The window of a feature on the left (side -1) or right (side 1) half of the face."""
    left, right = sorted((side * inner, side * outer))
    return _Window(canvas, left, right, top, bottom)


def _inside(distance: np.ndarray) -> np.ndarray:
    """Turn a signed distance (half heads, positive inside) into coverage with an edge one pixel wide."""
    return np.clip(distance * np.float32(_DENSITY) + np.float32(0.5), 0, 1)


def _between(y: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    return np.minimum(y - upper, lower - y)


def _ellipse(window: _Window, x: Number, y: Number, width: Number, height: Number) -> np.ndarray:
    radius = np.sqrt(((window.x - x) / width) ** 2 + ((window.y - y) / height) ** 2)
    return (1 - radius) * np.minimum(width, height)


def _blob(window: _Window, x: Number, y: Number, width: Number, height: Number) -> np.ndarray:
    """A soft spot that fades from 1 at its middle to 0 at its rim."""
    falloff = np.maximum(1 - ((window.x - x) / width) ** 2 - ((window.y - y) / height) ** 2, 0)
    return falloff * falloff


def _stroke(offset: np.ndarray, along: np.ndarray, half_width: float) -> np.ndarray:
    """A soft line where `offset` is 0, fading towards its ends at along = -1 and 1."""
    return np.maximum(1 - np.abs(offset) / half_width, 0) * np.maximum(1 - along * along, 0)


def _draw_person(face: Traits) -> np.ndarray:
    """Draw what no expression changes."""
    canvas = np.empty((len(face.skin), _CANVAS, _CANVAS), np.float32)
    _draw_background(canvas, face)
    _draw_hair_behind(canvas, face)
    _draw_body(canvas, face)
    _draw_ears(canvas, face)
    return canvas


def _draw_expression(person: np.ndarray, face: Traits, unit: Units) -> np.ndarray:
    canvas = person.copy()
    for draw in (_draw_head, _draw_forehead, _draw_frown):
        draw(canvas, face, unit)
    for side in (-1, 1):
        _draw_cheek(canvas, face, unit, side)
    for draw in (_draw_nose, _draw_beard, _draw_moustache, _draw_chin, _draw_mouth):
        draw(canvas, face, unit)
    for side in (-1, 1):
        _draw_mouth_corner(canvas, face, unit, side)
        _draw_eye(canvas, face, unit, side)
        _draw_brow(canvas, face, unit, side)
        _draw_glasses(canvas, face, side)
    _draw_fringe(canvas, face)
    return _light(canvas, face)


def _whole(canvas: np.ndarray) -> _Window:
    return _Window(canvas, -_REACH, _REACH, -_REACH, _REACH)


def _draw_background(canvas: np.ndarray, face: Traits) -> None:
    window = _whole(canvas)
    across, down = face.background_x * window.x, face.background_y * window.y
    canvas[:] = face.background + across + down * (1 + window.x)


def _hair_tone(face: Traits) -> np.ndarray:
    return 12 + face.hair * 190


def _strands(face: Traits, across: np.ndarray) -> np.ndarray:
    """How light the hair is from strand to strand: a triangle wave around 1."""
    phase = across * 7
    return 1 + face.hair_strands * (4 * np.abs(phase - np.floor(phase) - 0.5) - 1)


def _unless_bald(face: Traits, distance: np.ndarray) -> np.ndarray:
    return _inside(distance) * (face.hair_volume > 0)


def _draw_hair_behind(canvas: np.ndarray, face: Traits) -> None:
    window = _whole(canvas)
    width = face.head_width + face.hair_volume + 0.04
    dome = _ellipse(window, 0, -0.08, width, 0.94 + face.hair_volume)
    locks = np.minimum(width - np.abs(window.x), _between(window.y, -0.1, face.hair_length))
    tone = 0.8 * _hair_tone(face) * _strands(face, window.x)
    window.paint(_unless_bald(face, np.maximum(dome, locks)), tone)


def _draw_body(canvas: np.ndarray, face: Traits) -> None:
    window = _Window(canvas, -_REACH, _REACH, 0.5, _REACH)
    window.paint(_inside(face.neck_width - np.abs(window.x)), face.skin * 0.68)
    collar = np.maximum(0.12 - np.abs(window.x) * 0.2, 0)
    window.paint(_inside(window.y - 1.12 - 0.25 * window.x * window.x + collar), face.clothes)


def _draw_ears(canvas: np.ndarray, face: Traits) -> None:
    window = _Window(canvas, -1.05, 1.05, -0.3, 0.4)
    for side in (-1, 1):
        x = side * (face.head_width + 0.01)
        window.paint(_inside(_ellipse(window, x, 0.03, 0.7 * face.ear_size, 1.3 * face.ear_size)), face.skin * 0.82)


def _draw_head(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    window = _Window(canvas, -0.9, 0.9, -1.05, 1.2)
    height = 0.98 + 0.13 * unit[26] * np.clip(window.y, 0, 1)
    depth = np.clip(window.y / height, 0, 1)
    width = face.head_width * (1 - face.jaw * depth * depth)
    radius = np.sqrt((window.x / width) ** 2 + (window.y / height) ** 2)
    from_light = window.x - face.nose_x - face.light_x * 0.7
    shade = 1 - 0.3 * np.minimum(from_light * from_light + (window.y + 0.1) ** 2 * 0.5, 1)
    window.paint(_inside((1 - radius) * face.head_width), face.skin * shade)


def _draw_forehead(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    """Wrinkle the forehead across where the brows rise."""
    window = _Window(canvas, -0.6, 0.6, -0.85, -0.1)
    x = window.x - face.turn
    depth = np.minimum(face.wrinkle * (0.28 * unit[1] + 0.22 * unit[2]), 0.5)
    for height in (0.16, 0.29):
        line = face.eye_y - face.brow_gap - height - 0.12 * unit[1] + 0.25 * x * x * (1 - unit[2])
        window.darken(_stroke(window.y - line, x / 0.5, 0.035), depth)


def _draw_frown(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    """Furrow the skin between the brows where they come down and together."""
    window = _Window(canvas, -0.3, 0.3, -0.6, -0.05)
    along = (window.y - face.eye_y + face.brow_gap * 0.75) / 0.16
    for side in (-1, 1):
        furrow = window.x - face.turn - side * (0.055 + 0.02 * along)
        window.darken(_stroke(furrow, along, 0.035), face.wrinkle * 0.7 * unit[4] * (1 - 0.4 * unit[1]))


def _draw_cheek(canvas: np.ndarray, face: Traits, unit: Units, side: int) -> None:
    """Raise the apple of the cheek, and fold the skin between nose and mouth."""
    window = _beside(canvas, side, 0.02, 0.85, -0.2, 0.8)
    apple = _blob(window, face.turn + side * 0.42, 0.24 - 0.06 * unit[6], 0.24, 0.2)
    window.lighten(apple, 0.16 * np.maximum(unit[6], 0.6 * unit[12]))
    along = (window.y - 0.44) / 0.26
    bulge = 0.05 * unit[12] * (1 - along * along)
    fold = side * (window.x - face.nose_x) - (0.26 + 0.1 * along + bulge)
    depth = np.minimum(face.fold + 0.42 * unit[12] + 0.35 * unit[10] + 0.35 * unit[9], 0.6)
    window.darken(_stroke(fold, along, 0.045), depth)


def _draw_nose(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    window = _Window(canvas, -0.5, 0.5, -0.3, 0.55)
    tip = face.nose_y - 0.06 * unit[9] - 0.02 * unit[10]
    width = face.nose_width * (1 + 0.25 * unit[9])
    x = window.x - face.nose_x
    _draw_bridge(window, face, unit, x)
    window.lighten(_blob(window, face.nose_x, tip - 0.05, width * 0.7, width * 0.9), 0.15)
    base = window.y - tip - 0.03 + 0.06 * (x / width) ** 2
    window.darken(_stroke(base, x / width * 0.9, 0.03), 0.3 + face.nose_depth)
    for side in (-1, 1):
        nostril = _ellipse(window, face.nose_x + side * width * 0.55, tip + 0.015, width * 0.3, 0.022)
        window.paint(_inside(nostril) * 0.75, face.skin * 0.25)


def _draw_bridge(window: _Window, face: Traits, unit: Units, x: np.ndarray) -> None:
    """Shade the side of the nose that is away from the light, and wrinkle its bridge across."""
    dark_side = 1 - 2 * (face.light_x > 0).astype(np.float32)
    along = (window.y - 0.06) / 0.27
    window.darken(_stroke(x - dark_side * (0.06 + 0.025 * along), along, 0.06), face.nose_depth)
    for height in (0.09, 0.17, 0.25):
        line = face.eye_y + height - 1.6 * x * x
        window.darken(_stroke(window.y - line, x / 0.17, 0.03), face.wrinkle * 0.65 * unit[9])


def _draw_beard(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    window = _Window(canvas, -0.85, 0.85, 0.2, 1.2)
    drop = 0.13 * unit[26] * np.clip(window.y, 0, 1)
    cheeks = face.head_width * (1 - face.jaw * 0.6) - np.abs(window.x) + 0.15 * (0.6 - window.y)
    chin = 0.97 + drop - np.sqrt((window.x / face.head_width) ** 2 * 0.6 + window.y**2)
    grown = np.clip((window.y - 0.74 - drop + 0.6 * np.abs(window.x - face.turn)) * 5, 0, 1)
    density = (face.beard < BEARD_SHARE) * face.facial_hair
    window.paint(_inside(np.minimum(cheeks, chin)) * grown * density, _hair_tone(face) * 0.9)


def _draw_moustache(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    window = _Window(canvas, -0.6, 0.6, 0.2, 0.8)
    lip = _mouth_shape(face, unit)
    t = (window.x - lip.x) / (lip.width * 1.1)
    middle = lip.y - lip.up - lip.upper - 0.045 + (lip.corner + 0.05) * t * t
    hair = 0.055 * np.maximum(1 - t * t, 0) - 0.01 - np.abs(window.y - middle)
    density = (face.moustache < MOUSTACHE_SHARE) * face.facial_hair
    window.paint(_inside(hair) * density, _hair_tone(face) * 0.9)


def _mouth_shape(face: Traits, unit: Units) -> Traits:
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


def _draw_chin(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    window = _Window(canvas, -0.45, 0.45, 0.55, 1.15)
    lip = _mouth_shape(face, unit)
    t = (window.x - lip.x) / 0.2
    crease = lip.y + lip.down + lip.lower + 0.07 + 0.08 * t * t
    window.darken(_stroke(window.y - crease, t, 0.04), 0.6 * unit[17])
    window.lighten(_blob(window, lip.x, lip.y + lip.down + 0.25, 0.16, 0.1), 0.15 * unit[17])


def _draw_mouth(canvas: np.ndarray, face: Traits, unit: Units) -> None:
    window = _Window(canvas, -0.65, 0.65, 0.2, 1.1)
    lip = _mouth_shape(face, unit)
    t = (window.x - lip.x) / lip.width
    arch = np.maximum(1 - t * t, 0)
    # A dropped jaw makes an oval and a stretched mouth a slot: both part the corners of the lips too.
    gape = arch + np.maximum(unit[26], unit[20]) * arch * (1 - arch)
    line = lip.y + lip.corner * (0.75 - 1.2 * arch) - 0.05 * unit[17] * arch + face.mouth_skew * t
    top, bottom = line - lip.up * gape, line + lip.down * gape
    ends = lip.width - np.abs(window.x - lip.x)
    bow = arch * (1.15 - 0.5 * np.maximum(1 - 16 * t * t, 0))
    lips = _between(window.y, top - lip.upper * bow - 0.004, bottom + lip.lower * gape + 0.004)
    window.paint(_inside(np.minimum(lips, ends)), face.skin * face.lip_tone)
    _draw_gap(window, lip, unit, np.minimum(_between(window.y, top, bottom), ends), top)
    shut = np.minimum(0.014 + 0.012 * unit[23] - np.abs(window.y - line), ends)
    window.darken(_inside(shut), 0.65 * (1 - np.minimum(lip.opening * 20, 1)))
    window.darken(_stroke(window.y - line - lip.down - lip.lower - 0.04, t * 1.3, 0.045), 0.2)


def _draw_gap(window: _Window, lip: Traits, unit: Units, gap: np.ndarray, top: np.ndarray) -> None:
    """Open the mouth: darkness, and under the upper lip the teeth."""
    window.paint(_inside(gap) * np.minimum(lip.opening * 40, 1), 28)
    teeth = np.minimum(gap, top + 0.02 + 0.08 * unit[25] + 0.06 * unit[20] - window.y)
    window.paint(_inside(teeth) * np.minimum(lip.opening * 20, 1) * 0.95, 225)


def _draw_mouth_corner(canvas: np.ndarray, face: Traits, unit: Units, side: int) -> None:
    window = _beside(canvas, side, -0.1, 0.65, 0.2, 1.0)
    lip = _mouth_shape(face, unit)
    y = lip.y + lip.corner * 0.75 + side * face.mouth_skew
    window.darken(_blob(window, lip.x + side * lip.width, y, 0.06, 0.05), 0.45)
    along = (window.y - y - 0.07) / 0.1
    pouch = side * (window.x - lip.x) - lip.width - 0.02 - 0.03 * along
    window.darken(_stroke(pouch, along, 0.04), 0.45 * unit[15])


def _eye_x(face: Traits, side: int) -> np.ndarray:
    return face.turn + side * face.eye_distance * (1 - 0.5 * side * face.turn)


def _draw_eye(canvas: np.ndarray, face: Traits, unit: Units, side: int) -> None:
    window = _beside(canvas, side, 0.0, 0.85, -0.5, 0.35)
    x = _eye_x(face, side)
    t = side * (window.x - x) / face.eye_width
    arch = np.maximum(1 - t * t, 0)
    raised = face.eye_open * (1 - 0.3 * unit[7] - 0.3 * unit[9] - 0.25 * unit[6]) + 0.075 * unit[5]
    lowered = 0.045 - 0.045 * unit[7] - 0.06 * unit[6] - 0.02 * unit[9] + 0.01 * unit[5]
    middle = face.eye_y - face.eye_tilt * t
    upper = middle - raised * arch * (1 - 0.25 * t * unit[1])
    lower = middle + lowered * arch
    window.darken(_blob(window, x, face.eye_y - 0.06, 0.28, 0.22), 0.18)
    lids = np.minimum(_between(window.y, upper, lower), face.eye_width * (1 - np.abs(t)))
    _draw_eyeball(window, face, _inside(lids), x)
    _draw_lids(window, face, unit, t, upper, lower)
    _draw_crows_feet(window, face, unit, side * (window.x - x))


def _draw_eyeball(window: _Window, face: Traits, visible: np.ndarray, eye_x: np.ndarray) -> None:
    x, y = eye_x + face.gaze_x, face.eye_y - 0.008 + face.gaze_y
    iris = _ellipse(window, x, y, face.iris_size, face.iris_size)
    window.paint(visible, 205 + 0.15 * face.skin)
    window.paint(visible * _inside(iris), face.iris)
    window.paint(visible * _inside(iris - face.iris_size * 0.5), 8)
    glint = _ellipse(window, x + 0.03, y - 0.03, 0.28 * face.iris_size, 0.28 * face.iris_size)
    window.paint(visible * _inside(glint), 245)


def _draw_lids(window: _Window, face: Traits, unit: Units, t: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> None:
    """Draw both rims, the crease above the eye and the bag beneath it; t runs from -1 (nose) to 1."""
    ends = face.eye_width * (1.05 - np.abs(t))
    window.paint(_inside(np.minimum(0.02 - np.abs(window.y - upper), ends)) * 0.85, face.skin * 0.18)
    window.darken(_inside(np.minimum(0.012 - np.abs(window.y - lower), ends)), 0.35)
    crease = window.y - upper + 0.055 - 0.03 * unit[5]
    window.darken(_stroke(crease, t * 0.95, 0.025), face.crease)
    depth = np.minimum(face.fold * 0.7 + 0.4 * unit[6] + 0.3 * unit[7], 0.6)
    window.darken(_stroke(window.y - lower - 0.065, t * 0.9, 0.035), depth)


def _draw_crows_feet(window: _Window, face: Traits, unit: Units, outward: np.ndarray) -> None:
    along = (outward - face.eye_width - 0.1) / 0.09
    for foot in (-1, 0, 1):
        offset = window.y - face.eye_y - 0.015 - foot * (0.045 + 0.035 * along)
        window.darken(_stroke(offset, along, 0.022), face.wrinkle * 0.55 * unit[6])


def _draw_brow(canvas: np.ndarray, face: Traits, unit: Units, side: int) -> None:
    window = _beside(canvas, side, -0.1, 0.9, -0.75, 0.1)
    # Where 1 and 4 act together the inner ends rise and draw together; they hardly come down.
    x = _eye_x(face, side) + side * (0.01 - 0.05 * unit[4] * (1 - 0.4 * unit[1]))
    t = side * (window.x - x) / face.brow_width
    inner = -face.brow_slant - 0.15 * unit[1] + 0.19 * unit[4] * (1 - 0.8 * unit[1]) + 0.07 * unit[9]
    outer = face.brow_slant - 0.15 * unit[2] + 0.03 * unit[4] + 0.01 * unit[9]
    arch = face.brow_arch * (1 - 0.6 * unit[4]) + 0.03 * unit[2]
    line = face.eye_y - face.brow_gap + (inner * (1 - t) + outer * (1 + t)) * 0.5 - arch * (1 - t * t)
    half = face.brow_thickness * np.clip(1.05 - 0.3 * t - 0.35 * t * t, 0.1, 1)
    hair = np.minimum(half - np.abs(window.y - line), face.brow_width * (1 - np.abs(t)))
    window.paint(_inside(hair) * 0.9, np.minimum(_hair_tone(face), face.skin * 0.6) * (0.4 + face.brow_tone))


def _draw_glasses(canvas: np.ndarray, face: Traits, side: int) -> None:
    window = _beside(canvas, side, -0.1, 0.95, -0.5, 0.4)
    x, y = _eye_x(face, side), face.eye_y + 0.02
    lens = _ellipse(window, x, y, face.rim_size * 1.1, face.rim_size)
    outward = side * (window.x - x)
    bridge = _between(outward, side * (face.turn - x) - 0.02, -1.08 * face.rim_size)
    temple = np.minimum(outward - 1.08 * face.rim_size, face.head_width - side * window.x)
    bar = np.minimum(0.018 - np.abs(window.y - y + 0.06), np.maximum(bridge, temple))
    frame = np.maximum(0.02 - np.abs(lens), bar)
    window.paint(_inside(frame) * (face.glasses < GLASSES_SHARE), face.rim_tone)


def _draw_fringe(canvas: np.ndarray, face: Traits) -> None:
    window = _Window(canvas, -1.1, 1.1, -_REACH, 0.1)
    volume = np.maximum(face.hair_volume, 0)
    dome = _ellipse(window, 0, -0.08, face.head_width + volume, 0.92 + volume)
    x = window.x - face.parting
    hair = np.minimum(dome, face.hairline + face.hairline_curve * x * x - window.y)
    tone = _hair_tone(face) * (1.15 - 0.3 * np.abs(x)) * _strands(face, x * (0.4 - window.y))
    window.paint(_unless_bald(face, hair), tone)


def _light(canvas: np.ndarray, face: Traits) -> np.ndarray:
    window = _whole(canvas)
    return canvas * (1 + face.light_x * window.x + face.light_y * window.y)


# Camera -----------------------------------------------------------------------------------------------------


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
