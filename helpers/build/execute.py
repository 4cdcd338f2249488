"""Run one notebook from top to bottom with papermill, and say what failed."""

import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import TextIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.base.files import ROOT, writing
from helpers.base.machine import forked
from helpers.base.notebook import UsageError, read_cells, source

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

_PROGRESS = re.compile(r"training [\w-]+: ")  # and not any line that begins with the word
ADDED = {"injected-parameters", "papermill-error-cell-tag"}  # tags of cells that papermill adds
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Failure:
    """Why a notebook did not finish, and where.

    cell counts the notebook's cells from 1, as its source file has them; 0 if no cell is to blame.
    """

    notebook: str
    cell: int
    line: str
    error: str
    message: str
    partial: Path

    def __str__(self) -> str:
        place = f"in cell {self.cell} ({self.line})" if self.cell else "outside its cells"
        what = f"{self.notebook} failed {place}: {self.error}: {self.message}"
        return f"{what}\n  partial notebook: {self.partial}"


class ProgressLines(TextIOBase):
    """A text stream that passes on whole lines that tell how far a training is, and drops the others."""

    def __init__(self, forward: Callable[[str], None]) -> None:
        self._forward = forward
        self._rest = ""

    def write(self, text: str) -> int:
        """Take any piece of text; lines may come in parts."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if _PROGRESS.match(line):
                self._forward(line.rstrip())
        return len(text)


def say(line: str) -> None:
    """Print a line at once; whole lines, since several notebooks may report side by side."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def partial_path(finished: Path) -> Path:
    """Name the file that holds a notebook's outputs as long as it has not finished."""
    return finished.with_suffix(".partial.ipynb")


def run_notebook(
    notebook: Path, finished: Path, parameters: Mapping[str, object], forward: Callable[[str], None]
) -> None:
    """Execute a notebook in its own folder and store it, with its outputs, as `finished`.

    Until every cell has succeeded the outputs are in a file beside that. What libraries write past Python,
    such as the last words of a process that dies, is in the `.log` beside it. forward receives the lines of
    training progress that the notebook prints, and before each cell a line such as "cell 2 of 9". Raises what
    papermill raises; see `describe_failure`.
    """
    import papermill  # takes seconds to import, and is not needed where nothing has to run

    # papermill only warns of an unknown parameter, and misreads some comments; `check_names` does it strictly
    logging.getLogger("papermill").setLevel(logging.ERROR)
    partial, count = partial_path(finished), len(read_cells(notebook)) + 1  # papermill adds one of parameters
    with writing(partial):
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        papermill.execute_notebook(
            notebook,
            partial,
            dict(parameters),
            kernel_name="python3",
            language="python",
            on_cell_start=lambda cell, cell_index: forward(f"cell {cell_index + 1} of {count}"),
            progress_bar=False,
            start_timeout=600,  # seconds; a machine that many reports share may take its time
            stdout_file=ProgressLines(forward),
            # papermill's own cwd changes the folder of the whole process, and notebooks run side by side
            resources={"metadata": {"path": str(notebook.parent)}},
            kernel_manager_class=_own_kernels(finished.with_suffix(".log")),
        )
        partial.replace(finished)


def _own_kernels(log: Path) -> "type[AsyncKernelManager]":
    """Give a kernel manager whose kernels end with this process and have `log` as their standard error stream.

    They run this interpreter and this copy of the helpers, whatever kernels and packages the machine offers besides.
    """
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    own = forked("helpers.build.kernel", "-f", "{connection_file}")

    class OwnKernelManager(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(**{**get_kernel_dict(), "argv": own})

        # The base class's own is typed as if it were not asynchronous.
        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
            with log.open("wb") as stream:
                await super().start_kernel(**{**options, "stderr": stream, "env": kernel_environment()})

    return OwnKernelManager


def kernel_environment() -> dict[str, str]:
    """Give a kernel's environment: this process's, with this copy of the helpers first.

    NumPy multiplies on one core there: where several kernels share the cores, threads that wait for one another take
    several times as long (a fit of LIME's 5 ms instead of 30).
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {"OPENBLAS_NUM_THREADS": "1", **os.environ, "PYTHONPATH": path}


def describe_failure(finished: Path, error: Exception) -> Failure:
    """Describe the error that ended a notebook's run, by the cell in which it arose."""
    partial = partial_path(finished)
    cells: list[dict] = []
    with suppress(UsageError, OSError):  # where the disk was full it may be cut short
        cells = [cell for cell in read_cells(partial) if not ADDED & {*cell["metadata"].get("tags", [])}]
    kind = getattr(error, "ename", type(error).__name__)
    message = _COLOUR.sub("", str(getattr(error, "evalue", error))).strip()
    codes = {number: cell for number, cell in enumerate(cells, start=1) if cell["cell_type"] == "code"}
    started = [number for number, cell in codes.items() if cell["metadata"].get("papermill", {}).get("start_time")]
    last = max(started, default=0)
    first_line = source(cells[last - 1]).strip().split("\n")[0] if last else ""
    return Failure(finished.stem, last, first_line, kind, message, partial)
