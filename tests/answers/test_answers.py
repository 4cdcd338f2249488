"""The answer of a notebook: what a reader sees, what lies on disk, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from helpers.answers import Answer, AnswerError, load_answer
from helpers.answers.tables import table_cells
from helpers.base.words import format_value, render

NOTEBOOK = "03_confusion_matrix"


def draw(slope: float = 1.0) -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1], [0, slope])
    return figure


@pytest.fixture
def answer(tmp_path: Path) -> Answer:
    return Answer(tmp_path / "run", NOTEBOOK, "Confusion", "Which classes are taken for which?")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_sentence_holds_its_values() -> None:
    values = {"true": "fear", "share": 0.234, "count": 1200}
    assert render("{true}: {share:.0%} of {count:,}.", values) == "fear: 23% of 1,200."


@pytest.mark.parametrize(
    ("template", "values", "named"),
    [
        ("{share} of {true}", {"share": 1}, "'true'"),
        ("{share}", {"share": 1, "count": 2}, "'count'"),
        ("{share:.1%}", {"share": "much"}, "'share'"),
        ("{0}", {}, "'0'"),
        ("{}", {}, "{name}"),
        ("{share!r}", {"share": 1}, "{name}"),
        ("half a {brace", {}, "brace"),
    ],
)
def test_a_template_that_does_not_fit_its_values_is_refused(template: str, values: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        render(template, values)


def test_a_wrong_template_is_refused_when_it_is_said(answer: Answer) -> None:
    with pytest.raises(ValueError, match="'share'"):
        answer.say("{true} is confused.", true="fear", share=0.2)


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (None, ".1%", "\N{EN DASH}"),
        (True, "", "yes"),
        (-0.5, ".2f", "\N{MINUS SIGN}0.50"),
        ("left-right", "", "left-right"),
        ([12, 20, 31], "", "12, 20 and 31"),
        (["fear"], "", "fear"),
        ([], "", ""),
    ],
)
def test_a_value_is_written_for_a_reader(value: object, spec: str, text: str) -> None:
    assert format_value(value, spec) == text


def test_a_sentence_in_the_notebook_is_text_and_not_markup(answer: Answer) -> None:
    shown = answer.say("{name} wins.", name="*bold* $x$ <b> #tag a_b")
    assert repr(shown) == "*bold* $x$ <b> #tag a_b wins."
    assert shown._repr_markdown_() == r"\*bold\* \$x\$ &lt;b&gt; \#tag a\_b wins."


def test_values_are_kept_raw(answer: Answer) -> None:
    answer.say("{share:.0%} of {names}", share=np.float32(0.25), names=np.array(["a", "b"]))
    answer.number("cnn.parameters", np.int64(7))
    answer.number("most_confused", {"true": "fear", "share": np.nan})
    saved = json.loads(answer.save().read_text())
    assert saved["blocks"][0]["values"] == {"share": 0.25, "names": ["a", "b"]}
    assert saved["numbers"] == {"cnn.parameters": 7, "most_confused": {"true": "fear", "share": None}}


def test_what_json_cannot_hold_is_refused(answer: Answer) -> None:
    with pytest.raises(ValueError, match="'ratio' is infinite"):
        answer.say("{ratio}", ratio=np.inf)
    with pytest.raises(ValueError, match="'when' is a Timestamp"):
        answer.say("{when}", when=pd.Timestamp(0))


def test_the_same_sentence_is_said_once(answer: Answer) -> None:
    for share in (0.1, 0.1, 0.2):
        answer.say("{share:.0%}", share=share)
    answer.save()
    blocks = load_answer(answer.folder, NOTEBOOK)["blocks"]
    assert [block["values"]["share"] for block in blocks] == [0.1, 0.2]


def test_a_cell_run_again_replaces_what_it_said_before(answer: Answer) -> None:
    for share in (0.5, 0.6):
        answer.number("cnn.test_accuracy", share)
        answer.figure("matrix", draw(), "Share {share}.", share=share)
        answer.table("rates", pd.DataFrame({"recall": [share]}), "Rates.")
    answer.say("After.")
    answer.save()
    saved = load_answer(answer.folder, NOTEBOOK)
    assert saved["numbers"] == {"cnn.test_accuracy": 0.6}
    assert [block["kind"] for block in saved["blocks"]] == ["figure", "table", "text"]
    assert saved["blocks"][0]["values"] == {"share": 0.6}
    assert saved["blocks"][1]["rows"] == [[0.6]]


def test_names_are_checked(answer: Answer, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="file name"):
        answer.figure("../matrix", draw(), "Three.")
    with pytest.raises(ValueError, match="does not name a notebook"):
        Answer(tmp_path, "confusion", "Title", "Question?")
    with pytest.raises(ValueError, match="no key"):
        answer.number("Test Accuracy", 1)


def test_a_table_keeps_numbers_and_shows_formats(answer: Answer) -> None:
    frame = pd.DataFrame(
        {"images": [1200, 15], "recall": [0.5, np.nan], "rate": [0.0003, 0.1], "note": ["<b>", None]},
        index=["fear", "sad"],
    )
    shown = answer.table("rates", frame, "Rates of {name}.", formats={"recall": ".1%"}, name="the CNN")
    block = json.loads(answer.save().read_text())["blocks"][0]
    dash = "\N{EN DASH}"
    assert block["rows"] == [["fear", 1200, 0.5, 0.0003, "<b>"], ["sad", 15, None, 0.1, None]]
    assert table_cells(block) == [
        ["fear", "1,200", "50.0%", "0.0003", "<b>"],
        ["sad", "15", dash, "0.1", dash],
    ]
    assert block["numeric"] == [False, True, True, True, False]
    csv = pd.read_csv(answer.folder / "tables" / "03_rates.csv", index_col=0)
    pd.testing.assert_frame_equal(csv, frame, check_names=False, check_dtype=False)
    page = shown._repr_html_()
    assert "Rates of the CNN." in page and "&lt;b&gt;" in page and 'right">50.0%' in page


def test_a_format_without_its_column_is_refused(answer: Answer) -> None:
    frame = pd.DataFrame({"recall": [0.5], "class": ["fear"]})
    with pytest.raises(ValueError, match="no column 'recal' to format; it has recall, class"):
        answer.table("rates", frame, "Rates.", formats={"recal": ".1%"})
    with pytest.raises(ValueError, match="'rates' does not fit"):
        answer.table("rates", frame, "Rates.", formats={"class": ".1%"})


def test_a_figure_is_saved_as_vectors_and_pixels(answer: Answer) -> None:
    shown = answer.figure("curve", draw(), "A line of {name}.", name="<slope>")
    answer.save()
    saved = load_answer(answer.folder, NOTEBOOK)["blocks"][0]
    assert (answer.folder / saved["file"]).read_bytes().startswith(b"%PDF")
    assert (answer.folder / saved["png"]).read_bytes() == shown.png
    assert (saved["width_mm"], saved["height_mm"]) == pytest.approx((50.8, 25.4))
    assert "A line of &lt;slope&gt;." in shown._repr_html_()


def test_the_same_answer_gives_the_same_bytes(tmp_path: Path) -> None:
    def content(name: str, slope: float) -> dict[str, bytes]:
        answer = Answer(tmp_path / name, NOTEBOOK, "Title", "Question?")
        answer.figure("curve", draw(slope), "A line.")
        answer.save()
        return {file: (answer.folder / file).read_bytes() for file in files(answer.folder)}

    assert content("first", 1.0) == content("second", 1.0)
    assert content("first", 1.0) != content("third", 2.0)


def test_an_unsaved_answer_leaves_nothing(answer: Answer) -> None:
    answer.figure("curve", draw(), "A line.")
    answer.say("A sentence.")
    assert not answer.folder.exists()


def test_saving_replaces_the_previous_answer_of_this_notebook_only(tmp_path: Path) -> None:
    def save(notebook: str, *names: str) -> None:
        answer = Answer(tmp_path, notebook, "Title", "Question?")
        for name in names:
            answer.figure(name, draw(), "A line.")
        answer.table("rates", pd.DataFrame({"recall": [0.5]}), "Rates.")
        answer.save()

    save("04_saliency_maps", "old")
    save(NOTEBOOK, "old", "kept")
    save(NOTEBOOK, "kept", "new")
    stems = {"03_kept", "03_new", "04_old"}
    assert files(tmp_path) == {
        *(f"figures/{stem}.{kind}" for stem in stems for kind in ("pdf", "png")),
        *(f"tables/{number}_rates.csv" for number in ("03", "04")),
        *(f"answers/{name}.json" for name in (NOTEBOOK, "04_saliency_maps")),
    }
    load_answer(tmp_path, NOTEBOOK)
    load_answer(tmp_path, "04_saliency_maps")


def test_a_save_that_is_cut_short_leaves_no_answer_that_loads(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    answer.figure("curve", draw(), "A line.")
    answer.save()
    again = Answer(answer.folder, NOTEBOOK, "Title", "Question?")
    again.figure("curve", draw(2), "Another line.")
    monkeypatch.setattr("helpers.answers.stored._rename", fail_after_one)
    with pytest.raises(OSError, match="disk full"):
        again.save()
    with pytest.raises(AnswerError, match="run the notebook again"):
        load_answer(answer.folder, NOTEBOOK)
    assert not list(answer.folder.glob(".*"))


def fail_after_one(source: Path, target: Path, names: dict[str, bytes]) -> None:
    first = next(iter(names))
    (source / first).replace(target / first)
    raise OSError("disk full")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / "figures" / "03_curve.png").unlink(), "lacks its file"),
        (lambda run: (run / "figures" / "03_curve.pdf").write_bytes(b"other"), "is not the file"),
        (lambda run: (run / "answers" / f"{NOTEBOOK}.json").write_text("{"), "cannot be read"),
        (lambda run: (run / "answers" / f"{NOTEBOOK}.json").write_text("[]"), "is not an answer"),
        (lambda run: (run / "answers" / f"{NOTEBOOK}.json").unlink(), "has no saved answer"),
    ],
)
def test_a_spoilt_answer_does_not_load(answer: Answer, spoil: Callable[[Path], object], message: str) -> None:
    answer.figure("curve", draw(), "A line.")
    answer.save()
    load_answer(answer.folder, NOTEBOOK)
    spoil(answer.folder)
    with pytest.raises(AnswerError, match=message):
        load_answer(answer.folder, NOTEBOOK)


def test_of_a_long_table_both_ends_are_shown_and_all_is_in_its_file(answer: Answer) -> None:
    frame = pd.DataFrame({"class": [f"class {i}" for i in range(300)], "images": range(300)})
    shown = answer.table("rates", frame, caption="Rates.")
    named = [row[0] for row in shown.cells]
    assert len(named) < 60 and named[0] == "class 0" and named[-1] == "class 299" and "\N{HORIZONTAL ELLIPSIS}" in named
    assert "Of 300 rows" in shown.caption and "tables/03_rates.csv" in shown.caption
    answer.save()
    assert len(pd.read_csv(answer.folder / "tables" / "03_rates.csv")) == 300
    assert "rows" not in answer.table("few", frame.head(), caption="Rates.").caption


def test_of_a_table_that_is_meant_as_a_file_the_head_is_shown_and_the_file_has_its_plain_name(answer: Answer) -> None:
    frame = pd.DataFrame({"file": [f"{i}.png" for i in range(70)], "margin": np.linspace(1, 0, 70)})
    shown = answer.table("suspects", frame, caption="Suspects.", head=3)
    assert [row[0] for row in shown.cells] == ["0.png", "1.png", "2.png"]
    assert shown.caption == "Suspects. Of 70 rows the first 3 are shown; tables/suspects.csv holds all."
    answer.save()
    assert pd.read_csv(answer.folder / "tables" / "suspects.csv")["file"].tolist() == frame["file"].tolist()
    assert len(load_answer(answer.folder, NOTEBOOK)["blocks"][-1]["rows"]) == 70


def test_the_summary_comes_first_in_its_order_whenever_it_is_said(answer: Answer) -> None:
    answer.say("The statistics.")
    answer.heading("A part")
    answer.summary("First, {count} of them.", count=3)
    answer.say("More statistics.")
    shown = answer.summary("Then the rest.")
    answer.save()
    blocks = load_answer(answer.folder, NOTEBOOK)["blocks"]
    assert [block["key"] for block in blocks] == [
        "First, {count} of them.",
        "Then the rest.",
        "The statistics.",
        "A part",
        "More statistics.",
    ]
    assert repr(shown) == "Then the rest."


def test_what_ends_a_notebook_early_is_its_answer_to_the_question(answer: Answer) -> None:
    with pytest.raises(SystemExit) as end:
        answer.stop("There is nothing to look at.")
    (block,) = load_answer(answer.folder, answer.notebook)["blocks"]
    assert end.value.code == 0 and block["summary"]
