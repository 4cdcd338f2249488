"""What readers make of a path: records of labelled images, or an error that is one sentence."""

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from helpers.base.checks import UserError
from helpers.base.words import some, text
from helpers.data import faces
from helpers.data.reading import SPLITS as SPLITS
from helpers.data.reading import Reading
from helpers.data.reading import printable as printable

FER2013_CLASSES = faces.CLASS_NAMES
FER2013_SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
FER2013_SPLIT_NAMES = {split: usage for usage, split in FER2013_SPLITS.items()}
FER2013_SIZE, OTHER_SIZE = 48, 64  # pixels a side, unless asked otherwise
_NAMED = 12  # names that a refusal lists before it counts the rest
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile)


class DatasetError(UserError, ValueError):
    """A data set that cannot be found or used; the message is one sentence for the user."""


def refused(key: str, /, **values: Any) -> DatasetError:
    """Make the error whose sentence has this key below "refused", in the language that is spoken.

    values: of the sentence, of which texts and paths are spelled so that they can be printed, and the first of a list.
    """
    return DatasetError(text(f"refused.{key}", **{name: _spell(value) for name, value in values.items()}))


def _spell(value: Any) -> Any:
    if isinstance(value, list):
        return some([_spell(item) for item in value], _NAMED)
    return printable(str(value)) if isinstance(value, str | Path) else value


class UnreadableError(ValueError):
    """One file that cannot be read; the message says why, as the end of a sentence that begins with its name."""


class Image(NamedTuple):
    """What is known of an image before its pixels are: what it is called, its class, its split ("" where nothing says).

    group: what it shares with those that have to stay on its side of a split that is drawn, such as a patient, or "".
    """

    name: str
    label: str
    split: str = ""
    group: str = ""


class Record(NamedTuple):
    """One labelled image."""

    name: str
    label: int
    split: str  # one of SPLITS, or "" where the source does not say
    pixels: np.ndarray | str  # (H, W, C) uint8, or why it cannot be read
    group: str = ""  # images of one group, such as a patient, stay on one side of a split that is drawn


class Contents(NamedTuple):
    """What a reader makes of a path.

    reading: how it is read, known before any image is decoded, the counts of images by split and class among it;
    records: all labelled images, decoded when they are asked for; preview: a few of each class, decoded likewise, where
    the reader can give them without going through all records.
    """

    reading: Reading
    records: Iterable[Record]
    preview: Iterable[Record] = ()


PREVIEWED = 12  # images of each class that a preview has
Opener = Callable[[], BinaryIO]
Giver = Callable[[], BinaryIO | np.ndarray]  # of an image: its file, or its values as (H, W) or (H, W, C)


@contextmanager
def reading_from(path: Path) -> Iterator[None]:
    """Turn the errors that reading a path may raise into DatasetErrors."""
    try:
        yield
    except _DAMAGE as error:
        raise refused("damaged", path=path, reason=str(error)) from error
    except NotImplementedError as error:
        raise refused("packed", path=path, reason=str(error)) from error
    except OSError as error:
        raise refused("closed", path=path, reason=error.strerror or str(error)) from error
