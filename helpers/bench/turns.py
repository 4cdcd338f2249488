"""Compare the speed of candidates that do the same work: `python -m helpers.bench.turns` runs every bench there is.

A bench is a module `helpers/bench/<subject>.py` with a function `main()` that measures and prints, in three lines:

    candidates = {"plain": lambda: plain(images), "ours": lambda: ours(images)}
    times = alternate(candidates, rounds=5)
    print(comparison(times, work=len(images), unit="images"))

Other programs slow a machine down for seconds at a time. The candidates therefore take turns, and a ratio is the
median over the rounds of the ratio within a round, so that what slows a whole round down leaves it as it is.

A candidate that needs a process of its own, such as another framework with threads of its own, is a `Worker`. One
whose packages are missing is left out with a reason, which `missing` gives.
"""

import importlib
import os
import pkgutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from types import TracebackType
from typing import Self

import pandas as pd

READY = "ready"


def alternate(candidates: Mapping[str, Callable[[], object]], rounds: int = 5, warmup: int = 1) -> pd.DataFrame:
    """Time the candidates in turns: seconds, one row a round and one column a candidate.

    Each is called `warmup` times first without being timed, since the first call compiles. Every second round goes
    backwards, so that none always runs after the same other one.
    """
    for run in candidates.values():
        for _ in range(warmup):
            run()
    rows = []
    for number in range(rounds):
        order = [*candidates] if number % 2 == 0 else [*candidates][::-1]
        seconds = {name: _seconds(candidates[name]) for name in order}
        rows.append({name: seconds[name] for name in candidates})
    return pd.DataFrame(rows)


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def ratio(times: pd.DataFrame, name: str, baseline: str) -> float:
    """Say how many times as fast as the baseline a candidate is: the median of the ratios within each round."""
    return float((times[baseline] / times[name]).median())


def comparison(times: pd.DataFrame, *, work: float = 1, unit: str = "runs", baselines: Sequence[str] = ()) -> str:
    """Set the times as a table: median and spread of the seconds, work done in a second, speed beside the baselines.

    times: as `alternate` gives them. work: how much of `unit` one call does. baselines: the candidates that all
    others are compared with, the first column if none is given. The spread is the distance between the quartiles.
    """
    names = [str(name) for name in times.columns]
    compared = [name for name in baselines if name in names] if baselines else names[:1]
    rows = [
        {
            "candidate": name,
            "median s": f"{times[name].median():.3f}",
            "spread s": f"{times[name].quantile(0.75) - times[name].quantile(0.25):.3f}",
            f"{unit}/s": f"{work / times[name].median():,.1f}",
            **{f"x {baseline}": f"{ratio(times, name, baseline):.2f}" for baseline in compared},
        }
        for name in names
    ]
    return pd.DataFrame(rows).to_string(index=False)


def missing(*packages: str) -> str | None:
    """Name the packages that are not installed, as a reason to leave a candidate out; None if all are there."""
    absent = [package for package in packages if find_spec(package) is None]
    return f"{', '.join(absent)} not installed" if absent else None


class Worker:
    """A candidate in a process of its own: each call has it do its work once, and waits.

    The process runs `command`, prepares itself, and then calls `serve(run)`. Use as a context manager; raises
    RuntimeError when the process ends before its work is done.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
        )
        assert self._process.stdin and self._process.stdout  # both are pipes
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._command = command
        self._wait()

    def __call__(self) -> None:
        self._requests.write("run\n")
        self._requests.flush()
        self._wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._requests.close()  # the worker reads no further line, and ends
        self._process.wait()

    def _wait(self) -> None:
        """Wait for the worker's next answer; what else it prints is passed over."""
        for line in self._answers:
            if line.strip() == READY:
                return
        raise RuntimeError(f"The worker {' '.join(self._command)} ended with code {self._process.wait()}.")


def serve(run: Callable[[], object]) -> None:
    """Do the work of a `Worker` once for each line that comes in, in the worker's process, until no more come."""
    print(READY, flush=True)
    for _ in sys.stdin:
        run()
        print(READY, flush=True)


def main() -> None:
    """Run every bench, one after the other."""
    import helpers.bench

    for module in sorted(module.name for module in pkgutil.iter_modules(helpers.bench.__path__)):
        if module not in ("turns", "__main__"):
            importlib.import_module(f"helpers.bench.{module}").main()
