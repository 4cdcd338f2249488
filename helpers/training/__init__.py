"""Plans and recipes, augmentation, the loop, and stored and shipped networks.

May import `base`, `data` and `networks`.
"""

__all__ = ["batches", "given", "loop", "networks", "pretrained", "recipes", "stored"]
