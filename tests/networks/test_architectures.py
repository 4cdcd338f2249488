"""The networks have exactly the sizes that the assignment names, and answer raw pixels with logits."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from helpers.networks import architectures


@pytest.mark.parametrize(
    ("name", "parameters", "fixed", "convolutions"),
    [("vgg9", 1_696_583, 1_344, 9), ("wide5", 6_015_879, 3_968, 4)],
)
def test_reference_networks_have_the_published_size(name: str, parameters: int, fixed: int, convolutions: int) -> None:
    network = architectures.build_cnn(name)
    assert network.count_params() == parameters
    assert network.count_params() - architectures.trainable_parameters(network) == fixed
    assert len(architectures.convolutions(network)) == convolutions


def test_wide5_leaves_out_only_what_is_redundant(monkeypatch: pytest.MonkeyPatch) -> None:
    architecture = architectures.ARCHITECTURES["wide5"]
    monkeypatch.setitem(architectures.ARCHITECTURES, "full", replace(architecture, bias_and_scale=True))
    full, lean = architectures.build_cnn("full"), architectures.build_cnn("wide5")
    # With biases and scales back, the weights that training changes are as many as the lean network has in all.
    assert architectures.trainable_parameters(full) == lean.count_params()


def test_wide5_reaches_the_dense_layers_with_four_by_four_maps() -> None:
    assert architectures.convolution(architectures.build_cnn("wide5"), 4).output.shape[1:] == (4, 4, 512)


def test_vgg12_has_four_units_of_three_convolutions() -> None:
    widths = [layer.filters for layer in architectures.convolutions(architectures.build_cnn("vgg12"))]
    assert widths == [32] * 3 + [64] * 3 + [128] * 3 + [256] * 3


def test_the_small_networks_end_in_averages_and_drop_only_before_the_logits() -> None:
    for name in ("slim8", "even10"):
        network = architectures.build_cnn(name)
        kinds = [type(layer).__name__ for layer in network.layers]
        assert kinds[-3:] == ["GlobalAveragePooling2D", "Dropout", "Dense"]
        assert kinds.count("Dropout") == kinds.count("Dense") == 1
        assert kinds.count("MaxPooling2D") == 3


def test_a_network_that_enlarges_answers_as_one_that_is_shown_enlarged_images(monkeypatch: pytest.MonkeyPatch) -> None:
    enlarging = architectures.build_cnn("wide8", (24, 24, 1))
    monkeypatch.setitem(
        architectures.ARCHITECTURES, "wide8", replace(architectures.ARCHITECTURES["wide8"], enlargement=(1, 1))
    )
    plain, small = architectures.build_cnn("wide8", (36, 36, 1)), architectures.build_cnn("wide8", (24, 24, 1))
    images = np.random.default_rng(0).uniform(0, 255, (4, 24, 24, 1)).astype(np.float32)
    # Of an image three times as large, each two by two pixels become one.
    large = keras.ops.convert_to_numpy(keras.ops.image.resize(images, (72, 72), interpolation="bilinear"))
    enlarged = large.reshape(4, 36, 2, 36, 2, 1).mean(axis=(2, 4))
    answer = keras.ops.convert_to_numpy(enlarging(images))
    np.testing.assert_allclose(answer, keras.ops.convert_to_numpy(plain(enlarged)), rtol=1e-4, atol=1e-5)
    assert np.abs(answer - keras.ops.convert_to_numpy(small(images))).max() > 1e-2


@pytest.mark.parametrize("name", architectures.ARCHITECTURES)
def test_a_network_that_is_called_without_saying_so_is_not_in_training(name: str) -> None:
    """A layer whose default is training, such as Keras's Resizing, would have all after it normalize by the batch."""
    network = architectures.build_cnn(name)
    images = np.random.default_rng(0).uniform(0, 255, (4, 48, 48, 1)).astype(np.float32)
    asked, unasked = (keras.ops.convert_to_numpy(network(images, **said)) for said in ({"training": False}, {}))
    np.testing.assert_array_equal(asked, unasked)
    assert np.abs(asked - keras.ops.convert_to_numpy(network(images, training=True))).max() > 1e-2


def test_reference_dnn_has_the_published_size() -> None:
    assert architectures.dnn_parameters(2304, (1800, 1050), 7) == 6_047_407


@pytest.mark.parametrize("name", architectures.ARCHITECTURES)
@pytest.mark.parametrize("image_shape", [(48, 48, 1), (64, 64, 3)])
def test_the_matched_dnn_is_within_a_thousandth(name: str, image_shape: tuple[int, int, int]) -> None:
    cnn = architectures.build_cnn(name, image_shape, classes=11)
    dnn = architectures.build_dnn(cnn)
    assert abs(dnn.count_params() / cnn.count_params() - 1) <= 1e-3
    assert dnn.input_shape == cnn.input_shape
    assert dnn.output_shape == cnn.output_shape


def test_one_unit_more_breaks_the_match() -> None:
    cnn = architectures.build_cnn("vgg9_small")
    first, second = architectures.matched_widths(2304, 7, cnn.count_params())
    wider = architectures.dnn_parameters(2304, (first + 1, second), 7)
    assert abs(wider / cnn.count_params() - 1) > 1e-3


def test_a_network_too_small_to_match_is_refused() -> None:
    with pytest.raises(ValueError, match="No DNN with 2304 inputs"):
        architectures.matched_widths(2304, 7, 1000)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    first, again, other = (architectures.build_cnn("vgg9_small", seed=seed).get_weights() for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_layers_of_one_network_do_not_start_alike() -> None:
    network = architectures.build_cnn("vgg9_small")
    second, third = (architectures.convolution(network, number).get_weights()[0] for number in (2, 3))
    assert second.shape == third.shape
    assert not np.allclose(second, third)


def test_a_model_takes_bytes_and_floats_alike() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), dtype=np.uint8)
    network = architectures.build_cnn("vgg9_small")
    from_bytes, from_floats = (network.predict(x, verbose=0) for x in (pixels, pixels.astype("float32")))
    np.testing.assert_array_equal(from_bytes, from_floats)
    assert from_bytes.dtype == np.float32
    assert not np.allclose(from_bytes.sum(axis=1), 1)  # logits, not probabilities


def test_per_image_normalization_ignores_brightness_and_contrast() -> None:
    pixels = np.random.default_rng(0).uniform(50, 100, (2, 48, 48, 1)).astype("float32")
    changed = pixels * 1.7 + 20
    for normalization, same in (("per_image", True), ("none", False)):
        network = architectures.build_cnn("vgg9_small", normalization=normalization)
        before, after = network.predict(pixels, verbose=0), network.predict(changed, verbose=0)
        assert np.allclose(before, after, rtol=1e-2, atol=1e-3) is same


def test_without_batch_norm_no_layer_normalizes() -> None:
    network = architectures.build_cnn("vgg9_small", batch_norm=False)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)


def test_dropout_grows_with_the_tensor_and_stays_within_bounds() -> None:
    rates = [architectures.dropout_rate((size,)) for size in (1, 256, 512, 4096, 10**6)]
    assert rates == sorted(rates)
    assert rates[0] == rates[1] == 0.1
    assert rates[2] == pytest.approx(0.15)
    assert rates[-1] == 0.4


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: architectures.build_cnn("vgg99"),
            "vgg99.*vgg9, vgg9_small, average9, slim8, wide8, even10, vgg12, wide5",
        ),
        (lambda: architectures.build_cnn("vgg9", normalization="mean"), "mean.*none, per_image"),
        (lambda: architectures.convolution(architectures.build_cnn("wide5"), 5), "no convolution 5.*1 to 4"),
    ],
)
def test_an_unknown_name_is_an_error_that_names_the_legal_ones(call, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()


def test_the_layer_table_accounts_for_every_parameter() -> None:
    network = architectures.build_cnn("vgg9_small")
    assert architectures.layer_table(network)["parameters"].sum() == network.count_params()
    weights = sum(layer.count_params() for layer in architectures.convolutions(network))
    assert architectures.share_of_convolutions(network) == pytest.approx(weights / network.count_params())


def test_the_diagram_shows_every_layer_with_weights_once() -> None:
    network = architectures.build_cnn("vgg9_small")
    kinds = [kind for kind, _, _ in architectures.diagram_blocks(network)]
    assert kinds.count("convolution") == 9
    assert kinds.count("pooling") == 3
    assert kinds.count("dense") == 3
    assert kinds[0] == "input"


@pytest.mark.parametrize("name", architectures.ARCHITECTURES)
def test_the_words_of_a_diagram_fit_their_boxes(name: str) -> None:
    words = [
        line
        for _, label, _ in architectures.diagram_blocks(architectures.build_cnn(name))
        for line in label.splitlines()
    ]
    assert max(map(len, words)) <= 14, max(words, key=len)


def test_each_branch_of_a_network_has_its_activation_in_its_own_box() -> None:
    layers, pixels = keras.layers, keras.Input((9, 9, 1))
    branches = [layers.ReLU()(layers.Conv2D(filters, 1)(pixels)) for filters in (2, 3)]
    network = keras.Model(pixels, layers.Flatten()(layers.Concatenate()(branches)))
    words = [label.splitlines()[1:] for _, label, _ in architectures.diagram_blocks(network)]
    assert sorted(words) == [[], ["ReLU"], ["ReLU", "concatenate", "flatten"]]


def test_a_diagram_calls_normalization_of_features_and_layers_of_ones_own_by_what_they_are() -> None:
    layers, patches = keras.layers, keras.Input((9, 16))
    told = layers.LayerNormalization()(layers.Dense(16)(patches))
    network = keras.Model(patches, layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(2, 8)(told, told)))
    words = [line for _, label, _ in architectures.diagram_blocks(network) for line in label.splitlines()]
    assert words[1:] == ["dense 16", "layer norm", "multi head", "attention", "global average", "pooling"]


def test_multiplications_are_counted_at_every_position() -> None:
    layers = keras.layers
    network = keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Conv2D(4, 3, padding="same"), layers.Flatten(), layers.Dense(5)]
    )
    assert architectures.multiplications(network) == 36 * (3 * 3 * 2 * 4) + 36 * 4 * 5


def test_layers_are_named_by_role_whatever_was_built_before() -> None:
    names = [[layer.name for layer in architectures.build_cnn("vgg9").layers] for _ in range(2)]
    assert names[0] == names[1]
    assert {"conv1", "conv9", "conv9_norm", "conv9_relu", "pool3", "dense2", "logits"} <= set(names[0])


def test_a_network_too_small_for_an_equal_dnn_is_compared_with_the_nearest():
    with pytest.raises(ValueError, match="No DNN"):
        architectures.matched_widths(2304, 7, 900)
    assert architectures.nearest_widths(2304, 7, 900) == (1, 1)
    near = architectures.nearest_widths(2304, 7, 5000)
    assert abs(architectures.dnn_parameters(2304, near, 7) - 5000) < 100
