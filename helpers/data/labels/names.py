"""Labels from the names of files, such as "cat.1.jpg", and the names of classes that are given as numbers."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from posixpath import splitext

from helpers.data.containers import Members
from helpers.data.labels import words
from helpers.data.sources import DatasetError, UnreadableError, printable

_FRONT = re.compile(r"(?P<label>.*?[^\W_].*?)[\W_]*\(?\d+\)?")  # cat.1, cat (1), cat12, 3_12
_BACK = re.compile(r"\d+[\W_]+(?P<label>[^\W\d_].*)")  # 0012_cat
_PART = re.compile(r"(?P<label>\d+)[\W_]+\d+")  # 3_12
_PER_CLASS = 4  # images that a class has on average, where file names tell classes
_CAMERA = frozenset((
    "dsc", "dscn", "img", "image", "frame", "photo", "pic", "picture", "file", "scan", "screenshot", "untitled",
    "sample", "test", "train", "val",
))  # fmt: skip
_LIST_WORDS = frozenset((
    "class", "classes", "label", "labels", "word", "words", "name", "names", "categories", "category", "synset",
    "synsets", "signnames", "species", "mapping", "map",
))  # fmt: skip
_LIST_ENDINGS = (".txt", ".csv", ".tsv", ".json", ".names")
_LONGEST_LIST = 2**20  # bytes


def read_names(names: Sequence[str]) -> dict[str, str]:
    """Read classes off the names of files; none unless every name of a folder tells one. Gives the class by path."""
    for pattern in (_PART, _FRONT, _BACK):
        folders: dict[str, list[tuple[str, re.Match[str] | None]]] = {}
        for name in names:
            folder, _, file = name.rpartition("/")
            folders.setdefault(folder, []).append((name, pattern.fullmatch(splitext(file)[0])))
        labels = {
            name: match["label"]
            for pairs in folders.values()
            if all(m for _, m in pairs)
            for name, match in pairs
            if match
        }
        if _are_classes(labels):
            return labels
    return {}


def _are_classes(labels: Mapping[str, str]) -> bool:
    counts = Counter(labels.values())
    if len(counts) < 2 or len(labels) < _PER_CLASS * len(counts) or min(counts.values()) < 2:
        return False
    return not any("".join(words.words(name)) in _CAMERA for name in counts)


def name_classes(path: str, found: Sequence[str], members: Members, wanted: str) -> tuple[dict[str, str], str]:
    """Give names for classes, by class, and where they are from; nothing where there are none beside the data.

    found: the classes in order; wanted: what CLASSES says. Raises DatasetError where that does not fit.
    """
    if wanted:
        lines, source = _read_wanted(path, members, wanted)
        if names := _match(found, lines):
            return names, source
        raise DatasetError(
            f"CLASSES names {len(lines)} classes, and {path} has {len(found)}: "
            f"{', '.join(map(repr, found[:12]))}{' ...' if len(found) > 12 else ''}; name each of them, in this order."
        )
    if all(name.isdecimal() or re.fullmatch(r"n\d{8}", name) for name in found):
        for name in sorted(members.files):
            if _may_list(name) and (names := _match(found, _read_list(members, name), strict=True)):
                return names, f"the file {printable(name)}"
    return {}, ""


def _may_list(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in _LIST_ENDINGS and any(word in _LIST_WORDS for word in words.words(path.stem))


def _read_wanted(path: str, members: Members, wanted: str) -> tuple[list[list[str]], str]:
    """Read CLASSES: names parted by commas, or a file of them, beside the data or anywhere."""
    if "," in wanted:
        return [[name.strip()] for name in wanted.split(",")], "CLASSES"
    for name in members.files:
        if wanted in (name, PurePosixPath(name).name):
            return _read_list(members, name), f"the file {printable(name)}"
    try:
        return _parse_list(Path(wanted).expanduser().read_text(encoding="utf-8-sig"), wanted), f"the file {wanted}"
    except (OSError, ValueError):
        raise DatasetError(
            f"CLASSES={wanted} is neither names parted by commas nor a file, in {path} or elsewhere; give one of these."
        ) from None


def _read_list(members: Members, name: str) -> list[list[str]]:
    try:
        with members.files[name]() as file:
            data = file.read(_LONGEST_LIST + 1)
        return [] if len(data) > _LONGEST_LIST else _parse_list(data.decode("utf-8-sig"), name)
    except (UnreadableError, OSError, ValueError):
        return []


def _parse_list(text: str, name: str) -> list[list[str]]:
    """Part a list of classes into lines of one name, or of what it is called in the data and its name."""
    if name.lower().endswith(".json"):
        content = json.loads(text)
        pairs = content.items() if isinstance(content, dict) else [(line,) for line in content]
        return [[str(part) for part in pair] for pair in pairs]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if name.lower().endswith((".csv", ".tsv")):
        mark = max(",;\t", key=lines[0].count)
        return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=mark)]
    parted = [re.split(r"[\t,;:= ]+", line, maxsplit=1) for line in lines]
    keyed = all(len(parts) == 2 and re.fullmatch(r"n?\d+", parts[0]) for parts in parted)
    return parted if keyed else [[line] for line in lines]


def _match(found: Sequence[str], lines: Sequence[Sequence[str]], strict: bool = False) -> dict[str, str]:
    """Give each class its name from a list; nothing where the list does not fit.

    strict: whether lines without numbers must begin with the class 0, or 1, rather than just be as many.
    """
    for turned in (False, True):  # "0 cat", or "cat 0" as in JSON
        pairs = [(line[-1], line[0]) if turned else (line[0], line[1]) for line in lines if len(line) > 1]
        by_key = {words.key(key): printable(name) for key, name in pairs}
        if len(by_key) == len(pairs) and all(words.key(name) in by_key for name in found):
            return {name: by_key[words.key(name)] for name in found}
    plain = [line[0] for line in lines if len(line) == 1]
    if len(plain) < len(lines):
        return {}
    if not strict and len(plain) == len(found):
        return dict(zip(found, map(printable, plain)))
    if all(name.isdecimal() for name in found) and plain:
        numbers = [int(name) for name in found]
        first = 1 if max(numbers) == len(plain) and min(numbers) > 0 else 0
        if max(numbers) - first < len(plain) and (first or min(numbers) == 0 or max(numbers) == len(plain) - 1):
            return {name: printable(plain[number - first]) for name, number in zip(found, numbers)}
    return {}
