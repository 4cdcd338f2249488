"""Wrong labels are planted in the schematic faces, and it is counted how many of them are suspected."""

from dataclasses import replace

import numpy as np

from helpers.data.audit import find_suspects
from helpers.data.datasets import load_dataset
from helpers.networks.architectures import build_cnn
from helpers.networks.logits import softmax
from helpers.networks.prediction import predict_logits
from helpers.training.loop import train
from helpers.training.recipes import get_recipe

PLANTED, SEED = 0.03, 0  # share of the labels that are made wrong


def main() -> None:
    """Print precision and recall of the suspects, and the share of wrong labels among the most doubtful."""
    faces, recipe, random = load_dataset("faces"), get_recipe("quick"), np.random.default_rng(SEED)
    labels, classes = faces.train.labels, len(faces.class_names)
    wrong = np.zeros(len(labels), bool)
    wrong[random.choice(len(labels), round(PLANTED * len(labels)), replace=False)] = True
    given = np.where(wrong, (labels + random.integers(1, classes, len(labels))) % classes, labels)
    network = build_cnn(recipe.cnn, faces.image_shape, classes, seed=SEED)
    train(network, replace(faces, train=replace(faces.train, labels=given)), recipe.plan, seed=SEED, name="planted")
    said = softmax(predict_logits(network, faces.train.images))
    found = wrong[find_suspects(faces.train.images, given, said, SEED).table["place"].to_numpy(int)]
    print(
        f"{wrong.sum()} of {len(labels):,} labels are wrong, {len(found)} are suspected: precision {found.mean():.0%}, "
        f"recall {found.sum() / wrong.sum():.0%}; of the {wrong.sum() // 2} most doubtful, "
        f"{found[: wrong.sum() // 2].mean():.0%} are wrong."
    )


if __name__ == "__main__":
    main()
