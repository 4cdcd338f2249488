"""With BALANCE=1 every class counts the same in training, and such networks are others than those without."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.base.keeper import Keeper
from helpers.base.runs import name_run
from helpers.data.datasets import Dataset, Split
from helpers.networks.architectures import build_cnn
from helpers.training import stored
from helpers.training.batches import balances, class_weights
from helpers.training.recipes import RECIPES


def test_every_class_weighs_the_same_and_an_image_one_on_average(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.repeat([0, 1, 2], [90, 9, 1])
    assert class_weights(labels, 3) == {}
    monkeypatch.setenv("BALANCE", "1")
    weights = np.array([class_weights(labels, 3)[label] for label in labels])
    np.testing.assert_allclose([weights[labels == label].sum() for label in range(3)], 100 / 3)
    assert weights.mean() == pytest.approx(1)


def test_another_value_and_a_recipe_without_training_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALANCE", "yes")
    with pytest.raises(ValueError, match="BALANCE=yes is no choice"):
        balances()
    monkeypatch.setenv("BALANCE", "1")
    with pytest.raises(ValueError, match="RECIPE=pretrained trains nothing"):
        balances("pretrained")
    assert balances("quick") and name_run("data", "quick", 0, balance=True) == "data-balanced"


def test_a_balanced_network_is_kept_apart_and_trained_with_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (64, 24, 24, 1), dtype=np.uint8)
    split = Split(images, np.repeat([0, 1], [56, 8]))
    dataset = Dataset("toy", ("a", "b"), split, split, split, "toy", "Toy", (), None)
    given = []
    monkeypatch.setattr(stored, "train", lambda *parts, **options: given.append(options["class_weight"]) or stop())
    plan = replace(RECIPES["tiny"].plan, batch_size=32)
    keys = []
    for chosen in ("0", "1"):
        monkeypatch.setenv("BALANCE", chosen)
        build = lambda: build_cnn("vgg9_small", (24, 24, 1), 2, seed=0)  # noqa: E731
        keys.append(stored.training_parts(build(), dataset, plan, 0))
        with pytest.raises(InterruptedError):
            stored.load_or_train(build, dataset, plan, seed=0, name="cnn", keeper=Keeper(tmp_path))
    assert given == [None, {0: 64 / 112, 1: 4.0}] and keys[0] == {k: v for k, v in keys[1].items() if k != "balance"}
    assert keys[1]["balance"] is True


def stop() -> None:
    raise InterruptedError
