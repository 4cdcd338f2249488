"""Deep dream: what a layer finds in real images, exaggerated."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import keras
import numpy as np
import tensorflow as tf

from helpers.explain.ascent.climbing import Climb, Settings, climb_with_stops, compile_climb, measured_steps
from helpers.explain.ascent.filters import check_layers, cut_model, outputs
from helpers.explain.ascent.maximise import DEFAULTS, check_steps, compile_score
from helpers.networks.layers import Layer


@dataclass(frozen=True)
class Dream:
    """A dreamt image and the objective of each octave.

    image: (H, W, C) float32 in 0..255; measured: (R,) int64, numbers of steps, from 0 to that of all; objective:
    (octaves, R) float32, its value after as many; sizes: (height, width) of each octave.
    """

    image: np.ndarray
    measured: np.ndarray
    objective: np.ndarray
    sizes: tuple[tuple[int, int], ...]


def deep_dreams(
    model: keras.Model,
    layer: keras.layers.Layer,
    images: np.ndarray,
    octaves: int = 3,
    octave_scale: float = 1.4,
    steps: int = 20,
    settings: Settings = DEFAULTS,
    *,
    seed: int = 0,
) -> list[Dream]:
    """Exaggerate in real images whatever the layer already finds in them; gives a dream an image.

    images: (N, H, W, C) in 0..255, dreamt of as one batch; layer: a layer with output (N, h, w, F), best one
    after its ReLU, because the objective is the mean square of all its outputs and would also drive negative
    ones away from zero. Octave k works on the image enlarged octave_scale ** k times: a face of 48 pixels is
    too small to be shrunk first, as is done with photographs; sizes that the network does not take are left out. The
    change made in one octave is enlarged into the next, and the change made by all is brought back to (H, W). Raises
    ValueError on settings out of range. Mordvintsev et al., 2015.
    """
    check_steps(steps)
    if octaves < 1 or octave_scale <= 0:
        raise ValueError(f"octaves must be at least 1 and octave_scale above 0, not {octaves} and {octave_scale}.")
    check_layers(model, layer)
    climb, cut, free = _dream_climb(model, layer, settings)
    free.set_weights(cut.get_weights())
    originals = np.asarray(images, np.float32)
    height, width = originals.shape[1:3]
    scales = [octave_scale**octave for octave in range(octaves)]
    wanted = [(max(1, round(height * scale)), max(1, round(width * scale))) for scale in scales]
    sizes = (wanted[0], *(size for size in wanted[1:] if _takes(free, size)))
    change, histories, measured = np.zeros_like(originals), [], measured_steps(steps, settings)
    for octave, size in enumerate(sizes):
        base = _resize(originals, size)
        start = np.clip(base + _resize(change, size), 0, 255)
        snapshots, history = climb_with_stops(climb, start, [], len(images), steps, (), seed + octave)
        change = snapshots[steps] - base
        histories.append(history[measured])
    dreamt = np.clip(originals + _resize(change, originals.shape[1:3]), 0, 255)
    objective = np.stack(histories, axis=1)  # (measured, octaves, N)
    return [Dream(image, measured, objective[..., i].T, sizes) for i, image in enumerate(dreamt)]


def strongest_change(before: np.ndarray, after: np.ndarray, share: float = 0.1) -> np.ndarray:
    """Mark the pixels that differ most between two versions of an image, as mean magnitude over the channels.

    before, after: (..., H, W, C). Returns (..., H, W) bool with this share of the pixels, at least one.
    Raises ValueError unless share is above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"The share of pixels is {share}: it must be above 0 and at most 1.")
    change = np.abs(after.astype(np.float32) - before).mean(axis=-1)
    flat = change.reshape(*change.shape[:-2], -1)
    ranks = np.argsort(np.argsort(-flat, axis=-1, kind="stable"), axis=-1)
    return (ranks < max(1, round(share * flat.shape[-1]))).reshape(change.shape)


def dream_objective(model: keras.Model, layer: keras.layers.Layer, images: np.ndarray) -> np.ndarray:
    """Mean square of a layer's outputs on each image, the quantity that deep_dreams raises; (N,) float32."""
    return _mean_square(outputs(cut_model(model, layer), images)).numpy()


@lru_cache(maxsize=8)
def _dream_climb(model: keras.Model, layer: Layer, settings: Settings) -> tuple[Climb, keras.Model, keras.Model]:
    """Compile the dream's ascent on images of any size; give it, the model cut at the layer, and its copy.

    Where what comes before the layer takes images of one size alone, the copy takes that size as well.
    """
    cut = cut_model(model, layer)
    try:
        free = cut_model(model, layer, any_size=True)
    except ValueError:
        free = cut
    return compile_climb(compile_score(free, _mean_square), free.input_shape[1:], [], settings), cut, free


def _takes(free: keras.Model, size: tuple[int, int]) -> bool:
    """Whether a network takes images of a size: one that joins maps of several sizes does so of some alone."""
    with suppress(ValueError, tf.errors.InvalidArgumentError):
        free(tf.zeros((1, *size, free.input_shape[-1])))
        return True
    return False


def _mean_square(maps: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(maps), axis=(1, 2, 3))


def _resize(image: np.ndarray, size: Sequence[int]) -> np.ndarray:
    return tf.image.resize(image, size, antialias=True).numpy()
