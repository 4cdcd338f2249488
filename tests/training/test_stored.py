"""A network that was trained just so is loaded, any other is trained, and a harmed file is never opened."""

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import toy_dataset
from toys import PLAN, build, quiet

from helpers.base.files import write_sealed
from helpers.base.keeper import Keeper, fingerprint
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
            lambda: build(seed), dataset, plan, seed=seed, name="toy", keeper=Keeper(tmp_path), report=lines.append
        )

    first, trained_lines = ask(), len(lines)
    again = ask()
    assert len(lines) == trained_lines > 0
    np.testing.assert_array_equal(
        prediction.predict_logits(first.model, dataset.test.images),
        prediction.predict_logits(again.model, dataset.test.images),
    )
    pd.testing.assert_frame_equal(first.history, again.history)
    ask(seed=5)
    assert len(lines) == 2 * trained_lines
    ask(seed=5, plan=replace(PLAN, batch_size=8))
    assert len(lines) == 3 * trained_lines
    ask()
    assert len(lines) == 3 * trained_lines  # others beside it destroy nothing
    assert {path.suffix for path in tmp_path.iterdir()} == {".keras", ".lock"}
    file = next(tmp_path.glob("*.keras"))
    assert stored.read_record(file)["data"] == dataset.fingerprint
    assert keras.models.load_model(file, compile=False).count_params() == first.model.count_params()


@pytest.fixture(scope="module")
def kept(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a network is kept."""
    folder = tmp_path_factory.mktemp("kept")
    stored.load_or_train(build, dataset, PLAN, seed=0, name="toy", keeper=Keeper(folder), report=quiet)
    return folder


@pytest.mark.parametrize("harm", [lambda b: b[:-100], lambda b: b"no network", lambda b: pickle.dumps([1]), None])
def test_a_network_file_that_was_harmed_is_not_opened(
    harm: Callable[[bytes], bytes] | None, dataset: Dataset, kept: Path, tmp_path: Path
) -> None:
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)

    def ask() -> list[str]:
        lines: list[str] = []
        options = {"seed": 0, "name": "toy", "keeper": Keeper(tmp_path), "report": lines.append}
        stored.load_or_train(build, dataset, PLAN, **options)
        return lines

    assert not ask()
    (file,) = tmp_path.glob("*.keras")
    file.write_bytes(harm(file.read_bytes())) if harm else file.unlink()
    assert ask() and not ask()


def test_a_file_brings_no_code(dataset: Dataset, tmp_path: Path) -> None:
    """Somebody puts a network in place that holds a program of its own, and seals it."""
    keeper = Keeper(tmp_path)
    options = {"seed": 0, "name": "toy", "keeper": keeper, "report": quiet}
    stored.load_or_train(build, dataset, PLAN, **options)
    (file,) = tmp_path.glob("*.keras")
    model = keras.Sequential([keras.Input((24, 24, 1)), keras.layers.Lambda(lambda x: 1 / 0)])
    model.save(tmp_path / "foreign.keras")
    write_sealed(file, (tmp_path / "foreign.keras").read_bytes())
    with pytest.raises(loop.TrainingError, match=r"is not the network that was kept.*delete it"):
        stored.load_or_train(build, dataset, PLAN, **options)


class Halve(keras.layers.Layer):
    """A layer of one's own that nobody has registered."""

    def call(self, x):
        return x / 2


def halved(seed: int = 0) -> keras.Model:
    return keras.Sequential([keras.Input((24, 24, 1)), Halve(), *build(seed).layers])


def test_a_layer_that_is_not_registered_is_trained_once(dataset: Dataset, tmp_path: Path) -> None:
    counts = []
    for _ in range(2):
        lines: list[str] = []
        options = {"seed": 0, "name": "mine", "keeper": Keeper(tmp_path), "report": lines.append}
        trained = stored.load_or_train(halved, dataset, PLAN, **options)
        counts.append((len(lines) > 0, float(trained.model.predict(dataset.test.images[:9], verbose=0).sum())))
    assert [trained for trained, _ in counts] == [True, False] and counts[0][1] == counts[1][1]


def key(dataset: Dataset, plan: Plan = PLAN, seed: int = 0, targets: np.ndarray | None = None) -> str:
    return fingerprint(stored.training_parts(build(seed), dataset, plan, 0, targets))


def test_the_key_tells_architectures_apart_and_ignores_layer_names(dataset: Dataset) -> None:
    assert len({key(dataset, seed=seed) for seed in (0, 0, 1)}) == 2


def test_the_key_tells_seeds_of_training_apart(dataset: Dataset) -> None:
    first, again, other = (fingerprint(stored.training_parts(build(), dataset, PLAN, seed, None)) for seed in (0, 0, 1))
    assert first == again != other


def test_changed_code_of_training_or_augmentation_trains_anew(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpers.base import code

    before, keys = key(dataset), {}
    for name in ("training/loop", "training/augmentation", "networks/fast/fused", "networks/fast/twins"):
        path = code.PACKAGE / f"{name}.py"
        monkeypatch.setitem(code._HELD, path, path.read_text() + "\n# a word\n")
        assert key(dataset) == before
        monkeypatch.setitem(code._HELD, path, path.read_text() + "\nANOTHER = 1\n")
        keys[name] = key(dataset)
        monkeypatch.setitem(code._HELD, path, path.read_text())
    assert len({before, *keys.values()}) == 5
    for name in ("training/recipes", "base/files", "data/datasets", "report/pdf", "training/stored"):
        path = code.PACKAGE / f"{name}.py"
        monkeypatch.setitem(code._HELD, path, path.read_text() + "\nANOTHER = 1\n")
    assert key(dataset) == before


def test_an_augmentation_of_ones_own_is_part_of_the_key(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(PLAN, augmentation=replace(PLAN.augmentation, others=(("own", 1.0),)))
    kinds = keras.layers.GaussianNoise, keras.layers.GaussianDropout, keras.layers.GaussianNoise
    keys = []
    for kind in kinds:
        monkeypatch.setitem(stored.AUGMENTATIONS, "own", kind)
        keys.append(key(dataset, plan))
    assert keys[0] != keys[1] and keys[0] == keys[2]


def test_an_option_that_is_as_by_default_leaves_the_key_alone(dataset: Dataset) -> None:
    keys = {
        key(dataset, plan)
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
    assert len({key(dataset, targets=soft_targets) for soft_targets in given}) == 3


def test_the_key_tells_precisions_apart(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for precision in ("float32", "bfloat16"):
        monkeypatch.setenv("PRECISION", precision)
        keys.add(key(dataset))
    assert len(keys) == 2


def test_training_in_bfloat16_learns_and_leaves_a_plain_network(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECISION", "bfloat16")
    plan = replace(PLAN, phases=(Phase("adamw", 0.01, epochs=6),), label_smoothing=0.1, mixup=0.2)
    trained = stored.load_or_train(build, dataset, plan, seed=0, name="toy", keeper=Keeper(tmp_path), report=quiet)
    assert trained.history["val_accuracy"].iloc[-1] > 0.5  # chance is a third
    loaded = keras.models.load_model(next(tmp_path.glob("*.keras")), compile=False)  # without custom classes
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}
    right = loaded.predict(dataset.validation.images, verbose=0).argmax(axis=1) == dataset.validation.labels
    assert right.mean() == trained.history["val_accuracy"].iloc[-1]


def test_epochs_are_logged_for_tensorboard_on_request(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(seed: int) -> None:
        options = {"name": "toy", "keeper": Keeper(tmp_path), "logs": tmp_path / "tensorboard" / "toy"}
        stored.load_or_train(build, dataset, PLAN, seed=seed, report=quiet, **options)

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
