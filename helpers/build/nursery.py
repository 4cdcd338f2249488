"""A process that has imported what notebooks need, of which the kernels of a build are forked: seconds saved in each.

`python -m helpers.build.nursery FD PID` serves at a listening socket as long as its parent PID lives. Who asks
(`kernel.py --forked`) sends a module, its arguments, environment and folder, and its three standard streams; a forked
copy then runs as `python -m` would.
"""

import json
import os
import runpy
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from subprocess import DEVNULL, Popen
from threading import Thread

from helpers.base.machine import import_quietly
from helpers.build.kernel import NURSERY, end_with_parent

HEAVY = ("helpers.run", "helpers.explain.keract_bridge", "ipykernel.kernelapp", "matplotlib.pyplot", "seaborn")
INLINE = "module://matplotlib_inline.backend_inline"  # where a kernel draws, which matplotlib asks when imported


@contextmanager
def nursery(environment: dict[str, str]) -> Iterator[None]:
    """Have a nursery as long as the block runs, and tell this process's kernels of it, unless one serves already.

    Only Linux forks safely.
    """
    if sys.platform != "linux" or Path(os.environ.get(NURSERY, "")).is_socket():
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(path)
            listener.listen()
            command = [sys.executable, "-m", "helpers.build.nursery", str(listener.fileno()), str(os.getpid())]
            environment = {**environment, "MPLBACKEND": INLINE}
            process = Popen(
                command, env=environment, pass_fds=[listener.fileno()], start_new_session=True,
                stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL,
            )  # fmt: skip
        os.environ[NURSERY] = path
        try:
            yield
        finally:
            del os.environ[NURSERY]
            process.kill()
            process.wait()


def serve(listener: socket.socket) -> None:
    """Fork a copy for each that asks, until the parent ends; none once the code has changed since it was imported."""
    code, own = _stamps(), os.getpid()
    os.environ["JPY_PARENT_PID"] = str(own)  # of the kernels, which ipykernel reads when it is imported
    import_quietly("tensorflow")
    import helpers

    for name in dir(helpers):
        getattr(helpers, name)
    for name in HEAVY:
        import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the copies
    while True:
        asker, _ = listener.accept()
        with asker:
            message, streams, *_ = socket.recv_fds(asker, 1 << 20, 3)
            if _stamps() == code and os.fork() == 0:
                end_with_parent(own)
                listener.close()
                _become(own, asker, streams, **json.loads(message))
            for stream in streams:
                os.close(stream)


def _stamps() -> dict[str, int]:
    """Give when each file and folder of the helpers was changed."""
    files = Path(__file__).parents[1].rglob("*")
    return {str(file): file.stat().st_mtime_ns for file in files if "__pycache__" not in file.parts}


def _become(
    own: int, asker: socket.socket, streams: list[int], arguments: list[str], folder: str, env: dict[str, str]
) -> None:
    """Run a module with its arguments, streams, folder and environment; end as soon as the asker does.

    own: the nursery's number.
    """
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(env, JPY_PARENT_PID=str(own))
    tempfile.tempdir = None  # is looked for anew, in this environment
    os.chdir(folder)
    asker.send(b"forked")
    Thread(target=_end_with, args=[asker], daemon=True).start()
    sys.argv = arguments
    status = 1
    try:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        raise
    finally:
        sys.stdout.flush()
        asker.send(bytes([status]))
    sys.exit()


def _end_with(asker: socket.socket) -> None:
    while asker.recv(1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    end_with_parent(int(sys.argv[2]))  # who may be gone before this process can look
    serve(socket.socket(fileno=int(sys.argv[1])))
