"""Runs side by side: a table of their numbers, and what differs beyond the draw of a seed."""

import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from helpers.base import words
from helpers.base.files import read_json
from helpers.base.runs import read_run
from helpers.base.words import Said
from helpers.build.many.seen import Seen, network_file
from helpers.grade import confusion

GROUP = ["data", "recipe", "network"]  # what runs are compared by; the seed is what they are repeated over
NUMBERS = {
    "cnn.test_accuracy": "accuracy", "cnn.test_accuracy_low": "low", "cnn.test_accuracy_high": "high",
    "balanced.value": "balanced accuracy", "ensemble.test_accuracy": "ensemble", "dnn.test_accuracy": "DNN",
    "calibration.raw": "calibration error", "cnn.parameters": "parameters",
}  # fmt: skip
RANK = "grades.rank."  # how the numbers begin that notebook 04 states of each method
REGIONS = "regions.ratio."  # and those of each region, behind the method whose maps they were measured on
SHARES = ["accuracy", "balanced accuracy", "ensemble", "DNN", "calibration error"]
MOST = 6  # groups of which each two are compared; of more, each with the best
SIGNIFICANCE = 0.05
# Of what an answer is made from: what a study asks for, and what other answers come to.
_ASKED = ("the recipe", "the seed", "the network", "the numbers of ")


def collect(runs: Sequence[Path]) -> pd.DataFrame:
    """Read one row a run; data of one name that are not the same get the beginning of their fingerprint behind it."""
    table = pd.DataFrame([_row(run) for run in runs])
    several = table.groupby("data")["fingerprint"].transform("nunique") > 1
    table.loc[several, "data"] += " " + table["fingerprint"].str[:6]
    return table


def _row(run: Path) -> dict[str, Any]:
    record, numbers = read_run(run), dict[str, Any]()
    for answer in _answers(run):
        numbers |= dict(words.leaves(answer.get("numbers", {})))
    made_with = {"run": run.name, "data": record.get("dataset", ""), "recipe": record.get("recipe", "")}
    made_with |= {"network": record.get("network") or "", "seed": record.get("seed")}
    found = {label: numbers.get(key, np.nan) for key, label in NUMBERS.items()}
    ranks = {key: value for key, value in numbers.items() if key.startswith((RANK, REGIONS))}
    training = read_training(run)
    found |= {"minutes": training.get("seconds", np.nan) / 60, "machine": training.get("machine", "")}
    return made_with | found | ranks | {"fingerprint": record.get("fingerprint", "")}


def read_training(run: Path) -> dict[str, Any]:
    """Read what a run's network file says of its training, such as `seconds`, without running any code of it."""
    try:
        with zipfile.ZipFile(network_file(run) or "") as archive:
            return json.loads(archive.read("record.json"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return {}


def _answers(run: Path) -> list[dict[str, Any]]:
    files = sorted((run / "answers").glob("[0-9][0-9]_*.json"))
    return [read_json(file) for file in files if not file.name.endswith(".stamp.json")]


def over_seeds(table: pd.DataFrame, column: str = "accuracy") -> pd.DataFrame:
    """Summarise a number over the seeds of each group: count, mean, standard deviation, 95 % interval of the mean.

    The interval is Student's; of one run there is none. Of shares it ends at 0 and 1, of other numbers at 0.
    """
    groups = table.dropna(subset=[column]).groupby(GROUP, dropna=False, sort=False)[column]
    found = groups.agg(["count", "mean", "std"]).reset_index()
    half = stats.t.ppf(0.975, np.maximum(found["count"] - 1, 1)) * found["std"] / np.sqrt(found["count"])
    most = 1 if column in SHARES else np.inf
    return found.assign(low=(found["mean"] - half).clip(lower=0), high=(found["mean"] + half).clip(upper=most))


def differences(table: pd.DataFrame, seen: Mapping[str, Seen]) -> pd.DataFrame:
    """Compare the accuracies of each two groups of the same data: paired by seed and by image, with Holm's correction.

    seen: the predictions of runs by name. Gives one row a pair with a common seed: names, count of seeds, difference
    (share), 95 % interval, and p, corrected over all pairs that there are, also where only the best is compared.
    """
    rows, claims = [], 0
    for data, part in table[table["run"].isin(seen.keys())].groupby("data", sort=False):
        groups = [group.set_index("seed")["run"] for _, group in part.groupby(GROUP, dropna=False, sort=False)]
        names = [name_of(name, table) for name, _ in part.groupby(GROUP, dropna=False, sort=False)]
        claims += len(groups) * (len(groups) - 1) // 2
        for one, other in _pairs(part):
            if found := _compare(groups[one], groups[other], seen):
                measured = [found.trainings, found.difference, found.low, found.high, found.p_value]
                rows.append([data, names[one], names[other], *measured])
    made = pd.DataFrame(rows, columns=["data", "first", "second", "count", "mean", "low", "high", "p"])
    return made.assign(p=confusion.holm(made["p"].tolist(), claims))


def _pairs(part: pd.DataFrame) -> Iterable[tuple[int, int]]:
    """Choose pairs of groups, by their places: each two, or where there are many, the best with each other one."""
    means = part.groupby(GROUP, dropna=False, sort=False)["accuracy"].mean().to_numpy()
    if len(means) <= MOST:
        return combinations(range(len(means)), 2)
    best = int(np.nanargmax(means))
    return [(best, other) for other in range(len(means)) if other != best]


def _compare(first: pd.Series, second: pd.Series, seen: Mapping[str, Seen]) -> confusion.Comparison | None:
    """Compare the runs, named by seed, of two groups where they share seeds and test images."""
    both = [[seen[each[seed]] for seed in first.index if seed in second.index] for each in (first, second)]
    everything = [*both[0], *both[1]]
    if not everything or any(not np.array_equal(one["labels"], everything[0]["labels"]) for one in everything):
        return None
    one, other = (np.stack([run["predicted"] for run in each]) for each in both)
    return confusion.compare(everything[0]["labels"], one, other, paired=True)


def name_of(group: Sequence[Any], table: pd.DataFrame) -> str:
    """Name a group by what not all runs of the table share, or by all that it has."""
    parts = {key: value for key, value in zip(GROUP, group) if value}
    varied = [value for key, value in parts.items() if key != "data" and table[key].nunique() > 1]
    return " · ".join(varied or [*parts.values()][1:] or group)


def verdicts(runs: Sequence[Path]) -> pd.DataFrame:
    """Count in how many runs each verdict appears, by question; runs are those of one way to train, of several seeds.

    A verdict is the key of a sentence with the names in it: of classes, methods, regions and the like; its numbers may
    vary. Columns question, verdict (as one of the runs says it), count and of, the runs that answer the question.
    """
    counts, shown, answered = Counter[tuple](), dict[tuple, Said](), Counter[str]()
    for run in runs:
        known = {*words.names(), *read_run(run).get("reading", {}).get("class_names", ())}
        for answer in _answers(run):
            question = answer["notebook"]
            answered[question] += 1
            blocks = [block for block in answer["blocks"] if block["kind"] == "text"]
            said = {(question, block["key"], *_names(block["values"], known)): block for block in blocks}
            counts.update(said.keys())
            shown = {key: Said(block["key"], block["values"]) for key, block in said.items()} | shown
    rows = [[key[0], shown[key], count, answered[key[0]]] for key, count in counts.items()]
    return pd.DataFrame(rows, columns=["question", "verdict", "count", "of"]).sort_values("question", kind="stable")


def _names(values: Any, known: set[str]) -> Iterator[str]:
    """Give the names among the values of a sentence, in order, with the keys of what is said inside it."""
    if isinstance(values, Mapping):
        yield from ([values["key"]] if {*values} == {"key", "values"} else [])
        for _, value in sorted(values.items()):
            yield from _names(value, known)
    elif isinstance(values, list):
        for value in values:
            yield from _names(value, known)
    elif values in known:
        yield values


def unasked(runs: Sequence[Path], table: pd.DataFrame) -> pd.DataFrame:
    """Say in what runs of the same data and recipe differ that nobody asked for, one row a thing and value.

    Columns what, setting (of code and data the beginning of its digest) and runs, that have it.
    """
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    for run, row in zip(runs, table.to_dict("records")):
        made_from = _made_from(run) | ({"machine": row["machine"]} if row["machine"] else {})
        for what, value in made_from.items():
            found.setdefault((f"{row['fingerprint']} {row['recipe']}", what), {}).setdefault(value, set()).add(run.name)
    rows = Counter[tuple[str, str]]()
    for (_, what), values in found.items():
        rows.update({(what, value): len(having) for value, having in values.items() if len(values) > 1})
    return pd.DataFrame([[*key, count] for key, count in rows.items()], columns=["what", "setting", "runs"])


def _made_from(run: Path) -> dict[str, str]:
    """List what a run's answers were made from, without what a study asks for; of files, one entry for all code."""
    parts: dict[str, str] = {}
    for stamp in sorted((run / "answers").glob("*.stamp.json")):
        for what, value in read_json(stamp).get("components", {}).items():
            if not what.startswith(_ASKED) and what not in ("parameter SEED", "parameter RECIPE", "parameter REPORTS"):
                notebook = stamp.name.split(".")[0]
                own = what.startswith("parameter") or what == "its code"
                parts[f"{notebook}: {what}" if own else what] = value.removeprefix("sha256:")[:40]
    return parts
