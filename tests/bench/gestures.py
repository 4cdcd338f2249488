"""Time what the live page does at a gesture: vgg9 on schematic faces of 48 pixels, without the browser."""

import tempfile
import time
from collections.abc import Callable
from itertools import count

import pandas as pd

from helpers.data import faces
from helpers.explore import explore
from helpers.explore.page import Page
from helpers.explore.state import Face
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
        shown: list[Page] = []
        measure("first view, network loaded", lambda: shown.append(explore(run)) or shown[0].worker.wait(), 1, 6.0)
        for name, act in gestures(shown[0]).items():
            act()
            measure(name, act, ROUNDS, MOST[name])


def gestures(page: Page) -> dict[str, Callable[[], object]]:
    """Give what is timed until all is shown, by name; each call is about another image or class, not known yet."""
    state, places, units = page.state, count(1), count()

    def image(names: tuple[str, ...], place: int) -> None:
        state.choose(place)
        show("image", names)

    def show(tab: str, names: tuple[str, ...]) -> None:
        state.methods = names
        page.go(tab)
        page.changed()
        page.worker.wait()

    def label() -> None:
        if state.label == len(state.names) - 1:
            state.choose(next(places))
            state.label = -1
        state.label += 1
        show("image", FEW)

    def unit() -> None:
        state.face = Face(units=(next(units) % 100 / 100,) * len(faces.ACTION_UNITS))
        show("whatif", FEW)

    acts = [lambda: image(FEW, next(places)), label, lambda: image(("LIME",), next(places)), unit]
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
