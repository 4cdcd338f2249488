"""Forms that are not read, known by their first bytes, each with the command that turns it into one that is.

Pickles are not read since opening one runs whatever its maker put into it.
"""

import re
import shlex
import sys
import tomllib
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from helpers.base.words import Said, fields, said, template
from helpers.data.sources import refused

if TYPE_CHECKING:
    from helpers.data.containers.listing import Members

_MOST_LOOKED_AT, _MOST_NAMED = 100, 12  # files
_PART = re.compile(r"\.(zip|7z|tar|tgz|gz|rar)\.\d{3}$", re.IGNORECASE)  # of an archive that was cut into files
_ADDRESSES = re.compile(rb"([^\n]*\n)?[^\n]*\b(https?|s3|gs|file)://")  # in the first row of a table
_FORMS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_MAGIC = {form: tuple(start.encode("latin-1") for start in known.get("begins", ())) for form, known in _FORMS.items()}


def _find_form(name: str, head: bytes) -> str:
    """Name the form of a file that begins so, as `foreign.toml` has it; "" where it is none of them."""
    length = int.from_bytes(head[:8], "little")  # of the first Example of a TFRecord, with a checksum behind it
    is_example = len(head) > 15 and 2 < length < 2**31 and head[12] == 10 and head[13] != 0
    if ".tfrecord" in name.lower() or is_example:
        return "tfrecord"
    if _PART.search(name):
        return "part"
    if head[128:132] == b"DICM":
        return "dicom"
    if name.lower().endswith((".csv", ".tsv")) and _ADDRESSES.match(head):
        return "addresses"
    by_end = (form for form, known in _FORMS.items() if name.lower().endswith(tuple(known.get("ends", ()))))
    return next((form for form, magics in _MAGIC.items() if head.startswith(magics)), next(by_end, ""))


def refuse_foreign(path: Path, name: str, head: bytes) -> None:
    """Raise a DatasetError where a file, given by path, is of a form that is not read; head: its first bytes."""
    if form := _find_form(name, head):
        raise refused("foreign", path=path, form=said(f"refused.form.{form}"), advice=_advise(path, form, [path]))


def refuse_foreign_members(path: Path, members: "Members") -> None:
    """Raise a DatasetError where any of the first hundred files that a path holds is of a form that is not read."""
    if members.deeper:
        raise refused("deeper", path=path, name=members.deeper[0])
    found = [(_find_form(name, head), name) for name, head in islice(members.heads(), _MOST_LOOKED_AT)]
    for form, first in found:
        if form and not path.is_dir():
            raise refused("foreign_packed", path=path, name=first, form=said(f"refused.form.{form}"))
        if form:
            files = [path / name for other, name in found if other == form]
            advice = _advise(path / first, form, files[:_MOST_NAMED], path)
            raise refused("foreign_file", path=path, name=first, form=said(f"refused.form.{form}"), advice=advice)


def _advise(path: Path, form: str, files: list[Path], root: Path | None = None) -> Said:
    """Say how to convert a file, or `files`, or all below a root, in their own folder or into one beside it."""
    folder = path.with_name(PurePosixPath(path.name).stem.split(".")[0] + "_unpacked")
    values = {"path": path, "folder": folder, "python": sys.executable, "whole": path.with_suffix("")}
    values |= {"root": root or path.parent, "ending": path.suffix}
    spelled = {name: shlex.quote(str(value)) for name, value in values.items()}
    spelled |= {"files": shlex.join(map(str, files)), "program": _FORMS[form].get("program", "")}
    key = f"refused.advice.{form}"
    return said(key, **{name: spelled[name] for name in sorted(fields(template(key)))})
