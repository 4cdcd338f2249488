"""The sentences of the report that no notebook says itself, a language a file; each is a constant or a template.

Templates are set by `helpers.answers.render`. May import nothing.
"""

from pathlib import Path

EXPLAIN = Path(__file__).with_name("explain.toml")  # what a page on one picture says, by key
