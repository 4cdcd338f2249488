"""Time and peak memory of opening sets of 10, 50 and 200 thousand images: `python tests/bench/opening.py`.

The images are schematic faces, 48 x 48 pixels, as PNG files in class folders of a zip archive. Each set is opened
by a process of its own with an empty cache, so that it is hashed, decoded, searched for twins, split and written to
the cache; the peak is that of the process and of all that it starts.
"""

import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from turns import peak_memory

from helpers.data import faces
from helpers.data.datasets import load_dataset

COUNTS = (10_000, 50_000, 200_000)
BATCH = 2_000  # faces drawn at a time


def write_archive(path: Path, count: int, seed: int = 0) -> None:
    """Draw so many faces into a zip archive."""
    labels = faces.draw_labels(count, seed)
    with zipfile.ZipFile(path, "w") as archive:
        for start in range(0, count, BATCH):
            images, _ = faces.render_faces(labels[start : start + BATCH], seed, first_index=start)
            for place, (image, label) in enumerate(zip(images, labels[start : start + BATCH], strict=True), start):
                archive.writestr(f"{faces.CLASS_NAMES[label]}/{place:06}.png", _png(image))


def _png(image: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(image.squeeze()).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def open_once(archive: Path, cache: Path) -> dict[str, str]:
    """Open an archive in this process: a row of the table with the time, and the memory that it took at most."""
    began = time.perf_counter()
    dataset = load_dataset(str(archive), cache)
    seconds = time.perf_counter() - began
    images = sum(len(split.labels) for split in (dataset.train, dataset.validation, dataset.test))
    unit = 1 if sys.platform == "darwin" else 1024
    peak = peak_memory() + unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    row = {"images": f"{images:,}", "time s": f"{seconds:.1f}", "ms an image": f"{1e3 * seconds / images:.3f}"}
    return row | {"peak memory MB": f"{peak / 1e6:,.0f}"}


def main(counts: Sequence[int] = COUNTS) -> None:
    """Make an archive of each size, open it in a process of its own, and print the table."""
    rows = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, get_context("spawn")) as pool:
            archive = Path(folder) / "faces.zip"
            write_archive(archive, count)
            rows.append(pool.submit(open_once, archive, Path(folder) / "cache").result())
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main([*map(int, sys.argv[1:])] or COUNTS)
