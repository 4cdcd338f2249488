"""Gradient ascent on images: the steps, and the shifts under which they are taken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from helpers.base.checks import require

Score = Callable[..., tf.Tensor]  # images (N, H, W, C) and targets, tensors of N rows each, to (N,)
Climb = Callable[..., tuple[tf.Tensor, tf.Tensor]]


@dataclass(frozen=True)
class Settings:
    """How an ascent moves.

    step_size: length of a step in grey levels, root mean square over the image. jitter: the largest shift in pixels by
    which the image is moved, drawn anew each time, before the gradient of every second step is taken, so that no
    pattern depends on its exact place; the steps between see the image as it is, because strides and pooling answer a
    shift by an odd number of pixels differently, and an objective that is never looked at may fall. frequency_decay:
    the power of the spatial frequency by which the gradient's spectrum is divided: 0 leaves it, 1 gives all scales of a
    natural image an equal chance. Raises ValueError on values out of range.
    """

    step_size: float = 4.0
    jitter: int = 2
    frequency_decay: float = 1.0

    def __post_init__(self) -> None:
        require(self.step_size > 0, f"The step size is {self.step_size}: it must be above 0.")
        for name, value in vars(self).items():
            require(value >= 0, f"{name} is {value}: it must be at least 0.")


def ascend(images: tf.Tensor, gradient: tf.Tensor, settings: Settings) -> tf.Tensor:
    """Move each image (N, H, W, C) up its gradient by one step, inside 0..255."""
    # A pixel at its limit cannot move further: it must not use up the length of the step.
    stuck = ((images <= 0.0) & (gradient < 0.0)) | ((images >= 255.0) & (gradient > 0.0))
    direction = tf.where(stuck, 0.0, gradient)
    if settings.frequency_decay:
        direction = tf.where(stuck, 0.0, divide_by_frequency(direction, settings.frequency_decay))
    length = tf.sqrt(tf.reduce_mean(tf.square(direction), axis=(1, 2, 3), keepdims=True))
    step = settings.step_size * tf.math.divide_no_nan(direction, length)
    return tf.clip_by_value(images + step, 0.0, 255.0)


def compile_climb(
    score: Score, image: Sequence[int | None], targets: Sequence[tf.TensorSpec], settings: Settings
) -> Climb:
    """Compile the ascent once, for any number of images and of steps.

    image: (H, W, C), None where any size will do; targets: what the score is given with the images. Gives a function of
    images (N, H, W, C) float32, the targets in a list, the numbers of the first and of the step after the last, and a
    seed; it returns the images after the last step and the objective that each step saw, with that of the last images
    as they are, (steps + 1, N). Steps are drawn from the seed and their number, so that an ascent may be cut in two.
    """
    numbers = [tf.TensorSpec((), tf.int32)] * 3

    @tf.function(input_signature=[tf.TensorSpec((None, *image), tf.float32), list(targets), *numbers], autograph=False)
    def climb(images: Any, targets: Any, first: Any, last: Any, seed: Any) -> Any:
        shape = images.shape

        def take(step: Any, images: Any, history: Any) -> Any:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(images)
                scores = score(move(images, settings, seed, step), *targets)
            gradient = tape.gradient(scores, images)
            risen = tf.ensure_shape(ascend(images, gradient, settings), shape)
            return step + 1, risen, history.write(step - first, scores)

        seen = tf.TensorArray(tf.float32, size=last - first)
        _, images, seen = tf.while_loop(lambda step, *_: step < last, take, (first, images, seen))
        return images, tf.concat([seen.stack(), score(images, *targets)[tf.newaxis]], axis=0)

    return climb


def measured_steps(steps: int, settings: Settings) -> np.ndarray:
    """Number the steps after which the objective of the image as it is is known without another pass: int64."""
    every = np.arange(steps + 1)
    return every[(every % 2 == 0) | (every == steps)] if settings.jitter else every


def climb_with_stops(
    climb: Climb,
    start: np.ndarray,
    targets: Sequence[tf.Tensor],
    count: int,
    steps: int,
    keep: Sequence[int],
    seed: int,
) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Climb to `count` objectives from one image or from one each.

    Gives the snapshots, and the objective that each step saw: (steps + 1, count).
    """
    images = np.broadcast_to(start, (count, *start.shape[-3:])).astype(np.float32)
    snapshots, history, first = {0: images}, [], 0
    for stop in sorted({*keep, steps} - {0}):
        span = (tf.constant(value, tf.int32) for value in (first, stop, seed))
        images, values = climb(tf.constant(images), list(targets), *span)
        snapshots[stop] = images.numpy()
        history.append(values[:-1])
        first = stop
    return snapshots, np.concatenate([*history, values[-1:]])


def move(images: tf.Tensor, settings: Settings, seed: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
    """Shift all images alike by amounts drawn for this step; not in steps with an even number."""
    if not settings.jitter:
        return images
    # Four are drawn and two used: an ascent kept from before there were two gives the same images again.
    drawn = tf.random.stateless_uniform((4,), [seed, step], -1.0, 1.0)[2:] * tf.cast(step % 2, tf.float32)
    whole = tf.cast(tf.round(drawn * (settings.jitter + 0.5)), tf.int32)  # each shift is equally likely
    return tf.roll(images, tf.clip_by_value(whole, -settings.jitter, settings.jitter), axis=(1, 2))


def divide_by_frequency(gradient: tf.Tensor, power: float) -> tf.Tensor:
    """Divide the spectrum of a gradient (N, H, W, C) by frequency ** power.

    All divisors are positive, so the result is still a direction in which the objective rises.
    """
    size = tf.unstack(tf.shape(gradient)[1:3])
    spectrum = tf.signal.rfft2d(tf.transpose(gradient, (0, 3, 1, 2)))
    scaled = tf.signal.irfft2d(spectrum * tf.cast(_frequency(*size) ** -power, tf.complex64), size)
    return tf.ensure_shape(tf.transpose(scaled, (0, 2, 3, 1)), gradient.shape)


def _frequency(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Frequency at each place of a spectrum, in waves a pixel; that of the mean is the lowest of the others."""
    lowest = 1.0 / tf.cast(tf.maximum(height, width), tf.float32)
    rows, columns = _frequencies(height), _frequencies(width)[: width // 2 + 1]
    return tf.maximum(tf.sqrt(rows[:, tf.newaxis] ** 2 + columns**2), lowest)


def _frequencies(size: tf.Tensor) -> tf.Tensor:
    """Absolute frequency of each place of a spectrum along one side, in waves a pixel."""
    place = tf.range(size)
    return tf.cast(tf.minimum(place, size - place), tf.float32) / tf.cast(size, tf.float32)
