"""Patches on which networks are both fine-tuned and evaluated: the same, or nearly the same."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..core.errors import HistotransferError
from ..core.hdf5 import open_store
from ..core.tables import TableSchema, write_table
from ..patches.fingerprints import NEAR, Digests, Single, closest, pixel_digest

NEAR_DUPLICATES = TableSchema.of(
    "near_duplicates",
    "text: dataset trained_on",
    "integer: n n_blank n_trained_on n_near",
    "number: agreement",
    "text: example example_trained_on",
)
"""A row per dataset that networks are evaluated on: of its `n` patches, `n_near` look like one of
the `n_trained_on` patches of the dataset that they are fine-tuned on; `n_blank` show too little to
tell. The example is the pair that agrees most, near or not, and `agreement` the correlation of
their fingerprints."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Patches:
    """The patches of a dataset: n names, (n, 16) digests, (n, k, k) fingerprints."""

    dataset: str
    names: npt.NDArray[np.str_]
    digests: Digests
    fingerprints: Single
    blank: Digests

    @classmethod
    def read(cls, path: str | Path, dataset: str) -> _Patches:
        with open_store(path, "patches/1", dataset=dataset) as store:
            size = int(store.attrs["patch_px"])
            return cls(
                dataset,
                store["names"].asstr()[:].astype(str),
                store["digests"][:],
                store["fingerprints"][:].astype(np.float32),
                pixel_digest(np.full((size, size, 3), 255, np.uint8)),
            )


def write_near_duplicates(
    dataset: str,
    store_path: str | Path,
    evaluated: Mapping[str, str | Path],
    out_path: str | Path,
) -> None:
    """Compare the patches that networks are fine-tuned on with those that they are evaluated on.

    Near duplicates are counted in the table `NEAR_DUPLICATES`, and each is named in the log.

    Parameters
    ----------
    dataset, store_path : str, path
        The dataset of fine-tuning, and its patch store.
    evaluated : mapping of str to path
        The patch stores of the other datasets.
    out_path : path
        The table to write.

    Raises
    ------
    HistotransferError
        If a patch is in both, with the same pixels; wholly white patches do not count.
    """
    training = _Patches.read(store_path, dataset)
    rows = []
    for name, path in evaluated.items():
        patches = _Patches.read(path, name)
        _refuse_shared(patches, training, path)
        rows.append(_row(patches, training))
    table = pd.DataFrame(rows, columns=list(NEAR_DUPLICATES.columns))
    write_table(table, out_path, NEAR_DUPLICATES)


def _refuse_shared(patches: _Patches, training: _Patches, path: str | Path) -> None:
    place = {digest.tobytes(): i for i, digest in enumerate(training.digests)}
    place.pop(patches.blank.tobytes(), None)
    shared = {
        i: place[digest.tobytes()]
        for i, digest in enumerate(patches.digests)
        if digest.tobytes() in place
    }
    if shared:
        i, j = next(iter(shared.items()))
        raise HistotransferError(
            path,
            f"{len(shared):,} of the {len(patches.names):,} patches of {patches.dataset} are also "
            f"in {training.dataset}, which networks are fine-tuned on; {patches.names[i]} is "
            f"{training.names[j]} there",
            "Remove them from one of the two folders: on what it has seen, a network looks better "
            "than it is",
        )


def _row(patches: _Patches, training: _Patches) -> tuple[str | int | float, ...]:
    place, agreement = closest(patches.fingerprints, training.fingerprints)
    near = np.flatnonzero(agreement >= NEAR)
    for i in near.tolist():
        log.warning(
            "%s of %s looks like %s of %s (agreement %.3f)",
            patches.names[i], patches.dataset, training.names[place[i]], training.dataset,
            agreement[i],
        )  # fmt: skip
    blank = int((~patches.fingerprints.any(axis=(1, 2))).sum())
    counts = (len(patches.names), blank, len(training.names), len(near))
    best = int(agreement.argmax())
    example = (round(float(agreement[best]), 4), patches.names[best], training.names[place[best]])
    return (patches.dataset, training.dataset, *counts, *example)
