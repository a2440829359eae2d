"""The tables that answer the study: scores of each extractor, and how they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import mannwhitneyu

from ..core.tables import read_table, write_table
from . import statistics as st
from .scores import POOLED, PRIMARY, Predictions, auroc, hit_and_class, read_predictions, read_truth
from .splits import STREAM

COLUMNS = {
    "comparison": "task target metric n baseline extractor baseline_mean extractor_mean delta "
    "ci_low ci_high p_corrected q_bh p_wilcoxon prob_better prob_equivalent prob_worse status "
    "boot_low boot_high",
    "related_genes": "task target extractor r r_sd n p_one_sided q_bh related related_bh",
    "improved": "task baseline extractor n_genes n_related n_related_bh n_improved fraction ci_low "
    "ci_high p_sign status",
    "confusion": "task extractor true predicted fraction n",
    "mutation": "task target extractor mean sd n_positive n p q_bh status",
    "roc": "task target extractor fpr tpr ci_low ci_high",
    "metrics": "task target extractor metric mean sd repeats",
}

ROC_AT = np.linspace(0, 1, 51)
"""The false positive rates at which ROC curves are given."""

Float = npt.NDArray[np.float64]
Row = dict[str, object]


@dataclass(frozen=True)
class Study:
    """One task with everything known about it.

    Attributes
    ----------
    task, kind, baseline : str
    folds : int
        k of the cross-validation.
    scores : mapping
        Tidy scores by extractor, the baseline first.
    predictions : mapping
        All repeats by extractor.
    truth : (n, t) float64
        Labels, in the order of the predictions.
    weights : (b, n) float64
        Bootstrap resamples of patients, the same for all targets and extractors.
    rope, alpha : float
        From ``statistics`` in the config.
    """

    task: str
    kind: str
    baseline: str
    folds: int
    scores: Mapping[str, pd.DataFrame]
    predictions: Mapping[str, Predictions]
    truth: Float
    weights: Float
    rope: float
    alpha: float


def write_comparison(
    scores: Mapping[str, Mapping[str, str | Path]],
    cv: Mapping[str, Mapping[str, Sequence[str | Path]]],
    labels: Mapping[str, str | Path],
    splits: Mapping[str, str | Path],
    *,
    kinds: Mapping[str, str],
    statistics: Mapping[str, Any],
    seed: int,
    out: Mapping[str, str | Path],
) -> None:
    """Compare every extractor with the first, the baseline, on every target of every task.

    Parameters
    ----------
    scores, cv : mapping of task to mapping of extractor to path or paths
        ``scores/{task}/{extractor}.tsv`` and the blocks ``cv/{task}/{extractor}/*.h5``, of the
        extractors that know the task's samples, in the order of the config.
    labels, splits : mapping of task to path
        ``labels/{task}.tsv`` and ``splits/{task}.tsv``.
    kinds : mapping of task to {"tissue", "expression", "mutation"}
        The order of the tasks in the tables.
    statistics : mapping
        ``rope``, ``alpha`` and ``bootstrap`` of the config.
    seed : int
        Draws the bootstrap's patients.
    out : mapping of table to path
        `comparison`, `related_genes`, `improved`, `confusion`, `mutation`, `roc` and
        `metrics`; a table without rows, because no task is of its kind, holds its header.
    """
    tables: dict[str, list[pd.DataFrame]] = {name: [_table(name, [])] for name in out}
    for task, kind in kinds.items():
        order = list(scores[task])
        baseline = order[0]
        predictions = {name: read_predictions(cv[task][name]) for name in order}
        samples = predictions[baseline].samples
        sheet = read_table(labels[task], sample="str", group="str").set_index("sample")
        group = sheet.loc[samples, "group"] if "group" in sheet else pd.Series(samples)
        rng = np.random.default_rng([seed, STREAM["bootstrap"], list(kinds).index(task)])
        study = Study(
            task=task,
            kind=kind,
            baseline=baseline,
            folds=int(read_table(splits[task], sample="str")["fold"].max()) + 1,
            scores={name: read_table(scores[task][name], target="str") for name in order},
            predictions=predictions,
            truth=read_truth(labels[task], kind, predictions[baseline]),
            weights=st.resamples(group.to_numpy(dtype=str), int(statistics["bootstrap"]), rng),
            rope=float(statistics["rope"]),
            alpha=float(statistics["alpha"]),
        )
        for name, table in tables_of(study).items():
            tables[name].append(table)
    for name, path in out.items():
        rows = [table for table in tables[name] if len(table)]
        write_table(pd.concat(rows) if rows else _table(name, []), path)


def tables_of(study: Study) -> dict[str, pd.DataFrame]:
    """Return the tables that a task contributes to, by name."""
    resampled = {name: _resampled(study, name) for name in study.predictions}
    tables = {"comparison": compare(study, resampled), "metrics": metrics(study)}
    if study.kind == "tissue":
        tables["confusion"] = confusion(study)
    elif study.kind == "mutation":
        tables |= {"mutation": mutation(study), "roc": roc(study)}
    else:
        tables["related_genes"] = related_genes(study)
        tables["improved"] = improved(study, tables["related_genes"], resampled)
    return tables


def _table(name: str, rows: Sequence[Row]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS[name].split())


def _resampled(study: Study, extractor: str) -> dict[str, Float]:
    """Return the (b,) bootstrapped primary score of each target, averaged over the repeats."""
    predictions = study.predictions[extractor]
    if study.kind == "tissue":
        hits = mean_hits(predictions, study.truth)
        scores = {"all": st.resampled_accuracy(study.weights, hits)}
        for target, there in zip(predictions.targets, study.truth.T == 1, strict=True):
            scores[target] = st.resampled_accuracy(study.weights[:, there], hits[there])
        return scores
    resample = st.resampled_pearson if study.kind == "expression" else st.resampled_auroc
    return {
        target: resample(
            study.weights, study.truth[:, i], predictions.values[:, :, i].astype(float)
        )
        for i, target in enumerate(predictions.targets)
    }


def mean_hits(predictions: Predictions, truth: Float) -> Float:
    """Return how often each sample's class was predicted rightly; NaN where never predicted."""
    hits = np.full(predictions.values.shape[:2], np.nan)
    for row, values in zip(hits, predictions.values, strict=True):
        row[np.isfinite(values).all(axis=1)] = hit_and_class(truth, values.astype(float))[0]
    known = np.isfinite(hits).any(axis=0)
    mean = np.full(len(known), np.nan)
    mean[known] = np.nanmean(hits[:, known], axis=0)
    return mean


def compare(study: Study, resampled: Mapping[str, Mapping[str, Float]]) -> pd.DataFrame:
    """Return one row per target and compared extractor.

    `baseline_mean`, `extractor_mean` and `delta` are means over the folds of all repeats in which
    both have a score; `boot_low` and `boot_high` bound the difference of the scores of pooled
    out-of-fold predictions. `q_bh` is of `p_corrected`, over the targets of a task and extractor.
    """
    metric = PRIMARY[study.kind]
    by_fold = {}
    for name, table in study.scores.items():
        primary = table[(table["metric"] == metric) & (table["fold"] != POOLED)]
        by_fold[name] = primary.pivot(index=["repeat", "fold"], columns="target", values="value")
    base = by_fold[study.baseline]
    n = _n_compared(study)
    tables = []
    for name in list(study.scores)[1:]:
        rows: list[Row] = []
        for target in sorted(base.columns, key=lambda target: (target != "all", target)):
            a, b = base[target], by_fold[name][target].reindex(base.index)
            d = b - a
            result = st.compare(d, folds=study.folds, rope=study.rope)
            boot = resampled[name][target] - resampled[study.baseline][target]
            boot_low, boot_high = st.percentile_interval(boot)
            rows.append(
                {
                    "task": study.task,
                    "target": target,
                    "metric": metric,
                    "n": n[target],
                    "baseline": study.baseline,
                    "extractor": name,
                    "baseline_mean": a[d.notna()].mean(),
                    "extractor_mean": b[d.notna()].mean(),
                    "delta": result.delta,
                    "ci_low": result.ci_low,
                    "ci_high": result.ci_high,
                    "p_corrected": result.p,
                    "p_wilcoxon": st.wilcoxon(d.groupby(level="repeat").mean()),
                    "prob_better": result.prob_better,
                    "prob_equivalent": result.prob_equivalent,
                    "prob_worse": result.prob_worse,
                    "status": result.status,
                    "boot_low": boot_low,
                    "boot_high": boot_high,
                }
            )
        table = _table("comparison", rows)
        tables.append(table.assign(q_bh=st.benjamini_hochberg(table["p_corrected"].astype(float))))
    return pd.concat(tables) if tables else _table("comparison", [])


def _n_compared(study: Study) -> dict[str, int]:
    """Count, per target, the samples that have the label: patients, or a class's patches."""
    targets = study.predictions[study.baseline].targets
    if study.kind == "tissue":
        counts = (study.truth == 1).sum(axis=0)
        return {"all": len(study.truth), **dict(zip(targets, counts.tolist(), strict=True))}
    counts = np.isfinite(study.truth).sum(axis=0)
    return dict(zip(targets, counts.tolist(), strict=True))


def confusion(study: Study) -> pd.DataFrame:
    """Return, of the n patches of each class, the fraction predicted as each class.

    The fraction is a mean over the repeats.
    """
    rows: list[Row] = []
    for name, predictions in study.predictions.items():
        k = len(predictions.targets)
        counts = np.zeros((k, k))
        for values in predictions.values:
            done = np.isfinite(values).all(axis=1)
            true, predicted = study.truth[done].argmax(axis=1), values[done].argmax(axis=1)
            np.add.at(counts, (true, predicted), 1)
        rows += [
            {
                "task": study.task,
                "extractor": name,
                "true": predictions.targets[i],
                "predicted": predictions.targets[j],
                "fraction": counts[i, j] / counts[i].sum() if counts[i].any() else np.nan,
                "n": int((study.truth[:, i] == 1).sum()),
            }
            for i, j in product(range(k), range(k))
        ]
    return _table("confusion", rows)


def _over_repeats(study: Study, extractor: str) -> pd.DataFrame:
    """Return mean and sd, over the repeats, of each target's score of pooled predictions."""
    table = study.scores[extractor]
    pooled = table[(table["metric"] == PRIMARY[study.kind]) & (table["fold"] == POOLED)]
    return pooled.groupby("target")["value"].agg(["mean", "std"])


def metrics(study: Study) -> pd.DataFrame:
    """Return every score of each target and extractor: mean and sd over the repeats.

    The scores are of a repeat's pooled out-of-fold predictions; `repeats` counts those in which one
    is defined.
    """
    tables = []
    for name, scores in study.scores.items():
        pooled = scores[scores["fold"] == POOLED].groupby(["target", "metric"])["value"]
        table = pooled.agg(mean="mean", sd="std", repeats="count").reset_index()
        tables.append(table.assign(task=study.task, extractor=name))
    return pd.concat(tables)[COLUMNS["metrics"].split()]


def related_genes(study: Study) -> pd.DataFrame:
    """Return, per gene and extractor, whether expression is related to the image features.

    `r` is the correlation of a repeat's pooled out-of-fold predictions, averaged over the repeats;
    related: its one-sided p is below alpha (as published), or its q among the genes is.
    """
    tables = []
    for name, predictions in study.predictions.items():
        score = _over_repeats(study, name).loc[predictions.targets]
        n = np.isfinite(study.truth).sum(axis=0)
        p = st.pearson_p(score["mean"], n)
        q = st.benjamini_hochberg(p)
        table = _table("related_genes", [{"target": t} for t in predictions.targets]).assign(
            task=study.task,
            extractor=name,
            r=score["mean"].to_numpy(),
            r_sd=score["std"].to_numpy(),
            n=n,
            p_one_sided=p,
            q_bh=q,
            related=p < study.alpha,
            related_bh=q <= study.alpha,
        )
        tables.append(table.sort_values("target"))
    return pd.concat(tables, ignore_index=True)


def improved(
    study: Study, related: pd.DataFrame, resampled: Mapping[str, Mapping[str, Float]]
) -> pd.DataFrame:
    """Return how many of the related genes each compared extractor predicts better.

    Related is a gene that is related under at least one extractor. The interval resamples patients
    and keeps the set of genes; the sign test, as published, takes genes as if independent.
    """
    by_gene = related.groupby("target")[["related", "related_bh"]].any()
    genes = by_gene.index[by_gene["related"]].tolist()
    r = related.pivot(index="target", columns="extractor", values="r")
    rows: list[Row] = []
    for name in list(study.scores)[1:]:
        better = int((r.loc[genes, name] > r.loc[genes, study.baseline]).sum())
        low, high = float("nan"), float("nan")
        if genes:
            differences = [resampled[name][g] - resampled[study.baseline][g] for g in genes]
            low, high = st.percentile_interval((np.array(differences) > 0).mean(axis=0))
        rows.append(
            {
                "task": study.task,
                "baseline": study.baseline,
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
    return _table("improved", rows)


def mutation(study: Study) -> pd.DataFrame:
    """Return how well each extractor predicts each gene's mutation.

    `mean` and `sd` over the repeats of the AUROC of pooled out-of-fold predictions; `p` of the
    one-sided Mann–Whitney test of the predictions averaged over the repeats.
    """
    tables = []
    for name, predictions in study.predictions.items():
        score = _over_repeats(study, name)
        rows: list[Row] = []
        for i, target in enumerate(predictions.targets):
            truth, values = study.truth[:, i], predictions.values[:, :, i].astype(float)
            known = np.isfinite(truth) & np.isfinite(values).any(axis=0)
            average, positive = np.nanmean(values[:, known], axis=0), truth[known] == 1
            defined = np.isfinite(auroc(positive, average))
            p = np.nan
            if defined:
                groups = average[positive], average[~positive]
                p = mannwhitneyu(*groups, alternative="greater").pvalue
            rows.append(
                {
                    "task": study.task,
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
        table = _table("mutation", rows).sort_values("target")
        tables.append(table.assign(q_bh=st.benjamini_hochberg(table["p"].astype(float))))
    return pd.concat(tables, ignore_index=True)


def roc(study: Study) -> pd.DataFrame:
    """Return the ROC curve of each gene's mutation under each extractor, at `ROC_AT`.

    A mean over the repeats with the pointwise 95 % interval of the bootstrap over patients; nothing
    of a gene that cannot be estimated.
    """
    tables = []
    for name, predictions in study.predictions.items():
        for target, truth, values in zip(
            predictions.targets, study.truth.T, predictions.values.transpose(2, 0, 1), strict=True
        ):
            once = np.ones((1, len(truth)))
            curve = st.resampled_roc(once, truth, values.astype(float), ROC_AT)[0]
            if np.isnan(curve).any():
                continue
            curves = st.resampled_roc(study.weights, truth, values.astype(float), ROC_AT)
            low, high = np.nanquantile(curves, [0.025, 0.975], axis=0)
            columns = {"fpr": ROC_AT, "tpr": curve, "ci_low": low, "ci_high": high}
            ids = {"task": study.task, "target": target, "extractor": name}
            tables.append(pd.DataFrame({**ids, **columns}))
    return pd.concat(tables) if tables else _table("roc", [])
