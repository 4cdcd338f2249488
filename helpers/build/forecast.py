"""How long a build will take and how much disk: from the work that is to be done and the times of earlier builds.

Networks that are not trained yet are counted in a process of its own, since the driver does without Keras.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from subprocess import DEVNULL, PIPE
from typing import Any

from helpers.base import timings
from helpers.base.code import glance
from helpers.base.machine import forked
from helpers.base.notebook import read_parameters
from helpers.base.words import duration
from helpers.build import stale
from helpers.build.execute import kernel_environment, say
from helpers.build.plan import Build

_USUAL_PACE = 0.6  # notebooks run side by side
SETTING = "setting the report"  # a kind of work, by the notebooks whose answers are in it
_NOTEBOOK_BYTES = 3_000_000  # of a notebook's outputs, figures and kept results


@dataclass(frozen=True)
class Forecast:
    """What a build will take.

    networks, notebooks: seconds of each that is to be trained or run, if it ran alone; kinds: by notebook, the kind and
    the amount of its work; pace: by how much these are shorter, since several run at once; setting: seconds that
    setting the report takes after them; size: bytes on the disk, of which `free` are left.
    """

    networks: Mapping[str, float]
    notebooks: Mapping[str, float]
    kinds: Mapping[str, tuple[str, float]]
    pace: float
    setting: float
    size: int
    free: int

    @property
    def alone(self) -> float:
        """Seconds of all of it one after the other."""
        return sum(self.networks.values()) + sum(self.notebooks.values())

    def sentence(self) -> str:
        """Say it in one sentence."""
        count, nets = len(self.notebooks), len(self.networks)
        what = f"{count} notebook{'s run' if count > 1 else ' runs'}"
        what += f" and {nets} network{'s are' if nets > 1 else ' is'} trained" if nets else ""
        free = f"{self.free / 1e9:,.1f} GB" if self.free >= 1e8 else f"{self.free / 1e6:,.1f} MB"
        time = duration(self.alone * self.pace + self.setting)
        told = f"{what}: about {time}, and about {self.size / 1e6:.0f} MB of disk, of which"
        scarce = " That may not do: free some space, or name another folder by REPORTS."
        return f"{told} {free} are free.{scarce if self.free < self.size else ''}"


def forecast(build: Build, running: Sequence[str]) -> Forecast | None:
    """Foresee what a build, of which these notebooks have to run, will take; None where that cannot be told."""
    if not running or not (work := _count_work(build, running)):
        return None
    waiting = work["networks"].items()
    networks = {name: timings.expect(kind, amount, timings.USUAL_TRAINING) for name, (kind, amount, _) in waiting}
    kinds = {name: _notebook_work(build, name, work) for name in running}
    usual, start = timings.USUAL_NOTEBOOK, timings.START
    notebooks = {name: timings.expect(*kinds[name], usual, fixed=start) for name in running}
    alone = sum(networks.values()) + sum(notebooks.values())
    size = sum(size for *_, size in work["networks"].values()) + _NOTEBOOK_BYTES * len(running)
    pace = timings.expect("all at once", alone, _USUAL_PACE) / alone
    disk = shutil.disk_usage(next(folder for folder in build.run.parents if folder.is_dir()))
    setting = timings.expect(SETTING, len(build.printed), timings.USUAL_SETTING)
    return Forecast(networks, notebooks, kinds, pace, setting, size, disk.free)


def to_run(build: Build) -> list[str]:
    """Name the notebooks that are stale, or need one that is."""
    found: list[str] = []
    with glance():
        for name, place in sorted(build.places.items(), key=lambda pair: len(pair[1].needs)):
            if {*place.needs} & {*found} or stale.why_stale(build.answer(name), build.components(name)):
                found.append(name)
    return found


def _notebook_work(build: Build, name: str, work: Mapping) -> tuple[str, float]:
    defaults = {key: one.default for key, one in read_parameters(build.notebook(name)).items()}
    values = {**defaults, **build.chosen.get(name, {})}
    amount = timings.notebook_work(values, work["images"], work["multiplications"])
    return f"{name}, {build.common['RECIPE']}", amount


def _count_work(build: Build, running: Sequence[str]) -> dict:
    """Count the work in another process; nothing, and a line that says so, where that fails."""
    command = forked("helpers.build.forecast", json.dumps(dict(build.common)), *running)
    with subprocess.Popen(command, env=kernel_environment(), stdout=PIPE, stderr=DEVNULL, text=True) as counting:
        import_module("papermill")  # which takes as long, and is needed next
        counted, _ = counting.communicate()
    if counting.returncode:
        say("How long this will take could not be foreseen; it runs all the same.")
        return {}
    return json.loads(counted.splitlines()[-1])


def count_work(common: Mapping[str, Any], notebooks: Sequence[str]) -> dict[str, object]:
    """Count notebooks' work: the networks to be trained, each with kind, amount and bytes, and the images tested."""
    asked = [common[name] for name in ("DATASET", "RECIPE", "SEED", "REPORTS", "IMAGE_SIZE")]
    from helpers.answers import ahead
    from helpers.run import open_run

    run = open_run(*asked)
    images, each = ahead.size_of(run)
    networks = {name: ahead.untrained(run, name) for name in ahead.waiting(run, notebooks)}
    return {"networks": networks, "images": images, "multiplications": each}


if __name__ == "__main__":
    print(json.dumps(count_work(json.loads(sys.argv[1]), sys.argv[2:])))
