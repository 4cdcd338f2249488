"""The PDF and the HTML of a run, set from its answers once all of them are up to date."""

import os
import platform
from collections.abc import Mapping
from importlib import import_module, metadata
from pathlib import Path

from helpers.base.code import imported_files
from helpers.base.notebook import UsageError
from helpers.build import stale
from helpers.build.execute import say
from helpers.build.plan import Build, PdfError
from helpers.report.remarks import RemarkError, read_remarks, remarks_digest


def set_pdf(build: Build) -> None:
    """Set the run's PDF from its answers unless it is up to date; every answer has to be."""
    _set(build, build.run / "report.pdf", {})


def set_html(build: Build, language: str = "en") -> None:
    """Set the run's HTML in a language as `set_pdf` does the PDF."""
    from helpers.report.document import languages_beside, report_name

    others = {"the languages beside": " ".join(languages_beside(build.run, language)) or "none"}
    _set(build, build.run / report_name(language), others)


def _set(build: Build, path: Path, further: Mapping[str, str]) -> None:
    form, stamp, remarks = path.suffix[1:], report_stamp(build), author_remarks(build)
    now = {**report_components(build, form, stamp), **further}
    now |= {"the author's remarks": remarks_digest(remarks), "who hands it in": str(build.hand_in)}
    reason = stale.why_stale(path, now)
    say(f"{path.name}: set, {reason}" if reason else f"{path.name}: skipped, nothing changed")
    if reason:
        try:
            module = import_module(f"helpers.report.{form}")
            module.build_report(build.run, build.printed, stamp, build.hand_in, remarks)
        except ValueError as error:  # of answers or characters that cannot be set; the message is a sentence
            raise PdfError(error) from error
        stale.write_stamp(path, now)


def author_remarks(build: Build) -> dict[str, list[tuple[str, Path]]]:
    """Read the author's remarks on the run; UsageError where they stand under no question of the report."""
    try:
        return read_remarks(build.run.name, [build.notebook(name) for name in build.printed])
    except RemarkError as error:
        raise UsageError(error) from None


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
    """List what a form of the report, pdf or html, is made from: the answers, the code that sets it, its stamp."""
    code = imported_files([f"import {build.package.name}.report.{form}"], build.package)
    code += [path for path in sorted((build.package / "report").glob(f"{form}.*")) if path.suffix != ".py"]
    return {
        **{f"the answer of {name}": stale.file_digest(build.answer(name)) for name in build.printed},
        **stale.files_components(code, build.package),
        **{f"the {key}": str(value) for key, value in stamp.items()},
    }


def headlines(build: Build) -> list[str]:
    """Give the run's headline numbers as the report words them, one a line, aligned."""
    from helpers.report.document import headlines

    lines = headlines([stale.read_json(build.answer(name)) for name in build.printed])
    return [f"  {line.label:<32}{line.value}" for line in lines]
