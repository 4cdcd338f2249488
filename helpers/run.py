"""One run: its folder, data set, recipe and seed, its trained networks and the images chosen to be explained."""

import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
import pandas as pd

from helpers.answers import Answer, AnswerError, ahead, diagnosis, load_answer
from helpers.base import runs, timings, words
from helpers.base.code import code_digest, hold_sources
from helpers.base.keeper import Keeper, network_digest
from helpers.base.notebook import UsageError
from helpers.base.words import Said
from helpers.data import audit
from helpers.data.audit import Suspects
from helpers.data.datasets import Dataset, Split, claim_run, load_dataset, write_skipped
from helpers.data.sources import SPLITS
from helpers.networks.architectures import multiplications
from helpers.networks.chunks import FEWEST, as_many_as_last
from helpers.networks.fast import accelerate
from helpers.networks.logits import softmax
from helpers.networks.own import built, proof
from helpers.networks.own.source import Source, preferred_side, read_source
from helpers.networks.precision import describe_precision
from helpers.networks.prediction import predict_logits, predict_views
from helpers.networks.sample import Sample, choose_classes, choose_of_class
from helpers.networks.views import Views, ten_views
from helpers.report import plots
from helpers.training import pretrained, recipes
from helpers.training.batches import balances, class_weights
from helpers.training.given import Given, all_checks, open_given, proved
from helpers.training.loop import Trained
from helpers.training.networks import Network, Networks, count_convolutions, recipe_about
from helpers.training.stored import fitted_plan, keeper_of, load_or_train, network_form, training_parts

hold_sources()  # what this process keeps is known by the code that it runs

T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """One run of the report; everything that it writes lies in its folder."""

    folder: Path
    dataset: Dataset
    recipe: recipes.Recipe
    seed: int
    shipped: pretrained.PretrainedNetworks | None = None  # networks that are shipped; with them, nothing is trained
    own: Source | None = None  # the user's network, which all is about
    _built: dict[str, keras.Model] = field(default_factory=dict)  # in order to find their files; these are read into it

    def cnn(self) -> Trained:
        """Give the headline CNN, trained now if it has not been yet."""
        return self._headline

    def members(self) -> dict[str, Trained]:
        """Give the ensemble's members by a name for people; "cnn_second" is another training of the headline CNN."""
        names = self.shipped.manifest["ensemble"] if self.shipped else self.recipe.ensemble
        return {recipes.shown_name(name, place): self.network(name) for place, name in enumerate(names, 1)}

    def compared(self, name: str = "cnn") -> list[Trained]:
        """Give every training of a network that is compared; they differ in the seed alone.

        name: "cnn", the headline CNN; "dnn", of its size; "ablated", the CNN that is taken apart, which is the headline
        CNN unless that takes hours to train; or "cnn_plain" and so on, which is that one without an ingredient.
        """
        name = self.taken_apart if name == "ablated" else name
        return [self.network(one) for one in recipes.repeats(name, self.recipe)]

    @property
    def taken_apart(self) -> str:
        """Name the CNN of which versions without an ingredient are trained."""
        return self.shipped.manifest["ablated"] if self.shipped else self._networks.fitted.whole

    def missing_ablations(self) -> Mapping[str, object]:
        """Name the ablations that cannot be made of the CNN, each with the reason."""
        return self.shipped.missing if self.shipped else self._networks.missing

    def others(self) -> dict[str, Trained]:
        """Give the further networks of the recipe by name, such as other architectures with DNNs of their sizes."""
        own = (name for cnn in self.recipe.others for name in recipes.with_dnn(cnn))
        return {name: self.network(name) for name in (self.shipped.others if self.shipped else own)}

    def network(self, name: str) -> Trained:
        """Give one of the run's networks by name: from those shipped if there are any, else loaded or trained.

        Raises ValueError naming the networks there are on a name that is none.
        """
        if self.shipped:
            return Trained(*self.shipped.load(name), views=self.shipped.views(name))
        if self.given and name == "cnn":
            return self._headline
        if name not in self.networks:
            raise UsageError(f"There is no network {name!r}: choose one of {', '.join(self.networks)}.")
        network = self.networks[name]
        return load_or_train(
            partial(self._build, name),
            self.dataset,
            network.plan,
            seed=self._seed_of(network),
            name=name,
            keeper=self.keeper,
            soft_targets=self._soft_targets(network.teachers) if network.teachers else None,
            source=network.source,
            logs=self.folder / "tensorboard" / name,
        )

    def _seed_of(self, network: Network) -> int:
        return self.seed + 1000 * network.draw

    def _build(self, name: str) -> keras.Model:
        network = self.networks[name]
        return self._built.pop(name, None) or network.build(self._seed_of(network))

    def stored(self, name: str) -> Path | None:
        """Name the file of one of the recipe's networks; None where it, or one that teaches it, is not trained yet."""
        network = self.networks[name]
        if any(self.stored(teacher) is None for teacher in network.teachers):
            return None
        targets = self._soft_targets(network.teachers) if network.teachers else None
        model = self._build(name)
        plan = fitted_plan(model, network.plan, self.dataset)
        parts = training_parts(model, self.dataset, plan, self._seed_of(network), targets, network.source)
        path = self.keeper.path(name, parts, network_form(model, {}))
        if path.is_file():
            self._built[name] = model
        return path if path.is_file() else None

    def taught(self) -> dict[tuple[str, ...], list[str]]:
        """Name the networks that learned not from labels alone, by the networks from whose answers they learned."""
        if self.shipped:
            named = [(self.shipped.record(name).get("teachers"), name) for name in self.shipped.names]
        else:
            named = [(network.teachers, name) for name, network in self.networks.items()]
        return {tuple(some): [name for teachers, name in named if teachers == some] for some, _ in named if some}

    def _soft_targets(self, teachers: Sequence[str]) -> np.ndarray:
        """Average the teachers' probabilities over ten views of each training image: soft targets (N, classes)."""
        predicted = [self.predict_views(self.network(name), "train", ten_views) for name in teachers]
        return np.mean(predicted, axis=0)

    @property
    def networks(self) -> dict[str, Network]:
        """List the networks of the recipe by name, in the order in which they are wanted."""
        return self._networks.by_name

    @cached_property
    def _networks(self) -> Networks:
        trained = self.own is not None and self.own.trained
        return Networks(self.dataset, self.recipe, self.own, (lambda: self.cnn().model) if trained else None)

    def checks(self) -> Sequence[proof.Check]:
        """Give what was checked of the user's network before it is explained; nothing of the recipe's own networks.

        Raises NetworkError, in one sentence, where a check fails.
        """
        if self.given or not self.own:
            return self.given.checks if self.given else ()
        return all_checks(self.own, self.cnn().model, self.dataset, self.keeper)

    def compiled_with(self) -> str:
        """Name the optimiser that the user's network is compiled with and trained by; "" where it is the recipe's."""
        phase = self._networks.plan.phases[0]
        return phase.optimizer if phase.compiled else ""

    @cached_property
    def given(self) -> Given | None:
        """The user's network where that came trained, with how its pixels are prepared and what was checked."""
        return open_given(self.own, self.dataset, self.keeper) if self.own and self.own.trained else None

    def split(self, name: str) -> Split:
        """Give the training, validation or test split by name."""
        if name not in SPLITS:
            raise ValueError(f"There is no split {name!r}: choose one of {', '.join(SPLITS)}.")
        return getattr(self.dataset, name)

    def probabilities(self, split: str = "test") -> np.ndarray:
        """Give the headline CNN's probabilities for a split: (N, classes) float32, computed once and kept."""
        return self.predict(self.cnn(), split)

    def predict(self, trained: Trained, split: str, most: int | None = None) -> np.ndarray:
        """Give a network's probabilities for a split, or its first images: (N, classes) float32, once and kept."""
        images = self.split(split).images[:most]
        made_from = [code_digest(predict_logits), trained.model, self.dataset.digest, len(images)]
        kept = f"probabilities_{split}"
        return self.keeper.keep(kept, made_from, lambda: softmax(predict_logits(trained.model, images)))

    def predict_each(self, trainings: Sequence[Trained], split: str = "test") -> np.ndarray:
        """Give the probabilities of several trainings for a split: (trainings, N, classes) float32."""
        return np.stack([self.predict(one, split) for one in trainings])

    def predict_views(self, trained: Trained, split: str, views: Views | None = None) -> np.ndarray:
        """Give a network's probabilities averaged over views of each image: (N, classes) float32, once and kept.

        views: by default those that suit the network. The probabilities are computed in the precision in which such
        a network is trained, since there are so many more.
        """
        images, model, views = self.split(split).images, trained.model, views or trained.views
        made_from = [code_digest(predict_views, views), views.__name__, model, self.dataset.digest]
        kept = f"{views.__name__}_{split}"
        return self.keeper.keep(kept, made_from, lambda: predict_views(accelerate(model).predictor(), images, views))

    @property
    def keeper(self) -> Keeper:
        """What keeps all that is computed of these data, for this run and others of the same folder of runs."""
        return replace(keeper_of(self.folder.parent, self.dataset), used=self.uses.note)

    def keep(self, function: Callable[..., T], *arguments: object, **options: object) -> T:
        """Give what a function makes of these arguments, computed once and kept; see `Keeper.call`."""
        return self.keeper.call(function, *arguments, **options)

    def origin(self) -> str:
        """Say what answers about the headline CNN rest on: the digests of its weights and of the data."""
        return f"{network_digest(self.cnn().model)[:16]}-{self.dataset.fingerprint}"

    def stated(self, notebook: str, key: str) -> Any:
        """Read a number from another notebook's answer; None where there is none about the same network and data."""
        try:
            numbers = load_answer(self.folder, notebook)["numbers"]
        except AnswerError:
            return None
        return numbers.get(key) if numbers.get("origin") == self.origin() else None

    def recalls(self) -> np.ndarray:
        """Read each class's recall on the test split from the answer of notebook 03: (classes,) float64.

        Where that answer is missing or rests on another network or other data, they are counted anew.
        """
        stated = self.stated("03_confusion_matrix", "recall")
        if stated is not None:
            return np.array([stated[name] for name in self.dataset.class_names])
        labels, count = self.dataset.test.labels, len(self.dataset.class_names)
        found = labels[self.probabilities().argmax(axis=1) == labels]
        return np.bincount(found, minlength=count) / np.maximum(1, np.bincount(labels, minlength=count))

    def class_weights(self) -> dict[int, float]:
        """Say what an image of each class, by its number, counts for in training; nothing where all count the same."""
        if self.own and self.own.trained:
            return {}
        return class_weights(self.dataset.train.labels, len(self.dataset.class_names))

    def plan(self, name: str = "cnn") -> dict[str, Any]:
        """Give the plan by which a network was trained, as `asdict` does; nothing where the CNN came trained."""
        if self.shipped or (self.given and name == "cnn"):
            return self.shipped.record(name)["plan"] if self.shipped else {}
        trained = self.cnn() if name == "cnn" else self.network(name)
        return asdict(fitted_plan(trained.model, self.networks[name].plan, self.dataset))

    def plan_told(self, dropout: Sequence[float] = ()) -> list[Said]:
        """Say by what plan, dropout of its layers and in what time the headline CNN was trained, unless it came so."""
        plan, one = self.plan(), self.cnn()
        return recipes.told(plan, dropout, one.minutes, built.changing(one.model)) if plan else []

    def warn(self, answer: Answer, what: str = diagnosis.CNN, trained: Trained | None = None) -> list[str]:
        """Say first in an answer what is wrong with the headline CNN, or another network; gives the sentences."""
        one, plan = trained or self.cnn(), self.plan(what.lower())
        found = diagnosis.faults(one, self.dataset, self.predict(one, "test"), plan, self.keep)
        return diagnosis.warn(answer, what, found)

    @property
    def tested_splits(self) -> tuple[str, ...]:
        """Name the splits that accuracies are measured on: validation and test, or test alone where it is both."""
        return ("test",) if self.dataset.validates_on_test else ("validation", "test")

    def without_twin(self, split: str = "test") -> np.ndarray:
        """Tell which images of a split are identical to no training image: (N,) bool."""
        return audit.without_twin(self.split(split).images, self.dataset.train.images)

    def near_twins(self, split: str = "test") -> np.ndarray:
        """Tell which images of a split are near-duplicates of a training image, in training of another: (N,) bool."""
        return audit.near_twins(self._near_pairs, {n: len(part.labels) for n, part in self._audited.items()})[split]

    @cached_property
    def _near_pairs(self) -> np.ndarray | None:
        return audit.near_pairs(*(split.images for split in self._audited.values()))

    @property
    def _audited(self) -> dict[str, Split]:
        return {name: self.split(name) for name in ("train", *self.tested_splits)}

    def audit(self) -> pd.DataFrame:
        """Count copies, conflicting labels and images that show little, as `audit.audit` does, in each split."""
        images, labels = ({n: getattr(s, kind) for n, s in self._audited.items()} for kind in ("images", "labels"))
        return audit.audit(images, labels, self._near_pairs)

    def suspects(self, most: int) -> Suspects:
        """Find the training images, of the first `most`, whose label the CNN and predictions without it contradict."""
        train, said = self.dataset.train, self.predict(self.cnn(), "train", most)
        return self.keep(audit.find_suspects, train.images[:most], train.labels[:most], said, self.seed)

    def class_counts(self) -> pd.DataFrame:
        """Count the images of each class in each split: one row a class, and one for all."""
        return audit.class_counts(self._audited, self.dataset.class_names)

    def sample(
        self, per_class: int = 1, min_confidence: float = 0.9, most: int = 12, only: str = "", image: int = -1
    ) -> Sample:
        """Choose test images of `choose_classes` that the CNN classifies correctly with at least this probability.

        A class without enough of them gives its most confident correct images, or failing those the images with the
        highest probability of their class; `confident` says which. The choice among the confident ones follows from
        the seed. only: the one class to choose from, "" for all; image: the place of the one to take, -1 for none.
        """
        if image >= 0:
            return self.sample_of(np.array([image]), "test", min_confidence)
        names, labels = self.dataset.class_names, self.dataset.test.labels
        shown = [names.index(only)] if only else choose_classes(self.recalls, names, most).tolist()
        random = np.random.default_rng([self.seed, zlib.crc32(b"sample")])
        chosen = [choose_of_class(self.probabilities(), labels, k, per_class, min_confidence, random) for k in shown]
        return self.sample_of(np.concatenate(chosen), "test", min_confidence)

    def random_sample(self, count: int, split: str = "test", *, bounded: bool = False, least: int = FEWEST) -> Sample:
        """Draw images of a split at random, as the seed says.

        bounded: where images or the network are large, as many as take as long as `count` usual ones, or `least`.
        """
        if bounded:
            count = as_many_as_last(count, self.dataset.image_shape, multiplications(self.cnn().model), least)
        random = np.random.default_rng([self.seed, zlib.crc32(b"random")])
        available = len(self.split(split).labels)
        return self.sample_of(random.choice(available, min(count, available), replace=False), split)

    def sample_of(self, indices: np.ndarray, split: str = "test", min_confidence: float = 0.9) -> Sample:
        """Give the images at these places of a split as a sample."""
        probabilities, chosen = self.probabilities(split)[indices], self.split(split)
        predicted, labels = probabilities.argmax(axis=1), chosen.labels[indices]
        evidence = None if self.dataset.evidence is None else np.asarray(self.dataset.evidence[split][indices])
        confidence = probabilities.max(axis=1)
        confident = (predicted == labels) & (confidence >= min_confidence)
        images, names = np.asarray(chosen.images[indices]), self.dataset.class_names
        return Sample(images, labels, predicted, confidence, np.asarray(indices), names, evidence, confident)

    def answer(self, notebook: str, title: str = "", question: str = "") -> Answer:
        """Begin the answer of one notebook, whose own parameters are read where this is called.

        With parameters that are not the report's, a notebook that is run by hand writes beside the report. Raises
        UsageError on a value that a parameter cannot have.
        """
        data, depth = self.dataset, partial(count_convolutions, self.dataset, self.recipe.name)
        own = runs.own_parameters(notebook, sys._getframe(1).f_globals, data.class_names, depth, len(data.test.labels))
        if timings.is_live():
            print(ahead.told(self, notebook, own))
        folder = runs.folder_of_answer(self.folder, notebook, self.recipe.name, own)
        self.uses.begin(notebook if folder == self.folder else f"{notebook} {folder.name}")
        if folder == self.folder:
            runs.record_parameters(folder, notebook, own)
        made_with = {"recipe": self.recipe.name, "seed": self.seed, "balance": balances(), "dataset": data.name}
        made_with |= {"data": data.fingerprint, "precision": describe_precision(), "image_size": data.image_shape[0]}
        made_with |= {"network": runs.read_run(self.folder).get("network", ""), "trainings": self.recipe.trainings}
        about = {"run": made_with, "parameters": own, "classes": list(data.class_names)}
        answer = Answer(folder, notebook, title, question, about)
        print(*(() if notebook == diagnosis.TRAINING else self.warn(answer)), sep="\n", end="")
        return answer

    @cached_property
    def uses(self) -> runs.Uses:
        """What notes which kept files are asked for, and by whom."""
        return runs.Uses(self.folder)

    @cached_property
    def _headline(self) -> Trained:
        trained = self.given.trained if self.given else self.network("cnn")
        return proved(trained, self.dataset, self.keeper) if self.own else trained


def open_run(dataset: str, recipe: str, seed: int, reports: str = "reports", image_size: int = 0) -> Run:
    """Open the run of a data set: load the data and make the run's folder.

    image_size: pixels a side of the images, or 0 for the data set's default, or what the network wants. Values left at
    their defaults are those of JupyterLab. With the recipe "pretrained", no training image is kept for validation.
    Raises ValueError on an unknown data set, recipe or seed, and on shipped networks not whole or not for these data.
    """
    asked = runs.follow_lab(dict(zip(runs.COMMON, (dataset, recipe, seed, reports, image_size))))
    dataset, recipe, seed, reports, image_size = asked.values()
    runs.check_seed(seed)
    source, image_size = read_source(recipe), image_size or preferred_side(recipe)
    recipe_about(recipes.get_recipe(recipe), source)  # what cannot be is said before the data are read
    shipped = pretrained.open_pretrained() if recipe == pretrained.RECIPE else None
    loaded = load_dataset(dataset, image_size=image_size or None, keep_training=shipped is not None)
    if shipped:
        shipped.check(loaded)
    chosen = recipe_about(recipes.get_recipe(recipe), source, loaded.evidence is not None)
    words.keep(loaded.class_names)
    plots.missing_characters("".join(loaded.class_names))  # has fonts of this machine help out in figures
    facts = {"balance": balances(recipe), **pretrained.traits(source, recipe)}
    folder = claim_run(loaded, recipe, seed, runs.place_of(reports), image_size, **facts)
    write_skipped(folder / "skipped.csv", loaded.skipped)
    return Run(folder, loaded, chosen, seed, shipped, None if isinstance(source, str) else source)
