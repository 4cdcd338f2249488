"""What the README says of the package's structure is so."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def flow() -> list[str]:
    """List the modules in the order of the README's line on the flow of data."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith("`") and line.count("` → `") > 5)
    return [name for quoted in re.findall(r"`([^`]+)`", line) for name in quoted.split(", ")]


def imported(text: str) -> Iterator[str]:
    """List the modules of the package that a module's text imports."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module == "helpers":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("helpers."):
            yield node.module.removeprefix("helpers.")


@pytest.mark.parametrize("module", flow())
def test_no_file_imports_one_to_its_right(module: str) -> None:
    order = flow()
    right = order[order.index(module) :]
    text = (ROOT / "helpers" / f"{module}.py").read_text(encoding="utf-8")
    assert not set(right) & set(imported(text))


def test_imports_of_both_forms_are_seen() -> None:
    assert [*imported("from helpers import run\nfrom helpers.plots import a, b\nimport json")] == ["run", "plots"]
