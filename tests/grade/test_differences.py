"""A difference is claimed by one rule: a paired interval that leaves out zero, after Holm's correction."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binomtest

from helpers.base.words import said
from helpers.grade import confusion
from helpers.grade.confusion import CLAIMS, Comparison, compare, holm, judge

LABELS = np.zeros(2000, int)


def differing(images: int, only_first: int, only_second: int) -> Comparison:
    """Compare two classifiers that are both right on half of the images, apart from these."""
    first, second = np.arange(images) % 2, np.arange(images) % 2
    wrong = np.flatnonzero(first)
    first[wrong[:only_first]] = 0
    second[wrong[only_first : only_first + only_second]] = 0
    return compare(np.zeros(images, int), first, second)


def draw(random: np.random.Generator, images: int, shift: float = 0.0, trainings: int = 1, spread: float = 0.0):
    """Draw the answers, 0 where right, of a network trained so often to images some of which are harder."""
    hard = np.random.default_rng(int(random.integers(2**31))).normal(1, 6, images)

    def network(better: float) -> np.ndarray:
        skill = hard + better + random.normal(0, spread, (trainings, 1)) if spread else hard + better
        return (random.random((trainings, images)) > 1 / (1 + np.exp(-skill))).astype(int)

    return network(shift), network(0.0)


def share_called_different(times: int, called: Callable[[np.ndarray, np.ndarray], bool], **drawn) -> float:
    random = np.random.default_rng(0)
    return float(np.mean([called(*draw(random, **drawn)) for _ in range(times)]))


def different(first: np.ndarray, second: np.ndarray) -> bool:
    return compare(np.zeros(first.shape[-1], int), first, second).p_value < 0.05


def test_equal_networks_are_called_different_in_about_one_of_twenty_cases() -> None:
    assert 0.02 <= share_called_different(200, different, images=1200) <= 0.085
    assert share_called_different(200, different, images=60) <= 0.085


def test_ways_to_train_that_are_equal_are_not_told_apart_by_the_luck_of_their_seeds() -> None:
    several = {"images": 1200, "trainings": 3, "spread": 0.25}
    assert share_called_different(200, different, **several) <= 0.085
    assert (
        share_called_different(200, different, **(several | {"trainings": 1})) > 0.2
    )  # which says only "this network"


def test_a_true_difference_is_found_more_often_than_with_an_unpaired_margin_as_a_second_condition() -> None:
    def with_margin(first: np.ndarray, second: np.ndarray) -> bool:
        only = [int(np.sum(a < b)) for a, b in ((first, second), (second, first))]
        both = [confusion.accuracy_interval(np.zeros(each.size, int), each[0]) for each in (first, second)]
        margin = max((each.high - each.low) / 2 for each in both)
        apart = abs(both[0].value - both[1].value)
        return bool(binomtest(only[0], sum(only)).pvalue < 0.05) and apart > margin

    drawn = {"images": 3500, "shift": 0.27}
    paired, twofold = (share_called_different(200, one, **drawn) for one in (different, with_margin))
    assert paired > twofold + 0.1


def test_a_comparison_names_who_is_better_and_how_sure_that_is() -> None:
    found = differing(1000, only_first=60, only_second=20)
    assert found.difference == pytest.approx(0.04) and found.trainings == 1
    assert 0 < found.low < 0.04 < found.high < 0.07
    turned = differing(1000, only_first=20, only_second=60)
    assert (turned.low, turned.high) == (pytest.approx(-found.high), pytest.approx(-found.low))
    assert differing(1000, 0, 0).p_value == 1 and differing(4, 2, 0).p_value > 0.05


def test_the_p_value_is_the_level_at_which_the_interval_touches_zero_and_near_mcnemars() -> None:
    for only_first, only_second in [(30, 18), (40, 12), (9, 2)]:
        found = differing(2000, only_first, only_second)
        assert (found.low > 0) == (found.p_value < 0.05)
        exact = binomtest(only_first, only_first + only_second).pvalue
        assert exact / 3 < found.p_value <= exact * 1.05


def test_the_standard_error_is_that_of_a_bootstrap_over_images_and_one_over_seeds() -> None:
    random = np.random.default_rng(1)
    first, second = draw(random, 800, shift=0.4, trainings=4, spread=0.3)
    right = [1.0 - first, 1.0 - second]
    images = [(right[0] - right[1]).mean(0)[random.integers(0, 800, 800)].mean() for _ in range(4000)]
    seeds = [np.mean([each.mean(1)[random.integers(0, 4, 3)].mean() for each in [right[0]]]) for _ in range(4000)]
    others = [right[1].mean(1)[random.integers(0, 4, 3)].mean() for _ in range(4000)]
    error = np.sqrt(np.var(images) + np.var(seeds) + np.var(others))
    found = compare(np.zeros(800, int), first, second)
    half = (found.high - found.low) / 2
    assert 1.96 * error < half < 3.2 * error  # Student's t has few degrees of freedom here
    alone = compare(np.zeros(800, int), first[0], second[0])
    single = [(right[0][0] - right[1][0])[random.integers(0, 800, 800)].mean() for _ in range(4000)]
    assert (alone.high - alone.low) / 2 == pytest.approx(1.96 * np.std(single), rel=0.06)


def test_holms_correction_is_that_of_an_example_worked_by_hand() -> None:
    # 0.01 * 4; 0.02 * 3; 0.03 * 2, which is no less than the one before; 0.04 * 1, raised to the one before
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([0.01], claims=5) == pytest.approx([0.05])
    assert holm([]) == []


def test_holm_in_parts_of_a_family_rejects_nothing_that_holm_in_the_whole_would_not() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        p_values = (random.random(6) ** 4).tolist()
        whole = np.array(holm(p_values)) < 0.05
        parts = [*holm(p_values[:2], 6), *holm(p_values[2:], 6)]
        assert not np.any((np.array(parts) < 0.05) & ~whole)


def test_each_verdict_is_given_where_it_holds_and_in_no_other_case() -> None:
    cases = {
        "different": differing(2000, 120, 20),  # 5 points
        "small": differing(20_000, 120, 20),  # half a point, and sure
        "perhaps_small": differing(4000, 60, 24),  # 0.9 points, and sure, but perhaps 1.3
        "alike": differing(20_000, 30, 28),
        "open": differing(200, 20, 14),
    }
    for key, found in cases.items():
        verdict = judge({"dnn": found}, smallest=1.0)["dnn"]
        assert verdict.key == key
        assert verdict.values["points"] == pytest.approx(100 * found.difference)
        assert f"{verdict.values['points']:+.1f} points" in str(verdict.said) and "This CNN" in str(verdict.said)
        assert ("may be chance" in str(verdict.said)) == (key in ("alike", "open"))
        assert ("but less than the 1 point that matters" in str(verdict.said)) == (key == "small")
        assert ("but it may be less than the 1 point that" in str(verdict.said)) == (key == "perhaps_small")
        assert " 1 points" not in str(verdict.said) and "(corrected p " in str(verdict.said)
        assert ("(corrected p < 0.001)" in str(verdict.said)) == (key not in ("alike", "open"))


def test_what_one_claim_would_make_a_difference_is_none_among_the_claims_of_the_report() -> None:
    found = differing(1000, only_first=40, only_second=20)
    assert 0.05 / len(CLAIMS) < found.p_value < 0.05 and found.low > 0
    assert judge({"augmentation": found}, smallest=0.5)["augmentation"].key == "open"


def test_a_claim_that_the_report_does_not_count_is_refused() -> None:
    with pytest.raises(ValueError, match="'another' is none of the report's claims"):
        judge({"another": differing(100, 9, 1)}, smallest=1.0)


def test_the_best_class_is_named_only_where_the_next_is_told_from_it() -> None:
    names = ("a", "b", "c")
    sure = np.array([[190, 10, 0], [60, 140, 0], [0, 60, 140]])
    best = confusion.extreme_recall(sure, names, 1)
    assert (best.name, best.tied, best.images) == ("a", [], 200) and best.share.low > 0.9
    lowest = confusion.extreme_recall(sure, names, -1)
    assert (lowest.name, lowest.tied) == ("c", ["b"])
    alike = np.full((3, 3), 5)
    assert [confusion.extreme_recall(alike, names, sign).name for sign in (1, -1)] == ["a", "c"]  # two, even so
    few = np.array([[9, 1, 0], [30, 70, 0], [0, 30, 70]])  # of ten images, 90 % may be 70 %
    assert confusion.extreme_recall(few, names, 1).tied == ["b", "c"]
    assert confusion.extreme_recall(np.array([[5, 0], [0, 0]]), ("a", "b"), 1).tied == []


def test_one_image_makes_no_class_the_best_and_three_against_many_may() -> None:
    tiny = np.array([[1, 0], [13, 0]])  # 1 of 1 and 0 of 13, of which one is right by chance in 14 cases
    ends = [confusion.extreme_recall(tiny, ("dark", "bright"), sign) for sign in (1, -1)]
    assert [end.tied for end in ends] == [["bright"], ["dark"]]
    assert "is not clear: dark is first with 100% of its 1 test image (" in str(ends[0].told("best"))
    assert confusion.extreme_recall(np.array([[3, 0], [13, 0]]), ("dark", "bright"), 1).tied == []  # p = 0.0018


def test_the_most_confused_pair_is_named_only_where_the_next_is_told_from_it() -> None:
    names = ("a", "b", "c")

    def of(counts: list[list[int]]) -> confusion.Extreme:
        return confusion.most_often(confusion.most_confused(np.array(counts), names))

    few = of([[12, 6, 0], [30, 170, 0], [0, 30, 170]])
    assert str(few.name) == "a taken for b" and few.images == 18
    assert (few.share.low, few.share.high) == (pytest.approx(0.16, abs=0.005), pytest.approx(0.56, abs=0.005))
    assert len(few.tied) == 2
    assert of([[100, 100, 0], [30, 170, 0], [0, 30, 170]]).tied == []
    second = said("differences.pair", true="a", predicted="c")  # 35 and 25 %, of the same images
    assert of([[80, 70, 50], [30, 170, 0], [0, 30, 170]]).tied == [second]
    assert of([[110, 70, 20], [5, 195, 0], [0, 5, 195]]).tied == []


def test_a_difference_that_is_sure_but_too_small_to_matter_makes_no_class_best_and_no_pair_the_most_frequent() -> None:
    names = ("a", "b", "c")
    near = np.array([[19_500, 500, 0], [0, 19_200, 800], [900, 4000, 15_100]])  # 97.5, 96 and 75.5 %
    for smallest, tied in ((1.0, []), (2.0, ["b"]), (30.0, ["b", "c"])):
        best = confusion.extreme_recall(near, names, 1, (smallest, 0.05))
        assert (best.name, best.tied) == ("a", tied)
        assert (f"no difference of {smallest:g} points or more" in str(best.told("best"))) == (smallest > 1)
    pairs = confusion.most_confused(near, names)
    assert confusion.most_often(pairs).tied == [] and len(confusion.most_often(pairs, (17.0, 0.05)).tied) == 2
    few = np.array([[60, 40], [45, 55]])  # p = 0.03, or 0.003 by a third of the spread
    assert [confusion.extreme_recall(few, names, 1, (1.0, level)).tied for level in (0.9, 1e-9)] == [[], ["b"]]


def test_how_often_the_extremes_of_equal_classes_are_told_apart() -> None:
    random, told = np.random.default_rng(0), 0
    for _ in range(200):
        right = random.binomial(100, 0.6, 7)
        counts = np.diag(right)
        counts[:, 0] += 100 - right
        counts[0, 0], counts[0, 1] = right[0], 100 - right[0]
        told += not confusion.extreme_recall(counts, tuple("abcdefg"), 1).tied
    assert told / 200 <= 0.02


def spread_out(trainings: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the answers, 0 where right, of equal networks whose trainings turn out well or badly by luck."""
    skills = np.linspace(0.4, 0.6, trainings)  # of the second, the same in another order
    places = np.linspace(0, 1, 2000, endpoint=False)
    first = (places > skills[:, None]).astype(int)
    return first, (places > np.roll(skills, 1)[:, None]).astype(int)


@pytest.mark.parametrize("claim", sorted(set(CLAIMS) - {"ensemble", "four_crops"}))  # which are networks' own
def test_the_luck_of_a_seed_is_never_told_as_what_a_way_to_train_does(claim: str) -> None:
    once = compare(LABELS, *(each[-1] for each in spread_out(5)))
    often = compare(LABELS, *spread_out(5))
    said_once, said_often = (judge({claim: one}, smallest=1.0)[claim] for one in (once, often))
    assert said_once.key == "different" and said_often.key == "open"
    these = ("This network", "This CNN against this DNN", "The smaller CNN, which is taken apart, against a DNN")
    assert str(said_once.said).startswith(these) and "each trained" not in str(said_once.said)
    assert "each trained 5 times" in str(said_often.said) and "This " not in str(said_often.said)


def test_one_network_trained_once_is_enough_to_speak_of_this_network_alone() -> None:
    first, second = spread_out(4)
    for one, other in ((first[:1], second), (first, second[:1]), (first[0], second[0])):
        assert "This network" in str(judge({"augmentation": compare(LABELS, one, other)}, 1.0)["augmentation"].said)


def test_a_difference_says_after_how_many_epochs_where_that_is_known() -> None:
    found = {"dnn": differing(2000, 120, 20)}
    assert "after 9 epochs" in str(judge(found, 1.0, epochs={"dnn": 9})["dnn"].said)
    assert "after 1 epoch:" in str(judge(found, 1.0, epochs={"dnn": 1, "augmentation": 9})["dnn"].said)
    assert "epoch" not in str(judge(found, 1.0)["dnn"].said)


def test_the_interval_of_a_mean_over_trainings_holds_the_truth_as_often_as_it_says() -> None:
    random, held, alone = np.random.default_rng(0), 0, 0
    for _ in range(200):
        skills = np.clip(random.normal(0.6, 0.04, 5), 0, 1)
        predicted = (random.random((5, 600)) > skills[:, None]).astype(int)
        found = confusion.accuracy_interval(np.zeros(600, int), predicted)
        assert found.value == pytest.approx(1 - predicted.mean())
        held += found.low <= 0.6 <= found.high
        first = confusion.accuracy_interval(np.zeros(600, int), predicted[0])
        alone += first.low <= 0.6 <= first.high
    assert 0.91 <= held / 200 <= 0.99
    assert alone / 200 < 0.8  # of one network, the interval holds its own accuracy, not that of its kind


def test_the_table_of_accuracies_gives_the_mean_of_trainings_and_of_one_what_it_always_gave() -> None:
    labels, fresh = np.array([0, 1] * 50), np.arange(100) < 60
    wrong = np.eye(2)[1 - labels]
    wrong[:80] = np.eye(2)[labels[:80]]
    once = confusion.accuracy_table(labels, {"a": wrong}, fresh)
    assert once.equals(confusion.accuracy_table(labels, {"a": wrong[None]}, fresh))
    often = confusion.accuracy_table(labels, {"a": np.stack([wrong, np.eye(2)[labels]])}, fresh).iloc[0]
    assert often["accuracy"] == pytest.approx(0.9) and often["twin-free accuracy"] == pytest.approx(1.0)
    assert often["low"] < 0.8 and often["high"] == 1.0
