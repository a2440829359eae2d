"""What labels tell before the first job: whether they leave enough patients for the folds.

The same readers meet the labels again once the cohort is known. Here they read them for all
patients of the slide sheet, so that a study does not tile slides for days first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..core.errors import HistotransferError, listed
from ..features.covariates import read_covariates
from ..labels.cohorts import cohort_of, labels_of
from ..labels.covariates import refuse_labels_among_covariates
from ..labels.exclusions import Excluded
from ..labels.files import TaskLabels
from ..labels.matrix import read_matrix, rows_of_patients
from ..labels.task_labels import patient_labels
from ..study.extractors import Extractor
from ..study.parameters import CohortParameters, SplitParameters
from ..study.tasks import TIMES, TWO_VALUES, LabelParameters
from .kinds import KINDS, PER_FOLD, refuse_rare
from .splits import sites_of


def check_labels(
    parameters: LabelParameters,
    patients: Sequence[str],
    splits: SplitParameters,
    covariates: Extractor | None = None,
    cohorts: CohortParameters | None = None,
    sites: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Check the labels of a task of patients; yield what limits the study without stopping it.

    Of a table, everything is read; of files of the GDC, which are large, only the list of samples.

    Parameters
    ----------
    parameters : LabelParameters
    patients : sequence of str
        Those of the slide sheet.
    splits : SplitParameters
    covariates : Extractor or None
        The clinical covariates, if the study has any.
    cohorts : CohortParameters, optional
        Of an external validation: then the patients of the training cohort must be enough.
    sites : mapping of str to str, optional
        The sites of patients, where splits are grouped by sites that the slide sheet names.

    Yields
    ------
    str
        A sentence without a full stop.

    Raises
    ------
    HistotransferError
        If the labels cannot be read, name no patient, or leave too few patients for the folds, too
        few of a class, or no target to compare; or if a label is among the covariates.
    """
    if covariates is not None:
        beside = read_covariates(
            covariates.path, patients, id_column=covariates.id_column, columns=covariates.columns
        )
    source, excluded = parameters.labels, Excluded()
    train, whose = list(patients), "of the slide sheet"
    if cohorts is not None:
        of_patients = cohort_of(cohorts, patients)
        train = [name for name in patients if of_patients[name] == cohorts.train]
        whose = f"of cohort {cohorts.train!r}"
    if "table" not in source:
        path = Path(source["samples"])
        cells = read_matrix(path, excluded)
        rows = rows_of_patients(cells, patients, path, excluded, id_column=source.get("id", ""))
        labelled = [str(patient) for patient in rows.values.index]
        _refuse_too_few(
            [name for name in labelled if name in train], train, splits, path, whose, sites
        )
        return
    path = Path(source["table"])
    labels, _ = patient_labels(parameters, patients, excluded)
    if covariates is not None:
        refuse_labels_among_covariates(beside.source, beside.values, labels, parameters)
    if cohorts is not None:
        labels = labels_of(cohorts.train, labels, of_patients, cohorts, excluded)
    _refuse_too_few(labels.samples, train, splits, path, whose, sites)
    refuse_rare(KINDS[parameters.kind], labels, splits.folds, path)
    if parameters.values == TIMES:
        _refuse_few_events(labels, splits.folds, path)
    if parameters.values == TWO_VALUES:
        yield from _targets_left_out(parameters.kind, labels, splits.folds, path)


def _refuse_too_few(
    labelled: Sequence[str],
    patients: Sequence[str],
    splits: SplitParameters,
    path: Path,
    whose: str,
    sites: Mapping[str, str] | None,
) -> None:
    groups, of_sites = len(labelled), ""
    if splits.group_by == "site":
        groups = sites_of(labelled, path, sites).nunique()
        of_sites = f", of {groups} sites"
    if groups < splits.folds:
        raise HistotransferError(
            path,
            f"labels {len(labelled)} of the {len(patients)} patients {whose}{of_sites}: "
            f"too few for {splits.folds} folds",
            "Lower `crossval: folds` in the config, or label more patients",
        )


def _refuse_few_events(labels: TaskLabels, folds: int, path: Path) -> None:
    events = int((labels.values.to_numpy(dtype=np.float64) > 0).sum())
    if events < (least := PER_FOLD * folds):
        raise HistotransferError(
            path,
            f"has {events} observed events, too few for {folds} folds, which need {least}",
            "Lower `crossval: folds` in the config, or name another event",
        )


def _targets_left_out(kind: str, labels: TaskLabels, folds: int, path: Path) -> Iterator[str]:
    """Yield how many targets cannot be compared, and which; all of one class is an error."""
    names, truth = labels.values.columns, labels.values.to_numpy(dtype=np.float64)
    left_out = ~KINDS[kind].estimable(truth, folds)
    one_class = (truth == 1).any(axis=0) != (truth == 0).any(axis=0)
    if one_class.all():
        raise HistotransferError(
            path,
            f"has patients of one class only, for all of its targets ({len(names)})",
            "Name other `targets` in the config, or label other patients",
        )
    for some, why in (
        (left_out & one_class, "one class only"),
        (left_out & ~one_class, f"fewer than {PER_FOLD * folds} patients of a class"),
    ):
        if some.any():
            shown = listed(names[some].tolist())
            yield f"{some.sum()} of {len(names)} targets have {why}: {shown}"
