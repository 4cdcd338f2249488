"""A trained network's file is opened apart, and what it must not do is refused in a sentence."""

import os
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from kinds import KINDS, Places
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from helpers.explain import saliency
from helpers.networks.layers import copy_of
from helpers.networks.own import opening
from helpers.networks.own.canonical import canonical
from helpers.networks.own.exported import open_exported
from helpers.networks.own.source import NetworkError, Source, import_file, label, python_files, read_source

pytestmark = pytest.mark.usefixtures("warm")
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


class Reaching(keras.Model):
    """A model that reads or writes a file each time it is called."""

    def __init__(self, reach):
        super().__init__()
        self.reach = reach

    def call(self, pixels):
        """Give what has nothing to do with the pixels."""
        with tf.control_dependencies([self.reach(pixels)]):
            return tf.reduce_mean(pixels, axis=(1, 2)) * tf.ones((1, 3))


def saving(pixels):
    return tf.raw_ops.SaveV2(prefix="/tmp/reached", tensor_names=["x"], shape_and_slices=[""], tensors=[pixels])


def restoring(pixels):
    return tf.raw_ops.RestoreV2(prefix="/etc/x", tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32])[0]


REACHING = {
    "ReadFile": lambda pixels: tf.io.read_file("/etc/hostname"),
    "WriteFile": lambda pixels: tf.io.write_file("/tmp/reached", "x"),
    "SaveV2": saving,
    "RestoreV2": restoring,
    "MergeV2Checkpoints": lambda pixels: tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=["a"], destination_prefix="b"
    ),
    "ImmutableConst": lambda pixels: tf.raw_ops.ImmutableConst(
        dtype=tf.float32, shape=[1], memory_region_name="/etc/hostname"
    ),
    "PrintV2": lambda pixels: tf.raw_ops.PrintV2(input="x", output_stream="file:///tmp/reached"),
}


def write_reaching(folder: Path, reach) -> Source:
    network = Reaching(reach)
    archive = keras.export.ExportArchive()
    network.built = True  # it has no weights
    archive.track(network)
    archive.add_endpoint("serve", network.call, [keras.InputSpec("float32", (None, *SHAPE))])
    archive.write_out(folder, verbose=False)
    return Source(folder)


@pytest.mark.parametrize("operation", REACHING)
def test_a_saved_model_that_reaches_beyond_itself_is_refused(tmp_path, operation):
    source = write_reaching(tmp_path / "exported", REACHING[operation])
    with pytest.raises(NetworkError, match=f"asks for {operation}, which no network needs"):
        open_exported(source.path)


def test_what_is_said_to_save_the_weights_may_be_called_by_nothing_else(tmp_path):
    source = write_reaching(tmp_path / "exported", saving)
    content = SavedModel.FromString((source.path / "saved_model.pb").read_bytes())
    (graph,) = content.meta_graphs
    inner = next(
        one.signature.name
        for one in graph.graph_def.library.function
        if "traced_save" not in one.signature.name and any(node.op == "SaveV2" for node in one.node_def)
    )
    saver = next(node for node in graph.graph_def.node if node.name == graph.saver_def.restore_op_name)
    saver.attr["f"].func.name = inner
    (source.path / "saved_model.pb").write_bytes(content.SerializeToString())
    with pytest.raises(NetworkError, match=r"asks for .*SaveV2"):
        open_exported(source.path)


def damaged(path: Path) -> None:
    path.write_bytes(b"PK" + bytes(200))


def with_lambda(path: Path) -> None:
    keras.Sequential([keras.Input(SHAPE), layers.Lambda(lambda x: x / 2), layers.Flatten(), layers.Dense(3)]).save(path)


def with_lambda_activation(path: Path) -> None:
    last = layers.Dense(3, activation=lambda values: values / 2)
    keras.Sequential([keras.Input(SHAPE), layers.Flatten(), last]).save(path)


def of_eleven_classes(path: Path) -> None:
    KINDS["nested"](SHAPE, 11).save(path)


def with_own_layer(path: Path) -> None:
    KINDS["transformer"](SHAPE, 3).save(path)


def with_weights_that_are_no_numbers(path: Path) -> None:
    network = KINDS["guide"](SHAPE, 3)
    kernel, bias = network.layers[0].get_weights()
    kernel[0, 0, 0, 0] = np.nan  # ReLU may make a zero of it, so that answers do not tell
    network.layers[0].set_weights([kernel, bias])
    network.save(path)


def of_something_else(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("photos/notes.txt", "no network")


def taking_vectors(path: Path) -> None:
    keras.Sequential([keras.Input((24 * 24,)), layers.Dense(3)]).save(path)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (damaged, "own.keras cannot be opened as a Keras model"),
        (
            lambda path: path.write_bytes(b""),
            r"it is no archive, or is cut short\); write the whole network by model.save",
        ),
        (of_something_else, "cannot be opened as a Keras model; .*write the whole network by model.save"),
        (with_weights_that_are_no_numbers, r"has weights that are no finite numbers, such as .*conv2d.*/kernel"),
        (taking_vectors, r"The network own takes an input of shape \(576,\) .*Reshape\(\(576,\)\), network\]\)"),
        (with_lambda, "holds a Lambda layer, which is a program"),
        (with_lambda_activation, r"holds a lambda as an activation, which is a program; .* CUSTOM=layers\.py\.$"),
        (of_eleven_classes, "tells 11 classes apart and the data have 3; give data of the classes"),
        (with_own_layer, "CUSTOM=layers.py"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(tmp_path, write, said):
    write(tmp_path / "own.keras")
    with pytest.raises(NetworkError, match=said) as error:
        opening.check(Source(tmp_path / "own.keras"), SHAPE, 3)
    assert "\n" not in str(error.value)


HALVING = "def halved(pixels):\n    return pixels / 2\n"


def test_a_lambda_of_a_function_with_a_name_is_read_with_that_function(tmp_path):
    (tmp_path / "halving.py").write_text(HALVING)
    halved = import_file(tmp_path / "halving.py").halved
    network = keras.Sequential([keras.Input(SHAPE), layers.Lambda(halved), layers.Flatten(), layers.Dense(3)])
    network.save(tmp_path / "own.keras")
    source = Source(tmp_path / "own.keras", custom=tmp_path / "halving.py")
    images = np.random.default_rng(0).uniform(0, 255, (4, *SHAPE)).astype(np.float32)
    again = opening.read(opening.check(source, SHAPE, 3), source)
    np.testing.assert_allclose(again.predict(images, verbose=0), network.predict(images, verbose=0), atol=1e-4)


def with_weights_from_elsewhere(path: Path) -> None:
    keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(3)]).save(path)
    (path.parent / "outside.bin").write_bytes(bytes(12))
    with h5py.File(path, "r+") as file:
        found: list[str] = []
        file.visit(lambda name: found.append(name) if name.endswith("/bias") else None)
        del file[found[0]]
        file.create_dataset(found[0], (3,), "float32", external=[(str(path.parent / "outside.bin"), 0, 12)])


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ("[keras.Input(shape), keras.Input(shape)]", "takes 2 inputs; it may take one image alone"),
        ("[keras.Input((576,))]", r"takes an input of shape \(576,\) and not images"),
    ],
)
def test_a_python_file_whose_network_takes_no_image_is_refused_in_the_same_sentence(tmp_path, inputs, said):
    file = tmp_path / "mine.py"
    file.write_text(
        f"import keras\ndef build(shape, classes):\n    taken = {inputs}\n    flat = keras.layers.Flatten()\n"
        "    joined = sum(map(flat, taken))\n    return keras.Model(taken, keras.layers.Dense(classes)(joined))\n"
    )
    with pytest.raises(NetworkError, match=said):
        opening.check(Source(file), SHAPE, 3)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (with_lambda, "holds a Lambda layer, which is a program; define its function by its name"),
        (with_lambda_activation, r"holds a lambda as an activation, which is a program; .* CUSTOM=layers\.py\.$"),
        (with_weights_from_elsewhere, "cannot be opened as a Keras model; .*external"),
    ],
)
def test_a_file_of_the_older_form_may_bring_no_program_and_no_other_file(tmp_path, write, said):
    write(tmp_path / "own.h5")
    with pytest.raises(NetworkError, match=said) as error:
        opening.check(Source(tmp_path / "own.h5"), SHAPE, 3)
    assert "\n" not in str(error.value)


def test_weights_alone_are_refused_with_how_to_write_the_network(tmp_path):
    KINDS["guide"](SHAPE, 3).save_weights(tmp_path / "own.weights.h5")
    with pytest.raises(NetworkError, match=r"own.weights.h5 holds no network, but weights alone at most; write .*save"):
        opening.check(Source(tmp_path / "own.weights.h5"), SHAPE, 3)


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("socket.connect", (None, ("example.org", 80))),
        ("socket.sendto", (None, ("example.org", 80))),
        ("socket.gethostbyname", ("example.org",)),
        ("ctypes.dlopen", ("libc.so.6",)),
        ("os.symlink", ("/etc/passwd", "own/weights.h5", -1)),
        ("os.link", ("/etc/passwd", "own/weights.h5", -1, -1)),
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
    inside, outside = tmp_path / "own" / "weights.h5", tmp_path / "weights.h5"
    hook("os.rename", (str(inside), inside.with_suffix(".new"), -1, -1))
    for paths in ((inside, outside), (str(outside), inside)):
        with pytest.raises(PermissionError):
            hook("os.rename", (*paths, -1, -1))
    with pytest.raises(PermissionError):
        hook("open", (os.fspath(tmp_path / "own" / ".." / "other"), "r", 0))


def test_a_python_file_that_builds_nothing_is_refused_with_its_line(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def build(image_shape, classes):\n    return undefined\n")
    with pytest.raises(NetworkError, match=r"build of .*mine.py failed: NameError in line 2: name 'undefined'"):
        opening.check(Source(file), SHAPE, 3)


def refusal_of(file: Path) -> str:
    """Give the sentence with which a Python file is refused, as the process that opens it writes it."""
    task = {"path": str(file), "function": "build", "shape": SHAPE, "classes": 3, "custom": "", "preprocess": ""}
    opening.main(task | {"folder": str(file.parent)})
    return (file.parent / "error.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("end", ["sys.exit('usage: mine.py DATA')", "raise SystemExit(3)", "raise KeyboardInterrupt"])
@pytest.mark.parametrize("place", ["import", "build", "layer"])
def test_a_python_file_that_ends_the_process_is_told_so_with_its_line(tmp_path, place, end):
    file, codes = tmp_path / "mine.py", {one: end if one == place else "pass" for one in ("import", "build", "layer")}
    file.write_text(
        f"import sys\nimport keras\n{codes['import']}\nclass Own(keras.layers.Layer):\n    def call(self, values):\n"
        f"        {codes['layer']}\n        return values\ndef build(shape, classes):\n    {codes['build']}\n"
        "    more = [keras.layers.Flatten(), keras.layers.Dense(classes)]\n"
        "    return keras.Sequential([keras.Input(shape), Own(), *more])\n"
    )
    line = {"import": 3, "layer": 6, "build": 9}[place]
    kind = "KeyboardInterrupt" if "Keyboard" in end else "it ends Python by SystemExit"
    said = "usage: mine.py DATA" if "usage" in end else "3" if "3" in end else "KeyboardInterrupt"
    assert f": {kind} in line {line}: {said}" in refusal_of(file)


@pytest.mark.parametrize("call", ["keras.ops.matmul(values, keras.ops.ones((7, 3)))", "keras.ops.add(values, 'x')"])
@pytest.mark.parametrize("shape", ["keras.Input(shape), ", ""])
def test_what_keras_says_is_told_by_the_line_that_says_what_is_wrong(tmp_path, call, shape):
    file = tmp_path / "mine.py"
    file.write_text(
        f"import keras\nclass Own(keras.layers.Layer):\n    def call(self, values):\n        return {call}\n"
        "def build(shape, classes):\n    more = [keras.layers.Flatten(), keras.layers.Dense(classes)]\n"
        f"    return keras.Sequential([{shape}keras.layers.Rescaling(1 / 255), Own(), *more])\n"
    )
    told = refusal_of(file)
    assert "Exception encountered" not in told and "\x1b" not in told
    assert ("[7,3]" if "matmul" in call else "dtype='string' is not") in told


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (
            "keras.layers.Dense(classes, bias_initializer=keras.initializers.Constant(float('nan')))",
            "has weights that are no",
        ),
        ("keras.layers.Dense(classes, activation=keras.ops.log)", "answers images with what are no finite numbers"),
    ],
)
def test_answers_that_are_no_numbers_are_told_to_be_none(tmp_path, layer, said):
    file = tmp_path / "mine.py"
    file.write_text(
        f"import keras\ndef build(shape, classes):\n    more = [keras.layers.Flatten(), {layer}]\n"
        "    return keras.Sequential([keras.Input(shape), *more])\n"
    )
    assert refusal_of(file).startswith(f"The network mine {said}")


def test_a_loss_that_trains_no_network_here_is_refused_before_anything_is_trained(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import keras\ndef build(image_shape, classes):\n"
        "    shape = [keras.Input(image_shape), keras.layers.Flatten(), keras.layers.Dense(classes)]\n"
        "    model = keras.Sequential(shape)\n    model.compile('sgd', 'mse')\n    return model\n"
    )
    with pytest.raises(NetworkError, match="with the loss mse; networks are trained by plain cross-entropy"):
        opening.check(Source(file), SHAPE, 3)


ENDING = """
import keras
from keras import layers

def build(image_shape, classes):
    pixels = keras.Input(image_shape)
    logits = layers.Dense(classes{zeros})(layers.Flatten()(layers.Rescaling(1 / 255)(pixels)))
    return keras.Model(pixels, {end})
"""
STOPPED = "layers.Concatenate()([logits[:, :2], keras.ops.stop_gradient(logits[:, 2:])])"


def test_a_class_that_no_gradient_reaches_is_named_before_anything_is_trained(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(ENDING.format(end=STOPPED, zeros=""))
    with pytest.raises(NetworkError, match=r"mine cannot be explained: .* for the class number 3 is 0"):
        opening.check(Source(file), SHAPE, 3)


def test_weights_that_begin_as_zeros_are_no_reason_to_refuse_a_network(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(ENDING.format(end="logits", zeros=", kernel_initializer='zeros'"))
    assert opening.check(Source(file), SHAPE, 3) == b""


def test_a_file_that_says_how_it_is_trained_may_be_compiled_with_any_loss(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import keras\ndef build(image_shape, classes):\n"
        "    shape = [keras.Input(image_shape), keras.layers.Flatten(), keras.layers.Dense(classes)]\n"
        "    model = keras.Sequential(shape)\n    model.compile('sgd', 'mse')\n    return model\n\n"
        "def plan():\n    from helpers.training.recipes import PLANS\n    return PLANS['tiny']\n"
    )
    assert opening.check(Source(file), SHAPE, 3) == b""  # nothing is trained yet, and nothing refused


def test_what_a_layer_of_the_users_raises_when_it_is_made_anew_is_told(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import keras\n\nclass Growing(keras.layers.Layer):\n    made = 0\n\n    def build(self, shape):\n"
        "        Growing.made += 1\n        self.add_weight(shape=(Growing.made,))\n\n"
        "    def call(self, pixels):\n        return pixels\n\n\ndef build(shape, classes):\n    end = "
        "[keras.layers.Flatten(), keras.layers.Dense(classes)]\n"
        "    return keras.Sequential([keras.Input(shape), Growing(), *end])\n"
    )
    with pytest.raises(NetworkError, match=r"mine.py cannot be used: ValueError"):
        opening.check(Source(file), SHAPE, 3)


def test_a_file_beside_it_that_was_edited_is_imported_anew(tmp_path):
    file, beside = tmp_path / "mine.py", tmp_path / "parts_of_mine.py"
    file.write_text("from parts_of_mine import WIDTH\n")
    for width in (8, 16):
        beside.write_text(f"WIDTH = {width}\n")
        assert vars(Source(file).module)["WIDTH"] == width


class TestWhatNetworkNames:
    def test_names_files_and_functions(self, tmp_path):
        file = tmp_path / "mine.py"
        file.write_text("def small(image_shape, classes): ...\n")
        assert read_source("tiny", {}) == "" and read_source("tiny", {"NETWORK": "vgg9"}) == "vgg9"
        named = read_source("tiny", {"NETWORK": f"{file}:small"})
        assert named == Source(file, "small") and label(named, "tiny") == named.name == "mine-small"
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
