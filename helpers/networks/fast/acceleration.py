"""What trains and what predicts in a network's place: faster twins of it, or, where there can be none, itself."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import keras

from helpers.networks.fast import twins
from helpers.networks.fast.adamw import FusedAdamW
from helpers.networks.precision import Precision, accelerates, precision_for

PARTS = ("batch norm", "AdamW")  # what can be switched off, besides the precision


@dataclass(frozen=True)
class Accelerated:
    """A network with what computes in its place; `model` itself stays plain Keras in float32.

    Twins are made when they are first asked for, from the weights of that moment. Without acceleration (`plain`)
    all of them are the model, which then computes in float32 whatever the precision.
    """

    model: keras.Model
    precision: Precision
    plain: bool = False
    without: frozenset[str] = frozenset()  # parts that are switched off, for the bench

    @cached_property
    def trainer(self) -> keras.Model:
        """What trains: raw pixels (N, H, W, C) to logits (N, classes), not compiled, with the model's weights."""
        return self.model if self.plain else twins.training_twin(self.model, self.precision, self.without)

    @cached_property
    def validator(self) -> keras.Model:
        """What validates: it predicts in float32, with the weights of the last `refresh`."""
        return self.model if self.plain else twins.prediction_twin(self.model, "float32")

    def predictor(self) -> keras.Model:
        """Make what predicts in this precision, with the model's weights of now."""
        return self.model if self.plain else twins.prediction_twin(self.model, self.precision)

    @property
    def adamw(self) -> type[keras.optimizers.AdamW]:
        """The class of AdamW that belongs to the trainer."""
        return keras.optimizers.AdamW if self.plain or "AdamW" in self.without else FusedAdamW

    def resize(self, network: keras.Model, factor: tuple[int, int]) -> keras.Model:
        """Give one of these networks enlarging its images by another factor; the two share layers and weights.

        factor: (3, 2) by three halves, (1, 1) not at all. Raises ValueError for a network that is no chain of layers.
        """
        return twins.enlarging(network, factor)

    def refresh(self) -> None:
        """Have the validator predict with what the trainer has learned so far."""
        if not self.plain:
            self.validator.set_weights(twins.folded_weights(self.trainer))

    def give_weights(self) -> None:
        """Give what the trainer has learned to the model."""
        if not self.plain:
            self.model.set_weights(self.trainer.get_weights())

    def take_weights(self) -> None:
        """Have the trainer go on from the model's weights."""
        if not self.plain:
            self.trainer.set_weights(self.model.get_weights())


def accelerate(
    model: keras.Model,
    precision: Precision | None = None,
    *,
    without: Collection[str] = (),
    refused: str = "",
    report: Callable[[str], None] = print,
) -> Accelerated:
    """Give what trains and what predicts faster in a network's place, and takes its weights back to it.

    With ACCELERATE=0 in the environment that is the network itself, and also where no twin computes the same for
    certain: where it has a layer or a part of one that is not Keras's own, or a training step of its own; then one
    line is reported that says so. precision: by default as `precision_for` says. without: parts that are switched
    off, of PARTS. refused: a reason of the caller's to leave the network as it is.
    """
    if not accelerates():
        return Accelerated(model, "float32", plain=True)
    if reason := refused or why_plain(model):
        report(f"{model.name} is left to plain Keras, which is slower: {reason}.")
        return Accelerated(model, "float32", plain=True)
    return Accelerated(model, precision or precision_for(model), without=frozenset(without))


def why_plain(model: keras.Model) -> str | None:
    """Say why a network has no twins; None if it has."""
    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        return "it is no graph of layers"
    if any(getattr(type(model), name) is not getattr(keras.Model, name) for name in ("train_step", "compute_loss")):
        return "it has a training step of its own"
    strange = next((layer for layer in model.layers if not _is_known(layer)), None)
    return f"its layer {strange.name} ({type(strange).__name__}) is none of those that are known" if strange else None


def _is_known(layer: keras.layers.Layer) -> bool:
    """Whether a copy of the layer is sure to compute the same: it is Keras's own, and so is all that it is given."""
    own = getattr(keras.layers, type(layer).__name__, None) is type(layer)
    holds_code = isinstance(layer, keras.Model | keras.layers.Lambda | keras.layers.Wrapper)
    # In a configuration, a lambda is nothing but its bytecode.
    activated = getattr(getattr(layer, "activation", None), "__module__", "keras").split(".")[0] == "keras"
    if isinstance(layer, keras.layers.BatchNormalization):
        has_channels_last = layer.axis in (-1, len(layer.input.shape) - 1)
    else:
        has_channels_last = getattr(layer, "data_format", None) in (None, "channels_last")
    return own and activated and not holds_code and has_channels_last and not _is_foreign(layer.get_config())


def _is_foreign(config: object) -> bool:
    """Whether a configuration refers to a function or a class of the user's."""
    if isinstance(config, Mapping):
        return config.get("registered_name") is not None or any(map(_is_foreign, config.values()))
    return callable(config) or (isinstance(config, list | tuple) and any(map(_is_foreign, config)))
