"""A twin computes what its network computes, up to the rounding of its precision, in training and in use."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from helpers.networks import architectures
from helpers.networks.fast import fused, twins
from tests.toys import difference

FLOAT32 = 1e-4  # share of the largest value by which float32 may differ
BFLOAT16 = 5e-2


def shaken(model: keras.Model, seed: int = 0) -> keras.Model:
    """Give every weight a value of its own, moving statistics included, as after a training."""
    random = np.random.default_rng(seed)
    model.set_weights([weight * random.uniform(0.5, 2, weight.shape) + 0.1 for weight in model.get_weights()])
    return model


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (16, 24, 24, 1)).astype(np.uint8)


def network(name: str = "vgg9_small", **options) -> keras.Model:
    return architectures.build_cnn(name, (24, 24, 1), 3, **options)


@pytest.mark.parametrize("name", architectures.ARCHITECTURES)
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", FLOAT32), ("bfloat16", BFLOAT16)])
def test_twins_give_the_network_s_logits(name: str, precision: str, tolerance: float, pixels: np.ndarray) -> None:
    plain = network(name)
    logits = plain(pixels, training=False)
    for copy in (twins.training_twin, twins.prediction_twin):
        twin = copy(plain, precision)
        assert difference(twin(pixels, training=False), logits) < tolerance
    # Rounding is there to be tolerated: what float32 keeps to, bfloat16 does not.
    assert (difference(twin(pixels, training=False), logits) > FLOAT32) is (precision == "bfloat16")


@pytest.mark.parametrize("options", [{}, {"batch_norm": False}, {"normalization": "per_image"}])
def test_a_prediction_twin_takes_normalization_in(options: dict, pixels: np.ndarray) -> None:
    plain = shaken(network(**options))
    twin = twins.prediction_twin(plain, "float32")
    kinds = {type(layer) for layer in twin.layers}
    assert not kinds & {keras.layers.BatchNormalization, fused.FusedBatchNormalization, keras.layers.Dropout}
    assert difference(twin(pixels), plain(pixels, training=False)) < FLOAT32


def test_a_prediction_twin_follows_its_network(pixels: np.ndarray) -> None:
    plain = network()
    twin = twins.prediction_twin(plain, "float32")
    shaken(plain)
    assert difference(twin(pixels), plain(pixels, training=False)) > FLOAT32
    twin.set_weights(twins.folded_weights(plain))
    assert difference(twin(pixels), plain(pixels, training=False)) < FLOAT32


def test_normalization_that_cannot_be_taken_in_stays(pixels: np.ndarray) -> None:
    layers = keras.layers
    plain = keras.Sequential(
        [
            keras.Input((24, 24, 1)),
            layers.BatchNormalization(),  # before any kernel
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),  # behind the activation
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )
    shaken(plain)
    assert difference(twins.prediction_twin(plain, "float32")(pixels), plain(pixels, training=False)) < FLOAT32


def test_a_network_with_branches_is_copied_as_it_is(pixels: np.ndarray) -> None:
    layers = keras.layers
    inputs = keras.Input((24, 24, 1))
    first = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(inputs))
    both = layers.Add()([first, layers.Conv2D(4, 1)(inputs)])
    plain = shaken(keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(both))))
    twin = twins.prediction_twin(plain, "float32")
    assert difference(twin(pixels), plain(pixels, training=False)) < FLOAT32
    shaken(plain, seed=1)
    twin.set_weights(twins.folded_weights(plain))
    assert difference(twin(pixels), plain(pixels, training=False)) < FLOAT32


def test_only_the_middle_of_a_twin_is_in_bfloat16() -> None:
    twin = twins.training_twin(network(), "bfloat16")
    precision = {part.name: part.compute_dtype for part in twin.layers}
    assert precision["rescaling"] == precision["logits"] == "float32"
    assert precision["conv1"] == precision["conv9_norm"] == precision["dense2"] == "bfloat16"
    assert {weight.dtype for weight in twin.weights if "seed" not in weight.name} == {"float32"}


def test_weights_go_from_a_twin_to_its_network_as_they_are() -> None:
    plain = network()
    twin = shaken(twins.training_twin(plain, "bfloat16"))
    plain.set_weights(twin.get_weights())
    for ours, theirs in zip(plain.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_is_learned_from_images_at_their_own_size_is_the_enlarging_network_s(pixels: np.ndarray) -> None:
    """Without its enlargement a network is the same layers on smaller maps: fewer multiplications, the same weights."""
    twin = twins.training_twin(shaken(network("wide8")), "float32")
    small = twins.enlarging(twin, (1, 1))
    assert [layer.name for layer in small.layers[1:]] == [
        layer.name for layer in twin.layers[1:] if not layer.name.startswith(architectures.ENLARGEMENT)
    ]
    before, seen = small(pixels), twin(pixels)
    assert difference(before, seen) > FLOAT32  # images of another size
    kernel = twin.get_layer("conv8").kernel
    kernel.assign(kernel * 2)
    assert difference(small(pixels), before) > FLOAT32
    assert all(a is b for a, b in zip(small.variables, twin.variables, strict=True))


@pytest.mark.parametrize("name", ["slim8", "wide8"])
@pytest.mark.parametrize("factor", [(2, 1), (4, 3), (3, 2)])
def test_a_network_that_is_to_enlarge_by_another_factor_is_as_if_built_so(
    name: str, factor: tuple[int, int], pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = twins.prediction_twin(shaken(network(name)), "float32")
    monkeypatch.setitem(
        architectures.ARCHITECTURES, name, replace(architectures.ARCHITECTURES[name], enlargement=factor)
    )
    built = twins.prediction_twin(shaken(network(name)), "float32")
    assert difference(twins.enlarging(given, factor)(pixels), built(pixels)) < FLOAT32
    assert difference(twins.enlarging(given, (1, 1))(pixels), built(pixels)) > FLOAT32


def test_a_network_that_enlarges_nothing_is_the_same_without_enlargement(pixels: np.ndarray) -> None:
    twin = twins.prediction_twin(shaken(network("slim8")), "float32")
    assert difference(twins.enlarging(twin, (1, 1))(pixels), twin(pixels)) == 0


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_twin_takes_the_step_of_its_network(
    precision: str, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without dropout nothing is drawn: what the two learn from a batch differs by rounding alone."""
    monkeypatch.setitem(
        architectures.ARCHITECTURES, "slim8", replace(architectures.ARCHITECTURES["slim8"], logits_dropout=0.0)
    )
    plain = network("slim8")
    twin, start = twins.training_twin(plain, precision), plain.get_weights()
    for learner in (plain, twin):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        learner.compile(keras.optimizers.SGD(0.01), loss, jit_compile=False)
        learner.train_on_batch(pixels, np.arange(len(pixels)) % 3)
    steps = [
        np.concatenate([(after - before).ravel() for after, before in zip(learner.get_weights(), start, strict=True)])
        for learner in (plain, twin)
    ]
    off = np.linalg.norm(steps[1] - steps[0]) / np.linalg.norm(steps[0])
    assert off < (FLOAT32 if precision == "float32" else BFLOAT16)


def test_a_training_twin_learns_no_bias_that_normalization_takes_out_again(pixels: np.ndarray) -> None:
    twin = shaken(twins.training_twin(network(), "float32"))
    before = {weight.path: weight.numpy() for weight in twin.trainable_variables + twin.non_trainable_variables}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    twin.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)
    twin.train_on_batch(pixels, np.arange(len(pixels)) % 3)
    kept = {
        weight.path.split(network().name + "/")[-1]
        for weight in twin.variables
        if weight.path in before and np.array_equal(weight.numpy(), before[weight.path])
    }
    moot = {f"{name}/bias" for name in (*(f"conv{i}" for i in range(1, 10)), "dense1", "dense2")}
    assert {name for name in kept if "bias" in name} == moot  # that of the logits is learned


def test_a_training_twin_has_one_layer_for_normalization_relu_and_pooling() -> None:
    twin = twins.training_twin(network(), "float32")
    assert not {keras.layers.ReLU, keras.layers.MaxPooling2D} & {type(layer) for layer in twin.layers}
    norms = [part for part in twin.layers if isinstance(part, fused.FusedBatchNormalization)]
    assert len(norms) == 11
    assert all(norm.rectified for norm in norms)
    assert [norm.name for norm in norms if norm.pooled] == ["conv3_norm", "conv6_norm", "conv9_norm"]


def test_other_rectifiers_and_pools_stay_as_they_are(pixels: np.ndarray) -> None:
    layers = keras.layers
    odd = [
        layers.BatchNormalization(),
        layers.ReLU(max_value=1.0),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(3),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(padding="same"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Dense(3),
    ]
    plain = shaken(keras.Sequential([keras.Input((24, 24, 1)), *odd]))
    twin = twins.training_twin(plain, "float32")
    assert [layer.rectified for layer in twin.layers if hasattr(layer, "rectified")] == [False, True, True, False, True]
    assert difference(twin(pixels), plain(pixels, training=False)) < FLOAT32


@pytest.mark.parametrize("name", ["vgg9", "slim8"])
def test_a_prediction_twin_follows_the_training_twin(name: str, pixels: np.ndarray) -> None:
    plain = network(name)
    trainer, seer = twins.training_twin(plain, "float32"), twins.prediction_twin(plain, "float32")
    shaken(trainer)
    assert difference(seer(pixels), trainer(pixels, training=False)) > FLOAT32
    seer.set_weights(twins.folded_weights(trainer))
    assert difference(seer(pixels), trainer(pixels, training=False)) < FLOAT32


def test_a_training_twin_has_no_prediction_twin() -> None:
    twin = twins.training_twin(network(), "float32")
    with pytest.raises(ValueError, match="is a training twin"):
        twins.prediction_twin(twin, "float32")
