"""Faces from labels or from action units, one by one or a whole data set."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np

from helpers.data.faces import eyes, head, mouth, traits
from helpers.data.faces.camera import add_light, photograph, view_of
from helpers.data.faces.traits import Traits, draw_uniforms, make_generators, make_intensities, make_traits
from helpers.data.faces.units import CLASS_NAMES, CLASS_SHARES, EVIDENCE_THRESHOLD, SIZE, SPLITS, Units, by_unit

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
    uniform = draw_uniforms(make_generators(seed, SPLITS.index(split) * SPLIT_STRIDE + number, 1))
    face = make_traits(uniform)
    return make_intensities(uniform, np.array([label]))[0], {name: getattr(face, name).item() for name in names}


def draw_again(
    split: str, number: int, intensities: np.ndarray, chosen: Mapping[str, float], seed: int = 0
) -> np.ndarray:
    """Draw a face of `generate` anew, the same person in the same pose, without noise: (48, 48, 1) uint8.

    intensities: (15,) in 0..1, of ACTION_UNITS; chosen: traits, by their names in VARIATION, that are given and not
    the face's own.
    """
    generators = make_generators(seed, SPLITS.index(split) * SPLIT_STRIDE + number, 1)
    face = make_traits(draw_uniforms(generators), chosen)
    expression = _draw_expression(head.draw_person(face), face, by_unit(np.asarray(intensities)[np.newaxis]))
    return np.clip(np.rint(photograph(expression, view_of(face), face)), 0, 255).astype(np.uint8)[0, ..., np.newaxis]


def _render_batch(labels: np.ndarray, seed: int, first_index: int) -> tuple[np.ndarray, np.ndarray]:
    generators = make_generators(seed, first_index, len(labels))
    uniform = draw_uniforms(generators)
    face, intensities = make_traits(uniform), make_intensities(uniform, labels)
    person, view = head.draw_person(face), view_of(face)
    drawn = photograph(_draw_expression(person, face, by_unit(intensities)), view, face)
    rest = photograph(_draw_expression(person, face, by_unit(0 * intensities)), view, face)
    noisy = np.rint(drawn + face.noise * traits.sensor_noise(generators))
    return np.clip(noisy, 0, 255).astype(np.uint8)[..., None], np.abs(drawn - rest) > EVIDENCE_THRESHOLD


def _draw_expression(person: np.ndarray, face: Traits, unit: Units) -> np.ndarray:
    canvas = person.copy()
    for draw in (head.draw_head, head.draw_forehead, head.draw_frown):
        draw(canvas, face, unit)
    for side in (-1, 1):
        head.draw_cheek(canvas, face, unit, side)
    for draw in (head.draw_nose, mouth.draw_beard, mouth.draw_moustache, mouth.draw_chin, mouth.draw_mouth):
        draw(canvas, face, unit)
    for side in (-1, 1):
        mouth.draw_mouth_corner(canvas, face, unit, side)
        eyes.draw_eye(canvas, face, unit, side)
        eyes.draw_brow(canvas, face, unit, side)
        eyes.draw_glasses(canvas, face, side)
    head.draw_fringe(canvas, face)
    return add_light(canvas, face)
