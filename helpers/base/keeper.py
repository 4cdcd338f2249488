"""The keeper: what was computed, kept as files under the digest of all that it was made from.

A result is found again by whoever asks for the same: the same code, values, versions of what computes, and facts of
the run. Its file is written at once or not at all, ends with its hash, and is made by one process while others wait.

joblib's `Memory` was considered. It knows a function by its own text alone, comments included, and not the code that
it calls; it stores pickles, so that opening a foreign folder may run a program; it does not lock, so that two
notebooks compute the same; and it cannot tell a damaged file from a whole one.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from helpers.base.code import PACKAGE, code_digest
from helpers.base.files import locked, read_sealed, write_sealed
from helpers.base.machine import installed_versions
from helpers.base.timings import waiting

if TYPE_CHECKING:
    import keras

T = TypeVar("T")
COMPUTING = ("keras", "tensorflow", "tensorflow-cpu", "jax", "numpy", "scipy", "scikit-image", "scikit-learn", "lime")
ALSO_MADE_BY = "also_made_by"  # attribute of a function: gives further functions that it will call, not by import


@dataclass(frozen=True)
class Form(Generic[T]):
    """How a kind of result becomes a file: its ending, and how it is written to bytes and read again."""

    suffix: str
    write: Callable[[T], bytes]
    read: Callable[[bytes], T]


@dataclass(frozen=True)
class Keeper:
    """Keeps results in a folder.

    facts: what all of them depend on, such as the precision; used: is told the name of each file that was asked for.
    """

    folder: Path
    facts: Mapping[str, str] = field(default_factory=dict)
    used: Callable[[str], None] = lambda name: None

    def call(self, function: Callable[..., T], *arguments: object, **options: object) -> T:
        """Give what a function of this package makes of these arguments, computed once and kept.

        The arguments may be numbers, texts, arrays, tables, dataclasses, networks and layers of them. Raises TypeError
        on others, and on a result that cannot be written.
        """
        while isinstance(function, partial):
            options = {**function.keywords, **options}
            arguments, function = (*function.args, *arguments), function.func
        others = [fingerprint(other) for other in getattr(function, ALSO_MADE_BY, list)()]
        made_from = [code_digest(function), function.__qualname__, arguments, options, others]
        form: Form[T] = VALUES
        return self.keep(function.__name__, made_from, lambda: function(*arguments, **options), form)

    def keep(self, name: str, made_from: object, compute: Callable[[], T], form: "Form[T] | None" = None) -> T:
        """Give what `compute` makes, computed once and kept in the file that `path` names; form: by default VALUES.

        made_from: all that the result depends on, the digest of its code among it, as `call` takes arguments. Raises
        WriteError where the disk refuses.
        """
        form = form or VALUES
        path = self.path(name, made_from, form)
        self.used(path.name)
        content = read_sealed(path)
        if content is None:
            with locked(path.with_name(f".{path.name}.lock")):
                content = read_sealed(path)  # another process may have been first
                if content is None:
                    with waiting(name):
                        content = form.write(compute())
                    write_sealed(path, content)
        return form.read(content)

    def path(self, name: str, made_from: object, form: "Form[Any] | None" = None) -> Path:
        """Name the file of a result: its name, and the digest of all that it is made from."""
        digest = fingerprint([made_from, dict(self.facts), versions()])
        return self.folder / f"{name}_{digest[:20]}{(form or VALUES).suffix}"


@cache
def versions() -> dict[str, str]:
    """Give the versions of the installed packages that compute."""
    return installed_versions(COMPUTING)


def fingerprint(value: object) -> str:
    """Condense a value, to the last bit of each number, so that equal values give equal digests in every process.

    Raises TypeError on what it does not know, naming it.
    """
    digest = hashlib.sha256()
    _feed(digest.update, value, _models_in(value))
    return digest.hexdigest()


def _models_in(value: object) -> list["keras.Model"]:
    if isinstance(value, list | tuple):
        return [model for item in value for model in _models_in(item)]
    if isinstance(value, dict):
        return _models_in(list(value.values()))
    return [value] if _is_model(value) else []


def _is_model(value: object) -> bool:
    return hasattr(value, "get_weights") and hasattr(value, "layers")


def _feed(update: Callable[[Any], None], value: Any, models: list["keras.Model"]) -> None:
    """Feed a value to a hash: its kind, then what it holds; `models` are those in which a layer has its place."""
    kind = type(value)
    update(f"<{kind.__module__}.{kind.__qualname__}>".encode())
    if value is None or isinstance(value, bool | int | float | str | Path):
        update(repr(str(value) if isinstance(value, Path) else value).encode())
    elif isinstance(value, bytes):
        update(hashlib.sha256(value).digest())
    elif isinstance(value, np.ndarray | np.generic) and value.dtype != object:
        array = np.ascontiguousarray(value)
        update(f"{value.dtype.str}{value.shape}".encode())
        update(hashlib.sha256(array.reshape(-1).view(np.uint8).data).digest())
    elif isinstance(value, list | tuple | range):
        for item in value:
            _feed(update, item, models)
    elif isinstance(value, dict):
        for key in sorted(value, key=repr):
            _feed(update, key, models)
            _feed(update, value[key], models)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for one in dataclasses.fields(value):
            _feed(update, (one.name, getattr(value, one.name)), models)
    elif kind.__name__ == "DataFrame":
        _feed(update, _frame(value), models)
    elif _is_model(value):
        update(network_digest(value).encode())
    elif hasattr(value, "get_weights") and any(value is layer for model in models for layer in _layers(model)):
        places = [(i, j) for i, model in enumerate(models) for j, layer in enumerate(_layers(model)) if layer is value]
        update(repr(places).encode())
    elif callable(value) and hasattr(value, "__qualname__"):
        update(f"{value.__qualname__} {code_digest(value)}".encode())
    else:
        raise TypeError(f"What depends on {value!r} cannot be kept: give numbers, texts, arrays, tables or networks.")
    update(b"</>")


def _layers(model: "keras.Model") -> list["keras.layers.Layer"]:
    """List a model and all layers in it, also of models inside it."""
    inner = (_layers(layer) if _is_model(layer) else [layer] for layer in model.layers)
    return [model, *(layer for layers in inner for layer in layers)]


def _input_names(config: Any) -> list[str]:
    """List the names of the inputs in a configuration: a Sequential does not count them among its layers."""
    if isinstance(config, dict) and config.get("class_name") == "InputLayer":
        return [config["config"]["name"]]
    inner = config.values() if isinstance(config, dict) else config if isinstance(config, list) else ()
    return [name for value in inner for name in _input_names(value)]


def network_digest(model: "keras.Model") -> str:
    """Condense a network: its architecture and every weight."""
    digest = hashlib.sha256(architecture(model).encode())
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def architecture(model: "keras.Model") -> str:
    """Describe a model's layers and how they are joined, with the code of those that Keras does not know.

    Names, which Keras numbers anew in every process, are replaced by places. Raises TypeError on a layer of one's own
    that does not say how it was made.
    """
    layers = _layers(model)
    try:
        text = json.dumps(model.get_config(), sort_keys=True, default=str)
    except NotImplementedError:
        why = f"A layer of the network {model.name} takes arguments and has no `get_config`"
        advice = "give the layer a `get_config` that returns its arguments"
        raise TypeError(f"{why}, so that the network cannot be kept; {advice}.") from None
    names = [*(layer.name for layer in layers), *_input_names(json.loads(text))]
    for place, name in sorted(enumerate(names), key=lambda pair: -len(pair[1])):
        text = text.replace(json.dumps(name), f'"#{place}"')
    own = {kind for kind in map(type, layers) if kind.__module__.split(".")[0] != "keras"}
    return text + "".join(sorted(f"\n{kind.__qualname__} {code_digest(kind)}" for kind in own))


def _frame(frame: Any) -> dict[str, Any]:
    """Take a table apart: index and columns as lists or arrays."""
    index, columns = frame.index, [frame.iloc[:, place] for place in range(frame.shape[1])]
    counts_rows = index.name is None and type(index).__name__ == "RangeIndex" and (index.start, index.step) == (0, 1)
    first, *held = [each.to_numpy() if each.dtype.kind in "biuf" else each.tolist() for each in (index, *columns)]
    return {"names": [*frame.columns], "index": None if counts_rows else [index.name, first], "columns": held}


def _write_values(value: object) -> bytes:
    arrays: dict[str, np.ndarray] = {}
    tree = _encode(value, arrays)
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, tree=np.array(json.dumps(tree)), **arrays)
    return buffer.getvalue()


def _read_values(content: bytes) -> Any:
    with np.load(BytesIO(content), allow_pickle=False) as arrays:
        return _decode(json.loads(str(arrays["tree"])), arrays)


VALUES: Form[Any] = Form(".npz", _write_values, _read_values)


def _encode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Turn a value into JSON, with its arrays apart; every container is a pair of its kind and what it holds."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype != object:
        name = f"a{len(arrays)}"
        arrays[name] = np.asarray(value)
        return ["array" if isinstance(value, np.ndarray) else "scalar", name]
    if isinstance(value, list | tuple):
        return [type(value).__name__, [_encode(item, arrays) for item in value]]
    if isinstance(value, dict):
        return ["dict", [[_encode(key, arrays), _encode(item, arrays)] for key, item in value.items()]]
    if type(value).__name__ == "DataFrame":
        return ["frame", _encode(_frame(value), arrays)]
    kind = type(value)
    if dataclasses.is_dataclass(kind) and kind.__module__.split(".")[0] == PACKAGE.name:
        held = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
        return ["dataclass", [kind.__module__, kind.__qualname__, _encode(held, arrays)]]
    raise TypeError(f"A result of the type {kind.__name__} cannot be kept: give arrays, tables, numbers or texts.")


def _decode(tree: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if not isinstance(tree, list):
        return tree
    kind, held = tree
    if kind in ("array", "scalar"):
        return arrays[held] if kind == "array" else arrays[held][()]
    if kind in ("list", "tuple"):
        items = [_decode(item, arrays) for item in held]
        return items if kind == "list" else tuple(items)
    if kind == "dict":
        return {_decode(key, arrays): _decode(item, arrays) for key, item in held}
    if kind == "frame":
        return _table(**_decode(held, arrays))
    module, name, fields = held
    made = getattr(import_module(module), name) if module.split(".")[0] == PACKAGE.name else None
    if not (isinstance(made, type) and dataclasses.is_dataclass(made)):
        raise TypeError(f"{module}.{name} is no dataclass of this package.")
    return made(**_decode(fields, arrays))


def _table(names: list[Any], index: list[Any] | None, columns: list[Any]) -> Any:
    import pandas as pd

    rows = pd.RangeIndex(len(columns[0]) if columns else 0) if index is None else pd.Index(index[1], name=index[0])
    series = [pd.Series(column, index=rows) for column in columns]
    return pd.concat(series, axis=1, keys=names) if series else pd.DataFrame(index=rows)
