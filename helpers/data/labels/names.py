"""Labels from the names of files, as in "cat.1.jpg", FER2013 or Food-11, and the names of classes given as numbers."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from posixpath import splitext

from helpers.base.words import Said, said, some
from helpers.data import sources
from helpers.data.containers import Members
from helpers.data.labels import words
from helpers.data.labels.folders import cross
from helpers.data.labels.frames import are_texts, read_rows
from helpers.data.reading import Reading
from helpers.data.sources import OTHER_SIZE, Image, UnreadableError, printable, refused

_FRONT = re.compile(r"(?P<label>.*?[^\W_].*?)[\W_]*\(?\d+\)?")  # cat.1, cat (1), cat12, 3_12
_BACK = re.compile(r"\d+[\W_]+(?P<label>[^\W\d_].*)")  # 0012_cat
_PART = re.compile(r"(?P<label>\d+)[\W_]+\d+")  # 3_12
_DAY = re.compile(words.VOCABULARY["files"]["taken"])  # when a photograph was taken; or a year
_PER_CLASS = 4  # images that a class has on average, where file names tell classes
_MOST_NUMBERS = 20  # classes that numbers in the middle of names count, rather than things
_CAMERA, _LIST_WORDS = (frozenset(words.VOCABULARY["files"][kind]) for kind in ("counted", "classes"))
_LIST_ENDINGS = (".txt", ".csv", ".tsv", ".json", ".names", ".mat")
_LONGEST_LIST = 2**20  # bytes
FOOD11_CLASSES = tuple(words.VOCABULARY["known"]["food11"])
_FOOD11_FOLDERS = {"training": "train", "validation": "validation", "evaluation": "test"}
_FOOD11_NAME = re.compile(r"(\d+)_\d+")  # class, running number
_READING = Reading(labels_from=said("data.labels.known"), splits_from=said("data.splits.known"))
Labelled = tuple[Reading, list[Image], int | None]  # how images are read, they themselves, and pixels a side if known


def read_names(names: Sequence[str], wanted: str = "") -> dict[int | str, dict[str, str]]:
    """Read classes off the names of files, in every way that is possible: the class by path.

    By the number of the part that tells them, counted from 1, or by 0 where that is all but a running number; every
    name of a folder has to tell one. wanted: the part that is asked for, or a pattern with the class in parentheses,
    or "" for those that may be meant. Raises DatasetError where the pattern is none.
    """
    if "(" in wanted:
        try:
            found = {name: re.search(wanted, name.rpartition("/")[2]) for name in names}
            return {wanted: {name: match[1] for name, match in found.items() if match}}
        except (re.error, IndexError) as error:
            raise refused("no_name_pattern", pattern=wanted, reason=str(error)) from None
    stems = {name: _DAY.sub("0", splitext(name.rpartition("/")[2])[0]) for name in names}
    parts = {name: re.findall(r"[^\W_]+", stem) for name, stem in stems.items()}
    if wanted.isdecimal():
        part = int(wanted)
        asked = {name: found[part - 1] for name, found in parts.items() if len(found) >= part > 0}
        return {part: dict(zip(asked, _without_numbers([*asked.values()]), strict=True))}
    inner = _read_parts(parts)
    if any(cross(one, other) for one in inner.values() for other in inner.values() if one is not other):
        return inner
    for pattern in (_PART, _FRONT, _BACK):
        labels = {name: match["label"] for name, stem in stems.items() if (match := pattern.fullmatch(stem))}
        partly = {name.rpartition("/")[0] for name in names if name not in labels}
        labels = {name: label for name, label in labels.items() if name.rpartition("/")[0] not in partly}
        if _are_classes(labels):
            return {0: labels}
    return inner


def read_places(names: Sequence[str], persons: Mapping[str, str]) -> dict[int | str, dict[str, str]]:
    """Read two letters that recur in every folder of a person, as AN of AF01ANS.JPG in AF01, by their pattern."""
    few = names[:: max(1, len(names) // 1000)]
    for place in range(min(len(splitext(name.rpartition("/")[2])[0]) for name in few) - 1):
        pattern = f"^.{{{place}}}(..)"
        (labels,) = read_names(few, pattern).values()
        if _are_classes(labels) and all(map(str.isalpha, labels.values())) and cross(persons, labels):
            return read_names(names, pattern)
    return {}


def _read_parts(parts: Mapping[str, Sequence[str]]) -> dict[int | str, dict[str, str]]:
    """Read the parts of names of three or more that may be classes: words, or a few numbers before the last part."""
    lengths = {len(found) for found in parts.values()}
    count = max(lengths) if len(lengths) == 1 and min(lengths) > 2 else 0
    ways: dict[int | str, dict[str, str]] = {}
    for place in range(count):
        values = _without_numbers([found[place] for found in parts.values()])
        numbers = any(value.isdecimal() for value in values)
        running = len({*values}) > _MOST_NUMBERS or place == count - 1 or any(re.match(r"0\d", v) for v in values)
        labels = dict(zip(parts, values, strict=True))
        if not (numbers and running) and _are_classes(labels):
            ways[place + 1] = labels
    return ways


def _without_numbers(values: Sequence[str]) -> Sequence[str]:
    """Take running numbers off words such as "AN1"; whatever has nothing else stays as it is."""
    shorter = [re.sub(r"\d+$", "", value) for value in values]
    return shorter if all(shorter) else values


def _are_classes(labels: Mapping[str, str]) -> bool:
    counts = Counter(labels.values())
    if len(counts) < 2 or len(labels) < _PER_CLASS * len(counts) or min(counts.values()) < 2:
        return False
    return not any("".join(words.words(name)) in _CAMERA or words.find_split(name) for name in counts)


def name_classes(path: str, found: Sequence[str], members: Members, wanted: str) -> tuple[dict[str, str], Said | None]:
    """Give names for classes, by class, and where they are from; nothing where there are none beside the data.

    found: the classes in order; wanted: what CLASSES says. Raises DatasetError where that does not fit.
    """
    if wanted:
        lines, source = _read_wanted(path, members, wanted)
        if names := _match(found, lines):
            more = [line[-1] for line in lines if "," in wanted and printable(line[-1]) not in names.values()]
            return names, said("data.named_by.more", names=some(more, 3)) if more else source
        raise refused("classes", path=path, n=len(lines), all=len(found), names=[*found])
    if all(name.isdecimal() or re.fullmatch(r"n\d{8}", name) for name in found):
        for name in sorted(members.files):
            stem, ending = splitext(name.rpartition("/")[2])
            called = ending.lower() == ".mat" or not _LIST_WORDS.isdisjoint(words.words(stem))
            may_list = ending.lower() in _LIST_ENDINGS and called
            if may_list and (names := _match(found, _read_list(members, name), strict=True)):
                return names, _file(name)
    return {}, None


def _file(name: str) -> Said:
    return said("data.named_by.file", file=printable(name))


def _read_wanted(path: str, members: Members, wanted: str) -> tuple[list[list[str]], Said]:
    """Read CLASSES: names parted by commas, or a file of them, beside the data or anywhere."""
    if "," in wanted:
        names = [name.strip() for name in wanted.split(",")]
        if twice := [name for name, often in Counter(names).items() if often > 1 or not name]:
            raise refused("twice", path=path, classes=wanted, names=twice)
        return [[name] for name in names], said("data.named_by.option")
    for name in members.files:
        if wanted in (name, PurePosixPath(name).name):
            return _read_list(members, name), _file(name)
    try:
        return _parse_list(Path(wanted).expanduser().read_text(encoding="utf-8-sig"), wanted), _file(wanted)
    except (OSError, ValueError):
        raise refused("no_classes", path=path, classes=wanted) from None


def _read_list(members: Members, name: str) -> list[list[str]]:
    if name.lower().endswith(".mat"):
        rows = {k: [*row] for k, row in read_rows(members.files[name]).items() if {*words.words(k)} & _LIST_WORDS}
        return next(([[cell] for cell in row] for row in rows.values() if are_texts(row)), [])
    with suppress(UnreadableError, OSError, ValueError), members.files[name]() as file:
        data = file.read(_LONGEST_LIST + 1)
        return [] if len(data) > _LONGEST_LIST else _parse_list(data.decode("utf-8-sig"), name)
    return []


def _parse_list(text: str, name: str) -> list[list[str]]:
    """Part a list of classes into lines of one name, or of what it is called in the data and its name."""
    if name.lower().endswith(".json"):
        content = json.loads(text)
        if isinstance(content, dict) and [*map(type, content.values())] == [list]:  # {"classes": [...]}
            (content,) = content.values()
        listed = [tuple(line.values()) if isinstance(line, dict) else (line,) for line in content]
        pairs = content.items() if isinstance(content, dict) else listed
        return [[str(part[-1] if part and isinstance(part, list) else part) for part in pair] for pair in pairs]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if name.lower().endswith((".csv", ".tsv")):
        mark = max(",;\t", key=lines[0].count)
        return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=mark)]
    codes = [match for line in lines if (match := re.fullmatch(r"(\d+) (\d{2,3})( \d{2,3})?", line))]
    if codes and len(codes) == len(lines):  # of letters, as EMNIST's
        return [[code[1], chr(int(code[2]))] for code in codes]
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


def find_fer2013(names: Sequence[str]) -> Labelled | None:
    """FER2013: the folders tell the seven classes and the files' names the splits, whichever folders they lie in."""
    paths = [(name, *["", *name.split("/")][-2:]) for name in names]
    splits = sources.FER2013_SPLITS
    images = [Image(name, folder.lower(), splits.get(file.split("_")[0], "")) for name, folder, file in paths]
    if {image.label for image in images} != {*sources.FER2013_CLASSES} or not all(image.split for image in images):
        return None
    by = said("data.known_by.fer2013_files")
    known = replace(_READING, title="FER2013", recognised_by=by, class_names=sources.FER2013_CLASSES)
    return replace(known, split_names=sources.FER2013_SPLIT_NAMES), images, sources.FER2013_SIZE


def find_food11(names: Sequence[str]) -> Labelled | None:
    """Food-11: folders tell the splits, and files' names the classes; some copies have others without a class."""
    images = []
    for name in names:
        *_, folder, file = ["", *name.split("/")]
        split, match = _FOOD11_FOLDERS.get(folder.lower(), ""), _FOOD11_NAME.fullmatch(splitext(file)[0])
        if split and match:
            images.append(Image(name, match[1], split))
        elif not words.find_split(folder):
            return None
    named = {str(number): name for number, name in enumerate(FOOD11_CLASSES)}
    found = {(image.split, image.label) for image in images}
    if not found >= {(split, number) for split in _FOOD11_FOLDERS.values() for number in named}:
        return None
    by = said("data.known_by.food11_files")
    known = replace(_READING, title="Food-11", recognised_by=by, class_names=FOOD11_CLASSES)
    return known, [image._replace(label=named.get(image.label, image.label)) for image in images], OTHER_SIZE
