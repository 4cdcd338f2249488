"""What `make explain` needs of all training images, computed at the end of a report, while its PDF is set.

`python -m helpers.build.explain.ahead RUN` computes and keeps it for the run in that folder.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL

from helpers.base.machine import forked
from helpers.build.execute import kernel_environment, say


@contextmanager
def looking_at_training_images(run: Path) -> Iterator[None]:
    """Have a process look at all training images beside what is done in the block; wait for it afterwards.

    Where it fails nothing is lost, since `make explain` does then what is missing.
    """
    command = forked("helpers.build.explain.ahead", str(run))
    with subprocess.Popen(command, env=kernel_environment(), stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL) as process:
        try:
            yield
        except BaseException:
            process.kill()
            raise
        if process.poll() is None:
            say("The network looks at all training images once more, so that `make explain` has its answer at once.")


def _main(run: Path) -> None:
    from helpers.build.explain.command import open_finished
    from helpers.build.explain.explainer import Explainer

    _ = Explainer(open_finished(run)).index  # which keeps it


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
