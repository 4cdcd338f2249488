"""Saliency maps: hand-derived gradients, finite differences, and the properties that the methods promise."""

from functools import cache

import keras
import numpy as np
import pytest
from keras import layers

from helpers.explain import saliency
from helpers.explain.saliency import gradients, guided
from helpers.networks import chunks

SHAPE = (6, 5, 1)
COLOUR = (6, 5, 3)


def seeded(kind, *args, seed: int, **kwargs):
    return kind(*args, kernel_initializer=keras.initializers.GlorotUniform(seed=seed), **kwargs)


@cache
def smooth_model(shape=SHAPE) -> keras.Model:
    """A small CNN without kinks, so that finite differences converge."""
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Rescaling(1 / 64, offset=-2),
            seeded(layers.Conv2D, 4, 3, padding="same", activation="tanh", seed=1),
            seeded(layers.Conv2D, 4, 3, activation="softplus", seed=2),
            layers.Flatten(),
            seeded(layers.Dense, 3, seed=3),
        ]
    )


@cache
def linear_model(shape=SHAPE) -> keras.Model:
    return keras.Sequential([keras.Input(shape), layers.Flatten(), seeded(layers.Dense, 3, seed=4)])


@cache
def relu_model(shape=SHAPE) -> keras.Model:
    inputs = keras.Input(shape)
    tensor = seeded(layers.Conv2D, 4, 3, padding="same", seed=5)(layers.Rescaling(1 / 255)(inputs))
    tensor = layers.ReLU(name="features")(layers.BatchNormalization()(tensor))
    tensor = layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(tensor))
    return keras.Model(inputs, seeded(layers.Dense, 3, seed=6)(tensor))


def guided_or_rectified(model: keras.Model, *args) -> np.ndarray:
    """Guided backpropagation, of the model with ReLUs in place of one that has none."""
    rectified = model if guided._relus(model) else relu_model(tuple(model.input_shape[1:]))
    return saliency.guided_backpropagation(rectified, *args)


METHODS = {
    "gradient": saliency.gradient,
    "gradient_times_input": saliency.gradient_times_input,
    "smooth_gradient": lambda *args: saliency.smooth_gradient(*args, samples=3),
    "integrated_gradients": lambda *args: saliency.integrated_gradients(*args, steps=4),
    "expected_gradients": lambda model, images, classes: saliency.expected_gradients(
        model, images, classes, np.zeros((2, *images.shape[1:]))
    ),
    "guided_backpropagation": guided_or_rectified,
    "grad_cam": saliency.grad_cam,
    "grad_cam_plus_plus": saliency.grad_cam_plus_plus,
    "occlusion": saliency.occlusion,
    "rise": lambda *args: saliency.rise(*args, masks=10),
}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, *SHAPE), dtype=np.uint8)


@pytest.fixture
def colours() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (4, *COLOUR), dtype=np.uint8)


def finite_differences(model: keras.Model, image: np.ndarray, number: int, width: float = 1.0) -> np.ndarray:
    """Central differences of one logit, (H, W, C)."""
    steps = width * np.eye(image.size, dtype=np.float32).reshape(-1, *image.shape)
    raised, lowered = (np.asarray(model(image + sign * steps))[:, number] for sign in (1, -1))
    return ((raised - lowered) / (2 * width)).reshape(image.shape)


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


class TestGradient:
    TOLERANCE = 2e-3

    @pytest.mark.parametrize("shape", [SHAPE, COLOUR], ids=["grey", "colour"])
    def test_equals_finite_differences(self, shape):
        model = smooth_model(shape)
        image = np.random.default_rng(2).integers(0, 256, shape).astype(np.float32)
        found = saliency.gradient(model, image[None], 1)[0]
        assert relative_error(found, finite_differences(model, image, 1).sum(axis=-1)) < self.TOLERANCE

    def test_tolerance_fails_for_a_wrong_gradient(self):
        model = smooth_model()
        image = np.random.default_rng(2).integers(0, 256, SHAPE).astype(np.float32)
        found = saliency.gradient(model, image[None], 1)[0]
        expected = finite_differences(model, image, 1)[..., 0]
        wrong = (found * 1.01, -found, np.roll(found, 1, axis=1), saliency.gradient(model, image[None], 2)[0])
        assert all(relative_error(other, expected) > self.TOLERANCE for other in wrong)

    def test_of_a_linear_model_is_its_weights(self, images):
        model = linear_model()
        weights = model.layers[-1].kernel.numpy().T.reshape(3, 6, 5)
        classes = np.array([0, 2, 1, 2])
        np.testing.assert_allclose(saliency.gradient(model, images, classes), weights[classes], rtol=1e-5)

    def test_channels_are_summed_or_reduced_to_the_largest_magnitude(self, colours):
        model = linear_model(COLOUR)
        weights = model.layers[-1].kernel.numpy()[:, 1].reshape(COLOUR)
        signed = saliency.gradient(model, colours, 1)
        unsigned = saliency.gradient(model, colours, 1, signed=False)
        np.testing.assert_allclose(signed, np.broadcast_to(weights.sum(axis=-1), signed.shape), rtol=1e-4)
        np.testing.assert_allclose(unsigned, np.broadcast_to(np.abs(weights).max(axis=-1), unsigned.shape), rtol=1e-5)

    def test_differs_between_classes(self, images):
        first, second = (saliency.gradient(smooth_model(), images, number) for number in (0, 1))
        assert relative_error(second, first) > 0.1

    def test_is_not_a_map_of_signs(self, images):
        magnitudes = np.abs(saliency.gradient(smooth_model(), images, 0))
        assert len(np.unique(magnitudes)) > 0.9 * magnitudes.size
        assert magnitudes.std() > 0.1 * magnitudes.mean()

    def test_of_all_classes_together_is_not_that_of_the_softmax(self, images):
        """Summed over the classes, the softmax does not change with the image; the logits do."""
        model = smooth_model()
        total = sum(saliency.gradient(model, images, number) for number in range(3))
        assert np.abs(total).max() > 1e-3


class TestGradientTimesInput:
    def test_of_a_linear_model_without_bias_sums_to_the_logit(self, images):
        maps = saliency.gradient_times_input(linear_model(), images, 2, baseline="black")
        expected = saliency.class_logits(linear_model(), images, 2)
        np.testing.assert_allclose(maps.sum(axis=(1, 2)), expected, rtol=1e-3)

    @pytest.mark.parametrize("baseline", ["blur", "mean"])
    def test_it_measures_from_what_it_is_told_to(self, images, baseline):
        maps = saliency.gradient_times_input(linear_model(), images, 2, baseline)
        rise = saliency.class_logits(linear_model(), images, 2)
        rise -= saliency.class_logits(linear_model(), saliency.substrate(images, baseline), 2)
        np.testing.assert_allclose(maps.sum(axis=(1, 2)), rise, rtol=1e-3, atol=1e-4)


class TestSmoothGradient:
    def test_same_seed_same_map(self, images):
        model = smooth_model()
        first, again, other = (saliency.smooth_gradient(model, images, 0, samples=5, seed=seed) for seed in (7, 7, 8))
        np.testing.assert_array_equal(first, again)
        assert relative_error(other, first) > 1e-3

    def test_without_noise_is_the_gradient(self, images):
        model = smooth_model()
        smooth = saliency.smooth_gradient(model, images, 0, samples=4, noise=0)
        np.testing.assert_allclose(smooth, saliency.gradient(model, images, 0), rtol=1e-4, atol=1e-7)

    def test_does_not_depend_on_the_images_beside_it(self, images):
        model = smooth_model()
        alone = saliency.smooth_gradient(model, images[2:3], 0, samples=5)
        together = saliency.smooth_gradient(model, images, 0, samples=5)[2:3]
        np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-7)

    def test_more_samples_agree_better_between_seeds(self, images):
        model = smooth_model()

        def disagreement(samples: int) -> float:
            maps = [saliency.smooth_gradient(model, images, 0, samples, noise=0.3, seed=seed) for seed in (1, 2)]
            return relative_error(*maps)

        assert disagreement(100) < disagreement(4) / 2


class TestIntegratedGradients:
    @staticmethod
    def gap(model: keras.Model, images: np.ndarray, steps: int, baseline: str = "black") -> float:
        """Largest error of completeness, as a share of the logit difference's spread."""
        difference = saliency.class_logits(model, images, 1)
        difference = difference - saliency.class_logits(model, saliency.substrate(images, baseline), 1)
        total = saliency.integrated_gradients(model, images, 1, steps, baseline).sum(axis=(1, 2))
        return float(np.abs(total - difference).max() / np.abs(difference).max())

    @pytest.mark.parametrize("baseline", ["blur", "mean", "black"])
    @pytest.mark.parametrize("shape", [SHAPE, COLOUR], ids=["grey", "colour"])
    def test_sums_to_the_logit_difference(self, shape, baseline):
        images = np.random.default_rng(3).integers(0, 256, (4, *shape), dtype=np.uint8)
        assert self.gap(smooth_model(shape), images, 64, baseline) < 5e-3

    def test_tolerance_fails_with_too_few_steps(self, images):
        assert self.gap(smooth_model(), images, steps=1) > 5e-3

    def test_of_a_linear_model_is_weight_times_pixel(self, images):
        weights = linear_model().layers[-1].kernel.numpy()[:, 1].reshape(6, 5)
        found = saliency.integrated_gradients(linear_model(), images, 1, steps=3, baseline="black")
        np.testing.assert_allclose(found, weights * images[..., 0], rtol=1e-4)


class TestExpectedGradients:
    @pytest.fixture
    def backgrounds(self) -> np.ndarray:
        return np.random.default_rng(8).integers(0, 256, (16, *SHAPE), dtype=np.uint8)

    def test_of_a_linear_model_they_are_what_each_pixel_adds_to_the_mean_background(self, images, backgrounds):
        weights = linear_model().layers[-1].kernel.numpy()[:, 1].reshape(6, 5)
        found = saliency.expected_gradients(linear_model(), images, 1, backgrounds)
        rise = images[..., 0] - backgrounds[..., 0].mean(axis=0)
        np.testing.assert_allclose(found, weights * rise, rtol=1e-3, atol=1e-4)

    def test_they_sum_to_the_rise_over_the_mean_logit_of_the_backgrounds(self, images, backgrounds):
        model, many = smooth_model(), np.repeat(backgrounds, 32, axis=0)
        rise = saliency.class_logits(model, images, 1) - saliency.class_logits(model, backgrounds, 1).mean()
        found = saliency.expected_gradients(model, images, 1, many).sum(axis=(1, 2))
        assert relative_error(found, rise) < 0.1
        assert relative_error(found, -rise) > 1 and relative_error(0 * found, rise) == 1  # the tolerance can fail

    def test_without_backgrounds_they_say_what_is_missing(self, images):
        with pytest.raises(ValueError, match=r"give some of shape \(6, 5, 1\) as backgrounds, not \(0, 6, 5, 1\)"):
            saliency.expected_gradients(linear_model(), images, 1)


class TestGradCam:
    def test_of_pooled_features_and_a_linear_layer_equals_the_hand_derived_map(self, images):
        inputs = keras.Input(SHAPE)
        features = seeded(layers.Conv2D, 4, 3, padding="same", activation="relu", seed=5)(inputs)
        outputs = seeded(layers.Dense, 3, seed=6)(layers.GlobalAveragePooling2D()(features))
        model = keras.Model(inputs, outputs)
        # The logit is the mean over the 30 positions of features . weights, so each slope is weights / 30.
        values = keras.Model(inputs, features).predict(images, verbose=0)
        expected = np.maximum(values @ model.layers[-1].kernel.numpy()[:, 2] / 30, 0)
        np.testing.assert_allclose(saliency.grad_cam(model, images, 2), expected, rtol=1e-4, atol=1e-6)

    def test_small_feature_maps_are_brought_to_the_size_of_the_image(self):
        inputs = keras.Input((8, 8, 1))
        tensor = layers.Conv2D(1, 1, strides=4, kernel_initializer="ones", activation="relu")(inputs)
        model = keras.Model(inputs, layers.Dense(2, kernel_initializer="ones")(layers.Flatten()(tensor)))
        image = np.zeros((1, 8, 8, 1), np.uint8)
        image[0, 0, 0] = 100
        (found,) = saliency.grad_cam(model, image, 0)
        # Half-pixel centres: two pixels hold the cell's value, then it falls linearly to the next cell's.
        profile = np.array([1, 1, 0.875, 0.625, 0.375, 0.125, 0, 0])
        np.testing.assert_allclose(found, 100 * np.outer(profile, profile), atol=1e-4)

    def test_default_layer_is_the_activation_after_the_last_convolution(self):
        assert saliency.last_feature_layer(relu_model()).name == "features"
        assert isinstance(saliency.last_feature_layer(smooth_model()), layers.Conv2D)

    def test_leaves_the_model_as_it_was(self, images):
        model = relu_model()
        before = model.predict(images, verbose=0)
        saliency.grad_cam(model, images, 1)
        assert "call" not in vars(model.get_layer("features"))
        np.testing.assert_array_equal(model.predict(images, verbose=0), before)

    def test_layer_without_feature_maps_is_an_error_that_names_those_that_have(self, images):
        model = relu_model()
        with pytest.raises(ValueError, match=r"no feature maps.*features"):
            saliency.grad_cam(model, images, 0, layer=model.layers[-1])

    def test_model_without_convolutions_is_an_error(self, images):
        with pytest.raises(ValueError, match="no convolution"):
            saliency.grad_cam(linear_model(), images, 0)


class TestGradCamPlusPlus:
    TOLERANCE = 1e-4

    @staticmethod
    def written_out(features: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """The paper's equations, place by place, for one image's features and slopes (h, w, channels)."""
        found = np.zeros(features.shape[:2])
        for channel in range(features.shape[2]):
            weight, total = 0.0, features[..., channel].sum()
            for slope in slopes[..., channel].ravel():
                divisor = 2 * slope**2 + total * slope**3
                weight += (slope**2 / divisor if divisor else 0) * max(slope, 0)
            found += weight * features[..., channel]
        return np.maximum(found, 0)

    def maps(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The method's maps, and those written out, of a layer whose maps are as large as the image."""
        inputs = keras.Input(SHAPE)
        features = seeded(layers.Conv2D, 4, 3, padding="same", activation="relu", seed=5)(inputs)
        head = [layers.Flatten(), seeded(layers.Dense, 3, seed=6)]
        model = keras.Model(inputs, head[1](head[0](features)))
        values = keras.Model(inputs, features).predict(images, verbose=0)
        slopes = model.layers[-1].kernel.numpy()[:, 2].reshape(values.shape[1:])  # the logit is linear in them
        expected = np.stack([self.written_out(one, slopes) for one in values])
        return saliency.grad_cam_plus_plus(model, images, 2), expected

    def test_equals_the_paper_written_out(self, images):
        found, expected = self.maps(images)
        assert expected.max() > 0
        assert relative_error(found, expected) < self.TOLERANCE

    def test_tolerance_fails_for_grad_cam_and_for_a_small_error(self, images):
        found, expected = self.maps(images)
        assert relative_error(found * 1.001, expected) > self.TOLERANCE
        assert relative_error(np.roll(found, 1, axis=2), expected) > self.TOLERANCE


class TestGuidedBackpropagation:
    @pytest.mark.parametrize("built_in", [True, False])
    def test_passes_back_positive_gradients_through_awake_units_only(self, built_in):
        """Three units read one pixel each; one is asleep, and one lowers the logit."""
        inputs = keras.Input((1, 3, 1))
        layer = layers.Dense(3, activation="relu" if built_in else None, use_bias=False)
        tensor = layer(layers.Flatten()(inputs))
        last = layers.Dense(2, use_bias=False)
        model = keras.Model(inputs, last(tensor if built_in else layers.ReLU()(tensor)))
        layer.set_weights([np.diag([1.0, 2.0, -1.0])])
        last.set_weights([np.array([[3.0, 1], [-5, 1], [7, 1]])])
        image = np.full((1, 1, 3, 1), 50, np.uint8)
        np.testing.assert_allclose(saliency.guided_backpropagation(model, image, 0), [[[3, 0, 0]]])
        np.testing.assert_allclose(saliency.gradient(model, image, 0), [[[3, -10, 0]]])

    def test_leaves_the_model_as_it_was(self, images):
        model = relu_model()
        before = model.predict(images, verbose=0)
        first = saliency.gradient(model, images, 0)
        saliency.guided_backpropagation(model, images, 0)
        np.testing.assert_array_equal(model.predict(images, verbose=0), before)
        gradients._gradient_function.cache_clear()
        np.testing.assert_array_equal(saliency.gradient(model, images, 0), first)

    def test_of_a_model_without_relu_is_an_error(self, images):
        with pytest.raises(ValueError, match="has no ReLU"):
            saliency.guided_backpropagation(smooth_model(), images, 0)


class TestEveryMethod:
    @every_method
    @pytest.mark.parametrize("build", [smooth_model, relu_model])
    @pytest.mark.parametrize("shape", [SHAPE, COLOUR], ids=["grey", "colour"])
    def test_is_finite_on_blank_saturated_and_ordinary_images(self, method, build, shape):
        ordinary = np.random.default_rng(4).integers(0, 256, shape)
        images = np.stack([np.zeros(shape), np.full(shape, 255), np.full(shape, 7), ordinary]).astype(np.uint8)
        maps = method(build(shape), images, np.array([0, 1, 2, 0]))
        assert maps.dtype == np.float32
        assert maps.shape == (4, *shape[:2])
        assert np.isfinite(maps).all()

    @every_method
    @pytest.mark.parametrize("shape", [(1, 1, 1), (1, 4, 3)])
    def test_is_finite_on_images_of_one_pixel_and_of_one_row(self, method, shape):
        inputs = keras.Input(shape)
        features = seeded(layers.Conv2D, 2, 3, padding="same", activation="relu", seed=1)(inputs)
        model = keras.Model(inputs, seeded(layers.Dense, 3, seed=2)(layers.Flatten()(features)))
        maps = method(model, np.stack([np.full(shape, level, np.uint8) for level in (0, 90, 255)]), 1)
        assert maps.shape == (3, *shape[:2]) and np.isfinite(maps).all()

    @every_method
    def test_image_without_a_pixel_is_an_error(self, method):
        inputs = keras.Input((None, None, 1))
        features = layers.Conv2D(2, 3, padding="same", activation="relu")(inputs)
        model = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(features)))
        with pytest.raises(ValueError, match="at least one pixel"):
            method(model, np.zeros((1, 0, 4, 1), np.uint8), 0)

    @every_method
    def test_does_not_depend_on_the_chunks(self, method, images, monkeypatch):
        model, classes = smooth_model(), np.array([0, 2, 1, 1])
        whole = method(model, images, classes)
        monkeypatch.setattr(chunks, "BYTES_AT_ONCE", 3 * chunks.gradient_bytes(model, SHAPE))
        np.testing.assert_allclose(method(model, images, classes), whole, rtol=1e-3, atol=1e-6)

    @every_method
    def test_takes_no_images(self, method):
        assert method(smooth_model(), np.zeros((0, *SHAPE), np.uint8), 0).shape == (0, 6, 5)

    @every_method
    @pytest.mark.parametrize("wrong", [-1, 3])
    def test_class_that_does_not_exist_is_an_error_that_names_the_legal_ones(self, method, images, wrong):
        with pytest.raises(ValueError, match=rf"no class {wrong}: choose classes from 0 to 2"):
            method(smooth_model(), images, np.array([0, 1, 2, wrong]))

    @every_method
    def test_wrong_images_or_classes_are_errors(self, method, images):
        with pytest.raises(ValueError, match=r"takes \(N, 6, 5, 1\)"):
            method(smooth_model(), images[0], 0)
        with pytest.raises(ValueError, match="classes of shape"):
            method(smooth_model(), images, np.array([0, 1]))
        with pytest.raises(ValueError, match="must be integers"):
            method(smooth_model(), images, np.array([0.0, 1, 2, 0]))

    def test_one_trace_serves_all_calls_and_chunks(self, images, monkeypatch):
        model = smooth_model()
        monkeypatch.setattr(chunks, "BYTES_AT_ONCE", 3 * chunks.gradient_bytes(model, SHAPE))
        for method in (saliency.gradient, saliency.integrated_gradients, saliency.smooth_gradient):
            method(model, images, 0)
            method(model, images[:2], 1)
        assert gradients._gradient_function(model, gradients.plain).experimental_get_tracing_count() == 1
