"""How a network that came trained was trained is read from what Keras wrote beside it, or said not to be known."""

import inspect
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from toys import build

from helpers.answers import Answer, render_block
from helpers.base import words
from helpers.base.files import ROOT
from helpers.networks import architectures
from helpers.networks.own.source import Source
from helpers.report import plots
from helpers.training.given import Given, read_history
from helpers.training.loop import HISTORY, Trained

EPOCHS = ["0,0.5,0.7,1.2,0.6", "1,0.6,0.5,1.1,0.65"]


def beside(folder: Path, head: str, *rows: str) -> Source:
    """Write a history beside a trained network's file."""
    (folder / "history.csv").write_text("\n".join([head, *rows, ""]))
    return Source(folder / "own.keras")


def cell(name: str) -> str:
    cells = json.loads((ROOT / "notebooks" / "01_train_cnn.ipynb").read_text(encoding="utf-8"))["cells"]
    return "".join(next(one["source"] for one in cells if one["id"] == name))


def told_by_notebook(history: pd.DataFrame, folder: Path) -> str:
    """Give what notebook 01 says of the training of a network that came trained with this history."""
    answer, trained = Answer(folder, "01_train_cnn", "Title", "Question?"), Trained(None, history)
    known = {"answer": answer, "cnn": trained, "run": SimpleNamespace(given=Given(trained, None, ()))}
    exec(cell("c18"), known | {"display": lambda _: None})
    return " ".join(render_block(block) for block, _ in answer._blocks)


@pytest.mark.parametrize("name", ["accuracy", "acc", "sparse_categorical_accuracy", "categorical_accuracy"])
def test_accuracy_is_known_by_each_name_that_keras_gives_it(tmp_path: Path, name: str) -> None:
    history, lacking = read_history(beside(tmp_path, f"epoch,{name},loss,val_loss,val_{name}", *EPOCHS))
    assert lacking == () and list(history.columns) == HISTORY
    assert history["accuracy"].tolist() == [0.5, 0.6] and history["val_accuracy"].tolist() == [0.6, 0.65]
    assert history["epoch"].tolist() == [1, 2] and history["val_loss"].tolist() == [1.2, 1.1]


def test_a_training_without_validation_is_drawn_and_not_summed_up(tmp_path: Path) -> None:
    history, lacking = read_history(beside(tmp_path, "epoch,acc,loss", "0,0.5,0.7", "1,0.6,0.5"))
    assert lacking == () and history["val_accuracy"].isna().all() and history["loss"].tolist() == [0.7, 0.5]
    assert plots.training_curves({"CNN": Trained(None, history).curves}).axes
    assert "Its accuracy on validation images" not in told_by_notebook(history, tmp_path)
    assert "images was 60.0% after" in told_by_notebook(history.assign(val_accuracy=[0.6, 0.7]), tmp_path)


@pytest.mark.parametrize(
    ("head", "rows", "wanted"),
    [
        ("", [], ("loss", "accuracy")),
        ("epoch,loss,accuracy", [], ("loss", "accuracy")),
        ("epoch,loss,val_accuracy", ["0,0.7,0.5"], ("accuracy",)),
        ("epoch,loss,accuracy", ["0,none,0.5"], ("loss",)),
        ("\0\0\0,\0", ["\0"], ("loss", "accuracy")),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, head: str, rows: list[str], wanted: tuple[str, ...]) -> None:
    source = beside(tmp_path, head, *rows)
    history, lacking = read_history(source)
    assert lacking == wanted and not len(history) and list(history.columns) == HISTORY


def test_without_a_file_nothing_is_lacking(tmp_path: Path) -> None:
    history, lacking = read_history(Source(tmp_path / "own.keras"))
    assert lacking == () and not len(history)
    assert "Its accuracy on validation images" not in told_by_notebook(history, tmp_path)
    (tmp_path / "history.csv").write_bytes(np.random.default_rng(0).bytes(99))
    assert read_history(Source(tmp_path / "own.keras"))[1] == ("loss", "accuracy")


def training_of(source: Source) -> str:
    history, lacking = read_history(source)
    return str(Given(Trained(None, history), None, (), lacking=lacking).training())


def test_what_is_told_of_the_training_is_what_lies_beside_the_file(tmp_path: Path) -> None:
    assert "no history.csv lies beside its file" in training_of(Source(tmp_path / "own.keras"))
    assert "trained for 2 epochs, as history.csv" in training_of(beside(tmp_path, "epoch,acc,loss", "0,0,9", "1,1,8"))
    assert "history.csv beside its file lacks" in training_of(beside(tmp_path, "epoch,loss", "0,9"))
    with words.use("zh-Hant"):
        assert "缺少每個 epoch 一列的 accuracy 數值" in training_of(Source(tmp_path / "own.keras"))


def test_notebook_01_shows_the_network_that_came_trained(capsys: pytest.CaptureFixture[str]) -> None:
    trained = Trained(build(), pd.DataFrame())
    run = SimpleNamespace(given=Given(trained, None, ()), cnn=lambda: trained, own=Source(Path("own.keras")))
    exec(cell("own2"), {"run": run, "inspect": inspect, "architectures": architectures})
    shown = capsys.readouterr().out
    assert trained.model.layers[2].name in shown and "def " not in shown
