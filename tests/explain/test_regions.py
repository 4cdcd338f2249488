"""Named regions: shares of relevance, and how each kind of data is divided."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import toy_dataset

from helpers.base.words import show
from helpers.data import faces
from helpers.data.datasets import Dataset, Split
from helpers.explain import regions
from helpers.explain.regions import Regions
from helpers.explain.superpixels import Explanation
from helpers.grade.regions import source
from helpers.networks.sample import Sample


def sample_of(images: np.ndarray, indices: np.ndarray, labels: np.ndarray) -> Sample:
    one = np.ones(len(images))
    return Sample(images, labels, labels, one, indices, ("a",), None, one > 0)


def photo(colour: tuple[int, int, int], ground: tuple[int, int, int] = (245, 245, 245)) -> np.ndarray:
    """Draw a square of a colour, low in the picture."""
    image = np.full((30, 30, 3), ground, np.uint8)
    image[15:27, 9:21] = colour
    return image


def words(image: np.ndarray, one: Explanation) -> Regions:
    sample = sample_of(image[np.newaxis], np.zeros(1, int), np.zeros(1, int))
    return regions.superpixel_regions(toy_dataset(2), sample, [one])


def find(images: np.ndarray, **changed: object) -> Regions:
    dataset: Dataset = replace(toy_dataset(2), **changed)
    places = np.arange(len(images))
    return regions.find_regions(dataset, sample_of(images, places, places % 7))


def test_shares_of_a_partition_sum_to_one_and_lie_where_the_map_does() -> None:
    labels = np.random.default_rng(0).integers(0, 3, (4, 12, 12)).astype(np.uint8)
    parts = Regions(labels, ("a", "b", "c"), np.eye(3, dtype=bool), "test")
    maps = np.random.default_rng(1).normal(size=(4, 12, 12))
    found = regions.shares(maps, parts)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    expected = [
        [image[own == place].clip(0).sum() / image.clip(0).sum() for place in range(3)]
        for image, own in zip(maps, labels)
    ]
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(regions.shares((labels == 1).astype(float), parts), [[0, 1, 0]] * 4)
    np.testing.assert_allclose(parts.areas(), [[(own == place).mean() for place in range(3)] for own in labels])


def test_a_map_without_positive_relevance_has_no_shares() -> None:
    parts = Regions(np.zeros((1, 4, 4), np.uint8), ("a",), np.eye(1, dtype=bool), "test")
    assert np.isnan(regions.shares(-np.ones((1, 4, 4)), parts)).all()


def test_small_maps_of_many_filters_are_laid_over_the_image() -> None:
    labels = np.zeros((1, 8, 8), np.uint8)
    labels[:, 4:] = 1
    parts = Regions(labels, ("top", "bottom"), np.eye(2, dtype=bool), "test")
    maps = np.zeros((1, 2, 2, 3))
    maps[0, 0, :, 0] = maps[0, 1, :, 1] = 1
    maps[..., 2] = 1
    np.testing.assert_allclose(regions.shares(maps, parts)[0], [[1, 0, 0.5], [0, 1, 0.5]])


def test_drawn_faces_have_the_regions_that_were_drawn() -> None:
    labels = np.arange(6) % 7
    images = np.zeros((6, faces.SIZE, faces.SIZE, 1), np.uint8)
    found = find(images, evidence={})
    assert found.names == faces.REGIONS and found.source == regions.DRAWN
    drawn = faces.draw_regions("test", np.arange(6), labels)
    np.testing.assert_array_equal(found.labels, drawn)
    larger = find(np.zeros((6, 96, 96, 1), np.uint8), evidence={})
    np.testing.assert_array_equal(larger.labels[:, ::2, ::2], drawn)


@pytest.fixture
def no_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "find_spec", lambda name: None)


@pytest.mark.usefixtures("no_detector")
def test_the_template_of_a_face_holds_the_landmarks_that_it_was_made_from() -> None:
    found = find(np.zeros((2, 48, 48, 1), np.uint8), title="FER2013")
    assert found.source == regions.TEMPLATE and "hair" not in found.names
    for (x, y), name in {
        (15, 18): "eyes",
        (33, 18): "eyes",
        (25, 29): "nose",
        (17, 37): "mouth",
        (32, 37): "mouth",
    }.items():
        assert found.names[found.labels[0, y, x]] == name
    np.testing.assert_allclose(found.areas().sum(axis=1), 1)
    assert (found.areas() > 0.02).all()


def turned(points: np.ndarray, degrees: float, size: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (points - 24) @ turn * size + 24 + shift


@pytest.mark.parametrize(("degrees", "size", "shift"), [(0, 1, (0, 0)), (20, 0.8, (3, -4)), (-15, 1.1, (-2, 1))])
@pytest.mark.parametrize("side", [48, 96])
def test_the_template_goes_where_the_landmarks_are(
    degrees: float, size: float, shift: tuple[float, float], side: int
) -> None:
    points = turned(regions._USUAL.astype(float), degrees, size, shift)
    laid = regions.lay_template(regions._face_template((side, side)), points)
    assert laid is not None
    named = [faces.REGIONS[laid[int(y * side / 48), int(x * side / 48)]] for x, y in points]
    assert named == ["eyes", "eyes", "nose", "mouth", "mouth"]
    assert laid[0, 0] == laid[-1, -1] == laid.max()  # the rest


def test_points_that_are_no_faces_move_no_template() -> None:
    template = regions._face_template((48, 48))
    strewn = regions._USUAL + np.array([[0, 0], [0, 0], [20, -12], [0, 0], [0, 0]])
    for points in (np.full((5, 2), np.nan), strewn, np.full((5, 2), 20.0)):
        assert regions.lay_template(template, points) is None


def detects(points: np.ndarray, monkeypatch: pytest.MonkeyPatch, cache: Path) -> list[int]:
    """Have a detector find these landmarks in images of `numbered`; gives how many it is asked about each time."""
    asked: list[int] = []
    monkeypatch.setattr(regions, "find_spec", lambda name: True)
    monkeypatch.setattr(regions, "find_landmarks", lambda own: asked.append(len(own)) or points[own[:, 0, 0, 0]])
    monkeypatch.setenv("DATA_CACHE", str(cache))
    return asked


def numbered(count: int) -> Split:
    """Give images of which each pixel is the image's place."""
    return Split(np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, 30, 30, 3)), np.zeros(count, int))


def test_faces_without_landmarks_keep_the_template_and_are_not_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    points = np.full((5, 5, 2), np.nan)
    points[1] = regions._USUAL + np.array([4, 0])
    asked = detects(points, monkeypatch, tmp_path)
    for _ in range(2):
        found = find(np.zeros((3, 48, 48, 1), np.uint8), title="FER2013", test=numbered(5))
        assert (found.source, found.found) == (regions.LANDMARKS, 1)
    template = regions._face_template((48, 48))
    np.testing.assert_array_equal(found.labels[[0, 2]], [template, template])
    np.testing.assert_array_equal(found.labels[1][:, 14:40], template[:, 10:36])
    assert "in 1 of 3 images" in str(source(found)) and asked == [3]  # found once, and kept


def test_any_data_in_most_of_whose_images_a_face_is_found_have_the_parts_of_a_face(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    points = np.tile(turned(regions._USUAL, 0, 0.5, (6, 0)), (100, 1, 1))  # small, and right of the middle
    points[1::3] = np.nan
    asked = detects(points, monkeypatch, tmp_path)
    for _ in range(2):
        found = find(np.zeros((3, 30, 30, 3), np.uint8), test=numbered(100))
    assert (found.source, found.found) == (regions.LANDMARKS, 2)
    assert asked[0] == regions.TRIED and sum(asked) <= regions.TRIED + 3  # and no image twice
    for labels in found.labels:  # the one without landmarks is divided as the others usually are
        named = [found.names[labels[int(y * 30 / 48), int(x * 30 / 48)]] for x, y in points[0]]
        assert named == ["eyes", "eyes", "nose", "mouth", "mouth"]


@pytest.mark.parametrize("every", [2, 30])
def test_data_in_few_of_whose_images_a_face_is_found_keep_their_regions_and_tell_so(
    every: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    images = np.stack([photo((200, 30, 30)), photo((60, 150, 50))])
    without, points = find(images), np.full((regions.TRIED, 5, 2), np.nan)
    points[::every] = regions._USUAL
    asked = detects(points, monkeypatch, tmp_path)
    found = find(images, test=numbered(regions.TRIED))
    assert (found.source, found.names, sum(asked)) == (regions.PLACES, without.names, regions.TRIED)
    np.testing.assert_array_equal(found.labels, without.labels)
    assert f"in {found.found} of {regions.TRIED} images" in show(source(found))
    assert "MTCNN" not in show(source(without))


def test_schematic_faces_are_asked_of_no_detector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = detects(np.full((5, 5, 2), np.nan), monkeypatch, tmp_path)
    assert find(np.zeros((2, 48, 48, 1), np.uint8), evidence={}).source == regions.DRAWN and asked == []


def test_the_detector_finds_nothing_in_blank_images() -> None:
    pytest.importorskip("mtcnn")
    assert np.isnan(regions.find_landmarks(np.full((2, 48, 48, 1), 90, np.uint8))).all()


def test_other_images_are_divided_three_times_over() -> None:
    found = find(np.stack([photo((200, 30, 30)), photo((60, 150, 50), ground=(10, 10, 10))]))
    assert found.source == regions.PLACES
    areas = dict(zip(found.names, found.areas().T))
    for division in (regions.FRAME, ("upper half", "lower half"), ("foreground", "background")):
        np.testing.assert_allclose(sum(areas[name] for name in division), 1)
    np.testing.assert_allclose(areas["foreground"], 144 / 900)


def test_an_even_image_has_no_foreground() -> None:
    assert not regions.foreground(np.full((1, 12, 12, 3), 90, np.uint8)).any()


@pytest.mark.parametrize(
    ("colour", "name"), [((150, 20, 25), "red"), ((50, 140, 60), "green"), ((110, 70, 40), "brown")]
)
def test_superpixels_have_places_and_colours(colour: tuple[int, int, int], name: str) -> None:
    image = photo(colour)
    segments = (image[..., 1] != 245).astype(int)
    one = Explanation(segments, 0, np.array([-1, 2], np.float32), 1.0, 1.0)
    found = words(image, one)
    held = dict(zip(found.names, regions.shares(regions.spread_weights([one]), found)[0]))
    assert {name for name, share in held.items() if share > 0} == {f"{name} parts", "lower middle"}
    assert dict(zip(found.names, found.areas()[0]))["white parts"] == pytest.approx(1 - 144 / 900)


def test_grey_superpixels_have_tones() -> None:
    image = photo((20, 20, 20))[..., :1]
    one = Explanation((image[..., 0] != 245).astype(int), 0, np.array([-1, 2], np.float32), 1.0, 1.0)
    found = words(image, one)
    assert {name for name in found.names if name.endswith("parts")} == {"dark parts", "mid-grey parts", "bright parts"}
    assert regions.shares(regions.spread_weights([one]), found)[0][found.names.index("dark parts")] == 1


def test_the_weight_of_a_superpixel_is_spread_over_it() -> None:
    segments = np.array([[0, 0, 0, 1]])
    one = Explanation(segments, 0, np.array([3, -2], np.float32), 1.0, 1.0)
    np.testing.assert_allclose(regions.spread_weights([one]), [[[1, 1, 1, -2]]])


def test_superpixels_of_a_face_lie_in_the_parts_of_a_face() -> None:
    images = np.zeros((3, faces.SIZE, faces.SIZE, 1), np.uint8)
    places, dataset = np.arange(3), replace(toy_dataset(2), evidence={})
    found = regions.superpixel_regions(dataset, sample_of(images, places, places), [])
    np.testing.assert_array_equal(found.labels, faces.draw_regions("test", places, places))
