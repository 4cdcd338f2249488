"""Forms that are not read, known by their first bytes, each with the command that turns it into one that is.

Pickles are not read since opening one runs whatever its maker put into it.
"""

import shlex
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePosixPath

from helpers.base.words import Said, fields, said, template
from helpers.data.sources import refused

_MOST_LOOKED_AT, _MOST_NAMED = 100, 12  # files

_ARRAYS = (
    "import sys, h5py, numpy as n; d = {}; h5py.File(sys.argv[1]).visititems(lambda k, v: d.update({k.replace('/', "
    "'_'): v[()]%s}) if hasattr(v, 'shape') else None); n.savez(sys.argv[1], **d)"
)
_PROGRAMS = {  # that turn a form into one that is read
    "sqlite": (
        "import pathlib, sqlite3, sys; [(p := pathlib.Path(sys.argv[2], str(c))).mkdir(parents=True, exist_ok=True) or "
        "(p / str(i)).write_bytes(b) for i, c, b in sqlite3.connect(sys.argv[1]).execute(sys.argv[3])]"
    ),
    "tfrecord": (
        "import pathlib, sys, tensorflow as tf; [(p := pathlib.Path(sys.argv[1], str(c))).mkdir(parents=True, "
        "exist_ok=True) or (p / str(i)).write_bytes(b) for i, r in enumerate(tf.data.TFRecordDataset(sys.argv[2:])) "
        "for e in [tf.train.Example.FromString(r.numpy()).features.feature] for b in [max((v.bytes_list.value[0] for v "
        "in e.values() if v.bytes_list.value), key=len)] for c in [next(v.int64_list.value[0] for k, v in "
        "sorted(e.items()) if 'label' in k and v.int64_list.value)]]"
    ),
    "pickle": (
        "import pickle, sys, numpy as n; [n.savez(f, **{k if isinstance(k, str) else k.decode(): n.array(v) for k, v "
        "in pickle.load(open(f, 'rb'), encoding='bytes').items()}) for f in sys.argv[1:]]"
    ),
    "hdf5": _ARRAYS % "",
    "matlab": _ARRAYS % ".T",
}
_MAGIC = {
    b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar", b"\x28\xb5\x2f\xfd": "zstd", b"SQLite format 3\0": "sqlite",
    b"\x89HDF\r\n\x1a\n": "hdf5", b"MATLAB 7.3": "matlab",
    **{b"\x80" + bytes([protocol]): "pickle" for protocol in (2, 3, 4, 5)},
}  # fmt: skip


def _find_form(name: str, head: bytes) -> str:
    """Name the form of a file that begins so, as the words for it are called; "" where it is none of them."""
    length = int.from_bytes(head[:8], "little")  # of the first Example of a TFRecord, with a checksum behind it
    is_example = len(head) > 15 and 2 < length < 2**31 and head[12] == 10 and head[13] != 0
    if ".tfrecord" in name.lower() or is_example:
        return "tfrecord"
    return next((form for magic, form in _MAGIC.items() if head.startswith(magic)), "")


def refuse_foreign(path: Path, name: str, head: bytes) -> None:
    """Raise a DatasetError where a file, given by path, is of a form that is not read; head: its first bytes."""
    if form := _find_form(name, head):
        raise refused("foreign", path=path, form=said(f"refused.form.{form}"), advice=_advise(path, form, [path]))


def refuse_foreign_members(path: Path, heads: Iterable[tuple[str, bytes]]) -> None:
    """Raise a DatasetError where any of the files of a folder or archive is of a form that is not read.

    heads: names and first bytes of the files, the first hundred of which are looked at.
    """
    found = [(_find_form(name, head), name) for name, head in islice(heads, _MOST_LOOKED_AT)]
    for form, first in found:
        if form and not path.is_dir():
            raise refused("foreign_packed", path=path, name=first, form=said(f"refused.form.{form}"))
        if form:
            files = [path / name for other, name in found if other == form]
            advice = _advise(path / first, form, files[:_MOST_NAMED])
            raise refused("foreign_file", path=path, name=first, form=said(f"refused.form.{form}"), advice=advice)


def _advise(path: Path, form: str, files: list[Path]) -> Said:
    """Say how to convert a file, or `files`, in their own folder or into one beside it."""
    folder = path.with_name(PurePosixPath(path.name).stem.split(".")[0] + "_unpacked")
    values = {"path": path, "folder": folder, "python": sys.executable}
    spelled = {name: shlex.quote(str(value)) for name, value in values.items()}
    spelled |= {"files": shlex.join(map(str, files)), "program": _PROGRAMS.get(form, "")}
    key = f"refused.advice.{form}"
    return said(key, **{name: spelled[name] for name in fields(template(key))})
