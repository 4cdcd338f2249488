"""Tables of raw numbers, with the formats in which a reader sees them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from helpers.base.words import format_value, plain, show

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 40  # of a table that is shown whole, a page
GAP = "\N{HORIZONTAL ELLIPSIS}"  # in each cell of the row that stands for those left out
END_ROWS = 15  # of a longer one, shown at its beginning and at its end; its file holds all


def table_block(name: str, frame: "pd.DataFrame", formats: Mapping[str, str]) -> dict[str, Any]:
    """Make the columns, rows, formats and alignment of a table's block; ValueError on a format without its column."""
    tidy = _columns_only(frame)
    columns = [str(column) for column in tidy.columns]
    if unknown := [column for column in formats if column not in columns]:
        raise ValueError(f"The table {name!r} has no column {unknown[0]!r} to format; it has {', '.join(columns)}.")
    present = tidy.astype(object).where(tidy.notna(), None)
    by_column = [plain(column, present.iloc[:, place].tolist()) for place, column in enumerate(columns)]
    specs = [formats.get(column, _default_format(cells)) for column, cells in zip(columns, by_column, strict=True)]
    numeric = [all(cell is None or _is_number(cell) for cell in cells) for cells in by_column]
    rows = [list(row) for row in zip(*by_column, strict=True)]
    return {"columns": columns, "rows": rows, "formats": specs, "numeric": numeric}


def table_cells(block: Mapping[str, Any]) -> list[list[str]]:
    """Write the cells of a saved answer's table as a reader sees them, row by row; of a long one, both ends.

    Raises ValueError, naming the table, where a format does not fit its column.
    """
    try:
        return _shown([list(map(format_value, row, block["formats"])) for row in block["rows"]], block)
    except (ValueError, TypeError) as error:
        raise ValueError(f"A format of the table {block['name']!r} does not fit its column: {error}.") from None


def table_columns(block: Mapping[str, Any]) -> list[str]:
    """Name the columns of a saved answer's table as a reader sees them."""
    return [show(column) for column in block["columns"]]


def table_values(block: Mapping[str, Any]) -> list[list[Any]]:
    """Give what the cells of `table_cells` show, as raw values."""
    return _shown(block["rows"], block)


def _shown(rows: list[list[Any]], block: Mapping[str, Any]) -> list[list[Any]]:
    if len(rows) <= MOST_ROWS or block.get("head"):
        return rows[: block.get("head")]
    return [*rows[:END_ROWS], [GAP] * len(block["columns"]), *rows[-END_ROWS:]]


def whole_table(block: Mapping[str, Any], most: int) -> Mapping[str, Any]:
    """Give a table's block so that all of at most `most` rows are shown, where a page would show both ends."""
    rows = len(block["rows"])
    if block.get("head") or rows > most:
        return block
    return {**block, "cut": {}, "head": rows}


def cut(block: Mapping[str, Any], head: int) -> dict[str, Any]:
    """Say which rows of a table are shown, where it is longer than a page shows: a part of its block."""
    rows = len(block["rows"])
    if rows <= (head or MOST_ROWS):
        return {}
    values = {"rows_in_all": rows, "end": head or END_ROWS, "file": block["file"]}
    return {"cut": {"how": "head" if head else "cut", "values": values}}


def csv(block: Mapping[str, Any]) -> bytes:
    """Write a table's raw numbers as comma-separated values."""
    import pandas as pd

    frame = pd.DataFrame(block["rows"], columns=block["columns"], dtype=object)
    return frame.to_csv(index=False, lineterminator="\n").encode()


def _columns_only(frame: "pd.DataFrame") -> "pd.DataFrame":
    if list(frame.index) == list(range(len(frame))):
        return frame
    unnamed = frame.index.nlevels == 1 and frame.index.name is None
    return frame.rename_axis("").reset_index() if unnamed else frame.reset_index()


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
