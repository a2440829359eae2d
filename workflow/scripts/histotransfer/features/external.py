"""External features: HDF5 files of CLAM, TRIDENT or STAMP, and tables of patients.

CLAM and TRIDENT write `features` (n, d), some versions (1, n, d), with `coords` (n, 2) in pixels of
level 0; STAMP writes `feats` with `coords` in µm. A slide that cannot be used is listed with the
reason and left out; only a folder or a table without a usable row is an error. `coordinates` finds
out which tiles the patches are.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from ..core import hdf5
from ..core.errors import HistotransferError, one_line
from ..core.exclusions import NOT_EXCLUDED, Reason
from ..core.id_columns import find_ids, is_of_patients
from ..core.parquet import read_parquet
from ..core.patient_ids import PatientIds, patient_of
from ..core.tables import TableSchema, write_table
from ..core.user_files import FEATURES, files_by_stem
from ..core.user_numbers import read_numbers
from ..core.user_tables import Note, read_user_table
from ..study.parameters import PoolingParameters
from . import coordinates
from .coordinates import Coords
from .pooling import write_patients, write_pooled

log = logging.getLogger(__name__)

DATASETS = ("features", "feats")
MAX_LISTED = 5
"""Folders that the log names."""
USED = TableSchema.of(
    "external",
    "text: item what",
    "integer: n_patches n_repeated n_pooled",
    "text: qc coords code detail remedy",
)
"""A row per slide or patient (`what`). `n_repeated` patches are listed before with the same place
and features, and pooled once. `qc` is ``applied``, ``applied by area``, ``other patches``
(`coordinates.verdict`) or ``off``, and `coords` how the coordinates were read; both are empty where
the item is left out or a patient."""

Features = npt.NDArray[np.floating]


class Unusable(Exception):
    """A slide's file of features that cannot be used."""

    def __init__(self, code: str, detail: str = "", remedy: str = "") -> None:
        self.reason = Reason(code, one_line(detail), remedy)
        super().__init__(self.reason.sentence())


def pool_folder(
    folder: str | Path,
    verdicts_folder: str | Path,
    patients: Mapping[str, str],
    out_path: str | Path,
    used_path: str | Path,
    *,
    extractor: str,
    parameters: PoolingParameters,
) -> None:
    """Pool a folder of external feature files, one per slide of the sheet.

    Their patches need not be ours. Quality control's verdict on the tiles applies to the same
    squares, and by area to others; where a file does not say where its patches lie, all of them
    count. The table (`USED`, a row per slide) says which it was.

    Parameters
    ----------
    folder : str or Path
        Holds ``{slide}.h5``, at any depth, such as TRIDENT's ``…/features_uni_v1/{slide}.h5``;
        files of other slides are ignored, and so is what is not meant (`core.user_files`).
    verdicts_folder, patients, out_path, extractor, parameters
        As in `pooling.pool`.
    used_path : str or Path
        The table to write.

    Raises
    ------
    HistotransferError
        If no slide can be used, slides have different numbers of features, or a slide has two
        files.
    """
    listed: list[dict[str, Any]] = []
    files = _feature_files(folder, patients)

    def usable() -> Iterator[tuple[str, Features]]:
        for slide in sorted(patients):
            try:
                features, coords = read_features(files[slide])
                attrs = _attrs(files[slide])
            except Unusable as error:
                listed.append(_row(slide, "slide", error.reason))
                continue
            mask, qc, reading = np.ones(len(features), dtype=bool), "off", ""
            repeated = np.zeros(len(features), dtype=bool)
            if coords is not None:
                repeated = coordinates.repeats(coords, features)
            if parameters.apply_qc:
                judged = coordinates.read_judged(Path(verdicts_folder, f"{slide}.h5"), slide=slide)
                placed = coordinates.Placed(None, None, "none")
                if coords is not None:
                    placed = coordinates.place(coords, attrs, judged)
                mask, qc = coordinates.verdict(placed, judged, len(features))
                reading = placed.reading
            mask &= ~repeated
            none_passes = Reason("no_patch_passes_qc", remedy=f"Look at qc/{slide}.png")
            reason = None if mask.any() else none_passes
            counts = len(features), int(mask.sum())
            row = _row(slide, "slide", reason, *counts, qc=qc)
            listed.append(row | {"n_repeated": int(repeated.sum()), "coords": reading})
            yield slide, features[mask]

    write_pooled(usable(), patients, out_path, extractor=extractor, parameters=parameters)
    table = pd.DataFrame(listed, columns=list(USED.columns))
    if not (table["n_pooled"] > 0).any():
        Path(out_path).unlink()
        first = Reason.of(listed[0])
        raise HistotransferError(
            folder,
            f"has no usable features of any of the {len(patients)} slides "
            f"({listed[0]['item']} {first.cause if first else ''})",
            "Give the folder that holds {slide}.h5, named as in the slide sheet",
        )
    write_table(table, used_path, USED)


def _feature_files(folder: str | Path, slides: Iterable[str]) -> dict[str, Path]:
    """Find the file of each slide; where there is none, return where it was expected."""
    found = files_by_stem(folder, FEATURES)
    files = {}
    for slide in slides:
        first, *others = found.get(slide, [Path(folder, f"{slide}.h5")])
        if others:
            raise HistotransferError(
                folder,
                f"has two files of slide {slide}: {first} and {others[0]}",
                "Give the folder of one kind of features, or move the other files away",
            )
        files[slide] = first
    if deeper := sorted({str(path.parent) for path in files.values()} - {str(Path(folder))}):
        log.info("%s: features are read from %s", folder, ", ".join(deeper[:MAX_LISTED]))
    return files


def _row(item: str, what: str, reason: Reason | None, *counts: int, qc: str = "") -> dict[str, Any]:
    n_patches, n_pooled = counts or (0, 0)
    row = {"item": item, "what": what, "n_patches": n_patches, "n_pooled": n_pooled, "qc": qc}
    row |= {"n_repeated": 0, "coords": ""}
    return row | (reason.as_row() if reason else NOT_EXCLUDED)


def read_features(path: str | Path) -> tuple[Features, Coords | None]:
    """Read a slide's external features (n, d) and, if the file has them, coordinates (n, 2).

    Features are finite, and n is at least 1; the coordinates are in the file's own unit.

    Raises
    ------
    Unusable
        If there is no such file, or its contents are something else.
    """
    with open_features(path) as file:
        features = feature_rows(file)
        coords = _own_values(file, "coords", "coords_wrong") if "coords" in file else None
    if bad := int(np.sum(~np.isfinite(features).all(axis=1))):
        raise Unusable(
            "features_not_finite", f"{bad} of {len(features)} patches", "Extract the slide again"
        )
    if coords is None:
        return features, None
    fit = "Store one (x, y) per patch"
    if np.iscomplexobj(coords):
        raise Unusable("coords_wrong", f"coords is {coords.dtype}", fit)
    coords = coords.astype(float)
    if coords.shape != (len(features), 2):
        raise Unusable(
            "coords_wrong", f"{len(features)} patches, coords of shape {coords.shape}", fit
        )
    if bad := int(np.sum(~np.isfinite(coords).all(axis=1))):
        raise Unusable("coords_wrong", f"{bad} of {len(coords)} are not finite", fit)
    return features, coords


@contextmanager
def open_features(path: str | Path) -> Iterator[h5py.File]:
    """Open another tool's file of features; raises Unusable where it is missing or damaged."""
    if not Path(path).exists():
        raise Unusable("no_feature_file", remedy="Extract its features, or correct the file's name")
    try:
        with h5py.File(path, "r") as file:
            yield file
    # Of a damaged file, HDF5 raises all of these.
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, MemoryError) as error:
        raise Unusable(
            "features_unreadable", str(error), "Copy the file again, or extract it again"
        ) from error


def feature_rows(file: h5py.File) -> Features:
    """Return the features (n, d) of an open file, n and d at least 1; raises Unusable."""
    name = next((name for name in DATASETS if name in file), None)
    if name is None:
        raise Unusable(
            "no_feature_dataset",
            f"it holds {', '.join(sorted(file)[:9]) or 'nothing'}",
            f"Call the dataset {' or '.join(DATASETS)}",
        )
    features = _own_values(file, name, "features_wrong_type")
    if features.ndim != 2 or not np.issubdtype(features.dtype, np.floating):
        raise Unusable(
            "features_wrong_type",
            f"{name} is {features.dtype} of shape {features.shape}",
            "Store floating-point numbers, patches in rows",
        )
    if not features.size:
        raise Unusable("features_empty", remedy="Extract the features again")
    return features


def _attrs(path: Path) -> dict[str, Any]:
    """Return the attributes of a feature file and, over them, those of its `coords`."""
    with open_features(path) as file:
        name = next(name for name in DATASETS if name in file)
        of_coords = dict(file["coords"].attrs) if "coords" in file else {}
        return dict(file.attrs) | of_coords | {"dataset": name}


def _own_values(file: h5py.File, name: str, code: str) -> npt.NDArray[Any]:
    """Read a dataset of numbers (n, …) or (1, n, …) whose bytes are in this very file."""
    if hdf5.leads_elsewhere(file, name):
        raise Unusable("features_elsewhere", name, "Copy the numbers into this file")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise Unusable(code, f"{name} is not a dataset", "Store a dataset of numbers")
    if not np.issubdtype(dataset.dtype, np.number):
        raise Unusable(code, f"{name} is {dataset.dtype}", "Store a dataset of numbers")
    values = np.asarray(dataset[()])
    return values[0] if values.ndim == 3 and len(values) == 1 else values


def pool_table(
    path: str | Path,
    patients: Mapping[str, str],
    out_path: str | Path,
    used_path: str | Path,
    *,
    extractor: str,
    id_column: str = "",
) -> None:
    """Take features per patient from an external table; `used_path` has a row per patient (`USED`).

    The table is CSV, TSV or Parquet: patients in rows, and a feature in each column but that of the
    ids, which `find_ids` tells unless `id_column` names it; in Parquet it may be the index. Of the
    ``pooled/1`` file n_slides and n_patches are 0, since nobody knows them. Without `patients`, all
    of the table's count.

    Raises
    ------
    HistotransferError
        If the table cannot be read, lists a patient twice, holds text for a number, or has no row
        of any patient of the sheet.
    """
    path = Path(path)
    key = f"extractors.{extractor}.source.id"
    found = read_patient_rows(path, patients.values(), id_column=id_column, key=key)
    features, with_commas = _numbers(found.cells, path)
    finite = pd.Series(np.isfinite(features.to_numpy()).all(axis=1), features.index)
    holed = Reason("features_not_finite", remedy="Fill the patient's empty cells")
    reasons = found.reasons() | dict.fromkeys(features.index[(~finite).to_numpy()], holed)
    usable = features[finite]
    if usable.empty:
        raise HistotransferError(
            path, "has no patient whose features are all finite numbers", "Fill the empty cells"
        )
    write_patients(
        out_path,
        usable.index.tolist(),
        usable.to_numpy(dtype=np.float32),
        n_slides=[0] * len(usable),
        n_patches=[0] * len(usable),
        attrs={"extractor": extractor, **PoolingParameters("", "", apply_qc=False).as_params()},
    )
    commas = [Note(name, "column", Reason("decimal_commas")) for name in with_commas]
    write_used(used_path, reasons, [*found.notes, *commas])


@dataclass(frozen=True)
class PatientCells:
    """The rows of a table that belong to patients.

    Attributes
    ----------
    known : PatientIds
        The patients that count.
    cells : pandas.DataFrame
        Numbers of Parquet, text of any other table: a row per patient, sorted, without the columns
        of ids.
    notes : list of Note
        What was decided in reading it.
    """

    known: PatientIds
    cells: pd.DataFrame
    notes: list[Note]

    def reasons(self) -> dict[str, Reason | None]:
        """Return every patient, with the reason where the table has no row."""
        absent = Reason("no_feature_row", remedy="Add the patient to the table")
        return dict.fromkeys(sorted(self.known.patients), absent) | dict.fromkeys(self.cells.index)


def read_patient_rows(
    path: Path, patients: Collection[str], *, id_column: str, key: str
) -> PatientCells:
    """Find each patient's row in a table as `pool_table` reads it; `key` is the config's for ids.

    Raises
    ------
    HistotransferError
        If the table cannot be read, lists a patient twice, has no other column than those of ids,
        or no row of any patient of the sheet.
    """
    table, notes = _read_table(path)
    texts = table.select_dtypes(exclude="float")
    if not patients:
        id_column = id_column or _column_of_patients(texts, path, key)
    known = PatientIds(patients or map(patient_of, filter(None, texts.get(id_column, []))))
    found = find_ids(texts, known, path, named=id_column, key=key)
    if not found.columns:
        raise HistotransferError(
            path, "has patients in its header", "Write patients in rows, features in columns"
        )
    row_of = found.owners.dropna()
    if row_of.duplicated().any():
        raise HistotransferError(
            path, f"has two rows of {row_of[row_of.duplicated()].iloc[0]}", "Keep one of them"
        )
    cells = table.drop(columns=list(found.columns)).loc[row_of.index]
    cells = cells.set_axis(pd.Index(row_of, dtype=object)).sort_index()
    cells = cells.drop(columns=[name for name in cells if name == "" or is_of_patients(str(name))])
    if not cells.shape[1]:
        raise HistotransferError(
            path, "has no column of features", "Write patients in rows, features in columns"
        )
    notes += [Note(name, "column", Reason("id_column")) for name in found.columns]
    notes += [
        Note(text, "row", Reason("id_respelled", f"read as {patient}"))
        for text, patient in zip(found.ids[row_of.index], row_of, strict=True)
        if known.is_respelled(text)
    ]
    return PatientCells(known, cells, notes)


def write_used(
    path: str | Path, reasons: Mapping[str, Reason | None], notes: Iterable[Note]
) -> None:
    """Write which patients of a table count, and what was decided in reading it (`USED`)."""
    rows = [_row(patient, "patient", reason) for patient, reason in reasons.items()]
    rows += [_row(note.item, note.what, note.reason) for note in notes]
    write_table(pd.DataFrame(rows), path, USED)


def _column_of_patients(texts: pd.DataFrame, path: Path, key: str) -> str:
    """Return the column that is named like ids of patients."""
    found = [str(name) for name in texts if is_of_patients(str(name))]
    if len(found) != 1:
        raise HistotransferError(
            path,
            "has no column that is named like ids of patients"
            if not found
            else f"has several columns of ids: {', '.join(found)}",
            f"Name the column of ids as `{key}` in the config",
        )
    return found[0]


def _read_table(path: Path) -> tuple[pd.DataFrame, list[Note]]:
    """Read a table: numbers of Parquet, text of any other."""
    remedy = "Give CSV, TSV or Parquet with a row per patient"
    if path.suffix != ".parquet":
        table = read_user_table(path, remedy)
        return table.cells, table.notes
    columns = {
        str(name): column
        if pd.api.types.is_float_dtype(column) and not is_of_patients(str(name))
        else column.astype(str).str.strip()
        for name, column in read_parquet(path, remedy).items()
    }
    return pd.DataFrame(columns), []


def _numbers(cells: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read numbers as float32, NaN where one is missing; return the columns with decimal commas."""
    texts = cells.select_dtypes(exclude="float")
    numbers = read_numbers(texts, path)
    for column in np.flatnonzero(numbers.stray.any(axis=0)).tolist():
        words = texts.iloc[:, column]
        stray = numbers.stray[:, column] & pd.to_numeric(words, errors="coerce").isna().to_numpy()
        if stray.any():  # infinite numbers are a patient's matter, words the table's
            raise HistotransferError(
                path,
                f"column {words.name!r} holds {words[stray].iloc[0]!r} for "
                f"{words[stray].index[0]}, which is not a number",
                "Correct the cell, empty it, or take the column out",
            )
    read = cells.select_dtypes(include="float").join(numbers.values)[list(cells.columns)]
    return read.astype(np.float32), numbers.with_commas
