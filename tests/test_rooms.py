"""The house stays small: rooms, files and the door have a size that a newcomer can take in."""

import ast
from fnmatch import fnmatch
from pathlib import Path

import pytest

import helpers
from helpers.__main__ import WORDS
from helpers.base.code import imported_files
from helpers.base.files import ROOT
from helpers.base.notebook import code_sources

PACKAGE = ROOT / "helpers"
FILES = sorted(PACKAGE.rglob("*.py"))


def test_no_folder_of_tests_is_passed_over(pytestconfig: pytest.Config) -> None:
    folders = [path.name for path in (ROOT / "tests").rglob("*") if path.is_dir() and path.name != "__pycache__"]
    left_out = pytestconfig.getini("norecursedirs")
    assert "build" in folders and not [name for name in folders if any(fnmatch(name, one) for one in left_out)]


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def imported(text: str, module: str) -> set[str]:
    """List the names that a text imports from a module."""
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) and node.module == module)
    return {alias.name for node in nodes for alias in node.names}


def test_a_room_has_at_most_twelve_files() -> None:
    rooms = {path.parent for path in FILES}
    assert {room: count for room in rooms if (count := len([*room.glob("*.py")])) > 12} == {}


def test_a_file_has_at_most_400_lines() -> None:
    assert {str(path): count for path in FILES if (count := lines(path)) > 400} == {}


def test_the_house_does_not_grow_unnoticed() -> None:
    assert sum(map(lines, FILES)) <= 25_747


def test_every_room_says_what_lives_there() -> None:
    for room in {path.parent for path in FILES}:
        assert ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))), room


def test_the_door_has_at_most_fifteen_names_and_its_stub_has_the_same() -> None:
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    promised = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(stub)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert len(helpers.__all__) <= 15
    assert sorted(promised) == sorted(helpers.__all__)
    for name, place in helpers._MODULES.items():
        assert promised[name] in (place, f"{place}.{name}")


def test_what_a_notebook_imports_through_the_door_is_followed_to_where_it_lives() -> None:
    for name in helpers.__all__:
        place = helpers._MODULES[name].removeprefix("helpers.").replace(".", "/")
        files = {PACKAGE / f"{place}.py", PACKAGE / place / "__init__.py"}
        assert files & {*imported_files([f"from helpers import {name}"], PACKAGE)}, name


def test_every_name_of_the_door_is_used_by_a_notebook() -> None:
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    used = {name for path in notebooks for text in code_sources(path) for name in imported(text, "helpers")}
    assert used == {*helpers.__all__}


def reached(path: Path) -> set[tuple[str, str]]:
    """List what a file imports from rooms that it does not stand in: each room with the first name behind it."""
    own = path.relative_to(PACKAGE).parts[0]
    places = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        origin = [f"{node.module}.{name}" for name in names] if isinstance(node, ast.ImportFrom) else names
        places |= {tuple(place.split(".")[1:3]) for place in origin if place.startswith("helpers.")}
    return {place for place in places if len(place) == 2 and place[0] != own and (PACKAGE / place[0]).is_dir()}


def exported(room: str) -> list[str]:
    """Read the list of what a room lets others use."""
    body = ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8")).body
    lists = [node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"]
    return ast.literal_eval(lists[0])


def test_a_room_is_entered_by_what_it_exports_alone() -> None:
    used = {place for path in FILES for place in reached(path)}
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    modules = [*helpers._MODULES.values(), *(word["calls"].split(":")[0] for word in WORDS.values() if "calls" in word)]
    door = {tuple(place.split(".")[1:3]) for place in modules}
    live = code_sources(ROOT / "notebooks" / "explore.ipynb")
    door |= {("explore", name) for text in live for name in imported(text, "helpers.explore")}
    assert {f"{room}.{name}" for room, name in used if name not in exported(room)} == set()
    assert {f"{room}.{name}" for room in rooms for name in exported(room) if (room, name) not in used | door} == set()
