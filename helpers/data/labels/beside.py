"""What lies among images and is none to learn from: thumbnails, masks, and annotations of where objects are."""

import io
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from itertools import combinations
from posixpath import commonpath, splitext

import numpy as np
from PIL import Image

from helpers.base.words import said
from helpers.data.containers import Members
from helpers.data.labels import words
from helpers.data.reading import Unused, unused
from helpers.data.sources import UnreadableError

_SYSTEM, _MASK_WORDS = (frozenset(words.VOCABULARY["folders"][kind]) for kind in ("system", "masks"))
_MASK_NAME = re.compile(
    r"(?P<image>.+?)[\s_.-]+(mask|masks|seg|segmentation|segmented|gt|groundtruth|trimap|matte)([\s_.-]*\d+)?",
    re.IGNORECASE,
)
_VERSIONS = words.VOCABULARY["folders"]["versions"]
_VERSION_END = re.compile(rf"[\W_]*(final[\W_]*)?(masked|copy|small|{'|'.join(_VERSIONS)})$", re.IGNORECASE)
_SIZES = re.compile(words.VOCABULARY["files"]["sizes"], re.IGNORECASE)
_COPY_END = re.compile(r"[\s_-]*(copy|\(\d+\))$", re.IGNORECASE)  # of a folder
_SAME = 0.9  # share of the images of one version that another has too
_BESIDE = 0.1  # files of their own for each image, at least, where these label images
_COPIES = 6  # of one image, at most, or its name recurs for another reason
_PROBES = 8  # images that are looked at before a folder counts as one of masks
_TONES, _FLAT = 4, 0.95  # a mask has nearly all of its pixels in so many of sixteen grey levels
_MOST_BYTES = 2**24
_IMAGES = frozenset(words.VOCABULARY["files"]["images"])
# Forms of annotations, each with how their files end and a pattern of what is found in them.
_OBJECTS = {form: (end, re.compile(found.encode())) for form, (end, found) in words.VOCABULARY["objects"].items()}


def set_aside(members: Members, images: Sequence[str]) -> tuple[list[str], tuple[Unused, ...]]:
    """Part the images that are meant from thumbnails and masks; gives their paths, and what was left out."""
    left, aside = [*images], list[Unused]()
    kinds = {"system": _find_system, "sizes": _find_sizes, "again": _find_again, "masks": _find_masks}
    kinds["versions"] = _find_versions
    for kind, find in kinds.items():
        found = find(members, left)
        aside += unused(said(f"data.left.{kind}"), sorted(found))
        left = [name for name in left if name not in found]
    return left, tuple(aside)


def find_objects(members: Members, images: Sequence[str]) -> tuple[str, str]:
    """Name a form of annotations of objects, of which an image may have several, and a file in it; "" where none is.

    https://cocodataset.org/#format-data, https://docs.ultralytics.com/datasets/detect/ and
    http://host.robots.ox.ac.uk/pascal/VOC/ describe some of these forms.
    """
    stems = {splitext(name.rpartition("/")[2])[0] for name in images}
    for name in members.files:
        stem, ending = splitext(name.rpartition("/")[2])
        for form, (end, pattern) in _OBJECTS.items():
            if ending.lower() == end and (end != ".txt" or stem in stems) and pattern.search(_read(members, name)):
                return form, name
    return "", ""


def find_sidecar(members: Members, images: Sequence[str]) -> str:
    """Name a file that is called as an image, or so with a word behind it; "" unless many images have one."""
    stems = {splitext(name.rpartition("/")[2])[0] for name in images}
    parts = {name: splitext(name.rpartition("/")[2]) for name in {*members.files} - {*images}}
    called = {name: stem for name, (stem, ending) in parts.items() if ending.lower() not in _IMAGES}
    beside = sorted(n for n, stem in called.items() if stem in stems or re.sub(r"[_.-][a-zA-Z]+$", "", stem) in stems)
    return beside[0] if len(beside) >= _BESIDE * len(images) else ""


def _find_system(_: Members, images: Sequence[str]) -> set[str]:
    return {name for name in images if not _SYSTEM.isdisjoint(name.lower().split("/")[:-1])}


def _find_sizes(members: Members, images: Sequence[str]) -> set[str]:
    """Find images called as another of their folder, with a word such as "thumb" before or behind, of another size."""
    parts = {name: (name.rpartition("/")[0], splitext(name.rpartition("/")[2])[0]) for name in images}
    there = {part: name for name, part in parts.items()}
    called: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, (folder, stem) in parts.items():
        if (original := _SIZES.sub("", stem)) != stem:
            called[folder].append((name, there.get((folder, original), "")))
    sized: set[str] = set()
    for pairs in called.values():
        probes = [{_size_of(members, name) for name in pair} for pair in pairs[:: max(1, len(pairs) // _PROBES)]]
        if all(one for _, one in pairs) and all(len(sizes) > 1 and (0, 0) not in sizes for sizes in probes):
            sized |= {name for name, _ in pairs}
    return sized


def _size_of(members: Members, name: str) -> tuple[int, int]:
    with suppress(OSError, ValueError, SyntaxError), Image.open(io.BytesIO(_read(members, name))) as image:
        return image.size
    return 0, 0


def _find_again(members: Members, images: Sequence[str]) -> set[str]:
    """Find the images of folders that are copies of others, byte for byte, beside or in these."""
    by_name, below = defaultdict[tuple[str, str], list[str]](list), Counter[str]()
    folders = Counter(name.rpartition("/")[0] for name in images)
    called = {folder: words.key(_COPY_END.sub("", folder.rpartition("/")[2])) for folder in folders}
    for folder, number in folders.items():
        parents = folder.split("/") if folder else []
        below.update({"/".join(parents[:depth]): number for depth in range(len(parents) + 1)})
    for name in images:
        folder, _, file = name.rpartition("/")
        by_name[called[folder], file].append(name)
    pairs: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for names in by_name.values():
        for pair in combinations(names, 2) if len(names) <= _COPIES else ():
            pairs[_heads(*pair)].append(pair)
    again: set[str] = set()
    for heads, same in pairs.items():
        first, other = sorted(heads, key=lambda head: (-below[head], len(head), head))
        one_split = words.splits_of(first) == words.splits_of(other)
        fewest = min(below[other], below[first] - below[other] * (f"{other}/".startswith(f"{first}/" * bool(first))))
        probes = [*same[:: max(1, len(same) // _PROBES)], *same] if one_split and len(same) >= _SAME * fewest else []
        if probes and all(_read(members, one) == _read(members, two) for one, two in probes):
            again |= {pair[heads.index(other)] for pair in same}
    return again


def _heads(one: str, other: str) -> tuple[str, str]:
    """Give two paths without the folders and the name at their ends that both share."""
    parts, others = one.split("/"), other.split("/")
    while parts and others and parts[-1] == others[-1]:
        parts.pop(), others.pop()
    return "/".join(parts), "/".join(others)


def _read(members: Members, name: str) -> bytes:
    with suppress(UnreadableError, OSError, ValueError), members.files[name]() as file:
        return file.read(_MOST_BYTES)
    return b""


def _find_versions(members: Members, images: Sequence[str]) -> set[str]:
    """Find images that lie in folders such as "grayscale", and lie in one such as "color" beside it as well."""
    beside: dict[str, dict[str, dict[str, str]]] = {}  # folder above -> version -> the rest of the path -> the path
    for name in images:
        *parents, file = name.split("/")
        place = next((place for place, part in enumerate(parents) if part.lower() in _VERSIONS), None)
        if place is not None:
            rest = "/".join([*parents[place + 1 :], _VERSION_END.sub("", splitext(file)[0])])
            above = beside.setdefault("/".join(parents[:place]), {})
            above.setdefault(parents[place].lower(), {})[rest] = name
    again: set[str] = set()
    listed = any(name.lower().endswith((".txt", ".csv")) for name in members.files)
    for found in beside.values():
        first, *others = (found[word] for word in _VERSIONS if word in found)
        # or else these may be the classes themselves
        nested = listed or len(beside) > 1 or any("/" in rest for rest in first)
        same = [o for o in others if nested and len(first.keys() & o.keys()) >= _SAME * min(len(first), len(o))]
        again |= {name for other in same for name in other.values()}
    return again


def _find_masks(members: Members, images: Sequence[str]) -> set[str]:
    """Find images in folders called masks beside others, or called as another with "_mask" behind it, that look so."""
    stems = {splitext(name.rpartition("/")[2])[0] for name in images}
    in_folders: dict[str, list[str]] = defaultdict(list)
    beside: dict[str, list[str]] = defaultdict(list)
    shared = len(commonpath(images)) if images else 0
    folders = {name.rpartition("/")[0] for name in images}
    of_masks = {folder for folder in folders if not _MASK_WORDS.isdisjoint(words.words(folder[shared:]))}
    for name in images:
        folder, _, file = name.rpartition("/")
        match = _MASK_NAME.fullmatch(splitext(file)[0])
        if folder in of_masks:
            in_folders[folder].append(name)
        if match and match["image"] in stems:
            beside[folder].append(name)
    called = {name for names in in_folders.values() for name in names}
    if _are_flat(members, [name for name in images if name not in called]):
        in_folders.clear()  # as signs in black and white are, of which a class may be called "gt"
    masks: set[str] = set()
    for names in (*beside.values(), *in_folders.values()):
        masks |= {*names} if _are_flat(members, names) else set()
    return masks


def _are_flat(members: Members, names: Sequence[str]) -> bool:
    return all(_is_flat(members, name) for name in names[:: max(1, len(names) // _PROBES)])


def _is_flat(members: Members, name: str) -> bool:
    """Tell whether nearly all pixels of an image have one of a few tones, as those of masks."""
    with suppress(OSError, ValueError, SyntaxError), Image.open(io.BytesIO(_read(members, name))) as image:
        image.draft("L", (256, 256))
        tones = np.bincount(np.asarray(image.convert("L")).ravel() >> 4, minlength=16)
        return bool(np.sort(tones)[-_TONES:].sum() >= _FLAT * tones.sum())
    return False
