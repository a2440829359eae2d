"""Out-of-fold predictions of a task under an extractor, in blocks of repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import HistotransferError
from ..core.hdf5 import open_store
from .predictors.predictor import Ints, Single

SCHEMA = "cv/2"


@dataclass(frozen=True)
class Predictions:
    """All repeats of one task and extractor.

    The values are (repeats, n, t) out-of-fold predictions, NaN where there is none; `without` are
    (p, folds, n, t) predictions of the first p repeats by models without a second fold, see
    `cross_validation.run_block`.
    """

    values: Single
    repeats: Ints
    samples: list[str]
    targets: list[str]
    without: Single


def read_predictions(cv_paths: Sequence[str | Path], *, task: str, extractor: str) -> Predictions:
    """Read and join the blocks of a task and extractor, in the order of the repeats.

    Raises
    ------
    HistotransferError
        If a block is of another task or extractor, or two blocks differ in samples or targets or
        hold the same repeat.
    """
    values, repeats, without = [], [], []
    samples: list[str] = []
    targets: list[str] = []
    for path in cv_paths:
        with open_store(path, SCHEMA, task=task, extractor=extractor) as store:
            names = [str(name) for name in store["sample"].asstr()[:]]
            columns = [str(name) for name in store["target"].asstr()[:]]
            values.append(store["predictions"][:])
            repeats.append(store["repeat"][:].astype(np.int64))
            without.append(store["without"][:])
        samples, targets = samples or names, targets or columns
        if (samples, targets) != (names, columns):
            raise HistotransferError(
                path,
                f"has other samples or targets than {cv_paths[0]}",
                "Delete the older of the two and run the workflow again",
            )
    repeat = np.concatenate(repeats)
    if len(np.unique(repeat)) < len(repeat):
        raise HistotransferError(
            cv_paths[0],
            "holds a repeat that another block holds too",
            "Delete the files of an older block size and run the workflow again",
        )
    order = np.argsort(repeat)
    # Those of the first repeats, which the blocks hold in the order of their own repeats.
    paired = np.concatenate([own[: len(some)] for own, some in zip(repeats, without, strict=True)])
    return Predictions(
        np.concatenate(values)[order],
        repeat[order],
        samples,
        targets,
        np.concatenate(without)[np.argsort(paired)],
    )
