"""The tables that only one kind of task has."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu

from ..core.tables import TableSchema
from . import statistics as st
from .metrics import auroc
from .task_results import TaskResults

Row = dict[str, object]

CONFUSION = TableSchema.of(
    "confusion",
    "text: task extractor true predicted",
    "number: fraction",
    "integer: n",
)


def confusion(results: TaskResults) -> pd.DataFrame:
    """Return, of the n patches of each class, the fraction predicted as each class.

    The fraction is a mean over the repeats.
    """
    rows: list[Row] = []
    for name, predictions in results.predictions.items():
        k = len(predictions.targets)
        counts = np.zeros((k, k))
        for values in predictions.values:
            done = np.isfinite(values).all(axis=1)
            true, predicted = results.truth[done].argmax(axis=1), values[done].argmax(axis=1)
            np.add.at(counts, (true, predicted), 1)
        rows += [
            {
                "task": results.task,
                "extractor": name,
                "true": predictions.targets[i],
                "predicted": predictions.targets[j],
                "fraction": counts[i, j] / counts[i].sum() if counts[i].any() else np.nan,
                "n": int((results.truth[:, i] == 1).sum()),
            }
            for i, j in product(range(k), range(k))
        ]
    return pd.DataFrame(rows)


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
        table = pd.DataFrame([{"target": t} for t in predictions.targets]).assign(
            task=results.task,
            extractor=name,
            r=score["mean"].to_numpy(),
            r_sd=score["std"].to_numpy(),
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
    related, resampled = related_genes(results), results.resampled
    by_gene = related.groupby("target")[["related", "related_bh"]].any()
    genes = by_gene.index[by_gene["related"]].tolist()
    r = related.pivot(index="target", columns="extractor", values="r")
    rows: list[Row] = []
    for name in results.compared:
        better = int((r.loc[genes, name] > r.loc[genes, results.baseline]).sum())
        low, high = float("nan"), float("nan")
        if genes:
            differences = [resampled[name][g] - resampled[results.baseline][g] for g in genes]
            low, high = st.percentile_interval((np.array(differences) > 0).mean(axis=0))
        rows.append(
            {
                "task": results.task,
                "baseline": results.baseline,
                "extractor": name,
                "n_genes": len(by_gene),
                "n_related": len(genes),
                "n_related_bh": int(by_gene["related_bh"].sum()),
                "n_improved": better,
                "fraction": better / len(genes) if genes else np.nan,
                "ci_low": low,
                "ci_high": high,
                "p_sign": st.sign_test(better, len(genes)),
                "status": st.OK if genes else "no related gene",
            }
        )
    return pd.DataFrame(rows)


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
    tables = []
    for name, predictions in results.predictions.items():
        score = results.over_repeats(name)
        rows: list[Row] = []
        for i, target in enumerate(predictions.targets):
            truth, values = results.truth[:, i], predictions.values[:, :, i].astype(float)
            known = np.isfinite(truth) & np.isfinite(values).any(axis=0)
            average, positive = np.nanmean(values[:, known], axis=0), truth[known] == 1
            defined = np.isfinite(auroc(positive, average))
            p = np.nan
            if defined:
                groups = average[positive], average[~positive]
                p = mannwhitneyu(*groups, alternative="greater").pvalue
            rows.append(
                {
                    "task": results.task,
                    "target": target,
                    "extractor": name,
                    "mean": score.loc[target, "mean"],
                    "sd": score.loc[target, "std"],
                    "n_positive": int((truth == 1).sum()),
                    "n": int(np.isfinite(truth).sum()),
                    "p": p,
                    "status": st.OK if defined else st.NOT_ESTIMABLE,
                }
            )
        table = pd.DataFrame(rows).sort_values("target")
        tables.append(table.assign(q_bh=st.benjamini_hochberg(table["p"].astype(float))))
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
            columns = {"fpr": ROC_AT, "tpr": curve, "ci_low": low, "ci_high": high}
            ids = {"task": results.task, "target": target, "extractor": name}
            tables.append(pd.DataFrame({**ids, **columns}))
    return pd.concat(tables) if tables else pd.DataFrame([])
