"""Time and peak memory of opening sets of 10, 50 and 200 thousand images: `python -m helpers.bench.opening`.

The images are schematic faces, 48 x 48 pixels, as PNG files in class folders of one zip archive. Each set is opened
by a process of its own with an empty cache, so that it is hashed, decoded, searched for twins, split and written to
the cache; the peak is that of the process and of all that it starts.
"""

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from helpers.base.machine import peak_memory
from helpers.data import faces
from helpers.data.datasets import load_dataset

COUNTS = (10_000, 50_000, 200_000)
BATCH = 2_000  # faces drawn at a time
MEGABYTE = 1e6


def write_archives(folder: Path, counts: Sequence[int], seed: int = 0) -> list[Path]:
    """Draw faces and write the first so many of them as one zip archive for each of `counts`; give their paths."""
    paths = [folder / f"faces_{count}.zip" for count in counts]
    with ExitStack() as stack:
        archives = [stack.enter_context(zipfile.ZipFile(path, "w")) for path in paths]
        for number, (name, png) in enumerate(_draw(max(counts), seed)):
            for archive, count in zip(archives, counts, strict=True):
                if number < count:
                    archive.writestr(name, png)
    return paths


def _draw(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Draw faces, each as the name of its file and the file's content."""
    labels = faces.draw_labels(count, seed)
    for start in range(0, count, BATCH):
        images, _ = faces.render_faces(labels[start : start + BATCH], seed, first_index=start)
        for place, (image, label) in enumerate(zip(images, labels[start : start + BATCH], strict=True), start):
            yield f"{faces.CLASS_NAMES[label]}/{place:06}.png", _png(image)


def _png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image.squeeze()).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def measure(archive: Path) -> dict[str, float]:
    """Open an archive in a fresh process with an empty cache: images, seconds, peak memory in bytes.

    Raises CalledProcessError where it cannot be opened.
    """
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "helpers.bench.opening", "--open", str(archive), "--cache", cache]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def open_once(archive: Path, cache: Path) -> dict[str, float]:
    """Open an archive in this process and say how long it took and how much memory it took at most."""
    began = time.perf_counter()
    dataset = load_dataset(str(archive), cache)
    seconds = time.perf_counter() - began
    images = sum(len(split.labels) for split in (dataset.train, dataset.validation, dataset.test))
    return {"images": images, "seconds": seconds, "bytes": _peak_memory()}


def _peak_memory() -> int:
    """Give the most memory that this process held plus the most that one of its children held, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return peak_memory() + unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def table(rows: Sequence[dict[str, float]]) -> str:
    """Set what was measured as a table, with the cost of each image."""
    frame = pd.DataFrame(rows)
    return pd.DataFrame(
        {
            "images": frame["images"].map("{:,.0f}".format),
            "time s": frame["seconds"].map("{:.1f}".format),
            "ms an image": (1e3 * frame["seconds"] / frame["images"]).map("{:.3f}".format),
            "peak memory MB": (frame["bytes"] / MEGABYTE).map("{:,.0f}".format),
        }
    ).to_string(index=False)


def main(words: Sequence[str] = ()) -> None:
    """Make the archives, open each, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m helpers.bench.opening", description=__doc__.splitlines()[0])
    parser.add_argument("--counts", nargs="+", type=int, default=COUNTS, help="images in each set")
    parser.add_argument("--folder", type=Path, help="folder of the archives, made if missing and kept for next time")
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if arguments.open:
        print(json.dumps(open_once(arguments.open, arguments.cache)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        archives = _archives(arguments.folder or Path(scratch), arguments.counts)
        print(table([measure(archive) for archive in archives]))


def _archives(folder: Path, counts: Sequence[int]) -> list[Path]:
    """Find the archives in a folder or, unless all are there, make them."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"faces_{count}.zip" for count in counts]
    return paths if all(map(zipfile.is_zipfile, paths)) else write_archives(folder, counts)


if __name__ == "__main__":
    main(sys.argv[1:])
