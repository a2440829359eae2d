"""HDF5 files as other tools write them."""

from __future__ import annotations

from pathlib import Path

import h5py


def write_hdf5(path: Path, **datasets: object) -> None:
    """Write a plain HDF5 file, as other tools do."""
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values
