"""Expected gradients: integrated gradients averaged over baselines that are images of the training set."""

import keras
import numpy as np

from helpers.base.checks import require
from helpers.explain.registry import method
from helpers.explain.saliency.gradients import mean_gradient, reduce_channels
from helpers.networks.logits import Classes, check


@method("expected gradients", signed=True, passes="many", baseline="training images", source="Erion et al., 2021")
def expected_gradients(
    model: keras.Model, images: np.ndarray, classes: Classes, backgrounds: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """Attribute each image's class logit to its pixels, along straight paths from images of the training set.

    backgrounds: (K, H, W, C) in 0..255, of which each is left at one point of its path, and the K points are spread
    evenly over 0..1 in an order that the seed draws. Every image meets the same. Maps are signed, summed over the
    channels; a sum is, on average over the points, logit(image) less the backgrounds' mean logit. Raises ValueError
    without backgrounds of the images' shape. Erion et al., 2021.
    """
    images, classes = check(model, images, classes)
    given = np.zeros((0, *images.shape[1:])) if backgrounds is None else backgrounds
    require(
        len(given) > 0 and given.shape[1:] == images.shape[1:],
        f"Expected gradients measure from training images: give some of shape {images.shape[1:]} as backgrounds, "
        f"not {given.shape}.",
    )
    origins, count = given.astype(np.float32), len(given)
    shares = (np.random.default_rng(seed).permutation(count) + np.float32(0.5)) / np.float32(count)

    def on_path(batch: np.ndarray, copies: np.ndarray) -> np.ndarray:
        return origins[copies] + shares[copies, None, None, None].astype(np.float32) * rise(batch, copies)

    def rise(batch: np.ndarray, copies: np.ndarray) -> np.ndarray:
        return batch - origins[copies]

    return reduce_channels(mean_gradient(model, images, classes, on_path, count, factor=rise), signed=True)
