"""Recipes are what the assignment asks for, and an unknown one is refused."""

from dataclasses import replace

import pytest
from toys import PLAN

from helpers import models, recipes


def test_the_full_recipe_trains_the_reference_networks_in_b_s_two_phases() -> None:
    recipe = recipes.get_recipe("full")
    phases = recipe.usual_plan.phases
    assert (recipe.compared, [*recipe.others]) == ("vgg9", ["vgg12", "wide5"])
    assert recipe.others["vgg12"].phases == phases
    assert [phase.optimizer for phase in phases] == ["adadelta", "sgd"]
    assert phases[0].until_accuracy == 0.6
    assert sum(phase.epochs for phase in phases) == 100
    assert recipe.plain_plan.phases == phases


@pytest.mark.parametrize("name", ["full", "cpu"])
def test_the_headline_network_and_its_student_have_at_most_two_million_parameters(name: str) -> None:
    recipe = recipes.get_recipe(name)
    assert models.build_cnn(recipe.cnn).count_params() <= 2_000_000
    assert models.build_cnn(recipe.student or recipe.cnn).count_params() <= 2_000_000


def test_slower_steps_change_nothing_but_the_rate() -> None:
    slow = recipes.slow_down(PLAN, 0.5)
    assert [phase.learning_rate for phase in slow.phases] == [0.005, 0.005]
    assert replace(slow, phases=PLAN.phases) == PLAN


def test_the_second_member_sees_other_images_and_takes_smaller_steps() -> None:
    recipe = recipes.get_recipe("quick")
    steps = [plan.phases[0].learning_rate for plan in (recipe.plan, recipe.second_plan)]
    assert steps[1] == pytest.approx(0.6 * steps[0])
    assert recipe.second_plan == recipes.slow_down(replace(recipe.plan, augmentation=recipe.second_augmentation), 0.6)
    assert recipe.second_plan.augmentation != recipe.plan.augmentation


def test_an_unknown_recipe_is_an_error_that_names_the_legal_ones() -> None:
    with pytest.raises(ValueError, match=r"'slow'.*quick, full"):
        recipes.get_recipe("slow")
