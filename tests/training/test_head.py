"""Learning from a network that has learned other images: first its head, on kept features, then all of it."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import toy_dataset
from keras import layers
from toys import quiet

from helpers.base.keeper import Keeper
from helpers.data.datasets import Dataset, Split
from helpers.networks.own.backbone import FEATURES
from helpers.networks.prediction import predict_logits
from helpers.training import head, recipes
from helpers.training.recipes import QUICK_PLAN, Phase, Plan, transferred
from helpers.training.stored import load_or_train

FROZEN = Phase("adamw", 0.02, epochs=30, augmented=False, frozen=True)
PLAN = Plan((FROZEN, Phase("sgd", 0.01, epochs=2)), batch_size=16, augmentation=recipes.MILD)


def build(seed: int = 0) -> keras.Model:
    """Build a backbone in small, with what branches, and a head."""
    keras.utils.set_random_seed(seed)
    pixels = keras.Input((24, 24, 1))
    maps = layers.Conv2D(8, 3, name="first")(layers.Rescaling(1 / 127.5, offset=-1)(pixels))
    normed = layers.BatchNormalization(trainable=False, name="norm")(maps)
    maps = layers.Add()([maps, layers.ReLU(6.0)(normed)])
    features = layers.GlobalAveragePooling2D(name=FEATURES)(maps)
    return keras.Model(pixels, layers.Dense(3, name="logits")(layers.Dropout(0.1, seed=seed)(features)), name="small")


@pytest.fixture(scope="module")
def bright() -> Dataset:
    """Images whose class is how bright they are."""
    dataset, random = toy_dataset(), np.random.default_rng(0)

    def split(count: int) -> Split:
        labels = random.integers(0, 3, count)
        noise = random.normal(0, 20, (count, 24, 24, 1))
        return Split(np.clip(60 + 70 * labels[:, None, None, None] + noise, 0, 255).astype(np.uint8), labels)

    return replace(dataset, train=split(96), validation=split(48), test=split(48))


def weights(model: keras.Model) -> dict[str, np.ndarray]:
    return {weight.path: np.array(weight) for weight in model.weights}


def changed(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> set[str]:
    return {name.split("/")[0] for name in before if not np.array_equal(before[name], after[name])}


def test_the_head_alone_learns_what_features_part(bright: Dataset, tmp_path: Path) -> None:
    model = build()
    before, wrong = weights(model), predict_logits(model, bright.test.images).argmax(1) != bright.test.labels
    history = head.train_head(model, bright, PLAN, seed=0, name="cnn", keeper=Keeper(tmp_path), report=quiet)
    assert changed(before, weights(model)) == {"logits"}
    right = predict_logits(model, bright.test.images).argmax(1) == bright.test.labels
    assert right.mean() > 0.95 and wrong.mean() > 0.3
    assert len(history) == 30 and history["val_accuracy"].iloc[-1] > 0.9


def test_then_all_of_it_learns_but_the_statistics(bright: Dataset, tmp_path: Path) -> None:
    made: list[keras.Model] = []

    def make() -> keras.Model:
        made.append(build())
        return made[-1]

    trained = load_or_train(make, bright, PLAN, seed=0, name="cnn", keeper=Keeper(tmp_path), report=quiet)
    assert changed(weights(build()), weights(trained.model)) == {"logits", "first"}
    assert trained.history["epoch"].tolist() == list(range(1, 33))
    assert trained.history["phase"].tolist() == [1] * 30 + [2] * 2
    again = load_or_train(make, bright, PLAN, seed=0, name="cnn", keeper=Keeper(tmp_path), report=pytest.fail)
    np.testing.assert_array_equal(weights(again.model)["logits/kernel"], weights(trained.model)["logits/kernel"])


def test_features_are_computed_once_for_all_trainings(bright: Dataset, tmp_path: Path, monkeypatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(
        head, "predict_logits", lambda model, images: seen.append(len(images)) or predict_logits(model, images)
    )
    for seed in (0, 1):
        head.train_head(build(), bright, PLAN, seed=seed, name="cnn", keeper=Keeper(tmp_path), report=quiet)
    assert seen == [96, 48]
    other = build(seed=5)  # another backbone has other features
    head.train_head(other, bright, PLAN, seed=0, name="cnn", keeper=Keeper(tmp_path), report=quiet)
    assert seen == [96, 48] * 2


@pytest.mark.parametrize("photos", [200, 2_000, 20_000])
def test_what_the_whole_network_is_shown_is_bounded(photos: int) -> None:
    from helpers.training.loop import _fitted_phases, _steps

    plan = transferred(QUICK_PLAN)
    whole = sum(phase.epochs for phase in _fitted_phases(plan.of_whole, photos))
    assert whole >= 1 and _steps(photos, plan) * plan.batch_size * whole <= 10_000
    assert plan.augmentation == QUICK_PLAN.augmentation
    assert _fitted_phases(plan.of_head, photos)[0].epochs == plan.phases[0].epochs
