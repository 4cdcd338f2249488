"""Forms that are not read, known by their first bytes, each with the command that turns it into one that is.

Pickles are not read since opening one runs whatever its maker put into it.
"""

import shlex
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NoReturn

from helpers.data.sources import DatasetError, printable

_MOST_LOOKED_AT, _MOST_NAMED = 100, 12  # files

_EXPORT_ROWS = (
    "import pathlib, sqlite3, sys; [(p := pathlib.Path(sys.argv[2], str(c))).mkdir(parents=True, exist_ok=True) or "
    "(p / str(i)).write_bytes(b) for i, c, b in sqlite3.connect(sys.argv[1]).execute(sys.argv[3])]"
)
_EXPORT_EXAMPLES = (
    "import pathlib, sys, tensorflow as tf; [(p := pathlib.Path(sys.argv[1], str(c))).mkdir(parents=True, "
    "exist_ok=True) or (p / str(i)).write_bytes(b) for i, r in enumerate(tf.data.TFRecordDataset(sys.argv[2:])) for e "
    "in [tf.train.Example.FromString(r.numpy()).features.feature] for b in [max((v.bytes_list.value[0] for v in "
    "e.values() if v.bytes_list.value), key=len)] for c in [next(v.int64_list.value[0] for k, v in sorted(e.items()) "
    "if 'label' in k and v.int64_list.value)]]"
)
_EXPORT_PICKLES = (
    "import pickle, sys, numpy as n; [n.savez(f, **{k if isinstance(k, str) else k.decode(): n.array(v) for k, v in "
    "pickle.load(open(f, 'rb'), encoding='bytes').items()}) for f in sys.argv[1:]]"
)
_EXPORT_ARRAYS = (
    "import sys, h5py, numpy as n; d = {}; h5py.File(sys.argv[1]).visititems(lambda k, v: d.update({k.replace('/', "
    "'_'): v[()]%s}) if hasattr(v, 'shape') else None); n.savez(sys.argv[1], **d)"
)


def _as_is(program: str) -> str:
    """Spell a program so that `str.format` leaves its braces."""
    return program.replace("{", "{{").replace("}", "}}")


_FORMS = {  # name, and how to convert {path} into {folder}, or {files} where they lie, and what to give then
    "7z": ("a 7z archive", "`7z x {path} -o{folder}` unpacks it; give {folder}"),
    "rar": ("a rar archive", "`unrar x {path} {folder}/` unpacks it; give {folder}"),
    "zstd": ("compressed by zstd", "`unzstd {path}` unpacks it; give what it writes"),
    "sqlite": (
        "an SQLite database",
        f'`{{python}} -c "{_EXPORT_ROWS}" {{path}} {{folder}} "SELECT rowid, label, image FROM images"` writes its '
        "images, put in the names of your columns and table; give {folder}",
    ),
    "tfrecord": (
        "a TFRecord", f'`{{python}} -c "{_EXPORT_EXAMPLES}" {{folder}} {{files}}` writes its images; give {{folder}}'
    ),
    "pickle": (
        "a pickle, which may run any program when it is opened",
        f'if you trust it, `{{python}} -c "{_as_is(_EXPORT_PICKLES)}" {{files}}` writes .npz files; give these',
    ),
    "hdf5": ("HDF5", f'`{{python}} -c "{_as_is(_EXPORT_ARRAYS) % ""}" {{path}}` writes a .npz file; give that'),
    "matlab": (
        "a MATLAB file of version 7.3",
        f'`{{python}} -c "{_as_is(_EXPORT_ARRAYS) % ".T"}" {{path}}` writes a .npz; give that',
    ),
}  # fmt: skip
_MAGIC = {
    b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar", b"\x28\xb5\x2f\xfd": "zstd", b"SQLite format 3\0": "sqlite",
    b"\x89HDF\r\n\x1a\n": "hdf5", b"MATLAB 7.3": "matlab",
    **{b"\x80" + bytes([protocol]): "pickle" for protocol in (2, 3, 4, 5)},
}  # fmt: skip


def _find_form(name: str, head: bytes) -> str:
    """Name the form of a file that begins so, as a key of _FORMS; "" where it is none of them."""
    length = int.from_bytes(head[:8], "little")  # of the first Example of a TFRecord, with a checksum behind it
    is_example = len(head) > 15 and 2 < length < 2**31 and head[12] == 10 and head[13] != 0
    if ".tfrecord" in name.lower() or is_example:
        return "tfrecord"
    return next((form for magic, form in _MAGIC.items() if head.startswith(magic)), "")


def refuse_foreign(path: Path, name: str, head: bytes) -> None:
    """Raise a DatasetError where a file, given by path, is of a form that is not read; head: its first bytes."""
    if form := _find_form(name, head):
        _refuse(path, f"{path} is {_FORMS[form][0]}", form, [path])


def refuse_foreign_members(path: Path, heads: Iterable[tuple[str, bytes]]) -> None:
    """Raise a DatasetError where any of the files of a folder or archive is of a form that is not read.

    heads: names and first bytes of the files, the first hundred of which are looked at.
    """
    found = [(_find_form(name, head), name) for name, head in islice(heads, _MOST_LOOKED_AT)]
    for form, first in found:
        if form:
            said = f"{path} holds {printable(first)}, which is {_FORMS[form][0]}"
            if not path.is_dir():
                raise DatasetError(f"{said}; unpack {path} and give the folder to be told how to convert it.")
            files = [path / name for other, name in found if other == form]
            _refuse(path / first, said, form, files[:_MOST_NAMED])


def _refuse(path: Path, said: str, form: str, files: list[Path]) -> NoReturn:
    folder = path.with_name(PurePosixPath(path.name).stem.split(".")[0] + "_unpacked")
    quoted = {"path": path, "folder": folder, "python": sys.executable}
    spelled = {name: shlex.quote(str(value)) for name, value in quoted.items()}
    advice = _FORMS[form][1].format(files=shlex.join(map(str, files)), **spelled)
    raise DatasetError(f"{said}, and not read: {advice}.")
