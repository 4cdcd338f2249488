"""What the notebooks' last cells conclude, and do not conclude, of data made for it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from helpers import confusion, regions
from helpers.answers import Answer, render_block
from helpers.base.files import ROOT
from helpers.base.words import said
from helpers.grade import scorecard

IMAGES = 40
NAMES = np.array(["happy", "sad"])


def concluded(tmp_path: Path, notebook: str, cell: str, **given: Any) -> str:
    """Run one cell of a notebook, or some, on made data, and give what they say."""
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    source = "\n".join("".join(one["source"]) for one in cells if one["id"] in cell.split())
    answer = Answer(tmp_path, notebook, "Title", "Question?")
    exec(
        source, {"answer": answer, "np": np, "display": lambda *shown: None, "regions": regions, "said": said, **given}
    )
    return " ".join(render_block(block) for block, _ in answer._blocks)


def two_halves(images: int) -> regions.Regions:
    labels = np.zeros((images, 8, 8), np.uint8)
    labels[:, 4:] = 1
    return regions.Regions(labels, ("top", "bottom"), np.eye(2, dtype=bool), "places")


@pytest.mark.parametrize(
    ("share", "images", "said", "unsaid"),
    [
        (0.9, IMAGES, "lies on the top (90% of it on 50% of the image)", "no part of the image"),
        (0.5, IMAGES, "no part of the image stands out", "looks there"),
        (0.9, 4, "too few images", "stands out"),
        (0.5, 4, "too few images", "stands out"),
    ],
)
def test_where_the_network_looks(tmp_path: Path, share: float, images: int, said: str, unsaid: str) -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, images)
    held = np.stack([share + noise, 1 - share - noise], axis=1)
    places, labels = two_halves(images), np.arange(images) % 2
    table = regions.attention(held, places.areas(), places.names, NAMES[labels])
    given = {"told": ["Grad-CAM"], "tables": {"Grad-CAM": table}, "places": places, "names": NAMES}
    given |= {"many": SimpleNamespace(labels=labels), "measured": SimpleNamespace(held={"Grad-CAM": held})}
    text = concluded(tmp_path, "04_saliency_maps", "c4d10010", **given)
    assert said in text and unsaid not in text


@pytest.mark.parametrize(
    ("kind", "told", "untold"),
    [
        ("halves", "for happy, the top (100% of it on 50% of the image); for sad, the bottom (100%", "No region"),
        ("even", "No region holds more of the evidence", "the top"),
        ("none", "", "evidence"),
    ],
)
def test_where_the_evidence_lies_is_said_where_it_is_known(kind: str, told: str, untold: str, tmp_path: Path) -> None:
    places, labels = two_halves(IMAGES), np.arange(IMAGES) % 2
    evidence = np.full((IMAGES, 8, 8), kind == "even") | ((kind == "halves") & (places.labels == labels[:, None, None]))
    given = {"marked": bool(evidence.any()), "many": SimpleNamespace(evidence=evidence, labels=labels)}
    given |= {"shown": np.arange(2), "places": places, "names": NAMES}
    given |= {"measured": SimpleNamespace(means={"Grad-CAM": 0}), "graded": SimpleNamespace(methods=["a", "b", "c"])}
    text = concluded(tmp_path, "04_saliency_maps", "c24b", **given)
    assert told in text and untold not in text
    assert "1 of 3 methods is considered here (Grad-CAM)" in text


@pytest.mark.parametrize(("notebook", "cell"), [("05_gradient_ascent", "c28c"), ("07_keract_activations", "c27b")])
@pytest.mark.parametrize(("kind", "images"), [("top", IMAGES), ("even", IMAGES), ("even", 4)])
def test_which_filters_answer_to_a_region(tmp_path: Path, notebook: str, cell: str, kind: str, images: int) -> None:
    places, maps = two_halves(images), np.ones((images, 8, 8, 3))
    if kind == "top":
        maps[:, 4:, :, 0] = 0
    standing = regions.stand_out(regions.filter_attention(maps, places))
    stage = pd.DataFrame({"height": [8, 4], "width": [8, 4], "channels": [3, 6]}, index=["conv 1", "conv 2"])
    given = {"standing": standing, "telling": standing.drop_duplicates("group"), "outputs": np.ones((3, 8, 8))}
    given |= {"drawn": SimpleNamespace(labels=np.zeros(images)), "channels": 3, "labels": {"x": "conv 1"}, "last": "x"}
    given |= {"staged": stage, "first": stage.iloc[0], "end": stage.iloc[1]}
    given["ends"] = {"a": "conv 1", "b": "conv 2", "c": 3, "c2": 6, "h": 8, "w": 8, "h2": 4, "w2": 4}
    text = concluded(tmp_path, notebook, cell, **given)
    assert ("most often" in text and "the top (1" in text) == (kind == "top")
    assert ("No filter" in text or "none of the" in text.lower()) == (kind == "even" and images >= regions.FEWEST)


@pytest.mark.parametrize(("right", "apart"), [(38, True), (22, False)])
def test_a_class_is_called_best_only_where_the_next_is_told_from_it(tmp_path: Path, right: int, apart: bool) -> None:
    counts = np.array([[right, IMAGES - right], [20, IMAGES - 20]])
    ends = {
        "highest": confusion.extreme_recall(counts, NAMES, 1),
        "lowest": confusion.extreme_recall(counts, NAMES, -1),
    }
    ends |= {"attended": regions.attention(np.ones((4, 1)), np.ones((4, 1)), ["top"], np.zeros(4)), "weight": "LIME"}
    text = concluded(tmp_path, "06_lime", "c29b", **ends, names=list(NAMES), best=0, worst=1)
    assert ("The class that is found most often is happy" in text) == apart
    assert ("Which class is found most often is not clear" in text) == (not apart)
    assert ("do not say that the network finds happy better than sad" in text) == (not apart)


def ingredients(tmp_path: Path, trainings: int, spread: float, gap: float) -> str:
    """Let notebook 02 judge a CNN with and without its ingredients, whose trainings differ in accuracy by so much."""
    skills = 0.6 + spread * np.linspace(-1, 1, trainings)[:, None] if trainings > 1 else np.array([[0.6 + spread]])
    places, labels = np.linspace(0, 1, 2000, endpoint=False), np.zeros(2000, int)

    def answers(skill: np.ndarray) -> np.ndarray:
        return np.eye(2)[(places > skill).astype(int)]

    known = {"cnn": answers(skills), "plain": answers(skills[::-1] - gap - (2 * spread if trainings == 1 else 0))}
    versions = {name: [SimpleNamespace(history=[0] * 3)] * trainings for name in known}
    given = {"answers": known, "labels": labels, "versions": versions, "often": trainings, "confusion": confusion}
    given |= {"cnn": SimpleNamespace(history=[0] * 9), "SMALLEST": 1.0, "SIGNIFICANCE": 0.05}
    given["difference"] = confusion.compare(labels, known["cnn"].argmax(-1), known["plain"].argmax(-1))
    return concluded(tmp_path, "02_compare_dnn", "c26 c27 c29", **given)


def test_after_one_training_notebook_02_speaks_of_these_networks_and_of_their_epochs(tmp_path: Path) -> None:
    text = ingredients(tmp_path, 1, 0.03, 0.0)
    assert "This network with augmentation against the one without, after 3 epochs: +6.0 points" in text
    assert "This CNN against this DNN, after 9 epochs: +6.0 points" in text
    assert "more than chance explains" in text and "Each version was trained once" in text
    assert "each trained" not in text and "Each difference holds for the epochs" in text


def test_after_several_trainings_notebook_02_claims_what_outweighs_their_luck_and_no_more(tmp_path: Path) -> None:
    lucky, sure = ingredients(tmp_path, 5, 0.08, 0.05), ingredients(tmp_path, 5, 0.004, 0.05)
    assert "no difference can be claimed" in lucky and "more than chance explains" not in lucky
    assert "more than chance explains" in sure and "no difference" not in sure
    for text in (lucky, sure):
        assert "The CNN with augmentation against the same without, each trained 5 times, after 3 epochs" in text
        assert "This network" not in text and "trained once" not in text


def test_no_curves_are_drawn_of_one_right_and_one_wrong_answer(tmp_path: Path) -> None:
    names, substrates = np.array(["one", "other"]), np.array(["blur", "mean"])
    graded = SimpleNamespace(names=names, substrates=substrates, correct=np.array([True, False]))
    graded.curves = np.full((2, 2, 2, 2, 5), np.nan)
    text = concluded(tmp_path, "04_saliency_maps", "c4d10005", graded=graded, scorecard=scorecard)
    assert "so that no curves are drawn" in text
