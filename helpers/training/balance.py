"""Whether rare classes count more in training: BALANCE=1 in the environment, which is read here alone."""

import os

import numpy as np

VARIABLE = "BALANCE"  # of the environment; "0" where it is not set


def balances(recipe: str = "") -> bool:
    """Tell whether every class counts the same in the loss, however few its images.

    Raises ValueError on a value that is none, and where the recipe trains nothing.
    """
    chosen = os.environ.get(VARIABLE) or "0"
    if chosen not in ("0", "1"):
        raise ValueError(f"BALANCE={chosen} is no choice: with 1 every class counts the same in training, with 0 not.")
    if chosen == "1" and recipe == "pretrained":
        raise ValueError("BALANCE=1 weighs classes in training, and RECIPE=pretrained trains nothing: leave one out.")
    return chosen == "1"


def class_weights(labels: np.ndarray, classes: int) -> dict[int, float]:
    """Say what an image of each class counts for in training: nothing where all count the same, as without BALANCE=1.

    labels: (N,) int. With these weights all classes count the same, and images 1 on average. King and Zeng, 2001.
    """
    if not balances():
        return {}
    counts = np.maximum(1, np.bincount(labels, minlength=classes))
    return dict(enumerate((len(labels) / (classes * counts)).tolist()))
