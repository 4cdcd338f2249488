"""The maps against those of tf-keras-vis."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from helpers.explain import saliency
from helpers.networks import architectures

# It gives lists of inputs to models that take one, and asks SciPy for a function by its former place.
pytestmark = pytest.mark.filterwarnings("ignore")

TOLERANCE = 1e-4  # largest difference between two maps, each scaled to a largest magnitude of 1
CLASSES = np.array([0, 3, 6, 3])


@pytest.fixture(scope="module", params=[1, 3], ids=["grey", "colour"])
def model(request) -> keras.Model:
    """A network of the suite with normalizations that do something."""
    model = architectures.build_cnn("vgg9_small", (16, 16, request.param))
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, values.shape) for values in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def images(model) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (4, *model.input_shape[1:]), dtype=np.uint8)


def scores():
    from tf_keras_vis.utils.scores import CategoricalScore

    return CategoricalScore(CLASSES.tolist())


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    scaled = (maps / np.abs(maps).max(axis=(1, 2), keepdims=True) for maps in (found, expected))
    return float(np.abs(np.subtract(*scaled)).max())


def test_gradient_equals_theirs(model, images):
    from tf_keras_vis.saliency import Saliency

    theirs = Saliency(model)(scores(), images.astype(np.float32), normalize_map=False)
    assert difference(saliency.gradient(model, images, CLASSES, signed=False), theirs) < TOLERANCE


def test_grad_cam_equals_theirs(model, images):
    from tf_keras_vis.gradcam import Gradcam

    layer = model.get_layer("conv6_relu")  # maps of 4 x 4, enough to tell one place from another
    options = {"seek_penultimate_conv_layer": False, "expand_cam": False, "normalize_cam": False}
    theirs = Gradcam(model)(scores(), images.astype(np.float32), penultimate_layer=layer, **options)
    enlarged = tf.image.resize(np.asarray(theirs)[..., np.newaxis], (16, 16)).numpy()[..., 0]
    assert difference(saliency.grad_cam(model, images, CLASSES, layer), enlarged) < TOLERANCE
    assert difference(saliency.grad_cam_plus_plus(model, images, CLASSES, layer), enlarged) > TOLERANCE


def test_tolerance_fails_for_other_classes_and_for_a_small_error(model, images):
    maps = saliency.gradient(model, images, CLASSES, signed=False)
    assert difference(saliency.gradient(model, images, CLASSES[::-1], signed=False), maps) > TOLERANCE
    assert difference(maps + 2e-4 * maps.max(axis=(1, 2), keepdims=True) * np.eye(16), maps) > TOLERANCE
