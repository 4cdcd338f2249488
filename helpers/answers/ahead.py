"""How long a notebook will take here: from its images, the networks that it has to train, and earlier times."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from helpers.base import timings
from helpers.base.keeper import Keeper
from helpers.base.words import Said, duration, said
from helpers.data.datasets import Dataset
from helpers.networks.architectures import multiplications
from helpers.training.loop import Trained
from helpers.training.networks import Network
from helpers.training.recipes import Recipe, names_of_seeds
from helpers.training.stored import training_kind, training_work


class Asked(Protocol):
    """What of a run its work follows from."""

    @property
    def dataset(self) -> Dataset: ...
    @property
    def recipe(self) -> Recipe: ...
    @property
    def shipped(self) -> Any: ...
    @property
    def networks(self) -> Mapping[str, Network]: ...
    @property
    def keeper(self) -> Keeper: ...
    def cnn(self) -> Trained: ...
    def stored(self, name: str) -> Path | None: ...


def told(run: Asked, notebook: str, own: Mapping[str, object]) -> Said:
    """Say how long a notebook will take with these parameters of its own, and how much of it is training."""
    trainings = [untrained(run, name)[:2] for name in waiting(run) if name in _needed(run, notebook)]
    training = sum(timings.training_seconds(*one) for one in trainings)
    images, each = size_of(run)
    whole = training + timings.notebook_seconds(*timings.notebook_work(notebook, run.recipe.name, own, images, each))
    values = {"time": duration(whole), "training": duration(training), "networks": len(trainings)}
    return said("progress.trains", **values) if trainings else said("progress.takes", time=values["time"])


def waiting(run: Asked) -> list[str]:
    """Name a run's networks that are not trained yet."""
    return [] if run.shipped else [name for name in run.networks if not _is_trained(run, name)]


def untrained(run: Asked, name: str) -> tuple[str, float, int]:
    """Give the kind and the amount of the work to train a network, and the bytes of its file."""
    model = run.networks[name].build(0)
    return training_kind(model), training_work(model, run.dataset, run.networks[name].plan), 4 * model.count_params()


def size_of(run: Asked) -> tuple[int, int]:
    """Count the images that are tested, and the multiplications that the headline CNN takes for one."""
    headline = run.networks["cnn"].build(0) if "cnn" in run.networks and not run.shipped else run.cnn().model
    return len(run.dataset.test.labels), multiplications(headline)


def _needed(run: Asked, notebook: str) -> set[str]:
    """Name the networks that a notebook asks for: the CNN, those like it, or those that it is compared with."""
    alike = {"cnn", *run.recipe.ensemble, *names_of_seeds(run.recipe)}
    others = {*run.networks} - alike | {"cnn", run.recipe.compared or "cnn"}
    found = {"01_train_cnn": alike, "02_compare_dnn": others}.get(notebook, {"cnn"}) & {*run.networks}
    return found | {teacher for name in found for teacher in run.networks[name].teachers}


def _is_trained(run: Asked, name: str) -> bool:
    """Tell whether a network is kept; of one with teachers, whose predictions are not made here, whether any is."""
    kept = any(run.keeper.folder.glob(f"{name}_*.keras"))
    return kept and (bool(run.networks[name].teachers) or run.stored(name) is not None)
