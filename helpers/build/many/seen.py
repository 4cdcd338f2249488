"""What a run's network answers to the test images and how it explains some of them, asked in a process of its own.

The code of a submission runs where its network is opened, so that is never the process that compares, and it has the
limits of a study.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np

from helpers.base.files import ROOT, write_atomically
from helpers.base.notebook import UsageError
from helpers.base.runs import KEPT, read_run, uses
from helpers.build.many.engines import Limits, open_engine, run_command

DRAWN = 6  # test images that are shown where none are named
METHODS = ("Grad-CAM", "gradient")  # the first that a network has maps by; many runs are compared, so a fast one
Seen = Mapping[str, np.ndarray]  # labels, predicted (N,), places (K,), images (K, H, W, C), maps (K, H, W), method
_NETWORK = re.compile(r"cnn_[0-9a-f]{20}\.keras")


def network_file(run: Path) -> Path | None:
    """Name the file of a run's headline network, if it is kept."""
    folder = run.parent / KEPT / str(read_run(run).get("fingerprint", ""))
    files = [folder / name for name in sorted(uses(run)) if _NETWORK.fullmatch(name)]
    return next((file for file in files if file.is_file()), None)


def see(
    runs: Sequence[Path], folder: Path, places: Sequence[int], engine: str, jobs: int, limits: Limits
) -> dict[str, Seen]:
    """Ask the networks of runs, several at a time, and keep what they say in a folder; those that fail are left out."""
    known = [f"{file and file.name} {[*places]}".encode() for file in map(network_file, runs)]
    targets = {run: folder / f"{run.name}-{sha256(key).hexdigest()[:12]}.npz" for run, key in zip(runs, known)}
    missing = [run for run, target in targets.items() if not target.is_file()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        with open_engine(engine, jobs, folder, limits) as pool:
            for future in [pool.submit(*_asking(run, targets[run], places, limits)) for run in missing]:
                future.exception()  # a run that cannot be seen is compared by its answers alone
    return {run.name: dict(np.load(target, allow_pickle=False)) for run, target in targets.items() if target.is_file()}


def _asking(run: Path, target: Path, places: Sequence[int], limits: Limits) -> tuple:
    command = [sys.executable, "-m", "helpers.build.many.seen", str(run), str(target), *map(str, places)]
    return run_command, command, {"TF_CPP_MIN_LOG_LEVEL": "3"}, str(ROOT), str(target.with_suffix(".log")), limits


def look(run_folder: Path, places: Sequence[int]) -> dict[str, np.ndarray]:
    """Open a finished run and ask its network; UsageError where that cannot be, or an image is not there."""
    from helpers.build.explain.command import open_finished
    from helpers.explain.saliency import Settings, choose  # as the room registers the methods

    run = open_finished(run_folder)
    test, model = run.dataset.test, run.cnn().model
    count = len(test.labels)
    if wrong := [place for place in places if place >= count]:
        raise UsageError(f"There is no test image {wrong[0]}; there are 0 to {count - 1}.")
    drawn = np.random.default_rng(0).choice(count, min(DRAWN, count), replace=False)
    chosen = np.array([*places], dtype=int) if places else np.sort(drawn)
    images, labels, said = np.asarray(test.images[chosen]), np.asarray(test.labels), run.probabilities("test")
    found = {"labels": labels, "predicted": said.argmax(axis=1), "places": chosen, "images": images}
    found |= {"confidence": said.max(axis=1), "classes": np.array(run.dataset.class_names)}
    for method in choose(METHODS, model)[:1]:
        maps = method.explain(model, images, labels[chosen], Settings(), signed=False)
        found |= {"maps": maps, "method": np.array(method.name)}
    return found


def main(words: Sequence[str]) -> int:
    """Run the command line: a run's folder, the file to write, and places of test images; 2 where it cannot be."""
    run, target, *places = words
    buffer = BytesIO()
    try:
        np.savez_compressed(buffer, allow_pickle=False, **look(Path(run), [*map(int, places)]))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    write_atomically(Path(target), buffer.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
