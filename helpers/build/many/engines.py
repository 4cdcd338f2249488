"""Where the reports of a study are made: processes of this machine, or workers of Dask.

A command line, its environment and a shared folder cross the wire, and no model.
"""

import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from filelock import FileLock, Timeout

from helpers.base.files import ROOT, writing
from helpers.base.machine import free_memory, usable_cores
from helpers.base.notebook import UsageError
from helpers.build import kernel

if TYPE_CHECKING:
    from pwd import struct_passwd

REPORT_BYTES = 4_000_000_000  # that one report with one notebook at a time may take
STOPPED = 124  # the exit code of a command that was stopped, as that of `timeout`
USER = "USER_OF_RUNS"  # of the environment: the user whose the processes of a study are
GPUS = "CUDA_VISIBLE_DEVICES"  # of the environment: those that a process sees
_LOOK = 0.5  # seconds between two looks at what a command has taken
_GRACE = 10.0  # seconds in which what is to stop may end by itself
_ENDING = (sys.executable, "-IS", kernel.__file__, "--command")  # what starts a command, so that none is left behind
_children: dict[int, str] = {}  # of this process, and where they log, so that they can be stopped
_stopped: dict[int, str] = {}  # of these, those that were, and why; psutil takes their exit codes


@dataclass(frozen=True)
class Limits:
    """What one command may take: threads, seconds, bytes of memory and of each file that it writes, a GPU or none.

    memory is watched, as TensorFlow reserves more than it uses; 0: no limit. asked: whether workers declare memory.
    """

    threads: int = 1
    seconds: float = 86_400
    memory: int = 0
    file: int = 0
    gpus: int = 0
    asked: bool = False

    @property
    def resources(self) -> dict[str, float]:
        """What a worker of Dask has to have declared, so that it is never given more than it has."""
        wanted = {"memory": self.memory if self.asked else 0, "GPU": self.gpus}
        return {name: amount for name, amount in wanted.items() if amount}


USUAL = Limits()


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, seconds, and the last lines that it printed."""

    code: int
    seconds: float
    last: str


def run_command(command: Sequence[str], environment: Mapping[str, str], folder: str, log: str, limits: Limits) -> Ended:
    """Run a command in a folder, all that it prints in a log; beyond a limit, or with this process, it is stopped.

    The thread pools of TensorFlow and OpenMP are bounded where it starts, and it sees the GPUs that it was given alone.
    Raises WriteError for the log.
    """
    began, user = time.monotonic(), environment.get(USER, "")
    if wrong := _unseen(Path(log).parent, Path(folder), Path(command[0])) or _no_user(user):
        return Ended(2, 0.0, f"error: {wrong}")
    pools = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    own = {**dict.fromkeys(pools, str(limits.threads)), "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    with contextlib.ExitStack() as stack:
        given = stack.enter_context(_gpus(limits.gpus))
        if len(given) < limits.gpus:
            return Ended(2, 0.0, f"error: GPU={limits.gpus} are asked for, and there are {len(given)} here.")
        own |= {GPUS: ",".join(given)} if given else {}
        with writing(Path(log)):
            stream = stack.enter_context(Path(log).open("w", encoding="utf-8"))
        process = subprocess.Popen(
            [*_ENDING, str(os.getpid()), *command], cwd=folder, env={**os.environ, **own, **environment},
            stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, user=user or None,
            group=_user(user).pw_gid if user else None, extra_groups=[] if user else None,  # none of root's own
        )  # fmt: skip
        _children[process.pid] = log
        try:
            code = _watch(process, limits, began)
        finally:
            _children.pop(process.pid)
        if why := _stopped.pop(process.pid, ""):
            code = STOPPED
            stream.write(f"\nerror: Stopped, {why}.\n")
        elif code < 0:
            stream.write(f"\nerror: Killed by another process or the system (signal {-code}); start again.\n")
    return Ended(code, time.monotonic() - began, "\n".join(last_lines(Path(log))[-30:]))


def last_lines(log: Path) -> list[str]:
    """Read the end of a log, which a submission may have filled with gigabytes."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 100_000))
        return stream.read().decode("utf-8", errors="replace").strip().splitlines()


def _user(name: str) -> "struct_passwd":
    import pwd  # not on Windows

    return pwd.getpwnam(name)


def _no_user(name: str) -> str:
    """Say why no process can be this user's; nothing where it can, or none is named."""
    with contextlib.suppress(KeyError):
        allowed = not name or (_user(name) and os.geteuid() == 0)
        return "" if allowed else f"Only root may start processes of {name}; leave {USER} out, or be root."
    return f"There is no user {name} on this machine; {USER} names one that there is."


@contextlib.contextmanager
def _gpus(count: int) -> Iterator[list[str]]:
    """Hold so many GPUs, of those that the environment names or that the machine has, until a command has ended.

    Waits while other commands hold them; gives all that there are where these are fewer.
    """
    named = os.environ.get(GPUS) or ",".join(sorted(path.name[6:] for path in Path("/dev").glob("nvidia[0-9]*")))
    known = [name for name in named.split(",") if name]
    held: dict[str, FileLock] = {}
    while len(held) < count <= len(known):
        for name in known:
            if name not in held and len(held) < count:
                with contextlib.suppress(Timeout):
                    lock = FileLock(Path(tempfile.gettempdir(), f"cnn-report-gpu-{name}.lock"))
                    held[name] = lock.acquire(timeout=0).lock
        time.sleep(_LOOK if len(held) < count else 0)
    try:
        yield [*held] if count <= len(known) else known
    finally:
        for lock in held.values():
            lock.release()


def _unseen(*paths: Path) -> str:
    """Say which of these paths this worker does not see; nothing where it sees them all."""
    said = "is not seen by this worker; share it with the worker, under this name."
    return next((f"{path} {said}" for path in paths if not path.exists()), "")


def _watch(process: subprocess.Popen, limits: Limits, began: float) -> int:
    """Wait for a command, and stop it where it takes more than it may; its exit code."""
    if limits.file and sys.platform == "linux":
        import resource

        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limits.file, limits.file))
    while True:
        try:
            return process.wait(_LOOK)
        except subprocess.TimeoutExpired:
            if time.monotonic() - began > limits.seconds:
                stop(process.pid, f"as it took more than {limits.seconds:.0f} s, the LIMIT of this study")
            elif limits.memory and (taken := _memory(process.pid)) > limits.memory:
                said = f"{taken / 1e9:.1f} GB of memory, and MEMORY is {limits.memory / 1e9:.1f}"
                stop(process.pid, f"as it took {said}")


def _memory(pid: int) -> int:
    """Sum up the bytes that a process and its children hold, without the files that they read through memory."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                held = process.memory_info()
                total += held.rss - getattr(held, "shared", 0)
    return total


def stop(pid: int, why: str = "as the study was") -> None:
    """Stop a process as Ctrl-C does, and what it started with it, outright after some seconds."""
    _stopped.setdefault(pid, why)
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        family = [*parent.children(recursive=True), parent]
        parent.send_signal(signal.SIGTERM)
        for process in psutil.wait_procs(family, timeout=_GRACE)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def stop_all(folder: str = "") -> None:
    """Stop all commands that this process runs, or those alone that log inside a folder."""
    of_folder = [pid for pid, log in [*_children.items()] if log.startswith(folder)]
    with ThreadPoolExecutor(len(of_folder) or 1) as pool:
        pool.map(stop, of_folder)


def choose_jobs(threads: int) -> int:
    """Choose how many reports are made at a time on this machine, by cores and free memory."""
    return int(max(1, min(usable_cores() // threads, free_memory() // REPORT_BYTES)))


@contextlib.contextmanager
def open_engine(engine: str, jobs: int, folder: Path, limits: Limits = USUAL) -> Iterator[Executor]:
    """Open what runs commands: "" for this machine, "dask-local:4" for so many workers, or a scheduler's address.

    folder: where the commands log, which all workers have to see. Ctrl-C stops these commands, wherever they run.
    Raises UsageError without such an engine, Dask, its scheduler to the end, or workers for such commands.
    """
    if not engine:
        with ThreadPoolExecutor(jobs) as pool:
            try:
                yield pool
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                stop_all(str(folder))
                raise
        return
    address = engine if re.fullmatch(r"(tcp|tls|wss?|ucx)://.*:\d+/?", engine) else ""
    count = engine.removeprefix("dask-local:")
    if not address and (count == engine or not count.isdecimal() or int(count) < 1):
        raise UsageError(f"There is no ENGINE={engine}; leave it out, or write dask-local:4 or tcp://host:8786.")
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        install = ".venv/bin/python -m pip install -e '.[cluster]'"
        raise UsageError(f"ENGINE needs Dask, which is not installed; run {install}.") from None
    with contextlib.ExitStack() as stack:
        if not address:
            dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"})  # a killed one comes back late if busy
            own = LocalCluster(n_workers=int(count), threads_per_worker=1, resources=limits.resources)
            address = stack.enter_context(own)
        try:
            client = stack.enter_context(Client(address, timeout="10s"))
        except OSError:
            raise UsageError(f"No scheduler answers at {engine}; start one with `dask scheduler`.") from None
        _check_workers(client, limits, folder)
        print(f"Dask shows its work at {client.dashboard_link}", flush=True)
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # what it tells is told below, in a sentence
        executor = client.get_executor(pure=False, retries=2, resources=limits.resources)
        try:
            yield executor
        except KeyboardInterrupt:
            executor.shutdown(wait=False)
            client.run(stop_all, str(folder))
            raise
        except CancelledError:
            again = "start it and its workers, then the study again: what is finished is kept."
            raise UsageError(f"The scheduler {engine} ended before the study did; {again}") from None


def _check_workers(client: Any, limits: Limits, folder: Path) -> None:
    """Refuse what no worker could run, and one that does not see a file of the moment: it would fail all in no time."""
    there = [worker.get("resources", {}) for worker in client.scheduler_info(n_workers=-1)["workers"].values()]
    fits = [all(has.get(name, 0) >= amount for name, amount in limits.resources.items()) for has in there]
    if there and not any(fits):  # those that are still to come declare what they have
        wanted = " ".join(f"{name}={amount:.0f}" for name, amount in limits.resources.items())
        raise UsageError(f"No worker has declared what a report may take; start one with --resources '{wanted}'.")
    with writing(folder), tempfile.NamedTemporaryFile(dir=folder) as file:
        found = client.run(_unseen, Path(file.name), ROOT, Path(sys.executable), on_error="return")
    for worker, unseen in found.items():
        if unseen:
            raise UsageError(f"Worker {worker}: {str(unseen).replace(file.name, str(folder))}")
