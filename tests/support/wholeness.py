"""Whether the files of a study's results are whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from histotransfer.core.errors import HistotransferError
from histotransfer.core.files import check_digest
from histotransfer.core.hdf5 import open_store

NOT_OURS = {"logs", "benchmarks"}
"""Folders that Snakemake and the logs write to as they go on."""


def files_of(results: Path) -> list[Path]:
    """Return the files between the stages and the final ones, of our writing."""
    return sorted(
        path
        for path in results.rglob("*")
        if path.is_file()
        and path.name[0] != "."
        and not NOT_OURS.intersection(path.relative_to(results).parts)
    )


def check(path: Path) -> None:
    """Read a file as the workflow does; raise if it is not whole."""
    if path.suffix == ".h5":
        # Of what schema a whole file is does not matter; HDF5 must not see one that is damaged.
        with pytest.raises(HistotransferError) as caught, open_store(path, "any"):
            pass
        if "expected any" not in caught.value.cause:
            raise caught.value
    elif path.suffix == ".png":
        with Image.open(path) as image:
            image.load()
    else:
        check_digest(path)
