"""Wrong labels that were planted are found among the first suspects, and what only one side doubts is no suspect."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.base.words import names
from helpers.data.audit import suspects
from helpers.data.datasets import Split, load_dataset


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Schematic faces of the training split, their labels, 3 % of them wrong, which are, and the right ones."""
    images, labels = (train := load_dataset("faces").train).images, train.labels
    random = np.random.default_rng(0)
    wrong = np.zeros(len(labels), bool)
    wrong[random.choice(len(labels), round(0.03 * len(labels)), replace=False)] = True
    given = np.where(wrong, (labels + random.integers(1, 7, len(labels))) % 7, labels)
    return images, given, wrong, labels


def test_planted_wrong_labels_are_found_by_predictions_that_never_saw_them(planted) -> None:
    """Here no network helps: it is one that has learned nothing and is sure of nothing."""
    images, labels, wrong, _ = planted
    unseen = suspects.out_of_fold(suspects.describe(images), labels, seed=0)
    doubted = suspects.contradicted(labels, unseen) != labels
    precision, recall = wrong[doubted].mean(), doubted[wrong].mean()
    first = np.argsort(-suspects._margin(labels, unseen))[: wrong.sum() // 2]
    print(f"{doubted.sum()} doubted, precision {precision:.3f}, recall {recall:.3f}, first {wrong[first].mean():.3f}")
    assert recall > 0.5 and precision > 4 * wrong.mean() and wrong[first].mean() > 0.45


def test_where_the_network_agrees_with_the_label_there_is_no_suspect(planted) -> None:
    images, labels, wrong, truth = (part[:1500] for part in planted)
    by_heart = np.eye(7)[labels] * 0.9 + 0.1 / 7
    assert len(suspects.find_suspects(images, labels, by_heart, seed=0).table) == 0
    knowing = np.full((len(labels), 7), 0.02)
    knowing[np.arange(len(labels)), truth] = 0.88
    found = suspects.find_suspects(images, labels, knowing, seed=0).table
    assert len(found) > 0 and wrong[found["place"]].all() and found["margin"].is_monotonic_decreasing


def test_a_class_contradicts_a_label_only_as_surely_as_it_usually_is() -> None:
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.1, 0.9], [0.15, 0.85], [0.45, 0.55]])
    labels = np.array([0, 0, 1, 0, 0])
    assert suspects.contradicted(labels, probabilities).tolist() == [0, 0, 1, 0, 0]
    probabilities[3] = [0.05, 0.95]
    assert suspects.contradicted(labels, probabilities).tolist() == [0, 0, 1, 1, 0]


def test_classes_with_too_few_images_are_not_judged() -> None:
    images = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    labels = np.array([0] * 10 + [2] * 10 + [1] * 4)
    found = suspects.find_suspects(images, labels, np.full((24, 3), 1 / 3), seed=0)
    assert found.judged == 20 and not found.table["place"].isin(range(20, 24)).any()


def test_suspects_are_named_by_their_files_or_by_their_places_where_they_are_drawn() -> None:
    table = pd.DataFrame({"place": [1], "label": [0], "suggested": [1], "probability": [0.9], "margin": [0.8]})
    found = suspects.Suspects(table, 2, 0.5)
    split = Split(np.zeros((2, 4, 4, 1), np.uint8), np.zeros(2, np.int64))
    drawn = found.named(split, ["cat", "dog"])
    assert drawn.columns[0] == "image" and drawn.iloc[0].tolist() == [1, "cat", "dog", 0.9, 0.8]
    read = found.named(replace(split, names=np.array([b"a.png", b"cat/b.png"])), ["cat", "dog"])
    assert read.columns[0] == "file" and read["file"].tolist() == ["cat/b.png"]
    assert {*drawn.columns, *read.columns} <= {*names()}
