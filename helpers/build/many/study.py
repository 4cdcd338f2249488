"""A study: every combination of data sets, recipes, seeds and networks, each a report as `make report` makes it.

What is finished is kept, so a study that was stopped is taken up by asking for it again.
"""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, as_completed
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from helpers.base.files import ROOT, reports_folder
from helpers.base.legal import near
from helpers.base.notebook import UsageError
from helpers.build.many.compare import write_comparison
from helpers.build.many.engines import Ended, choose_jobs, open_engine, run_command, stop_all
from helpers.build.plan import RECIPES
from helpers.data.datasets import KNOWN_NAMES


@dataclass(frozen=True)
class Asked:
    """One report of a study."""

    dataset: str
    recipe: str
    seed: int
    network: str = ""

    def __str__(self) -> str:
        data = self.dataset if self.dataset in KNOWN_NAMES else Path(self.dataset).name
        return ", ".join(filter(None, [data, self.recipe, f"seed {self.seed}", Path(self.network).name]))

    def command(self, reports: Path) -> list[str]:
        """Give the command line that makes it, with one notebook at a time."""
        words = [f"DATASET={self.dataset}", f"RECIPE={self.recipe}", f"SEED={self.seed}", f"REPORTS={reports}"]
        return [sys.executable, "-m", "helpers", "report", *words, "--jobs", "1"]


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
        errors = [line for line in self.ended.last.splitlines() if line.startswith("error:") or " Cell " in line]
        return (
            f"{self.asked}: failed, {(errors or self.ended.last.splitlines() or ['without a word'])[-1]} ({self.log})"
        )


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
    asked: Sequence[Asked], folder: Path, engine: str = "", jobs: int = 0, threads: int = 1, limit: float = 86_400
) -> list[Outcome]:
    """Make the reports of a study, several at a time, and say of each how it ended; one that fails stops no other.

    folder: of the study; the runs go beside it. threads: of each report; limit: seconds until one is stopped.
    Ctrl-C stops what runs, and leaves what is finished.
    """
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    began, outcomes = time.monotonic(), []
    jobs = jobs or choose_jobs(threads)
    print(f"{len(asked)} reports, {'by ' + engine if engine else f'at most {jobs} at a time'}.", flush=True)
    with open_engine(engine, jobs) as pool:
        started = {_submit(pool, each, folder, threads, limit): each for each in asked}
        try:
            for future in as_completed(started):
                outcomes.append(_outcome(started[future], future, folder))
                left = (time.monotonic() - began) / len(outcomes) * (len(asked) - len(outcomes))
                told = f"; about {left / 60:.0f} min left" if len(outcomes) < len(asked) else ""
                print(f"[{len(outcomes)}/{len(asked)}] {outcomes[-1].sentence()}{told}", flush=True)
        except KeyboardInterrupt:
            for future in started:
                future.cancel()
            stop_all()
            raise
    return outcomes


def _submit(pool: Executor, asked: Asked, folder: Path, threads: int, limit: float) -> Future:
    environment = {"NETWORK": asked.network, "RUN": ""}
    return pool.submit(
        run_command, asked.command(folder.parent), environment, str(ROOT), str(_log(asked, folder)), threads, limit
    )


def _log(asked: Asked, folder: Path) -> Path:
    return folder / "logs" / ("".join(c if c.isalnum() else "-" for c in str(asked)) + ".log")


def _outcome(asked: Asked, future: Future, folder: Path) -> Outcome:
    try:
        ended = future.result()
    except (Exception, CancelledError) as error:  # of the engine, such as a worker that was killed again and again
        ended = Ended(1, 0.0, f"{type(error).__name__}: {error}")
    named = [line.strip() for line in ended.last.splitlines() if line.strip().endswith("report.pdf")]
    run = (ROOT / named[-1]).parent if named and ended.code == 0 else None
    return Outcome(asked, run, _log(asked, folder), ended)


def main(words: Sequence[str]) -> int:
    """Run the command line; 0 if all reports were made, 1 if some were not, 2 on a wrong request."""
    parser = argparse.ArgumentParser(prog="python -m helpers study", description="Make many reports.")
    for name in ("dataset", "recipe", "seeds", "network", "engine"):
        parser.add_argument(f"--{name}", default="")
    for name in ("jobs", "threads", "limit"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--study", default="study")
    parser.add_argument("--reports", default=reports_folder(), type=Path)
    given = parser.parse_args(words)
    try:
        asked = combine(given.dataset, given.recipe, given.seeds, given.network or os.environ.get("NETWORK", ""))
        numbers = {name: _count(name, getattr(given, name)) for name in ("jobs", "threads", "limit")}
        folder = given.reports.resolve() / given.study
        options = {"jobs": numbers["jobs"], "threads": numbers["threads"] or 1, "limit": numbers["limit"] or 86_400}
        outcomes = run_study(asked, folder, given.engine, **options)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the reports that were finished are kept, and the next call makes the others.", file=sys.stderr)
        return 130
    made = [outcome.run for outcome in outcomes if outcome.run]
    if made:
        print("\n".join(write_comparison(sorted(made), folder)))
    failed = [outcome for outcome in outcomes if not outcome.run]
    for outcome in failed:
        print(outcome.sentence(), file=sys.stderr)
    return 1 if failed else 0


def _count(name: str, text: str) -> int:
    if text and not text.isdecimal():
        raise UsageError(f"{name.upper()}={text} is no whole number; write, say, {name.upper()}=2.")
    return int(text or 0)
