"""The same network in PyTorch, for `training.py`, in a process without TensorFlow: with both, it would end."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

Layers = tuple[tuple[tuple[int, ...], ...], float, tuple[int, ...], float]


def torch_run(
    precision: str, task: str, layers: Layers, images: np.ndarray, labels: np.ndarray, batch: int
) -> Callable[[], object]:
    """Give what does the task ("training" or "inference") with PyTorch in this process.

    layers: filters of each unit's convolutions, dropout after each unit, widths of the dense layers, dropout after
    each. images: (n, height, width, channels) uint8. labels: (n,) classes. bfloat16 has the channels last.
    """
    import torch
    from torch.nn.functional import cross_entropy

    low = precision == "bfloat16"
    pixels = torch.tensor(images).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    batches = pixels.contiguous(memory_format=torch.channels_last if low else torch.contiguous_format).split(batch)
    targets = torch.tensor(labels).split(batch)
    network = torch_network(layers, images.shape[1:], classes=int(labels.max()) + 1)
    network = network.to(memory_format=torch.channels_last) if low else network
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)

    def logits(some: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            return network(some).float()

    def train() -> None:
        for some, target in zip(batches, targets):
            optimizer.zero_grad()
            cross_entropy(logits(some), target).backward()
            optimizer.step()

    @torch.inference_mode()
    def predict() -> None:
        for some in batches:
            logits(some)

    network.train(task == "training")
    return train if task == "training" else predict


def torch_network(layers: Layers, shape: tuple[int, ...], classes: int) -> Any:
    """Build the network layer by layer as `build_cnn` makes it; shape: (height, width, channels) of an image."""
    from torch import nn

    (units, unit_dropout, dense, dense_dropout), (height, width, channels) = layers, shape
    modules: list[nn.Module] = []
    for unit in units:
        for filters in unit:
            modules += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters, eps=1e-3), nn.ReLU()]
            channels = filters
        modules += [nn.MaxPool2d(2), nn.Dropout(unit_dropout)]
        height, width = height // 2, width // 2
    widths = [channels * height * width, *dense]
    modules.append(nn.Flatten())
    for inputs, outputs in pairwise(widths):
        modules += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dense_dropout)]
    return nn.Sequential(*modules, nn.Linear(widths[-1], classes))
