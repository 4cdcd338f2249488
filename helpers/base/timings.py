"""How long work took on this machine, kept in the cache, so that the time of the next such work can be told.

A live notebook shows, while one waits, what is computed and about how long still; nothing of it stays. papermill and
scripts have no such display: there, lines of progress are printed, for whoever follows a report.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from math import log
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from helpers.base import words
from helpers.base.files import WriteError, cache_folder, locked, write_json
from helpers.base.runs import BUILD_VARIABLE
from helpers.base.words import Said, said

# Seconds a multiplication, and those that any notebook takes, until this machine has times of its own; two cores.
_USUAL_TRAINING, _USUAL_NOTEBOOK, _START = 4e-11, 1e-8, 10.0
_MOST = 20  # notes of a kind of work that are kept, the newest
_NEAR = 5  # notes of the most similar amounts that an expectation rests on

T = TypeVar("T")
_PASSING = (": epoch ", ": there after ")  # in lines on a training that say nothing once it is over
_TICK = 1.0  # seconds between two looks at the clock; what takes less is not shown
_places: dict[int, Any] = {}  # by number of the execution of a cell, its display and what it shows
_shown: list["_Line"] = []  # the one display, if any: what is computed on the way to a result is part of it


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


def notebook_work(
    notebook: str, recipe: str, values: Mapping[str, object], images: int, each: int
) -> tuple[str, float]:
    """Give the kind and the amount of a notebook's work: multiplications of one pass of the images that it looks at.

    values: of its parameters; images, each: the images that are tested, and the multiplications that one takes.
    """
    counts = [value for key, value in values.items() if "IMAGES" in key and isinstance(value, int)]
    return f"{notebook}, {recipe}", float(max(1, min([images, *([sum(counts)] if counts else [])])) * each)


def notebook_seconds(kind: str, work: float) -> float:
    """Foresee how long a notebook takes besides training."""
    return expect(kind, work, _USUAL_NOTEBOOK, fixed=_START)


def training_seconds(kind: str, work: float) -> float:
    """Foresee how long a training takes."""
    return expect(kind, work, _USUAL_TRAINING)


def _memo() -> Path:
    return cache_folder() / "known" / "times.json"


def _known() -> dict[str, list[list[float]]]:
    with suppress(OSError, ValueError):
        known = json.loads(_memo().read_text(encoding="utf-8"))
        return {kind: [[float(work), float(seconds)] for work, seconds in notes] for kind, notes in known.items()}
    return {}


def spoken(seconds: float) -> str:
    """Round a time to what can be told of it in advance, as in "40 s", "5 min" or "13 h"."""
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


class _Line:
    """One line below a cell, which others take the place of, and nothing in the end."""

    def __init__(self, what: Said, expected: float) -> None:
        self._what, self._expected, self._began = what, expected, time.monotonic()
        self._told = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def tell(self, text: str) -> None:
        """Show a text from now on in place of what is foreseen."""
        self._told = text

    def end(self) -> None:
        """Show nothing more."""
        self._over.set()
        self._thread.join()
        self._show("")

    def _tick(self) -> None:
        while not self._over.wait(_TICK):
            self._show(self._told or self._foresee())

    def _show(self, line: str) -> None:
        """Show a line in the place that its cell has for it, if it is another than the one that stands there."""
        cell = sys.modules["IPython"].get_ipython().execution_count
        if cell not in _places and line:
            from IPython.display import display

            _places.clear()
            _places[cell] = (display({"text/plain": line}, raw=True, display_id=True), line)
        elif cell in _places and line != _places[cell][1]:
            _places[cell][0].update({"text/plain": line}, raw=True)
            _places[cell] = (_places[cell][0], line)

    def _foresee(self) -> str:
        passed = time.monotonic() - self._began
        left = self._expected - passed
        key, seconds = ("left", left) if left > 0 else ("so_far", passed)
        return words.text(f"progress.{key}", what=self._what, time=words.duration(seconds))


def is_live() -> bool:
    """Tell whether somebody watches: in a notebook that is neither part of a report nor in a cell that is checked."""
    shell: Any = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel") or os.environ.get(BUILD_VARIABLE):
        return False
    return "NBVAL_CHECK_OUTPUT" not in shell.user_ns.get("In", [""])[-1]


def say(text: str) -> None:
    """Show a line of progress: below the cell until the next one, or print it where nobody watches."""
    if _shown and any(part in text for part in _PASSING):
        _shown[0].tell(text)
    elif not (is_live() and _PASSING[-1] in text):
        print(text, flush=True)


@contextmanager
def waiting(name: str, work: float = 1.0) -> Iterator[None]:
    """Show what is computed, by name, and about how long still, from the times of earlier amounts of such work."""
    began, kind = time.monotonic(), f"kept, {name}"
    if outermost := is_live() and not _shown:
        known = words.table("progress.what").get(name)
        what = said(f"progress.what.{name}") if known else said("progress.other", name=name)
        _shown.append(_Line(what, expect(kind, work, usual=0.0)))
    try:
        yield
    finally:
        if outermost:
            _shown.pop().end()
    if (seconds := time.monotonic() - began) > _TICK:
        note(kind, work, seconds)


def watch(function: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """Call a function that takes long, and show meanwhile that it runs."""
    with waiting(function.__name__):
        return function(*arguments, **options)
