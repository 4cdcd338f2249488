"""One notebook's answer: its sentences, figures, tables and numbers, saved at once or not at all.

A sentence is a template and the raw values that it names, so that it can be set again, in a report or in
another language, without running the notebook. `render` is the one function that joins the two.
"""

import base64
import hashlib
import html
import io
import json
import math
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.base.files import draft_path, writing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PNG_DPI = 150
PDF_IMAGE_DPI = 300
MISSING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
MM_PER_INCH = 25.4

ANSWER_KEYS = {"notebook", "title", "question", "numbers", "blocks", "files"}
NOTEBOOK_NAME = re.compile(r"\d\d_[a-z0-9_]+")
PART_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
NUMBER_KEY = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
MARKDOWN_SPECIALS = re.compile(r"([\\`*_\[\]#$|~])")


class AnswerError(ValueError):
    """A saved answer is missing, or its files are not those that were saved with it."""


def render(template: str, values: Mapping[str, Any]) -> str:
    """Set a template's values into it.

    template: text with {name} or {name:format}; values: JSON values by name, as `Answer` stores them.
    Raises ValueError, naming the value, where one is missing, unused or does not fit its format.
    """
    parts = list(_parse(template))
    _check_values(template, {name for _, name, _ in parts if name is not None}, set(values))
    return "".join(text + _set_value(template, name, spec, values) for text, name, spec in parts)


def _parse(template: str) -> Iterator[tuple[str, str | None, str]]:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"The template {template!r} has an unpaired brace ({error}); write {{{{ for {{.") from None
    for text, name, spec, conversion in parts:
        if name == "" or conversion or "{" in (spec or ""):
            raise ValueError(f"The template {template!r} may hold only {{name}} and {{name:format}}.")
        yield text, name, spec or ""


def _check_values(template: str, wanted: set[str], given: set[str]) -> None:
    for name in sorted(wanted - given):
        raise ValueError(f"The template {template!r} names the value {name!r}, which was not given.")
    for name in sorted(given - wanted):
        raise ValueError(f"The value {name!r} is not used by the template {template!r}; name it or leave it out.")


def _set_value(template: str, name: str | None, spec: str, values: Mapping[str, Any]) -> str:
    if name is None:
        return ""
    try:
        return format_value(values[name], spec)
    except (ValueError, TypeError):
        raise ValueError(
            f"The value {name!r} is {values[name]!r}, which the format {spec!r} in the template {template!r} "
            "does not fit."
        ) from None


def format_value(value: Any, spec: str = "") -> str:
    """Write one JSON value as a reader sees it.

    None gives a dash; True and False give yes and no; a list gives its items, joined as in a sentence;
    numbers get a true minus sign. Raises ValueError or TypeError where the format does not fit the value.
    """
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return _join([format_value(item, spec) for item in value])
    text = format(value, spec)
    return text if isinstance(value, str) else text.replace("-", MINUS)


def _join(items: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


@dataclass(frozen=True)
class Sentence:
    """A sentence as the notebook shows it: its characters are text, never markup."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return MARKDOWN_SPECIALS.sub(r"\\\1", html.escape(self.text, quote=False))


@dataclass(frozen=True)
class ShownFigure:
    """A figure as the notebook shows it: the PNG and, below it, the caption."""

    png: bytes
    caption: str

    def __repr__(self) -> str:
        return f"[figure] {self.caption}"

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode("ascii")
        caption = html.escape(self.caption)
        return (
            f'<figure><img src="data:image/png;base64,{data}" alt="{caption}" style="max-width: 100%">'
            f"<figcaption>{caption}</figcaption></figure>"
        )


@dataclass(frozen=True)
class ShownTable:
    """A table as the notebook shows it: formatted cells, numbers to the right, the caption above."""

    columns: list[str]
    cells: list[list[str]]
    numeric: list[bool]
    caption: str

    def __repr__(self) -> str:
        return "\n".join([f"[table] {self.caption}", *("\t".join(row) for row in [self.columns, *self.cells])])

    def _repr_html_(self) -> str:
        head = self._row("th", self.columns)
        body = "".join(self._row("td", row) for row in self.cells)
        caption = f'<caption style="text-align: left">{html.escape(self.caption)}</caption>'
        table = f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>"
        return f'<div style="max-height: 36em; overflow: auto">{table}</div>'

    def _row(self, tag: str, cells: list[str]) -> str:
        cells = [self._cell(tag, *cell) for cell in zip(cells, self.numeric, strict=True)]
        return f"<tr>{''.join(cells)}</tr>"

    @staticmethod
    def _cell(tag: str, text: str, numeric: bool) -> str:
        side = "right" if numeric else "left"
        return f'<{tag} style="text-align: {side}">{html.escape(text)}</{tag}>'


class Answer:
    """What one notebook answers, collected in memory and written by `save`.

    folder: the run's folder; notebook: its file name without suffix, as in "03_confusion_matrix"; title and
    question: plain text. Raises ValueError on a notebook name without its two digits.
    """

    def __init__(self, folder: Path, notebook: str, title: str, question: str) -> None:
        if not NOTEBOOK_NAME.fullmatch(notebook):
            raise ValueError(f"{notebook!r} does not name a notebook; write it as in '03_confusion_matrix'.")
        self.folder, self.notebook, self.title, self.question = Path(folder), notebook, title, question
        self._numbers: dict[str, Any] = {}
        self._blocks: list[dict[str, Any]] = []
        self._files: dict[str, bytes] = {}

    def heading(self, text: str) -> None:
        """Begin a part of the answer with a sub-heading."""
        self._blocks.append(_text_block("heading", text, {}))

    def say(self, template: str, /, **values: Any) -> Sentence:
        """Add a sentence: a template with named values, never an f-string.

        A sentence with the same values as one already said is not repeated, so that a cell may be run again.
        Raises ValueError, naming the value, where one is missing, unused or does not fit its format.
        """
        block = _text_block("text", template, values)
        if block not in self._blocks:
            self._blocks.append(block)
        return Sentence(render_block(block))

    def figure(self, name: str, figure: "Figure", /, caption: str, **values: Any) -> ShownFigure:
        """Add a figure, as vectors for print and as pixels for the screen.

        The caption is a template as in `say`. A figure of the same name takes the earlier one's place, so that a
        cell may be changed and run again. Raises ValueError on a name that cannot be part of a file's name.
        """
        block = _text_block("figure", caption, values) | {"name": name}
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
        self._place(block)
        return ShownFigure(self._files[block["png"]], render_block(block))

    def table(
        self,
        name: str,
        frame: "pd.DataFrame",
        /,
        caption: str,
        formats: Mapping[str, str] | None = None,
        **values: Any,
    ) -> ShownTable:
        """Add a table of raw numbers, with the formats in which a reader sees them.

        formats: format specification by column name, such as {"recall": ".1%"}; an index that does not just
        count the rows becomes the first columns. The caption is a template as in `say`; a table of the same name
        takes the earlier one's place. Raises ValueError on a name that cannot be part of a file's name and on a
        format that names no column or does not fit it.
        """
        block = _text_block("table", caption, values) | {"name": name, **_table(name, frame, formats or {})}
        block["file"] = f"{self._stem('tables', name)}.csv"
        shown = ShownTable(block["columns"], table_cells(block), block["numeric"], render_block(block))
        self._files[block["file"]] = _csv(block)
        self._place(block)
        return shown

    def number(self, key: str, value: Any) -> None:
        """State a number, or another JSON value, under a key such as "cnn.test_accuracy".

        Stated again, it takes the earlier value's place. Raises ValueError on what is no key.
        """
        if not NUMBER_KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key of a number; write lower-case words joined by dots.")
        self._numbers[key] = _plain(key, value)

    def save(self) -> Path:
        """Write the answer into the run's folder and return the path of its JSON file.

        Everything is first written beside its place, then renamed, the JSON file last: a reader finds the
        whole answer or none. Files of the previous answer that are not in the new one are removed. Raises
        WriteError where the disk refuses; where it is full, the previous answer is still there.
        """
        path = answer_path(self.folder, self.notebook)
        files = self._files | {str(path.relative_to(self.folder)): self._json()}
        staging = draft_path(self.folder / self.notebook)
        try:
            with writing(path):
                _write(staging, files)
                leftover = _saved_files(path) - set(self._files)
                _rename(staging, self.folder, files)
                _remove(self.folder, leftover)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return path

    def _place(self, block: dict[str, Any]) -> None:
        """Add a figure or table, or put it where an earlier one of the same file stands."""
        for i, earlier in enumerate(self._blocks):
            if earlier.get("file") == block["file"]:
                self._blocks[i] = block
                return
        self._blocks.append(block)

    def _stem(self, kind: str, name: str) -> str:
        if not PART_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be part of a file name; use a-z, 0-9, '_' and '-'.")
        return f"{kind}/{self.notebook[:2]}_{name}"

    def _json(self) -> bytes:
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in self._files.items()}
        content = {"notebook": self.notebook, "title": self.title, "question": self.question}
        content |= {"numbers": self._numbers, "blocks": self._blocks, "files": hashes}
        return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False).encode()


def answer_path(folder: Path, notebook: str) -> Path:
    """Say where a notebook's answer lies in a run's folder."""
    return Path(folder) / "answers" / f"{notebook}.json"


def load_answer(folder: Path, notebook: str) -> dict[str, Any]:
    """Read a notebook's saved answer: notebook, title, question, numbers, blocks and files.

    Raises AnswerError where there is none, where it cannot be read, and where a file of it is missing or is
    not the one that was saved with it.
    """
    answer = _read(answer_path(folder, notebook), notebook)
    for name, expected in answer["files"].items():
        file = Path(folder) / name
        if not file.is_file():
            raise AnswerError(f"The answer of {notebook} lacks its file {file}; run the notebook again.")
        if hashlib.sha256(file.read_bytes()).hexdigest() != expected:
            raise AnswerError(f"{file} is not the file that {notebook} saved; run the notebook again.")
    return answer


def render_block(block: Mapping[str, Any]) -> str:
    """Set the sentence, heading or caption of one block of a saved answer."""
    return render(block["template"], block["values"])


def table_cells(block: Mapping[str, Any]) -> list[list[str]]:
    """Write the cells of a saved answer's table as a reader sees them, row by row.

    Raises ValueError, naming the table, where a format does not fit its column.
    """
    try:
        return [list(map(format_value, row, block["formats"])) for row in block["rows"]]
    except (ValueError, TypeError) as error:
        raise ValueError(f"A format of the table {block['name']!r} does not fit its column: {error}.") from None


def _read(path: Path, notebook: str) -> dict[str, Any]:
    try:
        answer = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise AnswerError(f"{notebook} has no saved answer in {path.parent}; run the notebook to its end.") from None
    except ValueError:
        raise AnswerError(f"{path} cannot be read; run the notebook {notebook} again.") from None
    if not isinstance(answer, dict) or not answer.keys() >= ANSWER_KEYS:
        raise AnswerError(f"{path} is not an answer; run the notebook {notebook} again.")
    return answer


def _saved_files(path: Path) -> set[str]:
    try:
        return set(_read(path, path.stem)["files"])
    except AnswerError:
        return set()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _remove(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def _rename(source: Path, target: Path, names: Iterable[str]) -> None:
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).replace(target / name)


def _text_block(kind: str, template: str, values: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: _plain(name, value) for name, value in values.items()}
    render(template, plain)
    return {"kind": kind, "template": template, "values": plain}


def _plain(name: str, value: Any) -> Any:
    """Turn numpy's scalars and arrays into JSON values; not-a-number becomes None, shown as a dash."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(f"{name}.{key}", item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(name, item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and math.isinf(value):
        raise ValueError(f"The value {name!r} is infinite; give a finite number, or None for no number.")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(f"The value {name!r} is a {type(value).__name__}; give a number, a text or a list of these.")


def _table(name: str, frame: "pd.DataFrame", formats: Mapping[str, str]) -> dict[str, Any]:
    tidy = _columns_only(frame)
    columns = [str(column) for column in tidy.columns]
    _check_formats(name, columns, formats)
    present = tidy.astype(object).where(tidy.notna(), None)
    by_column = [_plain(column, present.iloc[:, place].tolist()) for place, column in enumerate(columns)]
    specs = [formats.get(column, _default_format(cells)) for column, cells in zip(columns, by_column, strict=True)]
    numeric = [all(cell is None or _is_number(cell) for cell in cells) for cells in by_column]
    rows = [list(row) for row in zip(*by_column, strict=True)]
    return {"columns": columns, "rows": rows, "formats": specs, "numeric": numeric}


def _columns_only(frame: "pd.DataFrame") -> "pd.DataFrame":
    if list(frame.index) == list(range(len(frame))):
        return frame
    unnamed = frame.index.nlevels == 1 and frame.index.name is None
    return frame.rename_axis("").reset_index() if unnamed else frame.reset_index()


def _check_formats(name: str, columns: list[str], formats: Mapping[str, str]) -> None:
    for column in formats:
        if column not in columns:
            raise ValueError(f"The table {name!r} has no column {column!r} to format; it has {', '.join(columns)}.")


def _is_number(cell: Any) -> bool:
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def _default_format(cells: list[Any]) -> str:
    """Choose thousands separators for whole numbers, else three decimals, or digits where these show zero."""
    numbers = [cell for cell in cells if cell is not None]
    if not numbers or not all(map(_is_number, numbers)):
        return ""
    if all(isinstance(cell, int) for cell in numbers):
        return ","
    return ".3g" if any(0 < abs(cell) < 0.001 for cell in numbers) else ",.3f"


def _csv(block: Mapping[str, Any]) -> bytes:
    import pandas as pd

    frame = pd.DataFrame(block["rows"], columns=block["columns"], dtype=object)
    return frame.to_csv(index=False, lineterminator="\n").encode()


def _pdf(figure: "Figure") -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="pdf", dpi=PDF_IMAGE_DPI, metadata={"CreationDate": None})
    return stream.getvalue()


def _png(figure: "Figure") -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=PNG_DPI)
    return stream.getvalue()
