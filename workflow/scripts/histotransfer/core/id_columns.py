"""Which column of a user's table holds the ids of patients. It is never guessed by counting."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .errors import HistotransferError
from .patient_ids import PatientIds, says_sample

_SAMPLES = frozenset({"sample", "specimen", "aliquot", "barcode", "tumor", "tumour"})
_PERSONS = _SAMPLES | {
    *("patient", "case", "subject", "participant", "donor", "individual", "submitter")
}
_BESIDE = frozenset(
    {"id", "ids", "identifier", "code", "number", "no", "nr", "name", "names", "key", "uuid"}
    | {"bcr", "tcga", "gdc", "icgc", "cptac"}
)
_GENES = frozenset(
    {"gene", "hugo", "symbol", "entrez", "ensembl", "ensg", "hgnc", "probe", "transcript"}
)
"""Words of a column's name: of a person or a sample, what may stand beside them, of genes."""
_FLAGS = {"", "0", "1"}


@dataclass(frozen=True)
class Ids:
    """The ids of a table's rows.

    Attributes
    ----------
    columns : tuple of str
        The columns that hold ids; they name the same patient in every row. Empty if the header
        holds them, so that genes are in rows.
    ids : pandas.Series of str
        By row: of the columns' cells that name a patient, the longest, since an aliquot's barcode
        says more than its patient's. Of the header: by column.
    owners : pandas.Series
        The patient of each id, None of a stranger.
    """

    columns: tuple[str, ...]
    ids: pd.Series[str]
    owners: pd.Series[str]


def is_of_patients(name: str) -> bool:
    """Tell whether a column is named like ids of patients or samples: ``case_id``, ``Sample``."""
    words = _words(name)
    return bool(words & {*_PERSONS, "id", "ids"}) and words <= _PERSONS | _BESIDE


def is_of_samples(name: str) -> bool:
    """Tell whether a column of ids is of samples rather than of patients."""
    return bool(_words(name) & _SAMPLES)


def is_of_genes(name: str) -> bool:
    """Tell whether a column is named like a gene's symbol or id."""
    return bool(_words(name) & _GENES)


def find_ids(
    cells: pd.DataFrame, patients: PatientIds, path: str | Path, *, named: str = "", key: str
) -> Ids:
    """Find the ids of patients in a table.

    The rules, in this order:

    1. The column that the config names.
    2. The columns that are named like ids of patients or samples and name any patient. If there are
       several, they must name the same patient in each row.
    3. The header, if it names several patients and no column does: genes are in rows.
    4. The single column that names any patient. If ids are numbers, which anything can match, it
       must be the first, and no other may be named like ids.

    Columns of genes and of zeros and ones hold no ids, nor do those that only count the rows, such
    as R's row names, unless they are named like ids.

    Parameters
    ----------
    cells : pandas.DataFrame of str
        As `read_user_table` returns it, each column's name once.
    patients : PatientIds
        Those to look for.
    path : str or Path
        The table, for errors.
    named : str
        The column that the config names.
    key : str
        The config's key for it, for errors.

    Raises
    ------
    HistotransferError
        If no column names a patient, or several readings are possible.
    """
    table = _Table(cells, patients, path, key)
    names = [str(name) for name in cells.columns]
    if named:
        if named not in names:
            raise HistotransferError(
                path,
                f"has no column {named!r}; it has {_listed(names)}",
                f"Correct `{key}` in the config",
            )
        if not table.naming([named], patients.owner):
            raise table.names_nobody([named])
        return table.ids_of([named])
    like_ids = [name for name in names if is_of_patients(name)]
    by_person = table.naming(like_ids, patients.owner)
    strong = [name for name in by_person if _words(name) & _PERSONS]
    if strong:
        return table.ids_of(by_person)
    # Other spellings only count where nothing has the patients' own.
    for of_id in (patients.exact, patients.owner):
        in_header = [of_id(name) for name in names]
        # A column that is named after a patient holds that patient's values.
        others = [
            name
            for name, owner in zip(names, in_header, strict=True)
            if owner is None and not is_of_genes(name)
        ]
        found = table.naming(others, of_id)
        are_in_header = len(set(in_header) - {None}) > 1
        if are_in_header and found:
            raise table.undecided(["the header", *map(_shown, found)])
        if are_in_header:
            genes = pd.Series(names, index=names, dtype=object)
            owners = pd.Series(patients.owners(names), index=names, dtype=object)
            return Ids((), genes, owners)
        if by_person:
            return table.ids_of(by_person)
        counters = [name for name in found if _counts_rows(cells[name])]
        found = [name for name in found if name not in counters]
        by_chance = [
            name for name in found if (like_ids or name != names[0]) and _is_numeric(cells[name])
        ]
        if by_chance or (counters and not found):
            raise table.undecided(list(map(_shown, dict.fromkeys(like_ids + counters + found))))
        if found:
            return table.ids_of(found)
    raise table.names_nobody(like_ids or names[:1])


class _Table:
    """A table whose ids are looked for; errors name it."""

    def __init__(
        self, cells: pd.DataFrame, patients: PatientIds, path: str | Path, key: str
    ) -> None:
        self.cells, self.patients, self.path, self.key = cells, patients, path, key

    def naming(self, names: Sequence[str], of_id: Callable[[str], str | None]) -> list[str]:
        """Return the columns that name any patient, as `of_id` finds them."""
        values = {name: set(self.cells[name]) for name in names}
        return [
            name for name in names if not values[name] <= _FLAGS and any(map(of_id, values[name]))
        ]

    def ids_of(self, columns: Sequence[str]) -> Ids:
        """Take the ids of columns that name the same patient in each row."""
        cells = self.cells[list(columns)]
        owners = pd.DataFrame(
            {name: pd.Series(self.patients.owners(cells[name]), cells.index, dtype=object)
             for name in columns}
        )  # fmt: skip
        differ = owners.nunique(axis=1) > 1
        if differ.any():
            row = cells[differ].iloc[0]
            raise self.undecided([f"{_shown(name)} (such as {row[name]!r})" for name in columns])
        found = owners.notna().to_numpy()
        ids = [
            max(
                zip(row, of_row, strict=True),
                key=lambda cell: (cell[1], says_sample(cell[0]), len(cell[0])),
            )[0]
            for row, of_row in zip(cells.to_numpy(dtype=object), found, strict=True)
        ]
        owner = owners.bfill(axis=1).iloc[:, 0]
        return Ids(tuple(columns), pd.Series(ids, cells.index, dtype=object), owner)

    def undecided(self, candidates: Sequence[str]) -> HistotransferError:
        return HistotransferError(
            self.path,
            f"may name patients in several places: {', '.join(candidates)}",
            f"Name the column of ids as `{self.key}` in the config",
        )

    def names_nobody(self, looked_at: Sequence[str]) -> HistotransferError:
        known = sorted(self.patients.patients)
        cohort = f"the cohort has {known[0]}, …" if known else "the cohort is empty"
        examples = "".join(
            f"; {_shown(name)} has {self.cells[name].iloc[0]}"
            for name in looked_at[:3]
            if len(self.cells)
        )
        return HistotransferError(
            self.path,
            f"names no patient of the cohort in any column ({cohort}{examples})",
            "Use the slide sheet's patient ids in one column of the table",
        )


def _words(name: str) -> set[str]:
    """Split a column's name into words: ``PatientID``, ``case_barcode``, ``SAMPLEID``."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.findall(r"[a-z]+", spaced.casefold())
    return {part for word in words for part in _parts(word)}


def _parts(word: str) -> list[str]:
    word = word if word in _BESIDE | _GENES | _PERSONS else word.removesuffix("s")
    for person in _PERSONS:
        rest = word.removeprefix(person)
        if rest != word and rest in _BESIDE:
            return [person, rest]
    return [word]


def _counts_rows(column: pd.Series[str]) -> bool:
    """Tell whether a column holds 0, 1, 2 and so on, or 1, 2, 3 and so on."""
    return any(list(column) == [str(i) for i in range(s, s + len(column))] for s in (0, 1))


def _is_numeric(column: pd.Series[str]) -> bool:
    return bool(column[column != ""].str.fullmatch(r"[+-]?\d+(\.\d*)?").all())


def _shown(name: str) -> str:
    return repr(name) if name else "the unnamed column"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_shown, names[:9])) + (", …" if len(names) > 9 else "")
