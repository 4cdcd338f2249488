"""One build at a time in a run's folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.base.files import remove_drafts, writing
from helpers.build.execute import say


@contextmanager
def sole_build(run: Path) -> Iterator[None]:
    """Hold a run's folder for one build; a second build of the same run waits, and says so."""
    lock = FileLock(run / ".lock")
    with writing(run):
        run.mkdir(parents=True, exist_ok=True)
        free = _try_to_acquire(lock)
    if not free:
        say(f"Another build of {run} is under way; this one waits until it ends.")
        lock.acquire()
    try:
        remove_drafts(run)
        yield
    finally:
        lock.release()


def _try_to_acquire(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True
