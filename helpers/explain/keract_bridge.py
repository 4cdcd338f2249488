"""Lets keract 4.5.2, which was written for Keras 2, work with Keras 3: import `keract` from here.

keract asks the model for private attributes that Keras 3 no longer has. The functions of keract that do are
replaced below, in place; what keract does around them (which layers, in which order, by which names) stays
its own.
"""

from collections.abc import Iterable
from typing import Any

import keract
import keras
import numpy as np
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


def is_input(node: object) -> bool:
    """Tell an input layer by its type: keract goes by its name, and so drops any layer called `input_...`."""
    return isinstance(node, keras.layers.InputLayer)


def _alone(tensors: list) -> Any:
    """Take a single tensor out of its list, as Keras expects it of models with one input or output."""
    return tensors[0] if len(tensors) == 1 else tensors


internals._evaluate = evaluate
internals.is_placeholder = is_input
