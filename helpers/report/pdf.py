"""The saved answers of a run, set as one PDF by Typst.

`helpers.report.document` composes what it says; `pdf.typ` only lays it out, and sets each string as text, so that
nothing in it is ever read as markup.
"""

import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import typst
from PIL import Image

from helpers.base.files import write_atomically
from helpers.base.machine import usable_cores
from helpers.report.document import Report, ReportError, report_name

TEMPLATE = Path(__file__).with_suffix(".typ")
_TYPEFACES = "#set text(font: "  # how the template's line that names them begins
FONTS = Path(__file__).parent / "fonts"  # with Chinese characters, which Typst's own lack
# Of the document's keys; of the words some may have no place.
NOT_PRINTED = {"kind", "file", "style", "words", "interface", "language", "region", "full_title", "heading", "matrix"}
NOT_PRINTED |= {"png", "pieces", "source", "values"}
_READING = Lock()  # PDFium is for one thread at a time
FULL, SCALES = 2 / 3, (1, 0.97, 0.94, 0.9)  # of a page that is full enough, and of the appendix's figures


def build_report(report: Report) -> Path:
    """Set a report as a PDF in the language that is spoken, in its run's folder, and return the path.

    The same report gives the same bytes. Raises what `Report.compose` raises, and ReportError on a character that no
    font has.
    """
    document, timestamp = report.compose(), _timestamp(report.stamp["date"])
    document["scale"] = _scale(report.folder, document)
    pdf = _compressed(_compile(TEMPLATE, report.folder, document, timestamp=timestamp))
    _check_pdf(pdf, document)
    path = report.folder / report_name(document["language"], "pdf")
    write_atomically(path, pdf)
    return path


def _scale(folder: Path, document: dict[str, Any]) -> float:
    """Choose how large the appendix's figures are: the first size that leaves the fewest pages emptier than FULL."""

    def count_empty(scale: float) -> int:
        pages = _compile(TEMPLATE, folder, document | {"scale": scale}, format="png", ppi=20)
        return sum(fullness(page) < FULL for page in pages[:-1])

    if not document["appendix"]:
        return 1
    with ThreadPoolExecutor(usable_cores()) as pool:  # Typst sets a report on one core
        empty = [*pool.map(count_empty, SCALES)]
    return SCALES[empty.index(min(empty))]


def fullness(picture: bytes) -> float:
    """Give the share of a page's height between its margins that is in no blank strip of more than 12 mm."""
    page = np.asarray(Image.open(io.BytesIO(picture)).convert("L"))
    top, bottom, strip = (mm * len(page) // 297 for mm in (27, 273, 12))
    inked = np.flatnonzero((page[top:bottom] < 245).any(axis=1))
    blank = np.diff([-1, *inked, bottom - top]) - 1
    return float(1 - blank[blank > strip].sum() / (bottom - top))


def _timestamp(date: str) -> int:
    """Read a date as seconds since 1970; a date without a time zone is taken as UTC."""
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        raise ReportError(f"The stamp's date {date!r} is no date; write it as in '2025-01-31'.") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def set_pages(folder: Path, document: Mapping[str, Any], timestamp: int) -> bytes:
    """Set pages of one figure each as a PDF.

    folder: with the figures; document: "title", and "pages" of "name", "warning" ("" for none), "lead", "figure",
    "sentences" and "notes"; timestamp: seconds since 1970. Raises ReportError on what Typst cannot set.
    """
    return _compressed(_compile(TEMPLATE.with_name("explain.typ"), folder, document, timestamp=timestamp))


def _compile(layout: Path, folder: Path, document: Mapping[str, Any], **options: Any) -> Any:
    template: Any = layout.read_bytes()  # typst's types want one type for template and root, but it takes both
    said, root = {"document": json.dumps(document, ensure_ascii=False)}, str(folder.resolve())
    try:
        return typst.compile(template, root=root, font_paths=[str(FONTS)], sys_inputs=said, **options)
    except typst.TypstError as error:
        raise ReportError(f"Typst cannot set the report: {error.message}.") from error


def _compressed(pdf: bytes) -> bytes:
    """Give the same PDF with its objects, which Typst leaves as text, compressed, and all else as far as that goes."""
    import pikepdf

    smaller, packed = io.BytesIO(), pikepdf.ObjectStreamMode.generate
    pikepdf.settings.set_flate_compression_level(9)
    with pikepdf.open(io.BytesIO(pdf)) as document:
        document.save(smaller, object_stream_mode=packed, recompress_flate=True, deterministic_id=True)
    return smaller.getvalue()


def _check_pdf(pdf: bytes, document: Mapping[str, Any]) -> None:
    printed = _read_pdf(pdf)
    characters = set(printed)
    for text in _texts(document):
        if missing := _missing(text, characters):
            raise ReportError(describe_missing(missing, text))
    for section in document["sections"]:
        if _plain_text(section["title"]) not in printed:
            raise ReportError(f"The report does not hold the title {section['title']!r}; report this as a fault.")


def _texts(part: Any) -> Iterator[str]:
    """Yield every text of the document that is certainly printed."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, Mapping):
        yield from _texts([value for key, value in part.items() if key not in NOT_PRINTED])
    elif isinstance(part, list):
        for item in part:
            yield from _texts(item)


def missing_characters(text: str) -> str:
    """Give the characters of a text that the report cannot show, since no font on this machine has them."""
    typefaces = next(line for line in TEMPLATE.read_text().splitlines() if line.startswith(_TYPEFACES))
    template: Any = f"{typefaces}\n#sys.inputs.text".encode()
    pdf = typst.compile(template, font_paths=[str(FONTS)], sys_inputs={"text": text})
    return _missing(text, _read_pdf(pdf))


def _read_pdf(pdf: bytes) -> str:
    import pypdfium2  # takes a moment to import, and a build with nothing to set does without it

    with _READING, pypdfium2.PdfDocument(pdf) as document:
        return _plain_text("".join(page.get_textpage().get_text_range() for page in document))


def _missing(text: str, printed: Iterable[str]) -> str:
    return "".join(sorted(set(_plain_text(text)) - set(printed)))


def describe_missing(missing: str, text: str) -> str:
    """Say in one sentence which characters of a text no font has."""
    named = ", ".join(f"{character} (U+{ord(character):04X})" for character in missing)
    advice = "install a font that has them, or write the text without them"
    return f"No font on this machine has the characters {named} of {text!r}; {advice}."


def _plain_text(text: str) -> str:
    """Take apart ligatures and accents, and leave out what prints nothing, so that texts can be compared."""
    decomposed = unicodedata.normalize("NFKD", re.sub(r"\s", "", text))
    seen = (c for c in decomposed if unicodedata.category(c)[0] not in "CZ")
    return "".join(c for c in seen if not 0xFE00 <= ord(c) <= 0xFE0F)  # which choose a picture of what is before them
