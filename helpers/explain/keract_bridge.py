"""Lets keract 4.5.2, which was written for Keras 2, work with Keras 3: import `keract` from here.

keract asks the model for private attributes that Keras 3 no longer has. The functions of keract that do are
replaced below, in place; what keract does around them (which layers, in which order, by which names) stays
its own.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import keract
import keras
import numpy as np
import tensorflow as tf
from keract import keract as internals

__all__ = ["keract"]


def evaluate(
    model: keras.Model, nodes: Iterable, x: Any, y: Any = None, auto_compile: bool = False
) -> list[np.ndarray]:
    """Give the value of each symbolic tensor of a model for the inputs x, in inference mode.

    y and auto_compile are part of keract's signature: no target and no compilation is needed for values.
    """
    outputs = keras.Model(_alone(model.inputs), list(nodes))(x, training=False)
    return [np.asarray(value) for value in keras.tree.flatten(outputs)]


def gradients(model: keras.Model, x: Any, y: Any, nodes: Mapping) -> OrderedDict:
    """Give the gradient of a compiled model's loss with respect to each node, in inference mode.

    nodes: name -> symbolic tensor of the model; one that the loss does not depend on has gradient 0. Raises
    ValueError where the model is not compiled, since the loss is then unknown.
    """
    if not model.compiled:
        raise ValueError(f"Model {model.name!r} has no loss to take the gradient of: compile it first.")
    traced = keras.Model(_alone(model.inputs), [*nodes.values(), *model.outputs])
    inputs = keras.tree.map_structure(lambda array: tf.convert_to_tensor(array, tf.float32), x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        values = traced(inputs, training=False)
        loss = model.compute_loss(x=inputs, y=y, y_pred=_alone(values[len(nodes) :]))
    found = tape.gradient(loss, values[: len(nodes)], unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return OrderedDict((name, np.asarray(gradient)) for name, gradient in zip(nodes, found, strict=True))


def is_input(node: object) -> bool:
    """Tell an input layer by its type: keract goes by its name, and so drops any layer called `input_...`."""
    return isinstance(node, keras.layers.InputLayer)


def _alone(tensors: list) -> Any:
    """Take a single tensor out of its list, as Keras expects it of models with one input or output."""
    return tensors[0] if len(tensors) == 1 else tensors


internals._evaluate = evaluate
internals._get_gradients = gradients
internals.is_placeholder = is_input
