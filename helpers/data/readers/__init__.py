"""One file a container or layout: each finds out whether it is meant, and reads labelled images.

READERS lists them, in the order in which they are asked; a new one is a file with `find` and `read`, and an entry here.
May import `base` and the modules of `data` that readers share (`sources`, `reading`, `options`, `decode`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.data.containers import Members
from helpers.data.options import Options
from helpers.data.readers import arrays, parquet, pictures, rows
from helpers.data.sources import Contents


@dataclass(frozen=True)
class Reader:
    """A way to read labelled images.

    what: what it reads, in the plural, as in "a folder with ..."; find: from the path and its members, looks whether
    there is any of that, and gives what it found for `read`, or something false; read: from the path, its members,
    what was found and the options makes the contents. Both raise DatasetError, and open as little as they can.
    """

    what: str
    find: Callable[[Path, Members], Any]
    read: Callable[[Path, Members, Any, Options], Contents]


READERS: list[Reader] = [
    Reader("images as files", pictures.find, pictures.read),
    Reader("Parquet or Arrow files of the Hugging Face hub", parquet.find, parquet.read),
    Reader("arrays of images and labels (.npz, .npy, IDX, .mat before version 7.3)", arrays.find, arrays.read),
    Reader(
        "tables of pixels with the columns emotion,pixels,Usage or label,feature or label,pixel0,pixel1 and so on "
        "(plain, .gz, .zip or .tar.gz)",
        rows.find,
        rows.read,
    ),
]
