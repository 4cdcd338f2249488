"""What happened while a network was trained."""

from collections.abc import Mapping
from itertools import cycle

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from helpers.report.plots.style import COLOURS, drawn, in_percent, new_figure, say


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
