"""Recipes are what the assignment asks for, and an unknown one is refused."""

from dataclasses import asdict, replace

import pytest

from helpers.build.shipping import LARGEST_ENSEMBLE
from helpers.networks import architectures
from helpers.networks.chunks import gradient_bytes
from helpers.training import recipes
from helpers.training.augmentation import Augmentation
from helpers.training.recipes import PLANS, told


def test_the_full_recipe_is_that_for_two_cores_with_larger_networks_for_the_ensemble() -> None:
    full, cpu = recipes.get_recipe("full"), recipes.get_recipe("cpu")
    assert replace(full, name="cpu", members=cpu.members, ensemble=cpu.ensemble) == cpu
    assert {*cpu.teachers} <= cpu.members.keys() and cpu.headline_plan.needs_teachers
    assert cpu.members.items() < full.members.items()
    teachers = {name for member in full.members.values() for name in member.teachers}
    assert teachers <= full.members.keys()
    assert {*full.ensemble} <= {"cnn", *full.members} and len(full.ensemble) <= LARGEST_ENSEMBLE


@pytest.mark.parametrize("name", ["full", "cpu"])
def test_the_headline_network_and_those_that_are_taught_have_at_most_two_million_parameters(name: str) -> None:
    recipe = recipes.get_recipe(name)
    taught = [member.architecture for member in recipe.members.values() if member.plan.needs_teachers]
    sizes = [architectures.build_cnn(architecture).count_params() for architecture in (recipe.cnn, *taught)]
    assert all(size <= 2_000_000 for size in sizes)


def test_the_second_member_sees_other_images_and_takes_smaller_steps() -> None:
    recipe = recipes.get_recipe("quick")
    steps = [plan.phases[0].learning_rate for plan in (recipe.plan, recipe.second_plan)]
    assert steps[1] == pytest.approx(0.6 * steps[0])
    assert recipe.second_plan.augmentation != recipe.plan.augmentation


def test_an_unknown_recipe_is_an_error_that_names_the_legal_ones() -> None:
    with pytest.raises(ValueError, match=r"'slow'.*quick, full"):
        recipes.get_recipe("slow")


def test_batches_are_halved_until_they_fit_and_steps_shrink_with_them_but_not_at_64_pixels() -> None:
    plan = recipes.PLANS["quick"]
    assert recipes.fit_batch(plan, recipes.BATCH_BYTES // 64) == plan
    smaller = recipes.fit_batch(plan, recipes.BATCH_BYTES // 63)
    assert smaller.batch_size == 32
    assert smaller.phases[0].learning_rate == pytest.approx(plan.phases[0].learning_rate / 2**0.5)
    assert recipes.fit_batch(plan, 10**12).batch_size == 4
    assert [recipes.fit_batch(replace(plan, batch_size=size), 1).batch_size for size in (1, 2, 15)] == [1, 2, 14]
    for recipe in recipes.RECIPES.values():
        image = gradient_bytes(architectures.build_cnn(recipe.cnn, (64, 64, 3)), (64, 64, 3))
        assert recipes.fit_batch(recipe.plan, image) == recipe.plan


def test_fewer_of_large_images_are_shown_where_their_number_is_bounded() -> None:
    quick = recipes.get_recipe("quick").plan
    assert [recipes.fit_images(quick, side).max_images for side in (48, 64, 128)] == [240_000, 240_000, 120_000]
    unbounded, head = recipes.get_recipe("cpu").plan, recipes.transferred(quick)
    assert recipes.fit_images(unbounded, 512) == unbounded and recipes.fit_images(head, 512) == head


@pytest.mark.parametrize("images", [100, 7_000, 25_838, 300_000])
def test_the_plan_that_is_told_has_the_epochs_that_are_trained(images: int) -> None:
    plan = recipes.fit_epochs(PLANS["quick"], images)
    epochs = plan.phases[0].epochs
    assert 1 <= epochs <= 30 and (epochs == 1 or epochs * images <= 240_000)
    assert (epochs + 1) * images > 240_000 or epochs == 30
    assert recipes.fit_epochs(plan, images) == plan
    assert f"{epochs} epoch" in " ".join(map(str, told(asdict(plan))))


def test_every_recipe_is_told_from_its_plan_and_a_changed_plan_in_other_words() -> None:
    quick, cpu = (" ".join(map(str, told(asdict(plan)))) for plan in (PLANS["quick"], PLANS["cpu"]))
    assert "label smoothing" not in quick and "mixup" not in quick and "batches of 64" in quick
    assert "10% is spread" in cpu and "mixup, 0.2" in cpu and "60 epochs of AdamW, learning rate 0.003" in cpu
    assert "moved by 6% of its side" in quick and "moved by 15% of its side" in cpu
    assert "greyed" not in quick and "greyed" in cpu
    until = replace(PLANS["quick"], phases=(replace(PLANS["quick"].phases[0], until_accuracy=0.6),))
    assert "an end once" in " ".join(map(str, told(asdict(until)))) and "an end once" not in quick
    assert "as they are" in str(told(asdict(replace(PLANS["quick"], augmentation=Augmentation())))[-1])
