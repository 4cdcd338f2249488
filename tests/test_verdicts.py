"""Each sentence with a verdict names a test of data for which it must not be said; all others of a report are plain."""

import ast
import tomllib
from fnmatch import fnmatchcase
from functools import cache

import pytest

from helpers.base import words
from helpers.base.files import ROOT

LISTED = tomllib.loads((ROOT / "tests" / "verdicts.toml").read_text(encoding="utf-8"))
# Names and labels, what is said beside a report, and how data are read or refused, of which other tests are.
NO_SENTENCES = {"data", "explore", "figures", "headlines", "html", "layout", "progress", "refused", "script"}
NOTHING = "''", "[]", "()", "0", "None", "False"
TESTS = sorted({test for file in LISTED.values() for test in file.get("verdicts", {}).values()})


def test_each_file_of_sentences_is_listed() -> None:
    assert {key.partition(".")[0] for key in words.catalogue(words.PLAIN)} == {*LISTED} | NO_SENTENCES


@pytest.mark.parametrize("file", LISTED)
def test_each_sentence_is_either_plain_or_a_verdict_and_nothing_else_is_listed(file: str) -> None:
    said = [key.removeprefix(f"{file}.") for key in words.catalogue(words.PLAIN) if key.startswith(f"{file}.")]
    listed = [*LISTED[file]["plain"], *LISTED[file].get("verdicts", {})]
    by_key = {key: [pattern for pattern in listed if fnmatchcase(key, pattern)] for key in said}
    assert {key: patterns for key, patterns in by_key.items() if len(patterns) != 1} == {}
    assert {*listed} - {pattern for patterns in by_key.values() for pattern in patterns} == set()


@cache
def read_tests(path: str) -> dict[str, ast.FunctionDef]:
    """Read the functions of a file of tests by the names that pytest gives them behind the file's own."""
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    places = {"": body} | {f"{node.name}::": node.body for node in body if isinstance(node, ast.ClassDef)}
    functions = [(place, node) for place, held in places.items() for node in held if isinstance(node, ast.FunctionDef)]
    return {f"{place}{node.name}": node for place, node in functions}


def denies(test: ast.AST) -> bool:
    """Whether a test asserts that something is not said, or exactly where it is, or exactly what is."""
    asserted = (part for node in ast.walk(test) if isinstance(node, ast.Assert) for part in ast.walk(node.test))
    return any(isinstance(part, ast.Not | ast.NotIn) or is_exact(part) for part in asserted)


def is_exact(part: ast.AST) -> bool:
    """Whether something is compared with nothing, with a list of what is said, or with whether something is said."""
    if not isinstance(part, ast.Compare):
        return False
    kind, sides = type(part.ops[0]), (part.left, *part.comparators)
    whether = any(isinstance(side, ast.Compare) and isinstance(side.ops[0], ast.In) for side in sides)
    listed = any(isinstance(side, ast.ListComp) or ast.unparse(side) in NOTHING for side in sides)
    return (whether and kind in (ast.Eq, ast.NotEq)) or (listed and kind in (ast.Eq, ast.Is))


@pytest.mark.parametrize("name", TESTS)
def test_each_verdict_has_a_test_that_denies_it(name: str) -> None:
    path, _, test = name.partition("::")
    assert "test_" in test and denies(read_tests(path)[test])


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("assert 'x' in text", False),
        ("assert text.startswith('x') and found == ['x'] and count > 0", False),
        ("'x' not in text", False),
        ("assert 'x' not in text", True),
        ("assert ('x' in text) == so", True),
        ("assert not any(x in line for line in lines)", True),
        ("assert told('x') == []", True),
        ("assert told('x') is not None", False),
        ("assert [one for one in ways if one in text] == [way]", True),
    ],
)
def test_a_test_that_only_hears_what_is_said_denies_nothing(source: str, wanted: bool) -> None:
    assert denies(ast.parse(source)) == wanted
