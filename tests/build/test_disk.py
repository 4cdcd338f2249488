"""A disk that refuses, at each write in turn: one sentence, nothing half-written, and what was there is still there.

The interpreter reports every file that it opens, makes or renames to an audit hook, and a hook may refuse. So no
list of the writes is needed: each operation is repeated with its first, second, third... write refused, until it
passes without having come so far.
"""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from helpers.answers import Answer, AnswerError, load_answer
from helpers.base.files import WriteError, locked, write_atomically
from helpers.base.keeper import Keeper
from helpers.build.many.study import Asked, run_study
from helpers.data.datasets import load_dataset
from helpers.report.document import STAMP_KEYS, Report
from helpers.report.pdf import build_report

pytestmark = pytest.mark.usefixtures("warm")

NOTEBOOK = "03_confusion_matrix"
STAMP = dict.fromkeys(STAMP_KEYS, "x") | {"versions": {"numpy": "1"}, "notes": [], "date": "2025-01-31"}


@dataclass
class Disk:
    """A folder whose n-th write is refused; n = 0 refuses none."""

    folder: Path = Path("/nowhere")
    refuse: int = 0
    code: int = errno.ENOSPC
    writes: int = 0

    def hook(self, event: str, arguments: tuple) -> None:
        """Refuse a write when its turn has come."""
        if not self.refuse or event not in ("open", "os.mkdir", "os.rename") or not self._inside(arguments[0]):
            return
        if event == "open" and not _for_writing(*arguments[1:]):
            return
        self.writes += 1
        if self.writes == self.refuse:
            raise OSError(self.code, os.strerror(self.code), str(arguments[0]))

    def _inside(self, path: object) -> bool:
        return isinstance(path, (str, bytes, os.PathLike)) and os.fsdecode(path).startswith(f"{self.folder}{os.sep}")


def _for_writing(mode: str | None, flags: int) -> bool:
    return bool(set(mode or "") & set("wax+")) or (mode is None and bool(flags & (os.O_WRONLY | os.O_RDWR)))


DISK = Disk()
sys.addaudithook(DISK.hook)  # stays for good, but idle between tests


@pytest.fixture(params=[errno.ENOSPC, errno.EROFS])
def refused(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[Callable], Iterator[WriteError]]]:
    """Gives a function that runs an operation with each of its writes refused in turn, and yields the errors."""

    def refuse_each(operation: Callable[[], object]) -> Iterator[WriteError | None]:
        for number in range(1, 100):
            DISK.folder, DISK.refuse, DISK.code, DISK.writes = tmp_path, number, request.param, 0
            try:
                operation()
                error = None
            except WriteError as caught:
                error = caught
            finally:
                DISK.refuse, reached = 0, DISK.writes >= number
            if not reached:
                return
            yield error
        raise AssertionError("an operation that writes a hundred times is none that was meant here")

    yield refuse_each
    DISK.folder = Path("/nowhere")


def drafts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if ".draft" in path.name]


def is_sentence(error: WriteError, folder: Path) -> bool:
    told = str(error)
    return told.startswith(str(folder)) and " cannot be written: " in told and told.endswith("start again.")


def write_pictures(folder: Path, count: int = 10) -> Path:
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.random.default_rng([number, len(name), ord(name[0])]).integers(0, 256, (64, 64, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def new_answer(folder: Path, height: float) -> Answer:
    answer = Answer(folder, NOTEBOOK, "Title", "Question?")
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, height])
    answer.figure("curve", figure, "A line.")
    answer.table("rates", pd.DataFrame({"recall": [height]}), "Rates.")
    answer.number("height", height)
    return answer


def test_a_file(refused: Callable, tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"old")
    errors = [*refused(lambda: write_atomically(tmp_path / "file", b"new"))]
    assert len(errors) == 2  # opening the draft, and giving it its name
    assert all(is_sentence(error, tmp_path / "file") for error in errors)
    assert (tmp_path / "file").read_bytes() == b"new" and not drafts(tmp_path)


def test_a_lock(refused: Callable, tmp_path: Path) -> None:
    def take() -> None:
        shutil.rmtree(tmp_path / "models", ignore_errors=True)
        with locked(tmp_path / "models" / ".cnn.lock"):
            pass

    errors = [error for error in refused(take) if error]  # an opening that is refused may be tried again
    assert len(errors) >= 2  # making the folder, and opening the file
    assert all(is_sentence(error, tmp_path / "models" / ".cnn.lock") for error in errors)


def test_a_kept_result(refused: Callable, tmp_path: Path) -> None:
    keeper, made = Keeper(tmp_path / "kept"), []

    def keep() -> None:
        shutil.rmtree(keeper.folder, ignore_errors=True)
        assert keeper.keep("value", 1, lambda: made.append(1) or 7) == 7

    errors = [error for error in refused(keep) if error]
    assert len(errors) >= 3  # the folder, the lock, the draft
    assert all(is_sentence(error, tmp_path / "kept") for error in errors) and not drafts(tmp_path)
    count = len(made)
    assert keeper.keep("value", 1, lambda: pytest.fail("made again")) == 7 and count  # it was kept by the last time


def test_a_study(refused: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Asked, "command", lambda *_: [shutil.which("echo"), str(tmp_path / "report.pdf")])

    def make() -> None:
        shutil.rmtree(tmp_path / "study", ignore_errors=True)
        outcomes = run_study([Asked("faces", "tiny", seed) for seed in range(3)], tmp_path / "study", jobs=1)
        failed = [outcome.error() for outcome in outcomes if not outcome.run]
        assert len(failed) <= 1 < len(outcomes)  # the others go on
        if failed:
            raise WriteError(failed[0].removeprefix("error: "))

    errors = [*refused(make)]
    assert len(errors) == 3 + 3  # two folders, of which the inner one is tried before the outer, and a log of each
    assert all(is_sentence(error, tmp_path / "study") for error in errors)


def test_the_cache(refused: Callable, tmp_path: Path) -> None:
    pictures, cache, errors = write_pictures(tmp_path.parent / f"{tmp_path.name} pictures"), tmp_path / "cache", 0
    for error in refused(lambda: load_dataset(str(pictures), cache)):
        assert not drafts(tmp_path)
        if error:  # without the notes of what files were hashed before it works as well
            errors += 1
            assert is_sentence(error, cache) and not [*cache.glob("*/images.npy")]
        assert len(load_dataset(str(pictures), cache).train.labels) == 16
        shutil.rmtree(cache)
    assert errors >= 5


def test_a_cache_that_is_there_needs_no_writing(refused: Callable, tmp_path: Path) -> None:
    pictures, cache = write_pictures(tmp_path.parent / f"{tmp_path.name} pictures"), tmp_path / "cache"
    load_dataset(str(pictures), cache)
    shutil.rmtree(cache / "known")
    assert not any(refused(lambda: load_dataset(str(pictures), cache)))


def test_an_answer(refused: Callable, tmp_path: Path) -> None:
    run, kept, lost = tmp_path / "run", 0, 0
    old, new = new_answer(run, 1.0), new_answer(run, 2.0)
    old.save()
    for error in refused(new.save):
        assert error is None or is_sentence(error, run)
        assert not drafts(tmp_path)
        try:
            kept += load_answer(run, NOTEBOOK)["numbers"]["height"] == 1.0
        except AnswerError:  # cut short between the first name and the last: not taken for an answer
            lost += 1
        old.save()
    assert kept >= 5 and lost >= 1
    assert load_answer(run, NOTEBOOK)["numbers"]["height"] == 2.0  # by the last time, with nothing refused


def test_the_pdf(refused: Callable, tmp_path: Path) -> None:
    new_answer(tmp_path, 1.0).save()
    before = build_report(Report(tmp_path, [NOTEBOOK], STAMP)).read_bytes()
    new_answer(tmp_path, 2.0).save()
    errors = []
    for error in refused(lambda: build_report(Report(tmp_path, [NOTEBOOK], STAMP))):
        errors.append(error)
        assert is_sentence(error, tmp_path / "report.pdf") and not drafts(tmp_path)
        assert (tmp_path / "report.pdf").read_bytes() == before
    assert errors
    assert (tmp_path / "report.pdf").read_bytes() != before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 200 kB; skips where none may be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path, tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "pictures", count=20)
    with pytest.raises(WriteError, match="cannot be written: the disk is full; free some space and start again"):
        load_dataset(str(pictures), small_disk / "cache")
    assert not drafts(small_disk)
    new_answer(small_disk, 1.0).save()
    before = build_report(Report(small_disk, [NOTEBOOK], STAMP)).read_bytes()
    (small_disk / "filling").write_bytes(bytes(os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize))
    with pytest.raises(WriteError, match="the disk is full"):
        new_answer(small_disk, 2.0).save()
    with pytest.raises(WriteError, match="the disk is full"):
        build_report(Report(small_disk, [NOTEBOOK], STAMP | {"title": "another"}))
    assert (small_disk / "report.pdf").read_bytes() == before
    assert load_answer(small_disk, NOTEBOOK)["numbers"]["height"] == 1.0 and not drafts(small_disk)
