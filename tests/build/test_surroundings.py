"""What the machine has around a report changes nothing in it, or is told in one sentence before anything runs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from helpers.base import files
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


def plain_locale(folder: Path, set_variable: Set) -> None:
    for name, value in {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}.items():
        set_variable(name, value)


@pytest.mark.parametrize(
    "surround", [foreign_helpers, foreign_kernel, foreign_keras, foreign_backend, no_home, plain_locale]
)
def test_a_notebook_runs_as_ever(
    surround: Callable[[Path, Set], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    surround(tmp_path / "foreign", monkeypatch.setenv)
    notebooks = tmp_path / "with blanks 图像" / "notebooks"
    notebooks.mkdir(parents=True)
    parameters = nbformat.v4.new_code_cell("SEED = 0  # seed", metadata={"tags": ["parameters"]})
    look = nbformat.v4.new_code_cell(LOOK)
    nbformat.write(nbformat.v4.new_notebook(cells=[parameters, look]), notebooks / "01_look.ipynb")
    run_notebook(notebooks / "01_look.ipynb", tmp_path / "run" / "01_look.ipynb", {"SEED": 1}, print)
    assert json.loads((notebooks / "found.json").read_text(encoding="utf-8")) == OWN


def draw_classes(folder: Path, each: int = 20) -> Path:
    """Write images of two classes, dark and bright."""
    for place, name in enumerate(("dark", "light")):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = np.random.default_rng(number).integers(0, 100, (24, 24)) + 120 * place
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def test_the_driver_says_in_a_plain_locale_what_has_no_letter_there(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    plain_locale(tmp_path, environment.__setitem__)
    words = [f"DATASET={draw_classes(tmp_path / '图像')}", f"REPORTS={tmp_path / 'reports'}", "LANGUAGE=zh-Hant"]
    command = [sys.executable, "-m", "helpers", "look", *words]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0 and r"\u" in ended.stdout, ended.stderr


def test_setup_refuses_a_python_that_is_too_new_in_one_sentence(tmp_path: Path) -> None:
    house, programs = tmp_path / "with blanks 图像", tmp_path / "bin"
    house.mkdir()
    programs.mkdir()
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, house)
    code = "import sys; sys.version_info = (3, 14, 0); exec(sys.argv[1])"
    fake = programs / "python3"
    fake.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{code}' \"$2\"\n")
    fake.chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PYTHON"))}
    environment = {**clean, "PATH": f"{programs}:{os.environ['PATH']}", "LC_ALL": "C"}
    made = subprocess.run(["make", "setup"], cwd=house, env=environment, capture_output=True, text=True)
    assert made.returncode == 2 and made.stdout == "" and not (house / ".venv").exists()
    told = [line for line in made.stderr.splitlines() if "***" not in line]
    assert len(told) == 1 and "needs Python 3.11 to 3.13" in told[0] and "PYTHON=" in told[0]


@pytest.mark.parametrize(("backend", "lines"), [("torch", 1), ("jax", 1), ("tensorflow", 0)])
def test_another_backend_is_passed_over_in_one_line(backend: str, lines: int) -> None:
    code = "from helpers.__main__ import main; main(['report', 'DATASET=none'])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": backend}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    told = [line for line in ended.stderr.splitlines() if line.startswith(f"KERAS_BACKEND={backend} is ")]
    assert len(told) == lines and all("TensorFlow" in line for line in told)


def test_a_repository_that_cannot_be_written_keeps_its_data_with_the_runs_and_says_so(tmp_path: Path) -> None:
    clone, reports, photos = tmp_path / "clone", tmp_path / "elsewhere", draw_classes(tmp_path / "photos")
    shutil.copytree(ROOT / "helpers", clone / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "notebooks", clone / "notebooks")
    shutil.copy(ROOT / "requirements.txt", clone)
    (clone / "data").touch()  # no folder can be made in a file, whoever tries
    clean = {name: value for name, value in os.environ.items() if name not in (files.CACHE_VARIABLE, "REPORTS")}
    environment = {**clean, "PYTHONPATH": str(clone), "PYTHONDONTWRITEBYTECODE": "1"}
    before = sorted(clone.rglob("*"))
    code = "import sys; from helpers.build import report as driver; driver.make_report = lambda build, jobs: 0; "
    code += "from helpers.__main__ import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "report", f"DATASET={photos}", "RECIPE=tiny", f"REPORTS={reports}"]
    ended = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    told = [line for line in ended.stdout.splitlines() if "cannot be written" in line]
    assert told == [f"{clone / 'data'} cannot be written; decoded data are kept in {reports / '.cache'}."]
    assert [*(reports / ".cache").glob("*/dataset.json")] and (reports / "photos-tiny" / "run.json").is_file()
    assert sorted(clone.rglob("*")) == before


def test_a_copy_in_a_folder_with_blanks_and_chinese_makes_a_report_whatever_is_around_it(tmp_path: Path) -> None:
    clone = tmp_path / "with blanks 图像"
    for name in ("helpers", "notebooks"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.txt", clone)
    own = {name: value for name, value in os.environ.items() if name not in (files.CACHE_VARIABLE, "REPORTS")}
    for surround in (foreign_helpers, foreign_kernel, foreign_keras, foreign_backend):
        surround(tmp_path / surround.__name__, own.__setitem__)
    (tmp_path / "home").touch()  # no folder can be made in a file, whoever tries
    own |= {"HOME": str(tmp_path / "home"), "LANG": "C", "LC_ALL": "C"}
    words = [f"DATASET={draw_classes(clone / 'my photos')}", "RECIPE=tiny", "QUESTIONS=3"]
    command = [sys.executable, "-m", "helpers", "report", *words]
    ended = subprocess.run(command, cwd=clone, env=own, capture_output=True, text=True, encoding="utf-8", timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr.count("KERAS_BACKEND=torch is passed over") == 1 and "foreseen" not in ended.stdout
    run = clone / "reports" / "my photos-tiny"
    assert {"report.pdf", "report.html"} <= {path.name for path in run.iterdir()}
    answer = json.loads((run / "answers" / "03_confusion_matrix.json").read_text(encoding="utf-8"))
    assert answer["run"]["recipe"] == "tiny" and answer["classes"] == ["dark", "light"]
