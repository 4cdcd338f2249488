"""The generated faces: the same bytes everywhere, the right proportions, and evidence that is true."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from drawn import draw_faces, draw_intensities

from helpers.data import faces
from helpers.data.faces import traits

NEUTRAL = faces.CLASS_NAMES.index("neutral")
# sha256 of 14 images and of their evidence: a changed pixel must be a decision, not an accident.
PINNED_IMAGES = "f65fa0e6217bf4abe85838f0797f9b9f9d521887822e49b99db171b507828eaf"
PINNED_EVIDENCE = "4aeaa711a3b81b6b1a867d147159c00d98e65cdc68b2b47e639e40b0ec4f8c4e"
PRINT_DIGESTS = """
import hashlib
import numpy as np
from helpers.data import faces
for array in faces.render_faces(np.arange(14) % 7, seed=3):
    print(hashlib.sha256(array.tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return np.arange(70) % len(faces.CLASS_NAMES)


@pytest.fixture(scope="module")
def rendered(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return faces.render_faces(labels, seed=1)


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def at_rest(count: int) -> np.ndarray:
    return np.zeros((count, len(faces.ACTION_UNITS)), np.float32)


# Determinism ------------------------------------------------------------------------------------------------


def test_bytes_are_the_pinned_ones() -> None:
    images, evidence = faces.render_faces(np.arange(14) % 7, seed=3)
    assert digest(images) == PINNED_IMAGES
    assert digest(evidence) == PINNED_EVIDENCE


def test_bytes_do_not_depend_on_the_vector_instructions_of_the_processor() -> None:
    features = "X86_V3 X86_V4 AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"
    environment = os.environ | {"NPY_DISABLE_CPU_FEATURES": features}
    command = [sys.executable, "-W", "ignore", "-c", PRINT_DIGESTS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [PINNED_IMAGES, PINNED_EVIDENCE]


def test_drawing_stays_in_single_precision() -> None:
    assert draw_faces(at_rest(2), seed=0).dtype == np.float32


def test_another_seed_draws_other_faces(labels: np.ndarray, rendered: tuple) -> None:
    other, _ = faces.render_faces(labels, seed=2)
    assert np.all(np.any(other != rendered[0], axis=(1, 2, 3)))


def test_a_face_does_not_depend_on_its_neighbours(labels: np.ndarray, rendered: tuple) -> None:
    alone, evidence = faces.render_faces(labels[41:43], seed=1, first_index=41)
    np.testing.assert_array_equal(alone, rendered[0][41:43])
    np.testing.assert_array_equal(evidence, rendered[1][41:43])


def test_workers_do_not_change_the_bytes() -> None:
    one, three = (faces.generate((70, 40, 3), seed=5, workers=workers) for workers in (1, 3))
    for split in traits.SPLITS:
        for first, second in zip(one[split], three[split], strict=True):
            np.testing.assert_array_equal(first, second)


def test_no_face_is_in_two_splits() -> None:
    drawn = faces.generate((60, 60, 60), seed=0)
    images = [image.tobytes() for split in traits.SPLITS for image in drawn[split][0]]
    assert len(set(images)) == len(images) == 180


# Labels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 600, 1200, 4200, 28709])
def test_classes_have_the_proportions_of_fer2013(count: int) -> None:
    counts = np.bincount(faces.draw_labels(count, seed=0), minlength=7)
    exact = count * np.array(faces.CLASS_SHARES) / sum(faces.CLASS_SHARES)
    assert counts.sum() == count
    assert np.all(np.abs(counts - exact) < 1)


def test_labels_are_shuffled_by_the_seed() -> None:
    first, again, other = (faces.draw_labels(600, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
    assert np.count_nonzero(np.diff(first)) > 300  # sorted labels change six times


# Action units -----------------------------------------------------------------------------------------------


def test_only_the_units_of_an_expression_act() -> None:
    for label, name in enumerate(faces.CLASS_NAMES):
        acts = draw_intensities(np.full(200, label), seed=0) > 0
        share = dict(zip(faces.ACTION_UNITS, acts.mean(axis=0), strict=True))
        expression = traits.EXPRESSIONS[name]
        assert {unit for unit, value in share.items() if value == 1} == {u for u, p in expression.items() if p == 1}
        assert {unit for unit, value in share.items() if 0 < value < 1} == {u for u, p in expression.items() if p < 1}


def test_units_of_one_face_differ_in_intensity() -> None:
    intensities = draw_intensities(np.full(300, faces.CLASS_NAMES.index("fear")), seed=0)
    acting = intensities[:, [unit in traits.EXPRESSIONS["fear"] for unit in faces.ACTION_UNITS]]
    assert acting.min() > 0 and acting.max() <= 1
    assert np.median(np.ptp(acting, axis=1)) > 0.3
    assert acting.mean(axis=1).min() < 0.4 and acting.mean(axis=1).max() > 0.8  # weak faces and strong ones


@pytest.mark.parametrize("unit", list(faces.ACTION_UNITS))
def test_every_unit_changes_the_face_more_the_stronger_it_acts(unit: int) -> None:
    rest, weak, strong = (at_rest(16) for _ in range(3))
    column = list(faces.ACTION_UNITS).index(unit)
    weak[:, column], strong[:, column] = 0.4, 1.0
    drawn = [draw_faces(intensities, seed=0) for intensities in (rest, weak, strong)]
    by_weak, by_strong = (np.abs(changed - drawn[0]).sum() for changed in drawn[1:])
    assert 0 < 1.3 * by_weak < by_strong


# Evidence ---------------------------------------------------------------------------------------------------


def test_neutral_faces_have_no_evidence_and_others_have(labels: np.ndarray, rendered: tuple) -> None:
    pixels = rendered[1].sum(axis=(1, 2))
    assert np.all(pixels[labels == NEUTRAL] == 0)
    assert np.mean(pixels[labels != NEUTRAL] > 10) > 0.95


def test_evidence_is_exactly_where_the_expression_changes_the_picture(labels: np.ndarray, rendered: tuple) -> None:
    drawn = draw_faces(draw_intensities(labels, seed=1), seed=1)
    change = np.abs(drawn - draw_faces(at_rest(len(labels)), seed=1))
    np.testing.assert_array_equal(rendered[1], change > traits.EVIDENCE_THRESHOLD)


def test_away_from_the_evidence_a_face_is_the_neutral_face(labels: np.ndarray, rendered: tuple) -> None:
    neutral, _ = faces.render_faces(np.full(len(labels), NEUTRAL), seed=1)
    change = np.abs(rendered[0].astype(int) - neutral)[..., 0]
    assert change[~rendered[1]].max() <= traits.EVIDENCE_THRESHOLD + 1  # the noise is shared; rounding adds one
    assert change[rendered[1]].mean() > traits.EVIDENCE_THRESHOLD


def test_evidence_grows_with_strength(labels: np.ndarray) -> None:
    acting = (draw_intensities(labels, seed=1) > 0).astype(np.float32)
    rest = draw_faces(0 * acting, seed=1)
    sizes = [
        np.count_nonzero(np.abs(draw_faces(strength * acting, seed=1) - rest) > traits.EVIDENCE_THRESHOLD)
        for strength in (0.25, 0.5, 1.0)
    ]
    assert sizes[0] < sizes[1] < sizes[2]


# Errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [-1, 7])
def test_an_unknown_label_is_an_error(label: int) -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.6"):
        faces.render_faces(np.array([0, label]), seed=0)


@pytest.mark.parametrize("counts", [(10, 10), (10, -1, 10)])
def test_impossible_counts_are_an_error(counts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="give 3 numbers"):
        faces.generate(counts)


def test_a_negative_seed_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        faces.generate((1, 1, 1), seed=-1)
