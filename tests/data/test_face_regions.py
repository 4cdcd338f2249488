"""Where the parts of schematic faces lie: every pixel once, and where the program draws them."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers.data import faces
from helpers.data.faces import render
from helpers.data.faces.camera import view_of
from helpers.data.faces.parts import draw_person
from helpers.data.faces.traits import by_unit, draw_uniforms, make_generators, make_intensities, make_traits

LABELS = np.arange(42) % len(faces.CLASS_NAMES)
PLACES = {name: place for place, name in enumerate(faces.REGIONS)}


def traits(**changed: float) -> SimpleNamespace:
    """Draw the traits of faces that nothing is held before and that wear no glasses, some of them changed."""
    face = make_traits(draw_uniforms(make_generators(5, 0, len(LABELS))))
    face.occlusion, face.glasses = face.occlusion * 0 + 1, face.glasses * 0 + 1
    for name, value in changed.items():
        setattr(face, name, getattr(face, name) + np.float32(value))
    return face


def units() -> dict[int, np.ndarray]:
    return by_unit(make_intensities(draw_uniforms(make_generators(5, 0, len(LABELS))), LABELS))


def picture(face: SimpleNamespace) -> np.ndarray:
    return render.photograph(render._draw_expression(draw_person(face), face, units()), view_of(face), face)


def middle(mask: np.ndarray) -> np.ndarray:
    return (mask * np.arange(faces.SIZE)[:, np.newaxis]).sum(axis=(1, 2)) / mask.sum(axis=(1, 2))


def test_every_pixel_is_in_one_region_and_every_region_in_most_faces() -> None:
    found = faces.draw_regions("test", np.arange(len(LABELS)), LABELS)
    assert found.shape == (len(LABELS), faces.SIZE, faces.SIZE) and found.dtype == np.uint8
    masks = np.stack([found == place for place in PLACES.values()])
    np.testing.assert_array_equal(masks.sum(axis=0), 1)
    assert (masks.any(axis=(2, 3)).mean(axis=1) > 0.8).all()


def test_a_face_has_the_same_regions_whichever_faces_are_asked_for() -> None:
    all_of_them = faces.draw_regions("test", np.arange(len(LABELS)), LABELS)
    some = np.array([40, 3, 17])
    np.testing.assert_array_equal(faces.draw_regions("test", some, LABELS[some]), all_of_them[some])


def test_the_mouth_moves_with_the_mouth_and_nothing_else_does() -> None:
    before, after = (render._photograph(traits(mouth_y=shift), units()) for shift in (0, 0.1))
    moved = middle(after == PLACES["mouth"]) - middle(before == PLACES["mouth"])
    assert (moved > 0.5).all() and (moved < 3).all()  # a tenth of half a head is two pixels, and the skin above stays
    for name in ("eyes", "brows"):
        np.testing.assert_array_equal(after == PLACES[name], before == PLACES[name])


@pytest.mark.parametrize(
    ("trait", "change", "region"),
    [("lip_tone", -0.4, "mouth"), ("iris", 60, "eyes"), ("brow_tone", 0.5, "brows"), ("background", 60, "ground")],
)
def test_what_a_trait_paints_lies_in_its_region(trait: str, change: float, region: str) -> None:
    changed = np.abs(picture(traits(**{trait: change})) - picture(traits()))
    inside = changed * (render._photograph(traits(), units()) == PLACES[region])
    share = inside.sum(axis=(1, 2)) / changed.sum(axis=(1, 2))
    assert share.mean() > 0.8 and share.min() > 0.5


def test_what_is_held_before_a_face_is_no_part_of_it() -> None:
    shown, hidden = traits(), traits()
    hidden.occlusion = hidden.occlusion * 0  # a bar before every face
    before, after = (render._photograph(face, units()) for face in (shown, hidden))
    assert ((after == PLACES["ground"]).sum(axis=(1, 2)) > (before == PLACES["ground"]).sum(axis=(1, 2))).mean() > 0.9
    np.testing.assert_array_equal(after[after != PLACES["ground"]], before[after != PLACES["ground"]])
