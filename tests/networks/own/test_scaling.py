"""How a trained network wants its pixels is found where it can be told, and said where it cannot."""

import keras
import numpy as np
import pytest
from keras import layers

from helpers.networks.logits import all_logits, softmax
from helpers.networks.own import scaling
from helpers.networks.own.canonical import canonical
from helpers.networks.own.exported import open_exported
from helpers.networks.own.proof import explainable, prove
from helpers.networks.own.source import NetworkError

LEVELS = np.array([40, 128, 215])
NAMES = ("dark", "grey", "light")


@pytest.fixture(scope="module")
def shades() -> tuple[np.ndarray, np.ndarray]:
    """Images in three shades, some of them between two."""
    random = np.random.default_rng(0)
    labels = np.arange(120) % 3
    noise = random.integers(-30, 30, (120, 12, 12, 1)) + random.normal(0, 15, (120, 1, 1, 1))
    return np.clip(LEVELS[labels][:, None, None, None] + noise, 0, 255).astype(np.uint8), labels


def shade_network(*before: layers.Layer, sharp: float = 60.0, channels: int = 1) -> keras.Model:
    """Name the shade that is nearest to the mean of pixels in 0..1."""
    pixels = keras.Input((12, 12, channels))
    values = pixels
    for layer in before:
        values = layer(values)
    last = layers.Dense(3, activation="softmax")
    network = keras.Model(pixels, last(layers.GlobalAveragePooling2D()(values)))
    centres, taken = LEVELS / 255, last.kernel.shape[0]
    last.set_weights([np.tile(2 * sharp * centres / taken, (taken, 1)), -sharp * centres**2])
    return network


def test_what_the_network_learned_from_is_found(shades):
    measured = scaling.measure(shade_network(), *shades, NAMES)
    assert measured.chosen == "255" and measured.images == 120 and measured.order == ()
    assert measured.table["pixels"][0] == "255" and measured.table["accuracy"][0] > 0.9
    assert (measured.table["low"] < measured.table["accuracy"]).all()


def test_a_network_that_scales_its_pixels_gets_them_as_they_are(shades):
    assert scaling.measure(shade_network(layers.Rescaling(1 / 255)), *shades, NAMES).chosen == "none"


def test_what_preprocess_says_is_taken_unless_another_way_is_better(shades):
    assert scaling.measure(shade_network(), *shades, NAMES, "255").chosen == "255"
    with pytest.raises(NetworkError, match=r"PREPROCESS=127 is not what .* learned from: with 255 it is right on "):
        scaling.measure(shade_network(), *shades, NAMES, "127")
    with pytest.raises(NetworkError, match=r"PREPROCESS=half is no way .* choose one of none, 255"):
        scaling.measure(shade_network(), *shades, NAMES, "half")


def test_ways_that_cannot_be_told_apart_stop_it(shades):
    blind = shade_network(layers.Lambda(lambda values: values / 255))
    even = keras.Sequential([keras.Input((12, 12, 3)), layers.Lambda(lambda x: keras.ops.mean(x, -1, keepdims=True))])
    colour = keras.Model(even.inputs, blind(even.outputs[0]))
    images = np.concatenate([shades[0], shades[0], shades[0] ^ 1], axis=-1)
    with pytest.raises(NetworkError, match=r"too much alike; choose one by PREPROCESS=none or PREPROCESS=none-bgr"):
        scaling.measure(colour, images, shades[1], NAMES)


def test_of_ways_alike_that_of_the_networks_own_scaling_is_taken(shades):
    images = np.concatenate([shades[0], shades[0], shades[0] ^ 1], axis=-1)
    even = layers.Conv2D(1, 1, use_bias=False, kernel_initializer=keras.initializers.Constant(1 / 3))
    measured = scaling.measure(shade_network(layers.Rescaling(1 / 255), even, channels=3), images, shades[1], NAMES)
    assert measured.chosen == "none" and "scales its pixels itself" in str(measured.reason)


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_images_are_not_swapped_for_a_network_of_colour(shades, channels):
    images, labels = np.repeat(shades[0], channels, axis=-1), shades[1]
    measured = scaling.measure(shade_network(channels=3), images, labels, NAMES)
    assert measured.chosen == "255"
    assert sorted(measured.table["pixels"]) == ["127", "255", "caffe", "image", "none", "torch"]
    assert scaling.measure(shade_network(channels=3), images, labels, NAMES, "255-bgr").chosen == "255-bgr"


def test_a_way_that_makes_answers_surer_and_no_more_right_is_not_taken_for_better():
    random, labels = np.random.default_rng(0), np.arange(120) % 2
    images = random.integers(100, 120, (120, 12, 12, 1))
    for image, label in zip(images, labels, strict=True):
        image[:, 6 * label : 6 * label + 6] += 20
    last = layers.Dense(2, use_bias=False)  # so that twice the pixels are twice the logits
    network = keras.Sequential([keras.Input((12, 12, 1)), layers.AveragePooling2D((12, 6)), layers.Flatten(), last])
    last.set_weights([4 * np.array([[1, -1], [-1, 1]], np.float32)])
    with pytest.raises(NetworkError, match="are too much alike; choose one by PREPROCESS="):
        scaling.measure(network, images.astype(np.uint8), labels, ("left", "right"))


def test_a_network_of_other_classes_is_told_so_with_a_hint_of_their_order(shades):
    images, labels = shades
    with pytest.raises(
        NetworkError,
        match=r"no better than naming .*with 255 on 100% if its classes are in the order grey, light, dark; name the",
    ):
        scaling.measure(shade_network(), images, (labels + 1) % 3, NAMES)
    random = np.random.default_rng(1).permutation(labels)
    with pytest.raises(NetworkError, match="no better than naming the commonest class") as error:
        scaling.measure(shade_network(), images, random, NAMES)
    assert "order" not in str(error.value)


@pytest.mark.parametrize(
    ("classes", "order"), [((0, 2, 1), "dark, light, grey"), ((1, 0, 2), "grey, dark, light"), ((0, 1, 2), "")]
)
def test_a_way_that_is_better_in_another_order_stops_it_and_one_in_the_given_order_does_not(shades, classes, order):
    images, labels = shades[0], np.array(classes)[shades[1]]
    if not order:
        assert scaling.measure(shade_network(), images, labels, NAMES).order == ()
        return
    told = (
        rf"at most \d\d% of 120 images, and with 255 on 100% if its classes are in the order {order}; name the classes "
    )
    with pytest.raises(NetworkError, match=rf"{told}so that they sort so, or say PREPROCESS=127 if their order is"):
        scaling.measure(shade_network(), images, labels, NAMES)
    with pytest.raises(NetworkError, match=told):  # that another way is better in the given order would mislead
        scaling.measure(shade_network(), images, labels, NAMES, "255")
    assert scaling.measure(shade_network(), images, labels, NAMES, "127").chosen == "127"


REASONS = "PREPROCESS says so", "as often right (McNemar", "and surer of what is right", "scales its pixels itself"


@pytest.mark.parametrize(
    ("wanted", "shares", "surer", "scaled", "place"),
    [
        ("none", (0.9, 0.9), 1.0, False, 0),
        ("", (0.9, 0.5), 0.0, True, 1),
        ("", (0.9, 0.9), 1.0, True, 2),
        ("", (0.9, 0.9), 0.0, True, 3),
    ],
    ids=["asked", "best", "surer", "scaled"],
)
def test_why_pixels_are_prepared_so_is_what_was_measured(
    wanted: str, shares: tuple[float, float], surer: float, scaled: bool, place: int
) -> None:
    right = {way: np.arange(100) < 100 * share for way, share in zip(("255", "none"), shares, strict=True)}
    noise = np.random.default_rng(0).normal(size=(2, 100))
    likely = {"255": noise[0] + surer, "none": noise[1]}
    _, reason = scaling._choose(wanted, [*right], right, likely, "net", scaled)
    assert [one for one in REASONS if one in str(reason)] == [REASONS[place]]


def order_of(answers: np.ndarray, labels: np.ndarray, ways: int = 1) -> tuple[str, float, tuple[str, ...]]:
    """Look for an order that is better than that of answers (ways * N,) as they are, in any of some ways."""
    classes = 1 + int(labels.max())
    parts = answers.reshape(ways, -1)
    right = max((part == labels for part in parts), key=np.sum)
    said = {f"way {i}": part for i, part in enumerate(parts)}
    return scaling.better_order(said, labels, [f"class {i}" for i in range(classes)], right)


@pytest.mark.parametrize("classes", [2, 3, 10, 40])
@pytest.mark.parametrize("share", [0.0, 0.4, 0.9])
def test_of_many_orders_none_is_told_that_is_right_by_chance(classes, share):
    random = np.random.default_rng(0)
    for _ in range(20):
        labels = np.concatenate([np.arange(classes), random.integers(0, classes, 500 - classes)])
        noise = random.integers(0, classes, (11, 500))
        noise[0] = np.where(random.random(500) < share, labels, noise[0])
        assert order_of(noise.ravel(), labels, 11)[2] == ()


def test_another_order_is_told_with_its_way_unless_naming_the_commonest_class_is_as_good():
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 500)
    said = np.where(random.random(500) < 0.4, labels, random.integers(0, 10, 500))
    shifted = np.concatenate([random.integers(0, 10, 500), (said + 3) % 10])
    way, share, order = order_of(shifted, labels, 2)
    assert (way, order) == ("way 1", tuple(f"class {(i + 7) % 10}" for i in range(10))) and 0.35 < share < 0.6
    uneven = np.repeat([0, 1], [100, 400])
    assert order_of(np.zeros(500, int), uneven)[2] == ()


def test_the_wrapper_is_proved_and_a_wrong_one_is_not(shades):
    images, _ = shades
    scale = scaling.scales(1)["255"]
    network = shade_network()
    wrapped = canonical(network, (12, 12, 1), 3, scale)
    assert all(check.passed for check in prove(wrapped, network, images, scale))
    with pytest.raises(NetworkError, match="largest difference of a probability"):
        prove(canonical(network, (12, 12, 1), 3), network, images, scale)


@pytest.mark.parametrize("bias", [0.0, 2.0], ids=["around 0", "above 0"])
@pytest.mark.parametrize("end", ["linear", "sigmoid"])
def test_one_unit_is_proved_before_its_sigmoid_and_after_it(shades, end, bias):
    def unit(start: float) -> keras.Model:
        last = layers.Dense(1, activation=end, bias_initializer=keras.initializers.Constant(start))
        return keras.Sequential([keras.Input((12, 12, 1)), layers.GlobalAveragePooling2D(), last])

    network, other = unit(bias), unit(bias + 0.1)
    for one in (network, other):
        one.layers[-1].kernel.assign([[0.005]])
    wrapped = canonical(network, (12, 12, 1), 2)
    assert all(check.passed for check in prove(wrapped, network, shades[0], None))
    with pytest.raises(NetworkError, match="largest difference of a probability"):
        prove(wrapped, other, shades[0], None)


def test_a_vector_that_is_given_by_name_is_proved_alike(shades):
    network = shade_network()
    named = keras.Model(network.inputs, {"shade": network.outputs[0]})
    wrapped = canonical(named, (12, 12, 1), 3, scaling.scales(1)["255"])
    assert all(check.passed for check in prove(wrapped, named, shades[0], scaling.scales(1)["255"]))


def test_a_network_without_a_gradient_is_not_explained(shades):
    images, _ = shades
    stopped = keras.Sequential([keras.Input((12, 12, 1)), layers.Lambda(keras.ops.stop_gradient)])
    network = keras.Model(stopped.inputs, shade_network()(stopped.outputs[0]))
    with pytest.raises(NetworkError, match="largest gradient of a logit by a pixel for the class number 1 is 0"):
        prove(canonical(network, (12, 12, 1), 3), network, images, None)


@pytest.mark.parametrize("classes", [3, 30])
def test_a_class_without_a_gradient_or_with_that_of_another_is_named(classes):
    def network(last):
        pixels = keras.Input((12, 12, 1))
        logits = layers.Dense(classes)(layers.Flatten()(layers.Rescaling(1 / 255)(pixels)))
        return keras.Model(pixels, layers.Concatenate()([logits[:, : classes - 1], last(logits)]))

    images = np.random.default_rng(0).integers(0, 256, (64, 12, 12, 1)).astype(np.uint8)
    names = [f"kind {k}" for k in range(classes)]
    stopped, same = network(lambda z: keras.ops.stop_gradient(z[:, -1:])), network(lambda z: z[:, 1:2] + 1)
    if classes == 30:  # the first twenty are looked at, as the report says
        assert all(check.passed for one in (stopped, same) for check in explainable(one, images, names))
        return
    with pytest.raises(NetworkError, match=r"logit by a pixel for the class kind 2 is 0, .*; no gradient tells"):
        explainable(stopped, images, names)
    with pytest.raises(NetworkError, match=r"the gradients of two classes, kind 1 and kind 2, is 0, "):
        explainable(same, images, names)
    with pytest.raises(NetworkError, match=r"for the class number 3 is 0"):
        explainable(stopped, images)


def test_an_image_that_is_answered_otherwise_alone_is_found_wherever_it_is(shades):
    class Late(layers.Layer):
        def call(self, values):
            lit = keras.ops.cast(keras.ops.max(values, axis=(1, 2, 3), keepdims=True) > 200, "float32")
            return values * (1 + lit * keras.ops.cast(keras.ops.shape(values)[0] > 1, "float32"))

    after = [layers.Rescaling(1 / 1000), layers.Flatten(), layers.Dense(3)]
    network = keras.Sequential([keras.Input((12, 12, 1)), Late(), *after])
    images = np.full((64, 12, 12, 1), 100, np.uint8) + shades[0][:64] % 5
    assert all(check.passed for check in explainable(network, images))
    images[50] += 120
    with pytest.raises(NetworkError, match="largest difference between an image alone and among others is "):
        explainable(network, images)


def test_logarithms_of_probabilities_are_logits_of_the_same_answers(shades):
    images, _ = shades
    hidden = keras.Sequential([keras.Input((12, 12, 1)), layers.Rescaling(1 / 255), shade_network()])
    pixels = keras.Input((12, 12, 1))
    network = keras.Model(pixels, layers.Rescaling(1.0)(hidden(pixels)))  # what is last is no softmax
    wrapped = canonical(network, (12, 12, 1), 3)
    said = all_logits(wrapped, images)
    assert scaling.ending(said) == "softmax"
    np.testing.assert_allclose(softmax(all_logits(scaling.with_logits(wrapped, "softmax"), images)), said, atol=1e-5)


@pytest.mark.parametrize("end", ["softmax", "sigmoid", "unit", "linear"])
def test_the_same_network_is_measured_alike_as_a_file_and_as_a_saved_model(shades, tmp_path, end):
    kept = shades[1] != 1 if end == "unit" else shades[1] >= 0
    images, labels, names = shades[0][kept], shades[1][kept], NAMES
    inner = canonical(shade_network(layers.Rescaling(0.5, offset=0.5), sharp=4.0), (12, 12, 1), 3)  # up to its logits
    outputs = inner.outputs[0]
    if end == "unit":
        labels, names, unit = labels // 2, NAMES[::2], layers.Dense(1, use_bias=False)
        outputs = unit(outputs)
        unit.set_weights([np.array([[-1.0], [0.0], [1.0]], np.float32)])
    network = keras.Model(inner.inputs, layers.Activation("sigmoid" if end == "unit" else end)(outputs))
    network.export(tmp_path / "exported", verbose=False)
    exported = open_exported(tmp_path / "exported")
    one, other = (scaling.measure(each, images, labels, names) for each in (network, exported))
    assert one.chosen == other.chosen == "127"
    assert one.table["accuracy"][0] == other.table["accuracy"][0]
    np.testing.assert_allclose(one.table["accuracy"], other.table["accuracy"], atol=0.05)  # where all sigmoids are 1
    scale = scaling.scales(1)["127"]
    wrapped = canonical(exported, (12, 12, 1), len(names), scale)
    wrapped = scaling.with_logits(wrapped, scaling.ending(all_logits(wrapped, images)))
    wanted = all_logits(canonical(network, (12, 12, 1), len(names), scale), images)
    np.testing.assert_allclose(softmax(all_logits(wrapped, images)), softmax(wanted), atol=1e-4)


def test_a_network_that_was_exported_as_in_training_is_told_so_and_the_advice_works(shades, tmp_path):
    images, labels = shades
    changing = layers.RandomBrightness(0.3, value_range=(0, 1), seed=0)
    inner = keras.Sequential([keras.Input((12, 12, 1)), changing, shade_network()])
    network = keras.Sequential([keras.Input((12, 12, 1)), layers.Rescaling(0.5, offset=0.5), inner])
    network.export(tmp_path / "exported", verbose=False)
    with pytest.raises(
        NetworkError, match=r"exported computes as in training: .* this writes it as it predicts"
    ) as error:
        scaling.measure(open_exported(tmp_path / "exported"), images, labels, NAMES)
    advice = str(error.value).rpartition(": ")[2].replace("folder", "folder, verbose=False").removesuffix(".")
    eval(advice, {"keras": keras, "model": network, "folder": tmp_path / "again"})
    one, other = (scaling.measure(each, *shades, NAMES) for each in (network, open_exported(tmp_path / "again")))
    assert one.chosen == other.chosen == "127"
    np.testing.assert_allclose(one.table["accuracy"], other.table["accuracy"])
