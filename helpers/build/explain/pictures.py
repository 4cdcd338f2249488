"""The pictures that IMAGES names: files, folders, and places in the splits of the run."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from helpers.base.notebook import UsageError
from helpers.data.datasets import Dataset
from helpers.data.decode import decode, is_picture
from helpers.data.sources import SPLITS, Giver, printable

_PLACES = re.compile(rf"({'|'.join(SPLITS)}):(.*)")


@dataclass(frozen=True)
class Picture:
    """A picture to explain: its name for people, (H, W, C) uint8 as the network takes it, and its class if known."""

    name: str
    pixels: np.ndarray
    label: int | None = None


def read_images(images: str, dataset: Dataset) -> tuple[list[Picture], list[str]]:
    """Read what IMAGES names: the pictures, and of each that cannot be used a sentence that says why.

    Files are decoded as the run's data were. Raises UsageError where it names nothing.
    """
    found = [each for word in _words(images) for each in _read(word, dataset)]
    return [x for x in found if isinstance(x, Picture)], [x for x in found if isinstance(x, str)]


def name_of(images: str) -> str:
    """Name the files that a call writes, after the first that IMAGES names and how many more there are."""
    first, *more = _words(images)
    stem = first if _PLACES.fullmatch(first) else Path(first).resolve().stem
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in stem)[:80] + (f"+{len(more)}" if more else "")


def _words(images: str) -> list[str]:
    """Part IMAGES at blanks, unless the whole is the name of one file."""
    if not images.strip():
        raise UsageError("IMAGES names no picture; give a file, a folder, or places such as IMAGES=test:17,42.")
    try:
        return [images] if Path(images).expanduser().exists() else shlex.split(images)
    except (ValueError, OSError):
        raise UsageError(f"IMAGES={images} cannot be parted into names; put each into quotation marks.") from None


def _read(word: str, dataset: Dataset) -> Iterator[Picture | str]:
    path = Path(word).expanduser()
    if places := _PLACES.fullmatch(word):
        yield from (_read_place(places[1], text.strip(), dataset) for text in places[2].split(","))
    elif path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        if not any(map(_begins_as_picture, files)):
            holds = f"{told}, and no picture" if (told := _folders_in(word)) else f"{word} holds no picture"
            yield f"{holds}; give a folder with pictures in it."
        else:
            yield from (_read_file(file, dataset) for file in files)
    elif path.is_file():
        yield _read_file(path, dataset)
    else:
        yield f"There is no file {printable(word)}; give a picture, a folder, or places such as test:17,42."


def passed_over(images: str) -> list[str]:
    """Say of the folders that IMAGES names, one sentence each, which folders in them are not looked into."""
    advice = "to explain what is in them, name them in IMAGES as well"
    return [f"{told}; {advice}." for word in _words(images) if (told := _folders_in(word))]


def _folders_in(word: str) -> str:
    path = Path(word).expanduser()
    inner = path.iterdir() if path.is_dir() else ()
    names = sorted(printable(one.name) for one in inner if one.is_dir() and not one.name.startswith("."))
    shown = f"folder{'s' * (len(names) > 1)} ({', '.join(names[:5])}{', ...' * (len(names) > 5)})"
    return f"{word} holds {len(names)} {shown}, not looked into" if names else ""


def _begins_as_picture(file: Path) -> bool:
    with file.open("rb") as opened:
        return is_picture(opened.read(16))


def _read_file(path: Path, dataset: Dataset) -> Picture | str:
    return read_picture(path.name, lambda: path.open("rb"), dataset)


def read_picture(name: str, opener: Giver, dataset: Dataset) -> Picture | str:
    """Decode a file as a run's data were: the picture, or a sentence that says why it cannot be used."""
    size, _, channels = dataset.image_shape
    found = decode(opener, replace(dataset.reading.pixels, size=size, colour=channels == 3))
    name = printable(name)
    return Picture(name, found) if isinstance(found, np.ndarray) else f"{name} cannot be explained: it {found}."


def _read_place(name: str, text: str, dataset: Dataset) -> Picture | str:
    split = getattr(dataset, name)
    if not text.isdecimal() or int(text) >= len(split.labels):
        return f"There is no image {name}:{text}; this split has the places 0 to {len(split.labels) - 1}."
    return Picture(f"{name}:{text}", np.asarray(split.images[int(text)]), int(split.labels[int(text)]))
