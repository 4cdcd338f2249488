"""Grades of an explanation: how far it agrees with the evidence, where it is known in which pixels a class is drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd

from helpers.base.keeper import ALSO_MADE_BY
from helpers.data import faces
from helpers.data.decode import scale
from helpers.explain import maps as measures
from helpers.explain import registry
from helpers.explain.regions import Regions, shares
from helpers.grade.sanity import cascade
from helpers.networks.chunks import chunks
from helpers.networks.inference import bfloat16
from helpers.networks.logits import all_logits

MAPS_HELD = 16  # maps of an image, of four bytes a pixel: those of four methods, and what is computed of one of them
BLOB = "centred Gaussian"  # a row of the table of grades that needs no network

# Each grade gives a map that singles out nothing the level of chance: ties count by their expected value.


def mean_evidence(evidence: np.ndarray, classes: np.ndarray, class_count: int) -> np.ndarray:
    """Average the evidence of each class as if it were a map, every image having the same say.

    evidence: (N, H, W) bool; classes: (N,) int. Returns (class_count, H, W) float32 that each sum to 1; nan
    for a class without evidence.
    """
    marked = evidence.any(axis=(1, 2))
    shares = measures.relevance_share(evidence[marked])
    return measures.mean_map_by_class(shares, classes[marked], class_count)


@dataclass(frozen=True)
class Measured:
    """What is measured of the maps of N images by several methods, when the maps themselves are gone.

    classes: (N,) int, what was explained; means: by method (classes, H, W) float32, the mean share of the relevance
    that falls on each pixel, nan for a class without images; concentration, mass: a row an image, a column a method,
    the shares of the relevance in the top fraction of the pixels, and on the evidence, nan where there is none; held:
    by method (N, regions), the share that each region holds of the relevance; areas: (N, regions), its share of the
    image; chance: (N,) float32, the evidence's share of the image, nan where there is none.
    """

    classes: np.ndarray
    means: Mapping[str, np.ndarray]
    concentration: pd.DataFrame
    mass: pd.DataFrame
    held: Mapping[str, np.ndarray]
    areas: np.ndarray
    chance: np.ndarray


def measure_methods(methods: Sequence[str], model: keras.Model, settings: registry.Settings, *task: Any) -> Measured:
    """Measure the maps of many images by the methods of these names, in bfloat16 where the network gains by it.

    task: the images, and what else `measure` takes behind them.
    """

    def explain(shown: np.ndarray, asked: np.ndarray) -> dict[str, np.ndarray]:
        with bfloat16(model):
            return registry.explain_by(methods, model, shown, asked, settings)

    return measure(explain, *task)


def measure_random(
    methods: Sequence[str], model: keras.Model, settings: registry.Settings, seed: int, *task: Any
) -> Measured:
    """Measure maps as `measure_methods` does, of the same network with random weights in all layers."""
    *_, (_, blind) = cascade(model, seed)
    return measure_methods(methods, blind, settings, *task)


for function in (measure_methods, measure_random):
    setattr(function, ALSO_MADE_BY, lambda: [one.function for one in registry.choose()])


def measure(
    explain: Callable[[np.ndarray, np.ndarray], Mapping[str, np.ndarray]],
    images: np.ndarray,
    classes: np.ndarray,
    class_count: int,
    fraction: float,
    regions: Regions,
    evidence: np.ndarray | None = None,
) -> Measured:
    """Measure the maps of many images, of which no more are held at a time than fit in memory.

    explain: gives maps (N, H, W) by method of images (N, H, W, C) and classes (N,); fraction: of the pixels, as in
    `maps.concentration`; regions: of the images; evidence: (N, H, W) bool, if it is known.
    """
    sums: dict[str, np.ndarray] = {}
    held: dict[str, list[np.ndarray]] = {}
    parts = []
    for part in chunks(len(images), MAPS_HELD * 4 * images[0, ..., 0].size):
        maps = explain(images[part], classes[part])
        for name, values in maps.items():
            total = sums.setdefault(name, np.zeros((class_count, *images.shape[1:3])))
            np.add.at(total, classes[part], measures.relevance_share(values))
            held.setdefault(name, []).append(shares(values, regions.part(part)))
        known = np.zeros(maps[name].shape, bool) if evidence is None else evidence[part]
        found = (
            {name: measures.concentration(values, fraction) for name, values in maps.items()},
            {name: relevance_mass(values, known) for name, values in maps.items()},
            {"chance": chance_level(known)},
        )
        parts.append([pd.DataFrame(each) for each in found])
    concentration, mass, chance = (pd.concat(each, ignore_index=True) for each in zip(*parts, strict=True))
    counts = np.bincount(classes, minlength=class_count)[:, np.newaxis, np.newaxis]
    with np.errstate(invalid="ignore"):  # classes without images
        means = {name: (total / counts).astype(np.float32) for name, total in sums.items()}
    joined = {name: np.concatenate(parts_held) for name, parts_held in held.items()}
    areas = regions.areas()
    return Measured(classes, means, concentration, mass, joined, areas, chance["chance"].to_numpy())


def centred_gaussian(shape: tuple[int, int, int], width: float = 0.2) -> np.ndarray:
    """Draw the same blob in the middle of every image: a map that has not looked at any of them.

    shape: (N, H, W); width: standard deviation as a share of the image. Returns (N, H, W) float32, at most 1.
    """
    rows, columns = (np.linspace(-0.5, 0.5, size) / width for size in shape[1:])
    blob = np.exp(-(rows[:, None] ** 2 + columns**2) / 2)
    return np.broadcast_to(blob.astype(np.float32), shape)


def chance_level(evidence: np.ndarray) -> np.ndarray:
    """Give the grade that a map drawn at random gets on average: the evidence's share of the image.

    evidence: (N, H, W) bool. Returns (N,) float32 in 0..1; nan where an image has no evidence.
    """
    return _where_evidence(evidence, evidence.mean(axis=(1, 2)))


def pointing_game(maps: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Ask whether the pixel that counts most is a pixel of the evidence.

    maps: (N, H, W) float, graded by magnitude; evidence: (N, H, W) bool. Returns (N,) float32: 1 for a hit, 0
    for a miss, and between them where several pixels share the largest magnitude; nan where an image has no
    evidence. Zhang et al., 2018.
    """
    magnitude = np.abs(maps)
    top = magnitude == magnitude.max(axis=(1, 2), keepdims=True)
    return _where_evidence(evidence, _share(top, evidence))


def relevance_mass(maps: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Measure which share of the relevance that speaks for the class lies on the evidence.

    maps: (N, H, W) float, of which the positive part is graded; evidence: (N, H, W) bool. Returns (N,) float32 in
    0..1; nan where an image has no evidence. Arras et al., 2022.
    """
    positive = maps.astype(np.float64).clip(min=0)
    blank = ~positive.any(axis=(1, 2), keepdims=True)
    return _where_evidence(evidence, _share(positive + blank, evidence))


def absolute_mass(maps: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Measure which share of the relevance lies on the evidence, whatever its sign; otherwise as `relevance_mass`."""
    return relevance_mass(np.abs(maps), evidence)


def relevance_rank(maps: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Measure which share of the K pixels that count most lies on the evidence, which is K pixels large.

    maps: (N, H, W) float, graded by magnitude; evidence: (N, H, W) bool. Returns (N,) float32 in 0..1; nan
    where an image has no evidence. Arras et al., 2022.
    """
    magnitude = np.abs(maps)
    grades = [_expected_precision(one, mask) for one, mask in zip(magnitude, evidence, strict=True)]
    return _where_evidence(evidence, np.array(grades))


def prove(
    model: keras.Model, images: np.ndarray, labels: np.ndarray, evidence: np.ndarray, rest: np.ndarray
) -> np.ndarray:
    """Ask whether the network reads the class where the evidence lies, before anything is graded against it.

    images, rest: (N, H, W, C) uint8, of which rest are the same images without their class; labels: (N,) int, the true
    classes; evidence: (N, H, W) bool. Returns (3, N) float32: 1 where the network is right and 0 where it is wrong, on
    the whole image, with nothing but the evidence taken from rest, and with all but the evidence taken from it; nan
    where an image has no evidence.
    """
    marked = evidence[..., np.newaxis]
    shown = images, np.where(marked, rest, images), np.where(marked, images, rest)
    right = [all_logits(model, pictures).argmax(axis=1) == labels for pictures in shown]
    return np.stack([_where_evidence(evidence, one) for one in right])


def redraw_faces(
    split: str, numbers: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, side: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw schematic faces again without their class: the same persons, poses, light and noise.

    split, numbers: (N,) int, where the faces stand in their data set; labels: (N,) int, what they express;
    probabilities: (N, classes), the network's; side: of the images. Returns two arrays (N, side, side, 1) uint8: all
    at rest; and at rest too, but where the network or the label says that a face is, it expresses the most probable of
    the other classes, so that it can hide the pixels by which the network told its answer.
    """
    neutral = faces.CLASS_NAMES.index("neutral")
    ruled_out = np.stack([labels, probabilities.argmax(axis=1)], axis=1)
    others = probabilities.copy()
    np.put_along_axis(others, ruled_out, -1, axis=1)
    shown = np.where((ruled_out == neutral).any(axis=1), others.argmax(axis=1), neutral)
    rest, hidden = (faces.redraw(split, numbers, drawn) for drawn in (np.full_like(shown, neutral), shown))
    return (rest, hidden) if side == faces.SIZE else (scale(rest, side), scale(hidden, side))


def _expected_precision(magnitude: np.ndarray, mask: np.ndarray) -> float:
    """Give the share of the mask among the mask.sum() largest values, ties broken by chance."""
    size = int(mask.sum())
    if size == 0:
        return np.nan
    threshold = np.partition(magnitude, -size, axis=None)[-size]
    above, tied = magnitude > threshold, magnitude == threshold
    return (mask[above].sum() + mask[tied].mean() * (size - above.sum())) / size


def _share(weights: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    return (weights * evidence).sum(axis=(1, 2)) / weights.sum(axis=(1, 2))


def _where_evidence(evidence: np.ndarray, grades: np.ndarray) -> np.ndarray:
    return np.where(evidence.any(axis=(1, 2)), grades, np.nan).astype(np.float32)
