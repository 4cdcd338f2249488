"""How full the pages of a PDF are, measured on pictures: in the shipped sample, and where figures are fitted."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typst
from matplotlib.figure import Figure
from PIL import Image
from pypdf import PdfReader

from helpers.answers import Answer
from helpers.base.files import ROOT
from helpers.report import pdf
from helpers.report.document import STAMP_KEYS, Report
from helpers.report.handin import HandIn
from helpers.report.pdf import FULL, build_report, fullness

SAMPLES = sorted((ROOT / "reports" / "sample").glob("*.pdf"))
MOST_PAGES = 14  # before the appendix
HEADS, PICTURES = ("Question 1:", "Question 2:"), ("The picture of 01.", "The picture of 02.")


def fillings(path: Path) -> tuple[list[float], list[int]]:
    """Give how full each page of a PDF is, and the pages, from 0, on which its chapters begin."""
    reader = PdfReader(path)
    pages, sheet = len(reader.pages), '#set page(paper: "a4", margin: 0pt)\n'
    source = f'{sheet}#for page in range(1, {pages + 1}) {{ image("/{path.name}", page: page, width: 100%) }}'
    pictures = typst.compile(source.encode(), root=str(path.parent), format="png", ppi=20)  # type: ignore[call-overload]
    starts = [reader.get_destination_page_number(one) for one in reader.outline if not isinstance(one, list)]
    return [fullness(picture) for picture in pictures], [start for start in starts if start is not None]


def framed(width: float, height: float) -> Figure:
    figure = Figure((width, height))
    figure.subplots()
    return figure


def too_empty(full: Sequence[float], starts: Sequence[int]) -> dict[int, str]:
    """Name the pages, from 1, that are emptier than FULL and not the last of their chapter."""
    last = {start - 1 for start in starts} | {len(full) - 1}
    return {page + 1: f"{share:.0%}" for page, share in enumerate(full) if share < FULL and page not in last}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_pages_of_the_sample_are_full_and_few_stand_before_the_appendix(path: Path) -> None:
    full, starts = fillings(path)
    assert too_empty(full, starts) == {}
    assert len(starts) > 8 and starts[-1] <= MOST_PAGES


def test_a_heading_over_figures_alone_goes_with_the_first_of_them(tmp_path: Path) -> None:
    answer = Answer(tmp_path, "01_train_cnn", "Training", "Which?")
    answer.summary("It is right.")
    answer.figure("carries", framed(3, 2), "The first.", carries=True)
    answer.say("A statistic. " * 300)
    answer.heading("Only figures")
    answer.figure("tall", framed(6, 6), "The tall one.")
    answer.heading("A sentence too")
    answer.say("The last.")
    answer.save()
    stamp = dict.fromkeys(STAMP_KEYS, "") | {"date": "2025-01-31", "versions": {}, "notes": []}
    made = build_report(Report(tmp_path, ["01_train_cnn"], stamp, HandIn(detail="short")))
    texts = [page.extract_text() for page in PdfReader(made).pages]
    assert ["Only figures" in text for text in texts] == ["The tall one." in text for text in texts]
    assert any(text.index("Only figures") < text.index("The tall one.") for text in texts if "The tall" in text)


@pytest.mark.parametrize(("strips", "full"), [([(0, 246)], 1.0), ([], 0.0), ([(0, 100), (106, 146)], 146 / 246)])
def test_blank_strips_of_a_page_are_not_full_and_the_space_between_paragraphs_is(
    strips: list[tuple[int, int]], full: float
) -> None:
    page = np.full((297, 210), 255, np.uint8)
    page[10:12] = page[-10:-8] = 0  # what stands in its margins
    for top, bottom in strips:
        page[27 + top : 27 + bottom, 50:60] = 0
    content = io.BytesIO()
    Image.fromarray(page).save(content, "PNG")
    assert fullness(content.getvalue()) == pytest.approx(full, abs=0.01)


def test_figures_of_an_appendix_are_a_little_smaller_where_that_fills_its_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Answer(tmp_path, "01_train_cnn", "Training", "Which?")
    answer.summary("It is right.")
    answer.figure("carries", framed(3, 2), "The first.", carries=True)
    for number in range(4):
        answer.figure(f"tall_{number}", framed(6, 4.45), f"The caption of {number}.")
    answer.save()
    stamp = dict.fromkeys(STAMP_KEYS, "") | {"date": "2025-01-31", "versions": {}, "notes": []}
    report = Report(tmp_path, ["01_train_cnn"], stamp, HandIn(detail="short"))
    fitted = too_empty(*fillings(build_report(report)))
    monkeypatch.setattr(pdf, "SCALES", (1,))
    assert fitted == {} and too_empty(*fillings(build_report(report))) != {}


def test_a_figure_right_under_the_head_of_a_question_is_not_on_a_page_before_it(tmp_path: Path) -> None:
    for name, words in ("01_train_cnn", 760), ("02_compare_dnn", 10):
        answer = Answer(tmp_path, name, f"About {name[:2]}", "Which?")
        answer.summary("It is right.")
        answer.figure("carries", framed(3, 2), "The first.", carries=True)
        answer.figure("next", framed(6, 1.5), f"The picture of {name[:2]}.")
        answer.table("rows", pd.DataFrame({"row": range(14)}), "Rows.")
        answer.say("word " * words)
        answer.save()
    stamp = dict.fromkeys(STAMP_KEYS, "") | {"date": "2025-01-31", "versions": {}, "notes": []}
    made = build_report(Report(tmp_path, ["01_train_cnn", "02_compare_dnn"], stamp, HandIn(detail="short")))
    texts = [page.extract_text() for page in PdfReader(made).pages][3:]
    heads, pictures = ([[said in text for text in texts].index(True) for said in said] for said in (HEADS, PICTURES))
    assert heads[1] > heads[0] and all(head <= picture for head, picture in zip(heads, pictures))


@pytest.mark.parametrize("words", [292, 300, 312, 640])
def test_no_row_of_a_long_table_stands_alone_on_a_page(tmp_path: Path, words: int) -> None:
    answer = Answer(tmp_path, "01_train_cnn", "Training", "Which?")
    answer.summary("Right.")
    answer.say("word " * words)
    answer.table("rows", pd.DataFrame({"row": [f"row-{row}." for row in range(30)]}), "Rows.")
    answer.save()
    stamp = dict.fromkeys(STAMP_KEYS, "") | {"date": "2025-01-31", "versions": {}, "notes": []}
    made = build_report(Report(tmp_path, ["01_train_cnn"], stamp))
    rows = [len(re.findall(r"row-\d", page.extract_text())) for page in PdfReader(made).pages]
    assert sum(rows) == 30 and min(filter(None, rows)) >= 3


def test_the_sample_reports_are_small_enough_to_be_shipped() -> None:
    files = [file for file in (ROOT / "reports" / "sample").iterdir() if file.suffix in (".pdf", ".html")]
    assert len(files) == 4 and sum(file.stat().st_size for file in files) <= 8_100_000  # bytes
