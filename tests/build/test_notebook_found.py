"""Notebooks are found by their number, and their metadata say what a build has to know of them."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import nbformat
import pytest
from conftest import write_fer2013_table
from pypdf import PdfReader

from helpers.answers import Answer
from helpers.base.files import ROOT
from helpers.base.notebook import Place, UsageError, find_notebooks
from helpers.build import stale
from helpers.build.plan import Build, plan
from helpers.build.report import make_report
from helpers.explain import registry, saliency  # the latter fills the former

pytestmark = pytest.mark.usefixtures("warm")

# A file of an explanation method, put beside the others, and an entry of an architecture.
METHOD = """
import numpy as np
from helpers.explain.registry import method

@method("brightness", signed=False, passes="few", source="nobody, 2026")
def brightness(model, images, classes, *, signed=True):
    return images.mean(axis=-1, dtype=np.float32)
"""
ADDED = """
from helpers.explain import registry, saliency
from helpers.networks.architectures import ARCHITECTURES, Architecture, build_cnn

saliency.__path__.append({folder!r})
saliency.discover()
ARCHITECTURES["twiglet"] = Architecture(units=((4,),), dense=())
model = build_cnn("twiglet", run.dataset.image_shape, len(run.dataset.class_names))
"""
EXPLAINED = """
images, few = run.dataset.test.images[:8], {"samples": 2, "steps": 2, "masks": 4, "copies": 8, "segments": 4}
settings = registry.Settings(**few, backgrounds=run.dataset.train.images[:4])
"""
EXPLAINED_BY = """
import pandas as pd

names = [one.name for one in registry.choose()]
maps = registry.explain_by(names, model, images, 0, settings)
answer = run.answer("08_anything", "Anything at all", "How many classes are there?")
means = pd.DataFrame({"method": names, "mean": [abs(maps[name]).mean() for name in names]})
answer.table("means", means, "What each method gives for {network}.", network=model.name, formats={"mean": ".4f"})
"""
COUNT = """
answer.say("There are {classes} classes, asked for {times} times.", classes=len(run.dataset.class_names), times=TIMES)
answer.save()
"""


def write(folder: Path, name: str, report: Mapping[str, object], *cells: str) -> Path:
    """Write a notebook with a copy of the parameters of 01 and TIMES = 1, with these code cells."""
    (parameters,) = (
        cell for cell in nbformat.read(ROOT / "notebooks" / "01_train_cnn.ipynb", 4).cells if is_parameters(cell)
    )
    common = "\n".join(parameters.source.splitlines()[:5])
    first = nbformat.v4.new_code_cell(
        f"{common}\nTIMES = 1  # how often; any integer", metadata={"tags": ["parameters"]}
    )
    notebook = nbformat.v4.new_notebook(cells=[first, *map(nbformat.v4.new_code_cell, cells)])
    notebook.metadata.report = report
    nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"


def is_parameters(cell: nbformat.NotebookNode) -> bool:
    return "parameters" in cell.metadata.get("tags", [])


def answer_all(build: Build, names: list[str]) -> None:
    """Save an up-to-date answer of each of these notebooks, without running them."""
    for name in names:
        answer = Answer(build.run, name, f"The title of {name}", "What is asked?")
        answer.say("It is so.")
        answer.save()
        stale.write_stamp(build.answer(name), build.components(name), day=build.day)


def test_a_notebook_a_method_and_an_architecture_that_are_added_are_in_the_next_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    notebooks = tmp_path / "notebooks"
    shutil.copytree(ROOT / "notebooks", notebooks, ignore=shutil.ignore_patterns(".*"))
    seven = [*find_notebooks(notebooks)]
    opened = "from helpers import open_run\nrun = open_run(DATASET, RECIPE, SEED, REPORTS, IMAGE_SIZE)"
    place = {"needs": ["01_train_cnn"], "recipes": {"tiny": {"TIMES": 3}}}
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "brightness.py").write_text(METHOD)
    added = ADDED.format(folder=str(tmp_path / "methods"))
    write(notebooks, "08_anything", place, opened, added, EXPLAINED, EXPLAINED_BY, COUNT)
    table = write_fer2013_table(tmp_path / "fer2013.csv", ["PublicTest", "PrivateTest"])
    monkeypatch.setenv("REPORTS", str(tmp_path / "reports"))
    build = plan(str(table), "tiny", notebooks=notebooks)
    answer_all(build, seven)
    assert make_report(build, jobs=1) == 0
    printed = capsys.readouterr().out
    assert printed.count("skipped, nothing changed") == len(seven)
    assert "[8/8] 08_anything: runs, 08_anything.json does not exist yet" in printed
    pages = [re.sub(r"\s+", " ", page.extract_text()) for page in PdfReader(build.run / "report.pdf").pages]
    (page,) = [page for page in pages if "There are 7 classes, asked for 3 times." in page]
    assert "8 Anything at all" in page and "How many classes are there?" in page
    (page,) = [page for page in pages if "What each method gives for twiglet." in page]
    shipped = [one for one in registry.choose() if one.function.__module__.startswith(saliency.__name__)]
    assert len(re.findall(r"\d+\.\d{4}", page)) == len(shipped) + 1 > 10
    assert re.search(r"Grad-CAM \d+\.\d{4}", page) and re.search(r"brightness \d+\.\d{4}", page)


@pytest.mark.parametrize(
    ("reports", "told"),
    [
        ({}, "holds no notebook named like 01_train_cnn.ipynb"),
        ({"01_a": {}, "01_b": {}}, "01_a and 01_b have one number"),
        ({"01_a": {"needs": ["02_b"]}}, "01_a needs 02_b, which is not there; choose from 01_a"),
        ({"01_a": {"needs": ["02_b"]}, "02_b": {"needs": ["01_a"]}}, "wait for each other"),
        ({"01_a": {"nedes": []}}, "'report' of 01_a may only hold needs, recipes"),
        ({"01_a": {"recipes": ["tiny"]}}, "'report' of 01_a may only hold needs, recipes"),
        ({"01_a": []}, "'report' of 01_a may only hold needs, recipes"),
    ],
)
def test_a_place_that_cannot_be_is_one_sentence(reports: dict[str, dict], told: str, tmp_path: Path) -> None:
    for name, report in reports.items():
        write(tmp_path, name, report)
    with pytest.raises(UsageError) as caught:
        find_notebooks(tmp_path)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_only_numbered_notebooks_are_found_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / ".ipynb_checkpoints").mkdir()
    for name in ("10_z", "explore", "Untitled", ".ipynb_checkpoints/03_c-checkpoint", "02_b"):
        write(tmp_path, name, {})
    assert find_notebooks(tmp_path) == {"02_b": Place(), "10_z": Place()}
