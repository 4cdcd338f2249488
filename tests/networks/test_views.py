"""Views of an image: what each shows, and what the average of the answers is."""

import numpy as np
import pytest

from helpers.networks.views import average_answer, enlarged_crops, four_crops, ten_views


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 48, 48, 2)).astype(np.uint8)


def test_views_are_the_images_and_their_mirror_images_each_moved_along_the_diagonals(images: np.ndarray) -> None:
    views = list(ten_views(images))
    assert len(views) == 10 and all(view.shape == images.shape and view.dtype == np.uint8 for view in views)
    np.testing.assert_array_equal(views[0], images)
    for view, mirrored in zip(views[::2], views[1::2], strict=True):
        np.testing.assert_array_equal(mirrored, view[:, :, ::-1])
    corners = [(down, right) for down in (-2, 2) for right in (-2, 2)]
    inner = images[:, 2:-2, 2:-2]
    for (down, right), view in zip(corners, views[2::2], strict=True):
        np.testing.assert_array_equal(np.roll(view, (down, right), (1, 2))[:, 2:-2, 2:-2], inner)
    assert len(np.unique(np.stack(views), axis=0)) == 10


def test_what_moves_in_repeats_the_nearest_pixel(images: np.ndarray) -> None:
    first = list(ten_views(images))[2]
    np.testing.assert_array_equal(first[:, :3, :3], np.broadcast_to(images[:, :1, :1], (3, 3, 3, 2)))


@pytest.mark.parametrize(("size", "moved"), [(4, 1), (48, 2), (96, 4)])
def test_views_move_by_a_share_of_the_size(size: int, moved: int) -> None:
    image = np.arange(size * size, dtype=np.float32).reshape(1, size, size, 1)
    assert list(ten_views(image))[8][0, 0, 0, 0] == image[0, moved, moved, 0]


def test_crops_are_moved_images_two_of_them_mirrored(images: np.ndarray) -> None:
    views, crops = list(ten_views(images)), list(four_crops(images))
    for crop, view in zip(crops, (views[2], views[5], views[7], views[8]), strict=True):
        np.testing.assert_array_equal(crop, view)


def test_enlarged_crops_are_the_corners_two_of_them_mirrored() -> None:
    ramp = np.arange(48, dtype=np.float32)  # what a pixel shows tells where it was
    image = np.stack(np.broadcast_arrays(ramp[:, None], ramp), axis=-1)[None]
    places = [(0, 0), (0, 4), (4, 0), (4, 4)]
    for (top, left), crop in zip(places, enlarged_crops(image), strict=True):
        assert crop.shape == image.shape and crop.dtype == image.dtype
        if left != top:
            crop = crop[:, :, ::-1]
        shown = (ramp + 0.5) * 44 / 48 - 0.5  # places of the middles of 48 pixels that share 44
        np.testing.assert_allclose(crop[0, 1:-1, 5, 0], top + shown[1:-1], atol=1e-3)
        np.testing.assert_allclose(crop[0, 5, 1:-1, 1], left + shown[1:-1], atol=1e-3)


def test_enlarged_grey_levels_are_rounded(images: np.ndarray) -> None:
    whole = list(enlarged_crops(images))
    assert all(crop.dtype == np.uint8 for crop in whole)
    exact = list(enlarged_crops(images.astype(np.float32)))
    np.testing.assert_allclose(np.stack(whole), np.stack(exact), atol=0.51)


def test_the_average_is_the_mean_of_the_answers_and_mirror_images_have_the_same(images: np.ndarray) -> None:
    def answer(view: np.ndarray) -> np.ndarray:
        return view[:, 5, :20].astype(np.float32).sum(axis=1)

    average = average_answer(answer, four_crops(images))
    np.testing.assert_allclose(average, np.mean([answer(view) for view in four_crops(images)], axis=0), rtol=1e-6)
    mirrored = average_answer(answer, four_crops(images[:, :, ::-1]))
    np.testing.assert_allclose(average, mirrored, rtol=1e-6)
    assert not np.allclose(answer(images), answer(images[:, :, ::-1]), rtol=1e-3)
