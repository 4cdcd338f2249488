"""How fast networks are trained and used, beside plain Keras and PyTorch: `python tests/bench/training.py`.

All compute the same network on the same number of images of 48 by 48 pixels. What each part of the acceleration buys
is measured by switching it off. The PyTorch rows run in processes of their own, and are left out with a reason where
the package is missing.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from _torch import Layers, torch_run
from turns import alternate, comparison, missing, worker

from helpers.networks.architectures import ARCHITECTURES, build_cnn, multiplications
from helpers.networks.fast import PARTS, accelerate
from helpers.networks.precision import Precision, choose_precision, supports_bfloat16
from helpers.networks.prediction import predict_in_batches
from helpers.training.augmentation import augmentation_layers
from helpers.training.batches import EpochBatches
from helpers.training.learner import STEPS_AT_ONCE, fit_epoch
from helpers.training.recipes import CHANGES, RECIPES

NETWORK = "vgg9"
BATCH = 128
IMAGES = 8 * BATCH
PLAIN, FIT, TORCH = "Keras float32", "Keras float32, fit", "PyTorch bfloat16"
# What parts of the acceleration are measured with: the large and the quick network, each with as many images in a
# batch as it is trained with and so many steps a round.
STUDIED = {
    NETWORK: (BATCH, 1),
    RECIPES["quick"].cnn: (RECIPES["quick"].plan.batch_size, STEPS_AT_ONCE),
    "wide8": (64, 1),
}
ROUNDS = 15  # of two ways in turns

Runs = dict[str, Callable[[], object]]


def main() -> None:
    """Measure training, inference, augmentation and each part of the acceleration, and print a table of each."""
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
    for network, (batch, steps) in STUDIED.items():
        print(f"\nTraining {network} without a part, in batches of {batch}\n{ablation(network, batch, steps)}")


def training_runs() -> Runs:
    """Give the ways to train with Keras; one call trains on all images once.

    All get their batches as ours does, so that they differ in nothing else; `fit` is beside them as users call it,
    with what it waits at its end, which depends on how long its work takes.
    """
    plain, data = build_cnn(NETWORK), _data(IMAGES)
    precision = choose_precision(multiplications(plain))
    networks = {PLAIN: plain, "Keras bfloat16": _all_in_bfloat16(plain)}
    runs = {name: _run(_compiled(network), data, BATCH) for name, network in networks.items()}
    runs |= {
        "ours, float32": _part_run(plain, "float32", data, BATCH),
        "ours": _part_run(plain, precision, data, BATCH),
    }
    return runs | {FIT: partial(plain.fit, *data, BATCH, shuffle=False, verbose=0)}


def ablation(network: str, batch: int, steps: int) -> str:
    """Set a table of what a training takes without each part of the acceleration, beside all of them: ratios.

    A part is measured in turns with all of them, and nothing else, so that both find the machine alike. The ratio
    is the median over the rounds, beside its quartiles.
    """
    runs = ablation_runs(network, batch, steps)
    ratios = {}
    for name, run in list(runs.items())[1:]:
        times = alternate({"all": runs["all"], "without": run}, ROUNDS)
        quartiles = (times["without"] / times["all"]).quantile([0.25, 0.5, 0.75])
        ratios[name] = dict(zip(("low", "times as long", "high"), quartiles.round(2)))
    return pd.DataFrame.from_dict(ratios, orient="index").to_string()


def ablation_runs(network: str, batch: int, steps: int) -> Runs:
    """Give the ways to train a network with all parts, and without each; one call trains on all images once."""
    model, data = build_cnn(network), _data(batch * steps)
    precision = choose_precision(multiplications(model))
    make = partial(_part_run, model, data=data, batch=batch)
    runs = {"all": make(precision)} | {part: make(precision, without=(part,)) for part in PARTS}
    if precision == "bfloat16":
        runs["bfloat16"] = make("float32")
    single = accelerate(model, precision)
    runs["steps in one program"] = _run(_compiled(single.trainer, single.adamw, steps_per_execution=1), data, batch)
    return runs


def _part_run(
    model: keras.Model, precision: Precision, data: tuple[np.ndarray, ...], batch: int, without: tuple[str, ...] = ()
) -> Callable[[], object]:
    accelerated = accelerate(model, precision, without=without)
    return _run(_compiled(accelerated.trainer, accelerated.adamw), data, batch)


def _run(model: keras.Model, data: tuple[np.ndarray, ...], batch: int) -> Callable[[], object]:
    batches = EpochBatches(np.arange(len(data[0])).reshape(-1, batch))
    return partial(fit_epoch, model, partial(batches.all, data), len(batches.indices))


def _compiled(
    model: keras.Model, optimizer: type[keras.optimizers.AdamW] = keras.optimizers.AdamW, **options: object
) -> keras.Model:
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    several = {"steps_per_execution": STEPS_AT_ONCE, **options}
    model.compile(optimizer(1e-3), loss, metrics=["accuracy"], jit_compile=False, **several)
    return model


def inference_runs() -> Runs:
    """Give the ways to predict with Keras; one call predicts all images."""
    plain, images = build_cnn(NETWORK), _data(IMAGES)[0]
    precision = choose_precision(multiplications(plain))
    networks: Mapping[str, keras.Model] = {
        PLAIN: plain,
        "ours, float32": accelerate(plain, "float32").predictor(),
        "ours": accelerate(plain, precision).predictor(),
    }
    return {name: partial(predict_in_batches, network, images) for name, network in networks.items()}


def augmentation_run() -> Callable[[], np.ndarray]:
    """Give a call that makes every kind of change to one batch, compiled as it is in training."""
    images, changes = _data(BATCH)[0].astype(np.float32), augmentation_layers(CHANGES["erased"], seed=0)

    @tf.function
    def changed(batch: tf.Tensor) -> tf.Tensor:
        for layer in changes:
            batch = layer(batch, training=True)
        return batch

    return lambda: changed(tf.constant(images)).numpy()


def _all_in_bfloat16(model: keras.Model) -> keras.Model:
    """Copy a model as Keras's own mixed precision would have it."""
    return keras.models.clone_model(
        model, clone_function=lambda layer: type(layer).from_config({**layer.get_config(), "dtype": "mixed_bfloat16"})
    )


def _data(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw images (count, 48, 48, 1) uint8 and give them targets (count, 7) float32."""
    images = np.random.default_rng(0).integers(0, 256, (count, 48, 48, 1)).astype(np.uint8)
    return images, np.eye(7, dtype=np.float32)[np.arange(count) % 7]


@contextmanager
def torch_workers(task: str) -> Iterator[Runs]:
    """Start a process for each way to do the task with PyTorch, or say why there is none."""
    with ExitStack() as stack:
        if reason := missing("torch"):
            print(f'PyTorch is left out: {reason}; .venv/bin/python -m pip install -e ".[bench]" brings it.')
            yield {}
            return
        images, targets = _data(IMAGES)
        given = task, layers_of(NETWORK), images, targets.argmax(axis=1), BATCH
        yield {f"PyTorch {one}": stack.enter_context(worker(torch_run, one, *given)) for one in ("float32", "bfloat16")}


def layers_of(network: str) -> Layers:
    """Give what PyTorch builds the network from, without what imports TensorFlow."""
    made = ARCHITECTURES[network]
    return made.units, made.unit_dropout or 0.0, made.dense, made.dense_dropout or 0.0


if __name__ == "__main__":
    main()
