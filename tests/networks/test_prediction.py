"""Predictions are the network's own, however many images there are at once."""

from collections.abc import Iterator

import numpy as np
import pytest
from conftest import toy_dataset
from toys import build

from helpers.networks import prediction
from helpers.networks.views import average_answer, four_crops


def test_logits_of_a_split_are_the_network_s_own_whatever_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    images = toy_dataset().test.images[:50]
    network = build()
    wanted = network.predict(images, verbose=0)
    for batch in (50, 16, 7, 64):
        monkeypatch.setattr(prediction, "BATCH", batch)
        np.testing.assert_allclose(prediction.predict_logits(network, images), wanted, rtol=1e-4, atol=1e-5)
    rounded = prediction.predict_logits(network, images, "bfloat16")
    np.testing.assert_allclose(prediction.softmax(rounded), prediction.softmax(wanted), atol=0.05)
    assert not np.allclose(rounded, wanted, rtol=1e-4, atol=1e-5)


def test_views_are_made_of_a_batch_at_a_time_and_give_the_average_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    images, network, seen = toy_dataset().test.images[:50], build(), []

    def noting(batch: np.ndarray) -> Iterator[np.ndarray]:
        seen.append(len(batch))
        return four_crops(batch)

    wanted = average_answer(lambda view: prediction.softmax(network.predict(view, verbose=0)), four_crops(images))
    monkeypatch.setattr(prediction, "BATCH", 16)
    np.testing.assert_allclose(prediction.predict_views(network, images, noting), wanted, atol=1e-5)
    assert seen == [13] * 4


def test_softmax_gives_probabilities_even_for_large_logits() -> None:
    probabilities = prediction.softmax(np.array([[1000.0, 999.0], [-1000.0, 0.0]], np.float32))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert probabilities[0, 0] == pytest.approx(1 / (1 + np.exp(-1)), rel=1e-5)
