"""Training: recipes, augmentation, and a loop that resumes where it was interrupted with the same numbers."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import pandas as pd
from filelock import FileLock
from keras import ops

from helpers.datasets import Dataset, Split
from helpers.files import write_atomically, write_json
from helpers.machine import describe_machine

PREDICTION_BATCH = 256


class TrainingError(RuntimeError):
    """A training that cannot go on."""


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training image; each is drawn anew whenever the image is shown."""

    flip: bool = False  # mirror half of the images
    shift: float = 0.0  # move by up to this share of height and width
    rotation: float = 0.0  # turn by up to this many degrees
    zoom: float = 0.0  # enlarge or reduce by up to this share
    border: Literal["constant", "nearest"] = "nearest"  # what fills the border: black, or the nearest pixel

    @property
    def active(self) -> bool:
        """Whether any change is made at all."""
        return self.flip or max(self.shift, self.rotation, self.zoom) > 0


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one optimiser."""

    optimizer: Literal["adamw", "adadelta", "sgd"]
    learning_rate: float
    epochs: int
    schedule: Literal["constant", "cosine"] = "cosine"
    until_accuracy: float | None = None  # end the phase early once the validation accuracy reaches this


@dataclass(frozen=True)
class Plan:
    """How one network is trained."""

    phases: tuple[Phase, ...]
    batch_size: int
    augmentation: Augmentation
    max_images: int | None = None  # images shown in all; fewer epochs, at least one, are made to fit


@dataclass(frozen=True)
class Recipe:
    """The training budget of a whole run."""

    name: str
    cnn: str  # architecture of the headline CNN
    plan: Plan
    second_augmentation: Augmentation  # of the ensemble's second member
    seeds: int = 1  # how often the headline CNN is trained, each time with another seed
    others: tuple[str, ...] = ()  # further architectures, each with its matched DNN

    @property
    def second_plan(self) -> Plan:
        """The plan of the ensemble's second member."""
        return replace(self.plan, augmentation=self.second_augmentation)

    @property
    def plain_plan(self) -> Plan:
        """The same budget without augmentation."""
        return replace(self.plan, augmentation=Augmentation())


def slow_down(plan: Plan, factor: float = 0.1) -> Plan:
    """Give the same plan with smaller steps, for networks without batch normalization.

    At the rate that suits a network with it, one without it may never leave its starting point.
    """
    phases = (replace(phase, learning_rate=phase.learning_rate * factor) for phase in plan.phases)
    return replace(plan, phases=tuple(phases))


MILD = Augmentation(flip=True, shift=0.06, rotation=6.0)
STRONG = Augmentation(flip=True, shift=0.1, rotation=10.0, zoom=0.1, border="constant")
QUICK_PLAN = Plan((Phase("adamw", 1e-2, epochs=12),), batch_size=64, augmentation=MILD, max_images=120_000)
FULL_PLAN = Plan(
    (
        Phase("adadelta", 1.0, epochs=60, schedule="constant", until_accuracy=0.6),
        Phase("sgd", 0.02, epochs=40),
    ),
    batch_size=64,
    augmentation=MILD,
)
RECIPES: dict[str, Recipe] = {
    "quick": Recipe("quick", "vgg9_small", QUICK_PLAN, STRONG),
    "full": Recipe("full", "vgg9", FULL_PLAN, STRONG, seeds=3, others=("vgg12", "wide5")),
    "pretrained": Recipe("pretrained", "vgg9", FULL_PLAN, STRONG),  # trains nothing: its networks are shipped
    "tiny": Recipe("tiny", "vgg9_small", replace(QUICK_PLAN, max_images=1000), STRONG),
}


def get_recipe(name: str) -> Recipe:
    """Look a recipe up by name; raises ValueError naming the legal ones."""
    if name not in RECIPES:
        raise ValueError(f"There is no recipe {name!r}: choose one of {', '.join(RECIPES)}.")
    return RECIPES[name]


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


class RandomAffine(keras.layers.Layer):
    """Flip, shift, turn and zoom each image of a batch at random, in one resampling, while training.

    (N, H, W, C) in 0..255 in and out, float32; the identity outside training.
    """

    def __init__(self, augmentation: Augmentation, seed: int, **options) -> None:
        super().__init__(**options)
        self.augmentation = augmentation
        self.random = keras.random.SeedGenerator(seed)

    def call(self, images, training: bool = False):
        """Change the images when training."""
        if not training or not self.augmentation.active:
            return images
        transforms = self._transforms(ops.shape(images)[0], *images.shape[1:3])
        return ops.image.affine_transform(images, transforms, fill_mode=self.augmentation.border)

    def _transforms(self, count: int, height: int, width: int):
        """Draw output-to-input transforms about the image's centre: (count, 8), x before y."""
        drawn = self.augmentation
        angle = self._uniform(count, drawn.rotation * np.pi / 180)
        scale = 1 + self._uniform(count, drawn.zoom)
        mirror = ops.sign(self._uniform(count, 1.0)) if drawn.flip else ops.ones((count,))
        cos, sin = ops.cos(angle) * scale, ops.sin(angle) * scale
        centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
        from_x = mirror * cos, -mirror * sin
        from_y = sin, cos
        shift_x = self._uniform(count, drawn.shift * width)
        shift_y = self._uniform(count, drawn.shift * height)
        offset_x = centre_x - from_x[0] * centre_x - from_x[1] * centre_y + shift_x
        offset_y = centre_y - from_y[0] * centre_x - from_y[1] * centre_y + shift_y
        nothing = ops.zeros((count,))
        return ops.stack([*from_x, offset_x, *from_y, offset_y, nothing, nothing], axis=1)

    def _uniform(self, count: int, limit: float):
        return keras.random.uniform((count,), -limit, limit, seed=self.random)


@dataclass
class _State:
    """How far a training has come; what a checkpoint holds besides the variables."""

    phase: int = 0
    epoch: int = 0  # finished epochs of this phase
    rows: list[dict] = field(default_factory=list)


def train(
    model: keras.Model,
    dataset: Dataset,
    plan: Plan,
    *,
    seed: int,
    name: str,
    checkpoint: Path | None = None,
    report: Callable[[str], None] = print,
) -> Trained:
    """Train a model in place on the training split, validating after each epoch.

    Images stay as they are stored; augmentation is no part of the model. With a checkpoint path, an interrupted
    training goes on after its last finished epoch and ends with the numbers of an uninterrupted one.
    Raises TrainingError when the loss is not a finite number.
    """
    trainer = keras.Sequential(
        [keras.Input(dataset.image_shape), RandomAffine(plan.augmentation, seed), model],
        name=f"{name}_trainer",
    )
    phases = _fitted_phases(plan, len(dataset.train.labels))
    state = _State()
    for number, phase in enumerate(phases):
        _compile(trainer, phase, _steps(dataset.train, plan) * phase.epochs)
        state = _restore(checkpoint, trainer, number) or _State(number, 0, state.rows)
        while state.phase == number and not _phase_over(state, phase):
            state.rows.append(_train_epoch(trainer, dataset, plan, phase, state, seed, name))
            state.epoch += 1
            _report_progress(report, name, state, phases)
            _save(checkpoint, trainer, state)
    return Trained(model, pd.DataFrame(state.rows))


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


def _compile(trainer: keras.Model, phase: Phase, steps: int) -> None:
    rate: float | keras.optimizers.schedules.LearningRateSchedule = phase.learning_rate
    if phase.schedule == "cosine":
        warmup = max(1, steps // 20)
        rate = keras.optimizers.schedules.CosineDecay(
            rate / 10, max(1, steps - warmup), alpha=0.01, warmup_target=rate, warmup_steps=warmup
        )
    optimizer = {
        "adamw": lambda: keras.optimizers.AdamW(rate, weight_decay=1e-3),
        "adadelta": lambda: keras.optimizers.Adadelta(rate),
        "sgd": lambda: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
    }[phase.optimizer]()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trainer.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    optimizer.build(trainer.trainable_variables)


def _phase_over(state: _State, phase: Phase) -> bool:
    reached = phase.until_accuracy is not None and bool(state.rows) and state.epoch > 0
    return state.epoch >= phase.epochs or (reached and state.rows[-1]["val_accuracy"] >= phase.until_accuracy)


def _train_epoch(
    trainer: keras.Model, dataset: Dataset, plan: Plan, phase: Phase, state: _State, seed: int, name: str
) -> dict:
    """Show every training image once, in an order that follows from the seed and the epoch alone."""
    began = time.perf_counter()
    epoch = len(state.rows) + 1
    size = min(plan.batch_size, len(dataset.train.labels))
    chosen = np.random.default_rng([seed, epoch]).permutation(len(dataset.train.labels))
    chosen = chosen[: _steps(dataset.train, plan) * size]
    images, labels = dataset.train.images[chosen], dataset.train.labels[chosen]
    fitted = trainer.fit(images, labels, batch_size=size, shuffle=False, verbose=0).history
    loss, accuracy = fitted["loss"][-1], fitted["accuracy"][-1]
    if not np.isfinite(loss):
        raise TrainingError(
            f"Training {name} stopped in epoch {epoch}: the loss is {loss}; lower the learning rate of its recipe."
        )
    validation = dataset.validation
    val_loss, val_accuracy = trainer.evaluate(
        validation.images, validation.labels, batch_size=PREDICTION_BATCH, verbose=0
    )
    return {
        "epoch": epoch,
        "phase": state.phase + 1,
        "optimizer": phase.optimizer,
        "loss": loss,
        "accuracy": accuracy,
        "val_loss": val_loss,
        "val_accuracy": val_accuracy,
        "learning_rate": float(trainer.optimizer.learning_rate),
        "seconds": time.perf_counter() - began,
    }


def _report_progress(report: Callable[[str], None], name: str, state: _State, phases: list[Phase]) -> None:
    """Report about five times a training, and at its end."""
    total = sum(phase.epochs for phase in phases)
    row, done = state.rows[-1], len(state.rows)
    if done % max(1, total // 5) and done != total:
        return
    left = (total - done) * float(np.mean([r["seconds"] for r in state.rows]))
    report(
        f"training {name}: epoch {done} of {total}, loss {row['loss']:.3f}, "
        f"validation accuracy {row['val_accuracy']:.1%}, {left:.0f} s left"
    )


def _variables(trainer: keras.Model) -> list[keras.Variable]:
    """List all that the next step depends on: weights, states of random generators and of the optimiser."""
    return [*trainer.variables, *trainer.optimizer.variables]


def _save(checkpoint: Path | None, trainer: keras.Model, state: _State) -> None:
    if checkpoint is None:
        return
    arrays = {f"v{i}": ops.convert_to_numpy(variable) for i, variable in enumerate(_variables(trainer))}
    buffer = BytesIO()
    np.savez(buffer, state=np.array(json.dumps(asdict(state))), **arrays)
    write_atomically(checkpoint, buffer.getvalue())


def _restore(checkpoint: Path | None, trainer: keras.Model, phase: int) -> _State | None:
    """Load a checkpoint of this phase or a later one; of a later one only the state is of use yet."""
    if checkpoint is None or not checkpoint.exists():
        return None
    with np.load(checkpoint) as arrays:
        state = _State(**json.loads(str(arrays["state"])))
        if state.phase == phase:
            for i, variable in enumerate(_variables(trainer)):
                variable.assign(arrays[f"v{i}"])
    return state if state.phase >= phase else None


def load_or_train(
    build: Callable[[], keras.Model],
    dataset: Dataset,
    plan: Plan,
    *,
    seed: int,
    name: str,
    folder: Path,
    report: Callable[[str], None] = print,
) -> Trained:
    """Load the network `name` from the folder if it was trained just so; else build, train and save it there.

    Just so means: the same architecture, plan, seed, data set and Keras version. A lock makes a second process wait
    for the first one's training instead of repeating it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = build()
    key = training_key(model, dataset, plan, seed)
    with FileLock(folder / f".{name}.lock"):
        if (trained := load_trained(folder, name, key)) is None:
            checkpoint = folder / f".{name}.{key}.npz"
            trained = train(model, dataset, plan, seed=seed, name=name, checkpoint=checkpoint, report=report)
            facts = {"seed": seed, "plan": asdict(plan), "data": dataset.fingerprint, "machine": describe_machine()}
            _save_trained(trained, folder, name, key, facts)
            for leftover in folder.glob(f".{name}.*.npz"):
                leftover.unlink()
    return trained


def training_key(model: keras.Model, dataset: Dataset, plan: Plan, seed: int) -> str:
    """Condense all that a training's result depends on into a short hash."""
    parts = [
        _architecture(model),
        asdict(plan),
        seed,
        dataset.fingerprint,
        keras.__version__,
        keras.backend.backend(),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


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
        if record["key"] != key or record.get("weights", _sha256(weights)) != _sha256(weights):
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
    temporary = folder / f".{name}.{os.getpid()}.keras"
    trained.model.save(temporary)
    temporary.replace(folder / f"{name}.keras")
    write_atomically(folder / f"{name}.csv", trained.history.to_csv(index=False).encode())
    summary = {
        "key": key,
        "weights": _sha256(folder / f"{name}.keras"),
        "parameters": trained.model.count_params(),
        "seconds": trained.seconds,
        **facts,
    }
    write_json(record, summary)


def predict_logits(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Give the logits of images (N, H, W, C) in 0..255: (N, classes) float32, computed batch by batch."""
    return model.predict(images, batch_size=PREDICTION_BATCH, verbose=0)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits (N, classes) into probabilities float32 that sum to one."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype(np.float32)
