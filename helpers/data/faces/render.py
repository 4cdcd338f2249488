"""Faces from labels or from action units, one by one or a whole data set, and where the parts of each face lie.

The latter is found by the functions that draw it, on a canvas of a tone that no face has.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat

import numpy as np

from helpers.data.faces import parts, traits
from helpers.data.faces.camera import add_light, occlude, photograph, view_of
from helpers.data.faces.canvas import CANVAS, whole
from helpers.data.faces.traits import (
    CLASS_NAMES,
    CLASS_SHARES,
    EVIDENCE_THRESHOLD,
    SIZE,
    SPLITS,
    Traits,
    Units,
    by_unit,
)

SPLIT_STRIDE = 10_000_000  # the faces of split k are numbered from k times this
BATCH = 32  # faces drawn at once: their canvases stay in the processor's cache


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
            first = number * SPLIT_STRIDE
            labels = draw_labels(count, seed, first)
            images, evidence = render_faces(labels, seed, first, pool.map)
            splits[name] = images, labels, evidence
    return splits


def draw_labels(count: int, seed: int, first_index: int = 0) -> np.ndarray:
    """Shuffle `count` labels (int64) in FER2013's class proportions, to the nearest whole face."""
    traits.check_seed(seed)
    labels = np.repeat(np.arange(len(CLASS_NAMES)), class_counts(count))
    return np.random.default_rng([seed, first_index, count]).permutation(labels)


def class_counts(count: int) -> np.ndarray:
    """Divide `count` faces in FER2013's class proportions by largest remainder; returns (7,) int64."""
    exact = np.array(CLASS_SHARES) * count
    counts = exact // sum(CLASS_SHARES)
    by_remainder = np.argsort(-(exact % sum(CLASS_SHARES)), kind="stable")
    counts[by_remainder[: count - sum(counts)]] += 1
    return counts


def render_faces(
    labels: np.ndarray, seed: int, first_index: int = 0, each: Callable[..., Iterable] = map
) -> tuple[np.ndarray, np.ndarray]:
    """Render a face for each label, as a camera would see it, with the evidence of its expression.

    labels: (N,) int, index into CLASS_NAMES; face i depends on its label, seed and first_index + i alone;
    each: what calls a function for every batch, such as the `map` of a pool.
    Returns images (N, 48, 48, 1) uint8 and evidence (N, 48, 48) bool: the pixels that differ from the
    same face's at rest by more than EVIDENCE_THRESHOLD, before noise is added.
    Raises ValueError on a label or seed out of range.
    """
    starts = range(0, len(labels), BATCH)
    batches = (labels[start : start + BATCH] for start in starts)
    parts = each(_render_batch, batches, repeat(seed), (first_index + start for start in starts))
    nothing = np.empty((0, SIZE, SIZE, 1), np.uint8), np.empty((0, SIZE, SIZE), bool)
    images, evidence = zip(nothing, *parts, strict=True)
    return np.concatenate(images), np.concatenate(evidence)


def redraw(split: str, numbers: np.ndarray, labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Draw faces of `generate` again: the same persons, poses, light and noise, with other expressions.

    split: one of SPLITS; numbers: (N,) int, their places in it; labels: (N,) int, what they express now. Returns
    (N, 48, 48, 1) uint8. Raises ValueError on a label or seed out of range.
    """
    first = SPLITS.index(split) * SPLIT_STRIDE
    pairs = zip(labels[:, np.newaxis], first + numbers, strict=True)
    return np.concatenate([render_faces(label, seed, int(number))[0] for label, number in pairs])


def describe_face(
    split: str, number: int, label: int, names: Sequence[str], seed: int = 0
) -> tuple[np.ndarray, dict[str, float]]:
    """Say what a face of `generate` is drawn from.

    number: its place in the split. Returns how strongly each of ACTION_UNITS acts, (15,) float32 in 0..1, and those of
    its traits that are named, as in VARIATION.
    """
    uniform = traits.draw_uniforms(traits.make_generators(seed, SPLITS.index(split) * SPLIT_STRIDE + number, 1))
    face = traits.make_traits(uniform)
    return traits.make_intensities(uniform, np.array([label]))[0], {name: getattr(face, name).item() for name in names}


def draw_again(
    split: str, number: int, intensities: np.ndarray, chosen: Mapping[str, float], seed: int = 0
) -> np.ndarray:
    """Draw a face of `generate` anew, the same person in the same pose, without noise: (48, 48, 1) uint8.

    intensities: (15,) in 0..1, of ACTION_UNITS; chosen: traits, by their names in VARIATION, that are given and not
    the face's own.
    """
    generators = traits.make_generators(seed, SPLITS.index(split) * SPLIT_STRIDE + number, 1)
    face = traits.make_traits(traits.draw_uniforms(generators), chosen)
    expression = _draw_expression(parts.draw_person(face), face, by_unit(np.asarray(intensities)[np.newaxis]))
    return np.clip(np.rint(photograph(expression, view_of(face), face)), 0, 255).astype(np.uint8)[0, ..., np.newaxis]


def _render_batch(labels: np.ndarray, seed: int, first_index: int) -> tuple[np.ndarray, np.ndarray]:
    generators = traits.make_generators(seed, first_index, len(labels))
    uniform = traits.draw_uniforms(generators)
    face, intensities = traits.make_traits(uniform), traits.make_intensities(uniform, labels)
    person, view = parts.draw_person(face), view_of(face)
    drawn = photograph(_draw_expression(person, face, by_unit(intensities)), view, face)
    rest = photograph(_draw_expression(person, face, by_unit(0 * intensities)), view, face)
    noisy = np.rint(drawn + face.noise * traits.sensor_noise(generators))
    return np.clip(noisy, 0, 255).astype(np.uint8)[..., None], np.abs(drawn - rest) > EVIDENCE_THRESHOLD


def _draw_expression(person: np.ndarray, face: Traits, unit: Units) -> np.ndarray:
    canvas = person.copy()
    for draw in (parts.draw_head, parts.draw_forehead, parts.draw_frown):
        draw(canvas, face, unit)
    for side in (-1, 1):
        parts.draw_cheek(canvas, face, unit, side)
    for draw in (parts.draw_nose, parts.draw_beard, parts.draw_moustache, parts.draw_chin, parts.draw_mouth):
        draw(canvas, face, unit)
    for side in (-1, 1):
        parts.draw_mouth_corner(canvas, face, unit, side)
        parts.draw_eye(canvas, face, unit, side)
        parts.draw_brow(canvas, face, unit, side)
        parts.draw_glasses(canvas, face, side)
    parts.draw_fringe(canvas, face)
    return add_light(canvas, face)


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
        uniform = traits.draw_uniforms([traits.make_generators(seed, first + int(n), 1)[0] for n in numbers[chunk]])
        parts.append(_photograph(traits.make_traits(uniform), by_unit(traits.make_intensities(uniform, labels[chunk]))))
    return np.concatenate(parts)


def _photograph(face: Traits, unit: Units) -> np.ndarray:
    """See the regions as the camera does: of each pixel, what is in its middle."""
    seen = np.take(_on_canvas(face, unit), view_of(face)[:, 1::3, 1::3])
    blank = np.full(seen.shape, _BLANK)
    return np.where(occlude(blank, face) - blank > -_BLANK / 2, np.uint8(_GROUND), seen)


def _on_canvas(face: Traits, unit: Units) -> np.ndarray:
    canvas = np.full((len(face.skin), CANVAS, CANVAS), _GROUND, np.uint8)
    x, y = (np.broadcast_to(axis, canvas.shape) for axis in (whole(canvas).x, whole(canvas).y))
    lip, sides = parts.mouth_shape(face, unit), (-1, 1)
    skin = _drawn(face, [partial(parts.draw_head, unit=unit)])
    between_eyes = np.abs(x - face.turn) < face.eye_distance - face.eye_width
    canvas[_drawn(face, [parts.draw_hair_behind])] = _HAIR
    canvas[_drawn(face, [parts.draw_body, parts.draw_ears])] = _GROUND
    canvas[skin] = _CHEEKS
    canvas[skin & (y < face.eye_y - 0.1)] = _FOREHEAD
    canvas[skin & (y > lip.y + lip.down + lip.lower)] = _CHIN
    flank = face.nose_width * np.clip(0.6 + 0.6 * (y - face.eye_y) / (face.nose_y - face.eye_y), 0, 1.2)
    canvas[(np.abs(x - face.nose_x) < flank) & (y > face.eye_y - 0.1) & (y < face.nose_y + 0.06)] = _NOSE
    philtrum = (np.abs(x - lip.x) < lip.width) & (y > face.nose_y + 0.06) & (y < lip.y)
    lips = [partial(parts.draw_mouth, unit=unit), *(partial(parts.draw_mouth_corner, unit=unit, side=s) for s in sides)]
    canvas[philtrum | _drawn(face, lips)] = _MOUTH
    canvas[_drawn(face, [partial(parts.draw_eye, unit=unit, side=side) for side in sides])] = _EYES
    canvas[between_eyes & (np.abs(y - face.eye_y + 0.75 * face.brow_gap) < 0.12)] = _BROWS
    canvas[_drawn(face, [partial(parts.draw_brow, unit=unit, side=side) for side in sides])] = _BROWS
    canvas[_drawn(face, [parts.draw_fringe])] = _HAIR
    return canvas


def _drawn(face: Traits, parts: Iterable[Callable[[np.ndarray, Traits], None]]) -> np.ndarray:
    canvas = np.full((len(face.skin), CANVAS, CANVAS), _BLANK, np.float32)
    for draw in parts:
        draw(canvas, face)
    return np.abs(canvas - _BLANK) > -_CHANGED * _BLANK
