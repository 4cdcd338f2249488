"""What NETWORK names: a network by its name, a Python file that builds one, or the file of a trained one."""

import hashlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from modulefinder import ModuleFinder
from pathlib import Path
from textwrap import shorten
from types import ModuleType
from typing import Any

from helpers.base.checks import UserError
from helpers.base.code import file_digest
from helpers.base.files import ROOT
from helpers.base.folders import file_sha256

NETWORK, CUSTOM, PREPROCESS, WEIGHTS = "NETWORK", "CUSTOM", "PREPROCESS", "WEIGHTS"  # variables of the environment
NAMED = "NAME_OF_NETWORK"  # of the environment: what a run calls the file of NETWORK
# Those that have names; `networks.architectures`, with which Keras comes, says what each is.
ARCHITECTURES = ("vgg9", "vgg9_small", "average9", "slim8", "wide8", "even10", "vgg12", "wide5")
OWN = ROOT / "notebooks" / "network.py"  # what RECIPE=quick trains, unless NETWORK names another
TRAINED = (".keras", ".h5")
# How lines begin that stand before what Keras or TensorFlow says of an error.
_AROUND = ("Exception encountered", "Graph execution error", "Detected at node", "File ", "Node: ", "<stack traces")


class NetworkError(UserError, ValueError):
    """A network that cannot be used; the message is one sentence for the user."""


@dataclass(frozen=True)
class Source:
    """Where a network of the user's own comes from.

    path: a Python file, the file of a trained network, or the folder of a SavedModel; function: what builds the
    network in a Python file; custom: a Python file with layers for a trained network, or None; weights: a file of
    those that it begins with, or None; side: pixels of the images that it wants, 0 for those that the data have.
    """

    path: Path
    function: str = "build"
    custom: Path | None = None
    preprocess: str = ""
    weights: Path | None = None
    side: int = 0

    @property
    def name(self) -> str:
        """Name the network: after its file and, where that is not `build`, the function."""
        return self.path.stem + (f"-{self.function}" if self.function != "build" else "")

    @property
    def trained(self) -> bool:
        """Whether it is trained already."""
        return self.path.suffix != ".py"

    @property
    def history(self) -> Path:
        """Name the file in which its training is told, if it came trained and there is one."""
        return self.path.with_name("history.csv")

    @cached_property
    def digest(self) -> str:
        """Condense all that it is made from: of Python files the bytecode, of others every byte."""
        files = [*(python_files(self.path) if not self.trained else _content(self.path))]
        files += python_files(self.custom) if self.custom else []
        parts = [file_digest(file) if file.suffix == ".py" else file_sha256(file) for file in files]
        return hashlib.sha256("\n".join([*parts, self.function, self.preprocess]).encode()).hexdigest()

    @cached_property
    def module(self) -> ModuleType:
        """Import the Python file; raises NetworkError where that fails."""
        return import_file(self.path)

    def offers(self, name: str) -> Callable[..., Any] | None:
        """Give a function of the Python file by name, such as `plan`; None where it has none."""
        return None if self.trained else getattr(self.module, name, None)


def read_source(recipe: str, environment: Mapping[str, str] = os.environ) -> Source | str:
    """Read what network a run is about: the name of an architecture, "" for the recipe's own, or a user's.

    Raises NetworkError on a file that is not there or of no kind that is known.
    """
    from helpers.networks.own.backbone import find_backbone  # which builds on what is said here

    variables = (NETWORK, CUSTOM, PREPROCESS, WEIGHTS)
    said, custom, preprocess, weights = (environment.get(name, "").strip() for name in variables)
    if backbone := find_backbone(said, weights):
        return backbone
    if weights:
        raise NetworkError(
            "WEIGHTS is for networks that have learned ImageNet; leave it out, or choose NETWORK=efficientnet-lite0 "
            "or NETWORK=keras:NAME."
        )
    if (custom or preprocess) and not said:
        raise NetworkError(
            "CUSTOM and PREPROCESS are about a network of your own; name it by NETWORK, or leave them out."
        )
    if not said:
        return Source(OWN) if recipe == "quick" and OWN.is_file() else ""
    name, _, function = said.rpartition(":") if ".py:" in said else (said, "", "")
    if not ("/" in name or os.sep in name or Path(name).suffix):
        if name not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise NetworkError(
                f"There is no architecture {name!r}: choose one of {known}, or give the path of your own."
            )
        return name
    path = find_file(name, NETWORK)
    if path.is_dir() and not (path / "saved_model.pb").is_file():
        raise NetworkError(f"NETWORK={said} is a folder without a saved_model.pb; give a .py, .keras or .h5 file.")
    if path.is_file() and path.suffix not in (".py", *TRAINED):
        raise NetworkError(
            f"NETWORK={said} is no network; give a .py, .keras or .h5 file, or the folder of a SavedModel."
        )
    return Source(path, function or "build", find_file(custom, CUSTOM) if custom else None, preprocess)


def preferred_side(recipe: str) -> int:
    """Give the pixels a side of the images that the network of a run wants; 0 for those that the data have."""
    source = read_source(recipe)
    return 0 if isinstance(source, str) else source.side


def label(source: Source | str, recipe: str) -> str:
    """Name a network in the name of a run; nothing for the one that the recipe trains anyway."""
    if isinstance(source, str) or (source.path == OWN and recipe == "quick"):
        return source if isinstance(source, str) else ""
    return (os.environ.get(NAMED) or source.name).replace("/", "-")


def find_file(text: str, variable: str) -> Path:
    """Find a file that a variable names, from the repository or from here; NetworkError where there is none."""
    for path in (ROOT / text, Path.cwd() / text):
        if path.expanduser().exists():
            return path.expanduser().resolve()
    raise NetworkError(f"{variable}={text} names no file (looked for {ROOT / text}); give the path of one.")


def python_files(path: Path) -> list[Path]:
    """List a Python file and those in its folder that it imports, directly or through one another."""
    finder = ModuleFinder([str(path.parent)])
    with suppress(SyntaxError, ValueError):  # it fails where it is imported
        finder.run_script(str(path))
    files = (getattr(module, "__file__", None) for module in finder.modules.values())
    return sorted({path, *(Path(file) for file in files if file)})


def import_file(path: Path) -> ModuleType:
    """Import a Python file of the user's, which may import others beside it; NetworkError naming the line if not.

    All are read anew, since they may have been edited; what belongs to this package stays.
    """
    beside = [file for file in python_files(path) if file != path and not file.is_relative_to(ROOT / "helpers")]
    files = {str(file) for file in beside}
    for old in [key for key, module in [*sys.modules.items()] if getattr(module, "__file__", None) in files]:
        del sys.modules[old]
    name = f"own_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever a user's code raises
        del sys.modules[name]
        raise NetworkError(f"{path} cannot be imported: {describe(error, path)}") from error
    finally:
        sys.path.remove(str(path.parent))
    return module


def describe(error: BaseException, path: Path) -> str:
    """Say in one line what a user's file raised, and in which of its lines."""
    steps = traceback.extract_tb(error.__traceback__)
    lines = [step.lineno for step in steps if step.filename == str(path)]
    line = lines[-1] if lines else getattr(error, "lineno", None)
    kind = "it ends Python by SystemExit" if isinstance(error, SystemExit) else type(error).__name__
    return f"{kind}{f' in line {line}' if line else ''}: {tell(error)}"


def tell(error: BaseException) -> str:
    """Give the line of an error that says what is wrong, without colours and what Keras says before it."""
    text = re.split("(?:Exception|Error) encountered:", re.sub(r"\x1b\[\d*m", "", str(error)))[-1]
    lines = (line.strip() for line in text.splitlines())
    said = (line for line in lines if line and not line.startswith(_AROUND))
    return shorten(next(said, type(error).__name__), 300, placeholder=" ...")


def _content(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
