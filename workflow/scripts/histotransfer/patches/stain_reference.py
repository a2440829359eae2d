"""The reference stain: that of a sample of a dataset's patches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .. import __version__
from ..core.errors import HistotransferError
from ..core.files import check_digest, remake, written_with_digest
from ..core.hdf5 import open_store
from ..core.streams import stream
from ..imaging.artefacts import stained
from ..imaging.stain import GLASS, DegenerateStain, Stain, fit, sample_pixels
from .store import read_images

SCHEMA = "stain/2"
REFERENCE_PATCHES = 500


def fit_reference(
    dataset_store: str | Path, out_json: str | Path, *, seed: int, glass: int = GLASS
) -> None:
    """Estimate the reference stain from a sample of a dataset's `patches/1`; write it as JSON.

    The slides that are normalised to it have the same grey level of `glass`.
    """
    random = stream(seed, "stain reference")
    with open_store(dataset_store, "patches/1") as store:
        total = len(store["images"])
        chosen = np.sort(random.permutation(total)[:REFERENCE_PATCHES])
        sampled = [
            sample_pixels(read_images(store, index, index + 1)[0], random)
            for index in chosen.tolist()
        ]
        dataset = str(store.attrs["dataset"])
    try:
        stain = fit(stained(np.concatenate([np.empty((0, 3), np.uint8), *sampled])), glass)
    except DegenerateStain as error:
        raise HistotransferError(
            dataset_store,
            f"has no patches that show two stains: {error}",
            "Name an H&E dataset in `stain: reference`, or set `stain: method: none`",
        ) from error
    contents = {
        "schema": SCHEMA,
        "histotransfer_version": __version__,
        "dataset": dataset,
        "patches": len(chosen),
        "patches_in_dataset": total,
        "seed": seed,
        "matrix": stain.matrix.tolist(),
        "max_concentrations": stain.max_concentrations.tolist(),
        "glass": stain.glass,
    }
    with written_with_digest(out_json) as partial:
        partial.write_text(json.dumps(contents, indent=1) + "\n")


def read_reference(path: str | Path) -> Stain:
    """Read a reference stain, or raise an error if the file is missing, damaged or another."""
    check_digest(path)
    try:
        contents = json.loads(Path(path).read_text())
        if contents["schema"] != SCHEMA:
            raise ValueError(f"holds {contents['schema']}")
        stain = Stain(
            np.array(contents["matrix"], float),
            np.array(contents["max_concentrations"], float),
            int(contents["glass"]),
        )
        if stain.matrix.shape != (3, 2) or stain.max_concentrations.shape != (2,):
            raise ValueError("the matrix is not 3 × 2")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HistotransferError(
            path, f"is not a stain reference ({error})", remake(path)
        ) from error
    return stain
