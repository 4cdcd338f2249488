"""Figures draw what they are given: nothing blank, nothing cut, labels where they belong."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from helpers import plots

RANDOM = np.random.default_rng(0)
NAMES = ("angry", "noodles/pasta", "surprise")
FACES = RANDOM.integers(0, 256, (6, 16, 16, 1)).astype(np.uint8)
HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2, 3],
        "phase": [1, 1, 2],
        "loss": [2.0, 1.5, 1.2],
        "val_loss": [1.9, 1.6, 1.4],
        "accuracy": [0.3, 0.5, 0.6],
        "val_accuracy": [0.35, 0.45, 0.5],
        "learning_rate": [1e-2, 5e-3, 1e-3],
    }
)
COUNTS = np.array([[5, 1, 0], [2, 3, 1], [0, 0, 8]])
REPORT = pd.DataFrame({"class": NAMES, "precision": [0.5, 0.6, 0.7], "recall": [0.6, 0.2, 0.9], "f1": [0.5, 0.3, 0.8]})
FIGURES = {
    "image_grid": lambda: plots.image_grid(FACES, [*"abcdef"], columns=4),
    "prediction_grid": lambda: plots.prediction_grid(
        FACES, np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 2, 2, 0]), np.full(6, 0.5), NAMES
    ),
    "training_curves": lambda: plots.training_curves({"CNN": HISTORY, "DNN": HISTORY}),
    "block_diagram": lambda: plots.block_diagram([("input", "pixels", "16"), ("dense", "dense 3", "3")] * 5),
    "confusion_heatmaps": lambda: plots.confusion_heatmaps(COUNTS, COUNTS / 10, NAMES),
    "class_bars": lambda: plots.class_bars(REPORT),
    "accuracy_intervals": lambda: plots.accuracy_intervals(
        NAMES, np.array([0.5, 0.6, 0.7]), np.array([0.4, 0.5, 0.6]), np.array([0.6, 0.7, 0.8])
    ),
}


def pixels(figure: Figure) -> np.ndarray:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return np.asarray(Image.open(buffer).convert("L"))


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_as_wide_as_the_text_not_blank_and_not_cut(name: str) -> None:
    figure = FIGURES[name]()
    drawn = pixels(figure)
    assert figure.get_figwidth() == plots.TEXT_WIDTH
    assert drawn.std() > 5
    edge = np.concatenate([drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]])
    assert (edge < 128).mean() < 0.02  # text that is cut would reach the edge


def test_a_blank_figure_would_be_noticed() -> None:
    assert pixels(plots.new_figure(1)).std() < 5


def test_a_mosaic_holds_every_tile_in_reading_order() -> None:
    tiles = np.arange(5)[:, None, None] * np.ones((5, 3, 4))
    sheet = plots.mosaic(tiles, columns=2, gap=1)
    assert sheet.shape == (3 * 4 - 1, 2 * 5 - 1)
    for i in range(5):
        assert np.all(sheet[i // 2 * 4 : i // 2 * 4 + 3, i % 2 * 5 : i % 2 * 5 + 4] == i)
    assert np.all(np.isnan(sheet[8:, 5:]))


def test_mistakes_are_marked_and_right_answers_are_not() -> None:
    figure = FIGURES["prediction_grid"]()
    titles = [(axes.get_title(), axes.title.get_color()) for axes in figure.axes if axes.get_visible()]
    assert titles[0] == ("angry\n\N{CHECK MARK} angry 50%", "black")
    assert titles[1] == ("angry\n\N{MULTIPLICATION SIGN} noodles/pasta 50%", plots.MISTAKE)


def test_each_confused_pair_may_begin_a_row() -> None:
    labels, predicted = np.array([0, 0, 1, 1, 1, 2]), np.array([1, 1, 2, 2, 2, 0])
    figure = plots.prediction_grid(FACES, labels, predicted, np.full(6, 0.5), NAMES, columns=3, row_per_pair=True)
    shown = [axes.get_visible() for axes in figure.axes]
    assert shown == [True, True, False, True, True, True, True, False, False]


def test_the_matrix_shows_every_count_and_share() -> None:
    left, right = FIGURES["confusion_heatmaps"]().axes
    assert [text.get_text() for text in left.texts] == [str(count) for count in COUNTS.ravel()]
    assert right.texts[0].get_text() == "50%"
