"""Explanations of a whole split stay within a bound of memory, since images are explained in chunks."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest

from helpers.base.files import ROOT
from helpers.base.machine import peak_memory
from helpers.explain import registry, saliency
from helpers.networks import architectures

FACES = 3589  # the PublicTest images of FER2013
LIMIT = 2 * 2**30  # bytes
BACKGROUNDS = np.zeros((2, 48, 48, 1), np.uint8)
QUICK = registry.Settings(samples=1, steps=1, masks=2, copies=20, segments=9, backgrounds=BACKGROUNDS)


def explain_everything() -> None:
    """Explain every face by every method on the small network, and some chunks of them on the large one."""
    methods = {name: partial(one.explain, settings=QUICK) for name, one in registry.METHODS.items()}
    methods["occlusion"] = partial(saliency.occlusion, size=24)
    for architecture, count in (("vgg9_small", FACES), ("vgg9", 65)):
        model = architectures.build_cnn(architecture)
        for name, explain in methods.items():
            some = min(count, 64) if name == "LIME" else count  # which takes one image at a time
            images = np.random.default_rng(0).integers(0, 256, (some, 48, 48, 1)).astype(np.uint8)
            assert explain(model, images, np.zeros(some, int)).shape == images.shape[:3]
    print(peak_memory())


def hold_too_much() -> None:
    """Hold an array of the size of the limit."""
    print(np.ones(LIMIT // 8).size and peak_memory())


def hold_nothing() -> None:
    """Hold no more than what is imported."""
    print(peak_memory())


def measure(task: str) -> int:
    """Carry out a task of this module in a process of its own; the peak that it prints, in bytes."""
    command = [sys.executable, __file__, task]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return int(printed.split()[-1])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the peak of a process")
def test_no_method_takes_more_than_two_gigabytes_for_all_faces() -> None:
    assert 2**28 < measure("explain_everything") < LIMIT


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the peak of a process")
def test_the_measure_sees_what_is_held() -> None:
    assert measure("hold_too_much") > LIMIT


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the peak of a process")
def test_the_measure_does_not_see_what_the_starting_process_holds() -> None:
    held = np.ones(LIMIT // 8)
    assert measure("hold_nothing") < LIMIT / 2 < held.nbytes


if __name__ == "__main__":
    globals()[sys.argv[1]]()
