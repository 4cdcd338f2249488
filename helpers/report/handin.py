"""Who hands a report in, with whom, and which questions: `report.toml` beside the Makefile, or the environment."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpers.base import words
from helpers.base.files import ROOT
from helpers.base.legal import near
from helpers.base.notebook import UsageError

FILE = ROOT / "report.toml"
VARIABLES = ("AUTHOR", "STUDENT_ID", "COURSE", "COLLABORATORS", "QUESTIONS", "DETAIL", "LANGUAGE")
DETAILS = ("short", "full")
_OF_A_QUESTION = re.compile(r"\s*(\d+)\s*[:=]\s*(.+?)\s*")


@dataclass(frozen=True)
class HandIn:
    """What stands on a report besides what was measured.

    collaborators: by number of a notebook, such as "4"; those of all under "". questions: numbers of the notebooks
    that are handed in, in order; none for all. detail: "short" for answers with the figure that carries each and the
    rest in an appendix, or "full" for everything in its place. languages: those that it is set in.
    """

    author: str = ""
    student_id: str = ""
    course: str = ""
    collaborators: Mapping[str, str] = field(default_factory=dict)
    questions: tuple[str, ...] = ()
    detail: str = "full"
    languages: tuple[str, ...] = (words.PLAIN,)

    def of_question(self, number: str) -> str:
        """Name those with whom a question was worked on; nothing where none were named."""
        return self.collaborators.get(number, self.collaborators.get("", ""))


def read_hand_in(file: Path = FILE, environment: Mapping[str, str] = os.environ) -> HandIn:
    """Read what stands in the file, and in place of it what the environment says.

    Raises UsageError where the file is no TOML, on a key that there is not, naming one near to it, and on a value
    that is no text.
    """
    said = {key.upper(): value for key, value in _read(file).items()}
    for key in said:
        if key not in VARIABLES:
            raise UsageError(f"{file.name} has no key {key.lower()!r}; {near(key, map(str.lower, VARIABLES))}")
    said |= {name: value for name in VARIABLES if (value := environment.get(name, "").strip())}
    author, number, course = (_text(file, name, said.get(name, "")) for name in ("AUTHOR", "STUDENT_ID", "COURSE"))
    collaborators = _collaborators(file, said.get("COLLABORATORS", ""))
    detail = _text(file, "DETAIL", said.get("DETAIL", "short"))
    if detail not in DETAILS:
        raise UsageError(f"There is no DETAIL={detail}; {near(detail, DETAILS)}")
    numbers, languages = _numbers(said.get("QUESTIONS", "")), _languages(said.get("LANGUAGE", words.PLAIN))
    return HandIn(author, number, course, collaborators, numbers, detail, languages)


def _read(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file.name} is no TOML ({error}); texts stand in quotes there, as in report.example.toml."
        ) from None


def _text(file: Path, name: str, value: object) -> str:
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise UsageError(f"{name.lower()} in {file.name} is no text; write it in quotation marks.")


def _collaborators(file: Path, value: object) -> dict[str, str]:
    """Read "Ann, Bob" for all questions, "1: Ann; 4: Bob" for some, or a table by number."""
    if isinstance(value, Mapping):
        return {key.lstrip("0"): _text(file, "COLLABORATORS", names) for key, names in value.items()}
    parts = [part.strip() for part in _text(file, "COLLABORATORS", value).split(";") if part.strip()]
    matches = [_OF_A_QUESTION.fullmatch(part) for part in parts]
    pairs = [(match[1].lstrip("0"), match[2]) if match else ("", part) for part, match in zip(parts, matches)]
    return dict(pairs)


def _languages(value: object) -> tuple[str, ...]:
    """Read names of languages, "en zh-Hant" or ["en", "zh-Hant"]."""
    named = value if isinstance(value, list) else str(value).replace(",", " ").split()
    known = {name.lower(): name for name in words.languages()}
    found = {str(name): known.get(str(name).lower().replace("_", "-")) for name in named}
    if unknown := [name for name in found if not found[name]]:
        raise UsageError(f"There is no LANGUAGE={unknown[0]}; {near(unknown[0], words.languages())}")
    return tuple(dict.fromkeys(filter(None, found.values()))) or (words.PLAIN,)


def _numbers(value: object) -> tuple[str, ...]:
    """Read numbers of notebooks, "1 2 3" or [1, 2, 3], each as "1"."""
    given = value if isinstance(value, list) else str(value).replace(",", " ").split()
    numbers = tuple(str(word).lstrip("0") for word in given)
    if wrong := [word for word, number in zip(given, numbers) if not number.isdecimal()]:
        raise UsageError(f"QUESTIONS={wrong[0]!r} is no number of a notebook; write, say, QUESTIONS='1 2 3'.")
    if len({*numbers}) < len(numbers):
        raise UsageError(f"QUESTIONS={' '.join(numbers)!r} names a question twice; name each once.")
    return numbers
