"""Where the reports of a study are made: processes of this machine, or workers of Dask.

A command line, its environment and a shared folder cross the wire, and no model.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from helpers.base.machine import free_memory, usable_cores
from helpers.base.notebook import UsageError

REPORT_BYTES = 4_000_000_000  # that one report with one notebook at a time may take
STOPPED = 124  # the exit code of a command that was stopped, as that of `timeout`
_children: set[int] = set()  # of this process, so that they can be stopped
_stopped: set[int] = set()  # of these, those that were; psutil takes their exit codes


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, seconds, and the last lines that it printed."""

    code: int
    seconds: float
    last: str


def run_command(
    command: Sequence[str], environment: Mapping[str, str], folder: str, log: str, threads: int, limit: float
) -> Ended:
    """Run a command in a folder, all that it prints in a log; after the limit (seconds) it is stopped.

    The thread pools of TensorFlow and OpenMP are bounded where it starts, as no engine does that.
    """
    began = time.monotonic()
    if not Path(log).parent.is_dir():
        return Ended(2, 0.0, f"The folder {Path(log).parent} is not seen here; share it with this worker.")
    pools = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    own = {**dict.fromkeys(pools, str(threads)), "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    with Path(log).open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **own, **environment},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        _children.add(process.pid)
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            stop(process.pid)
            process.wait()
            stream.write(f"\nStopped after {limit:.0f} s, the limit of this study.\n")
        finally:
            _children.discard(process.pid)
            code = STOPPED if process.pid in _stopped else process.wait()
    lines = Path(log).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return Ended(code, time.monotonic() - began, "\n".join(lines[-30:]))


def stop(pid: int) -> None:
    """Stop a process as Ctrl-C does, and what it started with it, outright after ten seconds."""
    _stopped.add(pid)
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        family = [*parent.children(recursive=True), parent]
        parent.send_signal(signal.SIGTERM)
        for process in psutil.wait_procs(family, timeout=10)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def stop_all() -> None:
    """Stop all commands that this process runs."""
    stopping = [threading.Thread(target=stop, args=(pid,)) for pid in [*_children]]
    for thread in stopping:
        thread.start()
    for thread in stopping:
        thread.join()


def choose_jobs(threads: int) -> int:
    """Choose how many reports are made at a time on this machine, by cores and free memory."""
    return int(max(1, min(usable_cores() // threads, free_memory() // REPORT_BYTES)))


@contextmanager
def open_engine(engine: str, jobs: int) -> Iterator[Executor]:
    """Open what runs commands: "" for this machine, "dask-local:4" for so many workers, or a scheduler's address.

    Raises UsageError where there is no such engine, Dask is not installed, or its scheduler does not answer.
    """
    if not engine:
        with ThreadPoolExecutor(jobs) as pool:
            yield pool
        return
    address = engine if "://" in engine else ""
    count = engine.removeprefix("dask-local:")
    if not address and not count.isdecimal():
        raise UsageError(f"There is no ENGINE={engine}; leave it out, or write dask-local:4 or tcp://host:8786.")
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise UsageError(
            "ENGINE needs Dask, which is not installed; run .venv/bin/python -m pip install -e '.[cluster]'."
        ) from None
    with contextlib.ExitStack() as stack:
        if not address:
            address = stack.enter_context(LocalCluster(n_workers=int(count), threads_per_worker=1))
        try:
            client = stack.enter_context(Client(address, timeout="10s"))
        except OSError:
            raise UsageError(f"No scheduler answers at {engine}; start one with `dask scheduler`.") from None
        print(f"Dask shows its work at {client.dashboard_link}", flush=True)
        yield client.get_executor(pure=False, retries=2)
