"""Labelled images: `datasets.load_dataset` is the one door to them, whatever container or layout they come in.

May import `base`. The readers, one file a container or layout, are in `readers`.
"""

__all__ = ["audit", "datasets", "decode", "download", "faces", "look", "options", "sources"]
