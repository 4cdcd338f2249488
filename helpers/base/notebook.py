"""What a notebook file says before it is run: its code, its parameters and its place in a report.

Read as JSON and by syntax tree, without Jupyter, so that a build with nothing to do stays fast.
"""

import ast
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

from helpers.base.checks import UserError


class UsageError(UserError, ValueError):
    """A request that cannot be met; its message is one sentence that names the legal values."""


@dataclass(frozen=True)
class Place:
    """A notebook's place in a report, as its own metadata say it under the key `report`.

    needs: the notebooks that have to end before it starts; networks are no reason, since whichever notebook needs one
    first trains it, and the others wait for just that network. recipes: by recipe, the parameters of this notebook
    that it sets.
    """

    needs: tuple[str, ...] = ()
    recipes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell, `NAME = default  # note`."""

    name: str
    default: object
    note: str


def find_notebooks(folder: Path) -> dict[str, Place]:
    """Find the notebooks of a report, those that begin with a number such as `08_`, in order, and their places.

    Raises UsageError, naming the notebook, if there is none, if two have one number, if one's metadata say what they
    cannot, and if some wait for each other.
    """
    names = sorted(path.stem for path in folder.glob("[0-9][0-9]_*.ipynb"))
    if not names:
        raise UsageError(f"{folder} holds no notebook named like 01_train_cnn.ipynb; restore them.")
    for first, second in pairwise(names):
        if first[:2] == second[:2]:
            raise UsageError(f"{first} and {second} have one number; give one of them a number of its own.")
    places = {name: _place(folder / f"{name}.ipynb") for name in names}
    for name, place in places.items():
        if unknown := sorted({*place.needs} - {*names}):
            raise UsageError(f"{name} needs {unknown[0]}, which is not there; choose from {', '.join(names)}.")
    try:
        TopologicalSorter({name: place.needs for name, place in places.items()}).prepare()
    except CycleError as error:
        raise UsageError(f"The notebooks {', '.join(error.args[1])} wait for each other; correct 'needs'.") from None
    return places


def _place(path: Path) -> Place:
    said = _read(path)["metadata"].get("report", {})
    try:
        place = Place(**{**said, "needs": tuple(said.get("needs", ()))})
        place.recipes.items()
    except (TypeError, AttributeError):
        legal = ", ".join(each.name for each in fields(Place))
        raise UsageError(f"The metadata 'report' of {path.stem} may only hold {legal}; correct them.") from None
    return place


def read_cells(path: Path) -> list[dict]:
    """Read a notebook's cells. Raises UsageError if the file is missing or not a notebook."""
    return _read(path)["cells"]


def _read(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {"cells": content["cells"], "metadata": content.get("metadata", {})}
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist; restore it, every notebook is needed.") from None
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{path} is not a Jupyter notebook; restore it or save it again.") from None


def source(cell: Mapping) -> str:
    """Join a cell's text, which notebook files hold as a string or as a list of lines."""
    return "".join(cell["source"])


def code_sources(path: Path) -> list[str]:
    """List the text of a notebook's code cells, in order."""
    return [source(cell) for cell in read_cells(path) if cell["cell_type"] == "code"]


def read_parameters(path: Path) -> dict[str, Parameter]:
    """Read the parameters that a notebook declares, by name, in order.

    Raises UsageError unless exactly one code cell is tagged `parameters` and holds nothing but
    assignments of literals to single names.
    """
    tagged = [cell for cell in read_cells(path) if "parameters" in cell["metadata"].get("tags", [])]
    if len(tagged) != 1:
        raise UsageError(f"{path} has {len(tagged)} cells tagged 'parameters'; tag exactly one of them.")
    text = source(tagged[0])
    try:
        declared = [_declaration(statement, text.splitlines()) for statement in ast.parse(text).body]
    except (SyntaxError, ValueError):
        told = f"The parameters cell of {path} may only hold lines like `NAME = 1  # meaning`; correct it."
        raise UsageError(told) from None
    return {parameter.name: parameter for parameter in declared}


def _declaration(statement: ast.stmt, lines: list[str]) -> Parameter:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            last_line = lines[(value.end_lineno or 1) - 1].encode()
            note = last_line[value.end_col_offset :].decode().strip(" #")
            return Parameter(name, ast.literal_eval(value), note)
    raise ValueError("not an assignment to one name")


def convert(parameter: Parameter, text: str) -> object:
    """Turn the text of an override into a value of the same type as the parameter's default.

    Raises UsageError, with the parameter's own note, if the text is no such value.
    """
    if isinstance(parameter.default, str):
        return text
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        value = text
    check_type(parameter, value)
    return value


def check_type(parameter: Parameter, value: object) -> None:
    """See that a value is of the type of a parameter's default; UsageError, with the parameter's own note, if not."""
    kind = type(parameter.default)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number if kind is float else parameter.default is None or type(value) is kind):
        raise UsageError(f"{parameter.name}={value}: a value of type {kind.__name__} is needed ({parameter.note}).")


def check_names(path: Path, names: Iterable[str]) -> None:
    """Check that a notebook declares these parameters; UsageError with the legal names if not."""
    legal = read_parameters(path)
    for name in names:
        if name not in legal:
            raise UsageError(f"{path.stem} has no parameter {name}; it has {', '.join(legal)}.")
