"""A user's Keras callbacks, called in our training as Keras's `fit` calls them."""

from collections.abc import Mapping, Sequence

import keras

from helpers.networks.fast import Accelerated

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
