"""A network that a Python file of the user's builds, ready to be trained, and versions of it without a part."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers

from helpers.base.words import Said, said
from helpers.networks.architectures import Normalization
from helpers.networks.layers import CONVOLUTIONS, Layer, duplicate, per_image
from helpers.networks.own.canonical import Operation, Scale, as_graph, canonical, check_ends, rewired, taken_shape
from helpers.networks.own.proof import Check, prove
from helpers.networks.own.scaling import are_probabilities, way_to_prepare, with_logits
from helpers.networks.own.source import NetworkError, Source, describe

_SCALING = (layers.Rescaling, layers.Normalization, layers.LayerNormalization, layers.BatchNormalization, layers.Lambda)
# What changes images at random in training; a crop gives them another size, too, and so does not go without trace.
_RANDOM = tuple(one for name, one in vars(layers).items() if name.startswith(("Rand", "AugMix", "CutMix", "MixUp")))
NO_BATCH_NORM = said("02_compare_dnn.why.no_batch_norm")
_ARITHMETIC = ("truedivide", "divide", "multiply", "subtract")


def build(
    source: Source,
    image_shape: tuple[int, int, int],
    classes: int,
    *,
    seed: int = 0,
    augmented: bool = True,
    normalization: Normalization = "none",
    batch_norm: bool = True,
) -> keras.Model:
    """Build the network of a Python file, untrained, in the form of `canonical`, from pixels in 0..255 to logits.

    Pixels are prepared as PREPROCESS says, or get scaled to -1..1 where the network does not. augmented: with what
    changes images in training alone: the file's `augmentation()` in front, and the network's own random layers. The
    same seed gives the same weights, as far as the file draws by Keras, NumPy or Python. Raises NetworkError where the
    file builds no network.
    """
    keras.utils.set_random_seed(seed)
    graph = as_graph(_call(source, source.function, tuple(image_shape), classes), image_shape)
    changes = list(_call(source, "augmentation")) if augmented and source.offers("augmentation") else []
    scale = _prepared(source, graph, image_shape, classes)
    model = _up_to_logits(canonical(graph, image_shape, classes, scale, augmentation=changes, name=source.name))
    if normalization == "none" and batch_norm and (augmented or not changing(model)):
        return model
    return without(model, normalization, batch_norm, augmented)


def compiled_with(
    source: Source, image_shape: tuple[int, int, int], classes: int
) -> tuple[keras.optimizers.Optimizer, float] | None:
    """Give what a Python file compiles its network with: the optimiser and the label smoothing; None if it does not.

    None as well where it has a `plan()`, which goes first, whatever else the network is compiled with.
    Raises NetworkError where the loss is no plain cross-entropy, and on an optimiser of a user's own class.
    """
    if source.offers("plan"):
        return None
    network = _call(source, source.function, tuple(image_shape), classes)
    if not getattr(network, "compiled", False):
        return None
    optimizer = getattr(network.optimizer, "inner_optimizer", network.optimizer)  # as mixed precision wraps it
    loss = str(getattr(network.loss, "name", getattr(network.loss, "__name__", network.loss)))
    if not re.fullmatch("(sparse|binary)?(categorical)?crossentropy", loss.replace("_", "").lower()):
        what = f"the loss {loss}" if network.loss else "no loss"
        raise NetworkError(
            f"{source.path} compiles its network with {what}; networks are trained by plain "
            "cross-entropy, so compile it with one, or not at all."
        )
    if type(optimizer) is not getattr(keras.optimizers, type(optimizer).__name__, None):
        raise NetworkError(
            f"{source.path} compiles its network with the optimiser {type(optimizer).__name__}; use one of Keras's."
        )
    named = optimizer.get_config() | {"name": type(optimizer).__name__.lower()}  # Keras numbers it through a process
    return type(optimizer).from_config(named), float(getattr(network.loss, "label_smoothing", 0) or 0)


def checks(source: Source, classes: int, images: np.ndarray, names: Sequence[str] = ()) -> list[Check]:
    """Check what a Python file builds on images (N, H, W, C) uint8, as `prove` does, which says what names are for."""
    shape = images.shape[1:]
    graph = as_graph(_call(source, source.function, shape, classes), shape)
    for weight in graph.trainable_weights:
        if len(weight.shape) > 1 and not np.any(weight):  # as some begin with, and the first step of training ends
            weight.assign(np.random.default_rng(0).normal(0, 0.1, weight.shape))
    scale = _prepared(source, graph, shape, classes)
    return prove(_up_to_logits(canonical(graph, shape, classes, scale, name=source.name)), graph, images, scale, names)


def _up_to_logits(model: keras.Model) -> keras.Model:
    """Take the logarithm of probabilities that no softmax at the end gives, such as an average of two networks'."""
    if isinstance(model.outputs[0]._keras_history.operation, layers.Dense):
        return model
    noise = np.random.default_rng(0).uniform(0, 255, (8, *model.input_shape[1:])).astype(np.float32)
    return with_logits(model, "softmax") if are_probabilities(np.asarray(model(noise, training=False))) else model


def _prepared(source: Source, graph: keras.Model, image_shape: tuple[int, int, int], classes: int) -> Scale:
    """Give what is done to pixels before a network sees them: what is asked for, or nothing if it scales them."""
    check_ends(graph, classes)
    shape = taken_shape(graph, image_shape)
    if source.preprocess:
        return way_to_prepare(source.preprocess, shape[2])
    if scales_itself(graph, image_shape):
        return lambda pixels: pixels
    return lambda pixels: layers.Rescaling(1 / 127.5, offset=-1, name="rescaling_to_1")(pixels)


def scales_itself(graph: keras.Model, image_shape: tuple[int, int, int]) -> bool:
    """Whether a network does something to the scale of the pixels before its first weights.

    What layers of a user's own do inside is watched as they run. Raises NetworkError where that shows nothing.
    """
    early = [*_up_to_weights(graph)]
    if any(isinstance(one, _SCALING) or type(one).__name__.lower() in _ARITHMETIC for one in early):
        return True
    if all(type(one).__module__.startswith("keras.") for one in early):
        return False
    seen = _watch(graph, [want or have for want, have in zip(graph.input_shape[1:], image_shape, strict=True)])
    if seen is None:
        raise NetworkError(
            f"Whether the network {graph.name} scales its pixels cannot be seen, since it has weights in layers of its "
            "own; say PREPROCESS=none if it scales them, and if not how it wants them, as in PREPROCESS=127."
        )
    return seen


def _watch(graph: keras.Model, shape: Sequence[int]) -> bool | None:
    """Run a network on a black and a white image; say whether what its first weights get is scaled, None if unseen."""
    seen: list[bool | None] = []

    def look(layer: Layer, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        values = keras.tree.flatten((args, kwargs))[0]
        known = hasattr(values, "numpy")  # not so in a function that TensorFlow has compiled
        scaled = known and not np.allclose([np.min(values), np.max(values)], [0, 255], atol=0.1)
        of_keras = type(layer).__module__.startswith("keras.")
        seen.append(True if scaled or isinstance(layer, _SCALING) else False if known and of_keras else None)
        return call(*args, **kwargs)

    watched = [one for one in graph._flatten_layers() if isinstance(one, _SCALING) or _has_matrices(one)]
    for layer in watched:
        layer.call = partial(look, layer, layer.call)
    with suppress(Exception):  # a later layer, such as one of channels first, may not be possible on this machine
        graph(np.stack([np.zeros(shape, np.float32), np.full(shape, 255, np.float32)]))
    for layer in watched:
        del layer.call
    return seen[0] if seen else None


def _has_matrices(layer: Layer) -> bool:
    """Whether a layer, and none in it, has weights that an image is multiplied by."""
    alone = not any(one.weights for one in layer._flatten_layers(include_self=False))
    return alone and any(len(weight.shape) > 1 for weight in layer.weights)


def _up_to_weights(graph: keras.Model) -> Iterator[Operation]:
    for operation in _operations(keras.Model(graph.inputs, graph.outputs)):
        yield operation
        if isinstance(operation, layers.Layer) and any(len(weight.shape) > 1 for weight in operation.weights):
            return


def _operations(model: keras.Model) -> Iterator[Operation]:
    for operation in model.operations:
        yield from _operations(operation) if hasattr(operation, "operations") else [operation]


def missing_parts(model: keras.Model) -> dict[str, Said]:
    """Say why what cannot be taken out of a network or put into it cannot: by "plain", "normalized" and "bare".

    model: as it is built without augmentation, which none of these has.
    """
    why, random = {}, changing(model)
    if random:
        why = dict.fromkeys(("plain", "normalized", "bare"), said("02_compare_dnn.why.random", layers=random))
    if _rescaling(model) is None:
        why["normalized"] = said("02_compare_dnn.why.scaling")
    if not any(isinstance(layer, layers.BatchNormalization) for layer in model.layers):
        why["bare"] = NO_BATCH_NORM
    return why


def changing(model: keras.Model) -> list[str]:
    """Name the kinds of layers, also inside others, by which a network changes images at random in training."""
    inner = (one for layer in model.layers for one in layer._flatten_layers())
    return [*dict.fromkeys(type(one).__name__ for one in inner if isinstance(one, _RANDOM))]


def without(model: keras.Model, normalization: Normalization, batch_norm: bool, augmented: bool = True) -> keras.Model:
    """Build a network in the form of `canonical` anew, with each image normalized, or without batch normalization.

    augmented: False leaves out the layers that change images at random and give them no other size. What is the same
    in both has the same weights. Raises NetworkError where the images cannot be normalized.
    """
    rescaling, twins = _rescaling(model), dict[Layer, Layer]()
    if normalization != "none" and rescaling is None:
        why = said("02_compare_dnn.why.scaling")
        raise NetworkError(f"The network {model.name} cannot have its images normalized: {why}.")
    unbiased = () if batch_norm else (*CONVOLUTIONS, layers.Dense)

    def call(layer: Operation, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(layer, layers.Layer):
            return layer(*args, **kwargs)
        if rescaling is not None and layer is rescaling and normalization == "per_image":
            return per_image("per_image")(layers.Rescaling(1 / 255, name=layer.name)(*args))
        if isinstance(layer, layers.BatchNormalization) and not batch_norm:
            return args[0]
        taken_out = isinstance(layer, _RANDOM) and not augmented
        if taken_out and layer.compute_output_shape(args[0].shape) == args[0].shape:
            return args[0]
        if layer not in twins:
            biased = {"use_bias": True} if isinstance(layer, unbiased) else {}
            twins[layer] = duplicate(layer, **biased)
        return twins[layer](*args, **kwargs)

    changed = rewired(model, call)
    for layer, twin in twins.items():
        for one, other in zip(layer.weights, twin.weights, strict=False):  # a bias that is new stands at the end
            other.assign(one)
    return changed


def _rescaling(model: keras.Model) -> Layer | None:
    return next((one for one in _up_to_weights(model) if isinstance(one, layers.Rescaling)), None)


def _call(source: Source, name: str, *arguments: Any) -> Any:
    function = source.offers(name)
    if function is None:
        defined = [key for key, value in vars(source.module).items() if callable(value) and not key.startswith("_")]
        raise NetworkError(
            f"{source.path} has no function {name}(image_shape, classes); it has {', '.join(defined) or 'none'}."
        )
    try:
        given = function(*arguments)
    except NetworkError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's code raises
        entered = getattr(error.__traceback__, "tb_next", None) or not arguments
        advice = "" if entered else f"; it is called as {name}(image_shape, classes)"
        raise NetworkError(f"{name} of {source.path} failed: {describe(error, source.path)}{advice}") from error
    if arguments and not isinstance(given, keras.Model):
        raise NetworkError(f"{name} of {source.path} gives {type(given).__name__!r}; let it return a keras.Model.")
    return given
