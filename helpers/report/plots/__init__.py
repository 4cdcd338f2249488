"""Every figure of the report, a file a subject: arrays in, Figure out. Only this folder knows matplotlib.

Figures draw what they are given and compute nothing; several methods get their colours by their order.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from helpers.report.plots.confusion import class_bars, confusion_cells, confusion_heatmaps
from helpers.report.plots.filters import ascent_progress, dream_panels, filter_mosaics, filters_on_images
from helpers.report.plots.grades import cascade_lines, perturbation_curves, region_heatmaps
from helpers.report.plots.images import (
    as_png,
    framed_mosaic,
    image_grid,
    image_rows,
    in_colours,
    mosaic,
    place_name,
    prediction_grid,
)
from helpers.report.plots.intervals import accuracy_intervals, paired_differences, reliability, run_dots
from helpers.report.plots.layers import channel_mosaics, depth_profile, heatmap_grid, layer_overview
from helpers.report.plots.networks import block_diagram, training_curves
from helpers.report.plots.sheets import (
    draw_borders,
    explained_picture,
    explanation_sheet,
    masked,
    mean_map_sheet,
    region_sheet,
    superpixel_sheet,
    to_own_scale,
)
from helpers.report.plots.style import CHANNELS, COLOURS, MISTAKE, TEXT_WIDTH, missing_characters, new_figure

__all__ = [
    "CHANNELS", "COLOURS", "MISTAKE", "TEXT_WIDTH", "accuracy_intervals", "as_png", "ascent_progress", "block_diagram",
    "cascade_lines", "channel_mosaics", "class_bars", "confusion_cells", "confusion_heatmaps", "depth_profile",
    "draw_borders", "dream_panels", "explained_picture", "explanation_sheet", "filter_mosaics", "filters_on_images",
    "framed_mosaic", "heatmap_grid", "image_grid", "image_rows", "in_colours", "layer_overview", "masked",
    "mean_map_sheet", "missing_characters", "mosaic", "new_figure", "paired_differences", "perturbation_curves",
    "place_name", "prediction_grid", "region_heatmaps", "region_sheet", "reliability", "run_dots",
    "superpixel_sheet", "to_own_scale", "training_curves",
]  # fmt: skip


def draw_again(name: str, given: Sequence[Any], named: Mapping[str, Any]) -> Figure:
    """Draw a figure once more, in the language that is spoken, from what `style.drawn` hung on it."""
    return globals()[name](*given, **named)
