"""The code that something is made by: the files that it imports, and a digest that only what may alter numbers changes.

Digests are taken of bytecode without docstrings, annotations, imports for annotations and the names of locals, so
that none of these, no comment and no layout makes what was computed stale; another name for a local that an inner
function shares may, since bytecode orders those by name. Files once read are known by their content, in a small file
of the cache, so that a process that has nothing to compute parses nothing.
"""

import ast
import hashlib
import inspect
import json
import sys
import textwrap
import tomllib
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple, TypeVar

from helpers.base.files import ROOT, WriteError, cache_folder, write_json

Seen = TypeVar("Seen")
PACKAGE = ROOT / "helpers"
FOR_ANNOTATIONS = frozenset({"typing", "collections.abc", "__future__"})
# Rooms that keep and describe, and whose own code is in no result: data are known by their content.
_NOT_COMPUTING = ("base", "data")
_COMPUTING = "data/audit"  # in there, what computes something of data
_MOST_KNOWN = 2000  # files whose digests are remembered


class Read(NamedTuple):
    """What a text comes to: the digest of its bytecode, and the dotted paths that it imports."""

    digest: str
    imports: tuple[str, ...]


def tree_digest(text: str) -> str:
    """Condense a Python text so that only what may alter what it computes changes the digest."""
    return read_text(text, PACKAGE.name).digest


def file_digest(path: Path) -> str:
    """Condense a Python file, as `tree_digest` does its text."""
    return glanced(("digest", path), lambda: read_text(path.read_text(encoding="utf-8"), PACKAGE.name).digest)


@contextmanager
def glance() -> Iterator[None]:
    """Look for each file, and read it, once while this lasts: for many questions about files as they are now."""
    _GLANCES.append({})
    try:
        yield
    finally:
        _GLANCES.pop()


def glanced(key: Hashable, ask: Callable[[], Seen]) -> Seen:
    """Ask, or within a `glance` recall what was answered to the same key."""
    if not _GLANCES:
        return ask()
    known = _GLANCES[-1]
    if key not in known:
        known[key] = ask()
    return known[key]


def imported_files(sources: Iterable[str], package: Path) -> list[Path]:
    """List the package's files that these sources import, directly or through one another, sorted.

    sources: Python texts; one that does not parse counts as importing nothing, and fails when it is run.
    package: the package's folder, whose name is the name it is imported by. A name that a folder's `__init__.pyi`
    promises leads to where it lives, and what that folder offers besides is not counted.
    """
    found: set[Path] = set()
    seen: set[str] = set()
    pending = list(sources)
    while pending:
        imports = {*read_text(pending.pop(), package.name).imports} - seen
        seen |= imports
        new = {path for name in imports for path in _files(name, package)} - found
        found |= new
        pending += [_text(path) for path in new]
    _remember()
    return sorted(found)


def code_digest(*makers: object, apart: Iterable[str] = ()) -> str:
    """Condense the code of functions, classes or modules with all of this package that they import.

    The rooms `base` and `data` are left out, but for `data.audit`, and so are the modules named in `apart`, such as
    "helpers.training.recipes": what they give has to be known otherwise. What is defined in a notebook counts by its
    own text. Raises TypeError on what has no Python source.
    """
    texts = {text for maker in makers for text in _texts(maker)}
    left_out = {PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py") for name in apart}
    files = [path for path in imported_files(texts, PACKAGE) if path not in left_out | {PACKAGE / "__init__.py"}]
    inner = (path.relative_to(PACKAGE) for path in files)
    files = [PACKAGE / one for one in inner if one.parts[0] not in _NOT_COMPUTING or one.is_relative_to(_COMPUTING)]
    lines = [f"{path.relative_to(PACKAGE)} {read_text(_text(path), PACKAGE.name).digest}" for path in files]
    lines += sorted(read_text(text, PACKAGE.name).digest for text in texts)
    _remember()
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@cache
def room_digest(room: str) -> str:
    """Condense the code of a whole room of this package, as `file_digest` does a file's, and the tables beside it."""
    files, tables = (sorted((PACKAGE / room).rglob(f"*.{ending}")) for ending in ("py", "toml"))
    lines = [f"{path.relative_to(PACKAGE)} {read_text(_text(path), PACKAGE.name).digest}" for path in files]
    lines += [f"{path.relative_to(PACKAGE)} {tomllib.loads(path.read_text(encoding='utf-8'))}" for path in tables]
    _remember()
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def hold_sources() -> None:
    """Read the package's sources now, so that this process's digests are of the code that it runs, however it ages."""
    for path in PACKAGE.rglob("*.py*"):
        if path.suffix in (".py", ".pyi"):
            _HELD[path] = path.read_text(encoding="utf-8")


_HELD: dict[Path, str] = {}
_GLANCES: list[dict[Hashable, Any]] = []
_NEW: list[str] = []  # what was read and is not remembered yet


def _text(path: Path) -> str:
    return _HELD.get(path) or glanced(("text", path), lambda: path.read_text(encoding="utf-8"))


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
    bare = _Bare().visit(tree)
    imports = [path for node in ast.walk(bare) for path in _paths_of(node, package)]
    for node in ast.walk(bare):  # where something stands is in the bytecode, too
        vars(node).update(lineno=1, end_lineno=1, col_offset=0, end_col_offset=0)
    spelled = _bytecode(compile(bare, "", "exec", dont_inherit=True))
    return Read(hashlib.sha256(spelled.encode()).hexdigest(), tuple(dict.fromkeys(imports)))


def _files(path: str, package: Path) -> list[Path]:
    return glanced((path, package), lambda: [*_passed(path, package)])


def _passed(path: str, package: Path) -> Iterator[Path]:
    """List the files that a dotted path into the package runs through: each folder's `__init__`, and a module."""
    first, *parts = path.split(".")
    place = package
    if first != package.name:
        return
    yield from filter(Path.is_file, [place / "__init__.py"])
    for part in parts:
        stub, place = place / "__init__.pyi", place / part
        if place.is_dir():
            for start in filter(Path.is_file, [place / "__init__.py"]):
                yield start
                if "iter_modules(__path__)" in _text(start):  # it imports whatever lies beside it
                    yield from sorted(place.glob("*.py"))
        elif (module := place.with_suffix(".py")).is_file():
            yield module
            return
        elif stub.is_file():
            yield from (file for target in _promised(stub, part) for file in _passed(target, package))
            return
        else:
            return


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
    """Takes docstrings, annotations, and imports for these from a tree."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return ast.Pass() if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.AST]:
        if ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            return [self.visit(child) for child in node.orelse]
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if node.module in FOR_ANNOTATIONS else node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        self.generic_visit(node)
        node.body = [one for one in node.body if not isinstance(one, ast.Pass | ast.AnnAssign)] or [ast.Pass()]
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            return self.visit(ast.Assign([node.target], node.value))
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Keep that something is annotated: in a dataclass that is a field; and of which kind, where that matters."""
        fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
        for field in fields:
            if not any(word in ast.unparse(field.annotation) for word in ("ClassVar", "InitVar", "KW_ONLY")):
                field.annotation = ast.Constant(None)
        rest = [self.visit(one) for one in node.body if one not in fields]
        node.body = [one for one in node.body if one in fields] + [one for one in rest if one is not None]
        node.decorator_list = [self.visit(one) for one in node.decorator_list]
        return node


def _bytecode(code: CodeType) -> str:
    """Spell out what a code does: in it, local variables have places and no names; a parameter has both."""
    parameters = code.co_argcount + code.co_kwonlyargcount
    spelled = not {"locals", "vars", "eval", "exec"}.isdisjoint(code.co_names)
    return repr(
        (
            code.co_qualname, code.co_code, code.co_exceptiontable,
            [_bytecode(one) if isinstance(one, CodeType) else _spelled(one) for one in code.co_consts],
            code.co_names, code.co_varnames if spelled else code.co_varnames[:parameters], code.co_flags,
            code.co_argcount, code.co_posonlyargcount,
        )
    )  # fmt: skip


def _spelled(constant: object) -> str:
    """Spell a constant; a set has no order, and numbers of two kinds may look alike."""
    ordered = sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant
    return f"{type(constant).__name__} {ordered!r}"
