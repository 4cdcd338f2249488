"""Figures draw what they are given: nothing blank, nothing cut, labels where they belong."""

import inspect
import pickle
import zlib
from io import BytesIO
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text
from PIL import Image

from helpers.base import words
from helpers.report import pdf, plots
from helpers.report.plots import missing_characters, style

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
TILES = RANDOM.uniform(0, 255, (9, 16, 16, 1))
SIGNED = RANDOM.uniform(-1, 1, (6, 16, 16))
SEGMENTS = np.broadcast_to(np.arange(16) // 4, (6, 16, 16))
RATIOS = pd.DataFrame(
    {"group": ["happy", "happy", "sad", "sad"], "region": ["eyes", "mouth"] * 2, "ratio": [0.5, 1.0, 1.5, 2.0]}
).assign(stands_out=[False, False, False, True])
PROFILE = pd.DataFrame(
    {
        "height": [8, 8, 4],
        "width": [8, 8, 4],
        "channels": [4, 8, 8],
        "silent": 0.4,
        "dead": 0.1,
        "shift": [0.7, 0.8, 0.9],
    },
    ["relu 1", "relu 2", "pool 1"],
)
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
    "run_dots": lambda: plots.run_dots(
        NAMES,
        {"accuracy": [np.array([0.5, 0.6]), np.array([0.4]), np.array([])], "balanced accuracy": [np.array([0.5])] * 3},
        dict.fromkeys(("accuracy", "balanced accuracy"), np.array([[0.55, 0.5, 0.6], [0.4, np.nan, np.nan]] * 2)[:3]),
    ),
    "filter_mosaics": lambda: plots.filter_mosaics({"images": TILES, "maps": RANDOM.random((9, 6, 6))}, FACES[0]),
    "ascent_progress": lambda: plots.ascent_progress(
        {0: TILES, 10: TILES, 40: TILES},
        np.arange(0, 41, 2),
        np.cumsum(RANDOM.random((21, 9)), axis=0),
        [0, 4],
        ["row 1", "row 2"],
    ),
    "image_rows": lambda: plots.image_rows({"first": FACES, "second": FACES[:3]}, [*"abcdef"]),
    "filters_on_images": lambda: plots.filters_on_images(
        FACES[:2], np.stack([FACES[:3], FACES[3:]]), RANDOM.random((2, 3, 4, 4)), ["row 1, column 2", "row 3, column 4"]
    ),
    "dream_panels": lambda: plots.dream_panels(
        FACES[0], FACES[1], np.arange(9), np.cumsum(RANDOM.random((2, 9)), axis=1), ["16", "22"]
    ),
    "explanation_sheet": lambda: plots.explanation_sheet(
        FACES, {"gradient": SIGNED, "Grad-CAM": np.abs(SIGNED)}, {"top 10%": SIGNED > 0.9}, [*"abcdef"]
    ),
    "mean_map_sheet": lambda: plots.mean_map_sheet(FACES, {"gradient": np.abs(SIGNED) / 100}, [*"abcdef"]),
    "perturbation_curves": lambda: plots.perturbation_curves(
        {"right": RANDOM.random((5, 4, 9)), "wrong": RANDOM.random((5, 4, 9))}, [*"abcde"], [*"wxyz"], "c"
    ),
    "paired_differences": lambda: plots.paired_differences(
        {name: pd.DataFrame({"value": [0.1, 0.3], "low": 0.0, "high": 0.4}, ["a", "b"]) for name in ("right", "wrong")},
        "difference",
    ),
    "reliability": lambda: plots.reliability(
        {
            name: pd.DataFrame({"confidence": [0.3, 0.8], "accuracy": 0.5, "low": 0.4, "high": 0.6, "images": [5, 9]})
            for name in ("raw", "calibrated")
        }
    ),
    "explained_picture": lambda: plots.explained_picture(
        FACES[0],
        {"a": (0.6, 0.9), "b": (0.4, 0.1)},
        {"signed\nmean rank 1.0": SIGNED[0], "magnitude": np.abs(SIGNED[1])},
        (SEGMENTS[0], SIGNED[0], SIGNED[0] > 0.5),
        FACES[:5],
        [*"abcde"],
    ),
    "cascade_lines": lambda: plots.cascade_lines(
        {"rank": RANDOM.random((3, 4)), "SSIM": np.array([[0.9, np.nan, 0.5, 0.1]] * 3)}, [*"abc"], [*"wxyz"], 1, 0.5
    ),
    "superpixel_sheet": lambda: plots.superpixel_sheet(
        FACES, SEGMENTS, {"weights": SIGNED}, {"strongest": SIGNED > 0.9}, [*"abcdef"]
    ),
    "region_sheet": lambda: plots.region_sheet(FACES, SEGMENTS, [*"abcdef"]),
    "region_heatmaps": lambda: plots.region_heatmaps({"Grad-CAM": RATIOS}),
    "layer_overview": lambda: plots.layer_overview(
        {"random translation 1": RANDOM.random(30)} | {f"conv {i}": RANDOM.random((8, 8, 5)) for i in range(6)},
        channels=4,
    ),
    "channel_mosaics": lambda: plots.channel_mosaics({"conv 1": RANDOM.random((8, 8, 5))}),
    "heatmap_grid": lambda: plots.heatmap_grid(FACES[0], {"conv 1": SIGNED[0], "conv 2": SIGNED[1]}, signed=True),
    "depth_profile": lambda: plots.depth_profile(PROFILE, ["pool 1"]),
}


def test_every_figure_has_its_test() -> None:
    functions = inspect.getmembers(plots, inspect.isfunction)
    makers = {name for name, made in functions if made.__annotations__.get("return") is Figure and name[0] != "_"}
    assert makers - {"new_figure", "draw_again"} == FIGURES.keys()


def pixels(figure: Figure) -> np.ndarray:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return np.asarray(Image.open(buffer).convert("L"))


def is_cut(figure: Figure) -> bool:
    """Say whether something that a figure draws reaches over its edge, by more than a hundredth of an inch."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    drawn = figure.get_tightbbox(renderer)
    width, height = figure.get_size_inches()
    return min(drawn.x0, drawn.y0) < -0.01 or drawn.x1 > width + 0.01 or drawn.y1 > height + 0.01


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_as_wide_as_the_text_not_blank_and_not_cut(name: str) -> None:
    figure = FIGURES[name]()
    assert figure.get_figwidth() == pytest.approx(plots.TEXT_WIDTH)
    assert pixels(figure).std() > 5
    assert not is_cut(figure)
    assert not formulas(figure)
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert min(text.get_fontsize() for text in texts) * min(pdf.SCALES) >= 7  # points, as small as it is ever set


def test_names_of_panels_that_stand_close_do_not_touch() -> None:
    titles = [f"{kind},\n{by}" for by in ("blurred", "mean colour", "same face") for kind in ("insertion", "deletion")]
    curves = {"right answers (56)": RANDOM.random((4, 6, 49)), "wrong answers (4)": RANDOM.random((4, 6, 49))}
    figure = plots.perturbation_curves(curves, ["gradient × input (black)", *"bcd"], titles, "b")
    assert not is_cut(figure) and overlapping(figure) == []
    photos, outputs = np.zeros((4, 4, 48, 48, 1)), np.zeros((4, 4, 6, 6))
    names = [plots.place_name(place, 64) for place in (18, 50, 32, 31)]
    for language in ("en", "zh-Hant"):
        with words.use(language):
            assert overlapping(plots.filters_on_images(photos[:, 0], photos, outputs, names)) == []


def formulas(figure: Figure) -> list[str]:
    """List the texts of a drawn figure that are meant to be set as formulas, which figures do not do."""
    figure.draw(FigureCanvasAgg(figure).get_renderer())
    return [text.get_text() for text in figure.findobj(Text) if "mathdefault" in text.get_text()]


def test_a_scale_that_is_labelled_with_formulas_would_be_noticed() -> None:
    figure = plots.new_figure(1)
    axes = figure.add_subplot()
    axes.set(yscale="log", ylim=(0.001, 1))
    assert formulas(figure)


def test_a_text_that_is_cut_would_be_noticed() -> None:
    figure = plots.new_figure(1)
    figure.text(0.9, 0.5, "a sentence too long for what is left of the line")
    assert is_cut(figure)


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
    assert titles[1] == ("angry\n\N{MULTIPLICATION SIGN}\nnoodles/pasta\n50%", plots.MISTAKE)


def test_each_confused_pair_may_begin_a_row() -> None:
    labels, predicted = np.array([0, 0, 1, 1, 1, 2]), np.array([1, 1, 2, 2, 2, 0])
    figure = plots.prediction_grid(FACES, labels, predicted, np.full(6, 0.5), NAMES, columns=3, row_per_pair=True)
    shown = [axes.get_visible() for axes in figure.axes]
    assert shown == [True, True, False, True, True, True, True, False, False]


def test_a_panel_of_regions_of_which_nothing_is_known_says_so_beside_the_others() -> None:
    figure = plots.region_heatmaps({"A": RATIOS[:0], "B": RATIOS})
    empty, full = figure.axes
    assert [text.get_text() for text in empty.texts] == ["fewer than two images have any"]
    assert len(full.texts) == len(RATIOS)
    plots.region_heatmaps({"A": RATIOS[:0]})


def test_the_matrix_shows_every_count_and_share() -> None:
    left, right = FIGURES["confusion_heatmaps"]().axes
    assert [text.get_text() for text in left.texts] == [str(count) for count in COUNTS.ravel()]
    assert right.texts[0].get_text() == "50%"


@pytest.mark.parametrize("count", [40, 41, 60, 200, 300])
def test_a_large_matrix_names_all_classes_legibly_or_those_of_the_worst_pairs(count: int) -> None:
    names = [f"class_{label}" for label in range(count)]
    shares = np.eye(count) * 0.2
    pairs = {(3, 17): 0.9, (4, 30): 0.8, (count - 1, 0): 0.7}  # 3 and 4 may be too near for two names
    for pair, share in pairs.items():
        shares[pair] = share
    figure = plots.confusion_heatmaps(np.eye(count, dtype=int), shares, names)
    axes = figure.axes[0]
    rows, columns = (
        {tick.get_text(): place for tick, place in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True)}
        for axis in (axes.yaxis, axes.xaxis)
    )
    assert all(rows[f"class {pair[0]}"] == pair[0] + 0.5 for pair in [(3, 17), (count - 1, 0)])
    assert all(columns[f"class {pair[1]}"] == pair[1] + 0.5 for pair in pairs)
    assert len(rows) == count if count <= 40 else len(rows) <= 10
    ticks = [*axes.get_yticklabels(), *axes.get_xticklabels()]
    assert not axes.texts and not is_cut(figure) and min(tick.get_fontsize() for tick in ticks) >= 6
    assert overlapping(figure) == []
    content = BytesIO()
    figure.savefig(content, format="pdf")
    assert len(content.getvalue()) < 100_000


def test_of_pairs_that_are_confused_alike_a_large_matrix_names_those_of_most_images() -> None:
    counts = np.zeros((60, 60), int)
    counts[np.arange(30), np.arange(30, 60)] = np.arange(1, 31)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    rows = plots.confusion_heatmaps(counts, shares, [f"class_{label}" for label in range(60)]).axes[0].get_yticklabels()
    assert {tick.get_text() for tick in rows} <= {f"class {label}" for label in range(20, 30)}


LONG_NAMES = ("apple_pie", "baby_back_ribs", "baklava", "beef_carpaccio", "beef_tartare", "beet_salad", "beignets")
LONG_NAMES += ("bibimbap", "bread_pudding", "breakfast_burrito", "Vegetable-Fruit")
MANY = np.arange(len(LONG_NAMES))
PHOTOS = RANDOM.integers(0, 256, (len(LONG_NAMES), 16, 16, 3)).astype(np.uint8)
LONG_REPORT = pd.DataFrame({"class": LONG_NAMES, "precision": 0.5, "recall": 0.6, "f1": 0.55})
MANY_NAMES = [f"{label:03d}.turquoise_crescent_striped" for label in range(12)]
MANY_PHOTOS = RANDOM.integers(0, 256, (12, 16, 16, 3)).astype(np.uint8)
LONG_FIGURES = {
    "class_dots": lambda: plots.class_bars(pd.concat([LONG_REPORT] * 4, ignore_index=True).head(40)),
    "bands of a sheet": lambda: plots.explanation_sheet(
        MANY_PHOTOS, {"gradient": MANY_PHOTOS[..., 0] / 255}, {}, [f"{n}\n{n} 100%" for n in MANY_NAMES]
    ),
    "prediction_grid": lambda: plots.prediction_grid(PHOTOS, MANY, MANY[::-1], np.full(len(MANY), 0.5), LONG_NAMES),
    "class_bars": lambda: plots.class_bars(LONG_REPORT),
    "confusion_heatmaps": lambda: plots.confusion_heatmaps(
        np.diag(MANY * 100), np.full((len(MANY), len(MANY)), 0.25), LONG_NAMES
    ),
    "explanation_sheet": lambda: plots.explanation_sheet(PHOTOS, {"gradient": PHOTOS[..., 0] / 255}, {}, LONG_NAMES),
    "superpixel_sheet": lambda: plots.superpixel_sheet(
        PHOTOS, None, {"for breakfast_burrito": PHOTOS[..., 0] / 255}, {}, LONG_NAMES
    ),
}


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """List the pairs of upright texts of a figure that cover or touch each other."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    texts = [
        text for text in figure.findobj(Text) if text.get_text() and text.get_visible() and not text.get_rotation()
    ]
    boxes = [
        (text.get_text(), text.get_window_extent(renderer))
        for text in texts
        if text.axes is None or text.axes.get_visible()
    ]
    return [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if a.padded(1).overlaps(b)]


@pytest.mark.parametrize("name", LONG_FIGURES)
def test_long_class_names_are_neither_cut_nor_on_top_of_each_other(name: str) -> None:
    figure = LONG_FIGURES[name]()
    assert not is_cut(figure)
    assert overlapping(figure) == []


def test_names_on_top_of_each_other_would_be_noticed() -> None:
    figure = plots.image_grid(PHOTOS[:7], ["breakfast_burrito 100%"] * 7, columns=7)
    assert overlapping(figure)


def test_dollar_signs_in_a_class_name_are_letters() -> None:
    figure = plots.new_figure(1.0)
    text = figure.text(0.5, 0.5, "$x_1$ [50%]")
    assert not text.get_parse_math()


def test_characters_that_figures_cannot_show_are_known() -> None:
    assert plots.missing_characters("Käse Ω\N{ZERO WIDTH JOINER}") == ""
    assert plots.missing_characters("a\N{CUNEIFORM SIGN A}a") == "\N{CUNEIFORM SIGN A}"


def test_fonts_that_were_installed_since_help_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Noto CJK's would, if an error asked for it; here a font that has Chinese, while none is known that does."""
    monkeypatch.setattr(style, "FONTS", ["DejaVu Sans"])
    monkeypatch.setattr(style.font_manager, "findSystemFonts", lambda: [])
    assert plots.missing_characters("a混") == "混"
    monkeypatch.setattr(style.font_manager, "findSystemFonts", lambda: [str(style.SHIPPED_FONT)])
    assert plots.missing_characters("a混") == ""
    assert style.rcParams["font.family"] == ["DejaVu Sans", "Noto Sans CJK TC"]


def test_the_characters_of_taiwan_are_shown_without_a_font_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style.font_manager, "findSystemFonts", lambda: [])
    assert plots.missing_characters("混淆矩陣昀妤準確率「，」") == ""


def test_a_heatmap_of_regions_holds_every_ratio_and_frames_those_that_stand_out() -> None:
    (axes,) = plots.region_heatmaps({"Grad-CAM": RATIOS}).axes
    assert [text.get_text() for text in axes.texts] == ["0.5", "1.0", "1.5", "2.0"]
    (frame,) = axes.patches
    assert frame.get_xy() == (1, 1)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["happy", "sad"]


def texts_of(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(Text) if text.get_visible()}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_again_from_what_was_saved_with_it_in_any_language(name: str) -> None:
    first = FIGURES[name]()
    saved = pickle.loads(zlib.decompress(first.drawing))
    assert np.array_equal(pixels(first), pixels(plots.draw_again(*saved)))
    with words.use("zh-Hant"):
        again = plots.draw_again(*saved)
        spoken, names = words.table("figures"), words.names()
    plain = {said for key, said in words.table("figures").items() if said != spoken[key]}
    plain |= {known for known, shown in names.items() if known != shown}
    assert texts_of(again) & plain == set() and not is_cut(again)
    assert missing_characters("".join(texts_of(again))) == ""


def test_what_a_figure_is_given_is_spoken_wherever_it_stands() -> None:
    frame = pd.DataFrame({"class": ["happy", "of mine"], "recall": [0.5, 0.6]}, index=["mouth", "of mine"])
    given = {"mouth": (words.said("figures.images"), ["happy"], np.array(["sad", "of mine"])), "frame": frame, "n": 3}
    with words.use("zh-Hant"):
        spoken = style.spoken(given)
    assert spoken["嘴巴"][:2] == ("圖片數", ["快樂"]) and spoken["n"] == 3
    assert [*spoken["嘴巴"][2]] == ["難過", "of mine"]
    assert [*spoken["frame"].index] == ["嘴巴", "of mine"] and [*spoken["frame"]["class"]] == ["快樂", "of mine"]


def test_each_training_is_a_dot_and_one_training_is_none_beside_its_own_mean() -> None:
    ends = np.array([0.5, 0.6]), np.array([0.4, 0.5]), np.array([0.6, 0.7])
    several = [np.array([0.45, 0.55]), np.array([0.6, 0.62, 0.58])]

    def dots(*each: list[np.ndarray]) -> list[float]:
        lines = plots.accuracy_intervals(["a", "b"], *ends, *each).axes[0].lines
        return [x for line in lines if line.get_fillstyle() == "none" for x in np.ravel(line.get_xdata())]

    assert dots(several) == [0.45, 0.55, 0.6, 0.62, 0.58]
    assert dots() == dots([np.array([0.5]), np.array([0.6])]) == []


def test_a_learning_rate_that_nobody_knows_has_no_panel() -> None:
    unknown = HISTORY.assign(learning_rate=np.nan)  # of a network that came trained
    panels = [len(plots.training_curves({"CNN": history}).axes) for history in (unknown, HISTORY)]
    assert panels == [2, 3]
    assert len(plots.training_curves({"CNN": unknown, "DNN": HISTORY}).axes) == 3


def test_long_names_of_classes_leave_their_middle_out_where_they_would_take_the_room_of_a_matrix() -> None:
    names = [f"a_rather_long_name_of_a_species_number_{place:02d}" for place in range(7)]
    figure = plots.confusion_heatmaps(np.eye(7, dtype=int), np.eye(7), names)
    figure.draw_without_rendering()
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len({*shown}) == 7 and all("…" in name and name.endswith(f"0{k}") for k, name in enumerate(shown))
    assert all(axes.get_position().width > 0.2 for axes in figure.axes[:2])


def test_borders_are_drawn_on_mean_images_as_on_images() -> None:
    """Means are numbers with a fraction, which skimage takes to lie in 0 to 1."""
    drawn = plots.draw_borders(FACES, SEGMENTS)
    np.testing.assert_array_equal(plots.draw_borders(FACES + 0.2, SEGMENTS), drawn)
    inside = ~(drawn == np.round(255 * np.array(plots.sheets.BORDER))).all(axis=-1)
    scale = drawn.shape[1] // FACES.shape[1]
    large = np.repeat(np.repeat(FACES[..., 0], scale, 1), scale, 2)
    np.testing.assert_array_equal(drawn[..., 0][inside], large[inside])


def test_ticks_of_runs_that_lie_close_together_stand_a_blank_apart() -> None:
    values, mean = np.array([0.118, 0.144, 0.145]), np.array([0.136, 0.096, 0.175])
    runs = {name: [values] * 4 for name in ("accuracy", "balanced accuracy")}
    figure = plots.run_dots(["food10 · vgg9_small"] * 4, runs, dict.fromkeys(runs, np.stack([mean] * 4)))
    figure.canvas.draw()
    for axes in figure.axes:
        boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        assert all(one.x1 + 6 < other.x0 for one, other in pairwise(boxes))


def test_a_block_of_many_lines_stays_in_its_box() -> None:
    label = "pixels 0-255\nrescaling\nrandom flip\nrandom translation\nrandom rotation\nrandom contrast"
    figure = plots.block_diagram([("input", label, "16"), ("dense", "dense 3", "3")] * 3)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = [patch.get_window_extent() for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    for box, text in zip(boxes, axes.texts[::2], strict=False):
        inside = text.get_window_extent()
        if "pixels" in text.get_text():
            assert box.y0 < inside.y0 and inside.y1 < box.y1
