"""The live notebook: what a user chose and what follows from it (`state`), and the page that shows it.

Only this room knows widgets.
"""

from helpers.explore.page import explore
from helpers.run import open_run

__all__ = ["explore", "open_run"]
