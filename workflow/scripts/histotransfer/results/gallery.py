"""What a prediction looks like: the patches that predict a gene most and least."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from ..core.tables import read_table, write_table
from ..evaluation.cross_validation import Data, fold_of_samples, predict_rows, read_data
from ..features.pooling import kept_patches, pooled_alone

COLUMNS = [
    *("task", "target", "extractor", "score", "side", "rank"),
    *("slide", "patient", "x", "y", "prediction", "label"),
]
TARGETS, PATCHES = 3, 6
"""How many targets of a task are shown, and how many patches on either side."""
AT_ONCE = 16384
"""How many patches are predicted together: their 2048 features, and copies, take some 1.5 GB."""
REPEAT = 0

Float = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Slide:
    """What is known of a slide's patches: whose they are, and where their features and verdicts."""

    slide: str
    patient: str
    features: Path
    qc: Path | None


def best_targets(table: pd.DataFrame, score: str, found: npt.ArrayLike) -> pd.DataFrame:
    """Choose a task's best-predicted targets, each with the extractor that predicts it best.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per target and extractor: task, target, extractor.
    score : str
        The column of the score.
    found : (n,) bool
        Whether the target is predicted better than chance.

    Returns
    -------
    pandas.DataFrame
        task, target, extractor, score; at most `TARGETS` of each task, the best first.
    """
    rows = table[np.asarray(found, dtype=bool)].sort_values(
        [score, "target"], ascending=[False, True], kind="stable"
    )
    rows = rows.drop_duplicates(["task", "target"]).groupby("task", sort=False).head(TARGETS)
    return rows.rename(columns={score: "score"})[["task", "target", "extractor", "score"]]


def best_of_tables(
    related_genes: pd.DataFrame, mutation: pd.DataFrame, alpha: float
) -> pd.DataFrame:
    """Choose the best targets of ``tables/related_genes.tsv`` and ``tables/mutation.tsv``."""
    chosen = [
        best_targets(table, score, table["q_bh"] <= alpha)
        for table, score in ((related_genes, "r"), (mutation, "mean"))
    ]
    return pd.concat(chosen, ignore_index=True)


def pick_patches(
    chosen: pd.DataFrame,
    slides: Mapping[str, Sequence[Slide]],
    pooled: Mapping[str, str | Path],
    labels: Mapping[str, str | Path],
    splits: Mapping[str, str | Path],
    tasks: Mapping[str, Mapping[str, Any]],
    out_path: str | Path,
    *,
    pooling: Sequence[str],
    seed: int,
) -> None:
    """Write which patches predict each chosen target most and least, at most one of a patient.

    A patch is predicted as though it were its patient's only one, by the model of the first repeat
    that was fitted without that patient.

    Parameters
    ----------
    chosen : pandas.DataFrame
        From `best_targets`, of tasks of kind expression and mutation.
    slides : mapping of extractor to sequence of Slide
    pooled : mapping of extractor to path
    labels, splits : mapping of task to path
    tasks : mapping of task to mapping
        The config's entries.
    out_path : str or Path
        ``tables/gallery.tsv``: task, target, extractor, score (of the target), side (highest,
        lowest), rank, slide, patient, x, y (top-left, level-0 px), prediction, and label
        (the patient's).
    pooling : sequence of str
        How patches and slides are pooled.
    seed : int
        As in the cross-validation.
    """
    tables = [pd.DataFrame(columns=COLUMNS)]
    with threadpool_limits(limits=1):  # the same bytes each time
        for key, rows in chosen.groupby(["task", "extractor"], sort=False):
            task, extractor = map(str, key)
            kind = str(tasks[task]["kind"])
            samples, known, data = read_data(pooled[extractor], labels[task], kind)
            column = [data.targets.index(target) for target in rows["target"]]
            data = Data(data.features, data.labels[:, column], tuple(rows["target"]))
            patients = samples[known]
            folds = fold_of_samples(
                read_table(splits[task], sample="str"), REPEAT, patients, splits[task]
            )
            scored = []
            for fold in range(int(folds.max()) + 1):
                for patches in _patches(slides[extractor], set(patients[folds == fold]), pooling):
                    predicted = predict_rows(
                        data, tasks[task], folds, fold, patches.features, repeat=REPEAT, seed=seed
                    )
                    scored.append(_extremes(patches, predicted, data.targets))
            label = pd.DataFrame(data.labels, index=patients, columns=list(data.targets))
            for target, score in zip(rows["target"], rows["score"], strict=True):
                of_target = [table[table["target"] == target] for table in scored]
                table = _ranked(pd.concat(of_target))
                table["label"] = label[target].reindex(table["patient"]).to_numpy()
                tables.append(table.assign(task=task, extractor=extractor, score=score)[COLUMNS])
    write_table(pd.concat(tables[1:]) if len(tables) > 1 else tables[0], out_path)


@dataclass(frozen=True)
class Patches:
    """Some patches of some slides: whose and where (one row each), and their features (n, d)."""

    where: pd.DataFrame
    features: Float


def _patches(
    slides: Iterable[Slide], patients: set[str], pooling: Sequence[str]
) -> Iterator[Patches]:
    """Yield the patches of some patients, about `AT_ONCE` at a time, each pooled alone."""
    where: list[pd.DataFrame] = []
    features: list[npt.NDArray[np.float32]] = []
    held = 0
    for slide in slides:
        if slide.patient not in patients:
            continue
        rows, coords = kept_patches(slide.features, slide.qc)
        if not len(rows):
            continue
        place = pd.DataFrame(coords, columns=["x", "y"])
        where.append(place.assign(slide=slide.slide, patient=slide.patient))
        features.append(pooled_alone(rows, *pooling))
        held += len(rows)
        if held >= AT_ONCE:
            yield Patches(pd.concat(where, ignore_index=True), np.vstack(features).astype(float))
            where, features, held = [], [], 0
    if where:
        yield Patches(pd.concat(where, ignore_index=True), np.vstack(features).astype(float))


def _extremes(patches: Patches, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
    """Return each patient's patch of the highest and of the lowest prediction of each target."""
    tables = [pd.DataFrame(columns=[*patches.where, "target", "prediction", "side"])]
    for target, values in zip(targets, predicted.T, strict=True):
        table = patches.where.assign(target=target, prediction=values)
        table = table.dropna(subset=["prediction"])
        by_patient = table.groupby("patient")["prediction"]
        tables += [
            table.loc[by_patient.idxmax()].assign(side="highest"),
            table.loc[by_patient.idxmin()].assign(side="lowest"),
        ]
    return pd.concat(tables[1:], ignore_index=True) if len(tables) > 1 else tables[0]


def _ranked(extremes: pd.DataFrame) -> pd.DataFrame:
    """Rank the patients of either side, and keep the first of them, each with one patch."""
    tables = []
    for side, ascending in (("highest", False), ("lowest", True)):
        table = extremes[extremes["side"] == side]
        table = table.sort_values(["prediction", "patient"], ascending=[ascending, True])
        table = table.drop_duplicates("patient").head(PATCHES)
        tables.append(table.assign(rank=np.arange(1, len(table) + 1)))
    return pd.concat(tables, ignore_index=True)
