"""What a network is built of."""

from collections.abc import Sequence

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from helpers.report.plots.style import drawn, new_figure


@drawn
def block_diagram(blocks: Sequence[tuple[str, str, str]], columns: int = 6) -> Figure:
    """Draw a network as boxes joined by arrows, read row by row.

    blocks: (kind, label, output) of each box; kind chooses the colour, output is written under the box.
    """
    kinds = list(dict.fromkeys(kind for kind, _, _ in blocks))
    colours = dict(zip(kinds, sns.color_palette("pastel", len(kinds)).as_hex()))
    rows = -(-len(blocks) // columns)
    figure = new_figure(0.95 * rows)
    axes = figure.subplots()
    axes.set(xlim=(-0.05, columns), ylim=(-rows + 0.05, 0.05))
    axes.axis("off")
    for i, (kind, label, output) in enumerate(blocks):
        _draw_block(axes, i % columns, -(i // columns), colours[kind], label, output)
        if i + 1 < len(blocks):
            _join_blocks(axes, i, columns)
    return figure


def _draw_block(axes: Axes, x: float, y: float, colour: str, label: str, output: str) -> None:
    box = FancyBboxPatch(
        (x + 0.03, y - 0.64), 0.76, 0.6, boxstyle="round,pad=0,rounding_size=0.05", fc=colour, ec="0.35", lw=0.6
    )
    axes.add_patch(box)
    axes.text(x + 0.41, y - 0.34, label, ha="center", va="center", fontsize=6.5, linespacing=1.1)
    axes.text(x + 0.41, y - 0.67, output, ha="center", va="top", fontsize=6.2, color="0.35")


def _join_blocks(axes: Axes, i: int, columns: int) -> None:
    arrow = {"arrowstyle": "-|>", "lw": 0.7, "color": "0.35", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7}
    x, y = i % columns, -(i // columns) - 0.34
    if i % columns < columns - 1:
        axes.annotate("", (x + 1.03, y), (x + 0.79, y), arrowprops=arrow)
        return
    # The last box of a row leads to the first of the next, around the edge.
    right, lower = columns - 0.1, y - 0.51
    axes.plot(
        [x + 0.79, right, right, 0.0, 0.0], [y, y, lower, lower, y - 1], color="0.35", lw=0.7, solid_joinstyle="round"
    )
    axes.annotate("", (0.03, y - 1), (0.0, y - 1), arrowprops=arrow)
