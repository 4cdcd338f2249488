"""What is measured of each picture, and how a page says and shows it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.answers import diagnosis
from helpers.base import words
from helpers.base.code import code_digest
from helpers.base.words import Said, said
from helpers.build.explain.pictures import Picture
from helpers.explain import maps, neighbours, registry, superpixels
from helpers.explain.saliency import Settings
from helpers.explain.substrates import BLACK, substrate
from helpers.grade import calibration, insertion
from helpers.networks.architectures import multiplications
from helpers.networks.chunks import as_many_as_last
from helpers.networks.logits import all_probabilities
from helpers.report import plots
from helpers.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOP, DRAWS = 0.1, 20  # share of the pixels that are hidden; how often as many are hidden at random
SHOWN, ALIKE, STRONGEST, BARS = 3, 5, 5, 5  # maps, training images, superpixels and classes on a page
COPIES, SEGMENTS, BACKGROUNDS = 500, 25, 16  # of LIME; training images that expected gradients measure from


@dataclass(frozen=True)
class Explainer:
    """Explains pictures by a run's network; what is the same for all of them is computed once, or was kept."""

    run: Run

    @cached_property
    def temperature(self) -> float:
        """By which notebook 03 divides the logits."""
        return calibration.fit_temperature(self.run.probabilities("validation"), self.run.dataset.validation.labels)

    @cached_property
    def warnings(self) -> list[Said]:
        """What is wrong with the network, as notebook 01 says it; nothing where it is in order."""
        run = self.run
        of_cnn = run.cnn(), run.dataset, run.probabilities(), run.plan()
        return diagnosis.sentences(diagnosis.faults(*of_cnn, run.keep))

    @cached_property
    def index(self) -> neighbours.Index:
        """The training images as the network sees them, computed once and kept."""
        data, model = self.run.dataset, self.run.cnn().model
        made_from = [code_digest(neighbours.build_index), model, data.digest]
        images = data.train.images, data.validation.images
        return self.run.keeper.keep("neighbours", made_from, lambda: neighbours.build_index(model, *images))

    @cached_property
    def ranks(self) -> dict[str, float]:
        """The mean rank of every order of pixels that notebook 04 graded on this network; nothing without grades."""
        return self.run.stated("04_saliency_maps", "grades.rank") or {}

    @cached_property
    def methods(self) -> list[registry.Method]:
        """The best graded methods that the network has maps by, or else the registry's first; LIME stands apart."""
        there = [one for one in registry.choose((), self.run.cnn().model) if one.name != "LIME"]
        return sorted(there, key=lambda one: (self.ranks.get(one.name, np.inf), one.baseline == BLACK))[:SHOWN]

    @cached_property
    def copies(self) -> int:
        """How many copies LIME asks the network about: of large images or by a large network fewer."""
        shape, work = self.run.dataset.image_shape, multiplications(self.run.cnn().model)
        return as_many_as_last(COPIES, shape, work, least=4 * SEGMENTS)

    @cached_property
    def settings(self) -> Settings:
        """What methods are asked with."""
        drawn = np.random.default_rng(self.run.seed).choice(self.run.dataset.train.images, BACKGROUNDS)
        return Settings(seed=self.run.seed, backgrounds=drawn)

    def explain(self, picture: Picture) -> tuple[dict[str, Any], Callable[[], "Figure"]]:
        """Give what is measured of a picture, by the names of the table's columns, and what draws its page's figure."""
        model, data, image = self.run.cnn().model, self.run.dataset, picture.pixels[np.newaxis]
        raw = all_probabilities(model, image)
        sure, (first, second, *_) = calibration.calibrate(raw, self.temperature)[0], np.argsort(-raw[0], kind="stable")
        found = {one.name: one.explain(model, image, np.array([first]), self.settings)[0] for one in self.methods}
        lime = superpixels.explain(model, picture.pixels, int(first), self.copies, self.run.seed, segments=SEGMENTS)
        (distances,), (places,) = self.index.nearest(neighbours.last_features(model, image), ALIKE)
        alike = [data.class_names[data.train.labels[place]] for place in places]
        names, label, images = data.class_names, picture.label, [data.train.name(int(place)) for place in places]
        numbers = {"picture": picture.name, "label": "" if label is None else names[label], "answer": names[first]}
        numbers |= {"calibrated": sure[first], "raw": raw[0, first], "runner_up": names[second]}
        numbers |= {"runner_up_calibrated": sure[second], "runner_up_raw": raw[0, second], "methods": "; ".join(found)}
        numbers["mean_ranks"] = "; ".join(f"{self.ranks[name]:.2f}" for name in found if name in self.ranks)
        numbers |= self.rest(picture.pixels, int(first), next(iter(found.values())))
        numbers |= {"superpixels": len(lime.weights), "strongest": len(lime.foremost(STRONGEST, 1))}
        numbers |= {"lime_share": lime.concentration(STRONGEST), "lime_r2": lime.r2, "most_alike": "; ".join(alike)}
        numbers |= {"most_alike_images": "; ".join(images), "distance": distances[0]}
        texture = self.index.texture_distances(image)[0]
        numbers |= {"usual_distance": self.index.limit, "texture": texture, "usual_texture": self.index.texture_limit}
        numbers["unlike"] = bool(distances[0] > self.index.limit or texture > self.index.texture_limit)
        bars = {names[label]: (sure[label], raw[0, label]) for label in np.argsort(-raw[0])[:BARS]}
        grades = {name: said("explain.rank", rank=rank) for name, rank in self.ranks.items()}
        graded = ((grades.get(name, said("explain.no_rank")), name) for name in found)
        shown = {words.text("explain.map", method=name, grade=grade): found[name] for grade, name in graded}
        parts = lime.segments, lime.weight_map(), lime.strongest(STRONGEST)
        titles = [words.text("explain.near", label=label, distance=float(d)) for label, d in zip(alike, distances)]
        near = np.stack([data.train.images[place] for place in places])
        return numbers, partial(plots.explained_picture, picture.pixels, bars, shown, parts, near, titles)

    def rest(self, pixels: np.ndarray, answer: int, values: np.ndarray) -> dict[str, float]:
        """Hide by a blur the TOP share of the pixels, those that a map (H, W) puts first, or as many at random.

        Gives which share of the relevance these pixels have, and the calibrated probabilities of the answer.
        """
        chance = np.random.default_rng(self.run.seed).random((DRAWS, *values.shape))
        masks = insertion.pixel_ranks(np.stack([values, *chance]), self.run.seed) < round(TOP * values.size)
        shown = np.where(masks[..., np.newaxis], substrate(pixels[np.newaxis], "blur"), pixels)
        raw = all_probabilities(self.run.cnn().model, shown)
        hidden, *random = calibration.calibrate(raw, self.temperature)[:, answer].tolist()
        share = float(maps.relevance_share(values[np.newaxis])[0][masks[0]].sum())
        return {"top_share": share, "calibrated_hidden": hidden, "calibrated_hidden_at_random": float(np.mean(random))}

    def page(self, numbers: dict[str, Any]) -> dict[str, Any]:
        """Say, in the language that is spoken, what `explain` measured of a picture, and what holds for all of them."""
        data, shape, alike = self.run.dataset, self.run.dataset.image_shape, numbers["most_alike"].split("; ")
        split, colour = "test" if data.validates_on_test else "validation", "colour" if shape[2] == 3 else "grey"
        values = numbers | {"split": said(f"explain.splits.{split}"), "colour": said(f"explain.colours.{colour}")}
        values |= {"method": numbers["methods"].split("; ")[0], "usual": neighbours.USUAL, "draws": DRAWS, "top": TOP}
        values |= {"copies": self.copies, "count": len(alike), "most_alike": alike, "temperature": self.temperature}
        values |= {"fit": said(f"explain.fits.{data.reading.pixels.fit}"), "size": shape[0], "rows": len(self.ranks)}
        values["change"] = _change(numbers["calibrated"], numbers["calibrated_hidden"])

        def tell(key: str) -> str:
            fields = words.fields(words.template(f"explain.{key}"))
            return words.text(f"explain.{key}", **{name: values[name] for name in fields})

        label, like = numbers["label"], "unlike" if numbers["unlike"] else "like"
        verdict = ["right" if label == numbers["answer"] else "wrong"] if label else []
        notes = "reading", "fitted" if self.temperature != 1 else "unfitted", "graded" if self.ranks else "ungraded"
        lead = words.join([tell(key) for key in ["answer", *verdict]])
        page = {"name": numbers["picture"], "lead": lead, "notes": [tell(key) for key in notes]}
        page["warning"] = words.join([words.show(warning) for warning in self.warnings])
        lime = "lime" if numbers["strongest"] else "lime_against"
        return page | {"sentences": [words.join([tell(like), tell("measures")]), *map(tell, ("rest", lime, "alike"))]}


def _change(before: float, after: float) -> Said:
    if f"{before:.1%}" == f"{after:.1%}":
        return said("explain.stays", after=after)
    return said("explain.falls" if after < before else "explain.rises", before=before, after=after)
