"""Layers that compute what Keras's do with fewer or faster operations of TensorFlow.

All act as Keras's own on another backend. None reaches a file: they belong to twins, which train in a network's place.
"""

import keras
from keras import layers, ops


class FusedBatchNormalization(layers.BatchNormalization):
    """Batch normalization of the last axis by TensorFlow's fused operation, and what else is fused with it.

    rectified: for what ReLU makes of it; pooled: of which max pooling takes the largest of two by two positions.
    Outputs, gradients and moving statistics are Keras's up to rounding. The fused operation reads each activation
    fewer times and takes bfloat16 as it is, while Keras converts it to float32 and back.
    """

    def __init__(self, *, rectified: bool = False, pooled: bool = False, **options: object) -> None:
        super().__init__(**options)
        self.rectified, self.pooled = rectified, pooled

    def get_config(self) -> dict:
        """Give what a copy is made from."""
        return {**super().get_config(), "rectified": self.rectified, "pooled": self.pooled}

    def call(
        self, inputs: keras.KerasTensor, training: bool = False, mask: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        """Normalize (N, ..., C) by the batch's statistics when training, and by the moving ones otherwise."""
        if keras.backend.backend() != "tensorflow" or mask is not None or self.renorm:
            return self._finish(super().call(inputs, training=training, mask=mask))
        shape = ops.shape(inputs)
        images = inputs if len(shape) == 4 else ops.reshape(inputs, (-1, 1, 1, shape[-1]))
        outputs = self._normalize_batch(images) if training and self.trainable else self._normalize(images)
        return outputs if len(shape) == 4 else ops.reshape(outputs, shape)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the shape of the outputs."""
        return (shape[0], *(size and size // 2 for size in shape[1:3]), shape[3]) if self.pooled else shape

    def _normalize_batch(self, images: keras.KerasTensor) -> keras.KerasTensor:
        import tensorflow as tf  # there is no other way to the operation, and no need for it on another backend

        operation = tf.compat.v1.nn.fused_batch_norm
        outputs, mean, variance = operation(images, *self.parameters(), epsilon=self.epsilon)
        # The operation divides by one value less than there are; Keras's moving variance does not.
        count = ops.cast(ops.prod(ops.shape(images)[:-1]), "float32")
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance * (count - 1) / count)):
            average.assign(average * self.momentum + value * (1 - self.momentum))
        return self._finish(outputs)

    def _normalize(self, images: keras.KerasTensor) -> keras.KerasTensor:
        import tensorflow as tf

        options = {"mean": self.moving_mean, "variance": self.moving_variance, "epsilon": self.epsilon}
        normalized = tf.compat.v1.nn.fused_batch_norm(images, *self.parameters(), **options, is_training=False)
        return self._finish(normalized[0])

    def parameters(self) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Give scale and offset, (C,) float32: 1 and 0 where it has none."""
        channels = self.moving_mean.shape
        return self.gamma if self.scale else ops.ones(channels), self.beta if self.center else ops.zeros(channels)

    def _finish(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        """Pool and rectify; in this order, the latter has fewer values to do, and they come out the same."""
        outputs = ops.max_pool(outputs, 2, strides=2) if self.pooled else outputs
        return ops.relu(outputs) if self.rectified else outputs
