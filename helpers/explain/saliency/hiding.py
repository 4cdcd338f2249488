"""Views of an image with parts of it hidden, and the class logit averaged over them."""

from collections.abc import Callable

import keras
import numpy as np

from helpers.networks.chunks import chunks, forward_bytes
from helpers.networks.logits import all_logits

Views = Callable[[slice], np.ndarray]  # numbers of views to how far each shows the pixels: (k, H, W) in 0..1


def mean_logits(
    model: keras.Model, images: np.ndarray, classes: np.ndarray, views: Views, count: int, *, hides: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Average each image's class logit over views of it: at each pixel, and over all views.

    At a pixel a view counts by how far it shows the pixel or, with hides, by how far it hides it. Returns
    (N, H, W) and (N,) float64; a pixel that no view counts for gets the mean over all.
    """
    fills = images.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    total, weights, logits = np.zeros(images.shape[:3]), np.zeros(images.shape[1:3]), np.zeros(len(images))
    for chunk in chunks(count, forward_bytes(model, images.shape[1:])):
        shown = views(chunk)
        counted = 1 - shown if hides else shown
        weights += counted.sum(axis=0, dtype=np.float64)
        for number, (image, fill) in enumerate(zip(images, fills)):
            batch = fill + shown[..., np.newaxis] * (image - fill)
            found = all_logits(model, batch)[:, classes[number]].astype(np.float64)
            total[number] += np.tensordot(found, counted, axes=1)
            logits[number] += found.sum()
    mean = logits / count
    at_pixel = np.where(weights > 0, total / np.where(weights > 0, weights, 1), mean[:, np.newaxis, np.newaxis])
    return at_pixel, mean
