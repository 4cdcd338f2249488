"""Predictions: logits and probabilities of many images, in batches of one size."""

from collections.abc import Callable, Iterable

import keras
import numpy as np

from helpers.networks.chunks import chunks, forward_bytes
from helpers.networks.fast import accelerate
from helpers.networks.logits import softmax
from helpers.networks.precision import Precision
from helpers.networks.views import average_answer

BATCH = 256  # images that are predicted fastest at a time, where as many fit in memory


def predict_logits(model: keras.Model, images: np.ndarray, precision: Precision = "float32") -> np.ndarray:
    """Give the logits of images (N, H, W, C) in 0..255: (N, classes) float32, computed batch by batch.

    In float32 they are the model's own up to rounding; bfloat16 is about twice as fast where the processor has it,
    and moves probabilities by up to some hundredths.
    """
    return predict_in_batches(accelerate(model, precision).predictor(), images)


def predict_in_batches(predictor: keras.Model, images: np.ndarray) -> np.ndarray:
    """Give a predictor's logits of images (N, H, W, C): (N, classes) float32, batch by batch.

    Keras's `predict` gives the same, and waits at its end as `fit` does; see `fit_epoch`.
    """
    return _in_batches(predictor, images, predictor.predict_on_batch)


def predict_views(
    predictor: keras.Model, images: np.ndarray, views: Callable[[np.ndarray], Iterable[np.ndarray]]
) -> np.ndarray:
    """Average a predictor's probabilities over views of each image: (N, classes) float32, batch by batch.

    views: gives those of images (N, H, W, C), all of the images' shape, as the functions of `helpers.networks.views`.
    """

    def answer(batch: np.ndarray) -> np.ndarray:
        return average_answer(lambda view: softmax(predictor.predict_on_batch(view)), views(batch))

    return _in_batches(predictor, images, answer)


def _in_batches(predictor: keras.Model, images: np.ndarray, answer: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Put together the answers to batches of one size: TensorFlow would trace a smaller last one anew."""
    fitting = next(chunks(BATCH, forward_bytes(predictor, images.shape[1:]))).stop
    size = -(-len(images) // -(-len(images) // fitting))
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    filled = (np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)]) for batch in batches)
    return np.concatenate([*map(answer, filled)])[: len(images)]
