"""Parquet and Arrow files of the Hugging Face hub: encoded images and labels, in shards named by split.

Arrow is what its library writes by `save_to_disk`.

https://huggingface.co/docs/hub/datasets-image and .../datasets/about_dataset_features describe the form.
"""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.data.containers import Members
from helpers.data.decode import decode_all
from helpers.data.labels.words import find_split, sort_classes
from helpers.data.options import Options
from helpers.data.reading import Reading, Unused, count
from helpers.data.sources import Contents, DatasetError, Opener, Record, UnreadableError, printable
from helpers.data.survey import survey

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

_LABEL_NAMES = ("label", "labels", "class", "emotion")  # of columns, best first
_UNLABELLED = (None, -1)  # as the hub marks images whose label is kept back
_ROWS = 64  # rows read at a time


@dataclass(frozen=True)
class _Columns:
    """Names of the columns of images and of labels, and of the classes where the file tells them."""

    image: str
    label: str
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class _Shard:
    name: str
    split: str  # one of SPLITS, or "" where the name does not say
    file: "ParquetFile | _ArrowFile"
    labels: list[Any]  # of each row: a number, a text, or one of _UNLABELLED


def find(path: Path, members: Members) -> list[str]:
    """List the names of all Parquet and Arrow files, sorted."""
    return sorted(name for name in members.files if name.lower().endswith((".parquet", ".arrow")))


def read(path: Path, members: Members, names: Sequence[str], options: Options) -> Contents:
    """Read the shards of one set of images.

    Raises DatasetError where a shard is damaged, where there is no column of images or none of labels, or where
    the shards differ in these.
    """
    found = [_read_shard(path, name, members.files[name]) for name in names]
    if len({columns for columns, _ in found}) > 1:
        raise DatasetError(
            f"{path} holds {_form(names[0])} files of several data sets; give a folder with those of one."
        )
    columns, shards = found[0][0], [shard for _, shard in found]
    used = [shard for shard in shards if shard.split] or shards
    class_names = columns.class_names or sort_classes({str(label) for shard in used for label in _known_labels(shard)})
    pixels = survey(_open_images(path, used, columns.image), options)
    images = decode_all(_open_images(path, used, columns.image), pixels)
    unlabelled = sum(len(shard.labels) for shard in shards) - sum(len(_known_labels(shard)) for shard in used)
    rows = list(_list_rows(used))
    reading = Reading(
        title=f"Images of {len(class_names)} classes",
        class_names=tuple(map(printable, class_names)),
        labels_from=f"the values of the column {columns.label!r} of the {_form(names[0])} files",
        pixels=pixels,
        splits_from=f"named by the {_form(names[0])} files" if used[0].split else "",
        counts=count((split, _class_of(label, columns.class_names)) for _, label, split in rows),
        unused=(Unused("images without a split or a label", unlabelled, shards[0].name),) if unlabelled else (),
        options=options.chosen(),
    )
    records = (_record(*row, columns.class_names, class_names, image) for row, image in zip(rows, images, strict=True))
    return Contents(reading, records)


def _form(name: str) -> str:
    return "Parquet" if name.lower().endswith(".parquet") else "Arrow"


def _read_shard(path: Path, name: str, opener: Opener) -> tuple[_Columns, _Shard]:
    from pyarrow.parquet import ParquetFile

    with _intact(path, name):
        file = ParquetFile(opener()) if name.lower().endswith(".parquet") else _ArrowFile(opener)
        columns = _find_columns(path, name, file.schema_arrow)
        batches = file.iter_batches(_ROWS, columns=[columns.label])
        labels = [label for batch in batches for label in batch.column(0).to_pylist()]
    return columns, _Shard(printable(name), _find_split(name), file, labels)


class _ArrowFile:
    """A file of Arrow's, in its form for streams or for files, with what is asked of a ParquetFile."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self.schema_arrow: pyarrow.Schema = self._open().schema

    def _open(self) -> Any:
        from pyarrow import ArrowInvalid, ipc

        try:
            return ipc.open_stream(self._opener())
        except ArrowInvalid:
            return ipc.open_file(self._opener())

    def iter_batches(self, rows: int, columns: list[str]) -> "Iterator[pyarrow.RecordBatch]":
        """Give these columns, so many rows at a time."""
        reader = self._open()
        parts = range(getattr(reader, "num_record_batches", 0))
        for batch in map(reader.get_batch, parts) if parts else reader:
            for start in range(0, batch.num_rows, rows):
                yield batch.select(columns).slice(start, rows)


@contextmanager
def _intact(path: Path, name: str) -> Iterator[None]:
    """Turn what reading a damaged file raises into a DatasetError."""
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError, UnreadableError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DatasetError(
            f"{path} holds the {_form(name)} file {printable(name)}, which cannot be read ({reason}); download it "
            "again."
        ) from error


def _find_columns(path: Path, name: str, schema: "pyarrow.Schema") -> _Columns:
    features = _read_features(schema)
    images = [field.name for field in schema if _holds_images(field, features)]
    declared = [key for key, feature in features.items() if feature.get("_type") == "ClassLabel"]
    labels = [key for key in _LABEL_NAMES if key in declared] + declared
    labels += [key for key in _LABEL_NAMES if key in schema.names]
    for kind, found in (("images", images), ("labels", labels)):
        if not found:
            raise DatasetError(
                f"{path} holds the {_form(name)} file {printable(name)}, whose columns "
                f"{', '.join(map(repr, schema.names))} include none of {kind}; give files with the columns image and "
                "label."
            )
    return _Columns(images[0], labels[0], tuple(features.get(labels[0], {}).get("names", ())))


def _read_features(schema: "pyarrow.Schema") -> dict[str, dict]:
    """Read what the hub's library writes about columns; empty where it has written nothing that can be read."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: feature for name, feature in features.items() if isinstance(feature, dict)}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _holds_images(field: "pyarrow.Field", features: dict[str, dict]) -> bool:
    from pyarrow import types

    if types.is_struct(field.type):
        return field.type.get_field_index("bytes") >= 0 and features.get(field.name, {}).get("_type") in (None, "Image")
    return types.is_binary(field.type) or types.is_large_binary(field.type)


def _find_split(name: str) -> str:
    """Read the split off a name such as `data/train-00000-of-00002.parquet` or `default/train/0000.parquet`."""
    path = PurePosixPath(name)
    places = [path.stem, *(parent.name for parent in path.parents)]
    return next((split for place in places if (split := find_split(place))), "")


def _known_labels(shard: _Shard) -> list[Any]:
    return [label for label in shard.labels if label not in _UNLABELLED]


def _list_rows(shards: Sequence[_Shard]) -> Iterator[tuple[str, Any, str]]:
    """Give name, label and split of every labelled row."""
    for shard in shards:
        for number, label in enumerate(shard.labels, start=1):
            if label not in _UNLABELLED:
                yield f"{shard.name}, row {number}", label, shard.split


def _open_images(path: Path, shards: Sequence[_Shard], column: str) -> Iterator[Opener]:
    """Give the encoded image of every labelled row."""
    for shard in shards:
        with _intact(path, shard.name):
            for label, image in zip(shard.labels, _read_images(shard.file, column), strict=True):
                if label not in _UNLABELLED:
                    yield partial(_open_image, image)


def _read_images(file: "ParquetFile | _ArrowFile", column: str) -> Iterator[dict | bytes | None]:
    for batch in file.iter_batches(_ROWS, columns=[column]):
        yield from batch.column(0).to_pylist()


def _open_image(image: dict | bytes | None) -> io.BytesIO:
    data = image.get("bytes") if isinstance(image, dict) else image
    if data is None:
        raise UnreadableError("holds no image, at most the path of one")
    return io.BytesIO(data)


def _record(
    name: str, label: Any, split: str, declared: Sequence[str], class_names: Sequence[str], pixels: np.ndarray | str
) -> Record:
    """Make a record; declared: the names that whole numbers count from 0, empty where labels are names themselves."""
    found = _class_of(label, declared)
    if found not in class_names:
        return Record(name, 0, split, f"is of class {found}, and there are {len(class_names)}, counted from 0")
    return Record(name, class_names.index(found), split, pixels)


def _class_of(label: Any, declared: Sequence[str]) -> str:
    """Give the class of a label: the name that a whole number counts, where names are declared, or the label itself."""
    if declared and isinstance(label, int):
        label = declared[label] if 0 <= label < len(declared) else label
    return str(label)
