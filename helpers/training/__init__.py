"""Plans and recipes, augmentation, the loop, and stored and shipped networks.

May import `base`, `data` and `networks`.
"""

__all__ = ["augmentation", "batches", "given", "learner", "loop", "networks", "pretrained", "recipes", "stored"]
