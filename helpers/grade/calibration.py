"""Whether a network is right as often as its probabilities say, and the one number that brings them nearer to that."""

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from helpers.base.words import Said, said
from helpers.grade.confusion import accuracy_interval

BINS = 15  # of equal width, for the probability of the answer; Guo et al., 2017
_RANGE = (0.05, 20.0)  # in which a temperature is looked for
RAW, CALIBRATED, LOWER, FLOOR = "raw", "calibrated", "raw less calibrated", "chance alone"


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Find the number by which dividing the logits makes these labels likeliest; 1 where it cannot be found.

    probabilities: (N, classes), a network's own on images that it has not learned from; labels: (N,) int. Where every
    answer is right, the colder the likelier, so that no temperature is found. Guo et al., 2017.
    """
    if (probabilities.argmax(axis=1) == labels).all():
        return 1.0
    logits, rows = _logits(probabilities), np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(logits / np.exp(log_temperature), axis=1)[rows, labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(_RANGE[0]), np.log(_RANGE[1])), method="bounded").x))


def calibrate(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Give the probabilities (N, classes) float32 with the logits divided by a temperature; no answer changes."""
    return np.exp(log_softmax(_logits(probabilities) / temperature, axis=1)).astype(np.float32)


def _logits(probabilities: np.ndarray) -> np.ndarray:
    """Give the logits but for a constant an image, which no softmax notices."""
    return np.log(np.maximum(np.asarray(probabilities, np.float64), np.finfo(np.float32).tiny))


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Measure the expected calibration error, 0..1: the gap between confidence and accuracy, mean over images.

    probabilities: (N, classes); labels: (N,) int; bins: of equal width, by the probability of the answer, in each of
    which the gap is between means. Naeini et al., 2015.
    """
    return _error(*_gaps(probabilities, labels, bins), bins)


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Compare confidence with accuracy, a row a bin that has images: confidence, accuracy, low, high, images.

    Arguments are those of `calibration_error`; low and high are the ends of Wilson's 95 % interval of the accuracy.
    """
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    _, places = _gaps(probabilities, labels, bins)
    rows = []
    for chosen in (places == place for place in np.unique(places)):
        found = accuracy_interval(labels[chosen], predicted[chosen])
        rows.append((confidence[chosen].mean(), found.value, found.low, found.high, int(chosen.sum())))
    return pd.DataFrame(rows, columns=["confidence", "accuracy", "low", "high", "images"])


def error_table(
    raw: np.ndarray, labels: np.ndarray, temperature: float, seed: int, resamples: int = 1000
) -> pd.DataFrame:
    """Measure the calibration error before and after, and the difference, on the same resampled images.

    raw: (N, classes), the network's own probabilities; labels: (N,) int. Rows RAW, CALIBRATED, LOWER and FLOOR, what
    as many images of a perfectly calibrated network would have; columns value, low and high, the ends of the 95 %
    bootstrap interval. It is widened to hold the value, since resampling adds noise and so to an error without a sign.
    """
    random, count = np.random.default_rng(seed), len(labels)
    both = [_gaps(each, labels, BINS) for each in (raw, calibrate(raw, temperature))]
    drawn = np.array([
        [_error(gap[chosen], places[chosen], BINS) for gap, places in both]
        for chosen in (random.integers(0, count, count) for _ in range(resamples))
    ])  # fmt: skip
    confidence, places = calibrate(raw, temperature).max(axis=1), both[1][1]
    lucky = [_error(confidence - (random.random(count) < confidence), places, BINS) for _ in range(resamples)]
    values = np.array([_error(*each, BINS) for each in both])
    found = {RAW: (values[0], drawn[:, 0]), CALIBRATED: (values[1], drawn[:, 1])}
    found |= {LOWER: (values[0] - values[1], drawn[:, 0] - drawn[:, 1]), FLOOR: (np.mean(lucky), np.array(lucky))}
    rows = {name: (value, *np.quantile(each, [0.025, 0.975])) for name, (value, each) in found.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"])
    return frame.assign(low=frame[["value", "low"]].min(axis=1), high=frame[["value", "high"]].max(axis=1))


def sentence(errors: pd.DataFrame, temperature: float) -> Said:
    """Say what the temperature does to the error of `error_table`."""
    words = "03_confusion_matrix.calibration"
    if temperature == 1:
        return said(f"{words}.none")
    low, high = errors.loc[[LOWER], ["low", "high"]].to_numpy()[0]
    effect = "lowers" if low > 0 else "raises" if high < 0 else "same"
    values = {"temperature": temperature, **errors["value"][[RAW, CALIBRATED]], "low": low, "high": high}
    return said(f"{words}.{effect}", **values)


def _gaps(probabilities: np.ndarray, labels: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Give each image's confidence less whether its answer is right, and its bin: (N,) float64 and (N,) int."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    return confidence - (probabilities.argmax(axis=1) == labels), places


def _error(gaps: np.ndarray, places: np.ndarray, bins: int) -> float:
    return float(np.abs(np.bincount(places, gaps, minlength=bins)).sum() / len(gaps))
