"""Networks of many kinds, as users write them: each a function of the images' shape and the number of classes.

So each of them can be given to a report, as in NETWORK=tests/kinds.py:guide.
"""

import keras
from keras import layers, ops


def guide(image_shape, classes):
    """Give a Sequential model with built-in activations and softmax, as guides write it."""
    return keras.Sequential(
        [
            keras.Input(shape=image_shape),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def unbuilt(image_shape, classes):
    """Give a Sequential model that does not know its input yet, moves its images, and has strides alone and ELU."""
    convolutions = [layers.Conv2D(8, 3, strides=2, activation="elu") for _ in range(2)]
    moved = layers.RandomTranslation(0.2, 0.2)
    return keras.Sequential(
        [moved, *convolutions, layers.GlobalAveragePooling2D(), layers.Dense(classes), layers.Softmax()]
    )


def compiled(image_shape, classes):
    """Give a model that says by itself how it is to be trained."""
    pixels = keras.Input(image_shape)
    maps = layers.Conv2D(8, 3, strides=2, activation="relu")(layers.Rescaling(1 / 255)(pixels))
    model = keras.Model(pixels, layers.Dense(classes, activation="softmax")(layers.GlobalMaxPooling2D()(maps)))
    rate = keras.optimizers.schedules.ExponentialDecay(0.02, decay_steps=20, decay_rate=0.9)
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(rate, momentum=0.9, nesterov=True), loss, metrics=["accuracy"])
    return model


def nested(image_shape, classes):
    """Give a backbone with its own augmentation and scaling, called as a frozen one, with functions in between."""
    backbone = keras.Sequential(
        [
            keras.Input(image_shape),
            layers.RandomFlip("horizontal"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, activation="swish"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
        ],
        name="backbone",
    )
    pixels = keras.Input(image_shape)
    maps = keras.activations.relu(layers.Conv2D(8, 3)(backbone(pixels, training=False)))
    return keras.Model(pixels, layers.Dense(classes, activation="softmax")(layers.GlobalMaxPooling2D()(maps)))


def shared(image_shape, classes):
    """Call one convolution twice, and add what it gave."""
    convolution = layers.Conv2D(6, 3, padding="same", activation="gelu")
    pixels = keras.Input(image_shape)
    maps = layers.Conv2D(6, 3, strides=2)(pixels / 255)
    maps = convolution(convolution(maps)) + maps
    return keras.Model(pixels, layers.Dense(classes)(layers.Flatten()(maps)))


def separable(image_shape, classes):
    """Give depthwise and separable convolutions, PReLU, and group and layer normalization."""
    pixels = keras.Input(image_shape)
    maps = layers.Conv2D(8, 3, strides=2)(layers.Rescaling(1 / 127.5, offset=-1)(pixels))
    maps = layers.PReLU(shared_axes=[1, 2])(layers.GroupNormalization(2)(maps))
    maps = layers.SeparableConv2D(8, 3)(layers.DepthwiseConv2D(3, activation="leaky_relu")(maps))
    maps = layers.Activation("gelu")(layers.LayerNormalization()(maps))
    return keras.Model(pixels, layers.Dense(classes)(layers.GlobalAveragePooling2D()(maps)))


def unit(image_shape, classes):
    """Tell two classes apart by one sigmoid unit."""
    assert classes == 2
    pixels = keras.Input(image_shape)
    maps = layers.Conv2D(4, 3, strides=2, activation="relu")(layers.Rescaling(1 / 255)(pixels))
    return keras.Model(pixels, layers.Dense(1, activation="sigmoid")(layers.Flatten()(maps)))


def mixed(image_shape, classes):
    """Compute in float16, with softmax as a layer in float32."""
    options = {"dtype": "mixed_float16"}
    pixels = keras.Input(image_shape)
    maps = layers.Conv2D(8, 3, strides=2, activation="relu", **options)(layers.Rescaling(1 / 255, **options)(pixels))
    logits = layers.Dense(classes, **options)(layers.Flatten(**options)(layers.MaxPooling2D(**options)(maps)))
    return keras.Model(pixels, layers.Activation("softmax", dtype="float32")(logits))


def channels_first(image_shape, classes):
    """Take images as other frameworks have them, and normalize, join and flatten over channels that come first."""
    first, channels = {"data_format": "channels_first"}, image_shape[2]
    pixels = keras.Input((channels, *image_shape[:2]))
    maps = layers.Conv2D(4, 3, strides=2, activation="relu", **first)(layers.Rescaling(1 / 255)(pixels))
    maps = layers.MaxPooling2D(**first)(layers.BatchNormalization(axis=1)(maps))
    maps = layers.Concatenate(axis=1)([maps, layers.Conv2D(4, 3, padding="same", **first)(maps)])
    return keras.Model(pixels, layers.Dense(classes)(layers.Flatten()(maps)))


class Residual(layers.Layer):
    """A block of a user's own class, with layers in it."""

    def __init__(self, filters, **options):
        super().__init__(**options)
        self.filters = filters
        self.convolution = layers.Conv2D(filters, 3, padding="same")
        self.normalization = layers.BatchNormalization()

    def call(self, maps, training=False):
        """Add what the block makes of the maps to them."""
        return ops.relu(self.normalization(self.convolution(maps), training=training) + maps)

    def get_config(self):
        """Say how the block was made."""
        return {**super().get_config(), "filters": self.filters}


class Own(keras.Model):
    """A model of a user's own class."""

    def __init__(self, classes):
        super().__init__()
        self.first = layers.Conv2D(8, 3, strides=2, activation="relu")
        self.block = Residual(8)
        self.average = layers.GlobalAveragePooling2D()
        self.dropout = layers.Dropout(0.3)
        self.last = layers.Dense(classes, activation="softmax")

    def call(self, pixels, training=False):
        """Give probabilities."""
        return self.last(self.dropout(self.average(self.block(self.first(pixels / 255))), training=training))


def subclassed(image_shape, classes):
    """Give a model of a user's own class."""
    return Own(classes)


class Documented(keras.Model):
    """A model as the documentation of Keras subclasses one: dropout in training alone, and no `get_config`."""

    def __init__(self, classes):
        super().__init__()
        self.first = layers.Conv2D(8, 3, strides=2, activation="relu")
        self.average = layers.GlobalAveragePooling2D()
        self.dropout = layers.Dropout(0.5)
        self.last = layers.Dense(classes, activation="softmax")

    def call(self, pixels, training=False):
        """Give probabilities."""
        features = self.average(self.first(pixels / 255))
        if training:
            features = self.dropout(features, training=training)
        return self.last(features)


def documented(image_shape, classes):
    """Give a model that is subclassed as the documentation of Keras does it."""
    return Documented(classes)


class Places(layers.Layer):
    """Adds to each patch what stands for its place."""

    def build(self, shape):
        """Make a vector for each place."""
        self.places = self.add_weight(shape=shape[1:], initializer="random_normal", name="places")

    def call(self, patches):
        """Add them."""
        return patches + self.places


def transformer(image_shape, classes):
    """Give a small vision transformer whose patches are cut by reshaping: no layer of it has maps."""
    side, channels = 8, image_shape[2]
    rows, columns = image_shape[0] // side, image_shape[1] // side
    pixels = keras.Input(image_shape)
    tiles = layers.Reshape((rows, side, columns, side * channels))(layers.Rescaling(1 / 255)(pixels))
    tiles = layers.Reshape((rows * columns, side * side * channels))(layers.Permute((1, 3, 2, 4))(tiles))
    patches = Places()(layers.Dense(16)(tiles))
    told = layers.LayerNormalization()(patches)
    patches = patches + layers.MultiHeadAttention(2, 8)(told, told)
    patches = patches + layers.Dense(16, activation="gelu")(layers.LayerNormalization()(patches))
    return keras.Model(pixels, layers.Dense(classes)(layers.GlobalAveragePooling1D()(patches)))


KINDS = {
    kind.__name__: kind
    for kind in (
        guide,
        unbuilt,
        compiled,
        nested,
        shared,
        separable,
        unit,
        mixed,
        channels_first,
        subclassed,
        documented,
        transformer,
    )
}


def classes_of(kind):
    """Give the number of classes that a kind is tried with."""
    return 2 if kind == "unit" else 3
