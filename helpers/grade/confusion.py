"""Which classes are predicted for which: the confusion matrix, its rates, and how sure a measured share is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact
from scipy.stats import norm as normal
from scipy.stats import t as student
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from helpers.base.words import Said, said, some
from helpers.grade.shifts import Falls as Falls
from helpers.grade.shifts import answers_to_moved as answers_to_moved
from helpers.grade.shifts import compare_falls as compare_falls
from helpers.networks.shares import Interval, share_interval
from helpers.networks.shares import balanced_accuracy as balanced_accuracy

# Which accuracies are called different or not, in all notebooks together: what Holm's correction is over.
CLAIMS = (
    *("ensemble", "four_crops", "dnn", "dnn_of_smaller", "augmentation", "per_image_normalization"),
    *("batch_normalization", "batch_normalization_alone"),
)
COUNTED = len(CLAIMS) + 1  # and one on what moving the images costs, which is no difference of two accuracies
LEAST_P = 0.001  # smaller p-values are told as smaller than this
Rule = tuple[float, float]  # the smallest difference of interest, in points, and the p-value below which it is one
RULE = (1.0, 0.05)
_ENDS = 2  # classes with the highest and with the lowest recall that are named where there are too many


@dataclass(frozen=True)
class ConfusedPair:
    """A true class, the other class that is predicted for it, and how often."""

    true: str
    predicted: str
    count: int
    share: float  # of all images of the true class


def accuracy_interval(labels: np.ndarray, predicted: np.ndarray) -> Interval:
    """Give the share of correct predictions, with its 95 % interval; of several trainings, their mean.

    labels: (N,) int; predicted: (N,) int, or (trainings, N). Of one training the interval is Wilson's (1927), of
    several that of `compare`, over trainings and images. Raises ValueError when there are no images.
    """
    predicted = np.atleast_2d(predicted)
    if len(predicted) == 1 or not len(labels):
        return share_interval(int(np.sum(labels == predicted)), len(labels))
    mean = compare(labels, predicted, np.full(len(labels), -1))  # who is never right
    return Interval(mean.difference, max(0.0, mean.low), mean.high)


def recall_interval(counts: np.ndarray, label: int) -> Interval:
    """Give the recall of one class, with Wilson's 95 % interval; raises ValueError when it has no images."""
    return share_interval(int(counts[label, label]), int(counts[label].sum()))


def recall_words(counts: np.ndarray, class_names: Sequence[str], most: int = 6) -> list[Said]:
    """Say every class's recall with its 95 % interval, the best first; of more than `most`, a few of both ends."""
    images = counts.sum(axis=1)
    there = [label for label in np.argsort(-np.diag(row_shares(counts)), kind="stable") if images[label]]
    told = [said("differences.recall", name=class_names[k], **asdict(recall_interval(counts, k))) for k in there]
    if len(told) <= most:
        return told
    return [*told[:_ENDS], said("differences.between", count=len(told) - 2 * _ENDS), *told[-_ENDS:]]


def extremes(report: pd.DataFrame, most: int) -> pd.DataFrame:
    """Of a report on more classes than `most`, keep those with the highest and those with the lowest recall."""
    if len(report) <= most:
        return report
    ranked = report.sort_values("recall", ascending=False, kind="stable", ignore_index=True)
    return pd.concat([ranked.head(most // 2), ranked.tail(most // 2)], ignore_index=True)


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
    """List the pairs of different classes that are confused, by falling share of the true class's images, and count."""
    shares = row_shares(counts)
    pairs = [
        ConfusedPair(class_names[i], class_names[j], int(counts[i, j]), float(shares[i, j]))
        for i, j in np.argwhere(counts > 0)
        if i != j
    ]
    return sorted(pairs, key=lambda pair: (-pair.share, -pair.count))[:top]


def pair_table(pairs: Sequence[ConfusedPair]) -> pd.DataFrame:
    """Tabulate confused pairs with the 95 % interval of each share, one row a pair. Wilson, 1927."""
    intervals = [share_interval(pair.count, round(pair.count / pair.share)) for pair in pairs]
    return pd.DataFrame([{**asdict(pair), "low": one.low, "high": one.high} for pair, one in zip(pairs, intervals)])


def symmetry(counts: np.ndarray) -> float:
    """Correlate each pair's share with that of the reverse pair, -1..1; zero when the shares do not vary."""
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
    shown = counts.tolist() if len(class_names) <= 20 else None
    return {"classes": list(class_names), "counts": shown, "sheets": sheets}


@dataclass(frozen=True)
class Comparison:
    """How two networks, or two ways to train one, differ on the same images; shares in -1..1."""

    difference: float  # accuracy of the first minus accuracy of the second
    low: float  # of the paired 95 % interval of the difference
    high: float
    p_value: float  # two-sided, of the same interval: at the level 1 - p it touches zero
    trainings: int  # of whichever of the two was trained less often


def compare(labels: np.ndarray, first: np.ndarray, second: np.ndarray, paired: bool = False) -> Comparison:
    """Compare the predictions of two networks for the same images, or those of several trainings each.

    labels: (N,) int; first, second: (N,) int, or (trainings, N). The standard error is that of a mixed bootstrap, of
    images and of trainings (of which one less is drawn than there are: Rao and Wu, 1988), in closed form; to draw both
    at once would count anew what is peculiar to one network and one image (Owen, 2007). Two images of half the weight,
    on which each is right alone, hold the level where few images differ (Agresti and Min, 2005), and Student's t with
    Satterthwaite's degrees of freedom where there are few trainings. With one training each, the interval is of these
    two networks and not of ways to train. paired: whether trainings at the same place belong together, as by a seed.
    """
    right = [(np.atleast_2d(predicted) == labels).astype(float) for predicted in (first, second)]
    apart, count = right[0].mean(axis=0) - right[1].mean(axis=0), len(labels)
    centre = apart.sum() / (count + 2)
    parts = [(((apart @ apart + 1) / (count + 2) - centre**2) / (count + 2), max(1, count - 1))]
    means = [each.mean(axis=1) for each in right]
    means = [means[0] - means[1]] if paired else means
    parts += [(each.var(ddof=1) / len(each), len(each) - 1) for each in means if len(each) > 1]
    variance = sum(part for part, _ in parts)
    spread = student(variance**2 / sum(part**2 / freedom for part, freedom in parts))
    reach = spread.ppf(0.975) * variance**0.5
    p_value = 2 * float(spread.sf(abs(centre) / variance**0.5))
    low, high = np.clip([centre - reach, centre + reach], -1, 1).tolist()
    return Comparison(float(apart.mean()), low, high, p_value, min(map(len, right)))


def holm(p_values: Sequence[float], claims: int = 0) -> list[float]:
    """Correct p-values for so many claims, or as many as there are p-values: Holm, 1979.

    Where there are more claims than p-values, the others count as if their p-values were 1. Holm's method never rejects
    less when a p-value falls, so what is rejected in parts of a family is also rejected in the whole.
    """
    claims, worst, corrected = max(claims, len(p_values)), 0.0, [1.0] * len(p_values)
    for rank, place in enumerate(np.argsort(p_values, kind="stable").tolist()):
        worst = max(worst, min(1.0, (claims - rank) * p_values[place]))
        corrected[place] = worst
    return corrected


@dataclass(frozen=True)
class Verdict:
    """What may be said of a difference: the kind of claim, the numbers of its sentence, in points, and the sentence."""

    key: str
    values: dict[str, float]
    said: Said


def judge(
    compared: Mapping[str, Comparison],
    smallest: float,
    significance: float = 0.05,
    epochs: Mapping[str, int] | None = None,
) -> dict[str, Verdict]:
    """Say of each difference of a notebook what may be claimed: the one rule for accuracies of this report.

    compared: by a name of CLAIMS; smallest: the smallest difference of interest, in points; epochs: after how many each
    was measured, if that is known. A name of networks that were trained several times stands for a way to train, and of
    some that were trained once for these networks alone. Called different are two whose paired interval leaves out zero
    after Holm's correction over all CLAIMS of the report. A notebook knows its own p-values alone, so those of others
    count as 1, which is conservative and needs no second pass over the report.
    "small": different, and the interval leaves out all that is of interest, or "perhaps_small": not all; "alike": not
    called different, and the interval leaves out all that is of interest; "open": neither is known. Raises ValueError
    on a name that CLAIMS does not have.
    """
    if unknown := [name for name in compared if name not in CLAIMS]:
        raise ValueError(f"{unknown[0]!r} is none of the report's claims: add it to CLAIMS, so that it is corrected.")
    corrected = zip(compared, holm([one.p_value for one in compared.values()], COUNTED))
    after = dict.fromkeys(compared, 0) | dict(epochs or {})
    said_of = {name: _what(name, one, after[name]) for name, one in compared.items()}
    return {name: _verdict(said_of[name], compared[name], p, smallest, significance) for name, p in corrected}


def _what(name: str, one: Comparison, epochs: int) -> Said:
    ways = one.trainings > 1
    what = said(f"differences.trained.{name}", count=one.trainings) if ways else said(f"differences.compared.{name}")
    return said("differences.after", what=what, epochs=epochs) if epochs else what


def _verdict(what: Said, one: Comparison, p_value: float, smallest: float, significance: float) -> Verdict:
    points = {"points": 100 * one.difference, "low": 100 * one.low, "high": 100 * one.high}
    within = max(abs(points["low"]), abs(points["high"])) < smallest
    sure = "different" if abs(points["points"]) >= smallest else "small" if within else "perhaps_small"
    key = sure if p_value < significance else "alike" if within else "open"
    p = said("differences.p", value=p_value) if p_value >= LEAST_P else said("differences.p_below", value=LEAST_P)
    values = points | ({"smallest": smallest} if key not in ("different", "open") else {})
    return Verdict(key, values, said(f"differences.{key}", what=what, p=p, **values))


@dataclass(frozen=True)
class Extreme:
    """A class or a pair with the highest or lowest share, and those whose share cannot be told from it."""

    name: str | Said
    share: Interval
    images: int
    tied: Sequence[str | Said]
    smallest: float  # points by which it is not sure to differ from those

    @property
    def others(self) -> Sequence[str | Said] | Said:
        """The first few that cannot be told from it, or that there are none."""
        return some(self.tied) or said("differences.none")

    def told(self, key: str) -> Said:
        """Say it in the words `differences.<key>`, or those for one that cannot be told from others."""
        tied = {"tied": some(self.tied), "smallest": self.smallest} if self.tied else {}
        values = {"name": self.name, "images": self.images, **asdict(self.share), **tied}
        return said(f"differences.{key}{'_tied' if tied else ''}", **values)


def extreme_recall(counts: np.ndarray, class_names: Sequence[str], sign: int, rule: Rule = RULE) -> Extreme:
    """Find the class with the highest (sign 1) or lowest (-1) recall, and those that cannot be told from it.

    Told from it is, by the `rule`, a class whose recall is so many points away and whose difference has such a p-value
    (Fisher's exact test), corrected over the other classes (Holm). Raises ValueError where no class has images.
    """
    there = np.flatnonzero(counts.sum(axis=1)).tolist()
    shares = [(int(counts[label, label]), int(counts[label].sum())) for label in there]
    return _extreme([class_names[label] for label in there], shares, sign, rule)


def most_often(pairs: Sequence[ConfusedPair], rule: Rule = RULE) -> Extreme:
    """Find the largest share of all confused pairs as `extreme_recall` does; two pairs of one true class are paired."""
    shares = [(pair.count, round(pair.count / pair.share)) for pair in pairs]
    names = [said("differences.pair", true=pair.true, predicted=pair.predicted) for pair in pairs]
    return _extreme(names, shares, 1, rule, [pair.true for pair in pairs])


def _extreme(
    names: Sequence[str | Said], shares: list[tuple[int, int]], sign: int, rule: Rule, rows: Sequence[str] = ()
) -> Extreme:
    if not names:
        raise ValueError("The highest share needs at least one class with images.")
    values = [100 * count / images for count, images in shares]
    # of equal ones the first is the highest and the last the lowest, so that these are two
    first = max(range(len(names))[::sign], key=lambda place: sign * values[place])
    others = [place for place in range(len(names)) if place != first]
    paired = [bool(rows) and rows[place] == rows[first] for place in others]
    corrected = holm([_share_p(shares[first], shares[place], one) for place, one in zip(others, paired)])
    same = [p >= rule[1] or abs(values[first] - values[place]) < rule[0] for place, p in zip(others, corrected)]
    tied = [names[place] for place, one in zip(others, same) if one]
    return Extreme(names[first], share_interval(*shares[first]), shares[first][1], tied, rule[0])


@cache  # of many pairs of classes, many have the same counts
def _share_p(first: tuple[int, int], second: tuple[int, int], paired: bool) -> float:
    """Test whether two shares, (count, images) each, differ; paired: two answers to the same images."""
    if paired:
        difference = first[0] - second[0]
        variance = first[0] + second[0] + 1 - difference**2 / (first[1] + 2)
        return 2 * float(normal.sf(abs(difference) / variance**0.5))
    return float(fisher_exact(np.array([(count, images - count) for count, images in (first, second)])).pvalue)


def accuracy_table(
    labels: np.ndarray, probabilities: Mapping[str, np.ndarray], without_twin: np.ndarray | None = None
) -> pd.DataFrame:
    """Give each network's accuracy on the same images, with its 95 % interval, one row a network.

    labels: (N,) int; probabilities: by name of the network, (N, classes), or (trainings, N, classes), of which the
    mean is given; without_twin: (N,) bool, the images that are identical to no training image. Where some are, three
    more columns give the accuracy on the others.
    """
    told_apart = without_twin is not None and not without_twin.all()
    rows = []
    for name, given in probabilities.items():
        predicted = given.argmax(axis=-1)
        row: dict[str, str | float | None] = {"network": name, **_columns(labels, predicted, "")}
        if told_apart:
            row.update(_columns(labels[without_twin], predicted[..., without_twin], "twin-free "))
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
