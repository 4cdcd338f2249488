"""What a face expresses: emotions as the action units of FACS that act in them, and how strongly they act."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

CLASS_NAMES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
CLASS_SHARES = (3995, 436, 4097, 7215, 4830, 3171, 4965)  # faces a class in FER2013's training split
SPLITS = ("train", "validation", "test")
SIZE = 48  # pixels a side of a finished image
ACTION_UNITS: Mapping[int, str] = {
    1: "inner brow raiser", 2: "outer brow raiser", 4: "brow lowerer", 5: "upper lid raiser", 6: "cheek raiser",
    7: "lid tightener", 9: "nose wrinkler", 10: "upper lip raiser", 12: "lip corner puller",
    15: "lip corner depressor", 17: "chin raiser", 20: "lip stretcher", 23: "lip tightener", 25: "lips part",
    26: "jaw drop",
}  # fmt: skip


@dataclass(frozen=True)
class Expression:
    """The action units of one emotion: `units` always act, each of `optional` on about half of the faces."""

    units: tuple[int, ...]
    optional: tuple[int, ...] = ()


# EMFACS: Friesen and Ekman, 1983.
EXPRESSIONS: Mapping[str, Expression] = {
    "angry": Expression((4, 5, 7, 23)),
    "disgust": Expression((9, 15, 17), optional=(10,)),
    "fear": Expression((1, 2, 4, 5, 7, 20, 26)),
    "happy": Expression((6, 12), optional=(25,)),
    "sad": Expression((1, 4, 15), optional=(17,)),
    "surprise": Expression((1, 2, 5, 26)),
    "neutral": Expression(()),
}

# How hard the data set is: intensities run from 0 (rest) to 1 (as strong as it gets).
WEAKEST_EXPRESSION, STRONGEST_EXPRESSION = 0.4, 1.0  # of a whole face, uniform
UNIT_SPREAD = 0.8  # each unit's own intensity is the face's, times a factor in 1 -+ this

# A pixel is evidence where the expression changes it by more than this many grey levels, before noise.
EVIDENCE_THRESHOLD = 8.0
Units = Mapping[int, np.ndarray]  # action unit -> (N, 1, 1) float32 intensity
_UNIT_COLUMN = {unit: column for column, unit in enumerate(ACTION_UNITS)}


def unit_probabilities() -> np.ndarray:
    table = np.zeros((len(CLASS_NAMES), len(ACTION_UNITS)), np.float32)
    for row, name in enumerate(CLASS_NAMES):
        table[row, [_UNIT_COLUMN[unit] for unit in EXPRESSIONS[name].units]] = 1
        table[row, [_UNIT_COLUMN[unit] for unit in EXPRESSIONS[name].optional]] = 0.5
    return table


def by_unit(intensities: np.ndarray) -> Units:
    columns = np.asarray(intensities, np.float32).T[..., None, None]
    return dict(zip(ACTION_UNITS, columns, strict=True))
