"""Superpixels cut without gaps, and LIME that finds the patch a known network looks at."""

import keras
import numpy as np
import pytest
from lime.lime_image import LimeImageExplainer

from helpers.explain import superpixels
from helpers.networks import chunks, logits

RIGHT_HALF = np.s_[:, 12:]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A colour picture with edges, texture and smooth parts."""
    rows, columns = np.mgrid[:24, :24] / 24
    grey = 90 + 60 * np.sin(9 * rows) * np.cos(7 * columns) + np.random.default_rng(0).normal(0, 5, (24, 24))
    return np.stack([grey, grey[::-1], grey.T], axis=-1).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def half_blind() -> keras.Model:
    """A network whose first logit is the mean of the right half, and whose second is its opposite."""
    pixels = keras.Input((24, 24, 1))
    logits = keras.layers.Dense(2, use_bias=False)(keras.layers.Flatten()(pixels))
    model = keras.Model(pixels, logits)
    weight = np.zeros((24, 24, 2), dtype=np.float32)
    weight[RIGHT_HALF] = [0.00005, -0.00005]
    model.layers[-1].set_weights([weight.reshape(-1, 2)])
    return model


@pytest.fixture(scope="module")
def curved() -> keras.Model:
    """A small random network on colour pictures that no linear model fits."""
    keras.utils.set_random_seed(0)
    pixels = keras.Input((24, 24, 3))
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))
    return keras.Model(pixels, keras.layers.Dense(3)(keras.layers.Dense(8, activation="tanh")(flat)))


@pytest.fixture(scope="module")
def bright_patch() -> np.ndarray:
    """A dark picture with one bright square in each half."""
    image = np.full((24, 24, 1), 20, dtype=np.uint8)
    image[6:12, 15:21] = image[12:18, 3:9] = 240
    return image


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("wanted", [1, 9, 50])
def test_labels_run_from_zero_without_gaps(photo, channels, wanted):
    labels = superpixels.segment(photo[..., :channels], wanted)
    assert labels.shape == (24, 24)
    np.testing.assert_array_equal(np.unique(labels), np.arange(labels.max() + 1))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_face_sized_image_is_cut_into_many_superpixels(photo, channels):
    assert superpixels.segment(photo[..., :channels], 50).max() + 1 >= 20


@pytest.mark.parametrize("image", [np.zeros((48, 48, 1)), np.full((2, 2, 3), 255), np.ones((1, 1, 1))])
def test_blank_and_tiny_images_are_cut(image):
    labels = superpixels.segment(image.astype(np.uint8))
    np.testing.assert_array_equal(np.unique(labels), np.arange(labels.max() + 1))


def test_colour_is_seen_where_grey_levels_agree():
    image = np.zeros((24, 24, 3), dtype=np.uint8)
    image[:, :12], image[:, 12:] = [200, 0, 0], [0, 0, 200]
    labels = superpixels.segment(image, 16)
    assert not set(np.unique(labels[:, :12])) & set(np.unique(labels[:, 12:]))


def test_an_image_with_two_channels_is_refused():
    with pytest.raises(ValueError, match=r"\(H, W, 3\)"):
        superpixels.segment(np.zeros((8, 8, 2), dtype=np.uint8))


def test_masking_equals_a_loop_over_superpixels(photo):
    labels = superpixels.segment(photo, 9)
    keep = np.random.default_rng(1).integers(0, 2, (5, labels.max() + 1))
    masked = superpixels.mask_out(photo, np.zeros_like(photo), labels, keep)
    for copy, kept in zip(masked, keep, strict=True):
        for label in range(labels.max() + 1):
            np.testing.assert_array_equal(copy[labels == label], photo[labels == label] * kept[label])


def test_the_network_is_given_the_image_itself_first(half_blind, bright_patch):
    explanation = superpixels.explain(half_blind, bright_patch, 0, samples=20, seed=0)
    expected = logits.all_probabilities(half_blind, bright_patch[np.newaxis])[0, 0]
    assert explanation.probability == pytest.approx(float(expected), abs=1e-6)


def test_weight_lies_where_the_network_looks(half_blind, bright_patch):
    explanation = superpixels.explain(half_blind, bright_patch, 0, samples=600, seed=0, segments=16)
    shown = explanation.strongest(1)
    assert shown.any() and not shown[:, :12].any()
    blind = np.unique(explanation.segments[:, :10])
    assert abs(explanation.weights[blind]).max() < 0.1 * explanation.weights.max()
    assert explanation.r2 > 0.9


def test_opposite_classes_get_opposite_weights_from_one_set_of_copies(half_blind, bright_patch):
    first, second = superpixels.explain_labels(half_blind, bright_patch, [0, 1], samples=200, seed=0)
    np.testing.assert_allclose(first.weights, -second.weights, atol=1e-5)
    assert first.r2 == pytest.approx(second.r2, abs=1e-4)


def test_each_label_keeps_its_own_fit(curved, photo):
    together = superpixels.explain_labels(curved, photo, [0, 1, 2], samples=100, seed=3)
    alone = [superpixels.explain(curved, photo, label, samples=100, seed=3) for label in range(3)]
    assert [one.r2 for one in together] == [one.r2 for one in alone]
    assert len({one.r2 for one in together}) == 3


@pytest.mark.parametrize("fill, hide_color", [("superpixel mean", None), ("black", 0)])
def test_weights_equal_those_of_lime_called_directly(curved, photo, fill, hide_color, monkeypatch):
    monkeypatch.setattr(chunks, "BYTES_AT_ONCE", 64 * chunks.forward_bytes(curved, photo.shape))
    ours = superpixels.explain(curved, photo, 1, samples=150, seed=7, fill=fill)
    theirs = LimeImageExplainer(random_state=7).explain_instance(
        photo,
        lambda images: logits.all_logits(curved, images),
        labels=[1],
        top_labels=None,
        hide_color=hide_color,
        num_samples=150,
        segmentation_fn=superpixels.segment,
    )
    weights = np.array([weight for _, weight in sorted(theirs.local_exp[1])])
    np.testing.assert_allclose(ours.weights, weights, rtol=1e-3, atol=1e-6)
    assert ours.r2 == pytest.approx(theirs.score, rel=1e-4)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(ours.weights, weights * 1.01, rtol=1e-3, atol=1e-6)


def test_the_seed_decides_and_nothing_else(half_blind, photo):
    grey = photo[..., :1]
    once, again, other = (superpixels.explain(half_blind, grey, 0, samples=60, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(once.weights, again.weights)
    assert not np.allclose(once.weights, other.weights)


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("fill", superpixels.FILLS)
def test_blank_images_give_finite_explanations(half_blind, level, fill):
    image = np.full((24, 24, 1), level, dtype=np.uint8)
    explanation = superpixels.explain(half_blind, image, 0, samples=30, seed=0, fill=fill)
    assert np.isfinite(explanation.weights).all() and np.isfinite(explanation.r2)


def test_user_errors_name_the_legal_values(half_blind, bright_patch):
    with pytest.raises(ValueError, match="0 to 1"):
        superpixels.explain(half_blind, bright_patch, 2, samples=10, seed=0)
    with pytest.raises(ValueError, match="superpixel mean"):
        superpixels.explain(half_blind, bright_patch, 0, samples=10, seed=0, fill="pink")
    with pytest.raises(ValueError, match="at least 2"):
        superpixels.explain(half_blind, bright_patch, 0, samples=1, seed=0)


def _explanation(weights: list[float]) -> superpixels.Explanation:
    segments = np.arange(4).reshape(2, 2)
    return superpixels.Explanation(segments, 0, np.array(weights, np.float32), 0.5, 0.9)


def _weights(weights: np.ndarray) -> superpixels.Explanation:
    return superpixels.Explanation(np.arange(len(weights))[None], 0, weights, r2=1.0, probability=0.5)


def test_strongest_superpixels_are_positive_ones():
    np.testing.assert_array_equal(_explanation([0.3, -0.9, 0.1, 0.2]).strongest(2), [[True, False], [False, True]])
    assert _explanation([0.3, -0.9, -0.1, -0.2]).strongest(3).sum() == 1


def test_concentration_is_the_share_of_positive_weight():
    assert _explanation([0.3, -0.9, 0.1, 0.1]).concentration(1) == pytest.approx(0.6)
    assert _explanation([-0.3, -0.9, -0.1, 0.0]).concentration(2) == 0


def test_overlap_is_set_against_the_evidence_share():
    evidence = np.array([[[True, False], [False, False]], [[False, False], [False, False]]])
    table = superpixels.grades([_explanation([0.3, 0.1, -0.1, -0.2])] * 2, top=2, evidence=evidence)
    assert table.overlap[0] == 0.5 and table.chance[0] == 0.25
    assert table.overlap.isna()[1] and table.chance.isna()[1]


def test_the_rival_takes_most_images_and_failing_that_most_probability():
    probabilities = np.array([[0.9, 0.06, 0.04], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7]])
    assert superpixels.find_rival(probabilities, np.array([0, 0, 0]), 0) == 2
    assert superpixels.find_rival(probabilities[:2], np.array([0, 0]), 0) == 1


class TestOverlaps:
    @staticmethod
    def of(own: list[float], rival: list[float], top: int = 2) -> dict[tuple[str, str], float]:
        table = superpixels.overlaps(superpixels.Contest([_explanation(own)], [_explanation(rival)]), top)
        return {(row.own, row.rival): row.overlap for row in table.itertuples()}

    def test_of_opposed_weights_what_speaks_for_one_speaks_against_the_other(self):
        found = self.of([0.3, 0.2, -0.1, -0.4], [-0.3, -0.2, 0.1, 0.4])
        assert found == {("for", "for"): 0, ("for", "against"): 1, ("against", "for"): 1, ("against", "against"): 0}

    def test_places_of_ones_own_are_not_taken_for_the_same_places(self):
        """Weights correlate at -0.33 or below where each class has places that do not matter to the other."""
        found = self.of([0.3, 0.2, 0, 0], [0, 0, 0.3, 0.2])
        assert found[("for", "for")] == 0
        assert all(np.isnan(found[pair]) for pair in found if pair != ("for", "for"))

    def test_chance_is_what_blind_choices_share(self):
        random = np.random.default_rng(0)
        pairs = [[_weights(random.normal(size=20)) for _ in range(2)] for _ in range(400)]
        table = superpixels.overlaps(superpixels.Contest(*map(list, zip(*pairs))), top=5)
        assert table["overlap"].mean() == pytest.approx(table["chance"].mean(), abs=0.02)
        assert table["chance"].mean() == pytest.approx(0.25, abs=0.01)


def test_drawn_images_belong_to_the_class_and_are_drawn_once():
    labels = np.array([0, 1, 1, 0, 1, 1])
    drawn = superpixels.draw_images(labels, 1, 3, seed=0)
    assert len(set(drawn)) == 3 and (labels[drawn] == 1).all()
    assert len(superpixels.draw_images(labels, 0, 9, seed=0)) == 2


def test_a_contest_holds_each_classs_own_explanation(curved, photo):
    contest = superpixels.explain_contest(curved, photo[np.newaxis], 2, 0, samples=80, seed=5)
    for explanation, label in [(contest.own[0], 2), (contest.rival[0], 0)]:
        alone = superpixels.explain(curved, photo, label, samples=80, seed=5)
        assert explanation.label == label
        np.testing.assert_array_equal(explanation.weights, alone.weights)


def test_what_is_marked_is_shared_out_between_the_strongest_superpixels_and_the_rest(half_blind, bright_patch):
    found = superpixels.explain_images(half_blind, np.stack([bright_patch] * 3), [0, 0, 0], 200, 0)
    strongest = found[0].strongest(2)
    assert 0 < strongest.mean() < 1
    half = strongest & (np.cumsum(strongest).reshape(strongest.shape) % 2 == 0) | ~strongest
    within = superpixels.share_inside(np.stack([strongest, ~strongest, half]), found, 2)
    expected = [1, 0, (half & strongest).sum() / half.sum()]
    np.testing.assert_allclose(within["inside"], expected)
    np.testing.assert_allclose(within["chance"], strongest.mean())
