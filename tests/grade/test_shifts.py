"""What moving the images costs is measured pixel by pixel, and who loses more is said only where it is sure."""

import keras
import numpy as np
import pytest

from helpers.grade import confusion

IMAGES = 200
VERDICTS = (
    "fewer points of accuracy than this DNN (",
    "more points of accuracy than this DNN (",
    "is not clear after the correction for all claims (",
)


def test_images_are_moved_to_all_sides_and_their_edges_repeated() -> None:
    images = np.zeros((1, 8, 8, 1), np.uint8)
    images[0, 3, 3] = 255
    image = keras.Input((8, 8, 1))
    places = keras.Model(image, keras.layers.Flatten()(image))  # answers with the brightest pixel
    found = confusion.answers_to_moved(places, images, [1, 2])
    rows, columns = np.divmod(found[:, 0], 8)
    steps = {(int(row) - 3, int(column) - 3) for row, column in zip(rows, columns)}
    assert steps == {(0, 0), *((0, far) for far in (1, -1, 2, -2)), *((far, 0) for far in (1, -1, 2, -2))}
    images[0, 3, 3], images[0, :, 0] = 0, 255
    moved = confusion.answers_to_moved(keras.Model(image, keras.layers.Flatten()(255 - image)), images, [2])
    assert set(moved[0] % 8) == {1} and 3 in moved[:, 0] % 8  # the edge is repeated: two bright columns more


def falls(cnn: float, dnn: float, images: int = IMAGES) -> confusion.Falls:
    """Let both networks be right on all images, and moved, on all but these shares, each on images of its own."""
    labels, random = np.zeros(images, int), np.random.default_rng(0)
    wrong = [random.random((12, images)) < share for share in (cnn, dnn)]
    return confusion.compare_falls(labels, *(np.concatenate([labels[None], one.astype(int)]) for one in wrong))


@pytest.mark.parametrize(
    ("cnn", "dnn", "images", "place"),
    [(0.05, 0.4, IMAGES, 0), (0.4, 0.05, IMAGES, 1), (0.2, 0.2, IMAGES, 2), (0.0, 0.0, IMAGES, 2), (0.0, 0.2, 3, 2)],
)
def test_who_loses_more_is_said_only_where_the_interval_leaves_out_zero(
    cnn: float, dnn: float, images: int, place: int
) -> None:
    found = falls(cnn, dnn, images)
    assert [said for said in VERDICTS if said in str(found.verdict)] == [VERDICTS[place]]
    assert (place == 2) == (found.low <= 0 <= found.high)


def test_what_one_claim_would_hold_is_not_said_where_the_report_makes_many() -> None:
    labels, right = np.zeros(IMAGES, int), np.zeros((13, IMAGES), int)
    wrong = right.copy()
    wrong[1:, :8] = 1  # moved, this one is wrong on 8 of 200 images
    one, many = (confusion.compare_falls(labels, right, wrong, 0.05 / claims) for claims in (1, 100))
    assert (one.low, one.high) == (many.low, many.high) and one.low > 0
    assert VERDICTS[0] in str(one.verdict) and VERDICTS[2] in str(many.verdict)


def test_the_falls_are_told_by_distance_in_points() -> None:
    labels = np.zeros(10, int)
    moved = np.zeros((13, 10), int)
    moved[1:5, :1], moved[5:9, :2], moved[9:, :5] = 1, 1, 1
    found = confusion.compare_falls(labels, moved, np.zeros((13, 10), int))
    assert found.cnn == pytest.approx([-10, -20, -50]) and found.dnn == [0, 0, 0]
    assert found.difference == pytest.approx(-80 / 3) and found.images == 10
