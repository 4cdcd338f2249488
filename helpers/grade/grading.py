"""Grade every method on one network: insertion and deletion, random weights, another class, the truth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from helpers.base.keeper import ALSO_MADE_BY
from helpers.explain import registry, saliency
from helpers.explain.registry import Method
from helpers.grade import faithfulness, insertion, sanity
from helpers.networks.chunks import chunks
from helpers.networks.inference import bfloat16

TRUTH = {
    "pointing game": faithfulness.pointing_game,
    "relevance mass": faithfulness.relevance_mass,
    "relevance rank": faithfulness.relevance_rank,
}


@dataclass(frozen=True)
class Settings(saliency.Settings):
    """What the methods are graded with: their own settings, and how many images are explained again.

    randomised: images that are explained again on networks with random weights, and for another class.
    """

    randomised: int = 24


@dataclass(frozen=True)
class Grades:
    """The grades of M methods, and of the baselines after them, over N images.

    methods: (M,) names; names: (M + 3,) names of methods and baselines; correct: (N,) bool, whether the network
    was right; areas: (M + 3, substrates, 2, N) float32, under the insertion and the deletion curve; curves:
    (2, M + 3, substrates, 2, steps + 1) float32, their means over right and over wrong answers, nan where there
    are none; layers: names from the logits down; likeness: (2, M, layers) float32, rank correlation and SSIM
    between the map and that of the network randomised so far, nan where not measured; sensitivity: (M,)
    float32, rank correlation between the maps for the class and for the runner-up; few: the number of images, int,
    that likeness and sensitivity are means over; truth: (3, M + 3, N)
    float32, the grades of TRUTH, and chance: (N,) float32, both nan where there is no evidence or the network
    was wrong.
    """

    methods: np.ndarray
    names: np.ndarray
    correct: np.ndarray
    areas: np.ndarray
    curves: np.ndarray
    layers: np.ndarray
    likeness: np.ndarray
    sensitivity: np.ndarray
    few: np.ndarray
    truth: np.ndarray
    chance: np.ndarray

    def scores(self) -> np.ndarray:
        """Give insertion less deletion, mean over the substrates: (M + 3, N) float32 in -1..1."""
        return (self.areas[:, :, 0] - self.areas[:, :, 1]).mean(axis=1)

    def half(self) -> int:
        """Give the place among the layers at which the upper half of them is random."""
        return (len(self.layers) + 1) // 2 - 1

    def knows_truth(self) -> bool:
        """Say whether any image has evidence."""
        return bool(np.isfinite(self.chance).any())


def grade(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    evidence: np.ndarray | None,
    settings: Settings,
    methods: Sequence[str] = (),
) -> Grades:
    """Grade methods on one network: explain the class that it gave to each image, and ask what the maps are worth.

    images: (N, H, W, C) uint8; labels: (N,) int; probabilities: (N, classes), the network's; evidence: (N, H, W)
    bool or None; methods: names of registered methods, or none for all. Raises ValueError on an unknown name.
    """
    chosen = registry.choose(methods, model)
    classes = probabilities.argmax(axis=1)
    correct, few = classes == labels, slice(0, settings.randomised)
    names = [*(one.name for one in chosen), *insertion.BASELINES]
    random = {name: np.random.default_rng(settings.seed) for name in ("", *names)}  # goes on from slice to slice
    areas, curves, truth, kept = [], [], [], []
    for part in _slices(images, len(names)):
        with bfloat16():  # the methods that average hundreds of passes gain, and the order of pixels hardly moves
            maps = {one.name: one.explain(model, images[part], classes[part], settings) for one in chosen}
        kept.append({name: values[: max(0, settings.randomised - part.start)] for name, values in maps.items()})
        maps |= insertion.baselines(images[part], random[""])
        found = _insertion_deletion(model, images[part], classes[part], maps, random)
        areas.append([[one.areas() for one in row] for row in found])
        curves.append([[(one.insertion, one.deletion) for one in row] for row in found])
        truth.append(_against_truth(maps, None if evidence is None else evidence[part], correct[part]))
    few_maps = {one.name: np.concatenate([part[one.name] for part in kept]) for one in chosen}
    layers, likeness = _randomise(model, images[few], classes[few], few_maps, chosen, settings)
    others = sanity.runner_up(probabilities[few])
    rivals = {one.name: one.explain(model, images[few], others, settings) for one in chosen}
    sensitivity = [sanity.rank_correlation(few_maps[name], rivals[name]).mean() for name in rivals]
    steps = np.concatenate([np.array(part, np.float32) for part in curves], axis=3)
    return Grades(
        methods=np.array([*few_maps]),
        names=np.array(names),
        correct=correct,
        areas=np.concatenate([np.array(part, np.float32) for part in areas], axis=-1),
        curves=np.stack([_mean_or_nan(steps, correct), _mean_or_nan(steps, ~correct)]),
        layers=layers,
        likeness=likeness,
        sensitivity=np.array(sensitivity, np.float32),
        few=np.array(len(images[few])),
        truth=np.concatenate([found for found, _ in truth], axis=-1),
        chance=np.concatenate([chance for _, chance in truth]),
    )


# What is kept of it depends on every method, also on those that are registered from outside this package.
setattr(grade, ALSO_MADE_BY, lambda: [one.function for one in registry.choose()])


def _slices(images: np.ndarray, names: int) -> Iterator[slice]:
    """Cut the images into slices of which as many maps, and the ranks of their pixels, fit in memory at once."""
    return chunks(len(images), 2 * names * 4 * images[0, ..., 0].size)


def _insertion_deletion(
    model: keras.Model,
    images: np.ndarray,
    classes: np.ndarray,
    maps: Mapping[str, np.ndarray],
    random: Mapping[str, np.random.Generator],
) -> list[list[insertion.Curves]]:
    """Give the curves by map and substrate."""
    ranks = {name: insertion.pixel_ranks(values, random[name]) for name, values in maps.items()}
    hidden = [insertion.substrate(images, kind) for kind in insertion.SUBSTRATES]
    found = [insertion.insertion_deletion(model, images, classes, ranks, one) for one in hidden]
    return [[each[name] for each in found] for name in maps]


def _mean_or_nan(steps: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return steps[..., chosen, :].mean(axis=-2) if chosen.any() else np.full_like(steps[..., 0, :], np.nan)


def _randomise(
    model: keras.Model,
    images: np.ndarray,
    classes: np.ndarray,
    maps: Mapping[str, np.ndarray],
    chosen: Sequence[Method],
    settings: Settings,
) -> tuple[np.ndarray, np.ndarray]:
    layers = sanity.cascade_layers(model)
    depths = {(len(layers) + 1) // 2 - 1, len(layers) - 1}  # half and all of the layers
    likeness = np.full((2, len(maps), len(layers)), np.nan, np.float32)
    for depth, (_, randomised) in enumerate(sanity.cascade(model, settings.seed)):
        for place, one in enumerate(chosen):
            if one.passes == "few" or depth in depths:
                pair = maps[one.name], one.explain(randomised, images, classes, settings)
                likeness[0, place, depth] = sanity.rank_correlation(*pair).mean()
                likeness[1, place, depth] = sanity.structural_similarities(*pair).mean()
    return np.array(layers), likeness


def _against_truth(
    maps: Mapping[str, np.ndarray], evidence: np.ndarray | None, correct: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if evidence is None:
        return np.full((len(TRUTH), len(maps), len(correct)), np.nan, np.float32), np.full(len(correct), np.nan)
    found = np.array([[grade(values, evidence) for values in maps.values()] for grade in TRUTH.values()])
    chance = np.where(correct, faithfulness.chance_level(evidence), np.nan)
    return np.where(correct, found, np.nan).astype(np.float32), chance.astype(np.float32)
