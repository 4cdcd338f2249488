"""What a data set holds besides what it seems to: copies, near-duplicates, conflicting labels, images that show little.

`audit` counts it split by split; `image_keys`, `near_pairs`, `doubtful` and `find_suspects` say which images it is.
"""

from helpers.data.audit.counts import audit, class_counts, doubtful, image_keys, near_twins, without_twin
from helpers.data.audit.near import near_pairs
from helpers.data.audit.suspects import Suspects, find_suspects

__all__ = [
    "Suspects", "audit", "class_counts", "doubtful", "find_suspects", "image_keys", "near_pairs", "near_twins",
    "without_twin",
]  # fmt: skip
