"""Scores of predictions: one value per target."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .predictors.predictor import Bools, Float

FEWEST = 3
"""Samples from which a correlation or an R² says something: over two it is 1 or -1 by itself."""
BINS = 10
"""Bins of equal width of the expected calibration error."""


def hit_and_class(truth: Float, predicted: Float) -> tuple[Bools, Bools]:
    """Return, of the samples that were predicted, whether rightly, and (n, classes) the truth."""
    done = np.isfinite(predicted).all(axis=1)
    there = truth[done] == 1
    return there[np.arange(len(there)), predicted[done].argmax(axis=1)], there


def accuracy_and_recall(truth: Float, predicted: Float) -> tuple[float, Float]:
    """Return the share of samples whose class is predicted rightly, and of each class's.

    Truth is one-hot (n, classes), predictions are probabilities; NaN for a class without samples.
    """
    hits, there = hit_and_class(truth, predicted)
    with np.errstate(invalid="ignore"):
        recall = (hits[:, None] & there).sum(axis=0) / there.sum(axis=0)
    return float(hits.mean()) if len(hits) else float("nan"), recall


def spearman(truth: Float, predicted: Float) -> Float:
    """Return the rank correlation of each column over the rows where both are known.

    NaN as for `pearson`.
    """
    unknown = ~(np.isfinite(truth) & np.isfinite(predicted))
    return pearson(*(_ranks(np.where(unknown, np.nan, values)) for values in (truth, predicted)))


def r2(truth: Float, predicted: Float) -> Float:
    """Return the share of each column's variance that is predicted, over the rows both are known.

    Below zero where the mean would have been the better prediction. NaN where it is undefined:
    fewer than `FEWEST` rows, or no variance of the truth.
    """
    known = np.isfinite(truth) & np.isfinite(predicted)
    n = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, truth, 0).sum(axis=0) / n
        spread = np.where(known, (truth - mean) ** 2, 0).sum(axis=0)
        missed = np.where(known, (truth - predicted) ** 2, 0).sum(axis=0)
        size = np.where(known, truth**2, 0).sum(axis=0)
        defined = (n >= FEWEST) & (spread > 1e-24 * size)
        return np.where(defined, 1 - missed / spread, np.nan)


def pearson(truth: Float, predicted: Float) -> Float:
    """Return the correlation of each column over the rows where both are known.

    NaN where it is undefined: fewer than `FEWEST` rows, or no variance on one side.
    """
    known = np.isfinite(truth) & np.isfinite(predicted)
    n = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        a = np.where(known, truth - np.where(known, truth, 0).sum(axis=0) / n, 0)
        b = np.where(known, predicted - np.where(known, predicted, 0).sum(axis=0) / n, 0)
        spread = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
        # Constant values leave rounding errors of this size after centring.
        size = np.abs(np.where(known, truth * predicted, 0)).sum(axis=0)
        defined = (n >= FEWEST) & (spread > 1e-12 * size)
        return np.where(defined, (a * b).sum(axis=0) / spread, np.nan)


def auroc(positive: Bools, values: Float) -> float:
    """Return the area under the ROC curve, ties counting half; NaN where a class is absent."""
    return float(aurocs(positive[:, None].astype(np.float64), values[:, None])[0])


def aurocs(truth: Float, predicted: Float) -> Float:
    """Return the `auroc` of each column, over the rows where both are known; truth is 0 or 1."""
    known = np.isfinite(truth) & np.isfinite(predicted)
    positive = known & (truth == 1)
    n_positive, n_negative = positive.sum(axis=0), (known & ~positive).sum(axis=0)
    # What is unknown ranks above all, and so leaves the ranks of the others as they are.
    ranks = _ranks(np.where(known, predicted, np.inf))
    above = np.where(positive, ranks, 0).sum(axis=0) - n_positive * (n_positive + 1) / 2
    pairs = n_positive * n_negative
    with np.errstate(invalid="ignore"):
        return np.asarray(above / np.where(pairs > 0, pairs, np.nan))


def average_precision(positive: Bools, values: Float) -> float:
    """Return the mean, over the positives, of the precision at their value.

    NaN where a class is absent: without negatives, every precision is 1 by itself.
    """
    if positive.all() or not positive.any():
        return float("nan")
    above = pd.Series(-values).rank(method="max").to_numpy()[positive]
    positives_above = pd.Series(-values[positive]).rank(method="max").to_numpy()
    return float(np.mean(positives_above / above))


def macro_auroc(truth: Float, predicted: Float) -> float:
    """Return the mean AUROC of one class against the rest, over the classes that have both.

    Truth is one-hot (n, classes), predictions are probabilities; samples that were not predicted do
    not count.
    """
    done = np.isfinite(predicted).all(axis=1)
    each = [auroc(a == 1, b) for a, b in zip(truth[done].T, predicted[done].T, strict=True)]
    known = np.isfinite(each)
    return float(np.mean(np.array(each)[known])) if known.any() else float("nan")


def calibration_error(positive: Bools, values: Float) -> float:
    """Return the expected calibration error; NaN of none.

    The probabilities are sorted into `BINS` bins of equal width, closed above as scikit-learn's
    (0 is in the first). Of each bin the mean probability is compared with the share of positives;
    the error is the mean absolute difference, weighted by the bins' samples (Naeini et al., AAAI
    2015).
    """
    if not len(values):
        return float("nan")
    bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], values)
    difference = np.bincount(bins, values - positive, minlength=BINS)
    return float(np.abs(difference).sum() / len(values))


def brier(positive: Bools, values: Float) -> float:
    """Return the mean squared difference of the probabilities from 0 and 1; NaN of none."""
    return float(np.mean((values - positive) ** 2)) if len(values) else float("nan")


def _ranks(values: Float) -> Float:
    """Rank each column, ties by their mean rank; NaN stays.

    By pandas: SciPy's statistics take half of the time that a job of cross-validation starts in.
    """
    return pd.DataFrame(values).rank().to_numpy(dtype=np.float64)
