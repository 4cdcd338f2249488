"""The head of a network that has learned other images, fitted alone to features that are computed once and kept."""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import keras
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from helpers.base.code import code_digest
from helpers.base.keeper import Keeper
from helpers.data.datasets import Dataset
from helpers.networks.own.backbone import FEATURES
from helpers.networks.prediction import predict_logits
from helpers.training.recipes import TRANSFER_IMAGES, Plan

STRENGTHS = np.geomspace(0.3, 3000, 9)  # of what the images say against the L2 penalty, tried in this order


def part(model: keras.Model) -> tuple[keras.Model, keras.layers.Dense]:
    """Part a network behind its layer FEATURES: what gives features, and the last layer, which makes logits of them."""
    end = model.get_layer(FEATURES)
    return keras.Model(model.inputs[0], end.output, name=f"{model.name}-backbone"), model.layers[-1]


def train_head(
    model: keras.Model,
    dataset: Dataset,
    plan: Plan,
    keeper: Keeper,
    *,
    name: str,
    class_weight: Mapping[int, float] | None = None,
    report: Callable[[str], None] = print,
) -> pd.DataFrame:
    """Fit the head of a network in place, as a logistic regression on its features; give one row of history.

    It learns from the training images and, where the plan flips them and they are not too many, their mirror images.
    The strength of its L2 penalty is that of the largest likelihood on the validation split. Features depend on what
    comes before the head and on the images alone, and so all trainings share them.
    """
    began, (backbone, last) = perf_counter(), part(model)

    def of(split: str, step: int = 1) -> np.ndarray:
        made_from = [code_digest(predict_logits), backbone, dataset.digest, split, step]
        images = getattr(dataset, split).images[:, :, ::step]
        return keeper.keep(f"features_{split}", made_from, lambda: predict_logits(backbone, images))

    mirrored = plan.augmentation.flip and 2 * len(dataset.train.labels) <= TRANSFER_IMAGES
    features = np.concatenate([of("train"), *([of("train", -1)] if mirrored else [])])
    labels = np.tile(dataset.train.labels, 1 + mirrored)
    scaler, weigh = StandardScaler().fit(features), dict(class_weight or {}) or None
    regression = LogisticRegression(max_iter=1000, warm_start=True, class_weight=weigh)
    seen = {"": (features, labels), "val_": (of("validation"), dataset.validation.labels)}
    seen = {which: (scaler.transform(images), classes) for which, (images, classes) in seen.items()}
    best: dict[str, Any] = {"val_loss": np.inf}
    for strength in STRENGTHS / len(labels):
        regression.set_params(C=strength).fit(*seen[""])
        row = {f"{which}accuracy": regression.score(*both) for which, both in seen.items()}
        for which, (values, classes) in seen.items():
            row[f"{which}loss"] = log_loss(classes, regression.predict_proba(values), labels=regression.classes_)
        if row["val_loss"] >= best["val_loss"]:
            break
        best = row
        last.set_weights(_weights(regression, scaler, last))
    best |= {"epoch": 1, "phase": 1, "optimizer": "lbfgs", "learning_rate": np.nan, "seconds": perf_counter() - began}
    report(f"training {name}: its head has a validation accuracy of {best['val_accuracy']:.1%} on kept features")
    return pd.DataFrame([best])


def _weights(regression: LogisticRegression, scaler: StandardScaler, last: keras.layers.Dense) -> list[np.ndarray]:
    """Give a regression on standardised features as the weights of a layer on features as they are."""
    kernel, bias = (np.zeros_like(np.asarray(weight)) for weight in last.weights)
    slopes, starts = regression.coef_ / scaler.scale_, regression.intercept_
    starts = starts - slopes @ scaler.mean_
    if len(slopes) == 1:  # of two classes, the second against the first
        slopes, starts = np.concatenate([-slopes, slopes]) / 2, np.concatenate([-starts, starts]) / 2
    kernel[:, regression.classes_], bias[regression.classes_] = slopes.T, starts
    return [kernel, bias]
