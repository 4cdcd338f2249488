"""Time and peak memory of images of 48, 96 and 192 pixels a side, as IMAGE_SIZE asks: `python tests/bench/sizes.py`.

The quick network learns from as many colour images of each size in one pass, predicts them, and explains some of them
by every method of the report, and by LIME. Each task of each size is done in a process of its own, on few images before
it is timed, so that what a process does but once does not count; learning builds its network anew, and with it what it
compiles. The peak is all that the process held.
"""

import sys
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
from helpers.explain import registry, superpixels
from helpers.networks.architectures import build_cnn
from helpers.networks.inference import bfloat16
from helpers.networks.prediction import predict_logits
from helpers.training.loop import train
from helpers.training.recipes import RECIPES

SIDES = (48, 96, 192)
LEARNED, EXPLAINED, BY_LIME, FEW = 2_000, 32, 4, 64
CLASSES = 10


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


def learn(side: int) -> Callable[[int], object]:
    """Give what learns from so many images once."""
    plan = RECIPES["quick"].plan

    def task(count: int) -> None:
        split, few = photos(count, side), photos(CLASSES, side)
        dataset = Dataset("photos", tuple(map(str, range(CLASSES))), split, few, few, "made", "Photos", (), None)
        once = replace(plan, phases=(replace(plan.phases[0], epochs=1),))
        train(network(side), dataset, once, seed=0, name="cnn", report=lambda _: None)

    return task


def predict(side: int) -> Callable[[int], object]:
    """Give what predicts so many images."""
    model = network(side)
    return lambda count: predict_logits(model, photos(count, side).images)


def explain(side: int) -> Callable[[int], object]:
    """Give what explains EXPLAINED of all images, or the same share of fewer, by every method, and BY_LIME by LIME."""
    model, settings = network(side), registry.Settings()

    def task(count: int) -> None:
        some = photos(max(1, count * EXPLAINED // LEARNED), side)
        images, classes = some.images, some.labels
        with bfloat16(model):
            for method in registry.METHODS.values():
                method.explain(model, images, classes, replace(settings, backgrounds=images))
        few = max(1, count * BY_LIME // LEARNED)
        superpixels.explain_images(model, images[:few], classes[:few].tolist(), samples=1000, seed=0)

    return task


TASKS = {"learn": learn, "predict": predict, "explain": explain}


def timed(name: str, side: int) -> tuple[float, float]:
    """Do a task in this process, on few images and then on all: seconds of the latter, and bytes held at most."""
    task = TASKS[name](side)
    task(FEW)
    began = time.perf_counter()
    task(LEARNED)
    return time.perf_counter() - began, peak_memory()


def measure(side: int) -> dict[str, str]:
    """Measure all tasks on images of a size: a row of the table."""
    row = {"pixels a side": f"{side}"}
    for name in TASKS:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            seconds, peak = pool.submit(timed, name, side).result()
        row |= {f"{name} s": f"{seconds:.1f}", f"{name} MB": f"{peak / 1e6:,.0f}"}
    return row


def main(sides: Sequence[int] = SIDES) -> None:
    """Print a table with a row a size."""
    print(
        f"{LEARNED:,} colour images learned once and predicted; {EXPLAINED} explained by all methods, {BY_LIME} by LIME"
    )
    print(pd.DataFrame([measure(side) for side in sides]).to_string(index=False), flush=True)


if __name__ == "__main__":
    main([*map(int, sys.argv[1:])] or SIDES)
