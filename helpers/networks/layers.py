"""The layers of a network, those of models nested in it too, and networks built anew from them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, TypeAlias

import keras
import tensorflow as tf
from keras import layers, ops

Layer: TypeAlias = keras.layers.Layer
Operation: TypeAlias = keras.Operation

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
POOLINGS = (layers.MaxPooling2D, layers.AveragePooling2D)
AGAIN = "__"  # stands before the number of a further call of a layer that is shared, in its copy's name
ACTIVATIONS = (layers.Activation, layers.ELU, layers.LeakyReLU, layers.PReLU, layers.ReLU)


def flat_layers(model: keras.Model) -> list[Layer]:
    """List the layers in order, those of nested models in place of the model that holds them."""
    nested = ((flat_layers(layer) if has_graph(layer) else [layer]) for layer in model.layers)
    return [layer for layers in nested for layer in layers]


def activation_after(model: keras.Model, layer: Layer) -> Layer | None:
    """Find the layer that holds a convolution's output after its activation.

    This is the layer itself if the activation is built in, and None where no activation comes before the next
    convolution, or before the maps end.
    """
    if layer.activation is not keras.activations.linear:
        return layer
    flat = flat_layers(model)
    for follower in flat[flat.index(layer) + 1 :]:
        if isinstance(follower, CONVOLUTIONS) or len(follower.output.shape) != 4:
            return None
        if isinstance(follower, ACTIVATIONS):
            return follower
    return None


def flatten(model: keras.Model) -> tuple[keras.Model, Mapping[Layer, Layer]]:
    """Give a model in which no model is nested, and each layer's place in it: the model itself if it is such.

    Otherwise it is a copy, made once, that takes over the model's weights in every call.
    """
    if not any(isinstance(layer, keras.Model) for layer in model.layers):
        return model, {layer: layer for layer in model.layers}
    copy, twins = _flat_copy(model)
    copy_weights(twins)
    return copy, twins


def weights(layer: Layer) -> tuple[tf.Tensor, tf.Tensor]:
    """Read kernel and bias in float32, whatever precision the layer computes in."""
    kernel = ops.convert_to_tensor(layer.kernel)
    return kernel, ops.convert_to_tensor(layer.bias) if layer.use_bias else tf.zeros(kernel.shape[-1], kernel.dtype)


@lru_cache(maxsize=8)
def _flat_copy(model: keras.Model) -> tuple[keras.Model, Mapping[Layer, Layer]]:
    return rebuild(model, lambda layer: {})


def rebuild(
    model: keras.Model, changes: Callable[[Layer], dict], shape: tuple[int | None, ...] | None = None
) -> tuple[keras.Model, dict[Layer, Layer]]:
    """Build a model anew, what is nested in it laid flat; give it and each layer's twin, with weights of its own.

    changes: what differs in a twin's configuration; shape: of the images (H, W, C), where it is another.
    """
    twins: dict[Layer, Layer] = {}

    def call(layer: Operation, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.layers.Layer) and layer not in twins:
            twins[layer] = duplicate(layer, layer.get_config() | changes(layer))
        return twins.get(layer, layer)(*args, **kwargs)

    inputs = keras.Input(shape or model.input_shape[1:])
    return keras.Model(inputs, walk(model, [inputs], call), name=model.name), twins


def duplicate(layer: Layer, config: dict[str, Any]) -> Layer:
    """Make a layer anew of a configuration, without weights; a Lambda keeps its function, which has no other form.

    Raises TypeError on a layer of a user's own that does not say how it was made.
    """
    if type(layer) is layers.Lambda:
        options = {"output_shape": layer._output_shape, "arguments": layer.arguments, "name": config["name"]}
        return layers.Lambda(layer.function, **options)
    try:
        return type(layer).from_config(config)
    except (TypeError, NotImplementedError, ValueError) as error:
        raise TypeError(
            f"The layer {layer.name} ({type(layer).__name__}) cannot be made anew from its `get_config`; give it a "
            f"`get_config` that returns its arguments ({str(error).splitlines()[0]})."
        ) from None


def walk(model: keras.Model, inputs: Sequence[keras.KerasTensor], call: Callable[..., Any]) -> Any:
    """Go through the calls of a model in their order on new inputs, those of models nested in it in their place.

    call: given a layer or an operation and the arguments of one call, makes this call or another in its place, and
    gives what the next calls get. What a nested model was called with `training=False` is told to its layers. Gives
    the model's output, or a list of several.
    """

    def at(place: Operation) -> Callable[..., Any]:
        return partial(walk_nested, place) if has_graph(place) else partial(call, place)

    def walk_nested(nested: keras.Model, *args: Any, **kwargs: Any) -> Any:
        told = call if kwargs.get("training") is None else partial(_told, call, kwargs["training"])
        return walk(nested, keras.tree.flatten(args), told)

    # Not `clone_model`: it parts the calls of a nested model from those around it.
    outputs = keras.Model(model.inputs, model.outputs)._run_through_graph(inputs, operation_fn=at)
    return outputs if len(outputs) > 1 else outputs[0]


def _told(call: Callable[..., Any], training: bool, layer: Operation, /, *args: Any, **kwargs: Any) -> Any:
    takes = isinstance(layer, keras.layers.Layer) and "training" in inspect.signature(layer.call).parameters
    return call(layer, *args, **(kwargs | ({"training": training} if takes else {})))


def has_graph(layer: object) -> bool:
    """Whether this is a model whose calls are known: a functional one, or a sequential one that is built."""
    if isinstance(layer, keras.Sequential):
        return bool(layer.built and layer.layers)
    return isinstance(layer, keras.Model) and hasattr(layer, "operations")


def copy_weights(twins: Mapping[Layer, Layer]) -> None:
    for layer, twin in twins.items():
        twin.set_weights(layer.get_weights())
