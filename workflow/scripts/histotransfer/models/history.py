"""The history of a training: a row per epoch, and the epoch that each step ends in."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.tables import TableSchema

Row = dict[str, float]

TRAINING = TableSchema.of(
    "training", "integer: step epoch", "number: loss accuracy val_loss val_accuracy learning_rate"
)
"""Epoch 0 is the state before a step; it has no loss or accuracy on the training part."""


def trained_epochs(rows: Iterable[Row], step: int) -> list[Row]:
    """Return a step's epochs without epoch 0.

    Epoch 0 is never chosen: when the blocks below it begin to move, the loss of a confident head
    rises although the features improve (measured on real patches).
    """
    return [row for row in rows if row["step"] == step and row["epoch"] > 0]


def best_epoch(epochs: Iterable[Row]) -> Row:
    """Return the first epoch of lowest validation loss, whose weights are kept."""
    return min(epochs, key=lambda row: row["val_loss"])


def is_finished(epochs: list[Row], max_epochs: int, patience: int) -> bool:
    """Tell whether a step ends after these epochs: at the limit, or without improvement."""
    if not epochs:
        return False
    last = epochs[-1]["epoch"]
    return last >= max_epochs or last - best_epoch(epochs)["epoch"] >= patience
