"""Make a run's report: execute the notebooks whose answers are stale, then set the PDF.

Nothing that takes long to import is imported before something has to run.
"""

import argparse
import os
import platform
import shlex
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path
from queue import Queue
from threading import Thread

from filelock import FileLock, Timeout

from helpers.base.files import ROOT, WriteError, remove_drafts, writing
from helpers.build import stale
from helpers.build.execute import Failure, describe_failure, run_notebook
from helpers.build.notebook import UsageError, check_names, convert, imported_files, read_parameters
from helpers.data.datasets import KNOWN_NAMES, DatasetError, identify, load_dataset
from helpers.networks.precision import describe_precision
from helpers.training import pretrained
from helpers.training.pretrained import PretrainedError

# Each notebook, and those that have to end before it starts. Networks are no reason to wait: whichever notebook
# needs one first trains it, and the others wait for just that network.
NEEDS: dict[str, tuple[str, ...]] = {
    "01_train_cnn": (),
    "02_compare_dnn": (),
    "03_confusion_matrix": (),
    "04_saliency_maps": (),
    "05_gradient_ascent": (),
    "06_lime": ("03_confusion_matrix",),
    "07_keract_activations": (),
}

# Started after all others: it trains networks that no other notebook reads, and training keeps every core busy by
# itself, while the others are often bound to one.
LAST = ("02_compare_dnn",)

# What a recipe changes in single notebooks, beyond the training budget that it names.
RECIPES: dict[str, dict[str, dict[str, object]]] = {
    "quick": {},
    "full": {},
    "cpu": {},
    "pretrained": {},
    "tiny": {
        "04_saliency_maps": {"SAMPLES": 3, "STEPS": 4, "MEAN_SAMPLES": 2, "MEAN_STEPS": 2, "GRADED_IMAGES": 10},
        "05_gradient_ascent": {"STEPS": 20, "DREAM_STEPS": 3, "LIME_SAMPLES": 50},
        "06_lime": {"SAMPLES": 100, "IMAGES_PER_CLASS": 2, "STUDY_SEEDS": 2, "STUDY_IMAGES": 1},
        "07_keract_activations": {"IMAGES": 32},
    },
}

# Parameters that every notebook has and that have options of their own.
COMMON = ("DATASET", "RECIPE", "SEED", "REPORTS", "IMAGE_SIZE")


class PdfError(ValueError):
    """A PDF that cannot be set; the message is one sentence for the user."""


@dataclass(frozen=True)
class Build:
    """What a build is given.

    notebooks, package: folders of the notebooks and of the helpers. needs: for each notebook those that come
    first. run: the run's folder. common: values of the parameters that all notebooks share. chosen: further
    values by notebook. facts, versions: what all answers of the run are made from, such as the data's digest,
    and by package its version. day: the date of the answers that it makes, such as "2025-01-31".
    """

    notebooks: Path
    package: Path
    needs: Mapping[str, tuple[str, ...]]
    run: Path
    common: Mapping[str, object]
    chosen: Mapping[str, Mapping[str, object]]
    facts: Mapping[str, str]
    versions: Mapping[str, str]
    day: str

    def answer(self, name: str) -> Path:
        """Name the file of a notebook's answer."""
        return self.run / "answers" / f"{name}.json"

    def notebook(self, name: str) -> Path:
        """Name the file of a notebook."""
        return self.notebooks / f"{name}.ipynb"

    def finished(self, name: str) -> Path:
        """Name the file of a notebook with the outputs of this run."""
        return self.run / "notebooks" / f"{name}.ipynb"

    def label(self, name: str) -> str:
        """Give a notebook's name with its place among all of them, such as "[4/7] 04_saliency_maps"."""
        return f"[{[*self.needs].index(name) + 1}/{len(self.needs)}] {name}"

    def components(self, name: str) -> dict[str, str]:
        """List what a notebook's answer would be made from now."""
        needed = [self.answer(other) for other in self.needs[name]]
        return stale.components(
            self.notebook(name),
            self.package,
            self.chosen.get(name, {}),
            {**self.facts, **self.versions},
            needed,
        )


def say(line: str) -> None:
    """Print a line at once; whole lines, since several notebooks may report side by side."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def check(build: Build) -> None:
    """Check every notebook's parameters before any of them runs; UsageError naming the legal ones if not."""
    for name in build.needs:
        check_names(build.notebook(name), [*build.common, *build.chosen.get(name, {})])


def run_notebooks(build: Build, jobs: int) -> list[Failure]:
    """Run every stale notebook, at most `jobs` at a time, each after those it needs; give the failures.

    A notebook that needs a failed one is not run; the others are.
    """
    stands: dict[str, bool] = {}  # by notebook that is settled: whether its answer is up to date
    running: set[str] = set()
    failures: list[Failure] = []
    finished: Queue[tuple[str, Failure | None, float]] = Queue()
    while len(stands) < len(build.needs):
        name = _next(build.needs, stands, running) if len(running) < jobs else None
        if name is None:
            name, failure, seconds = finished.get()
            say(f"{build.label(name)}: {'failed after' if failure else 'done in'} {seconds:.0f} s")
            running.remove(name)
            stands[name] = failure is None
            failures += [failure] if failure else []
        elif _must_run(build, name, stands):
            running.add(name)
            # made here, not by the thread: Python 3.11 cannot build syntax trees in two threads at a time
            made_from = build.components(name)
            Thread(target=_work, args=(build, name, made_from, finished), daemon=True).start()
        else:
            stands[name] = all(stands[other] for other in build.needs[name])
    return failures


def _next(needs: Mapping[str, tuple[str, ...]], stands: Mapping[str, bool], running: set[str]) -> str | None:
    """Give the first notebook that is neither settled nor running and whose needs all are; those in LAST last."""
    ready = (name for name in sorted(needs, key=LAST.__contains__) if name not in stands and name not in running)
    return next((name for name in ready if all(other in stands for other in needs[name])), None)


def _must_run(build: Build, name: str, stands: Mapping[str, bool]) -> bool:
    """Decide whether a notebook runs, and print why or why not."""
    lost = [other for other in build.needs[name] if not stands[other]]
    if lost:
        say(f"{build.label(name)}: not run, {lost[0]} failed")
        return False
    reason = stale.why_stale(build.answer(name), build.components(name))
    say(f"{build.label(name)}: runs, {reason}" if reason else f"{build.label(name)}: skipped, nothing changed")
    return reason is not None


def _work(build: Build, name: str, made_from: stale.Components, finished: Queue) -> None:
    """Run one notebook and put its name, its failure, if any, and the seconds that it took into the queue."""
    began = time.monotonic()
    failure = None
    try:
        _make_answer(build, name, made_from)
    except Exception as error:  # whatever stops one notebook is reported at the end, and the others go on
        failure = describe_failure(build.finished(name), error)
    finished.put((name, failure, time.monotonic() - began))


def _make_answer(build: Build, name: str, made_from: stale.Components) -> None:
    """Run one notebook and stamp its answer with what it was made from when the run began."""
    answer = build.answer(name)
    before = stale.modified(answer)
    run_notebook(
        build.notebook(name),
        build.finished(name),
        {**build.common, **build.chosen.get(name, {})},
        lambda line: say(f"      {name}: {line}"),
    )
    if stale.modified(answer) == before:
        raise RuntimeError("the notebook ran to its end and saved no answer")
    stale.write_stamp(answer, made_from, day=build.day)


def set_pdf(build: Build) -> None:
    """Set the run's PDF from its answers unless it is up to date; every answer has to be."""
    pdf, stamp = build.run / "report.pdf", report_stamp(build)
    now = report_components(build, stamp)
    reason = stale.why_stale(pdf, now)
    say(f"report.pdf: set, {reason}" if reason else "report.pdf: skipped, nothing changed")
    if reason:
        from helpers.report.pdf import build_report

        try:
            build_report(build.run, [*build.needs], stamp)
        except ValueError as error:  # of answers or characters that cannot be set; the message is a sentence
            raise PdfError(error) from error
        stale.write_stamp(pdf, now)


def report_stamp(build: Build) -> dict[str, object]:
    """Collect what the PDF says about its own making; its date is the day of the newest answer."""
    days = [stale.read_json(stale.stamp_path(build.answer(name)))["day"] for name in build.needs]
    return {
        "dataset": build.run.name,
        **stale.read_json(build.run / "run.json"),
        "seed": build.common["SEED"],
        "recipe": build.common["RECIPE"],
        "versions": {**build.versions, "typst": metadata.version("typst")},
        "date": max(days),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def report_components(build: Build, stamp: Mapping[str, object]) -> dict[str, str]:
    """List what the PDF is made from: the answers, the code that sets it, its stamp."""
    code = imported_files([f"import {build.package.name}.report.pdf"], build.package)
    return {
        **{f"the answer of {name}": stale.file_digest(build.answer(name)) for name in build.needs},
        **stale.files_components([*code, *sorted(build.package.rglob("*.typ"))], build.package),
        **{f"the {key}": str(value) for key, value in stamp.items()},
    }


def headlines(build: Build) -> list[str]:
    """Give the run's headline numbers as the PDF words them, one a line, aligned."""
    from helpers.report.pdf import headlines

    lines = headlines([stale.read_json(build.answer(name)) for name in build.needs])
    return [f"  {line.label:<32}{line.value}" for line in lines]


def parse_settings(words: Iterable[str], notebooks: Path, names: Iterable[str]) -> dict[str, dict[str, object]]:
    """Read overrides such as `05_gradient_ascent.LAYER=5` into values by notebook and parameter.

    Raises UsageError on a word of another form, and on a notebook, parameter or value that does not exist.
    """
    chosen: dict[str, dict[str, object]] = {}
    for word in words:
        target, equals, text = word.partition("=")
        name, dot, parameter = target.partition(".")
        if not (equals and dot):
            raise UsageError(f"{word!r} sets nothing; write NOTEBOOK.NAME=VALUE, as in 05_gradient_ascent.LAYER=5.")
        if name not in names:
            raise UsageError(f"There is no notebook {name!r}; choose one of {', '.join(names)}.")
        if parameter in COMMON:
            raise UsageError(
                f"{parameter} holds for the whole run; give it as --{parameter.lower().replace('_', '-')}."
            )
        check_names(notebooks / f"{name}.ipynb", [parameter])
        declared = read_parameters(notebooks / f"{name}.ipynb")[parameter]
        chosen.setdefault(name, {})[parameter] = convert(declared, text)
    return chosen


def plan(arguments: argparse.Namespace) -> Build:
    """Turn the command line into a build; UsageError on a value that does not exist, DatasetError on unusable data."""
    if arguments.recipe not in RECIPES:
        raise UsageError(f"There is no recipe {arguments.recipe!r}; choose one of {', '.join(RECIPES)}.")
    seed, image_size = _seed(arguments.seed), _image_size(arguments.image_size)
    data = identify(arguments.dataset, image_size=image_size or None)
    settings = [word for text in arguments.set for word in _words(text)]
    chosen = parse_settings(settings, ROOT / "notebooks", NEEDS)
    # every notebook opens it too, but what is wrong with data is to be told once, in a sentence, and at the start
    loaded = load_dataset(arguments.dataset, image_size=image_size or None)
    _check_fonts([loaded.name, *loaded.class_names])
    preset = RECIPES[arguments.recipe]
    return Build(
        notebooks=ROOT / "notebooks",
        package=ROOT / "helpers",
        needs=NEEDS,
        run=arguments.reports.resolve() / data.name,
        common={
            "DATASET": arguments.dataset if arguments.dataset in KNOWN_NAMES else str(data.path),
            "RECIPE": arguments.recipe,
            "SEED": seed,
            "REPORTS": str(arguments.reports.resolve()),
            "IMAGE_SIZE": image_size,
        },
        chosen={name: {**preset.get(name, {}), **chosen.get(name, {})} for name in NEEDS},
        facts={
            "the data": f"sha256:{data.fingerprint}",
            "the recipe": arguments.recipe,
            "the seed": str(seed),
            "the precision": _precision(),
            **(_pretrained_facts(arguments.dataset, image_size) if arguments.recipe == pretrained.RECIPE else {}),
        },
        versions=stale.package_versions(ROOT / "requirements.txt"),
        day=_day(os.environ.get("SOURCE_DATE_EPOCH", "")),
    )


def _pretrained_facts(dataset: str, image_size: int) -> dict[str, str]:
    """Give the digest of the shipped networks; PretrainedError unless they are whole and made for these data."""
    shelf = pretrained.open_shelf()
    shelf.check(load_dataset(dataset, image_size=image_size or None, keep_training=True))
    return {"the pretrained networks": f"sha256:{shelf.digest()}"}


def _check_fonts(names: Sequence[str]) -> None:
    """See that figures and PDF can show these names, before hours go into what could not be set."""
    for name in names:
        if not name.isascii():
            from helpers.report import pdf as report
            from helpers.report import plots

            if missing := report.missing_characters(name) or plots.missing_characters(name):
                raise PdfError(report.describe_missing(missing, name))


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"The seed {text!r} is no whole number of at least 0; choose one, such as 0.")
    return int(text)


def _day(epoch: str) -> str:
    """Give the day of a time in seconds since 1970, as reproducible builds are told it; today if there is none."""
    try:
        return (datetime.fromtimestamp(int(epoch), UTC).date() if epoch else date.today()).isoformat()
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"SOURCE_DATE_EPOCH={epoch} is no time; give seconds since 1970, or leave it out.") from None


def _precision() -> str:
    try:
        return describe_precision()
    except ValueError as error:
        raise UsageError(error) from None


def _image_size(text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"The image size {text!r} is no whole number; choose one, such as 96, or 0 for the default.")
    return int(text)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        raise UsageError(f"The settings {text!r} hold a quotation mark without its pair; add it.") from None


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


def make_report(build: Build, jobs: int) -> int:
    """Bring a run's answers and PDF up to date and print the outcome; the exit code."""
    check(build)
    with sole_build(build.run):
        failures = run_notebooks(build, jobs)
        if failures:
            return _report_failures(build, failures)
        set_pdf(build)
    say("\n".join([str(_short(build.run / "report.pdf")), *headlines(build)]))
    return 0


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
    parser = argparse.ArgumentParser(prog="python -m helpers.build.report", description="Make a run's report.")
    commands = parser.add_subparsers(required=True, metavar="report")
    report = commands.add_parser("report", help="run the stale notebooks and set the PDF")
    report.add_argument(
        "--dataset", default="faces", help="faces, fer2013, food11, or a path to an archive or a folder"
    )
    report.add_argument("--recipe", default="quick", help=" or ".join(RECIPES))
    report.add_argument("--seed", default="0", help="seed of every random number, at least 0")
    report.add_argument("--reports", default=ROOT / "reports", type=Path, help="folder of the run folders")
    report.add_argument("--image-size", default="0", help="pixels a side of the images; 0 for the data set's default")
    report.add_argument("--set", default=[], action="append", metavar="'NOTEBOOK.NAME=VALUE ...'")
    report.add_argument("--jobs", default=3, type=int, help="notebooks that run at a time")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Run the command line; 0 if the report is up to date, 1 if a notebook failed, 2 on a wrong request."""
    arguments = parse_arguments(words)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return make_report(plan(arguments), max(1, arguments.jobs))
    except (UsageError, DatasetError, PretrainedError, WriteError, PdfError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the answers that were finished are kept.", file=sys.stderr)
        return 130
