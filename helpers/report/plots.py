"""Every figure of the report: arrays in, Figure out. The only file that knows matplotlib."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

TEXT_WIDTH = 6.7  # inches between the margins of the report's page
SEQUENTIAL = "magma"
DIVERGING = "vlag"
MISTAKE = "#b2182b"  # the colour of what is wrong
COLOURS = sns.color_palette("colorblind", 10).as_hex()

# Of fonts that have what the first lacks, mostly Chinese, the first that is installed helps out letter by letter.
_HELPING_FONTS = (
    "Noto Sans CJK TC",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans TC",
    "Source Han Sans TC",
    "PingFang TC",
    "PingFang HK",
    "Heiti TC",
    "Microsoft JhengHei",
    "Microsoft YaHei",
    "WenQuanYi Zen Hei",
    "Noto Emoji",
    "Segoe UI Symbol",
)
STYLE: dict[str, object] = {
    "font.family": ["DejaVu Sans", *(name for name in _HELPING_FONTS if name in font_manager.get_font_names())],
    "text.parse_math": False,  # a dollar sign in the name of a class is a dollar sign
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.prop_cycle": mpl.cycler(color=COLOURS),
    "axes.grid": False,
    "grid.color": "0.88",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.4,
    "image.interpolation": "nearest",
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
}
mpl.rcParams.update(STYLE)


def missing_characters(text: str) -> str:
    """Give the characters of a text that figures cannot show, since none of their fonts has them."""
    fonts = [font_manager.get_font(font_manager.findfont(family)) for family in STYLE["font.family"]]
    visible = (c for c in dict.fromkeys(text) if c.isprintable() and c != " ")
    return "".join(c for c in visible if not any(font.get_char_index(ord(c)) for font in fonts))


def new_figure(height: float, width: float = TEXT_WIDTH) -> Figure:
    """Make an empty figure as wide as the report's text, its height in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def wrap(name: str, letters: int) -> str:
    """Break a name into lines of at most so many letters; the underscores of a folder's name count as blanks."""
    return fill(name.replace("_", " "), letters)


def letters_in(inches: float) -> int:
    """Say how many letters of the small print of a figure fit into a width."""
    return max(6, int(inches * 20))


def show_image(axes: Axes, image: np.ndarray, title: str = "") -> None:
    """Draw one image (H, W, C) or (H, W) in 0..255 without axes."""
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    grey = pixels.ndim == 2 or pixels.shape[-1] == 1
    axes.imshow(pixels.squeeze() if grey else pixels, cmap="gray" if grey else None, vmin=0, vmax=255)
    hide_axes(axes, title)


def hide_axes(axes: Axes, title: str = "") -> None:
    """Take ticks and frame off an image's axes and give it a title."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if title:
        axes.set_title(title, fontsize=7, pad=2)


def mosaic(tiles: np.ndarray, columns: int, gap: int = 1, fill_value: float = np.nan) -> np.ndarray:
    """Lay tiles (N, H, W) or (N, H, W, C) out in one array, row by row, `gap` pixels apart: float32."""
    count, height, width = tiles.shape[:3]
    rows = -(-count // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, *tiles.shape[3:])
    sheet = np.full(shape, fill_value, dtype=np.float32)
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def label_mosaic(axes: Axes, rows: int, columns: int, height: int, width: int, gap: int = 1) -> None:
    """Number the rows and columns of a mosaic along its edges, from 1."""
    axes.set_xticks([i * (width + gap) + (width - 1) / 2 for i in range(columns)], range(1, columns + 1))
    axes.set_yticks([i * (height + gap) + (height - 1) / 2 for i in range(rows)], range(1, rows + 1))
    axes.tick_params(length=0, labelsize=6)
    for spine in axes.spines.values():
        spine.set_visible(False)


def image_grid(
    images: np.ndarray,
    titles: Sequence[str],
    columns: int = 7,
    colours: Sequence[str] | None = None,
    places: Sequence[int] | None = None,
) -> Figure:
    """Show images (N, H, W, C) in 0..255 in rows of `columns`, each under its title.

    places: the cell of each image, counted row by row from 0; without it they follow each other.
    """
    places = range(len(images)) if places is None else places
    rows = max(places) // columns + 1
    lines = 1 + max(title.count("\n") for title in titles)
    figure = new_figure(rows * (TEXT_WIDTH / columns + 0.13 * lines) + 0.05)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_visible(False)
    for image, title, place, colour in zip(images, titles, places, colours or ["black"] * len(images)):
        grid[place].set_visible(True)
        show_image(grid[place], image, title)
        grid[place].title.set_color(colour)
    return figure


def prediction_grid(
    images: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray,
    class_names: Sequence[str],
    columns: int = 7,
    row_per_pair: bool = False,
) -> Figure:
    """Show images with true class, predicted class and its probability; wrong ones are titled in red with a cross.

    row_per_pair: begin a new row wherever the pair of true and predicted class changes.
    """
    titles, colours, letters = [], [], letters_in(TEXT_WIDTH / columns - 0.06)
    for label, guess, sure in zip(labels, predicted, confidence):
        right = label == guess
        mark = "\N{CHECK MARK}" if right else "\N{MULTIPLICATION SIGN}"
        answered = wrap(f"{mark} {class_names[guess]} {sure:.0%}", letters)
        titles.append(f"{wrap(class_names[label], letters)}\n{answered}")
        colours.append("black" if right else MISTAKE)
    places = _pair_places(labels, predicted, columns) if row_per_pair else None
    return image_grid(images, titles, columns, colours, places)


def _pair_places(labels: np.ndarray, predicted: np.ndarray, columns: int) -> list[int]:
    places: list[int] = []
    for i, pair in enumerate(zip(labels, predicted)):
        same = i > 0 and pair == (labels[i - 1], predicted[i - 1])
        following = places[-1] + 1 if places else 0
        places.append(following if same else -(-following // columns) * columns)
    return places


def training_curves(histories: Mapping[str, pd.DataFrame], rate: bool = True) -> Figure:
    """Draw loss, accuracy and, if asked, learning rate by epoch; training dashed, validation solid, phases divided."""
    panels = ["loss", "accuracy", "learning rate"] if rate else ["loss", "accuracy"]
    figure = new_figure(2.3)
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for (name, history), colour in zip(histories.items(), COLOURS):
        for axes, column in zip(grid, ["loss", "accuracy"]):
            axes.plot(history["epoch"], history[column], "--", color=colour, alpha=0.7, linewidth=1)
            axes.plot(history["epoch"], history[f"val_{column}"], color=colour, marker=".", markersize=4, label=name)
        if rate:
            grid[2].plot(history["epoch"], history["learning_rate"], color=colour, marker=".", markersize=4)
            for epoch in history.loc[history["phase"].diff() > 0, "epoch"]:
                for axes in grid:
                    axes.axvline(epoch - 0.5, color="0.6", linewidth=0.7, linestyle=":")
    for axes, title in zip(grid, panels):
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(True, axis="y")
    grid[0].set_ylim(bottom=0)
    grid[1].yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
    if rate:
        grid[2].set_yscale("log")
        grid[2].yaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:g}"))
        grid[2].yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    styles = [
        mpl.lines.Line2D([], [], color="0.3", linestyle=s, label=n)
        for s, n in [("-", "validation"), ("--", "training")]
    ]
    named = grid[0].get_legend_handles_labels()[0] if len(histories) > 1 else []
    figure.legend(handles=[*named, *styles], loc="outside lower center", ncols=6)
    return figure


def block_diagram(blocks: Sequence[tuple[str, str, str]], columns: int = 6) -> Figure:
    """Draw a network as boxes joined by arrows, read row by row.

    blocks: (kind, label, output) of each box; kind chooses the colour, output is written under the box.
    """
    kinds = list(dict.fromkeys(kind for kind, _, _ in blocks))
    colours = dict(zip(kinds, sns.color_palette("pastel", len(kinds)).as_hex()))
    rows = -(-len(blocks) // columns)
    figure = new_figure(0.95 * rows)
    axes = figure.subplots()
    axes.set(xlim=(-0.05, columns), ylim=(-rows + 0.05, 0.05))
    axes.axis("off")
    for i, (kind, label, output) in enumerate(blocks):
        _draw_block(axes, i % columns, -(i // columns), colours[kind], label, output)
        if i + 1 < len(blocks):
            _join_blocks(axes, i, columns)
    return figure


def _draw_block(axes: Axes, x: float, y: float, colour: str, label: str, output: str) -> None:
    box = FancyBboxPatch(
        (x + 0.03, y - 0.64),
        0.76,
        0.6,
        boxstyle="round,pad=0,rounding_size=0.05",
        fc=colour,
        ec="0.35",
        lw=0.6,
    )
    axes.add_patch(box)
    axes.text(x + 0.41, y - 0.34, label, ha="center", va="center", fontsize=6.5, linespacing=1.1)
    axes.text(x + 0.41, y - 0.67, output, ha="center", va="top", fontsize=6.2, color="0.35")


def _join_blocks(axes: Axes, i: int, columns: int) -> None:
    arrow = {"arrowstyle": "-|>", "lw": 0.7, "color": "0.35", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7}
    x, y = i % columns, -(i // columns) - 0.34
    if i % columns < columns - 1:
        axes.annotate("", (x + 1.03, y), (x + 0.79, y), arrowprops=arrow)
        return
    # The last box of a row leads to the first of the next, around the edge.
    right, lower = columns - 0.1, y - 0.51
    axes.plot(
        [x + 0.79, right, right, 0.0, 0.0],
        [y, y, lower, lower, y - 1],
        color="0.35",
        lw=0.7,
        solid_joinstyle="round",
    )
    axes.annotate("", (0.03, y - 1), (0.0, y - 1), arrowprops=arrow)


def confusion_heatmaps(counts: np.ndarray, shares: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draw a confusion matrix twice, as counts and as shares of each row, with the numbers in the cells."""
    figure = new_figure(3.4)
    names, size = [name.replace("_", " ") for name in class_names], min(6.5, 60 / len(class_names))
    for axes, values, title, form in zip(
        figure.subplots(1, 2), [counts, shares], ["images", "share of the true class"], ["d", ".0%"]
    ):
        # Both are coloured by share: by counts a frequent class would look well recognised just for being frequent.
        sns.heatmap(
            shares,
            ax=axes,
            cmap="Blues",
            vmin=0,
            vmax=1,
            cbar=False,
            square=True,
            linewidths=0.5,
            linecolor="white",
        )
        for (i, j), value in np.ndenumerate(values):
            colour = "white" if shares[i, j] > 0.5 else "0.15"
            axes.text(j + 0.5, i + 0.5, format(value, form), ha="center", va="center", fontsize=size, color=colour)
        axes.set(title=title, xlabel="predicted", ylabel="true")
        axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(np.arange(len(names)) + 0.5, names, rotation=0)
        axes.tick_params(length=0)
    return figure


def class_bars(report: pd.DataFrame) -> Figure:
    """Draw precision, recall and F1 of each class as grouped bars."""
    figure = new_figure(2.1)
    axes = figure.subplots()
    positions, measures = np.arange(len(report)), ["precision", "recall", "f1"]
    for i, (measure, colour) in enumerate(zip(measures, COLOURS)):
        axes.bar(positions + (i - 1) * 0.27, report[measure], 0.25, label=measure, color=colour)
    letters = letters_in((TEXT_WIDTH - 0.6) / len(report) - 0.06)
    axes.set_xticks(positions, [wrap(name, letters) for name in report["class"]])
    if len(report) > 12:
        names = [name.replace("_", " ") for name in report["class"]]
        axes.set_xticks(positions, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
    axes.grid(True, axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", length=0)
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def accuracy_intervals(names: Sequence[str], values: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> Figure:
    """Draw accuracies as dots with their intervals, one row each, the first on top."""
    figure = new_figure(0.45 + 0.27 * len(names))
    axes = figure.subplots()
    positions = np.arange(len(names))[::-1]
    axes.errorbar(
        values,
        positions,
        xerr=[values - lows, highs - values],
        fmt="o",
        color=COLOURS[0],
        capsize=3,
        markersize=5,
    )
    axes.set_yticks(positions, names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
    axes.grid(True, axis="x")
    axes.set_xlabel("accuracy, with 95% interval")
    axes.tick_params(axis="y", length=0)
    return figure


def mosaic_columns(count: int) -> int:
    """Columns of a mosaic of this many tiles that is about as high as it is wide."""
    return int(np.ceil(np.sqrt(count)))


def place_name(i: int, count: int) -> str:
    """Say where tile i of a mosaic of `count` tiles stands."""
    columns = mosaic_columns(count)
    return f"row {i // columns + 1}, column {i % columns + 1}"


def filter_mosaics(panels: Mapping[str, np.ndarray], face: np.ndarray) -> Figure:
    """Lay the tiles of every filter out in square grids beside each other, in one order, rows and columns numbered.

    panels: title -> images (F, H, W, C) in 0..255, or maps (F, h, w) from zero up, each scaled to its own maximum;
    face: the image (H, W, C) that the maps belong to, shown small at the right above their colour bar.
    """
    count = len(next(iter(panels.values())))
    columns = mosaic_columns(count)
    widths = [*[1.0] * len(panels), 0.24]
    figure = new_figure(0.35 + TEXT_WIDTH / sum(widths) * -(-count // columns) / columns)
    grid = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
    for axes, (title, tiles) in zip(grid, panels.items()):
        drawn = _draw_tiles(axes, tiles, columns)
        axes.set_title(title)
    show_image(grid[-1], face, "the image")
    grid[-1].set_anchor("N")
    if drawn is not None:
        bar = figure.colorbar(drawn, cax=grid[-1].inset_axes([0.1, -1.6, 0.16, 1.3]), ticks=[0, 1])
        bar.ax.set_yticklabels(["zero", "highest\nof its map"])
        bar.outline.set_visible(False)
    return figure


def _draw_tiles(axes: Axes, tiles: np.ndarray, columns: int) -> mpl.image.AxesImage | None:
    gap, drawn = max(1, tiles.shape[1] // 16), None
    if tiles.ndim == 3:
        highest = np.maximum(tiles.max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
        drawn = axes.imshow(mosaic(tiles / highest, columns, gap), cmap=SEQUENTIAL, vmin=0, vmax=1)
    else:
        show_image(axes, mosaic(tiles, columns, gap, fill_value=255))
    label_mosaic(axes, -(-len(tiles) // columns), columns, *tiles.shape[1:3], gap)
    return drawn


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
    left, right = figure.subfigures(1, 2)
    grid = left.subplots(len(chosen), len(snapshots), squeeze=False)
    for row, place in enumerate(chosen):
        for column, (step, images) in enumerate(snapshots.items()):
            show_image(grid[row, column], images[place], f"{step} steps" if row == 0 else "")
        grid[row, 0].set_ylabel(names[row], color=COLOURS[row], fontsize=7)
    axes = right.subplots()
    axes.plot(measured, objective, color="0.8", linewidth=0.5, zorder=1)
    for row, place in enumerate(chosen):
        axes.plot(measured, objective[:, place], color=COLOURS[row], label=names[row])
    for step in snapshots:
        axes.axvline(step, color="0.6", linewidth=0.6, linestyle=":", zorder=0)
    axes.set(xlabel="step", ylabel="mean output of the filter", title="objective of every filter")
    return figure


def image_rows(rows: Mapping[str, np.ndarray], titles: Sequence[str] = ()) -> Figure:
    """Show rows of images, each row (K, H, W, C) in 0..255 under one name at its left, the columns under titles."""
    columns = max(map(len, rows.values()))
    figure = new_figure(0.2 * bool(titles) + len(rows) * (TEXT_WIDTH - 0.9) / columns + 0.05)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, images) in zip(grid, rows.items()):
        for axes in line[len(images) :]:
            axes.set_visible(False)
        for axes, image in zip(line, images):
            show_image(axes, image)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=7)
    for axes, title in zip(grid[0], titles):
        axes.set_title(title, fontsize=7, pad=2)
    return figure


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
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=7)
        highest = max(float(maps.max()), 1e-30)
        for left, right, photo, output in zip(line[1::2], line[2::2], row, maps, strict=True):
            show_image(left, photo)
            right.imshow(output, cmap=SEQUENTIAL, vmin=0, vmax=highest)
            hide_axes(right)
    titles = [title for rank in range(1, photos.shape[1] + 1) for title in (f"test, rank {rank}", "output")]
    for axes, title in zip(figure.axes, ["made for it", *titles], strict=False):
        axes.set_title(title, fontsize=7, pad=2)
    return figure


def dream_panels(
    before: np.ndarray, after: np.ndarray, measured: np.ndarray, objective: np.ndarray, sizes: Sequence[str]
) -> Figure:
    """Show an image before and after deep dream, their signed difference, and the objective in every octave.

    before, after: (H, W, C) in 0..255; measured: (R,) numbers of steps; objective: (octaves, R) after as many;
    sizes: the label of each octave.
    """
    figure = new_figure(1.85)
    grid = figure.subplots(1, 4, width_ratios=[1, 1, 1.25, 1.4])
    show_image(grid[0], before, "before")
    show_image(grid[1], after, "after")
    change = (after.astype(np.float32) - before).mean(axis=-1)
    limit = max(1.0, np.abs(change).max())
    drawn = grid[2].imshow(change, cmap=DIVERGING, vmin=-limit, vmax=limit)
    hide_axes(grid[2], "after minus before, grey levels")
    figure.colorbar(drawn, ax=grid[2], shrink=0.7, pad=0.03)
    for values, name, colour in zip(objective, sizes, COLOURS):
        grid[3].plot(measured, values, label=name, color=colour)
    grid[3].set_title("mean square output by octave", fontsize=7, pad=2)
    grid[3].set_xlabel("step")
    grid[3].set_ylim(0, 1.25 * objective.max())
    grid[3].legend(loc="upper left", ncols=3, columnspacing=0.8, handlelength=1, borderaxespad=0.1, fontsize=6)
    return figure


@dataclass(frozen=True)
class SheetRow:
    """One row of an explanation sheet: an image, a map or a masked image of each column."""

    label: str
    tiles: np.ndarray  # images (N, H, W, C) in 0..255, or maps (N, H, W), nan where there is none
    limits: tuple[float, float] | None = None  # of the colour scale of maps
    bar_label: str = ""


def explanation_sheet(
    images: np.ndarray,
    maps: Mapping[str, np.ndarray],
    masks: Mapping[str, np.ndarray],
    titles: Sequence[str],
) -> Figure:
    """Show each image above its maps and what masks leave of it, one column an image.

    images: (N, H, W, C) in 0..255; maps: (N, H, W) by name, drawn as signed where any value is negative;
    masks: (N, H, W) bool by name. Each map has a colour scale of its own, to the 99th percentile of its
    magnitude.
    """
    scaled = {name: _to_own_scale(values) for name, values in maps.items()}
    rows = [
        SheetRow("image", images),
        *(
            SheetRow(name, values, (-1.0 if values.min() < 0 else 0.0, 1.0), "own scale")
            for name, values in scaled.items()
        ),
        *(SheetRow(name, _masked(images, mask)) for name, mask in masks.items()),
    ]
    return _draw_sheet(rows, titles)


def mean_map_sheet(images: np.ndarray, maps: Mapping[str, np.ndarray], titles: Sequence[str]) -> Figure:
    """Show the mean image of each class above its mean maps, which share one colour scale a row.

    images: (K, H, W, C) in 0..255; maps: (K, H, W) by name, shares of the relevance; nan for a class without
    any. The scale counts in multiples of the even share, which all pixels get where none counts more.
    """
    times_even = {name: values * np.prod(values.shape[1:]) for name, values in maps.items()}
    unit = "\N{MULTIPLICATION SIGN} even"
    rows = [
        SheetRow(name, values, (0.0, float(np.nanpercentile(values, 99.8))), unit)
        for name, values in times_even.items()
    ]
    return _draw_sheet([SheetRow("mean image", images), *rows], titles)


def grade_dots(grades: pd.DataFrame, chance: pd.Series, title: str) -> Figure:
    """Draw a grade by method (rows, first on top) and class (columns) as dots, chance as ticks."""
    figure = new_figure(0.7 + 0.27 * len(grades))
    axes = figure.subplots()
    for place, name in enumerate(grades.columns):
        colour = COLOURS[place % len(COLOURS)]
        heights = np.arange(len(grades))[::-1] + 0.32 - 0.64 * place / max(1, len(grades.columns) - 1)
        axes.plot(grades[name], heights, "o", color=colour, markersize=4, label=name)
        axes.plot([chance[name]] * len(heights), heights, "|", color=colour, markersize=5, alpha=0.6)
    axes.set_yticks(np.arange(len(grades))[::-1], [wrap(name, 16) for name in grades.index])
    for boundary in np.arange(len(grades) - 1) + 0.5:
        axes.axhline(boundary, color="0.88", linewidth=0.5)
    axes.set(ylim=(-0.5, len(grades) - 0.5), xlabel=title)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside right center")
    return figure


def perturbation_curves(
    curves: Mapping[str, np.ndarray], names: Sequence[str], titles: Sequence[str], chance: str, baselines: int = 3
) -> Figure:
    """Draw mean insertion and deletion curves, a row of panels a group of images, a panel a kind of curve.

    curves: row label -> (names, panels, steps + 1), probabilities in 0..1; names: of the lines, the last
    `baselines` of them drawn in black; titles: of the panels; chance: the name that is the chance level.
    """
    figure = new_figure(1.05 + 1.55 * len(curves))
    grid = figure.subplots(len(curves), len(titles), sharex=True, sharey=True, squeeze=False)
    for line, (label, values) in zip(grid, curves.items()):
        line[0].set_ylabel(f"{label}\nprobability")
        for place, axes in enumerate(line):
            for name, curve, style in zip(names, values[:, place], _line_styles(len(names), baselines)):
                shown = f"{name} (chance)" if name == chance else name
                axes.plot(np.linspace(0, 1, len(curve)), curve, label=shown, **style)
            axes.grid(True, axis="y")
    for axes, title in zip(grid[0], titles):
        axes.set_title(title)
    for axes in grid[-1]:
        axes.set_xlabel("share of the pixels")
        axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
    grid[0, 0].set(ylim=(0, 1), xlim=(0, 1), xticks=[0, 0.5, 1])
    figure.legend(handles=grid[0, 0].get_legend_handles_labels()[0], loc="outside lower center", ncols=4)
    return figure


def _line_styles(count: int, baselines: int) -> list[dict[str, object]]:
    """Give each line a colour, and the last ones black with dots and dashes."""
    coloured = [{"color": COLOURS[i % len(COLOURS)], "linewidth": 1.1} for i in range(count - baselines)]
    dashes = [":", "--", "-."]
    return [*coloured, *({"color": "black", "linewidth": 1.3, "linestyle": dashes[i % 3]} for i in range(baselines))]


def paired_differences(groups: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """Draw differences with their intervals, one row a method and one colour a group of images; zero is marked.

    groups: label -> frame indexed by method with columns value, low and high.
    """
    names = list(next(iter(groups.values())).index)
    figure = new_figure(0.75 + 0.21 * len(names))
    axes = figure.subplots()
    axes.axvline(0, color="0.4", linewidth=0.8)
    for place, (label, frame) in enumerate(groups.items()):
        heights = np.arange(len(names))[::-1] + 0.15 - 0.3 * place / max(1, len(groups) - 1)
        reach = np.array([frame["value"] - frame["low"], frame["high"] - frame["value"]]).clip(min=0)
        axes.errorbar(frame["value"], heights, xerr=reach, fmt="o", color=COLOURS[place], markersize=3.5, label=label)
    axes.set_yticks(np.arange(len(names))[::-1], names)
    axes.set(ylim=(-0.5, len(names) - 0.5), xlabel=title)
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=len(groups))
    return figure


def cascade_lines(
    panels: Mapping[str, np.ndarray], names: Sequence[str], layers: Sequence[str], half: int, passing: float
) -> Figure:
    """Draw how like a method's maps stay to the first ones as more and more layers of the network are randomised.

    panels: title -> (names, layers), nan where not measured; half: the place of the layer that the verdict is
    taken at, and passing: the limit for it.
    """
    figure = new_figure(3.0)
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, values) in zip(grid, panels.items()):
        for name, line, style in zip(names, values, _line_styles(len(names), 0)):
            known = np.flatnonzero(np.isfinite(line))
            dashes = "-" if len(known) == len(line) else ":"
            axes.plot(known, line[known], dashes, marker="o", markersize=2.5, label=name, **style)
        axes.plot([half, half], [passing, 1], color="0.3", linewidth=5, alpha=0.25, solid_capstyle="butt")
        axes.set_title(title)
        axes.set_xticks(range(len(layers)), layers, rotation=60, ha="right", rotation_mode="anchor")
        axes.set(ylim=(None, 1.02), xlabel="randomised down to")
        axes.grid(True, axis="y")
    figure.legend(handles=grid[0].get_legend_handles_labels()[0], loc="outside lower center", ncols=5)
    return figure


def _to_own_scale(maps: np.ndarray) -> np.ndarray:
    """Divide each map by the 99th percentile of its magnitude, and clip."""
    limits = np.percentile(np.abs(maps), 99, axis=(1, 2), keepdims=True)
    limits = np.where(limits > 0, limits, np.maximum(np.abs(maps).max(axis=(1, 2), keepdims=True), 1e-30))
    return np.clip(maps / limits, -1, 1)


def _masked(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Keep the masked pixels, as RGB; the others get a colour that no grey image has."""
    colours = np.broadcast_to(images, (*images.shape[:3], 3))
    return np.where(mask[..., None], colours, np.array([190, 205, 228]))


def _draw_sheet(rows: Sequence[SheetRow], titles: Sequence[str], most_columns: int = 12) -> Figure:
    """Draw rows of tiles under titles, in bands one below another where there are too many columns."""
    count = len(titles)
    bands = -(-count // most_columns)
    columns = -(-count // bands)
    left, right, gap = 0.82, 0.62, 0.04
    tile = min(1.05, (TEXT_WIDTH - left - right) / columns)
    letters = letters_in(tile - 0.06)
    wrapped = ["\n".join(wrap(line, letters) for line in title.split("\n")) for title in titles]
    header = 0.05 + 0.12 * max(title.count("\n") + 1 for title in wrapped)
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
            _title_columns(axes, wrapped[chosen], wide)
        if rows[row].limits:
            bar = figure.add_axes(_relative((left + width + 0.06, bottom + 0.08, 0.07, side - 0.16), figure))
            _draw_bar(figure, drawn, bar, rows[row])
    return figure


def _gap(width: int) -> int:
    """Give the pixels between two tiles of this width."""
    return max(1, width // 24)


def _relative(box: tuple[float, float, float, float], figure: Figure) -> tuple[float, float, float, float]:
    """Turn inches from the lower left corner into shares of the figure."""
    width, height = figure.get_size_inches()
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height


def _draw_row(axes: Axes, row: SheetRow, chosen: slice) -> mpl.image.AxesImage:
    tiles = row.tiles[chosen]
    gap = _gap(tiles.shape[2])
    if row.limits:
        low, high = row.limits
        sheet, style = mosaic(tiles, len(tiles), gap), {"cmap": DIVERGING if low < 0 else SEQUENTIAL}
    else:
        low, high = 0, 255
        sheet = np.nan_to_num(mosaic(tiles, len(tiles), gap), nan=255).squeeze().astype(np.uint8)
        style = {"cmap": "gray"}
    drawn = axes.imshow(sheet, vmin=low, vmax=high, aspect="auto", **style)
    hide_axes(axes)
    axes.set_ylabel(wrap(row.label, 13), rotation=0, ha="right", va="center", fontsize=7, labelpad=4)
    return drawn


def _title_columns(axes: Axes, titles: Sequence[str], width: int) -> None:
    gap = _gap(width)
    axes.set_xticks([i * (width + gap) + (width - 1) / 2 for i in range(len(titles))], titles, fontsize=7)
    axes.tick_params(top=False, labeltop=True, bottom=False, labelbottom=False, length=0, pad=2)


def _draw_bar(figure: Figure, drawn: mpl.image.AxesImage, axes: Axes, row: SheetRow) -> None:
    low, high = row.limits
    bar = figure.colorbar(drawn, cax=axes, ticks=[low, 0, high] if low < 0 else [low, high])
    bar.outline.set_visible(False)
    bar.ax.set_yticklabels([f"{tick:.3g}".replace("-", "\N{MINUS SIGN}") for tick in bar.get_ticks()])
    bar.ax.tick_params(length=0, labelsize=6, pad=2)
    bar.set_label(row.bar_label, fontsize=6, labelpad=1)


# Of superpixels: a yellow that is found in no grey image and stands out in grey print.
BORDER = np.array([255, 214, 10], dtype=np.uint8)


def superpixel_sheet(
    images: np.ndarray,
    segments: Sequence[np.ndarray] | None,
    weights: Mapping[str, np.ndarray],
    shown: Mapping[str, np.ndarray],
    titles: Sequence[str],
    most_columns: int = 12,
) -> Figure:
    """Show each image above its superpixels, their signed weights and what masks leave of it, in columns.

    images: (N, H, W, C) in 0..255; segments: (N, H, W) int, or None to leave that row out; weights: (N, H,
    W) by name, all on one scale that is symmetric about zero and ends at the 99th percentile of their
    magnitude; shown: (N, H, W) bool by name.
    """
    limit = float(np.percentile(np.abs(list(weights.values())), 99)) or 1.0
    bordered = [] if segments is None else [SheetRow("superpixels", _draw_borders(images, segments))]
    rows = [
        SheetRow("image", images),
        *bordered,
        *(SheetRow(name, values, (-limit, limit), "probability") for name, values in weights.items()),
        *(SheetRow(name, _masked(images, mask)) for name, mask in shown.items()),
    ]
    return _draw_sheet(rows, titles, most_columns)


def _draw_borders(images: np.ndarray, segments: Sequence[np.ndarray]) -> np.ndarray:
    """Enlarge small images and draw a line of one pixel wherever two superpixels meet: RGB uint8."""
    scale = max(1, round(96 / images.shape[1]))
    colours = np.broadcast_to(images, (*images.shape[:3], 3))
    large, labels = (np.repeat(np.repeat(array, scale, 1), scale, 2) for array in (colours, segments))
    border = np.zeros(labels.shape, dtype=bool)
    border[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    border[:, :, 1:] |= labels[:, :, 1:] != labels[:, :, :-1]
    return np.where(border[..., np.newaxis], BORDER, large)


def measure_strips(table: pd.DataFrame, by: str, measures: Mapping[str, str], chance: Mapping[str, str]) -> Figure:
    """Draw every image's measures as dots, with the mean of each group as a bar and chance as a cross.

    by: the column that groups, one row a group; measures: column -> title, values in 0..1; chance: measure
    -> column of its chance level.
    """
    groups = list(dict.fromkeys(table[by]))
    figure = new_figure(0.65 + 0.32 * len(groups))
    grid = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axes, (measure, title) in zip(grid, measures.items(), strict=True):
        for place, (name, colour) in enumerate(zip(groups, COLOURS, strict=False)):
            rows = table[table[by] == name]
            axes.plot(rows[measure], [-place] * len(rows), "o", color=colour, alpha=0.5, markersize=4.5, mew=0)
            axes.plot([rows[measure].mean()], [-place], "|", color=colour, markersize=17, mew=2)
            if measure in chance:
                axes.plot([rows[chance[measure]].mean()], [-place], "x", color="0.25", markersize=5)
        lowest = -1 if table[measure].min() < 0 else 0
        axes.set(title=fill(title, 21), xlim=(lowest - 0.03, 1.03), ylim=(0.6 - len(groups), 0.6))
        axes.grid(True, axis="x")
        axes.tick_params(axis="y", length=0)
    grid[0].set_yticks(-np.arange(len(groups)), [wrap(name, 14) for name in groups])
    return figure


def layer_overview(layers: Mapping[str, np.ndarray], channels: int) -> Figure:
    """Show every layer of a network as one row: its first channels side by side, or all units of a vector.

    layers: label -> (h, w, channels) or (units,), in the order of the network, which runs down the columns.
    Each row has its own scale, from its 1st to its 99th percentile.
    """
    side, gap, label_width = 24, 2, 0.72
    columns = 2 if len(layers) <= 48 else 3  # keeps a deep network on one page
    rows = -(-len(layers) // columns)
    cell = (TEXT_WIDTH / columns - label_width) / channels
    figure = Figure(figsize=(TEXT_WIDTH, rows * cell + 0.02))
    strips = [_layer_strip(values, channels, side, gap) for values in layers.values()]
    blank = np.full_like(strips[0], np.nan)
    for column in range(columns):
        chosen = slice(column * rows, (column + 1) * rows)
        part = [*strips[chosen], *[blank] * (rows - len(strips[chosen]))]
        left = (column * TEXT_WIDTH / columns + label_width) / TEXT_WIDTH
        axes = figure.add_axes((left, 0.0, channels * cell / TEXT_WIDTH, 1.0))
        axes.imshow(np.concatenate(part), cmap="viridis", vmin=0, vmax=1, aspect="auto")
        axes.set_yticks([(side + gap) * i + side / 2 for i in range(len(strips[chosen]))], list(layers)[chosen])
        axes.set_xticks([])
        axes.tick_params(length=0, labelsize=6.5, pad=3)
        axes.spines[:].set_visible(False)
    return figure


def _layer_strip(values: np.ndarray, channels: int, side: int, gap: int) -> np.ndarray:
    """Lay one layer out as a strip of `channels` squares, scaled to 0..1, with a gap below."""
    low, high = np.percentile(values, [1, 99])
    scaled = np.clip((values - low) / max(high - low, 1e-30), 0, 1)
    strip = np.full((side + gap, channels * (side + gap)), np.nan, dtype=np.float32)
    if values.ndim == 1:
        strip[:side, :-gap] = scaled[_spread(len(values), strip.shape[1] - gap)]
        return strip
    height, width, count = values.shape
    tiles = scaled[_spread(height, side)][:, _spread(width, side)]
    for i in range(min(channels, count)):
        strip[:side, i * (side + gap) : i * (side + gap) + side] = tiles[..., i]
    return strip


def _spread(count: int, length: int) -> np.ndarray:
    """Give the nearest of `count` places for each of `length` pixels."""
    return np.arange(length) * count // length


def channel_mosaics(
    panels: Mapping[str, np.ndarray], columns: int = 3, signed: Sequence[str] = (), width: float = TEXT_WIDTH
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
        style = {"cmap": DIVERGING, "vmin": -limit} if title in signed else {"cmap": "viridis", "vmin": 0}
        sheet = mosaic(tiles, int(np.ceil(np.sqrt(len(tiles)))), max(1, tiles.shape[1] // 12))
        drawn = axes.imshow(sheet, vmax=limit, **style)
        hide_axes(axes, title)
        bar = figure.colorbar(drawn, ax=axes, shrink=0.6, pad=0.02, aspect=25)
        bar.ax.tick_params(labelsize=6, length=0, pad=2)
        bar.outline.set_visible(False)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    return figure


def heatmap_grid(image: np.ndarray, maps: Mapping[str, np.ndarray], columns: int = 7, signed: bool = False) -> Figure:
    """Lay maps over an image, one panel each, after the image itself; each map has its own scale.

    image: (H, W, C) in 0..255; maps: title -> (H, W), drawn from its lowest to its highest value or, if
    signed, symmetrically about zero.
    """
    rows = -(-(len(maps) + 1) // columns)
    figure = new_figure(rows * (TEXT_WIDTH - 0.45) / columns * 1.12 + 0.12)
    grid = figure.subplots(rows, columns, squeeze=False)
    show_image(grid.flat[0], image, "image")
    for axes, (title, values) in zip(grid.flat[1:], maps.items(), strict=False):
        high = float(np.abs(values).max() if signed else values.max())
        low = -high if signed else float(values.min())
        show_image(axes, image, title)
        scaled = (values - low) / max(high - low, 1e-30)
        drawn = axes.imshow(scaled, vmin=0, vmax=1, alpha=0.6, cmap=DIVERGING if signed else SEQUENTIAL)
    for axes in grid.flat[len(maps) + 1 :]:
        axes.set_visible(False)
    bar = figure.colorbar(drawn, ax=grid, aspect=30, pad=0.01, ticks=[0, 0.5, 1] if signed else [0, 1])
    bar.ax.set_yticklabels(["against", "0", "for"] if signed else ["lowest", "highest"])
    bar.ax.tick_params(labelsize=6.5, length=0, pad=2)
    bar.outline.set_visible(False)
    return figure


def depth_profile(table: pd.DataFrame, pooled: Sequence[str]) -> Figure:
    """Draw what changes from layer to layer: map size and channels, silent units, and tolerance of a shift.

    table: a row a layer, indexed by its label, with columns height, width, channels, silent, dead and
    shift; pooled: labels of the pooling layers, which are marked.
    """
    figure = new_figure(4.3)
    grid = figure.subplots(3, 1, sharex=True)
    places = np.arange(len(table))
    colours = [COLOURS[1] if label in pooled else COLOURS[0] for label in table.index]
    grid[0].plot(
        places,
        table["height"] * table["width"],
        "o-",
        color=COLOURS[2],
        markersize=3.5,
        label="pixels of a map",
    )
    grid[0].plot(places, table["channels"], "s-", color=COLOURS[4], markersize=3.5, label="channels")
    grid[0].set_yscale("log", base=2)
    grid[0].yaxis.set_major_formatter(mpl.ticker.ScalarFormatter())
    grid[0].set_title("pixels and channels of a layer")
    grid[1].bar(places, table["silent"], 0.7, color=colours)
    grid[1].plot(places, table["dead"], "_", color="black", markersize=11, label="channels silent on every image")
    grid[1].set_title("share of silent units")
    grid[2].bar(places, table["shift"], 0.7, color=colours)
    grid[2].set_title("correlation of the output before and after a shift by one pixel")
    grid[1].yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
    grid[1].set_ylim(-0.02, 1)
    grid[2].set_ylim(0, 1)
    for axes in grid:
        axes.grid(True, axis="y")
        axes.set_axisbelow(True)
    handles = [mpl.patches.Patch(color=COLOURS[i], label=name) for i, name in enumerate(["rectified", "pooled"])]
    grid[0].legend(loc="upper right", ncols=2)
    grid[1].legend(handles=[*handles, *grid[1].get_legend_handles_labels()[0]], loc="upper left", ncols=3)
    grid[2].set_xticks(places, table.index, rotation=45, ha="right", rotation_mode="anchor")
    for axes in grid:
        axes.tick_params(axis="x", length=0)
    return figure
