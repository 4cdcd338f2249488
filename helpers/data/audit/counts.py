"""How much of a data set is doubtful, split by split, and which images are copies of others, or show little."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.ndimage import laplace

from helpers.data.audit.near import FAINT, chunks
from helpers.data.datasets import Split

DARK = 40  # grey levels; in a dark image, 99 of 100 pixels are below
BLURRED = 0.05  # variance of the Laplacian over that of the image; a Gaussian blur of 1.5 pixels is mostly below


def image_keys(images: np.ndarray) -> np.ndarray:
    """Give each image a number that byte-identical images share: (N,) int64.

    images: (N, H, W, C) uint8. The number is a 64-bit hash: among a million different images the chance that any
    two share one is below one in ten million.
    """
    rows = (row for chunk in chunks(images) for row in np.ascontiguousarray(chunk))
    return np.frombuffer(b"".join(hashlib.blake2b(row.data, digest_size=8).digest() for row in rows), np.int64)


def without_twin(images: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Tell which images are byte-identical to no training image: (N,) bool.

    images, training: (N, H, W, C) uint8. An accuracy on the others may be recall of what was learned by heart.
    """
    return ~np.isin(image_keys(images), image_keys(training))


def doubtful(images: np.ndarray) -> pd.DataFrame:
    """Tell which images show little, one row an image, with the columns blank, faint, dark and blurred, all bool.

    images: (N, H, W, C) uint8. Blank: all pixels of each channel are equal. Faint: their standard deviation is a few
    grey levels. Dark: hardly a pixel is not. Blurred: there is hardly an edge, by the variance of the Laplacian
    (Pech-Pacheco et al., 2000), here divided by the variance of the image, so that contrast does not count. An image
    has at most the first of these.
    """
    found = [np.empty((0, 4), bool), *map(_doubtful, chunks(images))]
    return pd.DataFrame(np.concatenate(found), columns=["blank", "faint", "dark", "blurred"])


def near_twins(pairs: np.ndarray | None, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Tell by split which images are near-duplicates of an image of the first split, (N,) bool; in it, of another.

    pairs: (P, 2) int, places in all splits one after another, as `near_pairs` gives them; None: no image is one.
    sizes: images by split.
    """
    ends = np.cumsum([0, *sizes.values()])
    found = np.zeros(ends[-1], bool)
    for own, other in () if pairs is None else (pairs.T, pairs.T[::-1]):
        found[own[other < ends[1]]] = True
    return dict(zip(sizes, np.split(found, ends[1:-1]), strict=True))


def audit(
    images: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray], pairs: np.ndarray | None = None
) -> pd.DataFrame:
    """Count what is doubtful in each split and in all together, one row a finding.

    images: (N, H, W, C) uint8 and labels: (N,) int, by name of the split; the first split is the one that is learned
    from. pairs: the near-duplicates of all splits, one after another, as `near_pairs` gives them; None: not looked
    for. Columns: finding, one for each split, and all. A count that has no meaning for a split is missing.
    """
    splits = [*images]
    keys = {split: pd.DataFrame({"key": image_keys(images[split]), "label": labels[split]}) for split in splits}
    judged = {split: keys[split].join(doubtful(images[split])) for split in splits}
    facts = pd.concat(judged, names=["split"]).reset_index()
    twin = facts["key"].isin(facts["key"][facts["split"] == splits[0]])
    near = {} if pairs is None else _near_facts(facts, pairs, splits[0])
    facts = facts.assign(twin=twin, conflict=facts["key"].isin(_conflicting(facts)), **near)
    parts = {**{split: facts[facts["split"] == split] for split in splits}, "all": facts}
    others = {name: parts[name] for name in splits[1:]}
    findings = {
        "images": {name: len(part) for name, part in parts.items()},
        **{f"{kind} images": _sums(parts, kind) for kind in ("blank", "faint", "dark", "blurred")},
        "copies of another image there": {name: part["key"].duplicated().sum() for name, part in parts.items()},
        f"images with a twin in {splits[0]}": _sums(others, "twin"),
        "images with a twin of another label": _sums(parts, "conflict"),
        "groups of twins with conflicting labels": {name: len(_conflicting(part)) for name, part in parts.items()},
    }
    if near:
        findings |= {
            "images with a near-duplicate": _sums(parts, "near"),
            f"images with a near-duplicate in {splits[0]}": _sums(others, "near learned"),
            "images with a near-duplicate of another label": _sums(parts, "near conflict"),
        }
    table = pd.DataFrame.from_dict(findings, orient="index", columns=[*parts]).astype("Int64")
    return table.rename_axis("finding").reset_index()


def class_counts(splits: Mapping[str, Split], class_names: Sequence[str]) -> pd.DataFrame:
    """Count the images of each class in each split: one row a class, and one for all."""
    counts = {name: np.bincount(split.labels, minlength=len(class_names)) for name, split in splits.items()}
    table = pd.DataFrame(counts, index=pd.Index(class_names, name="class"))
    return pd.concat([table, table.sum().to_frame("all").T.rename_axis("class")]).reset_index()


def _sums(parts: Mapping[str, pd.DataFrame], column: str) -> dict[str, int]:
    return {name: int(part[column].sum()) for name, part in parts.items()}


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


def _near_facts(facts: pd.DataFrame, pairs: np.ndarray, learned: str) -> dict[str, np.ndarray]:
    """Tell of each image whether any other is near it, one of those learned from, and one of another label."""
    both = np.concatenate([pairs, pairs[:, ::-1]])
    labels, first = facts["label"].to_numpy(), (facts["split"] == learned).to_numpy()
    conditions = {
        "near": np.ones(len(both), bool),
        "near learned": first[both[:, 1]],
        "near conflict": labels[both[:, 0]] != labels[both[:, 1]],
    }
    return {name: np.isin(np.arange(len(facts)), both[held, 0]) for name, held in conditions.items()}


def _conflicting(facts: pd.DataFrame) -> pd.Index:
    """Give the keys of the groups of identical images that do not all have the same label."""
    counts = facts.groupby("key")["label"].nunique()
    return counts.index[counts > 1]
