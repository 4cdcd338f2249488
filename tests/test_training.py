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

from helpers import models, training
from helpers.augmentation import Augmentation
from helpers.datasets import Dataset
from helpers.training import Phase, Plan

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


def test_an_epoch_gives_the_numbers_of_keras_fit() -> None:
    random = np.random.default_rng(1)
    images, order = random.integers(0, 256, (48, 6, 6, 1), dtype=np.uint8), random.permutation(48)
    targets = np.eye(3, dtype=np.float32)[random.integers(0, 3, 48)]

    def trained(fit: Callable[[keras.Model], dict[str, float]]) -> tuple[dict[str, float], list[np.ndarray]]:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(1e-5), loss, metrics=["accuracy"], jit_compile=False)
        return fit(model), model.get_weights()

    def by_keras(model: keras.Model, order: np.ndarray = order) -> dict[str, float]:
        history = model.fit(images[order], targets[order], batch_size=16, shuffle=False, verbose=0).history
        return {name: values[0] for name, values in history.items()}

    metrics, weights = trained(lambda model: training.fit_once(model, images, targets, order.reshape(-1, 16)))
    expected_metrics, expected = trained(by_keras)
    assert metrics == pytest.approx(expected_metrics, rel=1e-6)
    for mine, theirs in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    other_metrics, others = trained(lambda model: by_keras(model, np.arange(48)))
    assert metrics != pytest.approx(other_metrics, rel=1e-6) and any((a != b).any() for a, b in zip(weights, others))


def test_neither_training_nor_prediction_waits_for_a_pipeline_that_tunes_itself(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("fit and predict wait at their end until tf.data's tuner wakes up")

    monkeypatch.setattr(keras.Model, "fit", refused)
    monkeypatch.setattr(keras.Model, "predict", refused)
    trained = train(dataset)
    assert training.predict_logits(trained.model, dataset.test.images).shape == (len(dataset.test.labels), 3)


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


@pytest.mark.parametrize("harm", [lambda whole: whole[:-50], lambda whole: whole[:200] + b"x" + whole[201:]])
def test_a_checkpoint_that_was_cut_or_changed_is_not_resumed_from(dataset: Dataset, tmp_path: Path, harm) -> None:
    checkpoint, lines = tmp_path / "toy.npz", []
    with pytest.raises(Interrupted):
        train(dataset, checkpoint=checkpoint, report=interrupt_after(3))
    checkpoint.write_bytes(harm(checkpoint.read_bytes()))
    train(dataset, checkpoint=checkpoint, report=lines.append)
    assert len(lines) == 4


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


def test_the_full_recipe_trains_the_reference_networks_in_b_s_two_phases() -> None:
    recipe = training.get_recipe("full")
    phases = recipe.usual_plan.phases
    assert (recipe.compared, recipe.others) == ("vgg9", ("vgg12", "wide5"))
    assert [phase.optimizer for phase in phases] == ["adadelta", "sgd"]
    assert phases[0].until_accuracy == 0.6
    assert sum(phase.epochs for phase in phases) == 100
    assert recipe.plain_plan.phases == phases


@pytest.mark.parametrize("name", ["full", "cpu"])
def test_the_headline_network_has_at_most_two_million_parameters(name: str) -> None:
    assert models.build_cnn(training.get_recipe(name).cnn).count_params() <= 2_000_000


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


@pytest.mark.parametrize(
    "harm", [lambda data: data[:-30], lambda data: data[:60], lambda data: b"", lambda data: b"no zip"]
)
def test_a_checkpoint_that_was_harmed_counts_as_none(harm: Callable[[bytes], bytes], tmp_path: Path) -> None:
    checkpoint = tmp_path / "toy.npz"
    model = build()
    model.compile("sgd", "mse")
    training._save(checkpoint, model, training._State(phase=0, epoch=3))
    assert training._restore(checkpoint, model, 0) == training._State(phase=0, epoch=3)
    checkpoint.write_bytes(harm(checkpoint.read_bytes()))
    assert training._restore(checkpoint, model, 0) is None


def test_the_key_tells_architectures_apart_and_ignores_layer_names(dataset: Dataset) -> None:
    keys = {training.training_key(build(seed), dataset, PLAN, 0) for seed in (0, 0, 1)}
    assert len(keys) == 2


def test_an_option_that_is_as_by_default_leaves_the_key_alone(dataset: Dataset) -> None:
    keys = {
        training.training_key(build(), dataset, plan, 0)
        for plan in (
            PLAN,
            replace(PLAN, mixup=0.0, phases=tuple(replace(phase, augmented=True) for phase in PLAN.phases)),
            replace(PLAN, mixup=0.1),
            replace(PLAN, phases=tuple(replace(phase, augmented=False) for phase in PLAN.phases)),
            replace(PLAN, augmentation=replace(PLAN.augmentation, erasing=0.1)),
        )
    }
    assert len(keys) == 4


def test_the_key_tells_precisions_apart(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for precision in ("float32", "bfloat16"):
        monkeypatch.setenv("PRECISION", precision)
        keys.add(training.training_key(build(), dataset, PLAN, 0))
    assert len(keys) == 2


def test_training_in_bfloat16_learns_and_leaves_a_plain_network(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECISION", "bfloat16")
    plan = replace(PLAN, phases=(Phase("adamw", 0.01, epochs=6),), label_smoothing=0.1, mixup=0.2)
    trained = training.load_or_train(build, dataset, plan, seed=0, name="toy", folder=tmp_path, report=quiet)
    assert trained.history["val_accuracy"].iloc[-1] > 0.5  # chance is a third
    loaded = keras.models.load_model(tmp_path / "toy.keras", compile=False)  # without custom classes
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}
    right = loaded.predict(dataset.validation.images, verbose=0).argmax(axis=1) == dataset.validation.labels
    assert right.mean() == trained.history["val_accuracy"].iloc[-1]


def test_logits_of_a_split_are_the_network_s_own_whatever_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    images = toy_dataset().test.images[:50]
    network = build()
    wanted = network.predict(images, verbose=0)
    for batch in (50, 16, 7, 64):
        monkeypatch.setattr(training, "PREDICTION_BATCH", batch)
        np.testing.assert_allclose(training.predict_logits(network, images), wanted, rtol=1e-4, atol=1e-5)
    rounded = training.predict_logits(network, images, "bfloat16")
    np.testing.assert_allclose(training.softmax(rounded), training.softmax(wanted), atol=0.05)
    assert not np.allclose(rounded, wanted, rtol=1e-4, atol=1e-5)


def test_a_phase_without_augmentation_sees_the_images_as_they_are(dataset: Dataset) -> None:
    first, second = Phase("adamw", 0.01, epochs=1), Phase("sgd", 0.01, epochs=1, augmented=False)
    strong = Plan((first, second), batch_size=64, augmentation=training.STRONG)
    augmented = replace(strong, phases=(first, replace(second, augmented=True)))
    bare = replace(strong, phases=(replace(first, augmented=False), second))
    losses = [train(dataset, plan).history["loss"].tolist() for plan in (strong, augmented, bare)]
    assert losses[0][0] == losses[1][0] != losses[2][0]
    assert losses[0][1] != losses[1][1]
    assert train(dataset, replace(augmented, augmentation=Augmentation())).history["loss"].tolist() == losses[2]


def test_a_phase_without_augmentation_mixes_no_images(dataset: Dataset) -> None:
    phase = Phase("adamw", 0.01, epochs=1, augmented=False)
    bare, mixed = (replace(PLAN, phases=(phase,), mixup=strength) for strength in (0.0, 0.4))
    losses = [train(dataset, plan).history["loss"].tolist() for plan in (bare, mixed)]
    assert losses[0] == losses[1]
    shown = replace(mixed, phases=(replace(phase, augmented=True),), augmentation=Augmentation())
    assert train(dataset, shown).history["loss"].tolist() != losses[0]


def test_mixing_blends_pairs_and_their_targets_alike() -> None:
    values = np.arange(0, 250, 5)  # each image is of one grey, so that it tells whose it is
    images = np.broadcast_to(values[:, None, None, None], (50, 4, 4, 1)).astype(np.uint8)
    targets = np.eye(50, dtype=np.float32)
    blended, mixed = training.mix(images, targets, 0.4, np.random.default_rng(0))
    np.testing.assert_allclose(mixed.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(blended[:, 0, 0, 0], mixed @ values, atol=0.51)  # grey levels are whole numbers
    assert (mixed.argmax(axis=1) == np.arange(50)).all()  # each is still mostly itself
    assert np.abs(mixed - targets).max() > 0.2
    assert blended.dtype == np.uint8


def test_label_smoothing_and_mixing_change_the_loss_that_is_trained_on(dataset: Dataset) -> None:
    short = replace(PLAN, phases=(Phase("adamw", 0.01, epochs=1),))
    plans = (short, replace(short, label_smoothing=0.2), replace(short, mixup=0.4))
    assert len({train(dataset, plan).history["loss"].iloc[0] for plan in plans}) == 3


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_weight_decay_shrinks_kernels_and_nothing_else(dataset: Dataset, optimizer: str) -> None:
    def weights(decay: float) -> list[np.ndarray]:
        plan = replace(PLAN, phases=(Phase(optimizer, 1e-6, 1, schedule="constant", weight_decay=decay),))
        return train(dataset, plan).model.trainable_weights

    for free, decayed in zip(weights(0.0), weights(5e4), strict=True):
        free, decayed = (keras.ops.convert_to_numpy(weight) for weight in (free, decayed))
        shrunk = np.linalg.norm(decayed) / max(np.linalg.norm(free), 1e-9)
        assert shrunk < 0.9 if free.ndim > 1 else np.allclose(free, decayed, atol=1e-4)


def test_the_rate_warms_up_falls_along_a_cosine_and_holds() -> None:
    rate = training.TabledRate(training.warm_cosine(0.4, steps=100))
    rates = np.array([float(rate(step)) for step in (0, 5, 52, 100, 500)])
    np.testing.assert_allclose(rates, [0.04, 0.4, 0.2, 0.004, 0.004], rtol=0.05)


def test_the_first_step_is_traced_once(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    traces = []
    step = keras.Sequential.train_step
    monkeypatch.setattr(keras.Sequential, "train_step", lambda *args: traces.append(1) or step(*args))
    train(dataset, replace(PLAN, phases=(Phase("adamw", 0.01, epochs=3),)))
    assert len(traces) == 1


@pytest.mark.parametrize(("backend", "compiled"), [("tensorflow", False), ("jax", True)])
def test_steps_are_compiled_by_xla_where_they_are_slow_without(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, backend: str, compiled: bool
) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    assert training._trainer(build(), PLAN, PLAN.phases[0], dataset, seed=0).jit_compile is compiled


def test_epochs_are_logged_for_tensorboard_on_request(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(seed: int) -> None:
        training.load_or_train(build, dataset, PLAN, seed=seed, name="toy", folder=tmp_path, report=quiet)

    monkeypatch.setattr(training, "find_spec", lambda package: None)
    monkeypatch.setenv("TENSORBOARD", "1")
    with pytest.raises(training.TrainingError, match=r"requirements-tensorboard\.txt"):
        ask(seed=0)
    monkeypatch.undo()
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    ask(seed=1)
    assert not (tmp_path / "tensorboard").exists()
    monkeypatch.setenv("TENSORBOARD", "1")
    ask(seed=2)
    logged = reading.EventAccumulator(str(tmp_path / "tensorboard" / "toy")).Reload()
    assert [event.step for event in logged.Tensors("val_accuracy")] == [1, 2, 3, 4]


def test_softmax_gives_probabilities_even_for_large_logits() -> None:
    probabilities = training.softmax(np.array([[1000.0, 999.0], [-1000.0, 0.0]], np.float32))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert probabilities[0, 0] == pytest.approx(1 / (1 + np.exp(-1)), rel=1e-5)


def test_an_unknown_recipe_is_an_error_that_names_the_legal_ones() -> None:
    with pytest.raises(ValueError, match=r"'slow'.*quick, full"):
        training.get_recipe("slow")
