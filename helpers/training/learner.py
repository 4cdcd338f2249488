"""What takes the steps of training: a network with augmentation, loss and optimiser, fast or as Keras's `fit`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np
from keras import ops

from helpers.networks.fast import Accelerated
from helpers.training.augmentation import augmentation_layers
from helpers.training.batches import EpochBatches
from helpers.training.recipes import Phase, Plan

Arrays = tuple[np.ndarray, ...]  # images (N, H, W, C) uint8, targets (N, classes), and perhaps weights (N,) float32


@dataclass(frozen=True)
class Learner:
    """A compiled model that learns from raw pixels (N, H, W, C).

    augmentation: layers that change the images before the model sees them, where they are no part of it. plain: whether
    Keras's `fit` takes the steps.
    """

    model: keras.Model
    augmentation: Sequence[keras.layers.Layer] = field(default=())
    plain: bool = False

    @property
    def variables(self) -> list[keras.Variable]:
        """All that the next step depends on: weights, states of random generators and of the optimiser."""
        changing = [variable for layer in self.augmentation for variable in layer.variables]
        return [*self.model.variables, *changing, *self.model.optimizer.variables]

    def fit_epoch(
        self, data: Arrays, batches: EpochBatches, callbacks: Sequence[keras.callbacks.Callback] = ()
    ) -> dict[str, float]:
        """Train on the batches of one epoch; give the mean of the loss and of each metric.

        callbacks: called before and after each step, for which the learner has to be a plain one.
        """
        if not self.plain:
            return fit_epoch(self.model, data, batches)
        steps = {"steps_per_epoch": len(batches.indices), "verbose": 0, "callbacks": [*callbacks]}
        history = self.model.fit(self._batches(data, batches), **steps).history
        return {name: float(values[-1]) for name, values in history.items()}

    def measure(self, targets: np.ndarray, logits: np.ndarray) -> dict[str, float]:
        """Give a user's metrics of logits (N, classes), which are not those of the model's training."""
        self.model.reset_metrics()
        results = self.model.compute_metrics(None, ops.convert_to_tensor(targets), ops.convert_to_tensor(logits))
        self.model.reset_metrics()
        return {name: float(value) for name, value in results.items()}

    def _batches(self, data: Arrays, batches: EpochBatches) -> Iterator[Arrays]:
        for step in range(len(batches.indices)):
            images, *rest = batches.batch(data, step)
            for layer in self.augmentation:
                images = layer(ops.cast(images, "float32"), training=True)
            yield ops.convert_to_numpy(images), *rest


def make_learner(
    accelerated: Accelerated, plan: Plan, phase: Phase, steps: int, seed: int, metrics: Sequence[object] = ()
) -> Learner:
    """Put augmentation before what trains in a phase, and the loss and the optimiser behind it.

    steps: of the whole phase; metrics: as Keras's `compile` takes them, beside the accuracy.
    """
    network, changes = accelerated.trainer, augmentation_layers(plan.augmentation, seed) if phase.augmented else []
    if phase.enlargement is not None:
        network = accelerated.resize(network, phase.enlargement)
    model = (
        network if accelerated.plain else keras.Sequential([keras.Input(network.input_shape[1:]), *changes, network])
    )
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=plan.label_smoothing)
    # XLA makes TensorFlow several times slower on a processor; JAX without it would go through every step by hand.
    options = {"metrics": ["accuracy", *metrics], "jit_compile": keras.backend.backend() != "tensorflow"}
    model.compile(_optimizer(phase, steps, accelerated.adamw), loss, **options)
    learner = Learner(model, changes if accelerated.plain else (), accelerated.plain)
    _make_variables(model, *model.output_shape[1:])
    return learner


def _optimizer(phase: Phase, steps: int, adamw: type[keras.optimizers.AdamW]) -> keras.optimizers.Optimizer:
    rate: float | keras.optimizers.schedules.LearningRateSchedule = phase.learning_rate
    if phase.schedule == "cosine":
        rate = TabledRate(warm_cosine(phase.learning_rate, steps))
    decay = {"weight_decay": phase.weight_decay or None}
    makers: dict[str, Callable[[], keras.optimizers.Optimizer]] = {
        "adamw": lambda: adamw(rate, weight_decay=phase.weight_decay),
        "adadelta": lambda: keras.optimizers.Adadelta(rate, **decay),
        "sgd": lambda: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, **decay),
    }
    optimizer = makers[phase.optimizer]()
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

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        """Give the rate for the step that comes now."""
        return ops.take(self.rates, ops.minimum(ops.cast(step, "int32"), len(self.rates) - 1))


def fit_epoch(model: keras.Model, data: Arrays, batches: EpochBatches) -> dict[str, float]:
    """Train a compiled model on the batches of one epoch; give the mean of the loss and of each metric.

    This is an epoch of Keras's `fit`, with several steps in one program, and without its tf.data pipeline: that one
    tunes itself in ever longer intervals, and at its end waits for the last of them, so that a call may take twice as
    long as its work.
    """
    if not hasattr(model, "steps_program"):
        _make_variables(model, *data[1].shape[1:])
    model.reset_metrics()
    if keras.backend.backend() == "jax":
        from helpers.training.jax_epochs import take_steps
    else:
        from helpers.training.tf_epochs import take_steps
    take_steps(model, batches.pieces(data))
    return {name: float(value) for name, value in model.get_metrics_result().items()}


def _make_variables(model: keras.Model, *classes: int) -> None:
    """Make the variables of optimiser, loss and metrics now, if they are not there: in a program, none can be made."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    model.compute_metrics(None, ops.zeros((1, *classes)), ops.zeros((1, *classes)))
