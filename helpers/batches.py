"""Batches for training, read from the memory-mapped cache as they are needed."""

import keras
import numpy as np


class OrderedBatches(keras.utils.PyDataset):
    """Images and targets in a given order, a batch at a time, so that no epoch is ever held in memory as a whole.

    images: (N, H, W, C), best memory-mapped; targets: (N, ...); order: (M,) int, places of the images; size: images a
    batch, of which the last may have fewer. `fit` must be called with shuffle=False, or it mixes the batches.
    """

    def __init__(self, images: np.ndarray, targets: np.ndarray, order: np.ndarray, size: int) -> None:
        super().__init__()
        self._images, self._targets, self._order, self._size = images, targets, order, size

    def __len__(self) -> int:
        return -(-len(self._order) // self._size)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self._order[number * self._size : (number + 1) * self._size]
        return self._images[chosen], self._targets[chosen]
