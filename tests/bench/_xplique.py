"""The other side of `beside_xplique.py`, in an environment of its own: explains by Xplique whenever a line asks for it.

`python _xplique.py FILE`, a file of layers, weights, images and classes. Each line of the standard input names a
method; "done" is the answer.
"""

import json
import sys
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from xplique.attributions import IntegratedGradients, Occlusion, Rise, Saliency, SmoothGrad


def main(path: str) -> None:
    """Build the network and its explainers, and answer until nobody asks any more."""
    given = np.load(path)
    model = build(json.loads(str(given["layers"])), [given[name] for name in given.files if name.startswith("w")])
    images, classes = given["images"].astype(np.float32), given["classes"]
    targets = np.eye(model.output_shape[-1], dtype=np.float32)[classes]
    few = slice(0, int(given["few"]))
    np.testing.assert_allclose(model.predict(images, verbose=0), given["logits"], rtol=1e-3, atol=1e-3)
    steps, masks, samples = (int(given[name]) for name in ("steps", "masks", "samples"))
    explain: dict[str, Callable[[], object]] = {
        "gradient": lambda: Saliency(model)(images, targets),
        "SmoothGrad": lambda: SmoothGrad(model, nb_samples=samples)(images[few], targets[few]),
        "integrated gradients": lambda: IntegratedGradients(model, steps=steps)(images[few], targets[few]),
        "occlusion": lambda: Occlusion(model, patch_size=6, patch_stride=6)(images[few], targets[few]),
        "RISE": lambda: Rise(model, nb_samples=masks)(images[few], targets[few]),
    }
    for line in sys.stdin:
        explain[line.strip()]()
        print("done", flush=True)


def build(layers: list[tuple[str, dict]], weights: list[np.ndarray]) -> tf.keras.Model:
    """Build a network of layers in a row, by the names and settings of Keras, with these weights."""
    model = tf.keras.Sequential([tf.keras.layers.Input((48, 48, 1))])
    for kind, settings in layers:
        model.add(getattr(tf.keras.layers, kind)(**settings))
    model.set_weights(weights)
    return model


if __name__ == "__main__":
    main(sys.argv[1])
