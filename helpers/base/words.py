"""Every sentence of a report, by key, in each language there is, and how values are set into it.

The words lie in `helpers/report/words/<language>/*.toml`: the key of a sentence is the file's name and the place in it,
joined by dots, as in "04_saliency_maps.regions". Whoever says something names the key and the values (`Said`), so that
it can be set in any language later on; `names.toml` holds what classes, methods, regions and columns are called.
"""

import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
from babel import Locale
from babel.dates import format_date, format_timedelta
from babel.lists import format_list
from babel.numbers import format_compact_decimal, get_decimal_symbol, get_group_symbol

FOLDER = Path(__file__).parents[1] / "report" / "words"
PLAIN = "en"  # the language that is spoken where none is asked for
NAMES = "names"  # the file of names
MISSING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
KEY = re.compile(r"[a-z0-9_]+(\.[a-zA-Z0-9_-]+)+")
# Where a Chinese character and a Latin letter, or a number, stand beside each other.
BESIDE = re.compile(r"(?<=[\u4e00-\u9fff])(?=[0-9A-Za-z])|(?<=[0-9A-Za-z%+.])(?=[\u4e00-\u9fff])")
NUMBERED = re.compile(r" \d+$")  # ends the name of a layer, such as "relu 6"; its words have # in place of the number
_LOCALES = {"en": "en_GB"}  # "a, b and c"
_language: ContextVar[str] = ContextVar("language", default=PLAIN)
_kept: frozenset[str] = frozenset()  # classes of the data at hand that are shown as they are


@dataclass(frozen=True)
class Said:
    """A sentence, or a part of one, as its key and the values that it names; a template in place of a key is itself."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)  # so that one can be a key

    def __str__(self) -> str:
        return show(self)


def said(key: str, /, **values: Any) -> Said:
    """Name a sentence and its values, to be set in whatever language it is shown in."""
    return Said(key, values)


def text(key: str, /, **values: Any) -> str:
    """Set a sentence in the language that is spoken."""
    return show(Said(key, values))


def show(part: Said | str) -> str:
    """Set a part in the language that is spoken; of a text, the name that it has there, if it is a known one."""
    if isinstance(part, Said):
        return render(template(part.key), {name: plain(name, value) for name, value in part.values.items()})
    number, known = NUMBERED.search(part), names()
    if number and part not in _kept and (counted := known.get(NUMBERED.sub(" #", part))):
        return counted.replace("#", number[0].strip())
    return known.get(part, part)


def language() -> str:
    """Give the language that is spoken, as BCP 47 names it."""
    return _language.get()


def region() -> str:
    """Name the region whose forms of characters and hyphens are meant, such as "TW"."""
    return _locale().territory or {"Hant": "TW", "Hans": "CN"}.get(_locale().script or "", "")


@contextmanager
def use(name: str) -> Iterator[None]:
    """Speak another language for a while."""
    token = _language.set(name)
    try:
        yield
    finally:
        _language.reset(token)


@cache
def languages() -> tuple[str, ...]:
    """List the languages that there are words in, the plain one first."""
    return tuple(sorted((path.name for path in FOLDER.iterdir() if path.is_dir()), key=lambda name: name != PLAIN))


def template(key: str) -> str:
    """Give the template of a key in the language that is spoken; what is no key is a template itself.

    Raises ValueError on a key without words.
    """
    found = catalogue(language()).get(key) if KEY.fullmatch(key) else key
    if found is None:
        raise ValueError(f"There are no words for {key!r} in {language()}; add them to {FOLDER.name}/{language()}.")
    return found


def table(prefix: str) -> dict[str, str]:
    """Give the templates right below a prefix, such as "layout.stamp", by the last part of their key."""
    cut = len(prefix) + 1
    found = catalogue(language()).items()
    return {key[cut:]: said for key, said in found if key.startswith(f"{prefix}.") and "." not in key[cut:]}


@cache
def catalogue(name: str) -> Mapping[str, str]:
    """Read all templates of a language by key."""
    files = sorted((FOLDER / name).glob("*.toml"))
    trees = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in files if path.stem != NAMES}
    return dict(leaves(trees))


def names() -> Mapping[str, str]:
    """Give what is called otherwise in the language that is spoken, by the name that code has for it."""
    return _names(language(), _kept)


def keep(classes: Iterable[str]) -> None:
    """Show the classes of the data at hand as they are, whatever else they name, unless the names hold just these."""
    global _kept
    known = (frozenset(table) for section, table in _sections(PLAIN).items() if section.startswith("classes_"))
    _kept = frozenset() if (own := frozenset(classes)) in known else own


@cache
def _names(name: str, kept: frozenset[str]) -> Mapping[str, str]:
    tables = _sections(name).values()
    return {known: shown for table in tables for known, shown in table.items() if known not in kept}


@cache
def _sections(name: str) -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((FOLDER / name / f"{NAMES}.toml").read_text(encoding="utf-8"))


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give what a tree of tables holds by key, joined by dots; what `plain` has made of a part is no table."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and {*value} != {"key", "values"}:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def render(template: str, values: Mapping[str, Any]) -> str:
    """Set a template's values into it.

    template: text with {name}, {name:format} or {name:one|other}, of which a count of 1 takes the first form and any
    other the last; values: JSON values by name, as `Answer` stores them. Raises ValueError, naming the value, where one
    is missing, unused or does not fit its format.
    """
    return "".join(text for text, _ in pieces(template, values))


def pieces(template: str, values: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Set a template's values into it, and keep the texts apart: each with the name of the value that it is, if any.

    A blank comes between them where Chinese stands beside a letter or number, and no full stop behind one.
    """
    parts = list(_parse(template))
    wanted = {name for _, name, _ in parts if name is not None}
    for name in sorted(wanted - values.keys()):
        raise ValueError(f"The template {template!r} names the value {name!r}, which was not given.")
    for name in sorted(values.keys() - wanted):
        raise ValueError(f"The value {name!r} is not used by the template {template!r}; name it or leave it out.")
    both = ([(text, None), (_set_value(template, name, spec, values), name)] for text, name, spec in parts)
    said = [piece for pair in both for piece in pair if piece[0]]
    before = ["", *(text[-1] for text, _ in said)]
    once = [(text[text[0] == last == "." :], name) for last, (text, name) in zip(before, said)]
    return [(" " * bool(BESIDE.search(last + text[:1])) + text, name) for last, (text, name) in zip(before, once)]


def fields(template: str) -> set[str]:
    """Name the values that a template asks for."""
    return {name for _, name, _ in _parse(template) if name is not None}


def _parse(template: str) -> Iterator[tuple[str, str | None, str]]:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"The template {template!r} has an unpaired brace ({error}); write {{{{ for {{.") from None
    for text, name, spec, conversion in parts:
        if name == "" or conversion or "{" in (spec or ""):
            raise ValueError(f"The template {template!r} may hold only {{name}} and {{name:format}}.")
        yield text, name, spec or ""


def _set_value(template: str, name: str | None, spec: str, values: Mapping[str, Any]) -> str:
    if name is None:
        return ""
    try:
        return format_value(values[name], spec)
    except (ValueError, TypeError):
        told = f"The value {name!r} is {values[name]!r}, which the format {spec!r} in the template {template!r}"
        raise ValueError(f"{told} does not fit.") from None


def format_value(value: Any, spec: str = "") -> str:
    """Write one JSON value as a reader sees it, in the language that is spoken.

    None gives a dash; True and False give yes and no; a list gives its items, joined as in a sentence; numbers get a
    true minus sign, and with `compact` the language's words, as in 13 million; a name that is known, the language's,
    except with `raw`, or `quoted` for one in quotation marks, in which `each` sets the language's; a part, its words.
    Raises ValueError or TypeError where the format does not fit the value.
    """
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return show("yes" if value else "no")
    if isinstance(value, Mapping):
        return render(template(value["key"]), value["values"])
    if isinstance(value, list):
        joined = format_list([format_value(item, spec) for item in value], locale=_locale()) if value else ""
        return BESIDE.sub(" ", joined)
    if isinstance(value, str) and spec in ("raw", "quoted", "each"):  # such as a file's own name
        name = show(value) if spec == "each" else value
        return name if spec == "raw" else template("shared.quoted").replace("{name}", name)
    if isinstance(value, str):
        return format(show(value), spec)
    if spec == "compact":
        return BESIDE.sub(" ", format_compact_decimal(value, format_type="long", locale=_locale(), fraction_digits=1))
    if "|" in spec:
        return spec.split("|")[0 if _locale().plural_form(value) == "one" else -1]
    shown = format(value, spec)
    if "e+" in shown:  # as `.2g` writes 230
        shown = format(float(shown), ",.0f")
    if shown.startswith("-") and not re.search("[1-9]", shown):  # nothing is left of it but its sign
        shown = format(abs(value), spec)
    return shown.translate(_symbols(language()))


def _locale() -> Locale:
    return Locale.parse(_LOCALES.get(language(), language()), sep="_" if language() in _LOCALES else "-")


@cache
def _symbols(name: str) -> Mapping[int, str]:
    """Give what a language writes for the characters of Python's numbers."""
    locale = _locale()
    return {ord("-"): MINUS, ord(","): get_group_symbol(locale), ord("."): get_decimal_symbol(locale)}


def plain(name: str, value: Any) -> Any:
    """Turn numpy's scalars and arrays into JSON values; not-a-number becomes None, shown as a dash."""
    if isinstance(value, Said):
        return {"key": value.key, "values": {key: plain(key, item) for key, item in value.values.items()}}
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


def day(iso: str) -> str:
    """Write a day, such as "2025-01-31"; what is no day stays as it is."""
    try:
        return format_date(date.fromisoformat(iso), "long", locale=_locale())
    except ValueError:
        return iso


def duration(seconds: float) -> str:
    """Write about how long something takes, in one unit, such as "5 minutes"."""
    rounded = max(5, 5 * round(seconds / 5)) if seconds < 90 else round(seconds)
    return format_timedelta(rounded, threshold=1.5, locale=_locale())


def stored(part: Any) -> Said | str:
    """Read a part back that `plain` has made: a mapping is `Said`, a text is itself."""
    return Said(part["key"], part["values"]) if isinstance(part, Mapping) else part


def parts(items: Sequence[Any]) -> list[str]:
    """Set stored parts in the language that is spoken."""
    return [show(stored(item)) for item in items]


def some(names: Sequence[str | Said], most: int = 4) -> list[str | Said]:
    """Name the first few of many, and how many more there are."""
    return [*names] if len(names) <= most else [*names[:most], said("shared.others", count=len(names) - most)]


def join(sentences: Sequence[str]) -> str:
    """Set sentences behind each other."""
    return template("layout.between_sentences").join(sentences)
