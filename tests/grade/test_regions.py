"""What is said of regions: named where the relevance is, and not where it is not."""

import keras
import numpy as np
import pandas as pd
import pytest

from helpers.base.words import show
from helpers.data import faces
from helpers.explain import saliency
from helpers.explain.regions import Regions
from helpers.grade import regions

COUNT = 40
NAMES = np.repeat(["happy", "sad"], COUNT // 2)
PARTS = Regions(
    faces.draw_regions("test", np.arange(COUNT), np.arange(COUNT) % 7),
    faces.REGIONS,
    np.eye(len(faces.REGIONS), dtype=bool),
    "drawn",
)
MOUTH = (PARTS.labels == faces.REGIONS.index("mouth")).astype(np.float32)
NOISE = np.random.default_rng(0).random(MOUTH.shape)


def attend(maps: np.ndarray, groups: np.ndarray = NAMES) -> pd.DataFrame:
    return regions.attention(regions.shares(maps, PARTS), PARTS.areas(), PARTS.names, groups)


def said(maps: np.ndarray, groups: np.ndarray = NAMES) -> str:
    return show(regions.sentence(attend(maps, groups), "Grad-CAM"))


def test_a_map_on_the_mouth_names_the_mouth_and_nothing_else() -> None:
    found = regions.stand_out(attend(MOUTH))
    assert {*zip(found["group"], found["region"])} == {("happy", "mouth"), ("sad", "mouth")}
    text = said(MOUTH)
    assert "for happy, the mouth (100% of it on " in text and "for sad, the mouth (100% of it on " in text
    assert not [name for name in faces.REGIONS if name != "mouth" and name in text]
    assert "none stands out" not in text and "too few images" not in text


@pytest.mark.parametrize("maps", [np.ones(MOUTH.shape), NOISE], ids=["even", "noise"])
def test_a_map_that_prefers_no_region_names_none(maps: np.ndarray) -> None:
    assert regions.stand_out(attend(maps)).empty
    for brief in (False, True):
        text = show(regions.sentence(attend(maps), "Grad-CAM", brief))
        assert "none stands out" in text and "than the area would suggest" not in text and "Regions on" not in text


def test_a_map_that_lies_elsewhere_in_every_image_names_none() -> None:
    """Each map lies in one region alone, but in another one from image to image."""
    random = np.random.default_rng(1).integers(0, len(faces.REGIONS), COUNT)
    maps = (PARTS.labels == random[:, None, None]).astype(np.float32)
    assert regions.stand_out(attend(maps)).empty


def test_a_class_without_a_preference_is_told_from_one_with() -> None:
    text = said(np.where((NAMES == "happy")[:, None, None], MOUTH, 1.0))
    assert "for happy, the mouth" in text and "for sad, none stands out" in text


def test_of_few_images_nothing_is_said() -> None:
    few = np.where(np.arange(COUNT) < 36, "happy", "sad")
    text = said(MOUTH, few)
    assert "for happy, the mouth" in text and "for sad, there are too few images to say" in text
    assert "for sad, the mouth" not in text


@pytest.mark.parametrize("count", [1, 5])
def test_where_no_group_has_enough_images_none_is_said_to_prefer_nothing(count: int) -> None:
    table = regions.attention(MOUTH[:count, :9, 0], PARTS.areas()[:count], PARTS.names, NAMES[:count])
    assert show(regions.sentence(table, "it")) == "Class by class, there are too few images to say where it lies."


def test_images_without_relevance_do_not_count() -> None:
    blank = MOUTH * (np.arange(COUNT) % 2)[:, None, None]
    assert attend(blank)["images"].max() <= COUNT // 4


def test_the_share_and_the_area_are_those_of_the_images() -> None:
    table = attend(MOUTH + 0.01)
    row = table[(table["group"] == "sad") & (table["region"] == "mouth")].iloc[0]
    area = MOUTH[NAMES == "sad"].mean()
    assert row["area"] == pytest.approx(area) and row["ratio"] == pytest.approx(row["share"] / row["area"])
    assert row["low"] < row["ratio"] < row["high"]


def test_a_network_whose_evidence_is_one_region_is_told_so() -> None:
    """A linear network that reads the rows where most mouths lie, explained by its gradient."""
    weights = np.zeros((48, 48, 1, 2), np.float32)
    weights[32:39, 18:31, 0, 0] = 1
    weights[..., 1] = -weights[..., 0]
    pixels = keras.Input((48, 48, 1))
    dense = keras.layers.Dense(2)
    model = keras.Model(pixels, dense(keras.layers.Flatten()(pixels)))
    dense.set_weights([weights.reshape(-1, 2), np.zeros(2, np.float32)])
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 48, 48, 1)).astype(np.uint8)
    maps = saliency.gradient(model, images, np.zeros(COUNT, int))
    found = regions.stand_out(attend(maps))
    assert found.groupby("group")["region"].first().tolist() == ["mouth", "mouth"]
    assert not {"eyes", "brows", "hair", "forehead"} & {*found["region"]}
    inverse = regions.stand_out(attend(-maps))  # what speaks against the class is no relevance for it
    assert inverse.empty


def test_two_groups_share_what_stands_out_in_both() -> None:
    eyes = (PARTS.labels == faces.REGIONS.index("eyes")).astype(np.float32)
    both = regions.shared_sentence(attend(MOUTH), "LIME's weight")
    assert [show(one) for one in both] == [
        "Both for happy and for sad, more of LIME's weight lies on the mouth than the area would suggest."
    ]
    none = regions.shared_sentence(attend(np.where((NAMES == "sad")[:, None, None], eyes, MOUTH)), "it")
    assert [show(one) for one in none] == ["No region holds more of it than its area gives for both happy and sad."]
    assert regions.shared_sentence(attend(MOUTH, np.where(np.arange(COUNT) < 36, "happy", "sad")), "it") == []


def test_a_filter_prefers_the_classes_that_raise_its_output_and_no_others() -> None:
    labels, random = np.arange(90) % 3, np.random.default_rng(0)
    noise = random.normal(size=90)
    assert regions.preferred(noise + 3 * (labels == 1), labels, ["a", "b", "c"]) == ["b"]
    assert regions.preferred(noise, labels, ["a", "b", "c"]) == []
    assert regions.preferred(3.0 * (labels[:12] == 1), labels[:12], ["a", "b", "c"]) is None  # too few images


OF_REGIONS = (
    "output is concentrated on the mouth",
    "no region stands out",
    "too few test images raise its output to say where",
)
OF_CLASSES = {("happy",): "images of happy raise", (): "no class raises", None: "too few of each class to say which"}


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("classes", OF_CLASSES)
def test_of_a_filter_is_said_what_was_measured_and_nothing_else(
    lines: bool, place: int, classes: tuple[str, ...] | None
) -> None:
    texture = pd.Series({"wave": 5.2, "alignment": 0.8 if lines else 0.2, "angle": 45.0})
    table = attend((MOUTH, NOISE, MOUTH)[place]).query("group == 'happy'")
    table = table.assign(images=regions.FEWEST - 1, stands_out=False) if place == 2 else table
    text = show(regions.filter_sentence("(2, 3)", texture, table, classes))
    assert text.startswith("The filter in (2, 3) ") and "5.2 pixels" in text
    assert ("asks for lines at 45" in text) == ("asks for lines" in text) == lines and (
        "without one direction" in text
    ) != lines
    assert [one for one in OF_REGIONS if one in text] == [OF_REGIONS[place]]
    assert [one for one in OF_CLASSES.values() if one in text] == [OF_CLASSES[classes]]
