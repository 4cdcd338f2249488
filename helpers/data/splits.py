"""Which image goes into which split: as the source says, or class by class at random, with twins on one side."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from helpers.base.words import Said, plain, said
from helpers.data.reading import OTHER_SPLIT_NAMES, SPLITS, Reading, count
from helpers.data.sources import refused

_TRAIN, _VALIDATION, _TEST = range(len(SPLITS))
_WIDEST = 0.1  # interval of an accuracy that is still good enough to choose by
_SPLIT_SEED = 0


def drop_empty_classes(
    names: Sequence[str], labels: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray, tuple[Said, ...]]:
    """Take out classes without images: returns the names left, (N,) int64 labels counted in these, and notes."""
    present = np.unique(labels)
    empty = [name for index, name in enumerate(names) if index not in present]
    notes = (said("data.notes.empty_classes", names=empty),) if empty else ()
    return tuple(names[index] for index in present), np.searchsorted(present, labels), notes


def arrange(
    path: Path,
    class_names: Sequence[str],
    split_names: Mapping[str, str],
    labels: np.ndarray,
    given: np.ndarray,
    twins: np.ndarray,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, tuple[Said, ...]]:
    """Give each image its split; returns (N,) int64, index into SPLITS or -1 for none, and notes on what was done.

    split_names: what the source calls each of SPLITS; labels: (N,) int64; given: (N,) int64, index into SPLITS
    or -1; twins: (N,) int64, equal for equal images; groups: (N,) int64, equal for images that belong together, 0 for
    those of no group. Raises DatasetError where a class lacks images to train or to test on.
    """
    together = twins if groups is None or not groups.any() else _join(twins, groups)
    present = set(given.tolist())
    if len(present) == 1:
        splits = deal(labels, together, (0.8, 0.1, 0.1))
        notes: tuple[Said, ...] = (said("data.notes.one_piece"),)
    elif _TRAIN in present:
        splits, notes = _complete(given, labels, together, split_names)
    else:
        raise refused("no_train", path=path, train=split_names["train"])
    _check_classes(path, class_names, labels, splits)
    if _VALIDATION not in splits:
        raise refused("few_train", path=path, train=split_names["train"])
    return splits, notes + _twin_notes(splits, twins)


def _complete(
    given: np.ndarray, labels: np.ndarray, twins: np.ndarray, names: Mapping[str, str]
) -> tuple[np.ndarray, tuple[Said, ...]]:
    """Validate on a tenth of the training images, where a split is missing, or too few of more are for validation."""
    missing = [split for index, split in enumerate(SPLITS) if index not in given]
    few, is_train = int((given == _VALIDATION).sum()), given == _TRAIN
    width = 2 * 1.96 * (0.25 / max(few, 1)) ** 0.5  # of the 95 % interval of an accuracy of one half
    if not missing and (width <= _WIDEST or few >= is_train.sum() // 10):
        return given, ()
    splits = np.full_like(given, _TEST) if missing else np.where(given == _VALIDATION, -1, given)
    splits[is_train] = deal(labels[is_train], twins[is_train], (0.9, 0.1))
    called = {split: _called(names, split) for split in SPLITS}
    missed = called.pop("test")
    if missing == ["test"]:
        return splits, (said("data.notes.no_test", missing=missed, **called),)
    if missing:
        return splits, (said("data.notes.no_validation", missing=called["validation"], train=called["train"]),)
    return splits, (said("data.notes.few_validation", n=few, width=width / 2, **called),)


def _called(names: Mapping[str, str], split: str) -> Said | str:
    """Give what the source calls a split; words for it, where it has no name of its own."""
    return said(f"data.part.{split}") if names[split] == OTHER_SPLIT_NAMES[split] else names[split]


def _join(twins: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Number what belongs together, because images are equal or of one group, or both by way of others: (N,) int64."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    images = np.arange(len(twins))
    owners = np.where(groups, groups, -1 - images)  # whatever is of no group is alone
    kinds = [np.unique(kind, return_inverse=True)[1] for kind in (twins, owners)]
    nodes = len(twins) + sum(kind.max(initial=-1) + 1 for kind in kinds)
    ends = np.concatenate([kinds[0] + len(twins), kinds[1] + len(twins) + kinds[0].max(initial=-1) + 1])
    links = coo_array((np.ones(2 * len(twins), bool), (np.tile(images, 2), ends)), (nodes, nodes))
    return connected_components(links, directed=False)[1][: len(twins)].astype(np.int64)


def plan(path: Path, reading: Reading) -> Reading:
    """Say how the splits of a reading will come out, from its counts alone, before any image is decoded.

    Images that turn out to be equal may shift a few. Errors are those of `arrange`.
    """
    names = [*reading.class_names]
    counts = [(s, c, n) for s, by_class in reading.counts.items() for c, n in by_class.items() if c in names]
    pairs = [(split, name) for split, name, number in counts for _ in range(number)]
    if not names:
        raise refused("empty", path=path)
    if not pairs:
        return reading
    given = np.array([SPLITS.index(split) if split else -1 for split, _ in pairs])
    left, labels, notes = drop_empty_classes(names, np.array([names.index(name) for _, name in pairs]))
    splits, split_notes = arrange(path, left, reading.split_names, labels, given, np.arange(len(pairs)))
    planned = count((SPLITS[split], left[label]) for split, label in zip(splits, labels, strict=True) if split >= 0)
    return replace(reading, class_names=left, counts=planned, notes=(*reading.notes, *notes, *split_notes))


def deal(labels: np.ndarray, twins: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Divide images among the first splits, class by class, at random; identical images stay together.

    Every class has an image in each of these splits, if it has that many different ones.
    """
    generator = np.random.default_rng(_SPLIT_SEED)
    _, first, group, sizes = np.unique(twins, return_index=True, return_inverse=True, return_counts=True)
    dealt = np.zeros(len(first), np.int64)
    for label in np.unique(labels[first]):
        groups = generator.permutation(np.flatnonzero(labels[first] == label))
        middles = np.cumsum(sizes[groups]) - sizes[groups] / 2
        dealt[groups] = np.searchsorted(np.cumsum(shares)[:-1] * sizes[groups].sum(), middles)
        for place in range(1, len(shares) if len(groups) >= len(shares) else 1):  # the last groups fill gaps
            if len(shares) - place not in dealt[groups]:
                dealt[groups[-place]] = len(shares) - place
    return dealt[group]


def _check_classes(path: Path, names: Sequence[str], labels: np.ndarray, splits: np.ndarray) -> None:
    if len(names) < 2:
        raise refused("one_class", path=path, name=names[0])
    for split in (_TRAIN, _TEST):
        lacking = np.setdiff1d(labels, labels[splits == split])
        if len(lacking):
            kind, named = said(f"data.part.{SPLITS[split]}"), [names[label] for label in lacking]
            raise refused("lacking", path=path, kind=kind, names=named)


def _twin_notes(splits: np.ndarray, twins: np.ndarray) -> tuple[Said, ...]:
    tested = twins[splits == _TEST]
    known = int(np.isin(tested, twins[splits == _TRAIN]).sum())
    return (said("data.notes.twins", n=known, all=len(tested)),) if known else ()


def keep_training(given: np.ndarray, twins: np.ndarray, names: Mapping[str, str]) -> dict[str, object] | None:
    """Say what differs where no training image is held out: bounds and notes; None where the source has no splits.

    given, twins: as in `arrange`. Images are ordered by split, so the training images stay neighbours.
    """
    missing = missing_splits(given)
    if len(missing) != 1:
        return None
    only = next(split for split in ("validation", "test") if split not in missing)
    train, tested = int((given == _TRAIN).sum()), int((given == SPLITS.index(only)).sum())
    note = said("data.notes.kept", missing=_called(names, missing[0]), only=_called(names, only))
    both = (train, train + tested)
    return {
        "bounds": {"train": (0, train), "validation": both, "test": both},
        "split_notes": plain("notes", [note, *_twin_notes(np.where(given == _TRAIN, _TRAIN, _TEST), twins)]),
    }


def missing_splits(given: np.ndarray) -> list[str]:
    """Name the splits that the source does not have; all three where it is in one piece."""
    present = set(given.tolist())
    return [split for index, split in enumerate(SPLITS) if index not in present or len(present) == 1]


def shuffle_within(splits: np.ndarray) -> np.ndarray:
    """Order images by split and at random within each, so that the head of a split is a fair sample of it."""
    shuffled = np.random.default_rng(_SPLIT_SEED).permutation(len(splits))
    return shuffled[np.argsort(splits[shuffled], kind="stable")]
