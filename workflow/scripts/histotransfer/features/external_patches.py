"""External features of the patches of a dataset: an HDF5 file with `features` and `names`.

A patch that has no usable features is listed with the reason and left out; a file of which nothing
can be used is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from ..core.errors import HistotransferError, listed
from ..core.exclusions import NOT_EXCLUDED, Reason
from ..core.hdf5 import create_store, leads_elsewhere, open_store
from ..core.patch_names import PatchNames
from ..core.tables import TableSchema, write_table
from ..patches.names import PATCH_NAMES
from .external import Features, Unusable, feature_rows, open_features

NAMES = "names"
OF_PATCHES = TableSchema.of("external_patches", "text: item what code detail remedy")
"""A row per patch of the dataset; rows of the file (`what`) say what else it holds."""
ABSENT = Reason("no_feature_row", remedy="Extract the patch's features, or correct its name")
HOLED = Reason("features_not_finite", remedy="Extract the patch's features again")
REMEDY = "Store one name per patch, as the files of the dataset are called (docs/your-study.md)"


def admit_features(
    path: str | Path,
    patches_path: str | Path,
    out_path: str | Path,
    used_path: str | Path,
    *,
    extractor: str,
    dataset: str,
) -> None:
    """Bring another tool's features of a dataset into the order of its patches.

    Parameters
    ----------
    path : str or Path
        Holds `features` (n, d) and `names` (n,): the patches as the dataset calls them, or as
        `PatchNames` finds them. Features of other patches are ignored, and counted.
    patches_path : str or Path
        The dataset's ``patches/1`` or ``patch_names/1`` file.
    out_path : str or Path
        The ``features/1`` file to write: `features`, `labels`, `names`, and `groups` where they are
        known, of the patches that have finite features, in the order of the dataset.
    used_path : str or Path
        The table `OF_PATCHES` to write.
    extractor, dataset : str
        Whose features of which patches they are.

    Raises
    ------
    HistotransferError
        If the file cannot be used, a name may be that of several patches, or a patch has two
        different rows.
    """
    try:
        features, names = _read(path)
    except Unusable as error:
        raise HistotransferError(path, error.reason.cause, error.reason.remedy) from error
    with open_store(patches_path, ("patches/1", PATCH_NAMES), dataset=dataset) as store:
        wanted = [str(name) for name in store[NAMES].asstr()[:]]
        classes, labels = store.attrs["classes"], store["labels"][:]
        groups = store["groups"].asstr()[:] if "groups" in store else None
    row_of, strangers, repeated = _matched(names, features, wanted, path, dataset)
    with np.errstate(over="ignore"):  # found by the check below
        values = features.astype(np.float16 if features.dtype.itemsize == 2 else np.float32)
    rows = np.array([row_of.get(name, -1) for name in wanted])
    is_there = rows >= 0
    is_usable = is_there & np.isfinite(values[rows]).all(axis=1)
    if not is_usable.any():
        raise HistotransferError(
            path, f"has no patch of {dataset} whose features are all finite numbers", REMEDY
        )
    attrs = {"dataset": dataset, "extractor": extractor, "classes": classes}
    with create_store(out_path, "features/1", attrs) as store:
        store["features"] = values[rows[is_usable]]
        store["labels"] = labels[is_usable]
        store[NAMES] = [name for name, usable in zip(wanted, is_usable, strict=True) if usable]
        if groups is not None:
            store["groups"] = groups[is_usable].tolist()
    reasons = {
        name: None if usable else HOLED if there else ABSENT
        for name, there, usable in zip(wanted, is_there, is_usable, strict=True)
    }
    write_table(_table(reasons, Path(path).name, strangers, repeated), used_path, OF_PATCHES)


def _table(
    reasons: Mapping[str, Reason | None],
    file: str,
    strangers: Sequence[str],
    repeated: Sequence[str],
) -> pd.DataFrame:
    notes = [
        {"item": file, "what": "file", **Reason(code, listed(list(names), 3)).as_row()}
        for code, names in (("not_in_dataset", strangers), ("patches_repeated", repeated))
        if names
    ]
    rows = [
        {"item": name, "what": "patch", **(reason.as_row() if reason else NOT_EXCLUDED)}
        for name, reason in reasons.items()
    ]
    return pd.DataFrame([*rows, *notes], columns=list(OF_PATCHES.columns))


def _read(path: str | Path) -> tuple[Features, list[str]]:
    """Read features (n, d), which need not be finite, and n names."""
    with open_features(path) as file:
        features = feature_rows(file)
        if NAMES not in file:
            raise Unusable("no_names", f"it holds {listed(sorted(file))}", REMEDY)
        if leads_elsewhere(file, NAMES):
            raise Unusable("features_elsewhere", NAMES, "Copy the names into this file")
        dataset = file[NAMES]
        is_text = isinstance(dataset, h5py.Dataset) and h5py.check_string_dtype(dataset.dtype)
        if not is_text:
            raise Unusable("names_wrong", f"{NAMES} is not a dataset of text", REMEDY)
        names = [str(name) for name in np.ravel(dataset.asstr()[()])]
    if len(names) != len(features):
        raise Unusable("names_wrong", f"{len(features)} patches, {len(names)} names", REMEDY)
    return features, names


def _matched(
    names: Sequence[str],
    features: npt.NDArray[np.floating],
    wanted: Sequence[str],
    path: str | Path,
    dataset: str,
) -> tuple[dict[str, int], list[str], list[str]]:
    """Return the row of each patch, the names of no patch, and the patches that are repeated."""
    known = PatchNames(wanted)
    row_of: dict[str, int] = {}
    strangers: list[str] = []
    repeated: list[str] = []
    for row, name in enumerate(names):
        patch = known.the_one(name, path, dataset)
        if patch is None:
            strangers.append(name)
        elif (first := row_of.setdefault(patch, row)) != row:
            if not np.array_equal(features[first], features[row], equal_nan=True):
                also = "" if names[first] == name else f" (once as {name})"
                raise HistotransferError(
                    path,
                    f"has two rows of {names[first]}{also}, with different features",
                    "Keep one of them",
                )
            repeated.append(patch)
    if not row_of:
        raise HistotransferError(
            path,
            f"names none of the {len(wanted)} patches of {dataset}: it has {strangers[0]}, the "
            f"dataset {wanted[0]}",
            REMEDY,
        )
    return row_of, strangers, repeated
