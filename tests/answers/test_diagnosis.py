"""A network that has not learned is called that, with the cause where one is found; one that has is not."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import toy_dataset
from keras import layers

from helpers.answers import Answer, diagnosis, load_answer
from helpers.base.words import said
from helpers.data.datasets import Dataset
from helpers.report.document import STAMP_KEYS, compose
from helpers.training.loop import Trained

DATA = toy_dataset()
PLAN = {"phases": [{"learning_rate": 0.3}, {"learning_rate": 0.02}]}


def trained(*body: layers.Layer, losses: tuple[float, ...] = (1.0, 0.3)) -> Trained:
    model = keras.Sequential([keras.Input((24, 24, 1)), layers.Rescaling(1 / 255, name="scale"), *body])
    return Trained(keras.Model(model.inputs, model.outputs), pd.DataFrame({"loss": losses, "learning_rate": 0.01}))


def plain(**options) -> Trained:
    return trained(layers.Flatten(), layers.Dense(8, name="hidden"), layers.Dense(3, name="logits"), **options)


def probabilities(right: float) -> np.ndarray:
    """Answer so that this share of the test images is right."""
    labels = DATA.test.labels
    wrong = np.arange(len(labels)) / len(labels) >= right
    return np.eye(3)[np.where(np.random.default_rng(0).permutation(wrong), (labels + 1) % 3, labels)]


def keys(one: Trained, right: float) -> list[str]:
    return [key for key, _ in diagnosis.faults(one, DATA, probabilities(right), PLAN)]


def test_a_network_no_better_than_the_commonest_class_is_called_that_and_a_better_one_is_not() -> None:
    assert keys(plain(), right=0.35) == ["no_better"]  # a third is what one class alone gives
    assert keys(plain(), right=0.44) == ["no_better"]  # whose interval holds a third
    assert keys(plain(), right=0.6) == []
    ((_, values),) = diagnosis.no_better(probabilities(0.35).argmax(1), DATA)
    assert values["share"] == pytest.approx(1 / 3) and values["low"] < 1 / 3 < values["high"]


def with_images(*counts: int) -> Dataset:
    """Give data with so many test images of each class."""
    labels, names = np.repeat(np.arange(len(counts)), counts), (*DATA.class_names, *"abcd")
    return replace(DATA, test=replace(DATA.test, labels=labels), class_names=names[: len(counts)])


def test_a_network_that_tells_classes_apart_is_never_told_that_nothing_shows_it_however_common_one_class_is() -> None:
    lopsided, perfect = with_images(97, 3), np.repeat([0, 1], [97, 3])
    ((key, values),) = diagnosis.no_better(perfect, lopsided)
    text = str(said(f"faults.{key}", what="CNN", **values))
    assert key == "outdone" and values["low"] < 0.97 and "no skill" not in text
    assert "right more often than always answering top, which is right on 97.0%" in text
    assert "balanced accuracy is 100.0%" in text and "guessing gives 50.0%" in text
    weighed = np.repeat([0, 1, 0, 1], [255, 45, 1, 9])  # 85 % and 90 % of 300 and 10
    assert [key for key, _ in diagnosis.no_better(weighed, with_images(300, 10))] == ["outdone"]
    luck = np.random.default_rng(0).permutation(weighed)
    assert [key for key, _ in diagnosis.no_better(luck, with_images(300, 10))] == ["no_better"]
    assert diagnosis.no_better(np.repeat([0, 1], 50), with_images(50, 50)) == []


def test_one_right_answer_to_a_rare_class_does_not_show_that_classes_are_told_apart() -> None:
    alone = np.repeat([0, 1], [13, 1])  # which one of fourteen orders gives, too
    ((key, values),) = diagnosis.no_better(alone, with_images(13, 1))
    text = str(said(f"faults.{key}", what="CNN", **values))
    assert text.startswith("Nothing shows that the CNN tells the classes apart: it is right on 100.0%")
    assert "no better" not in text and "not learned" not in text


def test_guesses_are_seldom_called_telling_the_classes_apart() -> None:
    few, guesses = with_images(*[5] * 7), np.random.default_rng(0).integers(0, 7, (60, 35))
    found = [key for guess in guesses for key, _ in diagnosis.no_better(guess, few)]
    assert found.count("no_better") >= 55 and found.count("outdone") <= 2  # by the interval alone, 13


def test_a_loss_that_never_fell_is_not_said_of_a_network_that_tells_the_classes_apart() -> None:
    stuck, lopsided = plain(losses=(1.3, 1.1, 1.095)), with_images(97, 2, 1)
    answers = np.eye(3)[lopsided.test.labels]
    assert [key for key, _ in diagnosis.faults(stuck, lopsided, answers, PLAN)] == ["outdone"]


def test_one_answer_to_all_test_images_is_told_by_its_name_and_two_are_not() -> None:
    all_dark = np.eye(3)[np.full(60, 1)]
    found = diagnosis.faults(plain(), DATA, all_dark, PLAN)
    assert [key for key, _ in found] == ["one_answer", "no_better"]
    assert str(said("faults.one_answer", what="CNN", **found[0][1])) == (
        "The CNN gives the same answer, middle, to all 60 test images."
    )
    all_dark[7] = np.eye(3)[0]
    assert [key for key, _ in diagnosis.faults(plain(), DATA, all_dark, PLAN)] == ["no_better"]
    only = diagnosis.faults(plain(), with_images(9, 0, 0), np.eye(3)[[0] * 9], PLAN)
    assert [key for key, _ in only] == ["no_better"]  # the one answer is all that there is


def test_it_is_the_commonest_class_of_the_test_images_that_counts() -> None:
    rare = with_images(50, 5, 5)
    assert diagnosis.no_better(np.zeros(60, int), rare)[0][1]["name"] == "top"
    assert diagnosis.no_better(rare.test.labels, rare) == []


def test_a_loss_that_never_fell_is_the_cause_only_of_a_network_that_has_not_learned() -> None:
    stuck = plain(losses=(1.3, 1.1, 1.095))  # three equal classes give log 3 = 1.0986
    assert keys(stuck, right=0.35) == ["no_better", "not_learned"]
    assert keys(plain(losses=(1.3, 0.9)), right=0.35) == ["no_better"]
    assert keys(stuck, right=0.8) == []  # whatever its loss holds besides
    assert diagnosis.not_learned(replace(stuck, history=pd.DataFrame()), DATA, PLAN) == []


def test_the_learning_rate_that_did_not_learn_is_named_where_it_is_known() -> None:
    stuck = plain(losses=(1.3, 1.1, 1.095))
    ((_, known), (unknown, values)) = (diagnosis.not_learned(stuck, DATA, one)[0] for one in (PLAN, {}))
    assert "learning rate was 0.3: try another" in str(said("faults.not_learned", what="CNN", **known))
    assert "Try another learning rate, or" in str(said(f"faults.{unknown}", what="CNN", **values))
    assert diagnosis.not_learned(plain(losses=(1.3, 0.9)), DATA, {}) == []


def test_a_dead_layer_is_named_and_a_living_one_is_not() -> None:
    dead = layers.Dense(8, name="hidden", activation="relu", bias_initializer=keras.initializers.Constant(-1e6))
    found = diagnosis.faults(trained(layers.Flatten(), dead, layers.Dense(3)), DATA, probabilities(0.9), PLAN)
    assert [key for key, _ in found] == ["dead"] and found[0][1]["layers"][0] == "hidden"
    assert keys(trained(layers.Flatten(), layers.Dense(8, "relu"), layers.Dense(3)), right=0.9) == []


def test_probabilities_in_place_of_logits_are_named() -> None:
    assert keys(trained(layers.Flatten(), layers.Dense(3), layers.Softmax()), right=0.9) == ["softmax"]
    assert keys(trained(layers.Flatten(), layers.Dense(3)), right=0.9) == []


def test_the_warning_is_the_first_sentence_of_an_answer_and_stands_on_the_first_page(tmp_path: Path) -> None:
    stamp = {key: [] if key == "notes" else {} if key == "versions" else "2025-01-31" for key in STAMP_KEYS}

    def made(right: float, what: str = diagnosis.CNN) -> tuple[list, dict]:
        answer = Answer(tmp_path, "04_saliency_maps", "Saliency", "Where does it look?")
        answer.say("The mouth.")
        answer.summary("The eyes.")
        diagnosis.warn(answer, what, diagnosis.faults(plain(), DATA, probabilities(right), PLAN))
        answer.save()
        saved = load_answer(tmp_path, "04_saliency_maps")
        return saved["blocks"], compose([saved], stamp)

    blocks, document = made(0.35)
    assert blocks[0]["key"] == "faults.no_better"
    assert document["stamp"][0][0] == "Warning" and "Nothing shows that the CNN tells" in document["stamp"][0][1]
    blocks, document = made(0.9)
    assert [block["key"] for block in blocks] == ["The eyes.", "The mouth."] and document["stamp"][0][0] != "Warning"
    assert made(0.35, "DNN")[0][0]["key"] == "faults.no_better"
    assert made(0.35, "DNN")[1]["stamp"][0][0] != "Warning"
