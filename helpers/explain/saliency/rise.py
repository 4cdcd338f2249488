"""RISE: the class logit of views through random masks, averaged over those that show a pixel."""

import keras
import numpy as np
import tensorflow as tf

from helpers.base.checks import require
from helpers.explain.registry import method
from helpers.explain.saliency.hiding import Views, mean_logits
from helpers.networks.logits import Classes, check


@method("RISE", signed=True, passes="many", baseline="image mean", source="Petsiuk et al., 2018")
def rise(
    model: keras.Model,
    images: np.ndarray,
    classes: Classes,
    masks: int = 500,
    cells: int = 7,
    share: float = 0.5,
    seed: int = 0,
) -> np.ndarray:
    """Show each image through many random masks; a pixel counts by the class logit of the views that show it.

    masks: number of views, the same for every image; cells: length of the grid, drawn at random and enlarged
    bilinearly, that a mask comes from (at most the image's sides); share: chance of a cell to show the image. What a
    mask hides takes the image's mean colour. Maps are signed: the mean logit, weighted by how far the mask shows the
    pixel, less the mean over all views. Raises ValueError on fewer than one mask or cell, or a share outside 0..1.
    Petsiuk et al., 2018, who take the probability, not the logit.
    """
    images, classes = check(model, images, classes)
    require(masks >= 1, f"masks is {masks}; it must be at least 1.")
    require(cells >= 1, f"cells is {cells}; it must be at least 1.")
    require(0 < share < 1, f"share is {share}; it must lie between 0 and 1.")
    views = random_masks(images.shape[1:3], masks, cells, share, seed)
    shown, mean = mean_logits(model, images, classes, views, masks, hides=False)
    return (shown - mean[:, np.newaxis, np.newaxis]).astype(np.float32)


def random_masks(shape: tuple[int, int], masks: int, cells: int = 7, share: float = 0.5, seed: int = 0) -> Views:
    """Draw smooth random masks: grids of cells that show or hide, enlarged bilinearly and shifted by up to a cell.

    shape: (H, W); share: chance of a cell to show. Gives a function from a slice of 0..masks to these masks,
    (k, H, W) float32 in 0..1, 1 where the image shows. Petsiuk et al., 2018.
    """
    random = np.random.default_rng(seed)
    rows, columns = (min(cells, side) for side in shape)
    height, width = (-(-side // count) for side, count in zip(shape, (rows, columns)))  # of a cell, rounded up
    grids = (random.random((masks, rows + 1, columns + 1, 1)) < share).astype(np.float32)
    shifts = random.integers(0, (height, width), (masks, 2))

    def views(numbers: slice) -> np.ndarray:
        large = tf.image.resize(grids[numbers], ((rows + 1) * height, (columns + 1) * width)).numpy()[..., 0]
        pairs = zip(large, shifts[numbers])
        return np.stack([mask[top : top + shape[0], left : left + shape[1]] for mask, (top, left) in pairs])

    return views
