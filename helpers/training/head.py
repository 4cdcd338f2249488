"""The head of a network that has learned other images, trained alone on features that are computed once and kept."""

from dataclasses import replace
from typing import Any

import keras
import pandas as pd

from helpers.base.code import code_digest
from helpers.base.keeper import Keeper
from helpers.data.datasets import Dataset, Split
from helpers.networks.own.backbone import FEATURES
from helpers.networks.prediction import predict_logits
from helpers.training.loop import train
from helpers.training.recipes import Plan


def part(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Part a network behind its layer FEATURES: what gives features, and what makes logits of them, sharing layers."""
    end = model.get_layer(FEATURES)
    inputs = tensor = keras.Input(end.output.shape[1:])
    for layer in model.layers[model.layers.index(end) + 1 :]:
        tensor = layer(tensor)
    backbone = keras.Model(model.inputs[0], end.output, name=f"{model.name}-backbone")
    return backbone, keras.Model(inputs, tensor, name=f"{model.name}-head")


def train_head(
    model: keras.Model, dataset: Dataset, plan: Plan, keeper: Keeper, *, name: str, **options: Any
) -> pd.DataFrame:
    """Train the head of a network in place through the frozen phases of a plan; give the history of that.

    Features depend on what comes before the head and on the images alone, and so all trainings share them. options:
    those of `train`.
    """
    backbone, head = part(model)

    def of(split: str) -> Split:
        given: Split = getattr(dataset, split)
        made_from = [code_digest(predict_logits), backbone, dataset.digest, split]
        features = keeper.keep(f"features_{split}", made_from, lambda: predict_logits(backbone, given.images))
        return replace(given, images=features)

    seen = replace(dataset, train=of("train"), validation=of("validation"))
    return train(head, seen, plan.of_head, name=f"{name}, its head", **options).history
