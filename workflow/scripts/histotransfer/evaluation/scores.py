"""Scores of out-of-fold predictions: one value per fold.

A score is that of a fold, everywhere: over a whole repeat, predictions of five models would be
compared, and each carries the mean of its training folds, which is high where the test fold is low.
Without any signal, such scores lie below chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..core.tables import TableSchema, read_table, write_table
from ..labels.files import read_labels_file
from .kinds import KINDS, TaskKind
from .predictions import Predictions, read_predictions
from .predictors.predictor import Float, Ints
from .splits import SPLITS, fold_of_samples

SCORES = TableSchema.of(
    "scores", "text: task extractor target metric", "integer: repeat fold without", "number: value"
)
NO_OTHER = -1
"""In `without`: the model was trained without the fold alone."""


def write_scores(
    cv_paths: Sequence[str | Path],
    labels_path: str | Path,
    splits_path: str | Path,
    out_path: str | Path,
    *,
    kind: str,
    task: str,
    extractor: str,
) -> None:
    """Score every fold of every repeat.

    Parameters
    ----------
    cv_paths : sequence of str or Path
        The blocks ``cv/{task}/{extractor}/*.h5``, in any order.
    out_path : str or Path
        The table `SCORES`. The value is empty where the score is undefined, such as an AUROC in a
        fold of one class. Where `without` is a fold, it is the primary score under a model that was
        trained without that fold, too.
    kind, task, extractor : str
        Whose predictions these must be; `TaskKind.scores` says which metrics they have.
    """
    task_kind = KINDS[kind]
    predictions = read_predictions(cv_paths, task=task, extractor=extractor)
    truth = task_kind.truth(read_labels_file(labels_path), predictions.samples, predictions.targets)
    splits = read_table(splits_path, SPLITS, task=task)
    tables = []
    names: dict[str, pd.CategoricalDtype] = {}
    for number, repeat in enumerate(predictions.repeats):
        fold_of = fold_of_samples(splits, repeat, predictions.samples, splits_path)
        for table in scores_of_repeat(task_kind, truth, fold_of, predictions, number):
            # Of all genes there are millions of rows: their names are kept as numbers.
            names = names or {key: _sorted_names(table[key]) for key in ("target", "metric")}
            tables.append(table.astype(names).assign(repeat=repeat))
    scores = pd.concat(tables).sort_values(["target", "metric", "repeat", "fold", "without"])
    whose = {"task": task, "extractor": extractor}
    scores = scores.assign(
        **{key: pd.Categorical([name]).repeat(len(scores)) for key, name in whose.items()}
    )
    write_table(scores, out_path, SCORES)


def scores_of_repeat(
    kind: TaskKind, truth: Float, fold_of: Ints, predictions: Predictions, number: int
) -> Iterator[pd.DataFrame]:
    """Yield the scores of each fold of a repeat, and those without each other fold where there are.

    Truth is (n, t), `fold_of` (n,); the repeat is that of this number among the predictions. The
    tables have target, metric, value, fold and without, the first one every metric.
    """
    for fold in np.unique(fold_of):
        rows = fold_of == fold
        values = predictions.values[number][rows].astype(np.float64)
        tables = [kind.scores(truth[rows], values, predictions.targets)]
        if number < len(predictions.without):
            training = predictions.without[number, fold][~rows].astype(np.float64)
            beside = truth[~rows], training, predictions.targets
            tables.append(kind.with_training(truth[rows], values, *beside))
        table = pd.concat([table for table in tables if len(table)], ignore_index=True)
        yield table.assign(fold=fold, without=NO_OTHER)
        if number < len(predictions.without):
            for other in np.unique(fold_of[~rows]):
                values = predictions.without[number, other][rows].astype(np.float64)
                table = kind.primary(truth[rows], values, predictions.targets)
                yield table.assign(fold=fold, without=other)


def _sorted_names(column: pd.Series) -> pd.CategoricalDtype:
    """Return the type of a column of these names, which sorts like text."""
    return pd.CategoricalDtype(sorted(set(column)), ordered=True)
