"""The one door to speed: `accelerate` gives what trains and what predicts in a network's place.

May import `base`, and of `networks` architectures, layers and precision. All modules in here are private to it.
"""

from helpers.networks.fast.acceleration import PARTS, Accelerated, accelerate

__all__ = ["PARTS", "Accelerated", "accelerate"]
