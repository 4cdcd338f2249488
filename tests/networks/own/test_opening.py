"""A trained network's file is opened apart, and what it must not do is refused in a sentence."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from kinds import KINDS, Places

from helpers.explain import saliency
from helpers.networks.layers import copy_of
from helpers.networks.own import opening
from helpers.networks.own.canonical import canonical
from helpers.networks.own.source import NetworkError, Source, label, python_files, read_source

SHAPE = (24, 24, 1)
KINDS_FILE = Path(__file__).parents[2] / "kinds.py"


def test_a_network_is_read_back_with_the_users_own_layers(tmp_path):
    network = KINDS["transformer"](SHAPE, 3)
    network.save(tmp_path / "own.keras")
    source = Source(tmp_path / "own.keras", custom=KINDS_FILE)
    again = opening.read(opening.check(source, SHAPE, 3), source)
    images = np.random.default_rng(0).uniform(0, 255, (4, *SHAPE)).astype(np.float32)
    np.testing.assert_allclose(again.predict(images, verbose=0), network.predict(images, verbose=0), atol=1e-5)
    assert any(type(layer).__name__ == Places.__name__ for layer in again.layers)


def test_a_file_of_the_older_form_is_read_alike(tmp_path):
    network = KINDS["guide"](SHAPE, 3)
    network.save(tmp_path / "own.h5")
    source = Source(tmp_path / "own.h5")
    again = opening.read(opening.check(source, SHAPE, 3), source)
    images = np.random.default_rng(0).uniform(0, 255, (4, *SHAPE)).astype(np.float32)
    np.testing.assert_allclose(again.predict(images, verbose=0), network.predict(images, verbose=0), atol=1e-5)


def test_a_saved_model_is_one_layer_whose_gradients_and_weights_are_its_own(tmp_path):
    network = KINDS["nested"](SHAPE, 3)
    network.export(tmp_path / "exported", verbose=False)
    source = Source(tmp_path / "exported")
    model = canonical(opening.read(opening.check(source, SHAPE, 3), source), SHAPE, 3)
    images = np.random.default_rng(0).uniform(0, 255, (4, *SHAPE)).astype(np.float32)
    wanted = network.predict(images, verbose=0)
    np.testing.assert_allclose(model.predict(images, verbose=0), wanted, atol=1e-5)
    assert np.abs(saliency.gradient(model, images, 1)).max() > 0
    assert model.count_params() == network.count_params()
    assert saliency.refusals(model)["Grad-CAM"] == "what the network computes inside exported cannot be looked into"
    copy = copy_of(model)
    copy.set_weights([np.zeros_like(weight) for weight in copy.get_weights()])
    np.testing.assert_allclose(copy.predict(images, verbose=0), 1 / 3, atol=1e-5)  # its answers follow its weights
    np.testing.assert_allclose(model.predict(images, verbose=0), wanted, atol=1e-5)  # and the model's are its own


class Reading(keras.Model):
    """A model that reads a file each time it is called."""

    def call(self, pixels):
        """Give what has nothing to do with the pixels."""
        size = tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)
        return tf.reduce_mean(pixels, axis=(1, 2)) * size * tf.ones((1, 3))


def test_a_saved_model_that_reaches_beyond_itself_is_refused(tmp_path):
    network = Reading()
    network(np.zeros((1, *SHAPE), np.float32))
    network.export(tmp_path / "exported", verbose=False)
    with pytest.raises(NetworkError, match="asks for ReadFile, which no network needs"):
        opening.check(Source(tmp_path / "exported"), SHAPE, 3)


def damaged(path: Path) -> None:
    path.write_bytes(b"PK" + bytes(200))


def with_lambda(path: Path) -> None:
    keras.Sequential([keras.Input(SHAPE), layers.Lambda(lambda x: x / 2), layers.Flatten(), layers.Dense(3)]).save(path)


def of_eleven_classes(path: Path) -> None:
    KINDS["nested"](SHAPE, 11).save(path)


def with_own_layer(path: Path) -> None:
    KINDS["transformer"](SHAPE, 3).save(path)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (damaged, "cannot be opened as a Keras model"),
        (with_lambda, "holds a Lambda layer, which is a program"),
        (of_eleven_classes, "tells 11 classes apart and the data have 3; give data of the classes"),
        (with_own_layer, "CUSTOM=layers.py"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(tmp_path, write, said):
    write(tmp_path / "own.keras")
    with pytest.raises(NetworkError, match=said) as error:
        opening.check(Source(tmp_path / "own.keras"), SHAPE, 3)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("socket.connect", (None, ("example.org", 80))),
        ("subprocess.Popen", ("sh", [], None, None)),
        ("open", ("/etc/passwd", "r", 0)),
        ("open", (b"/etc/passwd", "r", 0)),
        ("os.remove", ("/tmp/other", -1)),
    ],
)
def test_what_a_file_of_numbers_has_no_need_of_is_refused(tmp_path, event, arguments):
    hook = opening._guard([tmp_path / "own"])
    with pytest.raises(PermissionError):
        hook(event, arguments)
    hook("open", (str(tmp_path / "own" / "weights.h5"), "r", 0))
    with pytest.raises(PermissionError):
        hook("open", (os.fspath(tmp_path / "own" / ".." / "other"), "r", 0))


def test_a_python_file_that_builds_nothing_is_refused_with_its_line(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def build(image_shape, classes):\n    return undefined\n")
    with pytest.raises(NetworkError, match=r"build of .*mine.py failed: NameError in line 2: name 'undefined'"):
        opening.check(Source(file), SHAPE, 3)


class TestWhatNetworkNames:
    def test_names_files_and_functions(self, tmp_path):
        file = tmp_path / "mine.py"
        file.write_text("def small(image_shape, classes): ...\n")
        assert read_source("tiny", {}) == "" and read_source("tiny", {"NETWORK": "vgg9"}) == "vgg9"
        named = read_source("tiny", {"NETWORK": f"{file}:small"})
        assert named == Source(file, "small") and label(named, "tiny") == "mine-small"
        assert label(read_source("quick", {}), "quick") == ""
        with pytest.raises(NetworkError, match="names no file"):
            read_source("tiny", {"NETWORK": str(tmp_path / "none.keras")})
        (tmp_path / "notes.txt").touch()
        with pytest.raises(NetworkError, match=r"give a \.py, \.keras or \.h5 file"):
            read_source("tiny", {"NETWORK": str(tmp_path / "notes.txt")})

    def test_the_digest_follows_the_code_and_what_it_imports_but_no_comment(self, tmp_path):
        file, beside = tmp_path / "mine.py", tmp_path / "parts.py"
        file.write_text("import parts\nfrom keras import layers\n")
        beside.write_text("WIDTH = 8\n")
        before = Source(file).digest
        assert python_files(file) == [file, beside]
        beside.write_text("WIDTH = 8  # filters\n")
        assert Source(file).digest == before
        beside.write_text("WIDTH = 9\n")
        assert Source(file).digest != before
