"""What the names of folders and files mean, word by word: splits, folders that are no classes, numbered things."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from helpers.base.words import Said, some

VOCABULARY = tomllib.loads(Path(__file__).with_name("vocabulary.toml").read_text(encoding="utf-8"))
_SPLIT_WORDS = {word: split for split, found in VOCABULARY["splits"].items() for word in found}
_GLUED = re.compile(rf"({'|'.join(_SPLIT_WORDS)}){VOCABULARY['folders']['behind']}")
_DAY = re.compile("|".join(VOCABULARY["files"]["days"]))
_PLAIN, _SOURCES, _THINGS = (frozenset(VOCABULARY["folders"][kind]) for kind in ("plain", "sources", "things"))
_LABELS, _GROUPS = (frozenset(VOCABULARY["columns"][kind]) for kind in ("labels", "groups"))
_LONG = 4  # letters of a word, at least, that is known with one amiss


def words(name: str) -> list[str]:
    """Part a name into words of letters, in small letters; digits and signs part words, as do capitals after small."""
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def find_split(name: str) -> str:
    """Name the split that a name tells of, "" if none."""
    return next((_SPLIT_WORDS[found[1]] for word in words(name) if (found := _GLUED.fullmatch(word))), "")


def guess_split(name: str) -> str:
    """Name the split that a folder's name may tell of, misspelt by a letter or shortened, "" if none."""
    word = "".join(words(name))
    shorter = _shorten(word)
    near = (split for known, split in _SPLIT_WORDS.items() if len(known) >= _LONG and shorter & _shorten(known))
    return VOCABULARY["shortened"].get(word) or next(near, "")


def _shorten(word: str) -> set[str]:
    """Give a word with each of its letters left out, and whole: words that are one letter apart share one of these."""
    return {word, *(word[:place] + word[place + 1 :] for place in range(len(word)))}


def splits_of(path: str) -> set[str]:
    """Name the splits that the folders of a path tell of."""
    return {*map(find_split, path.split("/"))} - {""}


def without_split(name: str) -> str:
    """Give what a name says beside its split, such as "cat" of "cat_train"; "" where that is no class."""
    return " ".join(word for word in words(name) if not _GLUED.fullmatch(word) and word not in _PLAIN)


def is_plain(name: str) -> bool:
    """Tell whether a folder's name only says that there are images, such as "images" or "part 2"."""
    found = words(name)
    return bool(found) and all(word in _PLAIN or _GLUED.fullmatch(word) for word in found)


def says_plain(name: str) -> bool:
    """Tell whether a word of a folder's name only says that there are images, as one of "skin_part_1" does."""
    return not _PLAIN.isdisjoint(words(name))


def is_fold(name: str) -> bool:
    """Tell whether a folder's name is that of a fold of a cross-validation, such as "fold_0"."""
    return bool(re.fullmatch(r"folds?[\W_]*\d+", name.lower()))


def is_unlabelled(name: str) -> bool:
    """Tell whether a folder's name says that its images have no label."""
    return "".join(word for word in words(name) if word not in _PLAIN) in VOCABULARY["folders"]["unlabelled"]


def is_unknown(name: str) -> bool:
    """Tell whether a folder's name says so of images for testing, where "unknown" is no class."""
    return is_unlabelled(name) or "".join(words(name)) == "unknown"


def are_numbered(names: Iterable[str]) -> bool:
    """Tell whether names count things, such as persons ("s01", "s02") or sources, rather than name classes."""
    names = list(names)
    if all({*words(name)} & _SOURCES for name in names) or are_days(names):
        return True
    beginnings = {re.sub(r"[\W_]*\d+$", "", name).lower() for name in names}
    several = len(names) > 2 or {*words(names[0])} & _PLAIN  # "skin_part_1" and "skin_part_2"
    return bool(several) and len(beginnings) == 1 and all(name[-1:].isdigit() for name in names)


def may_be_classes(names: Iterable[str], lower: bool) -> bool:
    """Tell whether numbered names may be classes where they recur; lower: in folders of other names, not above these.

    By the word before the numbers: as in "grade 1", or, of lower ones, whatever is not known to count persons or so.
    """
    names = sorted(names)
    found = {*words(names[0])}
    return bool(found & _LABELS) or (lower and not are_days(names) and not found & (_GROUPS | _SOURCES | _THINGS))


def are_days(names: Iterable[str]) -> bool:
    """Tell whether names are those of days, months or years, or of a camera's folders, as 100CANON."""
    return all(map(_DAY.fullmatch, names))


def first(names: Iterable[str]) -> list[str | Said]:
    """Give the first names of classes or folders, in order, as a sentence may quote them."""
    return some(sort_classes(names), 3)


def key(name: str) -> str:
    """Spell a class's name as all its spellings do: by value where it is a number, else by its letters and digits."""
    return str(int(name)) if name.isdecimal() else re.sub(r"[\W_]", "", name).casefold() or name


def sort_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Sort the names of classes: by value where all are numbers, else by letters."""
    names = set(names)
    are_numbers = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=lambda name: (int(name) if are_numbers else 0, name)))
