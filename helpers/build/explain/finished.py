"""A run whose report is made, opened again as it was made: nothing is trained, and nothing decided anew."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.base.machine import import_quietly
from helpers.base.notebook import UsageError
from helpers.base.runs import RUN_VARIABLE, read_run
from helpers.build.plan import MADE_WITH
from helpers.build.runs import find_runs
from helpers.data.datasets import identify

if TYPE_CHECKING:
    from helpers.run import Run


def choose_run(reports: Path, name: str) -> Path:
    """Name the folder of a run, or of the only one there is; UsageError where there is none, or several."""
    runs = find_runs(reports)
    chosen = [run for run in runs if run.name == name] if name else runs
    if len(chosen) == 1:
        return chosen[0]
    there = ", ".join(run.name for run in runs) or "none"
    if chosen:
        raise UsageError(f"There are several runs in {reports}; choose one with RUN=name: {there}.")
    raise UsageError(
        f"There is no run {name} in {reports} (there are: {there}); `make report` makes one of its DATASET."
    )


def open_finished(folder: Path) -> "Run":
    """Open a run with its own data, options and network; UsageError, naming the command to run, where it has none.

    The variables of the environment that decide how a run is made are set to what it was made with.
    """
    record = read_run(folder)
    if "source" not in record:
        raise UsageError(f"The run {folder.name} has no report yet; `make report DATASET=...` of its data makes one.")
    asked = {"DATASET": record["source"]} | {key: record[key.lower()] for key in ("RECIPE", "SEED", "IMAGE_SIZE")}
    asked |= {"RUN": folder.name, **record.get("environment", {})}
    again = f"`{shlex.join(['make', 'report', *(f'{key}={value}' for key, value in asked.items())])}` makes it again"
    if "environment" in record:
        os.environ |= MADE_WITH | record["environment"]
    source, size = str(record["source"]), record["image_size"]
    if identify(source, image_size=size or None).fingerprint != record["fingerprint"].removesuffix("-kept"):
        raise UsageError(f"The data of the run {folder.name} have changed since it was made; {again} of the new ones.")
    os.environ[RUN_VARIABLE] = folder.name
    import_quietly("tensorflow")
    from helpers.run import open_run

    run = open_run(source, record["recipe"], record["seed"], str(folder.parent), size)
    run.uses.begin("explain")
    if not (run.shipped or run.given or run.stored("cnn")):
        raise UsageError(f"The network of the run {folder.name} is not there, or of other code; {again}.")
    return run
