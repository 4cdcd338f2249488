"""Which classes are predicted for which: the confusion matrix, its rates, and how sure a measured share is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

_IN_CELLS = 20  # most classes whose confusion matrix is told as numbers
_ENDS = 2  # classes with the highest and with the lowest recall that are named where there are too many


@dataclass(frozen=True)
class Interval:
    """A measured share with its 95 % confidence interval, all in 0..1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ConfusedPair:
    """A true class, the other class that is predicted for it, and how often."""

    true: str
    predicted: str
    count: int
    share: float  # of all images of the true class


def accuracy_interval(labels: np.ndarray, predicted: np.ndarray) -> Interval:
    """Give the share of correct predictions, with Wilson's 95 % interval for a proportion.

    labels, predicted: (N,) int. Raises ValueError when there are no images. Wilson, 1927.
    """
    return _share_interval(int(np.sum(labels == predicted)), len(labels))


def recall_interval(counts: np.ndarray, label: int) -> Interval:
    """Give the recall of one class, with Wilson's 95 % interval; raises ValueError when it has no images."""
    return _share_interval(int(counts[label, label]), int(counts[label].sum()))


def _share_interval(count: int, images: int) -> Interval:
    if images == 0:
        raise ValueError("An accuracy needs at least one image.")
    interval = binomtest(count, images).proportion_ci(0.95, method="wilson")
    return Interval(count / images, float(interval.low), float(interval.high))


def balanced_accuracy(counts: np.ndarray) -> Interval:
    """Give the mean recall of the classes that have images, with a 95 % interval.

    counts: (classes, classes) int, a confusion matrix. Every class counts the same, however few its images. The
    interval is of the mean of independent recalls, each drawn from Jeffreys' posterior (Brodersen et al., 2010).
    Raises ValueError when there are no images.
    """
    images, right = counts.sum(axis=1), np.diag(counts)
    there = images > 0
    if not there.any():
        raise ValueError("A balanced accuracy needs at least one image.")
    random = np.random.default_rng(0)
    drawn = random.beta(right[there] + 0.5, (images - right)[there] + 0.5, (10_000, int(there.sum()))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = float((right[there] / images[there]).mean())
    return Interval(value, min(value, float(low)), max(value, float(high)))


def recall_words(counts: np.ndarray, class_names: Sequence[str], most: int = 12) -> list[str]:
    """Write every class's recall with its 95 % interval, the best first; of more than `most`, a few of both ends."""
    images = counts.sum(axis=1)
    there = [label for label in np.argsort(-np.diag(row_shares(counts)), kind="stable") if images[label]]
    intervals = {class_names[label]: recall_interval(counts, label) for label in there}
    words = [f"{name} {found.value:.0%} ({found.low:.0%} to {found.high:.0%})" for name, found in intervals.items()]
    return words if len(words) <= most else [*words[:_ENDS], f"{len(words) - 2 * _ENDS} between", *words[-_ENDS:]]


def extremes(report: pd.DataFrame, most: int) -> pd.DataFrame:
    """Of a report on more classes than `most`, keep those with the highest and those with the lowest recall."""
    if len(report) <= most:
        return report
    ranked = report.sort_values("recall", ascending=False, kind="stable", ignore_index=True)
    return pd.concat([ranked.head(most // 2), ranked.tail(most // 2)], ignore_index=True)


def mcnemar(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Test whether two classifiers differ on the same images: the exact two-sided p-value.

    labels, first, second: (N,) int. Counts the images that only one of them gets right; under no difference each is
    as likely to be that one. McNemar, 1947.
    """
    only_first = int(np.sum((first == labels) & (second != labels)))
    only_second = int(np.sum((second == labels) & (first != labels)))
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count images by true class (row) and predicted class (column): (classes, classes) int64."""
    return confusion_matrix(labels, predicted, labels=range(classes))


def row_shares(counts: np.ndarray) -> np.ndarray:
    """Divide each row of a confusion matrix by its sum; a row without images stays zero."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)


def class_report(labels: np.ndarray, predicted: np.ndarray, class_names: tuple[str, ...]) -> pd.DataFrame:
    """Give precision, recall and F1 of each class, and the number of its images, one row a class."""
    columns = precision_recall_fscore_support(labels, predicted, labels=range(len(class_names)), zero_division=0)
    return pd.DataFrame(dict(zip(["precision", "recall", "f1", "images"], columns)) | {"class": class_names})[
        ["class", "precision", "recall", "f1", "images"]
    ]


def most_confused(counts: np.ndarray, class_names: tuple[str, ...], top: int | None = None) -> list[ConfusedPair]:
    """List the pairs of different classes that are confused at all, by falling share of the true class's images."""
    shares = row_shares(counts)
    pairs = [
        ConfusedPair(class_names[i], class_names[j], int(counts[i, j]), float(shares[i, j]))
        for i, j in np.argwhere(counts > 0)
        if i != j
    ]
    return sorted(pairs, key=lambda pair: -pair.share)[:top]


def pair_table(pairs: Sequence[ConfusedPair]) -> pd.DataFrame:
    """Tabulate confused pairs with the 95 % interval of each share, one row a pair. Wilson, 1927."""
    intervals = [_share_interval(pair.count, round(pair.count / pair.share)) for pair in pairs]
    rows = [{**asdict(pair), "low": found.low, "high": found.high} for pair, found in zip(pairs, intervals)]
    return pd.DataFrame(rows)


def symmetry(counts: np.ndarray) -> float:
    """Measure how mutual confusions are: the correlation of each pair's share with that of the reverse pair, -1..1.

    Zero when the shares do not vary.
    """
    shares = row_shares(counts)
    above, below = shares[np.triu_indices_from(shares, 1)], shares.T[np.triu_indices_from(shares, 1)]
    if above.std() == 0 or below.std() == 0:
        return 0.0
    return float(np.corrcoef(above, below)[0, 1])


def confident_mistakes(
    probabilities: np.ndarray, labels: np.ndarray, true: int, predicted: int, top: int
) -> np.ndarray:
    """Give the places of images of class `true` predicted as `predicted`, most confident first: (<= top,) int64."""
    mistaken = np.flatnonzero((labels == true) & (probabilities.argmax(axis=1) == predicted))
    return mistaken[np.argsort(-probabilities[mistaken, predicted], kind="stable")][:top]


def cells(
    probabilities: np.ndarray,
    labels: np.ndarray,
    images: np.ndarray,
    class_names: tuple[str, ...],
    pairs: int = 12,
    each: int = 12,
) -> dict[str, Any]:
    """Give the counts of a confusion matrix of at most 20 classes, and images behind its most confused pairs.

    probabilities: (N, classes); labels: (N,) int; images: (N, H, W, C) uint8. Of each of `pairs` pairs, `each` images
    at most, the most confident first. What it gives is what `Answer.figure` takes as `cells`.
    """
    counts = matrix(labels, probabilities.argmax(axis=1), len(class_names))
    sheets = []
    for pair in most_confused(counts, class_names, top=pairs):
        row, column = class_names.index(pair.true), class_names.index(pair.predicted)
        chosen = confident_mistakes(probabilities, labels, row, column, each)
        sheets.append({"row": row, "column": column, "count": pair.count, "images": [images[k] for k in chosen]})
    shown = counts.tolist() if len(class_names) <= _IN_CELLS else None
    return {"classes": list(class_names), "counts": shown, "sheets": sheets}


@dataclass(frozen=True)
class Comparison:
    """How two classifiers differ on the same images."""

    difference: float  # accuracy of the first minus accuracy of the second
    p_value: float  # McNemar's exact test
    only_first: int  # images that only the first gets right
    only_second: int
    margin: float  # half the width of the wider of the two accuracies' 95 % intervals

    def is_difference(self, significance: float) -> bool:
        """Whether the two may be called different: by the paired test, and by more than either accuracy is sure to."""
        return self.p_value < significance and abs(self.difference) > self.margin


def compare(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> Comparison:
    """Compare two classifiers' predictions for the same images; all (N,) int."""
    first_right, second_right = first == labels, second == labels
    intervals = accuracy_interval(labels, first), accuracy_interval(labels, second)
    return Comparison(
        float(first_right.mean() - second_right.mean()),
        mcnemar(labels, first, second),
        int(np.sum(first_right & ~second_right)),
        int(np.sum(second_right & ~first_right)),
        max((interval.high - interval.low) / 2 for interval in intervals),
    )


def accuracy_table(
    labels: np.ndarray, probabilities: Mapping[str, np.ndarray], without_twin: np.ndarray | None = None
) -> pd.DataFrame:
    """Give each network's accuracy on the same images, with its 95 % interval, one row a network.

    labels: (N,) int; probabilities: (N, classes) by name of the network; without_twin: (N,) bool, the images that are
    identical to no training image. Where some are, three more columns give the accuracy on the others.
    """
    told_apart = without_twin is not None and not without_twin.all()
    rows = []
    for name, given in probabilities.items():
        predicted = given.argmax(axis=1)
        row: dict[str, str | float | None] = {"network": name, **_columns(labels, predicted, "")}
        if told_apart:
            row.update(_columns(labels[without_twin], predicted[without_twin], "twin-free "))
        rows.append(row)
    return pd.DataFrame(rows)


def _columns(labels: np.ndarray, predicted: np.ndarray, kind: str) -> dict[str, float | None]:
    if not len(labels):
        return dict.fromkeys([f"{kind}accuracy", f"{kind}low", f"{kind}high"])
    interval = accuracy_interval(labels, predicted)
    return {f"{kind}accuracy": interval.value, f"{kind}low": interval.low, f"{kind}high": interval.high}


def accuracy_numbers(tables: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Name every accuracy and limit of accuracy tables as a report does, such as "cnn.test_twin_free_accuracy_low".

    tables: what `accuracy_table` gives, by name of the split.
    """
    return {
        f"{_key(row['network'])}.{split}_{_number(str(column))}": value
        for split, table in tables.items()
        for row in table.to_dict("records")
        for column, value in row.items()
        if column != "network"
    }


def _key(name: str) -> str:
    return re.sub("[^a-z0-9]+", "_", name.lower())


def _number(column: str) -> str:
    kind, _, limit = column.rpartition(" ")
    accuracy = "_".join([*filter(None, [_key(kind)]), "accuracy"])
    return accuracy if limit == "accuracy" else f"{accuracy}_{limit}"
