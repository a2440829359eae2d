"""The site audit: how well features tell where a patient was treated, and what that does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from ..core.tables import TableSchema, read_table, write_table
from ..labels.files import CLASS, TaskLabels, read_labels_file, write_labels_file
from ..study.parameters import SplitParameters, StatisticsParameters
from ..study.tasks import CLASSES, TWO_VALUES, VALUES, PredictorParameters
from .comparison import COMPARISON
from .cross_validation import read_features, run_block
from .curve_tables import averaged_targets, beside_baseline, results_of_scores
from .kinds import ALL, PER_FOLD
from .predictors.predictor import Float
from .robustness_index import nearest, robustness_index
from .scores import NO_OTHER, SCORES, write_scores
from .splits import write_splits
from .statistics import NOT_ESTIMABLE, OK, above

SITE_AUDIT = TableSchema.of(
    "site_audit",
    "text: extractor quantity task target",
    "integer: n n_sites k",
    "number: value ci_low ci_high chance",
    "text: status",
)
"""`chance` is the score of features that know nothing of the site: of the index, that of neighbours
drawn at random."""
SITE_SPLITS = TableSchema.of(
    "site_splits",
    "text: task scope target metric grouped_by baseline extractor",
    "integer: n_targets repeats",
    "number: mean ci_low ci_high delta delta_low delta_high",
)
ACCURACY, MACRO_AUROC = "site, accuracy", "site, mean AUROC"
INDEX = "robustness index"
BY_SITE = PredictorParameters("multiclass", "logistic", {"C": [1e-4, 1e-3, 1e-2]})
"""By what a site is predicted."""
FEWEST = 5
"""Patients of a class, and patients whose site has another one of them, below which neighbours say
nothing."""


def audit_sites(
    features_path: str | Path,
    labels: Mapping[str, str | Path],
    kinds: Mapping[str, str],
    sites: Mapping[str, str],
    out_path: str | Path,
    *,
    extractor: str,
    parameters: SplitParameters,
) -> None:
    """Write how well one extractor's features of patients tell the site (`SITE_AUDIT`).

    Parameters
    ----------
    features_path : str or Path
        ``pooled/{extractor}.h5``.
    labels, kinds : mapping of task to path, and to kind
        Of tasks of patients; those of classes or two values have a robustness index.
    sites : mapping of str to str
        By patient.
    out_path : str or Path
    extractor : str
    parameters : SplitParameters
        Folds and repeats in which the site is predicted. Sites of fewer than two patients a fold
        are left out.
    """
    names, features, _ = read_features(features_path, extractor)
    known = [name for name in names if name in sites]
    site = pd.Series({name: sites[name] for name in known}, dtype=object)
    rows = _predicted(features_path, site, extractor, parameters)
    row = {name: number for number, name in enumerate(names)}
    for task, path in labels.items():
        of_task = read_labels_file(path)
        for target, classes in _classes(of_task, kinds[task]).items():
            classes = classes[classes.index.isin(known)]
            x = features[[row[name] for name in classes.index]]
            rows += _index(x, classes, site[classes.index], task, target)
    columns = [*SITE_AUDIT.columns]
    table = pd.DataFrame(rows).reindex(columns=columns).assign(extractor=extractor)
    write_table(table, out_path, SITE_AUDIT)


def _predicted(
    features_path: str | Path, site: pd.Series, extractor: str, parameters: SplitParameters
) -> list[dict[str, Any]]:
    """Predict the site as a task of classes."""
    size = site.map(site.value_counts())
    common = site[size >= PER_FOLD * parameters.folds].sort_index()
    n_sites = common.nunique()
    nothing = {"n": len(common), "n_sites": n_sites, "status": NOT_ESTIMABLE}
    if n_sites < 2:
        return [{"quantity": name, **nothing} for name in (ACCURACY, MACRO_AUROC)]
    task = {"task": "site", "extractor": extractor}
    with TemporaryDirectory() as folder:
        labels, splits, block, scores = (Path(folder, name) for name in "lsbt")
        group = pd.Series(common.index, common.index, name="group")
        write_labels_file(TaskLabels(group, pd.DataFrame({CLASS: common})), labels)
        write_splits(labels, splits, task="site", kind="multiclass", parameters=parameters)
        run_block(
            features_path, labels, splits, block, parameters=BY_SITE, **task,
            repeats=range(parameters.repeats), seed=parameters.seed, threads=1,
        )  # fmt: skip
        write_scores([block], labels, splits, scores, kind="multiclass", **task)
        statistics = StatisticsParameters(0, 0.05, parameters.seed)
        results = results_of_scores({extractor: scores}, "site", "multiclass", statistics)
        table = read_table(scores, SCORES)
    share = common.value_counts(normalize=True)
    chance = np.array([share.max() if t == ALL else share[t] for t in results.targets])
    targets = above(results.primary[extractor], chance, results.kind.bounds)
    told = targets.iloc[results.targets.index(ALL)]
    folds = table[(table["without"] == NO_OTHER) & (table["metric"] == "macro_auroc")]
    whose = {"n": len(common), "n_sites": n_sites, "status": OK}
    accuracy = {"value": told["mean"], "ci_low": told["ci_low"], "ci_high": told["ci_high"]}
    return [
        {"quantity": ACCURACY, **whose, **accuracy, "chance": share.max()},
        {"quantity": MACRO_AUROC, **whose, "value": folds["value"].mean(), "chance": 0.5},
    ]


def _classes(labels: TaskLabels, kind: str) -> dict[str, pd.Series]:
    """Return the class of each patient, by target; nothing of a task of numbers or times."""
    if VALUES[kind] == CLASSES:
        return {"": labels.values[CLASS]}
    if VALUES[kind] == TWO_VALUES:
        return {str(name): labels.values[name].dropna() for name in labels.values}
    return {}


def _index(
    features: Float, classes: pd.Series, site: pd.Series, task: str, target: str
) -> list[dict[str, Any]]:
    whose = {"quantity": INDEX, "task": task, "target": target}
    counts = {"n": len(classes), "n_sites": site.nunique()}
    common = classes.groupby(classes).transform("size") >= FEWEST
    shared = site.duplicated(keep=False).sum() >= FEWEST
    if classes[common].nunique() < 2 or not shared:
        return [{**whose, **counts, "status": NOT_ESTIMABLE}]
    # Text, because numbers and words are classes alike.
    of_class = classes.astype(str).to_numpy(dtype=object)
    found = robustness_index(nearest(features), of_class, site.to_numpy(dtype=object))
    value = {"value": found.index, "chance": found.by_chance, "k": found.k}
    return [{**whose, **counts, **value, "status": OK}]


def write_site_tables(
    audits: Sequence[str | Path],
    files: Mapping[str, Mapping[str, Mapping[str, str | Path]]],
    comparison: str | Path,
    kinds: Mapping[str, str],
    groupings: tuple[str, str],
    parameters: StatisticsParameters,
    audit_out: str | Path,
    splits_out: str | Path,
) -> None:
    """Join the audits of all extractors, and put ordinary and site-preserved splits side by side.

    Parameters
    ----------
    audits : sequence of str or Path
        The tables `SITE_AUDIT` of the extractors.
    files : mapping of task to mapping
        By extractor ``scores`` of the study, and those ``beside`` it under the other grouping,
        which are empty where there are fewer sites than folds.
    comparison : str or Path
        The table `comparison`.
    kinds : mapping of task to str
    groupings : tuple of str
        What keeps splits together in the study, and beside it.
    parameters : StatisticsParameters
    audit_out, splits_out : str or Path
    """
    joined = [SITE_AUDIT.empty(), *(read_table(path, SITE_AUDIT) for path in audits)]
    write_table(pd.concat(joined[1:] or joined), audit_out, SITE_AUDIT)
    compared, rows = read_table(comparison, COMPARISON), []
    for task, of_task in files.items():
        if any(read_table(path, SCORES).empty for path in of_task["beside"].values()):
            continue
        results, beside = (
            results_of_scores(of_task[name], task, kinds[task], parameters)
            for name in ("scores", "beside")
        )
        place = {target: number for number, target in enumerate(beside.targets)}
        for (scope, target), places in averaged_targets(results, compared).items():
            whose = {"task": task, "scope": scope, "target": target}
            whose |= {"metric": results.kind.metric}
            # Which targets there are does not depend on the folds, but their order is not promised.
            others = [place[results.targets[number]] for number in places]
            for grouped_by, scores, chosen in zip(
                groupings, (results.primary, beside.primary), (places, others), strict=True
            ):
                rows += [
                    whose | row | {"grouped_by": grouped_by}
                    for row in beside_baseline(scores, chosen, results.kind.bounds)
                ]
    table = pd.DataFrame(rows) if rows else SITE_SPLITS.empty()
    write_table(table, splits_out, SITE_SPLITS)


def is_splittable(labels_path: str | Path, sites: Mapping[str, str], folds: int) -> bool:
    """Tell whether the labelled patients are of enough sites for the folds."""
    samples = read_labels_file(labels_path).samples
    return len({sites.get(sample) for sample in samples}) >= folds
