"""Training: recipes, and a loop that resumes where it was interrupted and ends with the same numbers."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import pandas as pd
from keras import ops

from helpers.augmentation import Augmentation, augmentation_layers
from helpers.datasets import Dataset, Split
from helpers.files import draft_path, locked, read_sealed, write_atomically, write_json, write_sealed, writing
from helpers.machine import describe_machine
from helpers.models import multiplications
from helpers.precision import Precision, choose_precision
from helpers.twins import folded_weights, prediction_twin, training_twin

PREDICTION_BATCH = 256

# The columns of a history, one row an epoch.
HISTORY = ["epoch", "phase", "optimizer", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]


class TrainingError(RuntimeError):
    """A training that cannot go on."""


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one optimiser."""

    optimizer: Literal["adamw", "adadelta", "sgd"]
    learning_rate: float
    epochs: int
    schedule: Literal["constant", "cosine"] = "cosine"
    until_accuracy: float | None = None  # end the phase early once the validation accuracy reaches this
    weight_decay: float = 0.0  # of kernels, in units of the learning rate; decoupled from the gradient
    augmented: bool = True  # False: show the images as they are, whatever the plan's augmentation and mixup


@dataclass(frozen=True)
class Plan:
    """How one network is trained."""

    phases: tuple[Phase, ...]
    batch_size: int
    augmentation: Augmentation
    max_images: int | None = None  # images shown in all; fewer epochs, at least one, are made to fit
    label_smoothing: float = 0.0  # share of the target that is spread evenly over all classes
    mixup: float = 0.0  # blend pairs of images by weights from Beta(mixup, mixup); 0: never


@dataclass(frozen=True)
class Recipe:
    """The training budget of a whole run."""

    name: str
    cnn: str  # architecture of the headline CNN
    plan: Plan
    second_augmentation: Augmentation  # of the ensemble's second member
    seeds: int = 1  # how often the headline CNN is trained, each time with another seed
    compared: str = ""  # architecture that is compared with a DNN and taken apart; "": the headline CNN itself
    compared_plan: Plan | None = None  # of that one and its DNN; None: the headline CNN's
    others: tuple[str, ...] = ()  # further architectures, each with its matched DNN
    others_plan: Plan | None = None  # of those; None: as of the one that is compared

    @property
    def second_plan(self) -> Plan:
        """The plan of the ensemble's second member."""
        return replace(self.plan, augmentation=self.second_augmentation)

    @property
    def usual_plan(self) -> Plan:
        """The plan of the CNN that is compared with a DNN and taken apart, and of all that it is compared with."""
        return self.compared_plan or self.plan

    @property
    def further_plan(self) -> Plan:
        """The plan of further architectures and their DNNs."""
        return self.others_plan or self.usual_plan

    @property
    def plain_plan(self) -> Plan:
        """The same budget without augmentation."""
        return replace(self.usual_plan, augmentation=Augmentation())


def slow_down(plan: Plan, factor: float = 0.1) -> Plan:
    """Give the same plan with smaller steps, for networks without batch normalization.

    At the rate that suits a network with it, one without it may never leave its starting point.
    """
    phases = (replace(phase, learning_rate=phase.learning_rate * factor) for phase in plan.phases)
    return replace(plan, phases=tuple(phases))


MILD = Augmentation(flip=True, shift=0.06, rotation=6.0)
STRONG = Augmentation(flip=True, shift=0.1, rotation=10.0, zoom=0.1, border="constant")
WIDE = Augmentation(flip=True, shift=0.1, rotation=10.0, zoom=0.1)
ERASED = replace(WIDE, shift=0.15, zoom=0.15, erasing=0.3)
QUICK_PLAN = Plan(
    (Phase("adamw", 1e-2, epochs=9, weight_decay=1e-3),), batch_size=64, augmentation=MILD, max_images=120_000
)
# Of the assignment's reference B: Adadelta up to 60 % on the validation split, then SGD.
FULL_PLAN = Plan(
    (
        Phase("adadelta", 1.0, epochs=60, schedule="constant", until_accuracy=0.6),
        Phase("sgd", 0.02, epochs=40),
    ),
    batch_size=64,
    augmentation=MILD,
)
# For the headline CNN where there is time for hundreds of epochs, as on a GPU; the last ones see images as they are.
LONG_PLAN = Plan(
    (
        Phase("sgd", 0.05, epochs=280, weight_decay=5e-3),
        Phase("sgd", 5e-4, epochs=20, weight_decay=5e-3, schedule="constant", augmented=False),
    ),
    batch_size=128,
    augmentation=ERASED,
    label_smoothing=0.1,
    mixup=0.2,
)
# For two cores and about half an hour a network.
CPU_PLAN = Plan(
    (Phase("adamw", 3e-3, epochs=60, weight_decay=0.05),),
    batch_size=128,
    augmentation=ERASED,
    label_smoothing=0.1,
    mixup=0.2,
)
CPU_COMPARED_PLAN = replace(QUICK_PLAN, max_images=240_000)
# For two cores and about an hour a network. Dense layers with dropout and no batch normalization stay at the most
# frequent class for epochs if they see augmented images, or large steps, from the start.
CPU_OTHERS_PLAN = Plan(
    (
        Phase("sgd", 0.01, epochs=3, schedule="constant", augmented=False),
        Phase("adamw", 1.5e-3, epochs=35, weight_decay=0.05),
    ),
    batch_size=128,
    augmentation=WIDE,
    label_smoothing=0.1,
)
RECIPES: dict[str, Recipe] = {
    "quick": Recipe("quick", "vgg9_small", QUICK_PLAN, STRONG),
    "full": Recipe("full", "vgg10", LONG_PLAN, WIDE, 3, "vgg9", FULL_PLAN, others=("vgg12", "wide5")),
    "cpu": Recipe(
        "cpu", "slim8", CPU_PLAN, WIDE, 3, "vgg9_small", CPU_COMPARED_PLAN, ("vgg9",), others_plan=CPU_OTHERS_PLAN
    ),
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
    logs: Path | None = None,
    report: Callable[[str], None] = print,
) -> Trained:
    """Train a model in place on the training split, validating after each epoch.

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
        trainer = _trainer(twin, plan, phase, dataset, seed)
        state = _restore(checkpoint, trainer, number) or _State(number, 0, state.rows)
        while state.phase == number and not _phase_over(state, phase):
            began = time.perf_counter()
            strength = plan.mixup if phase.augmented else 0.0
            row = _train_epoch(trainer, dataset, plan, strength, len(state.rows) + 1, seed, name)
            validator.set_weights(folded_weights(twin))
            row |= _validate(validator, dataset.validation) | {"seconds": time.perf_counter() - began}
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


def _trainer(twin: keras.Model, plan: Plan, phase: Phase, dataset: Dataset, seed: int) -> keras.Model:
    """Put augmentation before a network, and loss and optimiser of this phase behind it."""
    changes = augmentation_layers(plan.augmentation, seed) if phase.augmented else []
    trainer = keras.Sequential([keras.Input(dataset.image_shape), *changes, twin])
    optimizer = _optimizer(phase, _steps(dataset.train, plan) * phase.epochs)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=plan.label_smoothing)
    # XLA makes TensorFlow several times slower on a processor; JAX without it would go through every step by hand.
    trainer.compile(optimizer, loss, metrics=["accuracy"], jit_compile=keras.backend.backend() != "tensorflow")
    optimizer.build(trainer.trainable_variables)
    _build_metrics(trainer, dataset)
    return trainer


def _build_metrics(trainer: keras.Model, dataset: Dataset) -> None:
    """Make the variables of loss and metrics now; made while the first step is traced, they have it traced twice."""
    images, targets = dataset.train.images[:1], _one_hot(dataset.train.labels[:1], len(dataset.class_names))
    trainer.compute_metrics(images, targets, ops.convert_to_tensor(targets))
    trainer.reset_metrics()


def _optimizer(phase: Phase, steps: int) -> keras.optimizers.Optimizer:
    rate: float | keras.optimizers.schedules.LearningRateSchedule = phase.learning_rate
    if phase.schedule == "cosine":
        rate = TabledRate(warm_cosine(rate, steps))
    decay = {"weight_decay": phase.weight_decay or None}
    optimizer = {
        "adamw": lambda: keras.optimizers.AdamW(rate, **{"weight_decay": phase.weight_decay}),
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
    trainer: keras.Model, dataset: Dataset, plan: Plan, mixup: float, epoch: int, seed: int, name: str
) -> dict:
    """Show every training image once, in an order that follows from the seed and the epoch alone."""
    size = min(plan.batch_size, len(dataset.train.labels))
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(dataset.train.labels))[: _steps(dataset.train, plan) * size]
    images, targets = dataset.train.images, _one_hot(dataset.train.labels, len(dataset.class_names))
    if mixup:
        images, targets = mix(images[order], targets[order], mixup, random)
        order = np.arange(len(order))
    fitted = fit_once(trainer, images, targets, order.reshape(-1, size))
    if not np.isfinite(fitted["loss"]):
        raise TrainingError(
            f"Training {name} stopped in epoch {epoch}: the loss is {fitted['loss']}; "
            "lower the learning rate of its recipe."
        )
    rate = float(ops.convert_to_numpy(trainer.optimizer.learning_rate))
    return {"epoch": epoch, **fitted, "learning_rate": rate}


def fit_once(trainer: keras.Model, images: np.ndarray, targets: np.ndarray, batches: np.ndarray) -> dict[str, float]:
    """Show a compiled model images and targets in batches of places (steps, size) int; give their mean metrics.

    This is an epoch of Keras's `fit`, without its tf.data pipeline: that one tunes itself in ever longer intervals,
    and at its end waits for the last of them, so that a call may take twice as long as its work.
    """
    steps = [trainer.train_on_batch(images[chosen], targets[chosen], return_dict=True) for chosen in batches]
    return {name: float(np.mean([step[name] for step in steps])) for name in steps[0]}


def _one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Turn labels (N,) into targets (N, classes) float32."""
    return np.eye(classes, dtype=np.float32)[labels]


def mix(
    images: np.ndarray, targets: np.ndarray, strength: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Blend each image (N, H, W, C) uint8 and its target (N, classes) with those of another. Zhang et al., 2018.

    The weight of the other one is drawn from Beta(strength, strength) and the larger of the two shares is the image's
    own, so that the order of the images means as much as before.
    """
    share = random.beta(strength, strength, len(images)).astype(np.float32)
    share, other = np.minimum(share, 1 - share), random.permutation(len(images))
    blended = np.empty_like(images)
    for start in range(0, len(images), PREDICTION_BATCH):  # in pieces: as floats, all at once take four times the room
        here = slice(start, start + PREDICTION_BATCH)
        weight = share[here, None, None, None]
        blended[here] = np.rint(images[here] * (1 - weight) + images[other[here]] * weight)
    return blended, targets * (1 - share[:, None]) + targets[other] * share[:, None]


def _validate(validator: keras.Model, split: Split) -> dict:
    """Measure loss and accuracy as they will be when the network is used: without augmentation or smoothing."""
    logits = predict_in_batches(validator, split.images)
    likelihood = softmax(logits)[np.arange(len(logits)), split.labels]
    loss = -np.log(np.maximum(likelihood, np.finfo(np.float32).tiny)).mean()
    return {"val_loss": float(loss), "val_accuracy": float((logits.argmax(axis=1) == split.labels).mean())}


def _report_progress(report: Callable[[str], None], name: str, state: _State, phases: list[Phase]) -> None:
    """Report about five times a training, and at its end."""
    total = sum(phase.epochs for phase in phases)
    row, done = state.rows[-1], len(state.rows)
    if done % max(1, total // 5) and done != total:
        return
    left = (total - done) * float(np.mean([r["seconds"] for r in state.rows]))
    report(
        f"training {name}: epoch {done} of {total}, loss {row['loss']:.3f}, "
        f"validation accuracy {row['val_accuracy']:.1%}, learning rate {row['learning_rate']:.2g}, {left:.0f} s left"
    )


def _logs(folder: Path) -> Path | None:
    """Name the folder for TensorBoard's logs if they are asked for; TrainingError if they cannot be written."""
    if os.environ.get("TENSORBOARD", "0") in ("", "0"):
        return None
    if find_spec("tensorboard") is None:
        raise TrainingError("TENSORBOARD=1 needs the package tensorboard: pip install -r requirements-tensorboard.txt.")
    return folder


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
    np.savez(buffer, state=np.array(json.dumps(asdict(state))), **arrays)
    write_sealed(checkpoint, buffer.getvalue())


def _restore(checkpoint: Path | None, trainer: keras.Model, phase: int) -> _State | None:
    """Load a checkpoint of this phase or a later one; of a later one only the state is of use yet."""
    if checkpoint is None or (content := read_sealed(checkpoint)) is None:
        return None
    with np.load(BytesIO(content)) as arrays:
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

    Just so means: the same architecture, plan, seed, data set, precision and Keras version. A lock makes a second
    process wait for the first one's training instead of repeating it. With TENSORBOARD=1 in the environment, each
    epoch is logged under the folder for TensorBoard. Raises WriteError where the disk refuses.
    """
    model = build()
    key = training_key(model, dataset, plan, seed)
    with locked(folder / f".{name}.lock"):
        if (trained := load_trained(folder, name, key)) is None:
            checkpoint, logs = folder / f".{name}.{key}.npz", _logs(folder / "tensorboard" / name)
            trained = train(model, dataset, plan, seed=seed, name=name, checkpoint=checkpoint, logs=logs, report=report)
            facts = {"seed": seed, "plan": asdict(plan), "data": dataset.fingerprint, "machine": describe_machine()}
            _save_trained(trained, folder, name, key, facts)
            for leftover in folder.glob(f".{name}.*.npz"):
                leftover.unlink()
    return trained


def training_key(model: keras.Model, dataset: Dataset, plan: Plan, seed: int) -> str:
    """Condense all that a training's result depends on into a short hash."""
    parts = [
        _architecture(model),
        _settings(plan),
        seed,
        dataset.fingerprint,
        keras.__version__,
        keras.backend.backend(),
        choose_precision(multiplications(model)),
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


def predict_logits(model: keras.Model, images: np.ndarray, precision: Precision = "float32") -> np.ndarray:
    """Give the logits of images (N, H, W, C) in 0..255: (N, classes) float32, computed batch by batch.

    In float32 they are the model's own up to rounding; bfloat16 is about twice as fast where the processor has it,
    and moves probabilities by up to some hundredths.
    """
    return predict_in_batches(prediction_twin(model, precision), images)


def predict_in_batches(twin: keras.Model, images: np.ndarray) -> np.ndarray:
    """Give a twin's logits of images, in batches of one size: TensorFlow would trace a smaller last one anew.

    Keras's `predict` gives the same, and waits at its end as `fit` does; see `fit_once`.
    """
    batches = -(-len(images) // PREDICTION_BATCH)
    size = -(-len(images) // batches)
    filled = np.concatenate([images, np.repeat(images[-1:], batches * size - len(images), axis=0)])
    predicted = [twin.predict_on_batch(batch) for batch in np.split(filled, batches)]
    return np.concatenate(predicted)[: len(images)]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits (N, classes) into probabilities float32 that sum to one."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype(np.float32)
