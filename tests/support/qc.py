"""Verdicts of a slide, without the slide."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from histotransfer.core.hdf5 import create_store
from histotransfer.qc.verdicts import REASONS


def write_qc(path: Path, reasons: list[str], error: str = "") -> Path:
    reason = np.array([REASONS[name] for name in reasons], np.uint8)
    attrs = {
        "error": error, "mpp": 0.25, "mpp_source": "header", "stain_status": "fitted",
        "tissue_mm2": 1.5, "effective_mpp": 0.5,
    }  # fmt: skip
    with create_store(path, "qc/1", {} if error else attrs) as store:
        store.attrs["error"] = error
        store.create_dataset("reason", data=reason, dtype=h5py.enum_dtype(REASONS, np.uint8))
        not_stored = [REASONS[name] for name in ("unreadable", "background", "stain")]
        store["stored"] = (~np.isin(reason, not_stored)).astype(np.uint8)
    return path


def judged_cohort(folder: Path) -> tuple[dict[str, Path], dict[str, str], dict[str, Path]]:
    """Write the verdicts of four slides; return them, the slides' patients, and tables to write."""
    slides = {
        "s1": write_qc(folder / "1.h5", ["kept", "kept", "pen", "background"]),
        "s2": write_qc(folder / "2.h5", [], "s2.svs: cannot be opened. Copy it again."),
        "s3": write_qc(folder / "3.h5", ["blurred", "blurred", "background"]),
        "s0": write_qc(folder / "0.h5", ["kept"]),
    }
    patients = dict(zip(slides, ["NA", "NA", "007", "008"], strict=True))
    tables = {f"{name}_table": folder / f"{name}.tsv" for name in ("qc", "excluded", "cohort")}
    return slides, patients, tables
