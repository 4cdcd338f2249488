"""LIME: which patches of an image argue for a class, found by hiding patches and fitting a linear model."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import keras
import numpy as np
import pandas as pd
from skimage.segmentation import slic

from helpers.base.checks import require
from helpers.networks.chunks import chunks, forward_bytes
from helpers.networks.logits import all_logits, softmax

with warnings.catch_warnings():
    # lime imports a progress bar that asks for notebook widgets; it is not used here.
    warnings.simplefilter("ignore")
    from lime.lime_base import LimeBase
    from lime.lime_image import LimeImageExplainer as LimeImageExplainer

FILLS = ("image mean", "superpixel mean", "black")
SIDES = {"for": 1, "against": -1}
KERNEL_WIDTH = 0.25  # lime's own
LAB_RANGE = 200  # colours of a photo lie up to about 200 apart in Lab, greys of an image up to 1


@dataclass(frozen=True)
class Explanation:
    """What each superpixel of one image adds to the logit of one class.

    segments: (H, W) int64, 0..n-1; label: the class explained; weights: (n,) float32, signed, in logits;
    r2: how well the linear model fits the network around this image (its weighted R2, at most 1); probability:
    the network's own, for the whole image.
    """

    segments: np.ndarray
    label: int
    weights: np.ndarray
    r2: float
    probability: float

    def weight_map(self) -> np.ndarray:
        """Paint each superpixel with its weight: (H, W) float32, signed."""
        return self.weights[self.segments]

    def strongest(self, top: int) -> np.ndarray:
        """Mark the superpixels that argue most for the class: (H, W) bool, at most `top`, all positive."""
        ranked = np.argsort(-self.weights)[:top]
        return np.isin(self.segments, ranked[self.weights[ranked] > 0])

    def foremost(self, top: int, sign: int) -> set[int]:
        """Name the superpixels that argue most for the class (sign 1), or against it (-1): at most `top`."""
        argued = sign * self.weights
        return {int(place) for place in np.argsort(-argued, kind="stable")[:top] if argued[place] > 0}

    def concentration(self, top: int) -> float:
        """Give the share of all positive weight that the `top` strongest superpixels hold (0..1)."""
        positive = np.sort(self.weights.clip(min=0))[::-1]
        return float(positive[:top].sum() / max(positive.sum(), np.finfo(np.float32).tiny))


@dataclass(frozen=True)
class Contest:
    """A class and its rival, explained on the same copies of the same images."""

    own: list[Explanation]
    rival: list[Explanation]


def segment(image: np.ndarray, segments: int = 50, compactness: float = 0.1) -> np.ndarray:
    """Cut an image into superpixels of similar grey (or of similar colour in Lab).

    image: (H, W, C) uint8 with C 1 or 3; segments: how many are asked for (fewer may come); compactness:
    weight of nearness against likeness, on a grey scale of 0..1. Returns (H, W) int64 that uses every label
    of 0..n-1. Raises ValueError on another shape. Achanta et al., 2012 (SLIC).
    """
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"An image of shape {image.shape} cannot be cut: give (H, W, 1) or (H, W, 3).")
    if image.shape[2] == 1:
        labels = slic(image[..., 0], segments, compactness, channel_axis=None, start_label=0)
    else:
        labels = slic(image, segments, compactness * LAB_RANGE, convert2lab=True, start_label=0)
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)


def mask_out(image: np.ndarray, fill: np.ndarray, segments: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Hide superpixels of one image, many choices at once.

    image, fill: (H, W, C) uint8; segments: (H, W) int; keep: (N, n), nonzero where superpixel j of copy i stays
    visible. Returns (N, H, W, C) uint8. Flat and by bits, many times as fast as by choosing.
    """
    shown = np.take(keep.astype(bool), np.repeat(segments.ravel(), image.shape[2]), axis=1)
    return (shown * (image ^ fill).ravel() ^ fill.ravel()).reshape(len(keep), *image.shape)


def fill_image(image: np.ndarray, segments: np.ndarray, fill: str) -> np.ndarray:
    """Paint an image as it looks with every superpixel hidden: (H, W, C) of the image's dtype; fill: one of FILLS."""
    if fill == "superpixel mean":
        counts = np.bincount(segments.ravel())
        means = [np.bincount(segments.ravel(), channel.ravel()) / counts for channel in np.moveaxis(image, -1, 0)]
        return np.stack(means, axis=-1)[segments].astype(image.dtype)
    colour = image.mean(axis=(0, 1)) if fill == "image mean" else 0
    return np.broadcast_to(colour, image.shape).astype(image.dtype)


def explain(model: keras.Model, image: np.ndarray, label: int, samples: int, seed: int, **options: Any) -> Explanation:
    """Explain one class of one image; `explain_labels` names the options."""
    return explain_labels(model, image, [label], samples, seed, **options)[0]


def explain_labels(
    model: keras.Model,
    image: np.ndarray,
    labels: Sequence[int],
    samples: int,
    seed: int,
    *,
    segments: int = 50,
    compactness: float = 0.1,
    fill: str = "image mean",
) -> list[Explanation]:
    """Explain several classes of one image from the same perturbed copies.

    image: (H, W, C) uint8; labels: classes of the model; samples: perturbed copies, of which the first is the
    image itself; seed: of their choice; fill: what hides a superpixel, one of FILLS. Returns an Explanation a
    label. Raises ValueError on an unknown class or fill, or on fewer than two samples. Ribeiro et al., 2016.
    """
    classes = model.output_shape[-1]
    for label in labels:
        require(0 <= label < classes, f"Class {label} is unknown to the model: give one of 0 to {classes - 1}.")
    require(samples >= 2, f"{samples} samples cannot be fitted: give at least 2, better 20 a superpixel.")
    require(fill in FILLS, f"Fill {fill!r} is unknown: give one of {', '.join(FILLS)}.")
    cut = segment(image, segments, compactness)
    keep = draw_copies(seed, samples, cut.max() + 1)
    answers = copy_logits(model, image, fill_image(image, cut, fill), cut, keep)  # one class's gain is no other's loss
    fits, shares = [fit_weights(keep, answers[:, label]) for label in labels], softmax(answers[:1])[0]
    pairs = zip(labels, fits, strict=True)
    return [Explanation(cut, int(k), weights.astype(np.float32), r2, float(shares[k])) for k, (weights, r2) in pairs]


def explain_images(
    model: keras.Model, images: np.ndarray, labels: Sequence[int], samples: int, seed: int, **options: Any
) -> list[Explanation]:
    """Explain one class of each image, with one seed; `explain_labels` names the options.

    images: (N, H, W, C) uint8; labels: (N,) int. Returns N explanations.
    """
    pairs = zip(images, labels, strict=True)
    return [explain(model, image, int(label), samples, seed, **options) for image, label in pairs]


def explain_contest(
    model: keras.Model, images: np.ndarray, label: int, rival: int, samples: int, seed: int, **options: Any
) -> Contest:
    """Explain a class and its rival on each image (N, H, W, C) uint8; options as in `explain_labels`."""
    pairs = [explain_labels(model, image, [label, rival], samples, seed, **options) for image in images]
    return Contest([own for own, _ in pairs], [other for _, other in pairs])


def find_rival(probabilities: np.ndarray, labels: np.ndarray, label: int) -> int:
    """Find the class that is most often predicted for images of one class, or else nearly predicted.

    probabilities: (N, classes); labels: (N,) int. Ties are broken by the mean probability.
    """
    own = probabilities[labels == label]
    score = np.bincount(own.argmax(axis=1), minlength=own.shape[1]) + own.mean(axis=0)
    score[label] = -1
    return int(score.argmax())


def draw_images(labels: np.ndarray, label: int, count: int, seed: int) -> np.ndarray:
    """Draw the places of images of one class without replacement: (<= count,) int64, in order."""
    own = np.flatnonzero(labels == label)
    return np.sort(np.random.default_rng(seed).choice(own, min(count, len(own)), replace=False))


def draw_maps(explanations: Sequence[Explanation], top: int) -> tuple[np.ndarray, np.ndarray]:
    """Stack the weight maps, (N, H, W) float32, and masks of the strongest superpixels, (N, H, W) bool."""
    weights = np.stack([explanation.weight_map() for explanation in explanations])
    return weights, np.stack([explanation.strongest(top) for explanation in explanations])


def share_inside(marked: np.ndarray, explanations: Sequence[Explanation], top: int) -> pd.DataFrame:
    """Say how much of what is marked lies in the strongest superpixels: a row an image, columns inside and chance.

    marked: (N, H, W) bool, at least one pixel an image; chance is the superpixels' share of the image, what pixels
    marked at random would give on average.
    """
    _, strongest = draw_maps(explanations, top)
    inside = (marked & strongest).sum(axis=(1, 2)) / marked.sum(axis=(1, 2))
    return pd.DataFrame({"inside": inside, "chance": strongest.mean(axis=(1, 2))})


def overlaps(contest: Contest, top: int) -> pd.DataFrame:
    """Ask whether a class and its rival are judged by the same superpixels: a row an image and two sides.

    Columns: image; own and rival, whether the superpixels compared are those that argue most "for" or "against" the
    class, and its rival; overlap, the share of the smaller of these two sets (at most `top` each) that the other holds;
    chance, what blind choices as large would share. Both are nan where one set is empty.
    """
    rows = []
    for image, (own, rival) in enumerate(zip(contest.own, contest.rival, strict=True)):
        for (side, sign), (other, opposite) in product(SIDES.items(), repeat=2):
            sets = own.foremost(top, sign), rival.foremost(top, opposite)
            fewer, more = sorted(map(len, sets))
            shared = len(set.intersection(*sets)) / fewer if fewer else np.nan
            chance = more / len(own.weights) if fewer else np.nan
            rows.append((image, side, other, shared, chance))
    return pd.DataFrame(rows, columns=["image", "own", "rival", "overlap", "chance"])


def grades(explanations: Sequence[Explanation], top: int, evidence: np.ndarray | None = None) -> pd.DataFrame:
    """Tabulate what can be measured of each explanation, one a row.

    evidence: (N, H, W) bool or None. Columns: label, probability, superpixels, r2, concentration; with evidence also
    overlap (the share of the strongest superpixels' pixels that lies in the evidence) and chance (the evidence's share
    of the image, what a blind choice would reach); both are NaN where there is no evidence.
    """
    rows = [(one.label, one.probability, len(one.weights), one.r2, one.concentration(top)) for one in explanations]
    frame = pd.DataFrame(rows, columns=["label", "probability", "superpixels", "r2", "concentration"])
    if evidence is None:
        return frame
    shown = np.stack([explanation.strongest(top) for explanation in explanations])
    chance = evidence.mean(axis=(1, 2))
    overlap = (shown & evidence).sum(axis=(1, 2)) / shown.sum(axis=(1, 2)).clip(min=1)
    present = chance > 0
    return frame.assign(overlap=np.where(present, overlap, np.nan), chance=np.where(present, chance, np.nan))


def draw_copies(seed: int, count: int, superpixels: int) -> np.ndarray:
    """Draw which superpixels stay in each copy, as lime does: (count, superpixels) of 0 and 1, the first row all 1.

    The first copies are those of a smaller draw.
    """
    random = np.random.RandomState(seed)
    random.randint(1000)  # lime first draws a seed for a segmentation of its own, which is not used
    keep = random.randint(0, 2, (count, superpixels))
    keep[0] = 1
    return keep


def copy_logits(
    model: keras.Model, image: np.ndarray, hidden: np.ndarray, segments: np.ndarray, keep: np.ndarray
) -> np.ndarray:
    """Compute the logits (N, classes) float32 of copies of an image, as `mask_out` makes them."""
    cuts = chunks(len(keep), forward_bytes(model, image.shape))
    return np.concatenate([all_logits(model, mask_out(image, hidden, segments, keep[chunk])) for chunk in cuts])


def fit_weights(keep: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit lime's linear model: a ridge regression in which copies near the whole image count most.

    keep: (N, n) of 0 and 1, the first row all 1; answers: (N,). Returns the weights (n,) and the weighted R2.
    """
    base = LimeBase(lambda distance: np.sqrt(np.exp(-(distance**2) / KERNEL_WIDTH**2)))
    distance = 1 - np.sqrt(keep.mean(axis=1))  # cosine distance to a row of ones
    _, found, r2, _ = base.explain_instance_with_data(
        keep, answers[:, np.newaxis], distance, 0, keep.shape[1], feature_selection="none"
    )
    # Of answers that never change, rounding decides whether scikit-learn calls the fit perfect or worthless.
    return np.array([weight for _, weight in sorted(found)]), float(r2) if np.ptp(answers) > 0 else 0.0
