"""Estimates with their intervals, one row each."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.report.plots.style import COLOURS, drawn, in_percent, new_figure, say


@drawn
def accuracy_intervals(
    names: Sequence[str], values: np.ndarray, lows: np.ndarray, highs: np.ndarray, each: Sequence[np.ndarray] = ()
) -> Figure:
    """Draw accuracies as dots with their intervals, one row each, the first on top.

    each: where some are means of several trainings, the accuracies of these by row, drawn as open dots above the mean.
    """
    several = any(len(trainings) > 1 for trainings in each)
    figure = new_figure(0.45 + (0.36 if several else 0.27) * len(names))
    axes = _rows(figure, names, say("accuracy_interval"))
    heights = np.arange(len(names))
    for height, trainings in enumerate(each if several else ()):
        above = np.full(len(trainings), height - 0.25)
        axes.plot(trainings, above, "o", color=COLOURS[1], markersize=3.5, fillstyle="none")
    reach = [values - lows, highs - values]
    axes.errorbar(values, heights, xerr=reach, fmt="o", color=COLOURS[0], capsize=3, markersize=5)
    in_percent(axes.xaxis)
    return figure


@drawn
def paired_differences(groups: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """Draw differences with their intervals, one row a method and one colour a group of images; zero is marked.

    groups: label -> frame indexed by method with columns value, low and high.
    """
    names = list(next(iter(groups.values())).index)
    figure = new_figure(0.75 + 0.21 * len(names))
    axes = _rows(figure, names, title)
    axes.axvline(0, color="0.4", linewidth=0.8)
    for place, (label, frame) in enumerate(groups.items()):
        heights = np.arange(len(names)) - 0.15 + 0.3 * place / max(1, len(groups) - 1)
        reach = np.array([frame["value"] - frame["low"], frame["high"] - frame["value"]]).clip(min=0)
        axes.errorbar(frame["value"], heights, xerr=reach, fmt="o", color=COLOURS[place], markersize=3.5, label=label)
    figure.legend(loc="outside lower center", ncols=len(groups))
    return figure


@drawn
def run_dots(names: Sequence[str], runs: Mapping[str, Sequence[np.ndarray]], means: Mapping[str, np.ndarray]) -> Figure:
    """Draw every run as a dot, a row a group and a panel a measure, above the group's mean with its interval.

    runs: measure -> the values of each group's runs (shares); means: measure -> (groups, 3), mean and interval, nan
    where there is none.
    """
    figure = new_figure(0.55 + 0.36 * len(names))
    panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    for axes, (measure, groups) in zip(panels, runs.items()):
        for height, values in enumerate(groups):
            axes.plot(values, np.full(len(values), height - 0.12), "o", color=COLOURS[0], alpha=0.6, markersize=4)
        value, low, high = means[measure].T
        reach = np.nan_to_num(np.array([value - low, high - value])).clip(min=0)
        axes.errorbar(value, np.arange(len(names)) + 0.16, xerr=reach, fmt="D", color="0.2", capsize=3, markersize=4)
        axes.set(xlabel=measure, ylim=(len(names) - 0.5, -0.5))
        axes.set_yticks(range(len(names)), names)
        axes.grid(True, axis="x")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        in_percent(axes.xaxis)
    return figure


@drawn
def reliability(groups: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw accuracy over confidence, a panel a group, above how many images have so much; the diagonal is calibrated.

    groups: label -> frame with a row a bin and columns confidence, accuracy, low, high and images.
    """
    figure = new_figure(3.6)
    grid = figure.subplots(2, len(groups), sharex=True, sharey="row", height_ratios=[3, 1], squeeze=False)
    for (upper, lower), (label, frame) in zip(grid.T, groups.items()):
        upper.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
        reach = np.array([frame["accuracy"] - frame["low"], frame["high"] - frame["accuracy"]]).clip(min=0)
        upper.errorbar(frame["confidence"], frame["accuracy"], yerr=reach, fmt="o-", markersize=3.5, linewidth=1)
        upper.set_title(label)
        lower.bar(frame["confidence"], frame["images"], width=0.03, color=COLOURS[0])
        lower.set_xlabel(say("answer_probability"))
        for axis in (upper.xaxis, upper.yaxis):
            in_percent(axis)
    grid[0, 0].set_ylabel(say("right_share"))
    grid[1, 0].set_ylabel(say("images"))
    return figure


def _rows(figure: Figure, names: Sequence[str], title: str) -> Axes:
    """Make axes with a row a name, the first on top at height 0, the others below at 1, 2, ..."""
    axes = figure.subplots()
    axes.set_yticks(range(len(names)), names)
    axes.set(ylim=(len(names) - 0.5, -0.5), xlabel=title)
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)
    return axes
