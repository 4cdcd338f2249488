"""Tests and the kernels that they start write into folders of their own, never into the user's reports or cache."""

import atexit
import getpass
import os
import shutil
import tempfile
from pathlib import Path

from helpers.base.files import CACHE_VARIABLE, REPORTS_VARIABLE

_SET = "CNN_REPORT_TESTS"  # of the environment: workers and kernels go by what the first process has set


def set_aside() -> None:
    """Point reports and cache elsewhere; decoded data are kept between sessions, reports are not."""
    if _SET in os.environ:
        return
    runs = tempfile.mkdtemp(prefix="cnn-report-runs-")
    atexit.register(shutil.rmtree, runs, ignore_errors=True)
    shared = Path(tempfile.gettempdir()) / f"cnn-report-tests-{getpass.getuser()}"
    os.environ |= {_SET: "1", REPORTS_VARIABLE: runs, CACHE_VARIABLE: str(shared)}
