"""Tables of labels: read as text, turned where genes are in rows, their rows given to patients."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..core.exclusions import Reason
from ..core.id_columns import Ids, find_ids, is_of_genes, is_of_patients
from ..core.patient_ids import PatientIds, barcode, forms, is_normal, near, says_sample
from ..core.user_tables import read_user_table
from .exclusions import Excluded

_SAMPLE_TYPE = re.compile(r"(sample|tissue)[ ._]?type([ ._]?name)?", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*[,;|]\s*")
"""Between the samples that share a cell, as in the GDC's sheet of pairs."""
_MOST_COMPARED = 1_000_000
"""Pairs of ids among which typos are looked for; in larger tables near matches mean nothing."""


@dataclass(frozen=True)
class PatientRows:
    """Rows of a table that belong to patients.

    Attributes
    ----------
    values : pandas.DataFrame of str
        A row per patient, indexed by patient; without the columns of ids.
    ids : pandas.Series of str
        The id of each patient's row, indexed by patient.
    further : pandas.DataFrame of str
        Further rows of patients, indexed likewise, whose ids do not say which row comes first.
    places : pandas.Series of int
        Where the patient's row is in the table, from 0, indexed by patient.
    count : int
        Of the table's rows.
    """

    values: pd.DataFrame
    ids: pd.Series[str]
    further: pd.DataFrame
    places: pd.Series[int]
    count: int


def read_matrix(path: Path, excluded: Excluded) -> pd.DataFrame:
    """Read a table as text, so that an id such as ``007`` or a gene ``NA`` survives.

    Of columns of the same name the first is used. Samples that share a cell, as in the GDC's sheet
    of tumours and their normals, get a row each.
    """
    remedy = "Give a CSV or TSV file with a row per patient as the task's `labels`"
    table = read_user_table(path, remedy)
    excluded.note(table.notes)
    return _a_row_per_sample(_first_of_a_name(table.cells, excluded))


def rows_of_patients(
    cells: pd.DataFrame,
    patients: Sequence[str],
    path: Path,
    excluded: Excluded,
    *,
    id_column: str = "",
) -> PatientRows:
    """Find each patient's row.

    `find_ids` tells where the ids are, and what it used is listed; if the header has them, the
    table is turned. Normal samples are left out: by their TCGA barcode, or by a column of sample
    types. Of several samples of a patient the first by id is used: of TCGA's the primary tumour
    (01) where there is one.

    Parameters
    ----------
    cells : pandas.DataFrame of str
        As `read_matrix` returns it.
    patients : sequence of str
        Those of the cohort.
    path : Path
        The table, for errors.
    excluded : Excluded
        Gets what is left out.
    id_column : str
        The column of ids, if the config names one.

    Raises
    ------
    HistotransferError
        As `find_ids`.
    """
    known = PatientIds(patients)
    found = find_ids(cells, known, path, named=id_column, key="labels.id")
    used = " and ".join(found.columns) or "header"
    excluded.add([used], "column", Reason("id_column"))
    types = next((name for name in cells.columns if _SAMPLE_TYPE.fullmatch(name)), None)
    if found.columns:
        cells = cells.drop(columns=list(found.columns))
    else:
        cells, found = _turned(cells, found, excluded)
    normal = found.ids.map(is_normal)
    if types in cells:
        unmarked = found.ids.map(says_sample) == 0
        normal |= unmarked & cells[types].str.contains("normal", case=False)
    excluded.add(found.ids[normal], "row", Reason("normal_sample"))
    ids, owners = found.ids[~normal], found.owners[~normal]
    stranger = owners.isna()
    missing = sorted(known.patients - set(owners[~stranger]))
    absent = _list_strangers(list(ids[stranger]), missing, excluded)
    ids = ids[~stranger].sort_values(kind="stable")
    owner = owners[ids.index]
    for text, patient in zip(ids, owner, strict=True):
        if known.is_respelled(text):
            excluded.add([text], "row", Reason("id_respelled", f"read as {patient}"))
    again = owner.duplicated()
    excluded.add(ids[again], "row", Reason("further_row", "the first by id is used"))
    for patient, reason in absent.items():
        excluded.add([patient], "patient", reason)
    first = owner[~again]
    of_first = pd.Series(ids[~again].to_numpy(), first.to_numpy())
    ordered = ids.map(barcode).ne("") & ids.ne(owner.map(of_first))
    further = owner[again & ~ordered]
    index = pd.Index(first, dtype=object)
    return PatientRows(
        cells.loc[first.index].set_axis(index),
        ids[~again].set_axis(index),
        cells.loc[further.index].set_axis(pd.Index(further, dtype=object)),
        pd.Series(first.index, index),
        len(cells),
    )


def _turned(cells: pd.DataFrame, found: Ids, excluded: Excluded) -> tuple[pd.DataFrame, Ids]:
    """Turn a table with genes in rows; further columns about genes are dropped.

    The genes' names are in a column of symbols, else in the first.
    """
    of_genes = [name for name in cells.columns if is_of_genes(name)]
    symbols = [name for name in of_genes if re.search("symbol|hugo|name", name, re.IGNORECASE)]
    genes = (symbols + of_genes + list(cells.columns))[0]
    samples = [name for name in cells.columns if name != genes and name not in of_genes]
    turned = cells.set_index(genes)[samples].T
    turned = _first_of_a_name(turned, excluded).reset_index(drop=True)
    ids, owners = (part[samples].reset_index(drop=True) for part in (found.ids, found.owners))
    return turned, Ids((), ids, owners)


def _list_strangers(
    strangers: Sequence[str], missing: Sequence[str], excluded: Excluded
) -> dict[str, Reason]:
    """List rows of nobody; return why patients have no row. Both name what may be a typo."""
    unknown = sorted(set(strangers)) if len(strangers) * len(missing) <= _MOST_COMPARED else []
    meant = {text: near(forms(text)[-1], missing) for text in unknown}
    of_patient = {patient: text for text, patient in reversed(meant.items()) if patient}
    for text in strangers:
        patient = meant.get(text)
        detail = f"perhaps {patient}" if patient else ""
        excluded.add([text], "row", Reason("not_in_cohort", detail))
    remedy = "Correct the id in the table or in the slide sheet"
    return {
        patient: Reason("no_label_row", f"perhaps {of_patient[patient]}", remedy)
        if patient in of_patient
        else Reason("no_label_row")
        for patient in missing
    }


def _a_row_per_sample(cells: pd.DataFrame) -> pd.DataFrame:
    """Split cells of several samples into rows, with those other cells that list as many."""
    columns = list(cells.columns)
    of_samples = [place for place, name in enumerate(columns) if is_of_patients(name)]
    if not any(cells.iloc[:, place].str.contains(_BETWEEN).any() for place in of_samples):
        return cells
    rows = []
    for row in cells.to_numpy(dtype=object).tolist():
        count = max(len(_samples_of(row[place])) for place in of_samples)
        parts = [_BETWEEN.split(text) for text in row]
        rows += [
            [
                part[i] if len(part) == count else whole
                for part, whole in zip(parts, row, strict=True)
            ]
            for i in range(count)
        ]
    return pd.DataFrame(rows, columns=cells.columns)


def _samples_of(cell: str) -> list[str]:
    """Return the ids that share a cell; each of them has a digit."""
    parts = _BETWEEN.split(cell)
    return parts if all(re.search(r"\d", part) for part in parts) else [cell]


def _first_of_a_name(table: pd.DataFrame, excluded: Excluded) -> pd.DataFrame:
    twice = table.columns.duplicated()
    excluded.add(table.columns[twice], "column", Reason("repeated_column", "the first is used"))
    return table.loc[:, ~twice]
