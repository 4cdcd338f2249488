"""What a data set holds besides what it seems to: copies, copies with conflicting labels, and blank images."""

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

_CHUNK = 1024  # images held at a time; the whole data set may be larger than the memory


def image_keys(images: np.ndarray) -> np.ndarray:
    """Give each image a number that byte-identical images share: (N,) int64.

    images: (N, H, W, C) uint8. The number is a 64-bit hash: among a million different images the chance that any
    two share one is below one in ten million.
    """
    return np.concatenate([np.empty(0, np.int64), *map(_hash_rows, _chunks(images))])


def blank(images: np.ndarray) -> np.ndarray:
    """Tell which images show nothing, all pixels of each channel being equal: (N,) bool.

    images: (N, H, W, C) uint8.
    """
    found = [chunk.max(axis=(1, 2)) == chunk.min(axis=(1, 2)) for chunk in _chunks(images)]
    return np.concatenate([np.empty(0, bool), *(channels.all(axis=1) for channels in found)])


def without_twin(images: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Tell which images are byte-identical to no training image: (N,) bool.

    images, training: (N, H, W, C) uint8. An accuracy on the others may be recall of what was learned by heart.
    """
    return ~np.isin(image_keys(images), image_keys(training))


def audit(images: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Count what is doubtful in each split and in all together, one row a finding.

    images: (N, H, W, C) uint8 and labels: (N,) int, by name of the split; the first split is the one that is learned
    from. Columns: finding, one for each split, and all. A count that has no meaning for a split is missing.
    """
    splits = [*images]
    facts = pd.concat({split: _facts(images[split], labels[split]) for split in splits}, names=["split"]).reset_index()
    parts = {**{split: facts[facts["split"] == split] for split in splits}, "all": facts}
    learned = parts[splits[0]]["key"]
    conflicting = _conflicting(facts)
    findings = {
        "images": {name: len(part) for name, part in parts.items()},
        "blank images": {name: part["blank"].sum() for name, part in parts.items()},
        "copies of another image there": {name: part["key"].duplicated().sum() for name, part in parts.items()},
        f"images with a twin in {splits[0]}": {name: parts[name]["key"].isin(learned).sum() for name in splits[1:]},
        "images with a twin of another label": {
            name: part["key"].isin(conflicting).sum() for name, part in parts.items()
        },
        "groups of twins with conflicting labels": {name: len(_conflicting(part)) for name, part in parts.items()},
    }
    table = pd.DataFrame.from_dict(findings, orient="index", columns=[*parts]).astype("Int64")
    return table.rename_axis("finding").reset_index()


def _chunks(images: np.ndarray):
    return (np.asarray(images[start : start + _CHUNK]) for start in range(0, len(images), _CHUNK))


def _hash_rows(images: np.ndarray) -> np.ndarray:
    digests = b"".join(hashlib.blake2b(image.data, digest_size=8).digest() for image in np.ascontiguousarray(images))
    return np.frombuffer(digests, np.int64)


def _facts(images: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"key": image_keys(images), "label": labels, "blank": blank(images)})


def _conflicting(facts: pd.DataFrame) -> pd.Index:
    """Give the keys of the groups of identical images that do not all have the same label."""
    counts = facts.groupby("key")["label"].nunique()
    return counts.index[counts > 1]
