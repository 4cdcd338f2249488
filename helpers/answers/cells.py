"""Which cell of a notebook is running, so that an answer knows what the cell said the last time."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Execution:
    """One run of one cell."""

    cell: str  # the same each time that the cell is run
    count: int  # IPython's number of the execution, the one in brackets beside the cell


def running_cell() -> Execution | None:
    """Tell which cell is running; None outside a notebook.

    JupyterLab and VS Code send an identity with each cell, which stays when its text is changed. Elsewhere, as in
    papermill, the cell is known by its text.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return None
    message = shell.get_parent() if hasattr(shell, "get_parent") else {}
    text = shell.user_ns.get("In", [""])[-1]
    return Execution(str(message.get("metadata", {}).get("cellId") or text), shell.execution_count)
