"""Networks run for their logits: batch normalization folded away, images checked and cut into chunks."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import lru_cache, partial

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

# Gradients keep every layer's activations, so the pixels in flight bound the memory: 64 images of 48 x 48.
PIXELS_AT_ONCE = 64 * 48 * 48
# A forward pass alone keeps no more than a few layers at a time, and is faster in large batches.
FORWARD_AT_ONCE = 512 * 48 * 48
BFLOAT16 = "auto_mixed_precision_onednn_bfloat16"

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
FOLDABLE = (layers.Conv2D, layers.Dense)  # exactly these: a layer that derives from them may compute otherwise

Classes = np.ndarray | int
Layer = keras.layers.Layer
Compiled = Callable[..., tf.Tensor]


def call(model: keras.Model, images: tf.Tensor, intact: Layer | None = None) -> tf.Tensor:
    """Run a model as in inference, each batch normalization folded into the convolution or dense layer before it.

    To be traced by a tf.function, whose calls then see the model's weights of that moment. A normalization that
    follows no such layer is computed as it is, and so is that after `intact`, a layer whose own output is asked
    for. Models nested in the model are folded too.
    """
    flat = flat_layers(model)
    affine = {layer: _affine(layer) for layer in flat if type(layer) is layers.BatchNormalization}
    linear = [layer for layer in flat if _is_linear(layer) and layer is not intact]
    affected = {layer: weights(layer) for layer in linear} if affine else {}
    made: dict[int, tuple[tf.Tensor, Layer, tf.Tensor]] = {}

    def remember(layer: Layer, original: Callable, inputs: tf.Tensor, *args, **kwargs) -> tf.Tensor:
        outputs = original(inputs, *args, **kwargs)
        made[id(outputs)] = outputs, layer, inputs
        return outputs

    def normalize(norm: Layer, original: Callable, inputs: tf.Tensor, *args, **kwargs) -> tf.Tensor:
        if id(inputs) not in made:
            return original(inputs, *args, **kwargs)
        # The layer is run anew, with folded weights; its first run is dropped from the graph where nothing reads it.
        _, layer, earlier = made[id(inputs)]
        (scale, shift), (kernel, bias) = affine[norm], affected[layer]
        outputs = _apply_kernel(layer, earlier, tf.cast(kernel * scale, inputs.dtype))
        return tf.nn.bias_add(outputs, tf.cast(bias * scale + shift, inputs.dtype))

    replaced = {layer: partial(remember, layer, layer.call) for layer in affected}
    replaced |= {norm: partial(normalize, norm, norm.call) for norm in affine}
    with replaced_calls(replaced):
        return model(images, training=False)


@contextmanager
def replaced_calls(calls: Mapping[Layer, Callable]) -> Iterator[None]:
    """Let layers compute something else while a model is traced.

    A model rebuilt from other layers would do as well, but would have to follow every change of the weights.
    """
    with ExitStack() as undo:
        for layer, function in calls.items():
            earlier = vars(layer).get("call")
            undo.callback(delattr, layer, "call") if earlier is None else undo.callback(setattr, layer, "call", earlier)
            layer.call = function
        yield


def lower_precision(model: keras.Model) -> keras.Model:
    """Copy a model so that it computes its feature maps in bfloat16, twice as fast where the processor can.

    What comes before the first convolution, where a grey level must not be rounded, and the layers that give
    no maps stay in float32, and so do the weights. Nested models are taken apart. The copy does not follow
    later changes of the weights.
    """
    flat = flat_layers(model)
    first = next((i for i, layer in enumerate(flat) if isinstance(layer, CONVOLUTIONS)), len(flat))
    lowered = {layer for layer in flat[first:] if len(layer.output.shape) == 4}
    copy, twins = _rebuild(model, lambda layer: {"dtype": "mixed_bfloat16"} if layer in lowered else {})
    _copy_weights(twins)
    return copy


@contextmanager
def bfloat16() -> Iterator[None]:
    """Let convolutions and matrix products run in bfloat16, twice as fast, where the processor can.

    Weights and what is between them stay in float32. For answers of which many are averaged: a probability may
    be off by a hundredth.
    """
    before = tf.config.optimizer.get_experimental_options().get(BFLOAT16, False)
    tf.config.optimizer.set_experimental_options({BFLOAT16: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({BFLOAT16: before})


def flatten(model: keras.Model) -> tuple[keras.Model, Mapping[Layer, Layer]]:
    """Give a model in which no model is nested, and each layer's place in it: the model itself if it is such.

    Otherwise it is a copy, made once, that takes over the model's weights in every call.
    """
    if not any(isinstance(layer, keras.Model) for layer in model.layers):
        return model, {layer: layer for layer in model.layers}
    copy, twins = _flat_copy(model)
    _copy_weights(twins)
    return copy, twins


def class_logits(model: keras.Model, images: np.ndarray, classes: Classes) -> np.ndarray:
    """Read each image's class logit.

    images: (N, H, W, C) in 0..255; classes: (N,) int, or one class for all. Returns (N,) float32. Raises
    ValueError on a class that the model does not have.
    """
    images, classes = check(model, images, classes)
    return np.take_along_axis(all_logits(model, images), classes[:, np.newaxis], axis=1)[:, 0]


def all_logits(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Compute the logits of every class for images (N, H, W, C) in 0..255: (N, classes) float32."""
    function = _logits_function(model)
    logits = np.empty((len(images), model.output_shape[-1]), np.float32)
    for chunk in chunks(len(images), images.shape, FORWARD_AT_ONCE):
        logits[chunk] = function(images[chunk].astype(np.float32))
    return logits


def check(model: keras.Model, images: np.ndarray, classes: Classes) -> tuple[np.ndarray, np.ndarray]:
    """Check images and classes against the model; give the images and one int32 class for each.

    images: (N, H, W, C), at least one pixel high and wide; classes: (N,) int, or one for all. Raises
    ValueError on images that the model does not take and on classes that it does not have.
    """
    shape = tuple(model.input_shape[1:])
    fits = np.ndim(images) == 4 and all(
        want in (None, have) for want, have in zip(shape, images.shape[1:], strict=True)
    )
    require(
        fits,
        f"The images have shape {np.shape(images)}; {model.name} takes (N, {', '.join(map(str, shape))}).",
    )
    require(min(images.shape[1:3]) >= 1, f"The images have shape {images.shape}: they need at least one pixel.")
    classes = np.asarray(classes)
    require(np.issubdtype(classes.dtype, np.integer), f"Classes must be integers, not {classes.dtype}.")
    require(
        classes.shape in ((), (len(images),)),
        f"{len(images)} images have classes of shape {classes.shape}; give one per image or one for all.",
    )
    count = model.output_shape[-1]
    wrong = np.unique(classes[(classes < 0) | (classes >= count)])
    require(
        wrong.size == 0,
        f"{model.name} has no class {', '.join(map(str, wrong))}: choose classes from 0 to {count - 1}.",
    )
    return images, np.broadcast_to(classes.astype(np.int32), len(images))


def require(condition: bool, sentence: str) -> None:
    """Raise a ValueError with this sentence unless the condition holds."""
    if not condition:
        raise ValueError(sentence)


def chunks(count: int, shape: tuple[int, ...], pixels: int | None = None) -> Iterator[slice]:
    """Cut `count` pieces of work on images of this shape (N, H, W, C) into slices that fit in memory.

    pixels: of all images of a slice together; by default as many as gradients allow.
    """
    size = max(1, (pixels or PIXELS_AT_ONCE) // (shape[1] * shape[2]))
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def flat_layers(model: keras.Model) -> list[Layer]:
    """List the layers in order, those of nested models in place of the model that holds them."""
    nested = ((flat_layers(layer) if isinstance(layer, keras.Model) else [layer]) for layer in model.layers)
    return [layer for layers in nested for layer in layers]


def signature(model: keras.Model) -> tuple[tf.TensorSpec, tf.TensorSpec]:
    """Describe images and classes with the batch size open, so that one trace serves chunks of every length."""
    return tf.TensorSpec((None, *model.input_shape[1:]), tf.float32), tf.TensorSpec((None,), tf.int32)


def pick_logits(logits: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """Pick from logits (N, classes) the one of each image's class: (N,) float32."""
    return tf.gather(tf.cast(logits, tf.float32), classes, axis=1, batch_dims=1)


@lru_cache(maxsize=8)
def _logits_function(model: keras.Model) -> Compiled:
    @tf.function(input_signature=signature(model)[:1])
    def function(images: tf.Tensor) -> tf.Tensor:
        return tf.cast(call(model, images), tf.float32)

    return function


@lru_cache(maxsize=8)
def _flat_copy(model: keras.Model) -> tuple[keras.Model, Mapping[Layer, Layer]]:
    return _rebuild(model, lambda layer: {})


def _rebuild(model: keras.Model, changes: Callable[[Layer], dict]) -> tuple[keras.Model, dict[Layer, Layer]]:
    """Build a model anew, what is nested in it laid flat; give it and each layer's twin, with weights of its own.

    changes: what differs in a twin's configuration.
    """
    twins: dict[Layer, Layer] = {}

    def copied(layer: Layer) -> Layer:
        if not isinstance(layer, keras.Model) and layer not in twins:
            twins[layer] = type(layer).from_config(layer.get_config() | changes(layer))
        return twins.get(layer, layer)

    def called(layer: Layer, *args, **kwargs) -> keras.KerasTensor:
        return laid_out(layer, args[0]) if isinstance(layer, keras.Model) else layer(*args, **kwargs)

    def laid_out(part: keras.Model, inputs: keras.KerasTensor) -> keras.KerasTensor:
        # Around the part's tensors: a Sequential model cannot be cloned with a function for its calls.
        bare = keras.Model(part.inputs[0], part.outputs[0])
        clone = keras.models.clone_model(bare, inputs, clone_function=copied, call_function=called)
        return clone.outputs[0]

    inputs = keras.Input(model.input_shape[1:])
    return keras.Model(inputs, laid_out(model, inputs), name=model.name), twins


def _copy_weights(twins: Mapping[Layer, Layer]) -> None:
    for layer, twin in twins.items():
        twin.set_weights(layer.get_weights())


def _is_linear(layer: Layer) -> bool:
    return type(layer) in FOLDABLE and layer.activation is keras.activations.linear


def weights(layer: Layer) -> tuple[tf.Tensor, tf.Tensor]:
    """Read kernel and bias in float32, whatever precision the layer computes in."""
    kernel = ops.convert_to_tensor(layer.kernel)
    return kernel, ops.convert_to_tensor(layer.bias) if layer.use_bias else tf.zeros(kernel.shape[-1], kernel.dtype)


def _affine(norm: Layer) -> tuple[tf.Tensor, tf.Tensor]:
    """Give what a batch normalization multiplies by and adds, in inference."""
    scale = tf.math.rsqrt(ops.convert_to_tensor(norm.moving_variance) + norm.epsilon)
    scale = scale * ops.convert_to_tensor(norm.gamma) if norm.scale else scale
    shift = -scale * ops.convert_to_tensor(norm.moving_mean)
    return scale, shift + ops.convert_to_tensor(norm.beta) if norm.center else shift


def _apply_kernel(layer: Layer, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    return layer.convolution_op(inputs, kernel) if isinstance(layer, layers.Conv2D) else ops.matmul(inputs, kernel)
