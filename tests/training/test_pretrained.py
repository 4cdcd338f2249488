"""Shipped networks are what was packed, to half precision, and are refused when they are not."""

import json
import zlib
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import toy_dataset

from helpers.networks.views import enlarged_crops, four_crops
from helpers.training import pretrained
from helpers.training.pretrained import PretrainedError, PretrainedNetworks

HISTORY = pd.DataFrame({"epoch": [1, 2], "loss": [1.5, 0.25], "val_accuracy": [0.5, 0.75]})


def build(seed: int = 0) -> keras.Model:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((24, 24, 1), name="pixels"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, kernel_initializer=keras.initializers.HeNormal(seed=seed)),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(seed=seed)),
        ],
        name="toy",
    )
    model.layers[2].moving_variance.assign([1e6, 1e-3, 1.0, 2.0])  # beyond half precision, and no kernel
    return model


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return build()


@pytest.fixture
def shipped(model: keras.Model, tmp_path: Path) -> PretrainedNetworks:
    """A folder with one small network that plays every part."""
    folder = tmp_path / "shipped"
    networks = {name: {"files": pretrained.ship(folder, name, model, HISTORY)} for name in pretrained.REQUIRED}
    dataset = toy_dataset(2)
    manifest = {
        "title": dataset.title,
        "classes": [*dataset.class_names],
        "image_shape": [*dataset.image_shape],
        "ensemble": ["cnn", "dnn"],
        "ablated": "cnn",
        "networks": networks,
    }
    return pretrained.finish(folder, manifest)


def test_an_unpacked_network_answers_as_the_packed_one_did(model: keras.Model) -> None:
    images = toy_dataset(5).train.images
    unpacked = pretrained.unpack(pretrained.pack(model))
    before, after = model.predict(images, verbose=0), unpacked.predict(images, verbose=0)
    scale = np.abs(before).max()
    np.testing.assert_allclose(after, before, atol=1e-2 * scale)
    assert not np.array_equal(after, before)  # kernels were rounded
    coarse = pretrained.unpack(pretrained.pack(model))
    coarse.set_weights([np.round(weight, 1) for weight in coarse.get_weights()])
    assert np.abs(coarse.predict(images, verbose=0) - before).max() > 1e-2 * scale  # the tolerance can fail
    assert {weight.dtype for weight in unpacked.get_weights()} == {np.dtype(np.float32)}
    assert unpacked.name == "toy" and unpacked.layers[2].moving_variance[0] == 1e6


def test_the_same_network_gives_the_same_bytes_and_no_pickles(model: keras.Model) -> None:
    packed = pretrained.pack(model)
    assert packed == pretrained.pack(model) and packed != pretrained.pack(build(seed=1))
    assert b"pickle" not in packed


def test_kernels_are_rounded_to_bfloat16_and_nothing_else_is(model: keras.Model) -> None:
    kept = pretrained.unpack(pretrained.pack(model)).get_weights()
    for before, after in zip(model.get_weights(), kept, strict=True):
        if before.ndim > 1:
            np.testing.assert_allclose(after, before, rtol=2**-8)  # seven bits after the first, and rounded
            assert np.abs(after / before - 1).max() > 2**-10  # half precision keeps three more
        else:
            np.testing.assert_array_equal(after, before)


def test_a_packed_network_takes_fewer_than_two_bytes_a_weight() -> None:
    model = keras.Sequential([keras.Input((300,)), keras.layers.Dense(300, keras.activations.linear)])
    packed, halved = pretrained.pack(model), model.layers[0].kernel.numpy().astype(np.float16).tobytes()
    assert len(packed) < 0.8 * len(halved) < 0.9 * len(zlib.compress(halved))


def test_a_network_comes_with_its_history(shipped: PretrainedNetworks) -> None:
    model, history = pretrained.open_pretrained(shipped.folder).load("dnn")
    assert model.count_params() == build().count_params()
    pd.testing.assert_frame_equal(history, HISTORY)


@pytest.mark.parametrize("file", ["cnn.npz", "cnn.csv"])
def test_a_changed_or_missing_file_is_named(shipped: PretrainedNetworks, file: str) -> None:
    shipped.check(toy_dataset(2))
    before = shipped.digest()
    content = (shipped.folder / file).read_bytes()
    (shipped.folder / file).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert shipped.digest() != before
    for attempt in (lambda: shipped.load("cnn"), lambda: shipped.check(toy_dataset(2))):
        with pytest.raises(PretrainedError, match=f"{file} is not the file that was shipped .*git checkout"):
            attempt()
    (shipped.folder / file).unlink()
    with pytest.raises(PretrainedError, match=f"{file} is missing; bring it back"):
        shipped.load("cnn")


def test_a_network_that_learned_from_blurred_images_is_asked_for_crops_that_are_so(shipped: PretrainedNetworks) -> None:
    name = shipped.names[0]
    assert shipped.views(name) is four_crops
    networks = {name: {**shipped.record(name), "blurred": True}}
    assert replace(shipped, manifest={**shipped.manifest, "networks": networks}).views(name) is enlarged_crops


def test_the_digest_covers_the_manifest(shipped: PretrainedNetworks) -> None:
    before = shipped.digest()
    path = shipped.folder / pretrained.MANIFEST
    path.write_text(path.read_text().replace('"ensemble"', '"ensemble" '))
    assert shipped.digest() != before


def test_what_is_not_shipped_is_said_with_what_is(shipped: PretrainedNetworks) -> None:
    with pytest.raises(PretrainedError, match=r"'wide5' is not among .* cnn, dnn, cnn_plain, .*RECIPE=quick"):
        shipped.load("wide5")
    networks = {name: record for name, record in shipped.manifest["networks"].items() if name != "cnn_bare"}
    with pytest.raises(PretrainedError, match="'cnn_bare' is not among"):
        PretrainedNetworks(shipped.folder, {**shipped.manifest, "networks": networks}).check(toy_dataset(2))


def test_other_data_are_refused_by_what_they_are_not_by_their_name(shipped: PretrainedNetworks) -> None:
    grey = toy_dataset(2)
    shipped.check(replace(grey, name="anything", fingerprint="other"))
    with pytest.raises(PretrainedError, match=r"are for Spots, and 'toy' is recognised as 'Faces'"):
        shipped.check(replace(grey, title="Faces"))
    with pytest.raises(PretrainedError, match="24 x 24 x 1 pixels, not 24 x 24 x 3"):
        shipped.check(replace(grey, train=replace(grey.train, images=np.repeat(grey.train.images, 3, axis=-1))))


@pytest.mark.parametrize("content", [None, "{", "[]", '{"networks": {}}'])
def test_a_folder_without_a_manifest_is_an_error(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / pretrained.MANIFEST).write_text(content)
    with pytest.raises(PretrainedError, match="no shipped networks in" if content is None else "cannot be read"):
        pretrained.open_pretrained(tmp_path)


def test_the_environment_names_another_folder(shipped: PretrainedNetworks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pretrained.VARIABLE, str(shipped.folder))
    assert pretrained.open_pretrained().names == pretrained.REQUIRED


def test_a_manifest_cannot_point_outside_its_folder(shipped: PretrainedNetworks, tmp_path: Path) -> None:
    (tmp_path / "secret.npz").write_bytes(b"")
    files = {"../secret.npz": "0", "../secret.csv": "0"}
    with pytest.raises(PretrainedError, match="is missing"):
        PretrainedNetworks(shipped.folder, {**shipped.manifest, "networks": {"cnn": {"files": files}}}).load("cnn")


def test_packing_again_removes_what_is_no_longer_shipped_and_too_much_is_refused(
    shipped: PretrainedNetworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = {**shipped.manifest, "networks": {"cnn": shipped.record("cnn")}}
    assert pretrained.finish(shipped.folder, fewer).names == ("cnn",)
    assert sorted(path.name for path in shipped.folder.iterdir()) == ["cnn.csv", "cnn.npz", "manifest.json"]
    monkeypatch.setattr(pretrained, "MOST_BYTES", 100)
    with pytest.raises(PretrainedError, match="leave some out"):
        pretrained.finish(shipped.folder, fewer)


def test_what_is_committed_is_whole_and_small() -> None:
    if not (pretrained.FOLDER / pretrained.MANIFEST).is_file():
        pytest.skip("no networks are shipped with this copy")
    shipped = pretrained.open_pretrained(pretrained.FOLDER)
    files = [pretrained.FOLDER / file for name in shipped.names for file in shipped.record(name)["files"]]
    assert sum(file.stat().st_size for file in files) <= pretrained.MOST_BYTES
    facts = {"architecture", "parameters", "recipe", "seed", "epochs", "data", "machine", "accuracy", "command"}
    for name in shipped.names:
        shipped.load(name)
        assert facts <= shipped.record(name).keys() and "/" not in shipped.record(name)["machine"]
        assert shipped.record(name)["accuracy"]["PublicTest"].keys() == {"all", "twin_free"}
    assert json.loads((pretrained.FOLDER / pretrained.MANIFEST).read_text())["title"] == "FER2013"


def test_a_network_that_asks_to_run_code_is_not_opened() -> None:
    layers = keras.layers
    model = keras.Sequential([keras.Input((24, 24, 1)), layers.Lambda(lambda pixels: pixels + 1), layers.Flatten()])
    packed = pretrained.pack(model)
    with pytest.raises(ValueError, match="unsafe"):
        pretrained.unpack(packed)
