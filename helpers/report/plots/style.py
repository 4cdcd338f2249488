"""How every figure looks: its width, colours, fonts and scales. Importing this sets matplotlib's defaults."""

import pickle
import zlib
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from textwrap import fill
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import seaborn as sns
from cycler import cycler
from matplotlib import font_manager, rcParams, style
from matplotlib.axis import Axis
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import PercentFormatter

from helpers.base import words
from helpers.base.words import Said

TEXT_WIDTH = 6.7  # inches between the margins of the report's page
SMALL = 7.8  # points of the small print, which are 7 where a figure is set at nine tenths of its size
SEQUENTIAL = "magma"
CHANNELS = "viridis"  # of a layer, as keract draws them
DIVERGING = "vlag"
MISTAKE = "#b2182b"  # the colour of what is wrong
COLOURS = sns.color_palette("colorblind", 10).as_hex()

# Chinese as it is written in Taiwan comes with this package; what else is missing is sought on the machine.
SHIPPED_FONT = Path(__file__).parents[1] / "fonts" / "NotoSansCJKtc.ttf"
font_manager.fontManager.addfont(SHIPPED_FONT)
FONTS = ["DejaVu Sans", font_manager.FontProperties(fname=SHIPPED_FONT).get_name()]
style.use([Path(__file__).with_suffix(".mplstyle"), {"font.family": FONTS, "axes.prop_cycle": cycler(color=COLOURS)}])


def say(key: str, **values: Any) -> str:
    """Set what a figure says itself in the language that is spoken."""
    return words.text(f"figures.{key}", **values)


def spoken(given: Any) -> Any:
    """Put what a figure is given into the language that is spoken: parts of sentences, and names, wherever they are."""
    if isinstance(given, str | Said):
        return words.show(given)
    if isinstance(given, Mapping):
        return {spoken(key): spoken(value) for key, value in given.items()}
    if isinstance(given, list | tuple):
        return type(given)(map(spoken, given))
    if isinstance(given, np.ndarray) and given.dtype.kind in "UO":
        return np.array([spoken(item) for item in given.tolist()], dtype=object)
    if isinstance(given, pd.DataFrame):
        texts = given.select_dtypes(["object", "string"]).columns
        return given.assign(**{name: given[name].map(spoken) for name in texts}).rename(index=spoken)
    return given


Draws = TypeVar("Draws", bound=Callable[..., Figure])


def drawn(draw: Draws) -> Draws:
    """Have a figure carry what it was drawn from, so that it can be drawn in another language."""

    @wraps(draw)
    def drawing(*given: Any, **named: Any) -> Figure:
        figure = draw(*map(spoken, given), **{name: spoken(value) for name, value in named.items()})
        if not all(text.get_text().isascii() for text in figure.findobj(Text)):
            figure.draw_without_rendering()  # letters of another height move what is around them once more
        # what hangs on a figure goes with it, and answers need not know this room
        figure.drawing = zlib.compress(pickle.dumps((draw.__name__, given, named), protocol=5), 1)  # type: ignore[attr-defined]
        return figure

    return drawing  # type: ignore[return-value]


def missing_characters(text: str) -> str:
    """Give the characters of a text that figures cannot show; fonts of this machine help out from now on.

    They are sought where the system keeps them, since matplotlib's own list is of the day when it was first made.
    """
    missing = _lacking(text)
    for file in sorted(font_manager.findSystemFonts()) if missing else ():
        if missing and _helps(file, missing):
            font_manager.fontManager.addfont(file)
            FONTS.append(font_manager.FontProperties(fname=file).get_name())
            rcParams["font.family"] = FONTS
            missing = _lacking(text)
    return missing


def _lacking(text: str) -> str:
    fonts = [font_manager.get_font(font_manager.findfont(family)) for family in FONTS]
    visible = (c for c in dict.fromkeys(text) if c.isprintable() and c != " ")
    return "".join(c for c in visible if not any(font.get_char_index(ord(c)) for font in fonts))


def _helps(file: str, missing: str) -> bool:
    """Say whether a font of outlines has one of these characters."""
    try:
        font = font_manager.get_font(file)
    except (OSError, RuntimeError):
        return False
    return bool(font.scalable) and any(font.get_char_index(ord(c)) for c in missing)


def new_figure(height: float, width: float = TEXT_WIDTH) -> Figure:
    """Make an empty figure as wide as the report's text, its height in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def wrap(name: str, letters: int) -> str:
    """Break each line of a name into lines of at most so many letters; underscores count as blanks."""
    return "\n".join(fill(line, letters) for line in name.replace("_", " ").split("\n"))


def shorten(name: str, letters: int) -> str:
    """Leave out the middle of a name of more than so many letters; underscores count as blanks."""
    cut = len(name) > letters
    return (f"{name[: letters // 2]}…{name[-(letters // 2) :]}" if cut else name).replace("_", " ")


def letters_in(inches: float, points: float = SMALL) -> int:
    """Say how many letters of the small print of a figure fit into a width."""
    return max(6, int(inches * 119 / points))


def in_percent(axis: Axis) -> None:
    """Label an axis of shares in per cent."""
    axis.set_major_formatter(PercentFormatter(1, decimals=None))


def thin_bar(bar: Colorbar, labels: list[str] | None = None) -> None:
    """Take the frame and the tick marks off a colour bar, and label its ticks anew if asked."""
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, pad=2)
    if labels:
        bar.ax.set_yticklabels(labels)
