"""One step of training: early stopping, best weights kept, resumed after a kill.

After each epoch a checkpoint keeps the trained variables, the optimiser's moments, the states of
the dropouts' generators, the best variables so far and the history. Everything else (the order of
the patches, their augmentation) follows from the seed and the epoch. So a resumed training ends
where an uninterrupted one does; on a CPU, with the same bytes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError
from ..core.progress import Progress
from ..core.streams import stream
from ..study.parameters import StepParameters
from . import backend
from .augmentation import Moment
from .backend import keras
from .checkpoint import Checkpoint, Values
from .history import TRAINING, Row, best_epoch, is_finished, trained_epochs

log = logging.getLogger(__name__)

Indices = npt.NDArray[np.int64]
Inputs = npt.NDArray[Any] | tuple[npt.NDArray[Any], ...]
Reader = Callable[[Indices, Moment | None], Inputs]
"""Returns a network's input or inputs for some rows: as a moment shows them, or unchanged."""


@dataclass(frozen=True)
class Data:
    """What a step trains on: the patches' labels, and row numbers of the two parts."""

    labels: npt.NDArray[np.int16]
    training: Indices
    validation: Indices
    batch_size: int
    seed: int
    """Draws the order of the patches."""
    label_smoothing: float = 0.0
    """Spread over all classes (Szegedy et al. 2016), it keeps the features improving, since
    confidence no longer lowers the loss."""
    class_weights: dict[int, float] | None = None
    workers: int = 1
    """Threads that read and decode batches ahead; 1 reads when the network asks."""


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of a reader's rows in a given order, at a moment of the training or as they are."""

    def __init__(
        self, read: Reader, data: Data, n_classes: int, order: Indices, moment: Moment | None
    ) -> None:
        super().__init__(workers=data.workers)
        part = "validation" if moment is None else f"step {moment[0]}, epoch {moment[1]}"
        self._progress = Progress(log, part, len(order))
        self._read, self._data, self._order, self._moment = read, data, order, moment
        self._indicators = np.eye(n_classes, dtype=np.float32)

    def __len__(self) -> int:
        return -(-len(self._order) // self._data.batch_size)

    def __getitem__(self, index: int) -> tuple[Inputs, npt.NDArray[np.float32]]:
        size = self._data.batch_size
        rows = self._order[index * size : (index + 1) * size]
        self._progress.add(len(rows))
        return self._read(rows, self._moment), self._indicators[self._data.labels[rows]]


def train(
    model: keras.Model,
    read: Reader,
    data: Data,
    parameters: StepParameters,
    *,
    step: int,
    policy: str = "float32",
    jit: bool | str = "auto",
    checkpoint: Checkpoint | None = None,
    history: Sequence[Row] = (),
) -> list[Row]:
    """Train what is trainable with early stopping and leave the model in its best state.

    Step and epoch are the moment of the draws. The schedule ``cosine`` lowers the learning rate
    along half a cosine, to nearly nothing in the last epoch (Loshchilov & Hutter 2017). By the
    policy, the precision of the network, Keras decides whether to scale the loss; `jit` tells
    whether XLA compiles the step. A checkpoint keeps each epoch; one of this step or a later one is
    resumed from.

    Returns
    -------
    list of Row
        `history`, the epochs of earlier steps, and those of this step.
    """
    epochs = parameters.epochs

    def learning_rate(epoch: int) -> float:
        start, done = parameters.learning_rate, max(0, epoch - 1) / epochs
        is_cosine = parameters.lr_schedule == "cosine"
        return start * (1 + math.cos(math.pi * done)) / 2 if is_cosine else start

    # Compile a twin that shares the layers, so that the saved models hold no optimiser.
    model = keras.Model(model.inputs, model.outputs)
    model.dtype_policy = policy
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate(1)),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=data.label_smoothing),
        metrics=["accuracy"],
        jit_compile=jit,
    )
    model.optimizer.build(model.trainable_variables)
    trained = model.trainable_variables
    # Not every variable is a weight: a model's state includes its dropouts' generators.
    weights = {id(variable) for variable in model.weights}
    generators = [variable for variable in model.variables if id(variable) not in weights]
    state = [*trained, *generators, *model.optimizer.variables]
    n_classes = model.output_shape[-1]
    validation = _Batches(read, data, n_classes, data.validation, None)

    def validate(epoch: int, loss: float, accuracy: float) -> Row:
        result = model.evaluate(validation, verbose=0, return_dict=True)
        values = (loss, accuracy, result["loss"], result["accuracy"], learning_rate(epoch))
        row = dict(zip(TRAINING.columns, (step, epoch, *values), strict=True))
        log.info("%s", ", ".join(f"{key} {value:.4g}" for key, value in row.items()))
        return row

    saved = checkpoint.load() if checkpoint else None
    if saved and saved[0][-1]["step"] > step:  # the later step's state includes this one's result
        return [row for row in saved[0] if row["step"] <= step]
    if saved and saved[0][-1]["step"] == step:
        rows, current, best = saved
        _set(state, current)
        log.info("resuming after step %d, epoch %d", step, rows[-1]["epoch"])
    else:
        rows, best = [*history, validate(0, np.nan, np.nan)], _get(trained)
    while not is_finished(done := trained_epochs(rows, step), epochs, parameters.patience):
        epoch = len(done) + 1
        order = stream(data.seed, "order of patches", step, epoch).permutation(data.training)
        batches = _Batches(read, data, n_classes, order, (step, epoch))
        model.optimizer.learning_rate = learning_rate(epoch)
        try:
            fitted = model.fit(  # in the order drawn above
                batches, shuffle=False, verbose=0, class_weight=data.class_weights
            )
        except Exception as error:
            if not backend.is_out_of_memory(error):
                raise
            raise HistotransferError(  # half a batch would be another recipe
                "finetune.batch_size",
                f"is {data.batch_size}, more than the device's memory holds in step {step}",
                "Set a smaller one, and perhaps a smaller learning rate with it",
            ) from error
        rows.append(validate(epoch, fitted.history["loss"][0], fitted.history["accuracy"][0]))
        if best_epoch(trained_epochs(rows, step)) is rows[-1]:
            best = _get(trained)
        if checkpoint:
            checkpoint.save(rows, _get(state), best)
    _set(trained, best)
    return rows


def _get(variables: list[keras.Variable]) -> Values:
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]


def _set(variables: list[keras.Variable], values: Values) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
