"""Activations by keract on Keras 3, and gradients: they equal those of Keras and TensorFlow themselves."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers.base.files import ROOT
from helpers.explain import activations, ascent, saliency
from helpers.explain.keract_bridge import keract
from helpers.explain.saliency.grad_cam import last_feature_layer
from helpers.networks import architectures, chunks

layers = keras.layers


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """A small network with every kind of layer that the suite uses, and one with a misleading name."""
    keras.utils.set_random_seed(0)
    pixels = keras.Input((12, 10, 3))
    tensor = layers.Rescaling(1 / 255, name="input_rescaling")(pixels)
    for width in (4, 6):
        tensor = layers.Conv2D(width, 3, padding="same")(tensor)
        tensor = layers.ReLU()(layers.BatchNormalization()(tensor))
        tensor = layers.Dropout(0.5)(layers.MaxPooling2D()(tensor))
    tensor = layers.Dense(5, activation="relu")(layers.Flatten()(tensor))
    return keras.Model(pixels, layers.Dense(3)(tensor))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 12, 10, 3), dtype=np.uint8)


def _after(model: keras.Model, name: str) -> keras.Model:
    """The part of a chain of layers that follows the named one."""
    position = [layer.name for layer in model.layers].index(name)
    tensor = start = keras.Input(model.layers[position].output.shape[1:])
    for layer in model.layers[position + 1 :]:
        tensor = layer(tensor)
    return keras.Model(start, tensor)


def test_every_layer_is_there_in_order(model, images):
    found = activations.activations(model, images)
    assert list(found) == [layer.name for layer in model.layers[1:]]
    assert any("pooling" in name for name in found)


def test_the_bridge_equals_keras_for_every_layer(model, images):
    found = activations.activations(model, images)
    for layer in model.layers[1:]:
        expected = keras.Model(model.input, layer.output)(images, training=False)
        np.testing.assert_allclose(found[layer.name], expected, rtol=1e-5, atol=1e-5)


def test_the_comparison_would_notice_dropout(model, images):
    found = activations.activations(model, images)
    name = model.layers[-2].name
    trained = keras.Model(model.input, model.layers[-2].output)(images, training=True)
    assert not np.allclose(found[name], trained, rtol=1e-5, atol=1e-5)


def test_one_layer_can_be_asked_for_by_name(model, images):
    name = model.layers[-1].name
    found = keract.get_activations(model, images.astype(np.float32), layer_names=name)
    assert list(found) == [name]
    np.testing.assert_allclose(found[name], model(images, training=False), rtol=1e-5, atol=1e-5)


def test_sequential_models_work_too(images):
    chain = keras.Sequential([keras.Input((12, 10, 3)), layers.Conv2D(2, 3), layers.MaxPooling2D()])
    found = activations.activations(chain, images)
    np.testing.assert_allclose(list(found.values())[-1], chain(images), rtol=1e-5, atol=1e-5)


def test_gradients_of_a_logit_equal_the_tape_and_differ_between_classes(model, images):
    found = [activations.gradients(model, images[0], label) for label in (0, 2)]
    values = activations.activations(model, images[:1])
    for name in list(values)[:-1]:
        rest, start = _after(model, name), tf.constant(values[name])
        with tf.GradientTape() as tape:
            tape.watch(start)
            logit = rest(start, training=False)[:, 2]
        np.testing.assert_allclose(found[1][name], tape.gradient(logit, start), rtol=1e-4, atol=1e-6)
        assert not np.allclose(found[0][name], found[1][name], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found[1][model.layers[-1].name], [[0, 0, 1]])


def test_user_errors_are_sentences(model, images):
    with pytest.raises(ValueError, match="0 to 2"):
        activations.gradients(model, images[0], 3)


def test_a_heatmap_peaks_where_the_channels_do():
    activation = np.zeros((4, 4, 3), dtype=np.float32)
    activation[1, 2] = [5, 0.1, 0]
    heat = activations.heatmap(activation, (16, 16))
    assert heat.shape == (16, 16) and heat.dtype == np.float32
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 4 <= row < 8 and 8 <= column < 12
    assert 0 < heat.max() <= 2 / 3 + 1e-6


def test_a_silent_layer_gives_a_blank_heatmap():
    np.testing.assert_array_equal(activations.heatmap(-np.ones((3, 3, 2)), (6, 6)), 0)


def test_layer_statistics_equal_a_direct_count(model, images, monkeypatch):
    monkeypatch.setattr(chunks, "BYTES_AT_ONCE", 2 * 3 * chunks.gradient_bytes(model, images.shape[1:]))
    table = activations.layer_statistics(model, images)
    values = activations.activations(model, images)
    for name, value in values.items():
        assert table.silent[name] == pytest.approx((value == 0).mean())
        assert table.dead[name] == (value.reshape(-1, value.shape[-1]) == 0).all(axis=0).mean()
        assert table.units[name] == value[0].size
    pooled, rectified = table[table.kind == "MaxPooling2D"], table[table.kind == "ReLU"]
    assert (pooled.silent.to_numpy() < rectified.silent.to_numpy()).all()
    assert list(pooled.height) == [6, 3] and list(pooled.width) == [5, 2]


def test_shift_is_one_for_an_image_without_columns_and_less_otherwise(model, images):
    stripes = np.repeat(images[:, :, :1], 10, axis=2)
    assert activations.layer_statistics(model, stripes)["shift"].min() == pytest.approx(1)
    assert activations.layer_statistics(model, images)["shift"].iloc[0] < 0.5


def test_the_shift_of_a_layer_is_the_mean_of_those_of_its_images(model, images):
    table = activations.layer_statistics(model, images)
    assert all(len(each) == len(images) for each in table["shifts"])
    assert table["shift"].to_numpy() == pytest.approx([each.mean() for each in table["shifts"]])
    alone = activations.layer_statistics(model, images[2:3])
    assert [each[0] for each in alone["shifts"]] == pytest.approx([each[2] for each in table["shifts"]], abs=1e-4)


def test_a_dead_channel_is_counted(images):
    pixels = keras.Input((12, 10, 3))
    convolution = layers.Conv2D(4, 3)
    model = keras.Model(pixels, layers.ReLU()(convolution(pixels)))
    kernel, bias = convolution.get_weights()
    kernel[..., 0], bias[0] = 0, -1
    kernel[..., 1:], bias[1:] = 1, 1
    convolution.set_weights([kernel, bias])
    assert list(activations.layer_statistics(model, images)["dead"]) == [0, 0.25]


def test_layers_are_labelled_by_role_and_number(model):
    labels = list(activations.layer_labels(model).values())
    assert labels[:5] == ["rescaling 1", "conv 1", "norm 1", "relu 1", "pool 1"]
    assert len(set(labels)) == len(labels)


def test_the_kind_of_a_layer_that_has_no_role_is_named_in_words():
    moved = [keras.Input((8, 8, 1)), keras.layers.RandomTranslation(0.1, 0.1), keras.layers.ZeroPadding2D()]
    assert list(activations.layer_labels(keras.Sequential(moved)).values()) == [
        "random translation 1",
        "zero padding 1",
    ]


@pytest.mark.parametrize("name", architectures.ARCHITECTURES)
def test_the_labels_of_layers_are_short_enough_to_stand_beside_their_maps(name: str) -> None:
    labels = activations.layer_labels(architectures.build_cnn(name)).values()
    assert max(map(len, labels)) <= 12, max(labels, key=len)


@pytest.mark.parametrize("name", architectures.ARCHITECTURES)
def test_no_stage_comes_before_the_first_convolution(name: str) -> None:
    network = architectures.build_cnn(name)
    order = [layer.name for layer in network.layers]
    assert min(map(order.index, activations.stages(network))) > order.index("conv1")


def test_what_weighs_channels_by_one_place_is_no_stage_and_has_no_grad_cam():
    pixels = keras.Input((8, 8, 1))
    maps = keras.layers.Conv2D(4, 3, activation="relu")(pixels)
    maps = keras.layers.ReLU()(maps)
    weighed = keras.layers.GlobalAveragePooling2D(keepdims=True)(maps)
    weighed = keras.layers.Activation("sigmoid")(keras.layers.Conv2D(4, 1)(weighed))
    values = keras.layers.GlobalAveragePooling2D()(maps * weighed)
    network = keras.Model(pixels, keras.layers.Dense(2)(values))
    assert activations.stages(network) == [network.layers[2].name]
    assert last_feature_layer(network) is network.layers[1]


def test_stages_pair_each_pooling_layer_with_what_it_pools(model, images):
    labels, found = activations.layer_labels(model), activations.activations(model, images)
    assert [labels[name] for name in activations.stages(model)] == ["relu 1", "pool 1", "relu 2", "pool 2"]
    for before, after in activations.pooling_pairs(model):
        _, height, width, _ = found[after].shape
        pooled = found[before][:, : 2 * height, : 2 * width].max(axis=(1, 2))
        np.testing.assert_array_equal(found[after].max(axis=(1, 2)), pooled)


def test_contributions_of_a_linear_head_add_up_to_the_logit():
    random = np.random.default_rng(0)
    activation, weights = random.normal(size=(2, 4, 4, 3))
    total = activations.contribution(activation, weights, (4, 4)).sum()
    assert total == pytest.approx((activation * weights).sum(), rel=1e-4)


def test_pooling_in_a_branch_is_paired_with_what_leads_to_it() -> None:
    pixels = keras.Input((12, 12, 1))
    stem = keras.layers.ReLU(name="stem")(keras.layers.Conv2D(4, 3)(pixels))
    branch = keras.layers.ReLU(name="branch")(keras.layers.Conv2D(4, 3, padding="same")(stem))
    pooled = keras.layers.MaxPooling2D(3, strides=1, padding="same", name="pooled")(stem)
    joined = keras.layers.AveragePooling2D(2, name="after")(keras.layers.Concatenate()([branch, pooled]))
    model = keras.Model(pixels, keras.layers.Dense(3)(keras.layers.Flatten()(joined)))
    assert [*activations.pooling_pairs(model)] == [("stem", "pooled"), ("branch", "after")]


def test_pooling_of_the_pixels_themselves_has_no_pair() -> None:
    pooled = keras.layers.MaxPooling2D(2)
    model = keras.Sequential([keras.Input((12, 12, 1)), pooled, keras.layers.Conv2D(4, 3), keras.layers.ReLU()])
    assert pooled.name in activations.stages(model)
    assert activations.pooling_pairs(model) == []


def shortcut() -> keras.Model:
    """A convolution on whose gradient by the kernel TensorFlow ends the process, at an odd number of images."""
    pixels = keras.Input((64, 64, 1))
    maps = keras.layers.Conv2D(12, 3, padding="same", activation="relu")(pixels)
    halved = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(20, 1, strides=2)(maps))
    return keras.Model(pixels, keras.layers.Dense(3)(halved))


def test_no_gradient_by_weights_is_taken_where_nobody_asks_for_it() -> None:
    model, image = shortcut(), np.random.default_rng(0).integers(0, 256, (64, 64, 1), dtype=np.uint8)
    for _ in range(5):
        found = activations.gradients(model, image, 1)
    slopes = np.zeros((64, 64, 12), np.float32)  # of a linear end these are known: every second place counts alike
    convolution, dense = model.layers[2], model.layers[-1]
    slopes[::2, ::2] = np.asarray(convolution.kernel)[0, 0] @ np.asarray(dense.kernel)[:, 1] / 32**2
    np.testing.assert_allclose(found[model.layers[1].name][0], slopes, rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize(("notebook", "cell"), [("04_saliency_maps", "c11b c11g"), ("05_gradient_ascent", "c06b")])
def test_gradients_by_hand_end_on_such_a_network_too(notebook: str, cell: str) -> None:
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    images = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 1), dtype=np.uint8)
    model, sample = shortcut(), SimpleNamespace(images=images, predicted=np.array([1]))
    known = {"cnn": model, "chosen": model.layers[2], "sample": sample, "np": np, "tf": tf, "ascent": ascent}
    known |= {"SEED": 0, "STEP_SIZE": 4.0, "SAMPLES": 25, "STEPS": 2, "saliency": saliency}
    known |= {"images": images, "classes": np.array([1])}
    for wanted in cell.split():
        exec("".join(next(one["source"] for one in cells if one["id"] == wanted)), known)
    assert np.isfinite(known["by_hand" if notebook.startswith("04") else "heights"]).all()
