"""What a notebook shows of its answer: sentences, figures and tables as IPython displays them."""

import base64
import html
import re
from dataclasses import dataclass

MARKDOWN_SPECIALS = re.compile(r"([\\`*_\[\]#$|~])")


@dataclass(frozen=True)
class Sentence:
    """A sentence as the notebook shows it: its characters are text, never markup."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return MARKDOWN_SPECIALS.sub(r"\\\1", html.escape(self.text, quote=False))


@dataclass(frozen=True)
class ShownFigure:
    """A figure as the notebook shows it: the PNG and, below it, the caption."""

    png: bytes
    caption: str

    def __repr__(self) -> str:
        return f"[figure] {self.caption}"

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode("ascii")
        caption = html.escape(self.caption)
        return (
            f'<figure><img src="data:image/png;base64,{data}" alt="{caption}" style="max-width: 100%">'
            f"<figcaption>{caption}</figcaption></figure>"
        )


@dataclass(frozen=True)
class ShownTable:
    """A table as the notebook shows it: formatted cells, numbers to the right, the caption above."""

    columns: list[str]
    cells: list[list[str]]
    numeric: list[bool]
    caption: str

    def __repr__(self) -> str:
        return "\n".join([f"[table] {self.caption}", *("\t".join(row) for row in [self.columns, *self.cells])])

    def _repr_html_(self) -> str:
        head = self._row("th", self.columns)
        body = "".join(self._row("td", row) for row in self.cells)
        caption = f'<caption style="text-align: left">{html.escape(self.caption)}</caption>'
        table = f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>"
        return f'<div style="max-height: 36em; overflow: auto">{table}</div>'

    def _row(self, tag: str, cells: list[str]) -> str:
        sides = ["right" if numeric else "left" for numeric in self.numeric]
        pairs = zip(sides, map(html.escape, cells), strict=True)
        marked = (f'<{tag} style="text-align: {side}">{text}</{tag}>' for side, text in pairs)
        return f"<tr>{''.join(marked)}</tr>"
