"""How long a build takes is told before it starts and while it runs, on a terminal in one live block."""

import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.base import timings, words
from helpers.base.files import ROOT
from helpers.base.notebook import Place
from helpers.build import forecast as foreseeing
from helpers.build import schedule as boards
from helpers.build.forecast import Forecast, count_work
from helpers.build.plan import Build
from helpers.build.schedule import Board
from helpers.data.datasets import load_dataset

NAMES = ("01_a", "02_b")


@pytest.fixture(autouse=True)
def own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timings, "_memo", lambda: tmp_path / "times.json")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still until it is set."""
    now = [0.0]
    monkeypatch.setattr(boards.time, "monotonic", lambda: now[0])
    return now


def build(folder: Path) -> Build:
    places = dict.fromkeys(NAMES, Place())
    return Build(folder, folder, places, folder / "run", {"RECIPE": "tiny"}, {}, {}, {}, "2025-01-31")


SECONDS = {"cnn": 100.0}, {"01_a": 50.0, "02_b": 50.0}
FORECAST = Forecast(*SECONDS, {"01_a": ("01_a, tiny", 10.0)}, 0.5, 8.0, 30_000_000, 66_000_000_000)


def test_what_took_so_long_takes_so_long_again() -> None:
    assert timings.expect("training", 200, usual=0.1) == pytest.approx(20)
    for seconds in (10.0, 12.0, 11.0, 900.0, 9.0):  # once, the machine was busy
        timings.note("training", 100, seconds)
    assert timings.expect("training", 200, usual=0.1) == pytest.approx(22)
    timings.note("training", 10_000, 5.0)  # other amounts count where there are no nearer ones
    assert timings.expect("training", 200, usual=0.1) == pytest.approx(22)
    timings.note("notebook", 10, 15.0)
    assert timings.expect("notebook", 20, usual=1, fixed=10) == pytest.approx(20)
    for _ in range(30):
        timings.note("training", 100, 50.0)
    assert timings.expect("training", 100, usual=0.1) == pytest.approx(50)


def test_a_memory_that_is_damaged_or_cannot_be_written_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "times.json").write_text("{")
    assert timings.expect("training", 2, usual=3) == 6
    (tmp_path / "file").touch()
    monkeypatch.setattr(timings, "_memo", lambda: tmp_path / "file" / "times.json")
    timings.note("training", 1, 1)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(2, "5 seconds"), (38, "40 seconds"), (85, "85 seconds"), (100, "2 minutes"), (47_000, "13 hours")],
)
def test_a_time_is_told_as_roughly_as_it_is_known(seconds: float, told: str) -> None:
    assert words.duration(seconds) == told


def test_before_it_starts_it_says_how_long_and_how_much_disk() -> None:
    assert FORECAST.sentence() == (
        "2 notebooks run and 1 network is trained: about 2 minutes, and about 30 MB of disk, of which 66.0 GB are free."
    )
    assert "about 4 minutes" in replace(FORECAST, setting=140.0).sentence()
    full = replace(FORECAST, free=8_400_000).sentence()
    assert "of which 8.4 MB are free. That may not do: free some space, or name another folder by REPORTS." in full


def test_the_time_left_falls_with_the_work_and_follows_the_builds_own_pace(tmp_path: Path, clock: list[float]) -> None:
    board = Board(build(tmp_path), FORECAST)
    assert board.left() == pytest.approx(108)  # 200 s one after the other, at half of it, and 8 s for the pages
    board.progress("01_a", "training cnn: epoch 3 of 6, loss 1.0")
    board.progress("02_b", "cell 3 of 4")
    clock[0] = 50.0  # as foreseen: a half of the training and a half of a notebook are 75 s, or 37.5 s at this pace
    slower = board.left()
    assert slower > 125 * 0.5 + 8
    clock[0] = 10.0
    assert board.left() < 125 * 0.5 + 8 < slower
    board.progress("01_a", "training cnn: there after 30 s")
    board.ended("01_a", 70.0, failed=False)
    board.ended("02_b", 40.0, failed=False)
    assert board.left() == 0
    assert timings.expect("01_a, tiny", 10, usual=0) == pytest.approx(40)  # without its training
    board.end()
    assert timings.expect("all at once", 110, usual=0) == pytest.approx(10)  # 30 s of training and two of 40 s


def test_elsewhere_than_on_a_terminal_the_time_left_is_told_now_and_then(
    tmp_path: Path, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    board = Board(build(tmp_path), FORECAST)
    with board.shown():
        board.tell("01_a", "runs, its code changed")
        for second in range(60):
            clock[0] = float(second)
            board.progress("01_a", f"training cnn: epoch {second + 1} of 60, loss 1.0")
            board.progress("02_b", f"cell {second + 1} of 60")
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "[1/2] 01_a: runs, its code changed"
    assert printed.count("      01_a: training cnn: epoch 60 of 60, loss 1.0") == 1
    assert len([line for line in printed if re.fullmatch(r"      about \d+ (seconds|minutes) left", line)]) == 2
    assert not any("cell" in line or "\x1b" in line for line in printed)


ON_TERMINAL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_board import FORECAST, Board, build
board = Board(build(Path(sys.argv[2])), FORECAST)
with board.shown():
    board.tell("01_a", "runs, its code changed")
    board.progress("01_a", "training cnn: epoch 3 of 6, [loss] 1.0")
    board._live and __import__("time").sleep(1.5)
    board.ended("01_a", 70.0, failed=False)
    board.tell("02_b", "skipped, nothing changed")
print("after")
"""


def test_on_a_terminal_one_block_shows_each_notebook_with_its_stage(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    environment["DATA_CACHE"] = str(tmp_path / "cache")
    command = [sys.executable, "-c", ON_TERMINAL, str(Path(__file__).parent), str(tmp_path)]
    process = subprocess.Popen(command, env=environment, stdout=theirs, stderr=subprocess.STDOUT)
    os.close(theirs)
    printed = b""
    while True:
        try:
            printed += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    assert process.wait() == 0, printed.decode()
    drawn = re.sub(r"\x1b\[(?!2K)[0-9;?]*[A-Za-z]", "", printed.decode().replace("\r", ""))
    *earlier, last = [frame for frame in drawn.split("\x1b[2K") if frame.strip()]  # drawn anew once lines are cleared
    assert any("training cnn: epoch 3 of 6, [loss] 1.0" in frame for frame in earlier)
    assert any(re.search(r"about \d+ (seconds|minutes) left", frame) for frame in earlier)
    lines = [line.strip() for line in last.split("\n") if line.strip()]
    assert lines == ["[1/2] 01_a done in 70 s", "[2/2] 02_b skipped, nothing changed", "after"]


def test_the_work_of_a_run_is_what_it_has_not_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from helpers.run import open_run  # slow, and not for the process on the terminal

    common = {"DATASET": "faces", "RECIPE": "tiny", "SEED": 0, "REPORTS": str(tmp_path), "IMAGE_SIZE": 0}
    both = ["01_train_cnn", "02_compare_dnn"]
    work = count_work(common, both)
    assert work["images"] == len(load_dataset("faces").test.labels)
    assert {"cnn", "cnn_second", "dnn", "cnn_bare"} <= work["networks"].keys()
    assert count_work(common, ["03_confusion_matrix"])["networks"].keys() == {"cnn"}  # all that it asks for
    open_run("faces", "tiny", 0, str(tmp_path)).compared("dnn")
    assert work["networks"].keys() - count_work(common, both)["networks"].keys() == {"dnn"}
    kind, amount, size = work["networks"]["dnn"]
    assert timings._known()[kind][0][0] == pytest.approx(amount)  # what was trained is what was foreseen
    assert size > 0


def test_a_forecast_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(foreseeing, "forked", lambda *_: ["false"])
    assert foreseeing.forecast(build(tmp_path), ["01_train_cnn"]) is None
    assert capsys.readouterr().out.count("could not be foreseen") == 1
