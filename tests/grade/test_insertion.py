"""Insertion and deletion: the paper's loop, orders that are known to be good and bad, honest intervals."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest
from scipy.special import softmax

from helpers.grade import insertion
from helpers.networks import chunks

CLASSES = np.array([0, 1, 2, 0, 1])


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """A small random network with batch normalization on pictures of 10 x 12 pixels."""
    keras.utils.set_random_seed(0)
    pixels = keras.Input((10, 12, 1))
    maps = keras.layers.Conv2D(6, 3, padding="same")(keras.layers.Rescaling(1 / 60)(pixels))
    maps = keras.layers.ReLU()(keras.layers.BatchNormalization()(maps))
    return keras.Model(pixels, keras.layers.Dense(3)(keras.layers.Flatten()(maps)))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 10, 12, 1)).astype(np.uint8)


@pytest.fixture
def full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insertion, "bfloat16", nullcontext)


def ranked(**maps: np.ndarray) -> dict[str, np.ndarray]:
    return {name: insertion.pixel_ranks(values, seed=0) for name, values in maps.items()}


def plain_loop(model, image, label, values, hidden, steps):
    """Insertion and deletion of one image as Petsiuk et al. describe them, a step at a time."""
    order = np.argsort(-values.ravel())
    inserted, deleted = hidden.astype(np.float32).copy(), image.astype(np.float32).copy()
    curves = [[], []]
    for step in range(steps + 1):
        pixels = order[: len(order) * step // steps]
        inserted.reshape(-1)[pixels] = image.reshape(-1)[pixels]
        deleted.reshape(-1)[pixels] = hidden.reshape(-1)[pixels]
        for curve, picture in zip(curves, (inserted, deleted), strict=True):
            curve.append(softmax(model.predict_on_batch(picture[None]))[0, label])
    return curves


@pytest.mark.parametrize("kind", insertion.SUBSTRATES)
@pytest.mark.parametrize("steps", [1, 7, 48])
def test_curves_are_those_of_a_plain_loop(model, images, full_precision, kind, steps, monkeypatch):
    # Chunks that begin and end within an image.
    monkeypatch.setattr(chunks, "BYTES_AT_ONCE", 30 * chunks.forward_bytes(model, images.shape[1:]))
    maps = np.random.default_rng(1).normal(size=(5, 10, 12))
    hidden = insertion.substrate(images, kind)
    (found,) = insertion.insertion_deletion(model, images, CLASSES, ranked(map=maps), hidden, steps).values()
    wanted = [plain_loop(model, *one, steps) for one in zip(images, CLASSES, maps, hidden, strict=True)]
    np.testing.assert_allclose(np.stack([found.insertion, found.deletion], axis=1), wanted, atol=1e-5)
    other = insertion.insertion_deletion(model, images, CLASSES, ranked(map=-maps), hidden, steps)["map"]
    assert steps == 1 or np.abs(other.insertion - found.insertion).max() > 1e-2  # the tolerance can fail


def test_lower_precision_moves_no_gain_by_more_than_a_hundredth(model, images, monkeypatch):
    ranks = ranked(map=np.random.default_rng(1).normal(size=(5, 10, 12)))
    hidden = insertion.substrate(images, "blur")
    fast = insertion.insertion_deletion(model, images, CLASSES, ranks, hidden)["map"].gains()[:, 0]
    monkeypatch.setattr(insertion, "bfloat16", nullcontext)
    exact = insertion.insertion_deletion(model, images, CLASSES, ranks, hidden)["map"].gains()[:, 0]
    np.testing.assert_allclose(fast, exact, atol=0.01)


def test_the_order_that_a_linear_model_is_made_of_beats_every_other(full_precision):
    weights = np.random.default_rng(0).normal(size=(64, 1)).astype(np.float32) / 600
    pixels = keras.Input((8, 8, 1))
    model = keras.Model(pixels, keras.layers.Dense(2, use_bias=False)(keras.layers.Flatten()(pixels)))
    model.layers[-1].set_weights([np.concatenate([weights, -weights], axis=1)])
    images = np.random.default_rng(1).integers(0, 256, (20, 8, 8, 1)).astype(np.uint8)
    hidden = insertion.substrate(images, "mean")
    truth = ((images.astype(float) - hidden)[..., 0] * weights.reshape(8, 8)).astype(np.float32)
    ranks = ranked(truth=truth, opposite=-truth, **insertion.baselines(images, seed=0))
    found = insertion.insertion_deletion(model, images, np.zeros(20, int), ranks, hidden)
    gains = {name: curves.gains() for name, curves in found.items()}  # by steps and answers
    for name in insertion.BASELINES:
        assert (gains["truth"] > gains[name]).all() and (gains["opposite"] < gains[name]).all()


def test_the_ends_are_the_image_and_the_substrate(model, images, full_precision):
    hidden = insertion.substrate(images, "mean")
    found = insertion.insertion_deletion(model, images, CLASSES, ranked(**insertion.baselines(images, 0)), hidden)
    whole, bare = (
        softmax(model.predict(pictures, verbose=0), axis=1)[np.arange(5), CLASSES] for pictures in (images, hidden)
    )
    for curves in found.values():
        np.testing.assert_allclose(curves.insertion[:, [0, -1]].T, [bare, whole], atol=1e-5)
        np.testing.assert_allclose(curves.deletion[:, [0, -1]].T, [whole, bare], atol=1e-5)


def test_the_gain_is_the_area_between_the_curves():
    line = np.linspace(0, 1, 49, dtype=np.float32)[None]
    np.testing.assert_allclose(insertion.relevance_gain(np.stack([line**0, line])), [0.5], atol=1e-6)
    np.testing.assert_allclose(insertion.relevance_gain(np.stack([line, line])), [0], atol=1e-6)


@pytest.mark.parametrize("kind", insertion.SUBSTRATES)
def test_the_insertion_curve_of_a_map_is_the_deletion_curve_of_its_negative_read_backwards(
    model, images, full_precision, kind
):
    """Which makes insertion less deletion the symmetric relevance gain (Bluecher et al., 2024)."""
    values = np.random.default_rng(1).permutation(5 * 120).reshape(5, 10, 12).astype(np.float32)
    hidden = insertion.substrate(images, kind)
    ranks = ranked(map=values, negative=-values)
    found = insertion.insertion_deletion(model, images, CLASSES, ranks, hidden, steps=24)  # 24 divides the pixels
    own, negative = found["map"], found["negative"]
    np.testing.assert_allclose(own.insertion, negative.deletion[:, ::-1], atol=1e-6)
    np.testing.assert_allclose(own.logits[0], negative.logits[1, :, ::-1], atol=1e-4)
    gains = [insertion.relevance_gain(np.stack([one.insertion, one.deletion])) for one in (own, negative)]
    np.testing.assert_allclose(gains[0], -gains[1], atol=1e-4)
    assert np.abs(own.insertion - own.deletion[:, ::-1]).max() > 1e-2  # the tolerance can fail


def test_the_gain_in_fewer_steps_is_that_of_curves_with_fewer_steps(full_precision):
    keras.utils.set_random_seed(0)
    pixels = keras.Input((12, 8, 1))
    model = keras.Model(pixels, keras.layers.Dense(3)(keras.layers.Flatten()(keras.layers.Rescaling(1 / 60)(pixels))))
    images = np.random.default_rng(0).integers(0, 256, (5, 12, 8, 1)).astype(np.uint8)
    ranks = ranked(map=np.random.default_rng(1).normal(size=(5, 12, 8)))
    hidden = insertion.substrate(images, "blur")
    many, few = (
        insertion.insertion_deletion(model, images, CLASSES, ranks, hidden, steps)["map"]
        for steps in insertion.STEP_COUNTS[::-1]
    )
    np.testing.assert_allclose(many.gains()[0, 0], insertion.relevance_gain(np.stack([few.insertion, few.deletion])))
    assert np.abs(many.gains()[0] - many.gains()[1]).max() > 1e-3


def test_ranks_follow_the_values_and_chance_decides_between_equals():
    maps = np.array([[[3.0, 1.0], [1.0, 2.0]]]).repeat(200, axis=0)
    ranks = insertion.pixel_ranks(maps, seed=0)
    assert (ranks[:, 0, 0] == 0).all() and (ranks[:, 1, 1] == 1).all()
    assert (np.sort(ranks.reshape(200, -1)) == np.arange(4)).all()
    assert 0.35 < (ranks[:, 0, 1] == 2).mean() < 0.65
    np.testing.assert_array_equal(ranks, insertion.pixel_ranks(maps, seed=0))


def test_substrates_hide_the_image_and_keep_its_mean(images):
    for kind in insertion.SUBSTRATES:
        hidden = insertion.substrate(images, kind)
        assert hidden.shape == images.shape and hidden.std() < images.std() / 2
        np.testing.assert_allclose(hidden.mean(axis=(1, 2)), images.mean(axis=(1, 2)), rtol=0.1)
    with pytest.raises(ValueError, match="no substrate 'white': choose one of blur, mean"):
        insertion.substrate(images, "white")


def test_the_edge_map_finds_an_edge_in_any_channel():
    images = np.zeros((2, 8, 8, 3), np.uint8)
    images[0, :, 4:, 2] = 90
    found = insertion.edge_map(images)
    assert found[0, :, [3, 4]].min() > 0 and not found[0, :, [0, 1, 2, 6, 7]].any() and not found[1].any()


class TestIntervals:
    def test_they_are_those_of_the_normal_distribution(self):
        values = np.random.default_rng(0).normal(1, 2, (3, 800))
        low, high = insertion.intervals(values, seed=0)
        error = 1.96 * values.std(axis=1) / np.sqrt(800)
        np.testing.assert_allclose([low, high], [values.mean(axis=1) - error, values.mean(axis=1) + error], atol=0.03)

    @pytest.mark.parametrize("count", [2, 3, 5, 10, 60])
    def test_of_few_images_too_they_leave_out_the_truth_as_rarely_as_they_say(self, count):
        values = np.random.default_rng(count).normal(size=(2000, count))
        low, high = insertion.intervals(values, seed=0)
        assert 0.03 < np.mean((low > 0) | (high < 0)) < 0.085
        plain = np.quantile(insertion.resampled_means(values, seed=0), [0.025, 0.975], axis=-1)
        assert count > 9 or np.mean((plain[0] > 0) | (plain[1] < 0)) > 0.1  # which the same without expansion exceeds

    def test_a_constant_difference_has_no_width(self):
        np.testing.assert_allclose(insertion.intervals(np.full((2, 50), 0.25), seed=0), 0.25)

    def test_they_follow_from_the_seed(self):
        values = np.random.default_rng(0).normal(size=(1, 40))
        np.testing.assert_array_equal(insertion.intervals(values, 3), insertion.intervals(values, 3))
        assert (insertion.intervals(values, 3) != insertion.intervals(values, 4)).any()
