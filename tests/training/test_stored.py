"""A network that was trained just so is loaded, any other is trained, and a harmed file is never opened."""

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
from toys import PLAN, build, quiet

from helpers.data.datasets import Dataset
from helpers.networks import prediction
from helpers.training import loop, stored
from helpers.training.recipes import Phase, Plan


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return toy_dataset()


def test_a_trained_network_is_loaded_and_not_trained_again(dataset: Dataset, tmp_path: Path) -> None:
    lines: list[str] = []

    def ask(seed: int = 0, plan: Plan = PLAN) -> loop.Trained:
        return stored.load_or_train(
            lambda: build(seed), dataset, plan, seed=seed, name="toy", folder=tmp_path, report=lines.append
        )

    first, trained_lines = ask(), len(lines)
    again = ask()
    assert len(lines) == trained_lines > 0
    np.testing.assert_array_equal(
        prediction.predict_logits(first.model, dataset.test.images),
        prediction.predict_logits(again.model, dataset.test.images),
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
    stored.load_or_train(build, dataset, PLAN, seed=0, name="toy", folder=folder, report=quiet)
    return folder, stored.training_key(build(), dataset, PLAN, 0)


@pytest.mark.parametrize(
    "harm",
    [cut, replace_by_text, change_one_weight, bring_code, put_a_pickle, cut_the_record, remove_the_weights],
)
def test_a_network_file_that_was_harmed_is_not_loaded(
    harm: Callable[[Path], None], saved: tuple[Path, str], tmp_path: Path
) -> None:
    folder, key = saved
    shutil.copytree(folder, tmp_path / "models")
    assert stored.load_trained(tmp_path / "models", "toy", key) is not None
    harm(tmp_path / "models")
    assert stored.load_trained(tmp_path / "models", "toy", key) is None


def test_the_key_tells_architectures_apart_and_ignores_layer_names(dataset: Dataset) -> None:
    keys = {stored.training_key(build(seed), dataset, PLAN, 0) for seed in (0, 0, 1)}
    assert len(keys) == 2


def test_an_option_that_is_as_by_default_leaves_the_key_alone(dataset: Dataset) -> None:
    keys = {
        stored.training_key(build(), dataset, plan, 0)
        for plan in (
            PLAN,
            replace(PLAN, mixup=0.0, phases=tuple(replace(phase, augmented=True) for phase in PLAN.phases)),
            replace(PLAN, mixup=0.1),
            replace(PLAN, phases=tuple(replace(phase, augmented=False) for phase in PLAN.phases)),
            replace(PLAN, augmentation=replace(PLAN.augmentation, erasing=0.1)),
        )
    }
    assert len(keys) == 4


def test_the_key_tells_apart_what_teachers_say(dataset: Dataset) -> None:
    given = (None, np.full((180, 3), 1 / 3, np.float32), np.eye(3, dtype=np.float32)[dataset.train.labels])
    assert len({stored.training_key(build(), dataset, PLAN, 0, soft_targets) for soft_targets in given}) == 3


def test_the_key_tells_precisions_apart(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for precision in ("float32", "bfloat16"):
        monkeypatch.setenv("PRECISION", precision)
        keys.add(stored.training_key(build(), dataset, PLAN, 0))
    assert len(keys) == 2


def test_training_in_bfloat16_learns_and_leaves_a_plain_network(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECISION", "bfloat16")
    plan = replace(PLAN, phases=(Phase("adamw", 0.01, epochs=6),), label_smoothing=0.1, mixup=0.2)
    trained = stored.load_or_train(build, dataset, plan, seed=0, name="toy", folder=tmp_path, report=quiet)
    assert trained.history["val_accuracy"].iloc[-1] > 0.5  # chance is a third
    loaded = keras.models.load_model(tmp_path / "toy.keras", compile=False)  # without custom classes
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}
    right = loaded.predict(dataset.validation.images, verbose=0).argmax(axis=1) == dataset.validation.labels
    assert right.mean() == trained.history["val_accuracy"].iloc[-1]


def test_epochs_are_logged_for_tensorboard_on_request(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(seed: int) -> None:
        stored.load_or_train(build, dataset, PLAN, seed=seed, name="toy", folder=tmp_path, report=quiet)

    monkeypatch.setattr(stored, "find_spec", lambda package: None)
    monkeypatch.setenv("TENSORBOARD", "1")
    with pytest.raises(loop.TrainingError, match=r'pip install -e "\.\[tensorboard\]"'):
        ask(seed=0)
    monkeypatch.undo()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    ask(seed=1)
    assert not (tmp_path / "tensorboard").exists()
    monkeypatch.setenv("TENSORBOARD", "1")
    ask(seed=2)
    logged = EventAccumulator(str(tmp_path / "tensorboard" / "toy")).Reload()
    assert [event.step for event in logged.Tensors("val_accuracy")] == [1, 2, 3, 4]
