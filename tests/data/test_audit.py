"""The audit counts exactly what was planted, and nothing where nothing was."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.base import words
from helpers.base.words import parts
from helpers.data import audit
from helpers.data.datasets import Dataset, load_dataset


def noise(count: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 12, 12, channels), dtype=np.uint8)


@pytest.fixture
def planted() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Splits of 40, 20 and 20 different images, then with twins, conflicts and blanks put in."""
    all_images, all_labels = noise(80), np.arange(80) % 4
    images = {"train": all_images[:40], "validation": all_images[40:60], "test": all_images[60:]}
    labels = {"train": all_labels[:40], "validation": all_labels[40:60], "test": all_labels[60:]}
    images["train"][1] = images["train"][0]  # labels 0 and 1: a conflict within training
    images["train"][8] = images["train"][4]  # labels 0 and 0: a copy without a conflict
    images["validation"][0] = images["train"][12]  # the same label on both sides
    images["test"][1] = images["train"][10]  # labels 1 and 2: a conflict across splits
    images["test"][2] = images["test"][6]  # labels 2 and 2
    images["test"][3] = 77  # blank
    images["train"][39] = 0  # blank, and no twin of the other
    return images, labels


def counted(table: pd.DataFrame, finding: str) -> list[int | None]:
    row = table.set_index("finding").filter(like=finding, axis=0)
    return [None if pd.isna(value) else int(value) for value in row.iloc[0]]


def test_every_finding_is_counted_where_it_was_planted(planted) -> None:
    table = audit.audit(*planted)
    assert list(table.columns) == ["finding", "train", "validation", "test", "all"]
    assert table["finding"].is_unique
    for language in words.languages():
        assert {*table.columns, *table["finding"]} <= {*words._names(language, frozenset())}
    assert counted(table, "images") == [40, 20, 20, 80]
    assert counted(table, "blank images") == [1, 0, 1, 2]
    assert counted(table, "copies of another") == [2, 0, 1, 5]
    assert counted(table, "a twin in train")[1:3] == [1, 1]
    assert table.set_index("finding").loc["images with a twin in train"].isna().tolist() == [True, False, False, True]
    assert counted(table, "twin of another label") == [3, 0, 1, 4]
    assert counted(table, "conflicting labels") == [1, 0, 0, 2]


def test_clean_data_have_no_findings() -> None:
    images = {"train": noise(30), "test": noise(10, seed=1)}
    table = audit.audit(images, {"train": np.zeros(30, int), "test": np.ones(10, int)})
    findings = table.set_index("finding").drop("images")
    assert findings.fillna(0).to_numpy().sum() == 0


def test_the_order_of_the_images_does_not_matter(planted) -> None:
    images, labels = planted
    orders = {split: np.random.default_rng(3).permutation(len(labels[split])) for split in labels}
    moved = audit.audit({s: images[s][orders[s]] for s in images}, {s: labels[s][orders[s]] for s in labels})
    assert moved.equals(audit.audit(images, labels))


@pytest.mark.parametrize("channels", [1, 3])
def test_one_changed_byte_makes_another_image(channels: int) -> None:
    training = noise(3000, channels)  # more than one chunk
    images = training[[0, 1500, 2999]].copy()
    assert audit.without_twin(images, training).tolist() == [False, False, False]
    images[1, -1, -1, -1] ^= 1
    assert audit.without_twin(images, training).tolist() == [False, True, False]
    assert len(np.unique(audit.image_keys(training))) == 3000


def test_an_image_is_blank_when_each_channel_is_of_one_value() -> None:
    images = noise(3, channels=3)
    images[0] = [200, 10, 0]
    images[1] = [200, 10, 0]
    images[1, 5, 5, 2] = 1
    assert audit.doubtful(images)["blank"].tolist() == [True, False, False]


def test_no_images_are_no_error() -> None:
    empty = noise(0)
    assert audit.image_keys(empty).shape == (0,) and audit.doubtful(empty).shape == (0, 4)
    assert audit.near_pairs(empty).shape == (0, 2)
    assert audit.without_twin(empty, noise(3)).shape == (0,)


@pytest.fixture(scope="module")
def fer2013(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    cache = tmp_path_factory.mktemp("fer2013")
    return load_dataset(str(shared_data / "fer2013.zip"), cache, keep_training=True)


def test_what_is_known_of_fer2013_without_private_test(fer2013: Dataset) -> None:
    """Of the whole of FER2013, 280 images of PublicTest are known as copies, and with PrivateTest 13 as blank."""
    splits = {"train": fer2013.train, "test": fer2013.test}
    table = audit.audit({s: splits[s].images for s in splits}, {s: splits[s].labels for s in splits})
    assert counted(table, "images") == [28709, 3589, 32298]
    assert counted(table, "a twin in train")[1] == 280
    assert counted(table, "blank images") == [11, 1, 12]
    assert counted(table, "conflicting labels") == [39, 1, 47]
    assert "280 of the 3,589 test images also occur" in parts(fer2013.notes)[1]
