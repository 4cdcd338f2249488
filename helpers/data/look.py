"""Say how a data set is read, before anything is trained on it: `make look`.

Prints the plan, and writes a contact sheet, a row of images for each class, to look at.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from helpers.base.files import reports_folder, write_atomically
from helpers.base.legal import near
from helpers.base.notebook import UsageError
from helpers.base.words import PLAIN, languages, show, use
from helpers.data.datasets import look
from helpers.data.sources import PREVIEWED, Record

_ROWS = 60  # classes that a sheet shows
_CELL, _GAP, _LABEL = 64, 4, 160  # pixels


def write_sheet(path: Path, class_names: Sequence[str], records: Iterable[Record]) -> None:
    """Write a contact sheet: a row for each of the first classes, with its name and some of its images.

    Reads records only until every row is full, or there are no more. Raises WriteError where the disk refuses.
    """
    rows = _collect(records, min(len(class_names), _ROWS))
    step = _CELL + _GAP
    sheet = Image.new("RGB", (_LABEL + PREVIEWED * step, len(rows) * step + _GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for row, images in enumerate(rows):
        top = _GAP + row * step
        draw.text((_GAP, top + _CELL // 2), class_names[row][:20], "black", font, anchor="lm")
        for place, pixels in enumerate(images):
            image = Image.fromarray(pixels.squeeze()).convert("RGB").resize((_CELL, _CELL), Image.Resampling.NEAREST)
            sheet.paste(image, (_LABEL + place * step, top))
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    write_atomically(path, stream.getvalue())


def _collect(records: Iterable[Record], count: int) -> list[list[np.ndarray]]:
    rows: list[list[np.ndarray]] = [[] for _ in range(count)]
    for record in records:
        if not isinstance(record.pixels, str) and record.label < count and len(rows[record.label]) < PREVIEWED:
            rows[record.label].append(record.pixels)
            if all(len(images) == PREVIEWED for images in rows):
                break
    return rows


def look_at(dataset: str = "faces", image_size: int = 0, language: str = PLAIN) -> None:
    """Print how a data set is read, in the languages that are named, and draw some images of each class.

    Raises DatasetError where the data are refused, and WriteError where the disk refuses.
    """
    spoken = language.split()
    if unknown := {*spoken} - {*languages()}:
        raise UsageError(f"There is no LANGUAGE={min(unknown)}; {near(min(unknown), languages())}")
    name, reading, records = look(dataset, image_size=image_size or None)
    for each in spoken:
        with use(each):
            print("\n".join(map(show, reading.sentences())), flush=True)
    sheet = reports_folder() / f"{name}.look.png"
    write_sheet(sheet, reading.class_names, records)
    print(f"{sheet} shows some images of each class.")
