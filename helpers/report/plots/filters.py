"""What the filters of a convolution respond to, and images that were made to raise an output."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from helpers.report.plots import style
from helpers.report.plots.images import hide_axes, label_mosaic, mosaic, mosaic_columns, show_image
from helpers.report.plots.style import COLOURS, DIVERGING, SEQUENTIAL, TEXT_WIDTH, drawn, new_figure, say, thin_bar


@drawn
def filter_mosaics(panels: Mapping[str, np.ndarray], image: np.ndarray) -> Figure:
    """Lay the tiles of every filter out in square grids beside each other, in one order, rows and columns numbered.

    panels: title -> images (F, H, W, C) in 0..255, or maps (F, h, w) from zero up, each scaled to its own maximum;
    image: the one (H, W, C) that the maps belong to, shown small at the right above their colour bar.
    """
    count = len(next(iter(panels.values())))
    columns = mosaic_columns(count)
    widths = [*[1.0] * len(panels), 0.24]
    figure = new_figure(0.35 + TEXT_WIDTH / sum(widths) * -(-count // columns) / columns)
    grid = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
    for axes, (title, tiles) in zip(grid, panels.items()):
        drawn = _draw_tiles(axes, tiles, columns)
        axes.set_title(title)
    show_image(grid[-1], image, say("this_image"))
    grid[-1].set_anchor("N")
    if drawn is not None:
        bar = figure.colorbar(drawn, cax=grid[-1].inset_axes([0.1, -1.6, 0.16, 1.3]), ticks=[0, 1])
        thin_bar(bar, [say("zero"), say("highest_of_map")])
    return figure


def _draw_tiles(axes: Axes, tiles: np.ndarray, columns: int) -> AxesImage | None:
    gap, drawn = max(1, tiles.shape[1] // 16), None
    if tiles.ndim == 3:
        highest = np.maximum(tiles.max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
        drawn = axes.imshow(mosaic(tiles / highest, columns, gap), cmap=SEQUENTIAL, vmin=0, vmax=1)
    else:
        show_image(axes, mosaic(tiles, columns, gap, fill_value=255))
    label_mosaic(axes, -(-len(tiles) // columns), columns, tiles.shape[1], tiles.shape[2], gap)
    return drawn


@drawn
def ascent_progress(
    snapshots: Mapping[int, np.ndarray],
    measured: np.ndarray,
    objective: np.ndarray,
    chosen: Sequence[int],
    names: Sequence[str],
) -> Figure:
    """Show how a few filters' images form, and below them how every filter's objective rises.

    snapshots: number of steps -> (F, H, W, C); measured: (R,) numbers of steps; objective: (R, F) after as many;
    chosen: places among the F filters; names: their labels.
    """
    height = TEXT_WIDTH * 0.5 * len(chosen) / len(snapshots)
    figure = new_figure(max(2.2, 0.25 + height))
    left, right = figure.subfigures(1, 2, squeeze=False)[0]
    grid = left.subplots(len(chosen), len(snapshots), squeeze=False)
    for row, place in enumerate(chosen):
        for column, (step, images) in enumerate(snapshots.items()):
            show_image(grid[row, column], images[place], say("steps", steps=step) if row == 0 else "")
        grid[row, 0].set_ylabel(style.wrap(names[row], 12), color=COLOURS[row], fontsize=style.SMALL)
    axes = right.subplots()
    axes.plot(measured, objective, color="0.8", linewidth=0.5, zorder=1)
    for row, place in enumerate(chosen):
        axes.plot(measured, objective[:, place], color=COLOURS[row], label=names[row])
    for step in snapshots:
        axes.axvline(step, color="0.6", linewidth=0.6, linestyle=":", zorder=0)
    axes.set(xlabel=say("step"), ylabel=say("filter_output"), title=say("objectives"))
    return figure


@drawn
def filters_on_images(made: np.ndarray, photos: np.ndarray, outputs: np.ndarray, names: Sequence[str]) -> Figure:
    """Show, one row a filter, the image made for it and then real images, each with the filter's output on it.

    made: (R, H, W, C) and photos: (R, K, H, W, C) in 0..255; outputs: (R, K, h, w) from zero up, the maps of a row on
    one scale; names: of the R filters.
    """
    columns = 1 + 2 * photos.shape[1]
    figure = new_figure(0.2 + len(made) * (TEXT_WIDTH - 0.9) / columns + 0.05)
    for line, image, row, maps, name in zip(
        figure.subplots(len(made), columns, squeeze=False), made, photos, outputs, names, strict=True
    ):
        show_image(line[0], image)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=style.SMALL)
        highest = max(float(maps.max()), 1e-30)
        for left, right, photo, output in zip(line[1::2], line[2::2], row, maps, strict=True):
            show_image(left, photo)
            right.imshow(output, cmap=SEQUENTIAL, vmin=0, vmax=highest)
            hide_axes(right)
    titles = [title for rank in range(1, photos.shape[1] + 1) for title in (say("test_rank", rank=rank), say("output"))]
    for axes, title in zip(figure.axes, [say("made"), *titles], strict=False):
        axes.set_title(title, fontsize=style.SMALL, pad=2)
    return figure


@drawn
def dream_panels(
    before: np.ndarray, after: np.ndarray, measured: np.ndarray, objective: np.ndarray, sizes: Sequence[str]
) -> Figure:
    """Show an image before and after deep dream, their signed difference, and the objective in every octave.

    before, after: (H, W, C) in 0..255; measured: (R,) numbers of steps; objective: (octaves, R) after as many;
    sizes: the label of each octave.
    """
    figure = new_figure(1.85)
    grid = figure.subplots(1, 4, width_ratios=[1, 1, 1.25, 1.4])
    show_image(grid[0], before, say("before"))
    show_image(grid[1], after, say("after"))
    change = (after.astype(np.float32) - before).mean(axis=-1)
    limit = max(1.0, np.abs(change).max())
    drawn = grid[2].imshow(change, cmap=DIVERGING, vmin=-limit, vmax=limit)
    hide_axes(grid[2], say("change"))
    figure.colorbar(drawn, ax=grid[2], shrink=0.7, pad=0.03)
    for values, name, colour in zip(objective, sizes, COLOURS):
        grid[3].plot(measured, values, label=name, color=colour)
    grid[3].set_title(say("octaves"), fontsize=style.SMALL, pad=4)
    grid[3].set(xlabel=say("step"), ylim=(0, 1.25 * objective.max()))
    grid[3].legend(loc="upper left", ncols=3, columnspacing=0.8, handlelength=1, borderaxespad=0.1)
    return figure
