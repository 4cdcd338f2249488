"""The one widget of our own: a picture of which one cell can be picked, by mouse or by keys."""

from pathlib import Path
from typing import Any

import anywidget
import traitlets


class Tiles(anywidget.AnyWidget):
    """A picture in rows and columns.

    value: PNG; label: what it shows; rows, columns: of cells; inset: shares of the
    picture left, above, right and below them; names: what each cell is, row by row, which is also read aloud; cursor:
    the cell that is framed; width: in pixels of the page; picked: row, column, and kind of what happened: "pick" (by
    click or Enter), "move" (of the cursor, by an arrow key) or "step" (by an arrow key beyond the border, of which row
    and column are the direction).
    """

    _esm = Path(__file__).with_name("tiles.js")
    _css = Path(__file__).with_name("tiles.css")
    value = traitlets.Bytes(b"").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    rows = traitlets.Int(1).tag(sync=True)
    columns = traitlets.Int(1).tag(sync=True)
    inset = traitlets.List(traitlets.Float(), [0.0, 0.0, 0.0, 0.0]).tag(sync=True)
    cursor = traitlets.List(traitlets.Int(), [0, 0]).tag(sync=True)
    width = traitlets.Int(384).tag(sync=True)
    picked: Any = traitlets.Dict().tag(sync=True)
