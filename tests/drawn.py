"""Schematic faces before noise, and how strongly their action units act."""

import numpy as np

from helpers.data.faces import render
from helpers.data.faces.camera import photograph, view_of
from helpers.data.faces.parts import draw_person
from helpers.data.faces.traits import by_unit, draw_uniforms, make_generators, make_intensities, make_traits


def draw_intensities(labels: np.ndarray, seed: int) -> np.ndarray:
    """Draw how strongly each action unit acts in the faces that `render_faces` makes: (N, 15) float32 in 0..1."""
    return make_intensities(draw_uniforms(make_generators(seed, 0, len(labels))), labels)


def draw_faces(intensities: np.ndarray, seed: int) -> np.ndarray:
    """Draw faces with given action units (N, 15), without noise: (N, 48, 48) float32, not clipped."""
    face = make_traits(draw_uniforms(make_generators(seed, 0, len(intensities))))
    drawn = render._draw_expression(draw_person(face), face, by_unit(intensities))
    return photograph(drawn, view_of(face), face)
