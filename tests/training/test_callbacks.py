"""A user's callbacks, class weights, metrics and training steps work, by twins and by plain Keras."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from conftest import toy_dataset
from toys import PLAN, build, quiet

from helpers.base.keeper import fingerprint
from helpers.data.datasets import Dataset
from helpers.training import loop, stored
from helpers.training.augmentation import Augmentation
from helpers.training.recipes import Phase

ONE = replace(PLAN, phases=(Phase("adamw", 0.01, epochs=2, schedule="constant"),))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return toy_dataset()


@pytest.fixture(params=["1", "0"], ids=["accelerated", "plain"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ACCELERATE", request.param)
    return request.param


def train(dataset: Dataset, model: keras.Model | None = None, plan=ONE, report=quiet, **options) -> loop.Trained:
    return loop.train(model or build(), dataset, plan, seed=1, name="toy", report=report, **options)


class Recorder(keras.callbacks.Callback):
    """Writes down when it is called, and what it sees."""

    def __init__(self, stop_after: int = 99) -> None:
        super().__init__()
        self.calls, self.logs, self.weights, self.stop_after = [], [], [], stop_after

    def on_train_begin(self, logs=None) -> None:
        self.calls.append("train begins")

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self.calls.append(f"{epoch} begins")

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.calls.append(f"{epoch} ends")
        self.logs.append(dict(logs))
        self.weights.append(np.concatenate([weight.ravel() for weight in self.model.get_weights()]))
        self.model.stop_training = epoch + 1 >= self.stop_after

    def on_train_end(self, logs=None) -> None:
        self.calls.append("train ends")


def test_plain_keras_learns_and_repeats_itself_and_takes_the_same_first_steps(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without dropout and augmentation nothing is drawn, and SGD makes no steps out of rounding.
    bare = replace(PLAN, phases=(Phase("sgd", 0.01, epochs=1),), augmentation=Augmentation())
    monkeypatch.setenv("PRECISION", "float32")
    monkeypatch.setattr(keras.layers.Dropout, "call", lambda self, inputs, training=False: inputs)
    rows = {}
    for way in ("1", "0"):
        monkeypatch.setenv("ACCELERATE", way)
        rows[way] = train(dataset, plan=bare).history.iloc[0]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
        assert rows["0"][name] == pytest.approx(rows["1"][name], rel=1e-3)
    monkeypatch.undo()
    monkeypatch.setenv("ACCELERATE", "0")
    longer = replace(PLAN, phases=(Phase("adamw", 0.01, epochs=6),))
    first, again = train(dataset, plan=longer), train(dataset, plan=longer)
    assert first.history.drop(columns="seconds").equals(again.history.drop(columns="seconds"))
    assert first.history["val_accuracy"].iloc[-1] > 0.5  # chance is a third


def test_plain_keras_takes_its_own_ways(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    for name in ("fit", "predict_on_batch"):
        own = getattr(keras.Model, name)
        monkeypatch.setattr(
            keras.Model, name, lambda self, *a, _own=own, _n=name, **k: used.append(_n) or _own(self, *a, **k)
        )
    monkeypatch.setenv("ACCELERATE", "0")
    model = build()
    train(dataset, model)
    assert (
        used[0] == "fit"
        and used.count("fit") == 2
        and used[-1] == "predict_on_batch"
        and type(model.optimizer) is keras.optimizers.AdamW
    )


def test_an_interrupted_plain_training_ends_with_the_same_numbers(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("ACCELERATE", "0")
    plan = replace(PLAN, phases=(Phase("adamw", 0.01, epochs=3),))

    def stop(line: str) -> None:
        if "epoch 2 of 3" in line:
            raise KeyboardInterrupt

    whole = train(dataset, plan=plan)
    with pytest.raises(KeyboardInterrupt):
        train(dataset, plan=plan, checkpoint=tmp_path / "toy.npz", report=stop)
    resumed = train(dataset, plan=plan, checkpoint=tmp_path / "toy.npz")
    assert whole.history.drop(columns="seconds").equals(resumed.history.drop(columns="seconds"))


def test_callbacks_are_called_as_by_keras_with_the_plain_network(way: str, dataset: Dataset) -> None:
    recorder, model = Recorder(), build()
    history = train(dataset, model, callbacks=[recorder]).history
    assert recorder.calls == ["train begins", "0 begins", "0 ends", "1 begins", "1 ends", "train ends"]
    assert [logs["val_loss"] for logs in recorder.logs] == history["val_loss"].tolist()
    assert recorder.model is model
    assert not np.array_equal(recorder.weights[0], recorder.weights[1])
    np.testing.assert_array_equal(recorder.weights[1], np.concatenate([w.ravel() for w in model.get_weights()]))


def test_a_callback_ends_training_and_restores_better_weights(way: str, dataset: Dataset) -> None:
    class Backwards(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None) -> None:
            logs["worse"] = epoch

    recorder = Recorder()
    stopper = keras.callbacks.EarlyStopping("worse", mode="min", patience=1, restore_best_weights=True)
    plan = replace(PLAN, phases=(Phase("adamw", 0.01, epochs=9), Phase("sgd", 0.01, epochs=9)))
    trained = train(dataset, plan=plan, callbacks=[Backwards(), recorder, stopper])
    assert len(trained.history) == 2  # the first is the best, and the second one too many
    first = np.concatenate([weight.ravel() for weight in trained.model.get_weights()])
    np.testing.assert_array_equal(first, recorder.weights[0])


def test_a_callback_sets_the_learning_rate(way: str, dataset: Dataset) -> None:
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.0 if epoch else rate)
    recorder = Recorder()
    rates = train(dataset, callbacks=[schedule, recorder]).history["learning_rate"]
    np.testing.assert_allclose(rates, [0.01, 0.0])
    trainable = build().count_params() - 8 - 0  # moving statistics move without a step
    moved = np.abs(recorder.weights[1] - recorder.weights[0]) > 0
    assert 0 < moved.sum() <= 8 < trainable


def test_a_callback_that_acts_on_steps_has_plain_keras_take_them(dataset: Dataset) -> None:
    class Counting(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch, logs=None) -> None:
            self.steps += 1

    counting, lines = Counting(), []
    train(dataset, callbacks=[counting], report=lines.append)
    assert counting.steps == 2 * (len(dataset.train.labels) // ONE.batch_size)
    assert sum("left to plain Keras" in line and "Counting" in line for line in lines) == 1


def test_a_class_that_counts_for_nothing_is_not_learned(way: str, dataset: Dataset) -> None:
    plan = replace(PLAN, phases=(Phase("adamw", 0.01, epochs=6),))
    predicted = {}
    for weights in (None, {1: 0.0, 2: 0.0}):
        model = train(dataset, plan=plan, class_weight=weights).model
        logits = model.predict(dataset.validation.images, verbose=0)
        predicted[weights is None] = (logits.argmax(axis=1) == 0).mean()
    assert predicted[False] > 0.95 > 0.7 > predicted[True]


def test_class_weights_are_keras_s_own(dataset: Dataset) -> None:
    """One step of SGD by twins, and one of Keras's fit with its class weights."""
    count = len(dataset.train.labels)
    plan = replace(
        PLAN, phases=(Phase("sgd", 0.01, 1, schedule="constant"),), batch_size=count, augmentation=Augmentation()
    )
    weights, losses = {0: 3.0, 2: 0.25}, []
    losses.append(train(dataset, plan=plan, class_weight=weights).history["loss"].iloc[0])
    losses.append(train(dataset, plan=plan).history["loss"].iloc[0])
    model = build()
    model.layers[-2].rate = 0.2
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    targets = np.eye(3, dtype=np.float32)[dataset.train.labels]
    logits = model.predict(dataset.train.images, verbose=0)
    every = np.array(keras.losses.categorical_crossentropy(targets, logits, from_logits=True))
    ratio = np.mean(every * np.array([3.0, 1.0, 0.25])[dataset.train.labels]) / every.mean()
    assert losses[0] / losses[1] == pytest.approx(ratio, rel=0.15)
    assert abs(ratio - 1) > 0.2


def test_a_weight_for_a_class_that_does_not_exist_is_an_error(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="class_weight names the class 3: choose whole numbers from 0 to 2"):
        train(dataset, class_weight={3: 2.0})


def test_a_user_s_metrics_are_in_the_history_of_both_splits(way: str, dataset: Dataset) -> None:
    metric = keras.metrics.CategoricalAccuracy(name="same")
    history = train(dataset, metrics=[metric, "mean_absolute_error"]).history
    np.testing.assert_allclose(history["same"], history["accuracy"])
    np.testing.assert_allclose(history["val_same"], history["val_accuracy"], atol=1e-6)
    assert (history["mean_absolute_error"] > 0).all() and (history["val_mean_absolute_error"] > 0).all()


def test_a_user_s_training_step_is_the_one_that_is_taken(dataset: Dataset) -> None:
    class Counting(keras.Model):
        def train_step(self, data):
            result = super().train_step(data)
            return {"loss": result["loss"], "mine": result["loss"] * 2}

    plain = build()
    lines: list[str] = []
    history = train(dataset, Counting(plain.inputs, plain.outputs), report=lines.append).history
    np.testing.assert_allclose(history["mine"], 2 * history["loss"], rtol=1e-5)
    assert history["accuracy"].isna().all()
    assert sum("it has a training step of its own" in line for line in lines) == 1


def test_the_key_of_a_stored_network_tells_apart_how_it_is_trained(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECISION", "float32")
    keys = set()
    for way in ("0", "1"):
        monkeypatch.setenv("ACCELERATE", way)
        keys.add(fingerprint(stored.training_parts(build(), dataset, PLAN, 0)))
    assert len(keys) == 2
