"""Images made to raise a filter's output, by gradient ascent, and what can be measured of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from helpers.base.checks import require
from helpers.explain.ascent.climbing import Climb, Score, Settings, climb_with_stops, compile_climb, measured_steps
from helpers.explain.ascent.filters import check_layers, cut_model, full
from helpers.networks.chunks import chunks, gradient_bytes
from helpers.networks.inference import call
from helpers.networks.layers import Layer, weights

DEFAULTS = Settings()


@dataclass(frozen=True)
class Ascent:
    """The images that an ascent ended in, and how it got there.

    filters: (F,) int64; images: (F, H, W, C) float32 in 0..255; measured: (R,) int64, numbers of steps, from 0 to that
    of all; objective: (R, F) float32, its value after as many; snapshots: number of steps -> (F, H, W, C) float32.
    """

    filters: np.ndarray
    images: np.ndarray
    measured: np.ndarray
    objective: np.ndarray
    snapshots: Mapping[int, np.ndarray]

    @property
    def gain(self) -> np.ndarray:
        """How far each filter's objective rose from start to end, (F,) float32."""
        return self.objective[-1] - self.objective[0]


def maximise_filters(
    model: keras.Model,
    layer: keras.layers.Layer,
    filters: Sequence[int] | None = None,
    steps: int = 190,
    settings: Settings = DEFAULTS,
    *,
    keep: Sequence[int] = (),
    seed: int = 0,
    start: np.ndarray | None = None,
) -> Ascent:
    """Find, for each filter, an image that makes its mean output large, by gradient ascent from grey noise.

    layer: a layer of model with output (N, h, w, F). Give a Conv2D before its ReLU: where a ReLU is zero on the whole
    starting image its gradient is zero too, and the ascent could never leave. filters: indices, all when None. Every
    filter starts from the same noise, so that two images differ by their filters only; start: another image (H, W, C)
    in 0..255 to begin with. keep: numbers of steps after which the images are kept as snapshots. The objective is that
    of the images as they are, unshifted, after every step or, where steps alternate with moved views, every second one
    and the last. Raises ValueError on an unknown filter, a layer of another model, or settings out of range. Erhan et
    al., 2009; jitter as in Mahendran and Vedaldi, 2016; frequencies as in Olah et al., 2017.
    """
    chosen = _check_filters(layer, filters)
    check_steps(steps, keep)
    check_layers(model, layer)
    climb = _filter_climb(model, layer, settings)
    noise = grey_noise(model.input_shape[1:], seed) if start is None else start
    batches = [chosen[chunk] for chunk in chunks(len(chosen), gradient_bytes(model, model.input_shape[1:]))]
    parts = [climb_with_stops(climb, noise, _targets(layer, some), len(some), steps, keep, seed) for some in batches]
    kept = {stop: np.concatenate([snapshots[stop] for snapshots, _ in parts]) for stop in parts[0][0]}
    measured = measured_steps(steps, settings)
    objective = np.concatenate([history[measured] for _, history in parts], axis=1)
    return Ascent(chosen, kept[steps], measured, objective, {stop: kept[stop] for stop in sorted(set(keep))})


def contrast(images: np.ndarray) -> np.ndarray:
    """Standard deviation of each image's pixels, in grey levels; images (N, H, W, C), returns (N,)."""
    return images.mean(axis=-1).std(axis=(1, 2))


def texture(images: np.ndarray) -> pd.DataFrame:
    """What images (N, H, W, C) are made of, a row each, by their power spectra.

    wave: pixels from crest to crest, the power's mean; alignment: 1 where all waves run one way, 0 where they run all
    ways; angle: of the lines that they make, in degrees from 0 (level) to 180, turning as the clock does not.
    """
    grey = images.mean(axis=-1, dtype=np.float64)
    window = np.outer(*(np.hanning(size + 2)[1:-1] for size in grey.shape[1:]))  # borders are no lines
    power = np.abs(np.fft.fft2((grey - grey.mean(axis=(1, 2), keepdims=True)) * window)) ** 2
    share = power / np.maximum(power.sum(axis=(1, 2), keepdims=True), np.finfo(float).tiny)
    rows, columns = (np.fft.fftfreq(size) for size in images.shape[1:3])
    frequency = columns + 1j * -rows[:, np.newaxis]  # of which the direction is across the lines
    doubled = (share * np.exp(2j * np.angle(frequency))).sum(axis=(1, 2))
    wave = 1 / np.maximum((share * np.abs(frequency)).sum(axis=(1, 2)), 1 / max(images.shape[1:3]))
    angle = (np.degrees(np.angle(doubled)) / 2 + 90) % 180
    return pd.DataFrame({"wave": wave, "alignment": np.abs(doubled), "angle": angle})


def grey_noise(shape: Sequence[int], seed: int, spread: float = 10.0) -> np.ndarray:
    """A mid grey image (H, W, C) float32 with uniform noise of at most spread grey levels."""
    noise = np.random.default_rng(seed).uniform(-spread, spread, tuple(shape))
    return (127.5 + noise).astype(np.float32)


@lru_cache(maxsize=8)
def _filter_climb(model: keras.Model, layer: Layer, settings: Settings) -> Climb:
    """Compile the ascent to the mean output of any filter of a layer, once for all calls."""
    image = model.input_shape[1:]
    if not _is_plain_convolution(layer):
        mean = compile_score(cut_model(model, layer), _mean_of_filter)
        return compile_climb(mean, image, [tf.TensorSpec((None,), tf.int64)], settings)
    readout = [tf.TensorSpec((None, *layer.input.shape[1:]), tf.float32), tf.TensorSpec((None,), tf.float32)]
    features = keras.Model(model.inputs[0], layer.input)
    return compile_climb(compile_score(features, _weighted_sum), image, readout, settings)


def _targets(layer: Layer, filters: np.ndarray) -> list[tf.Tensor]:
    """Give what tells the ascents to these filters apart."""
    return _readout(layer, filters) if _is_plain_convolution(layer) else [tf.constant(filters, tf.int64)]


def compile_score(cut: keras.Model, score: Callable[..., tf.Tensor]) -> Score:
    """Score images by what the cut model makes of them."""
    return lambda images, *targets: score(full(call(cut, images)), *targets)


def _is_plain_convolution(layer: Layer) -> bool:
    return type(layer) is keras.layers.Conv2D and layer.groups == 1 and layer.activation is keras.activations.linear


def _readout(layer: keras.layers.Conv2D, filters: np.ndarray) -> list[tf.Tensor]:
    """Write a convolution's mean output as what it is, a weighted sum of its inputs.

    So the ascent has to compute neither the convolution nor its gradient. Returns the weights (F, h, w, C)
    and what is added, (F,), both float32.
    """
    kernel, bias = (tf.gather(values, filters, axis=-1) for values in weights(layer))

    @tf.function(autograph=False)  # a graph leaves out the gradient of the kernel
    def slopes(inputs: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            own = tf.linalg.diag_part(tf.reduce_mean(layer.convolution_op(inputs, kernel), axis=(1, 2)))
        return tape.gradient(own, inputs)

    return [slopes(tf.zeros((len(filters), *layer.input.shape[1:]))), bias]


def _weighted_sum(features: tf.Tensor, weights: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(features * weights, axis=(1, 2, 3)) + offsets


def _mean_of_filter(maps: tf.Tensor, filters: tf.Tensor) -> tf.Tensor:
    """Mean of map filters[i] on image i; maps (N, h, w, F), filters (N,)."""
    return tf.gather(tf.reduce_mean(maps, axis=(1, 2)), filters, axis=1, batch_dims=1)


def _check_filters(layer: keras.layers.Layer, filters: Sequence[int] | None) -> np.ndarray:
    count = layer.output.shape[-1]
    chosen = np.arange(count) if filters is None else np.asarray(filters, np.int64).ravel()
    unknown = chosen[(chosen < 0) | (chosen >= count)]
    if len(unknown) or not len(chosen):
        asked = unknown[0] if len(unknown) else "none"
        raise ValueError(f"Layer {layer.name!r} has no filter {asked}: choose from 0 to {count - 1}.")
    return chosen


def check_steps(steps: int, keep: Sequence[int] = ()) -> None:
    """Raise a ValueError unless there is a step, and every step to keep is one of the ascent."""
    require(steps >= 1, f"The number of steps is {steps}: it must be at least 1.")
    for stop in keep:
        require(0 <= stop <= steps, f"Step {stop} cannot be kept: the ascent has steps 0 to {steps}.")
