"""Feature files of a slide with its verdicts."""

from __future__ import annotations

import h5py
import numpy as np

from histotransfer.core.hdf5 import create_store
from histotransfer.qc.verdicts import REASONS


def write_slide(folder, slide, features, *, coords=None, reason=None, judged=None, **attrs):
    """Write a slide's files in `features` and `qc`; the QC file lists more tiles, reordered.

    `attrs` are further attributes of the QC file.
    """
    count = len(features)
    if coords is None:
        coords = np.array([(10 * i, 7 * i) for i in range(count)]).reshape(-1, 2)
    for name in ("features", "qc"):
        (folder / name).mkdir(exist_ok=True)
    identity = {"slide": slide, "extractor": "E"}
    with create_store(folder / f"features/{slide}.h5", "features/1", identity) as store:
        store["features"] = np.asarray(features)
        store["coords"] = coords.astype(np.int32)
    reason = np.zeros(count, int) if reason is None else np.asarray(reason)
    judged = coords if judged is None else judged
    tiles = np.concatenate([judged[::-1], [(-1, -1)]])
    verdicts = np.concatenate([reason[::-1], [REASONS["background"]]])
    with create_store(folder / f"qc/{slide}.h5", "qc/1", {"slide": slide, **attrs}) as store:
        store["coords"] = tiles.astype(np.int32)
        store.create_dataset("reason", data=verdicts, dtype=h5py.enum_dtype(REASONS, "u1"))
