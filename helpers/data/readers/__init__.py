"""One file a container or layout: each finds out whether it is meant, and reads labelled images.

May import `base` and the modules of `data` that readers share (`sources`, `decode`).
"""
