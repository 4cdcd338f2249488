"""A SavedModel, such as `model.export` writes it: a function of TensorFlow's, as a layer that cannot be looked into."""

import re
from pathlib import Path
from typing import Any

import keras
from keras import layers

from helpers.networks.own.source import NetworkError

# What a network has no need of, and what reaches beyond the process that runs it.
_FORBIDDEN = re.compile(
    "PyFunc|ReadFile|WriteFile|MatchingFiles|TextFile|Dataset|Reader|Library|Print|Rpc|Summary|ImmutableConst|Remap"
    "|Debug|Dump|Remote|FileSystem|Gcs|Collective|Send|Recv|Host|DeleteFile|RenameFile|Snapshot|TRT"
)
_WEIGHTS = re.compile("Save|Restore|Checkpoint")  # files as well, which the functions for a file's own weights need


class Exported(layers.TFSMLayer):
    """The layer of a SavedModel; it may be made anew from its configuration, and its weights may be set."""

    def _add_existing_weight(self, weight: Any) -> None:
        super()._add_existing_weight(weight)
        self.weights[-1]._value = weight  # Keras copies it, so that what is set would change nothing

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Give what its signature gives; the function under that name may want its one input in a list."""
        return keras.tree.flatten(self._reloaded_obj.signatures[self.call_endpoint](inputs))[0]

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
    operations = set[str]().union(*(_operations(graph) for graph in content.meta_graphs))
    if wrong := sorted(operations):
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
    return keras.Model(inputs, layer(inputs), name=folder.name)


def _operations(graph: Any) -> set[str]:
    """List what a MetaGraphDef asks for that reaches beyond the process.

    What saves and restores its own weights may reach files: functions that the saver alone calls, and which TensorFlow
    does not run to open it.
    """
    saver = {graph.saver_def.save_tensor_name.partition(":")[0], graph.saver_def.restore_op_name}
    own = {node.attr["f"].func.name.encode() for node in graph.graph_def.node if node.name in saver} - {b""}
    functions = {function.signature.name.encode(): function for function in graph.graph_def.library.function}
    callers = [node for node in graph.graph_def.node if node.name not in saver]
    callers += [function for name, function in functions.items() if name not in own]
    named = b"".join(
        part.SerializeToString() for part in (*callers, graph.object_graph_def, *graph.collection_def.values())
    )
    if not graph.object_graph_def.nodes or any(name in named for name in own):
        own = set()
    found = {node.op for node in graph.graph_def.node}
    for name, function in functions.items():
        found |= {node.op for node in function.node_def if name not in own or not _WEIGHTS.search(node.op)}
    return {one for one in found if _FORBIDDEN.search(one) or _WEIGHTS.search(one)}
