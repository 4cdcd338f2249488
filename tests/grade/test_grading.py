"""All grades together: shapes, the way back from a file, what is kept, and that known orders come out as known."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import toy_dataset
from keras import layers

from helpers.answers import Answer
from helpers.base.keeper import VALUES, fingerprint
from helpers.explain import registry, saliency
from helpers.grade import grading, insertion, lime_study, sanity, scorecard
from helpers.grade.ranking import kendalls_w

BACKGROUNDS = np.random.default_rng(1).integers(0, 256, (3, 24, 24, 1), dtype=np.uint8)
SETTINGS = grading.Settings(
    samples=2, steps=2, masks=8, copies=20, segments=8, randomised=6, draws=3, backgrounds=BACKGROUNDS
)


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
    images = test.images[chosen]
    redrawn = images[:, ::-1], images[:, :, ::-1]
    return grading.grade(model, images, test.labels[chosen], probabilities, evidence, SETTINGS, redrawn=redrawn)


def test_there_is_a_grade_for_every_method_and_baseline(grades):
    assert list(grades.methods) == [*registry.METHODS]
    assert list(grades.names) == [*grades.methods, *insertion.BASELINES]
    assert list(grades.substrates) == ["blur", "mean", grading.SAME_IMAGE]
    count = len(grades.names)
    assert grades.gains.shape == (count, 3, 2, 2, 12) and grades.evidence.shape == (4, count, 12)
    assert grades.curves.shape == (2, count, 3, 2, insertion.STEPS + 1)
    assert next(iter(grades.layers)) == "logits" and grades.likeness.shape == (2, count, 3, 3)
    for values in (grades.gains, grades.curves, grades.sensitivity, grades.entropies, grades.likeness[..., -1]):
        assert np.isfinite(values).all()


def test_of_few_images_of_a_large_network_a_third_is_explained_again():
    settings = grading.Settings()
    small, large = ((48, 48, 1), 30_000_000), ((160, 160, 3), 400_000_000)
    assert [settings.again(count, *large) for count in (60, 48, 24, 6, 3)] == [16, 16, 8, 6, 6]
    assert [settings.again(count, *small) for count in (60, 48, 24, 6, 3)] == [16, 16, 16, 16, 16]


def test_mean_curves_and_gains_belong_together(grades):
    means = np.stack([grades.gains[:, :, -1, 0, chosen].mean(axis=-1) for chosen in (grades.correct, ~grades.correct)])
    areas = np.trapezoid(grades.curves, dx=1 / insertion.STEPS, axis=-1)
    np.testing.assert_allclose(areas[..., 0] - areas[..., 1], means, atol=1e-5)


def test_evidence_counts_for_right_answers_that_have_some(grades):
    present = np.isfinite(grades.evidence).all(axis=(0, 1))
    np.testing.assert_array_equal(present, grades.correct & (np.arange(12) < 6))
    np.testing.assert_array_equal(np.isfinite(grades.chance), present)
    np.testing.assert_array_equal(np.isfinite(grades.proof).all(axis=0), np.arange(12) < 6)


def test_a_method_that_measures_from_a_baseline_is_graded_with_what_hides_the_pixels(model, grades):
    """Its gain where the mean hides the pixels is that of the map that it makes from the mean."""
    test, chosen = toy_dataset().test, np.arange(0, 60, 5)
    images, place = test.images[chosen], list(grades.names).index("gradient × input")
    classes = model.predict(images, verbose=0).argmax(axis=1)
    asked = np.flatnonzero((classes == test.labels[chosen]) & grades.correct)
    maps = {kind: saliency.gradient_times_input(model, images, classes, kind) for kind in insertion.SUBSTRATES}
    ranks = {kind: insertion.pixel_ranks(values, 0) for kind, values in maps.items()}
    found = insertion.insertion_deletion(model, images, classes, ranks, insertion.substrate(images, "mean"))
    gains = {kind: curves.gains()[-1, 0, asked] for kind, curves in found.items()}
    apart = {kind: np.abs(grades.gains[place, 1, -1, 0, asked] - found).mean() for kind, found in gains.items()}
    assert apart["mean"] < apart["blur"] / 3


def test_a_random_map_changes_with_the_weights_and_what_has_not_seen_the_network_does_not(grades):
    words = sanity.verdicts(grades.likeness[0, :, :, grades.half()])[-3:]
    assert list(words) == [sanity.CHANGES, sanity.STAYS, sanity.STAYS]
    rise = (grades.entropies[1] - grades.entropies[0])[-3:]
    assert np.abs(rise[0]).max() < 0.2 and not rise[1:].any()


def test_grades_come_back_from_their_file(grades):
    again = VALUES.read(VALUES.write(grades))
    for name, values in vars(grades).items():
        np.testing.assert_array_equal(getattr(again, name), values)


def test_grades_come_out_the_same_again_without_evidence_too(model, grades):
    test, chosen = toy_dataset().test, np.arange(0, 60, 5)
    probabilities = keras.ops.softmax(model.predict(test.images[chosen], verbose=0)).numpy()
    task = model, test.images[chosen], test.labels[chosen], probabilities, None, SETTINGS, ["gradient", "Grad-CAM"]
    first, again = grading.grade(*task), grading.grade(*task)
    assert fingerprint(first) == fingerprint(again) and not first.knows_evidence()
    assert "mass" not in scorecard.table(first)
    assert len(scorecard.sentences(first)) < len(scorecard.sentences(grades))


def test_the_study_of_lime_covers_the_cut_that_is_graded():
    assert grading.Settings().segments in lime_study.SEGMENTS


SUBSTRATES = ("blur", "mean", grading.SAME_IMAGE)
NOISE = np.random.default_rng(0).normal(0, 0.1, (6, 40))


def made_up(scores: dict[str, np.ndarray], likeness: object = 0.2, **changes: object) -> grading.Grades:
    """Make grades of which the gain is given image by image, alike in all settings, or by substrate (3, 40)."""
    names, count = [*scores, *insertion.BASELINES], len(scores)
    values = [np.broadcast_to(one, (3, 40)) for one in [*scores.values(), *np.zeros((3, 40))]]
    gains = np.broadcast_to(np.array(values, np.float32)[:, :, None, None], (len(names), 3, 2, 2, 40))
    draws = np.broadcast_to(np.asarray(likeness, np.float32)[..., None], (2, count, 5, 2))
    whole = np.concatenate([draws, np.zeros((2, 1, 5, 2)), np.ones((2, 2, 5, 2))], axis=1)
    made = {
        "methods": np.array([*scores]),
        "names": np.array(names),
        "baselines": np.full(len(names), ""),
        "signed": np.full(len(names), True),
        "correct": np.arange(40) < 30,
        "substrates": np.array(SUBSTRATES),
        "gains": gains,
        "curves": np.broadcast_to(np.linspace(0.1, 0.9, 49), (2, len(names), 3, 2, 49)),
        "layers": np.array(["logits", "conv"]),
        "likeness": whole,
        "entropies": np.ones((2, len(names), 5)),
        "sensitivity": np.zeros((count, 6), np.float32),
        "evidence": np.full((4, len(names), 40), np.nan),
        "chance": np.full(40, np.nan),
        "proof": np.full((3, 40), np.nan),
        "blind": 0.3,
    }
    return grading.Grades(**(made | changes))


def said(grades: grading.Grades, tmp_path: Path) -> str:
    answer = Answer(tmp_path, "04_saliency_maps", "Title", "Question?")
    return " ".join(answer.say(sentence).text for sentence in scorecard.sentences(grades))


class TestFirst:
    """One method is called first only where resampled images leave it there."""

    def test_one_that_is_ahead_is_first(self, tmp_path):
        text = said(made_up({"good": 0.3 + NOISE[0], "bad": NOISE[1] - 0.3}), tmp_path)
        assert "good has the best mean rank, 1.0 of 5: over " in text
        assert "same face with another expression" in text and "another expression, good gains most (0.29)." in text
        assert "cannot be told apart" not in text

    def test_of_two_that_differ_by_chance_none_is(self, tmp_path):
        text = said(made_up({"one": 0.3 + NOISE[0], "other": 0.3 + NOISE[1], "bad": NOISE[2] - 0.3}), tmp_path)
        assert "has the best mean rank, " not in text and "gains most" not in text
        assert text.count("cannot be told apart from") == 4  # the rank, the same image, right and wrong answers
        assert "but cannot be told apart from other" in text or "but cannot be told apart from one" in text

    def test_one_that_only_one_substrate_puts_first_is_not(self, tmp_path):
        known = np.stack([0.6 + NOISE[0], 0.3 + NOISE[0], NOISE[0]])
        text = said(made_up({"known": known, "other": 0.3 + NOISE[1]}), tmp_path)
        assert "known has the best mean rank" not in text
        assert "expression, other gains most (0." in text  # where the same image hides the pixels

    def test_right_and_wrong_answers_are_told_apart(self, tmp_path):
        sides = np.where(np.arange(40) < 30, 0.5, -0.5)
        grades = made_up({"split": sides + NOISE[0] / 10, "not": -sides + NOISE[1] / 10})
        groups = scorecard.differences(grades)
        assert [*map(str, groups)] == ["right answers (30)", "wrong answers (10)"]
        right, wrong = groups.values()
        assert right.loc["split", "low"] > 0.4 and wrong.loc["split", "high"] < -0.4
        assert right.loc["split", "low"] < right.loc["split", "value"] < right.loc["split", "high"]
        text = said(grades, tmp_path)
        assert "On the 30 images that the network answered rightly, split gains most" in text
        assert "On the 10 images that it answered wrongly, not gains most" in text

    def test_no_method_is_where_what_never_saw_the_network_is_ahead(self, tmp_path):
        text = said(made_up({"one": NOISE[0] - 0.3, "other": NOISE[1] - 0.6}), tmp_path)
        assert "has the best mean rank, " not in text and "one gains" not in text
        assert "is not clear: random order is first" in text  # the made-up baselines are all alike

    def test_without_wrong_answers_there_is_no_group_of_them(self, tmp_path):
        grades = made_up({"one": NOISE[0]})
        grades.correct[:] = True
        assert list(scorecard.differences(grades)) == list(scorecard.curves(grades))
        assert [*map(str, scorecard.curves(grades))] == ["right answers (40)"]
        assert "answered wrongly" not in said(grades, tmp_path)


def test_the_values_of_a_sentence_come_in_the_same_order_in_every_process():
    sentences = [one for one in scorecard.sentences(made_up({"one": NOISE[0], "other": NOISE[1]})) if one.values]
    led = [one for one in sentences if "best" in one.values or "tied" in one.values]
    assert led and all(list(one.values) == sorted(one.values) for one in led)


class TestAgainstEdges:
    def test_worse_level_and_better_follow_the_intervals(self, tmp_path):
        grades = made_up({"good": 0.3 + NOISE[0], "bad": NOISE[1] - 0.3, "blank": NOISE[2] - NOISE[2].mean()})
        assert list(scorecard.standing(grades)) == ["better", "worse", "level", "level", "level", "–"]
        text = said(grades, tmp_path)
        assert "Worse than the edge map, which never saw the network: bad." in text
        assert "Not to be told apart from the edge map: blank." in text and "All" not in text

    def test_all_are_better_only_where_all_are(self, tmp_path):
        text = said(made_up({"one": 0.3 + NOISE[0], "other": 0.2 + NOISE[1]}), tmp_path)
        assert "All 2 methods do better than the edge map." in text and "Worse" not in text and "Not to be" not in text


class TestRandomWeights:
    @staticmethod
    def draws(*means: float, spread: float = 0.01) -> np.ndarray:
        """Likenesses (forms, methods, draws), alike in both forms."""
        steps = spread * np.linspace(-1, 1, 5)
        return np.broadcast_to(np.array(means)[:, None] + steps, (2, len(means), 5))

    def test_what_stays_what_changes_and_what_is_undecided(self, tmp_path):
        scores = {"stays": NOISE[0], "changes": NOISE[1], "close": NOISE[2]}
        text = said(made_up(scores, self.draws(0.8, 0.1, 0.49, spread=0.2)), tmp_path)
        assert "more than what was learned: stays (correlation 0.80, 95% interval 0.60 to 1.00)." in text
        assert "still open whether these maps change: close (correlation 0.49, 95% interval 0.29 to 0.69)." in text
        assert "The maps of 1 of 3 methods change with the weights" in text

    def test_nothing_stays_where_every_draw_changes_it(self, tmp_path):
        text = said(made_up({"one": NOISE[0]}, self.draws(0.2)), tmp_path)
        assert "stay much like" not in text and "still open" not in text and "The maps of 1 of 1" in text

    def test_a_form_that_stays_is_named(self, tmp_path):
        forms = np.stack([self.draws(0.1)[0], self.draws(0.9)[0]])
        text = said(made_up({"one": NOISE[0]}, forms), tmp_path)
        assert "one (unsigned) (correlation 0.90, 95% interval 0.89 to 0.91)" in text and "The maps of 0 of 1" in text
        assert "The maps of 1" not in text

    def test_no_correlation_is_above_one(self, tmp_path):
        text = said(made_up({"one": NOISE[0]}, self.draws(0.8, spread=0.3)), tmp_path)
        assert "one (correlation 0.80, 95% interval 0.51 to 1.00)" in text

    def test_a_random_map_passes_and_the_text_says_why_that_is_no_merit(self, tmp_path):
        text = said(made_up({"one": NOISE[0]}), tmp_path)
        assert "That is no merit: a random map, drawn anew each time, changes too (correlation 0.00)" in text


class TestVerdicts:
    """A method is trusted only where both checks say so, and distrusted where either speaks against it."""

    good, level, bad = 0.3 + NOISE[0], NOISE[1] - NOISE[1].mean(), NOISE[2] - 0.3

    def test_each_method_has_one(self, tmp_path):
        gains = {"good": self.good, "level": self.level, "bad": self.bad, "stays": self.good, "close": self.good}
        likeness = [TestRandomWeights.draws(mean, spread=0.2 * (mean == 0.49)) for mean in (0.1, 0.1, 0.1, 0.9, 0.49)]
        grades = made_up(gains, np.concatenate(likeness, axis=1))
        assert scorecard.verdicts(grades) == {
            "trust": ["good"],
            "care": ["close", "level"],
            "distrust": ["stays", "bad"],
        }
        text = said(grades, tmp_path)
        assert text.startswith("Trust the maps of good:") and "Do not trust the maps of stays and bad:" in text

    def test_what_no_method_computes_with_decides_where_it_was_measured(self, tmp_path):
        favoured = np.stack([0.9 + NOISE[0], 0.9 + NOISE[1], NOISE[2] - NOISE[2].mean()])
        grades = made_up({"favoured": favoured, "fair": np.stack([NOISE[3] - 0.3, NOISE[3] - 0.3, 0.3 + NOISE[0]])})
        assert scorecard.verdicts(grades) == {"trust": ["fair"], "care": ["favoured"], "distrust": []}
        text = said(grades, tmp_path)
        assert "is judged where pixels are replaced" in text
        assert "Not to be told apart from the edge map: favoured." in text
        known = replace(grades, substrates=grades.substrates[:2], gains=grades.gains[:, :2])
        assert scorecard.verdicts(known) == {"trust": ["favoured"], "care": [], "distrust": ["fair"]}
        assert "is judged where" not in said(known, tmp_path)

    @pytest.mark.parametrize(("place", "gain"), [*enumerate([good, level, bad])], ids=["trust", "care", "distrust"])
    def test_what_is_said_of_one_is_not_what_is_said_of_others(self, place, gain, tmp_path):
        verdicts = "Trust the maps of", "Read the maps of", "Do not trust the maps of"
        text = said(made_up({"one": gain}), tmp_path)
        assert [verdict for verdict in verdicts if verdict in text] == [verdicts[place]]

    def test_what_falls_behind_a_blob_in_the_middle_is_not_to_be_trusted_nor_what_is_level_with_it_distrusted(self):
        grades = made_up({"ahead": 0.9 + NOISE[0], "level": 0.4 + NOISE[3], "behind": 0.2 + NOISE[1]})
        gains = grades.gains.copy()
        gains[list(grades.names).index("centred Gaussian")] = (0.4 + NOISE[2])[None, None, None]
        found = scorecard.verdicts(replace(grades, gains=gains))
        assert found == {"trust": ["ahead", "level"], "care": ["behind"], "distrust": []}
        assert scorecard.verdicts(grades)["trust"] == ["ahead", "level", "behind"]

    @pytest.mark.parametrize("bare, told", [(0.1, False), (0.6, False), (0.7, True), (0.9, True)])
    def test_where_hiding_all_pixels_hardly_changes_the_answer_no_map_is_trusted(self, bare, told, tmp_path):
        curves = np.broadcast_to(np.linspace(bare, 0.9, 49), (2, 5, 3, 2, 49))
        grades = made_up({"good": self.good, "bad": self.bad}, curves=curves)
        text = said(grades, tmp_path)
        opening = f"With all pixels hidden, the answer keeps a raw probability of {bare:.0%} on average, instead of 90%"
        assert text.startswith(opening) == ("cannot tell a good map from a bad one" in text) == told
        assert (scorecard.trusted(grades) == []) == ("Trust the maps of" not in text) == told
        assert ("Worse than the edge map" not in text) == ("All" not in text) == told or not told

    def test_what_decides_is_whether_it_hides_where_methods_are_judged(self):
        curves = np.broadcast_to(np.linspace(0.9, 0.9, 49), (2, 4, 3, 2, 49)).copy()
        curves[:, :, 2] = np.linspace(0.2, 0.9, 49)  # as with the same face with another expression
        grades = made_up({"good": self.good}, curves=curves)
        assert scorecard.hides(grades)
        assert not scorecard.hides(replace(grades, substrates=np.array(["blur", "mean", "other"])[:2]))
        curves[1] = np.nan  # no wrong answers
        right = replace(grades, correct=np.full(40, True))
        assert scorecard.ends(right) == pytest.approx((0.9, 0.2))

    def test_one_image_says_nothing_of_others(self, tmp_path):
        grades = made_up({"good": self.good, "bad": self.bad})
        one = replace(grades, gains=grades.gains[..., :1], correct=grades.correct[:1])
        assert {*scorecard.standing(one)} == {"level", "–"} and scorecard.trusted(one) == []
        text = said(one, tmp_path)
        assert "gains most" not in text and "has the best mean rank, " not in text

    def test_the_form_that_is_drawn_counts(self):
        forms = np.stack([TestRandomWeights.draws(0.9)[0], TestRandomWeights.draws(0.1)[0]])
        grades = made_up({"one": self.good}, forms)
        assert scorecard.trusted(grades) == []
        grades.signed[:] = False
        assert scorecard.trusted(grades) == ["one"]


class TestEvidence:
    @staticmethod
    def graded(masses: dict[str, np.ndarray], edges: float = 0.2, **changes: object) -> grading.Grades:
        values = np.array([*masses.values(), np.full(40, 0.1), np.full(40, 0.15), np.full(40, edges)], np.float32)
        evidence = np.broadcast_to(values, (4, len(values), 40))
        scores = dict.fromkeys(masses, NOISE[0])
        return made_up(scores, evidence=evidence, chance=np.full(40, 0.1), **changes)

    @staticmethod
    def proof(without: float, kept: float) -> np.ndarray:
        return np.array([np.arange(40) < round(share * 40) for share in (0.9, without, kept)], np.float32)

    def test_the_largest_share_is_called_so_where_it_is(self, tmp_path):
        text = said(self.graded({"one": 0.5 + NOISE[0], "other": 0.3 + NOISE[1]}), tmp_path)
        assert "for the class, on 40 images, one puts most on the pixels in which the class is drawn: " in text
        assert "is drawn, and cannot be told apart from" not in text and "Less than the edge map" not in text

    def test_and_not_where_two_are_alike(self, tmp_path):
        text = said(self.graded({"one": 0.3 + NOISE[0], "other": 0.3 + NOISE[1]}), tmp_path)
        assert "puts most" not in text and "is drawn, and cannot be told apart from" in text

    def test_worse_than_the_edge_map_is_what_the_images_say_is_worse(self, tmp_path):
        masses = {"low": 0.05 + NOISE[0] / 10, "close": 0.2 - NOISE[1] + NOISE[1].mean() - 0.01}
        assert "Less than the edge map puts there: low." in said(self.graded(masses), tmp_path)

    def test_the_network_reads_the_classes_there_where_it_needs_and_wants_no_other_pixels(self, tmp_path):
        text = said(self.graded({"one": NOISE[0]}, proof=self.proof(0.1, 0.9)), tmp_path)
        assert "falls from 90% to 10%" in text and "it reads the classes there and nowhere else" in text
        assert "is not proved" not in text

    def test_a_few_images_prove_nothing(self, tmp_path):
        proof = np.full((3, 40), np.nan, np.float32)
        proof[:, :6] = [[1] * 6, [0] * 6, [1] * 6]
        text = said(self.graded({"one": NOISE[0]}, proof=proof), tmp_path)
        assert "and nowhere else" not in text and "is not proved" in text

    @pytest.mark.parametrize("without, kept", [(0.7, 0.9), (0.1, 0.5)])
    def test_and_else_that_is_not_said(self, without, kept, tmp_path):
        text = said(self.graded({"one": NOISE[0]}, proof=self.proof(without, kept)), tmp_path)
        assert "and nowhere else" not in text and "is not proved" in text


def test_agreement_is_full_where_all_grades_order_alike_and_low_where_they_do_not(tmp_path):
    alike = {f"m{i}": i / 10 + NOISE[i] / 100 for i in range(4)}
    assert "Kendall's W is 1.00 (1: the same order; 0.33: what unrelated orders" in said(made_up(alike), tmp_path)
    turned = {f"m{i}": np.array([[i], [3 - i], [(i * 2) % 5]]) / 10 + NOISE[i] / 100 for i in range(4)}
    groups = scorecard.agreement(made_up(turned))
    assert kendalls_w(np.stack([*groups.values()], axis=1)) < 0.5


def test_a_method_that_a_substrate_favours_is_named(tmp_path):
    assert "An advantage of" not in said(made_up({"one": NOISE[0]}), tmp_path)
    baselines = np.array([registry.OF_SUBSTRATE, "", "", ""])
    assert "An advantage of one: " in said(made_up({"one": NOISE[0]}, baselines=baselines), tmp_path)


def test_what_changes_least_for_another_class_is_named_where_it_is_known(tmp_path):
    scores, alike = {"one": NOISE[0], "other": NOISE[1]}, np.stack([NOISE[2, :6], NOISE[3, :6]])
    texts = [said(made_up(scores, sensitivity=alike + np.array([[high], [0.1]])), tmp_path) for high in (0.9, 0.4)]
    assert all("one changes least (rank correlation 0." in text for text in texts)
    assert ["does not explain the choice between the two" in text for text in texts] == [True, False]
    assert "changes least" not in said(made_up(scores, sensitivity=alike), tmp_path)


def test_curves_are_the_means_of_their_group(grades):
    curves = scorecard.curves(grades)
    assert [values.shape for values in curves.values()] == [(16, 6, insertion.STEPS + 1)] * 2
    assert len(scorecard.panels(grades)) == 6
    np.testing.assert_array_equal(next(iter(curves.values()))[:, 2], grades.curves[0, :, 1, 0])


def test_the_cascade_shows_the_mean_of_the_draws_and_nothing_where_there_is_none(grades):
    lines = scorecard.cascade(grades)
    assert lines.shape == (2, 13, 3)
    np.testing.assert_allclose(lines[..., -1], grades.likeness[:, :13, :, -1].mean(axis=2), atol=1e-6)
    few = [registry.METHODS[name].passes == "few" for name in grades.methods]
    assert grades.half() == 1 and list(np.isfinite(lines[0, :, 0])) == few


def test_the_caption_names_the_grade_of_what_is_shown(tmp_path):
    grades = made_up({"good": 0.3 + 0 * NOISE[0], "bad": 0 * NOISE[0]})
    answer = Answer(tmp_path, "04_saliency_maps", "Title", "Question?")
    text = answer.say(scorecard.grades_of(grades, "good")).text
    assert "good 0.30 (0.20)" in text and "has 0.00" in text


def test_trusted_are_methods_that_beat_the_edges_and_change_with_the_weights(grades):
    count, edges = len(grades.names), list(grades.names).index(insertion.EDGES)
    gains, likeness = np.zeros_like(grades.gains), np.zeros_like(grades.likeness)
    gains[:3] = np.array([0.2, 0.5, 0.4])[:, None, None, None, None]
    likeness[:, 1] = 0.9  # the best of them shows the image
    curves = np.broadcast_to(np.linspace(0.1, 0.9, insertion.STEPS + 1), grades.curves.shape)
    made = replace(grades, gains=gains, likeness=likeness, curves=curves)
    assert scorecard.trusted(made) == [grades.names[2], grades.names[0]]
    gains[edges] = 1
    assert scorecard.trusted(made) == [] and count > 3
