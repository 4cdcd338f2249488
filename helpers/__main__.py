"""`python -m helpers WORD NAME=VALUE ...` does what `make WORD NAME=VALUE ...` does, also where there is no make."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from helpers.base.files import REPORTS_VARIABLE, ROOT
from helpers.base.legal import near
from helpers.data.options import VARIABLES

OPTIONS = ("DATASET", "RECIPE", "SEED", "REPORTS")
# What each word takes as options of a command line; what stands in SHARED, as variables of the environment.
TAKES = {
    "look": ("DATASET", "IMAGE_SIZE", "REPORTS", "LANGUAGE"),
    "report": (*OPTIONS, "IMAGE_SIZE", "SET", "RUN", "LANGUAGE"),
    "explain": ("IMAGES", "RUN", "REPORTS", "LANGUAGE"),
    "train": (*OPTIONS, "NETWORKS"),
    "pack": OPTIONS,
    "table": ("RUN", "INTO"),
    "data": ("DATASET",),
    "runs": ("REPORTS",),
    "clean": ("RUN", "REPORTS"),
    "bench": (),
    "study": (
        *("DATASET", "RECIPE", "SEEDS", "NETWORK", "ENGINE", "JOBS", "THREADS", "LIMIT", "MEMORY", "FILESIZE", "GPU"),
        *("IMAGE_SIZE", "QUESTIONS", "LANGUAGE", "STUDY", "REPORTS"),
    ),
    "compare": ("RUNS", "STUDY", "IMAGES", "LANGUAGE", "REPORTS"),
    "lab": (*OPTIONS, "IMAGE_SIZE"),
    "explore": (*OPTIONS, "IMAGE_SIZE"),
    "test": (),
    "kill": (),
}
SHARED = (
    "PRECISION", "TENSORBOARD", "KERAS_BACKEND", "ACCELERATE", "BALANCE", "SEEDS", "SOURCE_DATE_EPOCH", *VARIABLES,
)  # fmt: skip
SHARED += ("USER_OF_RUNS", "NETWORK", "CUSTOM", "PREPROCESS", "WEIGHTS")
SHARED += ("AUTHOR", "STUDENT_ID", "COURSE", "COLLABORATORS", "QUESTIONS", "DETAIL")
NAMES = sorted({*SHARED, *(name for names in TAKES.values() for name in names)})


def command_of(module: str, *first: str) -> Callable[[list[str]], int]:
    """Give the command line of a module, which is imported only when it runs."""
    return lambda words: import_module(module).main([*first, *words])


def lab_variables(words: Sequence[str]) -> dict[str, str]:
    """Say in variables of the environment which run notebooks follow; ValueError on values that do not exist."""
    from helpers.base.runs import DEFAULTS, LAB_PREFIX, chosen_trainings
    from helpers.build.plan import RECIPES
    from helpers.data.datasets import KNOWN_NAMES

    chosen = {name[2:].upper().replace("-", "_"): value for name, value in zip(words[::2], words[1::2])}
    if chosen.get("RECIPE", "quick") not in RECIPES:
        raise ValueError(f"There is no recipe {chosen['RECIPE']}; {near(chosen['RECIPE'], RECIPES)}")
    for name in ("SEED", "IMAGE_SIZE"):
        if not chosen.get(name, "0").isdecimal():
            raise ValueError(f"{name}={chosen[name]} is no whole number of at least 0; choose one, such as 0.")
    chosen_trainings(chosen.get("RECIPE", ""))
    if (data := chosen.get("DATASET", "faces")) not in KNOWN_NAMES:
        if not Path(data).exists():
            raise ValueError(f"There is no data set {data}; {near(data, KNOWN_NAMES)} Or give a path that exists.")
        chosen["DATASET"] = str(Path(data).resolve())
    named = {name: Path(os.environ.get(name, "")) for name in ("NETWORK", "CUSTOM")}
    own = {name: str(path.resolve()) for name, path in named.items() if path.is_file()}
    chosen.pop("REPORTS", "")  # which the environment names already
    return {LAB_PREFIX + name: value for name, value in chosen.items() if value != str(DEFAULTS[name])} | own


def run_lab(words: list[str], notebook: str = "01_train_cnn") -> int:
    """Open JupyterLab on the repository and a notebook, all of them on a run of one's choice.

    As root, as in a container, it listens to this machine alone, and asks for its token.
    """
    try:
        os.environ |= lab_variables(words)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    os.environ |= {"PYTHONPATH": path, "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}"]
    command += [f"--LabApp.default_url=/lab/tree/notebooks/{notebook}.ipynb"]
    if getattr(os, "geteuid", lambda: 1)() == 0:
        print("JupyterLab runs as root: it listens on 127.0.0.1 alone, and its address holds the token it asks for.")
        command += ["--allow-root", "--ServerApp.ip=127.0.0.1"]
    sys.stdout.flush()
    os.execv(command[0], command)


def run_python(*arguments: str) -> Callable[[list[str]], int]:
    """Give the command that becomes another program of this Python, in the repository."""

    def run(words: list[str]) -> int:
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, *arguments, *words])

    return run


TESTS = "-m pytest -q -n 2 --dist loadfile --durations=10 --nbval-lax --nbval-current-env --nbval-cell-timeout=1200"
# The module whose command line a word is, and the first word that it takes.
MODULES = {
    "look": ("helpers.data.look",),
    "report": ("helpers.build.report", "report"),
    "study": ("helpers.build.many.study",),
    "compare": ("helpers.build.many.comparison",),
    "explain": ("helpers.build.explain.command",),
    "train": ("helpers.build.shipping", "train"),
    "pack": ("helpers.build.shipping", "pack"),
    "table": ("helpers.build.shipping", "table"),
    "data": ("helpers.data.download",),
    "runs": ("helpers.build.runs", "list"),
    "clean": ("helpers.build.runs", "clean"),
}
COMMANDS: dict[str, Callable[[list[str]], int]] = {
    **{word: command_of(*entry) for word, entry in MODULES.items()},
    "lab": run_lab,
    "explore": partial(run_lab, notebook="explore"),
    "test": run_python(*TESTS.split(), "-m", "not slow", "tests", "notebooks"),
    "bench": run_python("tests/bench"),
    "kill": run_python("tests/kill_report.py", "--kills", "50"),
}


def read_words(command: str, words: Sequence[str]) -> list[str]:
    """Turn NAME=VALUE into options, or variables of the environment; a word that begins with `-` passes as it is.

    Raises ValueError on a name that the command does not take, with one near to it.
    """
    options = []
    for word in words:
        name, equals, value = word.partition("=")
        if word.startswith("-") or not equals:
            options.append(word)
        elif name in TAKES[command]:
            if name == REPORTS_VARIABLE:
                os.environ[name] = str(Path(value).resolve())
            options += [f"--{name.lower().replace('_', '-')}", value]
        elif name in SHARED:
            os.environ[name] = value
        else:
            raise ValueError(f"There is no {name}; {near(name, [*TAKES[command], *SHARED])}")
    return options


def main(words: Sequence[str]) -> int:
    """Run the command line; 2 with one sentence on standard error where it asks for what there is not."""
    if not words or words[0] in ("-h", "--help", "help"):
        print((__doc__ or "") + f"\n\nWORD is one of {', '.join(COMMANDS)}; NAME is one of {', '.join(NAMES)}.")
        return 0
    command, *rest = words
    try:
        if command not in COMMANDS:
            raise ValueError(f"There is no {command}; {near(command, COMMANDS)}")
        options = read_words(command, rest)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return COMMANDS[command](options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
