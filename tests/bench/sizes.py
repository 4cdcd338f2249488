"""Time and peak memory of images of 48, 96 and 192 pixels a side, and of many of them: `python tests/bench/sizes.py`.

IMAGE_SIZE asks for another size. Of each, the quick network learns from as many colour images in one pass, predicts
them, and explains some of them by every method of the report and by LIME; of the smallest, it predicts more and more
and draws the gradient map of each, where an image is to cost what it costs among few. Each task is done in a process of
its own, on few images before it is timed, so that what a process does but once does not count; learning builds its
network anew, and with it what it compiles. The peak is all that the process held, the images among it.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import keras
import numpy as np
import pandas as pd
from turns import peak_memory

from helpers.data.datasets import Dataset, Split
from helpers.explain import saliency, superpixels
from helpers.explain.registry import Settings
from helpers.networks.architectures import build_cnn
from helpers.networks.inference import bfloat16
from helpers.networks.prediction import predict_logits
from helpers.training.loop import train
from helpers.training.recipes import RECIPES

SIDES, LEARNED, EXPLAINED, BY_LIME = (48, 96, 192), 2_000, 32, 4
COUNTS, FEW = (500, 5_000, 50_000), 64
CLASSES = 10
Task = Callable[[Split], object]


def photos(count: int, side: int) -> Split:
    """Draw images (count, side, side, 3) uint8 whose classes are where they are bright."""
    random, labels = np.random.default_rng(0), np.arange(count) % CLASSES
    images = random.integers(0, 120, (count, side, side, 3), dtype=np.uint8)
    width = side // CLASSES
    for image, label in zip(images, labels):
        image[:, label * width : (label + 1) * width] += 100
    return Split(images, labels)


def network(side: int) -> keras.Model:
    """Build the network of the quick recipe for images of this size."""
    return build_cnn(RECIPES["quick"].cnn, (side, side, 3), CLASSES)


def learn(side: int) -> Task:
    """Give what learns from images once."""
    plan, few = RECIPES["quick"].plan, photos(CLASSES, side)
    once = replace(plan, phases=(replace(plan.phases[0], epochs=1),))

    def task(split: Split) -> None:
        dataset = Dataset("photos", tuple(map(str, range(CLASSES))), split, few, few, "made", "Photos", (), None)
        train(network(side), dataset, once, seed=0, name="cnn", report=lambda _: None)

    return task


def predict(side: int) -> Task:
    """Give what predicts images."""
    model = network(side)
    return lambda split: predict_logits(model, split.images)


def gradient(side: int) -> Task:
    """Give what draws the gradient map of each image."""
    model = network(side)
    return lambda split: saliency.explain_by(["gradient"], model, split.images, split.labels, Settings())


def explain(side: int) -> Task:
    """Give what explains EXPLAINED of LEARNED images, or as large a share, by every method, and BY_LIME by LIME."""
    model = network(side)

    def task(split: Split) -> None:
        some, few = (max(1, len(split.labels) * share // LEARNED) for share in (EXPLAINED, BY_LIME))
        images, classes = split.images[:some], split.labels[:some]
        with bfloat16(model):
            saliency.explain_by(saliency.METHODS, model, images, classes, Settings(backgrounds=images))
        superpixels.explain_images(model, images[:few], classes[:few].tolist(), samples=1000, seed=0)

    return task


EACH = predict, gradient  # of which it is told what an image costs


def timed(make: Callable[[int], Task], side: int, count: int) -> tuple[float, float]:
    """Do a task in this process, on few images and then on so many: seconds of the latter, and bytes held at most."""
    task, few, all_of_them = make(side), photos(FEW, side), photos(count, side)
    task(few)
    began = time.perf_counter()
    task(all_of_them)
    return time.perf_counter() - began, peak_memory()


def measure(tasks: Sequence[Callable[[int], Task]], side: int, count: int) -> dict[str, str]:
    """Measure tasks on so many images of a size: a row of a table."""
    row = {"pixels a side": f"{side}", "images": f"{count:,}"}
    for make in tasks:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            seconds, peak = pool.submit(timed, make, side, count).result()
        row |= {f"{make.__name__} s": f"{seconds:.1f}", f"{make.__name__} MB": f"{peak / 1e6:,.0f}"}
        row |= {f"{make.__name__} ms an image": f"{1e3 * seconds / count:.3f}"} if make in EACH else {}
    return row


def main() -> None:
    """Print a table with a row a size, and one with a row a number of images."""
    print(f"{EXPLAINED} of the images are explained by all methods, {BY_LIME} by LIME.")
    print(pd.DataFrame([measure((learn, predict, explain), side, LEARNED) for side in SIDES]).to_string(index=False))
    print(pd.DataFrame([measure(EACH, SIDES[0], count) for count in COUNTS]).to_string(index=False))


if __name__ == "__main__":
    main()
