"""What there is of runs is listed, and only what nobody needs, or is named, is deleted."""

import json
from pathlib import Path

import pytest
from filelock import FileLock
from kill_report import write_images

from helpers.base.files import ROOT, write_json
from helpers.base.notebook import UsageError, find_notebooks
from helpers.base.runs import KEPT, Uses, claim, read_run
from helpers.build import runs, stale
from helpers.data.datasets import identify
from helpers.data.options import Options


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Two runs of the same data that share a network, and what a third has left behind."""
    folder = tmp_path / "reports"
    facts = {"fingerprint": "abc", "recipe": "quick", "image_size": 0, "title": "Spots", "source": "faces"}
    for seed in (0, 1):
        run = claim(folder, f"spots-{seed}", {**facts, "seed": seed})
        noted = Uses(run)
        noted.note("cnn_1.keras")
        noted.note(f"own_{seed}.npz")
        noted.begin("01_train_cnn")
    kept = folder / KEPT / "abc"
    kept.mkdir(parents=True)
    names = ["cnn_1.keras", ".cnn_1.checkpoint", ".cnn_1.keras.lock", "own_0.npz", "own_1.npz", "old_2.npz"]
    for name in [*names, ".old_2.npz.lock", ".cnn_9.checkpoint"]:
        (kept / name).write_bytes(bytes(10))
    for data in ("abc", "gone"):
        (tmp_path / "cache" / data).mkdir(parents=True)
        (tmp_path / "cache" / data / "dataset.json").write_text("{}")
    return folder


def left(reports: Path) -> set[str]:
    return {path.name for group in runs.unneeded(reports, reports.parent / "cache").values() for path in group}


def test_what_no_run_needs_is_told_from_what_one_does(reports: Path) -> None:
    nobodys = {"old_2.npz", ".old_2.npz.lock", ".cnn_9.checkpoint", "gone"}
    assert left(reports) == nobodys
    runs.clean(reports, reports.parent / "cache", "spots-1", None)
    assert left(reports) == nobodys | {"own_1.npz"} and not (reports / "spots-1").exists()


def test_what_a_notebook_asked_for_when_it_ran_before_is_forgotten(reports: Path) -> None:
    again = Uses(reports / "spots-0")
    again.begin("01_train_cnn")
    again.note("cnn_1.keras")
    (reports / "spots-0" / "uses" / "training.json").write_text("[]")
    assert "own_0.npz" in left(reports) and "cnn_1.keras" not in left(reports)


def test_networks_that_were_trained_without_a_report_are_needed_and_listed(
    reports: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Uses(reports / "spots-cpu").note("old_2.npz")  # as `make train` left it before it wrote a record
    assert left(reports) == {".cnn_9.checkpoint", "gone"}
    monkeypatch.setenv("REPORTS", str(reports))
    runs.list_runs()
    assert "spots-cpu: no run.json says what it is; what it uses is kept, 0.0 MB" in capsys.readouterr().out
    runs.clean(reports, reports.parent / "cache", "spots-cpu", None)
    assert "old_2.npz" in left(reports)


def test_without_a_terminal_nothing_is_deleted_and_on_one_each_group_is_asked_for(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, cache = {*reports.rglob("*")}, reports.parent / "cache"
    with pytest.raises(UsageError, match="without a terminal"):
        runs.clean(reports, cache, "", None)
    assert {*reports.rglob("*")} == before and ".kept/abc/old_2.npz" in capsys.readouterr().out
    runs.clean(reports, cache, "", lambda asked: "y" if "no run needs" in asked else "")
    assert left(reports) == {"gone"}  # which runs in another folder may need
    runs.clean(reports, cache, "", lambda asked: "y" if f"decoded data of no run in {reports}" in asked else "")
    assert left(reports) == set() and len(runs.find_runs(reports)) == 2 and (cache / "abc").is_dir()
    runs.clean(reports, cache, "", lambda asked: "y")
    assert runs.find_runs(reports) == []


def test_a_run_that_is_not_there_or_is_being_made_is_one_sentence(reports: Path) -> None:
    with pytest.raises(UsageError, match=r"no run 'faces' in .*; there are: spots-0, spots-1\."):
        runs.clean(reports, reports, "faces", None)
    with FileLock(reports / "spots-0" / ".lock"), pytest.raises(UsageError, match="spots-0 is being made"):
        runs.clean(reports, reports, "spots-0", None)
    assert (reports / "spots-0").is_dir()


@pytest.mark.parametrize("damaged", ["", '["cnn_1.k', "7"])
def test_where_what_a_run_needs_cannot_be_read_nothing_is_offered(reports: Path, damaged: str) -> None:
    file = reports / "spots-0" / "uses" / "01_train_cnn.json"
    file.write_text(damaged)
    with pytest.raises(UsageError, match=f"{file} is damaged, so that what spots-0 needs is not known; delete"):
        left(reports)
    runs.clean(reports, reports.parent / "cache", "spots-0", None)
    assert "own_0.npz" in left(reports) and "own_1.npz" not in left(reports)


def test_of_a_folder_without_runs_that_alone_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPORTS", str(tmp_path / "nowhere"))
    runs.list_runs()
    assert capsys.readouterr().out == f"There is no run in {tmp_path / 'nowhere'}.\n"


def test_a_run_is_described_in_one_line(
    reports: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    stamp = reports / "spots-0" / "answers" / "01_train_cnn.stamp.json"
    stamp.parent.mkdir()
    stamp.write_text(json.dumps({"day": "2025-01-31", "components": {}, "digest": ""}))
    monkeypatch.setenv("REPORTS", str(reports))
    runs.list_runs()
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.startswith("spots-0: Spots, recipe quick, seed 0, 2025-01-31, 0.0 MB, no report of it is finished")
    assert "seed 1, not finished" in second and last.startswith("kept for all of them: ")


def test_a_report_of_some_questions_is_judged_by_their_answers(reports: Path) -> None:
    answered = {"components": {"the answer of 03_confusion_matrix": "sha256:1", "the words": "sha256:2"}}
    run = reports / "spots-0"
    write_json(run / "run.json", {**read_run(run), "fingerprint": identify("faces").fingerprint})
    (run / "report.zh-Hant.stamp.json").write_text(json.dumps(answered))
    first, second = map(runs.describe, runs.find_runs(reports))
    assert "to be made again (03_confusion_matrix" in first
    assert second.endswith("no report of it is finished")


def test_data_are_looked_up_as_the_run_read_them_and_said_to_be_gone(
    reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stale, "components", lambda *given: {"the data": given[3]["the data"]})
    image = write_images(reports.parent / "spots", per_class=1)
    known = {"source": str(image), "fingerprint": identify(str(image), options=Options(fit="pad")).fingerprint}
    run = claim(reports, "padded", {"image_size": 0, "environment": {"FIT": "pad"}, **known})
    for name in find_notebooks(ROOT / "notebooks"):
        write_json(run / "answers" / f"{name}.json", {})
        stale.write_stamp(run / "answers" / f"{name}.json", {"the data": f"sha256:{known['fingerprint']}"})
    assert runs.why_old(run) == "no report of it is finished"
    write_json(run / "report.stamp.json", {"components": {}})
    assert runs.why_old(run) == "without its PDF and HTML"
    write_json(run / "run.json", {**read_run(run), "environment": {}})
    assert runs.why_old(run) == "its data changed since; a report of them as they are now is a run of its own"
    image.rename(image.with_name("elsewhere"))
    assert runs.why_old(run) == f"its data are not there ({image})"
