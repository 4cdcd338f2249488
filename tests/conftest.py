import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from folders import set_aside

set_aside()

from helpers import __main__ as commands  # noqa: E402
from helpers.base.machine import forked  # noqa: E402
from helpers.base.notebook import Place, find_notebooks  # noqa: E402
from helpers.build.execute import kernel_environment  # noqa: E402
from helpers.build.nursery import nursery  # noqa: E402
from helpers.data.datasets import Dataset, Split  # noqa: E402 -- reads where the cache lies

# Tests compare reports to the byte, and a report says of what day it is: no midnight comes between them.
os.environ.setdefault("SOURCE_DATE_EPOCH", str(int(time.time())))
# Tests run in two processes, whose threads would wait for one another.
for library in ("OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(library, "1")

NOTEBOOKS_RECIPE = "tiny"  # nbval runs the notebooks with a network of seconds; the quick recipe is `make report`'s


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Have nbval run each notebook as `make report` runs it with the recipe that trains least."""
    for item in items:
        cell = getattr(item, "cell", None)
        if cell is not None and "parameters" in cell.metadata.get("tags", ()):
            cell.source += "\n" + recipe_lines(item.path, NOTEBOOKS_RECIPE)


def recipe_lines(path: Path, recipe: str) -> str:
    """Write a recipe, and the parameters that it sets in a notebook, as lines of its parameters cell."""
    place = find_notebooks(path.parent)[path.stem] if path.stem[0].isdigit() else Place()
    chosen = {"RECIPE": recipe, **place.recipes.get(recipe, {})}
    return "\n".join(f"{name} = {value!r}" for name, value in chosen.items())


@pytest.fixture(autouse=True)
def environment_of_its_own() -> Iterator[None]:
    """Put back what a test, or what it calls, sets in the environment: others run in this process, too."""
    with mock.patch.dict(os.environ):
        yield


def pytest_sessionstart() -> None:
    """Have nbval's kernels forked, too, where a process is warm: each starts seconds sooner."""
    import ipykernel.kernelspec

    plain, forking = ipykernel.kernelspec.get_kernel_dict, forked("helpers.build.kernel", "-f", "{connection_file}")
    ipykernel.kernelspec.get_kernel_dict = lambda *options, **more: {**plain(*options, **more), "argv": forking}


@pytest.fixture(scope="session")
def warm() -> Iterator[None]:
    """A process that has imported all, of which those that tests start are forked, as in a build: seconds less each."""
    with nursery(kernel_environment()):
        yield


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command line in this process, as `cli("report", "SEED=1")`; what it sets in the environment is put back."""
    for name in commands.OPTIONS:
        before = os.environ.get(name)
        monkeypatch.setenv(name, before or "")
        if before is None:
            monkeypatch.delenv(name)
    return lambda *words: commands.main(words)


SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the repository; tests that need it are skipped where it is not."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data sets, ../shared/data, are not on this machine")
    return SHARED_DATA


def toy_dataset(images_per_class: int = 60, seed: int = 0) -> Dataset:
    """Make a data set of three easy classes: a bright spot at the top, in the middle or at the bottom."""
    random = np.random.default_rng(seed)

    def split(count: int) -> Split:
        labels = np.repeat(np.arange(3), count)
        images = random.integers(0, 120, (3 * count, 24, 24, 1))
        for image, label in zip(images, labels, strict=True):
            image[8 * label : 8 * label + 8, 8:16] += 100
        return Split(images.astype(np.uint8), labels)

    splits = split(images_per_class), split(20), split(20)
    return Dataset("toy", ("top", "middle", "bottom"), *splits, "toy", "Spots", (), None)


def write_fer2013_table(path: Path, usages: Sequence[str], each: int = 21) -> Path:
    """Write a table in the form of fer2013.csv: `each` noisy images of each usage, and one training image as its twin.

    The mean brightness of an image tells its class.
    """
    random = np.random.default_rng(0)
    rows = [
        (i % 7, 20 + 30 * (i % 7) + random.integers(0, 20, 48 * 48), usage)
        for usage in ("Training", *usages)
        for i in range(each * (10 if usage == "Training" else 1))
    ]
    rows += [(*rows[0][:2], usage) for usage in usages]
    lines = (f"{label},{' '.join(map(str, pixels))},{usage}" for label, pixels, usage in rows)
    path.write_text("\n".join(["emotion,pixels,Usage", *lines, ""]))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Chromium, where there is one on this machine."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install -e .[browser]"
    )
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("there is no Chromium on this machine; install one, as with apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()
