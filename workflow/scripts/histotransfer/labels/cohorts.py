"""The labels of one cohort of an external validation.

Labels of both cohorts are read together, so that a word means the same in both; then they part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ..core.errors import HistotransferError, listed
from ..core.exclusions import Reason
from ..core.id_columns import find_ids
from ..core.patient_ids import PatientIds
from ..study.cohorts import COLUMN, refuse_unknown, two_cohorts
from ..study.parameters import CohortParameters
from .exclusions import Excluded
from .files import CLASS, TaskLabels
from .matrix import read_matrix


def cohort_of(parameters: CohortParameters, patients: Sequence[str]) -> dict[str, str]:
    """Return the cohort of each patient; empty of one who is in neither.

    Raises
    ------
    HistotransferError
        If the table cannot be read, has no column `cohort` or lacks one of the two cohorts, if a
        patient is in both, or if none of the patients is in one of them.
    """
    named = parameters.patients
    if named is None:
        named = _cohorts_in(parameters, patients)
    wanted = (parameters.train, parameters.test)
    found = {patient: named.get(patient, "") for patient in patients}
    found = {patient: name if name in wanted else "" for patient, name in found.items()}
    for name in wanted:
        if name not in found.values():
            raise HistotransferError(
                parameters.path,
                f"has cohort {name!r}, but none of its patients can be used by all extractors",
                "Compare its ids with those of the features (results/pooled/*.used.tsv)",
            )
    return found


def _cohorts_in(parameters: CohortParameters, patients: Sequence[str]) -> Mapping[str, str]:
    """Read each patient's cohort from a table; its ids are found as those of labels."""
    path = Path(parameters.path)
    cells = read_matrix(path, Excluded())
    by_name = {str(name).casefold(): str(name) for name in reversed(list(cells.columns))}
    if COLUMN not in by_name:
        raise HistotransferError(
            path,
            f"has no column {COLUMN!r} (it has {listed([str(name) for name in cells.columns])})",
            f"Name the column of cohorts `{COLUMN}`",
        )
    names = cells[by_name[COLUMN]].str.strip()
    refuse_unknown(str(path), (parameters.train, parameters.test), set(names))
    others = cells.drop(columns=by_name[COLUMN])
    ids = find_ids(others, PatientIds(patients), path, named=parameters.id_column, key="cohorts.id")
    if not ids.columns:
        raise HistotransferError(
            path, "names patients in its header", "Give a table with a row per patient"
        )
    known = pd.DataFrame({"patient": ids.owners, "name": names}).dropna().drop_duplicates()
    if len(twice := known[known["patient"].duplicated(keep=False)]):
        patient = twice["patient"].iloc[0]
        of_one = twice.loc[twice["patient"] == patient, "name"]
        raise two_cohorts(str(path), str(patient), of_one.iloc[:2].tolist())
    return {str(patient): str(name) for patient, name in known.to_numpy().tolist()}


def labels_of(
    which: str,
    labels: TaskLabels,
    cohorts: Mapping[str, str],
    parameters: CohortParameters,
    excluded: Excluded,
) -> TaskLabels:
    """Return the labels of the cohort of this name; list those who do not train a model, and why.

    Parameters
    ----------
    which : str
        The name of one of the two cohorts.
    labels : TaskLabels
        Of patients of both cohorts and of others.
    cohorts : mapping of str to str
        As `cohort_of` returns it.
    parameters : CohortParameters
    excluded : Excluded
        Gets everyone who is not of the training cohort.

    Raises
    ------
    HistotransferError
        If nobody of the training cohort has a label.
    """
    cohort = labels.values.index.map(cohorts)
    excluded.add(labels.values.index[cohort == ""], "patient", Reason("other_cohort"))
    values = {name: labels.values[cohort == name] for name in (parameters.train, parameters.test)}
    train, test = values[parameters.train], values[parameters.test]
    if train.empty:
        raise HistotransferError(
            parameters.path,
            f"has no patient of cohort {parameters.train!r} with a label",
            "Compare its ids with those of the table of labels",
        )
    if CLASS in train and not pd.api.types.is_numeric_dtype(train[CLASS]):
        unknown = ~test[CLASS].isin(train[CLASS])
        for name, patients in test[unknown].groupby(CLASS):
            excluded.add(patients.index, "patient", Reason("class_untrained", str(name)))
        test = test[~unknown]
    excluded.add(test.index, "patient", Reason("external_cohort", parameters.test))
    kept = train if which == parameters.train else test
    return TaskLabels(labels.group.loc[kept.index], kept)
