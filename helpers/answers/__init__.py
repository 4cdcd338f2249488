"""One notebook's answer: its sentences, figures, tables and numbers, saved at once or not at all.

A sentence is a key and the raw values that it names, so that it can be set again, in a report or in another language,
without running the notebook; `helpers.base.words` joins the two.
`diagnosis` finds what is wrong with a network and has an answer say it first; `ahead` says how long a notebook takes.
May import `base`; these two also `data`, `networks` and `training`.
"""

from helpers.answers.answer import Answer
from helpers.answers.blocks import block_pieces, render_block
from helpers.answers.pictures import as_pdf, as_png
from helpers.answers.stored import AnswerError, load_answer

__all__ = [
    "Answer", "AnswerError", "ahead", "as_pdf", "as_png", "block_pieces", "diagnosis", "load_answer", "render_block",
    "tables",
]  # fmt: skip
