"""Training learns, repeats itself to the last digit, resumes after an interruption, and says when it cannot go on."""

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import toy_dataset

from helpers import training
from helpers.datasets import Dataset
from helpers.training import Augmentation, Phase, Plan

PLAN = Plan((Phase("adamw", 0.01, epochs=2), Phase("sgd", 0.01, epochs=2)), batch_size=16, augmentation=training.MILD)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return toy_dataset()


def build(seed: int = 0) -> keras.Model:
    """Build a network with every kind of state: weights, moving averages, a random generator."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((24, 24, 1)),
            layers.AveragePooling2D(2),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, kernel_initializer=keras.initializers.HeNormal(seed=seed)),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dropout(0.2, seed=seed),
            layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(seed=seed)),
        ]
    )


class Interrupted(Exception):
    """Stands for a training that is killed."""


def interrupt_after(epochs: int) -> Callable[[str], None]:
    seen = []

    def report(line: str) -> None:
        seen.append(line)
        if len(seen) == epochs:
            raise Interrupted

    return report


def quiet(_: str) -> None:
    pass


def train(dataset: Dataset, plan: Plan = PLAN, **options) -> training.Trained:
    return training.train(build(), dataset, plan, seed=1, name="toy", report=options.pop("report", quiet), **options)


def test_training_learns(dataset: Dataset) -> None:
    plan = replace(PLAN, phases=(Phase("adamw", 0.01, epochs=8),))
    history = train(dataset, plan).history
    assert history["loss"].iloc[-1] < 0.7 * history["loss"].iloc[0]
    assert history["val_accuracy"].iloc[-1] > 0.6  # chance is a third


def test_the_same_seed_gives_the_same_numbers(dataset: Dataset) -> None:
    first, again = train(dataset), train(dataset)
    assert first.history.drop(columns="seconds").equals(again.history.drop(columns="seconds"))
    for a, b in zip(first.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_an_interrupted_training_ends_with_the_same_numbers(dataset: Dataset, tmp_path: Path, epochs: int) -> None:
    checkpoint = tmp_path / "toy.npz"
    whole = train(dataset)
    # The line of an epoch is reported before its checkpoint is written, so the last epoch is lost and done again.
    with pytest.raises(Interrupted):
        train(dataset, checkpoint=checkpoint, report=interrupt_after(epochs))
    assert checkpoint.exists() == (epochs > 1)
    resumed = train(dataset, checkpoint=checkpoint)
    assert whole.history.drop(columns="seconds").equals(resumed.history.drop(columns="seconds"))
    for a, b in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_resuming_is_not_the_same_as_beginning_again(dataset: Dataset, tmp_path: Path) -> None:
    checkpoint, lines = tmp_path / "toy.npz", []
    with pytest.raises(Interrupted):
        train(dataset, checkpoint=checkpoint, report=interrupt_after(3))
    train(dataset, checkpoint=checkpoint, report=lines.append)
    assert len(lines) == 2  # the third and fourth epoch of four


def test_phases_follow_each_other_and_end_when_their_accuracy_is_reached(dataset: Dataset) -> None:
    eager = replace(PLAN, phases=(Phase("adamw", 0.01, 3, until_accuracy=0.0), Phase("sgd", 0.01, 2)))
    assert train(dataset, eager).history["optimizer"].tolist() == ["adamw", "sgd", "sgd"]
    assert train(dataset).history["phase"].tolist() == [1, 1, 2, 2]


@pytest.mark.parametrize("optimizer", ["adamw", "adadelta", "sgd"])
def test_every_optimiser_lowers_the_loss(dataset: Dataset, optimizer: str) -> None:
    rate = {"adamw": 0.01, "adadelta": 1.0, "sgd": 0.01}[optimizer]
    plan = replace(PLAN, phases=(Phase(optimizer, rate, epochs=3, schedule="constant"),), batch_size=8)
    losses = train(dataset, plan).history["loss"]
    assert losses.iloc[-1] < losses.iloc[0]


def test_the_full_recipe_follows_b_through_its_two_phases() -> None:
    phases = training.get_recipe("full").plan.phases
    assert [phase.optimizer for phase in phases] == ["adadelta", "sgd"]
    assert phases[0].until_accuracy == 0.6
    assert sum(phase.epochs for phase in phases) == 100


def test_slower_steps_change_nothing_but_the_rate() -> None:
    slow = training.slow_down(PLAN, 0.5)
    assert [phase.learning_rate for phase in slow.phases] == [0.005, 0.005]
    assert replace(slow, phases=PLAN.phases) == PLAN


def test_the_image_budget_shortens_training_but_never_to_nothing(dataset: Dataset) -> None:
    images = len(dataset.train.labels)
    assert len(train(dataset, replace(PLAN, max_images=images * 2)).history) == 2
    assert len(train(dataset, replace(PLAN, max_images=20)).history) == 2


def test_the_cosine_schedule_warms_up_and_falls(dataset: Dataset) -> None:
    plan = replace(PLAN, phases=(Phase("sgd", 0.01, epochs=6),))
    rates = train(dataset, plan).history["learning_rate"].to_numpy()
    assert np.all(np.diff(rates) < 0)
    assert rates[-1] == pytest.approx(0.0001, rel=0.1)


def test_a_loss_that_is_no_number_stops_training(dataset: Dataset) -> None:
    plan = replace(PLAN, phases=(Phase("sgd", 1e30, epochs=3, schedule="constant"),))
    with pytest.raises(training.TrainingError, match=r"toy stopped in epoch \d: the loss is .*lower the learning rate"):
        train(dataset, plan)


def changed(augmentation: Augmentation, images: np.ndarray, seed: int = 0) -> np.ndarray:
    return keras.ops.convert_to_numpy(training.RandomAffine(augmentation, seed)(images, training=True))


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (64, 13, 13, 1)).astype(np.float32)


def test_augmentation_changes_images_only_in_training(pictures: np.ndarray) -> None:
    layer = training.RandomAffine(training.STRONG, 0)
    np.testing.assert_array_equal(layer(pictures, training=False), pictures)
    assert not np.allclose(layer(pictures, training=True), pictures)
    np.testing.assert_array_equal(changed(Augmentation(), pictures), pictures)


def test_a_flip_mirrors_about_half_of_the_images_exactly(pictures: np.ndarray) -> None:
    flipped = changed(Augmentation(flip=True), pictures)
    mirrored = np.array([np.allclose(a, b[:, ::-1], atol=1e-2) for a, b in zip(flipped, pictures, strict=True)])
    same = np.array([np.allclose(a, b, atol=1e-2) for a, b in zip(flipped, pictures, strict=True)])
    assert np.all(mirrored ^ same)
    assert 16 <= mirrored.sum() <= 48


def test_a_shift_stays_within_its_share() -> None:
    images = np.zeros((200, 21, 21, 1), np.float32)
    images[:, 10, 10] = 255
    moved = changed(Augmentation(shift=0.2, border="constant"), images)[..., 0]
    rows = (moved.sum(axis=2) * np.arange(21)).sum(axis=1) / moved.sum(axis=(1, 2))
    assert np.abs(rows - 10).max() <= 0.2 * 21 + 1e-3
    assert np.abs(rows - 10).max() > 0.15 * 21  # and the share is used


def test_a_turn_keeps_the_centre_in_place_and_its_angle_in_bounds() -> None:
    images = np.zeros((200, 41, 41, 1), np.float32)
    images[:, 20, 36] = images[:, 20, 20] = 255
    turned = changed(Augmentation(rotation=10), images)[..., 0]
    assert turned[:, 20, 20].min() > 250
    turned[:, :, :28] = 0  # the outer point alone
    rows = (turned.sum(axis=2) * np.arange(41)).sum(axis=1) / turned.sum(axis=(1, 2))
    angles = np.degrees(np.arcsin((rows - 20) / 16))
    assert np.abs(angles).max() <= 10.5
    assert np.abs(angles).max() > 8


def test_a_zoom_scales_within_bounds() -> None:
    images = np.zeros((200, 41, 41, 1), np.float32)
    images[:, 10:31, 10:31] = 255
    area = changed(Augmentation(zoom=0.1, border="constant"), images).sum(axis=(1, 2, 3)) / images[0].sum()
    assert area.min() >= 1 / 1.1**2 - 0.02
    assert area.max() <= 1 / 0.9**2 + 0.02
    assert area.max() - area.min() > 0.3


def test_the_border_is_black_or_the_nearest_pixel() -> None:
    images = np.full((50, 11, 11, 1), 200, np.float32)
    assert changed(Augmentation(shift=0.3, border="nearest"), images).min() == pytest.approx(200)
    assert changed(Augmentation(shift=0.3, border="constant"), images).min() == 0


def test_a_trained_network_is_loaded_and_not_trained_again(dataset: Dataset, tmp_path: Path) -> None:
    lines: list[str] = []

    def ask(seed: int = 0, plan: Plan = PLAN) -> training.Trained:
        return training.load_or_train(
            lambda: build(seed), dataset, plan, seed=seed, name="toy", folder=tmp_path, report=lines.append
        )

    first, trained_lines = ask(), len(lines)
    again = ask()
    assert len(lines) == trained_lines > 0
    np.testing.assert_array_equal(
        training.predict_logits(first.model, dataset.test.images),
        training.predict_logits(again.model, dataset.test.images),
    )
    ask(seed=5)
    assert len(lines) == 2 * trained_lines
    ask(seed=5, plan=replace(PLAN, batch_size=8))
    assert len(lines) == 3 * trained_lines
    assert {path.suffix for path in tmp_path.iterdir()} == {".keras", ".json", ".csv", ".lock"}


def cut(folder: Path) -> None:
    (folder / "toy.keras").write_bytes((folder / "toy.keras").read_bytes()[:-100])


def replace_by_text(folder: Path) -> None:
    (folder / "toy.keras").write_text("no network")


def change_one_weight(folder: Path) -> None:
    model = keras.models.load_model(folder / "toy.keras", compile=False)
    model.set_weights([model.get_weights()[0] + 1, *model.get_weights()[1:]])
    model.save(folder / "toy.keras")


def bring_code(folder: Path) -> None:
    """Put a network in place that holds a program of its own, and vouch for it."""
    model = keras.Sequential([keras.Input((24, 24, 1)), keras.layers.Lambda(lambda x: x)])
    model.save(folder / "toy.keras")
    record = json.loads((folder / "toy.json").read_text())
    record["weights"] = hashlib.sha256((folder / "toy.keras").read_bytes()).hexdigest()
    (folder / "toy.json").write_text(json.dumps(record))


def put_a_pickle(folder: Path) -> None:
    (folder / "toy.keras").write_bytes(pickle.dumps({"weights": [1, 2, 3]}))


def cut_the_record(folder: Path) -> None:
    (folder / "toy.json").write_text((folder / "toy.json").read_text()[:-9])


def remove_the_weights(folder: Path) -> None:
    (folder / "toy.keras").unlink()


@pytest.fixture(scope="module")
def saved(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with one trained network, and its key."""
    folder = tmp_path_factory.mktemp("models")
    training.load_or_train(build, dataset, PLAN, seed=0, name="toy", folder=folder, report=quiet)
    return folder, training.training_key(build(), dataset, PLAN, 0)


@pytest.mark.parametrize(
    "harm",
    [cut, replace_by_text, change_one_weight, bring_code, put_a_pickle, cut_the_record, remove_the_weights],
)
def test_a_network_file_that_was_harmed_is_not_loaded(
    harm: Callable[[Path], None], saved: tuple[Path, str], tmp_path: Path
) -> None:
    folder, key = saved
    shutil.copytree(folder, tmp_path / "models")
    assert training.load_trained(tmp_path / "models", "toy", key) is not None
    harm(tmp_path / "models")
    assert training.load_trained(tmp_path / "models", "toy", key) is None


def test_the_key_tells_architectures_apart_and_ignores_layer_names(dataset: Dataset) -> None:
    keys = {training.training_key(build(seed), dataset, PLAN, 0) for seed in (0, 0, 1)}
    assert len(keys) == 2


def test_softmax_gives_probabilities_even_for_large_logits() -> None:
    probabilities = training.softmax(np.array([[1000.0, 999.0], [-1000.0, 0.0]], np.float32))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert probabilities[0, 0] == pytest.approx(1 / (1 + np.exp(-1)), rel=1e-5)


def test_an_unknown_recipe_is_an_error_that_names_the_legal_ones() -> None:
    with pytest.raises(ValueError, match=r"'slow'.*quick, full"):
        training.get_recipe("slow")
