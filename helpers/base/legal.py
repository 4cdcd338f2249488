"""Which values of a notebook's parameters are legal, as the notes beside them say; told before anything is trained."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from math import isfinite
from pathlib import Path

from helpers.base.notebook import Parameter, UsageError, check_type, read_parameters

GIVEN = "CNN_REPORT_GIVEN"  # of the environment: the names of options in it that are not another program's
_LEAST = r"at least (\d+)|(\d+) or more|(\d+) to \d"
_MOST = r"at most (\d+)|\d to (\d+)"


def near(name: str, legal: Iterable[str], most: int = 3) -> str:
    """Say which legal names, at most so many, are near to a wrong one, or else which there are."""
    known = {each.upper(): each for each in legal}
    close = [known[each] for each in get_close_matches(name.upper(), known, n=most, cutoff=0.6)]
    return f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(known.values())}."


def check_values(
    notebook: Path, values: Mapping[str, object], classes: Sequence[str], depth: Callable[[], int], images: int
) -> None:
    """Check values of a notebook's parameters; UsageError with the legal ones, or those near, on a wrong one.

    classes: of the data set; depth: counts the convolutions of the network, asked only where one is chosen; images:
    how many test images there are.
    """
    declared = read_parameters(notebook)
    known = [(name, value) for name, value in values.items() if name in declared]
    chosen = [f"{name}={value}" for name, value in known if _narrows(declared[name], value)]
    if len(chosen) > 1:
        raise UsageError(f"{notebook.stem} cannot take {' and '.join(chosen)}: the image decides alone; leave one out.")
    for name, value in known:
        check_type(declared[name], value)
        if legal := _refused(declared[name], value, classes, depth, images):
            raise UsageError(f"{notebook.stem} cannot take {name}={value}: {legal}")


def _narrows(parameter: Parameter, value: object) -> bool:
    """Whether a value chooses one test image, or the one class that such images are of."""
    of_image = parameter.note.startswith("one test image") and isinstance(value, int) and value >= 0
    return of_image or bool(parameter.note.startswith("one class only") and value)


def _refused(parameter: Parameter, value: object, classes: Sequence[str], depth: Callable[[], int], images: int) -> str:
    """Say what would be legal instead of a value; "" where it is legal."""
    legal = re.split("[;:]", parameter.note)[-1].strip()
    if str(value) in [found.strip('"') for found in re.findall(r'(?:^|or )(0|"") for ', legal)]:
        return ""
    if isinstance(value, str):
        of_classes = re.search("a class of the data set|one class", parameter.note)
        names = classes if of_classes else re.findall('"([^"]+)"', legal)
        return near(value, names) if names and value not in names else ""
    if parameter.note.startswith("convolution") and isinstance(value, int):
        return "" if 1 <= value <= depth() else f"the network has the convolutions 1 to {depth()}; {legal}."
    if parameter.note.startswith("one test image") and isinstance(value, int):
        return "" if -1 <= value < images else f"there are the test images 0 to {images - 1}; {legal} with -1."
    if isinstance(value, float) and not isfinite(value):
        return "it has to be a finite number."
    return "" if not isinstance(value, int | float) or _fits(value, legal) else f"it has to be {legal}."


def _fits(value: float, legal: str) -> bool:
    if "between" in legal:  # what is named is none of them
        return all(number < value < other for number, other in [map(float, re.findall(r"\d+", legal))])
    least, most = ([*map(float, filter(None, sum(re.findall(p, legal), ())))] for p in (_LEAST, _MOST))
    positive = value > 0 or not re.search("a positive|above 0", legal)
    return positive and all(value >= number for number in least) and all(value <= number for number in most)
