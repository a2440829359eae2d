"""Files of one sample each, as the GDC keeps them, found by its sample sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from .exclusions import Excluded

FILE = "File Name"
"""The sample sheet's column of file names."""


def find_files(
    folder: Path, files: pd.Series[str], pattern: str, excluded: Excluded
) -> pd.Series[Any]:
    """Find each patient's file in a folder, at any depth, gzipped or not.

    `files` and the paths that are returned are indexed by patient; patients without a file are left
    out. A folder that has none of the files is an error.
    """
    places = {path.name.removesuffix(".gz"): path for path in sorted(folder.rglob(pattern))}
    found = files.str.removesuffix(".gz").map(places)
    excluded.add(
        files.index[found.isna()],
        "patient",
        Reason("no_label_file", remedy="Download the file, or correct the sample sheet"),
    )
    found = found.dropna()
    if found.empty:
        raise HistotransferError(
            folder,
            "holds none of the sample sheet's files",
            "Correct `labels` of the task in the config",
        )
    return found
