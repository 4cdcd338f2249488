"""What makes a text other code, and what does not; which files a text runs through."""

from pathlib import Path

import pytest

from helpers.base import code

BEFORE = '''
"""Doc."""
from typing import Any
import numpy as np

RATE: float = 0.5

class Plan:
    """A plan."""
    share: float
    epochs: int = 3

def train(images: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Train."""
    total = 0.0  # sum
    for image in images:
        total += image.sum() * RATE
    def inner(x):
        nonlocal total
        half = x / 2
        total += half
        return [half + other for other in images]
    try:
        return inner(seed)
    except ValueError as error:
        raise RuntimeError(str(error)) from error
'''


@pytest.mark.parametrize(
    "pairs",
    [
        [("Doc.", "Other words.")],
        [('    """Train."""\n', "")],
        [("  # sum", ""), ("\n    for", "\n\n    # loop\n    for")],
        [("images: np.ndarray", "images: list[float]"), (" -> np.ndarray", "")],
        [("RATE: float", "RATE")],
        [("share: float", "share: int")],
        [("from typing import Any\n", "")],
        [("total", "summed")],
        [("for image in", "for picture in"), ("image.sum", "picture.sum")],
        [("half", "halved"), ("other", "one")],
        [("as error", "as wrong"), ("str(error)) from error", "str(wrong)) from wrong")],
        [("import numpy as np\n", "import numpy as np\nif TYPE_CHECKING:\n    import keras\n")],
    ],
)
def test_what_cannot_alter_numbers_leaves_the_digest_alone(pairs: list[tuple[str, str]]) -> None:
    after = BEFORE
    for old, new in pairs:
        assert old in after
        after = after.replace(old, new)
    assert code.tree_digest(after) == code.tree_digest(BEFORE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RATE: float = 0.5", "RATE: float = 0.25"),
        ("total = 0.0", "total = 1.0"),
        ("x / 2", "x // 2"),
        ("share: float\n    epochs: int = 3", "epochs: int = 3\n    share: float"),
        ("share: float", "share: ClassVar[float]"),
        ("    share: float\n", ""),
        ("*, seed", "seed"),
        ("seed: int = 0", "start: int = 0"),
        ("nonlocal total", "total = 0"),
        ("half + other", "half + half"),
        ("image.sum() * RATE", "total.sum() * RATE"),
        ("ValueError", "KeyError"),
        ("return inner(seed)", "return inner(total)"),
        ("class Plan", "@frozen\nclass Plan"),
    ],
)
def test_what_may_alter_numbers_changes_the_digest(old: str, new: str) -> None:
    assert old in BEFORE
    assert code.tree_digest(BEFORE.replace(old, new)) != code.tree_digest(BEFORE)


def test_two_variables_that_are_exchanged_in_one_place_are_another_program() -> None:
    first = "def f(x):\n a = x\n b = 2\n return a - b"
    assert code.tree_digest(first) != code.tree_digest(first.replace("a - b", "b - a"))
    assert code.tree_digest(first) == code.tree_digest("def f(x):\n b = x\n a = 2\n return b - a")
    captured = "def f(x):\n a = x\n b = 2\n return lambda: [a - b for _ in range(b)]"
    assert code.tree_digest(captured) != code.tree_digest(captured.replace("a - b", "b - a"))
    spelled = "def f():\n a = 1\n return locals()"
    assert code.tree_digest(spelled) != code.tree_digest(spelled.replace("a =", "b ="))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of nothing: a package `helpers` of four files in three rooms."""
    folder = tmp_path / "helpers"
    files = {
        "training/loop.py": "from helpers.networks import fast\nfrom helpers.base import files\nEPOCHS = 1\n",
        "networks/fast.py": "def step(x):\n    return x\n",
        "base/files.py": "NAME = 'a'\n",
        "data/reading.py": "SIZE = 1\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setattr(code, "PACKAGE", folder)
    monkeypatch.setattr(code, "_HELD", {})
    return folder


def test_code_is_that_of_all_that_it_imports_but_of_what_only_keeps(package: Path) -> None:
    from types import ModuleType

    loop = ModuleType("helpers.training.loop")
    before = code.code_digest(loop)
    (package / "base/files.py").write_text("NAME = 'b'\n")
    (package / "data/reading.py").write_text("SIZE = 2\n")
    (package / "networks/fast.py").write_text("def step(x):\n    # as it is\n    return x\n")
    assert code.code_digest(loop) == before
    (package / "networks/fast.py").write_text("def step(x):\n    return x + 1\n")
    changed = code.code_digest(loop)
    assert changed != before
    assert code.code_digest(loop, apart=["helpers.networks.fast"]) not in (before, changed)


def test_what_is_kept_of_an_audit_is_known_by_its_code(package: Path) -> None:
    from types import ModuleType

    audit = package / "data/audit/suspects.py"
    audit.parent.mkdir()
    audit.write_text("from helpers.data import reading\nFOLDS = 5\n")
    makers = ModuleType("helpers.data.audit.suspects"), ModuleType("helpers.training.loop")
    suspects, loop = map(code.code_digest, makers)
    (package / "data/reading.py").write_text("SIZE = 2\n")
    assert [*map(code.code_digest, makers)] == [suspects, loop]
    audit.write_text("from helpers.data import reading\nFOLDS = 2\n")
    assert code.code_digest(makers[0]) != suspects and code.code_digest(makers[1]) == loop


def test_a_process_goes_by_the_code_that_it_has_loaded(package: Path) -> None:
    from types import ModuleType

    loop = ModuleType("helpers.training.loop")
    code.hold_sources()
    before = code.code_digest(loop)
    (package / "networks/fast.py").write_text("def step(x):\n    return x + 1\n")
    assert code.code_digest(loop) == before


def test_a_class_of_a_notebook_counts_by_its_text_and_what_has_none_is_named() -> None:
    with pytest.raises(TypeError, match="has no Python source"):
        code.code_digest(len)


def test_what_was_read_is_remembered_and_a_damaged_memory_is_none(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(code, "_memo", lambda: tmp_path / "memo.json")
    code._known.cache_clear()
    text = "import os\nA = 7\n"
    first = code.read_text(text, "helpers")
    code.imported_files([text], code.PACKAGE)
    monkeypatch.setattr(code, "_read", lambda *_: pytest.fail("parsed again"))
    code._known.cache_clear()
    assert code.read_text(text, "helpers") == first
    monkeypatch.undo()
    monkeypatch.setattr(code, "_memo", lambda: tmp_path / "memo.json")
    (tmp_path / "memo.json").write_text("[")
    code._known.cache_clear()
    assert code.read_text(text, "helpers") == first
    code._known.cache_clear()


def test_within_a_glance_a_file_is_read_once_and_anew_after_it(tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    file.write_text("a = 1")
    with code.glance():
        first = code.file_digest(file)
        file.write_text("a = 2")
        assert code.file_digest(file) == first
    assert code.file_digest(file) != first


def test_a_cell_that_was_read_is_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed, read = [], code._read
    monkeypatch.setattr(code, "_read", lambda *text: parsed.append(text) or read(*text))
    for _ in range(2):
        code.tree_digest("a_cell_of_this_test = 1")
    assert len(parsed) <= 1  # 0 where an earlier run's is remembered
