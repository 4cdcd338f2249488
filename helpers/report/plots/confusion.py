"""Which classes are recognised, and which are taken for which."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from helpers.report.plots.style import COLOURS, TEXT_WIDTH, in_percent, letters_in, new_figure, wrap

_NUMBERED = 20  # most classes whose cells of the confusion matrix have room for numbers
_NAMED = 60  # most classes whose names have room along its sides


def confusion_heatmaps(counts: np.ndarray, shares: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draw a confusion matrix twice, as counts and as shares of each row, with the numbers in the cells.

    Of more than 20 classes it is drawn once, as wide as the page, as shares and without numbers, and of more than 60
    without names: numbers of classes, from 1 in the order of their names, stand in their place.
    """
    if len(class_names) > _NUMBERED:
        return _large_heatmap(shares, class_names)
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
            annot=values,
            fmt=form,
            annot_kws={"size": size},
            cbar=False,
            square=True,
            linewidths=0.5,
        )
        axes.set(title=title, xlabel="predicted", ylabel="true")
        axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(np.arange(len(names)) + 0.5, names, rotation=0)
        axes.tick_params(length=0)
    return figure


def _large_heatmap(shares: np.ndarray, class_names: Sequence[str]) -> Figure:
    figure = new_figure(6.2)
    axes, count = figure.subplots(), len(class_names)
    sns.heatmap(shares, ax=axes, cmap="Blues", vmin=0, vmax=1, square=True, cbar_kws={"shrink": 0.6, "aspect": 30})
    if bar := axes.collections[0].colorbar:
        in_percent(bar.ax.yaxis)
    places = np.arange(0 if count <= _NAMED else 9, count, 1 if count <= _NAMED else 10)
    names = [class_names[i].replace("_", " ") if count <= _NAMED else str(i + 1) for i in places.tolist()]
    size = min(6.5, 250 / count) if count <= _NAMED else 6.0
    axes.set_xticks(places + 0.5, names, rotation=90, fontsize=size)
    axes.set_yticks(places + 0.5, names, rotation=0, fontsize=size)
    axes.set(title="share of the true class", xlabel="predicted", ylabel="true")
    axes.tick_params(length=0 if count <= _NAMED else 2)
    return figure


def class_bars(report: pd.DataFrame) -> Figure:
    """Draw precision, recall and F1 of each class as grouped bars."""
    figure = new_figure(2.1)
    axes = figure.subplots()
    long = report.melt("class", ["precision", "recall", "f1"], var_name="measure")
    sns.barplot(
        long, x="class", y="value", hue="measure", ax=axes, palette=COLOURS[:3], saturation=1, width=0.81, gap=0.07
    )
    handles, measures = axes.get_legend_handles_labels()
    axes.legend().remove()
    positions, letters = np.arange(len(report)), letters_in((TEXT_WIDTH - 0.6) / len(report) - 0.06)
    axes.set_xticks(positions, [wrap(name, letters) for name in report["class"]])
    if len(report) > 12:
        names = [name.replace("_", " ") for name in report["class"]]
        axes.set_xticks(positions, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set(ylim=(0, 1), xlabel="", ylabel="")
    in_percent(axes.yaxis)
    axes.grid(True, axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", length=0)
    figure.legend(handles, measures, loc="outside upper center", ncols=3)
    return figure
