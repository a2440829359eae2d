"""The tables that only one kind of task has."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu

from ..core.tables import TableSchema
from . import statistics as st
from .task_results import TaskResults

CONFUSION = TableSchema.of(
    "confusion", "text: task extractor true predicted", "number: fraction", "integer: n"
)


def confusion(results: TaskResults) -> pd.DataFrame:
    """Return, of the n patches of each class, the fraction predicted as each class.

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
    """Return, per gene and extractor, whether expression is related to the image features.

    `r` is the correlation of a repeat's pooled out-of-fold predictions, averaged over the repeats;
    related: its one-sided p is below alpha (as published), or its q among the genes is.
    """
    tables = []
    for name, predictions in results.predictions.items():
        score = results.over_repeats(name).loc[predictions.targets]
        n = np.isfinite(results.truth).sum(axis=0)
        p = st.pearson_p(score["mean"], n)
        q = st.benjamini_hochberg(p)
        table = score.rename(columns={"mean": "r", "sd": "r_sd"}).reset_index()
        table = table.assign(
            task=results.task,
            extractor=name,
            n=n,
            p_one_sided=p,
            q_bh=q,
            related=p < results.parameters.alpha,
            related_bh=q <= results.parameters.alpha,
        )
        tables.append(table.sort_values("target"))
    return pd.concat(tables, ignore_index=True)


IMPROVED = TableSchema.of(
    "improved",
    "text: task baseline extractor",
    "integer: n_genes n_related n_related_bh n_improved",
    "number: fraction ci_low ci_high p_sign",
    "text: status",
)


def improved(results: TaskResults) -> pd.DataFrame:
    """Return how many of the related genes each compared extractor predicts better.

    Related is a gene that is related under at least one extractor. The interval resamples patients
    and keeps the set of genes; the sign test, as published, takes genes as if independent.
    """
    baseline, *compared = results.scores
    related, resampled = related_genes(results), results.resampled
    by_gene = related.groupby("target")[["related", "related_bh"]].any()
    genes = by_gene.index[by_gene["related"]].tolist()
    r = related.pivot(index="target", columns="extractor", values="r")
    rows: list[dict[str, object]] = []
    for name in compared:
        better = int((r.loc[genes, name] > r.loc[genes, baseline]).sum())
        low, high = np.nan, np.nan
        if genes:
            differences = [resampled[name][g] - resampled[baseline][g] for g in genes]
            low, high = st.percentile_interval((np.array(differences) > 0).mean(axis=0))
        rows.append(
            {
                "extractor": name,
                "n_improved": better,
                "fraction": better / len(genes) if genes else np.nan,
                "ci_low": low,
                "ci_high": high,
                "p_sign": st.sign_test(better, len(genes)),
            }
        )
    return pd.DataFrame(rows).assign(
        task=results.task,
        baseline=baseline,
        n_genes=len(by_gene),
        n_related=len(genes),
        n_related_bh=int(by_gene["related_bh"].sum()),
        status=st.OK if genes else "no related gene",
    )


MUTATION = TableSchema.of(
    "mutation",
    "text: task target extractor",
    "number: mean sd",
    "integer: n_positive n",
    "number: p q_bh",
    "text: status",
)


def mutation(results: TaskResults) -> pd.DataFrame:
    """Return how well each extractor predicts each gene's mutation.

    `mean` and `sd` over the repeats of the AUROC of pooled out-of-fold predictions; `p` of the
    one-sided Mann–Whitney test of the predictions averaged over the repeats.
    """
    truth, tables = results.truth, []
    for name, predictions in results.predictions.items():
        p = np.full(len(predictions.targets), np.nan)
        for i, labels in enumerate(truth.T):
            values = predictions.values[:, :, i].astype(float)
            known = np.isfinite(labels) & np.isfinite(values).any(axis=0)
            average, positive = np.nanmean(values[:, known], axis=0), labels[known] == 1
            if 0 < positive.sum() < len(positive):
                groups = average[positive], average[~positive]
                p[i] = mannwhitneyu(*groups, alternative="greater").pvalue
        score = results.over_repeats(name).loc[predictions.targets].reset_index()
        table = score.assign(
            task=results.task,
            extractor=name,
            n_positive=(truth == 1).sum(axis=0),
            n=np.isfinite(truth).sum(axis=0),
            p=p,
            q_bh=st.benjamini_hochberg(p),
            status=np.where(np.isnan(p), st.NOT_ESTIMABLE, st.OK),
        )
        tables.append(table.sort_values("target"))
    return pd.concat(tables, ignore_index=True)


ROC = TableSchema.of("roc", "text: task target extractor", "number: fpr tpr ci_low ci_high")

ROC_AT = np.linspace(0, 1, 51)
"""The false positive rates at which ROC curves are given."""


def roc(results: TaskResults) -> pd.DataFrame:
    """Return the ROC curve of each gene's mutation under each extractor, at `ROC_AT`.

    A mean over the repeats with the pointwise 95 % interval of the bootstrap over patients; nothing
    of a gene that cannot be estimated.
    """
    tables = []
    for name, predictions in results.predictions.items():
        for target, truth, values in zip(
            predictions.targets, results.truth.T, predictions.values.transpose(2, 0, 1), strict=True
        ):
            once = np.ones((1, len(truth)))
            curve = st.resampled_roc(once, truth, values.astype(float), ROC_AT)[0]
            if np.isnan(curve).any():
                continue
            curves = st.resampled_roc(results.weights, truth, values.astype(float), ROC_AT)
            low, high = np.nanquantile(curves, [0.025, 0.975], axis=0)
            table = pd.DataFrame({"fpr": ROC_AT, "tpr": curve, "ci_low": low, "ci_high": high})
            tables.append(table.assign(target=target, extractor=name))
    return pd.concat(tables).assign(task=results.task) if tables else ROC.empty()
