"""What notebooks compute of a run at length, each computed once and kept beside the run's networks."""

from collections.abc import Sequence
from dataclasses import astuple
from io import BytesIO
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from helpers.explain import ascent, superpixels
from helpers.grade import grading, lime_study
from helpers.networks import chunks, inference, layers, logits
from helpers.networks.architectures import convolution
from helpers.run import Run


def maximise_run(
    run: Run,
    number: int,
    filters: Sequence[int] | None = None,
    steps: int = 190,
    settings: ascent.Settings = ascent.DEFAULTS,
    keep: Sequence[int] = (),
) -> ascent.Ascent:
    """Maximise filters of the convolution with this number, from 1, of a run's CNN; computed once and kept.

    Arguments and errors as in `maximise_filters`, with the run's seed.
    """
    model = run.cnn().model
    code = [path.read_bytes() for path in sorted(Path(ascent.__file__).parent.glob("*.py"))]
    code += [Path(str(module.__file__)).read_bytes() for module in (chunks, inference, layers)]
    versions = tf.__version__, keras.__version__, np.__version__
    made_from = [number, filters, steps, settings, [*keep], run.seed, versions, *code]

    def compute() -> bytes:
        layer = convolution(model, number)
        return ascent.maximise_filters(model, layer, filters, steps, settings, keep=keep, seed=run.seed).to_bytes()

    return ascent.Ascent.from_bytes(run.kept("ascent", made_from, compute))


def grade_run(run: Run, images: int, settings: grading.Settings | None = None) -> grading.Grades:
    """Grade every method on a run's CNN over test images drawn at random; computed once and kept.

    images: their number, or all where there are fewer. What was kept is used again as long as the weights, the
    images, the settings and the code that computes are the same.
    """
    settings = settings or grading.Settings(seed=run.seed)
    sample, model = run.random_sample(images), run.cnn().model
    made_from = [images, astuple(settings), tf.__version__, keras.__version__, np.__version__, *grading.code()]

    def compute() -> bytes:
        task = sample.images, sample.labels, run.probabilities()[sample.indices], sample.evidence
        return grading.grade(model, *task, settings).to_bytes()

    return grading.Grades.from_bytes(run.kept("grades", made_from, compute))


def study_run(run: Run, images: int, seeds: int, **options: Any) -> pd.DataFrame:
    """Study LIME on a run's CNN and test images drawn at random, for the class that it gave; computed once and kept.

    images: their number; seeds: their number, from the run's own on; options: as in `lime_study.study`.
    """
    sample, model = run.random_sample(images), run.cnn().model
    computing = (lime_study, superpixels, chunks, inference, logits)
    code = [Path(str(module.__file__)).read_bytes() for module in computing]
    made_from = [images, seeds, sorted(options.items()), np.__version__, keras.__version__, *code]

    def compute() -> bytes:
        numbers = range(run.seed, run.seed + seeds)
        return (
            lime_study.study(model, sample.images, sample.predicted.tolist(), numbers, **options)
            .to_csv(index=False)
            .encode()
        )

    return pd.read_csv(BytesIO(run.kept("lime", made_from, compute)), float_precision="round_trip")
