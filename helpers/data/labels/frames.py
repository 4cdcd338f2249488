"""Files of rows and columns as tables of text: CSV and its like, JSON, Parquet, lists and MATLAB's arrays."""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from helpers.data.containers import decode_text
from helpers.data.labels import words
from helpers.data.sources import Opener, UnreadableError

if TYPE_CHECKING:
    import pandas as pd

_MOST_BYTES = 2**28  # of a table


def read_frame(opener: Opener, name: str) -> "pd.DataFrame | None":
    """Read a table as text, its columns named; None where it is none."""
    import pandas as pd
    from pyarrow import ArrowException

    ending = PurePosixPath(name).suffix.lower()
    try:
        with opener() as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            return None
        if ending == ".parquet":
            return _as_text(pd.read_parquet(io.BytesIO(data)))
        text = decode_text(data)
        if ending not in (".json", ".jsonl", ".ndjson"):
            return _read_cells(text, ending == ".txt")
        rows = json.loads(text if ending == ".json" else f"[{','.join(filter(str.strip, text.splitlines()))}]")
    except (UnreadableError, ValueError, OSError, csv.Error, ArrowException):
        return None
    if isinstance(rows, dict) and all(isinstance(value, str | int) for value in rows.values()):
        rows = [{"file": name, "label": label} for name, label in rows.items()]
    elif isinstance(rows, dict) and all(isinstance(value, dict) for value in rows.values()):
        rows = [{"file": name, **facts} for name, facts in rows.items()]
    elif isinstance(rows, dict) and all(isinstance(value, list) for value in rows.values()):
        splits = {key: found for key, found in rows.items() if words.find_split(key)}
        column = "split" if splits else "label"  # what the lists are of
        of_lists = [(key, row) for key, found in (splits or rows).items() for row in found]
        rows = [{column: key, **(row if isinstance(row, dict) else {"file": row})} for key, row in of_lists]
    flat = isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows)
    return _as_text(pd.DataFrame(rows)) if flat else None


def _as_text(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Spell all cells as text: empty where nothing is, whole numbers without a point."""

    def spell(cell: object) -> str:
        if isinstance(cell, float):
            return "" if cell != cell else str(int(cell)) if cell.is_integer() else str(cell)
        return "" if cell is None or str(cell) == "<NA>" else str(cell)

    return frame.rename(columns=str).map(spell)


def _read_cells(text: str, is_list: bool) -> "pd.DataFrame | None":
    """Read a table of cells parted by what parts most; lists (.txt) may be parted by blanks, and have no header."""
    import pandas as pd

    text = re.sub(r"\Asep=.\s+", "", text)  # by which a table tells Excel its mark
    head = [line for line in text[:20_000].splitlines() if line.strip()][:20]
    if not head or max(map(len, head)) > 5_000:
        return None
    marks = [",", "\t", ";", "|", *([" "] if is_list else [])]
    mark = max(marks, key=lambda mark: min(line.count(mark) for line in head))
    if not head[0].count(mark) and not is_list:
        return None
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=mark) if any(row)]
    width = len(rows[0])
    body = [row[:width] + [""] * (width - len(row)) for row in rows]
    if is_list or any(re.search(r"\.\w{3,4}$", cell) for cell in rows[0]) or len({*rows[0]}) < width:
        return pd.DataFrame(body, columns=[f"column {number}" for number in range(1, width + 1)])
    return pd.DataFrame(body[1:], columns=rows[0])


def read_matlab(openers: Iterable[Opener], images: Sequence[str]) -> "pd.DataFrame | None":
    """Read MATLAB's files of as many labels as images, in the order of their names, and of numbers for each split.

    Flowers102 comes so (https://www.robots.ox.ac.uk/~vgg/data/flowers/102/). None where there are no such labels.
    """
    import numpy as np
    import pandas as pd
    from scipy.io import loadmat

    arrays: dict[str, np.ndarray] = {}
    for opener in openers:
        with suppress(Exception), opener() as file:  # its reader answers foreign bytes with errors of any kind
            held = loadmat(file)  # type: ignore[arg-type]  # it takes files as well as paths
            arrays |= {key: value.ravel() for key, value in held.items() if isinstance(value, np.ndarray)}
    labels = next((v for k, v in arrays.items() if words.words(k) in (["label"], ["labels"])), np.empty(0))
    if len(labels) != len(images):
        return None
    frame = pd.DataFrame({"file": sorted(images), "label": labels.astype(str), "split": ""})
    for key, numbers in arrays.items():
        if (split := words.find_split(key.removesuffix("id"))) and numbers.dtype.kind in "iu":
            frame.loc[frame.index.isin(numbers.astype(np.int64) - 1), "split"] = split
    return frame
