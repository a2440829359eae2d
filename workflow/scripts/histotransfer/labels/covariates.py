"""Clinical covariates that are what a task predicts: nothing is learnt from a label of itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..core.errors import HistotransferError
from ..core.hdf5 import open_store
from ..features import covariates as of_patients
from ..features import pooling
from ..study.tasks import CLASSES, TIMES, LabelParameters
from .files import CLASS, TaskLabels

Float = npt.NDArray[np.float64]
FILES_OF_PATIENTS = (pooling.SCHEMA, of_patients.SCHEMA)
"""What extractors have of patients: pooled features, or covariates."""
GLANCE = 30
"""Patients who tell nearly every other column from a label."""


def refuse_labels_among_covariates(
    source: str | Path,
    covariates: pd.DataFrame,
    labels: TaskLabels,
    parameters: LabelParameters,
) -> None:
    """Raise an error if a covariate has the name of a task's label, or says the same.

    It says the same if each of its values goes with one value of the label and the other way round;
    of as many values as a measurement has, if both also rise, or fall, together.

    Parameters
    ----------
    source : str or Path
        The table of the covariates, which the error names.
    covariates : pandas.DataFrame of float64
        As of `features.covariates.Covariates`.
    labels : TaskLabels
    parameters : LabelParameters
        What the labels are.
    """
    covariates = covariates.reindex(labels.values.index)
    for target, label in _labels(labels, parameters).items():
        for name in map(str, covariates):
            if name == target:
                cause = f"column {name!r} is a label"
            elif _says_the_same(covariates[name].to_numpy(), label):
                cause = f"column {name!r} says the same as the label {target!r}"
            else:
                continue
            raise HistotransferError(
                source,
                f"{cause}, so it cannot be a covariate",
                "Name the columns that count (`covariates: {table: …, columns: […]}`)",
            )


def refuse_labels_in(path: str | Path, labels: TaskLabels, parameters: LabelParameters) -> None:
    """Do so for what an extractor has of patients; only covariates can be labels."""
    with open_store(path, FILES_OF_PATIENTS) as store:
        if store.attrs["schema"] != of_patients.SCHEMA:
            return
        source, patients = str(store.attrs["source"]), store["patient"].asstr()[:].tolist()
        covariates = pd.DataFrame(store["features"][:], patients, store["column"].asstr()[:])
    refuse_labels_among_covariates(source, covariates, labels, parameters)


def _labels(labels: TaskLabels, parameters: LabelParameters) -> dict[str, Float]:
    """Return the labels as numbers, by the name of their column."""
    values = labels.values
    if parameters.values == TIMES:
        signed = values.iloc[:, 0].to_numpy(dtype=np.float64)
        return {parameters.time: np.abs(signed), parameters.event: (signed > 0).astype(np.float64)}
    if parameters.values == CLASSES:
        (column,) = list(parameters.targets)
        codes = pd.factorize(values[CLASS])[0].astype(np.float64)
        return {column: np.where(codes < 0, np.nan, codes)}
    return {str(name): values[name].to_numpy(dtype=np.float64) for name in values}


def _says_the_same(covariate: Float, label: Float) -> bool:
    """Tell whether either of two columns follows from the other."""
    known = np.isfinite(covariate) & np.isfinite(label)
    covariate, label = covariate[known], label[known]
    if not _one_to_one(covariate[:GLANCE], label[:GLANCE]) or not _one_to_one(covariate, label):
        return False
    if len(np.unique(label)) <= len(label) / 2:
        return len(np.unique(label)) > 1
    # Where nearly every patient has a value of their own, one to one says nothing.
    rising = np.diff(label[np.argsort(covariate, kind="stable")])
    return bool(len(rising)) and bool((rising >= 0).all() or (rising <= 0).all())


def _one_to_one(a: Float, b: Float) -> bool:
    pairs = set(zip(a.tolist(), b.tolist(), strict=True))
    return len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})
