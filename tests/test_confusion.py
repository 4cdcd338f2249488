"""Counts, rates and tests of significance agree with values worked out by hand."""

from math import comb

import numpy as np
import pytest

from helpers import confusion

LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
PREDICTED = np.array([0, 0, 1, 1, 1, 1, 2, 2, 2, 0])
NAMES = ("angry", "disgust", "fear")


def test_the_matrix_counts_true_classes_in_rows() -> None:
    counts = confusion.matrix(LABELS, PREDICTED, 3)
    assert counts.tolist() == [[2, 2, 0], [0, 2, 0], [1, 0, 3]]
    assert confusion.matrix(LABELS, PREDICTED, 4).shape == (4, 4)  # a class without images keeps its place


def test_row_shares_sum_to_one_where_there_are_images() -> None:
    shares = confusion.row_shares(np.array([[3, 1], [0, 0]]))
    assert shares.tolist() == [[0.75, 0.25], [0, 0]]


def test_rates_follow_from_the_matrix() -> None:
    report = confusion.class_report(LABELS, PREDICTED, NAMES).set_index("class")
    assert report.loc["angry", "recall"] == pytest.approx(2 / 4)
    assert report.loc["angry", "precision"] == pytest.approx(2 / 3)
    assert report.loc["disgust", "f1"] == pytest.approx(2 * 0.5 * 1 / 1.5)
    assert report["images"].tolist() == [4, 2, 4]


def test_pairs_come_by_falling_share_and_leave_the_diagonal_out() -> None:
    pairs = confusion.most_confused(confusion.matrix(LABELS, PREDICTED, 3), NAMES)
    assert [(pair.true, pair.predicted, pair.count, pair.share) for pair in pairs] == [
        ("angry", "disgust", 2, 0.5),
        ("fear", "angry", 1, 0.25),
    ]


def test_the_interval_is_wilsons() -> None:
    # Wilson's interval for 8 of 10, with z = 1.959964, worked out from the formula.
    z, n, share = 1.959964, 10, 0.8
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    interval = confusion.accuracy_interval(np.zeros(10, int), np.array([0] * 8 + [1] * 2))
    assert interval.value == 0.8
    assert (interval.low, interval.high) == (
        pytest.approx(centre - half, abs=1e-6),
        pytest.approx(centre + half, abs=1e-6),
    )


def test_the_interval_holds_the_truth_in_about_95_of_100_cases() -> None:
    random, hits = np.random.default_rng(0), 0
    for _ in range(400):
        interval = confusion.accuracy_interval(np.zeros(200, int), (random.random(200) > 0.7).astype(int))
        hits += interval.low <= 0.7 <= interval.high
    assert 0.92 <= hits / 400 <= 0.98
    assert not 0.92 <= 0.8 <= 0.98  # an 80 % interval would be noticed


def test_mcnemar_is_the_exact_binomial_test_on_the_images_that_differ() -> None:
    labels = np.zeros(20, int)
    first, second = np.zeros(20, int), np.zeros(20, int)
    first[:1], second[1:8] = 1, 1  # one image that only the second gets right, seven that only the first does
    expected = 2 * sum(comb(8, k) for k in (0, 1)) / 2**8
    assert confusion.mcnemar(labels, first, second) == pytest.approx(expected)
    assert confusion.mcnemar(labels, first, first) == 1.0


def test_a_comparison_names_who_is_better() -> None:
    compared = confusion.compare(LABELS, LABELS, PREDICTED)
    assert compared.difference == pytest.approx(0.3)
    assert (compared.only_first, compared.only_second) == (3, 0)


def test_symmetry_tells_likeness_from_one_way_mistakes() -> None:
    mutual = np.array([[5, 4, 1], [4, 5, 1], [1, 1, 8]])
    one_way = np.array([[5, 5, 0], [0, 10, 0], [3, 0, 7]])
    assert confusion.symmetry(mutual) == pytest.approx(1)
    assert confusion.symmetry(one_way) < 0.5
    assert confusion.symmetry(np.eye(3, dtype=int)) == 0


def test_confident_mistakes_come_first() -> None:
    probabilities = np.array([[0.4, 0.6], [0.1, 0.9], [0.9, 0.1], [0.2, 0.8]])
    mistakes = confusion.confident_mistakes(probabilities, np.array([0, 0, 0, 1]), true=0, predicted=1, top=5)
    assert mistakes.tolist() == [1, 0]


def test_the_recall_of_a_class_has_an_interval_of_its_own() -> None:
    interval = confusion.recall_interval(np.array([[8, 2], [1, 9]]), 0)
    assert interval == confusion.accuracy_interval(np.zeros(10, int), np.array([0] * 8 + [1] * 2))


def test_an_accuracy_of_no_images_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        confusion.accuracy_interval(np.array([], int), np.array([], int))
