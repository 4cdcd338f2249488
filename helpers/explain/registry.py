"""Every method that explains an answer by a map, registered once, beside the function that computes it.

A new method is a function of a model, images and classes in a file of `explain/saliency`, under `@method(...)`:
tables, curves, the cascade, the digest of what is kept and the bench go through METHODS and find it there.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np

Function = Callable[..., np.ndarray]
OF_SUBSTRATE = "substrate"  # the baseline of methods that take as `baseline` what hides pixels where they are graded


@dataclass(frozen=True)
class Settings:
    """What methods are asked with; each value reaches the methods that have a parameter of its name.

    samples: noisy copies for SmoothGrad, an image; steps: of integrated gradients; masks: of RISE, an image;
    copies: of LIME, an image; segments: superpixels of LIME; seed: of every random choice; backgrounds:
    (K, H, W, C) uint8, training images that expected gradients measure from.
    """

    samples: int = 8
    steps: int = 8
    masks: int = 100
    copies: int = 150
    segments: int = 25
    seed: int = 0
    backgrounds: np.ndarray | None = None


@dataclass(frozen=True)
class Method:
    """An explanation method, and what it is.

    name: as reports print it; function: of model, images (N, H, W, C) in 0..255, classes (N,) int and settings
    by their names, to maps (N, H, W) float32; signed: whether its maps say how much a pixel speaks for the
    class, or else how much it matters, whichever way; passes: "few" passes through the network an image, or
    "many", in which case the cascade shows the method at two of its depths only; baseline: the image that it
    measures from or hides with, if any, OF_SUBSTRATE where it can be asked for; source: where it was published;
    refused: says why a network has no such maps, "" where it has.
    """

    name: str
    function: Function
    signed: bool
    passes: Literal["few", "many"]
    source: str
    baseline: str | None = None
    refused: Callable[[keras.Model], str] = lambda model: ""

    def explain(
        self, model: keras.Model, images: np.ndarray, classes: np.ndarray, settings: Settings, **options: object
    ) -> np.ndarray:
        """Compute the maps, whose largest value is the pixel to look at first.

        A function that can give both signed values and magnitudes gives what the method is registered as;
        options override this and the settings.
        """
        parameters = inspect.signature(self.function).parameters
        values = {"signed": self.signed, **vars(settings), **options}
        return self.function(model, images, classes, **{key: values[key] for key in values if key in parameters})


METHODS: dict[str, Method] = {}  # by name, in the order of reports


def method(name: str, **facts: Any) -> Callable[[Function], Function]:
    """Register a function as a method; facts: other fields of `Method`. Raises ValueError on a name that is taken."""

    def register(function: Function) -> Function:
        if name in METHODS and _origin(METHODS[name].function) != _origin(function):
            raise ValueError(f"There is a method {name!r} already: register {function.__name__} under another name.")
        METHODS[name] = Method(name, function, **facts)
        return function

    return register


def choose(names: Iterable[str] = (), model: keras.Model | None = None) -> list[Method]:
    """Give the methods of these names, or all; with a model, those alone that `refusals` does not name.

    Raises ValueError naming those that there are on a name that is none.
    """
    wanted = list(names) or list(METHODS)
    unknown = [name for name in wanted if name not in METHODS]
    if unknown:
        raise ValueError(f"There is no method {unknown[0]!r}: choose from {', '.join(METHODS)}.")
    chosen = [METHODS[name] for name in wanted]
    return chosen if model is None else [one for one in chosen if not one.refused(model)]


def refusals(model: keras.Model) -> dict[str, str]:
    """Name the methods that have no maps of this network, each with the reason."""
    return {name: why for name, one in METHODS.items() if (why := one.refused(model))}


def explain_by(
    names: Iterable[str], model: keras.Model, images: np.ndarray, classes: np.ndarray, settings: Settings
) -> dict[str, np.ndarray]:
    """Explain the same images by several methods, signed where a method can be: maps (N, H, W) by name.

    A method that has no maps of this network is left out.
    """
    return {one.name: one.explain(model, images, classes, settings, signed=True) for one in choose(names, model)}


def explain_graded(
    name: str, model: keras.Model, images: np.ndarray, classes: np.ndarray, settings: Settings
) -> np.ndarray:
    """Explain images by one method as it is graded: (N, H, W) float32, what speaks for the class, or magnitudes."""
    return choose([name])[0].explain(model, images, classes, settings).clip(min=0)


def _origin(function: Function) -> tuple[str, str]:
    return function.__module__, function.__qualname__
