"""Figures, a file a subject, and the PDF; only this room knows matplotlib and Typst.

May import `base` and `answers`; `words` imports nothing, and anything from `grade` on may say what it holds.
"""

__all__ = ["document", "handin", "pdf", "plots", "remarks", "words"]
