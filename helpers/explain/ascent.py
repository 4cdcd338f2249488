"""What a filter looks for: images made, or found, that raise its output, and deep dream."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from math import ceil

import keras
import numpy as np
import tensorflow as tf

from helpers.explain.climbing import Climb, Score, Settings, climb_with_stops, compile_climb, measured_steps
from helpers.networks import inference
from helpers.networks.inference import Layer, call, flat_layers, flatten

RECTIFIERS = (keras.layers.ReLU, keras.layers.Activation, keras.layers.LeakyReLU)
DEFAULTS = Settings()
REDUCTIONS = {"mean": tf.reduce_mean, "peak": tf.reduce_max}


@dataclass(frozen=True)
class Ascent:
    """The images that an ascent ended in, and how it got there.

    filters: (F,) int64; images: (F, H, W, C) float32 in 0..255; measured: (R,) int64, numbers of steps, from 0 to
    that of all; objective: (R, F) float32, its value after as many; snapshots: number of steps -> (F, H, W, C)
    float32.
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

    def to_bytes(self) -> bytes:
        """Write as an .npz file."""
        buffer, snapshots = BytesIO(), {f"after_{stop}": images for stop, images in self.snapshots.items()}
        arrays = {name: getattr(self, name) for name in ("filters", "images", "measured", "objective")}
        np.savez(buffer, **arrays, **snapshots)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Ascent":
        """Read what `to_bytes` wrote."""
        with np.load(BytesIO(content)) as file:
            arrays = dict(file)
        stops = [name for name in arrays if name.startswith("after_")]
        return cls(snapshots={int(name.removeprefix("after_")): arrays.pop(name) for name in stops}, **arrays)


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


def maximise_filters(
    model: keras.Model,
    layer: keras.layers.Layer,
    filters: Sequence[int] | None = None,
    steps: int = 190,
    settings: Settings = DEFAULTS,
    *,
    keep: Sequence[int] = (),
    batch_size: int = 64,
    seed: int = 0,
) -> Ascent:
    """Find, for each filter, an image that makes its mean output large, by gradient ascent from grey noise.

    layer: a layer of model with output (N, h, w, F). Give a Conv2D before its ReLU: where a ReLU is zero
    on the whole starting image its gradient is zero too, and the ascent could never leave. filters:
    indices, all when None. Every filter starts from the same noise, so that two images differ by their
    filters only. keep: numbers of steps after which the images are kept as snapshots. The objective is
    that of the images as they are, unshifted, after every step or, where steps alternate with moved views,
    every second one and the last. Raises ValueError on an unknown filter, a layer of another model, or
    settings out of range. Erhan et al., 2009; jitter as in Mahendran and Vedaldi, 2016; frequencies as
    in Olah et al., 2017.
    """
    chosen = _check_filters(layer, filters)
    _check_steps(steps, keep)
    model, (layer,) = _flattened(model, layer)
    climb, noise = _filter_climb(model, layer, settings), grey_noise(model.input_shape[1:], seed)
    batches = [chosen[first : first + batch_size] for first in range(0, len(chosen), batch_size)]
    parts = [climb_with_stops(climb, noise, _targets(layer, some), len(some), steps, keep, seed) for some in batches]
    kept = {stop: np.concatenate([snapshots[stop] for snapshots, _ in parts]) for stop in parts[0][0]}
    measured = measured_steps(steps, settings)
    objective = np.concatenate([history[measured] for _, history in parts], axis=1)
    return Ascent(chosen, kept[steps], measured, objective, {stop: kept[stop] for stop in sorted(set(keep))})


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
    too small to be shrunk first, as is done with photographs. The change made in one octave is enlarged into
    the next, and the change made by all is brought back to (H, W). Raises ValueError on settings out of
    range. Mordvintsev et al., 2015.
    """
    _check_steps(steps)
    if octaves < 1 or octave_scale <= 0:
        raise ValueError(f"octaves must be at least 1 and octave_scale above 0, not {octaves} and {octave_scale}.")
    model, (layer,) = _flattened(model, layer)
    climb, cut, free = _dream_climb(model, layer, settings)
    free.set_weights(cut.get_weights())
    originals = np.asarray(images, np.float32)
    sizes = tuple(_scaled_size(originals[0], octave_scale**octave) for octave in range(octaves))
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
    return tf.reduce_mean(tf.square(_outputs(cut_model(model, layer), images)), axis=(1, 2, 3)).numpy()


def filter_outputs(model: keras.Model, layer: keras.layers.Layer, image: np.ndarray) -> np.ndarray:
    """Output of every filter of a layer on one image (H, W, C) in 0..255, as maps (F, h, w) float32."""
    return np.moveaxis(_outputs(cut_model(model, layer), image[np.newaxis])[0].numpy(), -1, 0)


def filter_responses(
    model: keras.Model,
    layers: Sequence[keras.layers.Layer],
    images: np.ndarray,
    by: str = "mean",
    batch_size: int = 256,
) -> list[np.ndarray]:
    """One number for each image and filter of several layers, from one pass that stops at the deepest.

    images: (N, H, W, C) in 0..255; by: "mean" or "peak" over the positions of a map. Returns, for each
    layer, (N, F) float32. Raises ValueError on an unknown reduction.
    """
    if by not in REDUCTIONS:
        raise ValueError(f"A response is taken by {by!r}, which is unknown: choose one of {', '.join(REDUCTIONS)}.")
    respond = _respond_function(*_flattened(model, *layers), by)
    batches = [
        respond(tf.constant(images[first : first + batch_size], tf.float32))
        for first in range(0, len(images), batch_size)
    ]
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def rank_images(responses: np.ndarray, top_k: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (F, top_k) int64 and values (F, top_k) of the largest responses in each column of (N, F)."""
    indices = np.argsort(-responses, axis=0, kind="stable")[:top_k].T
    return indices, np.take_along_axis(responses.T, indices, axis=1)


def silent_filters(model: keras.Model, layers: Sequence[keras.layers.Layer], images: np.ndarray) -> list[np.ndarray]:
    """Which filters of each convolution are zero, after their ReLU, at every position of every image.

    images: (N, H, W, C) in 0..255. Returns, for each layer, (F,) bool.
    """
    activated = [rectified(model, layer) for layer in layers]
    return [(peak <= 0).all(axis=0) for peak in filter_responses(model, activated, images, by="peak")]


def rectified(model: keras.Model, layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer that holds a convolution's output after its activation; the layer itself if that is built in.

    Raises ValueError when no activation comes before the next convolution.
    """
    if layer.activation is not keras.activations.linear:
        return layer
    flat = flat_layers(model)
    for follower in flat[flat.index(layer) + 1 :]:
        if isinstance(follower, RECTIFIERS):
            return follower
        if isinstance(follower, keras.layers.Conv2D):
            break
    raise ValueError(f"No activation follows layer {layer.name!r}: choose a convolution that has one.")


def cut_model(model: keras.Model, *layers: Layer, any_size: bool = False) -> keras.Model:
    """The part of a model from its input to the given layers, whose outputs it gives, in order.

    any_size: rebuild it, with the same weights, for inputs of any height and width; possible up to a
    convolution, not past a Flatten. Raises ValueError when a layer is not part of the model, nor of a model
    nested in it.
    """
    model, layers = _flattened(model, *layers)
    outputs = [layer.output for layer in layers]
    cut = keras.Model(model.inputs[0], outputs if len(outputs) > 1 else outputs[0])
    return _with_any_size(cut) if any_size else cut


def receptive_field(model: keras.Model, layer: keras.layers.Layer) -> int:
    """Side, in input pixels, of the square that one output of a layer can see, in a chain of layers."""
    side, spacing = 1.0, 1.0
    flat = flat_layers(model)
    for earlier in flat[: flat.index(layer) + 1]:
        if isinstance(earlier, keras.layers.UpSampling2D):
            side += spacing * (earlier.interpolation == "bilinear")  # each pixel is made of two neighbours
            spacing /= earlier.size[0]
        window = getattr(earlier, "kernel_size", None) or getattr(earlier, "pool_size", None)
        if window is not None and hasattr(earlier, "strides"):
            side += (window[0] - 1) * getattr(earlier, "dilation_rate", (1,))[0] * spacing
            spacing *= earlier.strides[0]
    return ceil(side)


def choose_depth(depth: int, number: int = 0, default: int = 7) -> int:
    """The number of the convolution to look into, in a network that has depth of them.

    number: the wish, from 1; 0 means the default, or the middle convolution where the network has fewer.
    Raises ValueError naming the legal numbers.
    """
    if not 0 <= number <= depth:
        raise ValueError(f"There is no convolution {number}: choose 1 to {depth}, or 0 for the default.")
    return number or (default if default <= depth else (depth + 1) // 2)


def steps_to_share(measured: np.ndarray, objective: np.ndarray, share: float) -> np.ndarray:
    """After how many steps each filter's objective was first seen to have made this share of its rise.

    measured: (R,) int, numbers of steps; objective: (R, F). Returns (F,) int64; 0 for a filter that has not risen.
    """
    wanted = objective[0] + share * (objective[-1] - objective[0])
    return measured[(objective >= wanted).argmax(axis=0)]


def likeness(images: np.ndarray) -> float:
    """Mean absolute correlation between the pixels of every two of at least two images (N, H, W, C)."""
    correlations = np.corrcoef(images.reshape(len(images), -1))
    return float(np.nanmean(np.abs(correlations[np.triu_indices(len(images), 1)])))


def contrast(images: np.ndarray) -> np.ndarray:
    """Standard deviation of each image's pixels, in grey levels; images (N, H, W, C), returns (N,)."""
    return images.mean(axis=-1).std(axis=(1, 2))


def frequency_count(images: np.ndarray) -> np.ndarray:
    """How many spatial frequencies an image is made of: the exponential of its power spectrum's entropy.

    images: (N, H, W, C) in 0..255; the mean brightness is left out. Returns (N,) float: 1 for one plane
    wave, at most H * W / 2 for white noise, 0 for an image with less than one grey level of contrast.
    """
    grey = images.mean(axis=-1, dtype=np.float64)
    power = np.abs(np.fft.fft2(grey - grey.mean(axis=(1, 2), keepdims=True))) ** 2
    share = power / np.maximum(power.sum(axis=(1, 2), keepdims=True), np.finfo(float).tiny)
    entropy = -(share * np.log(np.maximum(share, np.finfo(float).tiny))).sum(axis=(1, 2))
    # A real wave appears twice, at a frequency and at its mirror image.
    return np.where(contrast(images) < 1, 0, np.exp(entropy) / 2)


def grey_noise(shape: Sequence[int], seed: int, spread: float = 10.0) -> np.ndarray:
    """A mid grey image (H, W, C) float32 with uniform noise of at most spread grey levels."""
    noise = np.random.default_rng(seed).uniform(-spread, spread, tuple(shape))
    return (127.5 + noise).astype(np.float32)


def _flattened(model: keras.Model, *layers: Layer) -> tuple[keras.Model, tuple[Layer, ...]]:
    """Give a model without nested ones in it, and the same layers there."""
    strangers = [layer.name for layer in layers if layer not in flat_layers(model)]
    if strangers:
        raise ValueError(f"Layer {strangers[0]!r} is not part of the model: ask networks.architectures for its layers.")
    flat, twins = flatten(model)
    return flat, tuple(twins[layer] for layer in layers)


@lru_cache(maxsize=8)
def _filter_climb(model: keras.Model, layer: Layer, settings: Settings) -> Climb:
    """Compile the ascent to the mean output of any filter of a layer, once for all calls."""
    image = model.input_shape[1:]
    if not _is_plain_convolution(layer):
        mean = _compile_score(cut_model(model, layer), _mean_of_filter)
        return compile_climb(mean, image, [tf.TensorSpec((None,), tf.int64)], settings)
    readout = [tf.TensorSpec((None, *layer.input.shape[1:]), tf.float32), tf.TensorSpec((None,), tf.float32)]
    features = keras.Model(model.inputs[0], layer.input)
    return compile_climb(_compile_score(features, _weighted_sum), image, readout, settings)


def _targets(layer: Layer, filters: np.ndarray) -> list[tf.Tensor]:
    """Give what tells the ascents to these filters apart."""
    return _readout(layer, filters) if _is_plain_convolution(layer) else [tf.constant(filters, tf.int64)]


@lru_cache(maxsize=8)
def _dream_climb(model: keras.Model, layer: Layer, settings: Settings) -> tuple[Climb, keras.Model, keras.Model]:
    """Compile the dream's ascent on images of any size; give it, the model cut at the layer, and its copy."""
    cut = cut_model(model, layer)
    free = _with_any_size(cut)
    return compile_climb(_compile_score(free, _mean_square), free.input_shape[1:], [], settings), cut, free


@lru_cache(maxsize=8)
def _respond_function(model: keras.Model, layers: tuple[Layer, ...], by: str) -> Callable[[tf.Tensor], list[tf.Tensor]]:
    cut = cut_model(model, *layers)

    @tf.function(input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)])
    def respond(batch: tf.Tensor) -> list[tf.Tensor]:
        return [REDUCTIONS[by](_full(maps), axis=(1, 2)) for maps in tf.nest.flatten(call(cut, batch))]

    return respond


def _compile_score(cut: keras.Model, score: Callable[..., tf.Tensor]) -> Score:
    """Score images by what the cut model makes of them."""
    return lambda images, *targets: score(_full(call(cut, images)), *targets)


def _is_plain_convolution(layer: Layer) -> bool:
    return type(layer) is keras.layers.Conv2D and layer.groups == 1 and layer.activation is keras.activations.linear


def _readout(layer: keras.layers.Conv2D, filters: np.ndarray) -> list[tf.Tensor]:
    """Write a convolution's mean output as what it is, a weighted sum of its inputs.

    So the ascent has to compute neither the convolution nor its gradient. Returns the weights (F, h, w, C)
    and what is added, (F,), both float32.
    """
    inputs = tf.zeros((len(filters), *layer.input.shape[1:]))
    kernel, bias = (tf.gather(values, filters, axis=-1) for values in inference.weights(layer))
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        own = tf.linalg.diag_part(tf.reduce_mean(layer.convolution_op(inputs, kernel), axis=(1, 2)))
    return [tape.gradient(own, inputs), bias]


def _weighted_sum(features: tf.Tensor, weights: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(features * weights, axis=(1, 2, 3)) + offsets


def _mean_of_filter(maps: tf.Tensor, filters: tf.Tensor) -> tf.Tensor:
    """Mean of map filters[i] on image i; maps (N, h, w, F), filters (N,)."""
    return tf.gather(tf.reduce_mean(maps, axis=(1, 2)), filters, axis=1, batch_dims=1)


def _mean_square(maps: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(maps), axis=(1, 2, 3))


def _full(maps: tf.Tensor) -> tf.Tensor:
    return tf.cast(maps, tf.float32)


def _with_any_size(cut: keras.Model) -> keras.Model:
    """Copy a model onto an input without a fixed size; a copy, so that its own layers gain no second use."""
    free = keras.Input((None, None, cut.inputs[0].shape[-1]))
    copy = keras.models.clone_model(cut, input_tensors=free)
    copy.set_weights(cut.get_weights())
    return copy


def _outputs(cut: keras.Model, images: np.ndarray) -> tf.Tensor:
    return cut(tf.constant(images, tf.float32), training=False)


def _scaled_size(image: np.ndarray, scale: float) -> tuple[int, int]:
    return tuple(max(1, round(side * scale)) for side in image.shape[:2])


def _resize(image: np.ndarray, size: Sequence[int]) -> np.ndarray:
    return tf.image.resize(image, size, antialias=True).numpy()


def _check_filters(layer: keras.layers.Layer, filters: Sequence[int] | None) -> np.ndarray:
    count = layer.output.shape[-1]
    chosen = np.arange(count) if filters is None else np.asarray(filters, np.int64).ravel()
    unknown = chosen[(chosen < 0) | (chosen >= count)]
    if len(unknown) or not len(chosen):
        asked = unknown[0] if len(unknown) else "none"
        raise ValueError(f"Layer {layer.name!r} has no filter {asked}: choose from 0 to {count - 1}.")
    return chosen


def _check_steps(steps: int, keep: Sequence[int] = ()) -> None:
    if steps < 1:
        raise ValueError(f"The number of steps is {steps}: it must be at least 1.")
    outside = [stop for stop in keep if not 0 <= stop <= steps]
    if outside:
        raise ValueError(f"Step {outside[0]} cannot be kept: the ascent has steps 0 to {steps}.")
