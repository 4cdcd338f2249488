"""Templates and the values that are set into them."""

import math
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any

import numpy as np

MISSING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def render(template: str, values: Mapping[str, Any]) -> str:
    """Set a template's values into it.

    template: text with {name} or {name:format}; values: JSON values by name, as `Answer` stores them.
    Raises ValueError, naming the value, where one is missing, unused or does not fit its format.
    """
    return "".join(text for text, _ in pieces(template, values))


def pieces(template: str, values: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Set a template's values into it, and keep the texts apart: each with the name of the value that it is, if any."""
    parts = list(_parse(template))
    _check_values(template, {name for _, name, _ in parts if name is not None}, set(values))
    both = ([(text, None), (_set_value(template, name, spec, values), name)] for text, name, spec in parts)
    return [piece for pair in both for piece in pair if piece[0]]


def _parse(template: str) -> Iterator[tuple[str, str | None, str]]:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"The template {template!r} has an unpaired brace ({error}); write {{{{ for {{.") from None
    for text, name, spec, conversion in parts:
        if name == "" or conversion or "{" in (spec or ""):
            raise ValueError(f"The template {template!r} may hold only {{name}} and {{name:format}}.")
        yield text, name, spec or ""


def _check_values(template: str, wanted: set[str], given: set[str]) -> None:
    for name in sorted(wanted - given):
        raise ValueError(f"The template {template!r} names the value {name!r}, which was not given.")
    for name in sorted(given - wanted):
        raise ValueError(f"The value {name!r} is not used by the template {template!r}; name it or leave it out.")


def _set_value(template: str, name: str | None, spec: str, values: Mapping[str, Any]) -> str:
    if name is None:
        return ""
    try:
        return format_value(values[name], spec)
    except (ValueError, TypeError):
        raise ValueError(
            f"The value {name!r} is {values[name]!r}, which the format {spec!r} in the template {template!r} "
            "does not fit."
        ) from None


def format_value(value: Any, spec: str = "") -> str:
    """Write one JSON value as a reader sees it.

    None gives a dash; True and False give yes and no; a list gives its items, joined as in a sentence;
    numbers get a true minus sign. Raises ValueError or TypeError where the format does not fit the value.
    """
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return _join([format_value(item, spec) for item in value])
    text = format(value, spec)
    return text if isinstance(value, str) else text.replace("-", MINUS)


def _join(items: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def text_block(kind: str, template: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Make the block of a sentence, heading or caption; ValueError where template and values do not fit."""
    raw = {name: plain(name, value) for name, value in values.items()}
    render(template, raw)
    return {"kind": kind, "template": template, "values": raw}


def render_block(block: Mapping[str, Any]) -> str:
    """Set the sentence, heading or caption of one block of a saved answer."""
    return render(block["template"], block["values"])


def plain(name: str, value: Any) -> Any:
    """Turn numpy's scalars and arrays into JSON values; not-a-number becomes None, shown as a dash."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(f"{name}.{key}", item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(name, item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and math.isinf(value):
        raise ValueError(f"The value {name!r} is infinite; give a finite number, or None for no number.")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(f"The value {name!r} is a {type(value).__name__}; give a number, a text or a list of these.")
