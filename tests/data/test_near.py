"""Near-duplicates are found, mirrored, resized and re-compressed, and what only has little to show is not."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from helpers.data import audit
from helpers.data.audit import near
from helpers.data.datasets import load_dataset


def jpeg(image: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image.squeeze()).save(stream, "JPEG", quality=85)
    return np.asarray(Image.open(stream)).reshape(image.shape)


def resized(image: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(image.squeeze())
    smaller = picture.resize([round(0.9 * side) for side in picture.size], Image.Resampling.BICUBIC)
    return np.asarray(smaller.resize(picture.size, Image.Resampling.BICUBIC)).reshape(image.shape)


def mirrored(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])


COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "JPEG of quality 85": jpeg,
    "90 % of the size and back": resized,
    "mirrored": mirrored,
    "all three": lambda image: jpeg(resized(mirrored(image))),
}


def scenes(count: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Draw images that have, like photographs, more of the low spatial frequencies, above all in their colours."""
    random = np.random.default_rng(seed)
    rough = gaussian_filter(random.normal(size=(count, 40, 40, channels)), (0, 3, 3, 0))
    fine = gaussian_filter(random.normal(size=(count, 40, 40, 1)), (0, 0.7, 0.7, 0))
    return np.clip(128 + 300 * rough + 60 * fine, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", COPIES)
def test_a_changed_copy_is_found_and_nothing_else(kind: str, channels: int) -> None:
    images = scenes(300, channels)
    copies = np.stack([COPIES[kind](image) for image in images[:100]])
    pairs = audit.near_pairs(images, copies)
    assert pairs.tolist() == [[place, 300 + place] for place in range(100)]


def test_images_with_little_to_show_are_like_no_other() -> None:
    random = np.random.default_rng(0)
    blank = np.full((20, 40, 40, 1), 200, np.uint8)
    faint = np.full((20, 40, 40, 1), 90, np.uint8) + random.integers(0, 3, (20, 40, 40, 1), dtype=np.uint8)
    assert len(audit.near_pairs(np.concatenate([blank, faint, scenes(20)]))) == 0


def test_a_shape_in_another_colour_is_another_image() -> None:
    red, blue = np.full((2, 40, 40, 3), 240, np.uint8)
    red[10:30, 8:25] = (200, 0, 60)
    blue[10:30, 8:25] = (60, 0, 200)
    assert len(audit.near_pairs(np.stack([red, blue]), scenes(100, 3))) == 0


def test_where_all_images_are_alike_no_pairs_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.repeat(scenes(1), 60, axis=0)
    assert len(audit.near_pairs(images)) == 60 * 59 / 2
    monkeypatch.setattr(near, "MOST", 3)
    assert audit.near_pairs(images) is None


def test_two_hashes_with_few_other_bits_are_found_whichever_bits_they_are() -> None:
    random = np.random.default_rng(0)
    first = random.integers(0, 256, (500, 8), dtype=np.uint8)
    bits = np.unpackbits(first, axis=1)
    for row in bits:
        row[random.choice(64, near.HAMMING, replace=False)] ^= 1
    second = np.packbits(bits, axis=1)
    hashes = np.concatenate([first, second])
    assert near._candidates(hashes, hashes).tolist() == [[i, 500 + i] for i in range(500)]


def test_the_table_counts_near_duplicates_by_split_and_label() -> None:
    images = scenes(30)
    test = np.concatenate([images[:3, :, ::-1], scenes(5, seed=1)])
    labels = {"train": np.zeros(30, int), "test": np.array([0, 1, 1, 0, 0, 0, 0, 0])}
    pairs = audit.near_pairs(images, test)
    table = audit.audit({"train": images, "test": test}, labels, pairs).set_index("finding")
    assert table.loc["images with a near-duplicate"].tolist() == [3, 3, 6]
    assert table.loc["images with a near-duplicate in train", "test"] == 3
    assert table.loc["images with a near-duplicate of another label"].tolist() == [2, 2, 4]
    assert table.loc["images with a twin in train", "test"] == 0
    twins = audit.near_twins(pairs, {"train": 30, "test": 8})
    assert not twins["train"].any() and np.flatnonzero(twins["test"]).tolist() == [0, 1, 2]


def test_blurred_dark_and_faint_images_are_told_apart() -> None:
    images = scenes(40)
    images[0] = gaussian_filter(images[0].astype(float), (3, 3, 0))
    images[1] //= 6
    images[2] = 120 + images[2] // 100
    images[3] = 7
    found = audit.doubtful(images)
    named = {kind: np.flatnonzero(found[kind]).tolist() for kind in found.columns}
    assert named == {"blank": [3], "faint": [2], "dark": [1], "blurred": [0]}


@pytest.fixture(scope="module")
def fer2013(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray]:
    dataset = load_dataset(str(shared_data / "fer2013.zip"), tmp_path_factory.mktemp("fer2013"), keep_training=True)
    return np.asarray(dataset.train.images), np.asarray(dataset.test.images)


def test_of_changed_copies_of_fer2013_hardly_one_is_missed(fer2013: tuple[np.ndarray, np.ndarray]) -> None:
    training, _ = fer2013
    chosen = np.sort(np.random.default_rng(0).choice(len(training), 400, replace=False))
    copies = np.concatenate([[change(image) for image in training[chosen]] for change in COPIES.values()])
    pairs = audit.near_pairs(training, copies)
    hit = pairs[(pairs[:, 1] >= len(training))]
    hit = hit[hit[:, 0] == np.tile(chosen, len(COPIES))[hit[:, 1] - len(training)]]
    recall = np.bincount((hit[:, 1] - len(training)) // 400, minlength=len(COPIES)) / 400
    print(dict(zip(COPIES, recall.tolist(), strict=True)))
    assert recall.min() >= 0.99  # faint images are not compared


def test_what_fer2013_holds_beside_identical_images(fer2013: tuple[np.ndarray, np.ndarray]) -> None:
    """Of 50 pairs that are not identical, drawn at random, none showed two photographs to the eye."""
    pairs = audit.near_pairs(*fer2013)
    images = np.concatenate(fer2013)
    identical = (images[pairs[:, 0]] == images[pairs[:, 1]]).all(axis=(1, 2, 3))
    twins = audit.near_twins(pairs, {"train": len(fer2013[0]), "test": len(fer2013[1])})
    print(f"{len(pairs)} pairs, {identical.sum()} identical; {twins['test'].sum()} test images near a training image")
    assert identical.sum() == 1872 and 1800 < len(pairs) - identical.sum() < 2200
