"""What is too large to be read whole: kept as a folder of arrays for memory-mapping, with all that the keeper promises.

A folder is known by its name and by the code that filled it, is there whole or not at all, is filled by one process
while others wait, and is noticed to be harmed: its record is sealed, and holds each file's size, times and hash.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from helpers.base.files import draft_path, locked, read_sealed, remove_drafts, write_sealed, writing

Facts = dict[str, Any]
FACTS = "dataset.json"  # in the folder, beside its arrays


def keep_folder(folder: Path, code: str, write: Callable[[Path], Facts]) -> Facts:
    """Give the facts about a folder, filling it unless the same code has done so before.

    write: puts .npy files into the folder that it is given, a draft beside the place, and returns facts about them;
    the files' hashes are added to them. Raises WriteError where the disk refuses.
    """
    facts = kept_facts(folder, code)
    if facts is None:
        with locked(folder.with_suffix(".lock")):
            facts = kept_facts(folder, code) or _fill(folder, code, write)
    return facts


def kept_facts(folder: Path, code: str) -> Facts | None:
    """Read the facts about a folder if it is as this code filled it; a file is hashed only if a time has changed."""
    sealed = read_sealed(folder / FACTS)
    try:
        facts = json.loads(sealed or "{}")
        files = facts["files"].items()
        whole = facts["code"] == code and all(_is_unchanged(folder / name, **file) for name, file in files)
        return facts if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def content_of(facts: Mapping[str, Any]) -> str:
    """Condense what the arrays of a folder hold."""
    hashes = {name: file["sha256"] for name, file in facts["files"].items()}
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


def file_sha256(file: Path) -> str:
    """Hash a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fill(folder: Path, code: str, write: Callable[[Path], Facts]) -> Facts:
    remove_drafts(folder.parent)
    draft = draft_path(folder)
    try:
        with writing(folder):
            draft.mkdir()
        facts = write(draft)
        with writing(folder):
            facts |= {"code": code, "files": _describe_files(draft)}
            write_sealed(draft / FACTS, json.dumps(facts).encode())
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return json.loads(json.dumps(facts))  # as whoever finds the folder reads them


def _describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    stats = [(file, file.stat()) for file in sorted(folder.glob("*.npy"))]
    return {f.name: {"size": stat.st_size, "times": _times(stat), "sha256": file_sha256(f)} for f, stat in stats}


def _times(stat: os.stat_result) -> list[int]:
    """When a file's content and when anything about it changed last; the second cannot be set back at will."""
    return [stat.st_mtime_ns, stat.st_ctime_ns]


def _is_unchanged(file: Path, size: int, times: list[int], sha256: str) -> bool:
    status = file.stat()
    return status.st_size == size and (_times(status) == times or file_sha256(file) == sha256)
