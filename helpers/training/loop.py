"""Training: a loop that resumes where it was interrupted and ends with the same numbers."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops

from helpers.base.files import read_sealed, write_sealed
from helpers.data.datasets import Dataset, Split
from helpers.networks.architectures import multiplications
from helpers.networks.fast.fused import FusedAdamW
from helpers.networks.fast.twins import enlarging, folded_weights, prediction_twin, training_twin
from helpers.networks.precision import choose_precision
from helpers.networks.prediction import predict_in_batches, predict_views, softmax
from helpers.networks.views import ten_views
from helpers.training.augmentation import augmentation_layers
from helpers.training.batches import Showing, order_epoch
from helpers.training.recipes import Phase, Plan

# The columns of a history, one row an epoch.
HISTORY = ["epoch", "phase", "optimizer", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]

LONG_EPOCH = 30.0  # seconds


class TrainingError(RuntimeError):
    """A training that cannot go on."""


@dataclass(frozen=True)
class Trained:
    """A trained network with the history of its training."""

    model: keras.Model
    history: pd.DataFrame  # a row per epoch: epoch, phase, optimizer, loss, accuracy, val_..., learning_rate, seconds

    @property
    def seconds(self) -> float:
        """Time that the training took."""
        return float(self.history["seconds"].sum())


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


def summarise(history: pd.DataFrame) -> TrainingSummary:
    """Summarise a history with one row per epoch, as `Trained` holds it."""
    accuracy, last = history["val_accuracy"], history.iloc[-1]
    return TrainingSummary(
        len(history),
        float(history["seconds"].sum()),
        float(accuracy.iloc[0]),
        float(accuracy.max()),
        int(history["epoch"][accuracy.idxmax()]),
        float(last["val_accuracy"]),
        float(last["accuracy"] - last["val_accuracy"]),
    )


@dataclass
class _State:
    """How far a training has come; what a checkpoint holds besides the variables."""

    phase: int = 0
    epoch: int = 0  # finished epochs of this phase
    rows: list[dict] = field(default_factory=list)
    own: np.ndarray | None = None  # if asked for, what the network took the training images for as this phase began


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
) -> Trained:
    """Train a model in place on the training split, validating after each epoch.

    soft_targets: (N, classes) float32, what teachers take the training images for, if a phase asks for distillation.
    A faster twin is trained in the model's place, in the precision that `choose_precision` gives; augmentation is no
    part of either. With a checkpoint path, an interrupted training goes on after its last finished epoch and ends
    with the numbers of an uninterrupted one. With a folder for logs, each epoch is written there for TensorBoard.
    Raises TrainingError when the loss is not a finite number.
    """
    twin = training_twin(model, choose_precision(multiplications(model)))
    validator = prediction_twin(model, "float32")
    phases = _fitted_phases(plan, len(dataset.train.labels))
    state = _State()
    for number, phase in enumerate(phases):
        trainer, seen = _trainer(_sized(twin, phase), plan, phase, dataset, seed), _sized(validator, phase)
        state = _restore(checkpoint, trainer, number) or _begin(number, phase, state.rows, model, twin, dataset)
        targets = _targets(dataset, phase, soft_targets, state.own)
        while state.phase == number and not _phase_over(state, phase):
            began = time.perf_counter()
            strength = plan.mixup if phase.augmented else 0.0
            row = _train_epoch(trainer, dataset, targets, plan, strength, len(state.rows) + 1, seed, name)
            validator.set_weights(folded_weights(twin))
            row |= _validate(seen, dataset.validation) | {"seconds": time.perf_counter() - began}
            state.rows.append({"phase": number + 1, "optimizer": phase.optimizer, **row})
            state.epoch += 1
            _report_progress(report, name, state, phases)
            _save(checkpoint, trainer, state)
            if logs:
                _write_logs(logs, state.rows[-1])
    model.set_weights(twin.get_weights())
    return Trained(model, pd.DataFrame(state.rows)[HISTORY])


def _fitted_phases(plan: Plan, images: int) -> list[Phase]:
    """Shorten the phases so that all together show no more images than the plan allows."""
    if plan.max_images is None:
        return list(plan.phases)
    wanted = sum(phase.epochs for phase in plan.phases)
    share = min(1.0, plan.max_images / (images * wanted))
    return [replace(phase, epochs=max(1, int(phase.epochs * share))) for phase in plan.phases]


def _steps(split: Split, plan: Plan) -> int:
    """Count the steps of an epoch: whole batches only, and no more images than the plan allows."""
    images = min(len(split.labels), plan.max_images or len(split.labels))
    return max(1, images // plan.batch_size)


def _sized(network: keras.Model, phase: Phase) -> keras.Model:
    """Give the network as this phase has it, with the same weights: enlarging images as it says."""
    return network if phase.enlargement is None else enlarging(network, phase.enlargement)


def _begin(
    number: int, phase: Phase, rows: list[dict], model: keras.Model, twin: keras.Model, dataset: Dataset
) -> _State:
    """Begin a phase; where it asks for that, the network says first what it takes the training images for."""
    if not phase.own_share:
        return _State(number, 0, rows)
    model.set_weights(twin.get_weights())
    seen = prediction_twin(model, choose_precision(multiplications(model)))
    return _State(number, 0, rows, predict_views(_sized(seen, phase), dataset.train.images, ten_views))


def _trainer(twin: keras.Model, plan: Plan, phase: Phase, dataset: Dataset, seed: int) -> keras.Model:
    """Put augmentation before a network, and loss and optimiser of this phase behind it."""
    changes = augmentation_layers(plan.augmentation, seed) if phase.augmented else []
    trainer = keras.Sequential([keras.Input(dataset.image_shape), *changes, twin])
    optimizer = _optimizer(phase, _steps(dataset.train, plan) * phase.epochs)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=plan.label_smoothing)
    # XLA makes TensorFlow several times slower on a processor; JAX without it would go through every step by hand.
    trainer.compile(optimizer, loss, metrics=["accuracy"], jit_compile=keras.backend.backend() != "tensorflow")
    _make_variables(trainer, dataset.train.images[:1], _one_hot(dataset.train.labels[:1], len(dataset.class_names)))
    return trainer


def _optimizer(phase: Phase, steps: int) -> keras.optimizers.Optimizer:
    rate: float | keras.optimizers.schedules.LearningRateSchedule = phase.learning_rate
    if phase.schedule == "cosine":
        rate = TabledRate(warm_cosine(rate, steps))
    decay = {"weight_decay": phase.weight_decay or None}
    optimizer = {
        "adamw": lambda: FusedAdamW(rate, **{"weight_decay": phase.weight_decay}),
        "adadelta": lambda: keras.optimizers.Adadelta(rate, **decay),
        "sgd": lambda: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, **decay),
    }[phase.optimizer]()
    if phase.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def warm_cosine(rate: float, steps: int) -> np.ndarray:
    """Let a rate rise from its tenth for a twentieth of the steps, and fall to its hundredth along a cosine."""
    warmup = max(1, steps // 20)
    rising = np.linspace(rate / 10, rate, warmup, endpoint=False)
    share = np.linspace(0, 1, max(2, steps - warmup + 1))
    return np.concatenate([rising, rate * (0.01 + 0.99 * (1 + np.cos(np.pi * share)) / 2)]).astype(np.float32)


class TabledRate(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that is looked up by the step; the last one holds on.

    An optimiser asks for its rate once for each variable. Keras's schedules compute it anew each time, with
    conditions that make up a third of the time that the first step takes to be traced.
    """

    def __init__(self, rates: np.ndarray) -> None:
        self.rates = rates

    def __call__(self, step):
        """Give the rate for the step that comes now."""
        return ops.take(self.rates, ops.minimum(ops.cast(step, "int32"), len(self.rates) - 1))


def _phase_over(state: _State, phase: Phase) -> bool:
    reached = phase.until_accuracy is not None and bool(state.rows) and state.epoch > 0
    return state.epoch >= phase.epochs or (reached and state.rows[-1]["val_accuracy"] >= phase.until_accuracy)


def _train_epoch(
    trainer: keras.Model,
    dataset: Dataset,
    targets: np.ndarray,
    plan: Plan,
    mixup: float,
    epoch: int,
    seed: int,
    name: str,
) -> dict:
    """Show every training image once, in an order that follows from the seed and the epoch alone."""
    shape = _steps(dataset.train, plan), min(plan.batch_size, len(dataset.train.labels))
    showing = order_epoch(len(dataset.train.labels), shape, mixup, np.random.default_rng([seed, epoch]))
    fitted = fit_once(trainer, dataset.train.images, targets, showing)
    if not np.isfinite(fitted["loss"]):
        raise TrainingError(
            f"Training {name} stopped in epoch {epoch}: the loss is {fitted['loss']}; "
            "lower the learning rate of its recipe."
        )
    rate = float(ops.convert_to_numpy(trainer.optimizer.learning_rate))
    return {"epoch": epoch, **fitted, "learning_rate": rate}


def fit_once(trainer: keras.Model, images: np.ndarray, targets: np.ndarray, showing: Showing) -> dict[str, float]:
    """Show a compiled model images (N, H, W, C) and targets (N, ...) as said; give its mean metrics.

    This is an epoch of Keras's `fit`, with several steps in one program, and without its tf.data pipeline: that one
    tunes itself in ever longer intervals, and at its end waits for the last of them, so that a call may take twice as
    long as its work.
    """
    if not hasattr(trainer, "steps_program"):
        _make_variables(trainer, images[:1], targets[:1])
    trainer.reset_metrics()
    if keras.backend.backend() == "jax":
        from helpers.training.jax_epochs import take_steps
    else:
        from helpers.training.tf_epochs import take_steps
    take_steps(trainer, showing.pieces(images, targets))
    return {name: float(value) for name, value in trainer.get_metrics_result().items()}


def _make_variables(trainer: keras.Model, images: np.ndarray, targets: np.ndarray) -> None:
    """Make the variables of optimiser, loss and metrics now, if they are not there: in a program, none can be made."""
    if not trainer.optimizer.built:
        trainer.optimizer.build(trainer.trainable_variables)
    logits = ops.zeros((len(images), *trainer.output_shape[1:]))
    trainer.compute_metrics(images, ops.convert_to_tensor(targets), logits)


def _targets(
    dataset: Dataset, phase: Phase, soft_targets: np.ndarray | None, own: np.ndarray | None = None
) -> np.ndarray:
    """Give what each training image is to be taken for: its label, mixed with what teachers say as the phase asks.

    own: what the network itself said as the phase began; it counts among the teachers with the phase's `own_share`.
    The accuracy in training is the share of images whose likeliest class is that of this target.
    """
    targets = _one_hot(dataset.train.labels, len(dataset.class_names))
    if not phase.distillation:
        return targets
    taught = phase.own_share * own if phase.own_share else np.zeros_like(targets)
    if phase.own_share < 1:
        if soft_targets is None or soft_targets.shape != targets.shape:
            raise TrainingError(
                "The plan asks for distillation, and there are no soft targets for the training images."
            )
        taught = taught + (1 - phase.own_share) * soft_targets
    return (1 - phase.distillation) * targets + phase.distillation * taught


def _one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Turn labels (N,) into targets (N, classes) float32."""
    return np.eye(classes, dtype=np.float32)[labels]


def _validate(validator: keras.Model, split: Split) -> dict:
    """Measure loss and accuracy as they will be when the network is used: without augmentation or smoothing."""
    logits = predict_in_batches(validator, split.images)
    likelihood = softmax(logits)[np.arange(len(logits)), split.labels]
    loss = -np.log(np.maximum(likelihood, np.finfo(np.float32).tiny)).mean()
    return {"val_loss": float(loss), "val_accuracy": float((logits.argmax(axis=1) == split.labels).mean())}


def _report_progress(report: Callable[[str], None], name: str, state: _State, phases: list[Phase]) -> None:
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


def _variables(trainer: keras.Model) -> list[keras.Variable]:
    """List all that the next step depends on: weights, states of random generators and of the optimiser."""
    return [*trainer.variables, *trainer.optimizer.variables]


def _save(checkpoint: Path | None, trainer: keras.Model, state: _State) -> None:
    if checkpoint is None:
        return
    arrays = {f"v{i}": ops.convert_to_numpy(variable) for i, variable in enumerate(_variables(trainer))}
    buffer = BytesIO()
    own = {} if state.own is None else {"own": state.own}
    facts = {"phase": state.phase, "epoch": state.epoch, "rows": state.rows}
    np.savez(buffer, state=np.array(json.dumps(facts)), **own, **arrays)
    write_sealed(checkpoint, buffer.getvalue())


def _restore(checkpoint: Path | None, trainer: keras.Model, phase: int) -> _State | None:
    """Load a checkpoint of this phase or a later one; of a later one only the state is of use yet."""
    if checkpoint is None or (content := read_sealed(checkpoint)) is None:
        return None
    with np.load(BytesIO(content)) as arrays:
        state = _State(**json.loads(str(arrays["state"])), own=arrays.get("own"))
        if state.phase == phase:
            for i, variable in enumerate(_variables(trainer)):
                variable.assign(arrays[f"v{i}"])
    return state if state.phase >= phase else None
