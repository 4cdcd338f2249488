"""How long a notebook will take here: from its images, the networks that it has to train, and earlier times."""

from collections.abc import Iterable, Mapping
from typing import Any  # of a run, whose type is of a later room

from helpers.base import timings
from helpers.base.words import Said, duration, said
from helpers.networks.architectures import multiplications
from helpers.training.recipes import repeats
from helpers.training.stored import training_kind, training_work


def told(run: Any, notebook: str, own: Mapping[str, object]) -> Said:
    """Say how long a notebook will take with these parameters of its own, and how much of it is training."""
    trainings = [untrained(run, name)[:2] for name in waiting(run, [notebook])]
    training = sum(timings.expect(*one, timings.USUAL_TRAINING) for one in trainings)
    work = timings.notebook_work(own, *size_of(run))
    alone = timings.expect(f"{notebook}, {run.recipe.name}", work, timings.USUAL_NOTEBOOK, fixed=timings.START)
    if not trainings:
        return said("progress.takes", time=duration(alone))
    values = {"time": duration(training + alone), "training": duration(training)}
    return said("progress.trains", **values, networks=len(trainings))


def waiting(run: Any, notebooks: Iterable[str]) -> list[str]:
    """Name a run's networks that notebooks ask for and that are not trained yet."""
    needed = {name for notebook in notebooks for name in _needed(run, notebook)}
    names = [] if run.shipped else [name for name in run.networks if name in needed]
    kept = {name for name in names if any(run.keeper.folder.glob(f"{name}_*.keras"))}
    # whatever is kept of one with teachers counts, whose predictions are not made here
    return [name for name in names if name not in kept or not (run.networks[name].teachers or run.stored(name))]


def untrained(run: Any, name: str) -> tuple[str, float, int]:
    """Give the kind and the amount of the work to train a network, and the bytes of its file."""
    model = run.networks[name].build(0)
    return training_kind(model), training_work(model, run.dataset, run.networks[name].plan), 4 * model.count_params()


def size_of(run: Any) -> tuple[int, int]:
    """Count the images that are tested, and the multiplications that the headline CNN takes for one."""
    headline = run.networks["cnn"].build(0) if "cnn" in run.networks and not run.shipped else run.cnn().model
    return len(run.dataset.test.labels), multiplications(headline)


def _needed(run: Any, notebook: str) -> set[str]:
    """Name the networks that a notebook asks for: the CNN, those like it, or those that it is compared with."""
    alike = {"cnn", *run.recipe.ensemble, *run.recipe.teachers, *repeats("cnn", run.recipe)}
    others = {*run.networks} - alike | {"cnn"}
    found = {"01_train_cnn": alike, "02_compare_dnn": others}.get(notebook, {"cnn"}) & {*run.networks}
    return found | {teacher for name in found for teacher in run.networks[name].teachers}
