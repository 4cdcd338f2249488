"""Candidates are timed in turns, and their ratios do not depend on what slows a whole round down."""

import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import turns


def test_the_candidates_take_turns_and_every_second_round_goes_backwards() -> None:
    calls: list[str] = []
    times = turns.alternate({name: lambda name=name: calls.append(name) for name in "abc"}, rounds=2)
    assert "".join(calls) == "abc" + "abc" + "cba"
    assert list(times.columns) == ["a", "b", "c"]
    assert times.shape == (2, 3)
    assert (times >= 0).all(axis=None)


def test_a_slow_round_changes_the_median_time_but_not_the_ratio() -> None:
    times = pd.DataFrame({"plain": [2.0, 2.0, 20.0], "ours": [1.0, 1.0, 10.0]})
    assert turns.ratio(times, "ours", "plain") == 2
    slowed = times.assign(ours=[1.0, 4.0, 40.0])  # slow by itself, in most rounds
    assert turns.ratio(slowed, "ours", "plain") == 0.5


def test_the_table_gives_the_work_done_and_one_ratio_for_each_baseline_at_hand() -> None:
    times = pd.DataFrame({"plain": [2.0], "ours": [1.0]})
    lines = turns.comparison(times, work=10, unit="images", baselines=("plain", "absent")).splitlines()
    assert lines[0].split() == ["candidate", "median", "s", "spread", "s", "images/s", "x", "plain"]
    assert lines[2].split() == ["ours", "1.000", "0.000", "10.0", "2.00"]


def test_a_missing_package_is_named() -> None:
    assert turns.missing("pandas") is None
    assert turns.missing("pandas", "no_such_package") == "no_such_package not installed"


def test_a_worker_does_its_work_once_a_call_and_raises_what_that_raises(tmp_path: Path) -> None:
    made = tmp_path / "made"
    with turns.worker(partial, os.mkdir, made) as run:
        assert not made.exists()
        run()
        assert made.is_dir()
        with pytest.raises(FileExistsError):
            run()


def test_a_worker_is_a_process_of_its_own_whose_end_is_an_error() -> None:
    with turns.worker(partial, os._exit, 1) as run, pytest.raises(BrokenProcessPool):
        run()


def test_a_worker_does_not_import_the_program_that_runs(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    inside = "import os, turns\nfrom functools import partial\nprint('imported')\nif __name__ == '__main__':\n"
    inside += "    with turns.worker(partial, os.getpid) as run:\n        run()\n"
    program.write_text(inside)
    environment = {**os.environ, "PYTHONPATH": str(Path(turns.__file__).parent)}
    ran = subprocess.run([sys.executable, program], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["imported"]
