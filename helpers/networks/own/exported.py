"""A SavedModel, such as `model.export` writes it: a function of TensorFlow's, as a layer that cannot be looked into."""

import re
from pathlib import Path
from typing import Any

import keras
from keras import layers

from helpers.networks.own.source import NetworkError

# What a network has no need of, and what reaches beyond the process that runs it.
_FORBIDDEN = re.compile(r"PyFunc|ReadFile|WriteFile|MatchingFiles|TextFile|Dataset|Reader|Library|Print|Rpc|Summary")


class Exported(layers.TFSMLayer):
    """The layer of a SavedModel; it may be made anew from its configuration, and its weights may be set."""

    def _add_existing_weight(self, weight: Any) -> None:
        super()._add_existing_weight(weight)
        self.weights[-1]._value = weight  # Keras copies it, so that what is set would change nothing

    @classmethod
    def from_config(cls, config: dict[str, Any], **_: Any) -> "Exported":
        """Make it anew; Keras refuses where a file asks for it, and here it is this program that does."""
        return cls(**config)


def open_exported(folder: Path) -> keras.Model:
    """Open a SavedModel as a network of one layer; raises NetworkError on one that cannot be used.

    What it is called by is `serve`, as Keras names it, or `serving_default`. Operations that reach files or programs
    are refused, since nothing can watch them.
    """
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    content = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    operations = set[str]()
    for graph in (one.graph_def for one in content.meta_graphs):
        for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
            operations |= {node.op for node in nodes}
    if wrong := sorted(filter(_FORBIDDEN.search, operations)):
        raise NetworkError(f"{folder} is not opened: it asks for {', '.join(wrong)}, which no network needs.")
    endpoints = {name for one in content.meta_graphs for name in one.signature_def}
    endpoint = "serve" if "serve" in endpoints else "serving_default"
    if endpoint not in endpoints:
        raise NetworkError(f"{folder} has no function `serve` or `serving_default`; write it by `model.export`.")
    layer = Exported(str(folder), endpoint, name="exported")
    (signature,) = [one.signature_def[endpoint] for one in content.meta_graphs if endpoint in one.signature_def]
    if len(signature.inputs) != 1 or len(signature.outputs) != 1:
        raise NetworkError(
            f"{folder} takes {len(signature.inputs)} inputs and gives {len(signature.outputs)} outputs; "
            "it may take one image and give one vector."
        )
    (taken,) = signature.inputs.values()
    inputs = keras.Input([side.size if side.size > 0 else None for side in taken.tensor_shape.dim][1:])
    outputs = keras.tree.flatten(layer(inputs))[0]
    return keras.Model(inputs, outputs, name=folder.name)
