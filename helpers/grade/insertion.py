"""Insertion and deletion: does the network's answer hang on the pixels that a map puts first?"""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
from scipy.stats import norm as normal
from scipy.stats import t as student
from skimage.filters import sobel

from helpers.explain.substrates import SUBSTRATES as SUBSTRATES
from helpers.explain.substrates import substrate as substrate
from helpers.grade.faithfulness import BLOB, centred_gaussian
from helpers.networks.chunks import chunks, forward_bytes
from helpers.networks.inference import bfloat16
from helpers.networks.logits import all_logits, softmax

Seed = int | np.random.Generator  # a generator goes on where it stopped: images may come in slices
STEP_COUNTS = (12, 48)  # the points of the first are among those of the second
STEPS = STEP_COUNTS[-1]
ANSWERS = ("probability", "logit")
RANDOM, EDGES = "random order", "edge map"
BASELINES = (RANDOM, BLOB, EDGES)  # orders of the pixels that no network had a part in


@dataclass(frozen=True)
class Curves:
    """What a network answers for one class of each image, as the pixels that a map puts first come and go.

    insertion, deletion: (N, steps + 1) float32, the probability from the substrate alone to the whole image, and from
    the whole image to the substrate alone; logits: (2, N, steps + 1) float32, the logit on the same two ways.
    """

    insertion: np.ndarray
    deletion: np.ndarray
    logits: np.ndarray

    def gains(self) -> np.ndarray:
        """Give the symmetric relevance gain with each of STEP_COUNTS, by each of ANSWERS: (2, 2, N) float32."""
        both = np.stack([np.stack([self.insertion, self.deletion]), self.logits])
        steps = both.shape[-1] - 1
        return np.stack([relevance_gain(both[..., :: steps // count]) for count in STEP_COUNTS])


def relevance_gain(curves: np.ndarray) -> np.ndarray:
    """Give the symmetric relevance gain: the area under the insertion curve less that under the deletion curve.

    curves: (..., 2, N, steps + 1), insertion first. Returns (..., N). With one substrate, the insertion curve of a map
    is the deletion curve of its negative read backwards, so the gain asks whether the pixels that a map puts first hurt
    more than those that it puts last; the order in which it puts methods hardly hangs on the substrate. Bluecher et
    al., 2024.
    """
    areas = np.trapezoid(curves, dx=1 / (curves.shape[-1] - 1), axis=-1)
    return areas[..., 0, :] - areas[..., 1, :]


def baselines(images: np.ndarray, seed: Seed) -> dict[str, np.ndarray]:
    """Draw the maps that a method has to beat: chance, a blob in the middle, and edges.

    images: (N, H, W, C) uint8. Returns (N, H, W) float32 by the names of BASELINES.
    """
    shape = images.shape[:3]
    random = np.random.default_rng(seed).random(shape, dtype=np.float32)
    return dict(zip(BASELINES, [random, centred_gaussian(shape), edge_map(images)], strict=True))


def edge_map(images: np.ndarray) -> np.ndarray:
    """Find the edges of each image, which no network was asked about: Sobel's slope of the mean channel.

    images: (N, H, W, C). Returns (N, H, W) float32, >= 0.
    """
    slopes = np.stack([sobel(image.mean(axis=-1) / 255) for image in images])
    return slopes.astype(np.float32).round(6)  # what is left of an even patch is zero, not a rounding error


def pixel_ranks(maps: np.ndarray, seed: Seed) -> np.ndarray:
    """Rank the pixels of each map, from 0 for the largest value; equal values are ranked by chance.

    maps: (N, H, W) float. Returns (N, H, W) int32 that holds every rank once an image. Without chance, coarse
    maps would be read from the top left corner of each of their cells.
    """
    flat = maps.reshape(len(maps), -1)
    chance = np.random.default_rng(seed).random(flat.shape, dtype=np.float32)
    order = np.lexsort((chance, -flat), axis=1)
    ranks = np.empty(flat.shape, np.int32)
    np.put_along_axis(ranks, order, np.arange(flat.shape[1], dtype=np.int32)[None], axis=1)
    return ranks.reshape(maps.shape)


def insertion_deletion(
    model: keras.Model,
    images: np.ndarray,
    classes: np.ndarray,
    ranks: Mapping[str, np.ndarray],
    hidden: np.ndarray,
    steps: int = STEPS,
) -> dict[str, Curves]:
    """Put the pixels of each image in, and take them out, in the order of several maps.

    images: (N, H, W, C) uint8; classes: (N,) int, whose probability is followed; ranks: (N, H, W) int32 by name, as
    `pixel_ranks` makes them of maps; hidden: (N, H, W, C) uint8, shown where the image is not, as from `substrate`.
    Every step takes an equal share of the pixels, and the ends, which do not depend on the order, are computed
    once. The network runs in bfloat16 where the processor can, with batch normalization folded. Petsiuk et al., 2018.
    """
    with bfloat16(model):
        whole, bare = (_answers(model, ends, classes)[..., np.newaxis] for ends in (images, hidden))
        inner = {name: _inner_points(model, images, hidden, classes, order, steps) for name, order in ranks.items()}
    return {name: _join(whole, bare, points) for name, points in inner.items()}


def _join(whole: np.ndarray, bare: np.ndarray, points: np.ndarray) -> Curves:
    inserted = np.concatenate([bare, points[:, :, 0], whole], axis=-1)
    deleted = np.concatenate([whole, points[:, :, 1], bare], axis=-1)
    return Curves(inserted[0], deleted[0], np.stack([inserted[1], deleted[1]]))


def intervals(values: np.ndarray, seed: int, resamples: int = 2000, level: float = 0.95) -> np.ndarray:
    """Give bootstrap intervals of means over images, by default of 95%.

    values: (..., N); for a paired comparison, the differences image by image. Returns (2, ...): the lower and
    the upper ends. All means are taken over the same resampled images.
    """
    return np.quantile(expanded_means(values, seed, resamples, level), [(1 - level) / 2, (1 + level) / 2], axis=-1)


def expanded_means(values: np.ndarray, seed: int, resamples: int = 2000, level: float = 0.95) -> np.ndarray:
    """Draw means as `resampled_means`, and move them away from the mean of all images, so that intervals hold.

    A bootstrap of few images is too narrow: it takes their own spread, and the normal distribution, where the unbiased
    deviation and Student's t are due. So all moves by the ratio of these (Hesterberg, 2015). One image tells nothing
    from zero or from anything else: its means are zeros.
    """
    count, tail = values.shape[-1], (1 + level) / 2
    if count < 2:
        return np.zeros((*values.shape[:-1], resamples))
    ratio = student.ppf(tail, count - 1) / normal.ppf(tail) * np.sqrt(count / (count - 1))
    mean = values.astype(np.float64).mean(axis=-1, keepdims=True)
    return mean + ratio * (resampled_means(values, seed, resamples) - mean)


def resampled_means(values: np.ndarray, seed: int, resamples: int = 2000) -> np.ndarray:
    """Draw N of N images again and again, and average: values (..., N) to (..., resamples) float64."""
    count = values.shape[-1]
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    return values.astype(np.float64) @ (drawn.T / count)


def _inner_points(
    model: keras.Model, images: np.ndarray, hidden: np.ndarray, classes: np.ndarray, ranks: np.ndarray, steps: int
) -> np.ndarray:
    """Give the points of the curves between their ends: (answers, N, 2, steps - 1), insertion first."""
    counts = (np.arange(1, steps) * ranks[0].size // steps).astype(ranks.dtype)
    found = np.empty((len(ANSWERS), len(images), 2, steps - 1), np.float32)
    for part in chunks(len(images), 2 * len(counts) * forward_bytes(model, images.shape[1:])):
        first = ranks[part, np.newaxis] < counts[:, np.newaxis, np.newaxis]
        views = _exchanged(images[part], hidden[part], first)
        asked = np.repeat(classes[part], 2 * len(counts))
        answers = _answers(model, views.reshape(len(asked), *images.shape[1:]), asked)
        found[:, part] = answers.reshape(found[:, part].shape)
    return found


def _exchanged(images: np.ndarray, hidden: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Show the first pixels of k images (k, H, W, C) uint8 and hide the others, and the other way round.

    first: (k, points, H, W) bool. Returns (k, 2, points, H, W, C) uint8. By bits, nine times as fast as by choosing.
    """
    differs = (images ^ hidden)[:, np.newaxis]
    views = np.empty((len(images), 2, first.shape[1], *images.shape[1:]), np.uint8)
    views[:, 0] = first[..., np.newaxis] * differs ^ hidden[:, np.newaxis]
    views[:, 1] = views[:, 0] ^ differs
    return views


def _answers(model: keras.Model, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Give each image's probability of its class, and its logit: (2, N) float32."""
    logits = all_logits(model, images)
    return np.stack([softmax(logits), logits])[:, np.arange(len(classes)), classes]
