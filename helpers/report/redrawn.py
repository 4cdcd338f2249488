"""Figures in another language than the one in which notebooks drew them: drawn again from what was saved with them."""

import pickle
import zlib
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from helpers.answers import as_pdf, as_png
from helpers.base import words
from helpers.base.code import code_digest
from helpers.base.files import write_atomically


def redraw_figures(folder: Path, answers: Sequence[dict[str, Any]]) -> None:
    """Draw the figures of answers in the language that is spoken, and have the answers name them; once for each.

    folder: the run's. A figure that `plots` did not draw stays as it is.
    """
    for answer in answers:
        for block in answer["blocks"]:
            if "drawing" in block:
                block |= _redraw(folder, block)


def _redraw(folder: Path, block: dict[str, Any]) -> dict[str, Any]:
    """Draw one figure unless its files are there already; they are named by all that they are made from."""
    from helpers.report import plots  # takes a moment to import, and a report in one language does without it

    drawing = (folder / block["drawing"]).read_bytes()
    spoken = repr(sorted(words.catalogue(words.language()).items())) + repr(sorted(words.names().items()))
    made_from = sha256(b"\0".join([drawing, spoken.encode(), code_digest(plots.draw_again, as_pdf, as_png).encode()]))
    stem = f"figures/{words.language()}/{Path(block['file']).stem}-{made_from.hexdigest()[:12]}"
    files = {"file": f"{stem}.pdf", "png": f"{stem}.png"}
    if not all((folder / name).is_file() for name in files.values()):
        figure = plots.draw_again(*pickle.loads(zlib.decompress(drawing)))
        write_atomically(folder / files["png"], as_png(figure))  # which lays it out
        write_atomically(folder / files["file"], as_pdf(figure))
        for old in (folder / stem).parent.glob(f"{Path(block['file']).stem}-*"):
            if old.stem != Path(stem).name:
                old.unlink()
    return files
