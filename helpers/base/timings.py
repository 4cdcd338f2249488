"""How long work took on this machine, kept in the cache, so that the time of the next such work can be told."""

import json
from contextlib import suppress
from math import log
from pathlib import Path
from statistics import median

from helpers.base.files import WriteError, cache_folder, locked, write_json

_MOST = 20  # notes of a kind of work that are kept, the newest
_NEAR = 5  # notes of the most similar amounts that an expectation rests on


def note(kind: str, work: float, seconds: float) -> None:
    """Note how long an amount of a kind of work took; both above 0, work in any unit."""
    with suppress(OSError, WriteError), locked(_memo().with_suffix(".lock")):  # it only serves to tell times
        known = _known()
        known[kind] = [*known.get(kind, []), [work, seconds]][-_MOST:]
        write_json(_memo(), known)


def expect(kind: str, work: float, usual: float, fixed: float = 0.0) -> float:
    """Say how many seconds an amount of work will take, from the notes of the most similar amounts.

    usual: seconds a unit of work where there are none yet; fixed: seconds that any amount takes.
    """
    newest_first = reversed(_known().get(kind, []))
    notes = sorted(newest_first, key=lambda one: abs(log(one[0] / work)))[:_NEAR]
    each = [max(0.0, seconds - fixed) / amount for amount, seconds in notes]
    return fixed + work * (median(each) if each else usual)


def _memo() -> Path:
    return cache_folder() / "known" / "times.json"


def _known() -> dict[str, list[list[float]]]:
    with suppress(OSError, ValueError):
        known = json.loads(_memo().read_text(encoding="utf-8"))
        return {kind: [[float(work), float(seconds)] for work, seconds in notes] for kind, notes in known.items()}
    return {}


def spoken(seconds: float) -> str:
    """Round a time to what can be told of it in advance, as in "40 s", "5 min" or "13 h"."""
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"
