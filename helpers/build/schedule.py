"""Running the notebooks whose answers are stale, several side by side, each after those it needs, and what is shown.

On a terminal that is one live block, elsewhere lines, with the time left for the whole.
"""

import re
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING

from helpers.base import timings
from helpers.base.machine import usable_cores
from helpers.base.notebook import Place
from helpers.base.words import duration
from helpers.build import stale
from helpers.build.execute import Failure, describe_failure, run_notebook, say
from helpers.build.forecast import Forecast
from helpers.build.plan import Build

if TYPE_CHECKING:
    from rich.table import Table

UNCHANGED = "skipped, nothing changed"
_EPOCHS = re.compile(r"training (?P<name>\w+): (?:epoch (?P<done>\d+) of (?P<all>\d+)|there after (?P<seconds>\d+) s)")
_CELLS = re.compile(r"cell (\d+) of (\d+)")
_OFTEN = 20.0  # seconds from one word on the time left to the next, where there is no terminal
_LAST = 1e-3  # share that is left of a training after its last epoch, until its network is there
_TRUST = 0.2  # share of the forecast after which this build's own pace counts as much as the forecast's


class Board:
    """The stages of a build's notebooks, and how much of its forecast is left."""

    def __init__(self, build: Build, forecast: Forecast | None = None) -> None:
        self._build, self._forecast = build, forecast
        self._live = sys.stdout.isatty()
        self._stages = dict.fromkeys(build.places, "waits")
        self._began = self._told = time.monotonic()
        self._left: dict[str, float] = {}  # by network or notebook, the share that is left of it
        if forecast:
            self._left = dict.fromkeys([*forecast.networks, *forecast.notebooks], 1.0)
        self._alone = 0.0  # seconds that all that ended would have taken one after the other
        self._waited = dict.fromkeys(build.places, 0.0)  # seconds that a notebook trained or waited for networks

    def shown(self) -> AbstractContextManager:
        """Show the block for as long as this lasts, where there is a terminal."""
        if not self._live:
            return nullcontext()
        from rich.live import Live  # takes a moment to import

        return Live(get_renderable=self._block, refresh_per_second=2)

    def tell(self, name: str, stage: str) -> None:
        """Say what became of a notebook: that it runs and why, that it is done, and so on."""
        if stage.startswith(("skipped", "not run")):
            self._left[name] = 0.0
        self._stages[name] = stage
        if not self._live:
            say(f"{self._build.label(name)}: {stage}")
            self._tell_left()

    def ended(self, name: str, seconds: float, failed: bool) -> None:
        """Say that a notebook ended, and note what it took by itself, so that later builds know."""
        self._left[name] = 0.0
        own = max(1.0, seconds - self._waited[name])
        self._alone += own
        if self._forecast and name in self._forecast.kinds and not failed:
            timings.note(*self._forecast.kinds[name], own)
        self.tell(name, f"{'failed after' if failed else 'done in'} {seconds:.0f} s")

    def progress(self, name: str, line: str) -> None:
        """Take a line of a notebook that runs: of its training, or which cell it has come to."""
        if found := _CELLS.fullmatch(line):
            self._left[name] = 1 - (int(found[1]) - 1) / int(found[2])
        elif found := _EPOCHS.match(line):
            if found["seconds"] and self._left.get(found["name"], 0.0) > 0:  # others may have waited for it
                self._alone += float(found["seconds"])
            self._left[found["name"]] = max(_LAST, 1 - int(found["done"]) / int(found["all"])) if found["done"] else 0.0
            self._waited[name] += float(found["seconds"] or 0)
        self._stages[name] = line
        if not self._live and not _CELLS.fullmatch(line):
            say(f"      {name}: {line}")
            self._tell_left()

    def left(self) -> float:
        """Seconds until the whole is done: what is left of the forecast, at the pace of this build so far."""
        if not self._forecast or not any(self._left[name] for name in self._forecast.notebooks):
            return 0.0
        parts = {**self._forecast.networks, **self._forecast.notebooks}
        left = sum(seconds * self._left.get(name, 0.0) for name, seconds in parts.items())
        trust, passed = _TRUST * self._forecast.alone, time.monotonic() - self._began
        done = self._forecast.alone - left
        return left * (passed + self._forecast.pace * trust) / (done + trust) + self._forecast.setting

    def end(self) -> None:
        """Note how long the whole took beside its parts, one after the other."""
        if self._forecast and self._alone:
            timings.note("all at once", self._alone, time.monotonic() - self._began)

    def _tell_left(self) -> None:
        if self._forecast and time.monotonic() - self._told >= _OFTEN and (left := self.left()):
            self._told = time.monotonic()
            say(f"      about {duration(left)} left")

    def _block(self) -> "Table":
        from rich.table import Table

        rows = Table.grid(padding=(0, 1))
        rows.add_column(no_wrap=True)
        rows.add_column(no_wrap=True, overflow="ellipsis")
        for name, stage in self._stages.items():
            rows.add_row(self._build.label(name).replace("[", r"\["), stage.replace("[", r"\["))
        if left := self.left():
            rows.add_row("", f"about {duration(left)} left")
        return rows


NOTEBOOK_BYTES = 2_500_000_000  # that a notebook may take; most take less, since images come in chunks


def choose_jobs(free: int) -> int:
    """Choose how many notebooks run at a time, by bytes of free memory and by cores, and say so in a line."""
    cores = usable_cores()
    jobs = max(1, min(cores + 1, free // NOTEBOOK_BYTES))
    say(f"Notebooks at a time: at most {jobs}, by {cores} cores and {free / 1e9:.1f} GB of free memory.")
    return jobs


def run_notebooks(build: Build, jobs: int, board: Board | None = None) -> list[Failure]:
    """Run every stale notebook, at most `jobs` at a time, each after those it needs; give the failures.

    A notebook that needs a failed one is not run; the others are. board: shows how far they are.
    """
    board = board or Board(build)
    with board.shown():
        failures = _run_all(build, jobs, board)
    if not failures:
        board.end()
    return failures


def _run_all(build: Build, jobs: int, board: Board) -> list[Failure]:
    stands: dict[str, bool] = {}  # by notebook that is settled: whether its answer is up to date
    running: set[str] = set()
    failures: list[Failure] = []
    finished: Queue[tuple[str, Failure | None, float]] = Queue()
    while len(stands) < len(build.places):
        name = _next(build.places, stands, running) if len(running) < jobs else None
        if name is None:
            name, failure, seconds = finished.get()
            board.ended(name, seconds, failed=failure is not None)
            running.remove(name)
            stands[name] = failure is None
            failures += [failure] if failure else []
        elif _must_run(build, name, stands, board):
            running.add(name)
            # both here, not in the thread: Python 3.11 cannot build syntax trees in two threads at a time
            __import__("papermill")
            made_from = build.components(name)
            Thread(target=_work, args=(build, name, made_from, finished, board), daemon=True).start()
        else:
            stands[name] = all(stands[other] for other in build.places[name].needs)
    return failures


def _next(places: Mapping[str, Place], stands: Mapping[str, bool], running: set[str]) -> str | None:
    """Give the first notebook that is neither settled nor running and whose needs all are."""
    waiting = (name for name in places if name not in stands and name not in running)
    return next((name for name in waiting if all(other in stands for other in places[name].needs)), None)


def _must_run(build: Build, name: str, stands: Mapping[str, bool], board: Board) -> bool:
    """Decide whether a notebook runs, and tell why or why not."""
    lost = [other for other in build.places[name].needs if not stands[other]]
    if lost:
        board.tell(name, f"not run, {lost[0]} failed")
        return False
    reason = stale.why_stale(build.answer(name), build.components(name))
    board.tell(name, f"runs, {reason}" if reason else UNCHANGED)
    return reason is not None


def _work(build: Build, name: str, made_from: stale.Components, finished: Queue, board: Board) -> None:
    """Run one notebook and stamp its answer with what it was made from when the run began.

    Puts its name, its failure, if any, and the seconds that it took into the queue.
    """
    began, failure, answer = time.monotonic(), None, build.answer(name)
    before, parameters = stale.modified(answer), {**build.common, **build.chosen.get(name, {})}
    try:
        run_notebook(build.notebook(name), build.finished(name), parameters, partial(board.progress, name))
        if stale.modified(answer) == before:
            raise RuntimeError("the notebook ran to its end and saved no answer")
        stale.write_stamp(answer, made_from, day=build.day)
    except Exception as error:  # whatever stops one notebook is reported at the end, and the others go on
        failure = describe_failure(build.finished(name), error)
    finished.put((name, failure, time.monotonic() - began))
