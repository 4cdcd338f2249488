"""Steps of training in one graph of TensorFlow: Python takes 1.5 ms to call one, half of what a small DNN takes."""

from collections.abc import Callable, Iterable

import keras
import numpy as np
import tensorflow as tf


def take_steps(trainer: keras.Model, pieces: Iterable[tuple[np.ndarray, ...]]) -> None:
    """Train a compiled model on pieces of an epoch: arrays (steps, size, ...)."""
    for piece in pieces:
        if not hasattr(trainer, "steps_program"):
            trainer.steps_program = _program(trainer, *piece)
        trainer.steps_program(*piece)


def _program(trainer: keras.Model, *piece: np.ndarray) -> Callable[..., None]:
    """Trace a loop of training steps, over as many as it is given."""

    def steps(*piece: tf.Tensor) -> None:
        def step(place: tf.Tensor) -> tf.Tensor:
            trainer.train_step(tuple(part[place] for part in piece))
            return place + 1

        count = tf.shape(piece[0])[0]
        tf.while_loop(lambda place: place < count, step, [tf.constant(0)], parallel_iterations=1)

    signature = [tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in piece]
    return tf.function(steps, input_signature=signature, autograph=False)
