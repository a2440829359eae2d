"""Clinical covariates: a table of patients with numbers and categories, some of them missing.

Nothing is imputed or encoded here, because that must follow from the training samples alone
(`evaluation.predictors.encoded`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ..core.errors import HistotransferError, listed
from ..core.exclusions import Reason
from ..core.hdf5 import create_store
from ..core.user_numbers import MISSING, read_numbers
from ..core.user_tables import Note
from .external import read_patient_rows, write_used

SCHEMA = "covariates/1"
FEW = 10
"""Different numbers that a column may hold beside words, such as the stages 1, 2, 3a and 3b; and
categories that may be more than half of the patients."""


@dataclass(frozen=True)
class Covariates:
    """The covariates of patients.

    Attributes
    ----------
    source : Path
        Their table.
    values : pandas.DataFrame of float64
        A row per patient who has any, a column per covariate: numbers, or the numbers of
        categories; NaN where a value is missing.
    is_category : list of bool
        By column.
    reasons : dict of str to Reason or None
        Every patient, with the reason where there is no row.
    notes : list of Note
        What was decided in reading the table, of each column too.
    words : dict of str to list of str
        The categories of each column that has some; their numbers are their places here.
    """

    source: Path
    values: pd.DataFrame
    is_category: list[bool]
    reasons: dict[str, Reason | None]
    notes: list[Note]
    words: dict[str, list[str]]


def read_covariates(
    path: str | Path,
    patients: Collection[str],
    *,
    id_column: str = "",
    columns: Sequence[str] = (),
) -> Covariates:
    """Read the covariates of patients from a table.

    The patients are found as in `external.pool_table`. A column whose values are all numbers is one
    of numbers; any other is one of categories, which may not be nearly as many as the patients.

    Parameters
    ----------
    path : str or Path
        CSV, TSV or Parquet, patients in rows.
    patients : collection of str
        Without any, all of the table's count.
    id_column : str
        The column of ids, if the config names one.
    columns : sequence of str
        Those that count; by default all but the ids.

    Raises
    ------
    HistotransferError
        As `external.pool_table`; or if a column holds numbers and words, or as many words as ids
        would be.
    """
    path = Path(path)
    found = read_patient_rows(path, patients, id_column=id_column, key="covariates.id")
    cells, notes = _wanted(found.cells, columns, path), list(found.notes)
    read, words_of = {}, {}
    for name in map(str, cells):
        values, words = _values_of(cells[name], path)
        if (varies := values.nunique()) > 1:
            read[name] = values, bool(words)
            words_of[name] = words
        notes.append(Note(name, "column", _reason(values, words, varies)))
    if not read:
        raise HistotransferError(
            path, "has no column whose values differ between patients", "Add a covariate"
        )
    table = pd.DataFrame({name: values for name, (values, _) in read.items()})
    empty = table.isna().all(axis=1)
    no_value = Reason("no_feature_row", "its cells are empty", "Fill the patient's cells")
    reasons = found.reasons() | dict.fromkeys(table.index[empty], no_value)
    of_words = [is_category for _, is_category in read.values()]
    with_words = {name: words for name, words in words_of.items() if words}
    return Covariates(path, table[~empty], of_words, reasons, notes, with_words)


def write_covariates(
    found: Covariates, out_path: str | Path, used_path: str | Path, *, extractor: str
) -> None:
    """Write covariates, and what was decided in reading them (`external.USED`).

    The ``covariates/1`` file has `features` (patients, d) float64, `patient`, and `column` and
    `is_category` (d,).
    """
    attrs = {"extractor": extractor, "source": str(found.source)}
    with create_store(out_path, SCHEMA, attrs) as store:
        text = h5py.string_dtype()
        store["features"] = found.values.to_numpy(dtype=np.float64)
        store.create_dataset("patient", data=found.values.index.tolist(), dtype=text)
        store.create_dataset("column", data=list(found.values), dtype=text)
        store["is_category"] = np.array(found.is_category)
    write_used(used_path, found.reasons, found.notes)


def _wanted(cells: pd.DataFrame, columns: Sequence[str], path: Path) -> pd.DataFrame:
    """Return the columns that count; raises HistotransferError if one is absent or there twice."""
    names = list(map(str, cells))
    if absent := [name for name in columns if name not in names]:
        raise HistotransferError(
            path,
            f"has no column {absent[0]!r} (it has {listed(names)})",
            "Correct `covariates.columns` in the config",
        )
    wanted = list(columns) or names
    if twice := [name for name in wanted if names.count(name) > 1]:
        raise HistotransferError(path, f"has two columns {twice[0]!r}", "Rename one of them")
    return cells[wanted]


def _values_of(column: pd.Series, path: Path) -> tuple[pd.Series[float], list[str]]:
    """Return numbers, or the numbers of categories and the categories; NaN is missing."""
    if pd.api.types.is_float_dtype(column):
        return column.where(np.isfinite(column)).astype(np.float64), []
    numbers = read_numbers(column.to_frame(), path)
    values, stray = numbers.values.iloc[:, 0], numbers.stray[:, 0]
    if not stray.any():
        return values, []
    if values.nunique() > FEW:
        raise HistotransferError(
            path,
            f"column {column.name!r} holds numbers, and {column[stray].iloc[0]!r} for "
            f"{column[stray].index[0]}",
            "Correct or empty the cell, or name the columns that count (`covariates: {table: …, "
            "columns: […]}`)",
        )
    words = column.mask(column.str.casefold().isin(MISSING)).dropna()
    spelled: dict[str, str] = {}
    for word in words.unique():
        if (other := spelled.setdefault(" ".join(word.casefold().split()), word)) != word:
            raise HistotransferError(
                path,
                f"column {column.name!r} holds {other!r} and {word!r}, which differ only in "
                "capitals or blanks",
                "Write both alike if they are one category, else rename one",
            )
    if 2 < len(spelled) == len(words) or len(spelled) > max(FEW, len(words) / 2):
        raise HistotransferError(
            path,
            f"column {column.name!r} holds {len(spelled)} different words for {len(words)} "
            "patients, as ids would",
            "Name the columns that count (`covariates: {table: …, columns: […]}`)",
        )
    categories = sorted(words.unique())
    number_of = {word: float(number) for number, word in enumerate(categories)}
    return words.map(number_of).reindex(column.index).astype(np.float64), categories


def _reason(values: pd.Series[float], words: Sequence[str], varies: int) -> Reason:
    """Say what became of a column."""
    if not varies:
        return Reason("no_covariate")
    if varies == 1:
        return Reason("no_variance")
    n = int(values.isna().sum())
    missing = [f"{n} missing"] if n else []
    if words:
        return Reason("covariate_of_categories", "; ".join([listed(words), *missing]))
    return Reason("covariate_of_numbers", *missing)
