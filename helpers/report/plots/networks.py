"""What a network is built of, and what happened while it was trained."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from helpers.report.plots.style import COLOURS, SMALL, drawn, in_percent, new_figure, say, wrap

_WIDTH = 15  # characters of a line in a box


@drawn
def block_diagram(blocks: Sequence[tuple[str, str, str]], columns: int = 6) -> Figure:
    """Draw a network as boxes joined by arrows, read row by row.

    blocks: (kind, label, output) of each box; kind chooses the colour, output is written under the box.
    """
    kinds = list(dict.fromkeys(kind for kind, _, _ in blocks))
    colours = dict(zip(kinds, sns.color_palette("pastel", len(kinds)).as_hex()))
    rows = -(-len(blocks) // columns)
    lines = max(wrap(label, _WIDTH).count("\n") + 1 for _, label, _ in blocks)
    figure = new_figure(0.95 * rows * max(1, lines / 4))  # four lines have room in a box
    axes = figure.subplots()
    axes.set(xlim=(-0.05, columns), ylim=(-rows + 0.05, 0.05))
    axes.axis("off")
    for i, (kind, label, output) in enumerate(blocks):
        _draw_block(axes, i % columns, -(i // columns), colours[kind], label, output)
        if i + 1 < len(blocks):
            _join_blocks(axes, i, columns)
    return figure


def _draw_block(axes: Axes, x: float, y: float, colour: str, label: str, output: str) -> None:
    look: dict[str, Any] = {"boxstyle": "round,pad=0,rounding_size=0.05", "fc": colour, "ec": "0.35", "lw": 0.6}
    axes.add_patch(FancyBboxPatch((x + 0.03, y - 0.64), 0.76, 0.6, **look))
    axes.text(x + 0.41, y - 0.34, wrap(label, _WIDTH), ha="center", va="center", fontsize=SMALL, linespacing=1.1)
    axes.text(x + 0.41, y - 0.67, output, ha="center", va="top", fontsize=SMALL, color="0.35")


def _join_blocks(axes: Axes, i: int, columns: int) -> None:
    arrow = {"arrowstyle": "-|>", "lw": 0.7, "color": "0.35", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7}
    x, y = i % columns, -(i // columns) - 0.34
    if i % columns < columns - 1:
        axes.annotate("", (x + 1.03, y), (x + 0.79, y), arrowprops=arrow)
        return
    # The last box of a row leads to the first of the next, around the edge.
    right, lower = columns - 0.1, y - 0.51
    look: dict[str, Any] = {"color": "0.35", "lw": 0.7, "solid_joinstyle": "round"}
    axes.plot([x + 0.79, right, right, 0.0, 0.0], [y, y, lower, lower, y - 1], **look)
    axes.annotate("", (0.03, y - 1), (0.0, y - 1), arrowprops=arrow)


@drawn
def training_curves(histories: Mapping[str, pd.DataFrame], rate: bool = True) -> Figure:
    """Draw loss, accuracy and, if asked and known, learning rate by epoch; training dashed, validation solid."""
    rate = rate and any(history["learning_rate"].notna().any() for history in histories.values())
    panels = ["loss", "accuracy", "learning_rate"] if rate else ["loss", "accuracy"]
    figure = new_figure(2.3)
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for (name, history), colour in zip(histories.items(), cycle(COLOURS)):
        for axes, column in zip(grid, ["loss", "accuracy"]):
            axes.plot(history["epoch"], history[column], "--", color=colour, alpha=0.7, linewidth=1)
            axes.plot(history["epoch"], history[f"val_{column}"], color=colour, marker=".", markersize=4, label=name)
        if rate:
            grid[2].plot(history["epoch"], history["learning_rate"], color=colour, marker=".", markersize=4)
            for epoch in history.loc[history["phase"].diff() > 0, "epoch"]:
                for axes in grid:
                    axes.axvline(epoch - 0.5, color="0.6", linewidth=0.7, linestyle=":")
    for axes, title in zip(grid, panels):
        axes.set(title=say(title), xlabel=say("epoch"))
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 2.5, 5, 10]))
        axes.grid(True, axis="y")
    grid[0].set_ylim(bottom=0)
    in_percent(grid[1].yaxis)
    if rate:
        grid[2].set_yscale("log")
        grid[2].yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        grid[2].yaxis.set_minor_formatter(NullFormatter())
    solid = Line2D([], [], color="0.3", linestyle="-", label=say("validation"))
    dashed = Line2D([], [], color="0.3", linestyle="--", label=say("training"))
    named = grid[0].get_legend_handles_labels()[0] if len(histories) > 1 else []
    figure.legend(handles=[*named, solid, dashed], loc="outside lower center", ncols=6)
    return figure
