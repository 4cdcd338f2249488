"""Files of rows and columns as tables of text: CSV and its like, JSON, Parquet, lists and MATLAB's arrays."""

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from posixpath import commonpath, dirname, splitext
from typing import TYPE_CHECKING

from helpers.data.containers import Members, decode_text
from helpers.data.labels import words
from helpers.data.sources import Opener, UnreadableError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_MOST_BYTES = 2**28  # of a table
_OF_ONE, _EACH = (".txt", ".cls", ".json", ".xml"), 0.9  # files that may be one an image, and how many have theirs


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
            return _read_cells(text, ending in ("", ".txt", ".lst"))
        rows = json.loads(text if ending == ".json" else f"[{','.join(filter(str.strip, text.splitlines()))}]")
    except (UnreadableError, ValueError, OSError, csv.Error, ArrowException):
        return None
    if isinstance(rows, dict) and {"images", "annotations"} <= rows.keys():
        return _read_coco(rows)
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


def _read_coco(content: dict) -> "pd.DataFrame | None":
    """Read annotations of objects in COCO's form as a table, where those of each image are of one category."""
    with suppress(KeyError, TypeError, AttributeError):
        files = {image["id"]: image["file_name"] for image in content["images"]}
        called = {category["id"]: category["name"] for category in content["categories"]}
        return _of_one_class([(files[a["image_id"]], called[a["category_id"]]) for a in content["annotations"]])
    return None


def _of_one_class(pairs: Iterable[tuple[str, str]]) -> "pd.DataFrame | None":
    """Make a table of images and labels, given once for each object; None where an image has several, or all differ."""
    import pandas as pd

    frame = pd.DataFrame(pairs, columns=["file", "label"], dtype=str).drop_duplicates()
    return frame if frame["file"].is_unique and 2 <= frame["label"].nunique() <= len(frame) / 2 else None


def read_sidecars(members: Members, images: Sequence[str]) -> "dict[str, pd.DataFrame]":
    """Read files of their own for the images, such as 1.txt beside 1.jpg, as a table called "*.txt"."""
    others = sorted(name for name in {*members.files} - {*images} if name.lower().endswith(_OF_ONE))
    by_stem: dict[str, list[str]] = defaultdict(list)
    for image in images if others else ():
        by_stem[splitext(image.rpartition("/")[2])[0]].append(image)
    beside: dict[str, dict[str, str]] = defaultdict(dict)  # ending -> file -> the image that lies nearest
    for name in others:
        stem, ending = splitext(name.rpartition("/")[2])
        if stem in by_stem:
            shared = {len(commonpath([image, name])): image for image in by_stem[stem]}
            beside[ending.lower()][name] = shared[max(shared)]
    frames: dict[str, pd.DataFrame] = {}
    for ending, files in beside.items():
        if len({*files.values()}) >= _EACH * len(images):
            found = ((image, label) for name, image in files.items() for label in _labels_in(members, name, ending))
            if (frame := _of_one_class(found)) is not None:
                frames[f"{commonpath([*map(dirname, files)])}/*{ending}".lstrip("/")] = frame
    return frames


def _labels_in(members: Members, name: str, ending: str) -> list[str]:
    """Read the labels in the file of one image: a line, a fact called so, or those of objects in a usual form."""
    with suppress(UnreadableError, ValueError, OSError), members.files[name]() as file:
        text = decode_text(file.read(_MOST_BYTES)).strip()
        if ending == ".xml":
            return re.findall(r"(?s)<object>.*?<name>\s*([^<]*?)\s*</name>", text)
        if ending == ".json":
            content = json.loads(text)
            facts = content.get("shapes", [content]) if isinstance(content, dict) else [{"label": content}]
            return [str(fact[key]) for fact in facts for key in ("label", "class", "category") if key in fact][:1000]
        lines = text.splitlines()
        objects = [match[1] for line in lines if (match := re.fullmatch(r"(\d+)( -?\d*\.?\d+){4,}\s*", line))]
        return objects if objects else lines[:2]
    return []


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
    marks = [",", "\t", ";", "|"]
    mark = max(marks, key=lambda mark: min(line.count(mark) for line in head))
    if is_list and not all(mark in line for line in head):
        return _read_list([line for line in text.splitlines() if line.strip() and not line.startswith("#")])
    if not head[0].count(mark) and not is_list:
        return None
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=mark) if any(row)]
    width = len(rows[0])
    body = [row[:width] + [""] * (width - len(row)) for row in rows]
    if is_list or any(re.search(r"\.\w{3,4}$|/$", cell) for cell in rows[0]) or len({*rows[0]}) < width:
        return pd.DataFrame(body, columns=[f"column {number}" for number in range(1, width + 1)])
    return _read_facts(pd.DataFrame(body[1:], columns=rows[0]))


def _read_facts(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Give each fact a column of its own where cells hold several, as JSON, as VIA's tables do."""
    import pandas as pd

    for column in [column for column in frame if frame[column].str.fullmatch(r"\{.*\}").all()]:
        with suppress(ValueError):
            facts = _as_text(pd.DataFrame([json.loads(cell) for cell in frame[column]]))
            frame = frame.drop(columns=column).join(facts[[key for key in facts if key not in frame]])
    return frame


def _read_list(lines: list[str]) -> "pd.DataFrame | None":
    """Read a list of cells parted by blanks, of which the last, or else all but the first, are one where they vary.

    CelebA's tell how many rows there are, and then the names of the columns, the images' own left out.
    """
    import pandas as pd

    header: list[str] = []
    if len(lines) > 2 and lines[0].strip() == str(len(lines) - 2):
        _, names, *lines = lines
        header = ["file"] * (len(lines[0].split()) - len(names.split())) + names.split()
    rows = [line.split() for line in lines]
    if len({*map(len, rows)}) > 1:
        part = str.rsplit if all(re.fullmatch(r"\d{1,3}", row[-1]) for row in rows) else str.split
        rows = [[cell.strip() for cell in [*part(line, maxsplit=1), ""][:2]] for line in lines]
    width = len(rows[0]) if rows else 0
    named = header if len(header) == width else [f"column {number}" for number in range(1, width + 1)]
    return pd.DataFrame(rows, columns=named) if rows else None


def read_matlab(openers: Mapping[str, Opener], images: Sequence[str]) -> "dict[str, pd.DataFrame]":
    """Read MATLAB's files, by name, of images' names and what is said of each, as Stanford's cars and dogs come.

    Or of as many labels as images, in the order of their names, and of numbers for each split, as Flowers102 comes.
    https://ai.stanford.edu/~jkrause/cars/car_dataset.html and https://www.robots.ox.ac.uk/~vgg/data/flowers/102/
    """
    import numpy as np
    import pandas as pd

    frames: dict[str, pd.DataFrame] = {}
    arrays: dict[str, tuple[str, np.ndarray]] = {}
    for name, opener in openers.items():
        found = read_rows(opener)
        arrays |= {key: (name, value) for key, value in found.items()}
        for value in [value for value in found.values() if value.dtype.names]:
            found = {key: value[key] for key in value.dtype.names or ()}
        longest = max(map(len, found.values()), default=0)
        columns = {key: [*value] for key, value in found.items() if len(value) == longest > 1}
        if any(map(are_texts, columns.values())):
            frames[name] = _as_text(pd.DataFrame(columns))
    known = (value for key, value in arrays.items() if words.words(key) in (["label"], ["labels"]))
    source, labels = next(known, ("", np.empty(0)))
    if not frames and len(labels) == len(images) > 0:
        frames[source] = pd.DataFrame({"file": sorted(images), "label": labels.astype(str), "split": ""})
        for key, (_, numbers) in arrays.items():
            if (split := words.find_split(key.removesuffix("id"))) and numbers.dtype.kind in "iu":
                frames[source].loc[frames[source].index.isin(numbers.astype(np.int64) - 1), "split"] = split
    return frames


def read_rows(opener: Opener) -> "dict[str, np.ndarray]":
    """Read the arrays in a file of MATLAB's that have but one row; none where it is no such file."""
    from scipy.io import loadmat

    with suppress(Exception), opener() as file:  # its reader answers foreign bytes with errors of any kind
        held = loadmat(file, squeeze_me=True)  # type: ignore[arg-type]  # it takes files as well as paths
        return {key: value for key, value in held.items() if getattr(value, "ndim", 0) == 1}
    return {}


def are_texts(cells: Iterable[object]) -> bool:
    """Tell whether all cells are texts, as names are."""
    return all(isinstance(cell, str) for cell in cells)
