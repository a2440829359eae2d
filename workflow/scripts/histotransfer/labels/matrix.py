"""Tables of labels: read as text, turned where genes are in rows, one row per patient."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from ..core.tables import UNREADABLE
from .exclusions import Excluded

PATIENT = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}")
PATIENT_LENGTH = 12
SAMPLE_TYPE, NORMAL_TYPES = slice(13, 15), range(10, 20)
"""Where a TCGA barcode names the type of its sample, and the types of normal tissue or blood."""
NO_TARGET = "\0"
"""Starts the name of a column that is not a target."""


def read_matrix(path: Path, excluded: Excluded, suffix: str = "") -> pd.DataFrame:
    """Read a CSV or TSV table as text, so that an id such as ``007`` or a gene ``NA`` survives.

    `suffix` is what the names of the targets' columns end in, such as ``_rnaseq``; it is cut off.
    Of columns of the same name the first is used.
    """
    separator = "," if ".csv" in path.suffixes else "\t"
    try:
        cells = pd.read_csv(
            path, sep=separator, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except UNREADABLE as error:
        raise HistotransferError(
            path,
            f"cannot be read as a table ({error})",
            "Give a CSV or TSV file with a row per patient as the task's `labels`",
        ) from error
    header = pd.Index(cells.iloc[0].str.strip(), dtype=str)
    if suffix:
        if not header.str.endswith(suffix).any():
            raise HistotransferError(
                path,
                f"has no column that ends in {suffix!r}",
                "Correct `suffix` of the task's labels",
            )
        names = [
            name.removesuffix(suffix) if name.endswith(suffix) else f"{NO_TARGET}{name}"
            for name in header
        ]
        header = pd.Index(names, dtype=str)
    table = _first_of_a_name(cells.iloc[1:].set_axis(header, axis=1), excluded)
    return pd.DataFrame({name: table[name].str.strip() for name in table.columns})


def patients_in_rows(
    table: pd.DataFrame, patients: Sequence[str], excluded: Excluded
) -> pd.DataFrame:
    """Turn a matrix whose header names more of the patients than any of its columns does.

    The first column of such a matrix names the genes.
    """
    in_header = set(patients).intersection(_patients_of(table.columns, patients))
    if len(in_header) <= _id_column(table, patients)[0]:
        return table
    turned = table.set_index(table.columns[0]).T
    return _first_of_a_name(turned, excluded).rename_axis("id").reset_index()


def one_row_per_patient(
    table: pd.DataFrame, patients: Sequence[str], path: Path, excluded: Excluded
) -> tuple[pd.DataFrame, pd.Series[str]]:
    """Find the column of ids and index the table by patient, in the order of the ids.

    Returns the table without that column, and the id of each patient's row. In a cohort of TCGA
    patients, barcodes are cut to the patient and normal samples are left out. Of several samples of
    a patient the first by barcode is used: the primary tumour (01) where there is one.
    """
    known = set(patients)
    found, id_column = _id_column(table, patients)
    if not found:
        raise HistotransferError(
            path,
            "names no patient of the cohort in any column"
            + (f" (the cohort has {patients[0]}, …)" if patients else ""),
            "Use the slide sheet's patient ids in one column of the labels table",
        )
    ids = table[id_column]
    table = table.drop(columns=id_column)
    if _is_tcga(patients):
        normal = pd.to_numeric(ids.str[SAMPLE_TYPE], errors="coerce").isin(NORMAL_TYPES)
        excluded.add(ids[normal], "row", Reason("normal_sample"))
        ids = ids[~normal]
    stranger = ~pd.Series(_patients_of(ids, patients), ids.index).isin(known)
    excluded.add(ids[stranger], "row", Reason("not_in_cohort"))
    ids = ids[~stranger].sort_values(kind="stable")
    owner = pd.Series(_patients_of(ids, patients), ids.index)
    again = owner.duplicated()
    excluded.add(ids[again], "row", Reason("further_row", "the first by id is used"))
    owner = owner[~again]
    excluded.add(sorted(known - set(owner)), "patient", Reason("no_label_row"))
    patient = pd.Index(owner)
    return table.loc[owner.index].set_axis(patient), ids[~again].set_axis(patient)


def _is_tcga(patients: Iterable[str]) -> bool:
    """Tell whether all patients are named as TCGA names them."""
    return all(PATIENT.fullmatch(patient) for patient in patients)


def _patients_of(ids: Iterable[str], patients: Sequence[str]) -> list[str]:
    """Cut ids to the patient where the cohort is one of TCGA."""
    return [name[:PATIENT_LENGTH] for name in ids] if _is_tcga(patients) else list(ids)


def _id_column(table: pd.DataFrame, patients: Sequence[str]) -> tuple[int, str]:
    """Return how many patients the best column of ids names, and its name.

    Among equals it is the one with the longest ids, because an aliquot's barcode says more than its
    patient's.
    """
    known, length = set(patients), PATIENT_LENGTH if _is_tcga(patients) else None
    best = (0, 0, "")
    for name in table.columns:
        ids = table[name].tolist()
        found = len(known.intersection(text[:length] for text in ids))
        if found:
            best = max(best, (found, sum(map(len, ids)), name), key=lambda entry: entry[:2])
    return best[0], best[2]


def _first_of_a_name(table: pd.DataFrame, excluded: Excluded) -> pd.DataFrame:
    twice = table.columns.duplicated()
    excluded.add(table.columns[twice], "column", Reason("repeated_column", "the first is used"))
    return table.loc[:, ~twice]
