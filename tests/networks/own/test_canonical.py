"""Every kind of network becomes one form, and keeps what it computes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from kinds import KINDS, classes_of

from helpers.explain import saliency
from helpers.networks.architectures import build_cnn
from helpers.networks.layers import CONVOLUTIONS, describe_maps
from helpers.networks.logits import all_logits, softmax
from helpers.networks.own import built
from helpers.networks.own.canonical import canonical, unrolled
from helpers.networks.own.source import OWN, NetworkError, Source
from helpers.training.recipes import get_recipe

SHAPE = (24, 24, 1)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, *SHAPE)).astype(np.float32)


def scrambled(model: keras.Model, seed: int = 0) -> keras.Model:
    """Give a network other weights, small ones, so that normalizations and answers are not the usual ones."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.dtype.startswith("float"):
            drawn = np.abs(random.normal(0.5, 0.1, weight.shape)) if "variance" in weight.path else None
            weight.assign(random.normal(0, 0.2, weight.shape) if drawn is None else drawn)
    return model


def own_probabilities(model: keras.Model, kind: str, images: np.ndarray) -> np.ndarray:
    """Ask the user's network itself; on a processor, only with channels last."""
    said = np.asarray(model.predict(images, verbose=0), np.float32)
    if said.shape[1] == 1:
        return np.concatenate([1 - said, said], axis=1)
    return said if np.allclose(said.sum(axis=1), 1, atol=1e-3) and (said >= 0).all() else softmax(said)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "channels_first"])
def test_probabilities_are_those_of_the_network(kind, images):
    model = KINDS[kind](SHAPE, classes_of(kind))
    model(images)
    wrapped = canonical(scrambled(model), SHAPE, classes_of(kind))
    found = all_logits(wrapped, images)
    wanted = own_probabilities(model, kind, images)
    np.testing.assert_allclose(softmax(found), wanted, atol=5e-3 if kind == "mixed" else 1e-5)
    assert np.ptp(found, axis=0).max() > 1e-4 * np.abs(found).max()  # the images make a difference


def test_channels_that_come_first_are_brought_last(images):
    """TensorFlow has no such convolutions on a processor, so the same layers are built with channels last."""
    first = scrambled(KINDS["channels_first"](SHAPE, 3))
    kernels = [layer.get_weights() for layer in first.layers if layer.weights]
    pixels = keras.Input(SHAPE)
    maps = layers.Conv2D(4, 3, strides=2, activation="relu")(layers.Rescaling(1 / 255)(pixels))
    maps = layers.MaxPooling2D()(layers.BatchNormalization()(maps))
    maps = layers.Concatenate()([maps, layers.Conv2D(4, 3, padding="same")(maps)])
    flat = layers.Flatten()(layers.Permute((3, 1, 2))(maps))
    last = keras.Model(pixels, layers.Dense(3)(flat))
    for layer, weights in zip((one for one in last.layers if one.weights), kernels, strict=True):
        layer.set_weights(weights)
    wrapped = canonical(first, SHAPE, 3)
    np.testing.assert_allclose(all_logits(wrapped, images), all_logits(last, images), rtol=1e-4, atol=1e-5)
    assert all(layer.output.shape[-1] == 4 for layer in wrapped.layers if isinstance(layer, CONVOLUTIONS))


@pytest.mark.parametrize("kind", KINDS)
def test_the_form_is_flat_and_in_float32_with_activations_apart(kind):
    wrapped = canonical(KINDS[kind](SHAPE, classes_of(kind)), SHAPE, classes_of(kind))
    assert wrapped.input_shape == (None, *SHAPE) and wrapped.output_shape == (None, classes_of(kind))
    for layer in wrapped.layers:
        assert not isinstance(layer, keras.Model) and layer.compute_dtype == "float32"
        assert getattr(layer, "data_format", None) in (None, "channels_last")
        if isinstance(layer, (*CONVOLUTIONS, layers.Dense)):
            assert layer.activation is keras.activations.linear
    assert not isinstance(wrapped.layers[-1], layers.Softmax)


def test_a_shared_layer_is_one_to_train_and_two_to_look_at(images):
    wrapped = canonical(scrambled(KINDS["shared"](SHAPE, 3)), SHAPE, 3)
    apart = unrolled(wrapped)
    count = [sum(isinstance(layer, layers.Conv2D) for layer in model.layers) for model in (wrapped, apart)]
    assert count == [2, 3]
    np.testing.assert_allclose(all_logits(apart, images), all_logits(wrapped, images), rtol=1e-5, atol=1e-6)


def test_a_network_without_shared_layers_is_looked_at_as_it_is():
    wrapped = canonical(KINDS["guide"](SHAPE, 3), SHAPE, 3)
    assert unrolled(wrapped) is wrapped


def test_images_are_brought_to_the_size_and_colours_of_the_network():
    network = KINDS["guide"]((32, 40, 3), 3)
    wrapped = canonical(network, SHAPE, 3)
    even = np.full((2, *SHAPE), 90, np.float32)
    enlarged = np.full((2, 32, 40, 3), 90, np.float32)
    np.testing.assert_allclose(
        softmax(all_logits(wrapped, even)), network.predict(enlarged, verbose=0), rtol=1e-3, atol=1e-6
    )


class Restless(keras.Model):
    """A model that does something else in training, of which no graph can be drawn."""

    def __init__(self, classes, **options):
        super().__init__(**options)
        self.classes = classes
        self.last = layers.Dense(classes)

    def call(self, pixels, training=False):
        """Darken the images in training."""
        return self.last(keras.ops.mean(pixels * 0.5 if training else pixels, axis=(1, 2)))

    def get_config(self):
        """Say how it was made."""
        return {"classes": self.classes, "name": self.name}


def test_a_network_of_which_no_graph_can_be_drawn_is_one_layer_that_is_said_to_be_closed(images):
    network = Restless(3, name="restless")
    wanted = network.predict(images, verbose=0)
    wrapped = canonical(network, SHAPE, 3)
    assert [layer.name for layer in wrapped.layers] == ["pixels", "restless"]
    np.testing.assert_allclose(all_logits(wrapped, images), wanted, rtol=1e-4, atol=1e-4)
    assert describe_maps(wrapped) == "what the network computes inside restless cannot be looked into"
    assert np.abs(saliency.gradient(wrapped, images, 0)).max() > 0


def test_dropout_that_is_called_in_training_alone_is_a_layer_that_drops_in_training_alone(images):
    wrapped = canonical(scrambled(KINDS["documented"](SHAPE, 3)), SHAPE, 3)
    assert [layer.name for layer in wrapped.layers][-2:] == ["dropout1", "logits"]
    wanted = all_logits(wrapped, images)
    np.testing.assert_array_equal(np.asarray(wrapped(images)), np.asarray(wrapped(images, training=False)))
    assert np.abs(np.asarray(wrapped(images, training=True)) - wanted).max() > 1e-3


class Foreign(KINDS["documented"](SHAPE, 3).__class__):
    """A model that computes by TensorFlow's functions, which symbols cannot follow."""

    def call(self, pixels, training=False):
        """Give probabilities."""
        return super().call(tf.cast(pixels, tf.float32), training=training)


def two_inputs():
    first, second = keras.Input(SHAPE), keras.Input(SHAPE)
    return keras.Model([first, second], layers.Dense(3)(layers.Flatten()(layers.Add()([first, second]))))


def maps_out():
    pixels = keras.Input(SHAPE)
    return keras.Model(pixels, layers.Conv2D(3, 3)(pixels))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (two_inputs, "takes 2 inputs"),
        (maps_out, "has to be one vector"),
        (lambda: KINDS["guide"](SHAPE, 11), "tells 11 classes apart and the data have 3"),
        (lambda: Foreign(3), "returns its arguments, or compute in its `call` by keras.ops, and not by tf"),
        (lambda: keras.Sequential([keras.Input((7,)), layers.Dense(3)]), r"input of shape \(7,\) and not images"),
        (lambda: KINDS["guide"]((24, 24, 5), 3), "5 channels"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(build, said):
    with pytest.raises(NetworkError, match=said) as error:
        canonical(build(), SHAPE, 3)
    assert "\n" not in str(error.value)


def test_the_network_that_is_shown_to_be_edited_is_the_named_one_layer_by_layer():
    shown = built.build(Source(OWN), (48, 48, 1), 7)
    named = build_cnn(get_recipe("quick").cnn, (48, 48, 1), 7)
    assert [described(layer) for layer in shown.layers] == [described(layer) for layer in named.layers]
    again = built.build(Source(OWN), (48, 48, 1), 7)  # what was built before in the process changes no name
    for model in (shown, again):
        assert [layer.name for layer in model.layers] == [layer.name for layer in named.layers]


def test_layers_are_named_by_what_they_do_or_as_their_maker_did() -> None:
    names = [layer.name for layer in canonical(KINDS["separable"](SHAPE, 3), SHAPE, 3).layers]
    assert {"conv1", "conv1_norm", "separable1", "depthwise1_leaky_relu"} <= {*names}
    assert names[-1] == "logits"
    pixels = keras.Input(SHAPE)
    first, second = (layers.Conv2D(2, 3, name=name)(pixels) for name in ("eyes", None))
    joined = layers.Add()([layers.BatchNormalization()(first), layers.BatchNormalization()(second)])
    branched = keras.Model(pixels, layers.Dense(3)(layers.Flatten()(joined)))
    assert {"eyes", "eyes_norm", "conv1", "conv1_norm"} <= {
        layer.name for layer in canonical(branched, SHAPE, 3).layers
    }


def described(layer: layers.Layer) -> tuple:
    """Say what a layer is, but for its name and the seeds with which its weights are drawn."""
    config = {key: value for key, value in layer.get_config().items() if key not in ("name", "seed", "build_config")}
    for key, value in config.items():
        if key.endswith("initializer"):
            config[key] = value["class_name"]
    return type(layer), config, layer.output.shape, [weight.shape for weight in layer.weights]


@pytest.mark.parametrize("axis", [-1, None])
def test_a_normalization_keeps_what_it_was_adapted_to(axis, images):
    adapted = layers.Normalization(axis=axis)
    adapted.adapt(images)
    body = [layers.Conv2D(4, 3, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    model = keras.Sequential([keras.Input(SHAPE), adapted, *body])
    found = all_logits(unrolled(canonical(model, SHAPE, 3)), images)
    np.testing.assert_allclose(found, model.predict(images, verbose=0), atol=1e-5)


@pytest.mark.parametrize("names", [("My ResNet", "conv"), ("resnet", "my conv")])
def test_a_name_that_tensorflow_does_not_take_is_told(names):
    network, layer = names
    body = [layers.Conv2D(4, 3, name=layer), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    with pytest.raises(NetworkError, match=f"TensorFlow takes no name such as '({network}|{layer})'"):
        canonical(keras.Sequential([keras.Input(SHAPE), *body], name=network), SHAPE, 3)
