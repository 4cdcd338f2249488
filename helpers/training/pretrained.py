"""Networks that are shipped: half-precision weights, checked by their hash, beside a manifest that says what they are.

A folder of them holds `manifest.json` and, for each network, its layers and weights (`<name>.npz`) and the history of
its training (`<name>.csv`). Nothing in it is a program: no pickles, no custom layers. What the manifest says of
accuracies is for its readers; a report measures its own.
"""

import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ml_dtypes import bfloat16

from helpers.base.checks import UserError
from helpers.base.files import ROOT, write_atomically, write_json
from helpers.base.runs import chosen_trainings
from helpers.base.words import Said, said
from helpers.data.datasets import Dataset
from helpers.networks.own.source import Source, label
from helpers.networks.precision import accelerates, requested_precision
from helpers.networks.views import Views, enlarged_crops, four_crops

if TYPE_CHECKING:  # what takes seconds to import is imported where a network is opened
    import keras
    import pandas as pd

RECIPE = "pretrained"
VARIABLE = "PRETRAINED"  # of the environment: the folder of other networks than those for FER2013
FOLDER = ROOT / "data" / "pretrained" / "fer2013"
MANIFEST = "manifest.json"
MOST_BYTES = 40_000_000  # of a whole folder
REQUIRED = ("cnn", "dnn", "cnn_plain", "cnn_normalized", "cnn_bare")  # without these a report has gaps
_AGAIN, _OTHERS = "bring it back with `git checkout` or download it again", "choose RECIPE=quick or RECIPE=full"
_KEYS = {"title", "classes", "image_shape", "ensemble", "ablated", "networks"}


class PretrainedError(UserError, ValueError):
    """Shipped networks that are missing, damaged, or of another data set; the message is one sentence for the user."""


@dataclass(frozen=True)
class PretrainedNetworks:
    """A folder of shipped networks, with its manifest."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """Name all networks."""
        return tuple(self.manifest["networks"])

    @property
    def others(self) -> tuple[str, ...]:
        """Name the networks that have no part in the report's comparisons."""
        used = {*REQUIRED, "cnn_bare_fast", *self.manifest["ensemble"], self.manifest["ablated"]}
        return tuple(name for name in self.names if name not in used)

    @property
    def missing(self) -> dict[str, Said]:
        """Name the ablations that are not shipped, each with the reason; see `Networks.missing`."""
        return {} if "cnn_bare_fast" in self.names else {"bare_fast": said("02_compare_dnn.why.unshipped")}

    def record(self, name: str) -> Mapping[str, Any]:
        """Give what the manifest says about one network; PretrainedError naming what there is if it is not shipped."""
        if name not in self.names:
            there = f"those shipped in {_shown(self.folder)}, which are {', '.join(self.names)}"
            raise PretrainedError(f"The network {name!r} is not among {there}; {_OTHERS}, which train their own.")
        return self.manifest["networks"][name]

    def views(self, name: str) -> Views:
        """Give the views over which a network is asked: crops that are enlarged, which blurs them, if it learned so."""
        return enlarged_crops if self.record(name).get("blurred") else four_crops

    def load(self, name: str) -> "tuple[keras.Model, pd.DataFrame]":
        """Open a network, in float32, with the history of its training.

        Raises PretrainedError on a network that is not shipped and on a file that is not the one that was.
        """
        import pandas as pd

        weights, history = (self._read(file, sha256) for file, sha256 in self.record(name)["files"].items())
        return unpack(weights), pd.read_csv(io.BytesIO(history))

    def table(self) -> "pd.DataFrame":
        """Say how each network was trained, one row a network; how often it is right, a report measures itself."""
        import pandas as pd

        columns = ["architecture", "parameters", "recipe", "seed", "epochs", "machine"]
        rows = {name: {key: self.record(name)[key] for key in columns} for name in self.names}
        table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("network").reset_index()
        table.insert(6, "minutes", [round(self.record(name)["seconds"] / 60, 1) for name in self.names])
        return table

    def check(self, dataset: Dataset) -> None:
        """Make sure that every network is here, unharmed and made for these data; PretrainedError if not."""
        for name in (*REQUIRED, *self.manifest["ensemble"], self.manifest["ablated"]):
            self.record(name)
        if (dataset.title, [*dataset.class_names]) != (self.manifest["title"], self.manifest["classes"]):
            other = f"{dataset.name!r} is recognised as '{dataset.title}'; {_OTHERS}, which train their own"
            raise PretrainedError(f"The shipped networks are for {self.manifest['title']}, and {other}.")
        if [*dataset.image_shape] != self.manifest["image_shape"]:
            shapes = (" x ".join(map(str, shape)) for shape in (self.manifest["image_shape"], dataset.image_shape))
            raise PretrainedError("The shipped networks take images of {} pixels, not {}.".format(*shapes))
        for name in self.names:
            for file, sha256 in self.record(name)["files"].items():
                self._read(file, sha256)

    def digest(self) -> str:
        """Condense all files to one hash, which changes when any of them does."""
        files = [MANIFEST, *(file for name in self.names for file in self.record(name)["files"])]
        return _sha256("".join(f"{file} {_sha256(self._bytes(file))}\n" for file in files).encode())

    def _read(self, file: str, sha256: str) -> bytes:
        content = self._bytes(file)
        if _sha256(content) != sha256:
            what = "is not the file that was shipped (its sha256 is not the manifest's)"
            raise PretrainedError(f"{_shown(self.folder / file)} {what}; {_AGAIN}.")
        return content

    def _bytes(self, file: str) -> bytes:
        try:
            return (self.folder / Path(file).name).read_bytes()  # never outside the folder, whatever the manifest says
        except OSError:
            raise PretrainedError(f"{_shown(self.folder / file)} is missing; {_AGAIN}.") from None


def open_pretrained(folder: Path | None = None) -> PretrainedNetworks:
    """Open a folder of shipped networks, by default the one that the environment's PRETRAINED names, or FER2013's.

    Raises PretrainedError where there is none or its manifest cannot be read.
    """
    folder = folder or Path(os.environ.get(VARIABLE) or FOLDER)
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PretrainedError(f"There are no shipped networks in {_shown(folder)}; {_OTHERS}.") from None
    except ValueError:
        manifest = {}
    if not isinstance(manifest, dict) or not manifest.keys() >= _KEYS:
        raise PretrainedError(f"{_shown(folder / MANIFEST)} cannot be read; {_AGAIN}.")
    return PretrainedNetworks(folder, manifest)


def pack(model: "keras.Model") -> bytes:
    """Store a model's layers and weights as the bytes of an npz file: kernels in bfloat16, the rest in float32.

    What is no kernel, such as a moving variance, takes little room. The same model gives the same bytes.
    """
    weights = [np.asarray(weight) for weight in model.get_weights()]
    stored = {f"w{i}": _halved(weight) if weight.ndim > 1 else weight for i, weight in enumerate(weights)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, model=np.array(model.to_json()), **stored)
    return buffer.getvalue()


def unpack(content: bytes) -> "keras.Model":
    """Rebuild the model that `pack` stored; its weights are float32 again."""
    import keras

    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        model = keras.models.model_from_json(str(arrays["model"]))
        stored = [arrays[f"w{i}"] for i in range(len(arrays) - 1)]
    model.set_weights([_restored(weight) if weight.dtype == np.uint8 else weight for weight in stored])
    return model


def _halved(kernel: np.ndarray) -> np.ndarray:
    """Round to bfloat16 and part each number's two bytes: (2, ...) uint8; alike side by side, they compress better."""
    return np.moveaxis(kernel.astype(bfloat16)[..., np.newaxis].view(np.uint8), -1, 0).copy(order="C")


def _restored(parted: np.ndarray) -> np.ndarray:
    """Join what `_halved` parted: (...) float32."""
    return np.moveaxis(parted, 0, -1).copy(order="C").view(bfloat16)[..., 0].astype(np.float32)


def ship(folder: Path, name: str, model: "keras.Model", history: "pd.DataFrame") -> dict[str, str]:
    """Write one network's files and give their hashes, as the manifest lists them: by file name, the weights first."""
    contents = {f"{name}.npz": pack(model), f"{name}.csv": history.to_csv(index=False).encode()}
    for file, content in contents.items():
        write_atomically(folder / file, content)
    return {file: _sha256(content) for file, content in contents.items()}


def finish(folder: Path, manifest: Mapping[str, Any]) -> PretrainedNetworks:
    """Write the manifest, which makes the folder's networks usable, and remove what it does not name.

    Raises PretrainedError, and writes nothing, if all files together are larger than what may be shipped.
    """
    files = {file for record in manifest["networks"].values() for file in record["files"]}
    size = sum((folder / file).stat().st_size for file in files)
    if size > MOST_BYTES:
        most = f"{MOST_BYTES / 1e6:.0f}"
        raise PretrainedError(f"The networks take {size / 1e6:.1f} MB, more than {most}; leave some out.")
    write_json(folder / MANIFEST, manifest)
    for file in folder.iterdir():
        if file.suffix in {".npz", ".csv"} and file.name not in files:
            file.unlink()
    return PretrainedNetworks(folder, manifest)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


# Here, and not beside `label`, since the code of this file is in no network's key.
def traits(source: Source | str, recipe: str) -> dict[str, Any]:
    """Say what sets a run apart from others of the same data, recipe, seed and size.

    Of two networks of one name, `network_place` is the digest of where they lie: one that is edited stays the same.
    `precision` is what the environment asks for, on whatever machine: nothing for "auto", "plain" for plain Keras.
    """
    place: object = source
    if isinstance(source, Source):
        files = (source.path, source.custom or Path())
        inside = [path.relative_to(ROOT) if path.is_relative_to(ROOT) else path for path in files]
        place = " ".join([*map(str, inside), source.preprocess])
    facts = {"network": label(source, recipe), "network_place": hashlib.sha256(str(place).encode()).hexdigest()[:12]}
    precision = requested_precision().removeprefix("auto") if accelerates() else "plain"
    return facts | {"trainings": chosen_trainings(recipe), "precision": precision}
