"""What a prediction looks like: the patches that predict a gene most and least."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from ..core.tables import read_table, write_table
from ..evaluation.cross_validation import read_data
from ..evaluation.kinds import KINDS
from ..evaluation.predictors.predictor import Draws, Float
from ..evaluation.splits import SPLITS, fold_of_samples
from ..evaluation.tables_of_kinds import MUTATION, RELATED_GENES
from ..features.pooling import kept_patches, pooled_alone
from ..study.parameters import PoolingParameters
from ..study.tasks import PredictorParameters
from .schemas import GALLERY

TARGETS, PATCHES = 3, 6
"""How many targets of a task are shown, and how many patches on either side."""
AT_ONCE = 16384
"""How many patches are predicted together: their 2048 features, and copies, take some 1.5 GB."""
REPEAT = 0

Files = Mapping[str, Mapping[str, str | Path]]


@dataclass(frozen=True)
class PatchFiles:
    """Where the features and the verdicts of the slides' patches are, and how they are pooled."""

    features: Path
    """The folder of ``{extractor}/{slide}.h5``."""
    verdicts: Path
    """The folder of ``{slide}.h5``."""
    patients: Mapping[str, str]
    """The patient of each slide."""
    pooling: PoolingParameters

    def of(self, extractor: str, patients: set[str]) -> Iterator[tuple[pd.DataFrame, Float]]:
        """Yield the patches of some patients, about `AT_ONCE` at a time, each pooled alone.

        Whose and where they are, one row each, and their (n, d) features.
        """
        where: list[pd.DataFrame] = []
        features: list[npt.NDArray[np.float32]] = []
        slides = [slide for slide, patient in self.patients.items() if patient in patients]
        for slide in slides:
            verdicts = self.verdicts / f"{slide}.h5" if self.pooling.apply_qc else None
            path = self.features / extractor / f"{slide}.h5"
            rows, coords = kept_patches(path, verdicts, slide=slide, extractor=extractor)
            if len(rows):
                place = pd.DataFrame(coords, columns=["x", "y"])
                where.append(place.assign(slide=slide, patient=self.patients[slide]))
                hows = self.pooling.across_patches, self.pooling.across_slides
                features.append(pooled_alone(rows, *hows))
            if where and (slide == slides[-1] or sum(map(len, where)) >= AT_ONCE):
                yield pd.concat(where, ignore_index=True), np.vstack(features).astype(float)
                where, features = [], []


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
    kind, splits = KINDS[parameters.kind], files["splits"][task]
    pooled, labels = files["pooled"][extractor], files["labels"][task]
    _, data = read_data({extractor: pooled}, labels, kind)
    targets = chosen["target"].tolist()
    truth = data.truth[:, [data.targets.index(target) for target in targets]]
    drawn = read_table(splits, SPLITS, task=task)
    fold_of = fold_of_samples(drawn, REPEAT, data.samples, splits)
    folds = int(drawn["fold"].max()) + 1
    usable = np.where(kind.estimable(truth, folds), truth, np.nan)
    predictor = kind.predictor(parameters)
    scored = []
    for fold in range(folds):
        train = fold_of != fold
        model = predictor.fit(data.features[train], usable[train], Draws(seed, REPEAT, fold))
        patients = set(np.array(data.samples)[~train].tolist())
        scored += [
            _extremes(where, model.predict(features), targets)
            for where, features in patch_files.of(extractor, patients)
        ]
    label = pd.DataFrame(truth, index=list(data.samples), columns=targets)
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
