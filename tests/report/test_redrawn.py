"""Figures in another language: drawn from what was saved with them, once, and again only where something changed."""

from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from helpers.answers import Answer, load_answer
from helpers.base import words
from helpers.report import document, plots
from helpers.report.document import redraw_figures

NAME = "03_confusion_matrix"
COUNTS = np.array([[5, 1], [2, 3]])


def save(folder: Path, counts: np.ndarray = COUNTS) -> dict:
    answer = Answer(folder, NAME, "Title", "Question?")
    answer.figure("matrix", plots.confusion_heatmaps(counts, counts / 10, ["happy", "sad"]), "One.")
    answer.figure("dots", plots.accuracy_intervals(["CNN"], *np.array([[0.5], [0.4], [0.6]])), "Two.")
    plain = plots.new_figure(1)
    plain.text(0.5, 0.5, "a reader's own")
    answer.figure("own", plain, "Three.")
    answer.save()
    return load_answer(folder, NAME)


def test_figures_are_drawn_again_where_something_changed_and_only_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, draw_again = [], plots.draw_again
    monkeypatch.setattr(plots, "draw_again", lambda name, *given: (drawn.append(name), draw_again(name, *given))[1])
    plain, answer = save(tmp_path), save(tmp_path)
    with words.use("zh-Hant"):
        redraw_figures(tmp_path, [answer])
        assert drawn == ["confusion_heatmaps", "accuracy_intervals"]
        redraw_figures(tmp_path, [save(tmp_path)])
        assert len(drawn) == 2
        redraw_figures(tmp_path, [other := save(tmp_path, COUNTS + 1)])
    assert drawn[2:] == ["confusion_heatmaps"]
    before, after = ([block["png"] for block in each["blocks"]] for each in (answer, other))
    assert before[0] != after[0] and before[1:] == after[1:]
    assert before[2] == plain["blocks"][2]["png"]  # what plots did not draw stays as it is
    assert not (tmp_path / before[0]).exists() and (tmp_path / after[0]).exists()


def test_a_drawing_in_another_language_differs_from_the_plain_one(tmp_path: Path) -> None:
    plain, answer = save(tmp_path), save(tmp_path)
    with words.use("zh-Hant"):
        redraw_figures(tmp_path, [answer])
    for block, said in zip(answer["blocks"][:2], plain["blocks"][:2], strict=True):
        assert (tmp_path / block["png"]).read_bytes() != (tmp_path / said["png"]).read_bytes()


def test_processes_that_begin_anew_draw_the_names_of_a_users_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class called "mouth" keeps its name, and no process but this one has read the data."""
    drawn = []
    try:
        for count, folder in ((9, tmp_path / "here"), (0, tmp_path / "elsewhere")):
            monkeypatch.setattr(document, "FEW_FIGURES", count)
            pool = partial(document.ProcessPoolExecutor, mp_context=get_context("spawn"))
            monkeypatch.setattr(document, "ProcessPoolExecutor", pool)
            answer = Answer(folder, NAME, "Title", "Question?")
            answer.figure("matrix", plots.confusion_heatmaps(COUNTS, COUNTS / 10, ["happy", "mouth"]), "One.")
            answer.save()
            loaded = load_answer(folder, NAME) | {"classes": ["happy", "mouth"]}
            words.keep(loaded["classes"])
            with words.use("zh-Hant"):
                redraw_figures(folder, [loaded])
            drawn.append((folder / loaded["blocks"][0]["png"]).read_bytes())
    finally:
        words.keep(())
    assert drawn[0] == drawn[1]
