"""How every notebook is built."""

import ast
import re
from types import ModuleType

import nbformat
import pytest

from helpers.base.files import ROOT
from helpers.base.notebook import find_notebooks, read_parameters
from helpers.base.runs import DEFAULTS

CHECKED = "# NBVAL_CHECK_OUTPUT"
COMMON_LINES = """\
DATASET = "faces"  # data set: "faces", "fer2013", or a path to an archive or a folder of images
RECIPE = "quick"  # "quick" (minutes), "cpu" or "full" (hours), "pretrained" (shipped for FER2013)
SEED = 0  # seed of every random number; a whole number from 0 to 4,000,000,000
REPORTS = "reports"  # folder that holds the run folders; relative to the repository root
IMAGE_SIZE = 0  # pixels a side of the images; 24 to 512, or 0 for the data's own default"""
PARAMETER_LINE = re.compile(r"[A-Z][A-Z0-9_]* = .+  # \S+( \S+){2,}")

Notebook = nbformat.NotebookNode
NAMES = [*find_notebooks(ROOT / "notebooks")]


@pytest.fixture(params=NAMES)
def notebook(request: pytest.FixtureRequest) -> Notebook:
    notebook = nbformat.read(ROOT / "notebooks" / f"{request.param}.ipynb", as_version=4)
    notebook.name = request.param
    return notebook


def code(notebook: Notebook) -> list[Notebook]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def is_parameters(cell: Notebook) -> bool:
    return "parameters" in cell.metadata.get("tags", [])


def test_the_numbers_of_the_notebooks_have_no_gap() -> None:
    assert [name[:2] for name in NAMES] == [f"{i:02}" for i in range(1, len(NAMES) + 1)]
    assert len(NAMES) >= 7


def test_the_format_is_valid_and_the_kernel_plain(notebook: Notebook) -> None:
    name = notebook.pop("name")
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5), name
    assert notebook.metadata.kernelspec.name == "python3"


def test_the_length_is_that_of_an_essay(notebook: Notebook) -> None:
    assert 18 <= len(notebook.cells) <= 44


def test_the_first_cell_is_the_title(notebook: Notebook) -> None:
    first = notebook.cells[0]
    assert first.cell_type == "markdown" and re.match(r"# \S", first.source)
    titles = [cell for cell in notebook.cells if cell.cell_type == "markdown" and cell.source.startswith("# ")]
    assert len(titles) == 1


def test_every_parameter_is_upper_case_and_explained(notebook: Notebook) -> None:
    (cell,) = filter(is_parameters, notebook.cells)
    assert cell.source.startswith(COMMON_LINES)
    lines = cell.source.splitlines()
    assert [line for line in lines if not PARAMETER_LINE.fullmatch(line)] == []
    assert len(lines) == len({*lines})
    declared = read_parameters(ROOT / "notebooks" / f"{notebook.name}.ipynb")
    assert {name: declared[name].default for name in [*declared][: len(DEFAULTS)]} == DEFAULTS


def test_every_parameter_is_used(notebook: Notebook) -> None:
    declared = read_parameters(ROOT / "notebooks" / f"{notebook.name}.ipynb")
    text = "\n".join(cell.source for cell in code(notebook) if not is_parameters(cell))
    used = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    assert declared.keys() <= used


def test_outputs_are_stored_only_where_they_are_checked(notebook: Notebook) -> None:
    for cell in code(notebook):
        is_checked = CHECKED in cell.source
        assert bool(cell.outputs) == is_checked, cell.source
        assert (cell.execution_count is not None) == is_checked, cell.source


def test_code_cells_are_short(notebook: Notebook) -> None:
    """Twelve lines as one writes them are up to forty as the formatter does, which gives each argument its own."""
    for cell in code(notebook):
        if not is_parameters(cell):
            statements = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.stmt)]
            assert len(statements) <= 9, cell.source
            assert len(cell.source.splitlines()) <= 40, cell.source


def test_no_line_of_code_is_wider_than_a_page_beside_the_files(notebook: Notebook) -> None:
    assert [line for cell in code(notebook) for line in cell.source.splitlines() if len(line) > 100] == []


def test_no_more_than_two_code_cells_follow_each_other(notebook: Notebook) -> None:
    kinds = "".join(cell.cell_type[0] for cell in notebook.cells)
    assert "ccc" not in kinds


def test_nothing_is_defined_in_a_notebook(notebook: Notebook) -> None:
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    for cell in code(notebook):
        assert not any(isinstance(node, definitions) for node in ast.walk(ast.parse(cell.source))), cell.source


@pytest.mark.parametrize("name", ["04_saliency_maps", "05_gradient_ascent", "07_keract_activations"])
def test_networks_are_called_by_hand_as_in_use(name: str) -> None:
    """Keras flips and shifts images in a call that does not say so, if there is a layer that does."""
    cells = code(nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4))
    calls = [node for cell in cells for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
    by_hand = [ast.unparse(call) for call in calls if ast.unparse(call.func) in ("cnn", "seen", "shorter")]
    assert by_hand and all(call.endswith("training=False)") for call in by_hand), by_hand


def test_the_last_code_cell_saves_the_answer_of_this_notebook(notebook: Notebook) -> None:
    *_, last = ast.parse(code(notebook)[-1].source).body
    assert isinstance(last, ast.Assign) and ast.unparse(last.value) == "answer.save()"  # whose path nobody has to see
    assert f'run.answer("{notebook.name}"' in re.sub(r"\(\s+", "(", "\n".join(c.source for c in code(notebook)))


def test_the_door_gives_modules_also_where_one_holds_a_function_of_its_name() -> None:
    import helpers

    assert [name for name in helpers.__all__ if not isinstance(getattr(helpers, name), ModuleType)] == [
        "open_run",
        "said",
    ]


def test_a_notebook_has_one_import_line_for_the_helpers(notebook: Notebook) -> None:
    nodes = [node for cell in code(notebook) for node in ast.walk(ast.parse(cell.source))]
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    assert len([node for node in imports if (node.module or "").split(".")[0] == "helpers"]) == 1
