"""One run: its folder, data set, recipe and seed, its trained networks and the images chosen to be explained."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from helpers.answers import Answer, AnswerError, load_answer
from helpers.datasets import ROOT, Dataset, Split, load_dataset
from helpers.files import write_atomically, write_json
from helpers.models import build_cnn, build_dnn
from helpers.training import (
    Plan,
    Recipe,
    Trained,
    get_recipe,
    load_or_train,
    predict_logits,
    slow_down,
    softmax,
)


@dataclass(frozen=True)
class Sample:
    """Images chosen from one split to be explained."""

    images: np.ndarray  # (N, H, W, C) uint8
    labels: np.ndarray  # (N,) int64, true classes
    predicted: np.ndarray  # (N,) int64
    confidence: np.ndarray  # (N,) float32, probability of the predicted class
    indices: np.ndarray  # (N,) int64, places in the split
    class_names: tuple[str, ...]
    evidence: np.ndarray | None  # (N, H, W) bool, where the data set knows it
    confident: np.ndarray  # (N,) bool, whether the confidence asked for was reached

    def choose(self, wanted: str, preference: np.ndarray) -> int:
        """Give the place of the first image of the class `wanted`, or for "" of the most preferred one.

        preference: (N,), the higher the better; confident images come before others. Raises ValueError on a
        class that the data set does not have.
        """
        if not wanted:
            return int(np.lexsort((preference, self.confident))[-1])
        if wanted not in self.class_names:
            raise ValueError(f"There is no class {wanted!r}: choose one of {', '.join(self.class_names)}.")
        return int(np.flatnonzero(self.labels == self.class_names.index(wanted))[0])


@dataclass(frozen=True)
class Run:
    """One run of the report; everything that it writes lies in its folder."""

    folder: Path
    dataset: Dataset
    recipe: Recipe
    seed: int

    def cnn(self) -> Trained:
        """Give the headline CNN, trained now if it has not been yet."""
        return self._headline

    def second_cnn(self) -> Trained:
        """Give the ensemble's second member: the same architecture, another seed, other augmentation."""
        return self.train("cnn_second", self._build_cnn, self.recipe.second_plan, member=1)

    def dnn(self) -> Trained:
        """Give the plain DNN with as many parameters as the headline CNN."""
        build = partial(build_dnn, self._build_cnn(0), seed=self.seed)
        return self.train("dnn", lambda _: build(), slow_down(self.recipe.plan))

    def ablation(self, name: str, *, normalization: str, batch_norm: bool) -> Trained:
        """Give the headline architecture with parts taken out, trained on the same budget without augmentation."""
        build = partial(self._build_cnn, normalization=normalization, batch_norm=batch_norm)
        plan = self.recipe.plain_plan if batch_norm else slow_down(self.recipe.plain_plan)
        return self.train(f"cnn_{name}", build, plan)

    def train(self, name: str, build: Callable[[int], keras.Model], plan: Plan, member: int = 0) -> Trained:
        """Load or train one of the run's networks; `build` gets the seed of the initial weights."""
        seed = self.seed + 1000 * member
        return load_or_train(
            partial(build, seed), self.dataset, plan, seed=seed, name=name, folder=self.folder / "models"
        )

    def split(self, name: str) -> Split:
        """Give the training, validation or test split by name."""
        splits = {
            "train": self.dataset.train,
            "validation": self.dataset.validation,
            "test": self.dataset.test,
        }
        if name not in splits:
            raise ValueError(f"There is no split {name!r}: choose one of {', '.join(splits)}.")
        return splits[name]

    def probabilities(self, split: str = "test") -> np.ndarray:
        """Give the headline CNN's probabilities for a split: (N, classes) float32, computed once and kept."""
        return self.predict(self.cnn(), split)

    def predict(self, trained: Trained, split: str) -> np.ndarray:
        """Give a network's probabilities for a split: (N, classes) float32, computed once and kept."""
        images = self.split(split).images
        path = self.folder / "models" / "predictions" / f"{split}_{_weights_digest(trained.model)}.npy"
        if path.exists():
            return np.load(path)
        probabilities = softmax(predict_logits(trained.model, images))
        buffer = BytesIO()
        np.save(buffer, probabilities)
        write_atomically(path, buffer.getvalue())
        return probabilities

    def origin(self) -> str:
        """Say what answers about the headline CNN rest on: the digests of its weights and of the data."""
        return f"{_weights_digest(self.cnn().model)}-{self.dataset.fingerprint}"

    def recalls(self) -> np.ndarray:
        """Read each class's recall on the test split from the answer of notebook 03: (classes,) float64.

        Where that answer is missing or rests on another network or other data, they are counted anew.
        """
        try:
            numbers = load_answer(self.folder, "03_confusion_matrix")["numbers"]
        except AnswerError:
            numbers = {}
        if numbers.get("origin") == self.origin():
            return np.array([numbers["recall"][name] for name in self.dataset.class_names])
        labels, count = self.dataset.test.labels, len(self.dataset.class_names)
        found = labels[self.probabilities().argmax(axis=1) == labels]
        return np.bincount(found, minlength=count) / np.maximum(1, np.bincount(labels, minlength=count))

    def class_counts(self) -> pd.DataFrame:
        """Count the images of each class in each split: one row a class, and one for all."""
        names = self.dataset.class_names
        counts = {
            split: np.bincount(self.split(split).labels, minlength=len(names))
            for split in ("train", "validation", "test")
        }
        table = pd.DataFrame(counts, index=pd.Index(names, name="class"))
        return pd.concat([table, table.sum().to_frame("all").T.rename_axis("class")]).reset_index()

    def sample(self, per_class: int = 1, min_confidence: float = 0.9, split: str = "test") -> Sample:
        """Choose images of every class that the CNN classifies correctly with at least this probability.

        A class without enough of them gives its most confident correct images, or failing those the images with the
        highest probability of their class; `confident` says which. The choice among the confident ones follows from
        the seed.
        """
        probabilities, labels = self.probabilities(split), self.split(split).labels
        random = np.random.default_rng([self.seed, zlib.crc32(b"sample")])
        chosen = np.concatenate(
            [
                _choose(probabilities, labels, label, per_class, min_confidence, random)
                for label in range(len(self.dataset.class_names))
            ]
        )
        return self.sample_of(chosen, split, min_confidence)

    def random_sample(self, count: int, split: str = "test") -> Sample:
        """Draw images of a split at random, as the seed says."""
        random, available = (
            np.random.default_rng([self.seed, zlib.crc32(b"random")]),
            len(self.split(split).labels),
        )
        return self.sample_of(random.choice(available, min(count, available), replace=False), split)

    def sample_of(self, indices: np.ndarray, split: str = "test", min_confidence: float = 0.9) -> Sample:
        """Give the images at these places of a split as a sample."""
        probabilities, chosen = self.probabilities(split)[indices], self.split(split)
        predicted, labels = probabilities.argmax(axis=1), chosen.labels[indices]
        evidence = None if self.dataset.evidence is None else np.asarray(self.dataset.evidence[split][indices])
        confidence = probabilities.max(axis=1)
        return Sample(
            np.asarray(chosen.images[indices]),
            labels,
            predicted,
            confidence,
            np.asarray(indices),
            self.dataset.class_names,
            evidence,
            (predicted == labels) & (confidence >= min_confidence),
        )

    def answer(self, notebook: str, title: str, question: str) -> Answer:
        """Begin the answer of one notebook."""
        return Answer(self.folder, notebook, title, question)

    @cached_property
    def _headline(self) -> Trained:
        return self.train("cnn", self._build_cnn, self.recipe.plan)

    def _build_cnn(self, seed: int, **options) -> keras.Model:
        dataset = self.dataset
        return build_cnn(self.recipe.cnn, dataset.image_shape, len(dataset.class_names), seed=seed, **options)


def open_run(dataset: str, recipe: str, seed: int, reports: str = "reports", image_size: int = 0) -> Run:
    """Open the run of a data set: load the data and make the run's folder.

    image_size: pixels a side of the images, or 0 for the data set's default.
    Raises ValueError on a data set, recipe or seed that does not exist, in a sentence that names the legal values.
    """
    if not isinstance(seed, int) or seed < 0:
        raise ValueError(f"The seed {seed!r} is no whole number of at least 0.")
    chosen, loaded = get_recipe(recipe), load_dataset(dataset, image_size=image_size or None)
    folder = ROOT / reports / loaded.name
    description = {"title": loaded.title, "notes": list(loaded.notes), "fingerprint": loaded.fingerprint}
    write_json(folder / "run.json", description)
    return Run(folder, loaded, chosen, seed)


def _choose(
    probabilities: np.ndarray,
    labels: np.ndarray,
    label: int,
    count: int,
    min_confidence: float,
    random: np.random.Generator,
) -> np.ndarray:
    """Choose places of images of one class: confident ones at random, then by falling confidence."""
    own = np.flatnonzero(labels == label)
    correct = probabilities[own].argmax(axis=1) == label
    confidence = probabilities[own, label]
    confident = own[correct & (confidence >= min_confidence)]
    if len(confident) >= count:
        return random.choice(confident, count, replace=False)
    return own[np.lexsort((-confidence, ~correct))][:count]


def _weights_digest(model: keras.Model) -> str:
    """Condense a model's weights into a few characters, so that predictions never outlive them."""
    digest = 0
    for weight in model.get_weights():
        digest = zlib.crc32(np.ascontiguousarray(weight).tobytes(), digest)
    return f"{digest:08x}"
