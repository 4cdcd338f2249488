"""Answers on the disk: written whole or not at all, and checked when they are read."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from helpers.base.checks import UserError
from helpers.base.files import draft_path, writing

ANSWER_KEYS = {"notebook", "title", "question", "numbers", "blocks", "files"}


class AnswerError(UserError, ValueError):
    """A saved answer is missing, or its files are not those that were saved with it."""


def answer_path(folder: Path, notebook: str) -> Path:
    """Say where a notebook's answer lies in a run's folder."""
    return Path(folder) / "answers" / f"{notebook}.json"


def save_answer(folder: Path, answer: Mapping[str, Any], files: Mapping[str, bytes]) -> Path:
    """Write a notebook's answer and its files into the run's folder and return the path of its JSON file.

    answer: notebook, title, question, numbers and blocks; files: contents by path in the folder. Everything is first
    written beside its place, then renamed, the JSON file last. Files of the previous answer that are not among the new
    ones are removed. Raises WriteError where the disk refuses.
    """
    path = answer_path(folder, answer["notebook"])
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    content = json.dumps({**answer, "files": hashes}, ensure_ascii=False, indent=1, allow_nan=False).encode()
    written = {**files, str(path.relative_to(folder)): content}
    staging = draft_path(folder / answer["notebook"])
    try:
        with writing(path):
            for name, data in written.items():
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                (staging / name).write_bytes(data)
            leftover = _saved_files(path) - set(files)
            _rename(staging, folder, written)
            for name in leftover:
                (folder / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return path


def load_answer(folder: Path, notebook: str) -> dict[str, Any]:
    """Read a notebook's saved answer: notebook, title, question, numbers, blocks and files.

    Raises AnswerError where there is none, where it cannot be read, and where a file of it is missing or is
    not the one that was saved with it.
    """
    answer = _read(answer_path(folder, notebook), notebook)
    for name, expected in answer["files"].items():
        file = Path(folder) / name
        if not file.is_file():
            raise AnswerError(f"The answer of {notebook} lacks its file {file}; run the notebook again.")
        if hashlib.sha256(file.read_bytes()).hexdigest() != expected:
            raise AnswerError(f"{file} is not the file that {notebook} saved; run the notebook again.")
    return answer


def _read(path: Path, notebook: str) -> dict[str, Any]:
    try:
        answer = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise AnswerError(f"{notebook} has no saved answer in {path.parent}; run the notebook to its end.") from None
    except ValueError:
        raise AnswerError(f"{path} cannot be read; run the notebook {notebook} again.") from None
    if not isinstance(answer, dict) or not answer.keys() >= ANSWER_KEYS:
        raise AnswerError(f"{path} is not an answer; run the notebook {notebook} again.")
    return answer


def _saved_files(path: Path) -> set[str]:
    try:
        return set(_read(path, path.stem)["files"])
    except AnswerError:
        return set()


def _rename(source: Path, target: Path, names: Iterable[str]) -> None:
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).replace(target / name)
