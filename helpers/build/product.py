"""The PDF and the HTML of a run, set from its answers once all of them are up to date."""

import os
import platform
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module, metadata
from pathlib import Path

from helpers.base import words
from helpers.base.code import imported_files
from helpers.build import stale
from helpers.build.execute import say
from helpers.build.plan import Build
from helpers.report.remarks import read_remarks, remarks_digest


def set_reports(build: Build) -> list[Path]:
    """Set the run's PDF and HTML unless they are up to date, in each language asked for or set before; all paths.

    Every answer has to be up to date.
    """
    from helpers.report.document import report_name

    there = [name for name in words.languages() if (build.run / report_name(name, "pdf")).is_file()]
    languages = tuple(dict.fromkeys([*build.hand_in.languages, *there]))
    build = replace(build, hand_in=replace(build.hand_in, languages=languages))
    made = []
    for language in languages:
        with words.use(language):
            made += [_set(build, build.run / report_name(language, form), form) for form in ("pdf", "html")]
    return made


def _set(build: Build, path: Path, form: str) -> Path:
    stamp, remarks = report_stamp(build), author_remarks(build)
    # only the HTML names the other languages
    author = build.hand_in if form == "html" else replace(build.hand_in, languages=())
    now = report_components(build, form, stamp)
    now |= {"the author's remarks": remarks_digest(remarks), "who hands it in": str(author)}
    reason = stale.why_stale(path, now)
    say(f"{path.name}: set, {reason}" if reason else f"{path.name}: skipped, nothing changed")
    if reason:
        from helpers.report.document import Report

        module = import_module(f"helpers.report.{form}")
        module.build_report(Report(build.run, build.printed, stamp, build.hand_in, remarks))
        stale.write_stamp(path, now)
    return path


def author_remarks(build: Build) -> dict[str, list[tuple[str, Path]]]:
    """Read the author's remarks on the run; RemarkError where they stand under no question of the report."""
    return read_remarks(build.run.name, [build.notebook(name) for name in build.printed])


def report_stamp(build: Build) -> dict[str, object]:
    """Collect what the report says about its own making; its date is the day of the newest answer."""
    days = [stale.read_json(stale.stamp_path(build.answer(name)))["day"] for name in build.printed]
    return {
        "dataset": build.run.name,
        **stale.read_json(build.run / "run.json"),
        "seed": build.common["SEED"],
        "recipe": build.common["RECIPE"],
        "versions": {**build.versions, "typst": metadata.version("typst")},
        "date": max(days),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def report_components(build: Build, form: str, stamp: Mapping[str, object]) -> dict[str, str]:
    """List what a form of the report, pdf or html, is made from: the answers, words and code that set it, its stamp."""
    code = imported_files([f"import {build.package.name}.report.{form}"], build.package)
    code += [path for path in sorted((build.package / "report").glob(f"{form}.*")) if path.suffix != ".py"]
    return {
        "the words": stale.digest(repr(sorted(words.catalogue(words.language()).items())).encode()),
        "the names": stale.digest(repr(sorted(words.names().items())).encode()),
        **{f"the answer of {name}": stale.file_digest(build.answer(name)) for name in build.printed},
        **stale.files_components(code, build.package),
        **{f"the {key}": str(value) for key, value in stamp.items()},
    }


def headlines(build: Build) -> list[str]:
    """Give the run's headline numbers as the report words them, one a line, aligned."""
    from helpers.report.document import headlines

    lines = headlines([stale.read_json(build.answer(name)) for name in build.printed])
    return [f"  {line.label:<32}{line.value}" for line in lines]
