"""Augmentation: random changes of training images, as Keras layers that act in training alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
from keras import ops

ERASED_TO = 127.5  # mid-grey, which rescaling turns into zero
BLUR = 1 / 6  # part of a pixel's value that is of each neighbour, on average, where images are read between pixels


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training image; each is drawn anew in every epoch."""

    flip: bool = False  # mirror half of the images
    shift: float = 0.0  # move by up to this share of height and width
    rotation: float = 0.0  # turn by up to this many degrees
    zoom: float = 0.0  # enlarge or reduce by up to this share
    border: Literal["constant", "nearest"] = "nearest"  # what fills the border: black, or the nearest pixel
    erasing: float = 0.0  # grey out a rectangle of up to this share of height and of width
    others: tuple[tuple[str, float], ...] = ()  # names of AUGMENTATIONS, each with its strength

    @property
    def moves(self) -> bool:
        """Whether pixels change their places."""
        return self.flip or self.blurs

    @property
    def blurs(self) -> bool:
        """Whether images are read between pixels."""
        return max(self.shift, self.rotation, self.zoom) > 0

    @property
    def applied(self) -> tuple[tuple[str, float], ...]:
        """What of AUGMENTATIONS is applied after the moves, in this order, and how strongly."""
        return ("erasing", self.erasing), *self.others


def augmentation_layers(augmentation: Augmentation, seed: int) -> list[keras.layers.Layer]:
    """Make the layers that carry out an augmentation; those that would change nothing are left out.

    Raises ValueError on a name that AUGMENTATIONS does not have, naming those that it has.
    """
    if unknown := [name for name, _ in augmentation.applied if name not in AUGMENTATIONS]:
        raise ValueError(f"There is no augmentation {unknown[0]!r}: choose one of {', '.join(AUGMENTATIONS)}.")
    moving = [RandomAffine(augmentation, seed)] if augmentation.moves else []
    applied = enumerate(augmentation.applied, start=seed + 1)
    return moving + [AUGMENTATIONS[name](strength, own_seed) for own_seed, (name, strength) in applied if strength]


class RandomAffine(keras.layers.Layer):
    """Flip, shift, turn and zoom each image of a batch at random, in one resampling, while training.

    (N, H, W, C) in 0..255 in, float32 out; the identity outside training. Reading between pixels blurs, and a network
    that learned from blurred images is less often right on sharp ones: so images are sharpened beforehand.
    """

    def __init__(self, augmentation: Augmentation, seed: int, **options: object) -> None:
        super().__init__(**options)
        self.augmentation = augmentation
        self.random = keras.random.SeedGenerator(seed)

    def call(self, images: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Change the images when training."""
        if not training or not self.augmentation.moves:
            return images
        transforms = self._transforms(ops.shape(images)[0], *images.shape[1:3])
        images = sharpen(images) if self.augmentation.blurs else images
        return ops.image.affine_transform(images, transforms, fill_mode=self.augmentation.border)

    def _transforms(self, count: int, height: int, width: int) -> keras.KerasTensor:
        """Draw output-to-input transforms about the image's centre: (count, 8), x before y."""
        drawn = self.augmentation
        angle = self._uniform(count, drawn.rotation * np.pi / 180)
        scale = 1 + self._uniform(count, drawn.zoom)
        mirror = ops.sign(self._uniform(count, 1.0)) if drawn.flip else ops.ones((count,))
        cos, sin = ops.cos(angle) * scale, ops.sin(angle) * scale
        centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
        from_x = mirror * cos, -mirror * sin
        from_y = sin, cos
        shift_x = self._uniform(count, drawn.shift * width)
        shift_y = self._uniform(count, drawn.shift * height)
        offset_x = centre_x - from_x[0] * centre_x - from_x[1] * centre_y + shift_x
        offset_y = centre_y - from_y[0] * centre_x - from_y[1] * centre_y + shift_y
        nothing = ops.zeros((count,))
        return ops.stack([*from_x, offset_x, *from_y, offset_y, nothing, nothing], axis=1)

    def _uniform(self, count: int, limit: float) -> keras.KerasTensor:
        return keras.random.uniform((count,), -limit, limit, seed=self.random)


def sharpen(images: keras.KerasTensor) -> keras.KerasTensor:
    """Sharpen images (N, H, W, C), float32, by what bilinear reading at random places blurs them on average.

    Read at f of the way to its neighbour, f being anything from 0 to 1, a pixel is two thirds its own on average, and
    a sixth of each neighbour along an axis: a cubic B-spline's kernel, whose inverse is the prefilter of Unser et al.,
    1991, here to first order. Values may leave 0..255.
    """
    padded = ops.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="symmetric")
    axis = np.array([-BLUR, 1 + 2 * BLUR, -BLUR], np.float32)
    kernel = np.tile(np.outer(axis, axis)[:, :, None, None], (1, 1, images.shape[-1], 1))
    return ops.depthwise_conv(padded, kernel)


class RandomErasing(keras.layers.Layer):
    """Grey out a rectangle of each image of a batch, of random size and place, while training. Zhong et al., 2020.

    (N, H, W, C) in 0..255 in and out, float32; the identity outside training. share: the rectangle's height and
    width are drawn evenly up to this share of the image's.
    """

    def __init__(self, share: float, seed: int, **options: object) -> None:
        super().__init__(**options)
        self.share = share
        self.random = keras.random.SeedGenerator(seed)

    def call(self, images: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Change the images when training."""
        if not training:
            return images
        count, (height, width) = ops.shape(images)[0], images.shape[1:3]
        rows, columns = self._strip(count, height), self._strip(count, width)
        erased = ops.logical_and(rows[:, :, None, None], columns[:, None, :, None])
        return ops.where(erased, ERASED_TO, images)

    def _strip(self, count: int, size: int) -> keras.KerasTensor:
        """Draw a stretch of the pixels 0 to size - 1 for each image: (count, size) bool."""
        length = keras.random.uniform((count, 1), 0, self.share * size, seed=self.random)
        start = keras.random.uniform((count, 1), 0, 1, seed=self.random) * (size - length)
        places = ops.arange(size, dtype="float32")[None] + 0.5
        return ops.logical_and(places >= start, places < start + length)


# One entry each: what makes the layer, of its strength and a seed. A plan applies what `Augmentation.others` names.
AUGMENTATIONS: dict[str, Callable[[float, int], keras.layers.Layer]] = {"erasing": RandomErasing}
