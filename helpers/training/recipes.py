"""Recipes: how each network of a run is built and trained, in what order, and for how long."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Any, Literal

from helpers.base.words import Said, said
from helpers.training.augmentation import Augmentation

_WORDS = "01_train_cnn.recipe"  # what is said of a plan
_REASONED = (  # of these it is said what they are for
    *("adamw", "adadelta", "sgd", "cosine", "frozen", "enlargement", "weight_decay", "dropout", "label_smoothing"),
    *("distillation", "self_distillation", "augmentation", "mixup"),
)
BOUNDED_SIDE = 64  # pixels a side up to which a plan's bound on images holds as it stands
BATCH_BYTES = 2_000_000_000  # of layers' outputs for a batch: every recipe's at 64 pixels a side fits


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one optimiser."""

    optimizer: str  # "adamw", "adadelta" or "sgd"; with `compiled`, what that is called
    learning_rate: float
    epochs: int
    schedule: Literal["constant", "cosine", "own"] = "cosine"  # the last with `compiled`
    until_accuracy: float | None = None  # end the phase early once the validation accuracy reaches this
    weight_decay: float = 0.0  # of kernels, in units of the learning rate; decoupled from the gradient
    augmented: bool = True  # False: show the images as they are, whatever the plan's augmentation and mixup
    frozen: bool = False  # fit the head of a network that has learned other images alone, on its features
    enlargement: tuple[int, int] | None = None  # of images in place of the network's own; Touvron et al., 2019
    distillation: float = 0.0  # share of the soft targets in the target, beside the label; Hinton et al., 2015
    self_distillation: float = 0.0  # share of its own predictions in the soft targets; Furlanello et al., 2018
    compiled: str = ""  # an optimiser as Keras spells it, in JSON: the one that a user's network is compiled with


@dataclass(frozen=True)
class Plan:
    """How one network is trained."""

    phases: tuple[Phase, ...]
    batch_size: int
    augmentation: Augmentation
    max_images: int | None = None  # images shown in all; fewer epochs, at least one, are made to fit
    label_smoothing: float = 0.0  # share of the target that is spread evenly over all classes
    mixup: float = 0.0  # blend pairs of images by weights from Beta(mixup, mixup); 0: never

    @property
    def has_head(self) -> bool:
        """Whether the head of the network is fitted before all of it is trained."""
        return any(phase.frozen for phase in self.phases)

    @property
    def of_whole(self) -> "Plan":
        """The phases that train the whole network."""
        return replace(self, phases=tuple(phase for phase in self.phases if not phase.frozen))

    @property
    def unenlarged(self) -> "Plan":
        """The same plan with images at their own size, for a network without convolutions."""
        return replace(self, phases=tuple(replace(phase, enlargement=None) for phase in self.phases))

    @property
    def needs_teachers(self) -> bool:
        """Whether other networks' predictions are a part of the targets."""
        return any(phase.distillation and phase.self_distillation < 1 for phase in self.phases)


@dataclass(frozen=True)
class Member:
    """A further network for the ensemble, beside the headline CNN's trainings."""

    architecture: str
    plan: Plan
    draw: int = 0  # networks that differ in nothing else differ in this, and so in their seed
    teachers: tuple[str, ...] = ()  # who teaches it, if its plan asks for that; (): those of the headline CNN


@dataclass(frozen=True)
class Recipe:
    """The training budget of a whole run."""

    name: str
    cnn: str  # architecture of the headline CNN, which all questions are about
    plan: Plan  # by which it learns from labels
    second_augmentation: Augmentation  # of the ensemble's second member
    taught_plan: Plan | None = None  # by which the headline CNN and its DNN learn in its place, from `teachers` too
    teachers: tuple[str, ...] = ()  # names of the members that teach them
    ablated: str = ""  # architecture that is taken apart; "": the headline CNN itself
    ablated_plan: Plan | None = None  # of the versions of that one; None: the headline CNN's
    others: Mapping[str, Plan] = field(default_factory=dict)  # further architectures, each with its matched DNN
    members: Mapping[str, Member] = field(default_factory=dict)  # further networks for the ensemble, by name
    ensemble: tuple[str, ...] = ("cnn", "cnn_second")  # names of the networks whose answers are averaged
    drawn_plan: Plan | None = None  # of all networks on the drawn faces, which are learned sooner than photos
    trainings: int = 1  # how often each network is trained that is compared with another, to judge ways to train

    @property
    def second_plan(self) -> Plan:
        """The plan of the ensemble's second member, with smaller steps.

        It sees images that are changed more, from which large steps now and then learn nothing for epochs.
        """
        return slow_down(replace(self.plan, augmentation=self.second_augmentation), 0.6)

    @property
    def headline_plan(self) -> Plan:
        """The plan of the headline CNN, and of the DNN of its size."""
        return self.taught_plan or self.plan

    @property
    def whole(self) -> str:
        """Name the CNN that is taken apart, as it is: the headline CNN itself, unless that takes too long."""
        return self.ablated or ("cnn_short" if self.ablated_plan else "cnn")

    @property
    def usual_plan(self) -> Plan:
        """The plan of the CNN that is taken apart as it is."""
        return self.ablated_plan or self.plan

    @property
    def plain_plan(self) -> Plan:
        """The same budget without augmentation."""
        return replace(self.usual_plan, augmentation=Augmentation())


def slow_down(plan: Plan, factor: float = 0.1) -> Plan:
    """Give the same plan with smaller steps, for networks without batch normalization.

    At the rate that suits a network with it, one without it may never leave its starting point.
    """
    return replace(plan, phases=tuple(_slow_down(phase, factor) for phase in plan.phases))


def _slow_down(phase: Phase, factor: float) -> Phase:
    compiled = json.loads(phase.compiled or "{}")
    if phase.schedule == "own":
        compiled["times"] = compiled.get("times", 1) * factor
    spelt = json.dumps(compiled, sort_keys=True) if compiled else ""
    return replace(phase, learning_rate=phase.learning_rate * factor, compiled=spelt)


def transferred(plan: Plan) -> Plan:
    """Give the plan by which a network that has learned other images learns these, with this plan's augmentation.

    First its head, then all of it in small steps. What the latter may cost is fixed, so that 200 photos are seen twenty
    times, 3,000 three times and 20,000 at most half.
    """
    usual, most = PLANS["transfer"], min(plan.max_images or TRANSFER_IMAGES, TRANSFER_IMAGES)
    return replace(plan, phases=usual.phases, batch_size=usual.batch_size, max_images=most)


def fit_batch(plan: Plan, image_bytes: int) -> Plan:
    """Halve the plan's batches, to no fewer than four images, until what the layers make of one fits in memory.

    image_bytes: what one image holds while gradients are taken. Steps shrink by the square root, as suits Adam's way to
    divide the gradient by its spread (Malladi et al., 2022). Of an odd batch one image is left out, since that may end
    the process: in TensorFlow's gradient by the weights of a convolution of one pixel with strides, as residual
    networks have for a shortcut, where its channels are no multiple of eight.
    """
    size = plan.batch_size - plan.batch_size % 2 or 1
    while size >= 8 and size * image_bytes > BATCH_BYTES:
        size //= 2
    return slow_down(replace(plan, batch_size=size), (size / plan.batch_size) ** 0.5)


def fit_epochs(plan: Plan, images: int) -> Plan:
    """Shorten the phases that train the whole network so that all together show no more images than the plan allows."""
    if plan.max_images is None:
        return plan
    wanted = sum(phase.epochs for phase in plan.of_whole.phases)
    share = min(1.0, plan.max_images / max(1, images * wanted))
    fitted = (replace(phase, epochs=max(1, int(phase.epochs * share))) for phase in plan.of_whole.phases)
    return replace(plan, phases=tuple(phase if phase.frozen else next(fitted) for phase in plan.phases))


def fit_images(plan: Plan, side: int) -> Plan:
    """Show fewer images where a plan bounds their number and they have more than 64 pixels a side: each costs more.

    By the side, not by the pixels: large photos are harder to learn, so a recipe may take longer for them. What has
    learned ImageNet has a bound of its own.
    """
    if not plan.max_images or plan.has_head or side <= BOUNDED_SIDE:
        return plan
    return replace(plan, max_images=plan.max_images * BOUNDED_SIDE // side)


def _tuples(said: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}


def _read(kind: str, name: str) -> dict[str, Any]:
    """Read an entry of `recipes.toml`; what it is like comes first, with tables added to."""
    said = _tuples(_TABLE[kind][name])
    earlier = _read(kind, said.pop("like")) if "like" in said else {}
    return earlier | {key: earlier.get(key, {}) | v if isinstance(v, dict) else v for key, v in said.items()}


def _read_plan(name: str) -> Plan:
    said = _read("plans", name)
    phases = tuple(Phase(**_tuples(phase)) for phase in said["phases"])
    return Plan(**said | {"phases": phases, "augmentation": CHANGES[said["augmentation"]]})


def _read_recipe(name: str) -> Recipe:
    said = {"others": {}, "members": {}} | _read("recipes", name)
    said |= {key: PLANS[value] for key, value in said.items() if key.endswith("plan")}
    said["second_augmentation"] = CHANGES[said["second_augmentation"]]
    said["others"] = {cnn: PLANS[plan] for cnn, plan in said["others"].items()}
    said["members"] = {k: Member(**_tuples(one | {"plan": PLANS[one["plan"]]})) for k, one in said["members"].items()}
    return Recipe(name, **said)


_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
CHANGES = {name: Augmentation(**said) for name, said in _TABLE["augmentations"].items()}
PLANS = {name: _read_plan(name) for name in _TABLE["plans"]}
TRANSFER_IMAGES = PLANS["transfer"].max_images or 0  # shown to the whole network: some five minutes of two cores
RECIPES = {name: _read_recipe(name) for name in _TABLE["recipes"]}


def get_recipe(name: str) -> Recipe:
    """Look a recipe up by name; raises ValueError naming the legal ones."""
    if name not in RECIPES:
        raise ValueError(f"There is no recipe {name!r}: choose one of {', '.join(RECIPES)}.")
    return RECIPES[name]


def repeats(name: str, recipe: Recipe) -> list[str]:
    """Name the trainings of a network that is compared, which differ in the seed alone; the first has its own name.

    The headline CNN and its DNN are trained once where they take so long that another CNN is taken apart; that one
    has a DNN of its own size then, so that what is said of CNN and DNN rests on several trainings there, too.
    """
    count = 1 if recipe.ablated and name in ("cnn", "dnn") else recipe.trainings
    return [name, *(f"{name}_seed{i}" for i in range(1, count))]


def shown_name(name: str, place: int) -> str:
    """Name a member of the ensemble for people; another training of the CNN by its place."""
    if name == "cnn":
        return "CNN"
    return f"member {place}" if name.startswith("cnn_") else name


def with_dnn(cnn: str) -> tuple[str, str]:
    """Name an architecture and the DNN of its size."""
    return cnn, f"{cnn}_dnn"


def told(
    plan: Mapping[str, Any],
    dropout: Sequence[float] = (),
    minutes: float | None = None,
    changing: Sequence[str] = (),
) -> list[Said]:
    """Say how a network is trained by a plan, as `dataclasses.asdict` gives it or an older file of a network has it.

    dropout: the rates of the network's layers of that kind; minutes: how long it took, if that is told; changing: the
    kinds of layers by which the network itself changes images in training.
    """
    phases = [_phase(phase) for phase in plan["phases"]]
    if len(phases) > 1:
        phases = [said(f"{_WORDS}.numbered", number=number, phase=phase) for number, phase in enumerate(phases, 1)]
    phases += [] if minutes is None else [said(f"{_WORDS}.took", minutes=minutes)]
    values = {"batch": plan["batch_size"], "phases": _joined(phases)}
    details = [said(f"{_WORDS}.smoothing", share=share)] if (share := plan.get("label_smoothing")) else []
    details += [said(f"{_WORDS}.dropout", rates=list(dropout))] if dropout else []
    batches = (
        said(f"{_WORDS}.batches_with", details=details, **values) if details else said(f"{_WORDS}.batches", **values)
    )
    changes = _changes(plan["augmentation"])
    reasons = _reasons({**plan, "augmentation": changes, "dropout": dropout})
    changes += [said(f"{_WORDS}.mixup", strength=strength)] if (strength := plan.get("mixup")) else []
    shown = [said(f"{_WORDS}.changed", changes=changes)] if changes else []
    shown += [said(f"{_WORDS}.itself", layers=[*changing])] if changing else []
    why = [said(f"{_WORDS}.why", reasons=_joined(reasons))] if reasons else []
    return [batches, *(shown or [said(f"{_WORDS}.as_they_are")]), *why]


def _joined(clauses: Sequence[Said]) -> Said:
    return reduce(lambda before, clause: said(f"{_WORDS}.also", before=before, clause=clause), clauses)


def _reasons(plan: Mapping[str, Any]) -> list[Said]:
    """Say what each ingredient of a plan is for; nothing of one that it does not have."""
    phases = plan["phases"]
    there = {key for part in (plan, *phases) for key, value in part.items() if value}
    there |= {phase["optimizer"] for phase in phases} | {phase.get("schedule", "cosine") for phase in phases}
    return [said(f"{_WORDS}.for.{name}") for name in _REASONED if name in there]


def _phase(phase: Mapping[str, Any]) -> Said:
    if phase.get("frozen"):
        return said(f"{_WORDS}.head")  # which `train_head` fits, whatever rate and epochs the phase has
    details = [said(f"{_WORDS}.decay", decay=decay)] if (decay := phase.get("weight_decay")) else []
    own = {"own": phase["self_distillation"]} if phase.get("self_distillation") else {}
    if share := phase.get("distillation"):
        details.append(said(f"{_WORDS}.soft{'_own' if own else ''}", share=share, **own))
    if factor := phase.get("enlargement"):
        enlarged = factor[0] != factor[1]
        details.append(
            said(f"{_WORDS}.enlarged", times=factor[0] / factor[1]) if enlarged else said(f"{_WORDS}.own_size")
        )
    details += [] if phase.get("augmented", True) else [said(f"{_WORDS}.unchanged")]
    details += [said(f"{_WORDS}.until", accuracy=accuracy)] if (accuracy := phase.get("until_accuracy")) else []
    values = {"epochs": phase["epochs"], "optimizer": phase["optimizer"]}
    values |= {"rate": phase["learning_rate"], "schedule": said(f"{_WORDS}.{phase.get('schedule', 'cosine')}")}
    if details:
        return said(f"{_WORDS}.phase_with", **values, details=details)
    return said(f"{_WORDS}.phase", **values)


def _changes(augmentation: Mapping[str, Any]) -> list[Said]:
    changes = [said(f"{_WORDS}.flip")] if augmentation.get("flip") else []
    for key in ("shift", "rotation", "zoom", "erasing"):
        if strength := augmentation.get(key):
            changes.append(said(f"{_WORDS}.{key}", strength=strength))
    if any(augmentation.get(key) for key in ("shift", "rotation", "zoom")):
        changes.append(said(f"{_WORDS}.border_{augmentation.get('border', 'nearest')}"))
    others = augmentation.get("others", ())
    return changes + [said(f"{_WORDS}.other", name=name, strength=strength) for name, strength in others]
