"""A run's folder is named after what it is, and no run writes into that of another."""

import json
import shutil
from pathlib import Path

import pytest

from helpers.base import runs
from helpers.base.notebook import UsageError

FACES = {"fingerprint": "abcdef0123", "recipe": "quick", "seed": 0, "image_size": 0}


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("faces", "quick", 0, 0), "faces"),
        (("faces", "tiny", 0, 0), "faces-tiny"),
        (("faces", "quick", 3, 96), "faces-seed3-96px"),
        (("food", "cpu", 1, 224), "food-cpu-seed1-224px"),
        (("faces", "quick", 0, 0, "", False, 3, "float32"), "faces-3seeds-float32"),
    ],
)
def test_a_name_says_what_is_not_as_usual(arguments: tuple, name: str) -> None:
    assert runs.name_run(*arguments) == name


def test_two_archives_of_one_name_are_two_runs_and_either_is_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {**FACES, "fingerprint": "123456789a"}
    for _ in range(2):
        assert runs.claim(tmp_path, "archive", FACES) == tmp_path / "archive"
        assert capsys.readouterr().out == ""
        assert runs.claim(tmp_path, "archive", other) == tmp_path / "archive-123456"
        assert "archive holds a run of other data, so this one is archive-123456." in capsys.readouterr().out
    assert runs.read_run(tmp_path / "archive") == FACES and runs.read_run(tmp_path / "archive-123456") == other
    shutil.rmtree(tmp_path / "archive")  # as `make clean RUN=archive` does
    assert runs.claim(tmp_path, "archive", other) == tmp_path / "archive-123456"
    assert runs.claim(tmp_path, "archive", FACES) == tmp_path / "archive"


def test_two_networks_of_one_name_are_two_runs_and_either_is_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = ({**FACES, "network": "net", "network_place": digest} for digest in ("a" * 12, "b" * 12))
    older = {**FACES, "network": "net"}  # as a program that did not tell them apart wrote it
    assert runs.claim(tmp_path, "faces-net", older) == tmp_path / "faces-net"
    for _ in range(2):
        assert runs.claim(tmp_path, "faces-net", ann) == tmp_path / "faces-net"
        assert capsys.readouterr().out == ""
        assert runs.claim(tmp_path, "faces-net", bob) == tmp_path / "faces-net-bbbbbb"
        assert "holds a run of another network of that name, so this one is faces-net-b" in capsys.readouterr().out
    for network, name in ((bob, "faces-net-123456"), (ann, "faces-net-123456-aaaaaa")):
        assert runs.claim(tmp_path, "faces-net", {**network, "fingerprint": "123456789a"}).name == name
    monkeypatch.setenv("RUN", "faces-net")
    with pytest.raises(UsageError, match=r"holds another run \(another network of that name\)"):
        runs.claim(tmp_path, "faces-net", bob)


def test_what_only_some_know_of_a_run_is_not_forgotten(tmp_path: Path) -> None:
    folder = runs.claim(tmp_path, "faces", {**FACES, "source": "faces"})
    runs.claim(tmp_path, "faces", FACES)
    assert runs.read_run(folder)["source"] == "faces"


def test_a_name_of_ones_own_is_taken_unless_it_is_another_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUN", "mine")
    for _ in range(2):
        assert runs.claim(tmp_path, "faces", FACES) == tmp_path / "mine"
    for changed in ({"seed": 1}, {"recipe": "tiny"}, {"fingerprint": "0"}, {"image_size": 96}):
        with pytest.raises(UsageError, match=r"holds another run \((\w+ (0|quick) and not \w+|other data)\); choose"):
            runs.claim(tmp_path, "faces", {**FACES, **changed})
    for name in ("../mine", "..", ".kept", "a/b"):
        monkeypatch.setenv("RUN", name)
        with pytest.raises(UsageError, match="without slashes that begins with no dot"):
            runs.claim(tmp_path, "faces", FACES)
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "report.pdf").touch()
    monkeypatch.setenv("RUN", "sample")
    with pytest.raises(UsageError, match="made without this program"):
        runs.claim(tmp_path, "faces", FACES)


def test_a_name_of_ones_own_guards_all_that_sets_runs_of_one_name_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUN", "mine")
    folder = runs.claim(tmp_path, "faces", FACES)  # as an older program, which knew of no balance, left it
    assert runs.claim(tmp_path, "faces", {**FACES, "balance": False}) == folder
    with pytest.raises(UsageError, match="balance no and not yes"):
        runs.claim(tmp_path, "faces", {**FACES, "balance": True})
    assert runs.claim(tmp_path, "faces", FACES) == folder


def test_a_folder_of_runs_is_the_environments_unless_a_notebook_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPORTS", str(tmp_path))
    assert runs.place_of("reports") == tmp_path
    assert runs.place_of("/elsewhere") == Path("/elsewhere")


NOTEBOOK = "05_gradient_ascent"


def asked(run: Path, **changed: object) -> Path:
    own = {name: one.default for name, one in runs.read_parameters(path(NOTEBOOK)).items()}
    return runs.folder_of_answer(
        run, NOTEBOOK, "tiny", runs.own_parameters(NOTEBOOK, {**own, **changed}, (), lambda: 7, 9)
    )


def path(name: str) -> Path:
    return runs.ROOT / "notebooks" / f"{name}.ipynb"


def test_an_answer_by_hand_with_parameters_of_its_own_lies_beside_the_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked(tmp_path) == tmp_path and asked(tmp_path, SEED=4) == tmp_path
    beside = tmp_path / "by-hand" / "LAYER=3"
    assert asked(tmp_path, LAYER=3) == beside
    assert "With LAYER=3 this answer is kept in" in capsys.readouterr().out
    own = {name: one.default for name, one in runs.read_parameters(path(NOTEBOOK)).items() if name not in runs.COMMON}
    answer = tmp_path / "answers" / f"{NOTEBOOK}.json"
    answer.parent.mkdir()
    answer.write_text(json.dumps({"parameters": {**own, "LAYER": 3}}))
    assert asked(tmp_path, LAYER=3) == tmp_path and asked(tmp_path) == tmp_path / "by-hand" / "LAYER=0"
    monkeypatch.setenv("REPORT_OF", str(tmp_path))
    assert asked(tmp_path) == tmp_path


def test_answers_by_hand_of_other_parameters_never_share_a_folder(tmp_path: Path) -> None:
    def beside(name: str) -> Path:
        return runs.folder_of_answer(tmp_path, NOTEBOOK, "tiny", {"CLASS": name})

    long = [beside("a" * 90 + end) for end in "xy"]
    assert long[0] != long[1] and all(len(folder.name) < 90 for folder in long)
    assert len({*map(beside, ("a b", "a/b", "a_b"))}) == 3 and beside("a b") == beside("a b")
    assert beside("a_b").name == "CLASS=a_b"
