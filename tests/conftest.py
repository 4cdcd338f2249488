from pathlib import Path

import numpy as np
import pytest

from helpers.datasets import Dataset, Split

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
