"""Heatmaps: which patches of a slide raise or lower a prediction, by models new to the patient.

With means as pooling and a linear predictor, a patient's score is the mean of the scores of the
patches. So what each patch contributes is exact, not an attention or a gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from ..core.errors import HistotransferError
from ..core.hdf5 import create_store, open_store
from ..core.tables import read_table, write_table
from ..evaluation.kinds import KINDS, Binary, Multiclass, Survival, TaskKind
from ..evaluation.predictors.predictor import Float
from ..evaluation.tables_of_kinds import MUTATION, RELATED_GENES
from ..study.tasks import PredictorParameters
from .first_repeat import Files, FirstRepeat
from .gallery import best_targets
from .patch_files import PatchFiles
from .schemas import HEATMAP, HEATMAPS

EXACT = "exact"
BY_POOLING, BY_PREDICTOR = "approximate: pooling", "approximate: predictor"
"""Whether the mean of a slide's contributions is its score, or what stands against it."""
THUMBNAIL_PX = 800
"""The longer side of the thumbnail is reduced to this."""


@dataclass(frozen=True)
class Study:
    """Where everything is that a heatmap is made from.

    Attributes
    ----------
    files : mapping
        ``pooled`` by extractor, ``labels`` and ``splits`` by task.
    patches : PatchFiles
    tiles : Path
        The folder of ``{slide}.h5`` with thumbnails.
    tasks : mapping of task to PredictorParameters
        By what each is predicted.
    seed : int
        As in the cross-validation.
    """

    files: Files
    patches: PatchFiles
    tiles: Path
    tasks: Mapping[str, PredictorParameters]
    seed: int

    @classmethod
    def of(cls, params: Any) -> Study:  # noqa: ANN401
        """Take what the rules of heatmaps have as parameters."""
        return cls(
            params.files,
            PatchFiles.from_params(params),
            Path(params.tiles),
            {task: PredictorParameters.of(fields) for task, fields in params.tasks.items()},
            params.seed,
        )

    def repeats(self, task: str, targets: Sequence[str]) -> dict[str, FirstRepeat]:
        """Fit the first repeat of some targets under each extractor."""
        return {
            extractor: FirstRepeat.of(
                self.files, task, extractor, self.tasks[task], targets, self.seed
            )
            for extractor in self.files["pooled"]
        }


@dataclass(frozen=True)
class Heatmap:
    """What the patches of a slide contribute to the prediction of one target.

    Attributes
    ----------
    task, target, slide, patient, why : str
        `why` the slide is shown.
    coords : (n, 2) array of int32
        Top left corners of the patches in level-0 px.
    contributions : (n, e) array of float64
        By extractor: how far the patch's score is above that of the mean training patient.
    table : pandas.DataFrame
        A row per extractor, as in `HEATMAPS`.
    """

    task: str
    target: str
    slide: str
    patient: str
    why: str
    coords: npt.NDArray[np.int32]
    contributions: Float
    table: pd.DataFrame


def write_best_maps(
    related_genes: str | Path,
    mutation: str | Path,
    study: Study,
    table_path: str | Path,
    store_path: str | Path,
    *,
    alpha: float,
) -> None:
    """Map the best-predicted target of each task on the slides that tell most; see `telling`.

    Writes the table `HEATMAPS` and the store `HEATMAP`. A task without a target that is predicted
    at a false discovery rate of alpha has no map.
    """
    maps: list[Heatmap] = []
    with threadpool_limits(limits=1):  # the same bytes each time
        for path, schema, score in (
            (related_genes, RELATED_GENES, "r"), (mutation, MUTATION, "mean"),
        ):  # fmt: skip
            table = read_table(path, schema)
            rows = table[table["extractor"].isin(list(study.files["pooled"]))]
            best = best_targets(rows, score, rows["q_bh"] <= alpha).drop_duplicates("task")
            for task, target, extractor in best[["task", "target", "extractor"]].itertuples(
                index=False, name=None
            ):
                repeats = study.repeats(task, [target])
                for patient, why in telling(repeats, extractor):
                    slide = _largest_slide(study, patient)
                    maps.append(heatmap(study, repeats, task, target, slide, why))
    write_maps(maps, study.tiles, table_path, store_path)


def write_map(
    study: Study,
    table_path: str | Path,
    store_path: str | Path,
    *,
    task: str,
    target: str,
    slide: str,
) -> None:
    """Map one target of a task on one slide, as `write_best_maps` writes several."""
    with threadpool_limits(limits=1):
        one = heatmap(study, study.repeats(task, [target]), task, target, slide, "")
    write_maps([one], study.tiles, table_path, store_path)


def telling(repeats: Mapping[str, FirstRepeat], best: str) -> Iterator[tuple[str, str]]:
    """Yield patients to look at, and why: of those with a label, and no one twice.

    The highest and the lowest score under the extractor that predicts best, and the one that
    changes most between the first two extractors. Repeats are of one target.
    """
    first, *others = repeats.values()
    samples = np.array(first.samples)
    scores = {name: _scores(repeat) for name, repeat in repeats.items()}
    left = np.isfinite(first.truth[:, 0])
    wishes = [("highest prediction", scores[best]), ("lowest prediction", -scores[best])]
    if others:
        baseline, compared = list(scores.values())[:2]
        wishes.append(("changes most", np.abs(compared - baseline)))
    for why, values in wishes:
        usable = left & np.isfinite(values)
        if usable.any():
            chosen = int(np.where(usable, values, -np.inf).argmax())
            left[chosen] = False
            yield str(samples[chosen]), why


def heatmap(
    study: Study,
    repeats: Mapping[str, FirstRepeat],
    task: str,
    target: str,
    slide: str,
    why: str,
) -> Heatmap:
    """Map one slide for the target that the repeats are of.

    Raises
    ------
    HistotransferError
        If the patient has no label in the task, the slide no patch that counts, or the extractors
        have features of other patches.
    """
    patient = study.patches.patients[slide]
    places, columns, rows = [], [], []
    for extractor, repeat in repeats.items():
        if patient not in repeat.samples:
            raise HistotransferError(
                study.files["labels"][task],
                f"has no label for {patient}, the patient of {slide}",
                "Choose a slide of a patient who takes part in the task",
            )
        sample = repeat.samples.index(patient)
        fold = int(repeat.fold_of[sample])
        coords, features = study.patches.of_slide(extractor, slide)
        if not len(coords):
            raise HistotransferError(
                study.patches.features / extractor / f"{slide}.h5",
                "has no patch that passed quality control",
                "Choose another slide",
            )
        contributions = repeat.above_average(fold, features.astype(np.float64))[:, 0]
        of_patient = repeat.features[[sample]]
        places.append(coords)
        columns.append(contributions)
        rows.append(
            {
                "extractor": extractor,
                "reading": _reading(study, repeat),
                "unit": _unit(KINDS[study.tasks[task].kind], repeat.is_linear),
                "label": repeat.truth[sample, 0],
                "prediction": repeat.predicted(repeat.models[fold], of_patient)[0, 0],
                "score": repeat.above_average(fold, of_patient)[0, 0],
                "slide_score": contributions.mean(),
                "n_patches": len(coords),
            }
        )
    if any(not np.array_equal(places[0], other) for other in places[1:]):
        raise HistotransferError(
            study.patches.features, f"has features of different patches of {slide}",
            "Delete the features of the slide and run the workflow again",
        )  # fmt: skip
    whose = {"task": task, "target": target, "slide": slide, "patient": patient, "why": why}
    table = pd.DataFrame(rows).assign(**whose)
    return Heatmap(**whose, coords=places[0], contributions=np.column_stack(columns), table=table)


def write_maps(
    maps: Sequence[Heatmap], tiles: Path, table_path: str | Path, store_path: str | Path
) -> None:
    """Write heatmaps as the table `HEATMAPS` and the store `HEATMAP`, in the same order."""
    write_table(
        pd.concat([one.table for one in maps]) if maps else HEATMAPS.empty(), table_path, HEATMAPS
    )
    with create_store(store_path, HEATMAP, {}) as store:
        for number, one in enumerate(maps):
            group = store.create_group(f"{number:03d}")
            for name in ("task", "target", "slide"):
                group.attrs[name] = getattr(one, name)
            group.attrs["extractors"] = one.table["extractor"].tolist()
            group["coords"], group["contributions"] = one.coords, one.contributions
            _add_thumbnail(group, tiles / f"{one.slide}.h5", one.slide)


def _add_thumbnail(group: h5py.Group, tiles_path: Path, slide: str) -> None:
    """Copy the slide's thumbnail, reduced, and what places patches on it."""
    with open_store(tiles_path, "tiles/1", slide=slide) as tiles:
        thumbnail = tiles["thumbnail"][:]
        step = max(1, -(-max(thumbnail.shape[:2]) // THUMBNAIL_PX))
        group["thumbnail"] = thumbnail[::step, ::step]
        group.attrs["downsample"] = float(tiles.attrs["thumbnail_downsample"]) * step
        group.attrs["origin_px"] = tiles.attrs["bounds"][:2]
        for name in ("mpp", "patch_size_level0"):
            group.attrs[name] = tiles.attrs[name]


def _scores(repeat: FirstRepeat) -> Float:
    """Return each patient's out-of-fold score above the average."""
    scores = np.full(len(repeat.samples), np.nan)
    for fold in range(len(repeat.models)):
        rows = repeat.fold_of == fold
        if rows.any():
            scores[rows] = repeat.above_average(fold, repeat.features[rows])[:, 0]
    return scores


def _largest_slide(study: Study, patient: str) -> str:
    """Return the patient's slide with the most patches that count; of several, the first."""
    extractor = next(iter(study.files["pooled"]))
    slides = sorted(slide for slide, whose in study.patches.patients.items() if whose == patient)
    counts = [len(study.patches.of_slide(extractor, slide)[0]) for slide in slides]
    return slides[int(np.argmax(counts))]


def _reading(study: Study, repeat: FirstRepeat) -> str:
    pooling = study.patches.pooling
    if {pooling.across_patches, pooling.across_slides} != {"mean"}:
        return BY_POOLING
    return EXACT if repeat.is_linear else BY_PREDICTOR


def _unit(kind: TaskKind, is_linear: bool) -> str:
    """Name the unit of the scores of a kind of task."""
    if isinstance(kind, Binary | Multiclass):
        return "log-odds" if is_linear else "probability"
    return "log hazard" if isinstance(kind, Survival) else "unit of the label"
