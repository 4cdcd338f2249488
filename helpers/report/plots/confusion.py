"""Which classes are recognised, and which are taken for which."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from helpers.report.plots.style import COLOURS, TEXT_WIDTH, in_percent, letters_in, new_figure, wrap


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
