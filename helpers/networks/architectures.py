"""The networks of the assignment: named CNNs, and the plain DNN of equal size that each is compared with."""

import textwrap
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, pairwise
from math import log2
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import pandas as pd
from keras import layers

from helpers.networks.layers import AGAIN, CONVOLUTIONS, kind_in_words, per_image

Normalization = Literal["none", "per_image"]
NORMALIZATIONS: tuple[Normalization, ...] = ("none", "per_image")

ENLARGEMENT = "enlargement"  # how the names of the layers begin that make images larger
# The ratio of the two hidden layers of the reference DNN 2304-1800-1050-7.
DNN_SECOND_WIDTH = 1050 / 1800


@dataclass(frozen=True)
class Architecture:
    """A CNN as units of convolutions, each unit closed by max pooling, followed by dense layers."""

    units: tuple[tuple[int, ...], ...]  # filters of each convolution, unit by unit
    dense: tuple[int, ...]  # widths of the hidden dense layers
    first_kernel: int = 3
    first_stride: int = 1
    unit_dropout: float | Literal["by size"] = 0.2  # "by size": as `dropout_rate` has it for the tensor that is dropped
    dense_dropout: float | Literal["by size"] = 0.3
    dense_batch_norm: bool = False
    bias_and_scale: bool = True  # False: leave out what batch normalization and the next layer make redundant
    last_unpadded: bool = False  # the last unit's convolutions are not padded, and it is not pooled
    average_last: bool = False  # the last unit is not pooled; each of its maps is averaged to one value instead
    enlargement: tuple[int, int] = (1, 1)  # images are made larger first: (4, 3) by four thirds
    logits_dropout: float = 0.0  # before the last layer
    norm_momentum: float = 0.9  # Keras's 0.99 averages over more steps than a short training has


def _read(name: str) -> Architecture:
    said = {**_TABLE[name]}
    said = _TABLE[said.pop("like")] | said if "like" in said else said
    said |= {"units": tuple(map(tuple, said["units"])), "dense": tuple(said["dense"])}
    return Architecture(**said | {"enlargement": tuple(said.get("enlargement", (1, 1)))})


_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
ARCHITECTURES = {name: _read(name) for name in _TABLE}


@dataclass
class _Builder:
    """Adds layers to a tensor, each with an initial state of its own drawn from one seed."""

    seed: int
    batch_norm: bool
    architecture: Architecture
    _seeds: Iterator[int] = field(init=False)
    _layers: Counter = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        self._seeds = (int(np.random.default_rng([self.seed, i]).integers(2**31)) for i in count())

    def convolution(
        self, tensor: keras.KerasTensor, filters: int, kernel: int = 3, stride: int = 1, padding: str = "same"
    ) -> keras.KerasTensor:
        """Add a convolution with its normalization and activation."""
        name = self._name("conv")
        options = {"use_bias": self._bias(self.batch_norm), "kernel_initializer": self._he(), "name": name}
        return self._activate(layers.Conv2D(filters, kernel, stride, padding, **options)(tensor), name, self.batch_norm)

    def dense(self, tensor: keras.KerasTensor, width: int) -> keras.KerasTensor:
        """Add a dense layer with its activation, and normalization where the architecture has it."""
        name, batch_norm = self._name("dense"), self.batch_norm and self.architecture.dense_batch_norm
        options = {"use_bias": self._bias(batch_norm), "kernel_initializer": self._he(), "name": name}
        return self._activate(layers.Dense(width, **options)(tensor), name, batch_norm)

    def pool(self, tensor: keras.KerasTensor) -> keras.KerasTensor:
        """Halve height and width."""
        return layers.MaxPooling2D(name=self._name("pool"))(tensor)

    def dropout(self, tensor: keras.KerasTensor, rate: float | Literal["by size"]) -> keras.KerasTensor:
        """Add dropout at this rate, or at the rate that follows from the tensor's size."""
        rate = dropout_rate(tensor.shape[1:]) if rate == "by size" else rate
        return layers.Dropout(rate, seed=next(self._seeds), name=self._name("dropout"))(tensor) if rate else tensor

    def logits(self, tensor: keras.KerasTensor, classes: int) -> keras.KerasTensor:
        """Add the layer that gives one logit a class."""
        initializer = keras.initializers.GlorotUniform(seed=next(self._seeds))
        return layers.Dense(classes, kernel_initializer=initializer, name="logits")(tensor)

    def _name(self, role: str) -> str:
        """Number the layers of each role from 1; Keras would number them through all models of a process."""
        self._layers[role] += 1
        return f"{role}{self._layers[role]}"

    def _activate(self, tensor: keras.KerasTensor, name: str, batch_norm: bool) -> keras.KerasTensor:
        if batch_norm:
            options = {"momentum": self.architecture.norm_momentum, "scale": self.architecture.bias_and_scale}
            tensor = layers.BatchNormalization(**options, name=f"{name}_norm")(tensor)
        return layers.ReLU(name=f"{name}_relu")(tensor)

    def _he(self) -> keras.Initializer:
        return keras.initializers.HeNormal(seed=next(self._seeds))

    def _bias(self, batch_norm: bool) -> bool:
        return self.architecture.bias_and_scale or not batch_norm


def dropout_rate(shape: tuple[int, ...]) -> float:
    """Give the dropout rate for a tensor of this shape: 0.1 up to 256 values, 0.05 more per doubling, at most 0.4."""
    return round(min(0.4, max(0.1, 0.1 + 0.05 * (log2(np.prod(shape)) - 8))), 3)


def build_cnn(
    name: str,
    image_shape: tuple[int, int, int] = (48, 48, 1),
    classes: int = 7,
    *,
    normalization: Normalization = "none",
    batch_norm: bool = True,
    seed: int = 0,
) -> keras.Model:
    """Build one of the named CNNs, untrained.

    The model takes raw pixels (N, H, W, C) in 0..255 and gives logits (N, classes) float32. The same seed gives the
    same initial weights. Raises ValueError on a name or a normalization that does not exist, naming those that do.
    """
    architecture = get_architecture(name)
    builder = _Builder(seed, batch_norm, architecture)
    inputs = keras.Input(image_shape, name="pixels")
    tensor = _convolve(builder, enlarge(_rescale(inputs, normalization), architecture.enlargement))
    gather = layers.GlobalAveragePooling2D if architecture.average_last else layers.Flatten
    tensor = gather(name="average" if architecture.average_last else "flatten")(tensor)
    for width in architecture.dense:
        tensor = builder.dropout(builder.dense(tensor, width), architecture.dense_dropout)
    tensor = builder.dropout(tensor, architecture.logits_dropout)
    return keras.Model(inputs, builder.logits(tensor, classes), name=name)


def get_architecture(name: str) -> Architecture:
    """Look an architecture up by name; raises ValueError naming the legal ones."""
    if name not in ARCHITECTURES:
        raise ValueError(f"There is no architecture {name!r}: choose one of {', '.join(ARCHITECTURES)}.")
    return ARCHITECTURES[name]


def _rescale(pixels: keras.KerasTensor, normalization: Normalization) -> keras.KerasTensor:
    if normalization == "none":
        return layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(pixels)
    if normalization == "per_image":
        return per_image("per_image")(layers.Rescaling(1 / 255, name="rescaling")(pixels))
    raise ValueError(f"There is no normalization {normalization!r}: choose one of {', '.join(NORMALIZATIONS)}.")


def enlarge(tensor: keras.KerasTensor, factor: tuple[int, int]) -> keras.KerasTensor:
    """Make images (N, H, W, C) larger, (3, 2) by three halves, with layers that act alike in training and in use.

    Keras's Resizing is none of them: where nobody says which it is, all layers after it act as in training.
    """
    times, parts = factor
    if times != 1:
        tensor = layers.UpSampling2D(times, interpolation="bilinear", name=f"{ENLARGEMENT}_bilinear")(tensor)
    return layers.AveragePooling2D(parts, name=f"{ENLARGEMENT}_average")(tensor) if parts != 1 else tensor


def _convolve(builder: _Builder, tensor: keras.KerasTensor) -> keras.KerasTensor:
    architecture = builder.architecture
    for i, unit in enumerate(architecture.units):
        last = i == len(architecture.units) - 1
        bare = architecture.last_unpadded and last
        for j, filters in enumerate(unit):
            kernel, stride = (architecture.first_kernel, architecture.first_stride) if i == j == 0 else (3, 1)
            tensor = builder.convolution(tensor, filters, kernel, stride, padding="valid" if bare else "same")
        tensor = tensor if bare or (last and architecture.average_last) else builder.pool(tensor)
        tensor = builder.dropout(tensor, architecture.unit_dropout)
    return tensor


def build_dnn(like: keras.Model, *, seed: int = 0) -> keras.Model:
    """Build a plain DNN without convolutions, with as many parameters, image shape and classes as another network.

    The model takes raw pixels (N, H, W, C) in 0..255 and gives logits (N, classes) float32. The parameter count is
    within 0.1 % of the other's or, where no DNN comes so near, as for small networks, the nearest.
    """
    image_shape, classes = like.input_shape[1:], like.output_shape[-1]
    widths = nearest_widths(int(np.prod(image_shape)), classes, like.count_params())
    builder = _Builder(seed, False, Architecture(units=(), dense=widths))
    inputs = keras.Input(image_shape, name="pixels")
    tensor = layers.Flatten(name="flatten")(_rescale(inputs, "none"))
    for width in widths:
        tensor = builder.dense(tensor, width)
    return keras.Model(inputs, builder.logits(tensor, classes), name="dnn")


def matched_widths(inputs: int, classes: int, parameters: int, tolerance: float = 1e-3) -> tuple[int, int]:
    """Solve for two hidden widths that give a DNN this number of parameters, within the tolerance (a share of it).

    The widths keep the ratio of the reference DNN as nearly as integers allow. Raises ValueError where no such DNN
    exists, as for a network smaller than one hidden unit per class.
    """
    candidates = (
        (first, second)
        for first in range(1, parameters // inputs + 1)
        if (second := round((parameters - first * (inputs + 1) - classes) / (first + 1 + classes))) >= 1
        and abs(dnn_parameters(inputs, (first, second), classes) - parameters) <= tolerance * parameters
    )
    best = min(candidates, key=lambda widths: abs(log2(widths[1] / widths[0] / DNN_SECOND_WIDTH)), default=None)
    if best is None:
        raise ValueError(f"No DNN with {inputs} inputs and two hidden layers has {parameters} parameters.")
    return best


def nearest_widths(inputs: int, classes: int, parameters: int) -> tuple[int, int]:
    """Give the widths of `matched_widths` or, where none match, those whose DNN comes nearest in parameters."""
    with suppress(ValueError):
        return matched_widths(inputs, classes, parameters)
    firsts = range(1, max(1, parameters // inputs) + 1)
    pairs = [(first, max(1, (parameters - first * (inputs + 1)) // (first + 1 + classes))) for first in firsts]
    return min(pairs, key=lambda widths: abs(dnn_parameters(inputs, widths, classes) - parameters))


def dnn_parameters(inputs: int, widths: tuple[int, ...], classes: int) -> int:
    """Count weights and biases of a DNN with these hidden widths."""
    sizes = (inputs, *widths, classes)
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))


def convolutions(model: keras.Model) -> list[keras.layers.Layer]:
    """List the convolutions of a model in order, depthwise ones included."""
    return [layer for layer in model.layers if isinstance(layer, CONVOLUTIONS)]


def convolution(model: keras.Model, number: int) -> keras.layers.Layer:
    """Give the convolution with this number, counted from 1; raises ValueError naming the legal numbers."""
    found = convolutions(model)
    if not 1 <= number <= len(found):
        raise ValueError(f"{model.name} has no convolution {number}: choose one of 1 to {len(found)}.")
    return found[number - 1]


def layer_table(model: keras.Model) -> pd.DataFrame:
    """Describe every layer of a model, one row each: name, kind, shape of the output without the batch, parameters."""
    counts = [0 if AGAIN in layer.name else layer.count_params() for layer in model.layers]
    shapes = [_format_shape(layer.output.shape[1:]) for layer in model.layers]
    rows = [(one.name, type(one).__name__, *facts) for one, *facts in zip(model.layers, shapes, counts)]
    return pd.DataFrame(rows, columns=["layer", "kind", "output", "parameters"])


def count_parameters(model: keras.Model) -> int:
    """Count a model's parameters; those of a layer that is called several times count once."""
    return int(layer_table(model)["parameters"].sum())


def _format_shape(shape: tuple[int, ...]) -> str:
    return " \N{MULTIPLICATION SIGN} ".join(map(str, shape))


def share_of_convolutions(model: keras.Model) -> float:
    """Give the share of a model's parameters that are weights of convolutions, of whatever kind."""
    table, names = layer_table(model), [layer.name for layer in convolutions(model)]
    return float(table["parameters"][table["layer"].isin(names)].sum() / table["parameters"].sum())


def trainable_parameters(model: keras.Model) -> int:
    """Count the parameters that training changes."""
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def multiplications(model: keras.Model) -> int:
    """Count the multiplications with weights that an image takes, at least one; in other layers one a weight."""
    total = 0
    for layer in model.layers:
        known = isinstance(layer, (*CONVOLUTIONS, layers.Dense))
        positions = int(np.prod([side or 1 for side in layer.output.shape[1:-1]])) if known else 1  # 1 if dense
        total += positions * sum(int(np.prod(one.shape)) for one in layer.weights if len(one.shape) > 1)
    return max(1, total)


def diagram_blocks(model: keras.Model) -> list[tuple[str, str, str]]:
    """Describe a network as the boxes of a block diagram: kind, label and output shape of each.

    What has no box of its own shares that of the layer whose output it takes; a sum, that of the last of several.
    """
    blocks, places = list[tuple[str, str, str]](), dict[Any, int]()
    for layer in model.layers:
        shape = _format_shape(layer.output.shape[1:])
        kind, label = _diagram_label(layer)
        taken = [places[node.operation] for node in layer._inbound_nodes[0].parent_nodes if node.operation in places]
        places[layer] = len(blocks) if kind else max(taken, default=len(blocks) - 1)
        if kind:
            blocks.append((kind, label, shape))
        else:
            kind, earlier, _ = blocks[places[layer]]
            blocks[places[layer]] = (kind, f"{earlier}\n{label}".strip(), shape)
    return blocks


def _diagram_label(layer: keras.layers.Layer) -> tuple[str, str]:
    """Give the kind and label of a layer's box; without a kind the layer belongs to the box before."""
    match layer:
        case layers.InputLayer():
            return "input", "pixels 0\N{EN DASH}255"
        case layers.DepthwiseConv2D(kernel_size=(height, width)):
            return "convolution", f"depthwise {height}\N{MULTIPLICATION SIGN}{width}"
        case layers.Conv2D() | layers.SeparableConv2D():
            (height, width), stride = layer.kernel_size, layer.strides[0]
            label = f"conv {height}\N{MULTIPLICATION SIGN}{width}, {layer.filters}"
            return "convolution", label if stride == 1 else f"{label}\nstride {stride}"
        case layers.Dense(units=units):
            return "dense", f"dense {units}"
        case layers.MaxPooling2D(pool_size=(height, width)):
            return "pooling", f"max pool {height}\N{MULTIPLICATION SIGN}{width}"
        case layers.GlobalAveragePooling2D():
            return "pooling", "average pool"
        case layers.BatchNormalization():
            return "", "batch norm"
        case layers.LayerNormalization():
            return "", "per image" if np.size(layer.axis) == 3 else "layer norm"
        case layers.Dropout(rate=rate):
            return "", f"dropout {rate:g}"
        case layers.UpSampling2D(size=(times, _)):
            return "", f"enlarge {times}\N{MULTIPLICATION SIGN}"
        case layers.AveragePooling2D(pool_size=(parts, _)):
            return "", f"average {parts}\N{MULTIPLICATION SIGN}{parts}"
        case layers.ReLU() | layers.Activation():
            return "", getattr(getattr(layer, "activation", None), "__name__", "ReLU")
        case _:
            return "other" if layer.trainable_weights else "", "\n".join(textwrap.wrap(kind_in_words(layer), 14))
