"""A network of the user's own, proved; one that came trained is opened and shown its images as it learned them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO

import keras
import numpy as np
import pandas as pd

from helpers.base.code import code_digest
from helpers.base.keeper import Form, Keeper
from helpers.base.words import Said, said
from helpers.data.datasets import Dataset
from helpers.networks.logits import all_logits
from helpers.networks.own import built, opening, proof, scaling
from helpers.networks.own.canonical import as_graph, canonical, unrolled
from helpers.networks.own.proof import Check, prove
from helpers.networks.own.source import Source
from helpers.training.loop import HISTORY, Trained

_ACCURACY = re.compile(r"(?!val_)(.*_)?acc(uracy)?")  # how Keras may name it in a history
_FILE: Form[bytes] = Form(".keras", lambda content: content, lambda content: content)


@dataclass(frozen=True)
class Given:
    """A network that came trained, with how its pixels are prepared and what was checked of it."""

    trained: Trained
    measured: scaling.Measured
    checks: tuple[Check, ...]
    logarithms: bool = False  # whether it ends in probabilities that cannot be taken off
    lacking: tuple[str, ...] = ()  # what the history beside it cannot be read for the lack of
    any_size: bool = False  # whether it takes images of any size, and so gets them as the data have them

    def training(self) -> Said:
        """Say for how long it was trained, or why that is not known."""
        if self.lacking:
            return said("01_train_cnn.given.lacking", columns=[*self.lacking])
        epochs = len(self.trained.history)
        return said("01_train_cnn.given.history", epochs=epochs) if epochs else said("01_train_cnn.given.unknown")


def open_given(source: Source, dataset: Dataset, keeper: Keeper) -> Given:
    """Open a trained network's file for a data set; what is measured of it is kept.

    How pixels are to be prepared is measured on images of the validation split, filled up from the training split.
    Raises NetworkError where the network cannot be used, or a check fails.
    """
    shape, classes = dataset.image_shape, len(dataset.class_names)
    made_from = [source.digest, shape, classes, dataset.fingerprint, code_digest(opening, scaling)]
    made_from += dataset.class_names
    content = keeper.keep("opened", made_from, lambda: opening.check(source, shape, classes), _FILE)
    network = opening.read(content, source)
    images, labels = _labelled(dataset)
    measured: scaling.Measured = keeper.keep(
        "pixels", made_from, lambda: scaling.measure(network, images, labels, dataset.class_names, source.preprocess)
    )
    scale = scaling.scales(channels=3)[measured.chosen]
    model = canonical(network, shape, classes, scale, name=source.path.stem)
    last = scaling.ending(all_logits(model, images))
    model = scaling.with_logits(model, last) if last else model
    checks = tuple(prove(model, network, images, scale, dataset.class_names))
    history, lacking = read_history(source)
    any_size = None in as_graph(network, shape).input_shape[1:]
    return Given(Trained(model, history), measured, checks, bool(last), lacking, any_size)


def proved(trained: Trained, dataset: Dataset, keeper: Keeper) -> Trained:
    """Give a trained network with every layer called once; NetworkError where it cannot be explained, kept if it can.

    It is asked for by every notebook, so that none explains what another would have refused.
    """
    model = unrolled(trained.model)
    _explainable(model, dataset, keeper)
    return replace(trained, model=model)


def all_checks(source: Source, model: keras.Model, dataset: Dataset, keeper: Keeper) -> Sequence[Check]:
    """Check what a Python file builds and, in place of what both have, the network that was trained of it."""
    as_built = built.checks(source, len(dataset.class_names), _shown(dataset), dataset.class_names)
    return [*{one.what: one for one in (*as_built, *_explainable(model, dataset, keeper))}.values()]


def _explainable(model: keras.Model, dataset: Dataset, keeper: Keeper) -> list[Check]:
    return keeper.call(proof.explainable, model, _shown(dataset), dataset.class_names)


def _shown(dataset: Dataset) -> np.ndarray:
    return np.asarray(dataset.train.images[: proof.IMAGES])


def _labelled(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Draw labelled images evenly over a split: of validation, and where these are too few of training as well."""
    parts, wanted = [], scaling.IMAGES
    for split in (dataset.validation, dataset.train):
        places = np.linspace(0, len(split.labels) - 1, min(wanted, len(split.labels))).round().astype(int)
        parts.append((np.asarray(split.images[places]), split.labels[places]))
        wanted -= len(places)
    images, labels = zip(*parts, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def read_history(source: Source) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read how a network was trained from the `history.csv` beside it, as Keras's CSVLogger writes it.

    Gives an epoch a row, of the columns HISTORY, NaN where the file has no validation; no rows without a file, or one
    that lacks numbers of "loss" or "accuracy" (of whatever kind): then these names as well.
    """
    nothing = pd.DataFrame(columns=HISTORY)
    if not source.history.is_file():
        return nothing, ()
    try:
        found = pd.read_csv(BytesIO(source.history.read_bytes())).apply(pd.to_numeric, errors="coerce")
    except ValueError:  # as pandas says of what is empty, or no table
        found = nothing
    kept = found.dropna(axis="columns")  # of a value that is no number, the whole column tells nothing
    named = {"loss": "loss", "accuracy": next((name for name in kept if _ACCURACY.fullmatch(str(name))), "")}
    if lacking := tuple(name for name, column in named.items() if column not in kept or not len(kept)):
        return nothing, lacking
    columns = named | {f"val_{name}": f"val_{column}" for name, column in named.items()}
    history = pd.DataFrame({name: kept.get(column, np.nan) for name, column in columns.items()})
    history = history.assign(epoch=np.arange(1, len(kept) + 1), phase=1, optimizer="", learning_rate=np.nan)
    return history.assign(seconds=0.0)[HISTORY], ()
