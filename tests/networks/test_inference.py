"""Folding changes the time that logits take, and nothing else."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from helpers.networks import inference, logits

SHAPE = (8, 6, 3)


def normalized(tensor, kind, *args, seed: int, **options):
    """Add a layer and a batch normalization whose values are far from those of a new one."""
    return unsettle(layers.BatchNormalization(**options), seed)(kind(*args)(tensor))


def unsettle(norm: layers.BatchNormalization, seed: int) -> layers.BatchNormalization:
    values = keras.initializers.RandomUniform(0.5, 2, seed=seed)
    norm.gamma_initializer = norm.beta_initializer = norm.moving_variance_initializer = values
    norm.moving_mean_initializer = keras.initializers.RandomUniform(-0.5, 0.5, seed=seed)  # most units stay awake
    return norm


def chain() -> keras.Model:
    inputs = keras.Input(SHAPE)
    tensor = layers.Rescaling(1 / 255)(inputs)
    tensor = layers.ReLU()(normalized(tensor, layers.Conv2D, 4, 3, seed=1))
    tensor = layers.ReLU()(normalized(tensor, layers.DepthwiseConv2D, 3, seed=2))
    tensor = normalized(tensor, layers.Conv2D, 5, (1, 2), 2, seed=3, scale=False)
    tensor = normalized(layers.Flatten()(tensor), layers.Dense, 6, seed=4, center=False)
    return keras.Model(inputs, layers.Dense(3)(tensor))


def branched() -> keras.Model:
    """A convolution that is read with its normalization and without."""
    inputs = keras.Input(SHAPE)
    features = layers.Conv2D(3, 3, padding="same", use_bias=False)(inputs)
    tensor = layers.Add()([unsettle(layers.BatchNormalization(), 5)(features), features, inputs])
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(tensor)))


def shared() -> keras.Model:
    """One convolution and one normalization, each used twice."""
    inputs = keras.Input(SHAPE)
    convolution, norm = layers.Conv2D(3, 3, padding="same"), unsettle(layers.BatchNormalization(), 8)
    tensor = norm(convolution(layers.ReLU()(norm(convolution(inputs)))))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(tensor)))


BUILDS = [chain, branched, shared]


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def operations(model: keras.Model) -> list[str]:
    """Kinds of the operations that are left of a model's pass after what nothing reads has been dropped."""
    function = logits._logits_function(model).get_concrete_function()
    return [
        node.op
        for node in tf.compat.v1.graph_util.extract_sub_graph(
            function.graph.as_graph_def(), [function.outputs[0].op.name]
        ).node
    ]


class TestFolding:
    TOLERANCE = 1e-5

    @pytest.mark.parametrize("build", BUILDS)
    def test_logits_stay_what_they_are(self, build, images):
        keras.utils.set_random_seed(1)
        model = build()
        found = logits.all_logits(model, images)
        assert relative_error(found, model.predict(images, verbose=0)) < self.TOLERANCE

    def test_tolerance_fails_where_one_scale_is_off(self, images):
        keras.utils.set_random_seed(1)
        model = chain()
        expected = model.predict(images, verbose=0)
        norm = next(layer for layer in model.layers if isinstance(layer, layers.BatchNormalization))
        norm.gamma.assign(norm.gamma * 1.001)
        assert relative_error(logits.all_logits(model, images), expected) > self.TOLERANCE

    def test_leaves_no_normalization_after_linear_layers_and_each_convolution_once(self):
        kinds = operations(chain())
        assert kinds.count("Rsqrt") == 4 and kinds.count("SquaredDifference") == 0
        assert kinds.count("Conv2D") == 2
        assert operations(branched()).count("Conv2D") == 2

    @pytest.mark.parametrize("build", BUILDS)
    def test_follows_the_weights(self, build, images):
        keras.utils.set_random_seed(1)
        model = build()
        logits.all_logits(model, images)
        random = np.random.default_rng(2)
        model.set_weights([random.uniform(0.5, 1.5, values.shape) for values in model.get_weights()])
        expected = model.predict(images, verbose=0)
        assert relative_error(logits.all_logits(model, images), expected) < self.TOLERANCE

    def test_leaves_the_model_as_it_was(self, images):
        model = chain()
        before = model.predict(images, verbose=0)
        logits.all_logits(model, images)
        assert not any("call" in vars(layer) for layer in model.layers)
        np.testing.assert_array_equal(model.predict(images, verbose=0), before)

    def test_a_failing_layer_leaves_no_other_layer_replaced(self):
        model = chain()
        with pytest.raises(RuntimeError), inference.replaced_calls({model.layers[2]: None, model.layers[3]: None}):
            raise RuntimeError
        assert not any("call" in vars(layer) for layer in model.layers)


def test_class_logits_are_those_of_the_classes(images):
    model, classes = chain(), np.array([0, 2, 1, 1, 0])
    expected = model.predict(images, verbose=0)[np.arange(5), classes]
    np.testing.assert_allclose(logits.class_logits(model, images, classes), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("able", "depthwise"), [(True, False), (False, False), (True, True)])
def test_bfloat16_is_left_alone_where_it_would_be_slower(
    able: bool, depthwise: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "supports_bfloat16", lambda: able)
    model = keras.Sequential([keras.Input((8, 8, 1)), (layers.DepthwiseConv2D if depthwise else layers.ReLU)(3)])
    with inference.bfloat16(model):
        inside = tf.config.optimizer.get_experimental_options().get(inference.BFLOAT16, False)
    assert inside is (able and not depthwise)
    assert not tf.config.optimizer.get_experimental_options().get(inference.BFLOAT16, False)
