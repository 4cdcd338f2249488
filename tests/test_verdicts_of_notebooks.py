"""What the notebooks' last cells conclude, and do not conclude, of data made for it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from helpers import ascent, confusion, faithfulness, lime_study, regions, saliency, superpixels
from helpers.answers import Answer, diagnosis, render_block
from helpers.base.files import ROOT
from helpers.base.words import said
from helpers.data.audit.counts import class_counts
from helpers.data.datasets import Split
from helpers.explain import activations
from helpers.grade import scorecard

IMAGES = 40
NAMES = np.array(["happy", "sad"])


def concluded(tmp_path: Path, notebook: str, cell: str, **given: Any) -> str:
    """Run one cell of a notebook, or some, on made data, and give what they say."""
    return " ".join(render_block(block) for block in blocks_of(tmp_path, notebook, cell, **given))


def summed(tmp_path: Path, notebook: str, cell: str, **given: Any) -> list[str]:
    """Run cells as `concluded` does, and give the sentences that answer the question as it was asked."""
    return [render_block(block) for block in blocks_of(tmp_path, notebook, cell, **given) if "summary" in block]


def blocks_of(tmp_path: Path, notebook: str, cell: str, **given: Any) -> list[dict[str, Any]]:
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    source = "\n".join("".join(one["source"]) for one in cells if one["id"] in cell.split())
    answer = Answer(tmp_path, notebook, "Title", "Question?")
    exec(
        source, {"answer": answer, "np": np, "display": lambda *shown: None, "regions": regions, "said": said, **given}
    )
    return [block for block, _ in answer._blocks]


def two_halves(images: int) -> regions.Regions:
    labels = np.zeros((images, 8, 8), np.uint8)
    labels[:, 4:] = 1
    return regions.Regions(labels, ("top", "bottom"), np.eye(2, dtype=bool), "places")


@pytest.mark.parametrize(
    ("share", "images", "blank", "said", "unsaid"),
    [
        (0.9, IMAGES, 0, "lies on the top (90% of it on 50% of the image)", "no part of the image"),
        (0.5, IMAGES, 0, "no part of the image stands out", "looks there"),
        (0.9, 4, 0, "too few images", "stands out"),
        (0.5, 4, 0, "too few images", "stands out"),
        (0.5, IMAGES, IMAGES - 4, "too few images", "stands out"),
    ],
)
def test_where_the_network_looks(tmp_path: Path, share: float, images: int, blank: int, said: str, unsaid: str) -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, images)
    held = np.stack([share + noise, 1 - share - noise], axis=1)
    held[:blank] = np.nan  # of maps without relevance
    places, labels = two_halves(images), np.arange(images) % 2
    table = regions.attention(held, places.areas(), places.names, NAMES[labels])
    everywhere = regions.attention(held, places.areas(), places.names, np.full(images, "all"))
    given = {"best": "Grad-CAM", "tables": {"Grad-CAM": table}, "overall": everywhere, "more": ["top"]}
    given["own"] = SimpleNamespace(classes=labels)
    text = concluded(tmp_path, "04_saliency_maps", "c4d10010", **given)
    assert said in text and unsaid not in text


@pytest.mark.parametrize(
    ("kind", "told", "untold"),
    [
        ("halves", "for happy, the top (100% of it on 50% of the image); for sad, the bottom (100%", "No region"),
        ("even", "No region holds more of the evidence", "the top"),
        ("none", "", "evidence"),
    ],
)
def test_where_the_evidence_lies_is_said_where_it_is_known(kind: str, told: str, untold: str, tmp_path: Path) -> None:
    places, labels = two_halves(IMAGES), np.arange(IMAGES) % 2
    evidence = np.full((IMAGES, 8, 8), kind == "even") | ((kind == "halves") & (places.labels == labels[:, None, None]))
    given = {"marked": bool(evidence.any()), "many": SimpleNamespace(evidence=evidence, labels=labels)}
    given |= {"shown": np.arange(2), "places": places, "names": NAMES}
    given["measured"], given["many"].predicted = SimpleNamespace(areas=places.areas()), np.zeros(IMAGES, int)
    text = concluded(tmp_path, "04_saliency_maps", "c24b", **given)
    assert told in text and untold not in text
    assert "explained for its true class; for 50% of them the network's answer was another" in text


@pytest.mark.parametrize(
    ("trained", "blind", "told", "untold"),
    [
        ((0.9, 0.1), (0.5, 0.5), "puts less of it on each of these", "may tell of the images"),
        ((0.9, 0.1), (0.9, 0.1), "is not shown to put less of it there", "on each of these"),
        ((0.6, 0.4), (0.7, 0.3), "is not shown to put less of it there", "on each of these"),
        ((0.5, 0.5), (0.2, 0.8), "no part of the image stands out", "random weights"),
    ],
)
def test_where_random_weights_look_as_well_is_said(
    tmp_path: Path, trained: tuple[float, float], blind: tuple[float, float], told: str, untold: str
) -> None:
    random, places, labels = np.random.default_rng(0), two_halves(IMAGES), np.arange(IMAGES) % 2

    def shares(mean: tuple[float, float]) -> np.ndarray:
        noise = random.normal(0, 0.02, IMAGES)
        return np.stack([mean[0] + noise, mean[1] - noise], axis=1)

    seen = SimpleNamespace(classes=labels, held={"LIME": shares(trained)}, areas=places.areas())
    weightless = SimpleNamespace(held={"LIME": shares(blind)})
    given: dict[str, Any] = {"told": ["LIME"], "others": [], "seen": {"LIME": seen}, "each": IMAGES, "about": ()}
    given["many"] = SimpleNamespace(indices=np.arange(IMAGES), of_each_class=lambda count: np.arange(IMAGES))
    sample = SimpleNamespace(images=None, labels=labels, evidence=None)
    given["run"] = SimpleNamespace(keep=lambda *task: weightless, sample_of=lambda chosen: sample, dataset=None)
    given["regions"] = SimpleNamespace(**vars(regions) | {"find_regions": lambda dataset, sample: places})
    given |= {"faithfulness": faithfulness, "saliency": SimpleNamespace(Settings=dict), "options": {}, "cnn": None}
    table = regions.attention(seen.held["LIME"], places.areas(), places.names, NAMES[labels])
    given |= {"SEED": 0, "places": places, "tables": {"LIME": table}}
    text = concluded(tmp_path, "04_saliency_maps", "c24r c4d10010", **given)
    assert told in text and untold not in text


def test_regions_of_which_some_are_shared_with_random_weights_are_told_apart() -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, (IMAGES, 3))
    held, blind = np.array([0.5, 0.4, 0.1]) + noise, np.array([0.2, 0.4, 0.4]) + noise[::-1]
    more = regions.beyond(held, blind, ("a", "b", "c"))
    assert more == ["a"]
    assert regions.beyond(held[:4], blind[:4], ("a", "b", "c")) == []  # of too few images nothing
    table = regions.attention(held, np.full((IMAGES, 3), 1 / 3), ("a", "b", "c"), np.full(IMAGES, "all"))
    assert [*regions.stand_out(table)["region"]] == ["a", "b"]
    told = str(regions.learned(table, more).values)
    assert regions.learned(table, more).key == "regions.learned_some" and "'a'" in told and "'b'" not in told


@pytest.mark.parametrize(
    ("trusted", "shown", "bright"),
    [
        ("RISE Grad-CAM SmoothGrad", "Grad-CAM", "this pixel speaks for the answer"),
        ("SmoothGrad Grad-CAM", "SmoothGrad", "the answer depends strongly on this pixel"),
        ("RISE", "SmoothGrad", "the answer depends strongly on this pixel"),
        ("", "SmoothGrad", "the answer depends strongly on this pixel"),
    ],
)
def test_the_figure_that_answers_shows_a_map_that_can_be_trusted_if_one_of_those_shown_can(
    tmp_path: Path, trusted: str, shown: str, bright: str
) -> None:
    gains = pd.Series({"SmoothGrad": 0.3, "Grad-CAM": 0.2, "RISE": 0.9})
    grades = {"trusted": lambda graded: trusted.split(), "grades_of": lambda graded, name: f"Grades: {name}."}
    grades["decisive_gains"] = lambda graded: gains
    sample = SimpleNamespace(images=np.zeros((2, 8, 8, 1)), predicted=np.zeros(2), evidence=None, titles=list)
    asked = SimpleNamespace(**vars(saliency) | {"explain_graded": lambda *task: np.ones((2, 8, 8))})
    given = {"scorecard": SimpleNamespace(**grades), "saliency": asked, "sample": sample, "graded": None, "cnn": None}
    given |= {
        "plots": SimpleNamespace(explanation_sheet=lambda *shown: Figure()),
        "TOP_FRACTION": 0.1,
        "settings": None,
    }
    given["METHODS"] = "gradient", "SmoothGrad", "integrated gradients", "Grad-CAM"
    text = concluded(tmp_path, "04_saliency_maps", "c13", **given)
    assert f"Grades: {shown}." in text and f"Bright in a map: {bright}" in text


@pytest.mark.parametrize("trusted", ["RISE Grad-CAM", "Grad-CAM", "RISE", ""])
def test_every_method_that_can_be_trusted_is_put_into_words_and_no_other_unless_none_can(
    tmp_path: Path, trusted: str
) -> None:
    places, labels, trust = two_halves(IMAGES), np.arange(IMAGES) % 2, trusted.split()
    asked = {"gradient": 0.4, "Grad-CAM": 0.9, "RISE": 0.1}  # by method, what the top holds of its relevance

    def measure(names: list[str], model: None, settings: None, images: np.ndarray, classes: np.ndarray, *rest: Any):
        noise = np.random.default_rng(0).normal(0, 0.02, len(classes))
        held = {name: np.stack([asked[name] + noise, 1 - asked[name] - noise], axis=1) for name in names}
        return SimpleNamespace(classes=classes, held=held, areas=places.areas()[: len(classes)])

    def sample_of(chosen: np.ndarray) -> SimpleNamespace:
        return SimpleNamespace(images=chosen, labels=labels[chosen], evidence=None)

    given: dict[str, Any] = {"trusted": trust, "best": "Grad-CAM" if "Grad-CAM" in trust else "gradient"}
    given["measured"] = measure(["gradient", "Grad-CAM"], None, None, labels, labels)
    given |= {"many": SimpleNamespace(indices=np.arange(IMAGES), labels=labels, of_each_class=np.arange)}
    given |= {"run": SimpleNamespace(keep=lambda function, *task: function(*task), sample_of=sample_of, dataset=None)}
    given |= {"regions": SimpleNamespace(**vars(regions) | {"find_regions": lambda dataset, sample: places})}
    given |= {
        "faithfulness": SimpleNamespace(measure_methods=measure),
        "saliency": SimpleNamespace(Settings=dict),
        "METHODS": ["gradient", "Grad-CAM"],
    }
    given |= {"plots": SimpleNamespace(region_heatmaps=lambda *shown: Figure()), "REGION_IMAGES": 60, "cnn": None}
    given |= {
        "options": {},
        "task": (None, None),
        "about": (2, 0.1),
        "places": places,
        "names": NAMES,
        "shown": np.arange(2),
    }
    text = concluded(tmp_path, "04_saliency_maps", "c23b c24", **given)
    told = trust or ["gradient"]  # of those that more images were asked about, the one with the highest gain
    assert [name for name in asked if f"relevance by {name} lies" in text] == [name for name in asked if name in told]
    assert ("What is said of RISE rests on 30 test images, at most 30 of a class" in text) == ("RISE" in trust)


@pytest.mark.parametrize(("notebook", "cell"), [("05_gradient_ascent", "c28c"), ("07_keract_activations", "c21c c27b")])
@pytest.mark.parametrize(("kind", "images"), [("top", IMAGES), ("even", IMAGES), ("even", 4), ("dark", IMAGES)])
def test_which_filters_answer_to_a_region(tmp_path: Path, notebook: str, cell: str, kind: str, images: int) -> None:
    places, maps = two_halves(images), np.ones((images, 8, 8, 3))
    if kind == "top":
        maps[:, 4:, :, 0] = 0
    if kind == "dark":
        maps[4:] = 0  # on all images but four
    attended = regions.filter_attention(maps, places)
    standing = regions.stand_out(attended)
    stage = pd.DataFrame({"height": [8, 4], "width": [8, 4], "channels": [3, 6]}, index=["conv 1", "conv 2"])
    given = {"standing": standing, "telling": standing.drop_duplicates("group"), "attended": attended}
    given["outputs"] = np.ones((3, 8, 8))
    given |= {"drawn": SimpleNamespace(labels=np.zeros(images)), "channels": 3, "labels": {"x": "conv 1"}, "last": "x"}
    given |= {"staged": stage, "first": stage.iloc[0], "end": stage.iloc[1]}
    given["ends"] = {"a": "conv 1", "b": "conv 2", "c": 3, "c2": 6, "h": 8, "w": 8, "h2": 4, "w2": 4}
    text = concluded(tmp_path, notebook, cell, **given)
    assert ("most often" in text) == ("most often to the top (1" in text) == (kind == "top")
    assert ("No filter" in text or "none of the" in text.lower()) == (kind == "even" and images >= regions.FEWEST)
    if notebook.startswith("07"):
        assert ("The channel of" in text) == ("answers to the top (" in text) == (kind == "top")
        assert ("too few of" in text) == (kind == "dark" or images < regions.FEWEST)


@pytest.mark.parametrize(("train", "test"), [((5, 9), (6, 6)), ((9, 5), (2, 6)), ((4, 4), (2, 6))])
def test_notebook_01_names_the_same_commonest_class_as_what_is_wrong_with_a_network(
    train: tuple[int, int], test: tuple[int, int], tmp_path: Path
) -> None:
    labels = [np.repeat([0, 1], counts) for counts in (train, test)]
    table = class_counts({"train": Split(None, labels[0]), "test": Split(None, labels[1])}, NAMES)
    dataset = SimpleNamespace(title="Two", class_names=NAMES)
    dataset.train, dataset.test = (SimpleNamespace(labels=each) for each in labels)
    run = SimpleNamespace(class_counts=lambda: table)
    text = concluded(tmp_path, "01_train_cnn", "c10", run=run, dataset=dataset, labels=labels[1], names=NAMES)
    ((_, values),) = diagnosis.no_better(1 - labels[1], dataset)
    assert f"Always answering {values['name']} would be right on {values['share']:.1%}" in text
    assert ("the commonest 9" in text) == ("The rarest class" in text) == (train != (4, 4))


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("drawn", [True, False])
def test_that_a_network_may_have_learned_from_the_test_images_is_said_of_one_that_came_trained(
    tmp_path: Path, given: bool, drawn: bool
) -> None:
    data = SimpleNamespace(validates_on_test=False, missing=("train", "validation", "test") if drawn else ("test",))
    text = concluded(
        tmp_path, "01_train_cnn", "c29", run=SimpleNamespace(given=given), dataset=data, members={"CNN": 0}
    )
    assert ("The network came trained" in text) == given
    assert ("drawn here from all images" in text) == (given and drawn)
    assert ("neither learned from the test images" in text) == (given and not drawn)


@pytest.mark.parametrize(("right", "apart"), [(38, True), (22, False)])
def test_a_class_is_called_best_only_where_the_next_is_told_from_it(tmp_path: Path, right: int, apart: bool) -> None:
    counts = np.array([[right, IMAGES - right], [20, IMAGES - 20]])
    ends = {
        "highest": confusion.extreme_recall(counts, NAMES, 1),
        "lowest": confusion.extreme_recall(counts, NAMES, -1),
    }
    ends |= {"attended": regions.attention(np.ones((4, 1)), np.ones((4, 1)), ["top"], np.zeros(4)), "weight": "LIME"}
    text = concluded(tmp_path, "06_lime", "c29b", **ends, names=list(NAMES), best=0, worst=1)
    assert ("The class that is found most often is" in text) == ("most often is happy" in text) == apart
    assert ("Which class is found most often is not clear" in text) == (not apart)
    assert ("The class that is found least often is" in text) == ("least often is sad" in text) == apart
    assert ("Which class is found least often is not clear" in text) == (not apart)
    assert ("do not say that the network finds" in text) == ("happy better than sad" in text) == (not apart)


def ingredients(tmp_path: Path, trainings: int, spread: float, gap: float) -> str:
    """Let notebook 02 judge a CNN with and without its ingredients, whose trainings differ in accuracy by so much."""
    skills = 0.6 + spread * np.linspace(-1, 1, trainings)[:, None] if trainings > 1 else np.array([[0.6 + spread]])
    places, labels = np.linspace(0, 1, 2000, endpoint=False), np.zeros(2000, int)

    def answers(skill: np.ndarray) -> np.ndarray:
        return np.eye(2)[(places > skill).astype(int)]

    known = {"cnn": answers(skills), "plain": answers(skills[::-1] - gap - (2 * spread if trainings == 1 else 0))}
    versions = {name: [SimpleNamespace(history=[0] * 3)] * trainings for name in known}
    given = {"answers": known, "labels": labels, "versions": versions, "often": trainings, "confusion": confusion}
    given |= {"cnn": SimpleNamespace(history=[0] * 9), "SMALLEST": 1.0, "SIGNIFICANCE": 0.05}
    run = SimpleNamespace(taken_apart="small", compared=lambda name: name, predict_each=lambda name: known["plain"])
    run.networks = {"small_dnn"} if trainings > 1 else {}
    given["run"] = run
    given["difference"] = confusion.compare(labels, known["cnn"].argmax(-1), known["plain"].argmax(-1))
    return concluded(tmp_path, "02_compare_dnn", "c26 c27 c29", **given)


def test_after_one_training_notebook_02_speaks_of_these_networks_and_of_their_epochs(tmp_path: Path) -> None:
    text = ingredients(tmp_path, 1, 0.03, 0.0)
    assert "This network with augmentation against the one without, after 3 epochs: +6.0 points" in text
    assert "This CNN against this DNN, after 9 epochs: +6.0 points" in text
    assert "more than chance explains" in text and "Each version was trained once" in text
    assert "each trained" not in text and "Each difference holds for the epochs" in text


def test_after_several_trainings_notebook_02_claims_what_outweighs_their_luck_and_no_more(tmp_path: Path) -> None:
    lucky, sure = ingredients(tmp_path, 5, 0.08, 0.05), ingredients(tmp_path, 5, 0.004, 0.05)
    assert "no difference can be claimed" in lucky and "more than chance explains" not in lucky
    assert "more than chance explains" in sure and "no difference" not in sure
    for text in (lucky, sure):
        assert "The CNN with augmentation against the same without, each trained 5 times, after 3 epochs" in text
        assert "This network" not in text and "trained once" not in text
        assert "The smaller CNN, which is taken apart, against a DNN of its size, each trained 5 times" in text


@pytest.mark.parametrize(("dnn", "told"), [(0.0005, True), (0.005, False)])
def test_other_steps_of_the_dnn_are_a_limit_of_the_comparison(tmp_path: Path, dnn: float, told: bool) -> None:
    ended = SimpleNamespace(history=pd.DataFrame({"val_accuracy": [np.nan]}))
    plans = {"cnn": [{"learning_rate": 0.005}, {"learning_rate": 0.001}], "dnn": [{"learning_rate": dnn}]}
    run = SimpleNamespace(plan=lambda name="cnn": {"phases": plans[name]})
    text = concluded(tmp_path, "02_compare_dnn", "c15", run=run, cnn=ended, sizes=plans)
    assert ("rate of the CNN is 0.005, that of the DNN 0.0005" in text) == told == bool(text)


@pytest.mark.parametrize(("correct", "few"), [([True, False], True), ([True, True, False], False)])
def test_no_curves_are_drawn_of_one_right_and_one_wrong_answer(tmp_path: Path, correct: list[bool], few: bool) -> None:
    names, substrates = np.array(["one", "other"]), np.array(["blur", "mean"])
    graded = SimpleNamespace(names=names, substrates=substrates, correct=np.array(correct))
    graded.curves = np.full((2, 2, 2, 2, 5), np.nan)
    grades = SimpleNamespace(**vars(scorecard) | {"differences": lambda graded: {}})
    plots = SimpleNamespace(perturbation_curves=lambda *shown: Figure(), paired_differences=lambda *shown: Figure())
    text = concluded(tmp_path, "04_saliency_maps", "c4d10005", graded=graded, scorecard=grades, plots=plots)
    assert ("so that no curves are drawn" in text) == few


def looks(tmp_path: Path, images: int, marked: bool) -> list[str]:
    """Let notebook 04 answer where the network looks, from maps of so many images."""
    noise = np.random.default_rng(0).normal(0, 0.02, images)
    held = np.stack([0.9 + noise, 0.1 - noise], axis=1)
    places, labels = two_halves(images), np.arange(images) % 2
    table = regions.attention(held, places.areas(), places.names, NAMES[labels])
    measured = SimpleNamespace(held={"LIME": held}, concentration={"LIME": np.full(images, 0.5)}, classes=labels)
    measured.mass, measured.areas = pd.DataFrame({"LIME": np.full(images, 0.3)}), places.areas()
    measured.chance = np.full(images, 0.1)
    everywhere = regions.attention(held, places.areas(), places.names, np.full(images, "all"))
    given = {"best": "LIME", "own": measured, "tables": {"LIME": table}, "overall": everywhere, "more": []}
    given |= {"trusted": ["LIME"], "gains": {"LIME": 0.5, "edge map": 0.2}}
    given |= {"marked": marked, "TOP_FRACTION": 0.1, "scorecard": scorecard}
    given |= {"where": "where the class is drawn", "graded": SimpleNamespace(substrates=["blur", "mean"])}
    return summed(tmp_path, "04_saliency_maps", "c4d10010 c4d10012", **given)


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("images", [4, regions.FEWEST - 1, IMAGES])
def test_notebook_04_answers_in_three_to_six_sentences_however_few_images_there_are(
    tmp_path: Path, images: int, marked: bool
) -> None:
    said = looks(tmp_path, images, marked)
    assert 3 <= len(said) <= 6
    assert any("hold 50% of the relevance" in one for one in said) == (images < regions.FEWEST)


def layers(tmp_path: Path, change: float, images: int, kinds: str = "rectified pooled") -> list[str]:
    """Let notebook 07 sum up two layers, of which pooling changes the tolerance of a shift by so much on average."""
    random = np.random.default_rng(0)
    before = random.uniform(0.7, 0.9, images)
    scatter = random.normal(0, 0.05, images)
    shifts = [before, before + change + scatter - scatter.mean()]
    profile = pd.DataFrame({"silent": 0.4, "dead": 0.0, "shifts": shifts}, index=["a", "b"])
    profile["shift"] = [each.mean() for each in shifts]
    attended = regions.filter_attention(np.ones((images, 8, 8, 3)), two_halves(images))
    given = {"attended": attended, "telling": regions.stand_out(attended), "last": "b", "channels": 3}
    asked = SimpleNamespace(changed_by_pooling=activations.changed_by_pooling, pooling_pairs=lambda cnn: [])
    given |= {"pairs": [("a", "b")], "profile": profile, "activations": asked, "cnn": None, "outputs": {}}
    given |= {"rectified": profile if "rectified" in kinds else profile[:0], "means": {"silent": 0.4}}
    given |= {"drawn": SimpleNamespace(labels=np.zeros(images)), "labels": {"a": "relu 1", "b": "pool 1"}}
    given["ends"] = {"a": "relu 1", "b": "pool 1", "c": 3, "c2": 3, "h": 8, "w": 8, "h2": 4, "w2": 4}
    cells = "c27b c27c" if "pooled" in kinds else f"{POOLING} c27b c27c"
    return summed(tmp_path, "07_keract_activations", cells, **given)


POOLING = "c15"


@pytest.mark.parametrize(
    ("change", "images", "less", "more"),
    [(0.03, 200, 1, 0), (-0.03, 200, 0, 1), (0.003, 200, 0, 0), (-0.003, 200, 0, 0), (0.03, 3, 0, 0), (0.0, 1, 0, 0)],
)
def test_pooling_is_said_to_calm_a_layer_only_where_the_interval_leaves_out_zero(
    tmp_path: Path, change: float, images: int, less: int, more: int
) -> None:
    (told,) = (one for one in layers(tmp_path, change, images) if "pooling makes" in one)
    assert f"less sensitive to a shift by one pixel at {less} of 1" in told and f"more sensitive at {more};" in told
    assert f"at {1 - less - more}, neither is sure" in told
    assert ("at 1 of 1" in told) == bool(less) and ("more sensitive at 1" in told) == bool(more)


@pytest.mark.parametrize("images", [4, IMAGES])
@pytest.mark.parametrize("kinds", ["rectified pooled", "rectified", "pooled", ""])
def test_notebook_07_answers_in_three_to_six_sentences_of_any_network(tmp_path: Path, kinds: str, images: int) -> None:
    assert 3 <= len(layers(tmp_path, 0.0, images, kinds)) <= 6


PROOF = {True: (1, 0, 1), False: (1, 1, 1)}  # right on the whole image, without the evidence, with the evidence alone
UNPROVED = "not proved to be where the network looks"


def on_the_evidence(tmp_path: Path, share: float, images: int = IMAGES, proved: bool = False) -> str:
    """Let notebook 04 tell of maps that put such a share of the relevance on a quarter of the image."""
    noise, marks = np.random.default_rng(0).normal(0, 0.1, images), np.zeros((images, 8, 8), bool)
    marks[:, :4, :4] = True
    proof = np.repeat(np.array(PROOF[proved], np.float32)[:, np.newaxis], 40, axis=1)
    given = {"marked": True, "many": SimpleNamespace(evidence=marks, labels=np.arange(images) % 2), "names": NAMES}
    shares = pd.DataFrame({"one": share + noise - noise.mean()})
    measured = SimpleNamespace(mass=shares, concentration=shares, chance=faithfulness.chance_level(marks))
    given |= {"measured": measured, "own": measured}
    graded = SimpleNamespace(proof=proof, blind=0.3, substrates=["blur", "mean"])
    given |= {"graded": graded, "scorecard": scorecard, "best": "one"}
    given |= {"trusted": [], "gains": {"one": 0.1, "edge map": 0.2}, "TOP_FRACTION": 0.1}
    given["overall"] = pd.DataFrame({"images": [images]})
    return concluded(tmp_path, "04_saliency_maps", "c4d10008 c4d10012", **given)


def test_relevance_lies_where_the_class_is_drawn_more_than_by_chance_where_the_interval_leaves_chance_out(
    tmp_path: Path,
) -> None:
    more, less, level = (on_the_evidence(tmp_path, share) for share in (0.4, 0.1, 0.26))
    few = on_the_evidence(tmp_path, 0.4, regions.FEWEST - 1)
    assert "Of the relevance by one, 40% (95% interval 37% to 42%) lies" in more and "more than chance gives" in more
    assert "less than chance gives" in less and "more than chance" not in less
    for text in (level, few):
        assert "not told from chance" in text and "than chance gives" not in text


def test_notebook_04_says_of_the_evidence_that_the_network_looks_there_only_where_that_is_proved(
    tmp_path: Path,
) -> None:
    unproved, proved = (on_the_evidence(tmp_path, 0.4, proved=known) for known in (False, True))
    assert unproved.count(UNPROVED) == 2 and "not proved" not in proved  # below the table, and in the answer


@pytest.mark.parametrize(("share", "said"), [(0.4, "more than chance gives"), (0.26, "not told from chance")])
def test_the_strongest_superpixels_lie_where_the_class_is_drawn_by_their_interval_alone(
    tmp_path: Path, share: float, said: str
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, IMAGES)
    grades = pd.DataFrame({"r2": 0.5, "concentration": 0.5, "overlap": share + noise - noise.mean(), "chance": 0.25})
    given = {"both": {"happy": grades}, "means": grades.mean().to_frame("happy").T, "TOP_SUPERPIXELS": 5}
    text = concluded(tmp_path, "06_lime", "c27", scorecard=scorecard, **given)
    assert "Of the strongest superpixels for happy" in text and "does not prove to be where the network looks" in text
    assert [one for one in ("more than chance gives", "not told from chance") if one in text] == [said]


@pytest.mark.parametrize(("twins", "near"), [(0, 0), (3, 0), (0, 2)])
def test_that_test_images_occur_in_training_or_not_is_said_only_where_it_is_so(
    tmp_path: Path, twins: int, near: int
) -> None:
    run = SimpleNamespace(audit=lambda: pd.DataFrame({"what": ["copies"], "images": [twins]}))
    run.without_twin = lambda split: np.arange(IMAGES) >= twins
    run.near_twins = lambda split: np.arange(IMAGES) < near
    text = concluded(tmp_path, "01_train_cnn", "audit-table", run=run)
    assert ("No test image also occurs in training" in text) == (twins == 0)
    assert ("images also occur" in text) == ("3 of 40 test images also occur" in text) == (twins == 3)
    assert ("near-duplicates" in text) == ("2 test images are near-duplicates" in text) == (near == 2)


@pytest.mark.parametrize("trusted", [True, False])
def test_maps_can_be_trusted_where_a_method_passes_and_not_where_none_does(tmp_path: Path, trusted: bool) -> None:
    shares = pd.DataFrame({"one": np.full(IMAGES, 0.4)})
    given = {"gains": {"one": 0.3, "edge map": 0.2}, "best": "one", "trusted": ["one"] if trusted else []}
    given |= {"marked": False, "own": SimpleNamespace(concentration=shares), "TOP_FRACTION": 0.1}
    given |= {"overall": pd.DataFrame({"images": [IMAGES]}), "scorecard": scorecard}
    given["graded"] = SimpleNamespace(substrates=["blur", "mean"])
    text = concluded(tmp_path, "04_saliency_maps", "c4d10012", **given)
    assert ("These maps can be trusted" in text) == trusted
    assert ("Read them with care" in text) == (not trusted)
    assert "(symmetric relevance gain, where hidden pixels show the image blurred and its mean colour: 0.30" in text
    assert "where the class is drawn" not in text  # of data that mark no evidence


@pytest.mark.parametrize(
    ("asked", "number", "stood_in"), [(0, 7, False), (0, 5, True), (5, 5, False)], ids=["usual", "nearest", "asked"]
)
@pytest.mark.parametrize("lines", [0, 2, 4])
def test_what_notebook_05_says_of_its_layer_and_of_lines(
    tmp_path: Path, asked: int, number: int, stood_in: bool, lines: int
) -> None:
    chosen, layers = SimpleNamespace(output=np.ones((1, 8, 8, 4))), [None] * 9
    alignment = np.where(np.arange(4) < lines, regions.ALIGNED + 0.1, regions.ALIGNED - 0.1)
    given = {"textures": pd.DataFrame({"alignment": alignment, "wave": 3.0}), "fields": dict.fromkeys(range(9), 20)}
    given |= {"chosen": chosen, "layers": layers, "number": number, "LAYER": asked, "ascent": ascent, "beaten": 1}
    given |= {"count": 4, "test": SimpleNamespace(images=np.zeros(IMAGES))}
    text = concluded(tmp_path, "05_gradient_ascent", "c28b", **given)
    assert ("stands in for" in text) == ("for convolution 7, whose maps are too small" in text) == stood_in
    assert f"{lines} of the 4 images made show lines in one direction" in text


@pytest.mark.parametrize(("inside", "above"), [([0.3, 0.2, 0.1, 0.2], 1), ([0.2, 0.2, 0.2, 0.2], 0)])
def test_the_dream_is_above_chance_on_those_images_alone_where_it_is(
    tmp_path: Path, inside: list[float], above: int
) -> None:
    within = pd.DataFrame({"inside": inside, "chance": 0.2})
    text = concluded(tmp_path, "05_gradient_ascent", "c27d", within=within, TOP_SUPERPIXELS=5)
    assert "20% of the dream's strongest changes" in text
    assert [count for count in range(5) if f"above chance it is on {count} of them" in text] == [above]


def contest(rivals: list[list[float]], images: int) -> superpixels.Contest:
    """Five superpixels of twenty speak for a class; what they do to its rival is given, by turns."""
    own, rest = np.repeat([1.0, 0.0], [5, 15]), [2.0] * 5 + [-2.0] * 5 + [0.0] * 5

    def explain(weights: Any) -> superpixels.Explanation:
        return superpixels.Explanation(np.arange(20)[np.newaxis], 0, np.array(weights), 1.0, 0.5)

    turns = [[*rivals[place % len(rivals)], *rest] for place in range(images)]
    return superpixels.Contest([explain(own) for _ in turns], [explain(one) for one in turns])


@pytest.mark.parametrize(
    ("rivals", "images", "first"),
    [
        ([[-3, -3, -3, -3, 3]], 60, "What speaks for happy speaks against sad (80%"),
        ([[3, 3, 3, 3, -3]], 60, "What speaks for happy also speaks for sad (80%"),
        ([[3, 3, 3, -3, -3], [3, 3, -3, -3, -3]], 60, "What speaks for happy"),
        ([[-3, -3, -3, -3, 3]], lime_study.FEWEST - 1, "These images do not say whether happy and sad are judged"),
        (
            [*[[3, -3, 0, 0, 0]] * 2, [3, -3, -3, 0, 0], [3, 3, -3, 0, 0]],
            60,
            "These images do not say whether happy and",
        ),
    ],
    ids=["against", "for", "both", "few", "chance"],
)
def test_the_answer_takes_of_a_rival_what_is_concluded_or_else_what_is_farthest_from_chance(
    tmp_path: Path, rivals: list[list[float]], images: int, first: str
) -> None:
    given = {"best": 0, "worst": 1, "best_rival": 1, "worst_rival": 0, "names": list(NAMES), "FILL": "black"}
    given |= {"best_contest": contest(rivals, images), "worst_contest": contest(rivals, 2), "TOP_SUPERPIXELS": 5}
    given |= {"lime_study": lime_study, "superpixels": superpixels, "means": pd.DataFrame({"r2": [0.5, 0.6]})}
    text = concluded(tmp_path, "06_lime", "c29 c29c", **given)
    assert text.startswith(first) and "These images do not say whether sad and happy are judged" in text
    assert ("do not say whether happy and sad are judged" in text) == first.startswith("These images")
    assert ("decide between the two" in text) == (first.startswith("What speaks for happy speaks against"))
    assert ("does not tell the two apart" in text) == (
        first.startswith("What speaks for happy also speaks for sad (80%")
    )


OF_CONFUSIONS = (
    "The most frequent confusion is",
    "Which confusion is the most frequent",
    "no two classes are",
)


@pytest.mark.parametrize(
    ("counts", "place"),
    [
        ([[100, 100, 0], [2, 198, 0], [0, 2, 198]], 0),
        ([[180, 10, 10], [10, 180, 10], [10, 10, 180]], 1),
        ([[200, 0, 0], [0, 200, 0], [0, 0, 200]], 2),
    ],
    ids=["one", "alike", "none"],
)
def test_which_classes_are_confused_is_said_where_some_are_and_which_most_where_that_is_sure(
    tmp_path: Path, counts: list[list[int]], place: int
) -> None:
    ends = np.indices((3, 3)).reshape(2, 9).repeat(np.ravel(counts), axis=1)
    given = {"counts": np.array(counts), "labels": ends[0], "predicted": ends[1], "names": tuple("abc"), "PAIRS": 3}
    given |= {"SMALLEST": 1.0, "SIGNIFICANCE": 0.05}
    text = concluded(tmp_path, "03_confusion_matrix", "c17 c18 c20", confusion=confusion, **given)
    assert [one for one in OF_CONFUSIONS if one in text] == [OF_CONFUSIONS[place]]


@pytest.mark.parametrize(
    ("only", "labels", "confident", "unsure"),
    [
        ("", [0, 1], [True, False], "sad"),
        ("", [0, 1], [True, True], ""),
        ("happy", [0, 0, 0], [True, False, False], ""),
        ("happy", [0, 0, 0], [False, False, False], "happy"),
    ],
)
def test_that_no_image_of_a_class_is_answered_surely_is_said_only_where_none_is(
    tmp_path: Path, only: str, labels: list[int], confident: list[bool], unsure: str
) -> None:
    sample = SimpleNamespace(labels=np.array(labels), confident=np.array(confident))
    given = {"run": SimpleNamespace(sample=lambda *asked, **options: sample), "names": NAMES, "CLASS": only}
    text = concluded(tmp_path, "04_saliency_maps", "c11", IMAGE=-1, MIN_CONFIDENCE=0.9, CLASSES=12, **given)
    assert f"{sum(confident)} of the {len(labels)} images shown" in text
    assert ("No such image exists" in text) == (f"exists for {unsure}: the most" in text) == bool(unsure)


@pytest.mark.parametrize("silent", [[], [1], [0, 1], None])
def test_that_grad_cam_found_nothing_is_said_of_the_maps_that_are_zero(
    tmp_path: Path, silent: list[int] | None
) -> None:
    maps, images = np.ones((2, 4, 4)), np.ones((2, 4, 4, 1))
    maps[silent or []] = 0
    compared = {"integrated gradients": np.ones((2, 4, 4))} | ({} if silent is None else {"Grad-CAM": maps})
    asked = {"substrate": lambda images, how: 0 * images, "class_logits": lambda cnn, images, _: images.sum((1, 2, 3))}
    given = {"sample": SimpleNamespace(images=images, labels=np.arange(2), predicted=np.arange(2)), "cnn": None}
    given |= {"compared": compared, "smooth": np.ones((2, 4, 4)), "names": NAMES, "STEPS": 32}
    text = concluded(tmp_path, "04_saliency_maps", "c18", saliency=SimpleNamespace(**asked), **given)
    assert ("map is zero everywhere" in text) == bool(silent)
    assert (f"For {' and '.join(NAMES[silent or []])}, Grad-CAM" in text) == bool(silent)
