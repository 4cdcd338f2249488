"""The network of the seven notebooks: edit me, then run any notebook, or `make report`, again.

`build` gets the shape of the images, such as (48, 48, 1), and the number of classes, and gives any Keras model of
pixels from 0 to 255; what it is compiled with, if it is, trains it. A function
`augmentation()` may give a list of Keras layers that change the images in training, and `plan()` a
`helpers.training.recipes.Plan` that says how to train. What the plan, or else the recipe, does to
training images, such as flips and shifts, comes on top of such layers.
"""

from keras import Model, layers


def build(image_shape, classes):
    """Build nine convolutions in three units, average each of the last maps, and weigh the averages into logits."""
    pixels = layers.Input(image_shape)
    maps = layers.Rescaling(1 / 127.5, offset=-1)(pixels)  # from 0..255 to -1..1
    for unit, filters in enumerate((16, 32, 96)):
        if unit:
            maps = layers.MaxPooling2D()(maps)
        for place in range(3):
            stride = 2 if unit == place == 0 else 1  # a first step of two pixels makes all that follows cheaper
            maps = layers.Conv2D(filters, 3, stride, "same", kernel_initializer="he_normal")(maps)
            maps = layers.BatchNormalization(momentum=0.9)(maps)
            maps = layers.ReLU()(maps)
    values = layers.Dropout(0.1)(layers.GlobalAveragePooling2D()(maps))
    return Model(pixels, layers.Dense(classes)(values), name="network")
