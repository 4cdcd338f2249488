"""What takes the steps of training: a network with augmentation, loss and optimiser, fast or as Keras's `fit`.

A user's callbacks are called in it as Keras's `fit` calls them.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from helpers.networks.fast import Accelerated
from helpers.training.augmentation import augmentation_layers
from helpers.training.batches import EpochBatches
from helpers.training.recipes import Phase, Plan

if TYPE_CHECKING:
    import tensorflow as tf

STEPS_AT_ONCE = 16  # of a TensorFlow program: Python takes 1.5 ms to call one, half of what a small DNN takes

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
        return fit_epoch(self.model, lambda: self._batches(data, batches), len(batches.indices), callbacks)

    def measure(self, targets: np.ndarray, logits: np.ndarray) -> dict[str, float]:
        """Give a user's metrics of logits (N, classes), which are not those of the model's training."""
        self.model.reset_metrics()
        results = self.model.compute_metrics(None, ops.convert_to_tensor(targets), ops.convert_to_tensor(logits))
        self.model.reset_metrics()
        return {name: float(value) for name, value in results.items()}

    def _batches(self, data: Arrays, batches: EpochBatches) -> Iterator[Arrays]:
        for images, *rest in batches.all(data):
            for layer in self.augmentation:
                images = ops.convert_to_numpy(layer(ops.cast(images, "float32"), training=True))
            yield images, *rest


def make_learner(
    accelerated: Accelerated, plan: Plan, phase: Phase, steps: int, seed: int, metrics: Sequence[object] = ()
) -> Learner:
    """Put augmentation before what trains in a phase, and the loss and the optimiser behind it.

    steps: of the whole phase; metrics: as Keras's `compile` takes them, beside the accuracy.
    """
    network, changes = accelerated.trainer, augmentation_layers(plan.augmentation, seed) if phase.augmented else []
    if phase.enlargement is not None:
        network = accelerated.resize(network, phase.enlargement)
    parts = [] if accelerated.plain else [keras.Input(network.input_shape[1:]), *changes, network]
    model = keras.Sequential(parts) if parts else network
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=plan.label_smoothing)
    # XLA makes TensorFlow several times slower on a processor; JAX without it would go through every step by hand.
    tensorflow = keras.backend.backend() == "tensorflow"
    options = {"metrics": ["accuracy", *metrics], "jit_compile": not tensorflow}
    if tensorflow and not accelerated.plain:  # JAX would compile each of the steps
        options["steps_per_execution"] = STEPS_AT_ONCE
    model.compile(_optimizer(phase, steps, accelerated.adamw), loss, **options)
    learner = Learner(model, changes if accelerated.plain else (), accelerated.plain)
    if not model.optimizer.built:  # in a program, no variables can be made: of optimiser, loss or metrics
        model.optimizer.build(model.trainable_variables)
    model.compute_metrics(None, ops.zeros((1, *model.output_shape[1:])), ops.zeros((1, *model.output_shape[1:])))
    return learner


def _optimizer(phase: Phase, steps: int, adamw: type[keras.optimizers.AdamW]) -> keras.optimizers.Optimizer:
    if phase.compiled:  # the one that a user's network is compiled with
        spelt = json.loads(phase.compiled)
        times = spelt.pop("times", 1)
        spelt["config"] |= {"learning_rate": phase.learning_rate} if phase.schedule == "constant" else {}
        optimizer = keras.optimizers.deserialize(spelt)
        if times != 1:
            schedule = keras.optimizers.schedules.deserialize(spelt["config"]["learning_rate"])
            optimizer.learning_rate = TabledRate(
                np.array([times * float(schedule(i)) for i in range(steps)], np.float32)
            )
        return optimizer
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


def fit_epoch(
    model: keras.Model,
    batches: Callable[[], Iterator[Arrays]],
    steps: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, float]:
    """Train a compiled model by Keras's `fit` on the batches of one epoch; give the mean of the loss and each metric.

    batches: gives as many batches as there are steps, whenever it is called.
    """
    # Given a generator, Keras on TensorFlow lets tf.data tune itself, and its end waits for that as long again.
    fed = _untuned(batches, steps) if model.steps_per_execution > 1 else batches()
    history = model.fit(fed, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[*callbacks]).history
    return {name: float(values[-1]) for name, values in history.items()}


def _untuned(batches: Callable[[], Iterator[Arrays]], steps: int) -> "tf.data.Dataset":
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    signature = tuple(tf.TensorSpec(part.shape, part.dtype) for part in next(batches()))
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature).with_options(options)
    return dataset.apply(tf.data.experimental.assert_cardinality(steps))


BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def batch_callback(callbacks: Sequence[keras.callbacks.Callback]) -> str:
    """Name the first callback that acts before or after a step, which only Keras's `fit` has hooks for; "" if none."""
    for kind in map(type, callbacks):
        if any(getattr(kind, hook) is not getattr(keras.callbacks.Callback, hook) for hook in BATCH_HOOKS):
            return kind.__name__
    return ""


class Hooks:
    """Calls callbacks at the begin and the end of training and of its epochs, which are counted from 0 through phases.

    Their model is the plain network, with the weights that training has come to, and with its optimiser. What they
    set of it, weights and learning rate, training goes on with; with `model.stop_training` it ends.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback], accelerated: Accelerated, epochs: int) -> None:
        self._accelerated, self._model, self._any = accelerated, accelerated.model, bool(callbacks)
        self._all = keras.callbacks.CallbackList([*callbacks], model=accelerated.model, epochs=epochs, verbose=0)
        self._model.stop_training, self._earlier = False, getattr(accelerated.model, "optimizer", None)

    @property
    def of_batches(self) -> list[keras.callbacks.Callback]:
        """What hands on the hooks of steps to all callbacks; for Keras's `fit`."""
        return [_OfBatches(self._all)] if self._any else []

    @property
    def stopped(self) -> bool:
        """Whether a callback has asked for the end of training."""
        return bool(self._model.stop_training)

    def begin(self) -> None:
        """Begin the training."""
        self._all.on_train_begin()

    def begin_epoch(self, epoch: int, optimizer: keras.optimizers.Optimizer) -> None:
        """Begin an epoch; the optimiser is that of its phase."""
        if self._any:
            self._model.optimizer = optimizer
            self._accelerated.give_weights()
            self._all.on_epoch_begin(epoch)
            self._accelerated.take_weights()

    def end_epoch(self, epoch: int, logs: Mapping[str, float]) -> None:
        """End an epoch, with its loss, its metrics and those of the validation split."""
        if self._any:
            self._accelerated.give_weights()
            self._all.on_epoch_end(epoch, dict(logs))
            self._accelerated.take_weights()

    def end(self) -> None:
        """End the training: the plain network has its weights, and those of a callback if it restores better ones."""
        self._accelerated.give_weights()
        self._all.on_train_end()
        if self._any and not self._accelerated.plain:
            self._model.optimizer = self._earlier  # the last one is no part of the network's file


class _OfBatches(keras.callbacks.Callback):
    def __init__(self, callbacks: keras.callbacks.CallbackList) -> None:
        super().__init__()
        self._all = callbacks

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self._all.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self._all.on_train_batch_end(batch, logs)
