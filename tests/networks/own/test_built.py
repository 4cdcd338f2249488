"""A user's Python file may say more than how its network is built: how images change in training, and how to train."""

from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import toy_dataset

from helpers.networks.fast import accelerate
from helpers.networks.layers import copy_of
from helpers.networks.own import built
from helpers.networks.own.proof import prove
from helpers.networks.own.source import NetworkError, Source
from helpers.training.learner import make_learner
from helpers.training.networks import Networks, recipe_about
from helpers.training.recipes import Plan, get_recipe, told

SHAPE = (24, 24, 1)
NETWORK = """
import keras
from keras import layers

def build(image_shape, classes):
    pixels = keras.Input(image_shape)
    maps = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(pixels))
    model = keras.Model(pixels, layers.Dense(classes, activation="softmax")(layers.Flatten()(maps)))
    {compiled}
    return model
"""
AUGMENTED = """
def augmentation():
    return [layers.RandomFlip("horizontal", seed=1), layers.RandomContrast(0.5, seed=2)]
"""
PLANNED = """
from helpers.training.recipes import CHANGES, Phase, Plan

def plan():
    return Plan((Phase("sgd", 0.03, epochs=2),), batch_size=8, augmentation=CHANGES["mild"])
"""


def file_of(folder: Path, *, compiled: str = "pass", more: str = "") -> Source:
    file = folder / "mine.py"
    file.write_text(NETWORK.format(compiled=compiled) + more)
    return Source(file)


def networks_of(source: Source) -> Networks:
    return Networks(toy_dataset(20), recipe_about(get_recipe("tiny"), source), source)


def test_its_augmentation_changes_images_in_training_alone_and_no_ablation_has_it(tmp_path):
    source = file_of(tmp_path, more=AUGMENTED)
    images = np.random.default_rng(0).uniform(0, 255, (4, *SHAPE)).astype(np.float32)
    model, plain = (built.build(source, SHAPE, 3, augmented=augmented) for augmented in (True, False))
    plain.set_weights([weight for weight in model.get_weights() if weight.dtype == np.float32])
    np.testing.assert_allclose(model(images, training=False), plain(images, training=False), atol=1e-5)
    kept = keras.Model(model.inputs, model.get_layer("random_contrast").output)
    assert np.abs(kept(images, training=True) - images).max() > 10
    names = [layer.name for layer in networks_of(source).by_name["cnn_plain"].build(0).layers]
    assert "random_flip" in [layer.name for layer in model.layers] and "random_flip" not in names


CHANGING = """
import keras
import tensorflow as tf
from keras import layers

class Closed(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.flip = layers.RandomFlip("vertical")

    def call(self, pixels, training=False):
        return tf.identity(self.flip(pixels, training=training))  # which takes no symbols

def build(image_shape, classes):
    pixels = keras.Input(image_shape)
    maps = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")({changed}(pixels / 255)))
    return keras.Model(pixels, layers.Dense(classes)(layers.Flatten()(maps)))
"""


@pytest.mark.parametrize("kind", ["unbuilt", "nested"])
def test_a_version_without_augmentation_has_no_random_layer_of_the_network_either(kind):
    source = Source(Path(__file__).parents[2] / "kinds.py", kind)
    model, plain = (built.build(source, SHAPE, 3, augmented=augmented) for augmented in (True, False))
    assert built.changing(model) == ["RandomTranslation" if kind == "unbuilt" else "RandomFlip"]
    assert built.changing(plain) == [] and "plain" not in built.missing_parts(plain)
    images = np.random.default_rng(0).uniform(0, 255, (4, *SHAPE)).astype(np.float32)
    np.testing.assert_allclose(plain(images, training=False), model(images, training=False), atol=1e-5)
    name = next(layer.name for layer in plain.layers if layer.name.startswith("conv"))
    seen = (keras.Model(one.inputs, one.get_layer(name).output)(images, training=True) for one in (plain, plain, model))
    first, again, changed = map(np.asarray, seen)
    np.testing.assert_array_equal(first, again)
    assert np.abs(changed - first).max() > 1e-3


@pytest.mark.parametrize(
    ("changed", "name"),
    [("layers.RandomCrop(20, 20)", "RandomCrop"), ("Closed()", "RandomFlip")],
)
def test_what_changes_images_and_cannot_be_taken_out_leaves_no_ablation_and_a_reason(tmp_path, changed, name):
    source = file_of(tmp_path)
    source.path.write_text(CHANGING.format(changed=changed))
    networks = networks_of(source)
    missing = networks.missing
    assert networks.by_name["cnn"].plan == networks.plan  # its batch normalization is seen, and steps are no smaller
    assert {*missing} >= {"plain", "normalized", "bare"}
    assert str(missing["plain"]) == f"it changes its images by {name}, which cannot be taken out of it"
    source.path.write_text(CHANGING.format(changed="layers.Rescaling(2)"))
    assert "plain" not in networks_of(Source(source.path)).missing


def test_its_plan_trains_it(tmp_path):
    networks = networks_of(file_of(tmp_path, compiled='model.compile("adam", "mse")', more=PLANNED))
    (phase,) = networks.by_name["cnn"].plan.phases
    assert (phase.optimizer, phase.learning_rate, phase.compiled) == ("sgd", 0.03, "")
    assert networks.by_name["cnn"].plan.batch_size == 8


def test_a_plan_that_is_none_is_refused(tmp_path):
    with pytest.raises(NetworkError, match=r"plan\(\) of .*mine.py gives 'int'; it has to give a recipes.Plan"):
        networks_of(file_of(tmp_path, more="def plan():\n    return 3\n"))


def optimizer_of(networks: Networks, name: str) -> keras.optimizers.Optimizer:
    network = networks.by_name[name]
    plan: Plan = network.plan
    return make_learner(accelerate(network.build(0)), plan, plan.phases[0], steps=4, seed=0).model.optimizer


def test_what_it_is_compiled_with_trains_it_and_its_ablations(tmp_path):
    loss = "keras.losses.CategoricalCrossentropy(label_smoothing=0.2)"
    networks = networks_of(
        file_of(tmp_path, compiled=f"model.compile(keras.optimizers.Nadam(3e-3, beta_1=0.8), {loss})")
    )
    optimizer = optimizer_of(networks, "cnn")
    assert type(optimizer) is keras.optimizers.Nadam and optimizer.beta_1 == 0.8
    assert float(optimizer.learning_rate) == pytest.approx(3e-3)
    assert networks.by_name["cnn"].plan.label_smoothing == 0.2
    assert "nadam, learning rate 0.003 (constant)" in str(told(asdict(networks.plan))[0])
    assert float(optimizer_of(networks, "cnn_second").learning_rate) == pytest.approx(0.6 * 3e-3)
    assert type(optimizer_of(networks, "cnn_plain")) is keras.optimizers.Nadam
    assert not networks.by_name["dnn"].plan.phases[0].compiled  # its size is the network's, and nothing else


def test_a_schedule_that_it_is_compiled_with_is_told_and_goes_on(tmp_path):
    rate = "keras.optimizers.schedules.ExponentialDecay(0.02, 1, 0.5)"
    networks = networks_of(
        file_of(tmp_path, compiled=f"model.compile(keras.optimizers.Adam({rate}), 'categorical_crossentropy')")
    )
    optimizer = optimizer_of(networks, "cnn")
    assert "learning rate 0.02 (at first, then as its own schedule says)" in str(told(asdict(networks.plan))[0])
    optimizer.iterations.assign(2)
    assert float(optimizer.learning_rate) == pytest.approx(0.005)


def test_how_many_optimisers_a_process_has_made_changes_no_plan(tmp_path):
    source = file_of(tmp_path, compiled='model.compile("sgd", "sparse_categorical_crossentropy")')
    first, second = (networks_of(source).plan.phases[0] for _ in range(2))
    assert first == second and first.optimizer == "sgd"


def test_a_loss_that_does_not_train_networks_here_is_refused(tmp_path):
    source = file_of(tmp_path, compiled='model.compile("adam", "mse")')
    with pytest.raises(NetworkError, match="with the loss mse; networks are trained by plain cross-entropy"):
        built.compiled_with(source, SHAPE, 3)
    source = file_of(tmp_path, compiled='model.compile("adam", "categorical_focal_crossentropy")')
    with pytest.raises(NetworkError, match="with the loss categorical_focal_crossentropy; networks"):
        built.compiled_with(source, SHAPE, 3)
    source = file_of(tmp_path, compiled='model.compile("adam")')
    with pytest.raises(NetworkError, match="with no loss; networks are trained by plain cross-entropy, so compile it"):
        built.compiled_with(source, SHAPE, 3)
    source = file_of(tmp_path, compiled='model.compile("adam", mine)')
    source.path.write_text(f"def mine(labels, given): return 0\n{source.path.read_text()}")
    with pytest.raises(NetworkError, match="with the loss mine; networks"):
        built.compiled_with(source, SHAPE, 3)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def build(classes): return 1", r"build\(\) takes 1 .*; it is called as build\(image_shape, classes\)"),
        ("def build(image_shape, classes): print(classes)", "gives 'NoneType'; let it return a keras.Model"),
    ],
)
def test_a_function_that_builds_no_model_is_told_what_to_do(tmp_path, code, told):
    file = tmp_path / "mine.py"
    file.write_text(code)
    with pytest.raises(NetworkError, match=f"build of .*mine.py .*{told}"):
        built.compiled_with(Source(file), SHAPE, 3)


CLOSED = """
import keras
import tensorflow as tf
from keras import layers

class Closed(keras.Model):
    def __init__(self, classes, **options):
        super().__init__(**options)
        self.classes = classes
        self.place = self.add_weight(shape=(24, 24, 1), initializer="zeros", name="place")
        self.first = layers.Conv2D(4, 3)
        self.flatten, self.last = layers.Flatten(), layers.Dense(classes)

    def call(self, pixels):
        maps = self.first(tf.pad({pixels}, [[0, 0], [1, 1], [1, 1], [0, 0]]))  # which takes no symbols
        return self.last(self.flatten(tf.nn.relu(maps) + self.place))

    def get_config(self):
        return {{"classes": self.classes}}

def build(image_shape, classes):
    return Closed(classes)
"""
SCALING = """
import keras
from keras import layers

class Scaling(layers.Layer):
    def call(self, pixels):
        return {pixels}

def build(image_shape, classes):
    return keras.Sequential([keras.Input(image_shape), Scaling(), layers.Flatten(), layers.Dense(classes)])
"""
MATRIX = """
import keras
import tensorflow as tf
from keras import layers

class Own(layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 3), name="kernel")

    def call(self, pixels):
        return tf.matmul({pixels}, self.kernel)

def build(image_shape, classes):
    return keras.Sequential([keras.Input(image_shape), layers.Flatten(), Own()])
"""


def pixels_given(source: Source) -> list[str]:
    """Find what a network is shown of images, by what it is to be shown to answer as the one built of it does."""
    images = np.random.default_rng(0).integers(0, 256, (4, *SHAPE)).astype(np.float32)
    model, network = built.build(source, SHAPE, 3), source.module.build(SHAPE, 3)
    network(images)
    network.set_weights(model.get_weights())
    found = np.asarray(model(images))
    ways = {"none": images, "127": images / 127.5 - 1, "255": images / 255}
    return [name for name, pixels in ways.items() if np.allclose(network(pixels), found, rtol=1e-3, atol=1e-5)]


@pytest.mark.parametrize("code", [CLOSED, SCALING])
@pytest.mark.parametrize(("pixels", "way"), [("pixels / 255", "none"), ("pixels", "127")])
def test_what_cannot_be_looked_into_is_watched_and_its_pixels_never_scaled_twice(tmp_path, code, pixels, way):
    source = file_of(tmp_path, more="")
    source.path.write_text(code.format(pixels=pixels))
    assert pixels_given(source) == [way]
    images = np.random.default_rng(0).integers(0, 256, (8, *SHAPE)).astype(np.uint8)
    assert all(check.passed for check in built.checks(source, 3, images))


@pytest.mark.parametrize("pixels", ["pixels / 255", "pixels"])
def test_where_nothing_is_to_be_seen_it_is_asked_for(tmp_path, pixels):
    source = file_of(tmp_path)
    source.path.write_text(MATRIX.format(pixels=pixels))
    with pytest.raises(NetworkError, match=r"scales its pixels cannot be seen, .* say PREPROCESS=none if it scales"):
        built.build(source, SHAPE, 3)
    for way in ("none", "255"):
        assert pixels_given(Source(source.path, preprocess=way)) == [way]
    with pytest.raises(NetworkError, match="PREPROCESS=half is no way to prepare pixels; choose one of none"):
        built.build(Source(source.path, preprocess="half"), SHAPE, 3)


DOUBLE = """
    model = keras.Sequential([keras.Input(image_shape), layers.Flatten(), layers.Dense(classes, activation="{first}")])
    model.add(layers.{second})
"""


@pytest.mark.parametrize("first", ["softmax", "sigmoid", "log_softmax", "linear"])
@pytest.mark.parametrize("second", ["Softmax()", "Activation('sigmoid')"])
def test_two_ends_that_give_probabilities_are_told_and_one_is_not(tmp_path, first, second):
    source = file_of(tmp_path, compiled=DOUBLE.format(first=first, second=second).strip())
    images = np.random.default_rng(0).integers(0, 256, (8, *SHAPE)).astype(np.uint8)
    if first not in ("softmax", "sigmoid"):
        assert built.build(source, SHAPE, 3).layers[-1].name == "logits"
        return
    told = f"mine ends in {first} and then {'softmax' if 'Soft' in second else 'sigmoid'}; take one of them off"
    with pytest.raises(NetworkError, match=told):
        built.checks(source, 3, images)


NAMESAKE = """
    model = keras.Sequential([keras.Input(image_shape), layers.Rescaling(1 / 255), layers.Flatten(), {name}(classes)])
"""


@pytest.mark.parametrize("name", ["Linear", "Softmax"])
def test_a_layer_of_a_users_own_is_kept_whatever_its_name_is(tmp_path, name):
    more = f"\nclass {name}(layers.Dense):\n    pass\n"
    source = file_of(tmp_path, compiled=NAMESAKE.format(name=name).strip(), more=more)
    assert built.build(source, SHAPE, 3).output_shape == (None, 3)


AVERAGED = """
    heads = [layers.Dense(classes, activation="softmax")(layers.Flatten()(maps)) for _ in range(2)]
    model = keras.Model(pixels, layers.Average()(heads))
"""
IN_A_LAMBDA = """
    logits = layers.Dense(classes)(layers.Flatten()(maps))
    model = keras.Model(pixels, layers.Lambda(lambda values: keras.ops.softmax(values))(logits))
"""


ENDED = """
    logits = layers.Dense(classes)(layers.{before}()(maps))
    model = {model}
"""
CALLED = "keras.Model(pixels, {end})"
SUBCLASSED = "Ending(logits.shape[1], lambda logits: {end})"
ENDING = """
class Ending(keras.Model):
    def __init__(self, classes, end):
        super().__init__()
        self.first, self.last, self.end = layers.Flatten(), layers.Dense(classes), end

    def call(self, pixels):
        return self.end(self.last(self.first(pixels / 255)))
"""
OPERATIONS = ["ops.softmax", "ops.nn.softmax", "ops.sigmoid", "activations.softmax", "activations.sigmoid"]


@pytest.mark.parametrize("model", [CALLED, SUBCLASSED])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_softmax_and_sigmoid_are_taken_off_where_they_are_operations(tmp_path, model, operation):
    model = model.format(end=f"keras.{operation}(logits)")
    source = file_of(tmp_path, compiled=ENDED.format(before="Flatten", model=model).strip(), more=ENDING)
    images = np.random.default_rng(0).integers(0, 256, (8, *SHAPE)).astype(np.uint8)
    assert all(check.passed for check in built.checks(source, 3, images))
    network = built.build(source, SHAPE, 3)
    assert isinstance(network.layers[-1], keras.layers.Dense)


@pytest.mark.parametrize("before", ["Flatten", "GlobalAveragePooling2D"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_probabilities_that_are_nearly_alike_are_those_of_their_own_end(tmp_path, before, operation):
    model = CALLED.format(end=f"keras.{operation}(0.1 * logits)")
    source = file_of(tmp_path, compiled=ENDED.format(before=before, model=model).strip())
    images = np.random.default_rng(0).integers(0, 256, (8, *SHAPE)).astype(np.uint8)
    (same, *_) = built.checks(source, 3, images)
    assert "predict" in same.what and same.passed
    network, graph = built.build(source, SHAPE, 3), source.module.build(SHAPE, 3)
    graph.set_weights([weight + 0.1 for weight in graph.get_weights()])
    with pytest.raises(NetworkError, match="largest difference of a probability to Keras's predict"):
        prove(network, graph, images, lambda pixels: pixels / 127.5 - 1)


@pytest.mark.parametrize("function", ["lambda values: values / 2", "halved", "größer"])
@pytest.mark.parametrize("call", ["layers.Conv2D(4, 3, activation={0})", "layers.Activation({0})", "Own({0})"])
def test_an_activation_of_a_users_own_is_kept_in_every_copy(tmp_path, function, call):
    maps = f"    def halved(values):\n        return values / 2\n    maps = {call.format(function)}(maps)"
    own = "class Own(layers.Dense):\n    def __init__(self, activation, units=4, **options):\n"
    own += "        super().__init__(units, activation=activation, **options)\n"
    source = file_of(tmp_path, more=f"\n{own}")
    text = source.path.read_text().replace("    model = ", f"{maps}\n    model = ")
    source.path.write_text(text.replace("def build", "def größer(values):\n    return values / 2\n\n\ndef build"))
    images = np.random.default_rng(0).integers(0, 256, (8, *SHAPE)).astype(np.uint8)
    assert all(check.passed for check in built.checks(source, 3, images))
    model = built.build(source, SHAPE, 3)
    for copy in (copy_of(model), built.without(model, "none", True, False)):
        np.testing.assert_allclose(copy(images), model(images), rtol=1e-5)


@pytest.mark.parametrize("end", [AVERAGED, IN_A_LAMBDA])
def test_probabilities_that_no_softmax_at_the_end_gives_become_logits(tmp_path, end):
    source = file_of(tmp_path, compiled=end.strip())
    images = np.random.default_rng(0).integers(0, 256, (8, *SHAPE)).astype(np.uint8)
    assert all(check.passed for check in built.checks(source, 3, images))
    said = np.exp(np.asarray(built.build(source, SHAPE, 3)(images.astype(np.float32))))
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)
