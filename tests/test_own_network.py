"""All seven notebooks are about a network of one's own, of whatever kind; `pytest -m slow` tries more of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.base.files import ROOT

SLOW = ("guide", "nested", "shared", "separable", "channels_first", "subclassed", "mixed", "unbuilt")


@pytest.mark.parametrize("kind", ["transformer", *(pytest.param(kind, marks=pytest.mark.slow) for kind in SLOW)])
def test_seven_notebooks_are_about_a_network_of_ones_own(kind: str, tmp_path: Path) -> None:
    words = ["DATASET=faces", "RECIPE=tiny", f"NETWORK=tests/kinds.py:{kind}", f"REPORTS={tmp_path}"]
    made = subprocess.run([sys.executable, "-m", "helpers", "report", *words], cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    run = tmp_path / f"faces-tiny-kinds-{kind}"
    answers = {path.stem: json.loads(path.read_text()) for path in (run / "answers").glob("0?_*[!p].json")}
    said = {name: json.dumps(answer["blocks"]) for name, answer in answers.items() if "blocks" in answer}
    assert len(said) == 7 and (run / "report.pdf").stat().st_size > 100_000
    assert "checked of the network before it was explained" in said["01_train_cnn"]
    refused = (
        "Grad-CAM" in said["04_saliency_maps"] and "no convolution, and so no feature maps" in said["04_saliency_maps"]
    )
    assert refused == (kind == "transformer")
    assert ("no filter to look into" in said["05_gradient_ascent"]) == (kind == "transformer")


def test_what_is_wrong_with_a_network_is_told_before_anything_runs(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import keras\n\ndef build(image_shape, classes):\n    return keras.Sequential(\n")
    words = ["DATASET=faces", "RECIPE=tiny", f"NETWORK={file}", f"REPORTS={tmp_path / 'reports'}"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "helpers", "report", *words]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert made.returncode == 2
    assert "mine.py cannot be imported: SyntaxError in line 4" in made.stderr.strip().splitlines()[-1]
    assert not list(tmp_path.glob("reports/*/answers"))
