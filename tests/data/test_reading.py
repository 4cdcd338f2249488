"""What is said of how data are read: all that a reader fills in, by every reader there is and one that comes later."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.base import words
from helpers.base.files import ROOT
from helpers.base.words import parts, said
from helpers.data import readers
from helpers.data.containers import Members
from helpers.data.datasets import SPLITS, identify, load_dataset
from helpers.data.options import Options, read_options
from helpers.data.reading import Pixels, Reading, Unused, count, from_json
from helpers.data.sources import Contents, DatasetError, Record, refused


@pytest.fixture
def reading() -> Reading:
    return Reading(
        title="Pets",
        class_names=("cat", "dog"),
        labels_from="the names of folders at level 1",
        pixels=Pixels(64, colour=True, bits=12, cropped=0.31, notes=("Much is cut off.",)),
        splits_from=said("data.splits.folders"),
        counts={"train": {"cat": 1200, "dog": 7}, "test": {"cat": 3}},
        unused=(Unused(said("data.left.masks"), 5, "cat/0_mask.png"),),
        recognised_by=said("data.known_by.food11_files"),
        options={"CLASS_LEVEL": "2"},
        notes=("Take care.",),
    )


def test_everything_of_a_reading_is_said(reading: Reading) -> None:
    told_in_all = " ".join(parts(reading.sentences()))
    told = ["Pets", "its folders training", "1,210 images", "level 1", "cat 1,200 and dog 7", "cat 3", "64 × 64"]
    told += ["in colour", "12 bits", "31%", "5 masks beside the images, such as cat/0_mask.png", "CLASS_LEVEL=2"]
    told += ["Much is cut off.", "Take care."]
    assert [part for part in told if part not in told_in_all] == []


def test_the_words_of_readings_are_all_said() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "helpers" / "data").rglob("*.py"))

    def is_said(key: str) -> bool:
        """Tell whether code has a key, or its beginning and, by itself, its end, which it joins."""
        begin, _, end = key.rpartition(".")
        ends = (f'"{end}"', f'"{end.rpartition("_")[2]}"')
        return key in code or (f'f"{begin}.' in code and any(part in code for part in ends))

    assert [key for key in words.catalogue(words.PLAIN) if key.startswith("data.") and not is_said(key)] == []


def test_what_files_are_called_is_never_translated() -> None:
    names = {"column": "images", "tables": ["test", "true"]}
    with words.use("zh-Hant"):
        assert words.show(said("data.labels.column", **names)) == "test 和 true 的「images」欄"


def test_a_reading_survives_its_file(reading: Reading) -> None:
    kept = from_json(json.loads(json.dumps(reading.as_json())))
    assert parts(kept.sentences()) == parts(reading.sentences()) and kept.as_json() == reading.as_json()


def test_a_refusal_is_told_in_the_language_that_is_spoken_and_can_be_printed() -> None:
    with words.use("zh-Hant"), pytest.raises(DatasetError, match=r"找不到資料集「no\\nwhere」"):
        load_dataset("no\nwhere")
    assert str(refused("folds", path=Path("a\tb"), names=[f"fold{n}" for n in range(14)])).startswith(
        "a\\tb has the folds 'fold0', 'fold1', "
    )
    assert "'fold11' and 2 more, each" in str(refused("folds", path="x", names=[f"fold{n}" for n in range(14)]))


def _find(path: Path, members: Members) -> list[str]:
    return [name for name in members.files if name.endswith(".grey")]


def _read(path: Path, members: Members, found: list[str], options: Options) -> Contents:
    """Read files of one byte, the grey level of the image, in files named by class and number."""
    names = sorted({name.split("_")[0] for name in found})
    pixels = Pixels(options.image_size or 24, colour=False)
    pairs = [("", name.split("_")[0]) for name in found]
    reading = Reading("Greys", tuple(names), "the beginnings of file names", pixels, counts=count(pairs))
    images = (np.full(pixels.shape, members.files[name]().read()[0], np.uint8) for name in found)
    return Contents(reading, (Record(n, names.index(n.split("_")[0]), "", image) for n, image in zip(found, images)))


def test_a_new_reader_is_one_entry_in_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(60):
        tmp_path.joinpath(f"{'dark' if index < 30 else 'light'}_{index}.grey").write_bytes(bytes([index * 4]))
    with pytest.raises(DatasetError, match="holds no labelled images"):
        load_dataset(str(tmp_path), tmp_path / ".cache")
    monkeypatch.setattr(readers, "READERS", [*readers.READERS, readers.Reader("grey bytes", _find, _read)])
    dataset = load_dataset(str(tmp_path), tmp_path / ".cache")
    assert dataset.class_names == ("dark", "light") and dataset.title == "Greys"
    images = np.concatenate([getattr(dataset, split).images for split in SPLITS])
    assert sorted(images[:, 0, 0, 0].tolist()) == [index * 4 for index in range(60)]
    assert sum(dataset.reading.counts["train"].values()) == len(dataset.train.labels)


def test_options_are_part_of_the_fingerprint_where_they_are_chosen(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    found = [identify(str(tmp_path), options=options).fingerprint for options in (Options(), Options(class_level=2))]
    assert found[0] != found[1]
    assert identify(str(tmp_path), options=Options(fit="crop")).fingerprint == found[0]


@pytest.mark.parametrize(("name", "value"), [("CLASS_LEVEL", "two"), ("FIT", "squeeze")])
def test_an_option_that_is_none_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(DatasetError, match=f"{name}={value}"):
        read_options({name: value})


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("Cat", "cat", "dog"), "'Cat' and 'cat'"),
        (("ice cream", "ice_cream", "icecream", "tea"), "'ice cream', 'ice_cream' and 'icecream'"),
        (("dog", "dog - Copy", "dog (1)", "dog (12)"), "dog, dog - Copy, dog (1) and dog (12)"),
        (("cat", "cats", "1", "-1", "+", "-"), ""),
    ],
)
def test_classes_that_only_their_spelling_tells_apart_are_told(names: tuple[str, ...], told: str) -> None:
    sentences = parts(Reading(class_names=names, counts={"train": dict.fromkeys(names, 3)}).sentences())
    found = [sentence for sentence in sentences if "differ in capitals, blanks, dashes" in sentence]
    assert bool(found) == bool(told)
    assert not told or told.replace("'", "") in found[0].replace("'", "")


@pytest.mark.parametrize(("classes", "named"), [("a,a", "'a'"), (",", "''"), ("a,", "''")])
def test_names_for_classes_that_are_twice_or_none_are_refused(classes: str, named: str, tmp_path: Path) -> None:
    for label in ("0", "1"):
        (tmp_path / "digits" / label).mkdir(parents=True)
        for number in range(6):
            pixels = np.random.default_rng(number + 10 * int(label)).integers(0, 255, (32, 32), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "digits" / label / f"{number}.png")
    with pytest.raises(DatasetError, match=f"several classes the name {named}") as error:
        load_dataset(str(tmp_path / "digits"), tmp_path / "cache", options=Options(classes=classes))
    assert "\n" not in str(error.value)
