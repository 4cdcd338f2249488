"""Grade every method on one network: insertion and deletion, random weights, another class, the evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np

from helpers.base.keeper import ALSO_MADE_BY
from helpers.explain import registry, saliency
from helpers.explain.registry import OF_SUBSTRATE, Method
from helpers.grade import faithfulness, insertion, sanity
from helpers.networks.architectures import multiplications
from helpers.networks.chunks import as_many_as_last, chunks
from helpers.networks.inference import bfloat16
from helpers.networks.layers import copy_of

EVIDENCE = {
    "pointing game": faithfulness.pointing_game,
    "relevance mass": faithfulness.relevance_mass,
    "absolute mass": faithfulness.absolute_mass,
    "relevance rank": faithfulness.relevance_rank,
}
SAME_IMAGE = "in-distribution"  # the substrate: the same image without its class
FORMS = ("signed", "magnitude")
FEWEST = 6  # images that are explained again, if there are as many
Maps = dict[str, np.ndarray]


@dataclass(frozen=True)
class Settings(saliency.Settings):
    """What the methods are graded with: their own settings, and how often they explain again.

    randomised: images that are explained again on networks with random weights, and for another class, where images
    and network are large as many as take as long; draws: of random weights, at least two.
    """

    randomised: int = 16
    draws: int = 5

    def again(self, count: int, shape: tuple[int, ...], work: int) -> int:
        """Give how many images (H, W, C) are explained again; work: multiplications of the network for one."""
        return as_many_as_last(self.randomised, shape, work, least=max(FEWEST, count // 3))


@dataclass(frozen=True)
class Grades:
    """The grades of M methods, and of the baselines after them, over N images.

    methods: (M,) names; names: (M + 3,) names of methods and baselines; baselines: (M + 3,) what each measures from or
    hides with, "" for nothing; signed: (M + 3,) bool, whether its order of pixels is that of its signed map, or else
    that of the magnitudes; correct: (N,) bool, whether the network was right; substrates: (S,) names; gains:
    (M + 3, S, 2, 2, N) float32, the symmetric relevance gain with each substrate, number of steps and answer (see
    `insertion`); curves: (2, M + 3, S, 2, steps + 1) float32, mean probabilities on insertion and deletion over right
    and over wrong answers, nan where there are none; layers: names from the logits down; likeness:
    (2, M + 3, draws, layers) float32, rank correlation between the map, signed and by magnitude, and that of the
    network randomised so far, mean over images, nan where not measured; entropies: (2, M + 3, draws) float32, of the
    map before and after all layers are random, mean over images; sensitivity: (M, few) float32, rank correlation
    between the maps for the class and for the runner-up; evidence: (4, M + 3, N) float32, the grades of EVIDENCE, and
    chance: (N,) float32, both nan where there is no evidence or the network was wrong; proof: (3, N) float32, what
    `faithfulness.prove` gives, nan where the images without their class are not known; blind: the share of the
    commonest class among the images with evidence.
    """

    methods: np.ndarray
    names: np.ndarray
    baselines: np.ndarray
    signed: np.ndarray
    correct: np.ndarray
    substrates: np.ndarray
    gains: np.ndarray
    curves: np.ndarray
    layers: np.ndarray
    likeness: np.ndarray
    entropies: np.ndarray
    sensitivity: np.ndarray
    evidence: np.ndarray
    chance: np.ndarray
    proof: np.ndarray
    blind: float

    def scores(self) -> np.ndarray:
        """Give the gain in probability with most steps, mean over the substrates: (M + 3, N) float32 in -1..1."""
        return self.gains[:, :, -1, 0].mean(axis=1)

    def decisive(self) -> np.ndarray:
        """Give the gain by which methods are judged, as `scores` does, over the substrates that are `deciding`."""
        return self.gains[:, deciding(self.substrates), -1, 0].mean(axis=1)

    def half(self) -> int:
        """Give the place among the layers at which the upper half of them is random."""
        return _depths(self.layers)[0]

    def knows_evidence(self) -> bool:
        """Say whether any image has evidence."""
        return bool(np.isfinite(self.chance).any())


def deciding(substrates: Sequence[str] | np.ndarray) -> list[int]:
    """Give the places of the substrates by which methods are judged: SAME_IMAGE alone where it was measured.

    No method computes with what hides the pixels there, and nothing in such an image is out of distribution.
    """
    kinds = list(substrates)
    return [kinds.index(SAME_IMAGE)] if SAME_IMAGE in kinds else [*range(len(kinds))]


def grade(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    evidence: np.ndarray | None,
    settings: Settings,
    methods: Sequence[str] = (),
    redrawn: tuple[np.ndarray, np.ndarray] | None = None,
) -> Grades:
    """Grade methods on one network: explain the class that it gave to each image, and ask what the maps are worth.

    images: (N, H, W, C) uint8; labels: (N,) int; probabilities: (N, classes), the network's; evidence: (N, H, W)
    bool or None; methods: names of registered methods, or none for all; redrawn: the same images without their class,
    and what hides their pixels, which must not show the class that the network gave, both (N, H, W, C) uint8, or None.
    Raises ValueError on an unknown name.
    """
    grader, classes = _Grader(model, registry.choose(methods, model), settings), probabilities.argmax(axis=1)
    correct = classes == labels
    again = settings.again(len(images), images.shape[1:], multiplications(model))
    few = slice(0, again)
    names = [*(one.name for one in grader.chosen), *insertion.BASELINES]
    random = _Ties(settings.seed)
    gains, curves, found, kept = [], [], [], []
    # as many images as have their maps, and the ranks of these, in memory at once
    for part in chunks(len(images), 4 * len(names) * 4 * images[0, ..., 0].size):
        shown, asked = images[part], classes[part]
        with bfloat16(model):  # the methods that average hundreds of passes gain, and the order of pixels hardly moves
            signed, graded = grader.explain(shown, asked)
            own = grader.explain_from(shown, asked)
        drawn = insertion.baselines(shown, random["baselines"])
        signed, graded = signed | drawn, graded | drawn
        hidden = {kind: insertion.substrate(shown, kind) for kind in insertion.SUBSTRATES}
        hidden |= {SAME_IMAGE: redrawn[1][part]} if redrawn else {}
        rows = _insertion_deletion(model, shown, asked, graded, own, hidden, random)
        gains.append(np.array([[one.gains() for one in row] for row in rows]))
        curves.append(np.array([[(one.insertion, one.deletion) for one in row] for row in rows], np.float32))
        found.append(_against_evidence(signed, None if evidence is None else evidence[part], correct[part]))
        kept.append({name: values[: max(0, again - part.start)] for name, values in signed.items()})
    few_maps = {name: np.concatenate([part[name] for part in kept]) for name in names}
    steps, known = np.concatenate(curves, axis=3), labels if evidence is None else labels[evidence.any(axis=(1, 2))]
    proof = np.full((3, len(images)), np.nan, np.float32)
    if evidence is not None and redrawn is not None:
        proof = faithfulness.prove(model, images, labels, evidence, redrawn[0])
    layers, likeness, entropies = grader.randomise(images[few], classes[few], few_maps)
    return Grades(
        methods=np.array([one.name for one in grader.chosen]),
        names=np.array(names),
        baselines=np.array([*(one.baseline or "" for one in grader.chosen), *[""] * len(insertion.BASELINES)]),
        signed=np.array([*(one.signed for one in grader.chosen), *[True] * len(insertion.BASELINES)]),
        correct=correct,
        substrates=np.array([*hidden]),
        gains=np.concatenate(gains, axis=-1).astype(np.float32),
        curves=np.stack([_mean_or_nan(steps, correct), _mean_or_nan(steps, ~correct)]),
        layers=layers,
        likeness=likeness,
        entropies=entropies,
        sensitivity=grader.compare_rivals(images[few], probabilities[few], few_maps),
        evidence=np.concatenate([grades for grades, _ in found], axis=-1),
        chance=np.concatenate([chance for _, chance in found]),
        proof=proof,
        blind=float(np.bincount(known).max() / len(known)) if len(known) else float("nan"),
    )


# What is kept of it depends on every method, also on those that are registered from outside this package.
setattr(grade, ALSO_MADE_BY, lambda: [one.function for one in registry.choose()])


class _Ties(dict[str, np.random.Generator]):
    """A random generator for each purpose, which goes on from one slice of the images to the next."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def __missing__(self, purpose: str) -> np.random.Generator:
        return self.setdefault(purpose, np.random.default_rng(self.seed))


@dataclass(frozen=True)
class _Grader:
    """Explains images (N, H, W, C) on one network by the chosen methods."""

    model: keras.Model
    chosen: Sequence[Method]
    settings: Settings

    def explain(self, images: np.ndarray, classes: np.ndarray) -> tuple[Maps, Maps]:
        """Give the signed maps, and those by which pixels are ordered: as each method is registered."""
        task = self.model, images, classes, self.settings
        signed = {one.name: one.explain(*task, signed=True) for one in self.chosen}
        graded = dict(signed)
        for one in self.chosen:
            if not one.signed:  # of one channel, the largest magnitude is that of the sum
                graded[one.name] = np.abs(signed[one.name]) if images.shape[-1] == 1 else one.explain(*task)
        return signed, graded

    def explain_from(self, images: np.ndarray, classes: np.ndarray) -> dict[str, Maps]:
        """Explain anew with each further substrate as baseline, by the methods that can be asked for it."""
        asked = [one for one in self.chosen if one.baseline == OF_SUBSTRATE]
        task = self.model, images, classes, self.settings
        kinds = insertion.SUBSTRATES[1:]  # the first is the baseline by default
        return {kind: {one.name: one.explain(*task, baseline=kind) for one in asked} for kind in kinds}

    def randomise(
        self, images: np.ndarray, classes: np.ndarray, before: Maps
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Explain on networks with random weights: at all depths once, and at half and all of it with every draw."""
        layers, copy = sanity.cascade_layers(self.model), copy_of(self.model)  # one copy: nothing is traced anew
        trained, draws = copy.get_weights(), self.settings.draws
        likeness = np.full((len(FORMS), len(before), draws, len(layers)), np.nan, np.float32)
        ranks = {name: [sanity.standard_ranks(form) for form in (maps, np.abs(maps))] for name, maps in before.items()}
        entropies = np.empty((2, len(before), draws), np.float32)
        entropies[0] = [[sanity.entropy(values).mean()] for values in before.values()]
        for draw in range(draws):
            copy.set_weights(trained)
            seed = [self.settings.seed, draw]
            for depth, (_, randomised) in enumerate(sanity.cascade(self.model, seed, copy)):
                asked = [one for one in self.chosen if depth in _depths(layers) or (draw == 0 and one.passes == "few")]
                if not asked:
                    continue
                with bfloat16(randomised):
                    after, _ = replace(self, model=randomised, chosen=asked).explain(images, classes)
                after |= insertion.baselines(images, np.random.default_rng([*seed, depth]))
                for place, name in enumerate(before):
                    if name in after:
                        for form, maps in enumerate((after[name], np.abs(after[name]))):
                            alike = sanity.correlate(ranks[name][form], sanity.standard_ranks(maps))
                            likeness[form, place, draw, depth] = alike.mean()
                if depth == len(layers) - 1:
                    entropies[1, :, draw] = [sanity.entropy(after[name]).mean() for name in before]
        return np.array(layers), likeness, entropies

    def compare_rivals(self, images: np.ndarray, probabilities: np.ndarray, maps: Maps) -> np.ndarray:
        """Correlate the maps with those for the class with the second highest probability."""
        with bfloat16(self.model):
            rivals, _ = self.explain(images, sanity.runner_up(probabilities))
        return np.array([sanity.rank_correlation(maps[name], values) for name, values in rivals.items()], np.float32)


def _insertion_deletion(
    model: keras.Model,
    images: np.ndarray,
    classes: np.ndarray,
    maps: Maps,
    own: Mapping[str, Maps],
    hidden: Mapping[str, np.ndarray],
    random: _Ties,
) -> list[list[insertion.Curves]]:
    """Give the curves by map and substrate; own: the maps made for one substrate."""
    ranks = {name: insertion.pixel_ranks(values, random[name]) for name, values in maps.items()}
    found = []
    for kind, pixels in hidden.items():
        pairs = own.get(kind, {}).items()
        others = {name: insertion.pixel_ranks(values, random[f"{name}, {kind}"]) for name, values in pairs}
        found.append(insertion.insertion_deletion(model, images, classes, ranks | others, pixels))
    return [[each[name] for each in found] for name in maps]


def _mean_or_nan(steps: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return steps[..., chosen, :].mean(axis=-2) if chosen.any() else np.full_like(steps[..., 0, :], np.nan)


def _depths(layers: Sequence[str] | np.ndarray) -> tuple[int, int]:
    """Give the places at which half and all of the layers are random."""
    return (len(layers) + 1) // 2 - 1, len(layers) - 1


def _against_evidence(maps: Maps, evidence: np.ndarray | None, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if evidence is None:
        return np.full((len(EVIDENCE), len(maps), len(correct)), np.nan, np.float32), np.full(len(correct), np.nan)
    found = np.array([[grade(values, evidence) for values in maps.values()] for grade in EVIDENCE.values()])
    chance = np.where(correct, faithfulness.chance_level(evidence), np.nan)
    return np.where(correct, found, np.nan).astype(np.float32), chance.astype(np.float32)
