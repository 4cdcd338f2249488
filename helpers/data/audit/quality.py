"""Images that show little: blank, faint, dark or blurred ones."""

import numpy as np
import pandas as pd
from scipy.ndimage import laplace

from helpers.data.audit.near import FAINT, chunks

DARK = 40  # grey levels; in a dark image, 99 of 100 pixels are below
BLURRED = 0.05  # variance of the Laplacian over that of the image; a Gaussian blur of 1.5 pixels is mostly below


def doubtful(images: np.ndarray) -> pd.DataFrame:
    """Tell which images show little, one row an image, with the columns blank, faint, dark and blurred, all bool.

    images: (N, H, W, C) uint8. Blank: all pixels of each channel are equal. Faint: their standard deviation is a few
    grey levels. Dark: hardly a pixel is not. Blurred: there is hardly an edge, by the variance of the Laplacian
    (Pech-Pacheco et al., 2000), here divided by the variance of the image, so that contrast does not count. An image
    has at most the first of these.
    """
    found = [np.empty((0, 4), bool), *map(_doubtful, chunks(images))]
    return pd.DataFrame(np.concatenate(found), columns=["blank", "faint", "dark", "blurred"])


def _doubtful(images: np.ndarray) -> np.ndarray:
    grey = images.mean(axis=3, dtype=np.float32)
    variance = grey.var(axis=(1, 2))
    edges = np.stack([laplace(image)[1:-1, 1:-1].var() for image in grey])
    tests = [
        (images.max(axis=(1, 2)) == images.min(axis=(1, 2))).all(axis=1),
        images.std(axis=(1, 2), dtype=np.float32).max(axis=1) < FAINT,
        np.percentile(grey, 99, axis=(1, 2)) < DARK,
        edges < BLURRED * variance,
    ]
    found = np.stack(tests, axis=1)
    return found & (np.cumsum(found, axis=1) == 1)
