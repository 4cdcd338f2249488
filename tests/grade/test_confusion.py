"""Counts, rates and tests of significance agree with values worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from helpers.grade import confusion

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


def test_of_pairs_with_the_same_share_those_of_more_images_come_first() -> None:
    first, second = confusion.most_confused(np.array([[0, 1, 0], [0, 0, 3], [0, 0, 2]]), NAMES)
    assert (first.true, first.count, second.true, second.count) == ("disgust", 3, "angry", 1)


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


def test_an_accuracy_table_tells_images_without_twins_apart_where_there_are_twins() -> None:
    labels, right = np.zeros(8, int), np.eye(2)[[0, 0, 0, 0, 0, 1, 1, 1]]
    alone = np.array([False, False, True, True, True, True, True, True])
    table = confusion.accuracy_table(labels, {"CNN": right}, alone)
    assert table["accuracy"][0] == 5 / 8 and table["twin-free accuracy"][0] == 3 / 6
    assert table["twin-free low"][0] < 3 / 6 < table["twin-free high"][0]
    for nothing_to_tell in (None, np.ones(8, bool)):
        columns = confusion.accuracy_table(labels, {"CNN": right}, nothing_to_tell).columns
        assert [*columns] == ["network", "accuracy", "low", "high"]
    assert confusion.accuracy_table(labels, {"CNN": right}, np.zeros(8, bool))["twin-free accuracy"].isna().all()


def test_numbers_are_named_after_network_split_and_kind() -> None:
    table = confusion.accuracy_table(np.zeros(4, int), {"member 2": np.eye(2)[[0, 0, 0, 1]]}, np.arange(4) > 0)
    numbers = confusion.accuracy_numbers({"test": table})
    assert [*numbers] == [
        f"member_2.test_{kind}accuracy{limit}" for kind in ("", "twin_free_") for limit in ("", "_low", "_high")
    ]
    assert numbers["member_2.test_accuracy"] == 3 / 4 and numbers["member_2.test_twin_free_accuracy"] == 2 / 3


def test_a_pair_comes_with_the_interval_of_its_share() -> None:
    counts = confusion.matrix(LABELS, PREDICTED, 3)
    table = confusion.pair_table(confusion.most_confused(counts, NAMES))
    expected = confusion.accuracy_interval(np.zeros(4, int), np.array([0, 0, 1, 1]))
    assert (table["low"][0], table["high"][0]) == (expected.low, expected.high)
    assert (table["low"] < table["share"]).all() and (table["share"] < table["high"]).all()


def test_the_balanced_accuracy_counts_every_class_the_same_and_leaves_out_those_without_images() -> None:
    counts = np.array([[900, 100, 0], [8, 2, 0], [0, 0, 0]])
    found = confusion.balanced_accuracy(counts)
    assert found.value == pytest.approx((0.9 + 0.2) / 2)
    assert found.low < found.value < found.high
    assert found.high - found.low > 2 * 0.05  # one class has ten images, however many the other has
    with pytest.raises(ValueError, match="at least one image"):
        confusion.balanced_accuracy(np.zeros((2, 2), int))


def test_the_interval_of_the_balanced_accuracy_holds_the_truth_as_often_as_it_says() -> None:
    random, images, recalls = np.random.default_rng(0), np.array([200, 30, 12]), np.array([0.9, 0.6, 0.3])
    held = 0
    for right in random.binomial(images, recalls, (400, 3)):
        counts = np.diag(right)
        counts[0, 1:], counts[1:, 0] = (images[0] - right[0], 0), images[1:] - right[1:]
        found = confusion.balanced_accuracy(counts)
        held += found.low <= recalls.mean() <= found.high
    assert 0.92 < held / 400 < 0.985


def test_of_many_classes_both_ends_are_kept() -> None:
    counts = np.diag(np.arange(30)) + np.eye(30, k=1, dtype=int) * 5
    names = tuple(f"class {label}" for label in range(30))
    words = [str(said) for said in confusion.recall_words(counts, names, most=4)]
    assert [word.split()[1] for word in words] == ["29", "28", "classes", "1", "0"] and words[2] == "26 classes between"
    report = pd.DataFrame({"class": names, "recall": np.arange(30) / 30})
    assert confusion.extremes(report, 4)["class"].tolist() == ["class 29", "class 28", "class 1", "class 0"]
    assert confusion.extremes(report, 30) is report


def test_cells_have_the_most_confident_images_of_the_most_confused_pairs() -> None:
    probabilities = np.full((10, 3), 0.1)
    probabilities[np.arange(10), PREDICTED] = 0.5
    probabilities[3, 1] = 0.9
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    cells = confusion.cells(probabilities, LABELS, images, NAMES, each=1)
    assert cells["counts"] == [[2, 2, 0], [0, 2, 0], [1, 0, 3]]
    found = [
        (each["row"], each["column"], each["count"], [image.item() for image in each["images"]])
        for each in cells["sheets"]
    ]
    assert found == [(0, 1, 2, [3]), (2, 0, 1, [9])]
    assert len(confusion.cells(probabilities, LABELS, images, NAMES, pairs=1)["sheets"]) == 1
    assert confusion.cells(np.eye(30)[PREDICTED], LABELS, images, tuple(map(str, range(30))))["counts"] is None
