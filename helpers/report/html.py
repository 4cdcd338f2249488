"""The saved answers of a run, set as one HTML page that asks for nothing else.

`helpers.report.document` composes what it says; `html.jinja` lays it out and escapes it, with `html.css` and `html.js`
in it and the pictures as data. Without its script all of it can be read.
"""

import io
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from helpers.base import words
from helpers.base.files import write_atomically
from helpers.base.machine import usable_cores
from helpers.report.document import Report, ReportError, report_name

MOST_ROWS = 400  # of a table that is shown whole, so that a page of many classes still opens at once
MOST_BYTES = 5_000_000
FONT = Path(__file__).parent / "fonts" / "NotoSansCJKtc.ttf"
_CHINESE = 0x2E80  # where the characters of Chinese begin, and its punctuation
_MARKUP_BYTES = 1_000_000  # of these, for all that is no picture
# Qualities of AVIF, each with the largest width in pixels; the first with which all pictures have room is taken.
_FORMS = ((45, 1000), (45, 900), (40, 800), (30, 640))


@dataclass(frozen=True)
class Picture:
    """A picture as the page holds it: a data URI, and its size in pixels."""

    data: str
    width: int
    height: int


def build_report(report: Report) -> Path:
    """Set a report as one HTML file of at most 5 MB in its run's folder and return the path.

    The same report gives the same bytes. Raises what `Report.compose` raises, and ReportError on answers that are too
    many for one file.
    """
    document = report.compose(MOST_ROWS)
    path = report.folder / report_name(document["language"], "html")
    page = _render(document, _pictures(report.folder, document), report.hand_in.languages)
    if len(page) > MOST_BYTES:
        raise ReportError(f"{path} would have {len(page):,} bytes, more than {MOST_BYTES:,}; shorten the answers.")
    write_atomically(path, page)
    return path


def _render(document: Mapping[str, Any], pictures: Mapping[str, Picture], others: Sequence[str]) -> bytes:
    template = Path(__file__).with_suffix(".jinja")
    environment = Environment(loader=FileSystemLoader(template.parent), autoescape=True, undefined=StrictUndefined)
    codes = sorted({document["language"], *others})
    named = ((code, words.catalogue(code)["html.name"]) for code in codes)  # as its speakers call each
    languages = [{"code": code, "file": report_name(code, "html"), "name": name} for code, name in named]
    said = {"doc": document, "languages": languages}
    font = _font(json.dumps(said, ensure_ascii=False))
    return environment.get_template(template.name).render(**said, pictures=pictures, font=font).encode()


def _font(text: str) -> str:
    """Give the Chinese characters of a text in the shipped font, as a data URI of WOFF; "" where it has none."""
    wanted = sorted({character for character in text if ord(character) >= _CHINESE})
    if not wanted:
        return ""
    from fontTools import subset  # takes a moment to import, and most English reports do without it

    options = subset.Options(flavor="woff", layout_features=[], notdef_outline=True, recalc_timestamp=False)
    with subset.load_font(FONT, options) as font:
        cut = subset.Subsetter(options)
        cut.populate(text="".join(wanted))
        cut.subset(font)
        stream = io.BytesIO()
        font.save(stream)
    return f"data:font/woff;base64,{b64encode(stream.getvalue()).decode()}"


def _pictures(folder: Path, document: Mapping[str, Any]) -> dict[str, Picture]:
    """Encode the document's pictures, all in the best form that leaves room for the text."""
    files = [*dict.fromkeys(_files([document["sections"], document["appendix"]]))]
    paths = [folder / file.lstrip("/") for file in files]
    for quality, width in _FORMS:
        with ThreadPoolExecutor(usable_cores()) as pool:
            pictures = dict(zip(files, pool.map(partial(_encode, quality=quality, width=width), paths), strict=True))
        if sum(len(picture.data) for picture in pictures.values()) <= MOST_BYTES - _MARKUP_BYTES:
            break
    return pictures


def _files(part: Any) -> Iterator[str]:
    """Yield the pictures of a part of the document: figures, and those of remarks."""
    if isinstance(part, Mapping):
        yield from [part["png"]] if "png" in part else [part["file"]] if part.get("kind") == "picture" else []
        yield from _files([*part.values()])
    elif isinstance(part, list):
        for item in part:
            yield from _files(item)


def _encode(file: Path, quality: int, width: int) -> Picture:
    """Give a picture as it lies there, or as AVIF where that is smaller, at most so many pixels wide."""
    content = _draw(file) if file.suffix in (".pdf", ".svg") else file.read_bytes()
    with Image.open(io.BytesIO(content)) as opened:
        picture, kind = opened.convert("RGB"), str(opened.format).lower()
    picture.thumbnail((width, 4 * width))
    stream = io.BytesIO()
    picture.save(stream, "AVIF", quality=quality, speed=8, max_threads=1)  # the default, 6, takes four times as long
    if stream.tell() < len(content):
        content, kind = stream.getvalue(), "avif"
    return Picture(f"data:image/{kind};base64,{b64encode(content).decode()}", picture.width, picture.height)


def _draw(file: Path) -> bytes:
    """Draw what is made of lines, which an author may have put in a remark, as PNG."""
    import typst

    source: Any = f'#set page(width: auto, height: auto, margin: 0pt)\n#image("/{file.name}", width: 130mm)'.encode()
    return typst.compile(source, root=str(file.parent.resolve()), format="png", ppi=200)
