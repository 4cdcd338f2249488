"""One picture explained on one page."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.report.plots.images import hide_axes, show_image
from helpers.report.plots.sheets import draw_borders, masked, to_own_scale
from helpers.report.plots.style import (
    COLOURS,
    DIVERGING,
    SEQUENTIAL,
    drawn,
    in_percent,
    letters_in,
    new_figure,
    say,
    wrap,
)

_COLUMNS = 5
_WIDTH = 1.2  # inches of a tile


@drawn
def explained_picture(
    picture: np.ndarray,
    probabilities: Mapping[str, tuple[float, float]],
    maps: Mapping[str, np.ndarray],
    superpixels: tuple[np.ndarray, np.ndarray, np.ndarray],
    alike: np.ndarray,
    titles: Sequence[str],
) -> Figure:
    """Show a picture with its likeliest classes, maps of it, its superpixels and the training images most like it.

    picture: (H, W, C) in 0..255; probabilities: calibrated and raw, by class, the likeliest first; maps: up to three
    (H, W) by title, signed where any value is negative, each on its own scale; superpixels: (H, W) int, their weights
    (H, W), and which are the strongest, (H, W) bool; alike, titles: up to five images
    (K, H, W, C) and what stands above them.
    """
    figure = new_figure(5.6)
    upper, lower = figure.subfigures(2, 1, height_ratios=[1.3, 2.1], squeeze=False)[:, 0]
    first, bars = upper.subplots(1, 2, width_ratios=[2, 3])
    show_image(first, picture, say("as_seen"))
    _draw_bars(bars, probabilities)
    grid = lower.add_gridspec(2, _COLUMNS)
    segments, weights, strongest = superpixels
    lime = {say("lime_weights"): weights}
    for place, (title, values) in enumerate({**maps, **lime}.items()):
        _draw_map(lower.add_subplot(grid[0, place]), values, title)
    bordered = draw_borders(masked(picture[np.newaxis], strongest[np.newaxis]).astype(np.uint8), [segments])[0]
    show_image(lower.add_subplot(grid[0, len(maps) + 1]), bordered, _title(say("lime_strongest")))
    for place, (image, title) in enumerate(zip(alike, titles)):
        show_image(lower.add_subplot(grid[1, place]), image, _title(title))
    return figure


def _draw_bars(axes: Axes, probabilities: Mapping[str, tuple[float, float]]) -> None:
    places = np.arange(len(probabilities))
    calibrated, raw = np.array([*probabilities.values()]).T
    axes.barh(places, calibrated, height=0.55, color=COLOURS[0], label=say("calibrated"))
    axes.plot(raw, places, "d", markersize=5, markerfacecolor="none", color="0.2", label=say("raw"))
    axes.set_yticks(places, [wrap(name, 22) for name in probabilities])
    axes.set(xlim=(0, 1.02), ylim=(len(places) - 0.4, -0.6))
    axes.tick_params(axis="y", length=0)
    in_percent(axes.xaxis)
    axes.legend(loc="lower right")


def _draw_map(axes: Axes, values: np.ndarray, title: str) -> None:
    scaled = to_own_scale(values[np.newaxis])[0]
    signed = bool((values < 0).any())
    axes.imshow(scaled, cmap=DIVERGING if signed else SEQUENTIAL, vmin=-1 if signed else 0, vmax=1)
    hide_axes(axes, _title(title))


def _title(text: str) -> str:
    return "\n".join(wrap(line, letters_in(_WIDTH)) for line in text.split("\n"))
