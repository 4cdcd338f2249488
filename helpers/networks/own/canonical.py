"""Any network with one image as input and a vector as output, rebuilt in the one form that is trained and explained.

Nested models are laid flat, channels brought last, mixed precision becomes float32, activations become layers of their
own, and softmax or sigmoid at the end is taken off. Every other call stays what it was.
"""

import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import layers

from helpers.networks.layers import ACTIVATIONS, AGAIN, CONVOLUTIONS, Layer, Operation, duplicate, has_graph, walk
from helpers.networks.own.source import NetworkError

Tensor: TypeAlias = keras.KerasTensor
Scale: TypeAlias = Callable[
    [Tensor], Tensor
]  # what is done to pixels (N, H, W, C) in 0..255 before the network sees them

COLOURS = (1, 3)  # channels that images may have
HALF = 0.5  # a unit z before its sigmoid is the two logits -z / 2 and z / 2
_ACTIVATED = (*CONVOLUTIONS, layers.Conv2DTranspose, layers.Dense)
# What computes the same wherever the channels are, and what does so when told where.
_ANYWHERE = (*(kind for kind in ACTIVATIONS if kind is not layers.PReLU), layers.Dropout, layers.Identity)
_ANYWHERE += (layers.Rescaling, layers.GaussianNoise, layers.Add, layers.Subtract, layers.Multiply, layers.Average)
_ALONG_AXIS = (layers.BatchNormalization, layers.GroupNormalization, layers.LayerNormalization, layers.Concatenate)
_PROBABILITIES = ("softmax", "sigmoid")


def canonical(
    network: keras.Model, image_shape: tuple[int, int, int], classes: int, scale: Scale | None = None, *, name: str = ""
) -> keras.Model:
    """Bring a network into the form that everything else expects, with weights of its own.

    network: any Keras model of one image and one vector, built or not. image_shape: (H, W, C) of the data; where the
    network takes another size, or grey for colour, images are brought to what it takes. scale: what is done to the
    pixels first; by default nothing. Gives a model of (N, H, W, C) in 0..255 to logits (N, classes) float32. Raises
    NetworkError on a network that cannot be used.
    """
    graph = as_graph(network, image_shape)
    channels_first = _check_ends(graph, image_shape, classes)
    inputs = keras.Input(image_shape, name="pixels")
    tensor = fit(inputs, taken_shape(graph, image_shape))
    tensor = scale(tensor) if scale else tensor
    rebuilt = _Rebuilt()
    if channels_first:
        rebuilt.channels_first[id(tensor)] = tensor
    try:
        outputs = rebuilt.plain(walk(graph, [tensor], rebuilt.call))
    except TypeError as error:  # a layer that cannot be made anew
        raise NetworkError(str(error)) from None
    model = keras.Model(inputs, outputs)
    rebuilt.copy_weights()
    return _to_logits(model, classes, name or network.name)


def unrolled(model: keras.Model) -> keras.Model:
    """Give a network in which every layer is called once: itself, or a copy with one layer for every call.

    What a layer makes of an image is then one thing. Copies of a layer that is shared are named after it, with the
    number of the call, as in "conv__2".
    """
    calls: Counter[Layer] = Counter()
    copies: list[tuple[Layer, Layer]] = []

    def call(layer: Operation, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(layer, keras.layers.Layer):
            return layer(*args, **kwargs)
        calls[layer] += 1
        config = layer.get_config()
        if calls[layer] > 1:
            config["name"] = f"{layer.name}{AGAIN}{calls[layer]}"
        copies.append((layer, duplicate(layer, config)))
        return copies[-1][1](*args, **kwargs)

    inputs = keras.Input(model.input_shape[1:], name=model.inputs[0].name)
    outputs = walk(model, [inputs], call)
    if not calls or max(calls.values()) == 1:
        return model
    copy = keras.Model(inputs, outputs, name=model.name)
    for layer, twin in copies:
        twin.set_weights(layer.get_weights())
    return copy


def as_graph(network: Any, image_shape: tuple[int, int, int]) -> keras.Model:
    """Give a network as a graph of its calls; raises NetworkError where it has none and cannot be followed.

    A model of a user's class is followed by calling it with symbols; if what it does depends on whether it is trained,
    or it has weights of its own, it stays one layer.
    """
    if not isinstance(network, keras.Model):
        raise NetworkError(f"What was given as a network is {type(network).__name__!r}, and no keras.Model.")
    try:
        if isinstance(network, keras.Sequential) and not network.built:
            network.build((None, *image_shape))
        if has_graph(network):
            return network
        shape = getattr(network, "_build_shapes_dict", None) or {}
        known = next((tuple(s) for s in shape.values() if s is not None and len(s) == 4), (None, *image_shape))
        inputs = keras.Input(known[1:])
        whole = network(inputs)
        return traced(network, inputs) or keras.Model(inputs, whole, name=network.name)
    except NetworkError:
        raise
    except Exception as error:  # whatever a user's code raises
        raise NetworkError(
            f"The network {network.name} cannot be called with images {image_shape}: {_first_line(error)}"
        ) from None


def traced(layer: Layer, *inputs: Tensor) -> keras.Model | None:
    """Follow what a layer of a user's own class calls, as a model; None where that is not all that it does."""
    if any(weight is not None for weight in layer._trainable_variables + layer._non_trainable_variables):
        return None
    try:
        graphs = [keras.Model([*inputs], layer.call(*inputs, **told)) for told in _tellings(layer)]
    except Exception:  # TensorFlow's own functions take no symbols, and a user's code may raise anything
        return None
    kinds = [[type(operation) for operation in graph.operations] for graph in graphs]
    held = {id(weight) for weight in graphs[0].weights}
    whole = all(id(weight) in held for weight in layer.weights)
    return graphs[0] if whole and all(kind == kinds[0] for kind in kinds) else None


def _tellings(layer: Layer) -> list[dict[str, Any]]:
    """List ways to call a layer: with nothing said of training, and where it can be told, with each answer."""
    if "training" not in inspect.signature(layer.call).parameters:
        return [{}]
    return [{"training": None}, {"training": True}]


class _Rebuilt:
    """Rebuilds a graph call by call; holds each layer's twin, and which tensors stand for one with channels first."""

    def __init__(self) -> None:
        self.twins: dict[Layer, Layer] = {}
        self.activations: dict[Layer, Callable[[], Layer]] = {}
        self.channels_first: dict[int, Tensor] = {}  # tensors with channels last, where the network has them first
        self.names: Counter[str] = Counter()

    def call(self, layer: Operation, *args: Any, **kwargs: Any) -> Any:
        """Make one call of the network anew."""
        if type(layer).__name__.lower() == "relu" and not isinstance(layer, keras.layers.Layer):
            layer = layers.ReLU(name="relu")  # which is looked for as a layer
        if not isinstance(layer, keras.layers.Layer):
            return layer(*(keras.tree.map_structure(self.plain, args)), **keras.tree.map_structure(self.plain, kwargs))
        if (inner := self._inside(layer, args)) is not None:
            return walk(inner, [self.plain(tensor) for tensor in keras.tree.flatten(args)], self.call)
        given = [tensor for tensor in keras.tree.flatten(args) if isinstance(tensor, keras.KerasTensor)]
        if isinstance(layer, layers.Permute) and layer.dims == (2, 3, 1) and id(given[0]) in self.channels_first:
            return self._detached(given[0])
        if isinstance(layer, layers.Permute) and layer.dims == (3, 1, 2) and id(given[0]) not in self.channels_first:
            return self._mark(self._detached(given[0]))
        moves = self._moves(layer, given)
        bring = self._to_last if moves else self.plain
        outputs = self._twin(layer, moves)(*keras.tree.map_structure(bring, args), **kwargs)
        if layer in self.activations:
            outputs = self.activations[layer]()(outputs)
        return self._mark(outputs) if moves and len(outputs.shape) == 4 else outputs

    def plain(self, value: Any) -> Any:
        """Give a tensor as the network has it."""
        if isinstance(value, keras.KerasTensor) and id(value) in self.channels_first:
            return layers.Permute((3, 1, 2), name=self._name("channels_first"))(value)
        return value

    def copy_weights(self) -> None:
        """Give the twins the weights of their layers."""
        for layer, twin in self.twins.items():
            if layer.get_weights():
                twin.set_weights(layer.get_weights())

    def _inside(self, layer: Layer, args: tuple[Any, ...]) -> keras.Model | None:
        """Give what a layer of a user's own class calls inside."""
        own = not type(layer).__module__.startswith("keras.")
        held = keras.tree.flatten(
            [value for value in vars(layer).values() if not callable(value) or _has_weights(value)]
        )
        if not own or not any(map(_has_weights, held)):
            return None
        flat = keras.tree.flatten(args)
        if not all(isinstance(tensor, keras.KerasTensor) for tensor in flat):
            return None
        return traced(layer, *(keras.Input(tensor.shape[1:], dtype=tensor.dtype) for tensor in flat))

    def _moves(self, layer: Layer, given: list[Tensor]) -> bool:
        """Whether a layer works on channels that come first and can as well with channels last."""
        if not given or any(len(tensor.shape) != 4 for tensor in given):
            return False
        if getattr(layer, "data_format", None) == "channels_first":
            return True
        if not any(id(tensor) in self.channels_first for tensor in given):
            return False
        return isinstance(layer, _ANYWHERE) or (isinstance(layer, _ALONG_AXIS) and layer.axis in (1, [1]))

    def _to_last(self, value: Any) -> Any:
        if not isinstance(value, keras.KerasTensor) or id(value) in self.channels_first:
            return value
        return layers.Permute((2, 3, 1), name=self._name("channels_last"))(value)

    def _mark(self, tensor: Tensor) -> Tensor:
        self.channels_first[id(tensor)] = tensor
        return tensor

    def _detached(self, tensor: Tensor) -> Tensor:
        """Give another tensor of the same values, of which something else may be known."""
        return layers.Identity(name=self._name("permuted"))(tensor)

    def _twin(self, layer: Layer, moves: bool) -> Layer:
        if layer not in self.twins:
            config = layer.get_config() | {"name": self._name(layer.name), "dtype": "float32"}
            if moves and "data_format" in config:
                config["data_format"] = "channels_last"
            elif moves and isinstance(layer, _ALONG_AXIS):
                config["axis"] = -1
            if isinstance(layer, _ACTIVATED) and layer.activation is not keras.activations.linear:
                self.activations[layer] = _activation_maker(layer.activation, config["name"], self._name)
                config["activation"] = "linear"
            self.twins[layer] = duplicate(layer, config)
        return self.twins[layer]

    def _name(self, wanted: str) -> str:
        self.names[wanted] += 1
        return wanted if self.names[wanted] == 1 else f"{wanted}_{self.names[wanted] - 1}"


def _activation_maker(function: Callable[..., Any], name: str, unique: Callable[[str], str]) -> Callable[[], Layer]:
    """Give what makes the layer that computes an activation which was built into another."""
    if isinstance(function, keras.layers.Layer):
        return lambda: duplicate(function, function.get_config() | {"name": unique(f"{name}_{function.name}")})
    if function is keras.activations.relu:
        return lambda: layers.ReLU(name=unique(f"{name}_relu"))
    said = getattr(function, "__name__", "activation")
    return lambda: layers.Activation(function, name=unique(f"{name}_{said}"))


def _check_ends(graph: keras.Model, image_shape: tuple[int, int, int], classes: int) -> bool:
    """See that a graph takes one image and gives a vector of the classes; say whether its channels come first."""
    name, taken, given = graph.name, [t.shape[1:] for t in graph.inputs], [t.shape[1:] for t in graph.outputs]
    if len(taken) != 1:
        raise NetworkError(f"The network {name} takes {len(taken)} inputs; it may take one image alone.")
    if len(taken[0]) != 3:
        raise NetworkError(f"The network {name} takes an input of shape {taken[0]}; it has to take images (H, W, C).")
    if len(given) != 1 or len(given[0]) != 1:
        raise NetworkError(f"The output of the network {name} has the shape {given}; it has to be one vector.")
    if given[0][0] != classes and not (given[0][0] == 1 and classes == 2):
        raise NetworkError(
            f"The network {name} tells {given[0][0]} classes apart and the data have {classes}; they have to be as "
            "many, in the order of their names (CLASSES gives another)."
        )
    first = _has_channels_first(taken[0])
    if not first and taken[0][2] not in (*COLOURS, None):
        raise NetworkError(f"The network {name} takes images with {taken[0][2]} channels; data have 1 or 3.")
    return first


def taken_shape(graph: keras.Model, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Give the shape (H, W, C) of the images that a network takes; where it takes any, that of the data."""
    taken = graph.input_shape[1:]
    taken = (*taken[1:], taken[0]) if _has_channels_first(taken) else taken
    height, width, channels = (want or have for want, have in zip(taken, image_shape, strict=True))
    return height, width, channels


def _has_channels_first(shape: tuple[int | None, ...]) -> bool:
    return shape[2] not in COLOURS and shape[0] in COLOURS


def fit(tensor: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Bring images (N, H, W, C), symbols or not, to this size and these channels, grey to colour or colour to grey."""
    height, width, channels = shape
    if channels == 3 and tensor.shape[-1] == 1:
        tensor = layers.Concatenate(name="grey_as_colour")([tensor] * 3)
    elif channels == 1 and tensor.shape[-1] == 3:  # as the eye weighs them, ITU-R 601
        red, green, blue = (tensor[..., i : i + 1] for i in range(3))
        tensor = 0.299 * red + 0.587 * green + 0.114 * blue
    if tensor.shape[1:3] != (height, width):
        tensor = keras.ops.image.resize(tensor, (height, width), interpolation="bilinear", antialias=True)
    return tensor


def _to_logits(model: keras.Model, classes: int, name: str) -> keras.Model:
    """Take softmax or sigmoid off the end of a model, and make one unit two logits."""
    outputs = model.outputs[0]
    # An operation's class tells what it is where it is no layer.
    while (last := outputs._keras_history.operation) and _gives_probabilities(last):
        outputs = last.input
    if classes == 2 and outputs.shape[-1] == 1:
        last = layers.Dense(2, use_bias=False, trainable=False, name="two_logits")
        outputs = last(outputs)
        last.set_weights([np.array([[-HALF, HALF]], np.float32)])
    return keras.Model(model.inputs[0], outputs, name=name)


def _gives_probabilities(operation: Operation) -> bool:
    if isinstance(operation, layers.Activation):
        said = getattr(operation.activation, "__name__", "")
        return said in (*_PROBABILITIES, "linear", "log_softmax")
    kind = type(operation).__name__.lower()
    return isinstance(operation, layers.Softmax) or (
        not isinstance(operation, keras.layers.Layer) and kind in _PROBABILITIES
    )


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _has_weights(value: object) -> bool:
    """Whether something is a layer."""
    return hasattr(value, "get_weights")
