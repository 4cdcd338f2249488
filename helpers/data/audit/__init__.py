"""What a data set holds besides what it seems to: copies, near-duplicates, conflicting labels, images that show little.

`audit` counts it split by split; `image_keys`, `near_pairs`, `doubtful` and `find_suspects` say which images it is.
"""

from helpers.data.audit.counts import audit as audit
from helpers.data.audit.counts import class_counts as class_counts
from helpers.data.audit.counts import doubtful as doubtful
from helpers.data.audit.counts import image_keys as image_keys
from helpers.data.audit.counts import near_twins as near_twins
from helpers.data.audit.counts import without_twin as without_twin
from helpers.data.audit.near import near_pairs as near_pairs
from helpers.data.audit.suspects import Suspects as Suspects
from helpers.data.audit.suspects import find_suspects as find_suspects
