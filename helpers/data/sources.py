"""What lies behind a path: files that can be opened, and the records of labelled images that readers make of them.

Archives are read in place. Nothing is ever unpacked to the disk, so a name in an archive can do no harm.
"""

import gzip
import os
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, NoReturn

import numpy as np

from helpers.data import faces
from helpers.data.reading import SPLITS as SPLITS
from helpers.data.reading import Reading

FER2013_CLASSES = faces.CLASS_NAMES
FER2013_SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
FER2013_SPLIT_NAMES = {split: usage for usage, split in FER2013_SPLITS.items()}
FER2013_SIZE, OTHER_SIZE = 48, 64  # pixels a side, unless asked otherwise
_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile)


class DatasetError(ValueError):
    """A data set that cannot be found or used; the message is one sentence for the user."""


class UnreadableError(ValueError):
    """One file that cannot be read; the message says why, as the end of a sentence that begins with its name."""


class Record(NamedTuple):
    """One labelled image."""

    name: str
    label: int
    split: str  # one of SPLITS, or "" where the source does not say
    pixels: np.ndarray | str  # (H, W, C) uint8, or why it cannot be read
    group: str = ""  # images of one group, such as a patient, stay on one side of a split that is drawn


@dataclass(frozen=True)
class Contents:
    """What a reader makes of a path.

    reading: how it is read, known before any image is decoded, the counts of images by split and class among it;
    records: all labelled images, decoded when they are asked for; preview: a few of each class, decoded likewise, where
    the reader can give them without going through all records.
    """

    reading: Reading
    records: Iterable[Record]
    preview: Iterable[Record] | None = None


Opener = Callable[[], BinaryIO]


@dataclass(frozen=True)
class Members:
    """What a folder, an archive or a file holds: its files by name, each with how to open it, and its folders."""

    files: Mapping[str, Opener]
    folders: frozenset[str] = frozenset()


@contextmanager
def reading_from(path: Path) -> Iterator[None]:
    """Turn the errors that reading a path may raise into DatasetErrors."""
    try:
        yield
    except _DAMAGE as error:
        raise DatasetError(f"{path} is damaged ({error}); download or make it again.") from error
    except NotImplementedError as error:
        raise DatasetError(
            f"{path} is packed in a way that cannot be read ({error}); unpack it and give the folder."
        ) from error
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read ({error.strerror or error}); make it readable, or copy it elsewhere."
        ) from error


def list_members(path: Path) -> Members:
    """List what lies behind a path: of a folder or zip all files, of a tar its tables, or the file itself.

    Raises DatasetError on an archive that is protected, or that holds a path that leads out of it.
    """
    if path.is_dir():
        return Members({name: partial(_open_file, file) for name, file in visible_files(path).items()}, _folders(path))
    if zipfile.is_zipfile(path):
        return _zip_members(path)
    if tarfile.is_tarfile(path):
        return _tar_members(path)
    with path.open("rb") as file:
        magic = file.read(2)
    if magic == b"PK":
        raise zipfile.BadZipFile("its end is missing")
    return Members({path.name: partial(gzip.open, path) if magic == b"\x1f\x8b" else partial(path.open, "rb")})


def _zip_members(path: Path) -> Members:
    archive = zipfile.ZipFile(path)
    entries = [(_slashed(entry.filename), entry) for entry in archive.infolist()]
    _refuse_ways_out(path, [name for name, _ in entries])
    entries = [(name, entry) for name, entry in entries if not is_hidden(name)]
    if any(entry.flag_bits & 1 for _, entry in entries):
        raise DatasetError(f"{path} is protected by a password; unpack it and give the folder instead.")
    folders = {str(PurePosixPath(name)) for name, _ in entries if name.endswith("/")}
    files = [(name, partial(_open_entry, archive, entry)) for name, entry in entries if not name.endswith("/")]
    return Members(_without_twins(files), frozenset(folders))


def _slashed(name: str) -> str:
    """Spell a path in the one way that is legal in a zip; some programs of Windows write it in theirs."""
    return name.replace("\\", "/")


def _open_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> BinaryIO:
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise UnreadableError("is a link, and holds no image itself")
    return archive.open(entry)


def _without_twins(files: Sequence[tuple[str, Opener]]) -> dict[str, Opener]:
    """Of files with one name keep the last, as unpacking would, and let the others say so when opened."""
    left = Counter(name for name, _ in files)
    kept: dict[str, Opener] = {}
    for name, opener in files:
        left[name] -= 1
        if left[name]:
            kept[_numbered(name, left[name])] = partial(_raise, "has the name of a later file of the archive")
        else:
            kept[name] = opener
    return kept


def _numbered(name: str, number: int) -> str:
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem} (earlier {number}){path.suffix}"))


def _raise(reason: str) -> NoReturn:
    raise UnreadableError(reason)


def _tar_members(path: Path) -> Members:
    """List the tables of a tar archive; its pictures cannot be read in any order but its own."""
    archive = tarfile.open(path)  # noqa: SIM115 (its members are opened later)
    entries = list(archive)
    _refuse_ways_out(path, [entry.name for entry in entries])
    tables = [entry for entry in entries if entry.isfile() and entry.name.lower().endswith(".csv")]
    if not tables:
        raise DatasetError(f"{path} is a tar archive without a table; unpack it and give the folder instead.")
    return Members({entry.name: partial(archive.extractfile, entry) for entry in tables if not is_hidden(entry.name)})


def _refuse_ways_out(path: Path, names: Iterable[str]) -> None:
    for name in names:
        parts = PurePosixPath(name).parts
        if ".." in parts or parts[:1] == ("/",) or (parts and parts[0].endswith(":")):
            raise DatasetError(
                f"{path} holds the path {name!r}, which leads out of the archive; get it from a source that you trust."
            )


def visible_files(folder: Path) -> dict[str, Path]:
    """Map the relative path of every file that is not hidden to the file, sorted; links to folders are followed."""
    names = {file.relative_to(folder).as_posix(): file for parent, files in _walk(folder) for file in files}
    return {name: names[name] for name in sorted(names) if not is_hidden(name)}


def _walk(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Visit every folder once, whatever links lead to it, with its files."""
    seen = set()
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_raise_error):
        folders.sort()
        status = Path(parent).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        yield Path(parent), [Path(parent, file) for file in files]


def _raise_error(error: OSError) -> NoReturn:
    raise error


def _folders(folder: Path) -> frozenset[str]:
    names = (parent.relative_to(folder).as_posix() for parent, _ in _walk(folder))
    return frozenset(name for name in names if not is_hidden(name))


def _open_file(file: Path) -> BinaryIO:
    if not file.exists():
        raise UnreadableError("is a link that leads nowhere")
    if not file.is_file():  # a pipe would be waited for, a device might never end
        raise UnreadableError("is not a regular file")
    return file.open("rb")


def is_hidden(name: str) -> bool:
    """Tell whether a path is one of those that programs keep for themselves."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def printable(name: str) -> str:
    """Spell a name so that it can be printed and stored: accents composed, control characters and bad bytes escaped."""
    return "".join(map(_escape, unicodedata.normalize("NFC", name)))


def _escape(character: str) -> str:
    unprintable = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
    return character.encode("unicode_escape").decode() if unprintable else character
