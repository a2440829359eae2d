"""Scores of out-of-fold predictions, per fold and per repeat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from ..core.errors import HistotransferError
from ..core.hdf5 import open_store
from ..core.tables import read_table, write_table

POOLED = -1  # the "fold" of a score over the whole repeat's out-of-fold predictions
PRIMARY = {"tissue": "accuracy", "expression": "pearson", "mutation": "auroc"}

Float = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Predictions:
    """All repeats of one task and extractor.

    Attributes
    ----------
    values : (repeats, n, t) float32
        Out-of-fold predictions, NaN where there is none.
    repeats : (repeats,) int
    samples, targets : list of str
    """

    values: npt.NDArray[np.float32]
    repeats: npt.NDArray[np.int64]
    samples: list[str]
    targets: list[str]


def read_predictions(cv_paths: Sequence[str | Path]) -> Predictions:
    """Read and join the blocks of a task and extractor, in the order of the repeats.

    Raises
    ------
    HistotransferError
        If two blocks differ in samples or targets, or hold the same repeat.
    """
    values, repeats = [], []
    samples: list[str] = []
    targets: list[str] = []
    for path in cv_paths:
        with open_store(path, "cv/1") as store:
            names = [str(name) for name in store["sample"].asstr()[:]]
            columns = [str(name) for name in store["target"].asstr()[:]]
            values.append(store["predictions"][:])
            repeats.append(store["repeat"][:].astype(np.int64))
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
    return Predictions(np.concatenate(values)[order], repeat[order], samples, targets)


def read_truth(labels_path: str | Path, kind: str, predictions: Predictions) -> Float:
    """Return the labels in the order of the predictions.

    Returns
    -------
    (n, t) float64
        NaN where a label is missing; for tissue 1 in the column of the sample's class, else 0.
    """
    types = {"sample": "str", "group": "str", "tissue": "str"}
    labels = read_table(labels_path, **types).set_index("sample").loc[predictions.samples]
    if kind == "tissue":
        tissue = labels["tissue"].to_numpy(dtype=str)
        return np.asarray(tissue[:, None] == np.array(predictions.targets), dtype=np.float64)
    return labels[predictions.targets].to_numpy(dtype=np.float64)


def write_scores(
    cv_paths: Sequence[str | Path],
    labels_path: str | Path,
    splits_path: str | Path,
    out_path: str | Path,
    *,
    kind: str,
) -> None:
    """Score every fold of every repeat, and every repeat's pooled out-of-fold predictions.

    Parameters
    ----------
    cv_paths : sequence of str or Path
        The blocks ``cv/{task}/{extractor}/*.h5``, in any order.
    labels_path, splits_path : str or Path
        ``labels/{task}.tsv`` and ``splits/{task}.tsv``.
    out_path : str or Path
        Tidy table: target, metric, repeat, fold (-1: the whole repeat), value; the value is empty
        where the score is undefined, such as an AUROC in a fold of one class.
    kind : {"tissue", "expression", "mutation"}
        Tissue: accuracy and balanced_accuracy of target ``all``, and each class's accuracy, which
        is its recall. Expression: pearson, spearman and r2. Mutation: auroc, auprc (average
        precision) and brier.
    """
    predictions = read_predictions(cv_paths)
    truth = read_truth(labels_path, kind, predictions)
    splits = read_table(splits_path, sample="str")
    score = {"tissue": tissue_scores, "expression": expression_scores, "mutation": mutation_scores}
    tables = []
    for predicted, repeat in zip(predictions.values, predictions.repeats, strict=True):
        drawn = splits[splits["repeat"] == repeat].set_index("sample")["fold"]
        fold_of = drawn.loc[predictions.samples].to_numpy()
        for fold, rows in _folds(fold_of):
            table = score[kind](
                truth[rows], predicted[rows].astype(np.float64), predictions.targets
            )
            tables.append(table.assign(repeat=repeat, fold=fold))
    scores = pd.concat(tables)[["target", "metric", "repeat", "fold", "value"]]
    write_table(scores.sort_values(["target", "metric", "repeat", "fold"]), out_path)


def _folds(fold_of: npt.NDArray[np.int64]) -> Iterator[tuple[int, Bools]]:
    yield POOLED, np.ones(len(fold_of), dtype=bool)
    for fold in np.unique(fold_of):
        yield int(fold), fold_of == fold


def tissue_scores(truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
    """Return accuracy and balanced accuracy overall, and the recall of each class."""
    hits, there = hit_and_class(truth, predicted)
    with np.errstate(invalid="ignore"):
        recall = (hits[:, None] & there).sum(axis=0) / there.sum(axis=0)
    overall = hits.mean() if len(hits) else np.nan
    balanced = np.nanmean(recall) if np.isfinite(recall).any() else np.nan
    return pd.DataFrame(
        {
            "target": ["all", "all", *targets],
            "metric": ["accuracy", "balanced_accuracy", *["accuracy"] * len(targets)],
            "value": [overall, balanced, *recall],
        }
    )


def hit_and_class(truth: Float, predicted: Float) -> tuple[Bools, Bools]:
    """Return, of the samples that were predicted, whether rightly, and (n, classes) the truth."""
    done = np.isfinite(predicted).all(axis=1)
    there = truth[done] == 1
    return there[np.arange(len(there)), predicted[done].argmax(axis=1)], there


def expression_scores(truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
    """Return the Pearson and Spearman correlation and the R² of each gene."""
    scores = {
        "pearson": pearson(truth, predicted),
        "spearman": spearman(truth, predicted),
        "r2": r2(truth, predicted),
    }
    return pd.concat(
        pd.DataFrame({"target": targets, "metric": metric, "value": value})
        for metric, value in scores.items()
    )


def spearman(truth: Float, predicted: Float) -> Float:
    """Return the rank correlation of each column over the rows where both are known; else NaN."""
    unknown = ~(np.isfinite(truth) & np.isfinite(predicted))
    if not unknown.any():
        return pearson(rankdata(truth, axis=0), rankdata(predicted, axis=0))
    ranks = [
        rankdata(np.where(unknown, np.nan, values), axis=0, nan_policy="omit")
        for values in (truth, predicted)
    ]
    return pearson(*ranks)


def r2(truth: Float, predicted: Float) -> Float:
    """Return the share of each column's variance that is predicted, over the rows both are known.

    Below zero where the mean would have been the better prediction. NaN as for `pearson` of the
    truth: fewer than two rows, or no variance.
    """
    known = np.isfinite(truth) & np.isfinite(predicted)
    n = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, truth, 0).sum(axis=0) / n
        spread = np.where(known, (truth - mean) ** 2, 0).sum(axis=0)
        missed = np.where(known, (truth - predicted) ** 2, 0).sum(axis=0)
        size = np.where(known, truth**2, 0).sum(axis=0)
        defined = (n >= 2) & (spread > 1e-24 * size)
        return np.where(defined, 1 - missed / spread, np.nan)


def pearson(truth: Float, predicted: Float) -> Float:
    """Return the correlation of each column over the rows where both are known.

    NaN where it is undefined: fewer than two rows, or no variance on one side.
    """
    known = np.isfinite(truth) & np.isfinite(predicted)
    n = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        a = np.where(known, truth - np.where(known, truth, 0).sum(axis=0) / n, 0)
        b = np.where(known, predicted - np.where(known, predicted, 0).sum(axis=0) / n, 0)
        spread = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
        # Constant values leave rounding errors of this size after centring.
        size = np.abs(np.where(known, truth * predicted, 0)).sum(axis=0)
        defined = (n >= 2) & (spread > 1e-12 * size)
        return np.where(defined, (a * b).sum(axis=0) / spread, np.nan)


def mutation_scores(truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
    """Return AUROC, average precision and Brier score of each gene."""
    tables = []
    for target, labels, values in zip(targets, truth.T, predicted.T, strict=True):
        known = np.isfinite(labels) & np.isfinite(values)
        positive, values = labels[known] == 1, values[known]
        brier = np.mean((values - positive) ** 2) if known.any() else np.nan
        tables.append(
            pd.DataFrame(
                {
                    "target": target,
                    "metric": ["auroc", "auprc", "brier"],
                    "value": [auroc(positive, values), average_precision(positive, values), brier],
                }
            )
        )
    return pd.concat(tables)


def auroc(positive: Bools, values: Float) -> float:
    """Return the area under the ROC curve, ties counting half; NaN where a class is absent."""
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    ranks = rankdata(values)[positive].sum()
    return float((ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def average_precision(positive: Bools, values: Float) -> float:
    """Return the mean, over the positives, of the precision at their value; NaN without any."""
    if not positive.any():
        return float("nan")
    above = rankdata(-values, method="max")[positive]
    positives_above = rankdata(-values[positive], method="max")
    return float(np.mean(positives_above / above))
