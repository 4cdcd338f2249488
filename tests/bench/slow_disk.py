"""What learning from a slow disk costs: `python tests/bench/slow_disk.py`, on Linux as root.

The kernel lets a process of its own read no more than RATE bytes a second from the disk that holds the cache, of which
memory has nothing when it begins. In turns, the quick network learns once from all training images in memory and on
that disk, and the same batches are only read from it. Where reading ahead works, learning from the disk takes as long
as the slower of the two, and not as long as both.
"""

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from opening import CLASSES, write_archive

from helpers.data.datasets import Dataset, load_dataset

IMAGES = 40_000
RATE = 40_000_000  # bytes a second
ROUNDS = 3
GROUPS = Path("/sys/fs/cgroup")


def learn(dataset: Dataset) -> None:
    """Train the quick network on every training image once, and validate it."""
    from helpers.networks.architectures import build_cnn
    from helpers.training.loop import train
    from helpers.training.recipes import RECIPES

    quick = RECIPES["quick"]
    phases = tuple(replace(phase, epochs=1) for phase in quick.plan.phases)
    plan = replace(quick.plan, phases=phases, max_images=len(dataset.train.labels))
    train(build_cnn(quick.cnn, dataset.image_shape, CLASSES), dataset, plan, seed=0, name="cnn", report=lambda _: None)


def read(dataset: Dataset) -> None:
    """Read what learning reads, in its order."""
    from helpers.training.batches import draw_batches
    from helpers.training.recipes import RECIPES

    size, count = RECIPES["quick"].plan.batch_size, len(dataset.train.labels)
    batches = draw_batches(count, (count // size, size), 0.0, np.random.default_rng([0, 1]))
    for (images,) in batches.all((dataset.train.images,)):
        images.sum()
    dataset.validation.images.sum()


def timed(task: Callable[[Dataset], None], archive: str, cache: Path, slow: bool) -> float:
    """Do a task in this process, which has a slow disk and nothing of it in memory, or all of it: seconds."""
    import helpers.training.loop  # noqa: F401 -- takes seconds, and is no part of what is measured

    for file in cache.rglob("*.npy"):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if not slow:
                while stream.read(1 << 24):
                    pass
    dataset = load_dataset(archive, cache)
    if slow:
        limit_reading(cache)
    began = time.perf_counter()
    task(dataset)
    return time.perf_counter() - began


def limit_reading(folder: Path) -> None:
    """Let this process read RATE bytes a second from the disk that holds the folder. Raises OSError where it cannot."""
    number = folder.stat().st_dev
    device = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve(strict=True)
    disk = (device.parent if (device / "partition").is_file() else device).joinpath("dev").read_text().strip()
    older = GROUPS / "blkio"  # where the kernel's groups are those of version 1
    group = (older if older.is_dir() else GROUPS) / f"slow-disk-{os.getpid()}"
    group.mkdir()
    if older.is_dir():
        (group / "blkio.throttle.read_bps_device").write_text(f"{disk} {RATE}")
    else:
        (GROUPS / "cgroup.subtree_control").write_text("+io")
        (group / "io.max").write_text(f"{disk} rbps={RATE}")
    (group / "cgroup.procs").write_text(str(os.getpid()))


def main() -> None:
    """Print the seconds of each, or why they cannot be measured."""
    if not hasattr(os, "posix_fadvise"):
        print("A slow disk is left out: only Linux can slow one down.")
        return
    ways = {"learning": (learn, False), "reading from the disk": (read, True), "learning from the disk": (learn, True)}
    # Not in /tmp, which may lie in memory.
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        archive, cache = Path(folder) / "photos.zip", Path(folder) / "cache"
        write_archive(archive, IMAGES)
        load_dataset(str(archive), cache)
        try:
            rows = [
                {name: in_a_process(*way, str(archive), cache) for name, way in ways.items()} for _ in range(ROUNDS)
            ]
        except OSError as error:  # of whoever is not root
            print(f"A slow disk is left out: {error}.")
            return
    print(f"{IMAGES:,} photos, and a disk that gives {RATE / 1e6:.0f} MB a second")
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.1f"))


def in_a_process(task: Callable[[Dataset], None], slow: bool, archive: str, cache: Path) -> float:
    """Do a task in a process of its own: seconds."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        asked = pool.submit(timed, task, archive, cache, slow)
    for group in [*GROUPS.glob("slow-disk-*"), *GROUPS.glob("blkio/slow-disk-*")]:
        group.rmdir()  # whose process has ended
    return asked.result()


if __name__ == "__main__":
    main()
