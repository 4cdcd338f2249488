"""Make a run's report: execute the notebooks whose answers are stale, then set the PDF and the HTML.

Nothing that takes long to import is imported before something has to run.
"""

import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from importlib import import_module, metadata
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.base import timings, words
from helpers.base.code import imported_files
from helpers.base.files import read_json, remove_drafts, writing
from helpers.base.machine import free_memory
from helpers.base.notebook import check_names, find_notebooks
from helpers.base.runs import BUILD_VARIABLE, KEPT, Recipe
from helpers.build import stale
from helpers.build.execute import Failure, kernel_environment, say
from helpers.build.explain.ahead import looking_at_training_images
from helpers.build.forecast import SETTING, forecast, to_run
from helpers.build.nursery import nursery
from helpers.build.plan import Build, plan
from helpers.build.schedule import UNCHANGED, Board, choose_jobs, run_notebooks
from helpers.report.remarks import read_remarks, remarks_digest


def make_report(build: Build, jobs: int) -> int:
    """Bring a run's answers, PDF and HTML up to date and print the outcome; the exit code."""
    for name in build.places:  # before any of them runs
        check_names(build.notebook(name), [*build.common, *build.chosen.get(name, {})])
    author_remarks(build)
    if told := not_handed_in(build):
        say(told)
    os.environ[BUILD_VARIABLE] = str(build.run)  # tells the kernels that theirs are the report's answers
    with sole_build(build.run):
        running = to_run(build)
        if expected := forecast(build, running):
            say(expected.sentence())
        board = Board(build, expected)
        for name in () if running else build.places:
            board.tell(name, UNCHANGED)
        if running and (failures := run_notebooks(build, jobs, board)):
            return _report_failures(build, failures)
        with looking_at_training_images(build.run) if running else nullcontext():
            began = time.monotonic()
            files = set_reports(build)
            if running:
                timings.note(SETTING, len(build.printed), time.monotonic() - began)
            _say_outcome(build, files)
    return 0


def _say_outcome(build: Build, files: list[Path]) -> None:
    """Print where the reports are, and the numbers of their first page."""
    from helpers.report.document import headlines

    lines = headlines([read_json(build.answer(name)) for name in build.printed])
    width = max((len(one.label) for one in lines), default=0) + 2
    say("\n".join([*(str(_short(file)) for file in files), *(f"  {one.label:<{width}}{one.value}" for one in lines)]))


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


def set_reports(build: Build) -> list[Path]:
    """Set the run's PDF and HTML unless they are up to date, in each language asked for or set before; all paths.

    Every answer has to be up to date.
    """
    from helpers.report.document import report_name

    there = [name for name in words.languages() if (build.run / report_name(name, "pdf")).is_file()]
    languages = tuple(dict.fromkeys([*build.hand_in.languages, *there]))
    build = replace(build, hand_in=replace(build.hand_in, languages=languages))
    made = []
    for language in languages:
        with words.use(language):
            made += [_set(build, build.run / report_name(language, form), form) for form in ("pdf", "html")]
    return made


def _set(build: Build, path: Path, form: str) -> Path:
    stamp, remarks = report_stamp(build), author_remarks(build)
    # only the HTML names the other languages
    author = build.hand_in if form == "html" else replace(build.hand_in, languages=())
    now = report_components(build, form, stamp)
    now["the author's remarks"] = remarks_digest(remarks)
    now["what is handed in, and by whom"] = stale.digest(repr(author).encode())
    reason = stale.why_stale(path, now)
    say(f"{path.name}: set, {reason}" if reason else f"{path.name}: {UNCHANGED}")
    if reason:
        from helpers.report.document import Report

        module = import_module(f"helpers.report.{form}")
        module.build_report(Report(build.run, build.printed, stamp, build.hand_in, remarks))
        stale.write_stamp(path, now)
    return path


def author_remarks(build: Build) -> dict[str, list[tuple[str, Path]]]:
    """Read the author's remarks on what is handed in; RemarkError where they stand under no question that there is."""
    found = read_remarks(build.run.name, [build.notebook(name) for name in find_notebooks(build.notebooks)])
    return {number: found[number] for number in (name[:2].lstrip("0") for name in build.printed)}


def not_handed_in(build: Build) -> str:
    """Say which notebooks run all the same, as those that are handed in need what they find; "" where all are."""
    needed = [name for name in build.places if name not in build.printed]
    return f"{', '.join(needed)}: not handed in, and run since others need what is found there." if needed else ""


def report_stamp(build: Build) -> dict[str, object]:
    """Collect what the report says about its own making; its date is the day of the newest answer."""
    days = [read_json(stale.stamp_path(build.answer(name)))["day"] for name in build.printed]
    return {
        "dataset": build.run.name,
        **read_json(build.run / "run.json"),
        "seed": build.common["SEED"],
        "recipe": build.common["RECIPE"],
        "versions": {**build.versions, "typst": metadata.version("typst")},
        "date": max(days),
        "machine": words.text("layout.machine", os=platform.system(), kind=platform.machine(), cores=os.cpu_count()),
    }


def report_components(build: Build, form: str, stamp: Mapping[str, object]) -> dict[str, str]:
    """List what a form of the report, pdf or html, is made from: the answers, words and code that set it, its stamp."""
    code = imported_files([f"import {build.package.name}.report.{form}"], build.package)
    code += [path for path in sorted((build.package / "report").glob(f"{form}.*")) if path.suffix != ".py"]
    return {
        "the words": stale.digest(repr(sorted(words.catalogue(words.language()).items())).encode()),
        "the names": stale.digest(repr(sorted(words.names().items())).encode()),
        **{f"the answer of {name}": stale.file_digest(build.answer(name)) for name in build.printed},
        **stale.files_components(code, build.package),
        **{f"the {key}": str(value) for key, value in stamp.items()},
    }


def report(
    dataset: str = "faces", recipe: Recipe = "quick", seed: int = 0, image_size: int = 0, set: str = "",
    run: str = "", language: str = "", jobs: int = 0,
) -> int:  # fmt: skip
    """Make a report; 0 if it is up to date, 1 if a notebook failed.

    set: values as `parse_settings` reads them; jobs: notebooks at a time; the rest as `plan` takes them, and so the
    errors.
    """
    if os.environ["KERAS_BACKEND"] == "jax":
        print("KERAS_BACKEND=jax is for `make train`: a report's notebooks run on TensorFlow.", file=sys.stderr)
        os.environ["KERAS_BACKEND"] = "tensorflow"
    free = free_memory()
    with nursery(kernel_environment()):  # imports what the kernels need while the data are read
        return make_report(plan(dataset, recipe, seed, image_size, set, run, language), jobs or choose_jobs(free))
