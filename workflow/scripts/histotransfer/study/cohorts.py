"""The cohorts of an external validation: one trains the models, the other one only tests them.

Imported by the Snakefile, so only the standard library may be imported here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..core.errors import HistotransferError, listed
from .parameters import CohortParameters

COLUMN = "cohort"
"""The column, of the slide sheet or of a table of patients, that names the cohorts."""


def refuse_useless_cohorts(config: Mapping[str, Any]) -> None:
    """Raise an error if `cohorts` can have no effect, or nothing names the patients' cohorts."""
    if "cohorts" not in config:
        return
    cohorts = config["cohorts"]
    if str(cohorts["train"]) == str(cohorts["test"]):
        raise HistotransferError(
            "config: cohorts",
            f"{cohorts['train']!r} is the cohort to train on and the one to test on",
            "Name two cohorts",
        )
    if all("dataset" in task for task in config["tasks"].values()):
        raise HistotransferError(
            "config: cohorts",
            "no task is of patients, so there is nothing to validate on another cohort",
            "Add a task with `labels`, or leave `cohorts` out",
        )
    if "table" not in cohorts and "slides" not in config:
        raise HistotransferError(
            "config: cohorts",
            "there is no slide sheet whose column `cohort` could name each patient's cohort",
            "Add `table: data/cohorts.csv` to `cohorts`, a table with the columns patient and "
            "cohort",
        )


def cohorts_of(
    config: Mapping[str, Any], sheet: Iterable[tuple[str, str]]
) -> CohortParameters | None:
    """Return the cohorts of a complete config; None without any.

    Parameters
    ----------
    config : mapping
        Checked.
    sheet : iterable of tuple of str
        Patient and cohort of each row of the slide sheet; none where it is still missing.

    Raises
    ------
    HistotransferError
        If the sheet names the cohorts and lacks one of them, or gives a patient two.
    """
    if "cohorts" not in config:
        return None
    entry = config["cohorts"]
    train, test = str(entry["train"]), str(entry["test"])
    if "table" in entry:
        return CohortParameters(train, test, entry["table"], entry.get("id", ""), None)
    path, patients = config["slides"], dict[str, str]()
    for patient, cohort in sheet:
        if (other := patients.setdefault(patient, cohort)) != cohort:
            raise two_cohorts(path, patient, (other, cohort))
    if patients:
        refuse_unknown(path, (train, test), set(patients.values()))
    return CohortParameters(train, test, path, "", patients)


def refuse_unknown(path: str, wanted: Iterable[str], found: Collection[str]) -> None:
    """Raise an error if nobody is of a cohort that the config names; blanks are no cohort."""
    there = sorted(set(found) - {""})
    if not there:
        raise HistotransferError(
            path,
            f"names the cohort of no patient in a column `{COLUMN}`",
            f"Add a column `{COLUMN}` with each patient's cohort, or name another table as "
            "`cohorts: {table: FILE}`",
        )
    for name in wanted:
        if name not in there:
            raise HistotransferError(
                path,
                f"names no patient of cohort {name!r} (it has {listed(there)})",
                "Correct `cohorts` in the config",
            )


def two_cohorts(path: str, patient: str, names: Iterable[str]) -> HistotransferError:
    """Return the error that a patient is of two cohorts."""
    first, second = (name or "none" for name in names)
    return HistotransferError(
        path,
        f"gives patient {patient} two cohorts, {first} and {second}",
        "Keep the one that is right: nobody may train a model and test it too",
    )
