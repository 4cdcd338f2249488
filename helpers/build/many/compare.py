"""Runs side by side: a table of their numbers, and what differs beyond the draw of a seed."""

import sys
from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from helpers.base.files import reports_folder, write_atomically
from helpers.base.runs import read_run
from helpers.base.words import Said, said, show, stored
from helpers.build import stale
from helpers.grade.confusion import holm

GROUP = ["data", "recipe", "network"]  # what runs are compared by; the seed is what they are repeated over
NUMBERS = {
    "cnn.test_accuracy": "accuracy",
    "balanced.value": "balanced accuracy",
    "ensemble.test_accuracy": "ensemble",
    "dnn.test_accuracy": "DNN",
    "cnn.parameters": "parameters",
}


def collect(runs: Sequence[Path]) -> pd.DataFrame:
    """Read one row a run: what it was made with, and its headline numbers, missing ones as NaN."""
    return pd.DataFrame([_row(run) for run in runs])


def _row(run: Path) -> dict[str, Any]:
    record = read_run(run)
    numbers: dict[str, Any] = {}
    for answer in sorted((run / "answers").glob("[0-9][0-9]_*.json")):
        if not answer.name.endswith(".stamp.json"):
            numbers |= _flat(stale.read_json(answer).get("numbers", {}))
    made_with = {
        "run": run.name,
        "data": show(stored(record.get("title", ""))),
        "recipe": record.get("recipe", ""),
        "network": record.get("network", ""),
        "seed": record.get("seed"),
    }
    return made_with | {label: numbers.get(key, np.nan) for key, label in NUMBERS.items()}


def _flat(numbers: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in numbers.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def over_seeds(table: pd.DataFrame, column: str = "accuracy") -> pd.DataFrame:
    """Summarise a number over the seeds of each group: count, mean, standard deviation, 95 % interval of the mean.

    The number is a share in 0..1, and so is the interval, which is Student's; of one run there is none.
    """
    groups = table.dropna(subset=[column]).groupby(GROUP, dropna=False)[column]
    found = groups.agg(["count", "mean", "std"]).reset_index()
    half = stats.t.ppf(0.975, np.maximum(found["count"] - 1, 1)) * found["std"] / np.sqrt(found["count"])
    return found.assign(low=(found["mean"] - half).clip(lower=0), high=(found["mean"] + half).clip(upper=1))


def differences(table: pd.DataFrame, column: str = "accuracy") -> pd.DataFrame:
    """Compare each two groups of the same data by the seeds that both have: paired, with Holm's correction.

    Gives one row a pair with at least three common seeds: names, count, mean difference, 95 % interval, and p (paired
    t-test, corrected over all rows).
    """
    rows = []
    for data, part in table.groupby("data"):
        by_seed = part.pivot_table(index="seed", columns=["recipe", "network"], values=column)
        for first, second in combinations(by_seed.columns, 2):
            rows += _paired(str(data), first, second, (by_seed[first] - by_seed[second]).dropna())
    found = pd.DataFrame(rows, columns=["data", "first", "second", "count", "mean", "low", "high", "p"])
    return found.assign(p=holm(found["p"].tolist()))


def _paired(data: str, first: Sequence[str], second: Sequence[str], gaps: pd.Series) -> list[list[Any]]:
    if len(gaps) < 3:
        return []
    names = [" ".join(filter(None, name)) for name in (first, second)]
    half = stats.t.ppf(0.975, len(gaps) - 1) * gaps.std() / np.sqrt(len(gaps))
    p = stats.ttest_1samp(gaps, 0).pvalue if gaps.std() > 0 else float(gaps.mean() == 0)
    return [[data, *names, len(gaps), gaps.mean(), gaps.mean() - half, gaps.mean() + half, p]]


def write_comparison(runs: Sequence[Path], folder: Path) -> list[str]:
    """Write `compare.csv` into a folder, and say in lines what the runs come to."""
    table = collect(runs)
    write_atomically(folder / "compare.csv", table.to_csv(index=False).encode())
    lines = [f"{folder / 'compare.csv'}: {len(table)} runs"]
    lines += [f"  {_summary(row)}" for row in over_seeds(table).to_dict("records")]
    return lines + [f"  {_difference(row)}" for row in differences(table).to_dict("records")]


def _summary(row: Mapping[Hashable, Any]) -> Said:
    name = [part for part in (row["data"], row["recipe"], row["network"]) if part]
    values = {"name": name, "mean": row["mean"], "count": row["count"]}
    if row["count"] < 2:
        return said("compare.summary", **values)
    return said("compare.summary_spread", sd=100 * row["std"], low=row["low"], high=row["high"], **values)


def _difference(row: Mapping[Hashable, Any]) -> Said:
    points = {to: 100 * row[name] for to, name in (("gap", "mean"), ("low", "low"), ("high", "high"))}
    names = {name: row[name] for name in ("data", "first", "second", "count", "p")}
    return said("compare.apart" if row["p"] < 0.05 else "compare.together", **names, **points)


def main(words: Sequence[str]) -> int:
    """Run the command line, `--runs "a b c"`; 2 where a run is not there."""
    given = dict(zip(words[::2], words[1::2]))
    reports = Path(given.get("--reports") or reports_folder()).resolve()
    runs = [reports / name for name in given.get("--runs", "").split()]
    missing = [run.name for run in runs if not read_run(run)]
    if missing or len(runs) < 2:
        said = f"There is no run {missing[0]}" if missing else "A comparison needs two runs or more"
        print(f"error: {said}; name them as `make runs` lists them, RUNS='a b'.", file=sys.stderr)
        return 2
    print("\n".join(write_comparison(runs, reports / given.get("--study", "comparison"))))
    return 0
