"""The tables that only one kind of task has."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd

from ..core.streams import stream
from ..core.tables import TableSchema
from ..labels.survival_times import time_and_event
from . import shares
from . import statistics as st
from .concordance import kaplan_meier
from .metrics import BINS
from .predictors.predictor import Bools, Float, Ints, Single
from .task_results import TaskResults

CONFUSION = TableSchema.of(
    "confusion", "text: task extractor true predicted", "number: fraction", "integer: n"
)


def confusion(results: TaskResults) -> pd.DataFrame:
    """Return, of the n samples of each class, the fraction predicted as each class.

    The fraction is a mean over the repeats.
    """
    tables = []
    for name, predictions in results.predictions.items():
        classes, k = predictions.targets, len(predictions.targets)
        counts = np.zeros((k, k))
        for values in predictions.values:
            done = np.isfinite(values).all(axis=1)
            true, predicted = results.truth[done].argmax(axis=1), values[done].argmax(axis=1)
            np.add.at(counts, (true, predicted), 1)
        with np.errstate(invalid="ignore"):
            fraction = (counts / counts.sum(axis=1, keepdims=True)).ravel()
        n = np.repeat((results.truth == 1).sum(axis=0), k)
        table = pd.DataFrame(product(classes, classes), columns=["true", "predicted"])
        tables.append(table.assign(extractor=name, fraction=fraction, n=n))
    return pd.concat(tables).assign(task=results.task)


RELATED_GENES = TableSchema.of(
    "related_genes",
    "text: task target extractor",
    "number: r r_sd",
    "integer: n",
    "number: p_one_sided q_bh",
    "flag: related related_bh",
)


def related_genes(results: TaskResults) -> pd.DataFrame:
    """Return, per target and extractor, whether a number is related to the image features.

    `r` is the mean correlation over the folds, `r_sd` the deviation of the repeats' means; related:
    the one-sided p of r above zero (`statistics.above`) is below alpha, or its q among the targets.
    """
    tables = []
    alpha = results.parameters.alpha
    for name, score in results.above_chance.items():
        q = st.benjamini_hochberg(score["p"])
        table = pd.DataFrame(
            {
                "target": results.targets,
                "r": score["mean"],
                "r_sd": _sd(results.primary[name].repeat_means),
                "n": results.n,
                "p_one_sided": score["p"],
                "q_bh": q,
                "related": score["p"] < alpha,
                "related_bh": q <= alpha,
            }
        )
        tables.append(table.assign(task=results.task, extractor=name))
    return pd.concat(tables, ignore_index=True)


IMPROVED = TableSchema.of(
    "improved",
    "text: task baseline extractor",
    "integer: n_genes n_related n_related_bh n_improved",
    "number: fraction share_truly ci_low ci_high p_sign",
    "text: status",
)
NO_RELATED, FEW_RELATED = "no related target", "too few related targets"


def improved(results: TaskResults) -> pd.DataFrame:
    """Return how many of the related targets the second extractor of each pair predicts better.

    Related is a target that is related under at least one extractor. `fraction` is the share with a
    higher mean score; `share_truly` estimates in how many the true difference is positive, and the
    interval bounds that share though targets are correlated (`shares`). The sign test, as
    published, takes targets as if independent. Fewer than `shares.FEWEST` targets have neither.
    """
    by_gene = related_genes(results).groupby("target", sort=False)[["related", "related_bh"]].any()
    chosen = by_gene["related"].to_numpy()
    n_related = int(chosen.sum())
    status = st.OK if n_related >= shares.FEWEST else FEW_RELATED if n_related else NO_RELATED
    rows: list[dict[str, object]] = []
    for place, (baseline, name) in enumerate(combinations(results.primary, 2)):
        every = results.primary[name] - results.primary[baseline]
        difference = every.of_targets(chosen)
        delta = difference.mean
        share, low, high = np.nan, np.nan, np.nan
        se = np.sqrt(difference.variance()) if n_related else delta
        if status == st.OK and (se > 0).all():
            rng = stream(results.parameters.seed, "gene differences", results.number, place)
            null = shares.null_statistics(difference, rng)
            error = (1 - st.LEVEL) / 2
            low = shares.at_least(delta / se, null, error) / n_related
            high = 1 - shares.at_least(-delta / se, null, error) / n_related
            share = shares.truly_positive(delta, se)
        better = int((delta > 0).sum())
        rows.append(
            {
                "baseline": baseline,
                "extractor": name,
                "n_improved": better,
                "fraction": better / n_related if n_related else np.nan,
                "share_truly": share,
                "ci_low": low,
                "ci_high": high,
                "p_sign": st.sign_test(better, n_related),
            }
        )
    return pd.DataFrame(rows).assign(
        task=results.task,
        n_genes=len(by_gene),
        n_related=n_related,
        n_related_bh=int(by_gene["related_bh"].sum()),
        status=status,
    )


MUTATION = TableSchema.of(
    "mutation",
    "text: task target extractor",
    "number: mean sd ci_low ci_high",
    "integer: n_positive n",
    "number: p q_bh",
    "text: status",
)


def mutation(results: TaskResults) -> pd.DataFrame:
    """Return how well each extractor predicts each target of two values.

    `mean` AUROC over the folds with its 95 % interval and the one-sided `p` of a mean above one
    half (`statistics.above`); `sd` of the repeats' means.
    """
    positives = dict(zip(results.labelled, (results.truth == 1).sum(axis=0), strict=True))
    tables = []
    for name, score in results.above_chance.items():
        table = score.assign(
            target=results.targets,
            task=results.task,
            extractor=name,
            sd=_sd(results.primary[name].repeat_means),
            n_positive=[positives[target] for target in results.targets],
            n=results.n,
        )
        status = np.where(table["p"].isna(), st.NOT_ESTIMABLE, st.OK)
        tables.append(table.assign(q_bh=st.benjamini_hochberg(table["p"]), status=status))
    return pd.concat(tables, ignore_index=True)


def _sd(repeat_means: Float) -> Float:
    with np.errstate(invalid="ignore"):
        return np.asarray(pd.DataFrame(repeat_means).std(ddof=1))


ROC = TableSchema.of("roc", "text: task target extractor", "number: fpr tpr")

ROC_AT = np.linspace(0, 1, 101)
"""The false positive rates at which ROC curves are given."""


def roc(results: TaskResults) -> pd.DataFrame:
    """Return the ROC curve of each target under each extractor, at `ROC_AT`.

    The mean of the folds' curves, of true positive rates at the same false positive rate (Fawcett,
    Pattern Recognit Lett 2006;27:861), so that the area below it is the mean AUROC but for the
    steps of `ROC_AT`; nothing of a target that cannot be estimated.
    """
    tables = []
    for name, predictions in results.predictions.items():
        for i, target in enumerate(predictions.targets):
            curves = [
                curve
                for values, fold_of in zip(predictions.values, results.fold_of, strict=True)
                for fold in np.unique(fold_of)
                if (curve := _curve(results.truth[:, i], values[:, i], fold_of == fold)) is not None
            ]
            if not curves:
                continue
            table = pd.DataFrame({"fpr": ROC_AT, "tpr": np.mean(curves, axis=0)})
            tables.append(table.assign(target=target, extractor=name))
    return pd.concat(tables).assign(task=results.task) if tables else ROC.empty()


def _curve(truth: Float, values: Single, rows: Bools) -> Float | None:
    """Return the true positive rate at each of `ROC_AT`; None where a class is missing."""
    rows = rows & np.isfinite(truth) & np.isfinite(values)
    positive = truth[rows] == 1
    if not 0 < positive.sum() < len(positive):
        return None
    order = np.argsort(-values[rows], kind="stable")
    # A threshold between equal predictions separates nothing; ties are joined by a straight line.
    ends = np.append(np.flatnonzero(np.diff(values[rows][order])), len(order) - 1)
    hits, alarms = np.cumsum(positive[order])[ends], np.cumsum(~positive[order])[ends]
    tpr, fpr = np.append(0, hits / hits[-1]), np.append(0, alarms / alarms[-1])
    # Where the curve rises straight up, the last of equal rates counts: its top.
    return np.asarray(np.interp(ROC_AT, fpr, tpr))


CLASS_ROC = TableSchema.of("class_roc", "text: task target extractor", "number: fpr tpr")
"""Of each class against all others."""

CALIBRATION = TableSchema.of(
    "calibration",
    "text: task target extractor",
    "number: lower upper n predicted observed ci_low ci_high",
)


def calibration(results: TaskResults) -> pd.DataFrame:
    """Return how often patients are positive whose predicted probability lies in a bin.

    The bins of `metrics.calibration_error`, over the out-of-fold predictions of all repeats. A
    patient is counted once per repeat, so `n` is the mean number of patients in a repeat; the
    interval of the `observed` share is Wilson's for this number. Empty bins have no row.
    """
    edges = np.linspace(0, 1, BINS + 1)
    tables = []
    for name, predictions in results.predictions.items():
        for i, target in enumerate(predictions.targets):
            values = predictions.values[:, :, i].astype(np.float64)
            truth = np.broadcast_to(results.truth[:, i], values.shape)
            known = np.isfinite(values) & np.isfinite(truth)
            if not known.any():
                continue
            bins = np.searchsorted(edges[1:-1], values[known])
            rows = pd.DataFrame({"predicted": values[known], "observed": truth[known] == 1})
            of_bins = rows.groupby(bins)
            table = of_bins.mean().assign(n=of_bins.size() / len(values), target=target)
            places = table.index.to_numpy()
            low, high = st.wilson(table["observed"].to_numpy(), table["n"].to_numpy())
            tables.append(
                table.assign(
                    extractor=name, lower=edges[places], upper=edges[places + 1],
                    ci_low=low, ci_high=high,
                )
            )  # fmt: skip
    if not tables:
        return CALIBRATION.empty()
    return pd.concat(tables, ignore_index=True).assign(task=results.task)


RISK_GROUPS = TableSchema.of(
    "risk_groups",
    "text: task target extractor group",
    "number: time survival",
    "integer: at_risk",
    "flag: event",
)
HIGH, LOW = "high", "low"


def risk_groups(results: TaskResults) -> pd.DataFrame:
    """Return the Kaplan–Meier estimate of the patients of high and of low predicted risk.

    A patient is of the group in which it is in most repeats: above or below the median risk of its
    test fold, by the model that has not seen it. So no group is formed with the survival that it
    is to show. `event` tells whether the survival falls at the time.
    """
    tables = []
    for name, predictions in results.predictions.items():
        high = np.mean(
            [
                _above_median(values.astype(np.float64), fold_of)
                for values, fold_of in zip(predictions.values, results.fold_of, strict=True)
            ],
            axis=0,
        )
        for i, target in enumerate(predictions.targets):
            known = np.isfinite(high[:, i]) & np.isfinite(results.truth[:, i])
            time, event = time_and_event(results.truth[:, i])
            for group, members in ((HIGH, high[:, i] >= 0.5), (LOW, high[:, i] < 0.5)):
                rows = known & members
                curve = kaplan_meier(time[rows], event[rows])
                table = pd.DataFrame(
                    {
                        "time": curve.times,
                        "survival": curve.survival,
                        "at_risk": curve.at_risk,
                        "event": np.isin(curve.times, time[rows & event]),
                    }
                )
                tables.append(table.assign(target=target, extractor=name, group=group))
    return pd.concat(tables).assign(task=results.task)


def _above_median(values: Float, fold_of: Ints) -> Float:
    """Tell of (n, t) risks whether each is above the median of its fold; NaN of an unknown one."""
    medians = pd.DataFrame(values).groupby(fold_of).transform("median").to_numpy()
    return np.where(np.isfinite(values), values > medians, np.nan)
