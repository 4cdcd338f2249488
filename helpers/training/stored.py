"""Trained networks as files: loaded where they were trained just so, and trained where not.

A network is kept as a `.keras` file that Keras opens without this package; the history of its training and a record
of what it was made from lie in the same file, so that there is a whole network or none.
"""

import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from helpers.base import timings
from helpers.base.code import code_digest
from helpers.base.keeper import Form, Keeper, architecture
from helpers.base.machine import describe_machine
from helpers.base.runs import KEPT
from helpers.data.datasets import Dataset
from helpers.networks.architectures import multiplications
from helpers.networks.chunks import gradient_bytes
from helpers.networks.precision import accelerates, describe_precision, precision_for
from helpers.training import head as of_head
from helpers.training import loop
from helpers.training.augmentation import AUGMENTATIONS, Augmentation
from helpers.training.batches import balances, class_weights
from helpers.training.head import train_head
from helpers.training.loop import Trained, TrainingError, train
from helpers.training.recipes import Phase, Plan, fit_batch, fit_epochs, fit_images

HISTORY, RECORD = "history.csv", "record.json"  # in a network's file, beside what Keras puts there
# What these give, a network's layers and its plan, is told in full; another recipe beside it makes nothing stale.
_TOLD = ("helpers.networks.architectures", "helpers.training.recipes")


def load_or_train(
    build: Callable[[], keras.Model],
    dataset: Dataset,
    plan: Plan,
    *,
    seed: int,
    name: str,
    keeper: Keeper,
    soft_targets: np.ndarray | None = None,
    source: str = "",
    logs: Path | None = None,
    report: Callable[[str], None] = timings.say,
) -> Trained:
    """Load the network `name` if it was trained just so; else build, train and keep it.

    Just so means: all that `training_parts` lists. source: digest of a user's file that builds it. One process
    trains while others wait, and an interrupted training goes on. With TENSORBOARD=1 in the environment, each epoch is
    logged under `logs` for TensorBoard. Raises WriteError where the disk refuses, and TrainingError on a network that
    cannot be kept.
    """
    model = build()
    plan = fitted_plan(model, plan, dataset)
    parts = training_parts(model, dataset, plan, seed, soft_targets, source)
    facts = {"seed": seed, "plan": asdict(plan), "data": dataset.fingerprint, "machine": describe_machine()}
    form = network_form(model, facts)
    path = keeper.path(name, parts, form)
    checkpoint = path.with_name(f".{path.stem}.checkpoint")
    began, known = time.monotonic(), path.is_file()

    def compute() -> Trained:
        weights = class_weights(dataset.train.labels, len(dataset.class_names)) or None
        said: dict[str, Any] = {"name": name, "report": report, "class_weight": weights}
        head = train_head(model, dataset, plan, keeper, **said) if plan.has_head else None
        before = model.get_weights()
        said |= {"seed": seed, "soft_targets": soft_targets, "checkpoint": checkpoint, "logs": _logs(logs)}
        trained = train(model, dataset, plan.of_whole, **said)
        timings.note(training_kind(model), training_work(model, dataset, plan, len(trained.history)), trained.seconds)
        if head is not None and trained.history["val_loss"].iloc[-1] >= head["val_loss"].iloc[-1]:
            report(f"training {name}: all that it learned after its head makes it worse on validation, and is dropped")
            model.set_weights(before)
            return Trained(model, head)
        return trained if head is None else trained.after(head)

    trained = keeper.keep(name, parts, compute, form)
    checkpoint.unlink(missing_ok=True)
    if not known:
        report(f"training {name}: there after {time.monotonic() - began:.0f} s")
    return trained


def keeper_of(reports: Path, dataset: Dataset) -> Keeper:
    """Give what keeps all that is computed of these data for the runs in a folder."""
    facts = {"precision": describe_precision(), "backend": keras.backend.backend()}
    facts |= {"way": "accelerated" if accelerates() else "plain"}
    return Keeper(reports / KEPT / dataset.fingerprint, facts)


def training_kind(model: keras.Model) -> str:
    """Name the kind of work that a network's training is on this machine: what decides how fast it goes."""
    way = "accelerated" if accelerates() else "plain"
    return f"training, {precision_for(model)}, {way}, {keras.backend.backend()}"


def training_work(model: keras.Model, dataset: Dataset, plan: Plan, epochs: int = 0) -> float:
    """Count the multiplications of a training's forward passes, of so many epochs or of all that the plan allows."""
    images = len(dataset.train.labels)
    epochs = epochs or sum(phase.epochs for phase in fit_epochs(plan.of_whole, images).phases)
    return float(multiplications(model)) * epochs * min(images, plan.max_images or images)


def fitted_plan(model: keras.Model, plan: Plan, dataset: Dataset) -> Plan:
    """Give the plan by which a model is trained: in smaller batches where the plan's would not fit in memory.

    Where a plan bounds the number of images, fewer large ones are shown, as each costs more, in as many epochs as fit.
    """
    bounded = fit_epochs(fit_images(plan, dataset.image_shape[0]), len(dataset.train.labels))
    return fit_batch(bounded, gradient_bytes(model, dataset.image_shape))


def _logs(folder: Path | None) -> Path | None:
    """Name the folder for TensorBoard's logs if they are asked for; TrainingError if they cannot be written."""
    if folder is None or os.environ.get("TENSORBOARD", "0") in ("", "0"):
        return None
    if find_spec("tensorboard") is None:
        raise TrainingError('TENSORBOARD=1 needs more: .venv/bin/python -m pip install -e ".[tensorboard]".')
    return folder


def training_parts(
    model: keras.Model,
    dataset: Dataset,
    plan: Plan,
    seed: int,
    soft_targets: np.ndarray | None = None,
    source: str = "",
) -> dict[str, object]:
    """List all that a training's result depends on, besides the versions of what computes.

    Raises TrainingError on a layer of one's own that does not say how it was made.
    """
    try:
        layers = architecture(model)
    except TypeError as error:
        raise TrainingError(str(error)) from None
    return {
        **({"balance": True} if balances() else {}),  # what was trained before there was this choice is still valid
        "architecture": layers,
        "plan": _settings(plan),
        "seed": seed,
        "data": dataset.digest,
        "backend": keras.backend.backend(),
        "accelerated": accelerates(),
        "precision": precision_for(model),
        "soft targets": soft_targets,
        "code": code_digest(loop, apart=_TOLD),
        **({"source": source} if source else {}),
        **({"head": code_digest(of_head, apart=_TOLD)} if plan.has_head else {}),
        "augmentations": [AUGMENTATIONS.get(name) for name, _ in plan.augmentation.others],
    }


def _settings(plan: Plan | Phase | Augmentation) -> dict:
    """Describe a plan by what is not as by default, so that a new option leaves the networks of old plans valid."""
    chosen = {f.name: getattr(plan, f.name) for f in fields(plan) if getattr(plan, f.name) != f.default}
    if isinstance(plan, Plan):
        chosen |= {"phases": [_settings(phase) for phase in plan.phases], "augmentation": _settings(plan.augmentation)}
    return chosen


def network_form(model: keras.Model, facts: Mapping[str, object]) -> Form[Trained]:
    """Describe the file of a trained network: read into `model`, which is built like it, so that no file brings code.

    facts: are written beside the network, with its size and the seconds that it took.
    """

    def write(trained: Trained) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network.keras"
            # the optimiser that a network trained by plain Keras still has is no part of what was learned
            trained.model.compiled, trained.model.optimizer = False, None
            trained.model.save(file)
            record = {"parameters": trained.model.count_params(), "seconds": trained.seconds, **facts}
            with zipfile.ZipFile(file, "a") as archive:
                archive.writestr(HISTORY, trained.history.to_csv(index=False))
                archive.writestr(RECORD, json.dumps(record, indent=1))
            return file.read_bytes()

    def read(content: bytes) -> Trained:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network.keras"
            file.write_bytes(content)
            try:
                model.load_weights(file)
            except (ValueError, KeyError, OSError):  # a whole file, of a network that is not this one
                told = f"A file of {model.name} is not the network that was kept under its name; find it in the folder"
                raise TrainingError(f"{told} `.kept` beside the runs, delete it and start again.") from None
        return Trained(model, read_history(content))

    return Form(".keras", write, read)


def read_history(content: bytes) -> pd.DataFrame:
    """Read the history of its training from the content of a network's file."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return pd.read_csv(BytesIO(archive.read(HISTORY)))


def read_record(file: Path) -> dict:
    """Read the facts about its training from a network's file."""
    with zipfile.ZipFile(file) as archive:
        return json.loads(archive.read(RECORD))
