"""A study: every combination of data sets, recipes, seeds and networks, each a report as `make report` makes it.

What is finished is kept, so a study that was stopped is taken up by asking for it again.
"""

import argparse
import os
import re
import shlex
import signal
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future, as_completed
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

from helpers.base.files import ROOT, WriteError, reports_folder, write_json, writing
from helpers.base.legal import near
from helpers.base.notebook import UsageError
from helpers.base.runs import SEEDS_VARIABLE
from helpers.build.many.comparison import OUTCOMES, write_comparison
from helpers.build.many.engines import USER, USUAL, Ended, Limits, choose_jobs, open_engine, run_command
from helpers.build.plan import MADE_WITH, RECIPES
from helpers.data.datasets import KNOWN_NAMES, load_dataset
from helpers.data.sources import DatasetError
from helpers.report.handin import VARIABLES, read_hand_in

COMBINED = ("dataset", "recipe", "seeds", "network")
NUMBERS = ("image_size", "jobs", "threads", "limit", "memory", "filesize", "gpu")
KEYS = (*COMBINED, "engine", *NUMBERS, "questions", "language", "reports")  # of a command line and of a study's file
# What decides in the environment how a report is made; workers elsewhere have not inherited it.
FORWARDED = ({*MADE_WITH, *VARIABLES} - {"NETWORK", "LANGUAGE"}) | {USER, "SOURCE_DATE_EPOCH"}
_FAILURE = re.compile(r"error: |\d\d_\w+ failed ")  # how a line begins that says what went wrong, and in which cell


@dataclass(frozen=True)
class Asked:
    """One report of a study."""

    dataset: str
    recipe: str
    seed: int
    network: str = ""
    image_size: int = 0

    def __str__(self) -> str:
        data = self.dataset if self.dataset in KNOWN_NAMES else Path(self.dataset).name
        return ", ".join(filter(None, [data, self.recipe, f"seed {self.seed}", Path(self.network).name]))

    def command(self, reports: Path) -> list[str]:
        """Give the command line that makes it, with one notebook at a time."""
        words = [f"DATASET={self.dataset}", f"RECIPE={self.recipe}", f"SEED={self.seed}", f"REPORTS={reports}"]
        return [sys.executable, "-m", "helpers", "report", *words, f"IMAGE_SIZE={self.image_size}", "--jobs", "1"]


@dataclass(frozen=True)
class Outcome:
    """A report of a study that ended: its run's folder, or what went wrong and where that is told."""

    asked: Asked
    run: Path | None
    log: Path
    ended: Ended

    def sentence(self) -> str:
        """Say how it ended in one line."""
        if self.run:
            return f"{self.asked}: {self.run.name} in {self.ended.seconds:.0f} s"
        return f"{self.asked}: failed, {self.error()} ({self.log})"

    def error(self) -> str:
        """Say in one line what went wrong; nothing where nothing did."""
        lines = self.ended.last.splitlines() or ["without a word, as where the disk is full"]
        return "" if self.run else "; ".join(filter(_FAILURE.match, lines)) or lines[-1]


def read_seeds(text: str) -> list[int]:
    """Read "0-9" or "0 3 5-7"; UsageError on what is none."""
    seeds: list[int] = []
    for word in text.replace(",", " ").split():
        first, dash, last = word.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"SEEDS={word} is no seed and no range of them; write, say, SEEDS='0-9' or SEEDS='0 3'.")
        seeds += range(int(first), int(last or first) + 1)
    return [*dict.fromkeys(seeds)]


def combine(datasets: str, recipes: str, seeds: str, networks: str) -> list[Asked]:
    """List every combination; patterns of files among the networks stand for all files that fit.

    Raises UsageError, naming what is near, on a data set, recipe, seed or pattern that there is not.
    """
    chosen = [*_datasets(datasets)], shlex.split(recipes) or ["quick"], read_seeds(seeds or "0"), [*_networks(networks)]
    for recipe in chosen[1]:
        if recipe not in RECIPES:
            raise UsageError(f"There is no recipe {recipe}; {near(recipe, RECIPES)}")
    return [Asked(*values) for values in product(*chosen)]


def _datasets(text: str) -> Iterator[str]:
    for word in shlex.split(text) or ["faces"]:
        if word not in KNOWN_NAMES and not Path(word).exists():
            raise UsageError(f"There is no data set {word}; {near(word, KNOWN_NAMES)} Or give a path that exists.")
        yield word if word in KNOWN_NAMES else str(Path(word).resolve())


def _networks(text: str) -> Iterator[str]:
    for word in shlex.split(text) or [""]:
        base = Path(word).anchor or "."
        found = sorted(map(str, Path(base).glob(str(Path(word).relative_to(base))))) if word else []
        if not found and set(word) & set("*?["):
            raise UsageError(f"No file fits NETWORK={word}; name files that there are.")
        yield from (str(Path(name).resolve()) for name in found) if found else [word]


def run_study(
    asked: Sequence[Asked], folder: Path, engine: str = "", jobs: int = 0, limits: Limits = USUAL
) -> list[Outcome]:
    """Make the reports of a study, several at a time, and say of each how it ended; one that fails stops no other.

    folder: of the study; the runs go beside it. Ctrl-C stops what runs. Raises UsageError and WriteError.
    """
    with writing(folder / "logs"):
        (folder / "logs").mkdir(parents=True, exist_ok=True)
    began, outcomes = time.monotonic(), []
    jobs = jobs or choose_jobs(limits.threads)
    print(f"{len(asked)} reports, {'by ' + engine if engine else f'at most {jobs} at a time'}.", flush=True)
    with open_engine(engine, jobs, folder / "logs", limits) as pool:
        started = {_submit(pool, each, folder, limits): each for each in asked}
        for future in as_completed(started):
            outcomes.append(_outcome(started[future], future, folder))
            left = (time.monotonic() - began) / len(outcomes) * (len(asked) - len(outcomes))
            told = f"; about {left / 60:.0f} min left" if len(outcomes) < len(asked) else ""
            print(f"[{len(outcomes)}/{len(asked)}] {outcomes[-1].sentence()}{told}", flush=True)
    return outcomes


def _submit(pool: Executor, asked: Asked, folder: Path, limits: Limits) -> Future:
    environment = {name: os.environ[name] for name in sorted(FORWARDED) if os.environ.get(name)}
    environment |= {"NETWORK": asked.network, "RUN": ""}
    log = str(_log(asked, folder))
    return pool.submit(run_command, asked.command(folder.parent), environment, str(ROOT), log, limits)


def _log(asked: Asked, folder: Path) -> Path:
    return folder / "logs" / ("".join(c if c.isalnum() else "-" for c in str(asked)) + ".log")


def _outcome(asked: Asked, future: Future, folder: Path) -> Outcome:
    try:
        ended = future.result()
    except CancelledError:
        raise  # as the engine itself has ended
    except Exception as error:  # of the disk, or of the engine, such as a worker that was killed again and again
        ended = Ended(1, 0.0, f"{'error' if isinstance(error, WriteError) else type(error).__name__}: {error}")
    named = [line.strip() for line in ended.last.splitlines() if line.strip().endswith("report.pdf")]
    run = (ROOT / named[-1]).parent if named and ended.code == 0 else None
    if run and not run.is_dir():  # made in a folder of the same name elsewhere
        last = f"error: {run} is not seen here; share {folder.parent} with the workers."
        run, ended = None, replace(ended, last=last)
    return Outcome(asked, run, _log(asked, folder), ended)


def read_study(file: Path) -> dict[str, str]:
    """Read a study's file, which has the keys of the command line; UsageError on others, naming one that is near."""
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise UsageError(f"There is no file {file}; write one with keys such as seeds = '0-9'.") from None
    except ValueError as error:
        raise UsageError(f"{file} is no TOML ({error}); write lines such as seeds = '0-9'.") from None
    for key, value in said.items():
        if key.lower() not in KEYS:
            raise UsageError(f"{file} says {key!r}, which there is not; {near(key, KEYS)}")
        if not isinstance(value, str | int | list) or isinstance(value, bool):
            raise UsageError(f"{key} in {file} is no text, number or list of these; write, say, {key} = '...'.")
    return {key.lower(): shlex.join(map(str, v)) if isinstance(v, list) else str(v) for key, v in said.items()}


def main(words: Sequence[str]) -> int:
    """Run the command line; 0 if all reports were made, 1 if some were not, 2 on a wrong request or a full disk."""
    parser = argparse.ArgumentParser(prog="python -m helpers study", description="Make many reports.")
    for name in KEYS:
        parser.add_argument("--" + name.replace("_", "-"), default="")
    parser.add_argument("--study", default="study")
    os.environ.pop(SEEDS_VARIABLE, None)  # of a study the seeds themselves, and of a report how many
    typed = {name: value for name, value in vars(parser.parse_args(words)).items() if value}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _make(typed)
    except (UsageError, DatasetError, WriteError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the reports that were finished are kept, and the next call makes the others.", file=sys.stderr)
        return 130


def _make(typed: Mapping[str, str]) -> int:
    """Make the reports that a command line asks for, compare them, and list those that failed; the exit code."""
    of_file = read_study(Path(typed["study"])) if typed["study"].endswith(".toml") else {}
    given = dict.fromkeys(KEYS, "") | of_file | dict(typed)
    if given["questions"]:
        os.environ["QUESTIONS"] = given["questions"]
    languages = read_hand_in(environment={"LANGUAGE": given["language"]}).languages
    given["network"] = given["network"] or os.environ.get("NETWORK", "")
    asked = combine(*(given[name] for name in COMBINED))
    size, jobs, threads, limit, memory, file, gpus = (_count(name, given[name]) for name in NUMBERS)
    asked = [replace(each, image_size=size) for each in asked]
    limits = Limits(threads or 1, limit or 86_400, (memory or 8) * 10**9, (file or 20) * 10**9, gpus, memory > 0)
    folder = Path(given["reports"] or reports_folder()).resolve() / Path(given["study"]).stem
    for dataset in {each.dataset for each in asked}:  # decoded once, and not by each of them
        load_dataset(dataset, image_size=size or None)
    outcomes = run_study(asked, folder, given["engine"], jobs, limits)
    failed = [outcome for outcome in outcomes if not outcome.run]
    try:
        write_json(folder / OUTCOMES, {"reports": [_record(outcome) for outcome in outcomes]})
        if made := sorted({outcome.run for outcome in outcomes if outcome.run}):
            print("\n".join(write_comparison(made, folder, languages, engine=given["engine"], limits=limits)))
    finally:
        for outcome in failed:
            print(outcome.sentence(), file=sys.stderr)
    return 1 if failed else 0


def _record(outcome: Outcome) -> dict[str, object]:
    run = outcome.run.name if outcome.run else ""
    return {**asdict(outcome.asked), "run": run, "seconds": round(outcome.ended.seconds, 1), "error": outcome.error()}


def _count(name: str, text: str) -> int:
    if text and not text.isdecimal():
        raise UsageError(f"{name.upper()}={text} is no whole number; write, say, {name.upper()}=2.")
    return int(text or 0)
