"""A Jupyter kernel that ends with the process that started it, even where that is killed outright.

Started as `python -m helpers.build.kernel` in place of `python -m ipykernel_launcher`, with the same arguments.
A kernel has a session of its own, so that no signal to the driver's group reaches it, and one that went on without
its driver would train and write beside the kernels of the next build. Run as a file, `kernel.py --command PID PROGRAM
...` becomes any other program that ends with the process PID, which started it, and `kernel.py --forked MODULE ...` is
what `python -m MODULE ...` would be, forked of the build's nursery where there is one.
"""

import ctypes
import json
import os
import runpy
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

NURSERY = "CNN_REPORT_NURSERY"  # variable of the environment that names its socket
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>


def end_with_parent(parent: int) -> None:
    """Have the system kill this process as soon as its parent, which has that number, has ended.

    Linux alone can do this; elsewhere ipykernel itself looks once a second whether its parent is still there.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # the parent ended before it could be watched


def _run_forked(arguments: list[str]) -> int:
    """Have the nursery run a module, and wait until it ends; gives its exit status, 1 if it was killed.

    Raises OSError if the nursery does not take it.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as nursery:
        nursery.connect(os.environ.get(NURSERY, ""))
        wanted = {"arguments": arguments, "folder": str(Path.cwd()), "env": dict(os.environ)}
        socket.send_fds(nursery, [json.dumps(wanted).encode()], [0, 1, 2])
        if not nursery.recv(16):
            raise ConnectionError
        return (nursery.recv(1) or b"\1")[0]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--command"]:
        end_with_parent(int(sys.argv[2]))
        os.execv(sys.argv[3], sys.argv[3:])
    end_with_parent(int(os.environ.get("JPY_PARENT_PID", os.getppid())))
    if sys.argv[1:2] == ["--forked"]:
        with suppress(OSError):  # no nursery, or one of older code
            sys.exit(_run_forked(sys.argv[2:]))
        os.execv(sys.executable, [sys.executable, "-m", *sys.argv[2:]])
    runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
