"""The commands by name, through make and without it."""

import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from helpers import __main__ as commands
from helpers.base.files import ROOT, write_json
from helpers.base.legal import GIVEN
from helpers.base.runs import BUILD_VARIABLE, DEFAULTS, follow_lab
from helpers.build.report import report
from helpers.data.datasets import identify
from helpers.data.options import FITS
from helpers.networks.precision import CHOICES
from helpers.report.handin import DETAILS


def make(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", "--dry-run", *words], cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("QESTION=3", "There is no QESTION; did you mean QUESTIONS"),
        ("RECIP=tiny", "mean RECIPE?"),
        ("SED=1", "did you mean SEED or"),
        ("seed=1", "did you mean SEED or"),
        ("RUNS=mine", "`report` takes no RUNS; did you mean RUN?"),
        ("NETWORKS=x.py", "`report` takes no NETWORKS; did you mean NETWORK or"),
        ("IMAGES=3", "`report` takes no IMAGES; did you mean IMAGE_SIZE?"),
        ("THREADS=4", "`report` takes no THREADS; it takes DATASET, "),
    ],
)
def test_make_refuses_a_variable_that_it_does_not_know(word: str, told: str) -> None:
    made = make("report", word)
    assert made.returncode == 2 and told in made.stderr and made.stdout == ""
    assert make("report", "RECIPE=tiny", "FIT=pad").returncode == 0
    assert make("look", "clean", "RUN=mine").returncode == 0


def test_make_has_every_word_and_hands_every_name_on() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    words = re.search(r"^words := (.*)$", text, re.MULTILINE)
    assert words and {*words[1].split()} == {word for word, it in commands.WORDS.items() if it.get("make", True)}
    names = [name for name in commands.OPTIONS if not commands.refusal(name, words[1].split())]
    recipes = make(*words[1].split(), *(f"{name}=1" for name in names)).stdout.splitlines()
    recipes = [line for line in recipes if "-m helpers" in line]
    for word, recipe in zip(words[1].split(), recipes, strict=True):
        assert f"-m helpers make {word} " in recipe and all(f'{name}="${name}"' in recipe for name in names)


def test_make_passes_on_what_was_typed(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!{sys.executable}\nimport sys\nprint('' if 'names' in sys.argv else sys.argv[1:])\n")
    python.chmod(0o755)
    for name in ("requirements.txt", "pyproject.toml", ".venv/.ready"):
        (tmp_path / name).touch()
    words = ["make", "--silent", "runs", 'AUTHOR=O\'Neil "Ann" a b', "PYTHON=python3"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment |= {"FILE": "mine", "SEED": "3"}  # which Python passes over
    told = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert told.stdout == f"{['-m', 'helpers', 'make', 'runs', words[3]]}\n"


@pytest.mark.parametrize("by", [["report"], ["make", "report"]])
def test_what_the_environment_holds_under_these_names_is_passed_over_in_one_line(
    by: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cli: Callable[..., int]
) -> None:
    seen: list[tuple[object, ...]] = []
    names = ("SEED", "PRECISION", "GROUP", "REPORTS", "FIT")
    monkeypatch.setattr("helpers.build.report.report", lambda seed=0: seen.append((seed, *map(os.environ.get, names))))
    held = {"SEED": "3", "LANGUAGE": "de:en", "GROUP": "staff", "RUNS": "9", "REPORTS": "x", "PRECISION": "bfloat16"}
    for name, value in {**held, "FIT": "pad", GIVEN: "FIT"}.items():
        monkeypatch.setenv(name, value)
    cli(*by, "PRECISION=float32")
    assert seen == [(0, None, "float32", None, "x", "pad")]
    told = (
        "SEED=3, GROUP=staff in the environment are passed over; give it behind the word, as in `make report SEED=3`."
    )
    assert capsys.readouterr().err == f"{told}\n"


def test_every_word_takes_what_its_function_takes() -> None:
    for word, it in commands.WORDS.items():
        assert {*it.get("takes", ()), *it.get("sets", ())} <= {*commands.OPTIONS}, word
        if "calls" in it:
            module, name = it["calls"].split(":")
            parameters = inspect.signature(getattr(import_module(module), name)).parameters
            own = {"notebook"} if word == "lab" else set()
            assert {*parameters} - own == {name.lower() for name in it["takes"]} - {"reports"}, word


def test_the_legal_values_are_those_of_the_code_that_reads_them() -> None:
    assert {*commands.LEGAL} <= {*commands.SHARED}
    found = {name: tuple(commands.LEGAL[name]) for name in ("PRECISION", "DETAIL", "FIT")}
    assert found == {"PRECISION": CHOICES, "DETAIL": DETAILS, "FIT": FITS}


def test_every_option_is_described_once() -> None:
    told = commands.help_text([*commands.WORDS])
    assert {name: len(re.findall(rf"^ +{name}=", told, re.MULTILINE)) for name in commands.OPTIONS} == dict.fromkeys(
        commands.OPTIONS, 1
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["reprot"], "There is no reprot; did you mean report?"),
        (["report", "QESTION=3"], "There is no QESTION"),
        (["data", "DATASETS=faces"], "There is no DATASETS; did you mean DATASET?"),
        (["bench", "SET=1"], "`bench` takes no SET; it takes none of its own."),
        (["runs", "SEED=1"], "`runs` takes no SEED; it takes REPORTS."),
        (["report", "THREADS=1"], "`report` takes no THREADS; it takes DATASET, RECIPE"),
        (["report", "faces"], "'faces' sets nothing; write NAME=VALUE"),
        (["train", "KERAS_BACKEND=torch"], "There is no KERAS_BACKEND=torch; there are tensorflow, jax."),
        (["report", "TENSORBOARD=maybe"], "There is no TENSORBOARD=maybe; there are 0, 1."),
        (["runs", "FIT=sideways"], "There is no FIT=sideways; there are crop, pad, stretch."),
        (["runs", "PRECISION=float33"], "There is no PRECISION=float33; did you mean float32"),
    ],
)
def test_a_wrong_word_is_one_sentence(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(words) == 2
    message = capsys.readouterr().err
    assert told in message and message.count("\n") == 1


def test_values_become_options_and_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECISION", "auto")
    words = ["DATASET=a b=c.zip", "IMAGE_SIZE=96", "PRECISION=float32", "JOBS="]
    given = commands.read_words("report", words)
    assert given == {"DATASET": "a b=c.zip", "IMAGE_SIZE": "96"}
    assert dict(commands.typed(report, given)) == {"dataset": "a b=c.zip", "image_size": 96}
    assert os.environ["PRECISION"] == "float32"


def test_a_wrong_value_comes_back_from_the_command_itself() -> None:
    words = [sys.executable, "-m", "helpers", "report", "RECIPE=slow"]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2 and "there are quick, full" in ended.stderr


def keep_starts(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Keep the programs that are started in a list, in place of starting them."""
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, words: started.append(words))
    monkeypatch.setattr(os, "environ", os.environ.copy())
    return started


def test_notebooks_follow_the_run_that_lab_is_opened_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert keep_starts(monkeypatch) == []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "mine.py").touch()
    commands.main(["lab", "DATASET=photos", "RECIPE=tiny", "SEED=0", "NETWORK=mine.py"])
    assert os.environ["NETWORK"] == str(tmp_path / "mine.py")
    default = dict(DEFAULTS)
    photos = str(tmp_path / "photos")
    assert follow_lab(default) == {**default, "DATASET": photos, "RECIPE": "tiny"}
    assert f"DATASET={photos}, RECIPE=tiny" in capsys.readouterr().out
    assert follow_lab({**default, "RECIPE": "cpu"})["RECIPE"] == "cpu"
    monkeypatch.setenv(BUILD_VARIABLE, "reports/faces")
    assert follow_lab(default) == default


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("RECIPE=tinny", "did you mean tiny"),
        ("DATASET=face", "did you mean faces"),
        ("SEED=x", "no whole number"),
        ("SEED=4294967296", "SEED=4294967296 is no whole number from 0 to 4,000,000,000; choose one"),
    ],
)
def test_lab_does_not_open_on_what_there_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], word: str, said: str
) -> None:
    started = keep_starts(monkeypatch)
    assert commands.main(["lab", word]) == 2
    assert said in capsys.readouterr().err and not started


def test_lab_opens_a_run_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    started = keep_starts(monkeypatch)
    record = {"source": "faces", "recipe": "tiny", "seed": 4, "image_size": 0, "environment": {"BALANCE": "1"}}
    write_json(tmp_path / "mine" / "run.json", {**record, "fingerprint": identify("faces").fingerprint})
    for words, told in ((["RUN=other"], "There is no run other"), (["RUN=mine", "SEED=1"], "leave DATASET, RECIPE")):
        assert commands.main(["lab", f"REPORTS={tmp_path}", *words]) == 2
        assert told in capsys.readouterr().err and not started
    commands.main(["lab", f"REPORTS={tmp_path}", "RUN=mine"])
    assert follow_lab(dict(DEFAULTS)) == {**DEFAULTS, "RECIPE": "tiny", "SEED": 4}
    assert len(started) == 1 and [os.environ[name] for name in ("RUN", "BALANCE")] == ["mine", "1"]


def test_lab_as_root_listens_to_this_machine_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = keep_starts(monkeypatch)
    for user in (0, 1000):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        monkeypatch.setenv("PYTHONPATH", "")
        commands.main(["lab"])
    assert {"--allow-root", "--ServerApp.ip=127.0.0.1"} <= {*started[0]} and "--allow-root" not in started[1]
    assert capsys.readouterr().out.count("\n") == 1


def test_explore_opens_the_live_notebook_on_the_run_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    started = keep_starts(monkeypatch)
    commands.main(["explore", "RECIPE=tiny"])
    assert any(word.endswith("/explore.ipynb") for word in started[0]) and os.environ["LAB_RECIPE"] == "tiny"
