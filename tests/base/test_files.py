import errno
import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from helpers.base.files import (
    WriteError,
    draft_path,
    read_sealed,
    read_soon,
    remove_drafts,
    write_atomically,
    write_json,
    write_sealed,
    writing,
)


def test_a_file_is_replaced_as_a_whole_and_its_folder_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "facts.json"
    write_json(path, {"name": "é"})
    write_json(path, {"name": "ü"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"name": "ü"}
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_content_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "facts"
    write_atomically(path, b"old")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[step], refuse)
    with pytest.raises(WriteError, match=r"facts cannot be written: the disk is full; free some space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "the disk is full; free some space"),
        (errno.EROFS, "its folder is read-only; make it writable"),
        (errno.EACCES, "its folder is read-only; make it writable"),
        (errno.EIO, "Input/output error; put that right"),
    ],
)
def test_a_refusal_is_one_sentence_with_the_file_and_what_to_do(code: int, told: str) -> None:
    with pytest.raises(WriteError) as caught, writing(Path("reports/faces")):
        raise OSError(code, os.strerror(code), "some/draft")
    assert str(caught.value) == f"reports/faces cannot be written: {told} and start again."


def test_what_the_system_did_not_say_passes_through() -> None:
    for error in (ValueError("no write"), TimeoutError("slow")):
        with pytest.raises(type(error)) as caught, writing(Path("x")):
            raise error
        assert caught.value is error


def test_only_the_drafts_of_writers_that_are_gone_are_removed(tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    mine, theirs = draft_path(tmp_path / "a.json"), tmp_path / "deep" / f".model.{int(gone.stdout)}.1.draft.keras"
    folder = tmp_path / f".01_train.{int(gone.stdout)}.7.draft"
    others = [tmp_path / name for name in (".lock", ".cnn.1234567.npz", "notes.draft")]
    for path in (mine, theirs, folder / "inside", *others):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    remove_drafts(tmp_path)
    assert mine.exists() and all(path.exists() for path in others)
    assert not theirs.exists() and not folder.exists()


def test_a_sealed_file_is_read_only_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "kept.npy"
    assert read_sealed(path) is None
    buffer = BytesIO()
    np.save(buffer, np.arange(5))
    write_sealed(path, buffer.getvalue())
    assert read_sealed(path) == buffer.getvalue()
    np.testing.assert_array_equal(np.load(path), np.arange(5))  # for others it is an ordinary file
    whole = path.read_bytes()
    for harmed in (whole[:-1], whole[:10], b"", whole + b"x", bytes([whole[0] ^ 1]) + whole[1:]):
        path.write_bytes(harmed)
        assert read_sealed(path) is None


def test_rows_that_are_wanted_soon_are_read_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read = tmp_path / "rows.npy", []
    np.save(path, np.random.default_rng(0).integers(0, 256, (100, 3, 5), np.uint8))
    rows = np.load(path, mmap_mode="r")[10:][20:80]

    def note(file: int, start: int, size: int, advice: int) -> None:
        assert advice == os.POSIX_FADV_WILLNEED
        read.append(os.pread(file, size, start))

    monkeypatch.setattr(os, "posix_fadvise", note)
    read_soon(rows, np.array([[7, 3], [59, 0]]))
    assert read == [rows[i].tobytes() for i in (0, 3, 7, 59)]
    path.unlink()
    for others in (rows, np.zeros((60, 3)), rows[:60] + 1):  # what is deleted can still be used
        read_soon(others, np.array([1]))
    assert len(read) == 4
