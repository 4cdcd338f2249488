"""Learning from a network that has learned other images: first its head, on kept features, then all of it."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import toy_dataset
from keras import layers
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler
from toys import quiet

from helpers.base.keeper import Keeper
from helpers.data.datasets import Dataset, Split
from helpers.networks.logits import softmax
from helpers.networks.own.backbone import FEATURES
from helpers.networks.prediction import predict_logits
from helpers.training import head
from helpers.training.recipes import CHANGES, PLANS, Phase, Plan, fit_epochs, transferred
from helpers.training.stored import load_or_train

FROZEN = Phase("lbfgs", 0.0, epochs=1, augmented=False, frozen=True)
PLAN = Plan((FROZEN, Phase("adamw", 0.01, epochs=6, augmented=False)), batch_size=16, augmentation=CHANGES["mild"])


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


@pytest.fixture(scope="module")
def striped() -> Dataset:
    """Images whose class is how fine stripes run under noise, which filters by chance see badly."""
    dataset, random = toy_dataset(), np.random.default_rng(0)
    rows, columns = np.indices((24, 24)) % 2 * 2 - 1
    patterns = 12 * np.stack([rows, columns, rows * columns])[..., np.newaxis]

    def split(count: int) -> Split:
        labels = random.integers(0, 3, count)
        noise = random.normal(0, 70, (count, 24, 24, 1))
        return Split(np.clip(128 + patterns[labels] + noise, 0, 255).astype(np.uint8), labels)

    return replace(dataset, train=split(384), validation=split(192), test=split(48))


def weights(model: keras.Model) -> dict[str, np.ndarray]:
    return {weight.path: np.array(weight) for weight in model.weights}


def changed(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> set[str]:
    return {name.split("/")[0] for name in before if not np.array_equal(before[name], after[name])}


def test_the_head_alone_learns_what_features_part(bright: Dataset, tmp_path: Path) -> None:
    model = build()
    before, wrong = weights(model), predict_logits(model, bright.test.images).argmax(1) != bright.test.labels
    history = head.train_head(model, bright, PLAN, Keeper(tmp_path), name="cnn", report=quiet)
    assert changed(before, weights(model)) == {"logits"}
    right = predict_logits(model, bright.test.images).argmax(1) == bright.test.labels
    assert right.mean() > 0.95 and wrong.mean() > 0.3
    assert len(history) == 1 and history["val_accuracy"].iloc[-1] > 0.9
    logits = predict_logits(model, bright.validation.images)
    likelihood = softmax(logits)[np.arange(48), bright.validation.labels]
    assert history["val_loss"].iloc[0] == pytest.approx(-np.log(likelihood).mean(), rel=1e-3)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_head_is_the_logistic_regression_that_validation_likes_best(striped, tmp_path, classes) -> None:
    def part(split: Split) -> Split:
        kept = split.labels < classes
        return Split(split.images[kept], split.labels[kept])

    splits = {name: part(getattr(striped, name)) for name in ("train", "validation", "test")}
    data = replace(striped, class_names=striped.class_names[:classes], **splits)
    keras.utils.set_random_seed(0)
    pixels = keras.Input((24, 24, 1))
    maps = layers.ReLU()(layers.Conv2D(16, 3)(layers.Rescaling(1 / 127.5, offset=-1)(pixels)))
    features = layers.GlobalAveragePooling2D(name=FEATURES)(maps)
    model = keras.Model(pixels, layers.Dense(classes)(features))
    found = head.train_head(model, data, PLAN, Keeper(tmp_path), name="cnn", report=quiet)["val_loss"].iloc[0]
    backbone, _ = head.part(model)
    both = [np.concatenate([data.train.images, data.train.images[:, :, ::-1]]), data.validation.images]
    scaler = StandardScaler().fit(predict_logits(backbone, both[0]))
    train, validation = (scaler.transform(predict_logits(backbone, images)) for images in both)
    losses = []
    for strength in head.STRENGTHS / len(train):
        regression = LogisticRegression(C=strength, max_iter=2000).fit(train, np.tile(data.train.labels, 2))
        losses.append(log_loss(data.validation.labels, regression.predict_proba(validation)))
    assert found == pytest.approx(min(losses), rel=0.05)


def test_what_makes_it_worse_on_validation_is_dropped(bright: Dataset, tmp_path: Path) -> None:
    plan, said = replace(PLAN, phases=(FROZEN, Phase("adamw", 3.0, epochs=1))), list[str]()
    trained = load_or_train(build, bright, plan, seed=0, name="cnn", keeper=Keeper(tmp_path), report=said.append)
    assert len(trained.history) == 1 and any("makes it worse on validation, and is dropped" in one for one in said)
    assert changed(weights(build()), weights(trained.model)) == {"logits"}
    accuracy = (predict_logits(trained.model, bright.validation.images).argmax(1) == bright.validation.labels).mean()
    assert accuracy == pytest.approx(trained.history["val_accuracy"].iloc[0])


def test_then_all_of_it_learns_but_the_statistics(striped: Dataset, tmp_path: Path) -> None:
    made: list[keras.Model] = []

    def make() -> keras.Model:
        made.append(build())
        return made[-1]

    trained = load_or_train(make, striped, PLAN, seed=0, name="cnn", keeper=Keeper(tmp_path), report=quiet)
    assert changed(weights(build()), weights(trained.model)) == {"logits", "first"}
    assert trained.history["epoch"].tolist() == [*range(1, 8)]
    assert trained.history["phase"].tolist() == [1] + [2] * 6
    again = load_or_train(make, striped, PLAN, seed=0, name="cnn", keeper=Keeper(tmp_path), report=pytest.fail)
    np.testing.assert_array_equal(weights(again.model)["logits/kernel"], weights(trained.model)["logits/kernel"])


def test_features_are_computed_once_for_all_trainings(bright: Dataset, tmp_path: Path, monkeypatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(
        head, "predict_logits", lambda model, images: seen.append(len(images)) or predict_logits(model, images)
    )
    for _ in range(2):
        head.train_head(build(), bright, PLAN, Keeper(tmp_path), name="cnn", report=quiet)
    assert seen == [96, 96, 48]  # of the training split, also mirrored
    other = build(seed=5)  # another backbone has other features
    head.train_head(other, bright, PLAN, Keeper(tmp_path), name="cnn", report=quiet)
    assert seen == [96, 96, 48] * 2


@pytest.mark.parametrize("photos", [200, 2_000, 20_000])
def test_what_the_whole_network_is_shown_is_bounded(photos: int) -> None:
    from helpers.training.loop import _steps

    plan = transferred(PLANS["quick"])
    whole = sum(phase.epochs for phase in fit_epochs(plan, photos).of_whole.phases)
    assert whole >= 1 and _steps(photos, plan) * plan.batch_size * whole <= 10_000
    assert plan.augmentation == PLANS["quick"].augmentation
    assert plan.has_head
