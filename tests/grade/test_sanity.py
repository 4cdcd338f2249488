"""Sanity checks: what is randomised, what is measured, and that the known failure is caught."""

import keras
import numpy as np
import pytest
from conftest import toy_dataset
from keras import layers
from scipy.stats import spearmanr

from helpers.explain import saliency
from helpers.grade import sanity
from helpers.networks.layers import copy_of


@pytest.fixture(scope="module")
def trained() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """A small network that has learned three classes, test images of them, and its answers."""
    keras.utils.set_random_seed(1)
    data = toy_dataset()
    pixels = keras.Input((24, 24, 1))
    tensor = layers.Rescaling(1 / 127.5, offset=-1)(pixels)
    for unit, filters in enumerate((8, 16), start=1):
        for part in "ab":
            tensor = layers.Conv2D(filters, 3, padding="same", name=f"conv{unit}{part}")(tensor)
            tensor = layers.ReLU()(layers.BatchNormalization(momentum=0.8)(tensor))
        tensor = layers.MaxPooling2D()(tensor)
    tensor = layers.Dense(32, activation="relu", name="dense")(layers.Flatten()(tensor))
    model = keras.Model(pixels, layers.Dense(3, name="logits")(tensor))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data.train.images, data.train.labels, 16, epochs=6, verbose=0)
    images = data.test.images
    return model, images, model.predict(images, verbose=0).argmax(axis=1)


def test_the_network_has_learned_its_classes(trained):
    assert (trained[2] == toy_dataset().test.labels).mean() > 0.9


def test_gradient_and_grad_cam_depend_on_the_weights_and_guided_backpropagation_does_not(trained):
    model, images, classes = trained
    methods = {
        "gradient": lambda network: saliency.gradient(network, images, classes, signed=False),
        "Grad-CAM": lambda network: saliency.grad_cam(network, images, classes),
        "guided": lambda network: saliency.guided_backpropagation(network, images, classes, signed=False),
    }
    before = {name: explain(model) for name, explain in methods.items()}
    stages = sanity.cascade(model, seed=0)
    upper_half = [next(stages) for _ in range(3)][-1][1]  # logits, dense and the last convolution
    after = {name: explain(upper_half) for name, explain in methods.items()}
    ranks = {name: sanity.rank_correlation(before[name], after[name]).mean() for name in methods}
    for name in ("gradient", "Grad-CAM"):
        assert ranks[name] < sanity.PASSING
    assert ranks["guided"] > sanity.PASSING


class TestCascade:
    def test_it_goes_from_the_logits_to_the_pixels(self, trained):
        names = [name for name, _ in sanity.cascade(trained[0], seed=0)]
        assert sanity.cascade_layers(trained[0]) == names == ["logits", "dense", "conv2b", "conv2a", "conv1b", "conv1a"]

    def test_it_changes_the_upper_layers_and_no_others(self, trained):
        model = trained[0]
        touched = set()
        for name, randomised in sanity.cascade(model, seed=0):
            touched.add(name)
            for layer in model.layers:
                if "conv" in layer.name or layer.name in ("dense", "logits"):
                    same = np.array_equal(layer.get_weights()[0], randomised.get_layer(layer.name).get_weights()[0])
                    assert same == (layer.name not in touched)

    def test_it_leaves_the_model_as_it_is(self, trained):
        before = trained[0].get_weights()
        for _ in sanity.cascade(trained[0], seed=0):
            pass
        for weight, other in zip(before, trained[0].get_weights(), strict=True):
            np.testing.assert_array_equal(weight, other)

    def test_normalizations_start_anew(self, trained):
        *_, (_, randomised) = sanity.cascade(trained[0], seed=0)
        for layer in randomised.layers:
            if isinstance(layer, layers.BatchNormalization):
                np.testing.assert_array_equal([w.mean() for w in layer.get_weights()], [1, 0, 0, 1])

    def test_it_follows_from_the_seed(self, trained):
        first, again, other = (list(sanity.cascade(trained[0], seed))[-1][1].get_weights()[0] for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()


class TestMeasures:
    def test_rank_correlation_is_spearmans(self):
        first, second = np.random.default_rng(0).integers(0, 9, (2, 6, 5, 7)).astype(float)
        wanted = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(first, second, strict=True)]
        np.testing.assert_allclose(sanity.rank_correlation(first, second), wanted, atol=1e-6)

    def test_an_even_map_has_nothing_in_common_with_any(self):
        maps = np.random.default_rng(0).normal(size=(2, 5, 5))
        np.testing.assert_array_equal(sanity.rank_correlation(maps, np.ones_like(maps)), 0)

    def test_entropy_is_that_of_the_histogram(self):
        even = np.arange(1600.0).reshape(1, 40, 40)  # as many values in each of the hundred bins
        assert sanity.entropy(even)[0] == pytest.approx(np.log2(100))
        assert sanity.entropy(np.ones((1, 5, 5)))[0] == 0
        half = np.repeat([0.0, 1.0], 50).reshape(1, 10, 10)
        assert sanity.entropy(half)[0] == pytest.approx(1)

    def test_a_jumble_has_more_entropy_than_one_bright_spot(self):
        spot = np.zeros((1, 20, 20))
        spot[0, 3, 3:6] = 1
        assert sanity.entropy(np.random.default_rng(0).normal(size=(1, 20, 20)))[0] > sanity.entropy(spot)[0] + 3

    def test_the_runner_up_comes_second(self):
        np.testing.assert_array_equal(sanity.runner_up(np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])), [1, 1])


class TestVerdicts:
    def test_there_are_three(self):
        spread = np.linspace(-0.1, 0.1, 5)
        found = sanity.verdicts(np.array([0.2 + spread, 0.8 + spread, 0.52 + spread]))
        assert list(found) == [sanity.CHANGES, sanity.STAYS, sanity.UNDECIDED]

    def test_draws_that_scatter_decide_nothing(self):
        assert sanity.verdicts(np.array([0.0, 0.9, 0.1, 0.8, 0.2])) == sanity.UNDECIDED


def test_a_copy_that_is_used_again_is_randomised_from_the_trained_weights(trained):
    copy = copy_of(trained[0])
    weights = copy.get_weights()
    for _ in sanity.cascade(trained[0], 0, copy):
        pass
    copy.set_weights(weights)
    _, first = next(sanity.cascade(trained[0], 1, copy))
    _, anew = next(sanity.cascade(trained[0], 1))
    for used, fresh in zip(first.get_weights(), anew.get_weights(), strict=True):
        np.testing.assert_array_equal(used, fresh)
