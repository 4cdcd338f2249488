"""Grades against the evidence: full marks for a map of it, none for its opposite, chance for a blank map."""

import keras
import numpy as np
import pytest

from helpers.data import faces
from helpers.data.faces import traits
from helpers.explain import maps as measures
from helpers.explain.regions import Regions, shares
from helpers.grade import faithfulness

GRADES = {
    "pointing_game": faithfulness.pointing_game,
    "relevance_mass": faithfulness.relevance_mass,
    "absolute_mass": faithfulness.absolute_mass,
    "relevance_rank": faithfulness.relevance_rank,
}
every_grade = pytest.mark.parametrize("grade", GRADES.values(), ids=GRADES)


@pytest.fixture
def evidence() -> np.ndarray:
    """Three masks of different size; the third image has no evidence."""
    mask = np.zeros((3, 8, 10), bool)
    mask[0, 2:4, 3:8] = True
    mask[1, 5:, :6] = True
    return mask


@every_grade
def test_evidence_itself_gets_full_marks_and_its_opposite_none(grade, evidence):
    np.testing.assert_array_equal(grade(evidence.astype(np.float32), evidence), [1, 1, np.nan])
    np.testing.assert_array_equal(grade((~evidence).astype(np.float32), evidence), [0, 0, np.nan])


@every_grade
@pytest.mark.parametrize("value", [0, 1e-30, 3])
def test_map_that_singles_out_nothing_gets_the_chance_level(grade, evidence, value):
    flat = np.full(evidence.shape, value, np.float32)
    np.testing.assert_allclose(grade(flat, evidence), [10 / 80, 18 / 80, np.nan], rtol=1e-5)


@every_grade
def test_random_maps_get_the_chance_level_on_average(grade, evidence):
    many = np.repeat(evidence[:2], 3000, axis=0)
    maps = np.random.default_rng(0).random(many.shape, dtype=np.float32)
    found = grade(maps, many).reshape(2, -1).mean(axis=1)
    np.testing.assert_allclose(found, faithfulness.chance_level(evidence)[:2], atol=0.03)


@every_grade
def test_scale_does_not_matter_and_sign_does_for_what_speaks_for_the_class_alone(grade, evidence):
    maps = np.random.default_rng(1).normal(size=evidence.shape)
    np.testing.assert_allclose(grade(1000 * maps, evidence), grade(maps, evidence), rtol=1e-6)
    same = np.allclose(grade(-maps, evidence), grade(maps, evidence), rtol=1e-6, equal_nan=True)
    assert same == (grade is not faithfulness.relevance_mass)


def test_rank_counts_as_many_pixels_as_the_evidence_has():
    evidence = np.array([[[True, True, False, False]]])
    maps = np.array([[[4.0, 1.0, 3.0, 2.0]]])
    assert faithfulness.relevance_rank(maps, evidence) == [0.5]


def test_mass_is_the_share_of_what_speaks_for_the_class_and_absolute_mass_of_the_magnitude():
    evidence = np.array([[[True, True, False, False]]])
    maps = np.array([[[3.0, -2.0, 1.0, -4.0]]])
    assert faithfulness.relevance_mass(maps, evidence) == [0.75]
    assert faithfulness.absolute_mass(maps, evidence) == [0.5]


@pytest.fixture(scope="module")
def corner() -> keras.Model:
    """A network that reads its two classes in the upper left corner alone."""
    pixels = keras.Input((8, 8, 1))
    model = keras.Model(pixels, keras.layers.Dense(2)(keras.layers.Flatten()(pixels)))
    weights = np.zeros((8, 8, 2))
    weights[:3, :3] = [1, -1]
    model.layers[-1].set_weights([weights.reshape(64, 2), np.array([-900.0, 900.0])])
    return model


def test_evidence_is_proved_where_the_network_reads_it_and_nowhere_else(corner):
    images = np.full((6, 8, 8, 1), 200, np.uint8)
    rest, labels = np.zeros_like(images), np.zeros(6, int)
    there, elsewhere = np.zeros((2, 6, 8, 8), bool)
    there[:5, :3, :3] = elsewhere[:5, 5:, 5:] = True
    expected = [[1, 1], [0, 1], [1, 0]]  # the whole image, without the evidence, with the evidence alone
    for marked, answers in zip((there, elsewhere), np.transpose(expected)):
        found = faithfulness.prove(corner, images, labels, marked, rest)
        np.testing.assert_array_equal(found[:, :5], np.repeat(answers[:, None], 5, axis=1))
        assert np.isnan(found[:, 5]).all()


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, ...]:
    """Faces of the test split, their evidence, and what a network might say of them."""
    images, labels, evidence = faces.generate((0, 0, 40))["test"]
    probabilities = np.random.default_rng(0).dirichlet(np.ones(7), 40).astype(np.float32)
    return images, labels, evidence, probabilities


class TestRedrawn:
    def test_with_the_same_expressions_they_are_the_same_images(self, drawn):
        images, labels, _, _ = drawn
        numbers = np.array([3, 17, 39])
        np.testing.assert_array_equal(faces.redraw("test", numbers, labels[numbers]), images[numbers])

    def test_at_rest_they_differ_where_the_expression_is_drawn(self, drawn):
        images, labels, evidence, probabilities = drawn
        rest, _ = faithfulness.redraw_faces("test", np.arange(40), labels, probabilities, 48)
        change = np.abs(images.astype(int) - rest)[..., 0]
        assert change[~evidence].max() <= traits.EVIDENCE_THRESHOLD + 1 < np.median(change[evidence])

    def test_what_hides_a_face_never_shows_what_it_is_or_what_it_was_taken_for(self, drawn):
        images, labels, _, probabilities = drawn
        rest, hidden = faithfulness.redraw_faces("test", np.arange(40), labels, probabilities, 48)
        neutral = faces.CLASS_NAMES.index("neutral")
        at_rest = (labels == neutral) | (probabilities.argmax(axis=1) == neutral)
        np.testing.assert_array_equal((hidden == rest).all(axis=(1, 2, 3)), ~at_rest)
        assert at_rest.any() and (hidden != images).any(axis=(1, 2, 3)).all()

    def test_they_have_the_size_of_the_images(self, drawn):
        _, labels, _, probabilities = drawn
        found = faithfulness.redraw_faces("test", np.arange(2), labels[:2], probabilities[:2], 24)
        assert [values.shape for values in found] == [(2, 24, 24, 1)] * 2


def test_pointing_game_shares_out_a_tie():
    evidence = np.array([[[True, True, False, False]]])
    assert faithfulness.pointing_game(np.array([[[2.0, 1.0, -2.0, 0.0]]]), evidence) == [0.5]


class TestTables:
    @pytest.fixture
    def maps(self, evidence) -> dict[str, np.ndarray]:
        return {"truth": evidence.astype(np.float32), "blank": np.zeros(evidence.shape, np.float32)}

    def test_what_is_measured_of_chunks_is_what_all_maps_give(self, monkeypatch):
        random = np.random.default_rng(0)
        maps = {name: random.normal(size=(7, 6, 5)).astype(np.float32) for name in ("one", "two")}
        images, classes = np.arange(7 * 30, dtype=np.uint8).reshape(7, 6, 5, 1), np.array([0, 2, 2, 0, 2, 0, 0])
        evidence = random.random((7, 6, 5)) > 0.5
        places = {image.tobytes(): place for place, image in enumerate(images)}
        held = []
        labels = np.broadcast_to(np.arange(6)[:, np.newaxis] // 3, (7, 6, 5)).astype(np.uint8)
        halves = Regions(labels, ("upper", "lower"), np.eye(2, dtype=bool), "halves")

        def explain(some, chosen):
            rows = [places[image.tobytes()] for image in some]
            np.testing.assert_array_equal(chosen, classes[rows])
            held.append(len(rows))
            return {name: values[rows] for name, values in maps.items()}

        monkeypatch.setattr("helpers.networks.chunks.BYTES_AT_ONCE", 3 * faithfulness.MAPS_HELD * 4 * 30)
        found = faithfulness.measure(explain, images, classes, 3, 0.2, halves, evidence)
        assert held == [3, 3, 1]
        for name, values in maps.items():
            means = measures.mean_map_by_class(measures.relevance_share(values), classes, 3)
            np.testing.assert_allclose(found.means[name], means, rtol=1e-5)
            np.testing.assert_allclose(found.held[name], shares(values, halves))
            np.testing.assert_array_equal(found.concentration[name], measures.concentration(values, 0.2))
            np.testing.assert_array_equal(found.mass[name], faithfulness.relevance_mass(values, evidence))
        np.testing.assert_array_equal(found.chance, faithfulness.chance_level(evidence))

    def test_mean_evidence_gives_every_image_the_same_say(self, evidence):
        found = faithfulness.mean_evidence(evidence, np.array([1, 1, 0]), 3)
        assert np.isnan(found[[0, 2]]).all()
        np.testing.assert_allclose([found[1][evidence[i]].sum() for i in (0, 1)], 0.5, rtol=1e-5)

    def test_blob_is_symmetric_and_highest_in_the_middle(self):
        (blob,) = faithfulness.centred_gaussian((1, 9, 11))
        assert blob[4, 5] == blob.max() == 1
        np.testing.assert_allclose(blob, blob[::-1, ::-1], rtol=1e-6)
