"""Time what the live page does at a gesture: vgg9 on schematic faces of 48 pixels, without the browser."""

import tempfile
import time
from collections.abc import Callable
from itertools import count

import pandas as pd

from helpers.data import faces
from helpers.explore import page
from helpers.explore.state import Face, State
from helpers.networks import architectures
from helpers.run import open_run
from helpers.training.loop import Trained

FEW = "gradient", "SmoothGrad", "Grad-CAM", "integrated gradients"
ROUNDS = 15
# The most seconds that each may take, on two cores that do nothing else.
MOST = {"another image, four maps": 0.15, "another class, four maps": 0.15, "LIME": 1.0, "an action unit": 0.1}


def main() -> None:
    """Print the median seconds of each gesture, wall time and that of all processors."""
    with tempfile.TemporaryDirectory() as folder:
        run = open_run("faces", "tiny", 0, folder)
        vars(run)["_headline"] = Trained(architectures.build_cnn("vgg9"), pd.DataFrame())  # weights cost no time
        measure("first view, network loaded", lambda: page.explore(run).worker.wait(), 1, 6.0)
        for name, act in gestures(State(run)).items():
            act()
            measure(name, act, ROUNDS, MOST[name])


def gestures(state: State) -> dict[str, Callable[[], object]]:
    """Give what is timed, by name; each call is about another image or class, of which nothing is known yet."""
    places, units = count(1), count()

    def image(names: tuple[str, ...]) -> None:
        state.choose(next(places))
        for name in names:
            state.map_of(name)

    def label() -> None:
        if state.label == len(state.names) - 1:
            state.choose(next(places))
            state.label = -1
        state.label += 1
        for name in FEW:
            state.map_of(name)

    def unit() -> None:
        state.face = Face(units=(next(units) % 100 / 100,) * len(faces.ACTION_UNITS))
        state.probabilities_of(state.edited())

    acts: list[Callable[[], object]] = [lambda: image(FEW), label, lambda: image(("LIME",)), unit]
    return dict(zip(MOST, acts))


def measure(name: str, act: Callable[[], object], rounds: int, most: float) -> None:
    """Print the median time of an act, beside the most that it should take."""
    rows = []
    for _ in range(rounds):
        wall, processor = time.perf_counter(), time.process_time()
        act()
        rows.append((time.perf_counter() - wall, time.process_time() - processor))
    wall, processor = pd.DataFrame(rows).median()
    print(f"{name}: {wall:.3f} s, {processor:.3f} s of processors; at most {most} s wanted", flush=True)
