"""The comparison of runs as a report: one answer, set as PDF and HTML by the words, plots and rules of reports."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.answers import Answer
from helpers.base import words
from helpers.base.files import ROOT, read_json, reports_folder, write_atomically
from helpers.base.notebook import UsageError
from helpers.base.runs import read_run
from helpers.base.words import Said, said
from helpers.build import stale
from helpers.build.many import compare
from helpers.build.many.compare import GROUP, RANK, REGIONS, SHARES, SIGNIFICANCE, name_of, over_seeds
from helpers.build.many.engines import USUAL, Limits, choose_jobs
from helpers.build.many.seen import Seen, see
from helpers.report import html, pdf, plots
from helpers.report.document import Report
from helpers.report.handin import HandIn, read_hand_in

NOTEBOOK, OUTCOMES = "01_comparison", "study.json"
ROWS, ONLY_ONE = 8, 6  # most runs that explain the same images; images shown that one network alone gets right
_PERCENT = {"mean": ".1%", "sd": ".1%", "low": ".1%", "high": ".1%"}
_SIGNED = dict.fromkeys(["mean", "low", "high"], "+.1%")
_PLAIN = {"mean": ",.2f", "sd": ",.2f", "low": ",.2f", "high": ",.2f"}


def write_comparison(
    runs: Sequence[Path], folder: Path, languages: Sequence[str] = (words.PLAIN,), places: Sequence[int] = (),
    engine: str = "", limits: Limits = USUAL,
) -> list[str]:  # fmt: skip
    """Write a comparison into a folder and say it in lines; places: of the test images that each run explains."""
    table = compare.collect(runs)
    seen = see(runs, folder / "seen", places, engine, choose_jobs(limits.threads), limits)
    write_atomically(folder / "compare.csv", table.to_csv(index=False).encode())
    answer = Answer(folder, NOTEBOOK, "compare.title", "compare.question")
    lines = [*_say_numbers(answer, table, seen), *_say_verdicts(answer, runs, table)]
    if unseen := [run.name for run in runs if run.name not in seen]:
        lines.append(f"{answer.limit('compare.unseen', runs=unseen)} ({folder / 'seen'} has their logs.)")
    _show_images(answer, runs, table, seen, folder, limits)
    _tell_submissions(answer, table, read_json(folder / OUTCOMES).get("reports", []), folder)
    answer.save()
    files = []
    for language in languages:
        with words.use(language):
            report = Report(folder, [NOTEBOOK], _stamp(runs, table), HandIn(languages=tuple(languages)))
            files += [pdf.build_report(report), html.build_report(report)]
    return [*(f"  {line}" for line in lines), str(folder / "compare.csv"), *map(str, files)]


def _say_numbers(answer: Answer, table: pd.DataFrame, seen: Mapping[str, Seen]) -> Iterator[str]:
    """Say and show what each group comes to over its seeds, every run a dot, and how the groups differ."""
    for row in over_seeds(table).to_dict("records"):
        values = {"name": _full_name([row[key] for key in GROUP], table), "mean": row["mean"]}
        spread = {"count": row["count"], "sd": 100 * row["std"], "low": row["low"], "high": row["high"]}
        spread = spread if row["count"] > 1 else {}
        yield str(answer.summary("compare.summary_spread" if spread else "compare.summary", **values, **spread))
    measures = [name for name in SHARES if table[name].notna().any()]
    if {*SHARES[:2]} & {*measures}:
        answer.figure("runs", plots.run_dots(*_dots(table)), "compare.runs", carries=True)
    else:
        yield str(answer.summary("compare.no_accuracy"))
    if measures:
        answer.table("shares", _summed(table, measures), "compare.shares", formats=_PERCENT)
    others = [name for name in ("parameters", "minutes") if table[name].notna().any()]
    others += [name for name in map(str, table) if name.startswith(RANK) and table[name].notna().any()]
    if others:
        answer.table("others", _summed(table, others), "compare.others", formats=_PLAIN)
    if regions := [name for name in map(str, table) if name.startswith(REGIONS)]:
        parts = _summed(table, regions)
        both = parts.pop("measure").str.removeprefix(REGIONS).str.rpartition(".")
        parts.insert(2, "method", both[0])
        parts.insert(3, "region", both[2])
        answer.table("regions", parts, "compare.regions", formats=_PLAIN)
    found = compare.differences(table, seen)
    if len(found):
        answer.heading("compare.differences")
        shown = found.rename(columns={"count": "seeds"})
        answer.table("differences", shown, "compare.differences_table", formats=_SIGNED)
    for row in found.to_dict("records"):
        yield str(answer.say(_difference(row)))


def _dots(table: pd.DataFrame) -> tuple[list[str], dict[str, list[np.ndarray]], dict[str, np.ndarray]]:
    """Give the rows of the figure of runs: names, and by measure each group's runs, and its mean with the interval."""
    groups = [(key, part) for key, part in table.groupby(GROUP, dropna=False, sort=False)]
    names = [(_full_name if table["data"].nunique() > 1 else name_of)(key, table) for key, _ in groups]
    shown = [measure for measure in SHARES[:2] if table[measure].notna().any()]
    runs = {measure: [part[measure].dropna().to_numpy() for _, part in groups] for measure in shown}
    rows = {measure: [over_seeds(part, measure)[["mean", "low", "high"]] for _, part in groups] for measure in shown}
    means = {key: np.array([[*one.to_numpy(), [np.nan] * 3][0] for one in each]) for key, each in rows.items()}
    return names, runs, means


def _full_name(group: Sequence[Any], table: pd.DataFrame) -> str:
    return f"{group[0]} · {name_of(group, table)}"


def _summed(table: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """Sum measures up over seeds: a row a group and measure."""
    parts = []
    for measure in measures:
        rows = over_seeds(table, measure)
        label = measure.removeprefix(RANK)
        names = [name_of(key, table) for key in rows[GROUP].itertuples(index=False)]
        one = rows.assign(measure=label, way=names).rename(columns={"std": "sd", "count": "seeds"})
        parts.append(one[["data", "way", "measure", "seeds", "mean", "sd", "low", "high"]])
    return pd.concat(parts, ignore_index=True)


def _difference(row: Mapping[Any, Any]) -> Said:
    points = {to: 100 * row[name] for to, name in (("gap", "mean"), ("low", "low"), ("high", "high"))}
    names = {name: row[name] for name in ("data", "first", "second", "count")}
    key = "apart" if row["p"] < SIGNIFICANCE else "together"
    p = said("compare.p", p=row["p"]) if row["p"] >= 0.001 else said("compare.tiny_p")
    return said(f"compare.{key}{'_once' if row['count'] == 1 else ''}", p=p, **names, **points)


def _say_verdicts(answer: Answer, runs: Sequence[Path], table: pd.DataFrame) -> Iterator[str]:
    """Say which verdicts of the single reports hold in every seed and which do not, and what else runs differ in."""
    answer.heading("compare.verdicts")
    by_name = {run.name: run for run in runs}
    for place, (key, part) in enumerate(table.groupby(GROUP, dropna=False, sort=False)):
        if len(part) < 2:
            continue
        found = compare.verdicts([by_name[name] for name in part["run"]])
        flips = found[found["count"] < found["of"]].reset_index(drop=True)
        name = _full_name(key, table)
        values = {"name": name, "stable": len(found) - len(flips), "all": len(found), "seeds": len(part)}
        yield str(answer.say("compare.stable", **values))
        if len(flips):
            answer.table(f"flips{place}", flips.rename(columns={"count": "seeds"}), "compare.flips", name=name)
    other = compare.unasked(runs, table)
    if not table.duplicated(["fingerprint", "recipe"]).any():
        return  # there are none that should be the same
    answer.heading("compare.else")
    yield str(answer.say(said("compare.differ", count=other["what"].nunique()) if len(other) else "compare.same"))
    if len(other):
        answer.table("else", other, "compare.else_table")


def _show_images(
    answer: Answer, runs: Sequence[Path], table: pd.DataFrame, seen: Mapping[str, Seen], folder: Path, limits: Limits
) -> None:
    """Show the same images as each run explains them, and those that only one of two networks gets right."""
    if seen:
        answer.heading("compare.images")
    for place, (data, part) in enumerate(table[table["run"].isin(seen.keys())].groupby("data", sort=False)):
        ordered = part.assign(turn=part.groupby(GROUP, dropna=False).cumcount()).sort_values("turn", kind="stable")
        shown = {row["run"]: seen[row["run"]] for row in ordered.head(ROWS).to_dict("records")}
        first = next(iter(shown.values()))
        maps: dict[str | Said, np.ndarray] = {}
        maps |= {f"{name}: {one['method']}": one["maps"] for name, one in shown.items() if "maps" in one}
        titles = [str(first["classes"][first["labels"][at]]) for at in first["places"]]
        same = all(np.array_equal(one["places"], first["places"]) for one in shown.values())
        if maps and same:
            figure = plots.explanation_sheet(first["images"], maps, {}, titles)
            answer.figure(f"maps{place}", figure, "compare.maps", data=data, all=len(part))
        if pair := [run for name in _pair(ordered) for run in runs if run.name == name]:
            _show_only_one(answer, pair, seen, f"only{place}", folder, limits)


def _pair(part: pd.DataFrame) -> list[str]:
    """Name a run of the first group and one of the second, of one seed where they share one; none of one group."""
    groups = [group.set_index("seed")["run"] for _, group in part.groupby(GROUP, dropna=False, sort=False)][:2]
    if len(groups) < 2:
        return []
    shared = groups[0].index.intersection(groups[1].index)
    return [group[shared[0]] if len(shared) else group.iloc[0] for group in groups]


def _show_only_one(
    answer: Answer, pair: Sequence[Path], seen: Mapping[str, Seen], name: str, folder: Path, limits: Limits
) -> None:
    both = [seen[run.name] for run in pair]
    labels, (one, other) = both[0]["labels"], (each["predicted"] == each["labels"] for each in both)
    if len(one) != len(other):
        return
    alone = [np.flatnonzero(one & ~other), np.flatnonzero(other & ~one)]
    chosen = [at[np.argsort(-each["confidence"][at], kind="stable")][:ONLY_ONE] for at, each in zip(alone, both)]
    counts = dict(zip(("one", "other"), map(len, alone)))
    answer.say("compare.only", first=pair[0].name, second=pair[1].name, images=len(labels), **counts)
    asked = [int(at) for places in chosen for at in places]
    if asked and (pixels := see(pair[:1], folder / "seen", asked, "", 1, limits).get(pair[0].name)):
        parts = np.split(pixels["images"], [len(chosen[0])])
        rows = {run.name: part for run, part in zip(pair, parts) if len(part)}
        answer.figure(name, plots.image_rows(rows), "compare.only_figure", count=ONLY_ONE)


def _tell_submissions(answer: Answer, table: pd.DataFrame, reports: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Tell of each network in one line how it did, the most accurate first, and what went wrong; also as CSV."""
    names = [one.get("names", ("", ""))[1] or Path(one["network"]).name for one in reports]
    file = {one["run"]: name for one, name in zip(reports, names) if one["network"]}
    own = table.assign(network=[file.get(run, name) for run, name in zip(table["run"], table["network"])])
    line = "{dataset}, seed {seed}: {error}"
    failed = [(name, line.format_map(one)) for one, name in zip(reports, names) if one["error"]]
    errors = {name: stale.shorten([error for its, error in failed if its == name], 1) for name, _ in failed}
    if own["network"].nunique() + len({*errors} - {*own["network"]}) < 2:
        return
    rows = []
    for (data, network), part in own.groupby(["data", "network"], sort=False):
        mean = over_seeds(part.assign(recipe="", network=""))
        low, high = (part if len(part) == 1 or not len(mean) else mean)[["low", "high"]].iloc[0]
        parameters, accuracy, minutes = part[["parameters", "accuracy", "minutes"]].mean()
        rows.append([data, network, parameters, accuracy, low, high, minutes])
    columns = ["data", "network", "parameters", "accuracy", "low", "high", "minutes"]
    found = pd.DataFrame(rows, columns=columns)
    none = pd.DataFrame({"network": sorted({*errors} - {*found["network"]})})
    found = pd.concat([found, none], ignore_index=True) if len(none) else found
    found.insert(0, "place", found.groupby("data", dropna=False)["accuracy"].rank(ascending=False, method="min"))
    found["error"] = [errors.get(name, "") for name in found["network"]]
    found = found.sort_values(["data", "place"], kind="stable", ignore_index=True)
    write_atomically(folder / "submissions.csv", found.to_csv(index=False).encode())
    answer.heading("compare.submissions")
    formats = {"place": ".0f", "parameters": ",.0f", "minutes": ".1f"} | dict.fromkeys(columns[3:6], ".1%")
    answer.table("submissions", found, "compare.submissions_table", formats=formats)
    answer.limit("compare.places")


def _stamp(runs: Sequence[Path], table: pd.DataFrame) -> dict[str, Any]:
    """Say from what the comparison was made, in the language that is spoken."""
    days = [read_json(file).get("day", "") for run in runs for file in (run / "answers").glob("*.stamp.json")]
    listed = ("data", "fingerprint", "recipe", "seed", "machine")
    lists = {key: [*dict.fromkeys(map(str, table[key].dropna()))] for key in listed}
    said_so = {key: words.format_value(values) or words.MISSING for key, values in lists.items()}
    versions = stale.package_versions(ROOT / "requirements.txt") | {"typst": metadata.version("typst")}
    title = said("compare.subtitle", count=len(runs))
    date = max(days, default="") or "1970-01-01"
    return {**said_so, "dataset": said_so["data"], "title": title, "versions": versions, "date": date, "notes": []}


def compare_runs(runs: str = "", study: str = "", images: str = "", language: str = "") -> None:
    """Compare the runs that are named, or those of a study; UsageError where one is not there."""
    folder = reports_folder() / (study or "comparison")
    made = [one["run"] for one in read_json(folder / OUTCOMES).get("reports", ()) if one["run"]]
    chosen = [reports_folder() / name for name in dict.fromkeys(runs.split() or made)]
    if not chosen:
        raise UsageError(f"No study {folder.name} has finished runs; name one by STUDY, or runs by RUNS='a b'.")
    if missing := [run.name for run in chosen if not read_run(run)]:
        raise UsageError(f"There is no run {missing[0]}; name them as `make runs` lists them, RUNS='a b'.")
    if len(chosen) < 2:
        raise UsageError("A comparison needs two runs or more; name them as `make runs` lists them, RUNS='a b'.")
    places = images.replace("test:", "").replace(",", " ").split()
    counts = [read_run(run).get("reading", {}).get("counts", {}).get("test", {}) for run in chosen]
    fewest = min((sum(count.values()) for count in counts if count), default=10**9)
    if wrong := [place for place in places if not place.isdecimal() or int(place) >= fewest]:
        raise UsageError(f"IMAGES={wrong[0]}: all runs have the test images 0 to {fewest - 1}; choose of these.")
    languages = read_hand_in(environment={"LANGUAGE": language}).languages
    print("\n".join(write_comparison(chosen, folder, languages, [*map(int, places)])))
