"""How long work took on this machine, kept in the cache, so that the time of the next such work can be told.

A live notebook shows, while one waits, what is computed and about how long still; nothing of it stays. papermill and
scripts have no such display: there, lines of progress are printed, for whoever follows a report.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from math import log
from pathlib import Path
from statistics import median
from typing import Any

from helpers.base import words
from helpers.base.files import WriteError, cache_folder, locked, read_json, write_json
from helpers.base.runs import BUILD_VARIABLE

# Seconds a multiplication, and those that any notebook takes, until this machine has times of its own; two cores.
USUAL_TRAINING, USUAL_NOTEBOOK, START = 4e-11, 4e-9, 10.0
USUAL_SETTING = 2.0  # seconds a notebook
MOST_WORK = 3e10  # multiplications of a notebook, which looks at fewer images where there would be more
_MOST = 20  # notes of a kind of work that are kept, the newest
_NEAR = 5  # notes of the most similar amounts that an expectation rests on

_PASSING = (": epoch ", ": there after ")  # in lines on a training that say nothing once it is over
_TICK = 1.0  # seconds between two looks at the clock; what takes less is not shown
_places: dict[int, Any] = {}  # by number of the execution of a cell, its display
_told: list[str] = []  # while one waits: the last line told by what is computed, "" before the first


def note(kind: str, work: float, seconds: float) -> None:
    """Note how long an amount of a kind of work took; both above 0, work in any unit."""
    with suppress(OSError, WriteError), locked(_memo().with_suffix(".lock")):  # it only serves to tell times
        known = _known()
        known[kind] = [*known.get(kind, []), [work, seconds]][-_MOST:]
        write_json(_memo(), known)


def expect(kind: str, work: float, usual: float, fixed: float = 0.0) -> float:
    """Say how many seconds an amount of work will take, from the notes of the most similar amounts.

    usual: seconds a unit of work where there are none yet; fixed: seconds that any amount takes.
    """
    newest_first = reversed(_known().get(kind, []))
    notes = sorted(newest_first, key=lambda one: abs(log(one[0] / work)))[:_NEAR]
    each = [max(0.0, seconds - fixed) / amount for amount, seconds in notes]
    return fixed + work * (median(each) if each else usual)


def notebook_work(values: Mapping[str, object], images: int, each: int) -> float:
    """Count the multiplications of one pass of the test images that a notebook with these parameters looks at, at most.

    images, each: how many there are, and the multiplications that one takes.
    """
    counts = [value for key, value in values.items() if "IMAGES" in key and isinstance(value, int)]
    return min(MOST_WORK, float(max(1, min([images, *([sum(counts)] if counts else [])])) * each))


def _memo() -> Path:
    return cache_folder() / "known" / "times.json"


def _known() -> dict[str, list[list[float]]]:
    return read_json(_memo())


def is_live() -> bool:
    """Tell whether somebody watches: in a notebook that is neither part of a report nor in a cell that is checked."""
    shell: Any = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel") or os.environ.get(BUILD_VARIABLE):
        return False
    return "NBVAL_CHECK_OUTPUT" not in shell.user_ns.get("In", [""])[-1]


def say(text: str) -> None:
    """Show a line of progress: below the cell until the next one, or print it where nobody watches."""
    if _told and any(part in text for part in _PASSING):
        _told[0] = text
    elif not (is_live() and _PASSING[-1] in text):
        print(text, flush=True)


@contextmanager
def waiting(name: str, work: float = 1.0) -> Iterator[None]:
    """Show what is computed, by name, and about how long still, from the times of earlier amounts of such work."""
    began, kind, over = time.monotonic(), f"kept, {name}", threading.Event()
    thread = threading.Thread(target=_tick, args=(over, name, expect(kind, work, usual=0.0)), daemon=True)
    if outermost := is_live() and not _told:  # what is computed on the way to a result is part of it
        _told.append("")
        thread.start()
    try:
        yield
    finally:
        if outermost:
            over.set()
            thread.join()
            _told.clear()
    if (seconds := time.monotonic() - began) > _TICK:
        note(kind, work, seconds)


def _tick(over: threading.Event, name: str, expected: float) -> None:
    known = words.table("progress.what").get(name)
    what = known or words.text("progress.other", name=name)
    passed, shown = 0.0, ""
    while not over.wait(_TICK):
        passed += _TICK
        key, seconds = ("left", expected - passed) if expected > passed else ("so_far", passed)
        line = _told[0] or words.text(f"progress.{key}", what=what, time=words.duration(seconds))
        shown = shown if line == shown else _show(line)
    if shown:
        _show("")


def _show(line: str) -> str:
    """Show a line in the one place that the running cell has for it."""
    from IPython.display import display

    cell = sys.modules["IPython"].get_ipython().execution_count
    if cell in _places:
        _places[cell].update({"text/plain": line}, raw=True)
    else:
        _places[cell] = display({"text/plain": line}, raw=True, display_id=True)
    return line
