"""What a notebook's answer was made from, and which of it changed since.

An answer has a stamp beside it, and so have the PDF and the HTML: a small JSON file with the components that went into
it and its own digest. A component's value is either readable ("quick", "5") or a digest ("sha256:...").
"""

import hashlib
import json
import platform
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from helpers.base.code import file_digest as code_file_digest
from helpers.base.code import glanced, imported_files, tree_digest
from helpers.base.files import read_json, write_json
from helpers.base.machine import installed_versions
from helpers.base.notebook import code_sources

Components = Mapping[str, str]


def digest(data: bytes) -> str:
    """Give the digest of some bytes, marked as one."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def file_digest(path: Path) -> str:
    """Give the digest of a file's content, or "missing"."""
    return digest(path.read_bytes()) if path.is_file() else "missing"


def package_versions(requirements: Path) -> dict[str, str]:
    """Give Python's version and those of the installed ones of the packages that a report is computed with.

    requirements: a file of pins whose first paragraph names them; what follows sets pages or tests.
    """
    first = requirements.read_text(encoding="utf-8").split("\n\n")[0]
    names = re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==", first, re.MULTILINE)
    return {"python": platform.python_version()} | installed_versions(names)


def components(
    notebook: Path, package: Path, parameters: Mapping[str, object], facts: Mapping[str, str], needed: Iterable[Path]
) -> dict[str, str]:
    """List what an answer is made from.

    notebook: its file; of it only the code counts. package: folder of the helpers, of which only the imported
    ones count. parameters: the values given to the notebook. facts: what all notebooks of a run share, such
    as the data's digest. needed: answers made before, of which only the numbers count.
    """
    code, stated = code_sources(notebook), {path.stem: read_json(path).get("numbers") for path in needed}
    return {
        "its code": digest("\0".join(map(tree_digest, code)).encode()),
        **{f"parameter {name}": repr(value) for name, value in parameters.items()},
        **files_components(imported_files(code, package), package),
        **facts,
        **{f"the numbers of {name}": digest(json.dumps(it, sort_keys=True).encode()) for name, it in stated.items()},
    }


def files_components(files: Iterable[Path], package: Path) -> dict[str, str]:
    """List a package's source files, and the tables of their names, with their digests, each under its path.

    Of Python files the bytecode counts, of tables what they say, of others every byte.
    """
    files = [*files]
    files += [table for path in files if (table := path.with_suffix(".toml")).is_file()]
    return {str(path.relative_to(package.parent)): _meaning(path) for path in files}


def _meaning(path: Path) -> str:
    """Give the digest of what a file means, so that a comment changes none."""
    if path.suffix == ".py":
        return f"sha256:{code_file_digest(path)}"
    if path.suffix == ".toml":
        return glanced(path, lambda: digest(repr(tomllib.loads(path.read_text(encoding="utf-8"))).encode()))
    return file_digest(path)


def differences(before: Components, now: Components) -> list[str]:
    """Say what changed between two lists of components, one clause a component."""
    names = [*now, *(name for name in before if name not in now)]
    return [_difference(name, before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)]


def _difference(name: str, before: str | None, now: str | None) -> str:
    if before is None:
        return f"{name} is new"
    if now is None:
        return f"{name} is no longer used"
    readable = not (before + now).count("sha256:")
    return f"{name} changed from {before} to {now}" if readable else f"{name} changed"


def shorten(clauses: list[str], shown: int = 3) -> str:
    """Join clauses to one line that names at most the first few."""
    more = len(clauses) - shown
    return ", ".join(clauses[:shown]) + (f" and {more} more" if more > 0 else "")


def stamp_path(product: Path) -> Path:
    """Name the stamp that lies beside a file."""
    return product.with_suffix(f"{product.suffix if product.suffix == '.html' else ''}.stamp.json")


def why_stale(product: Path, now: Components) -> str | None:
    """Say in one clause why an answer, or a report, has to be made again; None if it stands as it is.

    product: the file, with its stamp beside it; of an answer, the files that belong to it are checked too.
    """
    stamp = read_json(stamp_path(product))
    if not stamp or not product.is_file():
        return f"{product.name} does not exist yet"
    if changed := differences(stamp["components"], now):
        return shorten(changed)
    if stamp["digest"] != file_digest(product):
        return f"{product.name} was written outside the build"
    return _damage(product) if product.suffix == ".json" else None


def _damage(answer: Path) -> str | None:
    """Name the first file of an answer that is missing or is not what the answer says it is."""
    for name, expected in read_json(answer).get("files", {}).items():
        found = file_digest(answer.parents[1] / name)
        if found.removeprefix("sha256:") != expected:
            return f"{name} is missing" if found == "missing" else f"{name} was written outside the build"
    return None


def modified(path: Path) -> int:
    """Give the time of a file's last change in nanoseconds; 0 if there is none."""
    return path.stat().st_mtime_ns if path.is_file() else 0


def write_stamp(product: Path, made_from: Components, **facts: object) -> None:
    """Record what a file was made from, with further facts such as the day it was finished."""
    write_json(stamp_path(product), {"components": made_from, "digest": file_digest(product), **facts})
