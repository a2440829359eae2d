"""Features made elsewhere: HDF5 files of CLAM, TRIDENT or STAMP, and tables of patients.

CLAM and TRIDENT write `features` (n, d), some versions (1, n, d), with `coords` (n, 2) in pixels of
level 0; STAMP writes `feats` with `coords` in µm. A slide that cannot be used is listed with the
reason and left out; only a folder or a table that gives nothing at all is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
from fastparquet import ParquetFile
from fastparquet.util import ParquetException

from ..core import hdf5
from ..core.errors import HistotransferError
from ..core.tables import UNREADABLE, write_table
from .pooling import kept_tiles, write_patients, write_pooled

DATASETS = ("features", "feats")
COLUMNS = ["item", "what", "n_patches", "n_pooled", "qc", "reason"]

Features = npt.NDArray[np.floating]
Coords = npt.NDArray[np.float64]


class Unusable(ValueError):
    """A slide's file that cannot be used; the text says why."""


def pool_folder(
    folder: str | Path,
    qc_paths: Mapping[str, Path],
    patients: Mapping[str, str],
    out_path: str | Path,
    used_path: str | Path,
    *,
    extractor: str,
    patches: str,
    slides: str,
    apply_qc: bool,
) -> None:
    """Pool a folder of feature files made elsewhere, one per slide of the sheet.

    Their patches need not be ours. Where every patch of a slide is one of the tiles that quality
    control judged, its verdict applies; otherwise all patches of the slide count, and the list of
    slides says so.

    Parameters
    ----------
    folder : str or Path
        Holds ``{slide}.h5``; files of other slides are ignored.
    qc_paths : mapping of str to Path
        The ``qc/1`` file of each slide.
    patients : mapping of str to str
        The patient of each slide.
    out_path : str or Path
        The ``pooled/1`` file to write.
    used_path : str or Path
        Table to write, a row per slide: item, what (slide), n_patches, n_pooled, qc (``applied``,
        ``other patches``, ``off``; empty if left out), reason (why it is left out, or empty).
    extractor, patches, slides, apply_qc
        As in `pooling.pool`.

    Raises
    ------
    HistotransferError
        If no slide can be used, or slides have different numbers of features.
    """
    listed: list[tuple[str, str, int, int, str, str]] = []

    def usable() -> Iterator[tuple[str, Features]]:
        for slide in sorted(patients):
            try:
                features, coords = read_features(Path(folder) / f"{slide}.h5")
            except Unusable as error:
                listed.append((slide, "slide", 0, 0, "", str(error)))
                continue
            mask, qc = np.ones(len(features), dtype=bool), "off"
            if apply_qc:
                mask, qc = _verdict(coords, kept_tiles(qc_paths[slide]), len(features))
            reason = "" if mask.any() else "quality control kept none of its patches"
            listed.append((slide, "slide", len(features), int(mask.sum()), qc, reason))
            yield slide, features[mask]

    write_pooled(
        usable(),
        patients,
        out_path,
        extractor=extractor,
        patches=patches,
        slides=slides,
        apply_qc=apply_qc,
    )
    table = pd.DataFrame(listed, columns=COLUMNS)
    if not (table["n_pooled"] > 0).any():
        Path(out_path).unlink()
        raise HistotransferError(
            folder,
            f"gives features of none of the {len(patients)} slides "
            f"({listed[0][0]}: {listed[0][-1]})",
            "Give the folder that holds {slide}.h5, named as in the slide sheet",
        )
    write_table(table, used_path)


def read_features(path: str | Path) -> tuple[Features, Coords | None]:
    """Read a slide's features made elsewhere.

    Parameters
    ----------
    path : str or Path
        An HDF5 file with `features` or `feats`.

    Returns
    -------
    features : ndarray of shape (n, d), n at least 1
        All finite.
    coords : ndarray of shape (n, 2) or None
        In the file's own unit.

    Raises
    ------
    Unusable
        If there is no such file, or its contents are something else.
    """
    if not Path(path).exists():
        raise Unusable("no file of features")
    try:
        with h5py.File(path, "r") as file:
            name = next((name for name in DATASETS if name in file), None)
            if name is None:
                raise Unusable(f"holds neither {' nor '.join(DATASETS)}, but {sorted(file)[:9]}")
            features = _own_values(file, name)
            coords = _own_values(file, "coords") if "coords" in file else None
    except Unusable:
        raise
    # Of a damaged file, HDF5 raises all of these.
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, MemoryError) as error:
        raise Unusable(f"cannot be read as HDF5 ({error})") from error
    if features.ndim == 3 and len(features) == 1:
        features = features[0]
    if features.ndim != 2 or not np.issubdtype(features.dtype, np.floating):
        raise Unusable(f"{name} is {features.dtype} of shape {features.shape}, not float (n, d)")
    if not features.size:
        raise Unusable("holds no patch")
    if bad := int(np.sum(~np.isfinite(features).all(axis=1))):
        raise Unusable(f"{bad} of {len(features)} patches have features that are no numbers")
    if coords is None:
        return features, None
    if np.iscomplexobj(coords):
        raise Unusable(f"has coords of {coords.dtype}")
    coords = np.asarray(coords[0] if coords.ndim == 3 and len(coords) == 1 else coords, dtype=float)
    if coords.shape != (len(features), 2):
        raise Unusable(f"has {len(features)} patches, but coords of shape {coords.shape}")
    return features, coords


def _own_values(file: h5py.File, name: str) -> npt.NDArray[Any]:
    """Read a dataset of numbers whose bytes are in this very file."""
    if hdf5.leads_elsewhere(file, name):
        raise Unusable(f"{name} is kept in another file; copy the numbers into this one")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise Unusable(f"{name} is no dataset")
    if not np.issubdtype(dataset.dtype, np.number):
        raise Unusable(f"{name} holds {dataset.dtype}, not numbers")
    return np.asarray(dataset[()])


def _verdict(
    coords: Coords | None, tiles: Mapping[tuple[int, int], bool], count: int
) -> tuple[npt.NDArray[np.bool_], str]:
    """Apply quality control's verdict where every patch is one of its tiles."""
    corners = [] if coords is None else list(map(tuple, coords.tolist()))
    if corners and all(corner in tiles for corner in corners):
        return np.array([tiles[corner] for corner in corners]), "applied"
    return np.ones(count, dtype=bool), "other patches"


def pool_table(
    path: str | Path,
    patients: Mapping[str, str],
    out_path: str | Path,
    used_path: str | Path,
    *,
    extractor: str,
) -> None:
    """Take features per patient from a table made elsewhere.

    Parameters
    ----------
    path : str or Path
        CSV, TSV or Parquet: patients in rows, their ids in the first column (or, in Parquet, the
        index), a feature in each further column.
    patients : mapping of str to str
        The patient of each slide of the sheet.
    out_path : str or Path
        The ``pooled/1`` file to write; n_slides and n_patches are 0, for they are not known.
    used_path : str or Path
        Table to write, a row per patient: item, what (patient), reason (why left out, or empty).
    extractor : str
        The extractor's name, noted in the file.

    Raises
    ------
    HistotransferError
        If the table cannot be read, lists a patient twice, holds text for a number, or has no row
        of any patient of the sheet.
    """
    table = _read_table(Path(path))
    known = sorted(set(patients.values()))
    if table.index.has_duplicates:
        raise HistotransferError(
            path,
            f"has two rows of {table.index[table.index.duplicated()][0]}",
            "Keep one row per patient",
        )
    found = table.index.intersection(known, sort=True)
    if found.empty or not table.shape[1]:
        raise HistotransferError(
            path,
            f"has no row of features of any of the {len(known)} patients, such as {known[0]}",
            "Write the sheet's patient ids in the first column, features in the others",
        )
    try:
        features = table.loc[found].apply(pd.to_numeric).astype(np.float32)
    except (ValueError, TypeError) as error:
        raise HistotransferError(
            path, f"holds something that is no number ({error})", "Correct the cell, or empty it"
        ) from error
    finite = np.isfinite(features).all(axis=1)
    reasons = dict.fromkeys(known, "no row in the table") | dict.fromkeys(found, "")
    reasons |= dict.fromkeys(found[~finite], "a feature is no number")
    usable = features[finite]
    if usable.empty:
        raise HistotransferError(
            path, "has no patient whose features are all numbers", "Fill the empty cells"
        )
    write_patients(
        out_path,
        usable.index.tolist(),
        usable.to_numpy(dtype=np.float32),
        n_slides=[0] * len(usable),
        n_patches=[0] * len(usable),
        attrs={"extractor": extractor, "patches": "", "slides": "", "apply_qc": False},
    )
    rows = [(patient, "patient", 0, 0, "", reason) for patient, reason in reasons.items()]
    write_table(pd.DataFrame(rows, columns=COLUMNS), used_path)


def _read_table(path: Path) -> pd.DataFrame:
    """Read a table with the patients as index."""
    try:
        if path.suffix == ".parquet":
            table: pd.DataFrame = ParquetFile(str(path)).to_pandas()
            if table.index.name is None:
                table = table.set_index(table.columns[0])
        else:
            separator = "," if path.suffix == ".csv" else "\t"
            first = pd.read_csv(path, sep=separator, nrows=0, encoding="utf-8-sig").columns[0]
            table = pd.read_csv(
                path, sep=separator, dtype={first: str}, index_col=0, encoding="utf-8-sig"
            )
    except (*UNREADABLE, IndexError, ParquetException) as error:
        raise HistotransferError(
            path,
            f"cannot be read as a table ({error})",
            "Give CSV, TSV or Parquet with a row per patient",
        ) from error
    table.index = table.index.astype(str).str.strip()
    return table
