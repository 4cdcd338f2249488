"""What lies among images and is none to learn from: thumbnails, masks, and annotations of where objects are."""

import io
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from posixpath import splitext

import numpy as np
from PIL import Image

from helpers.base.words import said
from helpers.data.containers import Members
from helpers.data.labels import words
from helpers.data.reading import Unused, unused
from helpers.data.sources import UnreadableError

_MASK_WORDS = frozenset((
    "mask", "masks", "segmentation", "segmentations", "seg", "segs", "groundtruth", "gt", "trimap", "trimaps",
    "annotation", "annotations", "matte", "mattes", "lungmask", "lungmasks", "labelmap", "labelmaps",
))  # fmt: skip
_MASK_NAME = re.compile(
    r"(?P<image>.*[^/]+?)[\s_.-]+(mask|masks|seg|segmentation|segmented|gt|groundtruth|trimap|matte)([\s_.-]*\d+)?",
    re.IGNORECASE,
)
_VERSIONS = (  # of the same images, the one that is meant first
    "color", "colour", "rgb", "original", "originals", "raw", "full", "grayscale", "greyscale", "gray", "grey",
    "segmented", "cropped", "resized",
)  # fmt: skip
_VERSION_END = re.compile(rf"[\W_]*(final[\W_]*)?(masked|copy|small|{'|'.join(_VERSIONS)})$", re.IGNORECASE)
_SAME = 0.9  # share of the images of one version that another has too
_PROBES = 8  # images that are looked at before a folder counts as one of masks
_TONES, _FLAT = 4, 0.95  # a mask has nearly all of its pixels in so many of sixteen grey levels
_MOST_BYTES = 2**24
_OBJECTS = {  # ending -> the form of annotations that end so, and what is found in them
    ".json": ("COCO", re.compile(rb'"images"\s*:\s*\[\s*{(?=.*"file_name")', re.DOTALL)),
    ".txt": ("YOLO", re.compile(rb"\A\d+( -?\d*\.?\d+){4,}\s*$", re.MULTILINE)),
    ".xml": ("Pascal VOC", re.compile(rb"<annotation\b.*<object>", re.DOTALL)),
}


def set_aside(members: Members, images: Sequence[str]) -> tuple[list[str], tuple[Unused, ...]]:
    """Part the images that are meant from thumbnails and masks; gives their paths, and what was left out."""
    folders: dict[str, list[str]] = defaultdict(list)
    for name in images:
        folders[name.rpartition("/")[0]].append(name)
    of_system = [f for f in folders if any(p.lower() in words.SYSTEM or p.startswith(".") for p in f.split("/"))]
    system = {name for folder in of_system for name in folders[folder]}
    masks = _find_mask_folders(members, folders) - system
    masks |= _find_mask_files(members, [name for name in images if name not in system])
    again = _find_versions([name for name in images if name not in system | masks])
    left = {"system": system, "masks": masks, "versions": again}
    aside = tuple(part for kind, names in left.items() for part in unused(said(f"data.left.{kind}"), sorted(names)))
    out = system | masks | again
    return [name for name in images if name not in out], aside


def find_objects(members: Members, images: Sequence[str]) -> tuple[str, str]:
    """Name a form of annotations of objects, of which an image may have several, and a file in it; "" where none is.

    https://cocodataset.org/#format-data, https://docs.ultralytics.com/datasets/detect/ and
    http://host.robots.ox.ac.uk/pascal/VOC/ describe these forms.
    """
    stems = {splitext(name.rpartition("/")[2])[0] for name in images}
    for name, opener in members.files.items():
        stem, ending = splitext(name.rpartition("/")[2])
        if ending.lower() == ".json" or (ending.lower() in _OBJECTS and stem in stems):
            form, pattern = _OBJECTS[ending.lower()]
            with suppress(UnreadableError, OSError), opener() as file:
                if pattern.search(file.read(_MOST_BYTES)):
                    return form, name
    return "", ""


def _find_versions(images: Sequence[str]) -> set[str]:
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
    for found in beside.values():
        first, *others = (found[word] for word in _VERSIONS if word in found)
        nested = len(beside) > 1 or any("/" in rest for rest in first)  # else these may be the classes themselves
        same = [o for o in others if nested and len(first.keys() & o.keys()) >= _SAME * min(len(first), len(o))]
        again |= {name for other in same for name in other.values()}
    return again


def _find_mask_folders(members: Members, folders: Mapping[str, Sequence[str]]) -> set[str]:
    """Find images in folders that are called masks, and look like masks, where there are others."""
    called = {folder for folder in folders if {*words.words(folder)} & _MASK_WORDS}
    if called == {*folders}:
        return set()
    return {name for folder in called if _are_masks(members, folders[folder]) for name in folders[folder]}


def _find_mask_files(members: Members, images: Sequence[str]) -> set[str]:
    """Find images called as another image of their folder with "_mask" behind it, that look like masks."""
    stems = {name: splitext(name)[0] for name in images}
    known = {*stems.values()}
    matches = {name: match for name, stem in stems.items() if (match := _MASK_NAME.fullmatch(stem))}
    called = [name for name, match in matches.items() if match["image"] in known]
    return {*called} if called and _are_masks(members, called) else set()


def _are_masks(members: Members, names: Sequence[str]) -> bool:
    """Look at a few images: of masks, nearly all pixels have one of a few tones."""
    return all(_is_flat(members, name) for name in names[:: max(1, len(names) // _PROBES)])


def _is_flat(members: Members, name: str) -> bool:
    with suppress(UnreadableError, OSError, ValueError, SyntaxError):
        with members.files[name]() as file, Image.open(io.BytesIO(file.read(_MOST_BYTES))) as image:
            image.draft("L", (256, 256))
            tones = np.bincount(np.asarray(image.convert("L")).ravel() >> 4, minlength=16)
        return bool(np.sort(tones)[-_TONES:].sum() >= _FLAT * tones.sum())
    return False
