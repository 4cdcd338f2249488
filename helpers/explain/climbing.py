"""Gradient ascent on images: the steps, the views under which they are taken, and the coordinates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

Score = Callable[..., tf.Tensor]  # images (N, H, W, C) and targets, tensors of N rows each, to (N,)
Climb = Callable[..., tuple[tf.Tensor, tf.Tensor]]


@dataclass(frozen=True)
class Settings:
    """How an ascent moves.

    step_size: length of a step in grey levels, root mean square over the image. jitter, rotation, scaling:
    the largest shift in pixels, angle in degrees and share of the size by which the image is moved, turned
    and enlarged or shrunk, drawn anew each time, before the gradient of every second step is taken, so that
    no pattern depends on its exact place, direction or size; the steps between see the image as it is,
    because strides and pooling answer a shift by an odd number of pixels differently, and an objective that
    is never looked at may fall. frequency_decay: the power of the spatial frequency by which the gradient's
    spectrum is divided: 0 leaves it, 1 gives all scales of a natural image an equal chance. smoothness, norm:
    weights of the total variation and of the mean square distance to mid grey, of the image scaled to 0..1,
    which are subtracted from the objective that is climbed, not from the one reported. fourier: move the
    coefficients of the image's Fourier series instead of its pixels, each coefficient divided by its
    frequency to the power of frequency_decay; grey levels then pass through a sigmoid instead of being
    clipped, and a step has its length where that is steepest, at mid grey. Raises ValueError on values out
    of range.
    """

    step_size: float = 4.0
    jitter: int = 2
    frequency_decay: float = 1.0
    smoothness: float = 0.0
    norm: float = 0.0
    rotation: float = 0.0
    scaling: float = 0.0
    fourier: bool = False

    def __post_init__(self) -> None:
        if self.step_size <= 0:
            raise ValueError(f"The step size is {self.step_size}: it must be above 0.")
        negative = [name for name, value in vars(self).items() if value < 0]
        if negative:
            raise ValueError(f"{negative[0]} is {getattr(self, negative[0])}: it must be at least 0.")
        if self.scaling >= 1:
            raise ValueError(f"scaling is {self.scaling}: it must be below 1, the image's whole size.")

    @property
    def moves(self) -> bool:
        """Whether any step sees the image moved, turned or resized."""
        return bool(self.jitter or self.rotation or self.scaling)


class Pixels:
    """The image itself as what an ascent moves."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        """Give the coordinates of images (N, H, W, C) in 0..255."""
        return images

    def decode(self, pixels: tf.Tensor, size: Sequence[tf.Tensor]) -> tf.Tensor:
        """Give the images of this height and width that have these coordinates."""
        return pixels

    def step(self, pixels: tf.Tensor, gradient: tf.Tensor, size: Sequence[tf.Tensor]) -> tf.Tensor:
        """Move each image up by one step, inside 0..255."""
        # A pixel at its limit cannot move further: it must not use up the length of the step.
        stuck = ((pixels <= 0.0) & (gradient < 0.0)) | ((pixels >= 255.0) & (gradient > 0.0))
        direction = tf.where(stuck, 0.0, gradient)
        if self.settings.frequency_decay:
            direction = tf.where(stuck, 0.0, divide_by_frequency(direction, self.settings.frequency_decay))
        step = self.settings.step_size * tf.math.divide_no_nan(direction, _root_mean_square(direction))
        return tf.clip_by_value(pixels + step, 0.0, 255.0)


class Fourier:
    """The coefficients of a Fourier series, of which a sigmoid makes grey levels. Olah et al., 2017."""

    STEEPEST = 255 / 4  # slope of 255 * sigmoid at mid grey

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        """Give the coefficients (N, C, H, W // 2 + 1) complex64 of images (N, H, W, C) in 0..255."""
        share = tf.clip_by_value(images / 255.0, 0.5 / 255.0, 254.5 / 255.0)
        spectrum = _spectrum(tf.math.log(share) - tf.math.log1p(-share))
        return spectrum / self._scale(tf.unstack(tf.shape(images)[1:3]))

    def decode(self, coefficients: tf.Tensor, size: Sequence[tf.Tensor]) -> tf.Tensor:
        """Give the images of this height and width that have these coefficients."""
        return 255.0 * tf.sigmoid(_image(coefficients * self._scale(size), size))

    def step(self, coefficients: tf.Tensor, gradient: tf.Tensor, size: Sequence[tf.Tensor]) -> tf.Tensor:
        """Move the coefficients along their gradient."""
        length = self.STEEPEST * _root_mean_square(_image(gradient * self._scale(size), size))
        step = tf.math.divide_no_nan(self.settings.step_size, length)
        return coefficients + gradient * tf.cast(step, tf.complex64)

    def _scale(self, size: Sequence[tf.Tensor]) -> tf.Tensor:
        return tf.cast(_frequency(*size) ** -self.settings.frequency_decay, tf.complex64)


def compile_climb(
    score: Score, image: Sequence[int | None], targets: Sequence[tf.TensorSpec], settings: Settings
) -> Climb:
    """Compile the ascent once, for any number of images and of steps.

    image: (H, W, C), None where any size will do; targets: what the score is given with the images. Gives a
    function of images (N, H, W, C) float32, the targets in a list, the numbers of the first and of the step
    after the last, and a seed; it returns the images after the last step and the objective that each step saw,
    with that of the last images as they are, (steps + 1, N). Steps are drawn from the seed and their number, so
    that an ascent may be cut in two, but for what a sigmoid cannot give back.
    """
    space = Fourier(settings) if settings.fourier else Pixels(settings)
    numbers = [tf.TensorSpec((), tf.int32)] * 3

    @tf.function(input_signature=[tf.TensorSpec((None, *image), tf.float32), list(targets), *numbers])
    def climb(images, targets, first, last, seed):
        size = tf.unstack(tf.shape(images)[1:3])
        state, shape = space.encode(images), images.shape
        history = tf.TensorArray(tf.float32, size=last - first)
        for step in tf.range(first, last):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(state)
                images = tf.ensure_shape(space.decode(state, size), shape)
                scores = score(move(images, settings, seed, step), *targets)
                target = scores - penalty(images, settings)
            gradient = tape.gradient(target, state)
            history = history.write(step - first, scores)
            state = tf.ensure_shape(space.step(state, gradient, size), state.shape)
        images = tf.ensure_shape(space.decode(state, size), shape)
        return images, tf.concat([history.stack(), score(images, *targets)[tf.newaxis]], axis=0)

    return climb


def measured_steps(steps: int, settings: Settings) -> np.ndarray:
    """Number the steps after which the objective of the image as it is is known without another pass: int64."""
    every = np.arange(steps + 1)
    return every[(every % 2 == 0) | (every == steps)] if settings.moves else every


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
    """Shift, turn and resize all images alike by amounts drawn for this step; not in steps with an even number."""
    if not settings.moves:
        return images
    drawn = tf.random.stateless_uniform((4,), [seed, step], -1.0, 1.0) * tf.cast(step % 2, tf.float32)
    if settings.rotation or settings.scaling:
        images = turn(images, drawn[0] * np.deg2rad(settings.rotation), 1.0 + drawn[1] * settings.scaling)
    whole = tf.cast(tf.round(drawn[2:] * (settings.jitter + 0.5)), tf.int32)  # each shift is equally likely
    return tf.roll(images, tf.clip_by_value(whole, -settings.jitter, settings.jitter), axis=(1, 2))


def turn(images: tf.Tensor, angle: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Turn images (N, H, W, C) to the left by an angle in radians and enlarge them about the middle; edges go on."""
    height, width = tf.unstack(tf.cast(tf.shape(images)[1:3], tf.float32))
    cosine, sine = tf.cos(angle) / scale, tf.sin(angle) / scale
    x, y = (width - 1) / 2, (height - 1) / 2
    rows = [cosine, -sine, x - cosine * x + sine * y, sine, cosine, y - sine * x - cosine * y, 0.0, 0.0]
    turned = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(rows)[tf.newaxis],
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    return tf.ensure_shape(turned, images.shape)


def penalty(images: tf.Tensor, settings: Settings) -> tf.Tensor:
    """Weigh the total variation a pixel and the mean square distance to mid grey of images: (N,)."""
    scaled = images / 255.0
    pixels = tf.cast(tf.reduce_prod(tf.shape(images)[1:]), tf.float32)
    roughness = tf.image.total_variation(scaled) / pixels
    distance = tf.reduce_mean(tf.square(scaled - 0.5), axis=(1, 2, 3))
    return settings.smoothness * roughness + settings.norm * distance


def divide_by_frequency(gradient: tf.Tensor, power: float) -> tf.Tensor:
    """Divide the spectrum of a gradient (N, H, W, C) by frequency ** power.

    All divisors are positive, so the result is still a direction in which the objective rises.
    """
    size = tf.unstack(tf.shape(gradient)[1:3])
    scaled = _image(_spectrum(gradient) * tf.cast(_frequency(*size) ** -power, tf.complex64), size)
    return tf.ensure_shape(scaled, gradient.shape)


def _spectrum(images: tf.Tensor) -> tf.Tensor:
    return tf.signal.rfft2d(tf.transpose(images, (0, 3, 1, 2)))


def _image(spectrum: tf.Tensor, size: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.transpose(tf.signal.irfft2d(spectrum, size), (0, 2, 3, 1))


def _frequency(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Frequency at each place of a spectrum, in waves a pixel; that of the mean is the lowest of the others."""
    lowest = 1.0 / tf.cast(tf.maximum(height, width), tf.float32)
    rows, columns = _frequencies(height), _frequencies(width)[: width // 2 + 1]
    return tf.maximum(tf.sqrt(rows[:, tf.newaxis] ** 2 + columns**2), lowest)


def _frequencies(size: tf.Tensor) -> tf.Tensor:
    """Absolute frequency of each place of a spectrum along one side, in waves a pixel."""
    place = tf.range(size)
    return tf.cast(tf.minimum(place, size - place), tf.float32) / tf.cast(size, tf.float32)


def _root_mean_square(images: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_mean(tf.square(images), axis=(1, 2, 3), keepdims=True))
