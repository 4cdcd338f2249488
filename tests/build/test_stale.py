"""When an answer has to be made again, and what is said about it."""

import json
from pathlib import Path

import pytest

from helpers.base.code import imported_files
from helpers.base.files import read_json, write_json
from helpers.base.notebook import UsageError, convert, read_parameters
from helpers.build import stale

PARAMETERS = 'SEED = 0  # seed; any integer\nSHARE = 0.5  # share of # pixels; 0 to 1\nNAME = "mean"  # which'


def cell(text: str, kind: str = "code", tags: tuple[str, ...] = ()) -> dict:
    return {"cell_type": kind, "source": text.splitlines(keepends=True), "metadata": {"tags": list(tags)}}


def write_notebook(path: Path, *cells: dict) -> Path:
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "tools"
    folder.mkdir()
    modules = {
        "__init__": "",
        "data": "",
        "model": "from tools.data import load",
        "plots": "import os",
        "late": "def f():\n    from . import data",
    }
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    return folder


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    prose, code = cell("# Title", "markdown"), cell("from tools import model")
    return write_notebook(tmp_path / "01_a.ipynb", prose, cell(PARAMETERS, tags=("parameters",)), code)


@pytest.fixture
def answer(tmp_path: Path) -> Path:
    path, figure = tmp_path / "answers" / "01_a.json", tmp_path / "figures" / "01_a.pdf"
    figure.parent.mkdir()
    figure.write_bytes(b"drawn")
    files = {"figures/01_a.pdf": stale.file_digest(figure).removeprefix("sha256:")}
    write_json(path, {"numbers": {"accuracy": 0.5}, "files": files})
    stale.write_stamp(path, {"its code": "sha256:1", "the seed": "0"})
    return path


def names(files: list[Path]) -> list[str]:
    return [path.stem for path in files]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import os", []),
        ("import tools.plots", ["__init__", "plots"]),
        ("from tools.plots import draw as d", ["__init__", "plots"]),
        ("from tools import model, plots", ["__init__", "data", "model", "plots"]),
        ("import tools.late", ["__init__", "data", "late"]),
        ("from tools import nothing", ["__init__"]),
        ("from other.tools import model", []),
        ("def (", []),
    ],
)
def test_imports_are_followed_through_the_package(package: Path, text: str, expected: list[str]) -> None:
    assert names(imported_files([text], package)) == expected


def test_a_folder_that_imports_whatever_lies_in_it_counts_with_all_its_modules(package: Path) -> None:
    for name, walks in (("found", True), ("named", False)):
        (package / name).mkdir()
        (package / name / "__init__.py").write_text("modules = [*iter_modules(__path__)]" if walks else "")
        (package / name / f"{name}_one.py").write_text("")
    assert names(imported_files(["import tools.found"], package)) == ["__init__", "__init__", "found_one"]
    assert names(imported_files(["import tools.named"], package)) == ["__init__", "__init__"]


def test_only_code_counts_of_a_notebook(notebook: Path, package: Path) -> None:
    def made_from() -> dict[str, str]:
        return stale.components(notebook, package, {}, {}, [])

    before = made_from()
    cells = json.loads(notebook.read_text())["cells"]
    write_notebook(notebook, cell("# Another title", "markdown"), *cells[1:], cell("More.", "markdown"))
    assert made_from() == before
    write_notebook(notebook, *cells, cell("1 + 1"))
    assert stale.differences(before, made_from()) == ["its code changed"]


def test_only_imported_helpers_count_and_are_named(notebook: Path, package: Path) -> None:
    before = stale.components(notebook, package, {}, {}, [])
    (package / "plots.py").write_text("import sys")
    assert stale.components(notebook, package, {}, {}, []) == before
    (package / "data.py").write_text("load = 1")
    assert stale.differences(before, stale.components(notebook, package, {}, {}, [])) == ["tools/data.py changed"]


def test_of_a_table_beside_an_imported_helper_counts_what_it_says(notebook: Path, package: Path) -> None:
    (package / "data.toml").write_text("depth = 3")
    before = stale.components(notebook, package, {}, {}, [])
    (package / "data.toml").write_text("# how deep\ndepth  =  3\n")
    assert not stale.differences(before, stale.components(notebook, package, {}, {}, []))
    (package / "data.toml").write_text("depth = 4")
    assert stale.differences(before, stale.components(notebook, package, {}, {}, [])) == ["tools/data.toml changed"]


def test_of_a_needed_answer_only_the_numbers_count(notebook: Path, package: Path, answer: Path) -> None:
    before = stale.components(notebook, package, {}, {}, [answer])
    write_json(answer, {"numbers": {"accuracy": 0.5}, "blocks": ["a sentence"]})
    assert stale.components(notebook, package, {}, {}, [answer]) == before
    write_json(answer, {"numbers": {"accuracy": 0.6}})
    after = stale.components(notebook, package, {}, {}, [answer])
    assert stale.differences(before, after) == ["the numbers of 01_a changed"]


def test_parameters_and_facts_are_named_with_both_values(notebook: Path, package: Path) -> None:
    before = stale.components(notebook, package, {"LAYER": 7}, {"the recipe": "quick", "keras": "3.15"}, [])
    after = stale.components(notebook, package, {"LAYER": 5}, {"the recipe": "full"}, [])
    assert stale.differences(before, after) == [
        "parameter LAYER changed from 7 to 5",
        "the recipe changed from quick to full",
        "keras is no longer used",
    ]


def test_many_differences_stay_on_one_short_line() -> None:
    assert stale.shorten(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert stale.shorten(["a", "b", "c"]) == "a, b, c"


def test_an_untouched_answer_stands(answer: Path) -> None:
    assert stale.why_stale(answer, {"its code": "sha256:1", "the seed": "0"}) is None


def test_a_changed_component_makes_an_answer_stale(answer: Path) -> None:
    now = {"its code": "sha256:2", "the seed": "1"}
    assert stale.why_stale(answer, now) == "its code changed, the seed changed from 0 to 1"


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("answers/01_a.json", None, "01_a.json does not exist yet"),
        ("answers/01_a.stamp.json", None, "01_a.json does not exist yet"),
        ("answers/01_a.stamp.json", "{", "01_a.json does not exist yet"),
        ("answers/01_a.json", "{}", "01_a.json was written outside the build"),
        ("figures/01_a.pdf", None, "figures/01_a.pdf is missing"),
        ("figures/01_a.pdf", "other", "figures/01_a.pdf was written outside the build"),
    ],
)
def test_a_damaged_answer_is_stale(answer: Path, file: str, content: str | None, reason: str) -> None:
    path = answer.parents[1] / file
    path.unlink() if content is None else path.write_text(content)
    assert stale.why_stale(answer, {"its code": "sha256:1", "the seed": "0"}) == reason


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "stamp.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": 1}


def test_versions_are_those_of_installed_pins_that_matter(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    pins = ["numpy==0.1", 'no-such-package==2; python_version > "3"', "# keras==3", "", "# tools", "pytest==1"]
    requirements.write_text("\n".join(pins))
    versions = stale.package_versions(requirements)
    assert versions.keys() == {"python", "numpy"}
    assert versions["numpy"] != "0.1"


def test_parameters_are_read_with_their_notes(notebook: Path) -> None:
    parameters = read_parameters(notebook)
    assert [(p.name, p.default) for p in parameters.values()] == [
        ("SEED", 0),
        ("SHARE", 0.5),
        ("NAME", "mean"),
    ]
    assert parameters["SHARE"].note == "share of # pixels; 0 to 1"


@pytest.mark.parametrize("text", ["SEED = int(1)", "SEED, OTHER = 1, 2", "import os", "SEED ="])
def test_a_parameters_cell_holds_only_literals(tmp_path: Path, text: str) -> None:
    notebook = write_notebook(tmp_path / "01_a.ipynb", cell(text, tags=("parameters",)))
    with pytest.raises(UsageError, match="may only hold lines like"):
        read_parameters(notebook)


@pytest.mark.parametrize("count", [0, 2])
def test_exactly_one_cell_is_tagged(tmp_path: Path, count: int) -> None:
    notebook = write_notebook(tmp_path / "01_a.ipynb", *[cell("A = 1", tags=("parameters",))] * count)
    with pytest.raises(UsageError, match=f"has {count} cells tagged 'parameters'"):
        read_parameters(notebook)


@pytest.mark.parametrize(
    ("name", "text", "value"), [("SEED", "3", 3), ("SHARE", "1", 1), ("SHARE", ".2", 0.2), ("NAME", "5", "5")]
)
def test_an_override_takes_the_type_of_the_default(notebook: Path, name: str, text: str, value: object) -> None:
    assert convert(read_parameters(notebook)[name], text) == value


@pytest.mark.parametrize(("name", "text"), [("SEED", "three"), ("SEED", "1.5"), ("SHARE", "True"), ("SEED", "")])
def test_an_override_of_another_type_is_refused_with_the_note(notebook: Path, name: str, text: str) -> None:
    parameter = read_parameters(notebook)[name]
    with pytest.raises(UsageError) as caught:
        convert(parameter, text)
    assert parameter.note in str(caught.value) and "\n" not in str(caught.value)
