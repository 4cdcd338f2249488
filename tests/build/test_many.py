"""Many reports: every combination is made, a failure stops no other, what ran is stopped, and numbers are compared."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from helpers import __main__ as commands
from helpers.answers import Answer, load_answer, render_block
from helpers.base import words
from helpers.base.files import ROOT
from helpers.base.notebook import UsageError
from helpers.build.many import compare, comparison, engines, progress, study
from helpers.build.many.engines import Limits
from helpers.build.many.study import Asked, combine, read_seeds, run_study
from helpers.networks.own import source
from helpers.training.pretrained import traits

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
    for text in ("a", "3-1", ","):
        with pytest.raises(UsageError, match=f"SEEDS={text} is no seed"):
            read_seeds(text)


def test_every_combination_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.py", "a.py", "c.txt"):
        Path(name).touch()
    asked = combine("faces", "tiny quick", "0-1", "vgg9 *.py")
    assert len(asked) == 2 * 2 * 3
    assert [each.network for each in asked[:1] + asked[1:3]] == ["vgg9", str(tmp_path / "a.py"), str(tmp_path / "b.py")]


def test_files_of_one_name_are_told_apart_and_named_twice_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ann/net.py", "bob/net.py", "other.py", "x/a.zip", "y/a.zip"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    asked = combine("x/a.zip y/a.zip", "tiny", "0", "*/net.py other.py ann/net.py")
    assert len(asked) == 2 * 3 and len({*map(str, asked)}) == 6
    assert str(asked[0]) == "x/a.zip, tiny, seed 0, ann/net.py"
    assert str(asked[-1]) == "y/a.zip, tiny, seed 0, other.py"
    assert [each.label for each in asked[:3]] == ["ann-net", "bob-net", ""]  # or one run would take another's place


def test_a_network_is_called_in_its_run_as_the_study_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = source.Source(tmp_path / "net.py")
    assert source.label(given, "tiny") == "net"
    monkeypatch.setenv(source.NAMED, "ann/net")
    assert source.label(given, "tiny") == "ann-net" and source.label("vgg9", "tiny") == "vgg9"


def test_what_sets_a_run_apart_is_where_its_network_lies_and_how_it_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / who / "net.py" for who in ("ann", "bob")]
    for file in files:
        file.parent.mkdir()
        file.write_text("def build(): pass\n")
    ann, bob = (traits(source.Source(file), "tiny") for file in files)
    assert ann["network"] == bob["network"] == "net" and ann["network_place"] != bob["network_place"]
    files[0].write_text("def build(): return 1\n")
    assert traits(source.Source(files[0]), "tiny") == ann and ann["precision"] == ""
    monkeypatch.setenv("PRECISION", "float32")
    assert traits("", "tiny")["precision"] == "float32"
    monkeypatch.setenv("ACCELERATE", "0")
    assert traits("", "tiny")["precision"] == "plain"


def test_reports_named_nearly_alike_have_a_log_each(tmp_path: Path) -> None:
    logs = {study._log(Asked("faces", "tiny", 0, name), tmp_path) for name in ("a-b.py", "a_b.py", "x" * 250)}
    assert len(logs) == 3 and all(len(log.name) < 250 for log in logs)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("facs", "", "", ""), "did you mean faces"),
        (("", "tinny", "", ""), "did you mean tiny"),
        (("", "", "0-", ""), "no range"),
        (("", "", "", "none/*.py"), "No file fits"),
        (("", "", "", "it's.py"), "NETWORK=it's.py holds a quotation mark"),
        (("it's", "", "", ""), "DATASET=it's holds a quotation mark"),
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


def test_what_runs_is_told_with_its_stage(
    made_up: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = made_up.parent.parent / "report.py"
    told = 'print("[4/7] 04_saliency_maps: runs", flush=True); print("about 3 minutes left", flush=True)'
    script.write_text(f"{told}; import time; time.sleep(0.5)\n{REPORT}")
    monkeypatch.setattr(progress, "_OFTEN", 0.1)
    monkeypatch.setattr(study, "_LOOK", 0.1)
    run_study([Asked("faces", "tiny", seed) for seed in (0, 2)], made_up, jobs=1)
    out = capsys.readouterr().out
    first, last = out.split("[1/2]")
    assert "faces, tiny, seed 0, 5 seconds: [4/7] 04_saliency_maps: runs" in first
    assert "faces, tiny, seed 2, 5 seconds: [4/7] 04_saliency_maps: runs" in last and "left" in last
    made_up.joinpath("logs", "left.log").write_text("[1/7] 01_train_cnn: runs")
    assert "left" not in " ".join(progress.Progress({"left": made_up / "logs" / "left.log"}).running())


def test_one_that_takes_too_long_is_stopped_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_GRACE", 1.0)
    child = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    command = [sys.executable, "-c", child + "print('begun', flush=True); time.sleep(60)"]
    before = {*psutil.Process().children(recursive=True)}
    ended = engines.run_command(command, {}, str(tmp_path), str(tmp_path / "log"), Limits(seconds=5))
    assert ended.code == engines.STOPPED and "more than 5 s" in ended.last
    assert {*psutil.Process().children(recursive=True)} <= before


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    ended = engines.run_command([sys.executable, "-c", ""], {}, ".", str(tmp_path / "none" / "log"), Limits())
    assert ended.code == 2 and f"{tmp_path / 'none'} is not seen by this worker" in ended.last


def test_commands_that_run_are_stopped_together(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    ends: list[engines.Ended] = []
    run = [command, {}, str(tmp_path), str(tmp_path / "log"), Limits(seconds=60)]
    thread = threading.Thread(target=lambda: ends.append(engines.run_command(*run)))
    thread.start()
    while not engines._children:
        time.sleep(0.05)
    engines.stop_all()
    thread.join(20)
    assert ends and ends[0].code == engines.STOPPED and ends[0].seconds < 50


@pytest.mark.parametrize("name", ["dsk", "dask-local:0", "4", "http://host:8786", "tcp://", "tcp://host"])
def test_an_engine_that_there_is_not_is_one_sentence(name: str) -> None:
    with pytest.raises(UsageError, match=f"There is no ENGINE={name};"), engines.open_engine(name, 1, Path()):
        pass


MADE = """
import signal, sys
from pathlib import Path
from helpers.__main__ import main
from helpers.build.many import study
if __name__ == "__main__":
    folder, engine, seeds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    study.Asked.command = lambda asked, reports: [
        sys.executable, str(folder / "report.py"), f"SEED={asked.seed}", f"REPORTS={reports}"]
    study.load_dataset = study.write_comparison = lambda *_, **__: ()
    words = [f"SEEDS=0-{seeds - 1}", "JOBS=2", f"ENGINE={engine}", f"REPORTS={folder / 'reports'}"]
    sys.exit(main(["study", *words]))
"""
SLOW = """
import os, subprocess, sys, time
from helpers.build.many.engines import _ENDING
if "SEED=0" not in sys.argv:
    if "sleep" not in sys.argv:  # starts one that ends with it, as a report's kernels do
        subprocess.Popen([*_ENDING, str(os.getpid()), sys.executable, __file__, "sleep"])
    time.sleep(1000)
"""
needs_dask = pytest.mark.skipif(find_spec("distributed") is None, reason="the extra `cluster` is not installed")
ENGINES = ["", pytest.param("dask-local:2", marks=needs_dask)]


@dataclass(frozen=True)
class OfStudy:
    """Studies of a script in place of `make report`, each a process of its own."""

    folder: Path

    def start(self, report: str, engine: str = "", seeds: int = 3) -> subprocess.Popen[str]:
        """Start a study of a report's script."""
        (self.folder / "report.py").write_text(report)
        (self.folder / "run.py").write_text(MADE)
        command = [sys.executable, str(self.folder / "run.py"), str(self.folder), engine, str(seeds)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # which a shell's background jobs do not hear
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command, text=True, env=environment, preexec_fn=heard, **pipes)

    def left(self) -> list[psutil.Process]:
        """List what runs of it: reports and what these started name its folder."""
        found = psutil.process_iter(["cmdline"])
        return [process for process in found if str(self.folder / "report.py") in (process.info["cmdline"] or ())]

    def wait(self, done: Callable[[], bool]) -> None:
        """Wait until something is so."""
        until = time.monotonic() + 120
        while not done():
            assert time.monotonic() < until
            time.sleep(0.1)


@pytest.fixture
def of_study(tmp_path: Path) -> Iterator[OfStudy]:
    """Give studies of scripts, and end what they leave."""
    yield (studies := OfStudy(tmp_path))
    for process in studies.left():
        process.kill()


@needs_dask
def test_workers_of_dask_make_the_same(of_study: OfStudy) -> None:
    process = of_study.start(REPORT, "dask-local:2")
    out, error = process.communicate(timeout=300)
    assert process.returncode == 1 and "seed 1: failed, error: The disk is full" in error
    assert "faces-seed0" in out and "faces-seed2" in out


@pytest.mark.parametrize(
    ("how", "engine"),
    [
        *((how, "") for how in (signal.SIGKILL, signal.SIGINT)),
        pytest.param(signal.SIGTERM, "", marks=pytest.mark.slow),  # which is as an interrupt to all that follows
        *(
            pytest.param(how, "dask-local:2", marks=[needs_dask, pytest.mark.slow])
            for how in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
        ),
    ],
)
def test_a_study_that_is_stopped_leaves_what_is_finished_and_no_process(
    of_study: OfStudy, engine: str, how: signal.Signals
) -> None:
    process = of_study.start(REPORT.replace("import os", SLOW + "import os"), engine)
    made = of_study.folder / "reports" / "faces-seed0" / "run.json"
    of_study.wait(lambda: made.is_file() and len(of_study.left()) >= 4)  # two reports, and what each has started
    process.send_signal(how)
    error = process.communicate(timeout=120)[1]
    of_study.wait(lambda: not of_study.left())
    assert made.is_file()
    assert (process.returncode, "Stopped; the reports" in error) == (
        (-9, False) if how == signal.SIGKILL else (130, True)
    )


WAITS = """
import os, pathlib, time
if not (marker := pathlib.Path(__file__).with_name("worker")).exists():
    marker.with_suffix(".new").write_text(str(os.getppid()))
    marker.with_suffix(".new").rename(marker)
    time.sleep(1000)
"""


@needs_dask
@pytest.mark.slow
def test_a_worker_that_is_killed_takes_its_report_with_it_which_is_made_again(of_study: OfStudy) -> None:
    process = of_study.start(WAITS + REPORT, "dask-local:1", seeds=1)
    of_study.wait((of_study.folder / "worker").is_file)
    os.kill(int((of_study.folder / "worker").read_text()), signal.SIGKILL)
    out, error = process.communicate(timeout=240)
    assert process.returncode == 0 and "faces-seed0" in out, error
    assert not of_study.left()


@needs_dask
@pytest.mark.slow
def test_a_scheduler_that_ends_in_the_middle_is_one_sentence_and_the_next_call_ends_the_study(
    of_study: OfStudy,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        engine = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def start(*words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{words[0]}", *words[1:], "--no-dashboard"]
        return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    def serve() -> list[subprocess.Popen[bytes]]:
        scheduler = start("scheduler", "--host", "127.0.0.1", "--port", engine.rpartition(":")[2])
        return [scheduler, start("worker", engine, "--nthreads", "2", "--no-nanny")]

    made = of_study.folder / "reports" / "faces-seed0" / "run.json"
    servers = serve()
    try:
        process = of_study.start(REPORT.replace("import os", SLOW + "import os"), engine)
        of_study.wait(lambda: made.is_file() and len(of_study.left()) >= 4)
        servers[0].kill()
        error = process.communicate(timeout=120)[1]
        assert process.returncode == 2 and made.is_file()
        assert error.splitlines()[-1].startswith(f"error: The scheduler {engine} ended before") and "Trace" not in error
        servers[1].kill()
        of_study.wait(lambda: not of_study.left())
        servers += serve()
        out = of_study.start(REPORT, engine).communicate(timeout=120)[0]
        assert "faces-seed0" in out and "faces-seed2" in out
    finally:
        for server in servers:
            server.kill()


def test_one_that_is_killed_or_fails_in_a_cell_is_named_with_it(made_up: Path, tmp_path: Path) -> None:
    failure = "03_confusion_matrix failed in cell 4 (faces = load()): ValueError: no"
    for code, said in [("os.kill(os.getpid(), 9)", "Killed by another"), (f"print({failure!r}); exit(1)", failure)]:
        (tmp_path / "report.py").write_text(f"import os\n{code}")
        (outcome,) = run_study([Asked("faces", "tiny", 0)], made_up, jobs=1)
        assert said in outcome.sentence() and str(outcome.log) in outcome.sentence()


def table(gap: float, noise: float, seeds: int = 6) -> pd.DataFrame:
    """Make the numbers of two networks whose accuracies differ by `gap` on average, over some seeds."""
    random = np.random.default_rng(0)
    rows = [
        {"data": "d", "recipe": "quick", "network": name, "seed": seed, "accuracy": 0.5 + shared + own}
        for seed in range(seeds)
        for shared in [random.normal(0, 0.05)]
        for name, own in (("", random.normal(0, noise)), ("b.py", gap + random.normal(0, noise)))
    ]
    return pd.DataFrame(rows).assign(run=[f"r{place}" for place in range(len(rows))])


def seen_of(frame: pd.DataFrame, images: int = 400) -> dict[str, dict[str, np.ndarray]]:
    """Make predictions of three classes that are as accurate as a table says, on the same images for all runs."""
    labels = np.arange(images) % 3
    seen = {}
    for row in frame.to_dict("records"):
        wrong = np.arange(images) >= round(images * row["accuracy"])  # networks of one accuracy err on the same images
        seen[row["run"]] = {
            **{"labels": labels, "predicted": np.where(wrong, (labels + 1) % 3, labels), "places": np.arange(3)},
            **{"confidence": np.linspace(0.5, 1, images), "images": np.zeros((3, 12, 12, 1), np.uint8)},
            **{"classes": np.array(["a", "b", "c"]), "maps": np.ones((3, 12, 12)), "method": np.array("Grad-CAM")},
        }
    return seen


def test_a_difference_is_paired_by_seed_and_by_image() -> None:
    frame = table(0.05, 0.002)
    (row,) = compare.differences(frame, seen_of(frame)).to_dict("records")
    assert row["count"] == 6 and -0.07 < row["mean"] < -0.03 and row["high"] < 0 and row["p"] < 0.01
    assert compare.over_seeds(frame)["std"].min() > 0.02  # unpaired, the seeds would drown it
    seen = seen_of(frame, images=40)  # the same shares on a tenth of the images are less certain
    (few,) = compare.differences(frame, seen).to_dict("records")
    assert few["high"] - few["low"] > row["high"] - row["low"]


def test_equal_networks_are_not_told_apart() -> None:
    frame = table(0, 0.02)
    (row,) = compare.differences(frame, seen_of(frame)).to_dict("records")
    assert row["low"] < 0 < row["high"] and row["p"] > 0.05


def test_many_networks_are_compared_with_the_best_and_corrected_for_all_pairs() -> None:
    frame = pd.concat([table(0.05, 0.01).assign(network=lambda f, i=i: f["network"] + str(i)) for i in range(4)])
    frame["run"] = [f"r{place}" for place in range(len(frame))]
    found = compare.differences(frame, seen_of(frame))
    assert len(found) == 8 - 1 and len({*found["first"], *found["second"]}) == 8
    two = frame[frame["network"].isin([found["first"][0], found["second"][0]])]
    (alone,) = compare.differences(two, seen_of(two))["p"]
    assert found["p"][0] >= min(1, 7 * alone)


def test_runs_on_other_test_images_are_not_paired() -> None:
    frame = table(0.05, 0.01)
    seen = seen_of(frame)
    seen["r0"] = {**seen["r0"], "labels": seen["r0"]["labels"][::-1]}
    assert compare.differences(frame, seen).empty


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Make folders of runs of two networks and three seeds, whose second seed has another best class."""
    made, rows = [], []
    for network, accuracy in (("a", 0.5), ("b", 0.75)):
        for seed in range(3):
            made.append(tmp_path / f"faces-{network}-seed{seed}")
            made[-1].mkdir()
            record = {"dataset": "faces", "recipe": "tiny", "network": network, "seed": seed, "fingerprint": "f" * 16}
            record["reading"] = {"class_names": ["happy", "sad"]}
            (made[-1] / "run.json").write_text(json.dumps(record))
            answer = Answer(made[-1], "01_train_cnn", "compare.title", "compare.question")
            share = accuracy + seed / 100
            numbers = {"test_accuracy": share, "test_accuracy_low": share - 0.1, "test_accuracy_high": share + 0.1}
            for key, value in numbers.items():
                answer.number(f"cnn.{key}", value)
            answer.number("regions.ratio", {"guided backprop.": {"mouth": 2.0 + seed, "ground": 0.5}})
            answer.say("The best class is {name} ({share:.0%}).", name="sad" if seed == 1 else "happy", share=share)
            answer.say("There are {images} images.", images=seed)
            answer.save()
            stamp = {"components": {"numpy": "2.0" if seed else "1.0", "the seed": str(seed)}, "day": "2026-01-01"}
            (made[-1] / "answers" / "01_train_cnn.stamp.json").write_text(json.dumps(stamp))
            rows.append({"run": made[-1].name, "accuracy": share})
    seen = seen_of(pd.DataFrame(rows))

    def see(asked: list[Path], folder: Path, places: list[int], *rest: object) -> dict:
        images = {"images": np.zeros((len(places), 12, 12, 1), np.uint8)} if places else {}
        return {run.name: {**seen[run.name], **images} for run in asked}

    monkeypatch.setattr(comparison, "see", see)
    return made


def test_a_verdict_is_a_sentence_with_its_names_and_flips_where_another_is_named(runs: list[Path]) -> None:
    found = compare.verdicts(runs[:3])
    assert sorted(found["count"]) == [1, 2, 3] and set(found["of"]) == {3}
    shown = {str(verdict): count for verdict, count in zip(found["verdict"], found["count"])}
    assert shown["The best class is sad (51%)."] == 1 and shown["There are 0 images."] == 3


def test_what_nobody_asked_for_is_told(runs: list[Path]) -> None:
    found = compare.unasked(runs, compare.collect(runs))
    assert found.to_dict("records") == [
        {"what": "numpy", "setting": "1.0", "runs": 2},
        {"what": "numpy", "setting": "2.0", "runs": 4},
    ]


def test_a_comparison_is_a_report_in_each_language_and_a_table(runs: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "study"
    reports = [{"run": run.name, "network": f"/x/{run.name.split('-')[1]}.py", "error": ""} for run in runs]
    failed = {"run": "", "dataset": "faces", "seed": 3, "error": "error: It has no build."}
    reports += [{**failed, "network": "/x/broken.py"}, {**failed, "network": "/x/broken.py", "seed": 4}]
    reports.append({**failed, "network": "/y/broken.py", "names": ["", "y/broken.py"]})
    folder.mkdir()
    (folder / comparison.OUTCOMES).write_text(json.dumps({"reports": reports}))
    lines = comparison.write_comparison(runs, folder, words.languages())
    regions = pd.read_csv(folder / "tables" / "01_regions.csv")
    mouth = regions[regions["region"] == "mouth"].iloc[0]
    assert mouth[["method", "seeds", "mean", "sd"]].tolist() == ["guided backprop.", 3, 3, 1]
    written = pd.read_csv(folder / "compare.csv")
    assert written["accuracy"].tolist() == [0.5, 0.51, 0.52, 0.75, 0.76, 0.77] and written["DNN"].isna().all()
    assert any("51.0% of the test images on average" in line for line in lines)
    assert {file.name for file in folder.glob("report*")} == {
        *("report.pdf", "report.html", "report.zh-Hant.pdf", "report.zh-Hant.html")
    }
    assert "The best class is sad" in (folder / "report.html").read_text()
    assert "只在部分亂數種子" in (folder / "report.zh-Hant.html").read_text()
    shown = {block.get("name"): block for block in load_answer(folder, comparison.NOTEBOOK)["blocks"]}
    assert {"runs", "shares", "differences", "flips0", "else", "maps0", "only0", "submissions"} <= shown.keys()
    submissions = pd.read_csv(folder / "submissions.csv")
    assert submissions["network"].tolist() == ["b.py", "a.py", "broken.py", "y/broken.py"]
    assert submissions["place"].tolist()[:2] == [1, 2]
    assert submissions["error"][2] == "faces, seed 3: error: It has no build. and 1 more"
    assert submissions["low"][0] < submissions["accuracy"][0] < submissions["high"][0]


def test_one_run_of_each_network_speaks_of_these_networks_alone(runs: list[Path], tmp_path: Path) -> None:
    lines = comparison.write_comparison([runs[0], runs[3]], tmp_path / "study")
    assert any("these two networks, a and b, of 1 seed" in line for line in lines)
    assert any("this is one run" in line for line in lines)
    assert not any("no accuracies" in line for line in lines)


OF_PAIRS = (
    "a difference that chance in images and training does not explain", "the two cannot be told apart",
    "needs more seeds", "seed, cannot be told apart",
)  # fmt: skip


@pytest.mark.parametrize(("gap", "seeds", "place"), [(0.05, 6, 0), (0.0, 6, 1), (0.1, 1, 2), (0.0, 1, 3)])
def test_that_ways_to_train_differ_is_said_only_of_several_seeds_that_say_so(
    gap: float, seeds: int, place: int
) -> None:
    frame = table(gap, 0.02 if seeds > 1 and not gap else 0.002, seeds)
    (row,) = compare.differences(frame, seen_of(frame)).to_dict("records")
    assert [one for one in OF_PAIRS if one in str(comparison._difference(row))] == [OF_PAIRS[place]]


def findings_of(runs: list[Path], folder: Path) -> str:
    """Give what a comparison says of findings, and of what else sets runs apart, with the captions of tables."""
    answer = Answer(folder, comparison.NOTEBOOK, "Title", "Question?")
    lines = [*comparison._say_verdicts(answer, runs, compare.collect(runs))]
    return " ".join([*lines, *(render_block(block) for block, _ in answer._blocks if block["kind"] == "table")])


@pytest.mark.parametrize(("seeds", "sentences", "stable"), [((0, 2), 2, True), ((1, 2), 3, False)])
def test_what_hangs_on_the_seed_and_what_else_sets_runs_apart_is_told_where_there_is_something(
    seeds: tuple[int, int], sentences: int, stable: bool, runs: list[Path], tmp_path: Path
) -> None:
    text = findings_of([runs[seed] for seed in seeds], tmp_path)
    count = sentences if stable else 1
    assert f"of {sentences} different sentences in the reports of 2 seeds, {count} stand in every report" in text
    assert ("do not build on these" in text) != stable  # the best class
    assert ("that nobody asked for" in text) == stable  # the version of numpy
    assert ("of the same data and recipe are the same" in text) != stable


def test_runs_of_which_no_two_should_be_the_same_are_not_said_to_be(runs: list[Path], tmp_path: Path) -> None:
    record = json.loads((runs[2] / "run.json").read_text()) | {"recipe": "quick"}
    (runs[2] / "run.json").write_text(json.dumps(record))
    assert "are the same" not in findings_of(runs[1:3], tmp_path)


def test_images_that_one_network_alone_gets_right_are_of_one_seed() -> None:
    rows = [("a", 1), ("b", 2), ("a", 0), ("b", 0), ("b", 1)]
    frame = pd.DataFrame([{"data": "d", "recipe": "tiny", "network": n, "seed": s, "run": f"{n}{s}"} for n, s in rows])
    assert comparison._pair(frame) == ["a1", "b1"]
    assert comparison._pair(frame[frame["run"].isin(["a1", "b2"])]) == ["a1", "b2"]
    assert comparison._pair(frame[frame["network"] == "a"]) == []


def test_runs_whose_networks_cannot_be_asked_are_told(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any("could not be asked" in line for line in comparison.write_comparison(runs[:2], tmp_path / "study"))
    monkeypatch.setattr(comparison, "see", lambda *_: {})
    (told,) = (
        line for line in comparison.write_comparison(runs[:2], tmp_path / "study") if "could not be asked" in line
    )
    assert f"{runs[0].name} and {runs[1].name}" in told and str(tmp_path / "study" / "seen") in told


def test_runs_without_an_accuracy_are_compared_by_what_they_say(runs: list[Path], tmp_path: Path) -> None:
    """As after QUESTIONS="4", where nobody asked how often the network is right."""
    for run in runs[:2]:
        answer = Answer(run, "01_train_cnn", "compare.title", "compare.question")
        answer.say("The best class is {name}.", name=run.name)
        answer.save()
    assert any("no accuracies" in line for line in comparison.write_comparison(runs[:2], tmp_path / "study"))
    shown = {block.get("name") for block in load_answer(tmp_path / "study", comparison.NOTEBOOK)["blocks"]}
    assert (tmp_path / "study" / "report.pdf").is_file() and not {"runs", "shares"} & shown


def test_every_sentence_of_comparisons_is_said_somewhere() -> None:
    code = "".join(Path(module.__file__ or "").read_text() for module in (comparison, compare))
    keys = {key for key in words.catalogue("en") if key.startswith("compare.")}
    assert {key for key in keys if key not in code and key.removesuffix("_once") not in BUILT} == set()


BUILT = {"compare.apart", "compare.together"}  # whose ends are put together in code


def test_a_comparison_of_what_there_is_not_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cli: Callable
) -> None:
    assert cli("compare", "RUNS=a b", f"REPORTS={tmp_path}") == 2
    assert "There is no run a" in capsys.readouterr().err
    assert cli("compare", "STUDY=nosuch", f"REPORTS={tmp_path}") == 2
    assert "No study nosuch has finished runs" in capsys.readouterr().err
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps({"reading": {"counts": {"test": {"x": 3, "y": 4}}}}))
    assert cli("compare", "RUNS=a a", f"REPORTS={tmp_path}") == 2
    assert "needs two runs" in capsys.readouterr().err
    assert cli("compare", "RUNS=a b", "IMAGES=test:6,7", f"REPORTS={tmp_path}") == 2
    assert "IMAGES=7: all runs have the test images 0 to 6" in capsys.readouterr().err


def run_here(code: str, folder: Path, limits: Limits, **environment: str) -> engines.Ended:
    return engines.run_command([sys.executable, "-c", code], environment, str(folder), str(folder / "log"), limits)


def test_one_that_takes_too_much_memory_is_stopped_and_what_it_maps_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_GRACE", 1.0)
    child = "import time; held = b'x' * 600_000_000; time.sleep(90)"
    greedy = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    ended = run_here(greedy, tmp_path, Limits(memory=300_000_000))
    assert ended.code == engines.STOPPED and "GB of memory, and MEMORY is 0.3" in ended.last
    (tmp_path / "large").write_bytes(b"x" * 600_000_000)
    mapping = "import mmap, time; f = open('large', 'rb'); "
    mapping += "m = mmap.mmap(f.fileno(), 0, access=1); sum(m[::4096]); time.sleep(2)"
    assert run_here(mapping, tmp_path, Limits(memory=300_000_000)).code == 0


def test_commands_side_by_side_see_a_gpu_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engines.GPUS, "3,5")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = "import os, time; print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); time.sleep(1)"
    command = [sys.executable, "-c", code]
    with ThreadPoolExecutor(3) as pool:
        run = partial(engines.run_command, command, {}, str(tmp_path), limits=Limits(gpus=1))
        ended = [one.last for one in pool.map(lambda n: run(log=str(tmp_path / f"log{n}")), range(3))]
    assert sorted(ended)[0] == "3" and sorted(ended)[-1] == "5"  # the third waits for one of both
    assert run_here("print()", tmp_path, Limits(gpus=3)).last == "error: GPU=3 are asked for, and there are 2 here."


def test_of_a_log_that_was_flooded_the_end_is_read(tmp_path: Path) -> None:
    ended = run_here("print(('spam ' * 1000 + chr(10)) * 5000); print('error: too much'); exit(1)", tmp_path, Limits())
    assert ended.last.endswith("error: too much") and len(ended.last) < 200_000
    assert (tmp_path / "log").stat().st_size > 20_000_000


def test_a_user_that_there_is_not_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "There is no user nosuch" in run_here("print()", tmp_path, Limits(), USER_OF_RUNS="nosuch").last
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    assert "Only root may" in run_here("print()", tmp_path, Limits(), USER_OF_RUNS="root").last


def test_a_file_cannot_grow_beyond_its_limit(tmp_path: Path) -> None:
    code = "import time; time.sleep(1); open('large', 'wb').write(b'x' * 3_000_000)"
    ended = run_here(code, tmp_path, Limits(file=1_000_000))
    assert ended.code == 1 and "File too large" in ended.last and (tmp_path / "large").stat().st_size <= 1_000_000


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may start another user's process")
def test_a_command_is_another_user_s_where_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (everyone_s := shutil.which("python3", path="/usr/bin")):
        pytest.skip("root's own Python is not for others")
    monkeypatch.setattr(engines, "_ENDING", [everyone_s, *engines._ENDING[1:]])
    command = ["/bin/sh", "-c", "id -un; id -G"]
    ended = engines.run_command(command, {engines.USER: "nobody"}, "/", str(tmp_path / "log"), Limits())
    assert ended.last.splitlines() == ["nobody", str(pwd.getpwnam("nobody").pw_gid)]


def test_a_study_s_file_has_the_keys_of_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('dataset = ["faces", "a b"]\nseeds = "0-2"\njobs = 2\n')
    names = commands.WORDS["study"]["takes"]
    assert commands.read_file(file, names) == {"DATASET": "faces 'a b'", "SEEDS": "0-2", "JOBS": "2"}
    file.write_text("sedes = 3")
    with pytest.raises(UsageError, match="'sedes', which there is not; did you mean seeds"):
        commands.read_file(file, names)
    file.write_text("jobs = 1.5")
    with pytest.raises(UsageError, match=r"jobs in .* is no text, number"):
        commands.read_file(file, names)


def test_the_command_line_goes_before_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cli: Callable
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('seeds = "0-2"\njobs = "many"')
    assert cli("study", f"STUDY={file}", "SEEDS=wrong", "JOBS=1", f"REPORTS={tmp_path}") == 2
    assert "SEEDS=wrong" in capsys.readouterr().err
    assert cli("study", f"STUDY={file}", f"REPORTS={tmp_path}") == 2
    assert "JOBS=many" in capsys.readouterr().err


def test_a_wrong_study_is_refused_with_a_sentence(capsys: pytest.CaptureFixture[str], cli: Callable) -> None:
    assert cli("study", "JOBS=two") == 2
    assert "JOBS=two is no whole number" in capsys.readouterr().err


def test_what_only_unix_has_is_not_imported_before_it_is_needed() -> None:
    code = "import psutil, sys; sys.modules.update(pwd=None, resource=None); import helpers.build.many.engines"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
