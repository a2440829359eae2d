"""The plainest features of a patient: how red, green and blue the patches are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.hdf5 import open_store
from ..patches.store import read_images
from .pooling import kept_rows


def mean_colours(
    patches_folder: str | Path, verdicts_folder: str | Path, patients: Mapping[str, str]
) -> dict[str, npt.NDArray[np.float64]]:
    """Average the patches of each slide that passed quality control, then each patient's slides.

    Parameters
    ----------
    patches_folder, verdicts_folder : str or Path
        Hold the ``patches/1`` and the ``qc/1`` file of each slide, ``{slide}.h5``.
    patients : mapping of str to str
        The patient of each slide.

    Returns
    -------
    dict of str to ndarray, (3,), float64
        Mean red, green and blue, 0 to 255, by patient. One without a single patch is absent.
    """
    slides: dict[str, list[npt.NDArray[np.float64]]] = {}
    for slide, patient in sorted(patients.items()):
        path, verdicts = (
            Path(folder, f"{slide}.h5") for folder in (patches_folder, verdicts_folder)
        )
        with open_store(path, "patches/1", slide=slide) as store:
            kept = kept_rows(path, store["coords"][:], verdicts, slide=slide)
            if kept.any():
                images = read_images(store, 0, len(kept))[kept]
                slides.setdefault(patient, []).append(images.mean(axis=(0, 1, 2)))
    return {patient: np.mean(means, axis=0) for patient, means in slides.items()}
