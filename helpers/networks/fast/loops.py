"""Steps of training on a network's maps, each compiled to loops that go through memory no more often than they must.

TensorFlow takes an operation for each step of a formula, and each reads and writes whole maps; that, not computing, is
what such steps spend their time on. XLA makes one loop of a formula. It is no use for convolutions, which it computes
several times slower than TensorFlow on a processor, so it gets nothing else. To start one of these functions takes as
long as to go through a small map, so each does as much as it can.

Maps are (N, H, W, C), in float32 or bfloat16; what there is one of for each channel is (C,) float32. A normalization
gives factor * maps + shift, where the factor is scale / sqrt(variance + epsilon), and the shift offset - mean * factor.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import tensorflow as tf

# Up to so many terms, XLA writes a sum out, and then computes several sums at once; longer ones are much slower.
SHORT_SUM = 9
# Sums of no more rows than this are finished in one go.
FEW_ROWS = 40

compiled: Callable[[Callable], Callable] = partial(tf.function, jit_compile=True, autograph=False)


@compiled
def moments(maps, near):
    """Give mean and variance of each channel; near: (C,) float32, somewhere near the means.

    The squares are summed of what is left without `near`, which is small, so that little is lost in the difference.
    """
    return _moments(maps, near)


@compiled
def normalize_and_rectify(maps, scale, offset, near, epsilon):
    """Give max(0, normalized maps) in the maps' dtype, and `moments`."""
    mean, variance = _moments(maps, near)
    factor = scale * tf.math.rsqrt(variance + epsilon)
    return _rectified(maps, factor, offset - mean * factor), mean, variance


@compiled
def gradient_of_normalize_and_rectify(upstream, maps, scale, offset, mean, variance, epsilon):
    """Give the gradients of maps, in their dtype, scale and offset; upstream: the gradient of what came out.

    It is that of Ioffe and Szegedy, 2015, section 3, in two goes through memory; TensorFlow's operations for it and
    for that of ReLU go through it eight times.
    """
    inverse = tf.math.rsqrt(variance + epsilon)
    factor = scale * inverse
    shift = offset - mean * factor
    total, product = _passed_sums(upstream, maps, factor, shift, mean)
    slope, constant = _statistics_gradient(factor, inverse, mean, total, product, _positions(maps))
    exact = tf.cast(maps, tf.float32)
    passed = _passed(tf.cast(upstream, tf.float32), exact, factor, shift)
    return tf.cast(factor * passed + (slope * exact + constant), maps.dtype), inverse * product, total


@compiled
def rectified(maps, factor, shift):
    """Give max(0, factor * maps + shift) in the maps' dtype."""
    return _rectified(maps, factor, shift)


@compiled
def passed_with_sums(upstream, maps, factor, shift, mean):
    """Give the part of a gradient that `rectified` lets through, in the maps' dtype, and two sums, a channel, of it.

    They are those of its values, and of its products with the maps less their mean.
    """
    passed = _passed(tf.cast(upstream, tf.float32), tf.cast(maps, tf.float32), factor, shift)
    return tf.cast(passed, maps.dtype), *_passed_sums(upstream, maps, factor, shift, mean)


@compiled
def passed_by(upstream, outputs):
    """Give the part of a gradient that a rectification lets through, in its dtype, by what came out of it."""
    return tf.where(outputs > 0, upstream, tf.zeros((), upstream.dtype))


@compiled
def gradient_of_normalize(upstream, maps, scale, mean, variance, total, product, epsilon):
    """Give the gradient of normalized maps, in their dtype, where the two sums of upstream are known."""
    inverse = tf.math.rsqrt(variance + epsilon)
    slope, constant = _statistics_gradient(scale * inverse, inverse, mean, total, product, _positions(maps))
    exact = scale * inverse * tf.cast(upstream, tf.float32) + (slope * tf.cast(maps, tf.float32) + constant)
    return tf.cast(exact, maps.dtype)


@compiled
def drop(values, drawn, dropped, scale):
    """Give the values times scale, and 0 where the number drawn is less than dropped."""
    return tf.where(drawn >= dropped, values * scale, tf.zeros((), values.dtype))


def _moments(maps, near):
    rest = _in_terms(tf.cast(maps, tf.float32)) - near
    total, squares = _finish(tf.reduce_sum(tf.complex(rest, rest * rest), axis=1))
    mean, count = total / _positions(maps), _positions(maps)
    # Of maps far from there that hardly vary, rounding may leave less than nothing.
    return near + mean, tf.maximum(squares / count - mean**2, 0.0)


def _rectified(maps, factor, shift):
    return tf.cast(tf.maximum(tf.cast(maps, tf.float32) * factor + shift, 0.0), maps.dtype)


def _passed(upstream, maps, factor, shift):
    return tf.where(maps * factor + shift > 0, upstream, 0.0)


def _passed_sums(upstream, maps, factor, shift, mean):
    """Sum, a channel, what a rectification lets through, and its products with the maps less their mean."""
    maps = _in_terms(tf.cast(maps, tf.float32))
    passed = _passed(_in_terms(tf.cast(upstream, tf.float32)), maps, factor, shift)
    return _finish(tf.reduce_sum(tf.complex(passed, passed * (maps - mean)), axis=1))


def _statistics_gradient(factor, inverse, mean, total, product, count):
    """Give slope and constant of the part of a gradient, slope * maps + constant, by way of mean and variance."""
    slope = -factor * inverse**2 * product / count
    return slope, -slope * mean - factor * total / count


def _in_terms(maps):
    """Divide positions (N, ..., C) among the terms of a short sum: (N, terms, positions of each, C)."""
    *positions, channels = maps.shape[1:]
    count = int(np.prod(positions))
    return tf.reshape(maps, (-1, terms_of(count), count // terms_of(count), channels))


def _finish(sums):
    """Sum up what short sums gave: (N, positions, C) complex64, since XLA computes one array in a loop, not two.

    Real and imaginary parts change places each time, or XLA would make one long sum of two short ones.
    """
    rows, swapped = tf.reshape(sums, (-1, sums.shape[-1])), False
    while rows.shape[0] > FEW_ROWS and (terms := terms_of(rows.shape[0])) > 1:
        swap = tf.complex(tf.math.imag(rows), tf.math.real(rows))
        rows, swapped = tf.reduce_sum(tf.reshape(swap, (terms, -1, rows.shape[-1])), axis=0), not swapped
    first, second = (tf.reduce_sum(part(rows), axis=0) for part in (tf.math.real, tf.math.imag))
    return (second, first) if swapped else (first, second)


def terms_of(count: int) -> int:
    """Say how many terms short sums can have, all of them as many, that so many values are divided among."""
    return max(terms for terms in range(1, SHORT_SUM + 1) if count % terms == 0)


def _positions(maps):
    return tf.cast(tf.reduce_prod(tf.shape(maps)[:-1]), tf.float32)
