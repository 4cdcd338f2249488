"""`make explain`: a PDF with a page a picture, and a table, in the folder of a finished run."""

import os
import sys
import tempfile
import time
from pathlib import Path

from helpers.base import words
from helpers.base.files import reports_folder, write_atomically
from helpers.base.notebook import UsageError
from helpers.build.explain.finished import choose_run, open_finished
from helpers.report.handin import read_hand_in


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

    explainer, pages, rows = Explainer(run), [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, picture in enumerate(pictures):
            numbers, figure = explainer.explain(picture)
            figure.savefig(Path(folder) / f"{number}.pdf", metadata={"CreationDate": None})
            pages.append(explainer.page(numbers) | {"figure": f"/{number}.pdf"})
            rows.append(numbers)
        document = {"title": words.text("explain.title", run=run_folder.name), "pages": pages}
        document |= {"language": words.language(), "region": words.region()}
        content = pdf.set_pages(Path(folder), document, int(os.environ.get("SOURCE_DATE_EPOCH") or time.time()))
    language = "" if words.language() == words.PLAIN else f".{words.language()}"
    path = run_folder / "explain" / f"{name_of(images)}{language}.pdf"
    table = pd.DataFrame(rows).to_csv(index=False, lineterminator="\n", float_format="%.6g")
    write_atomically(path.with_name(f"{name_of(images)}.csv"), table.encode())
    write_atomically(path, content)
    return path, wrong


def explain_pictures(images: str = "", run: str = "", language: str = "") -> int:
    """Explain pictures in each language; 2 where any could not be explained, each told in a sentence."""
    run_folder = choose_run(reports_folder(), run)
    for each in read_hand_in(environment={"LANGUAGE": language}).languages:
        with words.use(each):
            path, wrong = explain(images, run_folder)
        print(path, flush=True)
    print("The numbers are in a .csv of this name beside it.", flush=True)
    for sentence in wrong:
        print(f"error: {sentence}", file=sys.stderr)
    return 2 if wrong else 0
