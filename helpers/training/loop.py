"""Training: a loop that resumes where it was interrupted and ends with the same numbers."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops

from helpers.base.checks import UserError
from helpers.base.files import read_sealed, write_sealed
from helpers.data.datasets import Dataset, Split
from helpers.networks.fast import Accelerated, accelerate
from helpers.networks.logits import softmax
from helpers.networks.prediction import predict_in_batches, predict_views
from helpers.networks.views import Views, four_crops, ten_views
from helpers.training.batches import draw_batches
from helpers.training.learner import Hooks, Learner, batch_callback, make_learner
from helpers.training.recipes import Phase, Plan, fit_epochs

# The columns of a history, one row an epoch.
HISTORY = ["epoch", "phase", "optimizer", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]

LONG_EPOCH = 30.0  # seconds


class TrainingError(UserError, RuntimeError):
    """A training that cannot go on."""


@dataclass(frozen=True)
class Trained:
    """A trained network with the history of its training."""

    model: keras.Model
    history: pd.DataFrame  # a row per epoch: epoch, phase, optimizer, loss, accuracy, val_..., learning_rate, seconds
    views: Views = four_crops  # over which it is asked for an average answer

    @property
    def seconds(self) -> float:
        """Time that the training took."""
        return float(self.history["seconds"].sum())

    @property
    def minutes(self) -> float | None:
        """Time to be told; None where SOURCE_DATE_EPOCH asks for reports that are the same to the byte."""
        return None if os.environ.get("SOURCE_DATE_EPOCH") else self.seconds / 60

    @property
    def curves(self) -> pd.DataFrame:
        """What is drawn of the history, which is the same each time: without seconds."""
        return self.history.drop(columns="seconds", errors="ignore")

    def summary(self) -> "TrainingSummary":
        """Sum the training up; it has to have an epoch."""
        accuracy, last = self.history["val_accuracy"], self.history.iloc[-1]
        best = float(accuracy.max()), int(self.history["epoch"].iloc[int(accuracy.argmax())])
        final = float(last["val_accuracy"]), float(last["accuracy"] - last["val_accuracy"])
        return TrainingSummary(len(self.history), self.seconds, float(accuracy.iloc[0]), *best, *final)

    def after(self, earlier: pd.DataFrame) -> "Trained":
        """Give the same network with the history of what was trained earlier before its own."""
        epochs, phases = len(earlier), int(earlier["phase"].max())
        own = self.history.assign(epoch=self.history["epoch"] + epochs, phase=self.history["phase"] + phases)
        return Trained(self.model, pd.concat([earlier, own], ignore_index=True))


@dataclass(frozen=True)
class TrainingSummary:
    """What a training's history comes to."""

    epochs: int
    seconds: float
    first_accuracy: float  # on the validation split after the first epoch
    best_accuracy: float
    best_epoch: int
    final_accuracy: float
    final_gap: float  # accuracy on training minus validation images in the last epoch


@dataclass
class _State:
    """How far a training has come; what a checkpoint holds besides the variables."""

    phase: int = 0
    epoch: int = 0  # finished epochs of this phase
    rows: list[dict] = field(default_factory=list)
    own: np.ndarray | None = None  # for self-distillation: the network's predictions as this phase began


def train(
    model: keras.Model,
    dataset: Dataset,
    plan: Plan,
    *,
    seed: int,
    name: str,
    soft_targets: np.ndarray | None = None,
    checkpoint: Path | None = None,
    logs: Path | None = None,
    report: Callable[[str], None] = print,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    class_weight: Mapping[int, float] | None = None,
    metrics: Sequence[str | keras.metrics.Metric] = (),
) -> Trained:
    """Train a model in place on the training split, validating after each epoch.

    soft_targets: (N, classes) float32, the teachers' probabilities, if a phase asks for distillation. What
    `accelerate` gives is trained in the model's place; augmentation is no part of either. With a checkpoint path, an
    interrupted training goes on after its last finished epoch and ends with the numbers of an uninterrupted one. With
    a folder for logs, each epoch is written there for TensorBoard.

    callbacks: as in Keras's `fit`, where epochs are counted through all phases; one that acts on single steps has
    training done by plain Keras. A callback's own state is in no checkpoint. class_weight: what an image of a class
    counts for in the loss, 1 where the class is not named. metrics: more of them, by Keras's name or as objects; they
    are columns of the history, and with `val_` before it their values on the validation split.

    Raises TrainingError when the loss is not a finite number, and ValueError on a class that does not exist.
    """
    acting = batch_callback(callbacks)
    refused = f"the callback {acting} acts before or after single steps" if acting else ""
    accelerated = accelerate(model, refused=refused, report=report)
    weights = _image_weights(dataset, class_weight)
    phases = fit_epochs(plan, len(dataset.train.labels)).phases
    hooks = Hooks(callbacks, accelerated, sum(phase.epochs for phase in phases))
    hooks.begin()
    state = _State()
    for number, phase in enumerate(phases):
        if hooks.stopped:
            break
        steps = _steps(len(dataset.train.labels), plan) * phase.epochs
        learner = make_learner(accelerated, plan, phase, steps, seed, metrics)
        validator = _resized(accelerated, accelerated.validator, phase)
        state = _restore(checkpoint, learner, number) or _begin(number, phase, state.rows, accelerated, dataset)
        data = dataset.train.images, _targets(dataset, phase, soft_targets, state.own), *weights
        while state.phase == number and not (_phase_over(state, phase) or hooks.stopped):
            began = time.perf_counter()
            hooks.begin_epoch(len(state.rows), learner.model.optimizer)
            row = _train_epoch(learner, data, plan, phase, len(state.rows) + 1, seed, name, hooks)
            accelerated.refresh()
            row |= _validate(validator, learner, dataset.validation, len(dataset.class_names))
            hooks.end_epoch(len(state.rows), row)
            row |= {"seconds": time.perf_counter() - began}
            state.rows.append({"phase": number + 1, "optimizer": phase.optimizer, **row})
            state.epoch += 1
            _report_progress(report, name, state, phases)
            _save(checkpoint, learner, state)
            if logs:
                _write_logs(logs, state.rows[-1])
    hooks.end()
    history = pd.DataFrame(state.rows)
    return Trained(model, history[[*HISTORY, *history.columns.difference(HISTORY)]])


def _steps(images: int, plan: Plan) -> int:
    """Count the steps of an epoch of so many images: whole batches only, and no more images than the plan allows."""
    return max(1, min(images, plan.max_images or images) // plan.batch_size)


def batch_of(images: int, plan: Plan) -> int:
    """Give how many images a step takes: the plan's batch, or of fewer images an even number, as in `fit_batch`."""
    return min(plan.batch_size, images - images % 2 or 1)


def _resized(accelerated: Accelerated, network: keras.Model, phase: Phase) -> keras.Model:
    """Give the network as this phase has it, with the same weights: enlarging images as it says."""
    return network if phase.enlargement is None else accelerated.resize(network, phase.enlargement)


def _begin(number: int, phase: Phase, rows: list[dict], accelerated: Accelerated, dataset: Dataset) -> _State:
    """Begin a phase; for self-distillation, the network first predicts the training images."""
    if not phase.self_distillation:
        return _State(number, 0, rows)
    accelerated.give_weights()
    predictor = _resized(accelerated, accelerated.predictor(), phase)
    return _State(number, 0, rows, predict_views(predictor, dataset.train.images, ten_views))


def _phase_over(state: _State, phase: Phase) -> bool:
    reached = phase.until_accuracy is not None and bool(state.rows) and state.epoch > 0
    return state.epoch >= phase.epochs or (reached and state.rows[-1]["val_accuracy"] >= (phase.until_accuracy or 0))


def _train_epoch(
    learner: Learner,
    data: tuple[np.ndarray, ...],
    plan: Plan,
    phase: Phase,
    epoch: int,
    seed: int,
    name: str,
    hooks: Hooks,
) -> dict:
    """Train on every training image once, in an order that follows from the seed and the epoch alone."""
    images = len(data[0])
    shape = _steps(images, plan), batch_of(images, plan)
    mixup = plan.mixup if phase.augmented else 0.0
    batches = draw_batches(images, shape, mixup, np.random.default_rng([seed, epoch]))
    # A training step of a user's may measure something else.
    fitted = {"loss": np.nan, "accuracy": np.nan} | learner.fit_epoch(data, batches, hooks.of_batches)
    if not np.isfinite(fitted["loss"]):
        why = f"the loss is {fitted['loss']}; lower the learning rate of its recipe"
        raise TrainingError(f"Training {name} stopped in epoch {epoch}: {why}.")
    rate = float(ops.convert_to_numpy(learner.model.optimizer.learning_rate))
    return {"epoch": epoch, **fitted, "learning_rate": rate}


def _targets(
    dataset: Dataset, phase: Phase, soft_targets: np.ndarray | None, own: np.ndarray | None = None
) -> np.ndarray:
    """Give the target of each training image: its label, mixed with the soft targets as the phase asks.

    own: the network's own predictions as the phase began; they are the part `self_distillation` of the soft targets.
    The accuracy in training is the share of images whose likeliest class is that of this target.
    """
    targets = _one_hot(dataset.train.labels, len(dataset.class_names))
    if not phase.distillation:
        return targets
    taught = np.zeros_like(targets) if own is None else phase.self_distillation * own
    if phase.self_distillation < 1:
        if soft_targets is None or soft_targets.shape != targets.shape:
            why = "there are no soft targets for the training images"
            raise TrainingError(f"The plan asks for distillation, and {why}.")
        taught = taught + (1 - phase.self_distillation) * soft_targets
    return (1 - phase.distillation) * targets + phase.distillation * taught


def _image_weights(dataset: Dataset, class_weight: Mapping[int, float] | None) -> tuple[np.ndarray, ...]:
    """Give what each training image counts for in the loss, (N,) float32, if that is not the same for all."""
    if class_weight is None:
        return ()
    count = len(dataset.class_names)
    if wrong := sorted(set(class_weight) - set(range(count)), key=str):
        raise ValueError(f"class_weight names the class {wrong[0]!r}: choose whole numbers from 0 to {count - 1}.")
    return (np.array([class_weight.get(label, 1.0) for label in range(count)], np.float32)[dataset.train.labels],)


def _one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Turn labels (N,) into targets (N, classes) float32."""
    return np.eye(classes, dtype=np.float32)[labels]


def _validate(validator: keras.Model, learner: Learner, split: Split, classes: int) -> dict[str, float]:
    """Measure loss and metrics as they will be when the network is used: without augmentation or smoothing."""
    logits = predict_in_batches(validator, split.images)
    likelihood = softmax(logits)[np.arange(len(logits)), split.labels]
    loss = -np.log(np.maximum(likelihood, np.finfo(np.float32).tiny)).mean()
    accuracy = (logits.argmax(axis=1) == split.labels).mean()
    others = learner.measure(_one_hot(split.labels, classes), logits)
    return {f"val_{name}": float(value) for name, value in {**others, "loss": loss, "accuracy": accuracy}.items()}


def _report_progress(report: Callable[[str], None], name: str, state: _State, phases: Sequence[Phase]) -> None:
    """Report about five times a training, at its end, and after each epoch that is long to wait for."""
    total = sum(phase.epochs for phase in phases)
    row, done = state.rows[-1], len(state.rows)
    if done % max(1, total // 5) and done != total and row["seconds"] < LONG_EPOCH:
        return
    left = (total - done) * float(np.mean([r["seconds"] for r in state.rows if r["phase"] == row["phase"]]))
    report(
        f"training {name}: epoch {done} of {total}, loss {row['loss']:.3f}, "
        f"validation accuracy {row['val_accuracy']:.1%}, learning rate {row['learning_rate']:.2g}, {left:.0f} s left"
    )


def _write_logs(folder: Path, row: dict) -> None:
    """Write an epoch's numbers for TensorBoard, in a file of their own that a kill cannot leave half open."""
    from tensorboard.summary import Writer

    writer = Writer(str(folder))
    for name, value in row.items():
        if isinstance(value, float):
            writer.add_scalar(name, value, row["epoch"])
    writer.close()


def _save(checkpoint: Path | None, learner: Learner, state: _State) -> None:
    if checkpoint is None:
        return
    arrays = {f"v{i}": ops.convert_to_numpy(variable) for i, variable in enumerate(learner.variables)}
    buffer = BytesIO()
    own = {} if state.own is None else {"own": state.own}
    facts = {"phase": state.phase, "epoch": state.epoch, "rows": state.rows}
    np.savez(buffer, allow_pickle=False, state=np.array(json.dumps(facts)), **own, **arrays)
    write_sealed(checkpoint, buffer.getvalue())


def _restore(checkpoint: Path | None, learner: Learner, phase: int) -> _State | None:
    """Load a checkpoint of this phase or a later one; of a later one only the state is of use yet."""
    if checkpoint is None or (content := read_sealed(checkpoint)) is None:
        return None
    with np.load(BytesIO(content)) as arrays:
        state = _State(**json.loads(str(arrays["state"])), own=arrays.get("own"))
        if state.phase == phase:
            for i, variable in enumerate(learner.variables):
                variable.assign(arrays[f"v{i}"])
    return state if state.phase >= phase else None
