"""Recipes are what the assignment asks for, and an unknown one is refused."""

from dataclasses import asdict, fields, replace
from typing import Any

import pytest

from helpers.base import words
from helpers.build.shipping import LARGEST_ENSEMBLE
from helpers.networks import architectures
from helpers.networks.chunks import gradient_bytes
from helpers.training import recipes
from helpers.training.augmentation import Augmentation
from helpers.training.recipes import PLANS, Phase, Plan, told


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
    assert [recipes.fit_images(quick, side).max_images for side in (48, 64, 128)] == [330_000, 330_000, 165_000]
    unbounded, head = recipes.get_recipe("cpu").plan, recipes.transferred(quick)
    assert recipes.fit_images(unbounded, 512) == unbounded and recipes.fit_images(head, 512) == head


@pytest.mark.parametrize("images", [100, 7_000, 25_838, 300_000])
def test_the_plan_that_is_told_has_the_epochs_that_are_trained(images: int) -> None:
    plan = recipes.fit_epochs(PLANS["quick"], images)
    epochs = plan.phases[0].epochs
    assert 1 <= epochs <= 36 and (epochs == 1 or epochs * images <= 330_000)
    assert (epochs + 1) * images > 330_000 or epochs == 36
    assert recipes.fit_epochs(plan, images) == plan
    assert f"{epochs} epoch" in " ".join(map(str, told(asdict(plan))))


def test_every_recipe_is_told_from_its_plan_and_a_changed_plan_in_other_words() -> None:
    quick, cpu = (" ".join(map(str, told(asdict(plan)))) for plan in (PLANS["quick"], PLANS["cpu"]))
    assert "label smoothing" not in quick and "mixup" not in quick and "batches of 64" in quick
    assert (
        "10% of each target spread" in cpu and "mixup, 0.2" in cpu and "60 epochs of AdamW, learning rate 0.003" in cpu
    )
    assert "moved by 10% of its side" in quick and "moved by 15% of its side" in cpu
    assert "greyed" not in quick and "greyed" in cpu
    until = replace(PLANS["quick"], phases=(replace(PLANS["quick"].phases[0], until_accuracy=0.6),))
    assert "an end once" in " ".join(map(str, told(asdict(until)))) and "an end once" not in quick
    head = str(told(asdict(PLANS["transfer"]))[0])
    assert "phase 1, its last layer alone, from all images at once, by logistic regression" in head
    assert "lbfgs" not in head and "rate 0 " not in head and "phase 2, 20 epochs of AdamW" in head
    assert "logistic regression" not in quick
    assert "as they are" in str(told(asdict(replace(PLANS["quick"], augmentation=Augmentation())))[1])


# Another value of every field than that of PLAN below.
OF_PHASE = {
    **{"optimizer": "sgd", "learning_rate": 0.5, "epochs": 7, "schedule": "constant", "until_accuracy": 0.6},
    **{"weight_decay": 0.3, "augmented": False, "frozen": True, "enlargement": (4, 3), "distillation": 0.7},
    "self_distillation": 0.5,
}
OF_PLAN = {"batch_size": 8, "label_smoothing": 0.1, "mixup": 0.2}
OF_CHANGES = {
    **{"flip": True, "shift": 0.2, "rotation": 5.0, "zoom": 0.1, "border": "constant", "erasing": 0.4},
    "others": (("erasing", 0.1),),
}
# What does not show: an optimiser of the user's network is told by its name, rate and kind of schedule; what else it
# sets stands in the user's own file. What limits the epochs has done so in the epochs that are told.
UNTOLD = {"compiled", "max_images"}
PHASE = Phase("adamw", 0.01, 5, distillation=0.5)
PLAN = Plan((PHASE,), 64, Augmentation(shift=0.1))


def in_words(plan: Plan, **more: Any) -> str:
    return " ".join(map(str, told(asdict(plan), **more)))


def test_whatever_is_changed_of_a_plan_changes_its_words_in_every_language() -> None:
    told_apart = OF_PHASE.keys() | OF_PLAN.keys() | {"phases", "augmentation"}
    assert told_apart | UNTOLD == {one.name for kind in (Phase, Plan) for one in fields(kind)}
    assert OF_CHANGES.keys() == {one.name for one in fields(Augmentation)}
    changed = {key: replace(PLAN, phases=(replace(PHASE, **{key: value}),)) for key, value in OF_PHASE.items()}
    changed |= {key: replace(PLAN, **{key: value}) for key, value in OF_PLAN.items()}
    for key, value in OF_CHANGES.items():
        changed[key] = replace(PLAN, augmentation=replace(PLAN.augmentation, **{key: value}))
    changed["phases"] = replace(PLAN, phases=(PHASE, PHASE))
    changed["own size"] = replace(PLAN, phases=(replace(PHASE, enlargement=(1, 1)),))
    for language in words.languages():
        with words.use(language):
            told_of = {key: in_words(plan) for key, plan in changed.items()} | {"nothing": in_words(PLAN)}
            told_of |= {"dropout": in_words(PLAN, dropout=[0.3]), "minutes": in_words(PLAN, minutes=2.0)}
            assert len({*told_of.values()}) == len(told_of)


def test_what_an_ingredient_is_for_is_said_only_where_the_plan_has_it() -> None:
    reasons = {"weight_decay": "keep weights small", "label_smoothing": "too sure", "mixup": "by heart"}
    reasons |= {
        "optimizer": "SGD is to",
        "frozen": "last layer comes first",
        "self_distillation": "its own predictions",
    }
    for key, reason in reasons.items():
        of_plan = key in OF_PLAN
        value = {key: OF_PLAN[key] if of_plan else OF_PHASE[key]}
        plan = replace(PLAN, **value) if of_plan else replace(PLAN, phases=(replace(PHASE, **value),))
        assert reason not in in_words(PLAN) and reason in in_words(plan).partition("What each of these is for")[2]
    bare = Plan((Phase("nadam", 0.01, 5, "constant"),), 64, Augmentation())
    assert "is for" not in in_words(bare) and "dropout is to spread" in in_words(bare, dropout=[0.1])
    assert "changed images are to" in in_words(PLAN) and "changed images" not in in_words(bare)


def test_the_recipe_and_what_it_is_for_are_three_sentences_whatever_the_plan_has() -> None:
    for plan in PLANS.values():
        assert 2 <= len(told(asdict(plan), [0.1], 2.0)) <= 3  # beside size and accuracy, at most six in all


def test_layers_by_which_a_network_changes_images_are_told_beside_what_the_plan_does() -> None:
    quick, unchanged = PLANS["quick"], replace(PLANS["quick"], augmentation=Augmentation())
    for plan in (quick, unchanged):
        said = in_words(plan, changing=["RandomFlip", "RandomZoom"])
        assert "by its layers: RandomFlip and RandomZoom." in said and "as they are" not in said
        assert ("mirrored in half" in said) == (plan is quick)
    assert "its layers" not in in_words(quick)
