"""What the bench of training compares is the same work."""

import numpy as np
import pytest

from helpers import bench_training
from helpers.augmentation import augmentation_layers
from helpers.models import build_cnn


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_training, "IMAGES", 4)
    monkeypatch.setattr(bench_training, "BATCH", 2)
    monkeypatch.setattr(bench_training, "NETWORK", "vgg9_small")


def test_all_ways_with_keras_predict_the_same_classes() -> None:
    logits = {name: run() for name, run in bench_training.inference_runs().items()}
    for found in logits.values():
        np.testing.assert_allclose(found, logits[bench_training.PLAIN], atol=0.05)


def test_all_kinds_of_changes_are_measured() -> None:
    assert len(augmentation_layers(bench_training.ERASED, 0)) == 2
    changed, images = bench_training.augmentation_run()(), bench_training._data()[0][: bench_training.BATCH]
    assert changed.shape == images.shape and np.abs(changed - images).mean() > 10  # of 255 grey levels


def test_the_network_in_pytorch_has_as_many_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(bench_training, "NETWORK", "vgg9")
    network, wanted = bench_training.torch_network(), build_cnn("vgg9")
    counted = sum(value.numel() for name, value in network.state_dict().items() if "num_batches" not in name)
    assert counted == wanted.count_params()


def test_without_pytorch_its_rows_are_left_out_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench_training, "missing", lambda package: f"{package} not installed")
    with bench_training.torch_workers("training") as workers:
        assert workers == {}
    assert "torch not installed; see requirements-bench.txt" in capsys.readouterr().out
