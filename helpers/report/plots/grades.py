"""How methods of explanation were graded; a method's colour follows from its place."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from helpers.report.plots.style import COLOURS, in_percent, new_figure, wrap


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
    in_percent(axes.xaxis)
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
        in_percent(axes.xaxis)
    grid[0, 0].set(ylim=(0, 1), xlim=(0, 1), xticks=[0, 0.5, 1])
    figure.legend(handles=grid[0, 0].get_legend_handles_labels()[0], loc="outside lower center", ncols=4)
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


def _line_styles(count: int, baselines: int) -> list[dict[str, object]]:
    """Give each line a colour of its own, and the last ones black with dots and dashes."""
    methods = count - baselines
    colours = COLOURS if methods <= len(COLOURS) else sns.color_palette("husl", methods).as_hex()
    coloured = [{"color": colour, "linewidth": 1.1} for colour in colours[:methods]]
    dashes = [":", "--", "-."]
    return [*coloured, *({"color": "black", "linewidth": 1.3, "linestyle": dashes[i % 3]} for i in range(baselines))]


def measure_strips(table: pd.DataFrame, by: str, measures: Mapping[str, str], chance: Mapping[str, str]) -> Figure:
    """Draw every image's measures as dots, with the mean of each group as a bar and chance as a cross.

    by: the column that groups, one row a group; measures: column -> title, values in 0..1; chance: measure
    -> column of its chance level.
    """
    groups = list(dict.fromkeys(table[by]))
    figure = new_figure(0.65 + 0.32 * len(groups))
    grid = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    colours, grey = sns.color_palette(COLOURS, len(groups)), ["0.25"] * len(groups)
    for axes, (measure, title) in zip(grid, measures.items(), strict=True):
        rows = {"data": table.reset_index(drop=True), "y": by, "hue": by, "ax": axes, "legend": False}
        mean = {"errorbar": None, "linestyle": "none", **rows}
        sns.stripplot(x=measure, palette=colours, jitter=False, alpha=0.5, size=4.5, **rows)
        sns.pointplot(x=measure, palette=colours, marker="|", markersize=17, markeredgewidth=2, **mean)
        if measure in chance:
            sns.pointplot(x=chance[measure], palette=grey, marker="x", markersize=5, markeredgewidth=1, **mean)
        lowest = -1 if table[measure].min() < 0 else 0
        axes.set(title=fill(title, 21), xlim=(lowest - 0.03, 1.03), xlabel="", ylabel="")
        axes.grid(True, axis="x")
        axes.tick_params(axis="y", length=0)
    grid[0].set_yticks(range(len(groups)), [wrap(name, 14) for name in groups])
    return figure
