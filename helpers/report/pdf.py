"""The saved answers of a run, set as one PDF by Typst.

Python composes the document: plain strings and sizes, every sentence already rendered. `report.typ` only lays
it out, and sets each string as text, so that nothing in it is ever read as markup.
"""

import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from string import Formatter
from typing import Any

import typst

from helpers.answers import load_answer, render, render_block, table_cells
from helpers.base.files import write_atomically
from helpers.report.words import en as words

TEMPLATE = Path(__file__).with_suffix(".typ")
_TYPEFACES = "#set text(font: "  # how the template's line that names them begins
REPORT_NAME = "report.pdf"
TEXT_WIDTH_MM = 170.0
TALLEST_FIGURE_MM = 215.0  # leaves room for a caption of five lines
STAMP_KEYS = ("dataset", "title", "fingerprint", "seed", "recipe", "versions", "date", "notes", "machine")
NOT_PRINTED = {"kind", "file", "words"}  # of the document's keys; of the words some may have no place
NO_BREAK = "\N{NO-BREAK SPACE}"


class ReportError(ValueError):
    """The report cannot be set, or what was set is not what the answers say."""


@dataclass(frozen=True)
class Headline:
    """One headline number: what it is, its value, and what is to be said beside it."""

    label: str
    value: str
    detail: str = ""


def build_report(folder: Path, notebooks: Sequence[str], stamp: Mapping[str, Any]) -> Path:
    """Set the answers of a run as `report.pdf` in its folder and return the path.

    folder: the run's folder; notebooks: their names, in the order of the report; stamp: what the run was made
    from, with the keys of STAMP_KEYS ("versions" a mapping, "notes" a list of sentences, "date" in ISO 8601).
    The same answers and stamp give the same bytes. Raises AnswerError on an answer that is missing or
    incomplete, ReportError on a stamp without one of its keys and on a character that no font has.
    """
    _check_stamp(stamp)
    document = _compose([load_answer(folder, notebook) for notebook in notebooks], stamp)
    pdf = _compile(Path(folder), document, _timestamp(stamp["date"]))
    _check_pdf(pdf, document)
    write_atomically(Path(folder) / REPORT_NAME, pdf)
    return Path(folder) / REPORT_NAME


def headlines(answers: Sequence[Mapping[str, Any]]) -> list[Headline]:
    """Pick the headline numbers that the answers have, formatted, in the order of `words.HEADLINES`."""
    numbers = {key: value for answer in answers for key, value in _flatten(answer["numbers"])}
    return [
        Headline(label, _fill(value, numbers), _fill(detail, numbers))
        for label, value, detail in words.HEADLINES
        if _names(value) <= numbers.keys()
    ]


def _flatten(numbers: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in numbers.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _names(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def _fill(template: str, numbers: Mapping[str, Any]) -> str:
    names = _names(template)
    return render(template, {name: numbers[name] for name in names}) if names <= numbers.keys() else ""


def _check_stamp(stamp: Mapping[str, Any]) -> None:
    for key in STAMP_KEYS:
        if key not in stamp:
            raise ReportError(f"The report's stamp lacks {key!r}; give {', '.join(STAMP_KEYS)}.")


def _timestamp(date: str) -> int:
    """Read a date as seconds since 1970; a date without a time zone is taken as UTC."""
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        raise ReportError(f"The stamp's date {date!r} is no date; write it as in '2025-01-31'.") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _compose(answers: Sequence[Mapping[str, Any]], stamp: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "words": words.LAYOUT,
        "subtitle": stamp["title"],
        "stamp": _stamp_lines(stamp),
        "notes": list(stamp["notes"]),
        "headlines": [asdict(line) for line in headlines(answers)],
        "grades": next((_parts("table", [block])[0] for answer in answers for block in _grades(answer)), None),
        "trust": [part for part in map(_trust, answers) if part["blocks"]],
        "sections": [{**_section(answer, answer["blocks"]), "question": answer["question"]} for answer in answers],
    }


def _stamp_lines(stamp: Mapping[str, Any]) -> list[list[str]]:
    packages = ", ".join(f"{name}{NO_BREAK}{version}" for name, version in stamp["versions"].items())
    return [[label, packages if key == "versions" else str(stamp[key])] for key, label in words.STAMP.items()]


def _section(answer: Mapping[str, Any], chosen: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    runs = groupby(chosen, key=lambda block: block["kind"])
    return {
        "number": str(int(answer["notebook"][:2])),
        "title": answer["title"],
        "blocks": [part for kind, blocks in runs for part in _parts(kind, list(blocks))],
    }


def _grades(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Find the table of grades among an answer's blocks."""
    return [block for block in answer["blocks"] if block["kind"] == "table" and block["name"] == words.TRUST_TABLE]


def _trust(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Gather the sentences and tables that an answer has under the heading of trust, without the table of grades."""
    shown = [block for block in _under(words.TRUST, answer["blocks"]) if block["kind"] in ("text", "table")]
    chosen = [block for block in shown if block not in _grades(answer)]
    return _section(answer, chosen)


def _under(heading: str, blocks: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the blocks that stand under a heading, down to the next one."""
    inside = False
    for block in blocks:
        if block["kind"] == "heading":
            inside = render_block(block) == heading
        elif inside:
            yield block


def _parts(kind: str, blocks: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Set a run of blocks of one kind; sentences that follow each other make one paragraph."""
    if kind == "text":
        return [{"kind": kind, "text": " ".join(map(render_block, blocks))}]
    return [{"kind": kind, "text": render_block(block), **_content(block)} for block in blocks]


def _content(block: Mapping[str, Any]) -> dict[str, Any]:
    if block["kind"] == "figure":
        return {
            "file": f"/{block['file']}",
            "width_mm": _printed_width(block["width_mm"], block["height_mm"]),
        }
    if block["kind"] == "table":
        return {"columns": block["columns"], "numeric": block["numeric"], "cells": table_cells(block)}
    return {}


def _printed_width(width: float, height: float) -> float:
    """Keep a figure at the size it was designed for, or reduce it until it fits the page."""
    return width * min(1.0, TEXT_WIDTH_MM / width, TALLEST_FIGURE_MM / height)


def _compile(folder: Path, document: Mapping[str, Any], timestamp: int) -> bytes:
    template: Any = TEMPLATE.read_bytes()  # typst's types want one type for template and root, but it takes both
    try:
        return typst.compile(
            template,
            root=str(folder.resolve()),
            sys_inputs={"document": json.dumps(document, ensure_ascii=False)},
            timestamp=timestamp,
        )
    except typst.TypstError as error:
        raise ReportError(f"Typst cannot set the report: {error.message}.") from error


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
    pdf = typst.compile(f"{typefaces}\n#sys.inputs.text".encode(), sys_inputs={"text": text})
    return _missing(text, _read_pdf(pdf))


def _read_pdf(pdf: bytes) -> str:
    from pypdf import PdfReader  # takes a moment to import, and a build with nothing to set does without it

    return _plain_text("".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages))


def _missing(text: str, printed: Iterable[str]) -> str:
    return "".join(sorted(set(_plain_text(text)) - set(printed)))


def describe_missing(missing: str, text: str) -> str:
    """Say in one sentence which characters of a text no font has."""
    named = ", ".join(f"{character} (U+{ord(character):04X})" for character in missing)
    return (
        f"No font on this machine has the characters {named} of {text!r}; install a font that has them, "
        "or write the text without them."
    )


def _plain_text(text: str) -> str:
    """Take apart ligatures and accents, and leave out what prints nothing, so that texts can be compared."""
    decomposed = unicodedata.normalize("NFKD", re.sub(r"\s", "", text))
    return "".join(character for character in decomposed if not _invisible(character))


def _invisible(character: str) -> bool:
    selector = 0xFE00 <= ord(character) <= 0xFE0F  # chooses among pictures of the character before it
    return selector or unicodedata.category(character)[0] in "CZ"
