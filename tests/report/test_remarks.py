"""What the author adds to a report: names, questions in an order of their own, and remarks with the run's numbers."""

import json
from pathlib import Path

import pytest
from PIL import Image

from helpers.base.notebook import UsageError
from helpers.report import remarks
from helpers.report.handin import HandIn, read_hand_in
from helpers.report.remarks import RemarkError, fill, read_remarks, remarks_digest, set_remarks

NUMBERS = {"cnn.test_accuracy": 0.8125, "cnn.parameters": 204967, "most_confused": None}


def write_toml(folder: Path, text: str) -> Path:
    (folder / "report.toml").write_text(text, encoding="utf-8")
    return folder / "report.toml"


def write_notebook(folder: Path, name: str, *cells: tuple[str, str]) -> Path:
    path = folder / f"{name}.ipynb"
    made = [{"cell_type": "markdown", "metadata": {"tags": [tag]}, "source": text} for tag, text in cells]
    path.write_text(json.dumps({"cells": made, "metadata": {}}))
    return path


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(remarks, "FOLDER", tmp_path)
    return tmp_path / "faces.md"


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    file = write_toml(tmp_path, 'author = "林昀妤"\nstudent_id = 12345\nquestions = [4, 5]')
    assert read_hand_in(file, {}) == HandIn("林昀妤", "12345", "", {}, ("4", "5"), "short")
    assert read_hand_in(file, {"AUTHOR": "Ann", "QUESTIONS": "03, 1"}) == HandIn(
        "Ann", "12345", "", {}, ("3", "1"), "short"
    )


def test_without_file_and_environment_nothing_is_said(tmp_path: Path) -> None:
    assert read_hand_in(tmp_path / "report.toml", {}) == HandIn(detail="short")


@pytest.mark.parametrize("given", ['"1: Ann, Bob; 4: Eve"', '{ 1 = "Ann, Bob", 04 = "Eve" }'])
def test_collaborators_are_those_of_a_question(tmp_path: Path, given: str) -> None:
    hand_in = read_hand_in(write_toml(tmp_path, f"collaborators = {given}"), {})
    assert [hand_in.of_question(number) for number in "124"] == ["Ann, Bob", "", "Eve"]


def test_collaborators_without_a_number_are_those_of_every_question() -> None:
    hand_in = read_hand_in(Path("none.toml"), {"COLLABORATORS": "Ann; 4: Eve"})
    assert [hand_in.of_question(number) for number in "14"] == ["Ann", "Eve"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('autor = "Ann"', "did you mean author"),
        ("author = Ann", "is no TOML .*texts stand in quotes"),
        ("author = true", "is no text"),
        ('questions = "one"', "no number of a notebook"),
        ('questions = "1 2 01"', "twice"),
        ('detail = "shrt"', "did you mean short"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_hand_in(write_toml(tmp_path, text), {})


def test_numbers_stand_in_place_of_their_keys() -> None:
    assert fill("It is {cnn.test_accuracy:.1%} with {cnn.parameters:,}.", NUMBERS, "x") == "It is 81.2% with 204,967."
    assert fill("{{braces}}", NUMBERS, "x") == "{braces}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{cnn.test_acuracy}", "did you mean cnn.test_accuracy"),
        ("{cnn.test_accuracy:.1q}", "does not fit"),
        ("{cnn.test_accuracy", "brace without its pair"),
    ],
)
def test_what_cannot_be_filled_is_said_with_the_place(text: str, said: str) -> None:
    with pytest.raises(RemarkError, match=rf"notes/faces\.md.*{said}"):
        fill(text, NUMBERS, "notes/faces.md")


def test_only_what_can_be_set_into_a_sentence_is_offered() -> None:
    more = {"origin": "7322742dcd", "warnings": [], "balanced.recalls": [0.5], "most_confused.true": "sad"}
    with pytest.raises(RemarkError, match=r"there are cnn\.parameters, cnn\.test_accuracy, most_confused\.true\.$"):
        fill("{zzz}", NUMBERS | more, "notes/faces.md")


def test_remarks_belong_to_the_question_above_them(notes: Path) -> None:
    notes.write_text("# Question 4\nThe *mouth*.\n\n# 01_train_cnn\nSlow.\n# 問題 4\nAgain.\n", encoding="utf-8")
    books = [write_notebook(notes.parent, "01_train_cnn"), write_notebook(notes.parent, "04_maps", ("remark", "Cell"))]
    found = read_remarks("faces", books)
    assert [text for text, _ in found["1"]] == ["Slow."]
    assert [text for text, _ in found["4"]] == ["The *mouth*.", "Again.", "Cell"]


def test_prose_that_is_not_tagged_is_no_remark(notes: Path) -> None:
    assert read_remarks("faces", [write_notebook(notes.parent, "01_train_cnn", ("prose", "Text"))]) == {"1": []}


@pytest.mark.parametrize(
    ("text", "said"), [("Hello", "begins with no question"), ("# 9\nx", "question 9; there are 1")]
)
def test_a_remark_without_its_question_is_refused(notes: Path, text: str, said: str) -> None:
    notes.write_text(text)
    with pytest.raises(RemarkError, match=said):
        read_remarks("faces", [write_notebook(notes.parent, "01_train_cnn")])


def test_markdown_becomes_blocks_and_markup_of_other_kinds_stays_text(tmp_path: Path) -> None:
    text = "It is **{cnn.test_accuracy:.0%}** <b>#x</b> $y$.\n\n- one\n\n```\n{code}\n```"
    paragraph, item, code = set_remarks([(text, tmp_path / "n.md")], NUMBERS, tmp_path)
    assert paragraph["kind"] == "paragraph"
    assert [(span["text"], span["style"]) for span in paragraph["spans"][:2]] == [("It is ", ""), ("81%", "strong")]
    assert "".join(span["text"] for span in paragraph["spans"]) == "It is 81% <b>#x</b> $y$."
    assert item == {"kind": "item", "spans": [{"text": "one", "style": ""}]}
    assert code == {"kind": "code", "spans": [{"text": "{code}", "style": "code"}]}


def test_a_picture_is_copied_into_the_run_and_a_changed_one_makes_the_report_stale(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "map.png")
    given = {"4": [("![A map](map.png)", tmp_path / "n.md")]}
    (block,) = set_remarks(given["4"], NUMBERS, tmp_path / "run")
    assert (tmp_path / "run" / block["file"].strip("/")).read_bytes() == (tmp_path / "map.png").read_bytes()
    before = remarks_digest(given)
    Image.new("L", (9, 8)).save(tmp_path / "map.png")
    assert remarks_digest(given) != before
    assert before.startswith("sha256:")  # by which a line that says why leaves it out


def test_a_picture_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RemarkError, match=r"n\.md shows the picture \.\./map\.png"):
        set_remarks([("![A map](../map.png)", tmp_path / "n.md")], NUMBERS, tmp_path)
