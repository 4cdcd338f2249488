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

IMAGES = 40
NAMES = np.array(["happy", "sad"])


def concluded(tmp_path: Path, notebook: str, cell: str, **given: Any) -> str:
    """Run one cell of a notebook on made data, and give what it says."""
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    (source,) = ("".join(one["source"]) for one in cells if one["id"] == cell)
    answer = Answer(tmp_path, notebook, "Title", "Question?")
    exec(source, {"answer": answer, "np": np, "display": lambda shown: None, "regions": regions, "said": said, **given})
    return " ".join(render_block(block) for block, _ in answer._blocks)


def two_halves(images: int) -> regions.Regions:
    labels = np.zeros((images, 8, 8), np.uint8)
    labels[:, 4:] = 1
    return regions.Regions(labels, ("top", "bottom"), np.eye(2, dtype=bool), "places")


@pytest.mark.parametrize(
    ("share", "images", "said", "unsaid"),
    [
        (0.9, IMAGES, "looks at the top (90% of it on 50% of the image)", "no part of the image"),
        (0.5, IMAGES, "no part of the image stands out", "looks at"),
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
def test_the_best_class_is_told_from_the_worst_where_the_intervals_part(
    tmp_path: Path, right: int, apart: bool
) -> None:
    labels = np.repeat([0, 1], IMAGES)
    found = np.where(np.tile(np.arange(IMAGES), 2) < np.repeat([right, 20], IMAGES), labels, 1 - labels)
    given = {"confusion": confusion, "test": SimpleNamespace(labels=labels), "names": list(NAMES)}
    given |= {"probabilities": np.eye(2)[found], "best": 0, "worst": 1, "worst_rival": 0, "together": []}
    text = concluded(tmp_path, "06_lime", "c29b", **given)
    assert "The network finds happy best" in text and ("cannot be told apart" not in text) == apart
