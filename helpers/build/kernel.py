"""A Jupyter kernel that ends with the process that started it, even where that is killed outright.

Started as `python -m helpers.build.kernel` in place of `python -m ipykernel_launcher`, with the same arguments.
A kernel has a session of its own, so that no signal to the driver's group reaches it, and one that went on without
its driver would train and write beside the kernels of the next build. `kernel.py --command PID PROGRAM ...`, run as a
file, becomes any other program that ends with the process PID, which started it.
"""

import ctypes
import os
import runpy
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>


def end_with_parent(parent: int) -> None:
    """Have the system kill this process as soon as its parent, which has that number, has ended.

    Linux alone can do this; elsewhere ipykernel itself looks once a second whether its parent is still there.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # the parent ended before it could be watched


if __name__ == "__main__":
    if sys.argv[1:2] == ["--command"]:
        end_with_parent(int(sys.argv[2]))
        os.execv(sys.argv[3], sys.argv[3:])
    end_with_parent(int(os.environ.get("JPY_PARENT_PID", os.getppid())))
    runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
