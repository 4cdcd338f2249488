"""Runs as folders: how they are named, what they say of themselves, and that none takes another's place."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, get_args

from helpers.base.files import ROOT, locked, read_json, reports_folder, write_json
from helpers.base.legal import check_values
from helpers.base.notebook import UsageError, find_notebooks, read_parameters

RECORD, USES = "run.json", "uses"  # in a run's folder: what it is, and which kept files it asked for
KEPT = ".kept"  # in the folder of runs: what was computed, by the fingerprint of the data
RUN_VARIABLE = "RUN"  # of the environment: a name of one's own for the run's folder
BUILD_VARIABLE = "REPORT_OF"  # of a kernel's environment: the run whose report is under way
LAB_PREFIX = "LAB_"  # of the environment: the run that JupyterLab was opened on, such as LAB_RECIPE
# Parameters that every notebook has, with what they are where nobody chose; they name the run.
DEFAULTS: dict[str, str | int] = {"DATASET": "faces", "RECIPE": "quick", "SEED": 0, "REPORTS": "reports"}
DEFAULTS["IMAGE_SIZE"] = 0
COMMON = tuple(DEFAULTS)
# Of training's recipes, which import Keras, the names; see `recipes` in a notebook's metadata for what else they set.
Recipe = Literal["quick", "full", "cpu", "pretrained", "tiny"]
RECIPES: tuple[str, ...] = get_args(Recipe)


# What sets runs of one name apart; an older run does not say all of it, and is taken for the one that is asked for.
_UNSAID = ("network_place", "precision")
_NAMED = ("fingerprint", "recipe", "seed", "image_size", "network", "trainings", "balance", *_UNSAID)
# What the name does not tell, and the beginning of which is put behind it.
_BEHIND = {"fingerprint": "other data", "network_place": "another network of that name"}
SEEDS_VARIABLE = "SEEDS"  # of the environment: how often each compared network is trained; "0": as the recipe says


MOST_SEED = 4_000_000_000  # libraries take 32 bits, and what is drawn besides begins some thousands above


def check_seed(seed: object) -> None:
    """Raise UsageError on what is no whole number from 0 to MOST_SEED."""
    if not isinstance(seed, int) or not 0 <= seed <= MOST_SEED:
        raise UsageError(f"SEED={seed} is no whole number from 0 to {MOST_SEED:,}; choose one, such as 0.")


def chosen_trainings(recipe: str = "", trained: bool = False) -> int:
    """Say how often each compared network is to be trained, from the environment; 0 where the recipe decides.

    trained: whether the network that all is about came trained. Raises UsageError on what is no number from 0 to 99,
    and where nothing is trained that often.
    """
    text = os.environ.get(SEEDS_VARIABLE) or "0"
    if not text.isdecimal() or int(text) > 99:
        raise UsageError(f"SEEDS={text} is no whole number from 0 to 99: how often is each compared network trained?")
    if int(text) and (recipe == "pretrained" or trained):
        why = "RECIPE=pretrained trains nothing" if recipe == "pretrained" else "a NETWORK that came trained is not"
        raise UsageError(f"SEEDS={text} has networks trained so many times, and {why}: leave one out.")
    return int(text)


def name_run(
    data: str, recipe: str, seed: int, image_size: int = 0, network: str = "", balance: bool = False,
    trainings: int = 0, precision: str = "",
) -> str:  # fmt: skip
    """Name a run's folder: the data, then recipe, seed, size (0: usual), network and so on where you chose these."""
    parts = [recipe if recipe != "quick" else "", f"seed{seed}" if seed else ""]
    parts += [f"{image_size}px" if image_size else "", network, "balanced" if balance else ""]
    parts += [f"{trainings}seeds" if trainings else "", precision]
    return "-".join([data, *filter(None, parts)])


def follow_lab(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give a notebook's common parameters as JupyterLab was opened on them, where the notebook leaves the defaults.

    given: by name, as the notebook's cell has them. A report's kernels have theirs from the build.
    """
    if os.environ.get(BUILD_VARIABLE):
        return dict(given)
    chosen = {name: os.environ.get(LAB_PREFIX + name) for name, value in given.items() if value == DEFAULTS[name]}
    followed = {name: type(DEFAULTS[name])(text) for name, text in chosen.items() if text is not None}
    if followed:
        said = ", ".join(f"{name}={value}" for name, value in followed.items())
        print(f"JupyterLab was opened on {said}; another value in the parameters cell goes before it.", flush=True)
    return {**given, **followed}


def place_of(reports: str) -> Path:
    """Give the folder of runs that a notebook's REPORTS names; its default is what the environment says."""
    return reports_folder() if reports == "reports" else ROOT / reports


def check_name(reports: Path, record: Mapping[str, Any]) -> str:
    """Give the name that the environment's RUN gives a run, "" for none; record: what is known of that run by now.

    Raises UsageError where it is no name of a folder that can be seen, or names the folder of another run.
    """
    own = os.environ.get(RUN_VARIABLE, "")
    if own and (Path(own).name != own or own.startswith(".")):
        raise UsageError(f"RUN={own} is no name of a folder; choose one without slashes that begins with no dot.")
    if own and (other := _difference(reports / own, record, tuple(key for key in _NAMED if key in record))):
        raise UsageError(f"{reports / own} holds another run ({other}); choose another name than RUN={own}.")
    return own


def claim(reports: Path, name: str, record: Mapping[str, Any]) -> Path:
    """Give the folder of a run and write its record there; where it holds another, one beside it, and say so.

    name: by `name_run`; the environment's RUN goes before it. record: what the run is, with `fingerprint`, `recipe`,
    `seed`, `image_size`, `network` and so on. Raises UsageError where RUN names the folder of another run.
    """
    with locked(reports / ".runs.lock"):
        own = check_name(reports, {**dict.fromkeys(_NAMED), **record})
        folder = reports / (own or name)
        for key, held in _BEHIND.items():
            if own or key not in record:
                continue
            beside = folder.with_name(f"{folder.name}-{record[key][:6]}")
            if _difference(folder, record, (key,)):
                print(f"{folder} holds a run of {held}, so this one is {beside.name}.", flush=True)
                folder = beside
            elif not read_run(folder) and read_run(beside):  # where it went when another still had the plain name
                folder = beside
        before = read_run(folder)
        if before != {**before, **record}:
            write_json(folder / RECORD, {**before, **record})
    return folder


def record_parameters(run: Path, notebook: str, own: Mapping[str, Any]) -> None:
    """Write into a run's record with which parameters a notebook makes the run's answer."""
    with locked(run.parent / ".runs.lock"):  # notebooks run side by side
        before = read_run(run)
        known = before.get("parameters", {})
        if known.get(notebook) != own:
            write_json(run / RECORD, {**before, "parameters": dict(sorted({**known, notebook: own}.items()))})


def read_run(folder: Path) -> dict[str, Any]:
    """Read what a run says of itself; nothing where there is none."""
    return read_json(folder / RECORD)


def _difference(folder: Path, record: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """Say in what the run in a folder is another than this one; "" where it is this one or there is none."""
    before = read_run(folder)
    if not before:
        return "made without this program" if (folder / "report.pdf").exists() else ""
    before = {key: record.get(key) for key in _UNSAID} | before
    old, new = ([str(one.get(key) or "").removesuffix("-kept") for key in keys] for one in (before, record))
    found = [key for key, one, other in zip(keys, old, new) if one != other]
    values = {key: (_told(before.get(key)), _told(record.get(key))) for key in found}
    return ", ".join(_BEHIND.get(key) or f"{key} {one} and not {other}" for key, (one, other) in values.items())


def _told(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else str(value)


def notebook_file(notebook: str) -> Path:
    """Name the file of a notebook of the repository."""
    return ROOT / "notebooks" / f"{notebook}.ipynb"


def own_parameters(
    notebook: str, values: Mapping[str, Any], classes: Sequence[str], depth: Callable[[], int], images: int
) -> dict[str, Any]:
    """Give the values of the parameters that a notebook alone has, from all the names that it knows.

    classes, depth, images: as `check_values` takes them. Raises UsageError on a value that is not legal.
    """
    path = notebook_file(notebook)
    declared = read_parameters(path) if path.is_file() else {}
    own = {name: values[name] for name in declared if name not in COMMON and name in values}
    if own:
        check_values(path, own, classes, depth, images)
    return own


def folder_of_answer(run: Path, notebook: str, recipe: str, own: Mapping[str, Any]) -> Path:
    """Say where a notebook's answer goes: into the run, or beside it where its parameters are not the report's.

    While a report is made, into the run. By hand, also where the parameters are those of the report's answer or, as
    long as there is none, the notebook's defaults; else into a folder of the run that is named after what differs,
    with the beginning of its hash where that is no name of a folder.
    """
    if os.environ.get(BUILD_VARIABLE) == str(run):
        return run
    usual = _usual_parameters(run, notebook, recipe)
    if not own or any(own == one for one in usual):
        return run
    differing = [f"{name}={value}" for name, value in own.items() if usual[0].get(name, value) != value]
    said = ",".join(differing)
    name = "".join(c if c.isalnum() or c in "=.,_-" else "_" for c in said)[:80]
    name += "" if name == said else f"-{sha256(said.encode()).hexdigest()[:6]}"
    folder = run / "by-hand" / (name or notebook)
    print(f"With {', '.join(differing)} this answer is kept in {folder}, and the report's stays as it is.", flush=True)
    return folder


def _usual_parameters(run: Path, notebook: str, recipe: str) -> list[dict[str, Any]]:
    """List the parameters with which an answer is the report's: those of its answer, or the notebook's defaults."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return [json.loads((run / "answers" / f"{notebook}.json").read_text(encoding="utf-8"))["parameters"]]
    declared = read_parameters(notebook_file(notebook))
    defaults = {name: one.default for name, one in declared.items() if name not in COMMON}
    preset = find_notebooks(ROOT / "notebooks")[notebook].recipes.get(recipe, {})
    return [defaults, {**defaults, **preset}]


class Uses:
    """Notes which kept files each notebook of a run has asked for, so that what no run needs can be told."""

    def __init__(self, run: Path) -> None:
        self._run, self._label, self._names = run, "training", list[str]()

    def begin(self, label: str) -> None:
        """Say who asks from now on, and has asked so far; what it asked for when it ran before is forgotten."""
        self._label = label
        self._write()

    def note(self, name: str) -> None:
        """Note a kept file by its name."""
        if name not in self._names:
            self._names.append(name)
            self._write()

    def _write(self) -> None:
        write_json(self._run / USES / f"{self._label}.json", self._names)


def uses(run: Path) -> set[str]:
    """Name the kept files that a run has asked for; UsageError where that cannot be read."""
    names: set[str] = set()
    for path in (run / USES).glob("*.json"):
        try:
            names |= {*json.loads(path.read_text(encoding="utf-8"))}
        except (ValueError, TypeError):
            why = f"{path} is damaged, so that what {run.name} needs is not known"
            raise UsageError(f"{why}; delete that file, or the run.") from None
    return names
