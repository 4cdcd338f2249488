"""A run trains each network once, keeps what it computed, and chooses images as it says."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import toy_dataset

from helpers.answers import load_answer
from helpers.base.files import write_json
from helpers.base.runs import read_run
from helpers.data.datasets import Split
from helpers.grade.confusion import class_report
from helpers.networks.own.source import NetworkError, Source
from helpers.networks.prediction import softmax
from helpers.networks.sample import Sample
from helpers.networks.views import enlarged_crops, four_crops, ten_views
from helpers.run import Run, open_run
from helpers.training.augmentation import Augmentation
from helpers.training.recipes import Member, get_recipe, slow_down

pytestmark = pytest.mark.usefixtures("warm")

NAMES = ("top", "middle", "bottom")


@pytest.fixture
def untrained(tmp_path: Path) -> Run:
    return Run(tmp_path / "toy", toy_dataset(), get_recipe("tiny"), seed=0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs in which the CNN of `run` is trained."""
    folder = tmp_path_factory.mktemp("trained")
    Run(folder / "toy", toy_dataset(), get_recipe("tiny"), seed=0).cnn()
    return folder


@pytest.fixture
def run(untrained: Run, trained: Path) -> Run:
    """A run that finds its CNN trained."""
    shutil.copytree(trained, untrained.folder.parent, dirs_exist_ok=True)
    return untrained


def give_probabilities(run: Run, monkeypatch: pytest.MonkeyPatch, probabilities: np.ndarray) -> None:
    monkeypatch.setattr(Run, "probabilities", lambda self, split="test": probabilities)


def test_the_network_is_trained_once_and_its_probabilities_are_kept(
    untrained: Run, capsys: pytest.CaptureFixture
) -> None:
    run = untrained
    probabilities = run.probabilities("test")
    assert "training cnn" in capsys.readouterr().out
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    reopened = Run(run.folder, run.dataset, run.recipe, run.seed)
    np.testing.assert_array_equal(reopened.probabilities("test"), probabilities)
    assert capsys.readouterr().out == ""
    (kept,) = run.keeper.folder.glob("probabilities_test_*.npz")
    for harmed in (b"", kept.read_bytes()[:-8], b"no array"):
        kept.write_bytes(harmed)
        np.testing.assert_array_equal(reopened.probabilities("test"), probabilities)


def test_a_network_of_ones_own_is_checked_as_it_was_trained_by_whoever_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(Path(__file__).parent / "kinds.py", "guide")
    run = Run(tmp_path / "toy", toy_dataset(), get_recipe("tiny"), seed=0, own=source)
    trained = run.network("cnn")
    asked = [check.what for check in run.checks()]
    assert len(asked) == len({*asked}) == 5 and len([*run.keeper.folder.glob("explainable_*")]) == 1
    *_, last = (layer for layer in trained.model.layers if layer.weights)
    last.set_weights([last.get_weights()[0] * [1, 1, 0], last.get_weights()[1]])  # it has unlearned the last class
    monkeypatch.setattr(Run, "network", lambda self, name: trained)
    again = Run(run.folder, run.dataset, run.recipe, run.seed, own=source)
    with pytest.raises(NetworkError, match=r"guide cannot be explained: .* for the class bottom is 0"):
        again.cnn()


def test_a_sample_is_correct_and_confident_where_it_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = run.dataset.test.labels
    probabilities = np.full((len(labels), 3), 0.01, np.float32)
    probabilities[np.arange(len(labels)), labels] = 0.98
    probabilities[labels == 1] = [0.2, 0.5, 0.3]  # the middle class: correct, never confident
    probabilities[np.flatnonzero(labels == 1)[3]] = [0.1, 0.7, 0.2]
    probabilities[labels == 2] = [0.6, 0.3, 0.1]  # the bottom class: never correct
    give_probabilities(run, monkeypatch, probabilities)
    sample = run.sample(per_class=2, min_confidence=0.9)
    assert sample.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert sample.confident.tolist() == [True, True, False, False, False, False]
    assert sample.indices[2] == np.flatnonzero(labels == 1)[3]  # the most confident of its class comes first
    assert sample.predicted.tolist() == [0, 0, 1, 1, 0, 0]
    np.testing.assert_array_equal(sample.images, run.dataset.test.images[sample.indices])


def test_the_choice_follows_from_the_seed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sure = np.eye(3, dtype=np.float32)[run.dataset.test.labels]
    give_probabilities(run, monkeypatch, sure)
    other = Run(run.folder, run.dataset, run.recipe, seed=1)
    chosen = [r.sample(per_class=5).indices.tolist() for r in (run, run, other)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert run.random_sample(9).indices.tolist() == run.random_sample(9).indices.tolist()


def test_of_many_classes_some_are_shown_from_the_best_to_the_worst(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "recalls", lambda self: np.array([0.5, 0.9, 0.1]))
    give_probabilities(run, monkeypatch, np.eye(3, dtype=np.float32)[run.dataset.test.labels])
    assert run.sample(most=3).labels.tolist() == [0, 1, 2]
    assert run.sample(most=2).labels.tolist() == [1, 2]
    assert run.sample(per_class=2, most=2, only="middle").labels.tolist() == [1, 1]
    assert run.sample(only="middle", image=7).indices.tolist() == [7]


def test_recall_is_read_from_notebook_03_unless_that_rests_on_another_network(run: Run) -> None:
    predicted, labels = run.probabilities().argmax(axis=1), run.dataset.test.labels
    counted = class_report(labels, predicted, NAMES)["recall"]
    np.testing.assert_allclose(run.recalls(), counted)  # there is no answer yet
    for origin, expected in [(run.origin(), [0.25, 0.5, 0.75]), ("another network", counted)]:
        answer = run.answer("03_confusion_matrix", "title", "question")
        answer.number("recall", dict(zip(NAMES, [0.25, 0.5, 0.75], strict=True)))
        answer.number("origin", origin)
        answer.save()
        np.testing.assert_allclose(run.recalls(), expected)


@pytest.mark.parametrize(("wanted", "place"), [("", 2), ("middle", 1), ("top", 0)])
def test_an_image_is_chosen_by_class_or_preferred_among_the_confident(wanted: str, place: int) -> None:
    labels, confident = np.array([0, 1, 2]), np.array([True, False, True])
    sample = Sample(np.zeros((3, 4, 4, 1)), labels, labels, np.ones(3), labels, NAMES, None, confident)
    assert sample.choose(wanted, np.array([1.0, 9.0, 5.0])) == place
    with pytest.raises(ValueError, match=r"'left'.*top, middle, bottom"):
        sample.choose("left", np.zeros(3))


def test_class_counts_account_for_every_image(run: Run) -> None:
    counts = run.class_counts().set_index("class")
    assert counts.loc["all"].tolist() == [180, 60, 60]
    assert (counts.loc[list(NAMES)].sum() == counts.loc["all"]).all()


def test_another_weight_makes_new_predictions(run: Run) -> None:
    trained = run.cnn()
    before = run.predict(trained, "test")
    weights = trained.model.get_weights()
    trained.model.set_weights([weights[0] * -1, *weights[1:]])
    assert not np.allclose(run.predict(trained, "test"), before)


def test_kept_predictions_that_were_changed_are_made_again(run: Run) -> None:
    before = run.predict(run.cnn(), "test")
    (kept,) = run.keeper.folder.glob("probabilities_test_*.npz")
    for harmed in (kept.read_bytes()[:-40], kept.read_bytes()[:-40] + bytes(40)):
        kept.write_bytes(harmed)
        np.testing.assert_array_equal(run.predict(run.cnn(), "test"), before)


def test_kept_predictions_depend_on_precision_and_code(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = run.cnn()
    for _ in range(2):
        run.predict(trained, "test")
    monkeypatch.setenv("PRECISION", "bfloat16")
    run.predict(trained, "test")
    monkeypatch.setattr("helpers.run.code_digest", lambda *_: "changed")
    run.predict(trained, "test")
    assert len([*run.keeper.folder.glob("probabilities_test_*.npz")]) == 3


def test_seeds_and_recipes_in_turn_train_each_network_once(untrained: Run, capsys: pytest.CaptureFixture) -> None:
    run = untrained
    wide = replace(run.recipe, plan=replace(run.recipe.plan, batch_size=32))
    turns = [(0, run.recipe), (1, run.recipe), (0, run.recipe), (0, wide), (0, run.recipe)]
    trained = []
    for number, (seed, recipe) in enumerate(turns):
        folder = run.folder.with_name(f"run{number}")  # other runs of the same data
        Run(folder, run.dataset, recipe, seed).cnn()
        trained.append("training cnn" in capsys.readouterr().out)
    assert trained == [True, True, False, True, False]


def test_what_a_function_made_is_found_by_another_run_of_the_same_data(run: Run) -> None:
    labels, network = run.dataset.test.labels, run.probabilities()
    first = run.keep(class_report, labels, network.argmax(axis=1), NAMES)
    again = replace(run, folder=run.folder.with_name("other")).keep(class_report, labels, network.argmax(axis=1), NAMES)
    pd.testing.assert_frame_equal(first, again)
    assert len([*run.keeper.folder.glob("class_report_*.npz")]) == 1


def test_views_are_averaged_and_kept_apart_from_the_plain_prediction(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECISION", "float32")
    trained, images = run.cnn(), run.dataset.test.images
    plain, averaged = run.predict(trained, "test"), run.predict_views(trained, "test")
    for views in (four_crops, enlarged_crops, ten_views):
        each = [softmax(trained.model.predict(view, verbose=0)) for view in views(images)]
        np.testing.assert_allclose(run.predict_views(trained, "test", views), np.mean(each, axis=0), atol=1e-4)
    assert not np.allclose(averaged, run.predict_views(trained, "test", ten_views), atol=1e-4)
    assert not np.allclose(averaged, plain, atol=1e-4)
    np.testing.assert_array_equal(run.predict_views(trained, "test"), averaged)
    np.testing.assert_array_equal(run.predict_views(trained, "test", four_crops), averaged)
    blurred = run.predict_views(replace(trained, views=enlarged_crops), "test")  # as the network says itself
    np.testing.assert_array_equal(run.predict_views(trained, "test", enlarged_crops), blurred)
    assert not np.allclose(averaged, blurred, atol=1e-4)
    np.testing.assert_array_equal(run.predict(trained, "test"), plain)


def test_other_data_make_new_predictions_of_the_same_network(run: Run) -> None:
    trained = run.cnn()
    before = run.predict(trained, "test")
    turned = replace(run.dataset, test=Split(run.dataset.test.images[::-1], run.dataset.test.labels), fingerprint="b")
    np.testing.assert_allclose(replace(run, dataset=turned).predict(trained, "test"), before[::-1], atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("faces", "slow", 0), "'slow'.*quick, full"),
        (("faces", "quick", -1), "SEED=-1 is no whole number"),
        (("no-such-set", "quick", 0), "no-such-set"),
    ],
)
def test_opening_a_run_names_what_is_wrong_and_leaves_nothing(arguments: tuple, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        open_run(*arguments, reports=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_split_is_an_error_that_names_the_legal_ones(run: Run) -> None:
    with pytest.raises(ValueError, match=r"'exam'.*train, validation, test"):
        run.split("exam")


def test_the_networks_of_a_recipe_differ_as_their_names_say(run: Run) -> None:
    slow = slow_down(run.recipe.plan)
    wide = Run(run.folder, run.dataset, replace(run.recipe, trainings=3, others={"vgg9": slow}), seed=5)
    names = ["cnn", "cnn_second", "dnn", "cnn_plain", "cnn_normalized", "cnn_bare"]
    assert [*run.networks] == names
    again = {name for name in wide.networks if name[-6:-1] == "_seed"}
    assert wide.networks.keys() - again == {*names, "cnn_bare_fast", "vgg9", "vgg9_dnn"}
    assert again >= {f"{name}_seed{i}" for name in ("cnn", "dnn", "cnn_plain") for i in (1, 2)}
    assert len({network.draw for name, network in wide.networks.items() if name[:8] in ("cnn", "cnn_seed")}) == 3
    sizes = {name: wide.networks[name].build(0).count_params() for name in ("cnn", "dnn", "vgg9", "vgg9_dnn")}
    assert abs(sizes["dnn"] / sizes["cnn"] - 1) < 1e-3 and abs(sizes["vgg9_dnn"] / sizes["vgg9"] - 1) < 1e-3
    assert wide.networks["vgg9"].plan == slow and wide.networks["cnn_seed2"].plan == run.recipe.plan
    augmented = {name for name, network in wide.networks.items() if network.plan.augmentation != Augmentation()}
    assert augmented == {name for name in wide.networks if not name.startswith(("cnn_plain", "cnn_norm", "cnn_bare"))}
    with pytest.raises(ValueError, match="no network 'vgg12': choose one of cnn, cnn_second, dnn"):
        run.network("vgg12")


def test_the_plan_of_a_network_is_its_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "network", lambda own, name: SimpleNamespace(model=own.networks[name].build(0)))
    cnn, dnn = (run.plan(name)["phases"][0]["learning_rate"] for name in ("cnn", "dnn"))
    assert (cnn, dnn) == (run.recipe.plan.phases[0].learning_rate, slow_down(run.recipe.plan).phases[0].learning_rate)


def test_a_member_learns_its_teachers_predictions_of_ten_views(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(run.recipe.plan, phases=(replace(run.recipe.plan.phases[0], distillation=1.0),))
    alone = replace(plan, phases=(replace(plan.phases[0], self_distillation=1.0),))
    members = {
        "student": Member("vgg9_small", plan),
        "pupil": Member("slim8", plan, draw=3, teachers=("student",)),
        "recluse": Member("slim8", alone, teachers=("student",)),
    }
    recipe = replace(run.recipe, trainings=2, members=members, ensemble=("cnn", "cnn_second", "student", "pupil"))
    recipe = replace(recipe, teachers=("cnn", "cnn_seed1"))
    taught = replace(run, recipe=recipe)
    assert taught.taught() == {("cnn", "cnn_seed1"): ["student"], ("student",): ["pupil"]} and run.taught() == {}
    assert (taught.networks["pupil"].build(0).name, taught.networks["pupil"].plan) == ("slim8", plan)
    given, asked = {}, []
    monkeypatch.setattr(
        "helpers.run.load_or_train",
        lambda *_, soft_targets, seed, name, **__: given.setdefault(name, (seed, soft_targets)) and name,
    )
    said = {
        name: np.float32([[share, 1 - share]]) for name, share in {"cnn": 0.8, "cnn_seed1": 0.4, "student": 0.1}.items()
    }
    monkeypatch.setattr(Run, "predict_views", lambda _, name, split, views: asked.append((split, views)) or said[name])
    assert [*taught.members()] == ["CNN", "member 2", "student", "pupil"]
    assert set(asked) == {("train", ten_views)}
    np.testing.assert_allclose(given["student"][1], [[0.6, 0.4]])
    np.testing.assert_array_equal(given["pupil"][1], said["student"])
    assert given["pupil"][0] == given["student"][0] + 3000 and given["cnn"][1] is None


def test_images_with_a_twin_in_training_are_told_apart_and_counted(run: Run) -> None:
    assert run.without_twin("test").all() and run.tested_splits == ("validation", "test")
    images = run.dataset.test.images.copy()
    images[7] = run.dataset.train.images[3]
    dataset = replace(run.dataset, test=replace(run.dataset.test, images=images))
    twin = Run(run.folder, dataset, run.recipe, run.seed)
    assert np.flatnonzero(~twin.without_twin("test")).tolist() == [7]
    found = twin.audit().set_index("finding").loc["images with a twin in train"]
    assert (found["validation"], found["test"]) == (0, 1)


def test_a_split_that_is_both_is_tested_and_counted_once(run: Run) -> None:
    both = Run(run.folder, replace(run.dataset, validation=run.dataset.test), run.recipe, run.seed)
    assert both.tested_splits == ("test",)
    assert [*both.class_counts().columns] == ["class", "train", "test"]
    assert [*both.audit().columns] == ["finding", "train", "test", "all"]


def test_what_was_left_out_is_listed_in_the_run_and_no_longer_when_it_is_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = replace(toy_dataset(), skipped=(('a, "b".png', "is empty"), ("貓.png", "is not an image")))
    monkeypatch.setattr("helpers.run.load_dataset", lambda *_, **__: toy)
    folder = open_run("toy", "tiny", 0, reports=str(tmp_path)).folder
    assert (folder / "skipped.csv").read_text() == 'file,reason\n"a, ""b"".png",is empty\n貓.png,is not an image\n'
    monkeypatch.setattr("helpers.run.load_dataset", lambda *_, **__: replace(toy, skipped=()))
    open_run("toy", "tiny", 0, reports=str(tmp_path))
    assert not (folder / "skipped.csv").exists()


def test_the_record_and_every_answer_say_with_what_they_were_made(run: Run) -> None:
    own = {"PAIRS": 3, "CLASSES": 40, "IMAGES": 7, "SMALLEST": 1.0, "SIGNIFICANCE": 0.05}
    write_json(run.folder / "run.json", {"network": "vgg9"})
    for cell in (own, own | {"PAIRS": 2}):  # the second is by hand, and not the report's
        names = {"run": run, **cell}
        exec("run.answer('03_confusion_matrix', 'title', 'question').save()", names)
    folders = run.folder, run.folder / "by-hand" / "PAIRS=2"
    answers = [load_answer(folder, "03_confusion_matrix") for folder in folders]
    for answer, pairs in zip(answers, (3, 2), strict=True):
        assert answer["parameters"] == own | {"PAIRS": pairs}
        made_with = {"dataset": "toy", "data": "toy", "image_size": 24, "recipe": "tiny", "seed": 0}
        made_with |= {"network": "vgg9", "trainings": run.recipe.trainings}
        assert made_with.items() <= answer["run"].items()
    assert read_run(run.folder)["parameters"] == {"03_confusion_matrix": own}


def test_a_wrong_class_by_hand_is_refused_before_anything_is_trained(untrained: Run) -> None:
    run = untrained
    names = {"run": run, "CLASS": "midle", "IMAGE": -1, "CHANNELS": 8, "IMAGES": 256}
    with pytest.raises(ValueError, match="CLASS=midle: did you mean middle"):
        exec("run.answer('07_keract_activations', 'title', 'question')", names)
    assert not run.keeper.folder.exists() and not run.folder.exists()
