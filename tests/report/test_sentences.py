"""No sentence of the report comes from elsewhere than from the words, and no words are left over."""

import ast
import re
import tomllib
from collections.abc import Iterator

import pytest

from helpers.base import words
from helpers.base.files import ROOT
from helpers.base.notebook import code_sources
from helpers.report.document import STAMP_KEYS
from helpers.report.handin import HandIn
from helpers.training.networks import ABLATIONS

NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))}
SPOKEN = {"say", "summary", "limit", "heading", "figure", "table", "stop"}
TABLES = ("layout", "html", "script", "headlines")  # whose keys the layouts name, which are no Python


def trees() -> Iterator[ast.Module]:
    for path in sorted((ROOT / "helpers").rglob("*.py")):
        yield ast.parse(path.read_text(encoding="utf-8"))
    for path in NOTEBOOKS.values():
        yield from map(ast.parse, code_sources(path))


def constants(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def entries(table: object) -> Iterator[str]:
    """Give the keys and texts of a table that code reads."""
    if isinstance(table, str):
        yield table
    for part in [*table, *table.values()] if isinstance(table, dict) else table if isinstance(table, list) else []:
        yield from entries(part)


TABLES_OF_CODE = [path for path in (ROOT / "helpers").rglob("*.toml") if "words" not in path.relative_to(ROOT).parts]
TEXTS = set().union(
    *map(constants, trees()), *(entries(tomllib.loads(path.read_text(encoding="utf-8"))) for path in TABLES_OF_CODE)
)
FUNCTIONS = {node.name for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_says_everything_by_key(notebook: str) -> None:
    catalogue = words.catalogue(words.PLAIN)
    raw = []
    for tree in map(ast.parse, code_sources(NOTEBOOKS[notebook])):
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if not (isinstance(call.func, ast.Attribute) and call.func.attr in SPOKEN):
                continue
            if not (isinstance(call.func.value, ast.Name) and call.func.value.id == "answer"):
                continue
            captions = [word.value for word in call.keywords if word.arg == "caption"]
            said = captions or call.args[2:3] or call.args[:1]
            raw += [part.value for part in said if isinstance(part, ast.Constant) and _unknown(part.value, notebook)]
    assert raw == []
    assert f"{notebook}.title" in catalogue and f"{notebook}.question" in catalogue


def _unknown(key: str, notebook: str) -> bool:
    return not {key, f"{notebook}.{key}"} & set(words.catalogue(words.PLAIN))


def is_used(key: str) -> bool:
    """Look for a key, or what it ends with, among the texts of code, also those that code joins to others with "_"."""
    file, last = key.partition(".")[0], key.rpartition(".")[2]
    if file in TABLES:
        return file == "headlines" or is_laid_out(key, last)
    if key.startswith("progress.what."):  # by the function that computes it, or what it gives, and the split
        return last in FUNCTIONS or last.rpartition("_")[0] in {*FUNCTIONS, "probabilities"}
    if last in ("title", "question"):
        return True
    ends = {text.rpartition(".")[2] for text in TEXTS}
    joined = (last.startswith(end) if end.endswith("_") else end[:1] == "_" and last.endswith(end) for end in ends)
    return last in ends or {*last.split("_")} <= ends or any(joined)


LAYOUTS = "\n".join(
    (ROOT / "helpers" / "report" / name).read_text(encoding="utf-8") for name in ("html.jinja", "html.js", "pdf.typ")
)


def is_laid_out(key: str, last: str) -> bool:
    """Look for a word of the layouts in them, or in the code that fills them."""
    if key.startswith(("layout.stamp.", "layout.hand_in.")):
        return last in STAMP_KEYS or hasattr(HandIn(), last)
    return re.search(rf"\b(words|said|SAID)\.{last}\b", LAYOUTS) is not None or key in TEXTS


def is_named(name: str) -> bool:
    """Look for a name among the texts of code, or for its words: those of the places of superpixels are joined."""
    return name in TEXTS or all(any(part in text for text in TEXTS) for part in name.split())


def test_every_name_is_one_that_code_has_for_something() -> None:
    assert [name for name in words.names() if not is_named(name)] == []
    assert not is_named("zygomorphic thing") and not is_laid_out("layout.nothing", "nothing")


def test_no_words_are_left_over() -> None:
    assert [key for key in words.catalogue(words.PLAIN) if not is_used(key)] == []


@pytest.mark.parametrize("language", words.languages())
def test_no_sentence_takes_the_activation_of_a_network_for_relu(language: str) -> None:
    assert [key for key, text in words.catalogue(language).items() if "ReLU" in text] == []


def test_a_version_that_sees_no_changed_images_is_called_that() -> None:
    (labelled,) = (source for source in code_sources(NOTEBOOKS["02_compare_dnn"]) if source.startswith("labelled"))
    names = ast.literal_eval(ast.parse(labelled).body[0].value)
    assert {key for key, name in names.items() if "without augmentation" in name} == {*ABLATIONS} - {"bare_fast"}
