"""`python -m helpers WORD NAME=VALUE ...` does what `make WORD NAME=VALUE ...` does, also where there is no make.

`commands.toml` says which words there are and what each takes. `names GOALS NAME ...` says which name none of the goals
of make takes, so that `make WORD ...` can pass over names that another goal takes. Nothing but Python's own library is
imported before a word is known, since make asks before any package is installed.
"""

import inspect
import os
import shlex
import signal
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, get_args

from helpers.base.checks import UserError
from helpers.base.legal import GIVEN, near
from helpers.base.notebook import UsageError
from helpers.base.runs import check_seed

_TABLE = tomllib.loads(Path(__file__).with_name("commands.toml").read_text(encoding="utf-8"))
WORDS: dict[str, dict[str, Any]] = _TABLE["words"]
OPTIONS: dict[str, tuple[str, str]] = _TABLE["options"]
LEGAL: dict[str, list[str]] = _TABLE["legal"]
SHARED = [name for word in WORDS.values() for name in word.get("sets", ())]


def help_text(words: Sequence[str]) -> str:
    """Describe words, and the options of each that were not described before."""
    lines, told = [], set[str]()
    for word in words:
        first = f"make {word}" if WORDS[word].get("make", True) else f"python -m helpers {word}"
        lines += _described(first, WORDS[word]["does"], 0, 14)
        named = [*WORDS[word].get("takes", ()), *WORDS[word].get("sets", ())]
        for name in (name for name in named if name not in told):
            example, meaning = OPTIONS[name]
            lines += _described(f"{name}={shlex.quote(example)}", meaning, 16, 32)
        told |= {*named}
    return "\n".join(lines)


def _described(first: str, text: str, indent: int, column: int) -> list[str]:
    """Set a text into lines from a column on, with what it describes before it, or where that is long, above it."""
    told = textwrap.wrap(text, 120 - column, break_on_hyphens=False)
    head = f"{' ' * indent}{first:<{column - indent - 1}}"
    above = [head] if len(head) >= column else []
    return above + [f"{'' if above or row else head:<{column}}{line}" for row, line in enumerate(told)]


def read_words(command: str, words: Sequence[str], strict: bool = True) -> dict[str, str]:
    """Read NAME=VALUE into what a word takes, without what is left empty; what others share goes into the environment.

    A file that STUDY names stands for lines NAME = VALUE of it, which `words` go before. Raises UsageError on a name
    that the word does not take, naming one that is near; where it is not strict, only on one that no word takes.
    """
    takes, given = WORDS[command].get("takes", ()), {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"{word!r} sets nothing; write NAME=VALUE, as in DATASET=faces.")
        if name in takes:
            given[name] = value
        elif name in SHARED:
            if value and value not in LEGAL.get(name, (value,)):
                raise UsageError(f"There is no {name}={value}; {near(value, LEGAL[name])}")
            os.environ[name] = value
        elif strict or name not in OPTIONS:
            raise UsageError(refusal(name, [command]))
    if given.get("STUDY", "").endswith(".toml"):
        given = read_file(Path(given["STUDY"]), takes) | {name: value for name, value in given.items() if value}
    if given.get("REPORTS"):
        os.environ["REPORTS"] = str(Path(given["REPORTS"]).resolve())
    return {name: value for name, value in given.items() if value and name != "REPORTS"}


def refusal(name: str, words: Sequence[str]) -> str:
    """Say that none of the words takes an option of this name, and which are near or taken; "" where one does."""
    takes = [taken for word in words for taken in WORDS[word].get("takes", ())]
    if name in (*takes, *SHARED):
        return ""
    if name not in OPTIONS:
        return f"There is no {name}; {near(name, [*takes, *SHARED])}"
    told = near(name, [*takes, *(SHARED if "RECIPE" in takes else ())])  # the others make nothing by these
    if told.startswith("there are"):
        told = f"it takes {', '.join(takes)}." if takes else "it takes none of its own."
    return f"`{' '.join(words)}` takes no {name}; {told}"


def read_file(file: Path, names: Sequence[str]) -> dict[str, str]:
    """Read options from a file; UsageError on those that are not among the names, naming one that is near."""
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise UsageError(f"There is no file {file}; write one with keys such as seeds = '0-9'.") from None
    except ValueError as error:
        raise UsageError(f"{file} is no TOML ({error}); write lines such as seeds = '0-9'.") from None
    for key, value in said.items():
        if key.upper() not in names:
            raise UsageError(f"{file} says {key!r}, which there is not; {near(key, map(str.lower, names))}")
        if not isinstance(value, str | int | list) or isinstance(value, bool):
            raise UsageError(f"{key} in {file} is no text, number or list of these; write, say, {key} = '...'.")
    return {key.upper(): shlex.join(map(str, v)) if isinstance(v, list) else str(v) for key, v in said.items()}


def typed(function: Callable, given: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Give options as arguments of a function, by its annotations; UsageError on a value that is not legal."""
    parameters = inspect.signature(function).parameters
    for name, value in given.items():
        kind = parameters[name.lower()].annotation
        if (legal := get_args(kind)) and value not in legal:
            raise UsageError(f"There is no {name.lower()} {value}; {near(value, legal)}")
        if kind is int and not value.isdecimal():
            raise UsageError(f"{name}={value} is no whole number of at least 0; choose one, such as 0.")
        if name == "SEED":
            check_seed(int(value))
        yield name.lower(), int(value) if kind is int else value


def pass_over(command: str, words: Sequence[str]) -> None:
    """Take out of the environment, telling it, what options are called and other programs may have set there."""
    known = {word.partition("=")[0] for word in words} | {"REPORTS", "KERAS_BACKEND", "SOURCE_DATE_EPOCH"}
    known |= {*os.environ.get(GIVEN, "").split()}
    found = {name: value for name in OPTIONS if name not in known and (value := os.environ.pop(name, ""))}
    found.pop("LANGUAGE", None)  # a system's own
    if told := [f"{name}={found[name]}" for name in found if not refusal(name, [command])]:
        verb = "is" if len(told) == 1 else "are"
        behind = f"behind the word, as in `make {command} {told[0]}`"
        print(f"{', '.join(told)} in the environment {verb} passed over; give it {behind}.", file=sys.stderr)


def run(command: str, words: Sequence[str], strict: bool) -> int:
    """Do what a word asks for; the exit code."""
    pass_over(command, words)
    if program := WORDS[command].get("runs"):
        read_words(command, [word for word in words if "=" in word], strict)
        os.chdir(Path(__file__).parents[1])
        os.execv(sys.executable, [sys.executable, *shlex.split(program), *(word for word in words if "=" not in word)])
    given = read_words(command, words, strict)
    module, name = WORDS[command]["calls"].split(":")
    function = getattr(import_module(module), name)
    return function(**dict(typed(function, given))) or 0


def main(words: Sequence[str]) -> int:
    """Run the command line; 2 with one sentence on standard error where it asks for what there is not."""
    strict = [*words[:1]] != ["make"]
    command, *rest = words[not strict :] or ["help"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a locale that has no such letter spells it, and ends nothing
            stream.reconfigure(errors="backslashreplace")
    try:
        if command in ("help", "-h", "--help"):
            print(help_text([*WORDS]))
        elif command == "names":
            goals = [word for word in rest[:1] for word in word.split() if word in WORDS]
            told = [refusal(name, goals or [*WORDS]) for name in rest[1:]]
            print(next(filter(None, told), "").removesuffix("."))  # which make ends
        elif command not in WORDS:
            raise UsageError(f"There is no {command}; {near(command, WORDS)}")
        elif {"-h", "--help"} & {*rest}:
            print(help_text([command]))
        else:
            return run(command, rest, strict)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"Stopped; {WORDS[command].get('stopped', 'the same command does it anew.')}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
