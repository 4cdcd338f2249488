"""What differs between faces beside the expression, and the random numbers that it is drawn from."""

from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np

from helpers.data.faces import units
from helpers.data.faces.units import ACTION_UNITS, CLASS_NAMES, SIZE

# What differs between faces beside the expression: name -> (lowest, highest), uniform. Lengths are in half
# heads, x to the right and y down from the middle of the head; tones are grey levels or shares of a tone.
VARIATION: Mapping[str, tuple[float, float]] = {
    # head
    "head_width": (0.68, 0.82), "jaw": (0.10, 0.34), "ear_size": (0.10, 0.17), "skin": (105, 215),
    "neck_width": (0.32, 0.48), "clothes": (20, 235),
    # hair
    "hair": (0.08, 0.75), "hair_volume": (-0.03, 0.2), "hairline": (-0.86, -0.5), "hairline_curve": (-0.1, 0.9),
    "parting": (-0.4, 0.4), "hair_length": (-0.4, 1.1), "hair_strands": (0.02, 0.22),
    # brows
    "brow_gap": (0.19, 0.27), "brow_width": (0.19, 0.26), "brow_thickness": (0.02, 0.06), "brow_arch": (0.01, 0.08),
    "brow_slant": (-0.05, 0.05), "brow_tone": (0.15, 0.6),
    # eyes
    "eye_distance": (0.30, 0.39), "eye_y": (-0.14, -0.02), "eye_width": (0.15, 0.2), "eye_open": (0.055, 0.09),
    "eye_tilt": (-0.025, 0.025), "iris": (20, 110), "iris_size": (0.07, 0.085), "gaze_x": (-0.05, 0.05),
    "gaze_y": (-0.012, 0.02), "crease": (0.0, 0.3),
    # nose
    "nose_y": (0.22, 0.34), "nose_width": (0.10, 0.16), "nose_depth": (0.1, 0.3),
    # mouth
    "mouth_y": (0.5, 0.6), "mouth_width": (0.22, 0.31), "mouth_corner": (-0.03, 0.03), "mouth_skew": (-0.02, 0.02),
    "upper_lip": (0.03, 0.06), "lower_lip": (0.045, 0.085), "lip_tone": (0.55, 0.85),
    # age
    "fold": (0.0, 0.25), "wrinkle": (0.5, 1.0),
    # what is worn: the shares below decide who wears it
    "glasses": (0, 1), "rim_tone": (10, 70), "rim_size": (0.19, 0.25), "beard": (0, 1), "moustache": (0, 1),
    "facial_hair": (0.3, 0.85),
    # light and background
    "light_x": (-0.35, 0.35), "light_y": (-0.25, 0.1), "background": (20, 235), "background_x": (-40, 40),
    "background_y": (-40, 40),
    # pose: turning shifts the features, tilting (the tangent of half the angle) turns the image
    "turn": (-0.1, 0.1), "nod": (-0.05, 0.05), "tilt": (-0.07, 0.07), "scale": (21.5, 25.5), "shift_x": (-2.0, 2.0),
    "shift_y": (-2.0, 2.0),
    # camera
    "blur": (0.0, 0.2), "contrast": (0.65, 1.1), "brightness": (-25, 25), "noise": (2.0, 8.0),
    # occlusion
    "occlusion": (0, 1), "occluder_tone": (20, 220), "occluder_angle": (-1.0, 1.0), "occluder_x": (-1.0, 1.0),
    "occluder_y": (-1.0, 1.0), "occluder_width": (2.5, 4.5),
}  # fmt: skip
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
    strength = units.WEAKEST_EXPRESSION + strength * (units.STRONGEST_EXPRESSION - units.WEAKEST_EXPRESSION)
    own = strength * (1 - units.UNIT_SPREAD + 2 * units.UNIT_SPREAD * factor)
    return np.minimum(own, 1) * (chance < units.unit_probabilities()[labels])


def sensor_noise(generators: list[np.random.Generator]) -> np.ndarray:
    # The sum of four bytes is nearly normal, and the same on every machine.
    bytes_ = np.stack([generator.integers(0, 256, (4, SIZE, SIZE), np.uint8) for generator in generators])
    total = bytes_.astype(np.int32).sum(axis=1) - 510
    return total.astype(np.float32) / np.float32(147.8)
