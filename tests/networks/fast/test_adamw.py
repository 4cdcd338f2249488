"""The fused AdamW takes the steps of Keras's, and what it rests on in Keras is there."""

import keras
import numpy as np
import pytest

from helpers.networks.fast import adamw
from tests.toys import difference

tf = pytest.importorskip("tensorflow")
FLOAT32 = 1e-4  # share of the largest value by which float32 may differ


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adamw_takes_keras_s_steps(decay: float) -> None:
    random = np.random.default_rng(0)
    start = random.normal(size=(5, 4)).astype(np.float32)
    slopes = random.normal(size=(6, 5, 4)).astype(np.float32) * np.logspace(-6, 1, 6)[:, None, None].astype(np.float32)

    def walked(kind: type[keras.optimizers.AdamW], rate: float = 0.1) -> list[np.ndarray]:
        variable = keras.Variable(start)
        optimizer = kind(keras.optimizers.schedules.ExponentialDecay(rate, 2, 0.5), weight_decay=decay)
        optimizer.build([variable])
        for slope in slopes:
            optimizer.apply([tf.constant(slope)])
        return [keras.ops.convert_to_numpy(held) for held in (variable, *optimizer.variables[1:])]

    theirs, ours = walked(keras.optimizers.AdamW), walked(adamw.FusedAdamW)
    assert len(theirs) == 3  # the variable and its two moments
    for a, b in zip(ours, theirs, strict=True):
        assert difference(a, b) < FLOAT32
    assert difference(walked(adamw.FusedAdamW, 0.101)[0], theirs[0]) > FLOAT32


def test_the_private_names_that_it_rests_on_are_what_it_takes_them_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Keras that renames one, or gives it another meaning, fails here by name."""
    optimizer, called = keras.optimizers.AdamW(0.1, weight_decay=0.1), []
    kernel, bias = (keras.Variable(np.ones((2,)), name=name) for name in ("kernel", "bias"))
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build([kernel, bias])
    assert [optimizer._get_variable_index(variable) for variable in (kernel, bias)] == [0, 1]
    assert [bool(optimizer._use_weight_decay(variable)) for variable in (kernel, bias)] == [True, False]
    decay = optimizer._apply_weight_decay
    monkeypatch.setattr(optimizer, "_apply_weight_decay", lambda variables: called.append(decay(variables)))
    optimizer.apply([tf.constant([1.0, 2.0]), tf.constant([3.0, 4.0])])
    assert len(called) == 1  # once a step, for all variables
    first, second = optimizer._momentums[1], optimizer._velocities[1]
    np.testing.assert_allclose(first, 0.1 * np.array([3, 4]), rtol=1e-5)
    np.testing.assert_allclose(second, 0.001 * np.array([9, 16]), rtol=1e-5)
