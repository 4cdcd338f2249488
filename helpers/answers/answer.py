"""The answer that a notebook collects, block by block."""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from PIL import Image

from helpers.answers.cells import Execution, running_cell
from helpers.answers.sentences import plain, render_block, text_block
from helpers.answers.shown import Sentence, ShownFigure, ShownTable
from helpers.answers.stored import save_answer
from helpers.answers.tables import CUT, END_ROWS, HEAD, MOST_ROWS, csv, table_block, table_cells

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PNG_DPI = 150
PDF_IMAGE_DPI = 300
MM_PER_INCH = 25.4
COLUMNS = 6  # images beside each other
TILE = 64  # pixels a side, at most, of the images behind a cell

NOTEBOOK_NAME = re.compile(r"\d\d_[a-z0-9_]+")
PART_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
NUMBER_KEY = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")


class Answer:
    """What one notebook answers, collected in memory and written by `save`.

    folder: the run's folder; notebook: its file name without suffix, as in "03_confusion_matrix"; title and
    question: plain text; made_with: further keys of the saved answer, such as its parameters. Raises ValueError on a
    notebook name without its two digits.
    """

    def __init__(
        self, folder: Path, notebook: str, title: str, question: str, made_with: Mapping[str, Any] | None = None
    ) -> None:
        if not NOTEBOOK_NAME.fullmatch(notebook):
            raise ValueError(f"{notebook!r} does not name a notebook; write it as in '03_confusion_matrix'.")
        self.folder, self.notebook, self.title, self.question = Path(folder), notebook, title, question
        self._made_with = dict(made_with or {})
        self._numbers: dict[str, Any] = {}
        self._blocks: list[tuple[dict[str, Any], str | None]] = []  # each with the cell that added it
        self._next = 0  # where the running cell's next block goes
        self._execution: Execution | None = None
        self._files: dict[str, bytes] = {}

    def heading(self, text: str) -> None:
        """Begin a part of the answer with a sub-heading."""
        self._add(text_block("heading", text, {}))

    def say(self, template: str, /, **values: Any) -> Sentence:
        """Add a sentence: a template with named values, never an f-string.

        A sentence with the same values as one already said is not repeated. A notebook's cell that is run again, with
        other values or after a change, first takes back its sentences, headings, figures and tables of the last time.
        Raises ValueError, naming the value, where one is missing, unused or does not fit its format.
        """
        block = text_block("text", template, values)
        self._add(block)
        return Sentence(render_block(block))

    def summary(self, template: str, /, **values: Any) -> Sentence:
        """Add a sentence of the answer to the question as it was asked; as `say`, but set first, as one paragraph."""
        block = text_block("text", template, values) | {"summary": True}
        self._add(block)
        return Sentence(render_block(block))

    def limit(self, template: str, /, **values: Any) -> Sentence:
        """Add a sentence on what the answer does not show; as `say`, and a short answer has it, too."""
        block = text_block("text", template, values) | {"limit": True}
        self._add(block)
        return Sentence(render_block(block))

    def figure(
        self,
        name: str,
        figure: "Figure",
        /,
        caption: str,
        *,
        carries: bool = False,
        cells: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> ShownFigure:
        """Add a figure, as vectors for print and as pixels for the screen.

        carries: whether a short answer shows it; where no figure is said to carry an answer, the first one does.
        cells: of a confusion matrix, what `confusion.cells` gives: its numbers, and the images that a screen opens.
        The caption is a template as in `say`. A figure of the same name takes the earlier one's place, so that a
        cell may be changed and run again. Raises ValueError on a name that cannot be part of a file's name.
        """
        block = text_block("figure", caption, values) | {"name": name} | ({"carries": True} if carries else {})
        stem = self._stem("figures", name)
        width, height = figure.get_size_inches() * MM_PER_INCH
        block |= {
            "file": f"{stem}.pdf",
            "png": f"{stem}.png",
            "width_mm": float(width),
            "height_mm": float(height),
        }
        self._files[block["file"]] = _pdf(figure)
        self._files[block["png"]] = _png(figure)
        if cells:
            sheets = [{**sheet, "png": f"{stem}-{place}.png"} for place, sheet in enumerate(cells["sheets"])]
            self._files |= {sheet["png"]: _sheet(sheet.pop("images")) for sheet in sheets}
            block["cells"] = plain("cells", {**cells, "sheets": sheets})
        self._add(block)
        return ShownFigure(self._files[block["png"]], render_block(block))

    def table(
        self,
        name: str,
        frame: "pd.DataFrame",
        /,
        caption: str,
        formats: Mapping[str, str] | None = None,
        head: int = 0,
        **values: Any,
    ) -> ShownTable:
        """Add a table of raw numbers, with the formats in which a reader sees them.

        formats: format specification by column name, such as {"recall": ".1%"}; an index that does not just
        count the rows becomes the first columns. head: rows that are shown where the file is what is meant for the
        reader, and is named after the table alone. The caption is a template as in `say`; a table of the same name
        takes the earlier one's place. Raises ValueError on a name that cannot be part of a file's name and on a
        format that names no column or does not fit it.
        """
        file = f"tables/{name}.csv" if head else f"{self._stem('tables', name)}.csv"
        if len(frame) > (head or MOST_ROWS):
            caption = f"{caption} {HEAD if head else CUT}"
            values = values | {"rows_in_all": len(frame), "end": head or END_ROWS, "file": file}
        block = text_block("table", caption, values) | {"name": name, **table_block(name, frame, formats or {})}
        block |= {"head": head} if head else {}
        block["file"] = file
        shown = ShownTable(block["columns"], table_cells(block), block["numeric"], render_block(block))
        self._files[block["file"]] = csv(block)
        self._add(block)
        return shown

    def number(self, key: str, value: Any) -> None:
        """State a number, or another JSON value, under a key such as "cnn.test_accuracy".

        Stated again, it takes the earlier value's place. Raises ValueError on what is no key.
        """
        if not NUMBER_KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key of a number; write lower-case words joined by dots.")
        self._numbers[key] = plain(key, value)

    def save(self) -> Path:
        """Write the answer into the run's folder and return the path of its JSON file.

        Everything is first written beside its place, then renamed, the JSON file last: a reader finds the
        whole answer or none. Files of the previous answer that are not in the new one are removed. Raises
        WriteError where the disk refuses; where it is full, the previous answer is still there.
        """
        answer: dict[str, Any] = {"notebook": self.notebook, "title": self.title, "question": self.question}
        answer |= self._made_with
        blocks = sorted((block for block, _ in self._blocks), key=lambda block: "summary" not in block)
        answer |= {"numbers": self._numbers, "blocks": blocks}
        named = {name for block, _ in self._blocks for name in (block.get("file"), block.get("png"))}
        named |= {sheet["png"] for block, _ in self._blocks for sheet in block.get("cells", {}).get("sheets", ())}
        return save_answer(self.folder, answer, {name: data for name, data in self._files.items() if name in named})

    def stop(self, template: str, /, **values: Any) -> NoReturn:
        """End a notebook early, with a sentence that says why; what was answered so far is kept."""
        self.say(template, **values)
        self.save()
        raise SystemExit(0)  # which papermill takes for an end, not for an error

    def _add(self, block: dict[str, Any]) -> None:
        """Add a block, or put it where an earlier one with the same file stands; a sentence already said stays."""
        cell = self._begin_cell()
        known = [earlier.get("file", earlier) for earlier, _ in self._blocks]
        if (key := block.get("file", block)) in known and block["kind"] != "heading":
            self._blocks[known.index(key)] = (block, cell)
        else:
            self._blocks.insert(self._next, (block, cell))
            self._next += 1

    def _begin_cell(self) -> str | None:
        """Name the running cell; where it is run again, first take back what it added, to put the new in its place."""
        execution = running_cell()
        if execution is None:
            self._next = len(self._blocks)
            return None
        if execution != self._execution:
            ours = [place for place, (_, cell) in enumerate(self._blocks) if cell == execution.cell]
            self._next = ours[0] if ours else len(self._blocks)
            self._blocks = [entry for place, entry in enumerate(self._blocks) if place not in ours]
            self._execution = execution
        return execution.cell

    def _stem(self, kind: str, name: str) -> str:
        if not PART_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be part of a file name; use a-z, 0-9, '_' and '-'.")
        return f"{kind}/{self.notebook[:2]}_{name}"


def _pdf(figure: "Figure") -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="pdf", dpi=PDF_IMAGE_DPI, metadata={"CreationDate": None})
    return stream.getvalue()


def _sheet(images: Sequence[np.ndarray]) -> bytes:
    """Put images (H, W, C) uint8 beside and below each other, each at most 64 pixels wide and high, as PNG."""
    tiles = [Image.fromarray(image.squeeze()).convert("RGB") for image in images]
    for tile in tiles:
        tile.thumbnail((TILE, TILE))
    width, height = max(tile.width for tile in tiles) + 2, max(tile.height for tile in tiles) + 2
    columns, rows = min(COLUMNS, len(tiles)), -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (width * columns - 2, height * rows - 2), "white")
    for place, tile in enumerate(tiles):
        sheet.paste(tile, (place % COLUMNS * width, place // COLUMNS * height))
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def _png(figure: "Figure") -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=PNG_DPI)
    return stream.getvalue()
