"""Download the public copy of a known data set: `make data DATASET=fer2013`.

The copy comes from Kaggle by `kagglehub`, which needs no account for it. A download that was broken off goes on where
it stopped. What came is opened as a report would open it, and its images are counted, before it gets its place.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from helpers.base.checks import UserError
from helpers.base.files import ROOT, WriteError, writing
from helpers.base.words import text
from helpers.data.datasets import Dataset, load_dataset
from helpers.data.reading import SPLITS
from helpers.data.sources import DatasetError

DATA = ROOT / "data"


class PublicCopy(NamedTuple):
    """A data set on Kaggle: its handle there, and how many images each split is known to have."""

    handle: str
    images: Mapping[str, int]


PUBLIC_COPIES = {
    "fer2013": PublicCopy("msambare/fer2013", {"train": 28_709, "validation": 3_589, "test": 3_589}),
    "food11": PublicCopy("trolukovich/food11-image-dataset", {"train": 9_866, "validation": 3_430, "test": 3_347}),
}


class DownloadError(UserError, RuntimeError):
    """A download that did not succeed; the message is one sentence for the user."""


def download(name: str, data: Path = DATA, cache: Path | None = None) -> Path:
    """Download a data set into `data/<name>` unless it is there, check it, and return its folder.

    Raises DownloadError on a name that has no public copy, where Kaggle cannot be reached, and where what came is not
    the data set; WriteError where the disk refuses.
    """
    if name not in PUBLIC_COPIES:
        raise DownloadError(text("refused.download.unknown", name=name, known=" or ".join(PUBLIC_COPIES)))
    target, scratch = data / name, data / "downloads" / name
    if target.exists():
        check(name, target, cache)
        return target
    fetched = _fetch(name, scratch)
    try:
        check(name, fetched, cache)
    except DownloadError:
        shutil.rmtree(scratch)  # else the next download would find it there and take it for whole
        raise
    with writing(target):
        fetched.rename(target)
    shutil.rmtree(scratch)
    return target


def _fetch(name: str, scratch: Path) -> Path:
    """Have kagglehub download a copy into a folder of the project; returns the folder that holds the images."""
    os.environ["KAGGLEHUB_CACHE"] = str(scratch)  # else it would write into the user's home
    handle = PUBLIC_COPIES[name].handle
    try:
        import kagglehub
        import requests
    except ImportError as error:
        raise DownloadError(text("refused.download.package", package=error.name, name=name)) from error
    try:
        with writing(scratch):
            scratch.mkdir(parents=True, exist_ok=True)
            return Path(kagglehub.dataset_download(handle))
    except (requests.ConnectionError, requests.Timeout) as error:
        raise DownloadError(text("refused.download.unreachable", name=name, handle=handle)) from error
    except Exception as error:  # kagglehub has a dozen errors of its own, without a common base
        if isinstance(error, WriteError):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise DownloadError(text("refused.download.broken", name=name, handle=handle, reason=reason)) from error


def check(name: str, path: Path, cache: Path | None = None) -> Dataset:
    """Open a copy as a report would and count its images; DownloadError unless each split is as published."""
    try:
        dataset = load_dataset(str(path), cache)
    except DatasetError as error:
        raise DownloadError(text("refused.download.useless", name=name, reason=str(error))) from error
    expected = PUBLIC_COPIES[name].images
    found = {split: len(getattr(dataset, split).labels) for split in SPLITS}
    unreadable = len(dataset.skipped)
    if any(found[one] > expected[one] for one in SPLITS) or sum(found.values()) + unreadable != sum(expected.values()):
        counts = {"found": _listed(found), "expected": _listed(expected)}
        raise DownloadError(text("refused.download.other", path=str(path), name=name, **counts))
    return dataset


def _listed(images: Mapping[str, int]) -> str:
    return " + ".join(f"{images[split]:,}" for split in SPLITS)


def fetch(dataset: str = "faces") -> None:
    """Download a data set and say so; DownloadError and WriteError as `download` raises them."""
    path, images = download(dataset), _listed(PUBLIC_COPIES[dataset].images)
    print(f"{path} is {dataset}: {images} images to train, validate and test on.")
    print(f"Go on with `make report DATASET={dataset}`.")
