"""The same pictures are the same data set in every container, and no container does harm or is read in part."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import re
import shlex
import sqlite3
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.base.words import parts
from helpers.data import containers
from helpers.data.containers import listing
from helpers.data.datasets import Dataset, load_dataset
from helpers.data.sources import DatasetError

Files = Mapping[str, bytes]


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


PETS = {
    f"{pet}/{index:03}.png": png(100 * kind + index) for kind, pet in enumerate(("cat", "dog")) for index in range(50)
}


def tarred(files: Files, mode: str = "w", links: Mapping[str, str] | None = None) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return stream.getvalue()


def zipped(files: Files) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def save(content: bytes, file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def opened(path: Path, cache: Path) -> Dataset:
    return load_dataset(str(path), cache)


def pairs(dataset: Dataset) -> list[tuple[bytes, int]]:
    parts = (dataset.train, dataset.validation, dataset.test)
    return sorted(
        (i.tobytes(), int(label)) for part in parts for i, label in zip(part.images, part.labels, strict=True)
    )


def message(path: Path, cache: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        load_dataset(str(path), cache)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    return str(caught.value)


def half(name: str) -> dict[str, bytes]:
    return {file: content for file, content in PETS.items() if file.startswith(name)}


FORMS: dict[str, Callable[[Path], Path]] = {
    "tar": lambda place: save(tarred(PETS), place / "a.tar"),
    "tgz": lambda place: save(tarred(PETS, "w:gz"), place / "a.tgz"),
    "tar.gz": lambda place: save(tarred(PETS, "w:gz"), place / "a.tar.gz"),
    "tar.bz2": lambda place: save(tarred(PETS, "w:bz2"), place / "a.tar.bz2"),
    "tar.xz": lambda place: save(tarred(PETS, "w:xz"), place / "a.tar.xz"),
    "tar without an ending": lambda place: save(tarred(PETS, "w:gz"), place / "download"),
    "zip in a zip": lambda place: save(zipped({"b.zip": zipped(PETS)}), place / "a.zip"),
    "tgz in a zip": lambda place: save(zipped({"b.tgz": tarred(PETS, "w:gz")}), place / "a.zip"),
    "zip in a tgz": lambda place: save(tarred({"b.zip": zipped(PETS)}, "w:gz"), place / "a.tgz"),
    "tar in a folder": lambda place: save(tarred(PETS), place / "a" / "b.tar").parent,
    "an archive a class": lambda place: save(
        zipped({"cat.zip": zipped(half("cat")), "dog.tar": tarred(half("dog"))}), place / "a.zip"
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_pictures_are_the_same_data_set_in_every_container(form: str, tmp_path: Path) -> None:
    plain = opened(save(zipped(PETS), tmp_path / "plain.zip"), tmp_path / "cache")
    path = FORMS[form](tmp_path / "given")
    before = sorted(tmp_path.rglob("*"))
    dataset = opened(path, tmp_path / "cache")
    assert dataset.class_names == ("cat", "dog") and len(pairs(dataset)) == 100 and pairs(dataset) == pairs(plain)
    assert {file.suffix for file in {*tmp_path.rglob("*")} - {*before}} <= {"", ".npy", ".json", ".lock"}


def test_archives_in_an_archive_are_folders_of_their_names(tmp_path: Path) -> None:
    inner = {f"{split}.zip": zipped(half(name)) for split, name in (("train", "cat"), ("test", "dog"))}
    found = containers.list_members(save(zipped(inner), tmp_path / "all.zip"))
    assert {*found.files} == {f"train/{name}" for name in half("cat")} | {f"test/{name}" for name in half("dog")}
    assert found.files["test/dog/007.png"]().read() == PETS["dog/007.png"]


def test_archive_whose_files_lie_beside_it_is_not_read_twice(tmp_path: Path) -> None:
    for name, content in {**PETS, "pets.zip": zipped(PETS)}.items():
        save(content, tmp_path / "mine" / name)
    dataset = opened(tmp_path / "mine", tmp_path / "cache")
    assert len(pairs(dataset)) == 100
    assert "pets.zip is not looked into, as its files lie beside it already." in parts(dataset.notes)


def test_table_beside_its_compressed_copy_is_listed_once(tmp_path: Path) -> None:
    for name, content in {"a.csv": b"x", "a.csv.gz": gzip.compress(b"x"), "b.csv.xz": lzma.compress(b"y")}.items():
        save(content, tmp_path / "mine" / name)
    found = containers.list_members(tmp_path / "mine")
    assert {*found.files} == {"a.csv", "a.csv.gz", "b.csv"} and found.files["b.csv"]().read() == b"y"


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress, gzip.compress])
def test_single_file_is_unpacked_as_it_is_read(pack: Callable, tmp_path: Path) -> None:
    found = containers.list_members(save(pack(b"a,b\n" * 99), tmp_path / "table.csv.gz"))
    assert {name: opener().read() for name, opener in found.files.items()} == {"table.csv": b"a,b\n" * 99}


def test_slices_of_an_archive_can_be_read_together_and_in_any_order(tmp_path: Path) -> None:
    contents = {f"{number}": os.urandom(70_000 + number) for number in range(5)}
    files = containers.list_members(save(tarred(contents, "w:gz"), tmp_path / "a.tgz")).files
    streams = {name: opener() for name, opener in files.items()}
    for place in (69_990, 10, 35_000):
        for name, stream in streams.items():
            stream.seek(place)
            assert stream.read(40_000) == contents[name][place : place + 40_000]
    assert streams["3"].seek(0, io.SEEK_END) == 70_003 and streams["3"].read() == b""


def test_large_archives_in_an_archive_keep_every_byte(tmp_path: Path) -> None:
    contents = {f"{number}": np.random.default_rng(number).bytes(300_000) for number in range(4)}
    inner = {f"{name}.tgz": tarred(contents, "w:gz") for name in "ab"}
    files = containers.list_members(save(zipped(inner), tmp_path / "all.zip")).files
    assert {name: opener().read() for name, opener in files.items()} == {
        f"{place}/{name}": content for place in "ab" for name, content in contents.items()
    }


def test_archives_in_the_archives_of_a_folder_are_what_these_hold_alone(tmp_path: Path) -> None:
    file = save(zipped({"cat.zip": zipped(half("cat")), "dog.zip": zipped(half("dog"))}), tmp_path / "mine" / "a.zip")
    alone, within = (opened(given, tmp_path / "cache") for given in (file, file.parent))
    assert alone.class_names == ("cat", "dog") and pairs(alone) == pairs(within)


@pytest.mark.parametrize("place", ["mine/a.zip", "a.zip"])
def test_archive_that_lies_too_deep_is_refused_by_name_with_advice_that_works(place: str, tmp_path: Path) -> None:
    inner = {"b.zip": zipped({"c.zip": zipped(PETS), "labels.csv": b"file,label\n0.png,cat\n"})}
    file = save(zipped(inner), tmp_path / place)
    given = file.parent if "/" in place else file
    assert "b.zip/c.zip is an archive in archives" in message(given, tmp_path / "cache")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder := file.parent / "unpacked")
    file.unlink()
    assert opened(folder, tmp_path / "cache").class_names == ("cat", "dog")


def test_archive_that_lies_too_deep_beside_images_is_counted(tmp_path: Path) -> None:
    path = save(zipped({**PETS, "more.zip": zipped({"b.zip": zipped({"cow/1.png": png(1)})})}), tmp_path / "a.zip")
    assert "1 archive in archives" in " ".join(parts(opened(path, tmp_path / "cache").reading.unused_notes()))


# harm


def test_archive_that_grows_beyond_measure_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MIN_SPOOL", 100_000)
    bomb = tarred({**PETS, "cat/bad.png": bytes(10**6)}, "w:gz")
    for name, content in (("a.tgz", bomb), ("a.zip", zipped({"b.zip": zipped({**PETS, "c": os.urandom(10**6)})}))):
        monkeypatch.setattr(listing, "MAX_GROWTH", 20 if name == "a.tgz" else 0)
        limit = max(100_000, listing.MAX_GROWTH * len(content))
        path = save(content, tmp_path / name)
        assert message(path, tmp_path / "cache") == (
            f"{path} unpacks to more than {limit:,} bytes; if you trust it, unpack it and give the folder."
        )


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "cat/../../evil.png"])
@pytest.mark.parametrize("place", ["a.tgz", "b.zip/a.tgz"])
def test_path_that_leads_out_of_a_container_is_an_error(name: str, place: str, tmp_path: Path) -> None:
    content, file = tarred({**PETS, name: png(1)}, "w:gz"), tmp_path / place.split("/")[0]
    save(zipped({"a.tgz": content}) if "/" in place else content, file)
    assert message(file, tmp_path / "cache") == (
        f"{tmp_path / place} holds the path {name!r}, which leads out of the archive; get it from a source that you "
        "trust."
    )


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_link_in_a_tar_is_left_out_as_an_unreadable_image(mode: str, tmp_path: Path) -> None:
    path = save(tarred(PETS, mode, {"dog/bad.png": "/etc/passwd"}), tmp_path / "a.tar")
    assert opened(path, tmp_path / "cache").skipped == (("dog/bad.png", "is a link, and holds no image itself"),)
    many = {f"dog/bad{number}.png": "/etc/passwd" for number in range(2)}
    assert "2 of 102 images cannot be read" in message(save(tarred(PETS, mode, many), path), tmp_path / "cache")


def test_hard_link_in_a_tar_is_the_file_that_it_names(tmp_path: Path) -> None:
    stream = io.BytesIO(tarred({"cat/1.png": png(1)}))
    with tarfile.open(fileobj=stream, mode="a") as archive:
        entry = tarfile.TarInfo("dog/1.png")
        entry.type, entry.linkname = tarfile.LNKTYPE, "cat/1.png"
        archive.addfile(entry)
    files = containers.list_members(save(stream.getvalue(), tmp_path / "a.tar")).files
    assert files["dog/1.png"]().read() == png(1)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_tar_that_is_cut_short_is_damaged_wherever_it_is_cut(mode: str, share: float, tmp_path: Path) -> None:
    whole = tarred(PETS, mode)
    end = len(whole) - (10_240 if mode == "w" else 0)  # what tar fills up at the end may be missing
    for cut in range(int(share * end), int(share * end) + 1536, 512):
        path = save(whole[: min(cut, end - 1)], tmp_path / "a.tar")
        with pytest.raises(DatasetError, match="is damaged"):
            load_dataset(str(path), tmp_path / "cache")


def test_pictures_cut_short_in_a_tar_obey_the_one_percent(tmp_path: Path) -> None:
    path = save(tarred({**PETS, "cat/bad.png": png(1)[:40]}, "w:gz"), tmp_path / "a.tgz")
    assert [name for name, _ in opened(path, tmp_path / "cache").skipped] == ["cat/bad.png"]


# names


NAMES = {
    "gb18030": ["猫 狗", "苹果 香蕉", "健康 病害", "花 草 树", "汽车 飞机"],
    "big5": ["貓 狗", "蘋果 香蕉", "訓練 測試", "鳥 魚", "汽車 飛機"],
    "cp932": ["猫 犬", "ねこ いぬ", "りんご バナナ", "ネコ イヌ", "喜び 怒り"],
    "cp949": ["고양이 개", "사과 바나나", "개 새", "훈련 시험", "기쁨 슬픔"],
    "cp437": ["café thé", "Größe Maß", "niño niña", "été hiver"],
    "utf-8": ["猫 狗", "고양이 개", "café thé"],
}


@pytest.mark.parametrize(("encoding", "names"), [(encoding, names) for encoding in NAMES for names in NAMES[encoding]])
def test_names_of_a_zip_that_does_not_say_how_are_read_in_their_script(
    encoding: str, names: str, tmp_path: Path
) -> None:
    class Unflagged(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:
            return self.filename.encode(encoding), 0

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in names.split():
            archive.writestr(Unflagged(f"{name}/1.png"), png(1))
    found = containers.list_members(tmp_path / "a.zip")
    assert {*found.files} == {f"{name}/1.png" for name in names.split()}
    assert len(parts(found.notes)) == (encoding in ("gb18030", "big5", "cp932", "cp949"))


# forms that are refused by name, with advice that works


def follow(sentence: str) -> subprocess.CompletedProcess:
    """Run the command that a sentence gives."""
    command = sentence.split("`")[1]
    return subprocess.run(
        shlex.split(command), check=True, capture_output=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    )


@pytest.mark.parametrize(
    ("magic", "name"),
    [(b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07\x01\0", "rar"), (b"\x28\xb5\x2f\xfd", "zstd")],
)
def test_archive_of_a_foreign_kind_is_named_whatever_its_ending(magic: bytes, name: str, tmp_path: Path) -> None:
    path = save(magic + bytes(200), tmp_path / "pets.zip")
    assert name in message(path, tmp_path / "cache")
    folder = tmp_path / "down load"
    save(magic + bytes(200), folder / "pets.bin")
    assert name in message(folder, tmp_path / "cache") and "pets.bin" in message(folder, tmp_path / "cache")


def test_parts_of_an_archive_are_refused_with_a_command_that_joins_them(tmp_path: Path) -> None:
    whole = b"PK\x03\x04" + np.random.default_rng(0).bytes(896)
    for place in range(3):
        save(whole[300 * place : 300 * place + 300], tmp_path / "my data" / f"pets.zip.00{place + 1}")
    for given in (tmp_path / "my data", tmp_path / "my data" / "pets.zip.001"):
        said = message(given, tmp_path / "cache")
        assert "one part of an archive" in said
        subprocess.run(said.split("`")[1], shell=True, check=True)
        assert (tmp_path / "my data" / "pets.zip").read_bytes() == whole
        (tmp_path / "my data" / "pets.zip").unlink()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "a web page.*signed in"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "Git LFS.*git lfs pull"),
        (bytes(128) + b"DICM" + bytes(50), "a DICOM image.*as PNG files"),
    ],
)
def test_what_is_no_data_is_called_by_its_name(content: bytes, said: str, tmp_path: Path) -> None:
    alone = save(content, tmp_path / "pets.zip")
    save(content, tmp_path / "folder" / "pets.bin")
    for given in (alone, tmp_path / "folder"):
        assert re.search(said, message(given, tmp_path / "cache"))


def test_database_is_refused_with_a_command_that_writes_its_images(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "my pets.db") as base:
        base.execute("CREATE TABLE images (label TEXT, image BLOB)")
        base.executemany("INSERT INTO images VALUES (?, ?)", [(name.split("/")[0], PETS[name]) for name in PETS])
    said = message(tmp_path / "my pets.db", tmp_path / "cache")
    assert "SQLite" in said
    follow(said)
    written = {file.parent.name: file for file in (tmp_path / "my pets_unpacked").rglob("*") if file.is_file()}
    assert {*written} == {"cat", "dog"} and written["dog"].read_bytes() in PETS.values()


def test_pictures_known_by_their_ending_alone_are_refused_with_a_command_that_converts_them(tmp_path: Path) -> None:
    for name, content in half("cat").items():
        Image.open(io.BytesIO(content)).save(save(b"", tmp_path / "my pets" / name.replace(".png", ".tga")))
    save(b"file,label\n" + b"".join(b"%03d.tga,%d\n" % (n, n % 2) for n in range(50)), tmp_path / "my pets" / "t.csv")
    said = message(tmp_path / "my pets", tmp_path / "cache")
    assert "holds cat/000.tga, which is a picture in a form" in said
    follow(said)
    assert opened(tmp_path / "my pets", tmp_path / "cache").class_names == ("0", "1")


@pytest.mark.parametrize("mark", [",", ";"])
def test_a_table_of_addresses_is_refused_with_a_command_that_fetches_them(mark: str, tmp_path: Path) -> None:
    files = {save(content, tmp_path / "there" / name).as_uri(): name.split("/")[0] for name, content in PETS.items()}
    rows = [f"{address}{mark}{pet}" for address, pet in {**files, "file:///nowhere.png": "cat"}.items()]
    file = save("\n".join([f"url{mark}label", *rows]).encode(), tmp_path / "my pets" / "t.csv")
    for given in (file, file.parent):
        said = message(given, tmp_path / "cache")
        assert "is a table of addresses" in said
    follow(said)
    assert len(pairs(opened(file.parent / "t_unpacked", tmp_path / "cache"))) == 100


def test_a_table_whose_images_are_not_there_says_so(tmp_path: Path) -> None:
    save(b"file,label\n1.png,cat\n2.png,dog\n", tmp_path / "mine" / "t.csv")
    assert "and no images that it could name; put the images there" in message(tmp_path / "mine", tmp_path / "cache")


def test_arrays_without_names_are_called_as_their_files(tmp_path: Path) -> None:
    for split, count in (("train", 40), ("test", 20)):
        images = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        for kind, array in (("imgs", images), ("labels", np.arange(count) % 2)):
            (tmp_path / "mine").mkdir(exist_ok=True)
            np.savez(tmp_path / "mine" / f"kmnist-{split}-{kind}.npz", array)
    dataset = opened(tmp_path / "mine", tmp_path / "cache")
    assert (dataset.class_names, len(dataset.test.labels), len(pairs(dataset))) == (("0", "1"), 20, 60)


def test_raw_numbers_are_refused_by_name(tmp_path: Path) -> None:
    save(bytes(99), tmp_path / "mine" / "train_X.bin")
    assert "train_X.bin, which is raw numbers" in message(tmp_path / "mine", tmp_path / "cache")


def test_pickles_are_refused_with_a_command_that_writes_arrays(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (20, 3072), dtype=np.uint8)
    for name in ("data_batch_1", "test_batch"):
        save(pickle.dumps({b"data": rows, b"labels": [0, 1] * 10}, 2), tmp_path / "cifar" / name)
    said = message(tmp_path / "cifar", tmp_path / "cache")
    assert "pickle" in said
    follow(said)
    assert np.array_equal(np.load(tmp_path / "cifar" / "data_batch_1.npz")["data"], rows)


def test_hdf5_is_refused_with_a_command_that_writes_arrays(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "signs.h5", "w") as file:
        file["x_train"] = np.arange(48).reshape(3, 4, 4)
    said = message(tmp_path / "signs.h5", tmp_path / "cache")
    assert "HDF5" in said
    follow(said)
    assert np.load(tmp_path / "signs.h5.npz")["x_train"].sum() == 47 * 24


def test_tfrecord_is_refused_with_a_command_that_writes_its_images(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    with tf.io.TFRecordWriter(str(tmp_path / "records")) as writer:
        for name, content in list(PETS.items())[::10]:
            feature = {
                "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[content])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[int("dog" in name)])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    said = message(tmp_path / "records", tmp_path / "cache")
    assert "TFRecord" in said
    follow(said)
    assert (
        len([file for file in (tmp_path / "records_unpacked").glob("[01]/*") if file.read_bytes() in PETS.values()])
        == 10
    )
