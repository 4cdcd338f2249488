"""What the machine has around a report changes nothing in it, or is told in one sentence before anything runs."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from helpers.base.files import ROOT
from helpers.build.execute import run_notebook

LOOK = """
import json, os, sys
from pathlib import Path
import keras
import helpers
found = {
    "helpers": str(Path(helpers.__file__).parent),
    "python": sys.executable,
    "backend": keras.config.backend(),
    "floatx": keras.config.floatx(),
    "format": keras.config.image_data_format(),
}
Path("found.json").write_text(json.dumps(found), encoding="utf-8")
"""
OWN = {
    "helpers": str(ROOT / "helpers"),
    "python": sys.executable,
    "backend": "tensorflow",
    "floatx": "float32",
    "format": "channels_last",
}
Set = Callable[[str, str], None]


def foreign_helpers(folder: Path, set_variable: Set) -> None:
    (folder / "helpers").mkdir(parents=True)
    (folder / "helpers" / "__init__.py").write_text("raise RuntimeError('another package')\n")
    set_variable("PYTHONPATH", str(folder))


def foreign_kernel(folder: Path, set_variable: Set) -> None:
    kernel = folder / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["false"], "display_name": "R", "language": "R"}))
    set_variable("JUPYTER_PATH", str(folder))


def foreign_keras(folder: Path, set_variable: Set) -> None:
    (folder / ".keras").mkdir(parents=True)
    settings = {"floatx": "float16", "backend": "torch", "image_data_format": "channels_first"}
    (folder / ".keras" / "keras.json").write_text(json.dumps(settings))
    set_variable("HOME", str(folder))
    set_variable("KERAS_HOME", str(folder / ".keras"))


def no_home(folder: Path, set_variable: Set) -> None:
    folder.touch()  # no folder can be made in a file, whoever tries
    set_variable("HOME", str(folder))
    set_variable("KERAS_HOME", str(folder / ".keras"))


def foreign_backend(folder: Path, set_variable: Set) -> None:
    set_variable("KERAS_BACKEND", "torch")


@pytest.mark.parametrize("surround", [foreign_helpers, foreign_kernel, foreign_keras, foreign_backend, no_home])
def test_a_notebook_runs_as_ever(
    surround: Callable[[Path, Set], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    surround(tmp_path / "foreign", monkeypatch.setenv)
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    parameters = nbformat.v4.new_code_cell("SEED = 0  # seed", metadata={"tags": ["parameters"]})
    look = nbformat.v4.new_code_cell(LOOK)
    nbformat.write(nbformat.v4.new_notebook(cells=[parameters, look]), notebooks / "01_look.ipynb")
    run_notebook(notebooks / "01_look.ipynb", tmp_path / "run" / "01_look.ipynb", {"SEED": 1}, print)
    assert json.loads((notebooks / "found.json").read_text(encoding="utf-8")) == OWN
