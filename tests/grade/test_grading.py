"""All grades together: shapes, the way back from a file, what is kept, and that known orders come out as known."""

import keras
import numpy as np
import pytest
from conftest import toy_dataset
from keras import layers

from helpers.answers import Answer
from helpers.base.keeper import VALUES, fingerprint
from helpers.explain import registry
from helpers.grade import grading, insertion, lime_study, scorecard
from helpers.report.words import en

BACKGROUNDS = np.random.default_rng(1).integers(0, 256, (3, 24, 24, 1), dtype=np.uint8)
SETTINGS = grading.Settings(samples=2, steps=2, masks=8, copies=20, segments=8, randomised=6, backgrounds=BACKGROUNDS)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    pixels = keras.Input((24, 24, 1))
    tensor = layers.Rescaling(1 / 127.5, offset=-1)(pixels)
    for filters in (4, 8):
        tensor = layers.MaxPooling2D()(layers.Conv2D(filters, 3, padding="same", activation="relu")(tensor))
    model = keras.Model(pixels, layers.Dense(3, name="logits")(layers.Flatten()(tensor)))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    data = toy_dataset()
    model.fit(data.train.images, data.train.labels, 16, epochs=2, verbose=0)
    return model


@pytest.fixture(scope="module")
def grades(model) -> grading.Grades:
    test = toy_dataset().test
    evidence = np.zeros((12, 24, 24), bool)
    evidence[:6, :8, 8:16] = True
    chosen = np.arange(0, 60, 5)
    probabilities = keras.ops.softmax(model.predict(test.images[chosen], verbose=0)).numpy()
    probabilities[2:4] = [0.1, 0.2, 0.7]  # answers that are wrong
    return grading.grade(model, test.images[chosen], test.labels[chosen], probabilities, evidence, SETTINGS)


def test_there_is_a_grade_for_every_method_and_baseline(grades):
    assert list(grades.methods) == [*registry.METHODS]
    assert list(grades.names) == [*grades.methods, *insertion.BASELINES]
    count = len(grades.names)
    assert grades.areas.shape == (count, 2, 2, 12) and grades.truth.shape == (3, count, 12)
    assert grades.curves.shape == (2, count, 2, 2, insertion.STEPS + 1)
    assert next(iter(grades.layers)) == "logits" and grades.likeness.shape == (2, 13, 3)
    for values in (grades.areas, grades.curves, grades.sensitivity, grades.likeness[:, :, grades.half()]):
        assert np.isfinite(values).all()


def test_grades_do_not_depend_on_the_slices_that_fit_in_memory(model, monkeypatch):
    test, chosen = toy_dataset().test, np.arange(0, 60, 5)
    probabilities = keras.ops.softmax(model.predict(test.images[chosen], verbose=0)).numpy()
    evidence = test.images[chosen, ..., 0] > 128
    settings = grading.Settings(samples=2, steps=2, masks=8, randomised=5)
    task = model, test.images[chosen], test.labels[chosen], probabilities, evidence, settings, ["Grad-CAM", "gradient"]
    whole = grading.grade(*task)
    monkeypatch.setattr(
        grading, "chunks", lambda count, size: (slice(i, min(i + 3, count)) for i in range(0, count, 3))
    )
    for name, values in vars(grading.grade(*task)).items():
        if values.dtype.kind in "fi":
            np.testing.assert_allclose(values, getattr(whole, name), atol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(values, getattr(whole, name))


def test_means_and_areas_belong_together(grades):
    means = np.stack([grades.areas[..., chosen].mean(axis=-1) for chosen in (grades.correct, ~grades.correct)])
    np.testing.assert_allclose(np.trapezoid(grades.curves, dx=1 / insertion.STEPS, axis=-1), means, atol=1e-5)


def test_truth_counts_for_right_answers_with_evidence_only(grades):
    present = np.isfinite(grades.truth).all(axis=(0, 1))
    np.testing.assert_array_equal(present, grades.correct & (np.arange(12) < 6))
    np.testing.assert_array_equal(np.isfinite(grades.chance), present)


def test_grades_come_back_from_their_file(grades):
    again = VALUES.read(VALUES.write(grades))
    for name, values in vars(grades).items():
        np.testing.assert_array_equal(getattr(again, name), values)


def test_grades_come_out_the_same_again_without_evidence_too(model, grades):
    test, chosen = toy_dataset().test, np.arange(0, 60, 5)
    probabilities = keras.ops.softmax(model.predict(test.images[chosen], verbose=0)).numpy()
    task = model, test.images[chosen], test.labels[chosen], probabilities, None, SETTINGS, ["gradient", "Grad-CAM"]
    first, again = grading.grade(*task), grading.grade(*task)
    assert fingerprint(first) == fingerprint(again) and not first.knows_truth()
    assert "mass" not in scorecard.table(first)
    assert len(scorecard.sentences(first)) < len(scorecard.sentences(grades))


def test_the_study_of_lime_covers_the_cut_that_is_graded():
    assert grading.Settings().segments in lime_study.SEGMENTS


def made_up(scores: dict[str, np.ndarray], likeness: float = 0.2) -> grading.Grades:
    """Make grades of which insertion less deletion is given image by image."""
    names = [*scores, *insertion.BASELINES]
    values = np.array([*scores.values(), *np.zeros((3, 40))], np.float32)
    areas = np.stack([np.stack([values, 0 * values], axis=1)] * 2, axis=1)
    return grading.Grades(
        methods=np.array([*scores]),
        names=np.array(names),
        correct=np.arange(40) < 30,
        areas=areas,
        curves=np.zeros((2, len(names), 2, 2, 49)),
        layers=np.array(["logits", "conv"]),
        likeness=np.full((2, len(scores), 2), likeness, np.float32),
        sensitivity=np.zeros(len(scores), np.float32),
        few=np.array(6),
        truth=np.full((3, len(names), 40), np.nan),
        chance=np.full(40, np.nan),
    )


class TestScorecard:
    random = np.random.default_rng(0).normal(0, 0.1, 40)

    def test_worse_than_the_edge_map_is_said_to_be_worse(self, tmp_path):
        grades = made_up({"good": 0.3 + self.random, "bad": self.random - 0.3, "blank": self.random - self.random})
        assert list(scorecard.table(grades)["to edges"]) == ["better", "worse", "level", "level", "level", "–"]
        answer = Answer(tmp_path, "04_saliency_maps", "Title", "Question?")
        text = " ".join(answer.say(template, **values).text for template, values in scorecard.sentences(grades))
        assert "good is the best of 3 methods with 0.29" in text
        assert "Worse than the edge map, which has seen no network, by insertion less deletion: bad." in text
        assert "Not to be told from the edge map: blank." in text
        assert "3 of 3 methods pass it" in text

    def test_a_map_that_ignores_the_network_fails(self, tmp_path):
        grades = made_up({"only": self.random}, likeness=0.8)
        answer = Answer(tmp_path, "04_saliency_maps", "Title", "Question?")
        text = " ".join(answer.say(template, **values).text for template, values in scorecard.sentences(grades))
        assert "the maps of only still correlate at 0.80" in text and "pass it" not in text

    def test_right_and_wrong_answers_are_told_apart(self):
        values = np.where(np.arange(40) < 30, 0.5, -0.5) + self.random / 10
        groups = scorecard.differences(made_up({"split": values}))
        assert list(groups) == ["right answers (30)", "wrong answers (10)"]
        right, wrong = groups.values()
        assert right.loc["split", "low"] > 0.4 and wrong.loc["split", "high"] < -0.4
        assert right.loc["split", "low"] < right.loc["split", "value"] < right.loc["split", "high"]

    def test_without_wrong_answers_there_is_no_group_of_them(self):
        grades = made_up({"one": self.random})
        grades.correct[:] = True
        assert list(scorecard.differences(grades)) == list(scorecard.curves(grades)) == ["right answers (40)"]

    def test_curves_are_the_means_of_their_group(self, grades):
        curves = scorecard.curves(grades)
        assert [values.shape for values in curves.values()] == [(16, 4, insertion.STEPS + 1)] * 2
        assert len(scorecard.PANELS) == 4
        np.testing.assert_array_equal(next(iter(curves.values()))[:, 2], grades.curves[0, :, 1, 0])

    def test_the_caption_names_the_grade_of_what_is_shown(self, tmp_path):
        grades = made_up({"good": 0.3 + 0 * self.random, "bad": 0 * self.random})
        answer = Answer(tmp_path, "04_saliency_maps", "Title", "Question?")
        said = answer.say("A figure. " + en.MAP_GRADES, **scorecard.caption_values(grades, "good")).text
        assert "0.30 for good, 0.00 for the edge map" in said and "weights: 0.20." in said
