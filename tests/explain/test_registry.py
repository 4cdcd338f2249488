"""A method is registered in one place, with what it is, and is found wherever methods are listed."""

import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from helpers.answers import Answer
from helpers.base.keeper import ALSO_MADE_BY, Keeper
from helpers.explain import registry, saliency
from helpers.grade import grading, insertion, scorecard
from helpers.report import plots

FILE = """
import numpy as np
from helpers.explain.registry import method

@method("brightness", signed=False, passes="many", source="nobody, 2026")
def brightness(model, images, classes, steps=1, *, signed=True, unit=1.0):
    values = images.mean(axis=-1) * np.float32(steps * unit)
    return values - values.mean() if signed else values
"""
BACKGROUNDS = np.random.default_rng(1).integers(0, 256, (3, 24, 24, 1), dtype=np.uint8)
SETTINGS = grading.Settings(
    samples=2, steps=2, masks=8, copies=20, segments=8, randomised=4, draws=2, backgrounds=BACKGROUNDS
)


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[registry.Method]:
    """A file put beside those of the other methods."""
    (tmp_path / "brightness.py").write_text(FILE)
    monkeypatch.setattr(saliency, "__path__", [*saliency.__path__, str(tmp_path)])
    monkeypatch.setattr(registry, "METHODS", registry.METHODS.copy())
    monkeypatch.delitem(sys.modules, "helpers.explain.saliency.brightness", raising=False)
    saliency.discover()
    yield registry.METHODS["brightness"]
    sys.modules.pop("helpers.explain.saliency.brightness")


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    pixels = keras.Input((24, 24, 1))
    maps = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(keras.layers.Rescaling(1 / 255)(pixels))
    return keras.Model(pixels, keras.layers.Dense(3)(keras.layers.Flatten()(keras.layers.MaxPooling2D(4)(maps))))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 24, 24, 1), dtype=np.uint8)


def test_a_method_in_a_file_of_its_own_is_graded_drawn_and_put_into_words(added, model, images, tmp_path):
    probabilities = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    labels = np.array([0, 1, 2, 0, 2, 1])
    evidence = np.ones((6, 24, 24), bool)
    evidence[:, :12] = False
    grades = grading.grade(model, images, labels, probabilities, evidence, SETTINGS, ["gradient", "brightness"])
    assert list(grades.names) == ["gradient", "brightness", *insertion.BASELINES]
    table = scorecard.table(grades)
    assert np.isfinite(table.loc["brightness", [scorecard.RANK, scorecard.OTHER, *scorecard.FOUND]].astype(float)).all()
    assert (
        table.loc["brightness", scorecard.ALIKE] > 0.99
    ).all()  # the pixels' brightness does not hang on the weights
    curves = plots.perturbation_curves(
        scorecard.curves(grades), grades.names, scorecard.panels(grades), scorecard.CHANCE
    )
    panels = dict(zip(grading.FORMS, scorecard.cascade(grades), strict=True))
    cascade = plots.cascade_lines(panels, grades.methods, grades.layers, grades.half(), scorecard.PASSING)
    for figure in (curves, cascade):
        assert "brightness" in [text.get_text() for text in figure.legends[0].get_texts()]
    answer = Answer(tmp_path, "04_saliency_maps", "Title", "Question?")
    said = " ".join(answer.say(sentence).text for sentence in scorecard.sentences(grades))
    assert "brightness changes least (rank correlation 1.00)" in said


def test_a_method_is_among_all_of_them_and_in_what_grades_are_kept_by(added, tmp_path, monkeypatch):
    assert [one.name for one in registry.choose()][-1] == "brightness"
    keeper, asked = Keeper(tmp_path), []
    for methods in (["gradient"], ["gradient", "brightness"]):
        monkeypatch.setattr(registry, "choose", lambda methods=methods: [registry.METHODS[name] for name in methods])
        asked.append(getattr(grading.grade, ALSO_MADE_BY)())
    assert len(asked[0]) == 1 and len(asked[1]) == 2
    assert keeper.path("grade", asked[0]) != keeper.path("grade", asked[1])


def test_settings_reach_the_parameters_of_their_names(added, model, images):
    classes = np.zeros(6, int)
    ones, threes = (added.explain(model, images, classes, registry.Settings(steps=steps)) for steps in (1, 3))
    np.testing.assert_allclose(threes, 3 * ones)
    np.testing.assert_allclose(added.explain(model, images, classes, registry.Settings(steps=1), unit=2.0), 2 * ones)


def test_a_method_gives_magnitudes_or_signed_values_as_it_is_asked(added, model, images):
    classes, settings = np.zeros(6, int), registry.Settings(samples=2, steps=2)
    assert added.explain(model, images, classes, settings).min() >= 0
    signed = registry.explain_by(["brightness", "gradient"], model, images, classes, settings)
    assert list(signed) == ["brightness", "gradient"] and min(values.min() for values in signed.values()) < 0


@pytest.mark.parametrize("name", registry.METHODS)
def test_what_a_method_is_registered_as_is_what_it_gives(name, model, images):
    one = registry.METHODS[name]
    maps = one.explain(model, images, np.arange(6) % 3, SETTINGS)
    assert maps.shape == images.shape[:3] and maps.dtype == np.float32 and np.abs(maps).max() > 0
    assert one.signed or maps.min() >= 0
    assert one.source[-4:].isdigit() and one.source.split()[0] in (one.function.__doc__ or "")


def test_a_name_is_taken_once_and_a_wrong_one_is_told_the_right_ones():
    with pytest.raises(ValueError, match="'gradient' already: register other under another name"):

        @registry.method("gradient", signed=True, passes="few", source="nobody, 2026")
        def other(model, images, classes):
            return images

    with pytest.raises(ValueError, match="no method 'gradients': choose from gradient, gradient × input, gradient"):
        registry.choose(["gradients"])


def test_several_methods_give_together_what_each_gives_alone(model, images):
    classes, settings = np.arange(6) % 3, registry.Settings(samples=3, steps=4, seed=5)
    expected = {
        "gradient": saliency.gradient(model, images, classes),
        "SmoothGrad": saliency.smooth_gradient(model, images, classes, samples=3, seed=5),
        "integrated gradients": saliency.integrated_gradients(model, images, classes, steps=4),
        "Grad-CAM": saliency.grad_cam(model, images, classes),
    }
    found = registry.explain_by(expected, model, images, classes, settings)
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("count", [len(registry.METHODS), len(registry.METHODS) + 3])
def test_however_many_methods_there_are_each_is_drawn_in_a_colour_of_its_own(count):
    names = [f"method {number}" for number in range(count)]
    figure = plots.cascade_lines({"likeness": np.full((count, 2), 0.5)}, names, ["logits", "conv"], 0, 0.5)
    colours = {line.get_color() for line in figure.axes[0].lines if line.get_label() in names}
    assert len(colours) == count


@pytest.mark.parametrize("name", ["Grad-CAM", "integrated gradients", "gradient", "SmoothGrad"])
def test_a_map_as_it_is_graded_has_what_speaks_for_the_class_or_magnitudes(name: str) -> None:
    pixels = keras.Input((24, 24, 1))
    maps = keras.layers.Conv2D(4, 3, activation="relu")(pixels)
    model = keras.Model(pixels, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(maps)))
    task = model, BACKGROUNDS, np.array([0, 1, 2]), SETTINGS
    graded = saliency.explain_graded(name, *task)
    (signed,) = saliency.explain_by([name], *task).values()
    wanted = signed.clip(min=0) if registry.METHODS[name].signed else np.abs(signed)
    np.testing.assert_allclose(graded, wanted, atol=1e-6 * np.abs(signed).max())
    assert (signed < 0).any() == (name != "Grad-CAM")  # otherwise both forms are the same
