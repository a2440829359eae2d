"""Tables that name the patches of a dataset, and their classes and patients."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..core.errors import HistotransferError, listed
from ..core.exclusions import Reason
from ..core.parquet import read_parquet
from ..core.patch_names import PatchNames, parts_of
from ..core.user_numbers import plain_word
from ..core.user_tables import Note, read_user_table

PATCH, CLASS, PATIENT = "patch", "class", "patient"
COLUMNS = {
    PATCH: {
        *("patch", "patches", "file", "files", "name", "names", "image", "images", "path"),
        *("filename", "filepath", "patchname", "patchpath", "patchfile", "patchid"),
        *("imagename", "imagepath", "imagefile", "imageid"),
    },
    CLASS: {"class", "classes", "classname", "label", "labels", "labelname"},
    PATIENT: {
        *("patient", "patients", "patientid", "group", "groups", "groupid", "case", "caseid"),
        *("subject", "subjectid", "donor", "donorid"),
    },
}
"""How the columns may be called, without capitals, blanks, hyphens and underscores."""
EMPTY = frozenset({"", "na", "n/a", "nan", "<na>", "null"})
"""Cells that hold nothing. `core.user_numbers.MISSING` has more, such as ``none`` and ``NP``, which
are names of tissues too."""
ALL = "all"
"""A class of this name would be taken for the scores of all classes."""
REMEDY = "Give a table with the columns patch, class and, optionally, patient: a row per patch"
OF_PATIENTS = "Give a table with the columns file (`CLASS/name.tif`) and patient, a row per patch"


@dataclass(frozen=True)
class PatchTable:
    """A table of patches as the user wrote it: its cells by `COLUMNS`, and what was decided."""

    cells: pd.DataFrame
    notes: list[Note]


def read_patch_table(path: str | Path, needed: Collection[str], remedy: str) -> PatchTable:
    """Read a table of patches: CSV, TSV or the like, or Parquet.

    Parameters
    ----------
    path : str or Path
    needed : collection of str
        The columns, of `COLUMNS`, that it must have; others of these are read if they are there.
    remedy : str
        What to do if the file is something else.

    Raises
    ------
    HistotransferError
        If the file is no table, or a column is absent, is there twice, or lacks a cell.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        frame = read_parquet(path, remedy)
        table = frame.astype(str).where(frame.notna(), "").apply(lambda cells: cells.str.strip())
        notes: list[Note] = []
    else:
        read = read_user_table(path, remedy)
        table, notes = read.cells, list(read.notes)
    places = {}
    for role, names in COLUMNS.items():
        found = [i for i, name in enumerate(table.columns) if _bare(str(name)) in names]
        if len(found) > 1:
            several = [str(table.columns[place]) for place in found]
            raise HistotransferError(
                path,
                f"has {len(found)} columns that may hold the {role}: {', '.join(several)}",
                "Rename or remove all but one",
            )
        if found:
            places[role] = found[0]
    if lacking := [role for role in needed if role not in places]:
        raise HistotransferError(
            path,
            f"has no column {' and no column '.join(lacking)} (it has "
            f"{listed([str(name) for name in table]) or 'none'})",
            remedy,
        )
    if PATIENT in places:
        column = str(table.columns[places[PATIENT]])
        notes.append(Note(column, "column", Reason("patients_named")))
    cells = table.iloc[:, list(places.values())].set_axis(list(places), axis=1)
    if cells.empty:
        raise HistotransferError(path, "has no rows", remedy)
    return PatchTable(cells, notes)


def rows_of_patches(
    cells: pd.DataFrame, known: PatchNames, path: str | Path, place: str | Path
) -> Iterator[tuple[int, str]]:
    """Yield the number of each row that means a patch, and the patch; a stranger's row is skipped.

    Raises
    ------
    HistotransferError
        If a row names several patches of the folder `place`, or two rows name one.
    """
    spelled: dict[str, str] = {}
    for row, name in enumerate(cells[PATCH]):
        patch = known.the_one(name, path, place)
        if patch is not None:
            if patch in spelled:
                _refuse_twice(spelled[patch], name, path)
            spelled[patch] = name
            yield row, patch


def names_alone(cells: pd.DataFrame, path: str | Path) -> list[str]:
    """Return the patches of a table that stands for itself, with ``/`` between folder and file."""
    spelled: dict[str, str] = {}
    for name in cells[PATCH]:
        plain = "/".join(parts_of(name))
        if plain in spelled:
            _refuse_twice(spelled[plain], name, path)
        spelled[plain] = name
    return list(spelled)


def _refuse_twice(first: str, second: str, path: str | Path) -> None:
    also = "" if first == second else f" (once as {second})"
    raise HistotransferError(path, f"has two rows of {first}{also}", "Keep one of them")


def refuse_empty(cells: pd.DataFrame, path: str | Path) -> None:
    """Raise HistotransferError if a row lacks its patch, class or patient, or one is no text."""
    for role in cells.columns:
        empty = cells[role].str.casefold().isin(EMPTY)
        if role == PATCH:
            empty |= ~cells[role].map(parts_of).astype(bool)
        if empty.any():
            named = [name for name in cells.loc[empty, PATCH] if name]
            such = f", such as {named[0]}" if role != PATCH and named else ""
            raise HistotransferError(
                path,
                f"has {_rows(int(empty.sum()))} of {len(cells)} without a {role}{such}",
                f"Fill the column, or take {'it' if role == PATIENT else 'these rows'} out",
            )
        odd = ~cells[role].map(str.isprintable)
        if odd.any():
            raise HistotransferError(
                path, f"has a {role} that is not printable: {cells.loc[odd, role].iloc[0]!r}",
                "Rename it",
            )  # fmt: skip


def refuse_clashing(classes: pd.Series, path: str | Path) -> None:
    """Raise HistotransferError if two classes are hardly told apart, or one is `ALL`."""
    spelled: dict[str, str] = {}
    for name in classes.unique():
        plain = plain_word(name)
        if plain == ALL:
            raise HistotransferError(
                path, f"has a class {name!r}, which is the name of the scores of all", "Rename it"
            )
        if (other := spelled.setdefault(plain, name)) != name:
            raise HistotransferError(
                path,
                f"has the classes {other!r} and {name!r}, which differ only in capitals, blanks "
                "or digits",
                "Write both alike if they are one class, else rename one",
            )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _bare(name: str) -> str:
    return re.sub(r"[\s_.-]", "", name.casefold())
