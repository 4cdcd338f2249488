"""The runs that there are: `make runs` lists them, and `make clean` deletes one, or what nobody needs."""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from helpers.base.files import ROOT, cache_folder, read_json, reports_folder
from helpers.base.notebook import Place, UsageError, find_notebooks
from helpers.base.runs import KEPT, RECORD, USES, read_run, uses
from helpers.base.words import show, stored
from helpers.build import stale
from helpers.data.datasets import identify
from helpers.data.options import read_options
from helpers.data.sources import DatasetError

# Of a stamp, what is not looked up anew here: what was asked for, and not what it was made with.
_ASKED = (
    *("the data", "the decoded data", "the recipe", "the seed", "the precision", "the pretrained networks"),
    *("the network", "the network's history", "the balance of classes", "the landmarks"),
    "the trainings of each network",
)


def find_runs(reports: Path) -> list[Path]:
    """List the folders of runs, by name; also those of which only what they use is known."""
    return sorted({path.parent for name in (RECORD, USES) for path in reports.glob(f"*/{name}")})


def describe(run: Path) -> str:
    """Say in one line what a run is of, when and how large it is, its numbers, and whether it is up to date."""
    record, answers = read_run(run), [read_json(run / "answers" / f"{name}.json") for name in _printed(run)]
    if not record:
        return f"{run.name}: no {RECORD} says what it is; what it uses is kept, {size_text(_size(run))}"
    days = [read_json(path).get("day", "") for path in (run / "answers").glob("*.stamp.json")]
    words = [show(stored(record.get("title", "?"))), *(f"{key} {record.get(key, '?')}" for key in ("recipe", "seed"))]
    words += [max(days, default="not finished"), size_text(_size(run)), *_numbers(answers)]
    words.append(why_old(run) or "up to date")
    return f"{run.name}: {', '.join(words)}"


def _printed(run: Path) -> list[str]:
    """Name the notebooks whose answers are in a run's report; all, where it has none."""
    lead, stamps = "the answer of ", [read_json(path).get("components", {}) for path in run.glob("report*.stamp.json")]
    answered = {key.removeprefix(lead) for made_from in stamps for key in made_from if key.startswith(lead)}
    return sorted(answered) or [*find_notebooks(ROOT / "notebooks")]


def _numbers(answers: Sequence[dict]) -> list[str]:
    """Give the headline numbers of a run whose answers are all there; else none."""
    if not all(answers):
        return []
    from helpers.report.document import headlines

    return [f"{line.label} {line.value}" for line in headlines(answers)[:2]]


def why_old(run: Path) -> str | None:
    """Say in one clause why a run's report would have to be made again; None if it stands as it is."""
    notebooks, record = find_notebooks(ROOT / "notebooks"), read_run(run)
    try:
        data = _data_now(record)
    except DatasetError:
        return f"its data are not there ({record['source']})"
    if not [*run.glob("report*.stamp.json")]:
        return "no report of it is finished"
    if data and data != f"sha256:{record.get('fingerprint', '').removesuffix('-kept')}":
        return "its data changed since; a report of them as they are now is a run of its own"
    versions = stale.package_versions(ROOT / "requirements.txt")
    for name in _printed(run):
        place = notebooks.get(name, Place())
        answer = run / "answers" / f"{name}.json"
        before = read_json(stale.stamp_path(answer)).get("components", {})
        kept = {key: value for key, value in before.items() if key.startswith("parameter ")}
        asked = {key: before[key] for key in _ASKED if key in before}
        needed = [run / "answers" / f"{other}.json" for other in place.needs]
        made = stale.components(ROOT / "notebooks" / f"{name}.ipynb", ROOT / "helpers", {}, asked | versions, needed)
        if reason := stale.why_stale(answer, {**made, **kept}):
            return f"to be made again ({name}: {reason})"
    lacking = [form for form in ("pdf", "html") if not [*run.glob(f"report*.{form}")]]
    return f"without its {' and '.join(map(str.upper, lacking))}" if lacking else None


def _data_now(record: Mapping[str, Any]) -> str:
    """Give the fingerprint of a run's data as they are now, read as the run read them; "" of one opened by hand.

    Raises DatasetError where they are not to be found any more.
    """
    if "source" not in record:
        return ""
    options = read_options(record.get("environment", {}))
    return f"sha256:{identify(record['source'], None, record.get('image_size') or None, options).fingerprint}"


def unneeded(reports: Path, cache: Path) -> dict[str, list[Path]]:
    """List by a title what no run needs: networks, results and half-finished trainings; and decoded data.

    Decoded data serve the runs of every folder of runs, of which this one alone is known; the title says so.
    """
    runs = find_runs(reports)
    needed = {name for run in runs for name in uses(run)}
    of_runs = {str(read_run(run).get("fingerprint", "")).removesuffix("-kept") for run in runs}
    needed |= {f".{name}.lock" for name in needed} | {f".{Path(name).stem}.checkpoint" for name in needed}
    kept = [path for path in reports.glob(f"{KEPT}/*/*") if path.name not in needed]
    decoded = [path.parent for path in cache.glob("*/dataset.json") if path.parent.name not in of_runs]
    return {"what no run needs": sorted(kept), f"decoded data of no run in {reports}": sorted(decoded)}


def _size(path: Path) -> int:
    return sum(file.lstat().st_size for file in [path, *path.rglob("*")] if not file.is_dir())


def size_text(size: int) -> str:
    """Write a number of bytes in MB."""
    return f"{size / 1e6:,.1f} MB"


def delete(paths: Sequence[Path]) -> int:
    """Delete files and folders; gives the bytes that this frees."""
    size = sum(map(_size, paths))
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return size


def check_idle(runs: Sequence[Path]) -> None:
    """See that no report of these runs is under way; UsageError naming one that is."""
    for run in runs:
        try:
            with FileLock(run / ".lock", timeout=0):
                pass
        except Timeout:
            raise UsageError(f"A report of {run.name} is being made; wait until it ends, or stop it.") from None


def clean(reports: Path, cache: Path, name: str, ask: Callable[[str], str] | None) -> None:
    """Delete one run, or list what could be deleted and ask; ask: None where there is no terminal to ask on.

    Raises UsageError on a run that there is not, on one that is being made, and where it cannot ask.
    """
    runs = find_runs(reports)
    if name:
        chosen = [run for run in runs if run.name == name]
        if not chosen:
            there = ", ".join(run.name for run in runs) or "none"
            raise UsageError(f"There is no run {name!r} in {reports}; there are: {there}.")
        check_idle(chosen)
        print(f"{name} is deleted, {size_text(delete(chosen))}; what no other run needs goes with `make clean`.")
        return
    groups = {**unneeded(reports, cache), "all runs": runs}
    for title, paths in groups.items():
        print(f"{title}: {size_text(sum(map(_size, paths)))}")
        print("\n".join(f"  {path.relative_to(reports) if path.is_relative_to(reports) else path}" for path in paths))
    if ask is None:
        raise UsageError("Nothing is deleted without a terminal to ask on; name one run, as in make clean RUN=faces.")
    check_idle(runs)
    for title, paths in groups.items():
        if paths and ask(f"Delete {title} ({len(paths)})? [y/N] ").strip().lower() in ("y", "yes"):
            print(f"{size_text(delete(paths))} are free.")


def list_runs() -> None:
    """Print every run, one a line, then what is kept for all of them."""
    reports, runs = reports_folder(), find_runs(reports_folder())
    for run in runs:
        print(describe(run), flush=True)
    if not runs:
        print(f"There is no run in {reports}.")
    if runs or (reports / KEPT).is_dir():
        print(f"kept for all of them: {size_text(sum(map(_size, reports.glob(f'{KEPT}/*'))))}")


def clean_up(run: str = "") -> None:
    """Delete the run of this name, or what its user agrees to; UsageError as `clean` raises it."""
    clean(reports_folder(), cache_folder(), run, input if sys.stdin.isatty() else None)
