"""The live notebook: what a user chose and what follows from it (`state`), and the page that shows it.

May import every room but `bench`; only this room knows widgets.
"""

from helpers.explore.page import explore as explore

__all__ = ["page", "state"]
