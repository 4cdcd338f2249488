"""Training learns, repeats itself to the last digit, resumes after an interruption, and says when it cannot go on."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from conftest import toy_dataset
from toys import PLAN, build, quiet

from helpers.data.datasets import Dataset
from helpers.networks import architectures, prediction, views
from helpers.networks.architectures import ENLARGEMENT
from helpers.networks.fast import accelerate
from helpers.training import batches, learner, loop, recipes
from helpers.training.augmentation import Augmentation
from helpers.training.batches import EpochBatches, draw_batches
from helpers.training.recipes import Phase, Plan


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return toy_dataset()


class Interrupted(Exception):
    """Stands for a training that is killed."""


def interrupt_after(epochs: int) -> Callable[[str], None]:
    seen = []

    def report(line: str) -> None:
        seen.append(line)
        if len(seen) == epochs:
            raise Interrupted

    return report


def train(dataset: Dataset, plan: Plan = PLAN, **options) -> loop.Trained:
    return loop.train(build(), dataset, plan, seed=1, name="toy", report=options.pop("report", quiet), **options)


@pytest.fixture(scope="module")
def whole(dataset: Dataset) -> loop.Trained:
    """What an uninterrupted training gives."""
    return train(dataset)


@pytest.fixture(scope="module")
def left(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The checkpoint of a training that ended in its third epoch, of which that is lost."""
    checkpoint = tmp_path_factory.mktemp("left") / "toy.npz"
    with pytest.raises(Interrupted):
        train(dataset, checkpoint=checkpoint, report=interrupt_after(3))
    return checkpoint.read_bytes()


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

    batches = EpochBatches(order.reshape(-1, 16))
    metrics, weights = trained(lambda model: learner.fit_epoch(model, lambda: batches.all((images, targets)), 3))
    expected_metrics, expected = trained(by_keras)
    assert metrics == pytest.approx(expected_metrics, rel=1e-6)
    for mine, theirs in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    other_metrics, others = trained(lambda model: by_keras(model, np.arange(48)))
    assert metrics != pytest.approx(other_metrics, rel=1e-6) and any((a != b).any() for a, b in zip(weights, others))


def test_neither_training_nor_prediction_waits_for_a_pipeline_that_tunes_itself(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, tuning = keras.Model.fit, []

    def watched(model: keras.Model, data: Any, **options: object) -> object:
        tuning.append(data.options().autotune.enabled)
        return fit(model, data, **options)

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("predict waits at its end until tf.data's tuner wakes up")

    monkeypatch.setattr(keras.Model, "fit", watched)
    monkeypatch.setattr(keras.Model, "predict", refused)
    trained = train(dataset)
    assert prediction.predict_logits(trained.model, dataset.test.images).shape == (len(dataset.test.labels), 3)
    assert {*tuning} == {False}


@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_what_a_batch_needs_is_read_while_those_before_it_are_learned(
    monkeypatch: pytest.MonkeyPatch, mixup: float
) -> None:
    read: list[int] = []
    monkeypatch.setattr(batches, "read_soon", lambda _, wanted: read.extend(wanted.tolist()))
    drawn = draw_batches(400, (100, 4), mixup, np.random.default_rng(0))
    parts = [part for part in (drawn.indices, drawn.partners) if part is not None]
    for step, (images,) in enumerate(drawn.all((np.arange(400),))):
        known = slice(step + batches.READ_AHEAD + 1)
        assert sorted(read) == sorted(np.concatenate([part[known] for part in parts]).flat) and len(images) == 4


def test_the_same_seed_gives_the_same_numbers(dataset: Dataset, whole: loop.Trained) -> None:
    again = train(dataset)
    assert whole.history.drop(columns="seconds").equals(again.history.drop(columns="seconds"))
    for a, b in zip(whole.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("epochs", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3))])
def test_an_interrupted_training_ends_with_the_same_numbers(
    dataset: Dataset, whole: loop.Trained, tmp_path: Path, epochs: int
) -> None:
    checkpoint = tmp_path / "toy.npz"
    # The line of an epoch is reported before its checkpoint is written, so the last epoch is lost and done again.
    with pytest.raises(Interrupted):
        train(dataset, checkpoint=checkpoint, report=interrupt_after(epochs))
    assert checkpoint.exists() == (epochs > 1)
    resumed = train(dataset, checkpoint=checkpoint)
    assert whole.history.drop(columns="seconds").equals(resumed.history.drop(columns="seconds"))
    for a, b in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_resuming_is_not_the_same_as_beginning_again(dataset: Dataset, left: bytes, tmp_path: Path) -> None:
    checkpoint, lines = tmp_path / "toy.npz", []
    checkpoint.write_bytes(left)
    train(dataset, checkpoint=checkpoint, report=lines.append)
    assert len(lines) == 2  # the third and fourth epoch of four


@pytest.mark.parametrize("harm", [lambda whole: whole[:-50], lambda whole: whole[:200] + b"x" + whole[201:]])
def test_a_checkpoint_that_was_cut_or_changed_is_not_resumed_from(
    dataset: Dataset, left: bytes, tmp_path: Path, harm: Callable[[bytes], bytes]
) -> None:
    checkpoint, lines = tmp_path / "toy.npz", []
    checkpoint.write_bytes(harm(left))
    train(dataset, checkpoint=checkpoint, report=lines.append)
    assert len(lines) == 4


def test_progress_is_told_five_times_and_after_every_long_epoch() -> None:
    def told(seconds: float) -> list[str]:
        lines, row = [], {"loss": 1.0, "val_accuracy": 0.5, "learning_rate": 0.01, "seconds": seconds, "phase": 1}
        for done in range(1, 21):
            state = loop._State(0, done, [row] * done)
            loop._report_progress(lines.append, "toy", state, [Phase("sgd", 0.01, epochs=20)])
        return lines

    assert len(told(seconds=2)) == 5 and len(told(seconds=40)) == 20
    assert "epoch 4 of 20" in told(seconds=2)[0] and "learning rate 0.01, 32 s left" in told(seconds=2)[0]


def test_the_time_left_is_that_of_epochs_like_the_last_one() -> None:
    row, lines = {"loss": 1.0, "val_accuracy": 0.5, "learning_rate": 0.01}, []
    rows = [row | {"phase": 1, "seconds": 10.0}] * 5 + [row | {"phase": 2, "seconds": 40.0}] * 2
    phases = [Phase("sgd", 0.01, epochs=5, enlargement=(1, 1)), Phase("sgd", 0.01, epochs=5)]
    loop._report_progress(lines.append, "toy", loop._State(1, 2, rows), phases)
    assert lines[0].endswith(", 120 s left")


def test_phases_follow_each_other_and_end_when_their_accuracy_is_reached(dataset: Dataset, whole: loop.Trained) -> None:
    eager = replace(PLAN, phases=(Phase("adamw", 0.01, 3, until_accuracy=0.0), Phase("sgd", 0.01, 2)))
    assert train(dataset, eager).history["optimizer"].tolist() == ["adamw", "sgd", "sgd"]
    assert whole.history["phase"].tolist() == [1, 1, 2, 2]


@pytest.mark.parametrize("optimizer", ["adamw", "adadelta", "sgd"])
def test_every_optimiser_lowers_the_loss(dataset: Dataset, optimizer: str) -> None:
    rate = {"adamw": 0.01, "adadelta": 1.0, "sgd": 0.01}[optimizer]
    plan = replace(PLAN, phases=(Phase(optimizer, rate, epochs=3, schedule="constant"),), batch_size=8)
    losses = train(dataset, plan).history["loss"]
    assert losses.iloc[-1] < losses.iloc[0]


def test_the_image_budget_shortens_training_but_never_to_nothing(dataset: Dataset) -> None:
    images = len(dataset.train.labels)
    assert len(train(dataset, replace(PLAN, max_images=images * 2)).history) == 2
    assert len(train(dataset, replace(PLAN, max_images=20)).history) == 2


def test_a_set_smaller_than_a_batch_is_trained_with_an_even_number_at_once(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(
        dataset,
        train=replace(dataset.train, images=dataset.train.images[::9][:15], labels=dataset.train.labels[::9][:15]),
    )
    drawn, draw = [], loop.draw_batches
    monkeypatch.setattr(loop, "draw_batches", lambda *asked: drawn.append(asked[:2]) or draw(*asked))
    train(few, replace(PLAN, batch_size=64, phases=PLAN.phases[:1]))
    assert set(drawn) == {(15, (1, 14))}
    assert [loop.batch_of(images, PLAN) for images in (1, 2, 3, 4)] == [1, 2, 2, 4]


def test_the_cosine_schedule_warms_up_and_falls(dataset: Dataset) -> None:
    plan = replace(PLAN, phases=(Phase("sgd", 0.01, epochs=6),))
    rates = train(dataset, plan).history["learning_rate"].to_numpy()
    assert np.all(np.diff(rates) < 0)
    assert rates[-1] == pytest.approx(0.0001, rel=0.1)


def test_a_loss_that_is_no_number_stops_training(dataset: Dataset) -> None:
    plan = replace(PLAN, phases=(Phase("sgd", 1e30, epochs=3, schedule="constant"),))
    with pytest.raises(loop.TrainingError, match=r"toy stopped in epoch \d: the loss is .*lower the learning rate"):
        train(dataset, plan)


@pytest.mark.parametrize(
    "harm", [lambda data: data[:-30], lambda data: data[:60], lambda data: b"", lambda data: b"no zip"]
)
def test_a_checkpoint_that_was_harmed_counts_as_none(harm: Callable[[bytes], bytes], tmp_path: Path) -> None:
    checkpoint = tmp_path / "toy.npz"
    model = build()
    model.compile("sgd", "mse")
    model = learner.Learner(model)
    loop._save(checkpoint, model, loop._State(phase=0, epoch=3))
    assert loop._restore(checkpoint, model, 0) == loop._State(phase=0, epoch=3)
    checkpoint.write_bytes(harm(checkpoint.read_bytes()))
    assert loop._restore(checkpoint, model, 0) is None


def test_a_phase_without_augmentation_sees_the_images_as_they_are(dataset: Dataset) -> None:
    first, second = Phase("adamw", 0.01, epochs=1), Phase("sgd", 0.01, epochs=1, augmented=False)
    strong = Plan((first, second), batch_size=64, augmentation=recipes.CHANGES["strong"])
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


def enlarging(times: int) -> keras.Model:
    layers = keras.layers
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((24, 24, 1)),
            layers.Rescaling(1 / 255),
            *([layers.UpSampling2D(times, name=f"{ENLARGEMENT}_nearest")] if times > 1 else []),
            layers.Conv2D(8, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.2, seed=3),
            layers.Dense(3),
        ]
    )


def test_a_phase_at_the_images_own_size_trains_the_network_without_its_enlargement(dataset: Dataset) -> None:
    def trained(times: int, *factors: tuple[int, int] | None) -> loop.Trained:
        plan = replace(PLAN, phases=tuple(Phase("adamw", 0.01, epochs=1, enlargement=factor) for factor in factors))
        return loop.train(enlarging(times), dataset, plan, seed=1, name="toy", report=quiet)

    own, small = trained(2, (1, 1), (1, 1)), trained(1, None, None)
    losses = ["loss", "val_loss"]
    assert own.history[losses].equals(small.history[losses])
    assert all((a == b).all() for a, b in zip(own.model.get_weights(), small.model.get_weights(), strict=True))
    # A phase on enlarged images goes on from there, and differently.
    for later in (None, (3, 2)):
        both = trained(2, (1, 1), later).history[losses]
        assert both.iloc[0].equals(own.history[losses].iloc[0]) and not both.iloc[1].equals(own.history[losses].iloc[1])


def test_a_training_that_is_interrupted_as_images_become_larger_ends_with_the_same_numbers(
    dataset: Dataset, tmp_path: Path
) -> None:
    plan = replace(PLAN, phases=(Phase("adamw", 0.01, 1, enlargement=(1, 1)), Phase("adamw", 0.01, 2)))
    options = {"seed": 1, "name": "toy", "checkpoint": tmp_path / "checkpoint.npz"}
    whole = loop.train(enlarging(2), dataset, plan, seed=1, name="toy", report=quiet)
    for epochs in (2, 2):  # the first of two is kept; it is the last at the images' own size, and then the one after
        with pytest.raises(Interrupted):
            loop.train(enlarging(2), dataset, plan, report=interrupt_after(epochs), **options)
    resumed = loop.train(enlarging(2), dataset, plan, report=quiet, **options)
    assert all((a == b).all() for a, b in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True))


def test_mixing_blends_pairs_and_their_targets_alike() -> None:
    values = np.arange(0, 250, 5)  # each image is of one grey, so that it tells whose it is
    images = np.broadcast_to(values[:, None, None, None], (50, 4, 4, 1)).astype(np.uint8)
    targets = np.eye(50, dtype=np.float32)
    epoch = draw_batches(50, (5, 9), 0.4, np.random.default_rng(0))
    for step, places in enumerate(epoch.indices):
        blended, mixed = epoch.batch((images, targets), step)
        assert (blended.dtype, mixed.dtype) == (np.uint8, np.float32)
        np.testing.assert_allclose(mixed.sum(axis=1), 1, rtol=1e-6)
        np.testing.assert_allclose(blended[:, 0, 0, 0], mixed @ values, atol=0.51)  # grey levels are whole numbers
        assert (mixed.argmax(axis=1) == places).all()  # each is still mostly itself
    assert epoch.shares.max() > 0.2


def test_an_epoch_shows_every_image_once_whether_it_is_mixed_or_not() -> None:
    plain, mixed = (draw_batches(47, (5, 9), strength, np.random.default_rng(0)) for strength in (0.0, 0.4))
    np.testing.assert_array_equal(plain.indices, mixed.indices)
    assert len(set(plain.indices.ravel())) == 45 and set(mixed.partners.ravel()) == set(plain.indices.ravel())
    images = np.arange(47, dtype=np.uint8)
    np.testing.assert_array_equal(plain.batch((images,), 3)[0], plain.indices[3])


def test_label_smoothing_and_mixing_change_the_loss_that_is_trained_on(dataset: Dataset) -> None:
    short = replace(PLAN, phases=(Phase("adamw", 0.01, epochs=1),))
    plans = (short, replace(short, label_smoothing=0.2), replace(short, mixup=0.4))
    assert len({train(dataset, plan).history["loss"].iloc[0] for plan in plans}) == 3


@pytest.mark.parametrize(("share", "right"), [(0.0, True), (0.9, False)])
def test_a_student_believes_its_teachers_as_far_as_its_plan_says(dataset: Dataset, share: float, right: bool) -> None:
    plan = replace(PLAN, phases=(Phase("adamw", 0.01, epochs=8, distillation=share),))
    mistaken = np.eye(3, dtype=np.float32)[
        (dataset.train.labels + 1) % 3
    ]  # teachers that predict another class for each
    model = train(dataset, plan, soft_targets=mistaken).model
    said = prediction.predict_logits(model, dataset.validation.images).argmax(axis=1)
    expected = dataset.validation.labels if right else (dataset.validation.labels + 1) % 3
    assert (said == expected).mean() > 0.6  # chance is a third


@pytest.mark.parametrize(("self_distillation", "right"), [(1.0, True), (0.0, False)])
def test_self_distillation_keeps_a_network_to_its_own_predictions(
    dataset: Dataset, self_distillation: float, right: bool
) -> None:
    taught = Phase("adamw", 0.01, epochs=8, distillation=1.0, self_distillation=self_distillation)
    plan = replace(PLAN, phases=(Phase("adamw", 0.01, epochs=8), taught))
    mistaken = np.eye(3, dtype=np.float32)[(dataset.train.labels + 1) % 3]
    # One that is its only teacher needs no others.
    model = train(dataset, plan, soft_targets=mistaken if plan.needs_teachers else None).model
    assert plan.needs_teachers is (self_distillation < 1)
    said = prediction.predict_logits(model, dataset.validation.images).argmax(axis=1)
    expected = dataset.validation.labels if right else (dataset.validation.labels + 1) % 3
    assert (said == expected).mean() > 0.6  # chance is a third


@pytest.mark.slow
def test_self_distillation_goes_on_with_the_predictions_from_the_begin_of_the_phase(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught = Phase("adamw", 0.01, epochs=3, distillation=1.0, self_distillation=0.5)
    plan, teachers = replace(PLAN, phases=(PLAN.phases[0], taught)), np.full((len(dataset.train.labels), 3), 1 / 3)
    options = {"soft_targets": teachers.astype(np.float32), "checkpoint": tmp_path / "toy.npz"}

    def resumed(epochs: int) -> list[np.ndarray]:
        with pytest.raises(Interrupted):
            train(dataset, plan, **options, report=interrupt_after(epochs))
        weights = train(dataset, plan, **options).model.get_weights()
        options["checkpoint"].unlink()
        return weights

    whole = train(dataset, plan, soft_targets=options["soft_targets"]).model.get_weights()
    before = PLAN.phases[0].epochs  # the phase before the one in which it teaches itself
    for epochs in (before + 1, before + 2):  # what the last of them did is lost
        assert all((a == b).all() for a, b in zip(whole, resumed(epochs), strict=True))

    def asked_again(checkpoint: Path, trained: learner.Learner, phase: int) -> loop._State | None:
        state = restore(checkpoint, trained, phase)
        if state and state.own is not None:
            state.own = prediction.predict_views(trained.model.layers[-1], dataset.train.images, views.ten_views)
        return state

    restore = loop._restore
    monkeypatch.setattr(loop, "_restore", asked_again)
    assert any((a != b).any() for a, b in zip(whole, resumed(before + 2), strict=True))


@pytest.mark.parametrize("soft_targets", [None, np.ones((7, 3), np.float32)])
def test_a_student_without_teachers_of_the_training_images_is_an_error(
    dataset: Dataset, soft_targets: np.ndarray | None
) -> None:
    with pytest.raises(loop.TrainingError, match="no soft targets for the training images"):
        train(dataset, replace(PLAN, phases=(Phase("sgd", 0.01, 1, distillation=0.5),)), soft_targets=soft_targets)


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
    rate = learner.TabledRate(learner.warm_cosine(0.4, steps=100))
    rates = np.array([float(rate(step)) for step in (0, 5, 52, 100, 500)])
    np.testing.assert_allclose(rates, [0.04, 0.4, 0.2, 0.004, 0.004], rtol=0.05)


@pytest.mark.parametrize("initial", [0.4, 0.0])
def test_a_schedule_of_a_users_own_is_slowed_down_as_a_whole(dataset: Dataset, initial: float) -> None:
    schedule = keras.optimizers.schedules.CosineDecay(initial, 30, warmup_target=0.8, warmup_steps=10)
    spelt = json.dumps(keras.optimizers.serialize(keras.optimizers.SGD(schedule)))
    plan = replace(PLAN, phases=(Phase("sgd", initial, 1, schedule="own", compiled=spelt),))
    slow = recipes.slow_down(recipes.slow_down(plan, 0.5), 0.2)

    def rates(plan: Plan) -> list[float]:
        optimizer = learner.make_learner(accelerate(build()), plan, plan.phases[0], 40, seed=0).model.optimizer
        return [float(optimizer._learning_rate(step)) for step in range(40)]

    assert max(rates(plan)) == pytest.approx(0.8)
    np.testing.assert_allclose(rates(slow), np.array(rates(plan)) / 10, rtol=1e-5, atol=1e-9)
    assert len(train(dataset, slow).history) == 1


def test_the_first_step_is_traced_once(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    traces = []
    step = keras.Model.train_step
    monkeypatch.setattr(keras.Model, "train_step", lambda *args: traces.append(1) or step(*args))
    train(dataset, replace(PLAN, phases=(Phase("adamw", 0.01, epochs=3),)))
    assert len(traces) == 1


@pytest.mark.parametrize(("backend", "compiled"), [("tensorflow", False), ("jax", True)])
def test_steps_are_compiled_by_xla_where_they_are_slow_without(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, backend: str, compiled: bool
) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    assert learner.make_learner(accelerate(build()), PLAN, PLAN.phases[0], 9, seed=0).model.jit_compile is compiled


def test_an_architecture_is_one_entry_and_is_trained(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    added = architectures.Architecture(units=((8,), (8,)), dense=(), average_last=True, first_stride=2)
    monkeypatch.setitem(architectures.ARCHITECTURES, "new", added)
    network = architectures.build_cnn("new", dataset.image_shape, len(dataset.class_names))
    plan = replace(PLAN, phases=(Phase("adamw", 0.03, epochs=8),))
    losses = loop.train(network, dataset, plan, seed=1, name="new", report=quiet).history["loss"]
    assert network.name == "new" and losses.iloc[-1] < 0.9 * losses.iloc[0]


def test_no_time_is_told_where_reports_are_to_be_the_same_to_the_byte(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = train(dataset, replace(PLAN, phases=PLAN.phases[:1]))
    assert {*trained.history.columns} - {*trained.curves.columns} == {"seconds"}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1796000000")
    assert trained.minutes is None
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert trained.minutes == trained.seconds / 60 > 0
