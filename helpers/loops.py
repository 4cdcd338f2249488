"""Steps of training on a network's maps, each compiled to loops that go through memory no more often than they must.

TensorFlow takes an operation for each step of a formula, and each reads and writes whole maps; that, not computing, is
what such steps spend their time on. XLA makes one loop of a formula. It is no use for convolutions, which it computes
several times slower than TensorFlow on a processor, so it gets nothing else.

Maps are (N, H, W, C), in float32 or bfloat16; what there is one of for each channel is (C,) float32. A normalization
gives factor * maps + shift.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import tensorflow as tf

# Up to so many terms, XLA writes a sum out, and then computes several sums at once; longer ones are much slower.
SHORT_SUM = 9
# Sums of fewer rows than this are finished in one go.
FEW_ROWS = 32

compiled: Callable[[Callable], Callable] = partial(tf.function, jit_compile=True, autograph=False)


def moments(maps, near):
    """Give mean and variance of each channel, (C,) float32 each; near: (C,) float32, somewhere near the means.

    The squares are summed of what is left without `near`, which is small, so that little is lost in the difference.
    """
    sums = _finish(_first_moments(maps, near))
    count = tf.cast(tf.reduce_prod(tf.shape(maps)[:-1]), tf.float32)
    rest = tf.math.real(sums) / count
    # Of maps far from there that hardly vary, rounding may leave less than nothing.
    return near + rest, tf.maximum(tf.math.imag(sums) / count - rest**2, 0.0)


@compiled
def _first_moments(maps, near):
    rest = _in_terms(tf.cast(maps, tf.float32)) - near
    return tf.reduce_sum(tf.complex(rest, rest * rest), axis=1)


@compiled
def rectified(maps, factor, shift):
    """Give max(0, factor * maps + shift) in the maps' dtype."""
    return tf.cast(tf.maximum(tf.cast(maps, tf.float32) * factor + shift, 0.0), maps.dtype)


@compiled
def passed(upstream, maps, factor, shift):
    """Give the part of a gradient that max(0, factor * maps + shift) lets through, in the maps' dtype."""
    return tf.cast(_passed(tf.cast(upstream, tf.float32), tf.cast(maps, tf.float32), factor, shift), maps.dtype)


@compiled
def affine_gradient(upstream, maps, factor, slope, constant):
    """Give factor * upstream + slope * maps + constant in the maps' dtype."""
    exact = factor * tf.cast(upstream, tf.float32) + (slope * tf.cast(maps, tf.float32) + constant)
    return tf.cast(exact, maps.dtype)


def rectified_sums(upstream, maps, factor, shift, mean):
    """Sum, a channel, the gradient that a rectification lets through, and its products with the maps less their mean.

    upstream: (N, H, W, C), the gradient of max(0, factor * maps + shift). Gives two sums, (C,) float32 each.
    """
    sums = _finish(_first_sums(upstream, maps, factor, shift, mean))
    return tf.math.real(sums), tf.math.imag(sums)


def _finish(sums):
    return _last_sums(_further_sums(sums) if sums.shape[1] >= FEW_ROWS else sums)


@compiled
def _first_sums(upstream, maps, factor, shift, mean):
    """Sum over a few positions: (N, fewer positions, C) complex64, since XLA computes one array in a loop, not two."""
    maps = _in_terms(tf.cast(maps, tf.float32))
    passed = _passed(_in_terms(tf.cast(upstream, tf.float32)), maps, factor, shift)
    return tf.reduce_sum(tf.complex(passed, passed * (maps - mean)), axis=1)


@compiled
def _further_sums(sums):
    return tf.reduce_sum(_in_terms(sums), axis=1)


@compiled
def _last_sums(sums):
    return tf.reduce_sum(sums, axis=(0, 1))


def _in_terms(maps):
    """Divide positions (N, ..., C) among the terms of a short sum: (N, terms, positions of each, C)."""
    *positions, channels = maps.shape[1:]
    count = int(np.prod(positions))
    terms = max(terms for terms in range(1, SHORT_SUM + 1) if count % terms == 0)
    return tf.reshape(maps, (-1, terms, count // terms, channels))


def _passed(upstream, maps, factor, shift):
    return tf.where(maps * factor + shift > 0, upstream, 0.0)


@compiled
def rectified_gradient(upstream, maps, factor, shift, slope, constant):
    """Give factor * the gradient that a rectification lets through + slope * maps + constant, in the maps' dtype."""
    exact = tf.cast(maps, tf.float32)
    passed = _passed(tf.cast(upstream, tf.float32), exact, factor, shift)
    return tf.cast(factor * passed + (slope * exact + constant), maps.dtype)


@compiled
def drop(values, drawn, dropped, scale):
    """Give the values times scale, and 0 where the number drawn is less than dropped."""
    return tf.where(drawn >= dropped, values * scale, tf.zeros((), values.dtype))
