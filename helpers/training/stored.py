"""Trained networks as files: loaded where they were trained just so, and trained anew where not."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from helpers.base.files import draft_path, locked, write_atomically, write_json, writing
from helpers.base.machine import describe_machine
from helpers.data.datasets import Dataset
from helpers.networks.architectures import multiplications
from helpers.networks.precision import accelerates, choose_precision
from helpers.training.augmentation import Augmentation
from helpers.training.loop import Trained, TrainingError, train
from helpers.training.recipes import Phase, Plan


def load_or_train(
    build: Callable[[], keras.Model],
    dataset: Dataset,
    plan: Plan,
    *,
    seed: int,
    name: str,
    folder: Path,
    soft_targets: np.ndarray | None = None,
    report: Callable[[str], None] = print,
) -> Trained:
    """Load the network `name` from the folder if it was trained just so; else build, train and save it there.

    Just so means: the same architecture, plan, seed, data set, soft targets, precision, way to train (ACCELERATE) and
    Keras version. A lock makes a second process wait for the first one's training instead of repeating it. With
    TENSORBOARD=1 in the environment, each epoch is logged under the folder for TensorBoard. Raises WriteError where
    the disk refuses.
    """
    model = build()
    key = training_key(model, dataset, plan, seed, soft_targets)
    with locked(folder / f".{name}.lock"):
        if (trained := load_trained(folder, name, key)) is None:
            checkpoint, logs = folder / f".{name}.{key}.npz", _logs(folder / "tensorboard" / name)
            trained = train(
                model,
                dataset,
                plan,
                seed=seed,
                name=name,
                soft_targets=soft_targets,
                checkpoint=checkpoint,
                logs=logs,
                report=report,
            )
            facts = {"seed": seed, "plan": asdict(plan), "data": dataset.fingerprint, "machine": describe_machine()}
            _save_trained(trained, folder, name, key, facts)
            for leftover in folder.glob(f".{name}.*.npz"):
                leftover.unlink()
    return trained


def _logs(folder: Path) -> Path | None:
    """Name the folder for TensorBoard's logs if they are asked for; TrainingError if they cannot be written."""
    if os.environ.get("TENSORBOARD", "0") in ("", "0"):
        return None
    if find_spec("tensorboard") is None:
        raise TrainingError('TENSORBOARD=1 needs more: .venv/bin/python -m pip install -e ".[tensorboard]".')
    return folder


def training_key(
    model: keras.Model, dataset: Dataset, plan: Plan, seed: int, soft_targets: np.ndarray | None = None
) -> str:
    """Condense all that a training's result depends on into a short hash."""
    taught = [] if soft_targets is None else [hashlib.sha256(soft_targets.tobytes()).hexdigest()]
    parts = [
        _architecture(model),
        _settings(plan),
        seed,
        dataset.fingerprint,
        keras.__version__,
        keras.backend.backend(),
        choose_precision(multiplications(model)),
        *([] if accelerates() else ["plain Keras"]),
        *taught,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _settings(plan: Plan | Phase | Augmentation) -> dict:
    """Describe a plan by what is not as by default, so that a new option leaves the networks of old plans valid."""
    chosen = {f.name: getattr(plan, f.name) for f in fields(plan) if getattr(plan, f.name) != f.default}
    if isinstance(plan, Plan):
        chosen |= {"phases": [_settings(phase) for phase in plan.phases], "augmentation": _settings(plan.augmentation)}
    return chosen


def _architecture(model: keras.Model) -> list:
    """Describe a model's layers without their names, which Keras numbers anew in every process."""
    described = []
    for layer in model.layers:
        config = {k: v for k, v in layer.get_config().items() if k != "name"}
        described.append([type(layer).__name__, json.loads(json.dumps(config, default=str))])
    return described


def load_trained(folder: Path, name: str, key: str) -> Trained | None:
    """Load a saved network if its key is this one and its files are what was saved; None otherwise.

    A file that was cut or changed is not even opened, and none may bring code along.
    """
    weights = folder / f"{name}.keras"
    try:
        record = json.loads((folder / f"{name}.json").read_text())
        if record["key"] != key or record["weights"] != _sha256(weights):
            return None
        model = keras.models.load_model(weights, compile=False, safe_mode=True)
        return Trained(model, pd.read_csv(folder / f"{name}.csv"))
    except Exception:  # foreign bytes bring about errors of any kind, and the answer to all is to train again
        return None


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _save_trained(trained: Trained, folder: Path, name: str, key: str, facts: Mapping[str, object]) -> None:
    """Save model, history, key and facts about the training; the key last, so that what it vouches for is complete."""
    record = folder / f"{name}.json"
    record.unlink(missing_ok=True)
    draft = draft_path(folder / name, ".keras")
    with writing(folder / f"{name}.keras"):
        try:
            trained.model.save(draft)
            draft.replace(folder / f"{name}.keras")
        finally:
            draft.unlink(missing_ok=True)
    write_atomically(folder / f"{name}.csv", trained.history.to_csv(index=False).encode())
    summary = {
        "key": key,
        "weights": _sha256(folder / f"{name}.keras"),
        "parameters": trained.model.count_params(),
        "seconds": trained.seconds,
        **facts,
    }
    write_json(record, summary)
