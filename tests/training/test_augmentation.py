"""Augmentation changes images as it says and as far as it says, and only in training."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from conftest import toy_dataset
from toys import PLAN, build, quiet

from helpers.training import augmentation
from helpers.training.augmentation import Augmentation
from helpers.training.loop import train
from helpers.training.recipes import CHANGES, Phase


def changed(chosen: Augmentation, images: np.ndarray, seed: int = 0) -> np.ndarray:
    return keras.ops.convert_to_numpy(augmentation.RandomAffine(chosen, seed)(images, training=True))


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (64, 13, 13, 1)).astype(np.float32)


def test_augmentation_changes_images_only_in_training(pictures: np.ndarray) -> None:
    layer = augmentation.RandomAffine(CHANGES["strong"], 0)
    np.testing.assert_array_equal(layer(pictures, training=False), pictures)
    assert not np.allclose(layer(pictures, training=True), pictures)
    np.testing.assert_array_equal(changed(Augmentation(), pictures), pictures)


def test_a_flip_mirrors_about_half_of_the_images_exactly(pictures: np.ndarray) -> None:
    flipped = changed(Augmentation(flip=True), pictures)
    mirrored = np.array([np.allclose(a, b[:, ::-1], atol=1e-2) for a, b in zip(flipped, pictures, strict=True)])
    same = np.array([np.allclose(a, b, atol=1e-2) for a, b in zip(flipped, pictures, strict=True)])
    assert np.all(mirrored ^ same)
    assert 16 <= mirrored.sum() <= 48


def test_a_shift_stays_within_its_share() -> None:
    images = np.zeros((200, 21, 21, 1), np.float32)
    images[:, 10, 10] = 255
    moved = changed(Augmentation(shift=0.2, border="constant"), images)[..., 0]
    rows = (moved.sum(axis=2) * np.arange(21)).sum(axis=1) / moved.sum(axis=(1, 2))
    assert np.abs(rows - 10).max() <= 0.2 * 21 + 1e-3
    assert np.abs(rows - 10).max() > 0.15 * 21  # and the share is used


def test_a_turn_keeps_the_centre_in_place_and_its_angle_in_bounds() -> None:
    images = np.zeros((200, 41, 41, 1), np.float32)
    images[:, 20, 36] = images[:, 20, 20] = 255
    turned = changed(Augmentation(rotation=10), images)[..., 0]
    assert turned[:, 20, 20].min() > 250
    turned[:, :, :28] = 0  # the outer point alone
    rows = (turned.sum(axis=2) * np.arange(41)).sum(axis=1) / turned.sum(axis=(1, 2))
    angles = np.degrees(np.arcsin((rows - 20) / 16))
    assert np.abs(angles).max() <= 10.5
    assert np.abs(angles).max() > 8


def test_a_zoom_scales_within_bounds() -> None:
    images = np.zeros((200, 41, 41, 1), np.float32)
    images[:, 10:31, 10:31] = 255
    area = changed(Augmentation(zoom=0.1, border="constant"), images).sum(axis=(1, 2, 3)) / images[0].sum()
    assert area.min() >= 1 / 1.1**2 - 0.02
    assert area.max() <= 1 / 0.9**2 + 0.02
    assert area.max() - area.min() > 0.3


def test_the_border_is_black_or_the_nearest_pixel() -> None:
    images = np.full((50, 11, 11, 1), 200, np.float32)
    assert changed(Augmentation(shift=0.3, border="nearest"), images).min() == pytest.approx(200)
    assert changed(Augmentation(shift=0.3, border="constant"), images).min() == 0


def spectrum(images: np.ndarray) -> np.ndarray:
    """Give how strong each frequency along an image's rows is, on average over rows and images."""
    middle = images[:, 8:-8, 8:-8, 0]
    return np.abs(np.fft.rfft(middle - middle.mean(axis=2, keepdims=True), axis=2)).mean(axis=(0, 1))


def moved_noise(chosen: Augmentation) -> np.ndarray:
    """Say how much of each frequency along a row is left in noise that was moved: (frequencies,)."""
    noise = np.random.default_rng(0).uniform(0, 255, (400, 48, 48, 1)).astype(np.float32)
    return spectrum(changed(chosen, noise)) / spectrum(noise)


def test_images_come_out_of_a_shift_as_sharp_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    lower = slice(1, 9)  # up to half of the highest frequency
    assert np.abs(moved_noise(Augmentation(shift=0.1))[lower] - 1).mean() < 0.1
    monkeypatch.setattr(augmentation, "sharpen", lambda images: images)
    assert moved_noise(Augmentation(shift=0.1))[lower].mean() < 0.75  # of both axes together


def test_what_is_only_mirrored_is_not_blurred_and_so_not_sharpened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation, "sharpen", lambda images: 0 * images)
    assert np.allclose(moved_noise(Augmentation(flip=True))[1:], 1, atol=0.01)
    assert not np.allclose(moved_noise(Augmentation(rotation=5))[1:], 1, atol=0.5)


def test_sharpening_leaves_even_images_and_the_mean_of_all_others(pictures: np.ndarray) -> None:
    even = np.broadcast_to(np.array([10, 80, 200], np.float32), (2, 9, 11, 3))
    np.testing.assert_allclose(augmentation.sharpen(even), even, atol=1e-3)
    sharp = keras.ops.convert_to_numpy(augmentation.sharpen(pictures))
    np.testing.assert_allclose(sharp.mean(axis=(1, 2)), pictures.mean(axis=(1, 2)), atol=1e-2)
    assert sharp.std() > 1.2 * pictures.std()


def erased(share: float, count: int = 300, size: int = 20) -> np.ndarray:
    """Say which pixels of black images are greyed out: (count, size, size) bool."""
    images = np.zeros((count, size, size, 1), np.float32)
    layer = augmentation.RandomErasing(share, seed=0)
    np.testing.assert_array_equal(layer(images, training=False), images)
    return keras.ops.convert_to_numpy(layer(images, training=True))[..., 0] == augmentation.ERASED_TO


def test_erasing_greys_one_rectangle_of_up_to_its_share() -> None:
    mask = erased(0.4)
    rows, columns = mask.any(axis=2), mask.any(axis=1)
    np.testing.assert_array_equal(mask, rows[:, :, None] & columns[:, None, :])  # nothing but a rectangle
    for sides in (rows, columns):
        assert np.abs(np.diff(sides.astype(int), axis=1)).sum(axis=1).max() <= 2  # without gaps
        assert 6 <= sides.sum(axis=1).max() <= 9  # 0.4 of 20, and the pixel that the edge falls into


def test_erasing_reaches_every_row_and_column() -> None:
    found = erased(0.4)
    assert found.any(axis=(0, 1)).all() and found.any(axis=(0, 2)).all()


def test_only_the_layers_that_change_something_are_made() -> None:
    several = Augmentation(), Augmentation(flip=True), CHANGES["strong"]
    made = [augmentation.augmentation_layers(chosen, 0) for chosen in several]
    assert [len(layers) for layers in made] == [0, 1, 1]
    assert len(augmentation.augmentation_layers(Augmentation(erasing=0.2), 0)) == 1


def test_an_augmentation_is_one_entry_and_is_trained_with(monkeypatch: pytest.MonkeyPatch) -> None:
    class Darkening(keras.layers.Layer):
        def __init__(self, strength: float, seed: int) -> None:
            super().__init__()
            self.strength = strength

        def call(self, images, training: bool = False):
            return images * (1 - self.strength) if training else images

    monkeypatch.setitem(augmentation.AUGMENTATIONS, "darkening", Darkening)
    losses = []
    for strength in (0.0, 1.0):
        phase, chosen = Phase("adamw", 0.01, epochs=6), Augmentation(others=(("darkening", strength),))
        plan = replace(PLAN, phases=(phase,), augmentation=chosen)
        losses.append(train(build(), toy_dataset(), plan, seed=1, name="toy", report=quiet).history["loss"].iloc[-1])
    assert losses[0] < 0.9 < losses[1]  # in the dark, all classes are alike: log 3 is 1.1


def test_an_unknown_augmentation_is_an_error_that_names_the_legal_ones() -> None:
    with pytest.raises(ValueError, match="no augmentation 'fog': choose one of erasing"):
        augmentation.augmentation_layers(Augmentation(others=(("fog", 0.5),)), 0)
