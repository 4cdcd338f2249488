"""What is kept is found again, and only by who asks for the same; it is made once, sealed, and never half-written."""

import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from toys import build

from helpers.base import keeper as keeping
from helpers.base.files import ROOT
from helpers.base.keeper import Keeper, architecture, fingerprint
from helpers.explain.superpixels import Contest, Explanation
from helpers.grade.confusion import accuracy_table


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path / "kept", {"precision": "float32"})


@dataclass(frozen=True)
class Foreign:
    value: int


EXPLANATION = Explanation(np.arange(4).reshape(2, 2), 1, np.float32([0.1, -2]), 0.5, 0.75)
TABLE = pd.DataFrame({"name": ["a", "b"], "share": [0.1, np.nan], "n": [1, 2], "yes": [True, False]})
VALUES = [
    None,
    3,
    0.1 + 0.2,
    "ü",
    [1, (2.5, None), {"a": np.arange(3), 2: "b"}],
    np.float32(0.1),
    np.zeros((0, 3), np.uint8),
    np.array(["x", "yy"]),
    TABLE,
    TABLE.set_index("name"),
    Contest([EXPLANATION], []),
]


def same(first: object, second: object) -> bool:
    return type(first) is type(second) and fingerprint(first) == fingerprint(second)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_comes_back_as_it_was(value: object, keeper: Keeper) -> None:
    made = []

    def compute() -> object:
        made.append(1)
        return value

    first, again = (keeper.keep("value", 1, compute) for _ in range(2))
    assert same(first, value) and same(again, value) and len(made) == 1
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(again, value)


def test_what_cannot_be_written_is_named_and_nothing_is_left(keeper: Keeper) -> None:
    for value in (Foreign(1), {1, 2}, np.array([object()])):
        with pytest.raises(TypeError, match=f"type {type(value).__name__} cannot be kept"):
            keeper.keep("value", 1, lambda value=value: value)
    with pytest.raises(TypeError, match="cannot be kept: give numbers"):
        keeper.keep("value", object(), lambda: 1)
    assert not [path for path in keeper.folder.glob("*") if path.suffix != ".lock"]


def test_every_part_of_what_it_was_made_from_counts(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = (1, "a", np.arange(3.0), {"x": None, "y": True}, [2.0], TABLE)
    others = [
        (1.0, *plan[1:]),
        (1, "b", *plan[2:]),
        (*plan[:2], np.arange(3), *plan[3:]),
        (*plan[:2], np.arange(3.0)[:, None], *plan[3:]),
        (*plan[:3], {"x": True, "y": None}, *plan[4:]),
        (*plan[:4], [2.0, []], TABLE),
        (*plan[:5], TABLE.assign(n=[1, 3])),
    ]
    paths = {keeper.path("value", parts) for parts in (plan, *others)}
    assert len(paths) == 1 + len(others)
    assert keeper.path("value", (*plan[:3], {"y": True, "x": None}, *plan[4:])) in paths
    paths.add(replace(keeper, facts={"precision": "bfloat16"}).path("value", plan))
    monkeypatch.setattr(keeping, "versions", lambda: {"keras": "0"})
    paths.add(keeper.path("value", plan))
    assert len(paths) == 3 + len(others)


def test_a_call_depends_on_function_and_arguments_and_on_its_code(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, asked = np.array([0, 1]), []
    listening = replace(keeper, used=asked.append)

    def ask(share: float) -> pd.DataFrame:
        return listening.call(accuracy_table, labels, {"cnn": np.float32([[share, 1 - share], [0, 1]])})

    assert ask(0.9)["accuracy"][0] == 1.0 and ask(0.1)["accuracy"][0] == 0.5
    assert asked[0] == keeper.path("accuracy_table", 0).name or len(set(asked)) == 2
    ask(0.9)
    assert asked[2] == asked[0] and len([*keeper.folder.glob("*.npz")]) == 2
    monkeypatch.setattr(keeping, "code_digest", lambda _: "changed")
    ask(0.9)
    assert asked[3] not in asked[:3]
    monkeypatch.undo()
    named = partial(accuracy_table, labels)
    listening.call(named, {"cnn": np.float32([[0.9, 1 - 0.9], [0, 1]])})
    assert asked[4] == asked[0]


@pytest.mark.parametrize("harm", [lambda b: b[:-1], lambda b: b[:40], lambda b: b"", lambda b: b"x" + b[1:]])
def test_a_harmed_file_is_made_again(harm, keeper: Keeper) -> None:
    expected = keeper.keep("value", 1, lambda: np.arange(50))
    path = keeper.path("value", 1)
    path.write_bytes(harm(path.read_bytes()))
    np.testing.assert_array_equal(keeper.keep("value", 1, lambda: np.arange(50)), expected)
    np.testing.assert_array_equal(keeper.keep("value", 1, lambda: pytest.fail("made once more")), expected)


def test_an_error_in_the_making_leaves_nothing(keeper: Keeper) -> None:
    with pytest.raises(ZeroDivisionError):
        keeper.keep("value", 1, lambda: 1 // 0)
    assert keeper.keep("value", 1, lambda: 7) == 7


SLOWLY = """
import sys, time
from pathlib import Path
from helpers.base.keeper import Keeper
folder, me = Path(sys.argv[1]), sys.argv[2]
def compute():
    (folder / f"made-{me}").touch()
    time.sleep(2)
    return 7
(folder / f"here-{me}").touch()
while len([*folder.glob("here-*")]) < 3: time.sleep(0.01)
print(Keeper(folder / "kept").keep("value", 1, compute))
"""


def test_of_several_processes_one_computes_and_the_others_wait(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLOWLY, str(tmp_path)]
    processes = [subprocess.Popen([*command, me], cwd=ROOT, stdout=subprocess.PIPE, text=True) for me in "abc"]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["7\n"] * 3
    assert len([*tmp_path.glob("made-*")]) == 1


def test_a_network_is_known_by_how_it_is_built_and_its_weights_and_not_by_names() -> None:
    digests = {fingerprint(build(seed)) for seed in (0, 0, 1)}
    assert len(digests) == 2
    model = build()
    model.set_weights([model.get_weights()[0] * 2, *model.get_weights()[1:]])
    assert fingerprint(model) not in digests


def wired(crossed: bool) -> keras.Model:
    inputs = keras.Input((4,))
    first = keras.layers.Dense(4, kernel_initializer="ones")(inputs)
    second = keras.layers.Dense(4, kernel_initializer="ones")(first)
    return keras.Model(inputs, keras.layers.Subtract()([second, first] if crossed else [first, second]))


def test_how_layers_are_joined_counts() -> None:
    assert architecture(wired(False)) == architecture(wired(False)) != architecture(wired(True))


def test_a_layer_is_known_by_its_place_in_the_network_that_it_is_given_with() -> None:
    model, again = (keras.Sequential([keras.Input((4,)), *(keras.layers.ReLU() for _ in range(2))]) for _ in "ab")
    places = {fingerprint([m, m.layers[place]]) for m in (model, again) for place in (0, 1)}
    assert len(places) == 2
    with pytest.raises(TypeError, match="cannot be kept"):
        fingerprint([model, again.layers[0]])


class Scale(keras.layers.Layer):
    """A layer that Keras cannot make again by itself."""

    def __init__(self, factor: object) -> None:
        super().__init__()
        self.factor = factor

    def call(self, x):
        return x


def test_a_layer_that_does_not_say_how_it_was_made_is_one_sentence() -> None:
    with pytest.raises(TypeError, match="has no `get_config`, so that the network cannot be kept; give the layer"):
        architecture(keras.Sequential([keras.Input((4,)), Scale(object())], name="mine"))
