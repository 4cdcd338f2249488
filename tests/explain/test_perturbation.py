"""Maps by hiding, on networks whose answer to what is hidden is known."""

import keras
import numpy as np
import pytest
from keras import layers

from helpers.explain import saliency

SHAPE = (12, 10, 3)


@pytest.fixture(scope="module")
def linear() -> keras.Model:
    model = keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(3)])
    weights = np.random.default_rng(0).normal(size=(int(np.prod(SHAPE)), 3)).astype(np.float32)
    model.layers[-1].set_weights([weights, np.array([5.0, -3.0, 1.0])])
    return model


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, *SHAPE), dtype=np.uint8)


CLASSES = np.array([2, 0, 1])


def shares(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """What each pixel adds to the logit over what a pixel of the image's mean colour would: (N, H, W)."""
    weights = model.layers[-1].kernel.numpy().T[CLASSES].reshape(len(CLASSES), *SHAPE)
    return (weights * (images - images.mean(axis=(1, 2), keepdims=True))).sum(axis=-1)


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


class TestOcclusion:
    TOLERANCE = 1e-3

    @staticmethod
    def plain_loop(model: keras.Model, images: np.ndarray, size: int, stride: int) -> np.ndarray:
        """Cover one square after the other, and average at each pixel."""
        height, width = SHAPE[:2]
        tops, lefts = ({*range(0, side - size, stride), side - size} for side in (height, width))
        maps = np.zeros((len(images), height, width))
        for number, (image, label) in enumerate(zip(images, CLASSES)):
            counts = np.zeros((height, width))
            for top in tops:
                for left in lefts:
                    covered = image.astype(np.float32)
                    covered[top : top + size, left : left + size] = image.mean(axis=(0, 1))
                    pair = np.stack([image.astype(np.float32), covered])
                    whole, without = model.predict_on_batch(pair)[:, label]
                    maps[number, top : top + size, left : left + size] += whole - without
                    counts[top : top + size, left : left + size] += 1
            maps[number] /= counts
        return maps

    @pytest.mark.parametrize("size, stride", [(4, 2), (5, 3), (1, 1)])
    def test_equals_a_plain_loop(self, linear, images, size, stride):
        found = saliency.occlusion(linear, images, CLASSES, size, stride)
        assert relative_error(found, self.plain_loop(linear, images, size, stride)) < self.TOLERANCE

    def test_tolerance_fails_for_another_square_or_class(self, linear, images):
        expected = self.plain_loop(linear, images, 4, 2)
        others = [
            saliency.occlusion(linear, images, CLASSES, 4, 3),
            saliency.occlusion(linear, images, CLASSES[::-1], 4, 2),
            saliency.occlusion(linear, images, CLASSES, 4, 2) * 1.01,
        ]
        assert all(relative_error(other, expected) > self.TOLERANCE for other in others)

    def test_of_a_linear_model_by_single_pixels_is_what_each_adds(self, linear, images):
        found = saliency.occlusion(linear, images, CLASSES, size=1)
        assert relative_error(found, shares(linear, images)) < self.TOLERANCE

    @pytest.mark.parametrize("size, stride, sentence", [(0, 1, "1 to 10"), (11, 1, "1 to 10"), (4, 5, "square's 4")])
    def test_squares_that_cannot_be_are_errors(self, linear, images, size, stride, sentence):
        with pytest.raises(ValueError, match=sentence):
            saliency.occlusion(linear, images, CLASSES, size, stride)


class TestRise:
    @staticmethod
    def likeness(linear: keras.Model, images: np.ndarray, masks: int) -> float:
        """Smallest correlation of a map with what it is expected to be for a linear model.

        There each pixel adds its share wherever a mask shows it, so that the mean over the views that show a
        pixel rises above that over all views by the shares of all pixels, each as far as it is shown together.
        """
        cells = 40  # more than the sides: cells of one pixel, shown independently
        maps = saliency.rise(linear, images, CLASSES, masks, cells, seed=3)
        pairs = zip(maps, shares(linear, images))
        return min(np.corrcoef(one.ravel(), share.ravel())[0, 1] for one, share in pairs)

    def test_of_a_linear_model_comes_to_what_each_pixel_adds(self, linear, images):
        assert self.likeness(linear, images, 8000) > 0.98

    def test_a_few_masks_do_not(self, linear, images):
        assert self.likeness(linear, images, 100) < 0.98

    def test_expected_value_of_a_linear_model(self, linear, images):
        """Of independent pixels that show half the time, a pixel's map is half of what the pixel adds."""
        maps = saliency.rise(linear, images, CLASSES, 8000, 40, seed=4)
        slopes = [np.polyfit(share.ravel(), one.ravel(), 1)[0] for one, share in zip(maps, shares(linear, images))]
        np.testing.assert_allclose(slopes, 0.5, atol=0.03)
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(np.multiply(slopes, 1.1), 0.5, atol=0.03)

    def test_seed_decides(self, linear, images):
        once, again, other = (saliency.rise(linear, images, CLASSES, 20, seed=seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(once, again)
        assert not np.allclose(once, other)

    def test_masks_are_smooth_cover_their_share_and_come_in_any_chunks(self):
        views = saliency.random_masks((48, 40), 300, cells=7, share=0.3, seed=0)
        masks = views(slice(0, 300))
        assert masks.shape == (300, 48, 40) and masks.dtype == np.float32
        assert masks.min() >= 0 and masks.max() <= 1
        assert masks.mean() == pytest.approx(0.3, abs=0.02)
        assert np.abs(np.diff(masks, axis=1)).max() <= 1 / 7 + 1e-5  # a cell is seven pixels high
        np.testing.assert_array_equal(np.concatenate([views(slice(0, 7)), views(slice(7, 300))]), masks)

    @pytest.mark.parametrize("options", [{"masks": 0}, {"cells": 0}, {"share": 0.0}, {"share": 1.0}])
    def test_impossible_masks_are_errors(self, linear, images, options):
        with pytest.raises(ValueError, match=f"{next(iter(options))} is"):
            saliency.rise(linear, images, CLASSES, **options)
