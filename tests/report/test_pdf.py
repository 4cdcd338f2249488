"""The PDF: what it holds, what it refuses, and that nothing on a page is cut or read as markup."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from pypdf import PdfReader

from helpers.answers import Answer, AnswerError, load_answer
from helpers.base import words
from helpers.base.words import plain, said, use
from helpers.report import pdf
from helpers.report.document import TRUST, TRUST_TABLE, Report, ReportError, compose, headlines
from helpers.report.handin import HandIn
from helpers.report.pdf import build_report

TITLES = {"01_train_cnn": "How well does a CNN read faces?", "03_confusion_matrix": "What is taken for what?"}
STAMP = {
    "dataset": "faces",
    "title": "Schematic faces (generated)",
    "fingerprint": "3f9ac1d27b08",
    "seed": 0,
    "recipe": "tiny",
    "versions": {"numpy": "2.4.1"},
    "date": "2025-01-31",
    "notes": ["The test split serves nothing else."],
    "machine": "a test",
}
ODD = "#tag $x$ *bold* _it_ @ref <label> \\n `raw` = head // comment {{}} \N{RIGHTWARDS ARROW} \N{MINUS SIGN}1"


def draw(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height))
    figure.subplots().plot([0, 1])
    return figure


def save_answers(folder: Path, sentence: str = "A sentence.", size: tuple[float, float] = (3, 2)) -> Path:
    for name, title in TITLES.items():
        answer = Answer(folder, name, title, "Which question is it?")
        answer.say(sentence)
        answer.figure("curve", draw(*size), "The caption of a curve.")
        answer.save()
    return folder


def pages(report: Path) -> list[str]:
    return [page.extract_text() for page in PdfReader(report).pages]


def test_each_question_has_a_page_with_its_answer(tmp_path: Path) -> None:
    report = build_report(Report(save_answers(tmp_path), list(TITLES), STAMP))
    texts = pages(report)
    assert report == tmp_path / "report.pdf"
    assert len(texts) == 1 + len(TITLES)
    for title, text in zip(TITLES.values(), texts[1:], strict=True):
        assert title in texts[0] and title in text
        assert "A sentence." in text and "The caption of a curve." in text
    assert "Figure 2" in texts[2] and "Figure 1" not in texts[2]


def test_the_stamp_is_printed(tmp_path: Path) -> None:
    first = pages(build_report(Report(save_answers(tmp_path), list(TITLES), STAMP)))[0].replace(
        "\N{NO-BREAK SPACE}", " "
    )
    for text in (STAMP["title"], STAMP["fingerprint"], "31 January 2025", "numpy 2.4.1", *STAMP["notes"]):
        assert text in first


def test_the_same_answers_and_stamp_give_the_same_bytes(tmp_path: Path) -> None:
    folder = save_answers(tmp_path)
    first = build_report(Report(folder, list(TITLES), STAMP)).read_bytes()
    assert build_report(Report(folder, list(TITLES), STAMP)).read_bytes() == first
    assert build_report(Report(folder, list(TITLES), STAMP | {"date": "2025-02-01"})).read_bytes() != first


def test_the_pdf_is_typsts_with_its_objects_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_answers(tmp_path)

    def made() -> tuple[int, bool, list[str], Any]:
        content = build_report(Report(folder, list(TITLES), STAMP)).read_bytes()
        reader = PdfReader(io.BytesIO(content))
        texts = [page.extract_text() for page in reader.pages]
        return len(content), bool(reader.xref_objStm), texts, reader.metadata

    size, packed, *compressed = made()
    monkeypatch.setattr(pdf, "_compressed", lambda content: content)
    as_set, unpacked, *plain = made()
    assert packed and not unpacked and size < 0.95 * as_set
    assert compressed == plain


def test_text_is_never_markup(tmp_path: Path) -> None:
    report = build_report(Report(save_answers(tmp_path, sentence=ODD), list(TITLES), STAMP | {"title": ODD}))
    printed = " ".join("".join(pages(report)).split()).replace("\u200b", "")  # where a long name may break
    assert ODD.replace("{{}}", "{}") in printed


def test_a_character_that_no_font_has_is_named(tmp_path: Path) -> None:
    save_answers(tmp_path, sentence="The class \N{CUNEIFORM SIGN A}.")
    with pytest.raises(ReportError, match=r"U\+12000.*of 'The class"):
        build_report(Report(tmp_path, list(TITLES), STAMP))
    assert not list(tmp_path.glob("*report*"))


def test_accents_and_ligatures_are_no_missing_characters(tmp_path: Path) -> None:
    text = "Caf\u00e9, cafe\u0301, \ufb01lter, offic\u00ada\u200bl, 2\u00bd \u2026"
    build_report(Report(save_answers(tmp_path, sentence=text), list(TITLES), STAMP))


@pytest.mark.parametrize("size", [(2, 1), (6.7, 3), (10, 3), (3, 14)])
def test_a_figure_stays_inside_the_margins_and_is_never_enlarged(tmp_path: Path, size: tuple[float, float]) -> None:
    reader = PdfReader(build_report(Report(save_answers(tmp_path, size=size), list(TITLES), STAMP)))
    page = next(page for page in reader.pages[1:] if "Figure 1" in page.extract_text())
    left, bottom, right, top = figure_box(page)
    margin = 20 / 25.4 * 72
    assert left >= margin - 0.5 and right <= float(page.mediabox.width) - margin + 0.5
    assert bottom >= margin and top <= float(page.mediabox.height) - margin
    assert right - left <= size[0] * 72 + 0.5
    assert (right - left) / (top - bottom) == pytest.approx(size[0] / size[1], rel=0.01)


def figure_box(page: object) -> tuple[float, float, float, float]:
    """Find where the page draws its embedded figure, in points."""
    boxes = []

    def visit(operator: bytes, operands: list, matrix: list[float], text_matrix: list[float]) -> None:
        if operator == b"Do":
            form = page["/Resources"]["/XObject"][operands[0]]
            width, height = map(float, form["/BBox"][2:])
            boxes.append((matrix[4], matrix[5], matrix[4] + matrix[0] * width, matrix[5] + matrix[3] * height))

    page.extract_text(visitor_operand_before=visit)
    left, y, right, other = boxes[0]
    return left, min(y, other), right, max(y, other)


def test_a_long_table_goes_on_under_a_repeated_header(tmp_path: Path) -> None:
    answer = Answer(tmp_path, "01_train_cnn", "Title", "Question?")
    for first in (0, 30):
        frame = pd.DataFrame({"layer": [f"conv_{first + k}" for k in range(30)], "weights": range(30)})
        answer.table(f"layers_{first}", frame, "Half of all layers.")
    answer.save()
    texts = [text.replace("\u200b", "") for text in pages(build_report(Report(tmp_path, ["01_train_cnn"], STAMP)))]
    words = [text.split() for text in texts[1:]]
    assert len(words) > 1
    assert all("weights" in page for page in words)
    assert [word for page in words for word in page if word.startswith("conv_")] == [f"conv_{k}" for k in range(60)]


def test_headlines_are_those_that_the_answers_have() -> None:
    numbers = {"cnn.test_accuracy": 0.8766, "cnn.parameters": 1696583, "other": 1}
    lines = headlines([{"numbers": numbers}, {"numbers": {"most_confused": {"true": "fear", "predicted": "sad"}}}])
    assert [line.value for line in lines] == ["87.7%", "1,696,583", "fear taken for sad"]
    assert [line.detail for line in lines] == ["", "", ""]


def test_a_headline_that_is_said_is_set_in_the_language_of_the_report() -> None:
    pairs = [said("differences.pair", true="fear", predicted="sad")]
    numbers = plain("numbers", {"most_confused": said("differences.none"), "balanced.value": 0.5, "balanced.low": 0.4})
    numbers |= plain("numbers", {"balanced.high": 0.6, "balanced.recalls": pairs})
    assert [(line.value, line.detail.count("fear taken for sad")) for line in headlines([{"numbers": numbers}])] == [
        ("50.0%", 1),
        ("none", 0),
    ]
    with use("zh-Hant"):
        chinese = headlines([{"numbers": numbers}])
        assert chinese[1].value == "無" and "被當成" in chinese[0].detail and "taken" not in chinese[0].detail


def test_a_headline_gives_its_interval() -> None:
    numbers = {"cnn.test_accuracy": 0.88, "cnn.test_accuracy_low": 0.86, "cnn.test_accuracy_high": 0.9}
    assert headlines([{"numbers": numbers}])[0].detail == "95% interval: 86.0% to 90.0%"


def test_headline_numbers_are_printed(tmp_path: Path) -> None:
    answer = Answer(tmp_path, "01_train_cnn", "Title", "Question?")
    answer.number("cnn.parameters", 1696583)
    answer.save()
    assert "1,696,583" in pages(build_report(Report(tmp_path, ["01_train_cnn"], STAMP)))[1]


def test_a_report_is_never_built_from_a_spoilt_answer(tmp_path: Path) -> None:
    save_answers(tmp_path)
    (tmp_path / "figures" / "03_curve.pdf").write_bytes(b"other")
    with pytest.raises(AnswerError, match=r"03_curve\.pdf"):
        build_report(Report(tmp_path, list(TITLES), STAMP))
    with pytest.raises(AnswerError, match="05_gradient_ascent has no saved answer"):
        build_report(Report(tmp_path, ["05_gradient_ascent"], STAMP))
    assert not (tmp_path / "report.pdf").exists()


def test_a_wrong_stamp_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="lacks 'seed'"):
        build_report(Report(tmp_path, [], {key: value for key, value in STAMP.items() if key != "seed"}))
    with pytest.raises(ReportError, match="'yesterday' is no date"):
        build_report(Report(tmp_path, [], STAMP | {"date": "yesterday"}))


def test_importing_the_report_is_light() -> None:
    heavy = "{'tensorflow', 'keras', 'pandas', 'matplotlib'} & set(sys.modules)"
    code = f"import sys, helpers.report.pdf; sys.exit(str({heavy}) if {heavy} else 0)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_characters_that_no_font_has_are_told_from_those_that_one_has() -> None:
    assert pdf.missing_characters("Käse, Ωμέγα, ﬁre, ½") == ""
    assert {*pdf.missing_characters("a \N{CUNEIFORM SIGN A}")} <= {"\N{CUNEIFORM SIGN A}"}


def save_graded(folder: Path) -> Path:
    """Save an answer whose middle part says how far its pictures can be trusted."""
    answer = Answer(folder, "04_saliency_maps", "Maps", "Where does it look?")
    answer.say("Before the grades.")
    answer.heading(TRUST)
    frame = pd.DataFrame({"method": ["gradient", "LIME"], "score": [0.25, 0.5]})
    answer.table(TRUST_TABLE, frame, "The grades of {count} methods.", count=2)
    answer.say("{worse} does worse than the edge map.", worse="gradient")
    answer.table("study", frame.rename(columns={"score": "studied"}), "A study.")
    answer.figure("curves", draw(3, 2), "The curves.")
    answer.heading("Another part")
    answer.say("After the grades.")
    answer.number("cnn.parameters", 1000)
    answer.save()
    return folder


def test_grades_stand_on_the_summary_page_and_on_a_page_of_their_own(tmp_path: Path) -> None:
    save_answers(save_graded(tmp_path))
    contents, summary, trust, *sections = pages(build_report(Report(tmp_path, ["04_saliency_maps", *TITLES], STAMP)))
    assert "1,000" in summary and "The grades of 2 methods." in summary and "0.250" in summary
    printed = " ".join(trust.split())
    assert words.text(TRUST) in printed and "gradient does worse than the edge map." in printed
    for text in ("studied", "Before the grades", "After the grades", "The curves", "The grades of 2 methods"):
        assert text not in printed
    assert "Table 1 The grades of 2 methods." in " ".join(sections[0].split())
    assert [title in contents for title in ("Maps", *TITLES.values())] == [True] * 3
    assert "1 Maps" in " ".join(contents.split()) and contents.split("Maps")[1].split("look?")[1].split()[0] == "4"


def test_without_grades_there_is_no_page_for_them(tmp_path: Path) -> None:
    made = pages(build_report(Report(save_answers(tmp_path), list(TITLES), STAMP)))
    assert not any(words.text(TRUST) in page for page in made)


def test_the_summary_is_a_paragraph_of_its_own_before_the_statistics(tmp_path: Path) -> None:
    answer = Answer(tmp_path, "03_confusion_matrix", "Confusion", "Which?")
    answer.say("A statistic.")
    answer.summary("Fear is taken for sadness.")
    answer.summary("The rest is seldom confused.")
    answer.save()
    (section,) = compose([load_answer(tmp_path, "03_confusion_matrix")], STAMP)["sections"]
    assert [part["text"] for part in section["blocks"]] == [
        "Fear is taken for sadness. The rest is seldom confused.",
        "A statistic.",
    ]


def test_what_each_method_finds_where_begins_a_paragraph(tmp_path: Path) -> None:
    answer = Answer(tmp_path, "04_saliency_maps", "Maps", "Where does it look?")
    for method in ("LIME", "RISE"):
        answer.say("regions.found", by=method, most=3, found="for happy, the mouth")
    answer.save()
    (section,) = compose([load_answer(tmp_path, "04_saliency_maps")], STAMP)["sections"]
    assert [part["text"].count("Regions") for part in section["blocks"]] == [1, 1]


def test_the_author_and_the_remarks_stand_in_the_report_and_questions_count_from_one(tmp_path: Path) -> None:
    hand_in = HandIn("林昀妤", "b123", "Machine learning", {"3": "Eve"})
    remarks = {"3": [("We saw **{share:.0%}**, and *no more*.\n\n- #one", tmp_path / "notes.md")]}
    answer = Answer(save_answers(tmp_path), "03_confusion_matrix", "What is taken for what?", "Which?")
    answer.number("share", 0.25)
    answer.save()
    title, *_, first, second = pages(build_report(Report(tmp_path, [*reversed(TITLES)], STAMP, hand_in, remarks)))
    assert "林昀妤" in title and "b123" in title and "Machine learning" in title
    assert "1  What is taken for what?" in first and "2  How well" in second
    assert "Eve" in first and "Eve" not in second
    assert "We saw 25%, and no more." in first and "#one" in first


def test_text_fills_the_page_that_a_tall_figure_does_not_fit_on(tmp_path: Path) -> None:
    """What follows a figure that begins the next page stands before it, and a question's head above all figures."""
    answer = Answer(tmp_path, "01_train_cnn", "Training", "Which?")
    answer.say("First.")
    answer.figure("one", draw(6, 6), "The first caption.")
    answer.figure("two", draw(6, 6), "The second caption.")
    answer.say("Last.")
    answer.save()
    first, second = pages(build_report(Report(tmp_path, ["01_train_cnn"], STAMP)))[1:]
    assert "1  Training" in first and "The first caption." in first and "Last." in first
    assert "The second caption." in second and "Last." not in second


def test_a_short_answer_has_what_carries_it_and_the_appendix_the_rest_once(tmp_path: Path) -> None:
    answer = Answer(tmp_path, "01_train_cnn", "Training", "Which?")
    answer.heading("Nothing under it but what carries")
    answer.figure("one", draw(3, 2), "The first caption.")
    answer.heading("More")
    answer.say("A statistic.")
    answer.figure("two", draw(3, 2), "The second caption.", carries=True)
    answer.limit("One training.")
    answer.summary("It is right.")
    answer.save()
    short, rest = pages(build_report(Report(tmp_path, ["01_train_cnn"], STAMP, HandIn(detail="short"))))[1:]
    for text in ("It is right.", "The second caption.", "One training."):
        assert text in short and text not in rest
    for text in ("The first caption.", "More", "A statistic."):
        assert text in rest and text not in short
    (full,) = pages(build_report(Report(tmp_path, ["01_train_cnn"], STAMP)))[1:]
    assert all(text in full for text in ("It is right.", "The first caption.", "A statistic.", "One training."))


def test_a_heading_with_nothing_left_under_it_is_not_set(tmp_path: Path) -> None:
    answer = Answer(tmp_path, "01_train_cnn", "Training", "Which?")
    for text in ("Empty", "Filled"):
        answer.heading(text)
    answer.say("First.")
    answer.say("Second.")
    answer.heading("Last")
    answer.figure("one", draw(3, 2), "The caption.")
    answer.save()
    (part,) = compose([load_answer(tmp_path, "01_train_cnn")], STAMP, HandIn(detail="short"))["appendix"]
    assert [block["text"] for block in part["blocks"]] == ["Filled", "Second."]


def test_verdicts_on_methods_stand_on_the_page_of_trust_each_a_paragraph_and_what_else_was_graded_does_not(
    tmp_path: Path,
) -> None:
    answer = Answer(tmp_path, "04_saliency_maps", "Maps", "Where does it look?")
    answer.heading(TRUST)
    answer.say("grades.trust", methods=["LIME"])
    answer.say("grades.care", methods=["RISE"])
    answer.say("grades.worse", worse=["gradient"])
    answer.save()
    ((part,),) = ([part["blocks"] for part in compose([load_answer(tmp_path, "04_saliency_maps")], STAMP)["trust"]],)
    assert [text.split()[0] for text in (block["text"] for block in part)] == ["Trust", "Read"]


def test_a_short_answer_a_little_too_long_for_its_page_is_set_with_smaller_figures(tmp_path: Path) -> None:
    answer = Answer(tmp_path, "01_train_cnn", "Training", "Which?")
    answer.summary("It is right.")
    for name in ("one", "two"):
        answer.figure(name, draw(6, 4.0), f"The caption of {name}.", carries=True)
    answer.limit("One training.")
    answer.save()
    (page,) = PdfReader(build_report(Report(tmp_path, ["01_train_cnn"], STAMP, HandIn(detail="short")))).pages[1:]
    left, _, right, _ = figure_box(page)
    assert "One training." in page.extract_text() and 0.89 * 6 * 72 < right - left < 0.96 * 6 * 72


def test_a_figure_that_fits_below_the_text_of_a_short_answer_comes_before_one_that_does_not(tmp_path: Path) -> None:
    answer = Answer(tmp_path, "01_train_cnn", "Training", "Which?")
    answer.summary("It is right.")
    answer.figure("one", draw(6, 8), "The tall one.", carries=True)
    answer.figure("two", draw(6, 4), "The other.", carries=True)
    answer.limit("One training.")
    answer.save()
    first, second = pages(build_report(Report(tmp_path, ["01_train_cnn"], STAMP, HandIn(detail="short"))))[1:]
    assert "One training." in first and "The other." in first and "The tall one." in second


def test_a_class_of_a_user_that_is_called_like_a_column_keeps_its_name(tmp_path: Path) -> None:
    for classes, shown in ((("mass", "true"), "true"), (None, "true class")):
        made_with = {"classes": [*classes]} if classes else {}
        answer = Answer(tmp_path, "01_train_cnn", "Training", "Which?", made_with)
        answer.say("It is {name}.", name="true")
        answer.save()
        (section,) = Report(tmp_path, ["01_train_cnn"], STAMP).compose()["sections"]
        assert [part["text"] for part in section["blocks"]] == [f"It is {shown}."]


def test_figures_of_a_long_answer_leave_no_gap_and_its_last_page_takes_some_from_the_one_before(tmp_path: Path) -> None:
    answer = Answer(tmp_path, "01_train_cnn", "Training", "Which?")
    answer.summary("It is right. " * 12)
    for name, height in {"one": 5.0, "two": 1.6, "three": 4.0}.items():
        answer.figure(name, draw(6, height), f"The caption of {name}.", carries=True)
    answer.save()
    first, second = PdfReader(build_report(Report(tmp_path, ["01_train_cnn"], STAMP, HandIn(detail="short")))).pages[1:]
    assert "caption of one" in first.extract_text()
    assert "caption of two" in second.extract_text() and "caption of three" in second.extract_text()
    assert figure_box(first)[3] > 0.7 * float(first.mediabox.height)  # right below the text


def test_heads_of_a_table_of_many_columns_stand_word_upon_word(tmp_path: Path) -> None:
    columns = ["gain, same face", *(f"mean rank {k}" for k in range(12))]
    answer = Answer(tmp_path, "01_train_cnn", "Training", "Which?")
    answer.table("many", pd.DataFrame([dict.fromkeys(columns, 0.5)]), "The caption.")
    answer.save()
    text = pages(build_report(Report(tmp_path, ["01_train_cnn"], STAMP)))[1]
    assert "same face" not in text and "mean rank" not in text and "same" in text and "face" in text


def test_much_to_say_about_the_data_leaves_the_questions_on_the_first_page(tmp_path: Path) -> None:
    told = STAMP | {"notes": ["What was read is said in a sentence such as this."] * 70}
    made = pages(build_report(Report(save_answers(tmp_path), list(TITLES), told)))
    assert len(made) == 1 + len(TITLES) and all(title in made[0] for title in TITLES.values())
