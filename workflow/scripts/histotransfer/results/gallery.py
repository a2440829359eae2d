"""What a prediction looks like: the patches that predict a gene most and least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from ..core.tables import read_table, write_table
from ..evaluation.predictors.predictor import Float
from ..evaluation.tables_of_kinds import MUTATION, RELATED_GENES
from ..study.tasks import PredictorParameters
from .first_repeat import Files, FirstRepeat
from .patch_files import PatchFiles
from .schemas import GALLERY

TARGETS, PATCHES = 3, 6
"""How many targets of a task are shown, and how many patches on either side."""


def best_targets(table: pd.DataFrame, score: str, found: npt.ArrayLike) -> pd.DataFrame:
    """Choose a task's best-predicted targets, each with the extractor that predicts it best.

    The table has a row per task, target and extractor, a column `score`, and is `found` (n,) where
    the target is predicted better than chance. Returns task, target, extractor, score; at most
    `TARGETS` of each task, the best first.
    """
    rows = table[np.asarray(found, dtype=bool)].sort_values(
        [score, "target"], ascending=[False, True], kind="stable"
    )
    rows = rows.drop_duplicates(["task", "target"]).groupby("task", sort=False).head(TARGETS)
    return rows.rename(columns={score: "score"})[["task", "target", "extractor", "score"]]


def write_gallery(
    related_genes: str | Path,
    mutation: str | Path,
    files: Files,
    patch_files: PatchFiles,
    out_path: str | Path,
    *,
    tasks: Mapping[str, PredictorParameters],
    alpha: float,
    seed: int,
) -> None:
    """Write which patches predict the best targets most and least; see `pick_patches`.

    The targets are chosen from the tables `related_genes` and `mutation`: those that are predicted
    at a false discovery rate of alpha.
    """
    chosen = []
    sources = (related_genes, RELATED_GENES, "r"), (mutation, MUTATION, "mean")
    for path, schema, score in sources:
        table = read_table(path, schema)
        rows = table[table["extractor"].isin(list(files["pooled"]))]
        chosen.append(best_targets(rows, score, rows["q_bh"] <= alpha))
    best = pd.concat(chosen, ignore_index=True)
    pick_patches(best, files, patch_files, out_path, tasks=tasks, seed=seed)


def pick_patches(
    chosen: pd.DataFrame,
    files: Files,
    patch_files: PatchFiles,
    out_path: str | Path,
    *,
    tasks: Mapping[str, PredictorParameters],
    seed: int,
) -> None:
    """Write which patches predict each chosen target most and least, at most one of a patient.

    A patch is predicted as though it were its patient's only one, by the model of the first repeat
    that was fitted without that patient.

    Parameters
    ----------
    chosen : pandas.DataFrame
        From `best_targets`, of tasks whose samples are patients.
    files : mapping
        ``pooled`` features by extractor, ``labels`` and ``splits`` by task.
    patch_files : PatchFiles
        Of the patches to choose from.
    out_path : str or Path
        The table `GALLERY`: score (of the target), side (highest, lowest), x and y (top left,
        level-0 px), label (the patient's).
    tasks : mapping of task to PredictorParameters
        By what each is predicted.
    seed : int
        As in the cross-validation.
    """
    tables = []
    with threadpool_limits(limits=1):  # the same bytes each time
        for key, rows in chosen.groupby(["task", "extractor"], sort=False):
            task, extractor = map(str, key)
            picked = _picked(rows, files, patch_files, task, extractor, tasks[task], seed)
            tables.append(picked.assign(task=task, extractor=extractor))
    write_table(pd.concat(tables) if tables else GALLERY.empty(), out_path, GALLERY)


def _picked(
    chosen: pd.DataFrame,
    files: Files,
    patch_files: PatchFiles,
    task: str,
    extractor: str,
    parameters: PredictorParameters,
    seed: int,
) -> pd.DataFrame:
    """Return the patches of the targets that were chosen of a task and extractor."""
    targets = chosen["target"].tolist()
    repeat = FirstRepeat.of(files, task, extractor, parameters, targets, seed)
    scored = [
        _extremes(where, repeat.predicted(model, features), targets)
        for model, patients in repeat.unseen()
        for where, features in patch_files.of(extractor, patients)
    ]
    label = pd.DataFrame(repeat.truth, index=list(repeat.samples), columns=targets)
    tables = []
    for target, score in zip(targets, chosen["score"], strict=True):
        table = _ranked(pd.concat([table[table["target"] == target] for table in scored]))
        table["label"] = label[target].reindex(table["patient"]).to_numpy()
        tables.append(table.assign(score=score))
    return pd.concat(tables)


def _extremes(where: pd.DataFrame, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
    """Return each patient's patch of the highest and of the lowest prediction of each target."""
    tables = []
    for target, values in zip(targets, predicted.T, strict=True):
        table = where.assign(target=target, prediction=values).dropna(subset=["prediction"])
        by_patient = table.groupby("patient")["prediction"]
        tables += [
            table.loc[by_patient.idxmax()].assign(side="highest"),
            table.loc[by_patient.idxmin()].assign(side="lowest"),
        ]
    return pd.concat(tables, ignore_index=True)


def _ranked(extremes: pd.DataFrame) -> pd.DataFrame:
    """Rank the patients of either side, and keep the first of them, each with one patch."""
    tables = []
    for side, ascending in (("highest", False), ("lowest", True)):
        table = extremes[extremes["side"] == side]
        table = table.sort_values(["prediction", "patient"], ascending=[ascending, True])
        table = table.drop_duplicates("patient").head(PATCHES)
        tables.append(table.assign(rank=np.arange(1, len(table) + 1)))
    return pd.concat(tables, ignore_index=True)
