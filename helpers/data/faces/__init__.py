"""Schematic faces, drawn from the action units of the Facial Action Coding System (FACS).

Every face comes with the pixels that its expression changed: the evidence that explanations are graded by.

The bytes depend on the seed alone. Drawing uses +, -, *, /, square root and comparison of float32 numbers,
which IEEE 754 rounds alike on every machine, and random numbers that are uniform. Hence no sine, exponential,
power, pairwise sum or dot product of floating-point numbers, and half-angle tangents in place of angles.
"""

from helpers.data.faces.render import (
    REGIONS,
    describe_face,
    draw_again,
    draw_labels,
    draw_regions,
    generate,
    redraw,
    render_faces,
)
from helpers.data.faces.traits import ACTION_UNITS, CLASS_NAMES, CLASS_SHARES, SIZE, VARIATION

__all__ = [
    "ACTION_UNITS", "CLASS_NAMES", "CLASS_SHARES", "REGIONS", "SIZE", "VARIATION", "describe_face", "draw_again",
    "draw_labels", "draw_regions", "generate", "redraw", "render_faces",
]  # fmt: skip
