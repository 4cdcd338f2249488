"""Figures, a file a subject, the PDF and the HTML; only this room knows matplotlib, Typst and Jinja.

May import `base` and `answers`.
"""

__all__ = ["document", "handin", "html", "pdf", "plots", "remarks"]
