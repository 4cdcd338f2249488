"""The door of the package: what notebooks use, imported when it is first asked for, and nothing else.

open_run:       the run of a data set, a recipe and a seed: its data, networks and answers
activations:    what every layer makes of one image
architectures:  the networks by name, and what they are built of
ascent:         images that raise a filter's output, and deep dream
calibration:    how far probabilities can be believed
confusion:      accuracies and their differences, and which classes are confused
faithfulness:   how far a map agrees with known evidence
grading:        every method's grades on one network
lime_study:     how much of a LIME explanation is chance
plots:          every figure
said:           a sentence by its key, for headings, legends and captions
saliency:       which pixels a class depends on: every method, by name and as a function
regions:        which named regions a map lies on, and in words
scorecard:      the grades in one table and in words
superpixels:    LIME

`__init__.pyi` says the same to type checkers and to the check for stale answers.
"""

import os
import platform
import sys
from importlib import import_module
from pathlib import Path

# What Keras is told elsewhere on this machine, of number formats or the order of axes, is for other programs.
os.environ["KERAS_HOME"] = str(Path(__file__).parent / "base" / "keras")
if (_backend := os.environ.get("KERAS_BACKEND", "")) != "jax":  # which trains as well
    if _backend not in ("", "tensorflow") and f"KERAS_BACKEND={_backend}" not in sys.argv:  # given, it is refused
        print(f"KERAS_BACKEND={_backend} is passed over: this runs on TensorFlow.", file=sys.stderr, flush=True)
    os.environ["KERAS_BACKEND"] = "tensorflow"

# TensorFlow takes oneDNN by itself where a processor has AVX-512 alone, though with AVX2 too it is faster.
if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_MODULES = {
    "activations": "helpers.explain.activations",
    "ascent": "helpers.explain.ascent",
    "saliency": "helpers.explain.saliency",
    "superpixels": "helpers.explain.superpixels",
    "calibration": "helpers.grade.calibration",
    "confusion": "helpers.grade.confusion",
    "faithfulness": "helpers.grade.faithfulness",
    "grading": "helpers.grade.grading",
    "lime_study": "helpers.grade.lime_study",
    "regions": "helpers.grade.regions",
    "scorecard": "helpers.grade.scorecard",
    "architectures": "helpers.networks.architectures",
    "plots": "helpers.report.plots",
    "open_run": "helpers.run",
    "said": "helpers.base.words",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"helpers offers no {name!r}; it offers {', '.join(_MODULES)}.")
    if not _MODULES[name].startswith("helpers.base"):
        from helpers.base.machine import import_quietly

        import_quietly("keras")  # which all of these rest on
    module = import_module(_MODULES[name])
    # a module may hold a function of its own name, as `activations` does
    return module if module.__name__.endswith(f".{name}") else getattr(module, name, module)


def __dir__() -> list[str]:
    return __all__
