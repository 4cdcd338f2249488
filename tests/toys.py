"""A small network with a plan to train it, for tests of training, and how far two arrays are apart."""

import keras
import numpy as np
import pandas as pd

from helpers.training.loop import Trained
from helpers.training.recipes import CHANGES, Phase, Plan

PLAN = Plan((Phase("adamw", 0.01, epochs=2), Phase("sgd", 0.01, epochs=2)), batch_size=16, augmentation=CHANGES["mild"])


def build(seed: int = 0) -> keras.Model:
    """Build a network with every kind of state: weights, moving averages, a random generator."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((24, 24, 1)),
            layers.AveragePooling2D(2),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, kernel_initializer=keras.initializers.HeNormal(seed=seed)),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dropout(0.2, seed=seed),
            layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(seed=seed)),
        ]
    )


def quiet(_: str) -> None:
    pass


def difference(first, second) -> float:
    """Give the largest difference between two arrays as a share of the largest value."""
    first, second = (keras.ops.convert_to_numpy(values).astype(np.float64) for values in (first, second))
    return float(np.abs(first - second).max() / np.abs(second).max())


def spots(guess: float = 0.0) -> Trained:
    """Build a network that finds the spots of `toy_dataset` by their brightness; guess: what it adds to the last."""
    pixels = keras.Input((24, 24, 1))
    dense = keras.layers.Dense(3)
    model = keras.Model(pixels, dense(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))))
    weights = np.zeros((24, 24, 3), np.float32)
    for place in range(3):
        weights[8 * place : 8 * place + 8, 8:16, place] = 0.2
    dense.set_weights([weights.reshape(-1, 3), np.array([0, 0, guess], np.float32)])
    return Trained(model, pd.DataFrame())
