"""Steps of training in one program of JAX: on a GPU, a step is shorter than the call of one.

Keras calls a program for each step, and writes all variables back after it. Here the steps of a piece of an epoch are
a loop of the program, and variables are written once an epoch.
"""

from collections.abc import Callable, Iterable

import jax
import keras
import numpy as np

State = tuple[list[jax.Array], ...]  # trainable, other, optimiser's and metrics' variables, as Keras orders them


def take_steps(trainer: keras.Model, pieces: Iterable[tuple[np.ndarray, ...]]) -> None:
    """Train a compiled model on pieces of an epoch: arrays (steps, size, ...)."""
    if not hasattr(trainer, "steps_program"):
        trainer.steps_program = _program(trainer)
    groups, longest = _variables(trainer), 0
    state = tuple([variable.value for variable in group] for group in groups)
    for piece in pieces:
        longest = max(longest, len(piece[0]))
        state = trainer.steps_program(state, tuple(_fill(part, longest) for part in piece), len(piece[0]))
    for group, values in zip(groups, state, strict=True):
        for variable, value in zip(group, values, strict=True):
            variable.assign(value)


def _variables(trainer: keras.Model) -> tuple[list[keras.Variable], ...]:
    return (
        trainer.trainable_variables,
        trainer.non_trainable_variables,
        trainer.optimizer.variables,
        trainer.metrics_variables,
    )


def _fill(part: np.ndarray, steps: int) -> np.ndarray:
    """Repeat the last step of a short piece, which is then not taken: for another size, JAX would compile anew."""
    return np.concatenate([part, np.repeat(part[-1:], steps - len(part), axis=0)])


def _program(trainer: keras.Model) -> Callable[..., State]:
    """Compile a loop of training steps: it takes the state, a piece (steps, size, ...) and how many steps to take."""

    def steps(state: State, piece: tuple[jax.Array, ...], count: int) -> State:
        def step(place: int, state: State) -> State:
            return trainer.train_step(state, tuple(part[place] for part in piece))[1]

        return jax.lax.fori_loop(0, count, step, state)

    return jax.jit(steps, donate_argnums=0)
