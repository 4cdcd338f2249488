"""Figures and words that go from the page into the user's remarks, and so into the report."""

from hashlib import sha256
from pathlib import Path

from matplotlib.figure import Figure

from helpers.answers import as_png
from helpers.base.files import locked, write_atomically
from helpers.report import remarks


def add_note(run: str, question: str, figure: Figure, text: str) -> Path:
    """Add a figure and what it shows to the remarks on a run, under the number of a question; gives their file.

    A remark that is there already is not added again. Raises WriteError where the disk refuses.
    """
    file, content = remarks.notes_file(run), as_png(figure)
    name = f"explore/{sha256(content).hexdigest()[:16]}.png"
    plain = text.replace("{", "{{").replace("}", "}}").translate(str.maketrans("[]\n", "() "))
    entry = f"# {question}\n\n![{plain}]({name})\n"
    with locked(file.with_name(f".{run}.lock")):
        before = file.read_text(encoding="utf-8-sig") if file.is_file() else ""
        if entry not in before:
            write_atomically(file.parent / name, content)
            write_atomically(file, f"{before.rstrip()}\n\n{entry}".lstrip().encode())
    return file
