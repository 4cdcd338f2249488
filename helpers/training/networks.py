"""The networks of a run: which there are, how each is built, and with what plan it is trained."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import keras

from helpers.base.runs import chosen_trainings
from helpers.base.words import Said, said
from helpers.data.datasets import Dataset
from helpers.networks.architectures import build_cnn, build_dnn, convolutions, get_architecture
from helpers.networks.own import built, opening
from helpers.networks.own.backbone import Backbone
from helpers.networks.own.canonical import canonical, unrolled
from helpers.networks.own.source import NetworkError, Source, read_source
from helpers.training import pretrained
from helpers.training.recipes import Phase, Plan, Recipe, get_recipe, repeats, slow_down, transferred, with_dnn

# What is left out of the CNN in each ablation, and whether steps are small then; none of them sees changed images.
ABLATIONS: dict[str, dict[str, Any]] = {
    "plain": {"normalization": "none", "batch_norm": True, "slow": False},
    "normalized": {"normalization": "per_image", "batch_norm": True, "slow": False},
    "bare": {"normalization": "none", "batch_norm": False, "slow": True},
    "bare_fast": {"normalization": "none", "batch_norm": False, "slow": False},
}


@dataclass(frozen=True)
class Network:
    """One network of a recipe: how it is built, from the seed of its initial weights, and trained."""

    build: Callable[[int], keras.Model]
    plan: Plan
    draw: int = 0  # networks that differ in nothing else differ in this, and so in their seed
    teachers: tuple[str, ...] = ()  # names of the networks from whose answers it learns; (): it learns from labels
    source: str = ""  # digest of the user's file that builds it


@dataclass(frozen=True)
class Networks:
    """The networks that a recipe trains on a data set, with a user's own as the CNN if there is one."""

    dataset: Dataset
    recipe: Recipe
    own: Source | None = None
    opened: Callable[[], keras.Model] | None = None  # gives the user's network where that is trained

    @cached_property
    def by_name(self) -> dict[str, Network]:
        """List the networks by name, in the order in which they are wanted."""
        recipe = self.fitted
        if self.opened:
            return {"dnn": Network(self._build_dnn, slow_down(recipe.plan))}
        teachers, smaller = self._teachers(self.recipe.headline_plan), f"{recipe.ablated}_dnn"
        networks = {
            "cnn": replace(self._cnn(self.plan), teachers=self._teachers(self.plan)),
            **({"cnn_second": self._cnn(recipe.second_plan, draw=1)} if "cnn_second" in recipe.ensemble else {}),
            "dnn": Network(self._build_dnn, slow_down(self.recipe.headline_plan.unenlarged), teachers=teachers),
            **({"cnn_short": self._cnn(recipe.usual_plan)} if recipe.whole == "cnn_short" else {}),
            **({recipe.ablated: self._other(recipe.ablated, recipe.usual_plan)} if recipe.ablated else {}),
            **({smaller: self._other(smaller, recipe.usual_plan)} if recipe.ablated and recipe.trainings > 1 else {}),
            **{f"cnn_{name}": self._ablated(**ABLATIONS[name]) for name in ABLATIONS if name not in self.missing},
            **{
                name: replace(self._other(one.architecture, one.plan, one.teachers), draw=one.draw)
                for name, one in recipe.members.items()
            },
            **{name: self._other(name, plan) for cnn, plan in recipe.others.items() for name in with_dnn(cnn)},
        }
        compared = ("cnn", "dnn", recipe.whole, smaller, *map("cnn_{}".format, ABLATIONS))
        again = {name: repeats(name, recipe) for name in compared if name in networks}
        numbered = ((first, draw, name) for first, names in again.items() for draw, name in enumerate(names))
        return networks | {name: replace(networks[first], draw=draw) for first, draw, name in numbered}

    @cached_property
    def fitted(self) -> Recipe:
        """The recipe with the plan of this network; what has a plan of its own is taken apart by that."""
        own = self.plan != self.recipe.headline_plan
        return replace(self.recipe, plan=self.plan, ablated_plan=None if own else self.recipe.ablated_plan)

    @cached_property
    def plan(self) -> Plan:
        """The plan of the headline CNN: the recipe's, or one that suits a network of the user's."""
        plan = self.recipe.headline_plan
        if isinstance(self.own, Backbone):
            return transferred(plan)
        if not self.own or self.opened:
            return plan
        settings = built.compiled_with(self.own, self.dataset.image_shape, len(self.dataset.class_names))
        if not settings:
            return plan
        spelt, epochs = keras.optimizers.serialize(settings[0]), sum(phase.epochs for phase in plan.phases)
        constant = isinstance(spelt["config"]["learning_rate"], float)
        phase = Phase(settings[0].name, float(settings[0].learning_rate), epochs, "constant" if constant else "own")
        phase = replace(phase, compiled=json.dumps(spelt, sort_keys=True))
        return replace(plan, phases=(phase,), label_smoothing=settings[1])

    @cached_property
    def missing(self) -> dict[str, Said]:
        """Name the ablations that cannot be made of a user's network, each with the reason."""
        if self.opened:
            return dict.fromkeys(ABLATIONS, said("02_compare_dnn.why.given"))
        if isinstance(self.own, Backbone):
            return dict.fromkeys(("normalized", "bare", "bare_fast"), said("02_compare_dnn.why.imagenet"))
        missing = built.missing_parts(self._build_cnn(0, augmented=False)) if self.own else {}
        if self.recipe.trainings == 1:  # of these, `bare` alone has to do
            missing |= {"bare_fast": said("02_compare_dnn.why.once")}
        return missing | ({"bare_fast": missing["bare"]} if "bare" in missing else {})

    def headline(self) -> keras.Model:
        """Build the headline CNN, or give it where it came trained."""
        return self._build_cnn(0)

    def _cnn(self, plan: Plan, draw: int = 0) -> Network:
        return Network(self._build_cnn, slow_down(plan) if self._is_slow else plan, draw, source=self._digest)

    @property
    def _is_slow(self) -> bool:
        """Whether a user's network has no batch normalization, and does not say how it is trained."""
        own, first = self.own, self.plan.phases[0]
        if own is None or self.missing.get("bare") != built.NO_BATCH_NORM:
            return False
        return not (own.offers("plan") or first.compiled or first.frozen)

    @property
    def _digest(self) -> str:
        return self.own.digest if self.own else ""

    def _build_cnn(self, seed: int, name: str = "", **parts: Any) -> keras.Model:
        shape, classes = self.dataset.image_shape, len(self.dataset.class_names)
        if self.opened and not name:
            return self.opened()
        if self.own and not name:
            return built.build(self.own, shape, classes, seed=seed, **parts)
        parts.pop("augmented", None)
        return build_cnn(name or self.recipe.cnn, shape, classes, seed=seed, **parts)

    def _build_dnn(self, seed: int, like: str = "") -> keras.Model:
        return build_dnn(self._build_cnn(0, like), seed=seed)

    def _ablated(self, slow: bool, **parts: Any) -> Network:
        plan = self.fitted.plain_plan
        plan = slow_down(plan) if self._is_slow or slow else plan
        build = partial(self._build_cnn, name=self.recipe.ablated, augmented=False, **parts)
        return Network(build, plan, source=self._digest)

    def _other(self, name: str, plan: Plan, teachers: tuple[str, ...] = ()) -> Network:
        """Describe a further architecture or, under a name such as "wide5_dnn", the DNN of its size."""
        cnn, teachers = name.removesuffix("_dnn"), self._teachers(plan, teachers)
        if cnn == name:
            return Network(partial(self._build_cnn, name=name), plan, teachers=teachers)
        return Network(partial(self._build_dnn, like=cnn), slow_down(plan), teachers=teachers)

    def _teachers(self, plan: Plan, named: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Name the teachers of a network with this plan, by default those of the headline CNN."""
        return (named or self.recipe.teachers) if plan.needs_teachers else ()


def recipe_about(recipe: Recipe, source: Source | str, drawn: bool = False) -> Recipe:
    """Give a recipe whose CNN, which all is about, is this network: a named one, or one of the user's.

    What a recipe trains besides, of other architectures, is then left out. drawn: the images are drawn faces. Raises
    NetworkError where a Python file's `plan()` gives no plan, and where the recipe trains nothing. How often networks
    are trained, SEEDS may say.
    """
    trained = isinstance(source, Source) and source.trained
    if drawn and recipe.drawn_plan:
        recipe = replace(recipe, plan=recipe.drawn_plan, ablated_plan=None)
    recipe = replace(recipe, trainings=chosen_trainings(recipe.name, trained) or recipe.trainings)
    if not source:
        return recipe
    if recipe.name == "pretrained":
        raise NetworkError("RECIPE=pretrained has networks of its own; leave NETWORK out, or choose another recipe.")
    alone = Recipe(
        recipe.name,
        recipe.cnn,
        recipe.plan,
        recipe.second_augmentation,
        ablated_plan=None if recipe.ablated else recipe.ablated_plan,
        ensemble=("cnn", "cnn_second") if recipe.members else recipe.ensemble,
        trainings=recipe.trainings,
    )
    if isinstance(source, str):
        get_architecture(source)  # which names those that there are
        return replace(alone, cnn=source)
    if source.trained:
        return replace(alone, trainings=1, ablated_plan=None, ensemble=("cnn",))
    make = source.offers("plan")
    plan = make() if make else recipe.plan
    if not isinstance(plan, Plan):
        raise NetworkError(f"plan() of {source.path} gives {type(plan).__name__!r}; it has to give a recipes.Plan.")
    return replace(alone, plan=plan, ablated_plan=None if make else alone.ablated_plan)


def open_networks(dataset: Dataset, recipe: str) -> Networks:
    """Give the networks that a recipe trains on a data set, with the user's own if the environment names one.

    Raises ValueError on a recipe that does not exist and NetworkError on a network that cannot be used.
    """
    source = read_source(recipe)
    own = None if isinstance(source, str) else source
    shape, classes = dataset.image_shape, len(dataset.class_names)

    def opened() -> keras.Model:
        assert own
        return canonical(opening.read(opening.check(own, shape, classes), own), shape, classes)

    chosen = recipe_about(get_recipe(recipe), source, dataset.evidence is not None)
    return Networks(dataset, chosen, own, opened if own and own.trained else None)


def count_convolutions(dataset: Dataset, recipe: str) -> int:
    """Count the convolutions of the headline CNN that a recipe has for these data, without training it."""
    if recipe == pretrained.RECIPE:
        return len(convolutions(pretrained.open_pretrained().load("cnn")[0]))
    return len(convolutions(unrolled(open_networks(dataset, recipe).headline())))
