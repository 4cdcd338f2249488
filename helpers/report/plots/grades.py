"""How methods of explanation were graded; a method's colour follows from its place."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers.report.plots.style import COLOURS, DIVERGING, SMALL, drawn, in_percent, new_figure, say, shorten, wrap


@drawn
def region_heatmaps(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw how many times its area's share of the relevance each region holds, a panel a table, two beside each other.

    tables: by title, rows with group, region, ratio, and whether it stands out, which is framed. In place of a table
    without rows stands why it has none.
    """
    shapes = [(table["group"].nunique(), table["region"].nunique()) for table in tables.values()]
    across = 2 if max(columns for _, columns in shapes) <= 12 and len(tables) > 1 else 1
    down = -(-len(tables) // across)
    figure = new_figure(down * (0.85 + 0.2 * max(rows for rows, _ in shapes)))
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (title, table) in zip(grid, tables.items()):
        axes.set(title=title, xlabel="", ylabel="")
        if table.empty:
            axes.text(0.5, 0.5, say("no_relevance"), ha="center", va="center")
            axes.set_axis_off()
            continue
        ratios = table.pivot_table("ratio", "group", "region", sort=False)
        look = {"cmap": DIVERGING, "norm": LogNorm(0.25, 4), "cbar": False, "annot_kws": {"size": SMALL}}
        sns.heatmap(ratios.clip(0.01), ax=axes, annot=ratios, fmt=".1f", linewidths=0.5, **look)
        for group, region in table.loc[table["stands_out"], ["group", "region"]].to_numpy():
            place = [*ratios.columns].index(region), [*ratios.index].index(group)
            axes.add_patch(Rectangle(place, 1, 1, fill=False, edgecolor="black", linewidth=1))
        axes.set(xlabel="", ylabel="")
        axes.set_xticks(axes.get_xticks(), ratios.columns, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(axes.get_yticks(), [shorten(str(name), 18) for name in ratios.index], rotation=0)
        axes.tick_params(length=0)
    for axes in grid[len(tables) :]:
        axes.set_axis_off()
    return figure


@drawn
def perturbation_curves(
    curves: Mapping[str, np.ndarray], names: Sequence[str], titles: Sequence[str], chance: str, baselines: int = 3
) -> Figure:
    """Draw mean insertion and deletion curves, a row of panels a group of images, a panel a kind of curve.

    curves: row label -> (names, panels, steps + 1), probabilities in 0..1; names: of the lines, the last
    `baselines` of them drawn in black; titles: of the panels; chance: the name that is the chance level.
    """
    figure = new_figure(1.2 + 1.55 * len(curves))
    grid = figure.subplots(len(curves), len(titles), sharex=True, sharey=True, squeeze=False)
    for line, (label, values) in zip(grid, curves.items()):
        line[0].set_ylabel("{}\n{}".format(label, say("raw")))
        for place, axes in enumerate(line):
            for name, curve, look in zip(names, values[:, place], _line_styles(len(names), baselines)):
                shown = say("by_chance", name=name) if name == chance else name
                axes.plot(np.linspace(0, 1, len(curve)), curve, label=shown, **look)
            axes.grid(True, axis="y")
    for axes, title in zip(grid[0], titles):
        axes.set_title(title)
    for axes in grid[-1]:
        axes.set_xlabel(wrap(say("share_of_pixels"), 12))
        in_percent(axes.xaxis)
    grid[0, 0].set(ylim=(0, 1), xlim=(0, 1), xticks=[0, 0.5])  # a label at 1 would touch the next panel's first
    figure.legend(handles=grid[0, 0].get_legend_handles_labels()[0], loc="outside lower center", ncols=4)
    return figure


@drawn
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
        for name, line, look in zip(names, values, _line_styles(len(names), 0)):
            known = np.flatnonzero(np.isfinite(line))
            dashes = "-" if len(known) == len(line) else ":"
            axes.plot(known, line[known], dashes, marker="o", markersize=2.5, label=name, **look)
        axes.plot([half, half], [passing, 1], color="0.3", linewidth=5, alpha=0.25, solid_capstyle="butt")
        axes.set_xticks(range(len(layers)), layers, rotation=60, ha="right", rotation_mode="anchor")
        axes.set(title=title, ylim=(None, 1.02), xlabel=say("randomised"))
        axes.grid(True, axis="y")
    figure.legend(handles=grid[0].get_legend_handles_labels()[0], loc="outside lower center", ncols=4)
    return figure


def _line_styles(count: int, baselines: int) -> list[dict[str, object]]:
    """Give each line a colour of its own, and the last ones black with dots and dashes."""
    methods = count - baselines
    colours = COLOURS if methods <= len(COLOURS) else sns.color_palette("husl", methods).as_hex()
    coloured = [{"color": colour, "linewidth": 1.1} for colour in colours[:methods]]
    dashes = [":", "--", "-."]
    return [*coloured, *({"color": "black", "linewidth": 1.3, "linestyle": dashes[i % 3]} for i in range(baselines))]
