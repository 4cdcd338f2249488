"""How fast vgg9 is trained and used, beside plain Keras and PyTorch: `python -m helpers.bench.training`.

All compute the same network on the same number of images of 48 by 48 pixels. The PyTorch rows run in processes of
their own, and are left out with a reason where the package is missing.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import pairwise

import keras
import numpy as np

from helpers.bench.turns import Worker, alternate, comparison, missing, serve
from helpers.networks.architectures import ARCHITECTURES, build_cnn
from helpers.networks.fast.fused import FusedAdamW
from helpers.networks.fast.twins import prediction_twin, training_twin
from helpers.networks.precision import supports_bfloat16
from helpers.networks.prediction import predict_in_batches
from helpers.training.augmentation import augmentation_layers
from helpers.training.batches import Showing
from helpers.training.loop import fit_once
from helpers.training.recipes import ERASED

NETWORK = "vgg9"
BATCH = 128
IMAGES = 8 * BATCH
PLAIN, FIT, TORCH = "Keras float32", "Keras float32, fit", "PyTorch bfloat16"

Runs = dict[str, Callable[[], object]]


def main() -> None:
    """Measure training, inference and augmentation, and print a table of each."""
    print(f"{NETWORK}, batches of {BATCH}; this processor {'has' if supports_bfloat16() else 'lacks'} bfloat16.")
    with torch_workers("training") as others:
        times = alternate(training_runs() | others)
    print("\nTraining\n" + comparison(times, work=IMAGES, unit="images", baselines=(FIT, PLAIN, TORCH)))
    step = float(times["ours"].median()) * BATCH / IMAGES
    with torch_workers("inference") as others:
        times = alternate(inference_runs() | others)
    print("\nInference\n" + comparison(times, work=IMAGES, unit="images", baselines=(PLAIN, TORCH)))
    augmentation = float(alternate({"all kinds": augmentation_run()}).median().iloc[0])
    print(f"\nAugmentation of all kinds takes {augmentation:.4f} s a batch, {augmentation / step:.1%} of a step.")


def training_runs() -> Runs:
    """Give the ways to train with Keras; one call shows all images once.

    All get their batches as ours does, so that they differ in nothing else; `fit` is beside them as users call it,
    with what it waits at its end, which depends on how long its work takes.
    """
    plain = build_cnn(NETWORK)
    networks = {
        PLAIN: plain,
        "Keras bfloat16": _all_in_bfloat16(plain),
        "ours, float32": training_twin(plain, "float32"),
        "ours": training_twin(plain, "bfloat16"),
    }
    images, labels = _data()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for name, network in networks.items():
        ours = name.startswith("ours")
        network.compile((FusedAdamW if ours else keras.optimizers.AdamW)(1e-3), loss, jit_compile=False)
    showing = Showing(np.arange(IMAGES).reshape(-1, BATCH))
    runs = {name: partial(fit_once, network, images, labels, showing) for name, network in networks.items()}
    return runs | {FIT: partial(plain.fit, images, labels, BATCH, shuffle=False, verbose=0)}


def inference_runs() -> Runs:
    """Give the ways to predict with Keras; one call predicts all images."""
    plain, images = build_cnn(NETWORK), _data()[0]
    networks = {
        PLAIN: plain,
        "ours, float32": prediction_twin(plain, "float32"),
        "ours": prediction_twin(plain, "bfloat16"),
    }
    return {name: partial(predict_in_batches, network, images) for name, network in networks.items()}


class Augmented(keras.Model):
    """Changes images as if in training, whenever it is called."""

    def __init__(self, changes: list[keras.layers.Layer]) -> None:
        super().__init__()
        self.changes = changes

    def call(self, images):
        """Change images (N, H, W, C)."""
        for layer in self.changes:
            images = layer(images, training=True)
        return images


def augmentation_run() -> Callable[[], object]:
    """Give a call that makes every kind of change to one batch, compiled as it is in training."""
    images = _data()[0][:BATCH].astype(np.float32)
    return partial(Augmented(augmentation_layers(ERASED, seed=0)).predict_on_batch, images)


def _all_in_bfloat16(model: keras.Model) -> keras.Model:
    """Copy a model as Keras's own mixed precision would have it."""
    policy = {"dtype": "mixed_bfloat16"}
    return keras.models.clone_model(
        model, clone_function=lambda layer: type(layer).from_config({**layer.get_config(), **policy})
    )


def _data() -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 48, 48, 1)).astype(np.uint8)
    return images, np.arange(IMAGES) % 7


@contextmanager
def torch_workers(task: str) -> Iterator[Runs]:
    """Start a process for each way to do the task with PyTorch, or say why there is none."""
    with ExitStack() as stack:
        if reason := missing("torch"):
            print(f'PyTorch is left out: {reason}; .venv/bin/python -m pip install -e ".[bench]" brings it.')
            yield {}
            return
        command = [sys.executable, "-m", "helpers.bench.training", task]
        yield {
            f"PyTorch {precision}": stack.enter_context(Worker([*command, precision]))
            for precision in ("float32", "bfloat16")
        }


def serve_torch(task: str, precision: str) -> None:
    """Do the task with PyTorch in this process, at each call of its worker; bfloat16 has the channels last."""
    import torch
    from torch.nn.functional import cross_entropy

    low = precision == "bfloat16"
    images, labels = _data()
    pixels = torch.tensor(images).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    batches = pixels.contiguous(memory_format=torch.channels_last if low else torch.contiguous_format).split(BATCH)
    targets = torch.tensor(labels).split(BATCH)
    network = torch_network()
    network = network.to(memory_format=torch.channels_last) if low else network
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)

    def logits(batch: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            return network(batch).float()

    def train() -> None:
        for batch, target in zip(batches, targets):
            optimizer.zero_grad()
            cross_entropy(logits(batch), target).backward()
            optimizer.step()

    @torch.inference_mode()
    def predict() -> None:
        for batch in batches:
            logits(batch)

    network.train(task == "training")
    serve(train if task == "training" else predict)


def torch_network():
    """Build the network in PyTorch, layer by layer what `build_cnn` makes of the same architecture."""
    from torch import nn

    architecture, layers, channels, size = ARCHITECTURES[NETWORK], [], 1, 48
    for unit in architecture.units:
        for filters in unit:
            layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters, eps=1e-3), nn.ReLU()]
            channels = filters
        layers += [nn.MaxPool2d(2), nn.Dropout(architecture.unit_dropout)]
        size //= 2
    widths = [channels * size * size, *architecture.dense]
    layers.append(nn.Flatten())
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(architecture.dense_dropout)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 7))


if __name__ == "__main__":
    serve_torch(*sys.argv[1:]) if len(sys.argv) > 1 else main()
