"""LIME as a map: each pixel with the weight of its superpixel."""

import keras
import numpy as np

from helpers.explain import superpixels
from helpers.explain.registry import method
from helpers.networks.logits import Classes, check


@method("LIME", signed=True, passes="many", baseline="image mean", source="Ribeiro et al., 2016")
def lime(
    model: keras.Model, images: np.ndarray, classes: Classes, copies: int = 1000, segments: int = 50, seed: int = 0
) -> np.ndarray:
    """Paint each superpixel with what it adds to the logit of the image's class.

    images: uint8 with C 1 or 3; copies: of each image, with some superpixels hidden; segments: superpixels asked for.
    Maps are signed. Raises ValueError on fewer than two copies. Ribeiro et al., 2016.
    """
    images, classes = check(model, images, classes)
    found = superpixels.explain_images(model, images, classes.tolist(), copies, seed, segments=segments)
    return np.stack([explanation.weight_map() for explanation in found])
