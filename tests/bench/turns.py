"""Compare the speed of candidates that do the same work: `make bench` runs every bench there is.

A bench is a file `tests/bench/<subject>.py` with a function `main()` that measures and prints, in three lines:

    candidates = {"plain": lambda: plain(images), "ours": lambda: ours(images)}
    times = alternate(candidates, rounds=5)
    print(comparison(times, work=len(images), unit="images"))

Other programs slow a machine down for seconds at a time. The candidates therefore take turns, and a ratio is the
median over the rounds of the ratio within a round, so that what slows a whole round down leaves it as it is.

A candidate that needs a process of its own, such as another framework with threads of its own, has one from `worker`.
One whose packages are missing is left out with a reason, which `missing` gives.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from unittest import mock

import pandas as pd

_prepared: list[Callable[[], object]] = []  # in the process of a worker: what it does at each call


def alternate(candidates: Mapping[str, Callable[[], object]], rounds: int = 5) -> pd.DataFrame:
    """Time the candidates in turns: seconds, one row a round and one column a candidate.

    Each is called once first without being timed, since the first call compiles. Every second round goes backwards,
    so that none always runs after the same other one.
    """
    for run in candidates.values():
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


def peak_memory() -> int:
    """Give the most memory that this process has held so far, in bytes; on Linux or macOS.

    Linux counts what the starting process held into `getrusage`, and tells the process's own peak elsewhere.
    """
    if sys.platform == "linux":
        own = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(own.split()[1])
    import resource  # which Windows has not

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def worker(prepare: Callable[..., Callable[[], object]], *arguments: object) -> Iterator[Callable[[], object]]:
    """Give a candidate in a process of its own, which calls `prepare` once for what it then does at each call.

    The process imports the module of `prepare` and not the program that runs, whose frameworks may not bear another's.
    What it raises is raised here; BrokenProcessPool where the process ends before its work is done.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        with mock.patch.dict(vars(sys.modules["__main__"]), __spec__=None):
            vars(sys.modules["__main__"]).pop("__file__", None)  # by which it would be imported
            ready = pool.submit(_prepare, prepare, *arguments)
        ready.result()
        yield lambda: pool.submit(_work).result()


def _prepare(prepare: Callable[..., Callable[[], object]], *arguments: object) -> None:
    _prepared.append(prepare(*arguments))


def _work() -> None:
    _prepared[0]()
