"""The first step of training a CNN of grey images: convolution, batch normalization and ReLU in one.

A map is the product of the images' patches, which have few values, and a filter. Its mean and its variance therefore
follow from the patches' mean and covariance: mean @ filter, and filter @ covariance @ filter. So normalization becomes
part of the filters, in training as it does in use, and the maps are written once, where batch normalization reads them
twice and writes others. All that the gradient needs to know of the maps is their product with the patches, which is
covariance @ filter.

Images are (N, H, W, 1), all sizes known, in float32 or bfloat16. Filters have odd sizes, stand at every pixel, and see
zeros around the images; a patch's values are in the order of a filter's. Kernels are (rows, columns, 1, C), what there
is one of for each map is (C,), and both are float32.
"""

from itertools import combinations_with_replacement

import numpy as np
import tensorflow as tf

from helpers.networks.fast import loops

Size = tuple[int, int]  # rows and columns


def convolve_normalize_and_rectify(images, kernel, bias, scale, offset, epsilon: float):
    """Give max(0, scale * normalized maps + offset) in the images' dtype, and the maps' mean and variance."""

    @tf.custom_gradient
    def convolve(images, kernel, bias, scale, offset):
        center, covariance = patch_moments(images, tuple(kernel.shape[:2]))
        united, shift, mean, variance = _unite(kernel, scale, offset, center, covariance, epsilon, images.dtype)
        outputs = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(images, united, 1, "SAME"), shift))

        def gradient(upstream, *_of_statistics):
            passed = loops.passed_by(upstream, outputs)
            products, total = _sums(images, passed, center, kernel.shape[:2])
            of_kernel, product = _kernel_gradient(products, kernel, covariance, scale, variance, epsilon)
            # Nobody asks for the gradient of a network's images in training; then none of these is computed.
            low = tf.cast(kernel, images.dtype)
            known = tf.nn.conv2d(images, low, 1, "SAME"), scale, mean, variance, total, product, epsilon
            of_images = tf.nn.conv2d_transpose(loops.gradient_of_normalize(passed, *known), low, images.shape, 1)
            return of_images, of_kernel, tf.zeros_like(bias), product * tf.math.rsqrt(variance + epsilon), total

        return (outputs, mean + bias, variance), gradient

    # As variables, they would be none of the function's arguments, and have no gradient by way of them.
    return convolve(images, *map(tf.convert_to_tensor, (kernel, bias, scale, offset)))


def _sums(images, passed, center, size: Size):
    """Sum up products of patches less their mean with what is passed on, (taps, C) float32, and the latter, (C,).

    The products lose least in bfloat16 if the images are near zero, so it is of them less their mean. TensorFlow's sum
    of a gradient in bfloat16 loses much, so it is one of products as well: with ones.
    """
    mean = tf.cast(tf.reduce_mean(center), images.dtype)
    options = {"filter_sizes": [*size, 2, passed.shape[-1]], "strides": [1] * 4, "padding": "VALID"}
    products = tf.raw_ops.Conv2DBackpropFilter(input=_with_ones(images, mean, size), out_backprop=passed, **options)
    products = tf.cast(tf.reshape(products, (-1, 2, passed.shape[-1])), tf.float32)
    total = products[0, 1]
    return products[:, 0] + (tf.cast(mean, tf.float32) - center)[:, None] * total, total


@loops.compiled
def _with_ones(images, mean, size: Size):
    """Give what filters see of images less this mean, in channel 0, and ones, in channel 1."""
    padded = tf.pad(images, ((0, 0), *((taps // 2,) * 2 for taps in size), (0, 0))) - mean
    return tf.concat([padded, tf.ones_like(padded)], axis=-1)


@loops.compiled
def _unite(kernel, scale, offset, center, covariance, epsilon, dtype):
    """Give kernel and bias of the convolution that normalizes as well, and mean and variance of what it normalizes."""
    filters = _flat(kernel)
    # Of images that hardly vary, rounding may leave less than nothing.
    variance = tf.maximum(tf.reduce_sum(filters * tf.matmul(covariance, filters), axis=0), 0.0)
    united = tf.cast(kernel * (scale * tf.math.rsqrt(variance + epsilon)), dtype)
    shift = offset - _project(center, _flat(tf.cast(united, tf.float32)))
    return united, tf.cast(shift, dtype), _project(center, filters), variance


@loops.compiled
def _kernel_gradient(products, kernel, covariance, scale, variance, epsilon):
    """Give the gradient of the kernel, and the sum of products of what is passed on and the maps less their mean.

    products: (taps, C), those of what is passed on and the patches less their mean.
    """
    filters, inverse = _flat(kernel), tf.math.rsqrt(variance + epsilon)
    product = tf.reduce_sum(filters * products, axis=0)
    # The maps less their mean, times the patches, are as many times this as there are patches.
    by_statistics = tf.matmul(covariance, filters) * inverse**2 * product
    return tf.reshape(scale * inverse * (products - by_statistics), kernel.shape), product


def _flat(kernel):
    return tf.reshape(kernel, (-1, kernel.shape[-1]))


def _project(center, filters):
    return tf.reduce_sum(center[:, None] * filters, axis=0)


def patch_moments(images, size: Size):
    """Give mean and covariance of the patches that filters of this size see: (taps,) and (taps, taps) float32."""
    (rows, columns), (count, height, width, _), lags = size, images.shape, _lags(size)
    # Beyond the zeros that filters see, there are as many as an image is moved by.
    padding = (0, 0), (rows // 2, rows // 2 + rows - 1), (columns // 2 + columns - 1,) * 2
    products = _lagged_products(tf.pad(tf.cast(images[..., 0], tf.float32), padding), size, lags)
    patches = np.float32(count * height * width)
    return _moments(products, _seen(height, rows), _seen(width, columns), _places(size, lags), patches)


def _seen(length: int, taps: int) -> np.ndarray:
    """Mark which of so many pixels, and of the zeros around them, each tap sees: (length + taps - 1, taps) float32."""
    behind = np.arange(length + taps - 1)[:, None] - np.arange(taps)
    return ((behind >= 0) & (behind < length)).astype(np.float32)


def _lags(size: Size) -> tuple[Size, ...]:
    """List how many rows and columns a pixel of a patch may come behind another one, or behind itself."""
    rows, columns = size
    every = ((down, across) for down in range(rows) for across in range(1 - columns, columns))
    return tuple(lag for lag in every if lag >= (0, 0))


def _places(size: Size, lags: tuple[Size, ...]) -> np.ndarray:
    """Say where among flattened (lags, rows, columns) the product of each two taps is: (taps, taps) int32."""
    taps = list(np.ndindex(size))
    places = np.zeros((len(taps),) * 2, np.int32)
    for (first, here), (second, there) in combinations_with_replacement(enumerate(taps), 2):
        lag = there[0] - here[0], there[1] - here[1]
        places[[first, second], [second, first]] = lags.index(lag) * len(taps) + first
    return places


@loops.compiled
def _lagged_products(padded, size: Size, lags: tuple[Size, ...]):
    """Multiply images with themselves moved by each lag, and with 1, and sum up over a few images at a time."""
    (rows, columns), (count, height, width) = size, padded.shape
    height, width, terms = height - (rows - 1), width - 2 * (columns - 1), loops.terms_of(count)

    def moved(down: int, across: int):
        part = padded[:, down : down + height, columns - 1 + across : columns - 1 + across + width]
        return tf.reshape(part, (-1, terms, height, width))

    here = moved(0, 0)
    return [tf.reduce_sum(here * moved(*lag), axis=1) for lag in lags] + [tf.reduce_sum(here, axis=1)]


@loops.compiled
def _moments(products, downwards, across, places, count):
    """Sum up the products that each tap sees, and find those of each two taps."""
    summed = tf.stack([tf.reduce_sum(images, axis=0) for images in products])
    # At (lag, i, j): the sum, over all patches, of their pixel (i, j) times the one that lies a lag from it.
    sums = tf.einsum("lhw,hi,wj->lij", summed, downwards, across)
    taps = places.shape[0]
    means = tf.reshape(sums, (-1, taps)) / count
    center = means[-1]
    return center, tf.gather(tf.reshape(means, [-1]), places) - center[:, None] * center
