"""Which classes are recognised, and which are taken for which."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from helpers.report.plots import style
from helpers.report.plots.style import drawn, in_percent, letters_in, new_figure, say, shorten, wrap

_BARS = 12  # most classes whose bars stand side by side
_PAIRED = 12  # most classes of which two matrices stand beside each other
_NUMBERED = 20  # most classes whose cells of the confusion matrix have room for numbers
_NAMED = 40  # most classes whose names have room along its sides
_LETTERS = 18  # of a name beside a matrix
_WORST = 10  # most confused pairs whose classes are named where not all are


@drawn
def confusion_heatmaps(counts: np.ndarray, shares: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draw a confusion matrix twice, as counts and as shares of each row, with the numbers in the cells.

    Of more than 12 classes it is drawn once, as shares; of more than 20 without numbers, and of more than 40
    only the classes of the most confused pairs are named, as far as their names have room, and their cells circled.
    """
    if len(class_names) > _NUMBERED:
        return _large_heatmap(counts, shares, class_names)
    panels = [(counts, say("images"), "d"), (shares, say("share_of_class"), ".0%")][len(class_names) > _PAIRED :]
    figure = new_figure(3.4 if len(panels) == 2 else 5.6)
    names, size = [shorten(n, _LETTERS) for n in class_names], min(style.SMALL, 120 / len(panels) / len(class_names))
    for axes, (values, title, form) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels):
        # Both are coloured by share: by counts a frequent class would look well recognised just for being frequent.
        options = {"annot": values, "fmt": form, "annot_kws": {"size": size}, "square": True, "linewidths": 0.5}
        sns.heatmap(shares, ax=axes, cmap="Blues", vmin=0, vmax=1, cbar=False, **options)
        axes.set(title=title, xlabel=say("predicted"), ylabel=say("true"))
        axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(np.arange(len(names)) + 0.5, names, rotation=0)
        axes.tick_params(length=0)
    return figure


def confusion_cells(
    counts: np.ndarray, shares: np.ndarray, class_names: Sequence[str], axes_names: Sequence[str]
) -> tuple[bytes, list[float]]:
    """Draw a confusion matrix as counts coloured by share, for the screen.

    axes_names: of rows and columns. Returns the PNG, and the shares of the picture left, above, right and below the
    cells.
    """
    left, top, side = 0.26, 0.26, 0.66
    figure, size = Figure(figsize=(4.6, 4.6)), min(9.0, 66 / len(class_names))
    axes = figure.add_axes((left, 1 - top - side, side, side))
    numbers = len(class_names) <= _NUMBERED
    sns.heatmap(shares, ax=axes, cmap="Blues", vmin=0, vmax=1, annot=counts if numbers else None, fmt="d",
                annot_kws={"size": size}, cbar=False, linewidths=0.5 if numbers else 0)  # fmt: skip
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set(ylabel=axes_names[0], xlabel=axes_names[1])
    if len(class_names) <= _NAMED:
        names = [shorten(name, _LETTERS) for name in class_names]
        upright = max(map(len, names)) > 8  # a long name that leans would leave the picture
        lean = {"rotation": 90} if upright else {"rotation": 45, "ha": "left"}
        axes.set_xticks(np.arange(len(names)) + 0.5, names, fontsize=size, **lean)
        axes.set_yticks(np.arange(len(names)) + 0.5, names, rotation=0, fontsize=size)
    axes.tick_params(length=0)
    content = BytesIO()
    figure.savefig(content, format="png", dpi=150)
    return content.getvalue(), [left, top, 1 - left - side, 1 - top - side]


def _large_heatmap(counts: np.ndarray, shares: np.ndarray, class_names: Sequence[str]) -> Figure:
    figure = new_figure(6.2)
    axes = figure.subplots()
    sides = (0, len(shares), len(shares), 0)  # an image, as cells drawn one by one weigh a megabyte and more
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, extent=sides, interpolation="none")
    in_percent(figure.colorbar(image, shrink=0.6, aspect=30).ax.yaxis)
    axes.spines[:].set_visible(False)
    worst = _worst_cells(counts, shares) if len(shares) > _NAMED else np.empty((2, 0), int)
    axes.scatter(worst[1] + 0.5, worst[0] + 0.5, s=40, facecolors="none", edgecolors=style.MISTAKE, linewidths=0.8)
    for axis, cells in zip((axes.yaxis, axes.xaxis), worst.tolist()):
        places = _apart(cells, len(shares) / _NAMED) or [*range(len(shares))]
        names = [shorten(class_names[place], _LETTERS) for place in places]
        axis.set_ticks(np.array(places) + 0.5, names, fontsize=7, rotation=0 if axis is axes.yaxis else 90)
    axes.set(title=say("share_of_class"), xlabel=say("predicted"), ylabel=say("true"))
    axes.tick_params(length=2)
    return figure


def _worst_cells(counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Find the rows and columns of the most confused pairs, the worst first, of like ones the commoner: (2, pairs)."""
    confused = np.where(np.eye(len(shares), dtype=bool), 0, shares)
    worst = np.lexsort((-counts.ravel(), -confused.ravel()))[:_WORST]
    return np.stack(np.unravel_index(worst[confused.ravel()[worst] > 0], shares.shape))


def _apart(places: Sequence[int], distance: float) -> list[int]:
    """Keep of some places those that are far enough from the ones before them, in rising order."""
    kept: list[int] = []
    for place in places:
        if all(abs(place - other) >= distance for other in kept):
            kept.append(place)
    return sorted(kept)


@drawn
def class_bars(report: pd.DataFrame) -> Figure:
    """Draw precision, recall and F1 of each class as grouped bars; of more than 12 as dots, a row each."""
    if len(report) > _BARS:
        return _class_dots(report)
    figure = new_figure(2.1)
    axes = figure.subplots()
    long = report.melt("class", ["precision", "recall", "f1"], var_name="measure")
    bars = {"palette": style.COLOURS[:3], "saturation": 1, "width": 0.81, "gap": 0.07}
    sns.barplot(long, x="class", y="value", hue="measure", ax=axes, **bars)
    handles, measures = axes.get_legend_handles_labels()
    axes.legend().remove()
    positions, letters = np.arange(len(report)), letters_in((style.TEXT_WIDTH - 0.6) / len(report) - 0.06)
    axes.set_xticks(positions, [wrap(name, letters) for name in report["class"]])
    axes.set(ylim=(0, 1), xlabel="", ylabel="")
    in_percent(axes.yaxis)
    axes.grid(True, axis="y")
    axes.tick_params(axis="x", length=0)
    figure.legend(handles, [*map(say, measures)], loc="outside upper center", ncols=3)
    return figure


def _class_dots(report: pd.DataFrame) -> Figure:
    figure = new_figure(0.5 + 0.15 * len(report))
    axes, rows = figure.subplots(), np.arange(len(report))
    for measure, mark, colour in zip(("precision", "recall", "f1"), "sod", style.COLOURS):
        look = {"color": colour, "markersize": 3.5, "alpha": 0.8, "clip_on": False}
        axes.plot(report[measure], rows, mark, label=say(measure), **look)
    axes.set_yticks(rows, [shorten(name, 2 * _LETTERS) for name in report["class"]])
    axes.set(xlim=(0, 1), ylim=(len(report) - 0.5, -0.5))
    in_percent(axes.xaxis)
    axes.grid(True)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper center", ncols=3)
    return figure
