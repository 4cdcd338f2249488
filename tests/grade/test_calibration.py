"""Temperature scaling finds what was done to the logits, and the error tells calibrated from overconfident."""

import numpy as np
import pytest

from helpers.grade import calibration
from helpers.networks.logits import softmax


def calibrated(count: int = 20_000, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw logits, and from their probabilities the labels: such probabilities are calibrated by construction."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, classes))
    labels = (softmax(logits).cumsum(axis=1) < random.random((count, 1))).sum(axis=1).clip(max=classes - 1)
    return logits, labels


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_the_factor_by_which_logits_were_multiplied_is_found(factor: float) -> None:
    logits, labels = calibrated()
    assert calibration.fit_temperature(softmax(logits * factor), labels) == pytest.approx(factor, rel=0.05)


def test_the_error_is_near_zero_where_probabilities_are_true_and_is_not_where_they_are_too_sure() -> None:
    logits, labels = calibrated()
    assert calibration.calibration_error(softmax(logits), labels) < 0.015
    assert calibration.calibration_error(softmax(logits * 3), labels) > 0.08


def test_the_error_is_what_a_hand_works_out() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    # two answers at 0.9, one right: a gap of 0.4; two at 0.6, both right: a gap of 0.4 the other way
    assert calibration.calibration_error(probabilities, np.array([0, 1, 0, 1]), bins=10) == pytest.approx(0.4)


def test_no_answer_changes_and_the_temperature_of_calibrated_ones_is_one() -> None:
    logits, labels = calibrated(2000)
    raw = softmax(logits * 4)
    temperature = calibration.fit_temperature(raw, labels)
    after = calibration.calibrate(raw, temperature)
    np.testing.assert_array_equal(after.argmax(axis=1), raw.argmax(axis=1))
    np.testing.assert_allclose(after.sum(axis=1), 1, rtol=1e-5)
    assert calibration.fit_temperature(after, labels) == pytest.approx(1, abs=0.01)


def test_where_all_answers_are_right_no_temperature_is_made_up() -> None:
    raw = softmax(np.eye(3) * 4)
    assert calibration.fit_temperature(raw, np.arange(3)) == 1
    np.testing.assert_allclose(calibration.calibrate(raw, 1.0), raw, rtol=1e-5)


def test_the_table_claims_a_lower_error_only_where_it_is_lower() -> None:
    logits, labels = calibrated(3000)
    better = calibration.error_table(softmax(logits * 3), labels, 3.0, seed=0, resamples=200)
    assert better.loc[calibration.LOWER, "low"] > 0.05
    assert better.loc[calibration.CALIBRATED, "value"] < better.loc[calibration.FLOOR, "high"]
    same = calibration.error_table(softmax(logits), labels, 1.0, seed=0, resamples=200)
    assert same.loc[calibration.LOWER].abs().max() < 1e-6
    assert (same["low"] <= same["value"]).all() and (same["value"] <= same["high"]).all()


EFFECTS = "error falls from", "error rises from", "makes no difference that can be told", "no temperature can be chosen"


@pytest.mark.parametrize(
    ("factor", "temperature", "images", "place"), [(3, 3, 2000, 0), (1, 3, 2000, 1), (1, 1.1, 40, 2), (1, 1, 2000, 3)]
)
def test_the_sentence_says_no_more_than_the_interval(factor: int, temperature: float, images: int, place: int) -> None:
    logits, labels = calibrated(images)
    errors = calibration.error_table(softmax(logits * factor), labels, temperature, seed=0, resamples=100)
    told = str(calibration.sentence(errors, temperature))
    assert [effect for effect in EFFECTS if effect in told] == [EFFECTS[place]]


def test_the_diagram_accounts_for_every_image() -> None:
    logits, labels = calibrated(2000)
    found = calibration.reliability(softmax(logits * 3), labels)
    assert found["images"].sum() == 2000
    right = (found["accuracy"] * found["images"]).sum() / 2000
    assert right == pytest.approx((logits.argmax(axis=1) == labels).mean())
    gap = (found["confidence"] - found["accuracy"]).abs()
    assert (gap * found["images"]).sum() / 2000 == pytest.approx(
        calibration.calibration_error(softmax(logits * 3), labels)
    )
