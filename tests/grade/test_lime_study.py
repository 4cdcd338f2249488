"""The study of LIME: its fits are lime's, its measures know agreement from chance, and its choice follows."""

from contextlib import nullcontext
from itertools import product

import keras
import numpy as np
import pandas as pd
import pytest

from helpers.base import words
from helpers.explain import superpixels
from helpers.grade import lime_study


@pytest.fixture(scope="module")
def curved() -> keras.Model:
    """A small random network that no linear model fits."""
    keras.utils.set_random_seed(0)
    pixels = keras.Input((24, 24, 1))
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))
    return keras.Model(pixels, keras.layers.Dense(3)(keras.layers.Dense(8, activation="tanh")(flat)))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    rows, columns = np.mgrid[:24, :24] / 24
    grey = 90 + 60 * np.sin(9 * rows) * np.cos(7 * columns)
    return np.stack([grey, grey.T + 20, grey[::-1]])[..., None].clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("fill", superpixels.FILLS)
def test_each_fit_is_the_one_that_lime_makes_of_as_many_copies(curved, images, fill):
    weights, r2 = lime_study.explain_often(
        curved, images[0], 1, [3, 4], (100, 400), 20, fill=fill, precision=nullcontext
    )
    for place, count in enumerate((100, 400)):
        for row, seed in enumerate((3, 4)):
            wanted = superpixels.explain(curved, images[0], 1, count, seed, segments=20, fill=fill)
            spread = np.abs(wanted.weights).max()
            np.testing.assert_allclose(weights[row, place], wanted.weights, atol=1e-3 * spread)
            assert r2[row, place] == pytest.approx(wanted.r2, abs=1e-3)
    assert np.abs(weights[0, 0] - weights[1, 0]).max() > 0.02 * spread  # the tolerance can fail


def test_a_linear_answer_is_fitted_exactly():
    keep = np.random.RandomState(0).randint(0, 2, (4000, 6))
    keep[0] = 1
    weights, r2 = superpixels.fit_weights(keep, 0.2 + keep @ np.arange(-2, 4))
    np.testing.assert_allclose(weights, np.arange(-2, 4), atol=0.02)
    assert r2 > 0.999


def test_an_answer_that_never_changes_has_no_weights():
    weights, r2 = superpixels.fit_weights(np.ones((5, 3), int), np.full(5, 0.7))
    assert not weights.any() and r2 == 0


@pytest.fixture(scope="module")
def table(curved, images) -> pd.DataFrame:
    return lime_study.study(curved, images, [0, 1, 2], range(4), samples=(60, 600), segments=(9, 30), top=3)


class TestStudy:
    def test_there_is_a_row_for_each_cut_and_number_of_copies(self, table):
        assert list(zip(table["segments"], table["samples"])) == [(9, 60), (9, 600), (30, 60), (30, 600)]
        assert table.loc[2, "found"] > table.loc[0, "found"]

    def test_more_copies_leave_less_to_chance(self, table):
        few, many = (table[table["samples"] == count].reset_index() for count in (60, 600))
        assert (many["rank correlation"] > few["rank correlation"]).all()
        assert (many["flips"] <= few["flips"]).all() and many["flips"].sum() < few["flips"].sum()
        assert (many["overlap"] >= few["overlap"]).all() and (many["overlap"] > many["chance"]).all()

    def test_it_comes_out_the_same_again(self, curved, images, table):
        again = lime_study.study(curved, images, [0, 1, 2], range(4), samples=(60, 600), segments=(9, 30), top=3)
        pd.testing.assert_frame_equal(table, again)


def test_weights_drawn_at_random_agree_by_chance_only():
    random = np.random.default_rng(0)
    found = lime_study._agreement(random.normal(size=(60, 40)), np.zeros(60), top=5)
    assert found["rank correlation"] == pytest.approx(0, abs=0.02)
    assert found["flips"] == pytest.approx(0.5, abs=0.02)
    assert found["overlap"] == pytest.approx(found["chance"], abs=0.02) and found["chance"] == 5 / 40


class TestChoice:
    @staticmethod
    def table(correlations: list[float], r2: list[float]) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "segments": [25, 25, 50, 50],
                "samples": [250, 1000, 250, 1000],
                "rank correlation": correlations,
                "r2": r2,
            }
        )

    def test_the_fewest_samples_that_are_stable_and_the_best_fit_among_cuts(self):
        assert lime_study.choose(self.table([0.92, 0.97, 0.8, 0.93], [0.7, 0.6, 0.9, 0.5])) == (250, 25)
        assert lime_study.choose(self.table([0.92, 0.97, 0.8, 0.93], [0.7, 0.6, 0.9, 0.8])) == (1000, 50)

    def test_where_nothing_is_stable_the_most_stable(self):
        assert lime_study.choose(self.table([0.5, 0.7, 0.4, 0.6], [0.7, 0.6, 0.9, 0.9])) == (1000, 25)


def test_a_caption_speaks_of_the_nearest_setting_that_was_studied() -> None:
    table = pd.DataFrame(
        {
            "segments": [25, 25, 50],
            "samples": [250, 3000, 3000],
            "rank correlation": [0.1, 0.2, 0.3],
            "r2": [0.4, 0.5, 0.6],
        }
    )
    assert lime_study.stability(table, 3000, 50).values["correlation"] == 0.3
    assert lime_study.stability(table, 2000, 20).values["fit"] == 0.5
    near = {"samples": 100, "segments": 30, "copies": 250, "cut": 25, "correlation": 0.1, "fit": 0.4}
    assert lime_study.stability(table, 100, 30).values == near
    assert "100 copies and 30 superpixels asked for, which were not studied" in str(
        lime_study.stability(table, 100, 30)
    )
    assert "not studied" not in str(lime_study.stability(table, 250, 25))


@pytest.mark.parametrize("language", words.languages())
def test_what_is_stable_and_what_is_chosen_is_said(language: str) -> None:
    columns = ["segments", "samples", "rank correlation", "r2", "overlap", "chance", "flips"]
    table = pd.DataFrame([[25, 250, 0.95, 0.7, 0.8, 0.2, 0.05], [50, 250, 0.5, 0.6, 0.4, 0.1, 0.2]], columns=columns)
    with words.use(language):
        texts = [[*map(words.show, lime_study.sentences(table, *used))] for used in ((250, 25), (250, 50))]
        unstable = [*map(words.show, lime_study.sentences(table[1:], 250, 50))]
        in_use = words.text("lime.in_use")
    assert "0.95" in texts[0][0] and texts[0][1:] == [in_use] and texts[1][0] == texts[0][0]
    assert "50" in texts[1][1] and len(unstable) == 3 and "0.9" in unstable[1]
    assert len(texts[1]) == 2 and in_use not in texts[1]  # stable, and not what is used


def test_precisions_are_compared_on_the_same_copies(curved, images, monkeypatch):
    task = curved, images, [0, 1, 2], 0, 200, 20
    assert lime_study.compare_precisions(*task).min() > 0.95
    monkeypatch.setattr(lime_study, "bfloat16", nullcontext)
    np.testing.assert_allclose(lime_study.compare_precisions(*task), 1, atol=1e-12)


class TestRivals:
    """What is said of a class and its rival, and what must not be."""

    @staticmethod
    def overlaps(own: list[list[float]], rival: list[list[float]], images: int = 60) -> pd.DataFrame:
        """Overlaps of explanations with given weights, by turns."""

        def explain(weights: list[list[float]]) -> list[superpixels.Explanation]:
            rows = [np.array(weights[place % len(weights)]) for place in range(images)]
            return [superpixels.Explanation(np.arange(len(row))[None], 0, row, 1.0, 0.5) for row in rows]

        return superpixels.overlaps(superpixels.Contest(explain(own), explain(rival)), top=5)

    @classmethod
    def said(cls, *weights: list[list[float]], images: int = 60) -> str:
        found = lime_study.rival_sentences(cls.overlaps(*weights, images=images), "sad", "fear")
        return words.join([*map(words.show, found)])

    def test_opposed_weights_decide_between_the_two(self):
        weights = [*np.linspace(1, -1, 20)]
        text = self.said([weights], [[-weight for weight in weights]])
        assert text.startswith("What speaks for sad speaks against fear (100% of these superpixels are the same, 95%")
        assert "interval 100% to 100%; blind choices share 25%; 60 images), by 100% to 100% of the superpixels" in text
        assert text.count("the same places decide between the two.") == 1
        assert "Different places speak for sad and for fear (" in text and "also" not in text

    def test_alike_weights_do_not_tell_them_apart(self):
        weights = [*np.linspace(1, -1, 20)]
        text = self.said([weights], [weights])
        assert text.startswith("What speaks for sad also speaks for fear (100%")
        assert text.count("and so does not tell the two apart.") == 1 and "decide between" not in text

    @classmethod
    def by_turns(cls, *alike: int) -> str:
        """What is said where, by turns, so many of the five places for a class are for its rival, the rest against."""
        own, rivals = np.zeros(20), np.zeros((len(alike), 20))
        own[:5], rivals[:, 5:15] = 1, [2] * 5 + [-2] * 5
        for rival, count in zip(rivals, alike):
            rival[:count], rival[count:5] = 3, -3
        return cls.said([own.tolist()], rivals.tolist())

    def test_where_as_much_speaks_for_the_rival_as_against_it_nothing_is_concluded(self):
        text = self.by_turns(4, 1, 3, 2)
        assert "What speaks for sad also speaks for fear more often than chance gives (50%" in text
        assert "What speaks for sad speaks against fear more often than chance gives (50%" in text
        assert "decide between" not in text and "apart" not in text

    def test_where_more_speaks_for_the_rival_or_against_it_that_alone_is_concluded_and_said_first(self):
        apart, decided = self.by_turns(3, 4), self.by_turns(2, 1)
        assert apart.startswith("What speaks for sad also speaks for fear (70%") and "decide between" not in apart
        assert decided.startswith("What speaks for sad speaks against fear (70%") and "apart" not in decided
        assert "does not tell the two apart" in apart and "the same places decide between the two" in decided

    def test_more_for_the_rival_than_against_it_concludes_nothing_at_the_level_of_chance(self):
        """Whose five places are hardly ever the rival's, for it or against it."""
        own, rival = np.zeros(20), np.zeros((4, 20))
        own[:5], rival[:, 5:15] = 1, [1] * 5 + [-1] * 5
        rival[0, [0, 5]] = 1, 0
        text = self.said([own.tolist()], rival.tolist())
        assert "decide between" not in text and "apart" not in text and "Different places speak for sad" in text

    def test_what_is_farthest_from_chance_is_said_first(self):
        own, rival = np.zeros(20), np.zeros(20)
        own[:10], rival[:15] = [1] * 5 + [-1] * 5, [3] * 2 + [-3] * 2 + [0] + [-2] * 1 + [2] * 3 + [0] * 6
        told = lime_study.rival_sentences(self.overlaps([own.tolist()], [rival.tolist()]), "sad", "fear")
        far = [abs(one.values["shared"].values["overlap"] - one.values["shared"].values["chance"]) for one in told]
        assert len(far) > 1 and far == sorted(far, reverse=True) and far[0] > far[-1]

    def test_five_places_for_each_class_are_not_the_same_places(self):
        """Whose weights correlate at -0.33, and of which nothing decides between the two."""
        own, rival = np.zeros(20), np.zeros(20)
        own[:5] = rival[5:10] = 1
        assert np.corrcoef(own, rival)[0, 1] == pytest.approx(-1 / 3, abs=0.01)
        text = self.said([[*own]], [[*rival]])
        assert "decide between" not in text and "Different places speak for sad and for fear (" in text

    def test_of_unrelated_weights_hardly_ever_anything_is_said(self):
        random = np.random.default_rng(3)
        pairs = [[random.normal(size=(60, 20)).tolist() for _ in range(2)] for _ in range(30)]
        assert sum(self.said(own, rival) != "" for own, rival in pairs) <= 4

    @pytest.mark.parametrize("sides", [*product(superpixels.SIDES, repeat=2)], ids="_".join)
    @pytest.mark.parametrize("more", ["more", "less", ""])
    def test_what_one_pair_of_sides_shares_beyond_chance_is_all_that_is_said(self, sides, more):
        rows = [(image, *pair) for image in range(60) for pair in product(superpixels.SIDES, repeat=2)]
        overlaps = pd.DataFrame(rows, columns=["image", "own", "rival"]).assign(chance=0.25)
        overlaps["overlap"] = 0.25 + 0.2 * np.resize([1.0, -1.0], 60)[overlaps["image"]]
        told = (overlaps["own"] == sides[0]) & (overlaps["rival"] == sides[1])
        overlaps.loc[told, "overlap"] += {"more": 0.4, "less": -0.2, "": 0}[more]
        name = "_".join(sides)
        wanted = f"concluded.{name}" if more == "more" and sides[0] == "for" else f"rivals.{name}_{more}"
        found = lime_study.rival_sentences(overlaps, "sad", "fear")
        assert [one.key for one in found] == ([f"lime.{wanted}"] if more else [])

    def test_there_are_words_for_every_pair_of_sides(self):
        sides = product(superpixels.SIDES, superpixels.SIDES, ("more", "less"))
        assert set(words.table("lime.rivals")) == {"_".join(each) for each in sides}
        assert set(words.table("lime.concluded")) == {"for_for", "for_against"}

    def test_of_few_images_nothing_is_said(self):
        weights = [*np.linspace(1, -1, 20)]
        assert self.said([weights], [weights], images=lime_study.FEWEST - 1) == ""
