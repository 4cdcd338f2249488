"""Any network with one image as input and a vector as output, rebuilt in the one form that is trained and explained.

Nested models are laid flat, channels brought last, mixed precision becomes float32, activations become layers of their
own, layers that Keras has named get names that say what they are, and softmax or sigmoid at the end is taken off.
Every other call stays what it was.
"""

import inspect
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import layers

from helpers.networks.layers import ACTIVATIONS, AGAIN, CONVOLUTIONS, POOLINGS, Layer, duplicate
from helpers.networks.own.source import NetworkError, tell

Operation: TypeAlias = keras.Operation
Tensor: TypeAlias = keras.KerasTensor
# What is done to pixels (N, H, W, C) in 0..255 before the network sees them.
Scale: TypeAlias = Callable[[Tensor], Tensor]

COLOURS = (1, 3)  # channels that images may have
HALF = 0.5  # a unit z before its sigmoid is the two logits -z / 2 and z / 2
_ACTIVATED = (*CONVOLUTIONS, layers.Conv2DTranspose, layers.Dense)
# What computes the same wherever the channels are, and what does so when told where.
_ANYWHERE = (*(kind for kind in ACTIVATIONS if kind is not layers.PReLU), layers.Dropout, layers.Identity)
_ANYWHERE += (layers.Rescaling, layers.GaussianNoise, layers.Add, layers.Subtract, layers.Multiply, layers.Average)
# What does nothing in inference.
_IN_TRAINING: tuple[Any, ...] = (layers.Dropout, layers.GaussianDropout, layers.AlphaDropout, layers.GaussianNoise)
_IN_TRAINING += (layers.RandomFlip, layers.RandomRotation, layers.RandomZoom, layers.RandomContrast)
_NORMALIZING = (layers.BatchNormalization, layers.GroupNormalization, layers.LayerNormalization)
_NUMBERED: dict[Any, str] = {
    layers.Conv2D: "conv", layers.DepthwiseConv2D: "depthwise", layers.SeparableConv2D: "separable",
    layers.Dense: "dense", POOLINGS: "pool", layers.Dropout: "dropout",
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9_.\\/>-]*")  # of a layer, as TensorFlow takes them
_OWN_END = ("softmax", "sigmoid", "linear", "log_softmax")  # activations that leave the order of classes as it is


def canonical(
    network: keras.Model,
    image_shape: tuple[int, int, int],
    classes: int,
    scale: Scale | None = None,
    *,
    augmentation: Sequence[Layer] = (),
    name: str = "",
) -> keras.Model:
    """Bring a network into the form that everything else expects, with weights of its own.

    network: any Keras model of one image and one vector, built or not. image_shape: (H, W, C) of the data; where the
    network takes another size, or grey for colour, images are brought to what it takes. augmentation: layers that
    change the images in training; scale: what is done to the pixels next; by default nothing. Gives a model of
    (N, H, W, C) in 0..255 to logits (N, classes) float32. Raises NetworkError on a network that cannot be used.
    """
    graph = as_graph(network, image_shape)
    channels_first = check_ends(graph, classes)
    rebuilt = _Rebuilt(_before_probabilities(graph.outputs[0], network.name)._keras_history.operation)
    tensor = inputs = keras.Input(image_shape, name="pixels")
    try:
        for layer in augmentation:
            tensor = rebuilt.call(layer, tensor)
        tensor = fit(tensor, taken_shape(graph, image_shape))
        tensor = scale(tensor) if scale else tensor
        outputs = _plain(_walk(graph, [First(tensor) if channels_first else tensor], rebuilt.call))
    except TypeError as error:  # a layer that cannot be made anew
        raise NetworkError(str(error)) from None
    for layer, twin in rebuilt.twins.items():
        if twin.weights:
            twin.set_weights(layer.get_weights())
    return _to_logits(inputs, outputs, classes, name or network.name)


def unrolled(model: keras.Model) -> keras.Model:
    """Give a network in which every layer is called once: itself, or a copy with one layer for every call.

    What a layer makes of an image is then one thing. Copies of a layer that is shared are named after it, with the
    number of the call, as in "conv__2".
    """
    if not _is_shared(model):
        return model
    calls: Counter[Operation] = Counter()
    copies: list[tuple[Layer, Layer]] = []

    def call(layer: Operation, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(layer, layers.Layer):
            return layer(*args, **kwargs)
        calls[layer] += 1
        again = {"name": f"{layer.name}{AGAIN}{calls[layer]}"} if calls[layer] > 1 else {}
        copies.append((layer, duplicate(layer, **again)))
        return copies[-1][1](*args, **kwargs)

    copy = rewired(model, call)
    for layer, twin in copies:
        twin.set_weights(layer.get_weights())
    return copy


def _is_shared(model: keras.Model) -> bool:
    """Whether an operation is called more than once on the way to the output."""
    waiting, seen = [model.outputs[0]._keras_history], set[tuple[Operation, int]]()
    while waiting:
        operation, place, _ = waiting.pop()
        if (operation, place) not in seen:
            seen.add((operation, place))
            waiting += [tensor._keras_history for tensor in operation._inbound_nodes[place].input_tensors]
    return len(seen) > len({operation for operation, _ in seen})


def rewired(model: keras.Model, call: Callable[..., Any]) -> keras.Model:
    """Build a network in the form of `canonical` anew; call: makes one call of its layer or operation, or another."""
    inputs = keras.Input(model.input_shape[1:], name=model.inputs[0].name)
    return keras.Model(inputs, _walk(model, [inputs], call), name=model.name)


def as_graph(network: keras.Model, image_shape: tuple[int, int, int]) -> keras.Model:
    """Give a network as a graph of its calls; raises NetworkError where it has none and cannot be followed.

    A model of a user's class is followed by calling it with symbols; if what it does depends on whether it is trained,
    or it has weights of its own, it stays one layer.
    """
    try:
        if isinstance(network, keras.Sequential) and not network.built:
            network.build((None, *image_shape))
        if _has_graph(network):
            return network
        shape = getattr(network, "_build_shapes_dict", None) or {}
        known = next((tuple(s) for s in shape.values() if s is not None and len(s) == 4), (None, *image_shape))
        inputs = keras.Input(known[1:])
        whole = network(inputs)
        return _traced(network, inputs) or keras.Model(inputs, whole, name=network.name)
    except Exception as error:  # whatever a user's code raises
        wrong = f"The network {network.name} cannot be called with images {image_shape}: {tell(error)}"
        raise NetworkError(wrong) from None


def _traced(layer: Layer, *inputs: Tensor) -> keras.Model | None:
    """Follow what a layer of a user's own class calls, as a model; None where that is not all that it does."""
    told: list[dict[str, bool | None]] = [{}]
    if "training" in inspect.signature(layer.call).parameters:
        told = [{"training": None}, {"training": True}]
    try:
        graphs = [keras.Model([*inputs], layer.call(*inputs, **options)) for options in told]
    except Exception:  # TensorFlow's own functions take no symbols, and a user's code may raise anything
        return None
    kinds = [[type(one) for one in graph.operations if not isinstance(one, _IN_TRAINING)] for graph in graphs]
    held = {id(weight) for weight in graphs[0].weights}  # weights of its own are in no graph
    whole = all(id(weight) in held for weight in layer.weights)
    if not whole or any(kind != kinds[0] for kind in kinds):
        return None
    if len(graphs[0].operations) == len(graphs[-1].operations):
        return graphs[0]
    return keras.Model([*inputs], _walk(graphs[-1], inputs, _untold))  # which has what follows `if training:`


def _untold(operation: Operation, *args: Any, **kwargs: Any) -> Any:
    """Make a call that was told to be one of training; it is then whatever the whole network's is."""
    return operation(*args, **{name: value for name, value in kwargs.items() if name != "training" or not value})


def _has_graph(layer: object) -> bool:
    """Whether this is a model whose calls are known: a functional one, or a sequential one that is built."""
    if isinstance(layer, keras.Sequential):
        return bool(layer.built and layer.layers)
    return isinstance(layer, keras.Model) and hasattr(layer, "operations")


def _walk(model: keras.Model, inputs: Sequence[object], call: Callable[..., Any]) -> Any:
    """Go through the calls of a model in their order on new inputs; gives the model's output.

    call: given a layer or an operation and the arguments of one call, makes this call or another in its place.
    """
    # Not `clone_model`, which takes inputs of a whole model alone, and no model with `Sequential` around it.
    graph = keras.Model(model.inputs, model.outputs)
    return graph._run_through_graph(inputs, operation_fn=lambda operation: partial(call, operation))[0]


@dataclass(frozen=True)
class First:
    """A tensor with channels last that stands for one which has them first in the network."""

    tensor: Tensor


def _plain(value: Any) -> Any:
    """Give a tensor as the network has it."""
    return layers.Permute((3, 1, 2))(value.tensor) if isinstance(value, First) else value


def _last(value: Any) -> Any:
    """Give a tensor that has channels first in the network with channels last."""
    if isinstance(value, keras.KerasTensor):
        return layers.Permute((2, 3, 1))(value)
    return value.tensor if isinstance(value, First) else value


class _Rebuilt:
    """Rebuilds a graph call by call; holds each layer's twin. logits: what gives the network's output."""

    def __init__(self, logits: Operation) -> None:
        self.twins: dict[Layer, Layer] = {}
        self._logits, self._names = logits, Counter[str]()

    def call(self, layer: Operation, *args: Any, **kwargs: Any) -> Any:
        """Make one call of the network anew."""
        given = [one for one in keras.tree.flatten((args, kwargs)) if isinstance(one, keras.KerasTensor | First)]
        if (inner := self._inside(layer, given)) is not None:
            # What is called with training=False, as a frozen backbone is, is told so in each of its layers.
            told = kwargs.get("training")
            return _walk(inner, given, self.call if told is None else partial(self._told, told))
        if type(layer).__name__.lower() == "relu" and not isinstance(layer, layers.Layer):
            layer = layers.ReLU()  # which is looked for as a layer
        if isinstance(layer, layers.Permute) and layer.dims == (2, 3, 1) and isinstance(given[0], First):
            return given[0].tensor
        if isinstance(layer, layers.Permute) and layer.dims == (3, 1, 2) and not isinstance(given[0], First):
            return First(given[0])
        moves = self._moves(layer, given)
        args, kwargs = keras.tree.map_structure(_last if moves else _plain, (args, kwargs))
        if not isinstance(layer, layers.Layer):
            return layer(*args, **kwargs)
        outputs = self._twin(layer, moves, keras.tree.flatten(args)[0])(*args, **kwargs)
        if isinstance(layer, _ACTIVATED) and layer.activation is not keras.activations.linear:
            outputs = self._activation(layer)(outputs)
        return First(outputs) if moves and len(outputs.shape) == 4 else outputs

    def _told(self, training: bool, layer: Operation, /, *args: Any, **kwargs: Any) -> Any:
        takes = isinstance(layer, layers.Layer) and "training" in inspect.signature(layer.call).parameters
        return self.call(layer, *args, **(kwargs | ({"training": training} if takes else {})))

    def _inside(self, layer: Operation, given: list[Any]) -> keras.Model | None:
        """Give what a nested model, or a layer of a user's own class with layers in it, calls inside."""
        if _has_graph(layer):
            return layer
        if not isinstance(layer, layers.Layer) or type(layer).__module__.startswith("keras."):
            return None
        if not layer._flatten_layers(include_self=False):
            return None
        shapes = [tensor.shape for tensor in given if isinstance(tensor, keras.KerasTensor)]
        return _traced(layer, *(keras.Input(shape[1:]) for shape in shapes)) if len(shapes) == len(given) else None

    def _moves(self, layer: Operation, given: list[Any]) -> bool:
        """Whether a layer works on channels that come first and can as well with channels last."""
        tensors = [one.tensor if isinstance(one, First) else one for one in given]
        if not tensors or any(len(tensor.shape) != 4 for tensor in tensors):
            return False
        if getattr(layer, "data_format", None) == "channels_first":
            return True
        along = isinstance(layer, (*_NORMALIZING, layers.Concatenate)) and layer.axis in (1, [1])
        return (isinstance(layer, _ANYWHERE) or along) and any(isinstance(one, First) for one in given)

    def _twin(self, layer: Layer, moves: bool, tensor: Tensor) -> Layer:
        if layer not in self.twins:
            config: dict[str, Any] = {"name": self._name(layer, tensor), "dtype": "float32"}
            if moves and getattr(layer, "data_format", None):
                config["data_format"] = "channels_last"
            elif moves and hasattr(layer, "axis"):
                config["axis"] = -1
            if isinstance(layer, _ACTIVATED):
                config["activation"] = "linear"
            self.twins[layer] = duplicate(layer, **config)
        return self.twins[layer]

    def _activation(self, layer: Layer) -> Layer:
        """Make the layer that computes an activation which was built into another."""
        function, name = layer.activation, self.twins[layer].name
        if isinstance(function, layers.Layer):
            return duplicate(function, name=self._unique(f"{name}_{function.name}"))
        if function is keras.activations.relu:
            return layers.ReLU(name=self._unique(f"{name}_relu"))
        said = getattr(function, "__name__", "activation")
        return layers.Activation(function, name=self._unique(f"{name}_{said}"))

    def _name(self, layer: Layer, tensor: Tensor) -> str:
        """Name a layer as the user did or, where Keras has numbered it through all of a process, by its role."""
        kind = type(layer).__name__.lower()
        if layer.name.replace("_", "").rstrip("0123456789") != kind.rstrip("0123456789"):
            return self._unique(layer.name)
        if layer is self._logits and isinstance(layer, layers.Dense):
            return self._unique("logits")
        source = tensor._keras_history.operation
        is_layer = isinstance(source, layers.Layer)
        before = source.name.removesuffix("_norm") if is_layer else type(source).__name__.lower()
        if isinstance(layer, _NORMALIZING) and isinstance(source, _ACTIVATED):
            return self._unique(f"{before}_norm")
        if isinstance(layer, ACTIVATIONS) and before != "pixels":
            said = kind if kind != "activation" else getattr(layer.activation, "__name__", kind)
            return self._unique(f"{before}_{said}")
        role = next((role for kinds, role in _NUMBERED.items() if isinstance(layer, kinds)), "")
        self._names[f"all of {role}"] += 1
        plain = re.sub(r"(2d)?(_\d+)?$", "", layer.name).replace("global_average_pooling", "average")
        return self._unique(f"{role}{self._names[f'all of {role}']}" if role else plain)

    def _unique(self, wanted: str) -> str:
        wanted = re.sub("<(lambda)>|[^ -~]", r"\1", wanted)  # what a function is called may be no name of a layer
        self._names[wanted] += 1
        return wanted if self._names[wanted] == 1 else f"{wanted}_{self._names[wanted]}"


def check_ends(graph: keras.Model, classes: int) -> bool:
    """See that a graph takes an image and gives a vector of classes, else NetworkError; say if channels come first."""
    name, taken, given = graph.name, [t.shape[1:] for t in graph.inputs], [t.shape[1:] for t in graph.outputs]
    names = [one.name for one in graph._flatten_layers(include_self=False)]
    for odd in (one for one in (name, *names) if not _NAME.fullmatch(one)):
        raise NetworkError(f"TensorFlow takes no name such as {odd!r}; name it by letters, digits, - and _ alone.")
    if len(taken) != 1:
        raise NetworkError(f"The network {name} takes {len(taken)} inputs; it may take one image alone.")
    if len(taken[0]) != 3:
        advice = (
            f"keras.Sequential([keras.Input((height, width, channels)), keras.layers.Reshape({taken[0]}), network])"
        )
        wrong = f"The network {name} takes an input of shape {taken[0]} and not images"
        raise NetworkError(f"{wrong}; if these are an image's pixels, give {advice}.")
    if len(given) != 1 or len(given[0]) != 1:
        raise NetworkError(f"The output of the network {name} has the shape {given}; it has to be one vector.")
    if given[0][0] != classes and not (given[0][0] == 1 and classes == 2):
        raise NetworkError(
            f"The network {name} tells {given[0][0]} classes apart and the data have {classes}; give data of the "
            "classes that it was trained on, or, where build makes it, as many as its `classes` says."
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


def _to_logits(inputs: Tensor, outputs: Tensor, classes: int, name: str) -> keras.Model:
    """Give a model up to what its softmax or sigmoid would take; of one unit, two logits are made."""
    outputs = _before_probabilities(outputs, name)
    model = keras.Model(inputs, outputs, name=name)
    if classes == 2 and outputs.shape[-1] == 1:
        two = layers.Dense(2, use_bias=False, trainable=False, name="two_logits")
        model = keras.Model(inputs, two(outputs), name=name)
        two.set_weights([np.array([[-HALF, HALF]], np.float32)])
    return model


def _before_probabilities(outputs: Tensor, name: str) -> Tensor:
    """Go back from what a network gives over softmax and sigmoid, as layers or as functions, of which one may be."""
    ends: list[str] = []
    while True:
        last, call, _ = outputs._keras_history
        said = getattr(getattr(last, "activation", None), "__name__", "") if type(last) is layers.Activation else ""
        of_keras = type(last).__module__.startswith("keras.")  # whose class tells what it is where it is no layer
        kind = said or (type(last).__name__.lower() if of_keras else "")
        if kind not in _OWN_END:
            return outputs
        ends = [kind, *ends] if kind != "linear" else ends
        if len(ends) > 1 and kind in ("softmax", "sigmoid"):
            raise NetworkError(f"The network {name} ends in {' and then '.join(ends)}; take one of them off.")
        (outputs,) = last._inbound_nodes[call].input_tensors  # its own `input` is that of its first call
