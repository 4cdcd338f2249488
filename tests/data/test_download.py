"""Downloading, with a stand-in for Kaggle that copies a small data set."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import requests
from PIL import Image

from helpers.base.files import ROOT
from helpers.data import datasets, download
from helpers.data.datasets import load_dataset
from helpers.data.download import DownloadError, PublicCopy

SPLIT_FOLDERS = {"training": 8, "validation": 4, "evaluation": 4}
IMAGES = {"train": 16, "validation": 8, "test": 8}


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """What Kaggle has: two classes in the folders of the three splits."""
    random = np.random.default_rng(0)
    for split, count in SPLIT_FOLDERS.items():
        for label, name in enumerate(("Bread", "Soup")):
            (tmp_path / "served" / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (20, 20, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "served" / split / name / f"{label}_{number}.png")
    return tmp_path / "served"


Answer = Callable[[str, Path], Path]


@pytest.fixture
def kaggle(served: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stand-in for kagglehub; gives the handles that were asked for."""
    asked: list[str] = []

    def dataset_download(handle: str) -> str:
        asked.append(handle)
        target = Path(os.environ["KAGGLEHUB_CACHE"]) / "datasets" / handle / "versions" / "1"
        return str(shutil.copytree(served, target, dirs_exist_ok=True))

    monkeypatch.setenv("KAGGLEHUB_CACHE", "set by the test, and set back at its end")
    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=dataset_download))
    monkeypatch.setitem(download.PUBLIC_COPIES, "food11", PublicCopy("cook/food11", IMAGES))
    return asked


def refuse(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Have the stand-in write a part of the archive and then fail."""

    def dataset_download(_: str) -> str:
        (Path(os.environ["KAGGLEHUB_CACHE"]) / "1.archive").write_bytes(b"half")
        raise error

    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=dataset_download))


def message(tmp_path: Path, name: str = "food11") -> str:
    with pytest.raises((DownloadError, OSError)) as caught:
        download.download(name, tmp_path / "data", tmp_path / "cache")
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text
    return text


def test_a_download_gets_its_place_under_data_and_is_found_by_its_name(
    kaggle: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "ROOT", tmp_path)
    found = download.download("food11", tmp_path / "data", tmp_path / "cache")
    assert found == tmp_path / "data" / "food11" and kaggle == ["cook/food11"]
    assert not (tmp_path / "data" / "downloads" / "food11").exists()
    dataset = load_dataset("food11", tmp_path / "cache")
    assert dataset.name == "food11"
    assert {split: len(getattr(dataset, split).labels) for split in IMAGES} == IMAGES


def test_what_is_there_is_not_downloaded_again_but_counted(kaggle: list[str], tmp_path: Path) -> None:
    for _ in range(2):
        found = download.download("food11", tmp_path / "data", tmp_path / "cache")
    assert len(kaggle) == 1
    next((found / "training" / "Soup").iterdir()).unlink()
    assert "holds 15 + 8 + 8 images instead of 16 + 8 + 8" in message(tmp_path)


def test_a_copy_that_is_not_the_data_set_is_refused_and_not_kept(
    kaggle: list[str], served: Path, tmp_path: Path
) -> None:
    next((served / "evaluation" / "Soup").iterdir()).unlink()
    assert "holds 16 + 8 + 7 images instead of 16 + 8 + 8, so it is not food11 as published" in message(tmp_path)
    shutil.rmtree(served)
    served.mkdir()
    (served / "readme.txt").write_text("moved elsewhere")
    assert "What Kaggle gave for food11 cannot be used: " in message(tmp_path)
    assert len(kaggle) == 2 and not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]


@pytest.mark.parametrize("error", [requests.ConnectionError("no route"), requests.Timeout("slow")])
def test_without_a_network_it_says_what_to_do_and_keeps_what_has_come(
    kaggle: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    refuse(monkeypatch, error)
    assert message(tmp_path) == (
        "Kaggle cannot be reached from here; connect to the network and run `make data DATASET=food11` again, which "
        "goes on where it stopped, or download https://www.kaggle.com/datasets/cook/food11 elsewhere and save the "
        "archive as data/food11.zip."
    )
    assert (tmp_path / "data" / "downloads" / "food11" / "1.archive").read_bytes() == b"half"


def test_other_refusals_are_told_in_one_sentence(
    kaggle: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, KeyError("gone.\nand more"))
    assert "Kaggle did not give cook/food11" in message(tmp_path)
    refuse(monkeypatch, OSError(28, "No space left on device"))
    assert "the disk is full" in message(tmp_path)
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert "not installed; run `make setup`" in message(tmp_path)
    assert "choose fer2013 or food11" in message(tmp_path, "faces")


def test_the_real_client_without_a_network_ends_in_one_sentence() -> None:
    """Behind a proxy that nobody answers there is no network, wherever the test runs."""
    nowhere = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}
    text = (
        "import sys, tempfile; from pathlib import Path; from helpers.__main__ import main\n"
        "from helpers.data import download\n"
        "download.DATA = Path(tempfile.mkdtemp())\n"
        "download.download.__defaults__ = (download.DATA, download.DATA)\n"
        "sys.exit(main(['data', 'DATASET=fer2013']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, env=os.environ | nowhere, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: Kaggle cannot be reached from here;") and done.stderr.count("\n") == 1
