"""What `pip install .` gives: a package that imports, with all that its code reads, and extras whose names are true."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from helpers.base.files import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PIN = re.compile(r"^([\w.-]+)==([\d.]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the package as installed from a wheel that was built of a copy of the code."""
    project, wheels, target = (tmp_path_factory.mktemp(name) for name in ("project", "wheels", "target"))
    shutil.copy(ROOT / "pyproject.toml", project)
    shutil.copytree(ROOT / "helpers", project / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(project)], check=True
    )
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), *map(str, wheels.iterdir())], check=True)
    return target / "helpers"


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def test_every_file_of_the_package_is_installed(installed: Path) -> None:
    assert files(installed) == files(ROOT / "helpers")


def test_the_installed_package_imports_and_knows_its_templates(installed: Path, tmp_path: Path) -> None:
    text = (
        f"import sys; sys.path.insert(0, {str(installed.parent)!r})\n"
        "import helpers; from helpers import saliency; from helpers.report import pdf\n"
        "print(helpers.__file__, saliency.__file__, pdf.TEMPLATE, len(pdf.TEMPLATE.read_text()) > 0, sep='\\n')"
    )
    found = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=True)
    *places, is_read = found.stdout.splitlines()
    assert len(places) == 3 and all(Path(place).is_relative_to(installed) for place in places)
    assert is_read == "True"


def test_what_the_package_declares_is_pinned_no_lower_than_its_bound() -> None:
    pins = {name.lower(): version for name, version in PIN.findall((ROOT / "requirements.txt").read_text())}
    for need in PROJECT["dependencies"]:
        name, bound = re.match(r"([\w.-]+)>=([\d.]+)", need).groups()
        assert as_numbers(pins[name]) >= as_numbers(bound), need


def as_numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


@pytest.mark.parametrize("page", ["README.md", "Makefile", *map(str, sorted((ROOT / "helpers").rglob("*.py")))])
def test_an_extra_that_is_named_exists(page: str) -> None:
    for names in re.findall(r'pip install -e "\.\[([\w,]+)\]"', (ROOT / page).read_text(encoding="utf-8")):
        assert {*names.split(",")} <= PROJECT["optional-dependencies"].keys()
