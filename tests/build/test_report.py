"""The driver, on a made-up project of small notebooks that papermill really runs."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import nbformat
import psutil
import pytest
from conftest import toy_dataset

from helpers.base.files import ROOT, read_json, write_json
from helpers.base.notebook import Place, UsageError, find_notebooks
from helpers.base.runs import RECIPES, read_run
from helpers.build import plan as planning
from helpers.build import report as driver
from helpers.build import schedule, stale
from helpers.build.execute import run_notebook
from helpers.build.plan import Build, _claim, choose_questions, parse_settings
from helpers.build.report import _set, sole_build
from helpers.build.schedule import run_notebooks
from helpers.report import remarks
from helpers.report.document import Report, ReportError, headlines

pytestmark = pytest.mark.usefixtures("warm")
SAVE = """
import json, sys
from pathlib import Path
sys.path.insert(0, str(Path.cwd().parent))
from tools import {helper}
path = Path(REPORTS) / "toy" / "answers" / "{name}.json"
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps({{"numbers": {{"{name}": {helper}.VALUE + SIZE}}}}))
"""


def write_notebook(folder: Path, name: str, *cells: str, helper: str = "first", saves: bool = True) -> None:
    """Write a notebook of a title, parameters, these code cells and, last, one that saves an answer."""
    parameters = nbformat.v4.new_code_cell('REPORTS = "reports"  # where\nSIZE = 1  # size; any integer')
    parameters.metadata.tags = ["parameters"]
    last = [SAVE.format(name=name, helper=helper)] if saves else []
    code = [nbformat.v4.new_code_cell(text) for text in (*cells, *last)]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), parameters, *code])
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture
def toy(tmp_path: Path) -> Build:
    """A project of 01_a, 02_b that needs 01_a, and 03_c that needs nothing."""
    notebooks, package = tmp_path / "notebooks", tmp_path / "tools"
    notebooks.mkdir()
    package.mkdir()
    for helper in ("first", "second", "third"):
        (package / f"{helper}.py").write_text("VALUE = 1\n")
    for name, helper in {"01_a": "first", "02_b": "second", "03_c": "third"}.items():
        write_notebook(notebooks, name, helper=helper)
    return Build(
        notebooks=notebooks,
        package=package,
        places={"01_a": Place(), "02_b": Place(needs=("01_a",)), "03_c": Place()},
        run=tmp_path / "reports" / "toy",
        common={"REPORTS": str(tmp_path / "reports")},
        chosen={},
        facts={"the data": "sha256:1"},
        versions={"numpy": "1"},
        day="2025-01-31",
    )


def test_what_is_run_and_not_handed_in_is_told_and_its_remarks_wait(
    toy: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(remarks, "FOLDER", tmp_path)
    (tmp_path / "toy.md").write_text("# 2\n\nTwo.\n\n# 1\n\nOne.\n")
    chosen = change(toy, questions=("02_b",), places={name: toy.places[name] for name in ("01_a", "02_b")})
    assert driver.not_handed_in(chosen).startswith("01_a: not handed in") and not driver.not_handed_in(toy)
    assert [*driver.author_remarks(chosen)] == ["2"] and driver.author_remarks(chosen)["2"][0][0].strip() == "Two."
    (tmp_path / "toy.md").write_text("# 4\n\nFour.\n")
    with pytest.raises(remarks.RemarkError, match="question 4; there are 1, 2, 3"):
        driver.author_remarks(chosen)


def change(build: Build, **fields: object) -> Build:
    return Build(**{**build.__dict__, **fields})


def lines(capsys: pytest.CaptureFixture[str], word: str = ": ") -> list[str]:
    return sorted(line for line in capsys.readouterr().out.splitlines() if word in line)


def test_only_what_changed_runs_again_and_the_reason_is_printed(toy: Build, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_notebooks(toy, jobs=2) == []
    assert lines(capsys, "runs") == [
        f"[{i}/3] {name}: runs, {name}.json does not exist yet" for i, name in enumerate(toy.places, 1)
    ]

    assert run_notebooks(toy, jobs=2) == []
    assert lines(capsys) == [f"[{i}/3] {name}: skipped, nothing changed" for i, name in enumerate(toy.places, 1)]

    (toy.package / "first.py").write_text("VALUE = 2\n")
    assert run_notebooks(toy, jobs=1) == []
    printed = lines(capsys)
    assert "[1/3] 01_a: runs, tools/first.py changed" in printed
    assert "[2/3] 02_b: runs, the numbers of 01_a changed" in printed
    assert "[3/3] 03_c: skipped, nothing changed" in printed
    assert json.loads(toy.answer("01_a").read_text())["numbers"] == {"01_a": 3}

    assert run_notebooks(change(toy, chosen={"03_c": {"SIZE": 5}}), jobs=1) == []
    assert "[3/3] 03_c: runs, parameter SIZE is new" in lines(capsys)
    assert json.loads(toy.answer("03_c").read_text())["numbers"] == {"03_c": 6}


def test_a_failure_is_told_in_full_every_time_and_stops_only_what_needs_it(
    toy: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    write_notebook(toy.notebooks, "01_a", "fine = 1", "raise ValueError('no such layer')")
    for _ in range(2):
        (failure,) = run_notebooks(toy, jobs=1)
        assert (failure.notebook, failure.cell) == ("01_a", 4)
        assert (failure.error, failure.message) == ("ValueError", "no such layer")
        assert failure.partial.is_file() and str(failure.partial) in str(failure)
        assert "[2/3] 02_b: not run, 01_a failed" in lines(capsys)
    assert toy.answer("03_c").is_file()
    assert not toy.finished("01_a").exists() and not toy.answer("02_b").exists()

    write_notebook(toy.notebooks, "01_a")
    assert run_notebooks(toy, jobs=1) == []
    assert toy.finished("01_a").is_file() and not failure.partial.exists()


def test_a_kernel_that_dies_is_a_failure_with_its_place(toy: Build) -> None:
    write_notebook(toy.notebooks, "03_c", "import os; os._exit(1)")
    (failure,) = run_notebooks(toy, jobs=1)
    assert (failure.notebook, failure.cell, failure.error) == ("03_c", 3, "DeadKernelError")


def test_a_notebook_that_saves_nothing_is_a_failure_even_after_an_earlier_answer(toy: Build) -> None:
    assert run_notebooks(toy, jobs=2) == []
    write_notebook(toy.notebooks, "03_c", saves=False)
    for _ in range(2):
        (failure,) = run_notebooks(toy, jobs=1)
        assert "saved no answer" in failure.message


def test_only_training_progress_is_passed_on(toy: Build, capsys: pytest.CaptureFixture[str]) -> None:
    prose = "print('training images, such as flips')"
    cell = "print('training cnn: epoch 1')\nprint('chatter', end='')\nprint('!')"
    write_notebook(toy.notebooks, "03_c", f"{cell}\n{prose}")
    run_notebooks(change(toy, places={"03_c": Place()}), jobs=1)
    printed = capsys.readouterr().out
    assert "03_c: training cnn: epoch 1\n" in printed
    assert "chatter" not in printed and "flips" not in printed


def test_each_cell_is_told_as_it_begins(toy: Build) -> None:
    told: list[str] = []
    run_notebook(toy.notebook("03_c"), toy.finished("03_c"), {"REPORTS": str(toy.run.parent), "SIZE": 2}, told.append)
    assert told == [f"cell {i} of 4" for i in range(1, 5)]  # title, parameters, those given, saving


@pytest.mark.parametrize(("free", "cores", "jobs"), [(30e9, 2, 3), (6e9, 2, 2), (1e9, 8, 1), (60e9, 16, 17)])
def test_notebooks_at_a_time_follow_from_memory_and_cores_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], free: float, cores: int, jobs: int
) -> None:
    monkeypatch.setattr(schedule, "usable_cores", lambda: cores)
    assert schedule.choose_jobs(int(free)) == jobs
    said = f"Notebooks at a time: at most {jobs}, by {cores} cores and {free / 1e9:.1f} GB of free memory.\n"
    assert capsys.readouterr().out == said


def test_two_jobs_run_side_by_side(toy: Build) -> None:
    meet = """
import time
from pathlib import Path
Path("here_{me}").touch()
for _ in range(300):
    if Path("here_{other}").exists(): break
    time.sleep(0.1)
else:
    raise TimeoutError("nobody came")
"""
    write_notebook(toy.notebooks, "01_a", meet.format(me="a", other="c"))
    write_notebook(toy.notebooks, "03_c", meet.format(me="c", other="a"))
    assert run_notebooks(change(toy, places={"01_a": Place(), "03_c": Place()}), jobs=2) == []


@pytest.fixture
def typesetter(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """A stand-in for the typesetter that writes a file; gives the stamps that it was called with."""
    stamps: list[dict] = []

    def build_report(report: Report) -> None:
        stamps.append(report.stamp)
        (report.folder / "report.pdf").write_bytes(b"%PDF \xff " + str(len(stamps)).encode())

    monkeypatch.setitem(sys.modules, "helpers.report.pdf", SimpleNamespace(build_report=build_report))
    return stamps


def set_form(build: Build, form: str) -> Path:
    return _set(build, build.run / f"report.{form}", form)


def test_the_pdf_is_set_when_an_answer_or_the_stamp_changed(toy: Build, typesetter: list[dict]) -> None:
    toy = change(toy, places={"03_c": Place()})
    assert run_notebooks(toy, jobs=1) == []
    toy = change(toy, common={"SEED": 0, "RECIPE": "quick"})
    set_form(toy, "pdf")
    set_form(toy, "pdf")
    assert len(typesetter) == 1
    toy.answer("03_c").write_text('{"numbers": {}}')
    set_form(toy, "pdf")
    assert len(typesetter) == 2
    (toy.run / "report.pdf").unlink()
    set_form(toy, "pdf")
    set_form(change(toy, versions={"numpy": "2"}), "pdf")
    assert len(typesetter) == 4
    assert typesetter[0] == typesetter[1] == typesetter[2] != typesetter[3]


def test_the_html_is_set_when_an_answer_or_its_layout_changed(
    toy: Build, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build_report(report: Report) -> None:
        (report.folder / "report.html").write_text("<!doctype html>")

    monkeypatch.setitem(sys.modules, "helpers.report.html", SimpleNamespace(build_report=build_report))
    toy = change(toy, places={"03_c": Place()}, common={**toy.common, "SEED": 0, "RECIPE": "quick"})
    write_json(toy.answer("03_c"), {"numbers": {}})
    stale.write_stamp(toy.answer("03_c"), {}, day="2025-01-31")
    layout = toy.package / "report" / "html.css"
    layout.parent.mkdir(exist_ok=True)
    said = []
    for step in (
        lambda: None,
        lambda: None,
        lambda: layout.write_text("p { margin: 0 }"),
        lambda: write_json(toy.answer("03_c"), {"numbers": {"a": 1}}),
        lambda: None,
    ):
        step()
        set_form(toy, "html")
        said.append(capsys.readouterr().out.strip().removeprefix("report.html: "))
    layout_name = f"{toy.package.name}/report/html.css"
    assert said == [
        "set, report.html does not exist yet",
        "skipped, nothing changed",
        f"set, {layout_name} is new",
        "set, the answer of 03_c changed",
        "skipped, nothing changed",
    ]


def test_no_pdf_is_set_after_a_failure(toy: Build, typesetter: list[dict], capsys: pytest.CaptureFixture[str]) -> None:
    write_notebook(toy.notebooks, "03_c", "1 / 0")
    assert driver.make_report(toy, jobs=2) == 1
    assert typesetter == []
    told = capsys.readouterr().err
    assert "03_c failed in cell 3 (1 / 0): ZeroDivisionError: division by zero" in told
    assert "report.pdf was not made" in told


def test_training_images_are_looked_at_ahead_where_anything_ran_even_if_nobody_could_say_how_long(
    toy: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []
    monkeypatch.setattr(driver, "looking_at_training_images", lambda run: nullcontext(looked.append(run)))
    monkeypatch.setattr(driver, "forecast", lambda *_: None)
    monkeypatch.setattr(driver, "set_reports", lambda _: [])
    assert [driver.make_report(toy, jobs=2) for _ in range(2)] == [0, 0]
    assert looked == [toy.run]


def test_a_second_build_of_a_run_waits_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entered = Event()

    def second() -> None:
        with sole_build(tmp_path):
            entered.set()

    with sole_build(tmp_path):
        thread = Thread(target=second)
        thread.start()
        assert not entered.wait(0.5)
        assert "this one waits until it ends." in capsys.readouterr().out
    assert entered.wait(10)
    thread.join()


@pytest.fixture
def sleeping_build(toy: Build) -> Iterator[subprocess.Popen]:
    """A build in a process of its own, in the middle of a notebook that sleeps."""
    nap = "import os, time\nfrom pathlib import Path\nPath('pid').write_text(str(os.getpid()))\ntime.sleep(600)"
    write_notebook(toy.notebooks, "01_a", nap)
    text = (
        "import signal, sys; from pathlib import Path, PosixPath\n"
        "from helpers.__main__ import main; from helpers.build import report; from helpers.build.plan import Build\n"
        "from helpers.base.notebook import Place; from helpers.report.handin import HandIn\n"
        # what runs in the background is started deaf to Ctrl-C, and so would be its children
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"toy = {change(toy, places={'01_a': Place()})!r}\n"
        "report.plan = lambda *arguments: toy\n"
        "sys.exit(main(['report']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", text], cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for(lambda: (toy.notebooks / "pid").is_file() and (toy.notebooks / "pid").read_text())
    yield process
    process.kill()
    process.communicate()


def wait_for(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that has ended and is not yet collected does not."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_build_leaves_no_kernel_and_no_answer(
    toy: Build, sleeping_build: subprocess.Popen, stop: signal.Signals
) -> None:
    kernel = int((toy.notebooks / "pid").read_text())
    assert is_alive(kernel)
    os.kill(sleeping_build.pid, stop)
    _, told = sleeping_build.communicate(timeout=20)
    assert sleeping_build.returncode == 130
    assert told == "Stopped; the answers that were finished are kept.\n"
    wait_for(lambda: not is_alive(kernel), seconds=10)
    assert not toy.answer("01_a").exists() and not toy.finished("01_a").exists()


def test_a_killed_build_leaves_no_kernel_and_no_lock(toy: Build, sleeping_build: subprocess.Popen) -> None:
    kernel = int((toy.notebooks / "pid").read_text())
    draft = toy.run / f".01_a.{sleeping_build.pid}.1.draft"
    draft.touch()
    os.kill(sleeping_build.pid, signal.SIGKILL)
    sleeping_build.communicate(timeout=20)
    wait_for(lambda: not is_alive(kernel), seconds=10)
    write_notebook(toy.notebooks, "01_a")
    with sole_build(toy.run):
        assert not draft.exists()
    assert run_notebooks(change(toy, places={"01_a": Place()}), jobs=1) == []


def test_a_partial_notebook_that_cannot_be_written_is_a_failure_and_no_standstill(
    toy: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(notebook: object, path: str, **_: object) -> None:
        Path(path).write_text('{"cells": [')
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    monkeypatch.setattr("papermill.execute.write_ipynb", cut_short)
    (failure,) = run_notebooks(change(toy, places={"03_c": Place()}), jobs=1)
    assert (failure.cell, failure.error) == (0, "WriteError")
    assert failure.message.endswith(
        "03_c.partial.ipynb cannot be written: the disk is full; free some space and start again."
    )


@pytest.mark.parametrize("refused", [errno.EROFS, errno.ENOSPC])
def test_a_run_folder_that_cannot_be_made_is_one_sentence(
    toy: Build, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], refused: int, cli: Callable
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(refused, os.strerror(refused))

    monkeypatch.setattr(driver, "plan", lambda *_: toy)
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert cli("report") == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: {toy.run} cannot be written: ") and message.count("\n") == 1


def test_a_pdf_that_cannot_be_set_is_one_sentence_and_leaves_the_earlier_one(
    toy: Build,
    typesetter: list[dict],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cli: Callable,
) -> None:
    toy = change(toy, places={"03_c": Place()}, common={**toy.common, "SEED": 0, "RECIPE": "quick"})
    monkeypatch.setattr(driver, "plan", lambda *_: toy)
    monkeypatch.setattr(driver, "check_names", lambda *_: None)
    monkeypatch.setattr(driver, "run_notebooks", lambda *_: [])
    write_json(toy.answer("03_c"), {"numbers": {}})
    stale.write_stamp(toy.answer("03_c"), {}, day="2025-01-31")
    set_form(toy, "pdf")
    before = (toy.run / "report.pdf").read_bytes()

    def refuse(*_: object) -> None:
        raise ReportError("No font on this machine has the character x; install one.")

    monkeypatch.setitem(sys.modules, "helpers.report.pdf", SimpleNamespace(build_report=refuse))
    write_json(toy.answer("03_c"), {"numbers": {"a": 1}})
    stale.write_stamp(toy.answer("03_c"), {}, day="2025-02-01")
    assert cli("report") == 2
    assert capsys.readouterr().err == "error: No font on this machine has the character x; install one.\n"
    assert (toy.run / "report.pdf").read_bytes() == before


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("SIZE=5", "NOTEBOOK.NAME=VALUE"),
        ("01_a.SIZE", "NOTEBOOK.NAME=VALUE"),
        ("09_z.SIZE=5", "there are 01_a, 02_b, 03_c"),
        ("01_b.SIZE=5", "did you mean "),
        ("01_a.SIZES=5", "it has REPORTS, SIZE"),
        ("01_a.SIZE=five", "size; any integer"),
        ("01_a.REPORTS=x", "give it as REPORTS=x"),
    ],
)
def test_a_wrong_setting_names_the_legal_ones(toy: Build, word: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_settings([word], toy.notebooks, toy.places)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_settings_become_values_by_notebook(toy: Build) -> None:
    assert parse_settings(["01_a.SIZE=5", "02_b.SIZE=-2"], toy.notebooks, toy.places) == {
        "01_a": {"SIZE": 5},
        "02_b": {"SIZE": -2},
    }


def test_a_parameter_that_a_notebook_lacks_stops_the_build_before_it_starts(toy: Build) -> None:
    with pytest.raises(UsageError, match="01_a has no parameter SEED; it has REPORTS, SIZE"):
        driver.make_report(change(toy, common={**toy.common, "SEED": 0}), jobs=1)
    assert not toy.run.exists()


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("RECIPE=slow", "there are quick, full, cpu, pretrained, tiny"),
        ("SEED=-1", "at least 0"),
        ("SEED=abc", "SEED=abc is no whole number"),
        ("IMAGE_SIZE=big", "IMAGE_SIZE=big is no whole number"),
        ("IMAGE_SIZE=600", "choose 24 to 512"),
        ("SET=01_train_cnn.IMAGE_SIZE=96", "give it as IMAGE_SIZE=96"),
        ("DATASET=no/such.zip", "'faces', 'fer2013' or 'food11'"),
        ("SET=01_train_cnn.SEED='", "without its pair"),
        ("SET=05_gradient_ascent.CLASS=surprize", "did you mean surprise?"),
        ("SET=05_gradient_ascent.LAYER=10", "the convolutions 1 to 9"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_exit_code_2(
    word: str, told: str, capsys: pytest.CaptureFixture[str], cli: Callable
) -> None:
    assert cli("report", word) == 2
    message = capsys.readouterr().err
    assert told in message and message.count("\n") == 1


@pytest.mark.parametrize(
    ("recipe", "told"),
    [("quick", "05_gradient_ascent cannot take STEPS=-3"), ("tiny", "05_gradient_ascent cannot take DREAM_SHARE=2.0")],
)
def test_a_wrong_value_in_a_notebooks_own_cell_is_refused_before_anything_runs(
    recipe: str, told: str, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    edited = tmp_path / "notebooks" / "05_gradient_ascent.ipynb"
    text = edited.read_text(encoding="utf-8")
    for line, wrong in (("STEPS = 190", "STEPS = -3"), ("DREAM_SHARE = 0.1", "DREAM_SHARE = 2.0")):
        assert f'"{line} ' in text
        text = text.replace(f'"{line} ', f'"{wrong} ')
    edited.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=told):  # the tiny recipe sets STEPS itself
        driver.plan(recipe=recipe, notebooks=tmp_path / "notebooks")


def test_headlines_are_read_from_the_answers(toy: Build) -> None:
    numbers = {"cnn.parameters": 1696583, "cnn.test_accuracy": 0.9125, "other": 1}
    for name in toy.places:
        write_json(toy.answer(name), {"numbers": numbers if name == "01_a" else {}})
    told = "\n".join(line.value for line in headlines([read_json(toy.answer(name)) for name in toy.places]))
    assert "1,696,583" in told and "91.2%" in told


def test_the_driver_starts_without_the_heavy_packages() -> None:
    heavy = "{'tensorflow', 'keras', 'papermill', 'pandas', 'matplotlib', 'nbformat'}"
    text = f"import helpers.build.report, sys; print(sorted({heavy} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_recipes_are_those_of_the_training_and_set_only_what_notebooks_have() -> None:
    from helpers.base.notebook import check_names
    from helpers.training import recipes

    assert {*RECIPES} == recipes.RECIPES.keys()
    set_by_tiny = []
    for name, place in find_notebooks(ROOT / "notebooks").items():
        assert place.recipes.keys() <= {*RECIPES}
        set_by_tiny += place.recipes.get("tiny", {})
        for values in place.recipes.values():
            check_names(ROOT / "notebooks" / f"{name}.ipynb", values)
    assert set_by_tiny


def test_the_day_of_the_answers_is_today_unless_reproducible_builds_tell_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def day(epoch: str) -> str:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
        return driver.plan(recipe="tiny").day

    assert day(str(31 * 86_400 - 1)) == "1970-01-31" and day(str(31 * 86_400)) == "1970-02-01"
    before, found, after = date.today(), day(""), date.today()
    assert before.isoformat() <= found <= after.isoformat()
    for wrong in ("yesterday", "9" * 20):
        with pytest.raises(UsageError, match=f"SOURCE_DATE_EPOCH={wrong} is no time; give seconds since 1970"):
            day(wrong)


@pytest.mark.parametrize(("name", "value", "told"), [
    ("RUN", "a/b", "RUN=a/b is no name of a folder"), ("RUN", "..", "RUN=.. is no name of a folder"),
    ("RUN", "taken", "taken holds another run"), ("NETWORK", "/none/x.py", "names no file"),
    ("NETWORK", "vgg_9", "There is no architecture 'vgg_9'"), ("RECIPE", "slow", "There is no recipe slow"),
    ("SOURCE_DATE_EPOCH", "now", "SOURCE_DATE_EPOCH=now is no time"), ("SEEDS", "many", "SEEDS=many is no"),
    ("COLLABORATORS", "9:Ann", "no notebook of question 9;"),
    ("QUESTIONS", "99", "no notebook of question 99"), ("SET", "05_gradient_ascent.LAYERS=5", "LAYERS"),
])  # fmt: skip
def test_a_bad_option_is_refused_before_an_image_is_looked_at(
    name: str, value: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    write_json(tmp_path / "taken" / "run.json", {"fingerprint": "of other data", "recipe": "tiny"})
    for opens in ("look", "load_dataset"):
        monkeypatch.setattr(f"helpers.build.plan.{opens}", lambda *_, **__: pytest.fail("images are decoded"))
    assert cli("report", "RECIPE=tiny", f"REPORTS={tmp_path}", f"{name}={value}") == 2
    assert told in (said := capsys.readouterr().err) and said.count("\n") == 1


def test_the_precision_is_part_of_what_answers_are_made_from(monkeypatch: pytest.MonkeyPatch) -> None:
    def facts(precision: str) -> dict[str, str]:
        monkeypatch.setenv("PRECISION", precision)
        return dict(driver.plan(recipe="tiny").facts)

    assert facts("float32")["the precision"] == "float32"
    assert facts("bfloat16")["the precision"] == "bfloat16"
    with pytest.raises(UsageError, match=r"'half'.*auto, float32, bfloat16"):
        facts("half")


def test_a_run_knows_the_weights_that_its_network_begins_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK", "keras:MobileNetV2")
    monkeypatch.setenv("WEIGHTS", str(tmp_path / "mine.h5"))
    (tmp_path / "mine.h5").touch()
    made_with = read_run(_claim(toy_dataset(), "faces", "tiny", 0, 0, tmp_path))["environment"]
    assert made_with == {"NETWORK": "keras:MobileNetV2", "WEIGHTS": str(tmp_path / "mine.h5")}


def test_a_history_beside_a_trained_network_is_part_of_what_answers_are_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helpers.build.plan._network", lambda *_: "opened elsewhere")
    monkeypatch.setenv("NETWORK", str(tmp_path / "own.keras"))
    (tmp_path / "own.keras").touch()

    def facts(content: str | None) -> dict[str, str]:
        if content is not None:
            (tmp_path / "history.csv").write_text(content)
        return dict(driver.plan(recipe="tiny").facts)

    without, one, other = map(facts, (None, "loss,acc", "loss,accuracy"))
    name = "the network's history"
    assert name not in without and one[name] != other[name] and {*one} - {*without} == {name}


def test_a_network_that_was_tried_is_tried_again_by_other_code_or_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.py").write_text("def build():\n    pass\n")
    monkeypatch.setenv("NETWORK", str(tmp_path / "net.py"))
    monkeypatch.setenv("DATA_CACHE", str(tmp_path / "cache"))
    tried: list[object] = []
    monkeypatch.setattr(planning.opening, "check", lambda *given: tried.append(given))

    def times() -> int:
        for _ in range(2):
            planning._network("tiny", toy_dataset(), tmp_path)
        return len(tried)

    assert times() == 1
    monkeypatch.setattr(planning, "versions", lambda: {"keras": "another"})
    assert times() == 2
    monkeypatch.setattr(planning, "code_digest", lambda *_: "changed")
    assert times() == 3


def test_questions_are_chosen_in_an_order_and_what_they_need_is_run_as_well() -> None:
    places = {"01_a": Place(), "03_b": Place(), "04_c": Place(), "06_d": Place(needs=("03_b",))}
    assert choose_questions((), places) == (tuple(places), places)
    printed, run = choose_questions(("6", "4"), places)
    assert printed == ("06_d", "04_c")
    assert [*run] == ["03_b", "04_c", "06_d"]
    with pytest.raises(UsageError, match="question 5; there are 1, 3, 4, 6"):
        choose_questions(("5",), places)
