"""Kill `make report` at random moments, and check that the next one ends with the numbers of an undisturbed run.

    python tests/kill_report.py --kills 50 --seed 0

Each round takes a finished report, removes a random part of it (all, some networks, some answers or the PDF), starts
the driver, kills it outright after a random time, alone or with all of its kernels, and starts it again at once.
The second start has to end well, and every answer, figure, table and the PDF have to be the same to the byte as
those of a run that nobody disturbed. Ends with exit code 1 and the first difference if not.

In some rounds a second run, which shares the networks, is made at the same time by a driver that nobody kills.
Before that, four reports are made at once, two of them of one run, which have to come out right as well, and one is
made on a disk that is full again and again.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import psutil
from folders import set_aside
from PIL import Image

from helpers.base.files import ROOT, cache_folder
from helpers.base.notebook import find_notebooks
from helpers.base.runs import KEPT as SHARED
from helpers.data.datasets import identify

KINDS = ("everything", "networks", "answers", "pdf")  # what a round removes before it starts the driver
SHARES = (0.1, 0.4, 0.3, 0.2)  # how often
NAMES = [*find_notebooks(ROOT / "notebooks")]
USES = {"cnn": NAMES, "cnn_second": ["01_train_cnn"], "dnn": ["02_compare_dnn"], "cnn_plain": ["02_compare_dnn"]}
KEPT = ("answers", "figures", "tables", "report.pdf", "report.html", "run.json")  # of a run's folder, what is compared
# Parameters that explain little, so that most of a report's time is what can be killed: starts, trainings and writing.
LITTLE = (
    "04_saliency_maps.GRADED_IMAGES=2 04_saliency_maps.SAMPLES=4 04_saliency_maps.MEAN_SAMPLES=2 "
    "05_gradient_ascent.STEPS=20 05_gradient_ascent.FILTERS=8 05_gradient_ascent.LIME_SAMPLES=50 "
    "06_lime.STUDY_IMAGES=1 06_lime.RIVAL_IMAGES=2 06_lime.SAMPLES=50 06_lime.IMAGES_PER_CLASS=2"
)
UNTRIED = "no disk may be mounted here, so that none was full"
PATIENCE = 7200  # seconds until a start that nobody kills counts as hanging


class Difference(AssertionError):
    """A report that did not recover, and how."""


@dataclass(frozen=True)
class Project:
    """A data set and the folder of the reports that are made of it."""

    dataset: str
    reports: Path
    name: str = ""  # of the run, where it is not the usual one
    settings: str = ""  # parameters of notebooks that are not as by default, as SET names them

    @property
    def run(self) -> Path:
        """The folder of the run."""
        return self.reports / (self.name or f"{identify(self.dataset).name}-tiny")

    def start(self) -> subprocess.Popen[str]:
        """Start the driver as `make report` does, with as little training as possible."""
        words = [
            "RECIPE=tiny",
            f"DATASET={self.dataset}",
            f"REPORTS={self.reports}",
            f"RUN={self.name}",
            f"SET={self.settings}",
        ]
        command = [sys.executable, "-m", "helpers", "report", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def finish(self) -> None:
        """Start the driver and wait for its end; Difference with its last words if that is no success."""
        process = self.start()
        try:
            printed, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            kill(process, alone=False)
            raise Difference(f"The next start hangs:\n{process.communicate()[0]}") from None
        if process.returncode:
            raise Difference(f"The next start failed with code {process.returncode}:\n{printed}")

    def content(self) -> dict[str, str]:
        """Digest each file that makes up the report."""
        files = [path for name in KEPT for path in [self.run / name, *(self.run / name).rglob("*")] if path.is_file()]
        return {str(path.relative_to(self.run)): sha256(path.read_bytes()).hexdigest() for path in files}


def write_images(folder: Path, per_class: int = 40, seed: int = 0) -> Path:
    """Write a folder of three classes, a faint spot at the top, in the middle or at the bottom, not all told apart."""
    random = np.random.default_rng(seed)
    for place, name in enumerate(("top", "middle", "bottom")):
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            pixels = random.integers(0, 200, (48, 48))
            pixels[16 * place : 16 * place + 16, 16:32] += random.integers(0, 16)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def remove(project: Project, kind: str, random: np.random.Generator) -> None:
    """Take a part of a finished run away, so that the next start has to make it again."""
    if kind == "everything":
        shutil.rmtree(project.run)
        shutil.rmtree(project.reports / SHARED)
        if project.dataset != "faces":
            shutil.rmtree(cache_folder() / identify(project.dataset).fingerprint, ignore_errors=True)
        return
    (project.run / "report.pdf").unlink()
    if kind == "networks":
        network = random.choice([*USES])
        for file in project.reports.glob(f"{SHARED}/*/{network}_*.keras"):
            if "_" not in file.stem.removeprefix(f"{network}_"):  # `cnn`, and not `cnn_second`
                file.unlink()
        chosen = random.choice(USES[network], 1)
    else:
        chosen = random.choice(NAMES, random.integers(1, 3), replace=False) if kind == "answers" else []
    for name in chosen:
        (project.run / "answers" / f"{name}.json").unlink()


def kill(process: subprocess.Popen[str], alone: bool) -> None:
    """Kill the driver, alone or with all that it started; Difference if a kernel outlives it."""
    descendants = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for other in [] if alone else descendants:
        other.kill()
    _, alive = psutil.wait_procs(descendants, timeout=30)
    if alive:
        raise Difference(f"{len(alive)} processes that the driver had started outlived it: {alive}")


def phase(printed: str) -> str:
    """Say from the driver's output what it was doing last."""
    lines = printed.splitlines()
    if not lines:
        return "start"
    return "PDF" if "report.pdf" in lines[-1] else "training" if "training" in lines[-1] else "notebook"


def fill_up(project: Project, expected: dict[str, str], folder: Path) -> str:
    """Make a report on a disk that is full three times, each time later; says what was seen.

    Difference unless each driver that meets a full disk says so and the last one makes the undisturbed report.
    """
    needed = sum(path.stat().st_size for path in project.reports.rglob("*") if path.is_file())
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True).returncode:
        return UNTRIED
    told = 0
    try:
        for share in (0.2, 0.5, 0.8, 3.0):
            size = f"remount,size={int(share * needed)}"
            subprocess.run(["mount", "-o", size, str(folder)], check=True, capture_output=True)
            process = replace(project, reports=folder).start()
            printed = process.communicate(timeout=PATIENCE)[0]
            full = "the disk is full" in printed
            if bool(process.returncode) != full or (share > 1 and full):
                raise Difference(f"With {share} of the disk that it needs, the driver said:\n{printed}")
            told += full
        check(replace(project, reports=folder), expected)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    if not told:
        raise Difference("The disk was never full.")
    return f"a disk that was full {told} times: all right"


def kill_once(
    project: Project, kind: str, alone: bool, seconds: float, twin: Project | None
) -> tuple[str, float] | None:
    """Start the driver and kill it after a time: in which phase, and after how long; None if it had ended before.

    twin: another run, made at the same time, which has to end well.
    """
    began = time.monotonic()
    process = project.start()
    other = twin.start() if twin else None
    try:
        return _kill_after(process, kind, alone, seconds, began)
    finally:
        if other and (other.wait(PATIENCE) or other.returncode):
            raise Difference(f"A run beside the killed one failed:\n{other.communicate()[0]}")


def _kill_after(
    process: subprocess.Popen[str], kind: str, alone: bool, seconds: float, began: float
) -> tuple[str, float] | None:
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill(process, alone)
        return phase(process.communicate()[0]), time.monotonic() - began
    if process.returncode:
        raise Difference(f"The driver failed by itself after {kind} was removed:\n{process.communicate()[0]}")
    process.communicate()
    return None


def check(project: Project, expected: dict[str, str]) -> None:
    """Check that the report is the undisturbed one and that nothing is left lying about; Difference if not."""
    found = project.content()
    differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    drafts = [str(path) for path in project.reports.rglob("*.draft*")]
    if differing or drafts:
        raise Difference(f"After the next start these files differ: {differing}; these drafts are left: {drafts}")


def accompany(project: Project, expected: dict[str, str], folder: Path) -> None:
    """Make four reports at once, two of one run and one that shares their networks, of data not decoded yet.

    Difference if one fails.

    The run is the undisturbed one in another folder, and has to come out the same; the third is of other data.
    """
    same = replace(project, reports=folder / "same")
    other = replace(project, dataset=str(write_images(folder / "others", seed=1)), reports=folder / "other")
    shutil.rmtree(cache_folder() / identify(project.dataset).fingerprint)
    twin = replace(same, name="twin")  # another run, which shares the networks
    processes = [same.start(), other.start(), same.start(), twin.start()]
    printed = [process.communicate(timeout=PATIENCE)[0] for process in processes]
    for process, text in zip(processes, printed, strict=True):
        if process.returncode:
            raise Difference(f"One of four reports made at once failed with code {process.returncode}:\n{text}")
    waited = ["this one waits until it ends" in text for text in printed]
    if waited[1] or waited[3] or waited[0] == waited[2]:
        raise Difference(f"Of two builds of one run, one has to wait for the other, and they alone: {waited}")
    check(same, expected)
    check(twin, expected)
    trained = Counter(path.name.rpartition("_")[0] for path in (folder / "same" / SHARED).glob("*/*.keras"))
    if set(trained.values()) != {1} or sum(text.count("training cnn: epoch 1 of") for text in printed) != 2:
        raise Difference(f"Of the runs that share networks, one trains each: {trained}")
    shutil.rmtree(cache_folder() / identify(other.dataset).fingerprint)


def disturb(project: Project, expected: dict[str, str], kills: int, seed: int, limits: dict[str, float]) -> Counter:
    """Kill the driver so many times, each time checking the next start; counts the phases that were hit.

    limits: for each kind, the seconds within which the moment is drawn; made shorter where the driver ends sooner.
    """
    random, hit = np.random.default_rng(seed), Counter()
    twin = replace(project, name="twin")
    while hit.total() < kills:
        kind, alone = random.choice([*limits], p=_shares(limits)), bool(random.integers(2))
        beside = kind in ("everything", "networks") and bool(random.integers(2))
        shutil.rmtree(twin.run, ignore_errors=True)
        remove(project, kind, random)
        done = kill_once(project, kind, alone, random.uniform(0, limits[kind]), twin if beside else None)
        if done is None:
            limits[kind] *= 0.8
        else:
            hit[done[0]] += 1
            began = time.monotonic()
            project.finish()
            whom = "the driver alone" if alone else "driver and kernels"
            whom += " beside another run" if beside else ""
            print(
                f"kill {hit.total()} of {kills}: {kind} to make, {whom} killed after {done[1]:.1f} s ({done[0]}), "
                f"next start ended after {time.monotonic() - began:.0f} s",
                flush=True,
            )
        for made in [project, twin] if beside else [project]:
            check(made, expected)
    return hit


def _shares(limits: dict[str, float]) -> np.ndarray:
    shares = np.array([SHARES[KINDS.index(kind)] for kind in limits])
    return shares / shares.sum()


def main(words: list[str] | None = None) -> int:
    """Make an undisturbed report, disturb it, and print what was hit; 1 if a report did not recover."""
    parser = argparse.ArgumentParser(prog="python tests/kill_report.py", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the moments and of what is removed")
    arguments = parser.parse_args(words)
    set_aside()  # what these reports take says nothing of how long others will
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(int(time.time())))  # midnight changes the date of a report
    with tempfile.TemporaryDirectory() as folder:
        images = write_images(Path(folder) / f"spots_{arguments.seed}")
        project = Project(str(images), Path(folder) / "reports", settings=LITTLE)
        try:
            began = time.monotonic()
            project.finish()
            whole = time.monotonic() - began
            print(f"undisturbed: {whole:.0f} s", flush=True)
            limits = {"everything": whole, "networks": whole / 2, "answers": whole / 3, "pdf": whole / 20}
            expected = project.content()
            accompany(project, expected, Path(folder))
            print("four reports made at once, two of them of one run: all right", flush=True)
            disk = fill_up(project, expected, Path(folder) / "small")
            print(disk, flush=True)
            hit = disturb(project, expected, arguments.kills, arguments.seed, limits)
        except Difference as difference:
            print(difference, file=sys.stderr)
            return 1
        finally:
            shutil.rmtree(cache_folder() / identify(project.dataset).fingerprint, ignore_errors=True)
    told = ", ".join(f"{count} in {name}" for name, count in hit.most_common())
    print(f"{hit.total()} kills ({told}): every next report was the undisturbed one, to the byte.")
    if disk == UNTRIED:
        print(disk)
    return 0


if __name__ == "__main__":
    sys.exit(main())
