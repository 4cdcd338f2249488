"""The page without a browser: what is stopped, what is shown of every tab, and that every control is named."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import ipywidgets as widgets
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from conftest import toy_dataset
from toys import spots

from helpers.answers import Answer
from helpers.base.files import ROOT
from helpers.explain import registry
from helpers.explore import worker
from helpers.explore.page import LANGUAGES, Page
from helpers.explore.state import State
from helpers.explore.views import Picture, Tiles
from helpers.networks import chunks
from helpers.report import html, plots, remarks
from helpers.report.document import STAMP_KEYS, Report
from helpers.run import Run
from helpers.training.loop import Trained
from helpers.training.recipes import get_recipe

PASSES: list[int] = []  # images of each pass through the network
THEN: list[Callable[[], object]] = []  # what is done at the second pass
MANY = [one.name for one in registry.METHODS.values() if one.passes == "many"]
WORK: dict[str, Callable[[State], object]] = {
    **{name: lambda state, name=name: state.map_of(name) for name in MANY},
    "an ascent": lambda state: state.climb(lambda image: None),
    "favourites": lambda state: state.favourites(),
    "a page on the picture": lambda state: state.explained("en"),
}


class Counting(keras.layers.Layer):
    """Passes images on and counts them."""

    def call(self, images: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([tf.py_function(count, [tf.shape(images)[0]], [])]):
            return tf.identity(images)


def count(images: tf.Tensor) -> None:
    PASSES.append(int(images))
    if len(PASSES) == 2 and THEN:
        THEN.pop()()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose network counts its passes; its weights are drawn."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input((24, 24, 1)), Counting(), keras.layers.Rescaling(1 / 255)]
    layers += [keras.layers.Conv2D(4, 3, name="conv1"), keras.layers.ReLU(), keras.layers.MaxPooling2D()]
    network = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(3)])
    found = Run(tmp_path_factory.mktemp("reports") / "toy", toy_dataset(), get_recipe("tiny"), seed=0)
    vars(found)["_headline"] = Trained(network, pd.DataFrame())
    return found


@pytest.fixture
def page(run: Run) -> Iterator[Page]:
    page = Page(run, "en")
    assert page.worker.wait()
    yield page
    assert page.worker.wait()


def passes(page: Page, work: Callable[[State], object], then: Callable[[], object] | None = None) -> int:
    """Count the images that pass through the network for some work, at whose second pass something is done."""
    ended, state = threading.Event(), page.state

    def job(turn: object) -> None:
        try:
            work(state)
        finally:
            ended.set()

    PASSES.clear()
    THEN[:] = [then] if then else []
    page.worker.wish("maps", job, lambda found: None)
    assert ended.wait(60)
    return sum(PASSES)


@pytest.mark.parametrize("name", WORK)
def test_what_takes_many_passes_ends_between_them_when_stopped(
    page: Page, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "BYTES_AT_ONCE", chunks.PARTS * chunks.gradient_bytes(page.state.model, (24, 24, 1)))
    seen = passes(page, WORK[name], page.worker.stop)
    assert 0 < seen < passes(page, WORK[name]) / 2  # what was stopped was not kept


def test_what_was_stopped_is_told(page: Page) -> None:
    begun = threading.Event()
    page.worker.wish("filter", lambda turn: [begun.set(), *iter(turn.check, 0)], lambda found: None)
    assert begun.wait(60)
    page.stop.click()
    assert "Stopped." in page.message.value and page.worker.wait()
    page.go("gallery")
    page.changed()
    assert "Stopped." not in page.message.value


def test_a_newer_wish_ends_the_work_of_the_older_one(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "BYTES_AT_ONCE", chunks.PARTS * chunks.gradient_bytes(page.state.model, (24, 24, 1)))
    shown: list[str] = []
    page.state.label = (page.state.label + 1) % 3  # of which nothing is kept yet
    again = lambda: page.worker.wish("maps", lambda turn: "newer", shown.append)  # noqa: E731
    assert 0 < passes(page, lambda state: state.map_of("RISE"), again) < page.state.settings.masks / 2
    assert page.worker.wait() and shown == ["newer"]


def test_another_tab_ends_what_was_looked_at_and_not_what_is_written(page: Page) -> None:
    begun, go, shown = threading.Event(), threading.Event(), []
    page.worker.wish("filter", lambda turn: (begun.set(), go.wait(60), turn.check()), shown.append)
    assert begun.wait(60)
    page.worker.wish("keep", lambda turn: "kept", shown.append)
    page.go("layers")
    go.set()
    assert page.worker.wait() and shown == ["kept"]


def test_images_are_as_many_at_a_time_as_ever_where_nobody_can_stop_the_work() -> None:
    size, asked = chunks.BYTES_AT_ONCE // 100, []
    assert [*chunks.chunks(100, size)] == [slice(0, 100)]
    token = chunks.CHECK.set(lambda: asked.append(1))
    parts = [*chunks.chunks(100, size)]
    chunks.CHECK.reset(token)
    assert len(parts) == len(asked) > chunks.PARTS / 2
    assert [*chunks.chunks(100, size)] == [slice(0, 100)]


def within(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """Go through a widget and all that it holds."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from within(child)


@pytest.mark.parametrize("language", LANGUAGES.values())
def test_every_tab_is_shown_and_every_control_and_picture_is_named(run: Run, language: str) -> None:
    page = Page(run, language)
    for view in page.views:
        page.go(view.key)
        assert page.worker.wait() and "alert" not in page.message.value, page.message.value
    found = [*within(page)]
    controls = [one for one in found if isinstance(one, widgets.ValueWidget | widgets.Button) and not no_control(one)]
    assert len(controls) > 30
    assert [one for one in controls if not one.tooltip] == []
    assert [one.tooltip for one in controls if not one.description] == [page.say("language")]
    tiles = [one for one in found if isinstance(one, Tiles)]
    assert all(one.label and one.value for one in tiles) and len(tiles) == 5
    assert all(one.label for one in found if isinstance(one, Picture))


@pytest.mark.parametrize(("language", "told"), [("en", "gives the same answer"), ("zh-Hant", "都給同一個答案")])
def test_a_network_that_always_gives_one_class_is_told_on_top_and_a_good_one_is_not(
    language: str, told: str, tmp_path: Path
) -> None:
    pages = []
    for guess in (100.0, 0.0):
        run = Run(tmp_path / str(guess), toy_dataset(), get_recipe("tiny"), seed=0)
        vars(run)["_headline"] = spots(guess)
        pages.append(Page(run, language))
        assert pages[-1].worker.wait()
    assert [told in page.children[1].value for page in pages] == [True, False]
    assert pages[1].children[1].value == ""


def no_control(widget: widgets.Widget) -> bool:
    return isinstance(widget, widgets.HTML)


@pytest.mark.parametrize("language", LANGUAGES.values())
def test_every_choice_says_what_is_chosen_in_either_language(page: Page, language: str) -> None:
    assert all(one.label for one in within(page) if isinstance(one, widgets.Dropdown))
    page.state.narrow(true=1, right=False, low=0.2)
    page.state.signed, page.state.parts, page.state.filter_number = False, "squares", 2
    page.speak(language)
    for view in page.views:
        page.go(view.key)
        assert page.worker.wait()
    gallery, image, trial, filters = page.views[:4]
    assert [one.value for one in gallery.choices.values()] == [1, None, False, "", "place"]
    assert all(one.label for one in within(page) if isinstance(one, widgets.Dropdown))
    assert (gallery.sure.value, image.signed.value) == ((0.2, 1.0), False)
    assert (trial.parts.value, filters.number.value) == ("squares", 2)
    assert (page.state.filter.low, page.state.signed, page.state.parts) == (0.2, False, "squares")


def test_a_file_that_is_chosen_again_is_read_again(page: Page) -> None:
    page.go("own")
    mine = {"name": "mine.png", "type": "image/png", "size": 1, "last_modified": datetime(2026, 1, 31)}
    mine["content"] = memoryview(plots.as_png(page.state.picture.pixels))
    for _ in range(2):
        page.state.choose(0)
        page.views[5].file.value = (mine,)
        assert page.worker.wait() and page.state.picture.name == "mine.png"


def test_maps_of_the_class_before_go_while_one_takes_long(page: Page) -> None:
    page.state.methods = ("gradient", "RISE")
    page.go("image")
    assert page.worker.wait()
    kept = page.state.map_of
    page.state.map_of = lambda name: (_ for _ in ()).throw(worker.Stopped) if name == "RISE" else kept(name)
    page.state.label = (page.state.label + 1) % 3
    page.changed()
    assert page.worker.wait()
    assert [column[1].layout.display for column in page.views[1].columns] == ["", "none", "none", "none"]


def test_nothing_to_add_to_the_notes_is_told_in_a_sentence(page: Page) -> None:
    page.state.narrow(low=1.0)
    page.state.methods = ()
    for view in page.views[:2]:
        page.go(view.key)
        page.ask("keep", lambda state, turn, view=view: view._figure(state), print)
        assert page.worker.wait() and page.say("keep.nothing") in page.message.value


def test_an_error_that_is_no_sentence_is_not_shown_as_one(page: Page) -> None:
    page.complain(ValueError("max() arg is an empty sequence"))
    assert "That did not work (ValueError" in page.message.value


def test_a_filter_that_no_image_passes_shows_none_and_says_so(page: Page, tmp_path: Path) -> None:
    page.state.narrow(low=0.999999, high=1.0)
    page.changed()
    assert page.worker.wait() and "alert" not in page.message.value
    assert "Images found: 0" in page.views[0].counted.value and page.views[0].grid.value == b""
    page.go("image")
    page.views[1].shown.picked = {"kind": "step", "row": 0, "column": 1}
    assert page.worker.wait() and "alert" not in page.message.value
    page.state.narrow(low=0.0)
    assert np.array_equal(np.sort(page.state.places()), np.arange(60))


def test_what_is_added_to_the_notes_stands_in_the_next_report(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remarks, "FOLDER", tmp_path / "notes")
    page.go("layers")
    assert page.worker.wait()
    buttons = [one for one in within(page.tabs.children[4]) if isinstance(one, widgets.Button)]
    next(one for one in buttons if one.description == page.say("keep.button")).click()
    assert page.worker.wait() and "Added to" in page.message.value
    name, run = "07_keract_activations", tmp_path / page.state.run.folder.name
    answer = Answer(run, name, "Activations", "What do the layers see?")
    answer.say("They see spots.")
    answer.save()
    stamp = dict.fromkeys(STAMP_KEYS, "x") | {"versions": {}, "notes": [], "date": "2026-01-31", "seed": 0}
    added = remarks.read_remarks(run.name, [ROOT / "notebooks" / f"{name}.ipynb"])
    made = html.build_report(Report(run, [name], stamp, remarks=added)).read_text(encoding="utf-8")
    assert f'alt="What the layer ReLU 1 makes of image {page.state.picture.name}."' in made
