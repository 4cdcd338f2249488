"""Integrated gradients: the logit shared out along the path from black to the image."""

import keras
import numpy as np

from helpers.base.checks import require
from helpers.explain.registry import method
from helpers.explain.saliency.gradients import mean_gradient, reduce_channels
from helpers.networks.logits import Classes, check


@method("integrated gradients", signed=True, passes="many", baseline="black", source="Sundararajan et al., 2017")
def integrated_gradients(model: keras.Model, images: np.ndarray, classes: Classes, steps: int = 32) -> np.ndarray:
    """Attribute each image's class logit to its pixels, along the straight path from black.

    images: (N, H, W, C) in 0..255; classes: (N,) int, or one class for all. Returns (N, H, W) float32,
    signed, summed over the channels; each map sums to logit(image) - logit(black) up to the error of the
    midpoint rule with this many steps. A network that divides each image by its own spread sees the path
    change only at its very start, which the steps miss. Raises ValueError on a class that the model does not
    have, or steps below 1. Sundararajan et al., 2017.
    """
    images, classes = check(model, images, classes)
    require(steps >= 1, f"steps is {steps}; it must be at least 1.")

    def on_path(batch: np.ndarray, copies: np.ndarray) -> np.ndarray:
        return batch * ((copies + np.float32(0.5)) / np.float32(steps))[:, None, None, None]

    return reduce_channels(mean_gradient(model, images, classes, on_path, steps) * images, signed=True)
