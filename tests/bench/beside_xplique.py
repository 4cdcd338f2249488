"""Time explanations of vgg9 beside those of Xplique, which pins another TensorFlow and so has its own environment.

    python3 -m venv .xplique && .xplique/bin/pip install xplique && XPLIQUE=.xplique/bin/python make bench

Both explain the same images of a network with the same weights, by as many passes, in turns; each in its process.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
from explanations import faces, in_both_precisions, show

from helpers.explain import saliency
from helpers.networks import architectures
from helpers.networks.logits import all_logits

VARIABLE = "XPLIQUE"
METHODS = "gradient", "SmoothGrad", "integrated gradients", "occlusion", "RISE"
FEW = 8  # images for methods of many passes
SETTINGS = saliency.Settings(samples=20)
# What says how a layer computes; the others say how it is trained.
CONFIGURED = {
    "Rescaling": ("scale", "offset"),
    "Conv2D": ("filters", "kernel_size", "strides", "padding", "use_bias"),
    "BatchNormalization": ("epsilon",),
    "ReLU": (),
    "MaxPooling2D": ("pool_size",),
    "Flatten": (),
    "Dense": ("units",),
}


def main() -> None:
    """Print a table a method, with the speed as a multiple of Xplique's."""
    python = os.environ.get(VARIABLE)
    if not python:
        print(f"Xplique is left out: {VARIABLE} names no Python that has it (see tests/bench/beside_xplique.py).")
        return
    model, (images, classes) = architectures.build_cnn("vgg9"), faces()
    backgrounds = replace(SETTINGS, backgrounds=images)
    with peer(python, model, images, classes) as ask:
        for name in METHODS:
            method, some = saliency.METHODS[name], slice(None if name == "gradient" else FEW)
            ours = in_both_precisions(model, partial(method.explain, model, images[some], classes[some], backgrounds))
            candidates = {"Xplique": partial(ask, name)} | ours
            show(f"{name} of {len(images[some])} faces, beside Xplique", candidates, len(images[some]), "maps")


@contextmanager
def peer(python: str, model: keras.Model, images: np.ndarray, classes: np.ndarray) -> Iterator[Callable[[str], object]]:
    """Give what has Xplique explain these images by a method, in a process of its own."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.npz"
        given: dict[str, Any] = {
            "few": FEW,
            "steps": SETTINGS.steps,
            "masks": SETTINGS.masks,
            "samples": SETTINGS.samples,
        }
        weights = {f"w{place:03}": weight for place, weight in enumerate(model.get_weights())}
        given |= {"images": images, "classes": classes, "logits": all_logits(model, images)}
        given["layers"] = json.dumps(described(model))
        np.savez(path, **(given | weights))
        command = [python, str(Path(__file__).with_name("_xplique.py")), str(path)]
        other = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "KERAS_HOME")}
        with subprocess.Popen(command, env=other, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            wishes, answers_to = process.stdin, process.stdout
            assert wishes and answers_to

            def ask(method: str) -> None:
                print(method, file=wishes, flush=True)
                if answers_to.readline().strip() != "done":
                    sys.exit("Xplique's process ended; what it said is above.")

            yield ask
            wishes.close()


def described(model: keras.Model) -> list[tuple[str, dict[str, Any]]]:
    """Describe the layers in a row, without those that do nothing once a network is trained."""
    layers = [layer for layer in model.layers[1:] if not isinstance(layer, keras.layers.Dropout)]
    return [
        (type(layer).__name__, {key: layer.get_config()[key] for key in CONFIGURED[type(layer).__name__]})
        for layer in layers
    ]


if __name__ == "__main__":
    main()
