"""Time and peak memory of sets of 10, 50 and 200 thousand photos, up to training: `python tests/bench/opening.py`.

The images are blurred spots of colour with noise, 64 x 64 pixels, as PNG files in class folders of a zip archive. Of
each set `make look` is asked, with an empty cache; it is opened twice, the first time with an empty cache, so that it
is hashed, decoded, searched for twins, split and written to the cache; and the quick network learns from as many
images of each. All in processes of their own; the peak is that of a process and of all that it starts.
"""

import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from turns import peak_memory

from helpers.data.datasets import load_dataset, look

COUNTS = (10_000, 50_000, 200_000)
CLASSES, SIDE = 10, 64
LEARNED = 10_000  # images that are trained on, of however many there are


def write_archive(path: Path, count: int, seed: int = 0) -> None:
    """Draw so many photos into a zip archive."""
    random = np.random.default_rng(seed)
    with zipfile.ZipFile(path, "w") as archive:
        for place in range(count):
            spots = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            spots[place % CLASSES // 4, place % 4] = 255
            pixels = np.asarray(Image.fromarray(spots).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
            noise = random.integers(-4, 5, pixels.shape, dtype=np.int16)
            archive.writestr(f"class {place % CLASSES}/{place:08}.png", _png(pixels + noise))


def _png(pixels: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def timed(task: Callable[[str, Path], object], archive: Path, cache: Path) -> tuple[float, float]:
    """Do a task in this process: seconds, and the bytes of memory that it took at most."""
    began = time.perf_counter()
    task(str(archive), cache)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = peak_memory() + unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return time.perf_counter() - began, peak


def look_at(archive: str, cache: Path) -> None:
    """Say how the archive is read, and read some images of each class, as `make look` does."""
    _, reading, records = look(archive)
    wanted = dict.fromkeys(range(len(reading.class_names)), 8)
    for record in records:
        wanted[record.label] -= 1
        if all(left <= 0 for left in wanted.values()):
            break


def learn(archive: str, cache: Path) -> None:
    """Train the quick network on LEARNED images of the archive, which has been opened before."""
    from helpers.networks.architectures import build_cnn
    from helpers.training.loop import train
    from helpers.training.recipes import RECIPES

    dataset, quick = load_dataset(archive, cache), RECIPES["quick"]
    plan = replace(quick.plan, max_images=LEARNED)
    train(build_cnn(quick.cnn, dataset.image_shape, CLASSES), dataset, plan, seed=0, name="cnn", report=lambda _: None)


def measure(count: int) -> dict[str, str]:
    """Measure all tasks on a set of so many images: a row of the table."""
    row = {"images": f"{count:,}"}
    with tempfile.TemporaryDirectory() as folder:
        archive, cache = Path(folder) / "photos.zip", Path(folder) / "cache"
        write_archive(archive, count)
        tasks = {"look": look_at, "first": load_dataset, "second": load_dataset, "learn": learn}
        for name, task in tasks.items():
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                seconds, peak = pool.submit(timed, task, archive, cache).result()
            row |= {f"{name} s": f"{seconds:.1f}", f"{name} MB": f"{peak / 1e6:,.0f}"}
            row |= {"first ms an image": f"{1e3 * seconds / count:.3f}"} if name == "first" else {}
    return row


def main(counts: Sequence[int] = COUNTS) -> None:
    """Print a table with a row a number of images."""
    for count in counts:  # each by itself, since the largest takes minutes
        print(pd.DataFrame([measure(count)]).to_string(index=False), flush=True)


if __name__ == "__main__":
    main([*map(int, sys.argv[1:])] or COUNTS)
