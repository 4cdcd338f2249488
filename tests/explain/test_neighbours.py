"""What is unlike the training images is found by its texture, whatever a network makes of it."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers
from skimage import data, transform

from helpers.data.faces.render import draw_labels, render_faces
from helpers.explain import neighbours

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return render_faces(draw_labels(1200, 0), 0)[0]


@pytest.fixture(scope="module")
def index(faces: np.ndarray) -> neighbours.Index:
    keras.utils.set_random_seed(0)
    pixels = keras.Input((48, 48, 1))
    maps = layers.Conv2D(8, 3, strides=2, activation="relu")(pixels)
    network = keras.Model(pixels, layers.Dense(7)(layers.GlobalAveragePooling2D()(maps)))
    return neighbours.build_index(network, faces[:600], faces[600:900])


def text(count: int) -> np.ndarray:
    page = (transform.resize(data.page(), (382, 768)) * 255).astype(np.uint8)
    return np.stack([page[top : top + 48, 96:144] for top in np.linspace(48, 320, count).astype(int)])[..., np.newaxis]


FOREIGN: dict[str, Callable[[], np.ndarray]] = {
    "noise": lambda: RANDOM.integers(0, 256, (20, 48, 48, 1)),
    "weak noise": lambda: np.clip(RANDOM.normal(128, 30, (20, 48, 48, 1)), 0, 255),
    "blank": lambda: np.array([0, 60, 128, 200, 255])[:, None, None, None] * np.ones((1, 48, 48, 1)),
    "text": lambda: text(10),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_photo_is_unlike_them(index: neighbours.Index, kind: str) -> None:
    found = index.texture_distances(FOREIGN[kind]().astype(np.uint8))
    assert (found > index.texture_limit).mean() >= (0.8 if kind == "text" else 1), (found, index.texture_limit)


def test_nearly_all_other_images_of_the_data_are_like_them(index: neighbours.Index, faces: np.ndarray) -> None:
    assert (index.texture_distances(faces[600:900]) > index.texture_limit).mean() <= 0.01
    assert (index.texture_distances(faces[900:]) > index.texture_limit).mean() <= 0.03


def test_textures_do_not_depend_on_the_other_images_and_are_those_of_the_mirror_image(faces: np.ndarray) -> None:
    found = neighbours.textures(faces[:50])
    np.testing.assert_allclose(neighbours.textures(faces[:1])[0], found[0], rtol=1e-5)
    np.testing.assert_allclose(neighbours.textures(faces[:50, :, ::-1]), found, rtol=1e-3, atol=1e-3)
    assert found.shape == (50, 9) and np.ptp(found, axis=0).min() > 0
