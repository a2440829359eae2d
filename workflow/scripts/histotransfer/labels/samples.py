"""The samples that were sequenced, and which of them a variant belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from ..core.errors import HistotransferError
from ..core.id_columns import is_of_patients, is_of_samples
from ..core.patient_ids import forms, says_sample, spelling
from .exclusions import Excluded
from .matrix import PatientRows, rows_of_patients

_ENOUGH = 0.5
"""If fewer of the listed samples have a variant, and the MAF has other samples, it is of others."""


@dataclass(frozen=True)
class SequencedSamples:
    """The list of sequenced samples, of which each patient has one.

    Attributes
    ----------
    rows : PatientRows
        The list's row of each patient of the cohort.
    names : sequence of tuple of str
        The ids of each row of the list, whether or not it belongs to the cohort, that of the sample
        first.
    """

    rows: PatientRows
    names: Sequence[tuple[str, ...]]

    def rows_of(self, barcodes: Iterable[str]) -> dict[str, int]:
        """Find the row of the list that each barcode is of; unlisted ones are left out.

        A barcode may be longer or shorter than the listed one: ``TCGA-05-4244-01A-01D-…`` is of
        ``TCGA-05-4244-01``, not of ``TCGA-05-4244-02``. Ids in another spelling are found if no
        two of the list have that spelling.
        """
        order = sorted(range(len(self.names)), key=lambda row: row not in self._used)
        whole, parts = _Names(), _Names()
        for row in order:
            whole.add(forms(self.names[row][0])[0], row)
        for row in order:
            for name in (*forms(self.names[row][0])[1:], *self.names[row][1:]):
                parts.add(name, row)
        found = {}
        for text in barcodes:
            rows = [whole.get(form) for form in forms(text)] + [parts.get(forms(text)[0])]
            of_text = next((row for row in rows if row is not None), None)
            if of_text is not None:
                found[text] = of_text
        return found

    def owners(self, rows: dict[str, int]) -> dict[str, str]:
        """Return the patient of each barcode whose sample is the patient's one, given `rows_of`."""
        used = self._used
        return {text: used[row] for text, row in rows.items() if row in used}

    def only(self, patients: list[str]) -> SequencedSamples:
        """Return the same list, with the samples of these patients alone as the used ones."""
        rows = replace(
            self.rows,
            values=self.rows.values.loc[patients],
            ids=self.rows.ids[patients],
            places=self.rows.places[patients],
        )
        return replace(self, rows=rows)

    def sample_of(self, patient: str) -> str:
        """Return the name of a patient's sample."""
        return self.names[self.rows.places[patient]][0]

    @property
    def _used(self) -> dict[int, str]:
        return {int(row): str(patient) for patient, row in self.rows.places.items()}

    def refuse_strange(
        self, barcodes: Sequence[str], rows: dict[str, int], path: str | Path
    ) -> None:
        """Raise an error if the variants are of other samples than the listed ones.

        That is so if samples with variants are not listed, and no listed one, or less than half of
        them, has a variant.
        """
        strange = [text for text in barcodes if text not in rows]
        with_variant = len(set(rows.values()))
        if not strange or (with_variant and with_variant >= _ENOUGH * len(self.names)):
            return
        raise HistotransferError(
            path,
            f"is of other samples than the list: {with_variant} of the {len(self.names)} listed "
            f"samples have a variant, and {len(strange)} samples with variants are not listed "
            f"(the MAF has {strange[0]}, the list {self.names[0][0]})",
            "Give the list of all samples that were sequenced for this MAF",
        )


class _Names:
    """Rows by name: in its own spelling, or in another that only one name has."""

    def __init__(self) -> None:
        self._own: dict[str, int] = {}
        self._others: dict[str, set[str]] = {}

    def add(self, name: str, row: int) -> None:
        self._own.setdefault(name, row)
        self._others.setdefault(spelling(name), set()).add(name)

    def get(self, name: str) -> int | None:
        if name not in self._own:
            alike = self._others.get(spelling(name), set())
            name = next(iter(alike)) if len(alike) == 1 else name
        return self._own.get(name)


def sequenced_samples(
    cells: pd.DataFrame,
    patients: Sequence[str],
    path: Path,
    excluded: Excluded,
    *,
    id_column: str = "",
) -> SequencedSamples:
    """Read the list of sequenced samples, given as text cells; see `rows_of_patients`.

    A list with ids of patients and of samples, as cBioPortal's ``data_clinical_sample.txt`` has
    them, links the two.
    """
    columns = [name for name in cells.columns if is_of_patients(name) or name == id_column]
    columns = sorted(columns or cells.columns[:1], key=is_of_samples, reverse=True)
    names = [
        tuple(sorted(filter(None, row), key=says_sample, reverse=True)) or ("",)
        for row in cells[columns].to_numpy(dtype=object).tolist()
    ]
    # Where ids of patients are equal, the first sample by name is used.
    order = sorted(range(len(names)), key=lambda row: names[row][0])
    cells = cells.iloc[order].reset_index(drop=True)
    rows = rows_of_patients(cells, patients, path, excluded, id_column=id_column)
    return SequencedSamples(rows, [names[row] for row in order])
