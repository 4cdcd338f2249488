"""`make explain`: a PDF with a page a picture, and a table, in the folder of a finished run.

The run is opened again as it was made: nothing is trained, and nothing decided anew.
"""

import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.base import words
from helpers.base.files import reports_folder, write_atomically
from helpers.base.machine import import_quietly
from helpers.base.notebook import UsageError
from helpers.base.runs import RUN_VARIABLE, read_run
from helpers.build.plan import MADE_WITH
from helpers.build.runs import find_runs
from helpers.data.datasets import identify
from helpers.report.handin import read_hand_in

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from helpers.run import Run


def choose_run(reports: Path, name: str) -> Path:
    """Name the folder of a run, or of the only one that has a report; UsageError where there is none, or several."""
    runs = find_runs(reports)
    reported = [run for run in runs if [*run.glob("report*.pdf")]]
    chosen = [run for run in runs if run.name == name] if name else reported or runs
    if len(chosen) == 1:
        return chosen[0]
    there = ", ".join(run.name for run in runs) or "none"
    if chosen:
        raise UsageError(f"There are several runs in {reports}; choose one with RUN=name: {there}.")
    told = f"There is no run {name} in {reports} (there are: {there})"
    raise UsageError(f"{told}; `make report` makes one of its DATASET.")


def follow(folder: Path) -> dict[str, Any]:
    """Have the environment decide as it did when a run was made, and give its record.

    Raises UsageError, naming the command to run, where it has no report or its data have changed.
    """
    record = read_run(folder)
    if "source" not in record:
        raise UsageError(f"The run {folder.name} has no report yet; `make report DATASET=...` of its data makes one.")
    if "environment" in record:
        os.environ |= MADE_WITH | record["environment"]
    size = record["image_size"] or None
    if identify(str(record["source"]), image_size=size).fingerprint != record["fingerprint"].removesuffix("-kept"):
        told = f"The data of the run {folder.name} have changed since it was made"
        raise UsageError(f"{told}; {_again(folder, record)} of the new ones.")
    os.environ[RUN_VARIABLE] = folder.name
    return record


def _again(folder: Path, record: Mapping[str, Any]) -> str:
    asked = {"DATASET": record["source"]} | {key: record[key.lower()] for key in ("RECIPE", "SEED", "IMAGE_SIZE")}
    asked |= {"RUN": folder.name, **record.get("environment", {})}
    return f"`{shlex.join(['make', 'report', *(f'{key}={value}' for key, value in asked.items())])}` makes it again"


def open_finished(folder: Path) -> "Run":
    """Open a run with its own data, options and network; UsageError as by `follow`, and where it has no network."""
    record = follow(folder)
    import_quietly("tensorflow")
    from helpers.run import open_run

    run = open_run(str(record["source"]), record["recipe"], record["seed"], str(folder.parent), record["image_size"])
    run.uses.begin("explain")
    if not (run.shipped or run.given or run.stored("cnn")):
        raise UsageError(
            f"The network of the run {folder.name} is not there, or of other code; {_again(folder, record)}."
        )
    return run


def explain(images: str, run_folder: Path) -> tuple[Path, list[str]]:
    """Explain what IMAGES names by the network of a run: the PDF, with its table beside it, and what was left out.

    The PDF is in the language that is spoken; the table, whose columns are for programs, is not.
    Raises UsageError where there is no network or no picture, in which case nothing is written.
    """
    from helpers.build.explain.pictures import name_of, read_images

    run = open_finished(run_folder)
    pictures, wrong = read_images(images, run.dataset)
    if not pictures:
        raise UsageError(" ".join(wrong))
    import pandas as pd

    from helpers.build.explain.explainer import Explainer
    from helpers.report import pdf

    explainer, pages, rows, drawn = Explainer(run), [], [], []
    # Of two cores one draws a picture's page while the other measures the next picture.
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as artist:
        for number, picture in enumerate(pictures):
            numbers, draw = explainer.explain(picture)
            drawn.append(artist.submit(copy_context().run, _save, draw, Path(folder) / f"{number}.pdf"))
            pages.append(explainer.page(numbers) | {"figure": f"/{number}.pdf"})
            rows.append(numbers)
        for one in drawn:
            one.result()
        document = {"title": words.text("explain.title", run=run_folder.name), "pages": pages}
        document |= {"language": words.language(), "region": words.region()}
        content = pdf.set_pages(Path(folder), document, int(os.environ.get("SOURCE_DATE_EPOCH") or time.time()))
    language = "" if words.language() == words.PLAIN else f".{words.language()}"
    path = run_folder / "explain" / f"{name_of(images)}{language}.pdf"
    table = pd.DataFrame(rows).to_csv(index=False, lineterminator="\n", float_format="%.6g")
    write_atomically(path.with_name(f"{name_of(images)}.csv"), table.encode())
    write_atomically(path, content)
    return path, wrong


def _save(draw: Callable[[], "Figure"], path: Path) -> None:
    draw().savefig(path, metadata={"CreationDate": None})


def explain_pictures(images: str = "", run: str = "", language: str = "") -> int:
    """Explain pictures in each language; 2 where any could not be explained, each told in a sentence."""
    from helpers.build.explain.pictures import passed_over

    run_folder = choose_run(reports_folder(), run)
    for each in read_hand_in(environment={"LANGUAGE": language}).languages:
        with words.use(each):
            path, wrong = explain(images, run_folder)
        print(path, flush=True)
    print("The numbers are in a .csv of this name beside it.", *passed_over(images), sep="\n", flush=True)
    for sentence in wrong:
        print(f"error: {sentence}", file=sys.stderr)
    return 2 if wrong else 0
