"""Many reports: a study makes every combination, here or on a cluster, and a comparison sets runs side by side.

May import what `build` may; of a run it knows the folder alone.
"""

__all__ = ["compare", "comparison", "study"]
