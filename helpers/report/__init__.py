"""Figures and the PDF; only this room knows matplotlib and Typst.

May import `base` and `answers`.
"""
