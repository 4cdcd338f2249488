"""Running the notebooks whose answers are stale, several side by side, each after those it needs."""

import time
from collections.abc import Mapping
from functools import partial
from queue import Queue
from threading import Thread

from helpers.base.machine import free_memory, usable_cores
from helpers.base.notebook import Place
from helpers.build import stale
from helpers.build.board import Board
from helpers.build.execute import Failure, describe_failure, run_notebook, say
from helpers.build.plan import Build

NOTEBOOK_BYTES = 2_500_000_000  # that a notebook may take; most take less, since images come in chunks


def choose_jobs() -> int:
    """Choose how many notebooks run at a time, by free memory and by cores, and say so in a line."""
    free, cores = free_memory(), usable_cores()
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
    """Give the first notebook that is neither settled nor running and whose needs all are, last ones last."""
    waiting = [name for name in places if name not in stands and name not in running]
    ready = sorted(waiting, key=lambda name: places[name].last)
    return next((name for name in ready if all(other in stands for other in places[name].needs)), None)


def _must_run(build: Build, name: str, stands: Mapping[str, bool], board: Board) -> bool:
    """Decide whether a notebook runs, and tell why or why not."""
    lost = [other for other in build.places[name].needs if not stands[other]]
    if lost:
        board.tell(name, f"not run, {lost[0]} failed")
        return False
    reason = stale.why_stale(build.answer(name), build.components(name))
    board.tell(name, f"runs, {reason}" if reason else "skipped, nothing changed")
    return reason is not None


def _work(build: Build, name: str, made_from: stale.Components, finished: Queue, board: Board) -> None:
    """Run one notebook and put its name, its failure, if any, and the seconds that it took into the queue."""
    began = time.monotonic()
    failure = None
    try:
        _make_answer(build, name, made_from, board)
    except Exception as error:  # whatever stops one notebook is reported at the end, and the others go on
        failure = describe_failure(build.finished(name), error)
    finished.put((name, failure, time.monotonic() - began))


def _make_answer(build: Build, name: str, made_from: stale.Components, board: Board) -> None:
    """Run one notebook and stamp its answer with what it was made from when the run began."""
    answer = build.answer(name)
    before = stale.modified(answer)
    parameters = {**build.common, **build.chosen.get(name, {})}
    run_notebook(build.notebook(name), build.finished(name), parameters, partial(board.progress, name))
    if stale.modified(answer) == before:
        raise RuntimeError("the notebook ran to its end and saved no answer")
    stale.write_stamp(answer, made_from, day=build.day)
