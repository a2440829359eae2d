"""Scores of out-of-fold predictions, per fold and per repeat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..core.tables import TableSchema, read_table, write_table
from ..labels.files import read_labels_file
from .kinds import KINDS
from .predictions import read_predictions
from .splits import SPLITS, fold_of_samples

SCORES = TableSchema.of(
    "scores", "text: task extractor target metric", "integer: repeat fold", "number: value"
)
POOLED = -1  # the "fold" of a score over the whole repeat's out-of-fold predictions


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
    """Score every fold of every repeat, and every repeat's pooled out-of-fold predictions.

    Parameters
    ----------
    cv_paths : sequence of str or Path
        The blocks ``cv/{task}/{extractor}/*.h5``, in any order.
    out_path : str or Path
        The table `SCORES`; fold -1 is the whole repeat. The value is empty where the score is
        undefined, such as an AUROC in a fold of one class.
    kind, task, extractor : str
        Whose predictions these must be; `TaskKind.scores` says which metrics they have.
    """
    task_kind = KINDS[kind]
    predictions = read_predictions(cv_paths, task=task, extractor=extractor)
    truth = task_kind.truth(read_labels_file(labels_path), predictions.samples, predictions.targets)
    splits = read_table(splits_path, SPLITS, task=task)
    tables = []
    names: dict[str, pd.CategoricalDtype] = {}
    for predicted, repeat in zip(predictions.values, predictions.repeats, strict=True):
        fold_of = fold_of_samples(splits, repeat, predictions.samples, splits_path)
        for fold in (POOLED, *np.unique(fold_of)):
            rows = (fold_of == fold) | (fold == POOLED)
            values = predicted[rows].astype(np.float64)
            table = task_kind.scores(truth[rows], values, predictions.targets)
            # Of all genes there are millions of rows: their names are kept as numbers.
            names = names or {key: _sorted_names(table[key]) for key in ("target", "metric")}
            tables.append(table.astype(names).assign(repeat=repeat, fold=fold))
    scores = pd.concat(tables).sort_values(["target", "metric", "repeat", "fold"])
    whose = {"task": task, "extractor": extractor}
    scores = scores.assign(
        **{key: pd.Categorical([name]).repeat(len(scores)) for key, name in whose.items()}
    )
    write_table(scores, out_path, SCORES)


def _sorted_names(column: pd.Series) -> pd.CategoricalDtype:
    """Return the type of a column of these names, which sorts like text."""
    return pd.CategoricalDtype(sorted(set(column)), ordered=True)
