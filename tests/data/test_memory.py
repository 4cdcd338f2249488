"""What is computed of many images stays within a bound of memory, since it is computed in chunks."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
from conftest import toy_dataset
from turns import peak_memory

from helpers.base.files import ROOT
from helpers.data.audit.suspects import find_suspects
from helpers.data.datasets import Split
from helpers.explain import registry, saliency
from helpers.explain.regions import Regions
from helpers.grade import faithfulness, grading
from helpers.networks import architectures, chunks, fast, prediction, views
from helpers.training.loop import train
from helpers.training.recipes import PLANS

FACES = 1_200  # whose gradients on the small network take 0.7 GB, all at once
LIMIT = 2 * 2**30  # bytes
BACKGROUNDS = np.zeros((2, 48, 48, 1), np.uint8)
SPACE = 6 * 2**30  # addresses; of these, a network in float32 takes more than of memory
SLACK = 60_000_000  # bytes by which two runs of a process may differ
METHODS = "gradient", "Grad-CAM"
QUICK = registry.Settings(samples=1, steps=1, masks=2, copies=20, segments=9, backgrounds=BACKGROUNDS)


def explain_everything() -> None:
    """Explain many faces by every method on the small network, and some on the large one, few at once."""
    chunks.BYTES_AT_ONCE = 32_000_000
    methods = {name: partial(one.explain, settings=QUICK) for name, one in registry.METHODS.items()}
    methods["occlusion"] = partial(saliency.occlusion, size=24)
    for architecture, count in (("vgg9_small", FACES), ("vgg9", 33)):
        model = architectures.build_cnn(architecture)
        for name, explain in methods.items():
            some = min(count, 64) if name == "LIME" else count  # which takes one image at a time
            images = np.random.default_rng(0).integers(0, 256, (some, 48, 48, 1)).astype(np.uint8)
            assert explain(model, images, np.zeros(some, int)).shape == images.shape[:3]
    print(peak_memory())


def some_images(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def strided() -> keras.Model:
    """Build a network that hardly works, so that what is done with many images is what takes memory."""
    pixels = keras.Input((128, 128, 3))
    maps = keras.layers.Conv2D(4, 8, strides=8, activation="relu")(pixels)
    return keras.Model(pixels, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(maps)))


def grade(count: int) -> None:
    """Grade two methods, on images of which few fit in memory at once."""
    chunks.BYTES_AT_ONCE = 16_000_000
    answers = np.eye(3, dtype=np.float32)[np.arange(count) % 3]
    settings = grading.Settings(randomised=4)
    grading.grade(strided(), some_images(count, 128), answers.argmax(1), answers, None, settings, METHODS)
    print(peak_memory())


def predict(count: int) -> None:
    """Predict views of images, and measure maps of them."""
    chunks.BYTES_AT_ONCE = 16_000_000
    model, images, classes = strided(), some_images(count, 128), np.arange(count) % 3
    prediction.predict_logits(model, images)
    prediction.predict_views(fast.accelerate(model).predictor(), images, views.four_crops)
    explain = partial(registry.explain_by, METHODS, model, settings=QUICK)
    whole = Regions(np.broadcast_to(np.uint8(0), images.shape[:3]), ("all",), np.eye(1, dtype=bool), "whole")
    faithfulness.measure(explain, images, classes, 3, 0.1, whole)
    print(peak_memory())


def suspect(count: int) -> None:
    """Look for wrong labels among images."""
    labels = np.arange(count) % 3
    find_suspects(some_images(count, 128), labels, np.eye(3)[labels], 0)
    print(peak_memory())


def work_in(space: int) -> None:
    """Train, predict and explain images of 224 pixels a side with no more addresses than these."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    data, images = toy_dataset(), some_images(96, 224)
    split = Split(images, np.arange(96) % 3)
    data = replace(data, train=split, validation=split, test=split)
    model = architectures.build_cnn("vgg9_small", data.image_shape, 3)
    trained = train(model, data, replace(PLANS["quick"], max_images=64), seed=0, name="cnn", report=lambda line: None)
    answers = prediction.softmax(prediction.predict_logits(trained.model, images))
    prediction.predict_views(fast.accelerate(model).predictor(), images, views.four_crops)
    for name in METHODS:
        registry.METHODS[name].explain(model, images[:32], answers.argmax(1)[:32], QUICK)
    print(peak_memory())


def hold_too_much() -> None:
    """Hold an array of the size of the limit."""
    print(np.ones(LIMIT // 8).size and peak_memory())


def hold_nothing() -> None:
    """Hold no more than what is imported."""
    print(peak_memory())


def measure(task: str, *numbers: int) -> int:
    """Carry out a task of this module in a process of its own; the peak that it prints, in bytes."""
    command = [sys.executable, __file__, task, *map(str, numbers)]
    # Each thread takes addresses for itself, whether it uses them or not.
    environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "2", "MALLOC_ARENA_MAX": "2"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "bench")])
    printed = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    return int(printed.split()[-1])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the peak of a process")
@pytest.mark.parametrize(
    ("task", "few", "many"),
    [("predict", 40, 160), ("grade", 40, 160), ("suspect", 200, 2200)],
)
@pytest.mark.slow
def test_more_images_take_no_more_memory_than_the_images_themselves(task: str, few: int, many: int) -> None:
    assert measure(task, many) - measure(task, few) < some_images(many - few, 128).nbytes + SLACK


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere addresses are not limited, or not counted alike")
def test_images_of_224_pixels_are_learned_predicted_and_explained_on_a_machine_of_eight_gigabytes() -> None:
    assert measure("work_in", SPACE) < SPACE / 3
    with pytest.raises(subprocess.CalledProcessError):
        measure("work_in", 3 * SPACE // 8)  # with AMX, half is enough


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the peak of a process")
def test_no_method_holds_what_all_images_take_on_their_way_through_a_network() -> None:
    assert 2**28 < measure("explain_everything") < 5 * 2**28  # 1.6 GB, were they not taken in chunks


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the peak of a process")
@pytest.mark.slow
def test_the_measure_sees_what_is_held() -> None:
    assert measure("hold_too_much") > LIMIT


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the peak of a process")
@pytest.mark.slow
def test_the_measure_does_not_see_what_the_starting_process_holds() -> None:
    held = np.ones(LIMIT // 8)
    assert measure("hold_nothing") < LIMIT / 2 < held.nbytes


if __name__ == "__main__":
    globals()[sys.argv[1]](*map(int, sys.argv[2:]))
