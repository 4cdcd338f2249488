"""What stands where a pixel of an image is not shown: for grades that hide pixels, and methods that measure from it."""

import numpy as np
from scipy.ndimage import gaussian_filter

SUBSTRATES = ("blur", "mean")
BLACK = "black"  # hides nothing that is dark: no grade uses it, but many published methods measure from it
BLUR_WIDTH = 0.1  # standard deviation, as a share of the image's shorter side


def substrate(images: np.ndarray, kind: str) -> np.ndarray:
    """Make what hides the pixels of each image: the image blurred, its mean colour, or black.

    images: (N, H, W, C) in 0..255; kind: one of SUBSTRATES, or BLACK. Returns uint8 of the same shape. Raises
    ValueError on another kind.
    """
    if kind not in (*SUBSTRATES, BLACK):
        raise ValueError(f"There is no substrate {kind!r}: choose one of {', '.join(SUBSTRATES)}, {BLACK}.")
    pixels = images.astype(np.float32)
    if kind == BLACK:
        hidden = np.zeros_like(pixels)
    elif kind == "mean":
        hidden = np.broadcast_to(pixels.mean(axis=(1, 2), keepdims=True), pixels.shape)
    else:
        width = BLUR_WIDTH * min(images.shape[1:3])
        hidden = gaussian_filter(pixels, (0, width, width, 0), mode="nearest")
    return hidden.round().astype(np.uint8)
