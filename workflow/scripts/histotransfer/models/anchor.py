"""A loss that keeps features near those that the network gave before its training."""

from __future__ import annotations

from .backend import keras


class Anchor(keras.layers.Layer):  # type: ignore[misc]
    """Pass features through, and add to the loss how far they have moved.

    The loss is `weight` times the mean over a batch of ‖f − g‖² / ‖g‖², where f (n, d) are the
    features and g (n, d) those from before. A weight of 1 makes features that have moved by their
    own length cost as much as a cross-entropy of 1.

    References
    ----------
    After Li et al., DELTA, ICLR 2019 (arXiv:1901.09229), which holds feature maps instead of
    weights. That a changed patch is held to the features of the unchanged one is ours.
    """

    def __init__(self, weight: float) -> None:
        super().__init__(dtype="float32", name="anchor")
        self._weight = weight

    def call(self, features: keras.KerasTensor, before: keras.KerasTensor) -> keras.KerasTensor:
        """Return the features (n, d) as they are."""
        square = keras.ops.square
        moved = keras.ops.sum(square(features - before), axis=1)
        length = keras.ops.sum(square(before), axis=1)
        self.add_loss(self._weight * keras.ops.mean(moved / length))
        return features


def anchored(
    start: keras.KerasTensor, features: keras.KerasTensor, head: keras.Model, weight: float
) -> keras.Model:
    """Return a model of two inputs, `start` and the features before, that ends in the head."""
    before = keras.Input(features.shape[1:], name="features_before")
    return keras.Model([start, before], head(Anchor(weight)(features, before)))
