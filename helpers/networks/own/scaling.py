"""What is done to pixels before a trained network sees them: measured on labelled images, never guessed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal

import keras
import numpy as np
import pandas as pd
from keras import layers, ops
from scipy.optimize import linear_sum_assignment, minimize_scalar
from scipy.special import log_softmax
from scipy.stats import binomtest

from helpers.base.words import Said
from helpers.base.words import said as named
from helpers.networks.layers import per_image
from helpers.networks.logits import all_logits, softmax
from helpers.networks.own.canonical import HALF, Scale, as_graph, canonical, fit, taken_shape
from helpers.networks.own.source import NetworkError

IMAGES = 500  # labelled images that it is measured on
CERTAIN = 0.05  # p-value below which one way is better than another
STEADY = 0.03  # how far a probability may be apart from one time to the next; float16 is within it
TINY, LEAST = np.finfo(np.float32).tiny, np.finfo(np.float32).epsneg  # above 0, and below 1, in float32
Ending = Literal["", "softmax", "sigmoid", "unit"]  # what a network ends in, where that could not be taken off
_MEAN, _SPREAD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # of ImageNet's photos, in 0..1
_CAFFE = [103.939, 116.779, 123.68]  # blue, green, red, in 0..255


def _scaled(scale: float | list[float], offset: float | list[float] = 0.0) -> Scale:
    return lambda pixels: layers.Rescaling(scale, offset, name="preprocessing")(pixels)


def _swapped(scale: Scale) -> Scale:
    return lambda pixels: scale(pixels[..., ::-1])


# Names that PREPROCESS takes, each with its words for people; the last two are of colour alone.
_WAYS: dict[str, tuple[str, Scale]] = {
    "none": ("as they are, 0 to 255", lambda pixels: pixels),
    "255": ("divided by 255", _scaled(1 / 255)),
    "127": ("divided by 127.5, less 1", _scaled(1 / 127.5, -1.0)),
    "image": (
        "less the image's mean, divided by its deviation",
        lambda pixels: per_image("preprocessing")(layers.Rescaling(1 / 255, name="to_1")(pixels)),
    ),
    "torch": (
        "less ImageNet's mean, divided by its deviation",
        _scaled((1 / (255 * _SPREAD)).tolist(), (-_MEAN / _SPREAD).tolist()),
    ),
    "caffe": ("blue, green, red, less ImageNet's mean", _swapped(_scaled(1.0, [-mean for mean in _CAFFE]))),
}
_COLOUR = ("torch", "caffe")


def scales(channels: int) -> dict[str, Scale]:
    """Give the ways to prepare pixels by the names that PREPROCESS takes; of colour, each with red and blue swapped."""
    found = {name: scale for name, (_, scale) in _WAYS.items() if channels == 3 or name not in _COLOUR}
    if channels == 3:
        found |= {f"{name}-bgr": _swapped(scale) for name, scale in found.items() if name != "caffe"}
    return found


def way_to_prepare(wanted: str, channels: int) -> Scale:
    """Give the way to prepare pixels that PREPROCESS names; NetworkError with those that there are if there is none."""
    ways = scales(channels)
    if wanted not in ways:
        raise NetworkError(f"PREPROCESS={wanted} is no way to prepare pixels; choose one of {', '.join(ways)}.")
    return ways[wanted]


@dataclass(frozen=True)
class Measured:
    """How a trained network is to be shown its images.

    chosen: a name of `scales`; table: a row a way, with its accuracy on `images` labelled images, the 95 % interval of
    that, and the mean log-likelihood of the label at the best temperature; reason: why this one; order: the classes in
    an order in which the network is right more often so, where PREPROCESS asks for their own order, or ().
    """

    chosen: str
    table: pd.DataFrame
    images: int
    reason: Said
    order: tuple[str, ...] = ()


def measure(
    network: keras.Model, images: np.ndarray, labels: np.ndarray, class_names: Sequence[str], wanted: str = ""
) -> Measured:
    """Measure how right a trained network is with its pixels prepared in each way, and choose.

    images: (N, H, W, C) uint8; labels: (N,) int; wanted: a way that PREPROCESS asks for, which is then taken unless
    another is better. Raises NetworkError where no way is better than naming the commonest class, where any is better
    in another order of the classes, where the two best cannot be told apart, where what is asked for is worse than
    another, and on answers that are not the image's alone.
    """
    shape = taken_shape(as_graph(network, images.shape[1:]), images.shape[1:])
    ways = scales(shape[2])
    if wanted:
        way_to_prepare(wanted, shape[2])
    core = canonical(network, shape, len(class_names))
    fitted = fit(ops.convert_to_tensor(images.astype(np.float32)), shape)
    if shape[2] == 3 and np.array_equal(fitted, fitted[..., ::-1]):  # grey: red and blue are the same
        ways = {name: way for name, way in ways.items() if not name.endswith("-bgr") or name == wanted}
    answers = {name: all_logits(core, np.asarray(way(fitted))) for name, way in ways.items()}
    last = ending(np.concatenate([*answers.values()]))
    said = {name: np.asarray(as_logits(answer, last)) for name, answer in answers.items()}
    named_as = {name: answers.argmax(axis=1) for name, answers in said.items()}
    right = {name: classes == labels for name, classes in named_as.items()}
    likely = {name: _likelihood(answers, labels) for name, answers in said.items()}
    table = pd.DataFrame([_row(name, right[name], likely[name]) for name in ways])
    table = table.sort_values(["accuracy", "log_likelihood"], ascending=False, kind="stable", ignore_index=True)
    best = table["pixels"][0]
    again = all_logits(core, np.asarray(ways[best](fitted[::3])))
    apart = np.abs(softmax(said[best][::3]) - softmax(np.asarray(as_logits(again, last)))).max()
    if apart > STEADY:  # among other images, an image has other logits
        raise NetworkError(
            f"The network {network.name} computes as in training: an image's probabilities differ by {apart:.2f} from "
            "one call to the next; `model.export` writes a network with augmentation so, and this writes it as it "
            "predicts: keras.Model(model.inputs, model(model.inputs, training=False)).export(folder)."
        )
    keeps = wanted and not _is_better(right[best], right[wanted])  # what PREPROCESS asks for has the given order
    commonest = np.bincount(labels).max() / len(labels)
    poor = table["low"][0] <= commonest
    way, share, order = better_order(named_as, labels, class_names, right[best])
    if poor or (order and not keeps):
        level = f", no better than naming the commonest class ({commonest:.0%})" if poor else ""
        level += f", and with {way} on {share:.0%} if its classes are in the order {', '.join(order)}" if order else ""
        advice = "name the classes so that they sort so" if order else "see that its classes are these data's"
        advice += "" if poor else f", or say PREPROCESS={best} if their order is right as it is"
        raise NetworkError(
            f"With pixels prepared in any of {len(ways)} ways the network {network.name} is right on at most "
            f"{table['accuracy'][0]:.0%} of {len(labels)} images{level}; {advice}."
        )
    chosen, reason = _choose(wanted, [*table["pixels"]], right, likely, network.name, _scales_itself(core))
    _, _, order = better_order({chosen: named_as[chosen]}, labels, class_names, right[chosen])
    return Measured(chosen, table, len(labels), reason, order)


def _choose(
    wanted: str,
    ranked: list[str],
    right: dict[str, np.ndarray],
    likely: dict[str, np.ndarray],
    name: str,
    scaled: bool,
) -> tuple[str, Said]:
    best = ranked[0]
    if wanted:
        if _is_better(right[best], right[wanted]):
            raise NetworkError(
                f"PREPROCESS={wanted} is not what the network {name} learned from: with {best} it is right on "
                f"{right[best].mean():.0%} of the images, with {wanted} on {right[wanted].mean():.0%}."
            )
        return wanted, named("01_train_cnn.given.asked")
    level = [way for way in ranked if not _is_better(right[best], right[way])]
    if len(level) == 1:
        return best, named("01_train_cnn.given.best")
    first, second, *_ = sorted(level, key=lambda way: likely[way].mean(), reverse=True)
    if scaled and "none" in level and not _is_surer(likely[first], likely["none"]):
        return "none", named("01_train_cnn.given.scaled")
    if not _is_surer(likely[first], likely[second]):
        raise NetworkError(
            f"How the network {name} wants its pixels cannot be told from {len(likely[first])} images: {first} and "
            f"{second} are too much alike; choose one by PREPROCESS={first} or PREPROCESS={second}."
        )
    return first, named("01_train_cnn.given.surer", second=second)


def _scales_itself(core: keras.Model) -> bool:
    """Whether a network in the form of `canonical` has a layer for the scale of its pixels before its first kernel."""
    early = takewhile(lambda layer: all(len(weight.shape) < 2 for weight in layer.weights), core.layers)
    return any(isinstance(layer, layers.Rescaling | layers.Normalization) for layer in early)


def _is_surer(one: np.ndarray, other: np.ndarray) -> bool:
    gap = one - other
    return bool(gap.mean() > 1.96 * gap.std(ddof=1) / np.sqrt(len(gap)))


def better_order(
    said: Mapping[str, np.ndarray], labels: np.ndarray, class_names: Sequence[str], right: np.ndarray
) -> tuple[str, float, tuple[str, ...]]:
    """Find a way to prepare pixels and an order of the classes in which a network is right more often than it is.

    said: (N,) classes by way; right: (N,) bool, those that it is to exceed. Gives the way, the share that is right so,
    and the order; ("", 0, ()) if there is none. Both are chosen on half of each class's images and hold for the others,
    since of many one is always right now and then; it has to be better than naming the commonest class.
    """
    by_class = np.argsort(labels, kind="stable")
    fitted, held = by_class[::2], by_class[1::2]
    found = {way: _order(classes[fitted], labels[fitted], len(class_names)) for way, classes in said.items()}
    way = max(found, key=lambda one: (found[one][said[one]] == labels)[fitted].sum())
    better, naming = found[way][said[way]] == labels, labels == np.bincount(labels).argmax()
    if not (_is_better(better[held], right[held]) and _is_better(better[held], naming[held])):
        return "", 0.0, ()
    order = _order(said[way], labels, len(class_names))
    return way, float(better[held].mean()), tuple(class_names[place] for place in order)


def _order(answers: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Give the class (classes,) that each answer stands for most often; of those alike, its own."""
    counts = np.eye(classes) / (2 * classes)
    np.add.at(counts, (answers, labels), 1)
    return linear_sum_assignment(-counts)[1]


def _likelihood(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Give each label's log-likelihood at the temperature that suits the answers best (Guo et al., 2017).

    Pixels that are larger make answers surer, and no more right.
    """

    def at(log_temperature: float) -> np.ndarray:
        return log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(labels)), labels]

    return at(minimize_scalar(lambda value: -at(value).mean(), bounds=(-8, 8), method="bounded").x)


def are_probabilities(values: np.ndarray) -> bool:
    """Whether answers (N, classes) sum to one and none is negative."""
    return bool((values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-3))


def ending(answers: np.ndarray) -> Ending:
    """Tell by its answers (N, classes) to many images what a network in the form of `canonical` ends in."""
    if are_probabilities(answers):
        return "softmax"
    units = answers[:, -1] - answers[:, 0]
    if answers.shape[1] == 2 and np.allclose(answers.sum(axis=1), 0) and ((units >= 0) & (units <= 1)).all():
        return "unit"
    return "sigmoid" if ((answers >= 0) & (answers <= 1)).all() else ""


def as_logits(answers: Any, last: Ending) -> Any:
    """Turn answers (N, classes), numbers or symbols, of a network that ends so into logits of the same answers."""
    if not last:
        return answers
    if last == "softmax":
        return ops.log(ops.maximum(answers, TINY))
    shares = answers / HALF + np.array([1, 0], np.float32) if last == "unit" else answers
    logits = ops.log(ops.maximum(shares, TINY)) - ops.log(ops.maximum(1 - shares, LEAST))
    return logits * HALF if last == "unit" else logits


def _row(name: str, right: np.ndarray, likely: np.ndarray) -> dict[str, object]:
    interval = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    plain, _, swapped = name.partition("-")
    what = _WAYS[plain][0] + (", red and blue swapped" if swapped else "")
    row = {"pixels": name, "what": what, "accuracy": right.mean(), "low": interval.low, "high": interval.high}
    return row | {"log_likelihood": likely.mean()}


def _is_better(one: np.ndarray, other: np.ndarray) -> bool:
    only_one, only_other = int((one & ~other).sum()), int((other & ~one).sum())
    uneven = only_one + only_other > 0 and binomtest(only_one, only_one + only_other).pvalue < CERTAIN
    return uneven and only_one > only_other


def with_logits(model: keras.Model, last: Ending) -> keras.Model:
    """Give a network that ends in probabilities logits of the same answers."""
    return keras.Model(model.inputs[0], as_logits(model.outputs[0], last), name=model.name)
