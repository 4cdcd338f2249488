"""An epoch gives the numbers of its single steps, on TensorFlow and on Keras's JAX backend."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import toy_dataset
from toys import PLAN, build

from helpers.networks.fast import accelerate, fused
from helpers.training import learner
from helpers.training.batches import draw_batches
from helpers.training.recipes import Phase

on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="run by the first test, in a process of its own")
HERE = Path(__file__)
# Of the tests of training, those that rest on how an epoch is shown.
TRAINING = [
    f"{HERE.with_name('test_loop.py')}::{name}"
    for name in (
        "test_an_epoch_gives_the_numbers_of_keras_fit",
        "test_an_interrupted_training_ends_with_the_same_numbers[2]",
        "test_a_loss_that_is_no_number_stops_training",
    )
]


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="this is the process that it starts")
@pytest.mark.parametrize(
    ("tests", "passed"),
    [
        ([HERE, TRAINING[0]], "4 passed"),
        pytest.param(TRAINING[1:], "2 passed", marks=pytest.mark.slow),
    ],
    ids=["epochs", "trainings"],
)
def test_on_jax_these_tests_pass_and_those_of_training_that_rest_on_them(tests: list[Path | str], passed: str) -> None:
    pytest.importorskip("jax")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *map(str, tests)]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PRECISION": "float32"}
    ran = subprocess.run(command, env=environment, cwd=HERE.parents[1], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-4000:]
    assert passed in ran.stdout


@pytest.mark.parametrize("together", [2, 8])  # of seven steps, so that the last call takes fewer, or is the only one
def test_an_epoch_gives_the_numbers_of_its_single_steps(monkeypatch: pytest.MonkeyPatch, together: int) -> None:
    monkeypatch.setattr(learner, "STEPS_AT_ONCE", together)
    dataset = toy_dataset()
    targets = np.eye(3, dtype=np.float32)[dataset.train.labels]
    # Of a bias before a normalization, AdamW would make steps out of rounding.
    plan = replace(PLAN, label_smoothing=0.1, phases=(Phase("sgd", 0.01, epochs=1, weight_decay=0.1),))
    epoch = draw_batches(len(targets), (7, 8), 0.4, np.random.default_rng(0))

    def make() -> learner.Learner:
        return learner.make_learner(accelerate(build()), plan, plan.phases[0], 7, 1)

    whole, stepwise = make(), make()
    metrics = whole.fit_epoch((dataset.train.images, targets), epoch)
    steps = [
        stepwise.model.train_on_batch(*epoch.batch((dataset.train.images, targets), step), return_dict=True)
        for step in range(7)
    ]
    assert metrics == pytest.approx({name: np.mean([step[name] for step in steps]) for name in metrics}, rel=1e-4)
    assert metrics["loss"] != pytest.approx(steps[-1]["loss"], rel=1e-4)
    for mine, theirs in zip(whole.variables, stepwise.variables, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4, err_msg=mine.path)
    others = make().variables
    assert max(np.abs(np.asarray(a) - np.asarray(b)).max() for a, b in zip(whole.variables, others)) > 1e-3


@on_jax
def test_normalization_that_also_pools_does_so_on_jax() -> None:
    images = np.random.default_rng(0).normal(size=(3, 4, 6, 2)).astype(np.float32)
    layer = fused.FusedBatchNormalization(rectified=True, pooled=True)
    plain = keras.layers.BatchNormalization()(images, training=True)
    expected = np.maximum(np.asarray(plain).reshape(3, 2, 2, 3, 2, 2).max(axis=(2, 4)), 0)
    np.testing.assert_allclose(layer(images, training=True), expected, atol=1e-5)
