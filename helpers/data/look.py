"""Say how a data set is read, before anything is trained on it: `python -m helpers.data.look PATH` or `make look`.

Prints the plan, and writes a contact sheet, a row of images for each class, to look at.
"""

import argparse
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from helpers.base.files import ROOT, WriteError, write_atomically
from helpers.base.words import PLAIN, languages, show, use
from helpers.data.datasets import look
from helpers.data.sources import PREVIEWED, DatasetError, Record

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


def main(words: list[str] | None = None) -> int:
    """Run the command line; 0 where the data can be read, 2 where they are refused."""
    parser = argparse.ArgumentParser(prog="python -m helpers.data.look", description="Say how a data set is read.")
    parser.add_argument("path", nargs="?", default="", help="the same as --dataset")
    parser.add_argument("--dataset", default="faces", help="faces, fer2013, food11, or a path")
    parser.add_argument("--image-size", default=0, type=int, help="pixels a side of the images; 0 for the default")
    parser.add_argument("--reports", default=ROOT / "reports", type=Path, help="folder of the run folders")
    parser.add_argument("--language", default=PLAIN, help=f"of what is printed: {', '.join(languages())}")
    arguments = parser.parse_args(words)
    spoken = arguments.language.split() or [PLAIN]
    if unknown := {*spoken} - {*languages()}:
        parser.error(f"there is no LANGUAGE={min(unknown)}; choose of {', '.join(languages())}")
    try:
        name, reading, records = look(arguments.path or arguments.dataset, image_size=arguments.image_size or None)
        for language in spoken:
            with use(language):
                print("\n".join(map(show, reading.sentences())), flush=True)
        sheet = arguments.reports.resolve() / f"{name}.look.png"
        write_sheet(sheet, reading.class_names, records)
    except (DatasetError, WriteError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{sheet} shows some images of each class.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
