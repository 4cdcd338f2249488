"""A build as the command line asks for it: what is known, and checked, before anything runs."""

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from helpers.base.code import code_digest
from helpers.base.files import ROOT, cache_folder, cache_notes, reports_folder, write_atomically
from helpers.base.folders import file_sha256
from helpers.base.keeper import fingerprint, versions
from helpers.base.legal import check_values, near
from helpers.base.machine import import_quietly
from helpers.base.notebook import Place, UsageError, check_names, convert, find_notebooks, read_parameters
from helpers.base.runs import COMMON, RUN_VARIABLE, SEEDS_VARIABLE, check_name, chosen_trainings
from helpers.base.words import show
from helpers.build import stale
from helpers.data.datasets import KNOWN_NAMES, Dataset, claim_run, identify, load_dataset, look
from helpers.data.options import VARIABLES
from helpers.networks.own import opening
from helpers.networks.own.backbone import Backbone
from helpers.networks.own.source import CUSTOM, NAMED, NETWORK, PREPROCESS, WEIGHTS, preferred_side, read_source
from helpers.networks.precision import describe_precision
from helpers.report.handin import HandIn, read_hand_in
from helpers.training import pretrained
from helpers.training.batches import balances

# Variables of the environment that decide how a run is made, and their values where that is left as it is.
MADE_WITH = {
    "PRECISION": "auto", "ACCELERATE": "1", "BALANCE": "0", SEEDS_VARIABLE: "0", NETWORK: "", CUSTOM: "",
    PREPROCESS: "", WEIGHTS: "", NAMED: "",
}  # fmt: skip
MADE_WITH |= dict.fromkeys(VARIABLES, "")


@dataclass(frozen=True)
class Build:
    """What a build is given.

    notebooks, package: folders of the notebooks and of the helpers. places: each notebook's place in the report.
    run: the run's folder. common: values of the parameters that all notebooks share. chosen: further values by
    notebook. facts, versions: what all answers of the run are made from, such as the data's digest, and by package
    its version. day: the date of the answers that it makes, such as "2025-01-31". hand_in: who hands it in. questions:
    the notebooks whose answers are handed in, in order, where these are not all that are run.
    """

    notebooks: Path
    package: Path
    places: Mapping[str, Place]
    run: Path
    common: Mapping[str, object]
    chosen: Mapping[str, Mapping[str, object]]
    facts: Mapping[str, str]
    versions: Mapping[str, str]
    day: str
    hand_in: HandIn = field(default_factory=HandIn)
    questions: tuple[str, ...] = ()

    @property
    def printed(self) -> tuple[str, ...]:
        """Name the notebooks whose answers are in the report, in its order."""
        return self.questions or tuple(self.places)

    def answer(self, name: str) -> Path:
        """Name the file of a notebook's answer."""
        return self.run / "answers" / f"{name}.json"

    def notebook(self, name: str) -> Path:
        """Name the file of a notebook."""
        return self.notebooks / f"{name}.ipynb"

    def finished(self, name: str) -> Path:
        """Name the file of a notebook with the outputs of this run."""
        return self.run / "notebooks" / f"{name}.ipynb"

    def label(self, name: str) -> str:
        """Give a notebook's name with its place among all of them, such as "[4/7] 04_saliency_maps"."""
        return f"[{[*self.places].index(name) + 1}/{len(self.places)}] {name}"

    def components(self, name: str) -> dict[str, str]:
        """List what a notebook's answer would be made from now."""
        needed = [self.answer(other) for other in self.places[name].needs]
        facts = {**self.facts, **self.versions}
        return stale.components(self.notebook(name), self.package, self.chosen.get(name, {}), facts, needed)


def parse_settings(words: Iterable[str], notebooks: Path, names: Iterable[str]) -> dict[str, dict[str, object]]:
    """Read overrides such as `05_gradient_ascent.LAYER=5` into values by notebook and parameter.

    Raises UsageError on a word of another form, and on a notebook, parameter or value that does not exist.
    """
    chosen: dict[str, dict[str, object]] = {}
    for word in words:
        target, equals, text = word.partition("=")
        name, dot, parameter = target.partition(".")
        if not (equals and dot):
            raise UsageError(f"{word!r} sets nothing; write NOTEBOOK.NAME=VALUE, as in 05_gradient_ascent.LAYER=5.")
        if name not in names:
            raise UsageError(f"There is no notebook {name!r}; {near(name, names)}")
        if parameter in COMMON:
            raise UsageError(f"{parameter} holds for the whole run; give it as {parameter}={text}.")
        check_names(notebooks / f"{name}.ipynb", [parameter])
        declared = read_parameters(notebooks / f"{name}.ipynb")[parameter]
        chosen.setdefault(name, {})[parameter] = convert(declared, text)
    return chosen


def plan(
    dataset: str = "faces", recipe: str = "quick", seed: int = 0, image_size: int = 0, settings: str = "",
    run: str = "", language: str = "", notebooks: Path = ROOT / "notebooks",
) -> Build:  # fmt: skip
    """Turn what is asked for into a build; UsageError on a value that does not exist, DatasetError on unusable data.

    dataset: as `load_dataset` takes it; recipe: one of RECIPES; image_size: pixels a side, 0 for the usual; run: the
    name of its folder, "" for one of data, recipe and so on; language: those of the report.
    """
    os.environ[RUN_VARIABLE] = run  # which the kernels go by as well
    reports, source, day = reports_folder(), read_source(recipe), _day(os.environ.get("SOURCE_DATE_EPOCH", ""))
    history = None if isinstance(source, str) or not source.trained else source.history
    often = chosen_trainings(recipe, history is not None)
    check_name(reports, {})
    image_size = image_size or preferred_side(recipe)
    data = identify(dataset, image_size=image_size or None)
    check_name(reports, {"fingerprint": data.fingerprint, "recipe": recipe, "seed": seed, "trainings": often})
    # the shell's own LANGUAGE is another program's
    hand_in = read_hand_in(environment={**os.environ, "LANGUAGE": language})
    precision, balanced = describe_precision(), balances(recipe)
    there = find_notebooks(notebooks)
    choose_questions([*filter(None, hand_in.collaborators)], there)  # those with whom none of them was worked on
    printed, places = choose_questions(hand_in.questions, there)
    chosen = parse_settings(split_words("SET", settings), notebooks, places)
    for sentence in (*cache_notes(), *map(show, look(dataset, image_size=image_size or None)[1].sentences())):
        print(sentence, flush=True)
    # every notebook opens it too, but what is wrong with data is to be told once, in a sentence, and at the start
    loaded = load_dataset(dataset, image_size=image_size or None)
    names = (hand_in.author, hand_in.student_id, hand_in.course, *hand_in.collaborators.values())
    _check_fonts([loaded.name, *loaded.class_names, *names])

    def depth() -> int:
        import_quietly("keras")
        from helpers.training import networks  # which imports Keras

        return networks.count_convolutions(loaded, recipe)

    chosen = {name: {**place.recipes.get(recipe, {}), **chosen.get(name, {})} for name, place in places.items()}
    for name, values in chosen.items():
        path = notebooks / f"{name}.ipynb"
        own = {key: one.default for key, one in read_parameters(path).items() if key not in COMMON} | values
        check_values(path, own, loaded.class_names, depth, len(loaded.test.labels))
    facts = {
        "the data": f"sha256:{data.fingerprint}",
        "the decoded data": f"sha256:{loaded.content}",
        "the recipe": recipe,
        "the seed": str(seed),
        "the precision": precision,
        "the network": _network(recipe, loaded, reports),
        **({"the network's history": file_sha256(history)} if history and history.is_file() else {}),
        **({"the balance of classes": "1"} if balanced else {}),
        **({"the trainings of each network": str(often)} if often else {}),
        **({"the landmarks": "mtcnn"} if loaded.evidence is None and find_spec("mtcnn") else {}),
        **(_pretrained_facts(dataset, image_size) if recipe == pretrained.RECIPE else {}),
    }
    place = dataset if dataset in KNOWN_NAMES else str(data.path)
    return Build(
        notebooks=notebooks,
        package=ROOT / "helpers",
        places=places,
        run=_claim(loaded, place, recipe, seed, image_size, reports),
        common={"DATASET": place, "RECIPE": recipe, "SEED": seed, "REPORTS": str(reports), "IMAGE_SIZE": image_size},
        chosen=chosen,
        facts=facts,
        versions=stale.package_versions(ROOT / "requirements.txt"),
        day=day,
        hand_in=hand_in,
        questions=printed,
    )


def choose_questions(questions: Sequence[str], places: Mapping[str, Place]) -> tuple[tuple[str, ...], dict[str, Place]]:
    """Choose notebooks by number: those that are handed in, in this order, and those that are run, with what they need.

    Raises UsageError with the numbers there are on one that is none.
    """
    numbers = {name[:2].lstrip("0"): name for name in places}
    if unknown := [number for number in questions if number not in numbers]:
        raise UsageError(f"There is no notebook of question {unknown[0]}; there are {', '.join(numbers)}.")
    printed = tuple(numbers[number] for number in questions) or tuple(places)
    wanted = {*printed}
    while needed := {other for name in wanted for other in places[name].needs} - wanted:
        wanted |= needed
    return printed, {name: place for name, place in places.items() if name in wanted}


def _claim(loaded: Dataset, source: str, recipe: str, seed: int, image_size: int, reports: Path) -> Path:
    """Give the run's folder, which is made here, once all else is known to be right."""
    chosen = {name: os.environ.get(name) or usual for name, usual in MADE_WITH.items()}
    facts: dict[str, Any] = {"balance": balances()}
    facts["environment"] = {name: v for name, v in chosen.items() if v != MADE_WITH[name]}
    facts |= pretrained.traits(read_source(recipe), recipe)
    return claim_run(loaded, recipe, seed, reports, image_size, source=source, **facts)


def _network(recipe: str, data: Dataset, reports: Path) -> str:
    """Say what network the run is about, by name or digest; kernels, which run elsewhere, get its whole path.

    A user's own is tried first, once, and one that came trained is measured and checked: what is wrong with it is to
    be told before anything runs.
    """
    source = read_source(recipe)
    if isinstance(source, str):
        return source or "the recipe's"
    if os.environ.get(NETWORK) and not isinstance(source, Backbone):
        os.environ[NETWORK] = f"{source.path}:{source.function}" if not source.trained else str(source.path)
    if os.environ.get(WEIGHTS):
        os.environ[WEIGHTS] = str(source.weights)
    if source.custom:
        os.environ[CUSTOM] = str(source.custom)
    made_from = [source.digest, data.fingerprint, code_digest(opening), versions()]
    tried = cache_folder() / "known" / f"network-{fingerprint(made_from)[:20]}"
    if not tried.exists():
        if source.trained:
            import_quietly("keras")
            from helpers.training.given import open_given
            from helpers.training.stored import keeper_of

            open_given(source, data, keeper_of(reports, data))
        else:
            opening.check(source, data.image_shape, len(data.class_names))
        write_atomically(tried, b"")
    return f"sha256:{source.digest}"


def _pretrained_facts(dataset: str, image_size: int) -> dict[str, str]:
    """Give the digest of the shipped networks; PretrainedError unless they are whole and made for these data."""
    shipped = pretrained.open_pretrained()
    shipped.check(load_dataset(dataset, image_size=image_size or None, keep_training=True))
    return {"the pretrained networks": f"sha256:{shipped.digest()}"}


def _check_fonts(names: Sequence[str]) -> None:
    """See that figures and PDF can show these names, before hours go into what could not be set."""
    for name in names:
        if not name.isascii():
            from helpers.report import pdf as report
            from helpers.report import plots

            if missing := report.missing_characters(name) or plots.missing_characters(name):
                raise UsageError(report.describe_missing(missing, name))


def _day(epoch: str) -> str:
    """Give the day of a time in seconds since 1970, as reproducible builds are told it; today if there is none."""
    try:
        return (datetime.fromtimestamp(int(epoch), UTC).date() if epoch else date.today()).isoformat()
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"SOURCE_DATE_EPOCH={epoch} is no time; give seconds since 1970, or leave it out.") from None


def split_words(name: str, text: str) -> list[str]:
    """Part the value of an option at blanks, outside quotation marks."""
    try:
        return shlex.split(text)
    except ValueError:
        raise UsageError(f"{name}={text} holds a quotation mark without its pair; add it.") from None
