"""Where the labels of images as files come from: names of folders, tables beside the images, or names of files.

`decide.label` weighs them against each other; it refuses where two readings are possible. May import `base` and the
modules of `data` below the readers (`sources`, `reading`, `options`, `decode`).
"""
