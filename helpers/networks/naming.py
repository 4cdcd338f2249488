"""What sets runs of the same data apart by their networks, in a file that no training reads: its code is in no key."""

import hashlib
from pathlib import Path
from typing import Any

from helpers.base.files import ROOT
from helpers.base.runs import chosen_trainings
from helpers.networks.own.source import Source, label
from helpers.networks.precision import accelerates, requested_precision


def traits(source: Source | str, recipe: str) -> dict[str, Any]:
    """Say what sets a run apart from others of the same data, recipe, seed and size.

    Of two networks of one name, `network_place` is the digest of where they lie: one that is edited stays the same.
    `precision` is what the environment asks for, on whatever machine: nothing for "auto", "plain" for plain Keras.
    """
    place: object = source
    if isinstance(source, Source):
        files = (source.path, source.custom or Path())
        inside = [path.relative_to(ROOT) if path.is_relative_to(ROOT) else path for path in files]
        place = " ".join([*map(str, inside), source.preprocess])
    facts = {"network": label(source, recipe), "network_place": hashlib.sha256(str(place).encode()).hexdigest()[:12]}
    precision = requested_precision().removeprefix("auto") if accelerates() else "plain"
    return facts | {"trainings": chosen_trainings(recipe), "precision": precision}
