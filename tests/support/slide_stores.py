"""Tiles and verdicts of a slide, without the slide: what a page shows of it."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from histotransfer.core.exclusions import NOT_EXCLUDED, Reason
from histotransfer.core.hdf5 import create_store
from histotransfer.qc.verdicts import REASONS


def write_slide_stores(
    folder: Path,
    slide: str,
    reasons: list[str],
    *,
    excluded: Reason | None = None,
    columns: int = 4,
    thumbnail: npt.NDArray[np.uint8] | None = None,
) -> list[str]:
    """Write a slide whose patches lie in rows side by side, seven px wide on the thumbnail.

    Returns the paths of its tiles and its verdicts.
    """
    attrs: dict[str, object] = {"slide": slide, **(excluded.as_row() if excluded else NOT_EXCLUDED)}
    attrs |= {"bounds": [0, 0, 1792, 1344], "patch_size_level0": 448, "mpp": 0.5}
    at = np.arange(len(reasons))
    coords = 448 * np.column_stack([at % columns, at // columns]).astype(np.int32)
    paths = [folder / f"tiles/{slide}.h5", folder / f"qc/{slide}.h5"]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.full((0, 0, 3) if excluded else (21, 28, 3), 200, np.uint8)
    with create_store(paths[0], "tiles/1", {**attrs, "thumbnail_downsample": 64.0}) as store:
        store["thumbnail"] = grey if thumbnail is None else thumbnail
    with create_store(paths[1], "qc/1", attrs) as store:
        store["coords"] = coords
        verdicts = np.array([REASONS[name] for name in reasons], np.uint8)
        store.create_dataset("reason", data=verdicts, dtype=h5py.enum_dtype(REASONS, np.uint8))
    return [str(path) for path in paths]
