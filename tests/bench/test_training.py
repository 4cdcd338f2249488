"""What the bench of training compares is the same work."""

import subprocess
import sys
from pathlib import Path

import _torch
import numpy as np
import pytest
import training

from helpers.networks.architectures import build_cnn
from helpers.training.augmentation import augmentation_layers


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "IMAGES", 4)
    monkeypatch.setattr(training, "BATCH", 2)
    monkeypatch.setattr(training, "NETWORK", "vgg9_small")


def test_all_ways_with_keras_predict_the_same_classes() -> None:
    logits = {name: run() for name, run in training.inference_runs().items()}
    for found in logits.values():
        np.testing.assert_allclose(found, logits[training.PLAIN], atol=0.05)


@pytest.mark.slow
def test_each_part_is_switched_off_by_itself_and_the_rest_trains_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    made, give = [], training.accelerate
    monkeypatch.setattr(training, "accelerate", lambda *a, **k: made.append(give(*a, **k)) or made[-1])
    runs = training.ablation_runs("vgg9_small", batch=2, steps=2)
    assert {"batch norm", "AdamW", "steps in one program"} <= runs.keys()
    assert ("bfloat16" in runs) is training.supports_bfloat16()
    assert "enlargement" not in runs  # the network enlarges nothing
    switched_off = [one.without for one in made if one.without]
    assert sorted(map(sorted, switched_off)) == [["AdamW"], ["batch norm"]]
    for run in runs.values():
        run()
    assert {int(one.trainer.optimizer.iterations) for one in made} == {2}  # all take as many steps


def test_all_kinds_of_changes_are_measured() -> None:
    assert len(augmentation_layers(training.CHANGES["erased"], 0)) == 2
    changed, images = training.augmentation_run()(), training._data(training.BATCH)[0]
    assert changed.shape == images.shape and np.abs(changed - images).mean() > 10  # of 255 grey levels


def test_the_network_in_pytorch_has_as_many_parameters() -> None:
    pytest.importorskip("torch")
    network, wanted = _torch.torch_network(training.layers_of("vgg9"), (48, 48, 1), classes=7), build_cnn("vgg9")
    counted = sum(value.numel() for name, value in network.state_dict().items() if "num_batches" not in name)
    assert counted == wanted.count_params()


def test_what_trains_in_pytorch_imports_no_tensorflow_beside_which_its_process_ends() -> None:
    said = "import _torch, sys; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    here = Path(training.__file__).parent
    found = subprocess.run([sys.executable, "-c", said], cwd=here, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


def test_without_pytorch_its_rows_are_left_out_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "missing", lambda package: f"{package} not installed")
    with training.torch_workers("training") as workers:
        assert workers == {}
    assert 'torch not installed; .venv/bin/python -m pip install -e ".[bench]"' in capsys.readouterr().out
