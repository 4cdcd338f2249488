"""What is chosen and what follows from it, without a browser."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import toy_dataset

from helpers.answers import as_png
from helpers.data.faces import ACTION_UNITS, describe_face, draw_again, generate
from helpers.explain import ascent, superpixels
from helpers.explore import edits, worker
from helpers.explore.edits import Edit, squares
from helpers.explore.state import PAGE, State
from helpers.report import plots, remarks
from helpers.run import Run
from helpers.training.recipes import get_recipe

DATA = toy_dataset()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("reports") / "toy", DATA, get_recipe("tiny"), seed=0)


@pytest.fixture
def state(run: Run) -> State:
    return State(run)


def test_filters_give_exactly_the_images_that_they_name(state: State) -> None:
    labels, sure = DATA.test.labels, state.probabilities.max(axis=1)
    middle = float(np.median(sure))
    for true in (None, 0, 2):
        for right in (None, True, False):
            state.narrow(true=true, right=right, low=middle)
            wanted = [
                place
                for place in range(len(labels))
                if true in (None, labels[place])
                and right in (None, state.predicted[place] == labels[place])
                and sure[place] >= middle
            ]
            assert state.places().tolist() == wanted


def test_a_cell_of_the_matrix_holds_as_many_images_as_it_says(state: State) -> None:
    for true, predicted in np.ndindex(state.counts.shape):
        state.narrow(true=true, predicted=predicted)
        assert len(state.places()) == state.counts[true, predicted]


def test_orders_and_pages_lose_no_image(state: State) -> None:
    state.narrow(order="unsure")
    places = state.places()
    assert (np.diff(state.probabilities.max(axis=1)[places]) >= 0).all()
    shown = []
    for page in range(state.pages()):
        state.page = page
        assert len(state.on_page()) <= PAGE
        shown += state.on_page().tolist()
    assert shown == places.tolist() and sorted(shown) == [*range(len(DATA.test.labels))]


def test_marked_images_are_those_that_the_audit_marks(state: State, run: Run) -> None:
    state.narrow(mark="near")
    assert state.places().tolist() == np.flatnonzero(run.near_twins()).tolist()


def test_what_is_computed_at_length_is_read_again_by_the_next_page(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helpers.explore.state.SLOW", -1.0)
    first = State(run)
    before = first.map_of("gradient")
    second = State(run)
    monkeypatch.setattr(State, "_explain", None)
    assert np.array_equal(second.map_of("gradient"), before)
    second.label = (second.label + 1) % 3
    with pytest.raises(TypeError):  # another class has to be computed
        second.map_of("gradient")


def test_the_top_pixels_are_as_many_as_asked_for_and_hold_most(state: State) -> None:
    values = state.map_of("gradient")
    state.top = 0.25
    mask, share = state.top_share(values)
    assert mask.sum() == round(0.25 * values.size)
    assert np.abs(values)[mask].min() >= np.abs(values)[~mask].max() and 0.25 < share <= 1


def test_hiding_the_weightiest_superpixel_lowers_the_probability_more_than_hiding_any_on_average(state: State) -> None:
    lost, usual = [], []
    for place in np.flatnonzero(state.predicted == DATA.test.labels)[:12].tolist():
        state.choose(place)
        parts, before = state.part_map(), state.probabilities_of(state.picture.pixels)[state.label]
        found = superpixels.explain(state.model, state.picture.pixels, state.label, 200, 0, segments=25)
        falls = []
        for part in range(parts.max() + 1):
            state.edit = Edit(frozenset({part}), fill="mean")
            falls.append(before - state.probabilities_of(state.edited())[state.label])
        assert np.array_equal(found.segments, parts)
        lost.append(falls[int(found.weights.argmax())])
        usual.append(np.mean(falls))
    assert np.mean(lost) > np.mean(usual)


def test_a_click_hides_the_part_that_is_seen_there_and_a_second_one_shows_it(state: State) -> None:
    state.parts, state.side = "squares", 6
    before = state.picture.pixels
    state.edit = Edit(mirror=True)
    state.hide_at(1, 23)  # the mirror image's upper right corner is the upper left one
    state.edit = replace(state.edit, mirror=False)
    changed = (state.edited() != before).any(axis=-1)
    assert changed.any() and not changed[6:].any() and not changed[:, 6:].any()
    state.hide_at(0, 0)
    assert np.array_equal(state.edited(), before)


def rows_that_change(place: int, unit: int) -> np.ndarray:
    """Name the rows of a face at rest that an action unit changes by more than what rounding does."""
    rest, moved = np.zeros(15), np.array([float(name == unit) for name in ACTION_UNITS])
    before, after = (draw_again("test", place, units, {}).astype(int) for units in (rest, moved))
    return np.flatnonzero((np.abs(after - before) > 2).any(axis=(1, 2)))


def test_an_action_unit_changes_the_face_only_where_it_should() -> None:
    for place in range(12):
        brow, lid, jaw = (rows_that_change(place, unit) for unit in (1, 5, 26))
        assert max(*brow, *lid) < min(jaw) and min(brow) < min(lid), place


def test_a_face_is_drawn_again_as_it_was_but_for_noise_and_light_is_what_is_asked_for() -> None:
    images, labels, _ = generate((0, 0, 8))["test"]
    for place in range(8):
        units, light = describe_face("test", place, int(labels[place]), ("brightness", "light_x"))
        again = draw_again("test", place, units, light).astype(float)
        assert (
            np.abs(again - images[place]).mean() < 8 and np.corrcoef(again.ravel(), images[place].ravel())[0, 1] > 0.9
        )
        lighter = draw_again("test", place, units, light | {"brightness": light["brightness"] + 20}).astype(float)
        inside = (again > 0) & (again < 230)
        assert np.median((lighter - again)[inside]) == pytest.approx(20, abs=1)


def test_an_ascent_from_the_picture_raises_the_filter_and_can_be_ended(state: State) -> None:
    state.layer, state.filter_number, seen = len(state.convolutions), 1, []

    def look(image: np.ndarray) -> None:
        seen.append(image)
        if len(seen) == 2:
            raise worker.Stopped

    with pytest.raises(worker.Stopped):
        state.climb(look, again=True)
    made = state.climb(lambda image: None, again=True)  # what was ended was not kept
    images = np.stack([state.picture.pixels, seen[0], made])
    (before, _, after) = ascent.filter_responses(state.model, [state.convolution], images)[0][:, 1]
    assert len(seen) == 2 and after > before


def test_the_favourites_of_a_filter_are_those_that_it_answers_most(state: State) -> None:
    state.layer, state.filter_number = 1, 2
    found = state.favourites()
    own = ascent.filter_responses(state.model, [state.convolution], DATA.test.images)[0][:, 2]
    assert own[found].min() >= np.delete(own, found).max() and (np.diff(own[found]) <= 0).all()


def test_a_file_that_is_no_picture_is_told_in_a_sentence_and_a_picture_is_taken(state: State) -> None:
    with pytest.raises(ValueError, match=r"note\.txt cannot be explained"):
        state.read("note.txt", b"no picture")
    state.take(state.read("mine.png", plots.as_png(DATA.test.images[7])))
    assert (state.picture.name, state.place) == ("mine.png", None)
    assert np.array_equal(state.picture.pixels, DATA.test.images[7])


def test_another_picture_forgets_what_was_changed(state: State) -> None:
    state.edit = Edit(brightness=30)
    state.choose(1)
    assert np.array_equal(state.edited(), DATA.test.images[1])


def test_an_image_is_moved_and_turned_as_told() -> None:
    image = np.zeros((9, 9, 1), np.uint8)
    image[0, 4] = 200
    parts = squares(image.shape, 3)
    assert Edit(turn=90).apply(image, parts)[4, 8, 0] == 200  # as the clock turns
    assert Edit(down=3, right=-2).apply(image, parts)[3, 2, 0] == 200
    assert Edit(brightness=100).apply(image, parts).max() == 255
    assert (Edit(down=3).move_parts(parts)[:3] == edits.OUTSIDE).all()
    assert np.array_equal(Edit(mirror=True).apply(Edit(mirror=True).apply(image, parts), parts), image)
    assert Edit().toggle(edits.OUTSIDE) == Edit()


class Told:
    """What a worker has told, and one of its own."""

    def __init__(self) -> None:
        self.turns: list[str | None] = []
        self.errors: list[str] = []
        self.worker = worker.Worker(
            lambda turn: self.turns.append(turn and turn.kind), lambda error: self.errors.append(str(error))
        )


def test_the_newest_wish_of_a_kind_wins() -> None:
    told, shown, begun, go = Told(), [], threading.Event(), threading.Event()

    def first(turn: worker.Turn) -> None:
        begun.set()
        go.wait(30)
        turn.check()

    told.worker.wish("map", first, shown.append)
    assert begun.wait(30)
    for number in range(5):
        told.worker.wish("map", lambda turn, number=number: number, shown.append)
    told.worker.wish("other", lambda turn: "other", shown.append)
    go.set()
    assert told.worker.wait() and shown == [4, "other"] and told.errors == []


def test_stopping_ends_what_is_under_way_and_the_next_wish_does_not_wait_for_it() -> None:
    told, shown, go = Told(), [], threading.Event()
    stuck = told.worker.wish("slow", lambda turn: go.wait(30), shown.append)
    while not told.turns:  # it is told that this takes long
        stuck.over.wait(0.01)
    told.worker.stop()
    told.worker.wish("map", lambda turn: "seen", shown.append)
    assert told.worker.wait() and shown == ["seen"]
    go.set()
    assert stuck.over.wait(30) and told.turns[0] == "slow" and told.turns[-1] is None and shown == ["seen"]


def test_an_error_is_told_and_the_next_wish_is_done() -> None:
    told, shown = Told(), []
    told.worker.wish("a", lambda turn: 1 / 0, shown.append)
    told.worker.wish("b", lambda turn: "b", shown.append)
    assert told.worker.wait() and shown == ["b"] and told.errors == ["division by zero"]


def test_a_note_is_a_remark_on_its_question_and_is_added_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remarks, "FOLDER", tmp_path / "notes")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "toy.md").write_text("# 1\n\nMine.\n")
    for _ in range(2):
        figure = plots.new_figure(1)
        figure.subplots().plot([0, 1])
        remarks.add_remark("toy", "4", as_png(figure), "A share of {50%} [so]")
    paths = [tmp_path / f"0{number}_x.ipynb" for number in (1, 4)]
    for path in paths:
        path.write_text('{"cells": []}')
    found = remarks.read_remarks("toy", paths)
    assert [text for text, _ in found["1"]] == ["Mine."] and len(found["4"]) == 1
    (block,) = remarks.set_remarks(found["4"], {}, tmp_path / "run")
    assert block["kind"] == "picture" and block["text"] == "A share of {50%} (so)"
    assert (tmp_path / "run" / block["file"][1:]).is_file()
