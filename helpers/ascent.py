"""What a filter looks for: images made, or found, that raise its output, and deep dream."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

RECTIFIERS = (keras.layers.ReLU, keras.layers.Activation, keras.layers.LeakyReLU)
REDUCTIONS = {"mean": tf.reduce_mean, "peak": tf.reduce_max}
Score = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Ascent:
    """The images that an ascent ended in, and how it got there.

    filters: (F,) int64; images: (F, H, W, C) float32 in 0..255; objective: (steps + 1, F) float32, row t
    is the value after t steps; snapshots: number of steps -> (F, H, W, C) float32.
    """

    filters: np.ndarray
    images: np.ndarray
    objective: np.ndarray
    snapshots: Mapping[int, np.ndarray]

    @property
    def gain(self) -> np.ndarray:
        """How far each filter's objective rose from start to end, (F,) float32."""
        return self.objective[-1] - self.objective[0]


@dataclass(frozen=True)
class Dream:
    """A dreamt image and the objective of each octave.

    image: (H, W, C) float32 in 0..255; objective: (octaves, steps + 1) float32; sizes: (height, width) of
    each octave.
    """

    image: np.ndarray
    objective: np.ndarray
    sizes: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Settings:
    """How an ascent moves.

    step_size: length of a step in grey levels, root mean square over the image. jitter: largest shift in
    pixels under which the gradient of every second step is taken, drawn anew each time, so that no
    pattern depends on its exact place; the steps between are unshifted, because strides and pooling
    answer a shift by an odd number of pixels differently, and an objective that is never looked at may
    fall. frequency_decay: the power of the spatial frequency by which the gradient's spectrum is divided:
    0 leaves it, 1 gives all scales of a natural image an equal chance. smoothness, norm: weights of the
    total variation and of the mean square distance to mid grey, of the image scaled to 0..1, which are
    subtracted from the objective that is climbed, not from the one reported. Raises ValueError on values
    out of range.
    """

    step_size: float = 4.0
    jitter: int = 2
    frequency_decay: float = 1.0
    smoothness: float = 0.0
    norm: float = 0.0

    def __post_init__(self) -> None:
        if self.step_size <= 0:
            raise ValueError(f"The step size is {self.step_size}: it must be above 0.")
        negative = [name for name, value in vars(self).items() if value < 0]
        if negative:
            raise ValueError(f"{negative[0]} is {getattr(self, negative[0])}: it must be at least 0.")


def maximise_filters(
    model: keras.Model,
    layer: keras.layers.Layer,
    filters: Sequence[int] | None = None,
    steps: int = 190,
    settings: Settings = Settings(),
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
    that of the images as they are, unshifted. Raises ValueError on an unknown filter, a layer of another
    model, or settings out of range. Erhan et al., 2009; penalties and jitter as in Mahendran and Vedaldi,
    2016; frequencies as in Olah et al., 2017.
    """
    chosen = _check_filters(layer, filters)
    _check_steps(steps, keep)
    climb = _compile_climb(cut_model(model, layer), _mean_of_filter, settings)
    noise = grey_noise(model.input_shape[1:], seed)
    parts = [
        _climb_with_stops(climb, noise, chosen[first : first + batch_size], steps, keep, seed)
        for first in range(0, len(chosen), batch_size)
    ]
    kept = {stop: np.concatenate([snapshots[stop] for snapshots, _ in parts]) for stop in parts[0][0]}
    objective = np.concatenate([history for _, history in parts], axis=1)
    return Ascent(chosen, kept[steps], objective, {stop: kept[stop] for stop in sorted(set(keep))})


def deep_dream(
    model: keras.Model,
    layer: keras.layers.Layer,
    image: np.ndarray,
    octaves: int = 3,
    octave_scale: float = 1.4,
    steps: int = 20,
    settings: Settings = Settings(),
    *,
    seed: int = 0,
) -> Dream:
    """Exaggerate in a real image whatever the layer already finds in it.

    image: (H, W, C) in 0..255; layer: a layer with output (N, h, w, F), best one after its ReLU, because
    the objective is the mean square of all its outputs and would also drive negative ones away from zero.
    Octave k works on the image enlarged octave_scale ** k times: a face of 48 pixels is too small to be
    shrunk first, as is done with photographs. The change made in one octave is enlarged into the next,
    and the change made by all is brought back to (H, W). Raises ValueError on settings out of range.
    Mordvintsev et al., 2015.
    """
    return deep_dreams(model, layer, image[np.newaxis], octaves, octave_scale, steps, settings, seed=seed)[0]


def deep_dreams(
    model: keras.Model,
    layer: keras.layers.Layer,
    images: np.ndarray,
    octaves: int = 3,
    octave_scale: float = 1.4,
    steps: int = 20,
    settings: Settings = Settings(),
    *,
    seed: int = 0,
) -> list[Dream]:
    """Dream of several images (N, H, W, C) as one batch; arguments, errors and each result as with `deep_dream`."""
    _check_steps(steps)
    if octaves < 1 or octave_scale <= 0:
        raise ValueError(f"octaves must be at least 1 and octave_scale above 0, not {octaves} and {octave_scale}.")
    climb = _compile_climb(cut_model(model, layer, any_size=True), _mean_square, settings)
    originals, all_ = np.asarray(images, np.float32), np.zeros(len(images), np.int64)
    sizes = tuple(_scaled_size(originals[0], octave_scale**octave) for octave in range(octaves))
    change, histories = np.zeros_like(originals), []
    for octave, size in enumerate(sizes):
        base = _resize(originals, size)
        start = np.clip(base + _resize(change, size), 0, 255)
        snapshots, history = _climb_with_stops(climb, start, all_, steps, (), seed + octave)
        change = snapshots[steps] - base
        histories.append(history)
    dreamt = np.clip(originals + _resize(change, originals.shape[1:3]), 0, 255)
    objective = np.stack(histories, axis=1)  # (steps + 1, octaves, N)
    return [Dream(image, objective[..., i].T, sizes) for i, image in enumerate(dreamt)]


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
    """Mean square of a layer's outputs on each image, the quantity that deep_dream raises; (N,) float32."""
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
    cut = cut_model(model, *layers)

    @tf.function(input_signature=[tf.TensorSpec((None, *cut.inputs[0].shape[1:]), tf.float32)])
    def respond(batch: tf.Tensor) -> list[tf.Tensor]:
        return [REDUCTIONS[by](maps, axis=(1, 2)) for maps in tf.nest.flatten(cut(batch, training=False))]

    compiled = respond.get_concrete_function()
    batches = [
        compiled(tf.constant(images[first : first + batch_size], tf.float32))
        for first in range(0, len(images), batch_size)
    ]
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def strongest_images(
    model: keras.Model, layer: keras.layers.Layer, images: np.ndarray, top_k: int = 5, by: str = "mean"
) -> tuple[np.ndarray, np.ndarray]:
    """The images to which each filter responds most, strongest first.

    images: (N, H, W, C) in 0..255. Returns indices (F, top_k) int64 and responses (F, top_k) float32.
    Raises ValueError when there are fewer than top_k images.
    """
    if not 1 <= top_k <= len(images):
        raise ValueError(f"top_k is {top_k}: it must lie between 1 and the number of images, {len(images)}.")
    return rank_images(filter_responses(model, [layer], images, by)[0], top_k)


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
    for follower in model.layers[model.layers.index(layer) + 1 :]:
        if isinstance(follower, RECTIFIERS):
            return follower
        if isinstance(follower, keras.layers.Conv2D):
            break
    raise ValueError(f"No activation follows layer {layer.name!r}: choose a convolution that has one.")


def cut_model(model: keras.Model, *layers: keras.layers.Layer, any_size: bool = False) -> keras.Model:
    """The part of a model from its input to the given layers, whose outputs it gives, in order.

    any_size: rebuild it, with the same weights, for inputs of any height and width; possible up to a
    convolution, not past a Flatten. Raises ValueError when a layer is not part of the model.
    """
    strangers = [layer.name for layer in layers if layer not in model.layers]
    if strangers:
        raise ValueError(f"Layer {strangers[0]!r} is not part of the model: ask helpers.models for its layers.")
    outputs = [layer.output for layer in layers]
    cut = keras.Model(model.inputs[0], outputs if len(outputs) > 1 else outputs[0])
    return _with_any_size(cut) if any_size else cut


def receptive_field(model: keras.Model, layer: keras.layers.Layer) -> int:
    """Side, in input pixels, of the square that one output of a layer can see, in a chain of layers."""
    side, spacing = 1, 1
    for earlier in model.layers[: model.layers.index(layer) + 1]:
        window = getattr(earlier, "kernel_size", None) or getattr(earlier, "pool_size", None)
        if window is not None and hasattr(earlier, "strides"):
            side += (window[0] - 1) * getattr(earlier, "dilation_rate", (1,))[0] * spacing
            spacing *= earlier.strides[0]
    return side


def choose_depth(depth: int, number: int = 0, default: int = 7) -> int:
    """The number of the convolution to look into, in a network that has depth of them.

    number: the wish, from 1; 0 means the default, or the middle convolution where the network has fewer.
    Raises ValueError naming the legal numbers.
    """
    if not 0 <= number <= depth:
        raise ValueError(f"There is no convolution {number}: choose 1 to {depth}, or 0 for the default.")
    return number or (default if default <= depth else (depth + 1) // 2)


def steps_to_share(objective: np.ndarray, share: float) -> np.ndarray:
    """After how many steps each filter's objective has made this share of its rise for the first time.

    objective: (steps + 1, F). Returns (F,) int64; 0 for a filter that has not risen.
    """
    wanted = objective[0] + share * (objective[-1] - objective[0])
    return (objective >= wanted).argmax(axis=0)


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


def _compile_climb(cut: keras.Model, score: Score, settings: Settings) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
    """Compile the ascent once, for any number and size of images and any number of steps."""

    def scored(images: tf.Tensor, filters: tf.Tensor) -> tf.Tensor:
        return score(cut(images, training=False), filters)

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, *cut.inputs[0].shape[1:]), tf.float32),
            tf.TensorSpec((None,), tf.int64),
            *[tf.TensorSpec((), tf.int32)] * 3,
        ]
    )
    def climb(images, filters, first, last, seed):
        history = tf.TensorArray(tf.float32, size=last - first)
        for step in tf.range(first, last):
            shift = _draw_shift(settings.jitter, seed, step)
            with tf.GradientTape() as tape:
                tape.watch(images)
                scores = scored(tf.roll(images, shift, axis=(1, 2)), filters)
                target = scores - _penalty(images, settings)
            # A shifted view has an objective of its own: report that of the image as it is.
            unshifted = scored(images, filters) if tf.reduce_any(shift != 0) else scores
            history = history.write(step - first, unshifted)
            images = _step_up(images, tape.gradient(target, images), settings)
        return images, tf.concat([history.stack(), scored(images, filters)[tf.newaxis]], axis=0)

    return climb.get_concrete_function()


def _climb_with_stops(
    climb: Callable[..., tuple[tf.Tensor, tf.Tensor]],
    start: np.ndarray,
    filters: np.ndarray,
    steps: int,
    keep: Sequence[int],
    seed: int,
) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Climb for several filters from one image, or from one each; snapshots at the stops, objective (steps + 1, F)."""
    images = np.broadcast_to(start, (len(filters), *start.shape[-3:])).astype(np.float32)
    snapshots, history, first = {0: images}, [], 0
    for stop in sorted({*keep, steps} - {0}):
        span = (tf.constant(value, tf.int32) for value in (first, stop, seed))
        images, values = climb(tf.constant(images), tf.constant(filters), *span)
        snapshots[stop] = images.numpy()
        history.append(values[:-1])
        first = stop
    return snapshots, np.concatenate([*history, values[-1:]])


def _draw_shift(jitter: int, seed: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
    """Draw how far to shift the images down and right: nothing in steps with an even number."""
    drawn = tf.random.stateless_uniform((2,), [seed, step], -jitter, jitter + 1, tf.int32)
    return drawn * (step % 2)


def _step_up(images: tf.Tensor, gradient: tf.Tensor, settings: Settings) -> tf.Tensor:
    """Move each image up by one step, inside 0..255."""
    # A pixel at its limit cannot move further: it must not use up the length of the step.
    stuck = ((images <= 0.0) & (gradient < 0.0)) | ((images >= 255.0) & (gradient > 0.0))
    direction = tf.where(stuck, 0.0, gradient)
    if settings.frequency_decay:
        direction = tf.where(stuck, 0.0, _divide_by_frequency(direction, settings.frequency_decay))
    length = tf.sqrt(tf.reduce_mean(tf.square(direction), axis=(1, 2, 3), keepdims=True))
    step = settings.step_size * tf.math.divide_no_nan(direction, length)
    return tf.clip_by_value(images + step, 0.0, 255.0)


def _divide_by_frequency(gradient: tf.Tensor, power: float) -> tf.Tensor:
    """Divide a gradient's spectrum by frequency ** power.

    All divisors are positive, so the result is still a direction in which the objective rises.
    """
    height, width = tf.unstack(tf.shape(gradient)[1:3])
    lowest = 1.0 / tf.cast(tf.maximum(height, width), tf.float32)
    rows, columns = _frequencies(height), _frequencies(width)[: width // 2 + 1]
    frequency = tf.maximum(tf.sqrt(rows[:, tf.newaxis] ** 2 + columns**2), lowest)
    spectrum = tf.signal.rfft2d(tf.transpose(gradient, (0, 3, 1, 2)))
    scaled = tf.signal.irfft2d(spectrum * tf.cast(frequency**-power, tf.complex64), (height, width))
    return tf.ensure_shape(tf.transpose(scaled, (0, 2, 3, 1)), gradient.shape)


def _frequencies(size: tf.Tensor) -> tf.Tensor:
    """Absolute frequency of each place of a spectrum, in waves a pixel."""
    place = tf.range(size)
    return tf.cast(tf.minimum(place, size - place), tf.float32) / tf.cast(size, tf.float32)


def _penalty(images: tf.Tensor, settings: Settings) -> tf.Tensor:
    scaled = images / 255.0
    pixels = tf.cast(tf.reduce_prod(tf.shape(images)[1:]), tf.float32)
    roughness = tf.image.total_variation(scaled) / pixels
    distance = tf.reduce_mean(tf.square(scaled - 0.5), axis=(1, 2, 3))
    return settings.smoothness * roughness + settings.norm * distance


def _mean_of_filter(maps: tf.Tensor, filters: tf.Tensor) -> tf.Tensor:
    """Mean of map filters[i] on image i; maps (N, h, w, F), filters (N,)."""
    return tf.gather(tf.reduce_mean(maps, axis=(1, 2)), filters, axis=1, batch_dims=1)


def _mean_square(maps: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(maps), axis=(1, 2, 3))


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
