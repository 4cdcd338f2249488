"""Every figure of the report, a file a subject: arrays in, Figure out. Only this folder knows matplotlib.

Figures draw what they are given and compute nothing; several methods get their colours by their order.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from helpers.report.plots.architecture import block_diagram as block_diagram
from helpers.report.plots.confusion import class_bars as class_bars
from helpers.report.plots.confusion import confusion_cells as confusion_cells
from helpers.report.plots.confusion import confusion_heatmaps as confusion_heatmaps
from helpers.report.plots.explained import explained_picture as explained_picture
from helpers.report.plots.filters import ascent_progress as ascent_progress
from helpers.report.plots.filters import dream_panels as dream_panels
from helpers.report.plots.filters import filter_mosaics as filter_mosaics
from helpers.report.plots.filters import filters_on_images as filters_on_images
from helpers.report.plots.grades import cascade_lines as cascade_lines
from helpers.report.plots.grades import perturbation_curves as perturbation_curves
from helpers.report.plots.grades import region_heatmaps as region_heatmaps
from helpers.report.plots.images import as_png as as_png
from helpers.report.plots.images import framed_mosaic as framed_mosaic
from helpers.report.plots.images import image_grid as image_grid
from helpers.report.plots.images import image_rows as image_rows
from helpers.report.plots.images import in_colours as in_colours
from helpers.report.plots.images import mosaic as mosaic
from helpers.report.plots.images import place_name as place_name
from helpers.report.plots.images import prediction_grid as prediction_grid
from helpers.report.plots.intervals import accuracy_intervals as accuracy_intervals
from helpers.report.plots.intervals import paired_differences as paired_differences
from helpers.report.plots.intervals import reliability as reliability
from helpers.report.plots.intervals import run_dots as run_dots
from helpers.report.plots.layers import channel_mosaics as channel_mosaics
from helpers.report.plots.layers import depth_profile as depth_profile
from helpers.report.plots.layers import heatmap_grid as heatmap_grid
from helpers.report.plots.layers import layer_overview as layer_overview
from helpers.report.plots.sheets import draw_borders as draw_borders
from helpers.report.plots.sheets import explanation_sheet as explanation_sheet
from helpers.report.plots.sheets import masked as masked
from helpers.report.plots.sheets import mean_map_sheet as mean_map_sheet
from helpers.report.plots.sheets import region_sheet as region_sheet
from helpers.report.plots.sheets import superpixel_sheet as superpixel_sheet
from helpers.report.plots.sheets import to_own_scale as to_own_scale
from helpers.report.plots.style import COLOURS as COLOURS
from helpers.report.plots.style import MISTAKE as MISTAKE
from helpers.report.plots.style import TEXT_WIDTH as TEXT_WIDTH
from helpers.report.plots.style import missing_characters as missing_characters
from helpers.report.plots.style import new_figure as new_figure
from helpers.report.plots.training import training_curves as training_curves


def draw_again(name: str, given: Sequence[Any], named: Mapping[str, Any]) -> Figure:
    """Draw a figure once more, in the language that is spoken, from what `style.drawn` hung on it."""
    return globals()[name](*given, **named)
