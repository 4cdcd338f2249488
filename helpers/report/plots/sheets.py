"""Sheets of explanations: images above their maps and what masks leave of them, or one picture explained on a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from skimage.segmentation import mark_boundaries

from helpers.base.words import Said, show
from helpers.report.plots import style
from helpers.report.plots.images import hide_axes, mosaic, show_image
from helpers.report.plots.style import drawn, in_percent, letters_in, new_figure, say, thin_bar, wrap

BORDER = (1.0, 0.84, 0.04)  # of superpixels: a yellow that is found in no grey image and stands out in grey print
_TILE = 1.05  # inches, the widest column


@dataclass(frozen=True)
class SheetRow:
    """One row of an explanation sheet: an image, a map or a masked image of each column."""

    label: str | Said
    tiles: np.ndarray  # images (N, H, W, C) in 0..255, or maps (N, H, W), nan where there is none
    limits: tuple[float, float] | None = None  # of the colour scale of maps
    bar_label: str = ""


@drawn
def explanation_sheet(
    images: np.ndarray,
    maps: Mapping[str | Said, np.ndarray],
    masks: Mapping[str | Said, np.ndarray],
    titles: Sequence[str | Said],
) -> Figure:
    """Show each image above its maps and what masks leave of it, one column an image.

    images: (N, H, W, C) in 0..255; maps: (N, H, W) by name, drawn as signed where any value is negative;
    masks: (N, H, W) bool by name. Each map has a colour scale of its own, to the 99th percentile of its
    magnitude.
    """
    scaled, unit = {name: to_own_scale(values) for name, values in maps.items()}, say("own_scale")
    rows = [SheetRow(say("image"), images)]
    rows += [SheetRow(name, m, (-1.0 if m.min() < 0 else 0.0, 1.0), unit) for name, m in scaled.items()]
    rows += [SheetRow(name, masked(images, mask)) for name, mask in masks.items()]
    return _draw_sheet(rows, titles)


@drawn
def mean_map_sheet(images: np.ndarray, maps: Mapping[str | Said, np.ndarray], titles: Sequence[str | Said]) -> Figure:
    """Show the mean image of each class above its mean maps, which share one colour scale a row.

    images: (K, H, W, C) in 0..255; maps: (K, H, W) by name, shares of the relevance; nan for a class without
    any. The scale counts in multiples of the even share, which all pixels get where none counts more.
    """
    times_even = {name: values * np.prod(values.shape[1:]) for name, values in maps.items()}
    limits, unit = {name: float(np.nanpercentile(m, 99.8)) for name, m in times_even.items()}, say("times_even")
    rows = [SheetRow(name, values, (0.0, limits[name]), unit) for name, values in times_even.items()]
    return _draw_sheet([SheetRow(say("mean_image"), images), *rows], titles)


@drawn
def superpixel_sheet(
    images: np.ndarray,
    segments: Sequence[np.ndarray] | None,
    weights: Mapping[str, np.ndarray],
    shown: Mapping[str, np.ndarray],
    titles: Sequence[str | Said],
    most_columns: int = 12,
) -> Figure:
    """Show each image above its superpixels, their signed weights and what masks leave of it, in columns.

    images: (N, H, W, C) in 0..255; segments: (N, H, W) int, or None to leave that row out; weights: (N, H,
    W) by name, all on one scale that is symmetric about zero and ends at the 99th percentile of their
    magnitude; shown: (N, H, W) bool by name.
    """
    limit = float(np.percentile(np.abs(list(weights.values())), 99)) or 1.0
    rows = [SheetRow(say("image"), images)]
    rows += [] if segments is None else [SheetRow(say("superpixels"), draw_borders(images, segments))]
    rows += [SheetRow(name, values, (-limit, limit), say("weight")) for name, values in weights.items()]
    rows += [SheetRow(name, masked(images, mask)) for name, mask in shown.items()]
    return _draw_sheet(rows, titles, most_columns)


@drawn
def region_sheet(images: np.ndarray, labels: np.ndarray, titles: Sequence[str | Said]) -> Figure:
    """Show each image (N, H, W, C) above the borders of its regions (N, H, W) int."""
    return _draw_sheet([SheetRow(say("image"), images), SheetRow(say("regions"), draw_borders(images, labels))], titles)


def draw_borders(images: np.ndarray, segments: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Enlarge small images, in 0..255, and draw a line of two pixels wherever two superpixels meet: RGB uint8."""
    scale = max(1, round(192 / images.shape[1]))
    colours = np.broadcast_to(np.round(images).astype(np.uint8), (*images.shape[:3], 3))
    large, labels = (np.repeat(np.repeat(array, scale, 1), scale, 2) for array in (colours, np.asarray(segments)))
    marked = [mark_boundaries(image, parts, BORDER) for image, parts in zip(large, labels)]
    return np.round(np.stack(marked) * 255).astype(np.uint8)


def to_own_scale(maps: np.ndarray) -> np.ndarray:
    """Divide each map by the 99th percentile of its magnitude, and clip."""
    limits = np.percentile(np.abs(maps), 99, axis=(1, 2), keepdims=True)
    limits = np.where(limits > 0, limits, np.maximum(np.abs(maps).max(axis=(1, 2), keepdims=True), 1e-30))
    return np.clip(maps / limits, -1, 1)


def masked(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Keep the masked pixels, as RGB; the others get a colour that no grey image has."""
    colours = np.broadcast_to(images, (*images.shape[:3], 3))
    return np.where(mask[..., None], colours, np.array([190, 205, 228]))


def _draw_sheet(rows: Sequence[SheetRow], titles: Sequence[str | Said], most_columns: int = 12) -> Figure:
    """Draw rows of tiles under titles, in bands one below another where there are too many columns."""
    left, right, gap = 0.95, 0.72, 0.04
    shown = [show(title) for title in titles]
    columns, points = _fit_columns(shown, most_columns, style.TEXT_WIDTH - left - right)
    bands = -(-len(titles) // columns)
    columns = -(-len(titles) // bands)
    tile = min(_TILE, (style.TEXT_WIDTH - left - right) / columns)
    letters = letters_in(tile - 0.06, points)
    wrapped = [wrap(title, letters) for title in shown]
    header = 0.1 + 0.019 * points * max(title.count("\n") + 1 for title in wrapped)
    tall, wide = rows[0].tiles.shape[1:3]
    side = tile * tall / (wide + _gap(wide))  # inches from top to bottom of a tile
    height = bands * (header + len(rows) * (side + gap))
    figure = Figure(figsize=(left + right + columns * tile, height))
    for i in range(bands * len(rows)):
        band, row = divmod(i, len(rows))
        chosen = slice(band * columns, (band + 1) * columns)
        bottom = height - (band + 1) * header - i * (side + gap) - side
        width = len(titles[chosen]) * tile
        axes = figure.add_axes(_relative((left, bottom, width, side), figure))
        drawn = _draw_row(axes, rows[row], chosen)
        if row == 0:
            middles = [i * (wide + _gap(wide)) + (wide - 1) / 2 for i in range(len(wrapped[chosen]))]
            axes.set_xticks(middles, wrapped[chosen], fontsize=points)
            axes.tick_params(top=False, labeltop=True, bottom=False, labelbottom=False, length=0, pad=2)
        if limits := rows[row].limits:
            bar = figure.add_axes(_relative((left + width + 0.06, bottom + 0.08, 0.07, side - 0.16), figure))
            _draw_bar(figure, drawn, bar, limits, rows[row].bar_label)
    return figure


def _fit_columns(titles: Sequence[str], most: int, room: float) -> tuple[int, float]:
    """Say how many columns there may be so that no word of a title is broken, and in points how large they are set."""
    longest = max(len(word) for title in titles for word in title.replace("_", " ").split())
    for columns in range(min(len(titles), most), 4, -1):
        for points in (style.SMALL, 7.0):
            if longest <= letters_in(min(_TILE, room / columns) - 0.06, points):
                return columns, points
    return min(len(titles), 4), 7.0


def _gap(width: int) -> int:
    """Give the pixels between two tiles of this width."""
    return max(1, width // 24)


def _relative(box: tuple[float, float, float, float], figure: Figure) -> tuple[float, float, float, float]:
    """Turn inches from the lower left corner into shares of the figure."""
    width, height = figure.get_size_inches()
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height


def _draw_row(axes: Axes, row: SheetRow, chosen: slice) -> AxesImage:
    tiles = row.tiles[chosen]
    gap, (low, high) = _gap(tiles.shape[2]), row.limits or (0, 255)
    if row.limits:
        sheet, colours = mosaic(tiles, len(tiles), gap), style.DIVERGING if low < 0 else style.SEQUENTIAL
    else:
        sheet, colours = mosaic(tiles, len(tiles), gap, fill_value=255).squeeze().astype(np.uint8), "gray"
    drawn = axes.imshow(sheet, cmap=colours, vmin=low, vmax=high, aspect="auto")
    hide_axes(axes)
    axes.set_ylabel(wrap(show(row.label), 13), rotation=0, ha="right", va="center", fontsize=style.SMALL, labelpad=4)
    return drawn


def _draw_bar(figure: Figure, drawn: AxesImage, axes: Axes, limits: tuple[float, float], label: str) -> None:
    low, high = limits
    bar = figure.colorbar(drawn, cax=axes, ticks=[low, 0, high] if low < 0 else [low, high])
    thin_bar(bar, [f"{tick:.3g}".replace("-", "\N{MINUS SIGN}") for tick in bar.get_ticks()])
    bar.set_label(label, fontsize=style.SMALL, labelpad=1)


_COLUMNS = 5
_LETTERS = letters_in(1.2)  # inches of a tile


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
    for place, (title, values) in enumerate({**maps, say("lime_weights"): weights}.items()):
        _draw_map(lower.add_subplot(grid[0, place]), values, title)
    bordered = draw_borders(masked(picture[np.newaxis], strongest[np.newaxis]).astype(np.uint8), [segments])[0]
    show_image(lower.add_subplot(grid[0, len(maps) + 1]), bordered, wrap(say("lime_strongest"), _LETTERS))
    for place, (image, title) in enumerate(zip(alike, titles)):
        show_image(lower.add_subplot(grid[1, place]), image, wrap(title, _LETTERS))
    return figure


def _draw_bars(axes: Axes, probabilities: Mapping[str, tuple[float, float]]) -> None:
    places = np.arange(len(probabilities))
    calibrated, raw = np.array([*probabilities.values()]).T
    axes.barh(places, calibrated, height=0.55, color=style.COLOURS[0], label=say("calibrated"))
    axes.plot(raw, places, "d", markersize=5, markerfacecolor="none", color="0.2", label=say("raw"))
    axes.set_yticks(places, [wrap(name, 22) for name in probabilities])
    axes.set(xlim=(0, 1.02), ylim=(len(places) - 0.4, -0.6))
    axes.tick_params(axis="y", length=0)
    in_percent(axes.xaxis)
    axes.legend(loc="lower right")


def _draw_map(axes: Axes, values: np.ndarray, title: str) -> None:
    scaled = to_own_scale(values[np.newaxis])[0]
    signed = bool((values < 0).any())
    axes.imshow(scaled, cmap=style.DIVERGING if signed else style.SEQUENTIAL, vmin=-1 if signed else 0, vmax=1)
    hide_axes(axes, wrap(title, _LETTERS))
