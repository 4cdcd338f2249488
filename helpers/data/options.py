"""What a user decides about reading, where data can be read in several ways: one dataclass, read in one place."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from helpers.data.sources import refused

FITS = ("crop", "pad", "stretch")


@dataclass(frozen=True)
class Options:
    """Decisions about how data are read; an empty one leaves it to the data.

    Every field but `image_size` is a variable of the environment (and of make) in capitals, by which notebooks get it.
    class_level: the level of folders that names the classes, counted from 1 without the folders that all images share
    and those of splits; 0 for none. labels: the table to take labels from, "folders" or "names" (of files). label: the
    table's column of labels or, of names, the number of the part that tells the class, counted from 1, or a regular
    expression with the class in parentheses. file: the table's column of the images' names. classes: names of the
    classes, parted by commas in the order of the labels, or a file of them. group: a column, or a regular expression
    for paths, whose value one side of the split keeps whole. fit: one of FITS, how an oblong image becomes a square.
    image_size: pixels a side, or None.
    """

    class_level: int = 0
    labels: str = ""
    label: str = ""
    file: str = ""
    classes: str = ""
    group: str = ""
    fit: str = "crop"
    image_size: int | None = None

    def chosen(self) -> dict[str, str]:
        """Name the options that are not left as they are, as a user writes them: {"CLASS_LEVEL": "2"}."""
        usual = {**asdict(Options()), "image_size": self.image_size}
        return {name.upper(): str(value) for name, value in asdict(self).items() if value != usual[name]}


VARIABLES = tuple(name.upper() for name in asdict(Options()) if name != "image_size")


def read_options(environment: Mapping[str, str] = os.environ) -> Options:
    """Read the options from variables of the environment; the only place where that is done.

    Raises DatasetError naming a variable whose value is none, and what it may be.
    """
    given: dict[str, Any] = {name.lower(): environment.get(name, "").strip() for name in VARIABLES}
    level, fit = given["class_level"] or "0", given["fit"] or "crop"
    if not level.isdecimal():
        raise refused("level", level=level)
    if fit not in FITS:
        raise refused("fit", fit=fit, known=", ".join(FITS))
    label, labels, file = given["label"], given["labels"], given["file"]
    of_names = labels == "names" and (label.isdecimal() or "(" in label)
    if labels in ("folders", "names") and (file or (label and not of_names)):
        raise refused("beside", option=f"FILE={file}" if file else f"LABEL={label}", labels=labels)
    return Options(**{**given, "class_level": int(level), "fit": fit})
