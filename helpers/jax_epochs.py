"""Epochs of training on Keras's JAX backend, many steps in one program: on a GPU, a step is shorter than its call.

Keras calls a program for each step, and writes all variables back after it. Here the steps of a piece of an epoch are
a loop of the program, and variables are written once.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

import jax
import keras
import numpy as np

from helpers.showing import Showing

PIECE = 32  # steps whose images are on their way to the device at once
State = tuple[list[jax.Array], ...]  # trainable, other, optimiser's and metrics' variables, as Keras orders them


def fit_once_on_jax(
    trainer: keras.Model, images: np.ndarray, targets: np.ndarray, showing: Showing
) -> dict[str, float]:
    """Show a compiled model images and targets as `training.fit_once` does; give its mean metrics.

    The variables of its optimiser and its metrics must have been made.
    """
    trainer.reset_metrics()
    groups = _variables(trainer)
    program, state = _program(trainer), tuple([variable.value for variable in group] for group in groups)
    for batches, count in _pieces(images, targets, showing):
        state = program(state, batches, count)
    for group, values in zip(groups, state, strict=True):
        for variable, value in zip(group, values, strict=True):
            variable.assign(value)
    return {name: float(value) for name, value in trainer.get_metrics_result().items()}


def _variables(trainer: keras.Model) -> tuple[list[keras.Variable], ...]:
    return (
        trainer.trainable_variables,
        trainer.non_trainable_variables,
        trainer.optimizer.variables,
        trainer.metrics_variables,
    )


def _pieces(
    images: np.ndarray, targets: np.ndarray, showing: Showing
) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], int]]:
    """Give the batches of so many steps at a time, and how many; the last piece is filled up, for one program."""
    steps = len(showing.places)
    for start in range(0, steps, PIECE):
        count = min(PIECE, steps - start)
        batches = [showing.batch(images, targets, start + min(i, count - 1)) for i in range(min(PIECE, steps))]
        yield tuple(np.stack(part) for part in zip(*batches, strict=True)), count


@lru_cache(maxsize=1)  # one model is trained at a time, phase by phase
def _program(trainer: keras.Model) -> Callable[..., State]:
    """Compile a loop of training steps: it takes the state, batches (PIECE, size, ...) and the number of them."""

    def steps(state: State, batches: tuple[jax.Array, jax.Array], count: int) -> State:
        def step(place: int, state: State) -> State:
            return trainer.train_step(state, tuple(part[place] for part in batches))[1]

        return jax.lax.fori_loop(0, count, step, state)

    return jax.jit(steps, donate_argnums=0)
