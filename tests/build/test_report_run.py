"""A whole report, from nothing to the PDF, with as little training as possible."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import kill_report
import numpy as np
import pytest
from kill_report import Difference, Project, check, disturb
from PIL import Image
from pypdf import PdfReader

from helpers.answers import render_block
from helpers.base import words
from helpers.base.files import ROOT, cache_folder
from helpers.base.notebook import find_notebooks

NAMES = [*find_notebooks(ROOT / "notebooks")]
REQUIRED_NUMBERS = {
    "01_train_cnn": (
        "cnn.parameters",
        "cnn.test_accuracy",
        "cnn.validation_accuracy",
        "ensemble.test_accuracy",
    ),
    "02_compare_dnn": ("dnn.parameters", "dnn.test_accuracy"),
    "03_confusion_matrix": ("most_confused",),
}


def make_report(reports: Path, dataset: str) -> subprocess.CompletedProcess[str]:
    """Run the driver as `make report` does."""
    command = [sys.executable, "-m", "helpers", "report", f"DATASET={dataset}", "RECIPE=tiny"]
    return subprocess.run(
        [*command, f"REPORTS={reports}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
    )


def is_blank(image: Image.Image, least: float = 0.005) -> bool:
    """Say whether fewer than this share of an image's pixels differ from its most common grey."""
    grey = np.asarray(image.convert("L")).ravel()
    return bool((grey != np.bincount(grey).argmax()).mean() < least)


def test_an_empty_picture_counts_as_blank_and_a_thin_line_does_not() -> None:
    pixels = np.full((300, 400), 255, np.uint8)
    assert is_blank(Image.fromarray(pixels))
    pixels[150:153, :] = 0
    assert not is_blank(Image.fromarray(pixels))


def plain(text: str) -> str:
    """Reduce a text to its letters and digits, so that line breaks and hyphens do not matter."""
    return re.sub(r"\W+|_", "", text).lower()


def summary_sentences(answer: dict) -> int:
    """Count the sentences that answer the question as it was asked, without what is wrong with a network."""
    said = [block for block in answer["blocks"] if "summary" in block and not block["key"].startswith("faults.")]
    text = " ".join(map(render_block, said))
    return len(re.findall(r"[.!?](?= [A-Z0-9]|$)", text))


def check_run(run: Path) -> None:
    """Check that a run's folder holds all answers, with pictures that show something, and the PDF."""
    answers = {name: json.loads((run / "answers" / f"{name}.json").read_text()) for name in NAMES}
    for name, keys in REQUIRED_NUMBERS.items():
        assert set(keys) <= answers[name]["numbers"].keys()
    assert {name: n for name, answer in answers.items() if not 3 <= (n := summary_sentences(answer)) <= 6} == {}
    figures = [block for answer in answers.values() for block in answer["blocks"] if "png" in block]
    assert len(figures) >= len(NAMES) and all((run / block["file"]).is_file() for block in figures)
    pictures = {file for answer in answers.values() for file in answer["files"] if file.endswith(".png")}
    assert {block["png"] for block in figures} <= pictures  # beside the images behind cells of a matrix
    for picture in pictures:
        assert not is_blank(Image.open(run / picture)), picture
    check_pdf(run / "report.pdf", list(answers.values()))


def check_pdf(path: Path, answers: list[dict]) -> None:
    """Check that each question begins on a page of its own, in order, under its number, title and wording."""
    pages = [plain(page.extract_text()) for page in PdfReader(path).pages]
    heads = [
        plain(f"{i} {words.text(answer['title'])} Question {words.text(answer['question'])}")
        for i, answer in enumerate(answers, 1)
    ]
    starts = [[i for i, page in enumerate(pages) if head in page] for head in heads]
    assert all(len(found) == 1 for found in starts), starts
    assert starts == sorted(starts) and len({found[0] for found in starts}) == len(answers)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    reports = tmp_path_factory.mktemp("reports with a blank")
    return reports / "faces-tiny", make_report(reports, "faces")


def test_the_report_on_the_embedded_faces_is_whole(faces) -> None:
    run, made = faces
    assert made.returncode == 0, made.stdout + made.stderr
    assert str(run / "report.pdf") in made.stdout and str(run / "report.html") in made.stdout
    assert "Test accuracy of the CNN" in made.stdout
    assert (
        len([*run.parent.glob(".kept/*/neighbours_*.npz")]) == 1
    )  # so that `make explain` need not look at all images
    check_run(run)


def test_nothing_changed_means_nothing_done(faces) -> None:
    run, _ = faces
    before = (run / "report.pdf").stat().st_mtime_ns
    again = make_report(run.parent, "faces")
    assert again.returncode == 0
    assert again.stdout.count("skipped, nothing changed") == len(NAMES) + 2  # and the PDF, and the HTML
    assert (run / "report.pdf").stat().st_mtime_ns == before


def test_its_network_is_asked_and_explained_for_a_comparison(faces) -> None:
    run, _ = faces
    command = [sys.executable, "-m", "helpers.build.many.seen", str(run), str(run.parent / "seen.npz"), "3", "5"]
    asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    seen = np.load(run.parent / "seen.npz")
    answer = json.loads((run / "answers" / "01_train_cnn.json").read_text())
    accuracy = answer["numbers"]["cnn.test_accuracy"]
    assert np.mean(seen["predicted"] == seen["labels"]) == pytest.approx(accuracy)
    assert seen["maps"].shape == (2, 48, 48) and seen["places"].tolist() == [3, 5]


def test_the_same_answers_give_the_same_bytes(faces) -> None:
    run, _ = faces
    before = (run / "report.pdf").read_bytes()
    (run / "report.pdf").unlink()
    assert make_report(run.parent, "faces").returncode == 0
    assert (run / "report.pdf").read_bytes() == before


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [("pdf", 2.0), *(pytest.param(kind, 12.0, marks=pytest.mark.slow) for kind in ("answers", "networks"))],
)
def test_a_killed_report_is_finished_by_the_next_one(faces, kind: str, seconds: float) -> None:
    project = Project("faces", faces[0].parent)
    assert disturb(project, project.content(), kills=1, seed=1, limits={kind: seconds}).total() == 1


def test_a_report_that_differs_from_the_undisturbed_one_would_be_noticed(faces) -> None:
    project = Project("faces", faces[0].parent)
    expected = project.content()
    check(project, expected)
    draft = project.run / ".01_train_cnn.1.1.draft"
    draft.touch()
    with pytest.raises(Difference, match="draft"):
        check(project, expected)
    draft.unlink()
    with pytest.raises(Difference, match=r"report\.pdf"):
        check(project, expected | {"report.pdf": "another"})


@pytest.mark.slow
def test_the_report_on_fer2013_is_whole(shared_data: Path, tmp_path: Path) -> None:
    made = make_report(tmp_path, str(shared_data / "fer2013.zip"))
    assert made.returncode == 0, made.stdout + made.stderr
    check_run(tmp_path / "fer2013-tiny")


def test_kills_keep_to_folders_of_their_own_and_say_at_the_end_what_was_not_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("CNN_REPORT_TESTS", "REPORTS", "DATA_CACHE"):
        monkeypatch.setenv(name, "")  # so that what is set below is put back
        del os.environ[name]
    monkeypatch.setattr(Project, "finish", lambda self: None)
    monkeypatch.setattr(kill_report, "accompany", lambda *_: None)
    monkeypatch.setattr(kill_report, "disturb", lambda *_: Counter(training=2))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess((), 1))  # no mount
    assert kill_report.main(["--kills", "2"]) == 0
    assert not cache_folder().is_relative_to(ROOT)
    lines = capsys.readouterr().out.splitlines()
    assert "four reports made at once, two of them of one run: all right" in lines
    assert lines[-1] == "no disk may be mounted here, so that none was full"
