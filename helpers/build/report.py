"""Make a run's report: execute the notebooks whose answers are stale, then set the PDF and the HTML.

Nothing that takes long to import is imported before something has to run.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.base.files import WriteError, remove_drafts, reports_folder, writing
from helpers.base.notebook import UsageError
from helpers.base.runs import BUILD_VARIABLE, KEPT
from helpers.base.words import languages
from helpers.build.board import Board
from helpers.build.execute import Failure, say
from helpers.build.forecast import forecast, free_bytes
from helpers.build.plan import RECIPES, Build, PdfError, check, plan
from helpers.build.product import author_remarks, headlines, set_reports
from helpers.build.schedule import choose_jobs, run_notebooks
from helpers.data.sources import DatasetError
from helpers.networks.own.source import NetworkError
from helpers.training.pretrained import PretrainedError


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


def parse_arguments(words: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m helpers", description="Make a run's report.")
    commands = parser.add_subparsers(required=True, metavar="report")
    report = commands.add_parser("report", help="run the stale notebooks and set the PDF and the HTML")
    report.add_argument("--dataset", default="faces", help="faces, fer2013, food11, or an archive or a folder")
    report.add_argument("--recipe", default="quick", help=" or ".join(RECIPES))
    report.add_argument("--seed", default="0", help="seed of every random number, at least 0")
    report.add_argument("--reports", default=reports_folder(), type=Path, help="folder of the run folders")
    report.add_argument("--run", default="", help="name of the run's folder, in place of one made of data and recipe")
    report.add_argument("--image-size", default="0", help="pixels a side of the images; 0 for the data set's default")
    report.add_argument("--set", default=[], action="append", metavar="'NOTEBOOK.NAME=VALUE ...'")
    report.add_argument("--language", default="", help="languages of the report: " + " ".join(languages()))
    report.add_argument("--jobs", default=0, type=int, help="notebooks at a time; 0: as memory and cores allow")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Run the command line; 0 if the report is up to date, 1 if a notebook failed, 2 on a wrong request."""
    arguments = parse_arguments(words)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if os.environ["KERAS_BACKEND"] == "jax":
        print("KERAS_BACKEND=jax is for `make train`: a report's notebooks run on TensorFlow.", file=sys.stderr)
        os.environ["KERAS_BACKEND"] = "tensorflow"
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return make_report(plan(arguments), arguments.jobs if arguments.jobs > 0 else choose_jobs())
    except (UsageError, DatasetError, NetworkError, PretrainedError, WriteError, PdfError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the answers that were finished are kept.", file=sys.stderr)
        return 130
