"""What a face expresses, as the action units of FACS, and what differs between faces beside that: both are drawn."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np

CLASS_NAMES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
CLASS_SHARES = (3995, 436, 4097, 7215, 4830, 3171, 4965)  # faces a class in FER2013's training split
SPLITS = ("train", "validation", "test")
SIZE = 48  # pixels a side of a finished image
TABLES = tomllib.loads(Path(__file__).with_name("tables.toml").read_text(encoding="utf-8"))
ACTION_UNITS: Mapping[int, str] = {int(unit): name for unit, name in TABLES["action_units"].items()}
EXPRESSIONS: Mapping[str, Mapping[int, float]] = {  # by emotion, the share of its faces on which each unit acts
    name: {int(unit): share for unit, share in units.items()} for name, units in TABLES["expressions"].items()
}

# How hard the data set is: intensities run from 0 (rest) to 1 (as strong as it gets).
WEAKEST_EXPRESSION, STRONGEST_EXPRESSION = 0.4, 1.0  # of a whole face, uniform
UNIT_SPREAD = 0.8  # each unit's own intensity is the face's, times a factor in 1 -+ this

# A pixel is evidence where the expression changes it by more than this many grey levels, before noise.
EVIDENCE_THRESHOLD = 8.0
Units = Mapping[int, np.ndarray]  # action unit -> (N, 1, 1) float32 intensity
_CHANCES = np.array([[EXPRESSIONS[name].get(unit, 0) for unit in ACTION_UNITS] for name in CLASS_NAMES], np.float32)


def by_unit(intensities: np.ndarray) -> Units:
    columns = np.asarray(intensities, np.float32).T[..., None, None]
    return dict(zip(ACTION_UNITS, columns, strict=True))


VARIATION: Mapping[str, tuple[float, float]] = {name: (low, high) for name, (low, high) in TABLES["variation"].items()}
GLASSES_SHARE, BEARD_SHARE, MOUSTACHE_SHARE, BAR_SHARE, HAND_SHARE = 0.18, 0.2, 0.22, 0.05, 0.07
Traits = SimpleNamespace  # (N, 1, 1) float32 arrays, one for each name in VARIATION
Number = np.ndarray | float


def check_seed(seed: int) -> None:
    if seed < 0:
        raise ValueError(f"The seed is {seed}: give a whole number of at least 0.")


def make_generators(seed: int, first_index: int, count: int) -> list[np.random.Generator]:
    check_seed(seed)
    return [np.random.default_rng([seed, first_index + face]) for face in range(count)]


def draw_uniforms(generators: list[np.random.Generator]) -> np.ndarray:
    columns = len(VARIATION) + 1 + 2 * len(ACTION_UNITS)
    return np.array([generator.random(columns) for generator in generators], np.float32).reshape(-1, columns)


def make_traits(uniform: np.ndarray, chosen: Mapping[str, float] | None = None) -> Traits:
    """Give the traits of faces, drawn from uniform numbers or, where `chosen` names them, of these values."""
    columns = uniform[:, : len(VARIATION)].T[..., None, None]
    ranges = zip(columns, VARIATION.items(), strict=True)
    face = Traits(**{name: low + column * np.float32(high - low) for column, (name, (low, high)) in ranges})
    vars(face).update({name: np.full_like(face.skin, value) for name, value in (chosen or {}).items()})
    return _turn_head(face)


def _turn_head(face: Traits) -> Traits:
    """Move the features with the head: what stands out, the nose, moves furthest."""
    face.nose_x = 1.5 * face.turn
    for feature in ("eye_y", "nose_y", "mouth_y"):
        setattr(face, feature, getattr(face, feature) + face.nod)
    return face


def make_intensities(uniform: np.ndarray, labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels, np.int64)
    if np.any((labels < 0) | (labels >= len(CLASS_NAMES))):
        raise ValueError(f"A label is outside 0..{len(CLASS_NAMES) - 1}: use the indices of {CLASS_NAMES}.")
    strength, factor, chance = np.split(uniform[:, len(VARIATION) :], [1, 1 + len(ACTION_UNITS)], axis=1)
    strength = WEAKEST_EXPRESSION + strength * (STRONGEST_EXPRESSION - WEAKEST_EXPRESSION)
    own = strength * (1 - UNIT_SPREAD + 2 * UNIT_SPREAD * factor)
    return np.minimum(own, 1) * (chance < _CHANCES[labels])


def sensor_noise(generators: list[np.random.Generator]) -> np.ndarray:
    # The sum of four bytes is nearly normal, and the same on every machine.
    bytes_ = np.stack([generator.integers(0, 256, (4, SIZE, SIZE), np.uint8) for generator in generators])
    total = bytes_.astype(np.int32).sum(axis=1) - 510
    return total.astype(np.float32) / np.float32(147.8)
