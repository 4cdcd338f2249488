"""Files that are written at once or not at all, and a plain sentence where the disk refuses.

Whatever is written first goes into a draft beside its place, a hidden file or folder named after its writer, so
that two writers never share one and what a killed writer left behind can be told from work under way.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from filelock import FileLock

from helpers.base.checks import UserError

ROOT = Path(__file__).resolve().parents[2]  # the repository

REPORTS_VARIABLE, CACHE_VARIABLE = "REPORTS", "DATA_CACHE"  # of the environment; tests set both

_DRAFT = re.compile(r"\..+\.(?P<writer>\d+)\.\d+\.draft(\.\w+)?")
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
_REFUSALS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "the disk is full; free some space and start again"),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR), "a file stands where a folder has to be; name another folder"),
    **dict.fromkeys(_FORBIDDEN, "its folder is read-only; make it writable and start again"),
}


class WriteError(UserError, OSError):
    """A file that cannot be written; the message is one sentence for the user."""


def reports_folder() -> Path:
    """Name the folder of the runs: the one that the environment names, relative to the repository, or ours."""
    return ROOT / (os.environ.get(REPORTS_VARIABLE) or "reports")


def cache_folder() -> Path:
    """Name the folder of decoded data: the one that the environment names, ours, or where that is read-only, another.

    That one lies in the folder of the runs, which has to be writable.
    """
    own = ROOT / (os.environ.get(CACHE_VARIABLE) or Path("data") / "cache")
    there = next(folder for folder in (own, *own.parents) if folder.exists())
    return own if there.is_dir() and os.access(there, os.W_OK) else reports_folder() / ".cache"


def cache_notes() -> list[str]:
    """Say where decoded data go if that is not the usual place; nothing else."""
    folder = cache_folder()
    usual = CACHE_VARIABLE in os.environ or folder.is_relative_to(ROOT / "data")
    return [] if usual else [f"{ROOT / 'data'} cannot be written; decoded data are kept in {folder}."]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says against a write into a WriteError that names the file and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # a sentence already, or nothing that the system said
            raise
        reason = _REFUSALS.get(error.errno, f"{error.strerror}; put that right and start again")
        raise WriteError(f"{path} cannot be written: {reason}.") from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that a file stands for, waiting while another process does; its folder is made where it lacks.

    Raises WriteError where the disk refuses.
    """
    lock = FileLock(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def draft_path(path: Path, suffix: str = "") -> Path:
    """Name a draft of a file or folder, beside it and this thread's own; suffix: ending that a writer insists on."""
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.draft{suffix}")


def remove_drafts(folder: Path) -> None:
    """Delete the drafts that killed writers left anywhere in a folder; those of running ones stay."""
    for draft, found in [(path, _DRAFT.fullmatch(path.name)) for path in folder.rglob(".*")]:
        if found and not psutil.pid_exists(int(found["writer"])):
            shutil.rmtree(draft) if draft.is_dir() else draft.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds the old content or the new, never a part, even after a power cut.

    Raises WriteError where the disk refuses.
    """
    draft = draft_path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # else the new name may outlive a power cut that the content does not
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def write_sealed(path: Path, content: bytes) -> None:
    """Write a file with its hash behind its content, so that `read_sealed` notices any change.

    Readers of .npy and .zip files pass over what follows the content. Raises WriteError where the disk refuses.
    """
    write_atomically(path, content + hashlib.sha256(content).digest())


def read_sealed(path: Path) -> bytes | None:
    """Read what `write_sealed` wrote; None where the file is missing, cut short or changed."""
    try:
        sealed = path.read_bytes()
    except FileNotFoundError:
        return None
    size = hashlib.sha256().digest_size
    content, seal = sealed[:-size], sealed[-size:]
    return content if hashlib.sha256(content).digest() == seal else None


def read_soon(rows: np.ndarray, wanted: np.ndarray) -> None:
    """Have the system begin to read some rows of an array (N, ...), which is memory-mapped, or else nothing is done.

    wanted: their indices. Without this, whoever uses a row that is not in memory waits for megabytes around it.
    """
    if not isinstance(rows, np.memmap) or not hasattr(os, "posix_fadvise"):
        return
    whole = rows
    while isinstance(whole.base, np.memmap):
        whole = whole.base
    start, size = whole.offset + rows.ctypes.data - whole.ctypes.data, rows.strides[0]
    with suppress(OSError), Path(str(whole.filename)).open("rb") as file:  # deleted, it can still be used
        for row in np.sort(wanted, axis=None).tolist():
            os.posix_fadvise(file.fileno(), start + size * row, size, os.POSIX_FADV_WILLNEED)


def write_json(path: Path, content: object) -> None:
    """Write JSON, indented and in UTF-8, at once or not at all."""
    write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; an empty one if the file is missing, cut short or holds something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
