"""Integrated gradients: the logit shared out along the path from a baseline to the image."""

import keras
import numpy as np

from helpers.base.checks import require
from helpers.explain.registry import OF_SUBSTRATE, method
from helpers.explain.saliency.gradients import mean_gradient, reduce_channels
from helpers.explain.substrates import BLACK, substrate
from helpers.networks.logits import Classes, check

SOURCE = "Sundararajan et al., 2017"


@method("integrated gradients", signed=True, passes="many", baseline=OF_SUBSTRATE, source=SOURCE)
def integrated_gradients(
    model: keras.Model, images: np.ndarray, classes: Classes, steps: int = 32, baseline: str = "blur"
) -> np.ndarray:
    """Attribute each image's class logit to its pixels, along the straight path from a baseline.

    baseline: where each image's path begins, as `substrate` names it. Maps are signed, summed over the channels; each
    sums to logit(image) - logit(baseline) up to the error of the midpoint rule with this many steps. A network that
    divides each image by its own spread sees a path from an even baseline change only at its very start, which the
    steps miss. Raises ValueError on no such baseline, or steps below 1. Sundararajan et al., 2017.
    """
    images, classes = check(model, images, classes)
    require(steps >= 1, f"steps is {steps}; it must be at least 1.")
    # The blurred image follows from the image alone, so each batch on the path can make its own.
    rise = images - substrate(images, baseline).astype(np.float32)

    def on_path(batch: np.ndarray, copies: np.ndarray) -> np.ndarray:
        left = 1 - (copies + np.float32(0.5)) / np.float32(steps)
        return batch - left[:, None, None, None] * (batch - substrate(batch, baseline))

    return reduce_channels(mean_gradient(model, images, classes, on_path, steps) * rise, signed=True)


@method("integrated gradients (black)", signed=True, passes="many", baseline=BLACK, source=SOURCE)
def integrated_gradients_from_black(
    model: keras.Model, images: np.ndarray, classes: Classes, steps: int = 32
) -> np.ndarray:
    """Attribute the logit along the path from black, as Sundararajan et al., 2017, in `integrated_gradients`.

    A pixel that is black gets nothing, however much the network depends on it.
    """
    return integrated_gradients(model, images, classes, steps, BLACK)
