"""Architectures, what can be asked of a network, predictions, shares and views of images; `fast` makes networks faster.

May import `base`.
"""

__all__ = [
    "architectures", "chunks", "fast", "inference", "layers", "logits", "own", "precision", "prediction", "sample",
    "shares", "views",
]  # fmt: skip
