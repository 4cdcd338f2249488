"""Time the explanations of vgg9 against those of tf-keras-vis, and others against their own forward passes."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pandas as pd
from turns import alternate, comparison, missing

from helpers.explain import ascent, registry, saliency, superpixels
from helpers.explain.registry import Method
from helpers.grade import insertion
from helpers.networks import architectures, inference, logits
from helpers.networks.precision import supports_bfloat16

FACES, FILTERS, STEPS, PAIRS = 64, 64, 50, 50
SETTINGS = registry.Settings(samples=20)
PEER = "tf-keras-vis"
Candidates = dict[str, Callable[[], object]]


def main() -> None:
    """Print a table a task and method, with the speed as a multiple of the peer's, or of the bare forward passes."""
    model = architectures.build_cnn("vgg9")
    reason = missing("tf_keras_vis")
    if reason:
        print(f'{PEER} is left out: {reason}; .venv/bin/python -m pip install -e ".[peers]" brings it.')
    for method in saliency.METHODS.values():
        images, classes = faces(FACES if method.passes == "few" else FACES // 8)
        candidates = maps(method, model, images, classes, reason is None)
        show(f"{method.name} of {len(images)} faces", candidates, len(images), "maps")
    filters = maximised_filters(model, peer=reason is None)
    show(f"{FILTERS} filters maximised for {STEPS} steps", filters, FILTERS * STEPS, "steps")
    show("LIME of 4 faces, 1,000 copies each, beside the forward passes of 4,000 faces", lime(model), 4000, "passes")
    title = f"Insertion and deletion of {PAIRS} faces in {insertion.STEPS} steps, beside the forward passes in bfloat16"
    times = show(title, insertion_deletion(model), PAIRS, "pairs", rounds=3)
    print(f"At this rate, 1,000 pairs take {times['insertion and deletion'].median() * 1000 / PAIRS:.0f} s.")


def show(title: str, candidates: Candidates, work: int, unit: str, rounds: int = 5) -> pd.DataFrame:
    """Time the candidates and print their table below a title; give their times as `alternate` does."""
    times = alternate(candidates, rounds)
    print(f"\n{title}\n{comparison(times, work=work, unit=unit)}")
    return times


def maps(method: Method, model: keras.Model, images: np.ndarray, classes: np.ndarray, peer: bool) -> Candidates:
    """Explain the same faces by one method, and by the peer's where it has the method."""
    settings = replace(SETTINGS, backgrounds=images)
    candidates = in_both_precisions(model, lambda: method.explain(model, images, classes, settings))
    known = PEERS.get(method.name)
    return candidates if known is None else _with_peer(candidates, peer, lambda: known(model, images, classes))


def in_both_precisions(model: keras.Model, run: Callable[[], object]) -> Candidates:
    """Give the same work in float32 and, where the processor has it, in bfloat16."""
    return {"float32": run} | ({"bfloat16": inference.bfloat16(model)(run)} if supports_bfloat16() else {})


def maximised_filters(model: keras.Model, *, peer: bool) -> Candidates:
    """Maximise every filter of the fourth convolution, the first that has 64."""
    layer = architectures.convolution(model, 4)
    candidates = in_both_precisions(model, lambda: ascent.maximise_filters(model, layer, range(FILTERS), STEPS))
    return _with_peer(candidates, peer, lambda: _peer_maximisation(model, layer))


def lime(model: keras.Model) -> Candidates:
    images, classes = faces()
    copies = np.repeat(images[:4], 1000, axis=0)
    return {
        "forward passes": lambda: logits.all_logits(model, copies),
        "LIME": lambda: superpixels.explain_images(model, images[:4], classes[:4].tolist(), samples=1000, seed=0),
    }


def insertion_deletion(model: keras.Model) -> Candidates:
    images, classes = (values[:PAIRS] for values in faces())
    hidden, ranks = insertion.substrate(images, "blur"), {"map": insertion.pixel_ranks(images[..., 0], seed=0)}
    copies = np.repeat(images, 2 * (insertion.STEPS - 1), axis=0)

    def forward() -> np.ndarray:
        with inference.bfloat16(model):
            return logits.all_logits(model, copies)

    return {
        "forward passes": forward,
        "insertion and deletion": lambda: insertion.insertion_deletion(model, images, classes, ranks, hidden),
    }


def faces(count: int = FACES) -> tuple[np.ndarray, np.ndarray]:
    """Draw images of the size of faces, and a class for each; how long a pass takes does not depend on them."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, 48, 48, 1), dtype=np.uint8), random.integers(0, 7, count)


def _with_peer(candidates: Candidates, peer: bool, run: Callable[[], object]) -> Candidates:
    return {PEER: run} | candidates if peer else candidates


def _peer_saliency(model: keras.Model, images: np.ndarray, classes: np.ndarray, samples: int = 0) -> np.ndarray:
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    explainer = Saliency(model, clone=False)
    return explainer(CategoricalScore(classes.tolist()), images.astype(np.float32), smooth_samples=samples)


def _peer_grad_cam(model: keras.Model, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.scores import CategoricalScore

    return Gradcam(model, clone=False)(CategoricalScore(classes.tolist()), images.astype(np.float32))


def _peer_maximisation(model: keras.Model, layer: keras.layers.Layer) -> np.ndarray:
    from tf_keras_vis.activation_maximization import ActivationMaximization
    from tf_keras_vis.utils.scores import CategoricalScore

    cut = keras.Model(model.inputs, layer.output)
    start = np.repeat(ascent.grey_noise((48, 48, 1), 0)[np.newaxis], FILTERS, axis=0)
    scores = CategoricalScore(list(range(FILTERS)))
    return ActivationMaximization(cut, clone=False)(scores, seed_input=start, steps=STEPS)


PEERS: dict[str, Callable[[keras.Model, np.ndarray, np.ndarray], object]] = {
    "gradient": _peer_saliency,
    "SmoothGrad": partial(_peer_saliency, samples=SETTINGS.samples),
    "Grad-CAM": _peer_grad_cam,
}


if __name__ == "__main__":
    main()
