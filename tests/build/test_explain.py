"""A page on a picture says what is measured of it, and what cannot be explained is told in a sentence."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import toy_dataset
from PIL import Image
from pypdf import PdfReader
from toys import spots

from helpers.base import words
from helpers.base.notebook import UsageError
from helpers.base.runs import read_run
from helpers.build.explain import command
from helpers.build.explain.explainer import Explainer
from helpers.build.explain.pictures import Picture, name_of, read_images
from helpers.data.datasets import Dataset
from helpers.data.reading import Pixels, Reading
from helpers.explain import neighbours
from helpers.grade import calibration
from helpers.networks.logits import all_probabilities
from helpers.run import Run
from helpers.training.recipes import get_recipe

pytestmark = pytest.mark.usefixtures("warm")

DATA = toy_dataset()
NOISE = np.random.default_rng(0).integers(0, 256, (24, 24, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    explainer = Explainer(Run(tmp_path_factory.mktemp("reports") / "toy", DATA, get_recipe("tiny"), seed=0))
    explainer.__dict__["temperature"] = 2.0  # so that raw and calibrated differ
    return explainer


@pytest.fixture
def finished(explainer: Explainer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of a run that opens as the toy run."""
    monkeypatch.setattr(command, "open_finished", lambda folder: explainer.run)
    return explainer.run.folder


def of_split(name: str, place: int) -> Picture:
    return read_images(f"{name}:{place}", DATA)[0][0]


def test_a_training_image_is_its_own_nearest_neighbour(explainer: Explainer) -> None:
    places = [0, 75, 170]
    features = neighbours.last_features(explainer.run.cnn().model, DATA.train.images[places])
    distances, found = explainer.index.nearest(features)
    assert found[:, 0].tolist() == places
    assert distances[:, 0].max() < 1e-3 < distances[:, 1].min()


def test_noise_is_unlike_all_training_images_and_an_image_of_the_data_is_not(explainer: Explainer) -> None:
    far, _ = explainer.explain(Picture("noise.png", NOISE))
    near, _ = explainer.explain(of_split("train", 5))
    assert far["unlike"] and far["texture"] > far["usual_texture"]
    assert not near["unlike"]
    assert "unlike all training images" in explainer.page(far)["sentences"][0]
    assert "is like the training images" not in explainer.page(far)["sentences"][0]
    assert "unlike" not in explainer.page(near)["sentences"][0]


def test_where_no_superpixel_speaks_for_the_answer_the_page_says_just_that(explainer: Explainer) -> None:
    numbers, _ = explainer.explain(of_split("test", 3))
    spoken = explainer.page(numbers | {"strongest": 2, "lime_share": 0.4})["sentences"]
    against = explainer.page(numbers | {"strongest": 0, "lime_share": 0.0})["sentences"]
    assert "2 of them speak most" in spoken[2] and "none of which speaks for" in against[2]
    assert "none of which" not in spoken[2] and "most for" not in against[2]
    assert spoken[:2] + spoken[3:] == against[:2] + against[3:] and "0%" not in against[2].split(";")[0]


OF_PAGES = (
    "so the answer is right.",
    "so the answer is wrong.",
    "falls from",
    "rises from",
    "stays",
    "No temperature",
)


@pytest.mark.parametrize(
    ("label", "hidden", "temperature", "told"),
    [("top", 0.2, 2.0, [0, 2]), ("bottom", 0.8, 2.0, [1, 3]), ("", 0.6, 2.0, [4]), ("", 0.6001, 1.0, [4, 5])],
)
def test_a_page_says_of_answer_change_and_temperature_what_is_so_and_nothing_else(
    label: str,
    hidden: float,
    temperature: float,
    told: list[int],
    explainer: Explainer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers, _ = explainer.explain(of_split("test", 3))
    monkeypatch.setitem(vars(explainer), "temperature", temperature)
    changed = {"answer": "top", "label": label, "calibrated": 0.6, "calibrated_hidden": hidden}
    page = explainer.page(numbers | changed)
    text = " ".join([page["lead"], *page["sentences"], *page["notes"]])
    assert [one for one in OF_PAGES if one in text] == [OF_PAGES[place] for place in told]


def test_the_limit_is_what_nearly_all_validation_images_stay_within(explainer: Explainer) -> None:
    features = neighbours.last_features(explainer.run.cnn().model, DATA.validation.images)
    own = np.linalg.norm(features[:, None] - explainer.index.features[None], axis=2).min(axis=1)
    assert explainer.index.limit == pytest.approx(np.quantile(own, neighbours.USUAL), rel=1e-3)


def test_the_numbers_of_the_sentence_are_those_of_a_recomputation(explainer: Explainer) -> None:
    picture = of_split("test", 3)
    numbers, _ = explainer.explain(picture)
    model, pixels = explainer.run.cnn().model, picture.pixels
    answer = DATA.class_names.index(numbers["answer"])
    method = explainer.methods[0]
    values = method.explain(model, pixels[None], np.array([answer]), explainer.settings)[0]
    first = np.argsort(-values.ravel())[: round(0.1 * values.size)]
    share = np.abs(values).ravel()[first].sum() / np.abs(values).sum()
    blurred = blur(pixels)
    shown = pixels.reshape(-1, 1).copy()
    shown[first] = blurred.reshape(-1, 1)[first]
    raw = all_probabilities(model, np.stack([pixels, shown.reshape(pixels.shape)]))
    whole, hidden = calibration.calibrate(raw, 2.0)[:, answer]
    assert numbers["top_share"] == pytest.approx(share, rel=1e-4)
    assert (numbers["calibrated"], numbers["calibrated_hidden"]) == pytest.approx((whole, hidden), abs=1e-4)
    said = explainer.page(numbers)["sentences"][1]
    assert f"{share:.0%} of the relevance" in said and f"{hidden:.1%}" in said
    assert numbers["raw"] > numbers["calibrated"]


def blur(pixels: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(pixels.astype(np.float32), (2.4, 2.4, 0), mode="nearest").round().astype(np.uint8)


def test_the_best_graded_methods_are_shown_and_lime_stands_apart(explainer: Explainer) -> None:
    ranks = {"SmoothGrad": 2.0, "LIME": 1.0, "occlusion": 3.0, "gradient": 9.0, "edge map": 1.5, "RISE": 4.0}
    graded = Explainer(explainer.run)
    graded.__dict__["ranks"] = ranks
    assert [one.name for one in graded.methods] == ["SmoothGrad", "occlusion", "RISE"]


def test_good_pictures_are_made_and_bad_ones_named(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(NOISE[..., 0]).save(tmp_path / "noise one.png")
    (tmp_path / "text.jpg").write_text("no picture")
    path, wrong = command.explain(f"'{tmp_path / 'noise one.png'}' {tmp_path / 'text.jpg'} test:4,999999", finished)
    assert len(PdfReader(path).pages) == 2
    rows = [*csv.DictReader(path.with_name(f"{path.stem}.csv").open())]
    assert [row["picture"] for row in rows] == ["noise one.png", "test:4"]
    assert len(wrong) == 2 and "text.jpg" in wrong[0] and "0 to 59" in wrong[1]
    text = re.sub(r"\s+", " ", PdfReader(path).pages[0].extract_text())
    assert "noise one.png" in text and "calibrated probability" in text and "raw" in text


def test_pages_are_in_the_language_that_is_asked_for(
    finished: Path, capsys: pytest.CaptureFixture[str], cli: Callable
) -> None:
    (finished / "run.json").write_text("{}")
    given = ["explain", "IMAGES=test:7", f"RUN={finished.name}", f"REPORTS={finished.parent}"]
    assert cli(*given, "LANGUAGE=en zh-Hant") == 0
    english, chinese = map(Path, capsys.readouterr().out.splitlines()[:2])
    assert (english.name, chinese.name) == ("test-7.pdf", "test-7.zh-Hant.pdf")
    texts = [re.sub(r"\s+", "", PdfReader(path).pages[0].extract_text()) for path in (english, chinese)]
    assert "calibratedprobability" in texts[0] and "校正後的機率為" in texts[1] and "Thenetwork" not in texts[1]
    assert cli(*given, "LANGUAGE=klingon") == 2
    assert "There is no LANGUAGE=klingon" in capsys.readouterr().err


@pytest.mark.parametrize(("language", "told"), [("en", "gives the same answer"), ("zh-Hant", "都給同一個答案")])
def test_a_network_that_always_gives_one_class_is_told_first_on_a_page_and_a_good_one_is_not(
    language: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = []
    for guess in (100.0, 0.0):
        run = Run(tmp_path / str(guess), DATA, get_recipe("tiny"), seed=0)
        vars(run)["_headline"] = spots(guess)
        monkeypatch.setattr(command, "open_finished", lambda folder, run=run: run)
        with words.use(language):
            path, _ = command.explain("test:7", run.folder)
        texts.append(re.sub(r"\s+", "", PdfReader(path).pages[0].extract_text()))
    told, answers = told.replace(" ", ""), "校正後" if language != "en" else "Thenetworkanswers"
    assert -1 < texts[0].find(told) < texts[0].find(answers)
    assert told not in texts[1] and answers in texts[1]


def test_every_sentence_of_a_page_has_its_place() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in Path(command.__file__).parent.glob("*.py"))
    keys = [key.removeprefix("explain.") for key in words.catalogue("en") if key.startswith("explain.")]
    groups = "splits", "fits", "colours"
    assert [key for key in keys if key.split(".")[0] not in groups and not re.search(rf'[".]{key}"', code)] == []


@pytest.mark.parametrize(
    ("images", "told"), [("test:999999", "0 to 59"), ("missing.jpg", "no file"), ("", "names no picture"), ("{}", "no")]
)
def test_where_nothing_can_be_explained_nothing_is_written(
    images: str, told: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], cli: Callable
) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    finished.mkdir(parents=True, exist_ok=True)
    (finished / "run.json").write_text("{}")

    def written() -> list[Path]:  # but for the note of what the network was asked for, which no one has to be the first
        return sorted(path for path in finished.rglob("*") if "uses" not in path.parts)

    before = written()
    given = [f"IMAGES={images.format(tmp_path)}", f"RUN={finished.name}", f"REPORTS={finished.parent}"]
    assert cli("explain", *given) == 2
    message = capsys.readouterr().err
    assert told in message and message.count("\n") == 1
    assert written() == before


def test_folders_in_a_folder_are_told_to_be_passed_over_and_are_no_error(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], cli: Callable
) -> None:
    finished.mkdir(parents=True, exist_ok=True)
    (finished / "run.json").write_text("{}")
    photos, told = tmp_path / "photos", "photos holds 2 folders (cats, dogs), not looked into"
    for folder in ("cats", "dogs", ".cache"):
        (photos / folder).mkdir(parents=True)
    given = [f"IMAGES={photos}", f"RUN={finished.name}", f"REPORTS={finished.parent}"]
    assert cli("explain", *given) == 2
    assert f"{told}, and no picture; " in capsys.readouterr().err
    Image.fromarray(NOISE[..., 0]).save(photos / "one.png")
    assert cli("explain", *given) == 0
    captured = capsys.readouterr()
    assert captured.out.count(f"{told}; ") == 1 and "error" not in captured.err
    for folder in ("cats", "dogs"):
        (photos / folder).rmdir()
    assert cli("explain", *given) == 0
    assert "not looked into" not in capsys.readouterr().out


def test_a_missing_run_or_one_without_a_report_is_a_sentence_that_names_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cli: Callable
) -> None:
    assert cli("explain", "IMAGES=a.jpg", "RUN=nowhere", f"REPORTS={tmp_path}") == 2
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "run.json").write_text('{"recipe": "tiny"}')
    assert cli("explain", "IMAGES=a.jpg", f"REPORTS={tmp_path}") == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "There is no run nowhere" in first and "`make report`" in first
    assert "has no report yet" in second and "make report DATASET" in second
    assert read_run(tmp_path / "bare") == {"recipe": "tiny"}


def test_without_a_name_the_only_run_that_has_a_report_is_meant(tmp_path: Path) -> None:
    for name in ("begun", "made", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    with pytest.raises(UsageError, match="choose one with RUN=name: begun, made, other"):
        command.choose_run(tmp_path, "")
    (tmp_path / "made" / "report.pdf").touch()
    assert command.choose_run(tmp_path, "").name == "made"
    assert command.choose_run(tmp_path, "begun").name == "begun"
    (tmp_path / "other" / "report.zh-Hant.pdf").touch()
    with pytest.raises(UsageError, match="choose one"):
        command.choose_run(tmp_path, "")


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_file_is_read_as_the_data_were(fit: str, tmp_path: Path) -> None:
    picture = Image.fromarray(np.tile(np.arange(96, dtype=np.uint8)[:, None], (1, 48)))
    exif = picture.getexif()
    exif[0x0112] = 6  # the camera was turned
    picture.save(tmp_path / "a.png", exif=exif)
    data = Dataset(**{**vars(DATA), "reading": Reading(pixels=Pixels(24, colour=False, fit=fit))})
    (found,), _ = read_images(str(tmp_path / "a.png"), data)
    assert found.pixels.shape == (24, 24, 1)
    assert np.ptp(found.pixels[12].astype(int)) > 30  # what went from top to bottom goes from side to side
    assert (found.pixels[0].max() == 0) == (fit == "pad")


def test_each_probability_is_said_to_be_calibrated_or_raw() -> None:
    text = "\n".join(said for key, said in words.catalogue("en").items() if key.startswith("explain."))
    fields = re.findall(r"(calibrated|raw)( probability of)? \{(\w+):\.1%\}", text)
    said = {field: kind for kind, _, field in fields}
    numbers = {field for field in re.findall(r"\{(\w+)[:}]", text) if re.search("calibrated|(^|_)raw$", field)}
    assert said.keys() == numbers and all(said[field] in field for field in numbers)


# Where no number of the network's is shown, or one that is no probability of the network's alone.
OF_PROBABILITIES_IN_GENERAL = {
    "01_train_cnn.accuracies", "01_train_cnn.suspects", "01_train_cnn.given.logarithms",
    *(f"03_confusion_matrix.calibration.{key}" for key in ("heading", "diagram", "table", "lowers", "raises")),
    "explain.fitted", "faults.softmax", "figures.answer_probability", "grades.blind", "grades.least_changed",
    "layout.trust_intro", "refused.unlabelling",
}  # fmt: skip


def test_wherever_a_probability_is_shown_the_words_say_which() -> None:
    plain = re.compile(r"(?<!raw )(?<!calibrated )probabilit|(?<!原始)(?<!校正後)(?<!校正後的)機率", re.IGNORECASE)
    all_said = [said for language in ("en", "zh-Hant") for said in words.catalogue(language).items()]
    assert {key for key, said in all_said if plain.search(said)} == OF_PROBABILITIES_IN_GENERAL


def test_files_are_named_after_what_was_asked_for() -> None:
    assert [name_of(x) for x in ("test:17,42", "a/b.jpg c.jpg", "'a b.jpg' c.jpg")] == ["test-17-42", "b+1", "a-b+1"]
