"""Parquet and Arrow files of the Hugging Face hub: encoded images and labels, in shards named by split.

Arrow is what its library writes by `save_to_disk`.

https://huggingface.co/docs/hub/datasets-image and .../datasets/about_dataset_features describe the form.
"""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from helpers.base.words import said
from helpers.data.containers import Members
from helpers.data.labels.tables import refuse_columns
from helpers.data.labels.words import find_split
from helpers.data.options import Options
from helpers.data.readers.stacks import Stack, read_stacks
from helpers.data.reading import Reading, Unused
from helpers.data.sources import Contents, Giver, Image, Opener, UnreadableError, printable, refused

if TYPE_CHECKING:
    import pyarrow

_LABEL_NAMES = ("label", "labels", "class", "emotion", "target", "category", "cls")  # of columns, best first
_UNLABELLED = (None, -1)  # as the hub marks images whose label is kept back
_ROWS = 64  # rows read at a time


def find(path: Path, members: Members) -> list[str]:
    """List the names of all Parquet and Arrow files, sorted."""
    return sorted(name for name in members.files if name.lower().endswith((".parquet", ".arrow")))


def read(path: Path, members: Members, names: Sequence[str], options: Options) -> Contents:
    """Read the shards of one set of images.

    Raises DatasetError where a shard is damaged, where there is no column of images or none of labels, or where
    the shards differ in these.
    """
    columns, labels = {}, {}
    for name in names:
        with _intact(path, name):
            file = _open(name, members.files[name])
            columns[name] = image, label, class_names = _find_columns(path, name, file, options.label)
            labels[name] = [*_read_column(name, members.files[name], label)]
            if any(isinstance(value, list | dict) for value in labels[name]):
                raise refused("several", path=path, name=label)
    form = _form(names[0])
    if len({*columns.values()}) > 1:
        raise refused("mixed", path=path, form=form)
    used = [name for name in names if _find_split(name)] or names
    stacks = [_stack(path, name, members.files[name], image, labels[name]) for name in used]
    unlabelled = sum(map(len, labels.values())) - sum(len(stack.rows) for stack in stacks)
    reading = Reading(
        labels_from=said("data.labels.hub", column=label, form=form),
        unused=(Unused(said("data.left.hub"), unlabelled, printable(names[0])),) * bool(unlabelled),
    )
    return read_stacks(path, members, stacks, options, reading, class_names, decided=("LABEL",))


def _form(name: str) -> str:
    return "Parquet" if name.lower().endswith(".parquet") else "Arrow"


def _stack(path: Path, name: str, opener: Opener, column: str, labels: Sequence[Any]) -> Stack:
    """Give the rows of a shard that have a label, and the image of each; labels: of all rows, or one of _UNLABELLED."""

    def images() -> Iterator[Giver]:
        with _intact(path, name):
            for label, image in zip(labels, _read_column(name, opener, column), strict=True):
                if label not in _UNLABELLED:
                    yield partial(_open_image, image)

    split = _find_split(name)
    numbered = ((number, label) for number, label in enumerate(labels, start=1) if label not in _UNLABELLED)
    return Stack(f"{name}, row", [Image(str(number), str(label), split) for number, label in numbered], images)


def _open(name: str, opener: Opener) -> Any:
    """Open a file of Parquet, or of Arrow in its form for streams or for files."""
    from pyarrow import ArrowInvalid, ipc
    from pyarrow.parquet import ParquetFile

    if _form(name) == "Parquet":
        return ParquetFile(opener())
    try:
        return ipc.open_stream(opener())
    except ArrowInvalid:
        return ipc.open_file(opener())


def _read_column(name: str, opener: Opener, column: str) -> Iterator[Any]:
    """Give the values of a column, holding few rows at a time."""
    file = _open(name, opener)
    if _form(name) == "Parquet":
        batches = file.iter_batches(_ROWS, columns=[column])
    else:
        parts = range(getattr(file, "num_record_batches", 0))
        batches = map(file.get_batch, parts) if parts else file
    for batch in batches:
        for start in range(0, batch.num_rows, _ROWS):
            yield from batch.column(column).slice(start, _ROWS).to_pylist()


@contextmanager
def _intact(path: Path, name: str) -> Iterator[None]:
    """Turn what reading a damaged file raises into a DatasetError."""
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError, UnreadableError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise refused("shard", path=path, form=_form(name), name=name, reason=reason) from error


def _find_columns(path: Path, name: str, file: Any, wanted: str) -> tuple[str, str, tuple[str, ...]]:
    """Name the columns of images and of labels, and the classes where the file tells them."""
    schema = getattr(file, "schema_arrow", None) or file.schema
    features = _read_features(schema)
    images = [field.name for field in schema if _holds_images(field, features)]
    declared = [key for key, feature in features.items() if feature.get("_type") == "ClassLabel"]
    labels = [key for key in _LABEL_NAMES if key in declared] + declared
    labels += [key for key in _LABEL_NAMES if key in schema.names]
    if len({*labels}) > 1 and labels[0] not in _LABEL_NAMES and not wanted:
        refuse_columns(str(path), name, [*dict.fromkeys(labels)])
    if wanted and wanted not in schema.names:
        raise refused("no_column", path=path, option="LABEL", wanted=wanted, columns=schema.names)
    labels = [wanted] if wanted else labels
    for kind, found in (("images", images), ("labels", labels)):
        if not found:
            raise refused("shard_columns", path=path, form=_form(name), name=name, columns=schema.names, kind=kind)
    return images[0], labels[0], tuple(features.get(labels[0], {}).get("names", ()))


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


def _open_image(image: dict | bytes | None) -> io.BytesIO:
    data = image.get("bytes") if isinstance(image, dict) else image
    if data is None:
        raise UnreadableError("holds no image, at most the path of one")
    return io.BytesIO(data)
