"""The student's own remarks: `notes/<run>.md`, and markdown cells tagged `remark`, with the run's numbers set in."""

import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from string import Formatter
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from helpers.base.checks import UserError
from helpers.base.files import ROOT, locked, write_atomically
from helpers.base.legal import near
from helpers.base.notebook import read_cells, source
from helpers.base.words import render

FOLDER = ROOT / "notes"
PICTURES = (".png", ".jpg", ".jpeg", ".svg", ".pdf")
_NUMBER = re.compile(r"(?:\D*\s)?0*(\d+)(?:\D.*)?")  # of "4", "Question 4", "04_saliency_maps" or "問題 4"
_SHOWN = re.compile(r"!\[[^\]]*\]\(([^)\s]+)")
_STYLES = {"strong": "strong", "em": "emphasis"}


class RemarkError(UserError, ValueError):
    """A remark that cannot be set; the message is one sentence for the user."""


def notes_file(run: str) -> Path:
    """Name the file of remarks on a run, by the name of its folder."""
    return FOLDER / f"{run}.md"


def read_remarks(run: str, notebooks: Sequence[Path]) -> dict[str, list[tuple[str, Path]]]:
    """Read the remarks on each question: markdown, and the file that it stands in, by number of the notebook.

    notebooks: the files whose cells tagged `remark` are remarks as well. Raises RemarkError where a note stands under
    no question, or under one that is not among the notebooks.
    """
    file = notes_file(run)
    numbers = {path.stem[:2].lstrip("0"): path for path in notebooks}
    found: dict[str, list[tuple[str, Path]]] = {number: [] for number in numbers}
    for number, text in _sections(file):
        if number not in numbers:
            raise RemarkError(f"{_name(file)} has remarks on question {number}; there are {', '.join(numbers)}.")
        found[number].append((text, file))
    for number, path in numbers.items():
        cells = [cell for cell in read_cells(path) if "remark" in cell["metadata"].get("tags", [])]
        found[number] += [(source(cell), path) for cell in cells if cell["cell_type"] == "markdown"]
    return found


def add_remark(run: str, question: str, png: bytes, text: str) -> Path:
    """Add a picture and what it shows to the remarks on a run, under the number of a question; gives their file.

    A remark that is there already is not added again. Raises WriteError where the disk refuses.
    """
    file, name = notes_file(run), f"explore/{sha256(png).hexdigest()[:16]}.png"
    plain = text.replace("{", "{{").replace("}", "}}").translate(str.maketrans("[]\n", "() "))
    entry = f"# {question}\n\n![{plain}]({name})\n"
    with locked(file.with_name(f".{run}.lock")):
        before = file.read_text(encoding="utf-8-sig") if file.is_file() else ""
        if entry not in before:
            write_atomically(file.parent / name, png)
            write_atomically(file, f"{before.rstrip()}\n\n{entry}".lstrip().encode())
    return file


def remarks_digest(remarks: Mapping[str, Sequence[tuple[str, Path]]]) -> str:
    """Digest remarks with the pictures that they show."""
    texts = [(number, text, file) for number, entries in remarks.items() for text, file in entries]
    pictures = [file.parent / name for _, text, file in texts for name in _SHOWN.findall(text)]
    shown = [path.read_bytes() for path in pictures if path.is_file()]
    return "sha256:" + sha256(b"\0".join([repr([entry[:2] for entry in texts]).encode(), *shown])).hexdigest()


def _sections(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the text under each heading `# 4`, with its number."""
    if not file.is_file():
        return
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise RemarkError(f"{_name(file)} is not written in UTF-8; save it as UTF-8.") from None
    number = ""
    marked = []
    for line in lines:
        match = _NUMBER.fullmatch(line[1:].strip()) if re.match(r"#\s", line) else None
        number = match[1] if match else number
        marked += [] if match else [(number, line)]
    for number, group in groupby(marked, key=lambda entry: entry[0]):
        text = "\n".join(line for _, line in group).strip()
        if text and not number:
            raise RemarkError(f"{_name(file)} begins with no question; put a line like '# 4' before the first remark.")
        if text:
            yield number, text


def set_remarks(remarks: Sequence[tuple[str, Path]], numbers: Mapping[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Turn remarks on one question into blocks of a document, with the run's numbers in place of their keys.

    numbers: the answers' numbers by key, such as "cnn.test_accuracy"; folder: the run's, where pictures are copied to.
    A block has a "kind" ("paragraph", "item", "heading", "code" or "picture") and "spans", each with "text" and
    "style", or a picture's "file" and "text". Raises RemarkError on an unknown key, naming the near ones, and on a
    picture that is not there.
    """
    return [block for text, file in remarks for block in _blocks(text, file, numbers, folder)]


def _blocks(text: str, file: Path, numbers: Mapping[str, Any], folder: Path) -> Iterator[dict[str, Any]]:
    inside: list[str] = []
    for token in MarkdownIt("commonmark", {"html": False}).parse(text):
        if token.nesting:
            inside = [*inside, token.type] if token.nesting > 0 else inside[:-1]
        elif token.type in ("fence", "code_block"):
            yield {"kind": "code", "spans": [{"text": token.content.rstrip(), "style": "code"}]}
        elif token.type == "inline":
            kind = "heading" if "heading_open" in inside else "item" if "list_item_open" in inside else "paragraph"
            children = token.children or []
            if spans := [*_spans(children, file, numbers)]:
                yield {"kind": kind, "spans": spans}
            for picture in children:
                if picture.type == "image":
                    yield _picture(picture, file, numbers, folder)


def _spans(tokens: Sequence[Token], file: Path, numbers: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    styles = [""]
    for token in tokens:
        if token.nesting:
            style = _STYLES.get(token.tag, styles[-1])
            styles = [*styles, style] if token.nesting > 0 else styles[:-1]
        elif token.type in ("softbreak", "hardbreak"):
            yield {"text": " ", "style": styles[-1]}
        elif token.type == "code_inline":
            yield {"text": token.content, "style": "code"}
        elif token.type == "text" and token.content:
            yield {"text": fill(token.content, numbers, _name(file)), "style": styles[-1]}


def _picture(token: Token, file: Path, numbers: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Copy a picture into the run's folder, under its digest, and give its block."""
    named = file.parent / str(token.attrs["src"])
    if named.suffix.lower() not in PICTURES or not named.is_file():
        told = f"{_name(file)} shows the picture {token.attrs['src']}, which is not there or none of"
        raise RemarkError(f"{told} {', '.join(PICTURES)}; its place is told from that file.")
    data = named.read_bytes()
    copy = f"figures/remark-{sha256(data).hexdigest()[:16]}{named.suffix.lower()}"
    write_atomically(folder / copy, data)
    return {"kind": "picture", "file": f"/{copy}", "text": fill(token.content, numbers, _name(file))}


def fill(text: str, numbers: Mapping[str, Any], place: str) -> str:
    """Set numbers into a text at `{key}` or `{key:format}`; RemarkError, with the place, where that cannot be done."""
    try:
        keys = {key for _, key, _, _ in Formatter().parse(text) if key is not None}
    except ValueError:
        raise RemarkError(f"{place} has a brace without its pair in {text!r}; write {{{{ for a brace.") from None
    known = sorted(name for name, value in numbers.items() if "." in name and isinstance(value, str | int | float))
    for key in sorted(keys - numbers.keys()):
        raise RemarkError(f"{place} asks for the number {key!r}, which no answer has; {near(key, known)}")
    try:
        return render(text, {key: numbers[key] for key in keys})
    except ValueError as error:
        raise RemarkError(f"{place}: {error}") from None


def _name(file: Path) -> str:
    return str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else file.name
