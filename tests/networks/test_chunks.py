"""Work is cut by what an image takes on its way through the network, not by a number of images."""

import keras
import pytest

from helpers.networks import architectures, chunks


def small() -> keras.Model:
    pixels = keras.Input((8, 6, 1))
    maps = keras.layers.Conv2D(4, 3, padding="same")(pixels)
    return keras.Model(pixels, keras.layers.Dense(3)(keras.layers.Flatten()(maps)))


def test_gradients_hold_every_layers_output_and_a_forward_pass_two_in_a_row_and_the_image_twice() -> None:
    assert chunks.gradient_bytes(small(), (8, 6, 1)) == 4 * (48 + 192 + 192 + 3)
    assert chunks.forward_bytes(small(), (8, 6, 1)) == 4 * (192 + 192 + 2 * 48)


def test_a_network_for_any_size_is_measured_at_the_size_of_the_image() -> None:
    inputs = keras.Input((None, None, 1))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 3, padding="same")(inputs))
    assert chunks.gradient_bytes(model, (10, 10, 1)) == 4 * (100 + 200)


@pytest.mark.parametrize("count, each", [(10, 1), (10, 3), (10, 10), (0, 1), (5, 99)])
def test_slices_cover_everything_once_and_fit(count: int, each: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "BYTES_AT_ONCE", 12)
    slices = list(chunks.chunks(count, each))
    assert [i for one in slices for i in range(one.start, one.stop)] == list(range(count))
    assert all((one.stop - one.start) * each <= 12 or one.stop - one.start == 1 for one in slices)


def test_larger_images_and_networks_come_in_smaller_chunks() -> None:
    sizes = {
        (name, side): next(chunks.chunks(10**6, chunks.gradient_bytes(model, (side, side, 1)))).stop
        for name in ("vgg9", "vgg9_small")
        for side in (48, 96)
        for model in [architectures.build_cnn(name, (side, side, 1))]
    }
    assert sizes["vgg9", 96] < sizes["vgg9", 48] < sizes["vgg9_small", 48]
    assert sizes["vgg9", 48] == pytest.approx(4 * sizes["vgg9", 96], rel=0.1)


@pytest.mark.parametrize(
    ("side", "count", "left"),
    [(48, 500, 500), (64, 500, 500), (128, 500, 125), (224, 500, 40), (512, 500, 24), (512, 9, 9)],
)
def test_fewer_large_images_are_explained_but_all_of_up_to_64_pixels(side: int, count: int, left: int) -> None:
    assert chunks.as_many_as_last(count, (side, side, 3)) == left


@pytest.mark.parametrize(("work", "left"), [(13_000_000, 200), (60_000_000, 200), (120_000_000, 100), (10**10, 24)])
def test_fewer_images_are_explained_of_a_network_that_computes_long(work: int, left: int) -> None:
    assert chunks.as_many_as_last(200, (48, 48, 1), work) == left
    assert chunks.as_many_as_last(200, (192, 192, 3), work) == min(left, 24)  # the larger of two costs counts
