"""One notebook's answer: its sentences, figures, tables and numbers, saved at once or not at all.

A sentence is a template and the raw values that it names, so that it can be set again, in a report or in
another language, without running the notebook. `render` is the one function that joins the two.
May import `base`.
"""

from helpers.answers.answer import Answer
from helpers.answers.sentences import pieces, render, render_block
from helpers.answers.stored import AnswerError, load_answer
from helpers.answers.tables import table_cells, table_values, whole_table

__all__ = [
    "Answer",
    "AnswerError",
    "load_answer",
    "pieces",
    "render",
    "render_block",
    "table_cells",
    "table_values",
    "whole_table",
]
