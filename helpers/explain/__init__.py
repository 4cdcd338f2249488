"""One file a method: arrays of images and classes in, maps out; nothing here draws or knows of a run.

May import `base` and `networks`.
"""

__all__ = [
    "activations", "ascent", "maps", "neighbours", "regions", "registry", "saliency", "substrates", "superpixels",
]  # fmt: skip
