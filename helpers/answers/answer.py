"""The answer that a notebook collects, block by block."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from helpers.answers.blocks import render_block, text_block
from helpers.answers.pictures import as_pdf, as_png, as_sheet
from helpers.answers.shown import Sentence, ShownFigure, ShownTable
from helpers.answers.stored import save_answer
from helpers.answers.tables import csv, cut, table_block, table_cells, table_columns
from helpers.base.words import Said, plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MM_PER_INCH = 25.4

NOTEBOOK_NAME = re.compile(r"\d\d_[a-z0-9_]+")
PART_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
PART_KEY = re.compile(r"[a-z][a-z0-9_]*")
NUMBER_KEY = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")


class Answer:
    """What one notebook answers, collected in memory and written by `save`.

    folder: the run's folder; notebook: its file name without suffix, as in "03_confusion_matrix"; title and
    question: plain text, or nothing where the notebook's words have them; made_with: further keys of the saved answer,
    such as its parameters. Raises ValueError on a notebook name without its two digits.

    What is said is named by its key in the notebook's words, such as "regions" for 03_confusion_matrix.regions in
    `helpers/report/words`; by a whole key, such as "shared.trust"; or it is a template itself, with blanks in it.
    """

    def __init__(
        self,
        folder: Path,
        notebook: str,
        title: str = "",
        question: str = "",
        made_with: Mapping[str, Any] | None = None,
    ) -> None:
        if not NOTEBOOK_NAME.fullmatch(notebook):
            raise ValueError(f"{notebook!r} does not name a notebook; write it as in '03_confusion_matrix'.")
        self.folder, self.notebook = Path(folder), notebook
        self.title, self.question = title or f"{notebook}.title", question or f"{notebook}.question"
        self._made_with = dict(made_with or {})
        self._numbers: dict[str, Any] = {}
        self._blocks: list[tuple[dict[str, Any], str | None]] = []  # each with the cell that added it
        self._next = 0  # where the running cell's next block goes
        self._execution: tuple[str, int] | None = None
        self._files: dict[str, bytes] = {}

    def heading(self, key: str) -> None:
        """Begin a part of the answer with a sub-heading."""
        self._add(text_block("heading", self._said(key, {})))

    def say(self, key: str | Said, /, **values: Any) -> Sentence:
        """Add a sentence by its key and the values that it names.

        A sentence with the same values as one already said is not repeated. A notebook's cell that is run again, with
        other values or after a change, first takes back its sentences, headings, figures and tables of the last time.
        Raises ValueError, naming the value, where one is missing, unused or does not fit its format.
        """
        return self._sentence(key, values, {})

    def summary(self, key: str | Said, /, **values: Any) -> Sentence:
        """Add a sentence of the answer to the question as it was asked; as `say`, but set first, as one paragraph."""
        return self._sentence(key, values, {"summary": True})

    def limit(self, key: str | Said, /, **values: Any) -> Sentence:
        """Add a sentence on what the answer does not show; as `say`, and a short answer has it, too."""
        return self._sentence(key, values, {"limit": True})

    def _sentence(self, key: str | Said, values: Mapping[str, Any], marks: Mapping[str, Any]) -> Sentence:
        block = text_block("text", self._said(key, values)) | {**marks}
        self._add(block)
        return Sentence(render_block(block))

    def figure(
        self,
        name: str,
        figure: "Figure",
        /,
        caption: str | Said = "",
        *,
        carries: bool = False,
        cells: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> ShownFigure:
        """Add a figure, as vectors for print and as pixels for the screen.

        carries: whether a short answer shows it; where no figure is said to carry an answer, the first one does.
        cells: of a confusion matrix, what `confusion.cells` gives: its numbers, and the images that a screen opens.
        The caption is what `say` would say, by default under the figure's name. A figure of the same name takes the
        earlier one's place, so that a cell may be changed and run again. What `plots` drew is saved with what it was
        drawn from, so that it can be drawn in another language. Raises ValueError on a name that cannot be part of a
        file's name.
        """
        block = text_block("figure", self._said(caption or name, values)) | {"name": name}
        block |= {"carries": True} if carries else {}
        stem = self._stem("figures", name)
        width, height = figure.get_size_inches() * MM_PER_INCH
        block |= {"file": f"{stem}.pdf", "png": f"{stem}.png", "width_mm": float(width), "height_mm": float(height)}
        self._files[block["png"]] = as_png(figure)  # which lays it out
        self._files[block["file"]] = as_pdf(figure)
        if drawing := getattr(figure, "drawing", b""):
            block["drawing"] = f"{stem}.drawing"
            self._files[block["drawing"]] = drawing
        if cells:
            sheets = [{**sheet, "png": f"{stem}-{place}.png"} for place, sheet in enumerate(cells["sheets"])]
            self._files |= {sheet["png"]: as_sheet(sheet.pop("images")) for sheet in sheets}
            block["cells"] = plain("cells", {**cells, "sheets": sheets})
        self._add(block)
        return ShownFigure(self._files[block["png"]], render_block(block))

    def table(
        self,
        name: str,
        frame: "pd.DataFrame",
        /,
        caption: str | Said = "",
        formats: Mapping[str, str] | None = None,
        head: int = 0,
        **values: Any,
    ) -> ShownTable:
        """Add a table of raw numbers, with the formats in which a reader sees them.

        formats: format specification by column name, such as {"recall": ".1%"}; an index that does not just
        count the rows becomes the first columns. head: rows that are shown where the file is what is meant for the
        reader, and is named after the table alone. The caption is as in `figure`; a table of the same name takes the
        earlier one's place. Raises ValueError on a name that cannot be part of a file's name and on a
        format that names no column or does not fit it.
        """
        file = f"tables/{name}.csv" if head else f"{self._stem('tables', name)}.csv"
        block = text_block("table", self._said(caption or name, values))
        block |= {"name": name, **table_block(name, frame, formats or {}), "file": file}
        block |= ({"head": head} if head else {}) | cut(block, head)
        shown = ShownTable(table_columns(block), table_cells(block), block["numeric"], render_block(block))
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

        What is wrong with a network comes first, then the summary, wherever in the notebook they were said.
        Everything is first written beside its place, then renamed, the JSON file last: a reader finds the
        whole answer or none. Files of the previous answer that are not in the new one are removed. Raises
        WriteError where the disk refuses; where it is full, the previous answer is still there.
        """
        answer: dict[str, Any] = {"notebook": self.notebook, "title": self.title, "question": self.question}
        answer |= self._made_with
        blocks = sorted((block for block, _ in self._blocks), key=_place)
        answer |= {"numbers": self._numbers, "blocks": blocks}
        named = {block.get(form) for block, _ in self._blocks for form in ("file", "png", "drawing")}
        named |= {sheet["png"] for block, _ in self._blocks for sheet in block.get("cells", {}).get("sheets", ())}
        return save_answer(self.folder, answer, {name: data for name, data in self._files.items() if name in named})

    def stop(self, key: str | Said, /, **values: Any) -> NoReturn:
        """End a notebook early, with a sentence that says why; what was answered so far is kept."""
        self.summary(key, **values)
        self.save()
        raise SystemExit(0)  # which papermill takes for an end, not for an error

    def _said(self, key: str | Said, values: Mapping[str, Any]) -> Said:
        if isinstance(key, Said):
            return key
        return Said(f"{self.notebook}.{key}" if PART_KEY.fullmatch(key) else key, values)

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
            ours = [place for place, (_, cell) in enumerate(self._blocks) if cell == execution[0]]
            self._next = ours[0] if ours else len(self._blocks)
            self._blocks = [entry for place, entry in enumerate(self._blocks) if place not in ours]
            self._execution = execution
        return execution[0]

    def _stem(self, kind: str, name: str) -> str:
        if not PART_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be part of a file name; use a-z, 0-9, '_' and '-'.")
        return f"{kind}/{self.notebook[:2]}_{name}"


def _place(block: Mapping[str, Any]) -> int:
    return 2 if "summary" not in block else 0 if block["key"].startswith("faults.") else 1


def running_cell() -> tuple[str, int] | None:
    """Name the cell that is running, and count its executions as IPython does; None outside a notebook.

    JupyterLab and VS Code send an identity with each cell, which stays when its text is changed. Elsewhere, as in
    papermill, the cell is known by its text.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return None
    message = shell.get_parent() if hasattr(shell, "get_parent") else {}
    text = shell.user_ns.get("In", [""])[-1]
    return str(message.get("metadata", {}).get("cellId") or text), shell.execution_count
