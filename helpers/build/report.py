"""Make a run's report: execute the notebooks whose answers are stale, then set the PDF and the HTML.

Nothing that takes long to import is imported before something has to run.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.base.files import remove_drafts, writing
from helpers.base.runs import BUILD_VARIABLE, KEPT, Recipe
from helpers.build.board import Board
from helpers.build.execute import Failure, say
from helpers.build.forecast import forecast, free_bytes
from helpers.build.plan import Build, check, plan
from helpers.build.product import author_remarks, headlines, set_reports
from helpers.build.schedule import choose_jobs, run_notebooks


def make_report(build: Build, jobs: int) -> int:
    """Bring a run's answers, PDF and HTML up to date and print the outcome; the exit code."""
    check(build)
    author_remarks(build)
    os.environ[BUILD_VARIABLE] = str(build.run)  # tells the kernels that theirs are the report's answers
    with sole_build(build.run):
        expected = forecast(build)
        if expected:
            say(expected.sentence(free_bytes(build)))
        failures = run_notebooks(build, jobs, Board(build, expected))
        if failures:
            return _report_failures(build, failures)
        files = set_reports(build)
    say("\n".join([*(str(_short(file)) for file in files), *headlines(build)]))
    return 0


@contextmanager
def sole_build(run: Path) -> Iterator[None]:
    """Hold a run's folder for one build; a second build of the same run waits, and says so."""
    lock = FileLock(run / ".lock")
    with writing(run):
        run.mkdir(parents=True, exist_ok=True)
    try:
        with writing(run):
            lock.acquire(timeout=0)
    except Timeout:
        say(f"Another build of {run} is under way; this one waits until it ends.")
        lock.acquire()
    try:
        remove_drafts(run)
        remove_drafts(run.parent / KEPT)
        yield
    finally:
        lock.release()


def _report_failures(build: Build, failures: list[Failure]) -> int:
    for failure in failures:
        print(f"\n{failure}", file=sys.stderr)
    pdf = build.run / "report.pdf"
    state = "is from an earlier build and was not updated" if pdf.is_file() else "was not made"
    print(f"\n{_short(pdf)} {state}.", file=sys.stderr)
    return 1


def _short(path: Path) -> Path:
    """Spell a path from the working directory where it lies inside."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def report(
    dataset: str = "faces",
    recipe: Recipe = "quick",
    seed: int = 0,
    image_size: int = 0,
    set: str = "",
    run: str = "",
    language: str = "",
    jobs: int = 0,
) -> int:
    """Make a report; 0 if it is up to date, 1 if a notebook failed.

    set: values as `parse_settings` reads them; jobs: notebooks at a time; the rest as `plan` takes them, and so the
    errors.
    """
    if os.environ["KERAS_BACKEND"] == "jax":
        print("KERAS_BACKEND=jax is for `make train`: a report's notebooks run on TensorFlow.", file=sys.stderr)
        os.environ["KERAS_BACKEND"] = "tensorflow"
    return make_report(plan(dataset, recipe, seed, image_size, set, run, language), jobs or choose_jobs())
