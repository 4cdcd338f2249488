"""What lies behind a path: the files of a folder, of an archive, or of archives in either, each with how to open it.

Archives are read in place, compressed ones by way of a spool: a temporary file that has no name and ends with the
process. No name in an archive ever becomes a name on the disk, so it can do no harm.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import tarfile
import tempfile
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NoReturn

from helpers.base.files import writing
from helpers.base.words import Said, said
from helpers.data.containers.foreign import refuse_foreign
from helpers.data.sources import Opener, UnreadableError, printable, refused

MAX_GROWTH, MIN_SPOOL = 20, 2 * 2**30  # an archive may unpack to so many times its size, and to so many bytes anyway
_ENDINGS = (".tar.gz", ".tar.bz2", ".tar.xz", ".zip", ".npz", ".tar", ".tgz", ".tbz2", ".txz")
_COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_COMPRESSED_ENDINGS = (".gz", ".bz2", ".xz")
_HEAD, _CHUNK = 2**16, 2**20  # bytes
_PART_NAME = re.compile(r"-\d{8}T\d{6}Z(-\d+)+$")  # what Google Drive puts behind the name of each part of a folder
_LINK = "is a link, and holds no image itself"


@dataclass(frozen=True)
class Members:
    """What a folder, an archive or a file holds: its files by name, each with how to open it, and its folders.

    notes: whole sentences on what was decided when they were listed; deeper: archives that lie too deep in others to be
    looked into.
    """

    files: Mapping[str, Opener]
    folders: frozenset[str] = frozenset()
    notes: tuple[Said, ...] = ()
    deeper: tuple[str, ...] = ()

    def heads(self) -> Iterator[tuple[str, bytes]]:
        """Give name and first bytes of every file that can be read."""
        for name, opener in self.files.items():
            with suppress(UnreadableError, OSError), opener() as file:
                yield name, file.read(_HEAD)


def list_members(path: Path, scratch: Path | None = None) -> Members:
    """List the files of a folder or an archive, and of archives in these, which count as folders; or the file itself.

    scratch: folder for the spool, made if missing; by default the system's for temporary files. Raises DatasetError
    on what is protected or foreign, on an archive with a path that leads out of it or that unpacks to far more than
    its size, and what `sources.reading_from` turns into one.
    """
    if path.is_dir():
        files, folders = _walk(path)
        archives = [file for name, file in files.items() if name.lower().endswith(_ENDINGS) and file.is_file()]
        size = sum(file.stat().st_size for file in archives)
        found: Members | None = Members({name: partial(_open_file, file) for name, file in files.items()}, folders)
    else:
        found, size = None, path.stat().st_size
    spool = _Spool(path, scratch, max(MIN_SPOOL, MAX_GROWTH * size))
    found = found or _list_archive(str(path), path.open("rb"), spool)
    for _ in range(2 if path.is_dir() else 1):  # so that a folder holds what its archive does, given alone
        found = found and _with_inner_archives(path, found, spool)
    return found or _list_file(path)


def _list_file(path: Path) -> Members:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    refuse_foreign(path, path.name, head)
    if head.startswith(b"PK"):
        raise zipfile.BadZipFile("its end is missing")
    return Members({_without_compression(path.name): partial(_open_packed, partial(_open_file, path))})


def _without_compression(name: str) -> str:
    return name.rpartition(".")[0] if name.lower().endswith(_COMPRESSED_ENDINGS) else name


def _open_packed(opener: Opener) -> BinaryIO:
    """Open a file, through its compression where its content is compressed."""
    file = opener()
    unpack = _find_compression(_peek(file))
    return unpack(file) if unpack else file


def _peek(file: BinaryIO) -> bytes:
    head = file.read(_HEAD)
    file.seek(0)
    return head


def _find_compression(head: bytes) -> Any:
    return next((unpack for magic, unpack in _COMPRESSED.items() if head.startswith(magic)), None)


def _list_archive(label: str, file: BinaryIO, spool: "_Spool") -> Members | None:
    """List an archive, given open at its beginning; None, and closed, if it is none. label: for messages."""
    if zipfile.is_zipfile(file):
        return _list_zip(label, file)
    file.seek(0)
    head = _peek(file)
    if unpack := _find_compression(head):
        with file, unpack(file) as stream:
            return _list_tar(label, spool.keep(stream)()) if _is_tar(_peek(stream)) else None
    if _is_tar(head):
        return _list_tar(label, file)
    file.close()
    return None


def _is_tar(head: bytes) -> bool:
    return any(head[: tarfile.BLOCKSIZE]) and tarfile.is_tarfile(io.BytesIO(head))


def _list_zip(label: str, file: BinaryIO) -> Members:
    archive = zipfile.ZipFile(file)
    listed = archive.infolist()
    names, notes = [entry.filename for entry in listed], tuple[Said, ...]()
    if not all(entry.flag_bits & 0x800 or entry.orig_filename.isascii() for entry in listed):
        from helpers.data.containers.encodings import decode_names  # which has large tables

        names, notes = decode_names(listed)
    slashed = (name.replace("\\", "/") for name in names)  # which Windows parts by others
    entries = _visible(label, [*zip(slashed, listed)])
    if any(entry.flag_bits & 1 for _, entry in entries):
        raise refused("password", path=label)
    folders = frozenset(str(PurePosixPath(name)) for name, _ in entries if name.endswith("/"))
    files = [(name, partial(_open_entry, archive, entry)) for name, entry in entries if not name.endswith("/")]
    return Members(_without_twins(files), folders, notes)


def _open_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> BinaryIO:
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise UnreadableError(_LINK)
    return archive.open(entry)  # type: ignore[return-value]  # it reads like any binary file


def _list_tar(label: str, file: BinaryIO) -> Members:
    """List an uncompressed tar archive; its files are read where they lie in it."""
    with tarfile.open(fileobj=file, mode="r:") as archive:
        entries = _visible(label, [(str(PurePosixPath(entry.name)), entry) for entry in archive])
        file.seek(archive.offset)
    if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # tarfile takes whatever is no header for the end
        raise tarfile.ReadError("its end is missing")
    lock, known = threading.Lock(), dict[str, Opener]()
    files = []
    for name, entry in entries:
        if not entry.isdir():
            known[name] = _open_tar_entry(entry, file, lock, known)
            files.append((name, known[name]))
    return Members(_without_twins(files), frozenset(name for name, entry in entries if entry.isdir()))


def _open_tar_entry(
    entry: tarfile.TarInfo, file: BinaryIO, lock: threading.Lock, before: Mapping[str, Opener]
) -> Opener:
    if entry.islnk() and entry.linkname in before:  # as tar stores a file that has two names
        return before[entry.linkname]
    if entry.islnk() or entry.issym():
        return partial(_raise, UnreadableError(_LINK))
    if not entry.isreg() or entry.issparse():
        return partial(_raise, UnreadableError("is not a regular file"))
    return partial(_open_slice, file, lock, entry.offset_data, entry.size)


def _without_twins(files: Sequence[tuple[str, Opener]]) -> dict[str, Opener]:
    """Of files with one name keep the last, as unpacking would, and let the others say so when opened."""
    left = Counter(name for name, _ in files)
    kept: dict[str, Opener] = {}
    for name, opener in files:
        left[name] -= 1
        if left[name]:
            path = PurePosixPath(name)
            name = str(path.with_name(f"{path.stem} (earlier {left[name]}){path.suffix}"))
            opener = partial(_raise, UnreadableError("has the name of a later file of the archive"))
        kept[name] = opener
    return kept


def _raise(error: Exception) -> NoReturn:
    raise error


def _visible(label: str, entries: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Give the entries of an archive that are not hidden; DatasetError where the name of any leads out of it."""
    for name, _ in entries:
        first, *rest = name.split("/")  # a path of pathlib's would take longer than all else of listing
        if ".." in (first, *rest) or name.startswith("/") or first.endswith(":"):
            raise refused("outside", path=label, name=name)
    return [(name, entry) for name, entry in entries if not is_hidden(name)]


def _with_inner_archives(path: Path, found: Members, spool: "_Spool") -> Members:
    """Put the files of every inner archive in its place, below a folder of its name unless it lies there alone."""
    files: dict[str, Opener] = {}
    folders, notes, deeper = set(found.folders), list(found.notes), list[str]()
    for name, opener in found.files.items():
        inner = _list_inner(path, name, opener, spool) if name.lower().endswith(_ENDINGS) else None
        if inner is None:
            plain = _without_compression(name)
            kept = plain == name or plain in found.files
            files[name if kept else plain] = opener if kept else partial(_open_packed, opener)
            continue
        beside = PurePosixPath(name).parent
        ending = next(ending for ending in _ENDINGS if name.lower().endswith(ending))
        place = PurePosixPath(_PART_NAME.sub("", name[: -len(ending)]))
        if any(str(folder / file) in found.files for folder in (beside, place) for file in inner.files):
            notes.append(said("data.notes.archive", name=printable(name)))
            continue
        place = beside if len(found.files) == 1 else place
        files |= {str(place / file): opener for file, opener in inner.files.items()}
        folders |= {str(place), *(str(place / folder) for folder in inner.folders)} - {"."}
        notes += inner.notes
        ends = tuple(ending for ending in _ENDINGS if ending != ".npz")
        deeper += [f"{name}/{file}" for file in inner.files if file.lower().endswith(ends)]
    return Members(files, frozenset(folders), tuple({repr(note): note for note in notes}.values()), tuple(deeper))


def _list_inner(path: Path, name: str, opener: Opener, spool: "_Spool") -> Members | None:
    try:
        file = opener()
    except UnreadableError:  # a pipe, or a link that leads nowhere
        return None
    if isinstance(file, zipfile.ZipExtFile):  # which cannot go back but by starting anew
        file = spool.keep(file)()
    head = _peek(file)
    found = _list_archive(f"{path}/{printable(name)}", file, spool)
    if found is None and head.startswith(b"PK"):
        raise zipfile.BadZipFile(f"the end of {printable(name)} is missing")
    return found


class _Spool:
    """A temporary file without a name, for what must be unpacked to be read; deleted when it is closed."""

    def __init__(self, path: Path, folder: Path | None, limit: int) -> None:
        self._path, self._folder, self._limit = path, folder or Path(tempfile.gettempdir()), limit
        self._file: BinaryIO | None = None
        self._size, self._lock = 0, threading.Lock()

    def keep(self, stream: BinaryIO) -> Opener:
        """Copy what a stream holds, and say how to open the copy; raises DatasetError where it is too much."""
        start = self._size
        with writing(self._folder):
            if self._file is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 (closed with its last slice)
        while chunk := stream.read(_CHUNK):
            if self._size + len(chunk) > self._limit:
                raise refused("too_much", path=self._path, limit=self._limit)
            with writing(self._folder), self._lock:
                self._file.seek(self._size)  # what is copied may itself be read from this file
                self._file.write(chunk)
            self._size += len(chunk)
        return partial(_open_slice, self._file, self._lock, start, self._size - start)


class _Slice(io.RawIOBase):
    """A part of a file, read as a file of its own; several may be read at once."""

    def __init__(self, file: BinaryIO, lock: threading.Lock, start: int, size: int) -> None:
        self._source, self._lock, self._start, self._size, self._place = file, lock, start, size, 0

    def readable(self) -> bool:
        return True

    seekable = readable

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._place = max(0, offset + (0, self._place, self._size)[whence])
        return self._place

    def readinto(self, buffer: Any, /) -> int:
        wanted = max(0, min(len(buffer), self._size - self._place))
        with self._lock:
            self._source.seek(self._start + self._place)
            data = self._source.read(wanted)
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)


def _open_slice(file: BinaryIO, lock: threading.Lock, start: int, size: int) -> BinaryIO:
    return io.BufferedReader(_Slice(file, lock, start, size), min(max(size, 1), _HEAD))


def visible_files(folder: Path) -> dict[str, Path]:
    """Map the relative path of every file that is not hidden to the file, sorted; links to folders are followed."""
    return _walk(folder)[0]


def _walk(folder: Path) -> tuple[dict[str, Path], frozenset[str]]:
    """Visit every folder once, whatever links lead to it; gives visible files, sorted, and folders by relative path."""
    seen, folders, found = set(), set(), dict[str, Path]()
    for parent, below, files in os.walk(folder, followlinks=True, onerror=_raise):
        below.sort()
        status = Path(parent).stat()
        if (status.st_dev, status.st_ino) in seen:
            below.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        place = Path(parent).relative_to(folder)
        folders.add(place.as_posix())
        found |= {(place / file).as_posix(): Path(parent, file) for file in files}
    shown = {name: found[name] for name in sorted(found) if not is_hidden(name)}
    return shown, frozenset(name for name in folders if not is_hidden(name))


def _open_file(file: Path) -> BinaryIO:
    if not file.exists():
        raise UnreadableError("is a link that leads nowhere")
    if not file.is_file():  # a pipe would be waited for, a device might never end
        raise UnreadableError("is not a regular file")
    return file.open("rb")


def is_hidden(name: str) -> bool:
    """Tell whether a path is one of those that programs keep for themselves."""
    return any((part.startswith(".") and part != ".") or part == "__MACOSX" for part in name.split("/"))
