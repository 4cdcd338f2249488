"""AdamW as one operation of TensorFlow a variable: the one file that rests on private names of Keras's.

They are five of `keras.optimizers.Optimizer` and its Adam: `_apply_weight_decay`, which `apply` calls before the
steps; `_use_weight_decay` and `_get_variable_index`, which take a variable; and the lists `_momentums` and
`_velocities`, in that order. A test of this file names each.
"""

from collections.abc import Sequence

import keras
from keras import ops


class FusedAdamW(keras.optimizers.AdamW):
    """AdamW whose step on a variable is two operations of TensorFlow, where Keras takes more than a dozen."""

    def _apply_weight_decay(self, variables: Sequence[keras.Variable]) -> None:
        if not self._is_fused():
            super()._apply_weight_decay(variables)

    def _is_fused(self) -> bool:
        return keras.backend.backend() == "tensorflow" and not self.amsgrad

    def update_step(
        self, gradient: keras.KerasTensor, variable: keras.Variable, learning_rate: keras.KerasTensor
    ) -> None:
        """Move one variable, which decays first, and its two moments."""
        if not self._is_fused():
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        if self.weight_decay and self._use_weight_decay(variable):
            variable.assign(variable * (1 - self.weight_decay * ops.cast(learning_rate, "float32")))
        place, step = self._get_variable_index(variable), ops.cast(self.iterations + 1, "float32")
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=ops.power(self.beta_1, step),
            beta2_power=ops.power(self.beta_2, step),
            lr=ops.cast(learning_rate, "float32"),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
