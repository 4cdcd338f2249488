"""Time what the live page does at a gesture, without the browser: vgg9 on schematic faces, and on larger photos."""

import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
from skimage.transform import resize

from helpers.data import faces
from helpers.data.datasets import Dataset, Split
from helpers.explore import explore
from helpers.explore.page import Page
from helpers.explore.state import Face
from helpers.networks import architectures
from helpers.run import Run, open_run
from helpers.training.loop import Trained
from helpers.training.recipes import get_recipe

FEW = "gradient", "SmoothGrad", "Grad-CAM", "integrated gradients"
ROUNDS = 15
# The most seconds that each may take, on two cores that do nothing else; of photos twice as many.
MOST = {"another image, four maps": 0.15, "another class, four maps": 0.15, "LIME": 1.0, "an action unit": 0.1}
FIRST = 6.0  # of the first view
PHOTOS = (200, 64, 64, 3)


def main() -> None:
    """Print the median seconds of each gesture, wall time and that of all processors."""
    with tempfile.TemporaryDirectory() as folder:
        time_page(open_run("faces", "tiny", 0, folder), "faces", 1)
        time_page(Run(Path(folder) / "photos", photos(), get_recipe("tiny"), 0), "photos", 2)


def photos() -> Dataset:
    """Make colour images of soft blobs, which cut into superpixels as photos do."""
    random = np.random.default_rng(0)
    rough = random.integers(0, 256, (PHOTOS[0], 8, 8, 3))
    images = resize(rough, PHOTOS, preserve_range=True).astype(np.uint8)
    split = Split(images, np.arange(PHOTOS[0]) % 10)
    return Dataset("photos", tuple("abcdefghij"), split, split, split, "photos", "Blobs", (), None)


def time_page(run: Run, data: str, times: int) -> None:
    """Print how long each gesture takes on a run, beside so many times the most that it should take on faces."""
    shape = run.dataset.test.images.shape[1:]
    network = architectures.build_cnn("vgg9", image_shape=shape, classes=len(run.dataset.class_names))
    vars(run)["_headline"] = Trained(network, pd.DataFrame())  # weights cost no time
    shown: list[Page] = []
    first = lambda: shown.append(explore(run)) or shown[0].worker.wait()  # noqa: E731
    measure(f"{data}: first view, network loaded", first, 1, times * FIRST)
    for name, act in gestures(shown[0]).items():
        if name != "an action unit" or shown[0].state.draws_faces:
            act()
            measure(f"{data}: {name}", act, ROUNDS, times * MOST[name])


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
