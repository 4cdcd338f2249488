"""What the layers of a network make of images."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import ScalarFormatter

from helpers.report.plots import style
from helpers.report.plots.images import hide_axes, mosaic, mosaic_columns, show_image
from helpers.report.plots.style import drawn, in_percent, new_figure, say, thin_bar


@drawn
def layer_overview(layers: Mapping[str, np.ndarray], channels: int) -> Figure:
    """Show every layer of a network as one row: its first channels side by side, or all units of a vector.

    layers: label -> (h, w, channels) or (units,), in the order of the network, which runs down the columns.
    Each row has its own scale, from its 1st to its 99th percentile.
    """
    side, gap, label_width = 24, 2, 0.9
    columns = 2 if len(layers) <= 48 else 3  # keeps a deep network on one page
    rows = -(-len(layers) // columns)
    cell = (style.TEXT_WIDTH / columns - label_width) / channels
    figure = Figure(figsize=(style.TEXT_WIDTH, rows * cell + 0.02))
    strips = [_layer_strip(values, channels, side, gap) for values in layers.values()]
    blank = np.full_like(strips[0], np.nan)
    names = [style.wrap(name, style.letters_in(label_width)) for name in layers]
    for column in range(columns):
        chosen = slice(column * rows, (column + 1) * rows)
        part = [*strips[chosen], *[blank] * (rows - len(strips[chosen]))]
        left = (column * style.TEXT_WIDTH / columns + label_width) / style.TEXT_WIDTH
        axes = figure.add_axes((left, 0.0, channels * cell / style.TEXT_WIDTH, 1.0))
        axes.imshow(np.concatenate(part), cmap=style.CHANNELS, vmin=0, vmax=1, aspect="auto")
        axes.set_yticks([(side + gap) * i + side / 2 for i in range(len(strips[chosen]))], names[chosen])
        axes.set_xticks([])
        axes.tick_params(length=0, pad=3)
        axes.spines[:].set_visible(False)
    return figure


def _layer_strip(values: np.ndarray, channels: int, side: int, gap: int) -> np.ndarray:
    """Lay one layer out as a strip of `channels` squares, scaled to 0..1, with a gap below."""
    low, high = np.percentile(values, [1, 99])
    scaled = np.clip((values - low) / max(high - low, 1e-30), 0, 1)
    strip = np.full((side + gap, channels * (side + gap)), np.nan, dtype=np.float32)
    if values.ndim != 3:  # a vector, or those of several places or of several heads, such as a transformer's
        scaled = scaled.reshape(-1)
        strip[:side, :-gap] = scaled[_spread(len(scaled), strip.shape[1] - gap)]
        return strip
    height, width, count = values.shape
    tiles = scaled[_spread(height, side)][:, _spread(width, side)]
    for i in range(min(channels, count)):
        strip[:side, i * (side + gap) : i * (side + gap) + side] = tiles[..., i]
    return strip


def _spread(count: int, length: int) -> np.ndarray:
    """Give the nearest of `count` places for each of `length` pixels."""
    return np.arange(length) * count // length


@drawn
def channel_mosaics(
    panels: Mapping[str, np.ndarray], columns: int = 3, signed: Sequence[str] = (), width: float = style.TEXT_WIDTH
) -> Figure:
    """Show all channels of some layers, each layer as one square mosaic with a colour bar.

    panels: title -> (h, w, channels); signed: titles of the panels that are drawn about zero.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(rows * (0.87 * width / columns + 0.15), width)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (title, values) in zip(grid, panels.items(), strict=False):
        tiles = np.moveaxis(values, -1, 0)
        limit = float(np.percentile(np.abs(tiles), 99.5)) or 1.0
        colours, low = (style.DIVERGING, -limit) if title in signed else (style.CHANNELS, 0.0)
        sheet = mosaic(tiles, mosaic_columns(len(tiles)), max(1, tiles.shape[1] // 12))
        drawn = axes.imshow(sheet, cmap=colours, vmin=low, vmax=limit)
        hide_axes(axes, title)
        bar = figure.colorbar(drawn, ax=axes, shrink=0.6, pad=0.02, aspect=25)
        thin_bar(bar)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    return figure


@drawn
def heatmap_grid(image: np.ndarray, maps: Mapping[str, np.ndarray], columns: int = 7, signed: bool = False) -> Figure:
    """Lay maps over an image, one panel each, after the image itself; each map has its own scale.

    image: (H, W, C) in 0..255; maps: title -> (H, W), drawn from its lowest to its highest value or, if
    signed, symmetrically about zero.
    """
    rows = -(-(len(maps) + 1) // columns)
    figure = new_figure(rows * (style.TEXT_WIDTH - 0.45) / columns * 1.12 + 0.12)
    grid = figure.subplots(rows, columns, squeeze=False)
    show_image(grid.flat[0], image, say("image"))
    for axes, (title, values) in zip(grid.flat[1:], maps.items(), strict=False):
        high = float(np.abs(values).max() if signed else values.max())
        low = -high if signed else float(values.min())
        show_image(axes, image, title)
        scaled = (values - low) / max(high - low, 1e-30)
        drawn = axes.imshow(scaled, vmin=0, vmax=1, alpha=0.6, cmap=style.DIVERGING if signed else style.SEQUENTIAL)
    for axes in grid.flat[len(maps) + 1 :]:
        axes.set_visible(False)
    bar = figure.colorbar(drawn, ax=grid, aspect=30, pad=0.01, ticks=[0, 0.5, 1] if signed else [0, 1])
    thin_bar(bar, [say("against"), "0", say("in_favour")] if signed else [say("lowest"), say("highest")])
    return figure


@drawn
def depth_profile(table: pd.DataFrame, pooled: Sequence[str]) -> Figure:
    """Draw what changes from layer to layer: map size and channels, silent units, and tolerance of a shift.

    table: a row a layer, indexed by its label, with columns height, width, channels, silent, dead and
    shift; pooled: labels of the pooling layers, which are marked.
    """
    figure = new_figure(4.3)
    grid = figure.subplots(3, 1, sharex=True)
    places = np.arange(len(table))
    colours = [style.COLOURS[1] if label in pooled else style.COLOURS[0] for label in table.index]
    pixels = table["height"] * table["width"]
    grid[0].plot(places, pixels, "o-", color=style.COLOURS[2], markersize=3.5, label=say("map_pixels"))
    grid[0].plot(places, table["channels"], "s-", color=style.COLOURS[4], markersize=3.5, label=say("channels"))
    grid[0].set_yscale("log", base=2)
    grid[0].yaxis.set_major_formatter(ScalarFormatter())
    grid[0].set_title(say("layer_size"))
    grid[1].bar(places, table["silent"], 0.7, color=colours)
    grid[1].plot(places, table["dead"], "_", color="black", markersize=11, label=say("silent_channels"))
    grid[1].set_title(say("silent_units"))
    grid[2].bar(places, table["shift"], 0.7, color=colours)
    grid[2].set_title(say("shift"))
    in_percent(grid[1].yaxis)
    grid[1].set_ylim(-0.02, 1)
    grid[2].set_ylim(0, 1)
    for axes in grid:
        axes.grid(True, axis="y")
        axes.tick_params(axis="x", length=0)
    handles = [Patch(color=style.COLOURS[i], label=name) for i, name in enumerate([say("rectified"), say("pooled")])]
    grid[0].legend(loc="upper right", ncols=2)
    grid[1].legend(handles=[*handles, *grid[1].get_legend_handles_labels()[0]], loc="upper left", ncols=3)
    grid[2].set_xticks(places, table.index, rotation=45, ha="right", rotation_mode="anchor")
    return figure
