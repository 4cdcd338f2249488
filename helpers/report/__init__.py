"""Figures, a file a subject, the PDF and the HTML; only this room knows matplotlib, Typst and Jinja.

May import `base` and `answers`; `words` imports nothing, and anything from `grade` on may say what it holds.
"""

__all__ = ["document", "handin", "pdf", "plots", "remarks"]
