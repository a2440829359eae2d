"""From patches to patients: quality control decides which patches count, then they are pooled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError
from ..core.hdf5 import create_store, open_store
from ..study.parameters import PoolingParameters

SCHEMA = "pooled/1"


def pool(
    features_folder: str | Path,
    verdicts_folder: str | Path,
    patients: Mapping[str, str],
    out_path: str | Path,
    *,
    extractor: str,
    parameters: PoolingParameters,
) -> None:
    """Pool the patches of each slide, then the slides of each patient.

    Parameters
    ----------
    features_folder : str or Path
        Holds the ``features/1`` file of each slide, ``{slide}.h5``.
    verdicts_folder : str or Path
        Holds the ``qc/1`` file of each slide, ``{slide}.h5``; only read if QC applies.
    patients : mapping of str to str
        The patient of each slide.
    out_path : str or Path
        The ``pooled/1`` file to write: `features` (patients, d) float32, `patient`, `n_slides`,
        `n_patches`, sorted by patient. A patient without a single patch is absent.

    Raises
    ------
    HistotransferError
        If a file is of another slide or extractor, the files of a slide disagree, or slides have
        different numbers of features.
    """

    def slide_features() -> Iterator[tuple[str, npt.NDArray[Any]]]:
        for slide in sorted(patients):
            features, _ = kept_patches(
                Path(features_folder, f"{slide}.h5"),
                Path(verdicts_folder, f"{slide}.h5") if parameters.apply_qc else None,
                slide=slide,
                extractor=extractor,
            )
            yield slide, features

    write_pooled(slide_features(), patients, out_path, extractor=extractor, parameters=parameters)


def write_pooled(
    slide_features: Iterable[tuple[str, npt.NDArray[Any]]],
    patients: Mapping[str, str],
    out_path: str | Path,
    *,
    extractor: str,
    parameters: PoolingParameters,
) -> None:
    """Do as `pool`; `slide_features` yields each slide's id and its patches' features (n, d)."""
    rows: dict[str, list[npt.NDArray[np.float32]]] = {}
    n_patches: dict[str, int] = {}
    for slide, features in slide_features:
        if not len(features):
            continue
        patient = patients[slide]
        rows.setdefault(patient, []).append(pool_rows(features, parameters.across_patches))
        n_patches[patient] = n_patches.get(patient, 0) + len(features)
    names = sorted(rows)
    if len(widths := {len(row) for patient in names for row in rows[patient]}) > 1:
        raise HistotransferError(
            out_path,
            f"the slides have {sorted(widths)} features",
            "Give every slide features of the same extractor",
        )
    pooled = [pool_rows(np.stack(rows[patient]), parameters.across_slides) for patient in names]
    write_patients(
        out_path,
        names,
        np.stack(pooled) if names else np.empty((0, 0), dtype=np.float32),
        n_slides=[len(rows[patient]) for patient in names],
        n_patches=[n_patches[patient] for patient in names],
        attrs={"extractor": extractor, **parameters.as_params()},
    )


def write_patients(
    path: str | Path,
    patients: Sequence[str],
    features: npt.NDArray[np.float32],
    *,
    n_slides: Sequence[int],
    n_patches: Sequence[int],
    attrs: Mapping[str, Any],
) -> None:
    """Write a ``pooled/1`` file: features (patients, d) float32 with the counts behind them."""
    with create_store(path, SCHEMA, attrs) as store:
        store["features"] = features
        store.create_dataset("patient", data=list(patients), dtype=h5py.string_dtype())
        store["n_slides"] = np.array(n_slides, dtype=np.int32)
        store["n_patches"] = np.array(n_patches, dtype=np.int32)


def pool_rows(rows: npt.NDArray[Any], how: str) -> npt.NDArray[np.float32]:
    """Pool rows (n, d), at least one of any floating type, into one (d,); sums are in float64.

    `how` is ``mean``, ``median``, ``max``, or ``mean+std``: the means and then the standard
    deviations (of the rows themselves, n in the denominator), 2d values.
    """
    exact = rows.astype(np.float64)
    if how == "mean":
        pooled = exact.mean(axis=0)
    elif how == "median":
        pooled = np.median(exact, axis=0)
    elif how == "max":
        pooled = exact.max(axis=0)
    elif how == "mean+std":
        pooled = np.concatenate([exact.mean(axis=0), exact.std(axis=0)])
    else:
        raise HistotransferError(
            "pooling", f"{how!r} is not a way to pool", "Choose mean, median, max or mean+std"
        )
    return np.asarray(pooled, dtype=np.float32)


def pooled_alone(features: npt.NDArray[Any], *hows: str) -> npt.NDArray[np.float32]:
    """Pool each patch (n, d) as its patient's only one; `hows` are for patches, then slides."""
    alone = features.astype(np.float32)
    for how in hows:
        if how == "mean+std":
            alone = np.hstack([alone, np.zeros_like(alone)])
    return alone


def kept_patches(
    features_path: str | Path, verdicts_path: str | Path | None, *, slide: str, extractor: str
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int32]]:
    """Read the features (kept, d) of a slide's patches, and their corners (kept, 2) in level-0 px.

    Given a ``qc/1`` file, only those that passed quality control; without one, every patch.

    Raises
    ------
    HistotransferError
        If a file is of another slide or extractor, or a patch is not among the tiles that quality
        control judged.
    """
    with open_store(features_path, "features/1", slide=slide, extractor=extractor) as store:
        features, coords = store["features"][:], store["coords"][:]
    if verdicts_path is None or not len(features):
        return features, coords
    mask = kept_rows(features_path, coords, verdicts_path, slide=slide)
    return features[mask], coords[mask]


def kept_rows(
    path: str | Path, coords: npt.NDArray[np.int32], verdicts_path: str | Path, *, slide: str
) -> npt.NDArray[np.bool_]:
    """Tell which patches of a file, at `coords` (n, 2), passed quality control: (n,).

    One that is not among the tiles that quality control judged raises HistotransferError.
    """
    verdicts = kept_tiles(verdicts_path, slide=slide)
    try:
        return np.array([verdicts[x, y] for x, y in coords.tolist()], dtype=bool)
    except KeyError as error:
        raise HistotransferError(
            path,
            f"has a patch at {error.args[0]} that is not a tile of {verdicts_path}",
            "Delete both files and run the workflow again",
        ) from error


def kept_tiles(verdicts_path: str | Path, *, slide: str) -> dict[tuple[int, int], bool]:
    """Tell of each tile of a slide, by its corner at level 0, whether quality control kept it."""
    with open_store(verdicts_path, "qc/1", slide=slide) as store:
        reason = store["reason"]
        kept = reason[:] == h5py.check_enum_dtype(reason.dtype)["kept"]
        corners = map(tuple, store["coords"][:].tolist())
        return dict(zip(corners, kept.tolist(), strict=True))
