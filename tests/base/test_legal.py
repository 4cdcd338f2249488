"""A wrong value of a notebook's parameter is refused before anything is trained, with those that are near."""

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.base.files import ROOT
from helpers.base.legal import check_values
from helpers.base.notebook import UsageError, find_notebooks, read_parameters
from helpers.base.runs import COMMON, notebook_file
from helpers.data.datasets import load_dataset
from helpers.training.networks import count_convolutions

CLASSES = ("angry", "happy", "sad")
NAMES = [*find_notebooks(ROOT / "notebooks")]


def never() -> int:
    raise AssertionError("a network is built, although no layer is chosen")


@pytest.mark.parametrize("name", NAMES)
def test_every_note_says_what_is_legal_so_that_it_can_be_checked(name: str) -> None:
    declared = {key: one for key, one in read_parameters(notebook_file(name)).items() if key not in COMMON}
    check_values(notebook_file(name), {key: one.default for key, one in declared.items()}, CLASSES, never, 9)
    for key, one in declared.items():
        wrong = "nonsense" if isinstance(one.default, str) else type(one.default)(-2)
        with pytest.raises(UsageError, match=f"^{name} cannot take {key}={wrong}: "):
            check_values(notebook_file(name), {key: wrong}, CLASSES, lambda: 7, 9)


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("05_gradient_ascent", {"CLASS": "hapy"}, "did you mean happy?"),
        ("04_saliency_maps", {"CLASS": "xxxxx"}, "there are angry, happy, sad."),
        ("04_saliency_maps", {"IMAGE": 9}, "there are the test images 0 to 8; chosen by itself with -1."),
        ("05_gradient_ascent", {"LAYER": 8}, "the network has the convolutions 1 to 7; 0 for the 7th"),
        ("05_gradient_ascent", {"LAYER": 2.0}, "a value of type int is needed"),
        ("06_lime", {"FILL": "image men"}, "did you mean image mean?"),
        ("06_lime", {"SAMPLES": 1}, "it has to be an integer of at least 2, or 0 for"),
        ("04_saliency_maps", {"TOP_FRACTION": 1.5}, "it has to be above 0, at most 1."),
        ("04_saliency_maps", {"TOP_FRACTION": 0.0}, "it has to be above 0, at most 1."),
        ("01_train_cnn", {"SIGNIFICANCE": 2.0}, "it has to be between 0 and 1."),
        ("01_train_cnn", {"SIGNIFICANCE": 0.0}, "it has to be between 0 and 1."),
        ("01_train_cnn", {"SIGNIFICANCE": 1.0}, "it has to be between 0 and 1."),
        ("06_lime", {"COMPACTNESS": float("inf")}, "it has to be a finite number."),
        ("02_compare_dnn", {"SMALLEST": float("nan")}, "it has to be a finite number."),
        ("07_keract_activations", {"CLASS": "sad", "IMAGE": 0}, "CLASS=sad and IMAGE=0: the image decides alone"),
    ],
)
def test_a_wrong_value_is_one_sentence(name: str, values: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_values(notebook_file(name), values, CLASSES, lambda: 7, 9)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_legal_passes() -> None:
    values = {"LAYER": 7, "CLASS": "", "IMAGE": 8, "STEP_SIZE": 1, "DREAM_SHARE": 1.0, "LIME_SAMPLES": 2}
    for narrowed in ({}, {"CLASS": "sad", "IMAGE": -1}):
        check_values(notebook_file("05_gradient_ascent"), {**values, **narrowed}, CLASSES, lambda: 7, 9)


def test_the_layers_are_those_of_the_recipes_network() -> None:
    assert [count_convolutions(load_dataset("faces"), recipe) for recipe in ("quick", "cpu")] == [9, 8]


@pytest.fixture
def parameters(tmp_path: Path) -> Callable[[str], Path]:
    import nbformat

    def write(line: str) -> Path:
        cell = nbformat.v4.new_code_cell(line, metadata={"tags": ["parameters"]})
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "08_own.ipynb")
        return tmp_path / "08_own.ipynb"

    return write


def test_a_note_that_says_nothing_of_limits_refuses_nothing_but_another_type(parameters: Callable) -> None:
    path = parameters("SIZE = 1  # how large")
    check_values(path, {"SIZE": -5}, CLASSES, never, 9)
    with pytest.raises(UsageError, match="how large"):
        check_values(path, {"SIZE": "big"}, CLASSES, never, 9)
