"""Forked copies of the nursery do what new processes would, and end with who asked for them."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.base.files import ROOT
from helpers.base.machine import forked
from helpers.build.execute import kernel_environment
from helpers.build.kernel import NURSERY
from helpers.build.nursery import nursery

TELL = "import json, os, sys; print(json.dumps([os.getcwd(), os.environ['TOLD'], 'tensorflow' in sys.modules]))"


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(NURSERY, raising=False)  # that of other tests
        with nursery(kernel_environment()):
            yield


def run(code: str, folder: Path) -> subprocess.CompletedProcess:
    """Run code by a module of the standard library that runs code, once."""
    command = forked("timeit", "-n", "1", "-r", "1", code)
    told = {**os.environ, "TOLD": "yes"}
    return subprocess.run(command, cwd=folder, env=told, capture_output=True, text=True, check=False)


def told(done: subprocess.CompletedProcess) -> list:
    return json.loads(done.stdout.splitlines()[0])


def test_a_copy_has_the_askers_folder_environment_and_streams_and_the_imports(tmp_path: Path) -> None:
    assert told(run(TELL, tmp_path)) == [str(tmp_path), "yes", True]


def test_a_copy_keeps_its_passing_files_where_the_asker_says(tmp_path: Path) -> None:
    code = "import json, tempfile; print(json.dumps(tempfile.gettempdir()))"
    done = subprocess.run(
        forked("timeit", "-n", "1", "-r", "1", code), env=os.environ | {"TMPDIR": str(tmp_path)}, capture_output=True
    )
    assert json.loads(done.stdout.splitlines()[0]) == str(tmp_path)


def test_a_nursery_that_serves_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.environ[NURSERY]
    with nursery(kernel_environment()):
        assert os.environ[NURSERY] == before
    assert os.environ[NURSERY] == before
    monkeypatch.setenv(NURSERY, "gone")
    with nursery(kernel_environment()):
        assert os.environ[NURSERY] not in (before, "gone")


def test_an_error_is_told_as_by_a_new_process(tmp_path: Path) -> None:
    assert run(TELL, tmp_path).returncode == 0
    done = run("1 / 0", tmp_path)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_without_a_nursery_or_after_a_change_of_the_code_a_new_process_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = ROOT / "helpers" / "__init__.py"
    before = code.stat()
    os.utime(code)
    try:
        assert told(run(TELL, tmp_path)) == [str(tmp_path), "yes", False]
    finally:
        os.utime(code, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert told(run(TELL, tmp_path))[2]
    monkeypatch.setenv(NURSERY, str(tmp_path / "nothing"))
    assert not told(run(TELL, tmp_path))[2]


def note_and_sleep(note: Path) -> list[str]:
    """Give the command that has a copy write down its number and sleep."""
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(1000)"
    return forked("timeit", "-n", "1", "-r", "1", code)


def wait_for(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_copy_ends_with_its_asker(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with subprocess.Popen(note_and_sleep(note)) as asker:
        wait_for(lambda: note.is_file() and note.read_text() != "")
        copy = Path("/proc") / note.read_text()
        assert copy.exists()
        asker.kill()
    wait_for(lambda: not copy.exists())


def test_a_nursery_whose_driver_was_killed_while_it_started_ends_at_once(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        command = [sys.executable, "-m", "helpers.build.nursery", str(listener.fileno()), str(gone.pid)]
        assert subprocess.run(command, pass_fds=[listener.fileno()], timeout=60, check=False).returncode == 1


def test_nursery_and_copies_end_with_a_driver_that_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = "import sys; from subprocess import run; from helpers.build.nursery import nursery\n"
    code += "from helpers.build.execute import kernel_environment as own\n"
    code += f"with nursery(own()): run({note_and_sleep(note)!r})"
    with subprocess.Popen(
        [sys.executable, "-c", code], env=kernel_environment() | {NURSERY: ""}, start_new_session=True
    ) as driver:
        wait_for(lambda: note.is_file() and note.read_text() != "")
        copy = Path("/proc") / note.read_text()
        nursed = Path("/proc") / copy.joinpath("stat").read_text().split()[3]  # its parent
        assert "helpers.build.nursery" in nursed.joinpath("cmdline").read_text()
        driver.kill()
    wait_for(lambda: not copy.exists() and not nursed.exists())


def test_without_fork_a_module_runs_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    assert forked("timeit", "-n", "1") == [sys.executable, "-m", "timeit", "-n", "1"]
