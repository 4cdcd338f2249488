"""SEEDS says how often each compared network is trained; the trainings differ in the seed alone."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from helpers.base import runs
from helpers.base.notebook import UsageError
from helpers.data.datasets import Dataset, Split
from helpers.run import Run
from helpers.training import pretrained
from helpers.training.networks import Networks, recipe_about
from helpers.training.recipes import get_recipe, repeats, slow_down

COMPARED = ("cnn", "dnn", "cnn_plain", "cnn_normalized", "cnn_bare", "cnn_bare_fast")
THRICE = replace(get_recipe("tiny"), trainings=3)


@pytest.fixture
def dataset() -> Dataset:
    images = np.zeros((8, 48, 48, 1), np.uint8)
    split = Split(images, np.arange(8) % 7)
    return Dataset("toy", tuple("abcdefg"), split, split, split, "toy", "Toy", (), None)


@pytest.mark.parametrize("text", ["three", "-1", "0-9", "2.5", "100"])
def test_what_is_no_number_of_trainings_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDS", text)
    with pytest.raises(UsageError, match=f"SEEDS={text} is no whole number"):
        recipe_about(get_recipe("quick"), "")


def test_where_nothing_is_trained_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDS", "2")
    with pytest.raises(UsageError, match="RECIPE=pretrained trains nothing"):
        runs.chosen_trainings("pretrained")
    with pytest.raises(UsageError, match="came trained"):
        runs.chosen_trainings("quick", trained=True)
    monkeypatch.setenv("SEEDS", "0")
    assert runs.chosen_trainings("pretrained") == runs.chosen_trainings("quick", trained=True) == 0


@pytest.mark.parametrize(("recipe", "usual"), [("quick", 1), ("tiny", 1), ("pretrained", 1), ("cpu", 5), ("full", 5)])
def test_a_recipe_has_its_own_number_and_seeds_goes_before_it(
    recipe: str, usual: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEEDS", raising=False)
    assert recipe_about(get_recipe(recipe), "").trainings == usual
    if recipe != "pretrained":
        monkeypatch.setenv("SEEDS", "3")
        assert recipe_about(get_recipe(recipe), "").trainings == 3


def test_every_compared_network_is_there_so_often_and_differs_in_the_draw_alone(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = Networks(dataset, get_recipe("tiny")).by_name
    monkeypatch.setenv("SEEDS", "3")
    often = Networks(dataset, recipe_about(get_recipe("tiny"), "")).by_name
    new = {name for first in COMPARED for name in repeats(first, THRICE)[1:]} | {"cnn_bare_fast"}
    assert set(often) - set(once) == new
    for first in COMPARED:
        trainings = [often[name] for name in repeats(first, THRICE)]
        assert [each.draw for each in trainings] == [0, 1, 2]
        assert all(asdict(each.plan) == asdict(trainings[0].plan) for each in trainings)
        configurations = [[layer.get_config() for layer in each.build(0).layers] for each in trainings]
        assert all(str(each) == str(configurations[0]) for each in configurations)
    assert all(often[name].plan == once[name].plan for name in COMPARED if name in once)
    assert repeats("cnn", recipe_about(get_recipe("tiny"), "")) == ["cnn", "cnn_seed1", "cnn_seed2"]


def test_teachers_stay_who_they_are_whatever_seeds_says(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDS", "9")
    networks = Networks(dataset, recipe_about(get_recipe("cpu"), "")).by_name
    assert networks["cnn"].teachers == networks["dnn"].teachers == ("slim8", "slim8_b", "slim8_c")
    assert "vgg9_small_seed8" in networks and not {"dnn_seed1", "cnn_seed1", "slim8_seed1"} & networks.keys()


@pytest.mark.parametrize(("recipe", "count"), [("cpu", 5), ("full", 5), ("quick", 0), ("tiny", 0)])
def test_the_smaller_cnn_has_a_dnn_of_its_size_as_often_as_it_is_trained(
    recipe: str, count: int, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEEDS", raising=False)
    networks = Networks(dataset, recipe_about(get_recipe(recipe), "")).by_name
    named = [name for name in networks if name.startswith("vgg9_small_dnn")]
    assert len(named) == count and len({networks[name].draw for name in named}) == count
    if count:
        smaller, dense = (networks[name].build(0).count_params() for name in ("vgg9_small", "vgg9_small_dnn"))
        assert dense == pytest.approx(smaller, rel=0.01)
        assert networks["vgg9_small_dnn"].plan == slow_down(networks["vgg9_small"].plan)


def test_a_run_gives_all_trainings_of_a_network_each_of_its_own_seed(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDS", "2")
    run = Run(tmp_path, dataset, recipe_about(get_recipe("tiny"), ""), 5)
    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(
        "helpers.run.load_or_train", lambda *parts, name, seed, **others: asked.append((name, seed)) or name
    )
    assert [*run.compared(), *run.compared("cnn_plain")] == ["cnn", "cnn_seed1", "cnn_plain", "cnn_plain_seed1"]
    assert asked == [("cnn", 5), ("cnn_seed1", 1005), ("cnn_plain", 5), ("cnn_plain_seed1", 1005)]


def test_a_run_is_named_after_it_and_is_another_than_without(tmp_path: Path) -> None:
    assert runs.name_run("faces", "cpu", 1, trainings=3) == "faces-cpu-seed1-3seeds"


def test_two_networks_differ_in_batch_normalization_alone_and_two_in_their_steps_as_well(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDS", "2")
    networks = Networks(dataset, recipe_about(get_recipe("tiny"), "")).by_name
    plain, slow, fast = (networks[f"cnn_{name}"] for name in ("plain", "bare", "bare_fast"))
    assert fast.plan == plain.plan and slow.plan == slow_down(plain.plan)
    kinds = {name: {type(layer).__name__ for layer in networks[name].build(0).layers} for name in COMPARED}
    assert kinds["cnn_bare"] == kinds["cnn_bare_fast"] == kinds["cnn_plain"] - {"BatchNormalization"}


def test_what_is_not_trained_is_told_with_its_reason(dataset: Dataset) -> None:
    networks = Networks(dataset, get_recipe("tiny"))
    assert "cnn_bare_fast" not in networks.by_name and "SEEDS" in str(networks.missing["bare_fast"])
    assert set(pretrained.open_pretrained().missing) == {"bare_fast"}


def test_versions_differ_from_the_whole_network_in_the_ingredient_alone_also_where_all_are_trained_for_less(
    dataset: Dataset,
) -> None:
    networks = Networks(dataset, recipe_about(get_recipe("quick"), ""))
    whole, plain = networks.by_name[networks.fitted.whole], networks.by_name["cnn_plain"]
    assert whole.plan.max_images < networks.by_name["cnn"].plan.max_images  # so it is another training
    assert plain.plan == replace(whole.plan, augmentation=plain.plan.augmentation) and plain.plan != whole.plan
    sizes = [network.build(0).count_params() for network in (whole, plain, networks.by_name["cnn"])]
    assert len({*sizes}) == 1
    assert whole.draw == plain.draw == 0


def test_drawn_faces_are_learned_in_fewer_epochs_than_photos_unless_a_network_says_how(dataset: Dataset) -> None:
    photos, drawn = (Networks(dataset, recipe_about(get_recipe("quick"), "", faces)).by_name for faces in (False, True))
    assert drawn["cnn"].plan.phases[0].epochs < photos["cnn"].plan.phases[0].epochs
    assert "cnn_short" in photos and "cnn_short" not in drawn
    assert drawn["cnn_plain"].plan.phases == drawn["cnn"].plan.phases
