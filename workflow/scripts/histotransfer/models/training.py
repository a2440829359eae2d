"""One step of training: early stopping, best weights kept, resumed after a kill.

After each epoch the state goes to a checkpoint: what is trained, the optimiser's moments, the
states of the dropouts' generators, the best weights so far and the history. The rest (the order of
the patches, their augmentation) follows from the seed and the epoch, so that a resumed training
ends where an uninterrupted one does; on a CPU, to the byte.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError
from ..core.hdf5 import create_store, open_store
from .backend import keras

log = logging.getLogger(__name__)

SCHEMA = "checkpoint/1"

Indices = npt.NDArray[np.int64]
Moment = tuple[int, int]
Reader = Callable[[Indices, Moment | None], npt.NDArray[Any]]
"""A network's input by row: as it is, or as augmented at a moment (step, epoch)."""
Row = dict[str, float]
Values = list[npt.NDArray[Any]]


@dataclass(frozen=True)
class Data:
    """What a step trains on.

    Attributes
    ----------
    labels : ndarray of shape (n,)
        Class of each patch.
    training, validation : ndarray of int64
        Row numbers.
    batch_size : int
    seed : int
        Seed of the order of the patches.
    label_smoothing : float
        Part of a label that is spread over all classes (Szegedy et al. 2016): the loss has no gain
        from more confidence, so that the features go on being moved.
    class_weights : dict of int to float or None
        Weight of each class in the loss of the training part.
    workers : int
        Threads that read and decode batches ahead; 1 reads when the network asks.
    """

    labels: npt.NDArray[np.int16]
    training: Indices
    validation: Indices
    batch_size: int
    seed: int
    label_smoothing: float = 0.0
    class_weights: dict[int, float] | None = None
    workers: int = 1


@dataclass
class Checkpoint:
    """The state after the last epoch, in a file that appears whole.

    Attributes
    ----------
    path : Path
        The file.
    key : str
        Digest of all that the training follows from; a checkpoint of another key is not taken up.
    """

    path: Path
    key: str

    def save(self, history: list[Row], current: Values, best: Values) -> None:
        """Write the state after an epoch."""
        with create_store(self.path, SCHEMA, {"key": self.key}) as store:
            store.create_dataset("history", data=json.dumps(history), dtype=h5py.string_dtype())
            for name, values in (("current", current), ("best", best)):
                for place, value in enumerate(values):
                    store[f"{name}/{place:04d}"] = value

    def load(self) -> tuple[list[Row], Values, Values] | None:
        """Return history, current and best values, or None where there is nothing to go on with."""
        if not self.path.exists():
            return None
        try:
            with open_store(self.path, SCHEMA) as store:
                if store.attrs["key"] != self.key:
                    log.warning("%s is of another training and not taken up", self.path)
                    return None
                history = json.loads(store["history"].asstr()[()])
                current, best = (
                    [store[name][place][()] for place in sorted(store[name])]
                    for name in ("current", "best")
                )
        except (HistotransferError, KeyError, ValueError) as error:
            log.warning("%s is not taken up (%s)", self.path, error)
            return None
        log.info("going on after step %(step)d, epoch %(epoch)d", history[-1])
        return history, current, best


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of a reader's rows in a given order, at a moment of the training or as they are."""

    def __init__(
        self, read: Reader, data: Data, n_classes: int, order: Indices, moment: Moment | None
    ) -> None:
        super().__init__(workers=data.workers)
        self._read, self._data, self._order, self._moment = read, data, order, moment
        self._indicators = np.eye(n_classes, dtype=np.float32)

    def __len__(self) -> int:
        return -(-len(self._order) // self._data.batch_size)

    def __getitem__(self, index: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
        size = self._data.batch_size
        rows = self._order[index * size : (index + 1) * size]
        return self._read(rows, self._moment), self._indicators[self._data.labels[rows]]


def train(
    model: keras.Model,
    read: Reader,
    data: Data,
    schedule: Mapping[str, Any],
    *,
    step: int,
    policy: str = "float32",
    checkpoint: Checkpoint | None = None,
    history: list[Row] | None = None,
) -> list[Row]:
    """Train with early stopping and leave the model in its best state.

    Parameters
    ----------
    model : keras.Model
        From the reader's input to the classes' probabilities; what is trainable is trained.
    read : Reader
        Gives the input of rows.
    data : Data
        The labels, and which rows to train and to validate on.
    schedule : mapping
        epochs, learning_rate, patience and decay of the step. ``cosine`` lets the learning rate
        fall along half a cosine to nearly nothing in the last epoch (Loshchilov & Hutter 2017),
        ``none`` leaves it.
    step : int
        Number of the step, for the history and the draws.
    policy : str
        Precision of the network, by which Keras decides whether the loss needs scaling.
    checkpoint : Checkpoint or None
        Where to save each epoch, and what to go on with if it is of this step or a later one.
    history : list of Row or None
        Epochs of the steps before.

    Returns
    -------
    list of Row
        `history` with the epochs of this step, of which epoch 0 is the state before it. That is not
        a candidate for the best: the loss of a confident head rises when the blocks below it begin
        to move, while the features get better.
    """
    epochs, patience = int(schedule["epochs"]), int(schedule["patience"])

    def learning_rate(epoch: int) -> float:
        start, done = float(schedule["learning_rate"]), max(0, epoch - 1) / epochs
        return (
            start * (1 + math.cos(math.pi * done)) / 2 if schedule["decay"] == "cosine" else start
        )

    # A twin that shares the layers is compiled, so that no optimiser ends up in the saved models.
    model = keras.Model(model.inputs, model.outputs)
    model.dtype_policy = policy
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate(1)),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=data.label_smoothing),
        metrics=["accuracy"],
    )
    model.optimizer.build(model.trainable_variables)
    trained = model.trainable_variables
    # Beside the weights that are trained, a model's state holds its dropouts' generators.
    weights = {id(variable) for variable in model.weights}
    generators = [variable for variable in model.variables if id(variable) not in weights]
    state = [*trained, *generators, *model.optimizer.variables]
    n_classes = model.output_shape[-1]
    validation = _Batches(read, data, n_classes, data.validation, None)

    def validate(epoch: int, loss: float, accuracy: float) -> Row:
        result = model.evaluate(validation, verbose=0, return_dict=True)
        row = {
            "step": step,
            "epoch": epoch,
            "loss": loss,
            "accuracy": accuracy,
            "val_loss": result["loss"],
            "val_accuracy": result["accuracy"],
            "learning_rate": learning_rate(epoch),
        }
        log.info("%s", ", ".join(f"{key} {value:.4g}" for key, value in row.items()))
        return row

    saved = checkpoint.load() if checkpoint else None
    if saved and saved[0][-1]["step"] > step:  # the later step's state holds what this one gave
        return [row for row in saved[0] if row["step"] <= step]
    if saved and saved[0][-1]["step"] == step:
        rows, current, best = saved
        _set(state, current)
    else:
        rows, best = [*(history or []), validate(0, np.nan, np.nan)], _get(trained)
    while not _finished(candidates := _candidates(rows, step), epochs, patience):
        epoch = len(candidates) + 1
        order = np.random.default_rng([data.seed, step, epoch]).permutation(data.training)
        batches = _Batches(read, data, n_classes, order, (step, epoch))
        model.optimizer.learning_rate = learning_rate(epoch)
        fitted = model.fit(
            batches, shuffle=False, verbose=0, class_weight=data.class_weights
        )  # the order is ours
        rows.append(validate(epoch, fitted.history["loss"][0], fitted.history["accuracy"][0]))
        if _best(_candidates(rows, step)) is rows[-1]:
            best = _get(trained)
        if checkpoint:
            checkpoint.save(rows, _get(state), best)
    _set(trained, best)
    return rows


def _candidates(rows: list[Row], step: int) -> list[Row]:
    return [row for row in rows if row["step"] == step and row["epoch"] > 0]


def _finished(candidates: list[Row], epochs: int, patience: int) -> bool:
    if not candidates:
        return False
    last = candidates[-1]["epoch"]
    return last >= epochs or last - _best(candidates)["epoch"] >= patience


def _best(candidates: list[Row]) -> Row:
    return min(candidates, key=lambda row: row["val_loss"])


def _get(variables: list[keras.Variable]) -> Values:
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]


def _set(variables: list[keras.Variable], values: Values) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
