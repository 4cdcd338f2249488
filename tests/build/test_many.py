"""Many reports: every combination is made, a failure stops no other, what ran is stopped, and numbers are compared."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from helpers.base.files import ROOT
from helpers.base.notebook import UsageError
from helpers.build.many import compare, engines, study
from helpers.build.many.study import Asked, combine, read_seeds, run_study

REPORT = """
import os, sys, pathlib
words = dict(word.split("=", 1) for word in sys.argv[1:])
if words["SEED"] == "1":
    print("error: The disk is full; free some of it.")
    sys.exit(2)
run = pathlib.Path(words["REPORTS"], f"faces-seed{words['SEED']}")
(run / "answers").mkdir(parents=True, exist_ok=True)
(run / "run.json").write_text("{}")
print("threads", os.environ["OMP_NUM_THREADS"], "network", os.environ["NETWORK"])
print(run / "report.pdf")
"""


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have a script in place of `make report`, whose second seed fails; gives the folder of a study."""
    (tmp_path / "report.py").write_text(REPORT)

    def command(asked: Asked, reports: Path) -> list[str]:
        return [sys.executable, str(tmp_path / "report.py"), f"SEED={asked.seed}", f"REPORTS={reports}"]

    monkeypatch.setattr(Asked, "command", command)
    return tmp_path / "reports" / "study"


def test_seeds_are_ranges_and_single_ones() -> None:
    assert read_seeds("0-3 7,2") == [0, 1, 2, 3, 7]
    with pytest.raises(UsageError, match="SEEDS=a is no seed"):
        read_seeds("a")


def test_every_combination_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.py", "a.py", "c.txt"):
        Path(name).touch()
    asked = combine("faces", "tiny quick", "0-1", "vgg9 *.py")
    assert len(asked) == 2 * 2 * 3
    assert [each.network for each in asked[:1] + asked[1:3]] == ["vgg9", str(tmp_path / "a.py"), str(tmp_path / "b.py")]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("facs", "", "", ""), "did you mean faces"),
        (("", "tinny", "", ""), "did you mean tiny"),
        (("", "", "0-", ""), "no range"),
        (("", "", "", "none/*.py"), "No file fits"),
    ],
)
def test_what_there_is_not_is_named_before_anything_runs(values: tuple[str, str, str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        combine(*values)


def test_one_that_fails_stops_no_other_and_says_why(made_up: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = run_study([Asked("faces", "tiny", seed, "vgg9") for seed in range(3)], made_up, jobs=2)
    by_seed = {outcome.asked.seed: outcome for outcome in outcomes}
    assert [by_seed[seed].run and by_seed[seed].run.name for seed in range(3)] == ["faces-seed0", None, "faces-seed2"]
    assert "failed, error: The disk is full" in by_seed[1].sentence() and str(by_seed[1].log) in by_seed[1].sentence()
    assert "threads 1 network vgg9" in by_seed[0].log.read_text()
    assert "[3/3]" in capsys.readouterr().out


def test_one_that_takes_too_long_is_stopped_with_all_that_it_started(tmp_path: Path) -> None:
    child = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    command = [sys.executable, "-c", child + "print('begun', flush=True); time.sleep(60)"]
    before = {*psutil.Process().children(recursive=True)}
    ended = engines.run_command(command, {}, str(tmp_path), str(tmp_path / "log"), 1, limit=5)
    assert ended.code == engines.STOPPED and "limit of this study" in ended.last
    assert {*psutil.Process().children(recursive=True)} <= before


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    ended = engines.run_command([sys.executable, "-c", ""], {}, ".", str(tmp_path / "none" / "log"), 1, 9)
    assert ended.code == 2 and "is not seen here" in ended.last


def test_commands_that_run_are_stopped_together(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    ends: list[engines.Ended] = []
    run = [command, {}, str(tmp_path), str(tmp_path / "log"), 1, 60.0]
    thread = threading.Thread(target=lambda: ends.append(engines.run_command(*run)))
    thread.start()
    while not engines._children:
        time.sleep(0.05)
    engines.stop_all()
    thread.join(20)
    assert ends and ends[0].code == engines.STOPPED and ends[0].seconds < 50


def test_an_engine_that_there_is_not_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="There is no ENGINE=dsk"), engines.open_engine("dsk", 1):
        pass


def test_workers_of_dask_make_the_same(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    script = f"""
from pathlib import Path
from helpers.build.many.study import Asked, run_study
if __name__ == "__main__":
    (Path({str(tmp_path)!r}) / "report.py").write_text({REPORT!r})
    Asked.command = lambda asked, reports: [
        {sys.executable!r}, {str(tmp_path / "report.py")!r}, f"SEED={{asked.seed}}", f"REPORTS={{reports}}"]
    asked = [Asked("faces", "tiny", seed) for seed in range(3)]
    outcomes = run_study(asked, Path({str(tmp_path / "reports" / "study")!r}), "dask-local:2")
    print(sorted(outcome.run.name for outcome in outcomes if outcome.run))
"""
    (tmp_path / "run.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(tmp_path / "run.py")]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert "['faces-seed0', 'faces-seed2']" in ended.stdout, ended.stderr


def table(gap: float, noise: float, seeds: int = 6) -> pd.DataFrame:
    """Make the numbers of two networks whose accuracies differ by `gap` on average, over some seeds."""
    random = np.random.default_rng(0)
    rows = [
        {"data": "d", "recipe": "quick", "network": name, "seed": seed, "accuracy": 0.5 + shared + own}
        for seed in range(seeds)
        for shared in [random.normal(0, 0.05)]
        for name, own in (("", random.normal(0, noise)), ("b.py", gap + random.normal(0, noise)))
    ]
    return pd.DataFrame(rows)


def test_a_difference_is_paired_by_seed() -> None:
    (row,) = compare.differences(table(0.02, 0.002)).to_dict("records")
    assert row["count"] == 6 and -0.03 < row["mean"] < -0.01 and row["high"] < 0 and row["p"] < 0.01
    assert compare.over_seeds(table(0.02, 0.002))["std"].min() > 0.02  # unpaired, the seeds would drown it


def test_equal_networks_are_not_told_apart() -> None:
    (row,) = compare.differences(table(0, 0.02)).to_dict("records")
    assert row["low"] < 0 < row["high"] and row["p"] > 0.05


def test_two_seeds_are_too_few_to_compare() -> None:
    assert compare.differences(table(0.02, 0.002, seeds=2)).empty


def test_the_table_has_a_row_a_run_and_gaps_where_a_number_is_missing(tmp_path: Path) -> None:
    for seed in range(2):
        answers = tmp_path / f"faces-seed{seed}" / "answers"
        answers.mkdir(parents=True)
        (answers.parent / "run.json").write_text(json.dumps({"title": "Faces", "recipe": "quick", "seed": seed}))
        (answers / "01_train_cnn.json").write_text(json.dumps({"numbers": {"cnn": {"test_accuracy": 0.5 + seed / 10}}}))
    lines = compare.write_comparison(sorted(tmp_path.glob("faces-*")), tmp_path)
    written = pd.read_csv(tmp_path / "compare.csv")
    assert written["accuracy"].tolist() == [0.5, 0.6] and written["DNN"].isna().all()
    assert "55.0% over 2 seeds" in lines[1]


def test_a_comparison_of_what_there_is_not_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(["--runs", "a b", "--reports", str(tmp_path)]) == 2
    assert "There is no run a" in capsys.readouterr().err


def test_a_wrong_study_is_refused_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert study.main(["--jobs", "two"]) == 2
    assert "JOBS=two is no whole number" in capsys.readouterr().err
