"""One notebook's answer: its sentences, figures, tables and numbers, saved at once or not at all.

A sentence is a template and the raw values that it names, so that it can be set again, in a report or in
another language, without running the notebook. `render` is the one function that joins the two.
May import `base`.
"""

from helpers.answers.answer import Answer as Answer
from helpers.answers.sentences import format_value as format_value
from helpers.answers.sentences import render as render
from helpers.answers.sentences import render_block as render_block
from helpers.answers.stored import AnswerError as AnswerError
from helpers.answers.stored import answer_path as answer_path
from helpers.answers.stored import load_answer as load_answer
from helpers.answers.tables import table_cells as table_cells
