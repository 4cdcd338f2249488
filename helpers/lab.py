"""JupyterLab on a run of one's choice, which notebooks follow."""

import os
import sys
from pathlib import Path

from helpers.base.files import ROOT, reports_folder
from helpers.base.notebook import UsageError
from helpers.base.runs import DEFAULTS, LAB_PREFIX, Recipe, chosen_trainings
from helpers.build.execute import kernel_environment
from helpers.build.explain.command import choose_run, follow
from helpers.data.datasets import known_data


def lab(
    dataset: str = "faces", recipe: Recipe = "quick", seed: int = 0, image_size: int = 0, run: str = "",
    notebook: str = "01_train_cnn",
) -> None:  # fmt: skip
    """Open JupyterLab on the repository and a notebook, all of them on a run; UsageError on what there is not.

    run: the name of one that has a report, in place of what it was made of. As root, as in a container, it listens to
    this machine alone, and asks for its token.
    """
    if run:
        if (dataset, recipe, seed, image_size) != ("faces", "quick", 0, 0):
            raise UsageError(f"RUN={run} is opened as it was made; leave DATASET, RECIPE, SEED and IMAGE_SIZE out.")
        record = follow(choose_run(reports_folder(), run))
        dataset, recipe, seed, image_size = (record[key] for key in ("source", "recipe", "seed", "image_size"))
    chosen_trainings(recipe)
    chosen = {"DATASET": known_data(dataset), "RECIPE": recipe, "SEED": seed, "IMAGE_SIZE": image_size}
    os.environ |= {LAB_PREFIX + name: str(value) for name, value in chosen.items() if value != DEFAULTS[name]}
    named = {name: Path(os.environ.get(name, "")) for name in ("NETWORK", "CUSTOM")}
    os.environ |= {name: str(path.resolve()) for name, path in named.items() if path.is_file()}
    os.environ |= kernel_environment() | {"KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}"]
    command += [f"--LabApp.default_url=/lab/tree/notebooks/{notebook}.ipynb"]
    if getattr(os, "geteuid", lambda: 1)() == 0:
        print("JupyterLab runs as root: it listens on 127.0.0.1 alone, and its address holds the token it asks for.")
        command += ["--allow-root", "--ServerApp.ip=127.0.0.1"]
    sys.stdout.flush()
    os.execv(command[0], command)


def explore(
    dataset: str = "faces", recipe: Recipe = "quick", seed: int = 0, image_size: int = 0, run: str = ""
) -> None:
    """Open JupyterLab on the live notebook, as `lab` does on the others."""
    lab(dataset, recipe, seed, image_size, run, "explore")
