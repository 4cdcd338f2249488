"""What a report says, composed from the answers of a run: plain strings and sizes, every sentence already rendered.

The PDF and the HTML are both set from this document, so that neither says what the other does not. Figures in another
language than the one in which notebooks drew them are drawn again, from what was saved with them.
"""

import pickle
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from hashlib import sha256
from itertools import groupby, starmap
from pathlib import Path
from typing import Any

from helpers.answers import as_pdf, as_png, block_pieces, load_answer, render_block, tables
from helpers.base import words
from helpers.base.checks import UserError
from helpers.base.code import code_digest
from helpers.base.files import write_atomically
from helpers.base.machine import usable_cores
from helpers.base.words import fields, join, render, text
from helpers.report.handin import HandIn
from helpers.report.remarks import set_remarks

TEXT_WIDTH_MM = 170.0
TALLEST_FIGURE_MM = 215.0  # leaves room for a caption of five lines
TRUST, TRUST_TABLE = "shared.trust", "trust"  # the heading that verdicts stand under, and the table of grades there
STAMP_KEYS = ("dataset", "title", "fingerprint", "seed", "recipe", "versions", "date", "notes", "machine")
FEW_FIGURES = 4  # so many are drawn here: other processes cost more than they save
NO_BREAK = "\N{NO-BREAK SPACE}"
# Of the sentences on the grades, those that the page on trust has, and those that begin a paragraph anywhere.
_VERDICTS = (
    *("trust", "care", "distrust", "decides", "first", "gains", "favoured", "same_image"),
    *("shows_through", "proof", "no_proof", "stays"),
)
_OPENERS = (
    *("care", "distrust", "decides", "first", "right", "proof", "no_proof"),
    *("mass", "stays", "undecided", "changes"),
)


class ReportError(UserError, ValueError):
    """The report cannot be set, or what was set is not what the answers say."""


@dataclass(frozen=True)
class Headline:
    """One headline number: what it is, its value, and what is to be said beside it."""

    label: str
    value: str
    detail: str = ""
    source: str = ""  # notebook and key of each number in the value


@dataclass(frozen=True)
class Report:
    """What a report is set from, as PDF or HTML.

    folder: the run's; notebooks: their names, in the order of the report; stamp: what the run was made from, with the
    keys of STAMP_KEYS ("versions" a mapping, "notes" a list of sentences, "date" in ISO 8601); hand_in: who hands it
    in; remarks: the author's own, by number of the notebook, as `read_remarks` gives them.
    """

    folder: Path
    notebooks: Sequence[str]
    stamp: Mapping[str, Any]
    hand_in: HandIn = field(default_factory=HandIn)
    remarks: Mapping[str, Sequence[tuple[str, Path]]] = field(default_factory=dict)

    def compose(self, most_rows: int = 0) -> dict[str, Any]:
        """Compose it in the language that is spoken; tables of at most `most_rows` rows are not cut.

        Raises AnswerError on an answer that is missing or incomplete, RemarkError on a remark that cannot be set, and
        ReportError on a stamp without one of STAMP_KEYS.
        """
        answers = [load_answer(self.folder, notebook) for notebook in self.notebooks]
        for answer in answers:
            blocks = answer["blocks"]
            answer["blocks"] = [tables.whole_table(b, most_rows) if b["kind"] == "table" else b for b in blocks]
        words.keep(name for answer in answers for name in answer.get("classes", ()))
        if words.language() != words.PLAIN:
            redraw_figures(self.folder, answers)
        document, numbers = compose(answers, self.stamp, self.hand_in), _numbers(answers)
        for answer, section in zip(answers, document["sections"]):
            section["remarks"] = set_remarks(self.remarks.get(_number(answer), ()), numbers, self.folder)
        return document


def compose(
    answers: Sequence[Mapping[str, Any]], stamp: Mapping[str, Any], hand_in: HandIn | None = None
) -> dict[str, Any]:
    """Compose a report from a run's answers and its stamp, in the order of its parts; questions count from 1.

    Raises ReportError on a stamp without one of STAMP_KEYS.
    """
    if lacking := [key for key in STAMP_KEYS if key not in stamp]:
        raise ReportError(f"The report's stamp lacks {lacking[0]!r}; give {', '.join(STAMP_KEYS)}.")
    hand_in = hand_in or HandIn()
    subtitle = words.show(words.stored(stamp["title"]))
    numbered = [(str(place), answer) for place, answer in enumerate(answers, 1)]
    handed = [(label, getattr(hand_in, key)) for key, label in words.table("layout.hand_in").items()]
    blocks = [(answer, block) for answer in answers for block in answer["blocks"]]
    layout, warnings = words.table("layout"), _warnings(answers)
    layout |= {"trust": text(TRUST), "trust_intro": join([*(said for _, said in warnings), layout["trust_intro"]])}
    grades = [pair for pair in blocks if pair[1]["kind"] == "table" and pair[1]["name"] == TRUST_TABLE]
    return {
        "language": words.language(),
        "region": words.region(),
        "full_title": text("layout.full_title", title=text("layout.title"), subtitle=subtitle),
        "interface": {**words.table("html"), "script": words.table("script")},
        "words": layout,
        "subtitle": subtitle,
        "stamp": [*warnings, *([label, value] for label, value in handed if value), *_stamp_lines(stamp)],
        "notes": words.parts(stamp["notes"]),
        "headlines": [asdict(line) for line in headlines(answers)],
        "grades": next((_parts(answer, "table", [block])[0] for answer, block in grades), None),
        "trust": [part for number, answer in numbered if (part := _trust(number, answer))["blocks"]],
        "sections": [
            {
                **_section(number, answer, _lead(answer) if hand_in.detail == "short" else answer["blocks"]),
                "question": text(answer["question"]),
                "collaborators": hand_in.of_question(_number(answer)),
                "remarks": [],
            }
            for number, answer in numbered
        ],
        "appendix": [part for number, answer in numbered if (part := _rest(number, answer, hand_in))["blocks"]],
    }


def _warnings(answers: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Gather what is wrong with the network, which stands before all else on the first page."""
    said = dict.fromkeys(text for answer in answers for text in words.parts(answer["numbers"].get("warnings", ())))
    return [[text("layout.warning"), join([*said])]] if said else []


def _lead(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Choose what carries an answer: its summary, or else its first sentence, the figures that show it, its limits.

    Where no figure is said to carry it, the first one does.
    """
    blocks = answer["blocks"]
    texts = [block for block in blocks if block["kind"] == "text"]
    figures = [block for block in blocks if block["kind"] == "figure"]
    said = [block for block in texts if "summary" in block] or texts[:1]
    shown = [block for block in figures if "carries" in block] or figures[:1]
    return said + shown + [block for block in texts if "limit" in block]


def _rest(number: str, answer: Mapping[str, Any], hand_in: HandIn) -> dict[str, Any]:
    """Gather what a short answer leaves to the appendix; nothing where the answer is full."""
    lead = _lead(answer) if hand_in.detail == "short" else answer["blocks"]
    rest = [block for block in answer["blocks"] if block not in lead]
    following = [block["kind"] for block in rest[1:]] + ["heading"]
    filled = [block for block, kind in zip(rest, following) if {block["kind"], kind} != {"heading"}]
    return _section(number, answer, filled)


def _number(answer: Mapping[str, Any]) -> str:
    """Give the number of an answer's notebook, such as "4"."""
    return str(int(answer["notebook"][:2]))


def _stamp_lines(stamp: Mapping[str, Any]) -> list[list[str]]:
    packages = ", ".join(f"{name}{NO_BREAK}{version}" for name, version in stamp["versions"].items())
    written = {**stamp, "versions": packages, "date": words.day(stamp["date"])}
    return [[label, str(written[key])] for key, label in words.table("layout.stamp").items()]


def _section(number: str, answer: Mapping[str, Any], chosen: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    runs = groupby(chosen, key=lambda block: block["kind"])
    return {
        "number": number,
        "title": text(answer["title"]),
        "heading": text("layout.question_title", number=number, title=text(answer["title"])),
        "blocks": [part for kind, blocks in runs for part in _parts(answer, kind, list(blocks))],
    }


def _trust(number: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Gather the sentences that an answer has under the heading of trust; of those on grades, the verdicts."""
    said = [block for block in _under(TRUST, answer["blocks"]) if block["kind"] == "text"]
    return _section(number, answer, [block for block in said if _of_grades(block) in ("", *_VERDICTS)])


def _of_grades(block: Mapping[str, Any]) -> str:
    """Give the last part of the key of a sentence on grades, whether what it says is clear or tied; "" of any other."""
    file, _, last = block["key"].partition(".")
    return last.removesuffix("_tied") if file == "grades" else ""


def _under(heading: str, blocks: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the blocks that stand under a heading, down to the next one."""
    inside = False
    for block in blocks:
        if block["kind"] == "heading":
            inside = block["key"] == heading
        elif inside:
            yield block


def _parts(answer: Mapping[str, Any], kind: str, blocks: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Set a run of blocks of one kind; sentences that follow each other make a paragraph, unless one begins anew."""
    if kind == "text":
        paragraphs: list[list[Mapping[str, Any]]] = []
        for before, block in zip([None, *blocks], blocks):
            opens = _of_grades(block) in _OPENERS or block["key"] == "regions.found"
            if before is None or ("summary" in before) != ("summary" in block) or opens:
                paragraphs.append([])
            paragraphs[-1].append(block)
        return [{**_paragraph(answer, said), "summary": "summary" in said[0]} for said in paragraphs]
    return [{"kind": kind, **_sentence(answer, block), **_content(answer, block)} for block in blocks]


def _paragraph(answer: Mapping[str, Any], blocks: list[Mapping[str, Any]]) -> dict[str, Any]:
    sentences = [_sentence(answer, block) for block in blocks]
    between = [words.template("layout.between_sentences"), ""]
    texts = [piece for sentence in sentences for piece in [between, *sentence["pieces"]]]
    return {"kind": "text", "text": join([sentence["text"] for sentence in sentences]), "pieces": texts[1:]}


def _sentence(answer: Mapping[str, Any], block: Mapping[str, Any]) -> dict[str, Any]:
    return {"text": render_block(block), "pieces": _pieces(answer, block)}


def _pieces(answer: Mapping[str, Any], block: Mapping[str, Any]) -> list[list[str]]:
    """Give a block's text piece by piece, each number with its source: notebook, key and exact value."""
    keys = {value: key for key, value in words.leaves(answer["numbers"]) if isinstance(value, float)}
    sources = {
        name: f"{answer['notebook']}: {keys.get(value, name)} = {value}"
        for name, value in block["values"].items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return [[text, sources.get(name or "", "")] for text, name in block_pieces(block)]


def _content(answer: Mapping[str, Any], block: Mapping[str, Any]) -> dict[str, Any]:
    if block["kind"] == "figure":
        width = block["width_mm"]  # the size that it was designed for, reduced until it fits the page
        return {
            "file": f"/{block['file']}",
            "png": block["png"],
            "matrix": _matrix(block["cells"]) if "cells" in block else {},
            "width_mm": width * min(1.0, TEXT_WIDTH_MM / width, TALLEST_FIGURE_MM / block["height_mm"]),
            "source": f"{answer['notebook']}: {block['file']}",
        }
    if block["kind"] == "table":
        return {
            "columns": tables.table_columns(block),
            "numeric": block["numeric"],
            "cells": tables.table_cells(block),
            "values": tables.table_values(block),
            "source": f"{answer['notebook']}: {block['file']}",
        }
    return {}


def _matrix(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Give a confusion matrix as cells of a text and the place of the sheet behind it, if any, and the sheets."""
    names, sheets = [words.show(name) for name in cells["classes"]], cells["sheets"]
    behind = {(sheet["row"], sheet["column"]): place for place, sheet in enumerate(sheets)}
    rows = [[[str(n), behind.get((i, j))] for j, n in enumerate(row)] for i, row in enumerate(cells["counts"] or ())]
    said = [{"true": names[s["row"]], "predicted": names[s["column"]], "count": s["count"]} for s in sheets]
    shown = [{"png": sheet["png"], "text": text("html.sheet", **cell)} for sheet, cell in zip(sheets, said)]
    return {"classes": names, "rows": rows, "sheets": shown}


def headlines(answers: Sequence[Mapping[str, Any]]) -> list[Headline]:
    """Pick the headline numbers that the answers have, formatted, in the order of their words."""
    numbers = _numbers(answers)
    notebooks = {key: answer.get("notebook", "") for answer in answers for key, _ in words.leaves(answer["numbers"])}
    kinds = dict.fromkeys(k.rpartition(".")[0] for k in words.catalogue(words.PLAIN) if k.startswith("headlines."))
    lines = [line for line in map(words.table, kinds) if fields(line["value"]) <= numbers.keys()]
    filled = [(line["label"], _fill(line["value"], numbers), _fill(line["detail"], numbers)) for line in lines]
    sources = [", ".join(f"{notebooks[key]}: {key}" for key in sorted(fields(line["value"]))) for line in lines]
    return [Headline(*texts, source) for texts, source in zip(filled, sources)]


def _numbers(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: value for answer in answers for key, value in words.leaves(answer["numbers"])}


def _fill(template: str, numbers: Mapping[str, Any]) -> str:
    names = fields(template)
    return render(template, {name: numbers[name] for name in names}) if names <= numbers.keys() else ""


def report_name(language: str, form: str) -> str:
    """Name the file of a report in a language, such as "report.pdf" or "report.zh-Hant.html"."""
    return f"report.{form}" if language == words.PLAIN else f"report.{language}.{form}"


def redraw_figures(folder: Path, answers: Sequence[dict[str, Any]]) -> None:
    """Draw the figures of answers in the language that is spoken, and have the answers name them; once for each.

    folder: the run's. A figure that `plots` did not draw stays as it is. Many are drawn on all cores.
    """
    drawn = [block for answer in answers for block in answer["blocks"] if "drawing" in block]
    named = [_redrawn(folder, block) for block in drawn]
    pairs = zip(drawn, named, strict=True)
    missing = [pair for pair in pairs if not all((folder / name).is_file() for name in pair[1].values())]
    draw = partial(_redraw, folder, words.language())
    if len(missing) > FEW_FIGURES:
        kept = [name for answer in answers for name in answer.get("classes", ())]
        with ProcessPoolExecutor(usable_cores(), initializer=words.keep, initargs=(kept,)) as pool:
            list(pool.map(draw, *zip(*missing, strict=True)))
    else:
        list(starmap(draw, missing))
    for block, files in zip(drawn, named, strict=True):
        block |= files


def _redrawn(folder: Path, block: dict[str, Any]) -> dict[str, str]:
    """Name the files of a figure that is drawn again, by all that they are made from."""
    from helpers.report import plots  # takes a moment to import, and a report in one language does without it

    spoken = repr(sorted(words.catalogue(words.language()).items())) + repr(sorted(words.names().items()))
    parts = (folder / block["drawing"]).read_bytes(), spoken.encode()
    made_from = sha256(b"\0".join([*parts, code_digest(plots.draw_again, as_pdf, as_png).encode()]))
    stem = f"figures/{words.language()}/{Path(block['file']).stem}-{made_from.hexdigest()[:12]}"
    return {"file": f"{stem}.pdf", "png": f"{stem}.png"}


def _redraw(folder: Path, language: str, block: dict[str, Any], files: dict[str, str]) -> None:
    from helpers.report import plots

    with words.use(language):
        figure = plots.draw_again(*pickle.loads(zlib.decompress((folder / block["drawing"]).read_bytes())))
        write_atomically(folder / files["png"], as_png(figure))  # which lays it out
        write_atomically(folder / files["file"], as_pdf(figure))
    for old in (folder / files["png"]).parent.glob(f"{Path(block['file']).stem}-*"):
        if old.stem != Path(files["png"]).stem:
            old.unlink()
