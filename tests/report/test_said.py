"""Each sentence that a notebook or what judges networks has words for is said by some code."""

import re

import pytest

from helpers.base import words
from helpers.base.files import ROOT
from helpers.base.notebook import code_sources

FILES = (
    "01_train_cnn",
    "02_compare_dnn",
    "03_confusion_matrix",
    "04_saliency_maps",
    "05_gradient_ascent",
    "06_lime",
    "07_keract_activations",
    "lime",
    "differences",
    "faults",
    "grades",
    "regions",
    "filters",
)
CODE = "\n".join(
    [path.read_text(encoding="utf-8") for path in sorted((ROOT / "helpers").rglob("*.py"))]
    + [text for path in sorted((ROOT / "notebooks").glob("0*.ipynb")) for text in code_sources(path)]
)


def is_said(key: str) -> bool:
    """Look for the last part of a key as a whole text of some code; `Extreme.told` appends "_tied" itself."""
    last = key.rpartition(".")[2].removesuffix("_tied")
    return last in ("title", "question") or re.search(rf"[\".]{last}\"", CODE) is not None


@pytest.mark.parametrize("file", FILES)
def test_every_sentence_is_said_somewhere(file: str) -> None:
    keys = [key for key in words.catalogue(words.PLAIN) if key.startswith(f"{file}.") and ".rivals." not in key]
    assert keys and [key for key in keys if not is_said(key)] == []
