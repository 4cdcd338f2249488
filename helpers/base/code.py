"""The code that something is made by: the files that it imports, and a digest that only what may alter numbers changes.

Digests are taken of syntax trees without docstrings, annotations, imports for annotations and the names of locals, so
that none of these, no comment and no layout makes what was computed stale. Files once read are known by their content,
in a small file of the cache, so that a process that has nothing to compute parses nothing.
"""

import ast
import hashlib
import inspect
import json
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from helpers.base.files import ROOT, WriteError, cache_folder, write_json

PACKAGE = ROOT / "helpers"
FOR_ANNOTATIONS = frozenset({"typing", "collections.abc", "__future__"})
# Rooms that keep and describe, and whose own code is in no result: data are known by their content.
_NOT_COMPUTING = ("base", "data")
_MOST_KNOWN = 2000  # files whose digests are remembered


class Read(NamedTuple):
    """What a text comes to: the digest of its syntax tree, and the dotted paths that it imports."""

    digest: str
    imports: tuple[str, ...]


def tree_digest(text: str) -> str:
    """Condense a Python text so that only what may alter what it computes changes the digest."""
    return _read(text, PACKAGE.name).digest


def file_digest(path: Path) -> str:
    """Condense a Python file, as `tree_digest` does its text."""
    return read_text(path.read_text(encoding="utf-8"), PACKAGE.name).digest


def imported_files(sources: Iterable[str], package: Path) -> list[Path]:
    """List the package's files that these sources import, directly or through one another, sorted.

    sources: Python texts; one that does not parse counts as importing nothing, and fails when it is run.
    package: the package's folder, whose name is the name it is imported by. A name that a folder's `__init__.pyi`
    promises leads to where it lives, and what that folder offers besides is not counted.
    """
    found: set[Path] = set()
    pending = list(sources)
    while pending:
        imports = read_text(pending.pop(), package.name).imports
        new = {path for name in imports for path in _files(name, package)} - found
        found |= new
        pending += [_text(path) for path in new]
    _remember()
    return sorted(found)


def code_digest(*makers: object, apart: Iterable[str] = ()) -> str:
    """Condense the code of functions, classes or modules with all of this package that they import.

    The rooms `base` and `data` are left out, and so are the modules named in `apart`, such as
    "helpers.training.recipes": what they give has to be known otherwise. What is defined in a notebook counts by its
    own text. Raises TypeError on what has no Python source.
    """
    texts = {text for maker in makers for text in _texts(maker)}
    left_out = {PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py") for name in apart}
    files = [path for path in imported_files(texts, PACKAGE) if _computes(path) and path not in left_out]
    lines = [f"{path.relative_to(PACKAGE)} {read_text(_text(path), PACKAGE.name).digest}" for path in files]
    lines += sorted(read_text(text, PACKAGE.name).digest for text in texts)
    _remember()
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def hold_sources() -> None:
    """Read the package's sources now, so that this process's digests are of the code that it runs, however it ages."""
    for path in PACKAGE.rglob("*.py*"):
        if path.suffix in (".py", ".pyi"):
            _HELD[path] = path.read_text(encoding="utf-8")


_HELD: dict[Path, str] = {}
_NEW: list[str] = []  # what was read and is not remembered yet


def _text(path: Path) -> str:
    return _HELD.get(path) or path.read_text(encoding="utf-8")


def _computes(path: Path) -> bool:
    return path.relative_to(PACKAGE).parts[0] not in _NOT_COMPUTING and path != PACKAGE / "__init__.py"


def _texts(maker: object) -> Iterator[str]:
    """Give the text to read for a maker: an import of its module, the module itself, or its own definition."""
    module = maker if isinstance(maker, ModuleType) else sys.modules.get(getattr(maker, "__module__", ""))
    name, file = getattr(module, "__name__", ""), getattr(module, "__file__", None)
    if name.split(".")[0] == PACKAGE.name:
        yield f"import {name}"
    elif file and Path(file).suffix == ".py":
        yield _text(Path(file))
    else:
        try:
            yield textwrap.dedent(inspect.getsource(maker))  # type: ignore[arg-type]
        except (TypeError, OSError):
            raise TypeError(f"{maker!r} has no Python source, so that its result cannot be kept.") from None


def read_text(text: str, package: str) -> Read:
    """Read a text, or recall what it came to: its digest, and its imports, relative ones from the package on."""
    key = hashlib.sha256(f"{package}\0{text}".encode()).hexdigest()[:32]
    known = _known()
    if key not in known:
        known[key] = _read(text, package)
        _NEW.append(key)
    return known[key]


@cache
def _known() -> dict[str, Read]:
    with suppress(OSError, ValueError, TypeError, KeyError):
        stored = json.loads(_memo().read_text(encoding="utf-8"))
        return {key: Read(digest, tuple(imports)) for key, (digest, imports) in stored.items()}
    return {}


def _remember() -> None:
    if _NEW:
        _NEW.clear()
        with suppress(WriteError):  # it only saves time
            write_json(_memo(), dict(list(_known().items())[-_MOST_KNOWN:]))


def _memo() -> Path:
    """Name the file of what was read, which another version of this reader or of Python does not understand."""
    reader = hashlib.sha256(f"{sys.version}{Path(__file__).read_text(encoding='utf-8')}".encode()).hexdigest()
    return cache_folder() / "known" / f"code-{reader[:8]}.json"


def _read(text: str, package: str) -> Read:
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return Read(hashlib.sha256(text.encode()).hexdigest(), ())
    bare = _Bare(tree).visit(tree)
    imports = [path for node in ast.walk(bare) for path in _paths_of(node, package)]
    return Read(hashlib.sha256(ast.dump(bare).encode()).hexdigest(), tuple(dict.fromkeys(imports)))


def _files(path: str, package: Path) -> Iterator[Path]:
    """List the files that a dotted path into the package runs through: each folder's `__init__`, and a module."""
    first, *parts = path.split(".")
    place = package
    if first != package.name:
        return
    yield from filter(Path.is_file, [place / "__init__.py"])
    for part in parts:
        stub, place = place / "__init__.pyi", place / part
        if place.is_dir():
            yield from filter(Path.is_file, [place / "__init__.py"])
            yield from _found_by_itself(place)
        elif (module := place.with_suffix(".py")).is_file():
            yield module
            return
        elif stub.is_file():
            yield from (file for target in _promised(stub, part) for file in _files(target, package))
            return
        else:
            return


def _found_by_itself(place: Path) -> list[Path]:
    """List the modules of a folder that imports whatever lies in it, as that of the explanation methods does."""
    start = place / "__init__.py"
    return sorted(place.glob("*.py")) if start.is_file() and "iter_modules(__path__)" in _text(start) else []


def _promised(stub: Path, name: str) -> list[str]:
    """Spell out where a stub's imports say that a name lives, which may be another name there."""
    nodes = [node for node in ast.parse(stub.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
    named = [(node.module, alias) for node in nodes for alias in node.names]
    return [f"{module}.{alias.name}" for module, alias in named if (alias.asname or alias.name) == name]


def _paths_of(node: ast.AST, package: str) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            base = ".".join(part for part in (package if level else "", module or "") if part)
            return [f"{base}.{alias.name}" for alias in names]
    return []


class _Bare(ast.NodeTransformer):
    """Takes from a tree what cannot alter a number, and numbers the local variables of each function.

    Parameters keep their names, which callers may spell, and so do nested definitions and local imports.
    """

    def __init__(self, tree: ast.AST) -> None:
        self._names: dict[str, str] = {}
        self._count = 0
        self._in_class = False
        called = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        self._spells_locals = not called.isdisjoint({"locals", "vars", "eval", "exec"})

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)  # a docstring

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.AST]:
        if ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            return [self.visit(child) for child in node.orelse]
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if node.module in FOR_ANNOTATIONS else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if self._in_class:  # a dataclass's field, with or without a default
            if not any(word in ast.unparse(node.annotation) for word in ("ClassVar", "InitVar", "KW_ONLY")):
                node.annotation = ast.Constant(None)
            return self.generic_visit(node)
        return None if node.value is None else self.visit(ast.Assign([node.target], node.value))

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        hidden = set(_bound(node)) | _kept_names(node)
        return self._inside(node, {k: v for k, v in self._names.items() if k not in hidden}, in_class=True)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns, node.args = None, self.visit(node.args)
        node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
        kept = _kept_names(node)
        names = {k: v for k, v in self._names.items() if k not in kept}
        for name in () if self._spells_locals else dict.fromkeys(_bound(node)):
            if name not in kept and name not in _outer_names(node):
                names[name], self._count = f"·{self._count}", self._count + 1
        outer, outer_class = self._names, self._in_class
        self._names, self._in_class = names, False
        node.body = [new for child in node.body if (new := self.visit(child)) is not None]
        self._names, self._in_class = outer, outer_class
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        kept = _kept_names(node)
        return self._inside(node, {k: v for k, v in self._names.items() if k not in kept}, in_class=False)

    def _inside(self, node: ast.AST, names: dict[str, str], in_class: bool) -> ast.AST:
        outer, self._names = self._names, names
        outer_class, self._in_class = self._in_class, in_class
        node = self.generic_visit(node)
        self._names, self._in_class = outer, outer_class
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._names.get(node.id, node.id)
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        node.names = [self._names.get(name, name) for name in node.names]
        return node

    def _rename(self, node: ast.AST) -> ast.AST:
        for field in ("name", "rest"):
            if isinstance(name := getattr(node, field, None), str):
                setattr(node, field, self._names.get(name, name))
        return self.generic_visit(node)

    visit_ExceptHandler = visit_MatchAs = visit_MatchStar = visit_MatchMapping = _rename


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """Walk through what belongs to a scope, in order, and not into the scopes inside it."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, _SCOPES):
            yield from _own(child)


def _bound(node: ast.AST) -> Iterator[str]:
    """Name the variables that a scope assigns, in order."""
    for child in _own(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        elif isinstance(child, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and child.name:
            yield child.name
        elif isinstance(child, ast.MatchMapping) and child.rest:
            yield child.rest


def _kept_names(node: ast.AST) -> set[str]:
    """Name what a scope binds and keeps its name: parameters, definitions, imports, globals."""
    kept = {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)} if hasattr(node, "args") else set()
    for child in _own(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            kept.add(child.name)
        elif isinstance(child, ast.Import | ast.ImportFrom):
            kept |= {(alias.asname or alias.name).split(".")[0] for alias in child.names}
        elif isinstance(child, ast.Global):
            kept |= {*child.names}
    return kept


def _outer_names(node: ast.AST) -> set[str]:
    return {name for child in _own(node) if isinstance(child, ast.Nonlocal) for name in child.names}
