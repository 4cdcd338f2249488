"""Say how a data set is read, before anything is trained on it: `make look`.

Prints the plan, and writes a contact sheet, a row of images for each class, to look at.
"""

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from helpers.base.files import reports_folder, write_atomically
from helpers.base.legal import near
from helpers.base.notebook import UsageError
from helpers.base.words import PLAIN, languages, show, use
from helpers.data.datasets import look
from helpers.data.sources import PREVIEWED, Record

_ROWS = 60  # classes that a sheet shows
_CELL, _GAP, _LABEL = 64, 4, 160  # pixels
_SCALING = Image.Resampling.NEAREST


def write_sheet(path: Path, class_names: Sequence[str], records: Iterable[Record]) -> None:
    """Write a contact sheet: a row for each of the first classes, with its name and some of its images.

    Reads records only until every row is full, or there are no more. Raises WriteError where the disk refuses.
    """
    rows, step, shown = min(len(class_names), _ROWS), _CELL + _GAP, Counter[int]()
    sheet = Image.new("RGB", (_LABEL + PREVIEWED * step, rows * step + _GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for row, name in enumerate(class_names[:rows]):
        draw.text((_GAP, _GAP + row * step + _CELL // 2), name[:20], "black", font, anchor="lm")
    for record in records:
        row, place = record.label, shown[record.label]
        if not isinstance(record.pixels, str) and row < rows and place < PREVIEWED:
            image = Image.fromarray(record.pixels.squeeze()).convert("RGB").resize((_CELL, _CELL), _SCALING)
            sheet.paste(image, (_LABEL + place * step, _GAP + row * step))
            shown[row] += 1
            if shown.total() == rows * PREVIEWED:
                break
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    write_atomically(path, stream.getvalue())


def look_at(dataset: str = "faces", image_size: int = 0, language: str = PLAIN) -> None:
    """Print how a data set is read, in the languages that are named, and draw some images of each class.

    Raises DatasetError where the data are refused, and WriteError where the disk refuses.
    """
    spoken = language.split()
    if unknown := {*spoken} - {*languages()}:
        raise UsageError(f"There is no LANGUAGE={min(unknown)}; {near(min(unknown), languages())}")
    name, reading, records = look(dataset, image_size=image_size or None)
    sheet = reports_folder() / f"{name}.look.png"
    write_sheet(sheet, reading.class_names, records)  # which refuses images that cannot be read
    for each in spoken:
        with use(each):
            print("\n".join(map(show, reading.sentences())), flush=True)
    print(f"{sheet} shows some images of each class.")
