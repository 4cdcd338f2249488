"""What is told of times, and what a live notebook shows while one waits."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from helpers.base import timings, words
from helpers.base.files import ROOT
from helpers.base.runs import BUILD_VARIABLE

WAIT = """\
import time
from helpers.base import timings
timings._TICK = 0.25
for name in ("grade", "another"):
    with timings.waiting(name):
        with timings.waiting("study"):  # which is part of it
            time.sleep(0.4)
            timings.say("training cnn: epoch 3 of 6, 7 s left")
            time.sleep(0.4)
print("done")"""


class Watching(NotebookClient):
    """Runs a notebook and keeps each text that it displays."""

    def process_message(self, msg: dict, cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] in ("display_data", "update_display_data"):
            self.seen = [*getattr(self, "seen", []), msg["content"]["data"]["text/plain"]]
        return super().process_message(msg, cell, cell_index)


def run(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[Any]]:
    """Run a cell in a kernel: what was displayed meanwhile, and the outputs that a saved notebook has."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("DATA_CACHE", str(folder))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    client = Watching(notebook, timeout=120, kernel_name="python3")
    client.execute()
    return getattr(client, "seen", []), notebook.cells[0].outputs


def test_a_live_notebook_shows_what_it_waits_for_and_keeps_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, outputs = run(WAIT, tmp_path, monkeypatch)
    what = words.text("progress.what.grade")
    assert seen[0] == words.text("progress.so_far", what=what, time="5 seconds")
    assert "training cnn: epoch 3 of 6, 7 s left" in seen and seen[-1] == ""
    assert not any(words.text("progress.what.study") in text for text in seen)
    kept = [dict(one.get("data", {"text": one.get("text")})) for one in outputs]
    assert kept == [{"text/plain": ""}, {"text": "done\n"}]


def test_how_long_still_is_known_from_the_last_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_CACHE", str(tmp_path))
    quiet = WAIT.replace('            timings.say("training cnn: epoch 3 of 6, 7 s left")\n', "")
    noted = 'from helpers.base import timings\ntimings.note("kept, grade", 1.0, 20.0)\n'
    seen, _ = run(noted + quiet, tmp_path, monkeypatch)
    assert seen[0] == words.text("progress.left", what=words.text("progress.what.grade"), time="20 seconds")


@pytest.mark.parametrize("headless", ["in a report", "in a checked cell"])
def test_a_report_and_a_checked_cell_show_nothing(
    headless: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if headless == "in a report":
        monkeypatch.setenv(BUILD_VARIABLE, "reports/faces")
    seen, outputs = run(WAIT + ("\n# NBVAL_CHECK_OUTPUT" * (headless != "in a report")), tmp_path, monkeypatch)
    assert seen == []
    assert "".join(one.text for one in outputs).count("epoch 3 of 6") == 2


def test_outside_a_notebook_lines_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    timings.say("training cnn: there after 3 s")
    assert capsys.readouterr().out == "training cnn: there after 3 s\n"


def test_a_notebook_looks_at_no_more_images_than_there_are_and_at_no_more_than_it_has_time_for() -> None:
    assert timings.notebook_work({"IMAGES": 50, "RIVAL_IMAGES": 10, "SEED": 3}, images=1000, each=10) == 600
    assert timings.notebook_work({"IMAGES": 50}, images=20, each=10) == timings.notebook_work({}, 20, 10) == 200
    assert timings.notebook_work({"IMAGES": 5000}, images=10**6, each=10**9) == timings.MOST_WORK
