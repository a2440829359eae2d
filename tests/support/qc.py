"""Verdicts of a slide, without the slide."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from histotransfer.core.exclusions import NOT_EXCLUDED, Reason
from histotransfer.core.hdf5 import create_store
from histotransfer.qc.verdicts import REASONS


def write_qc(folder: Path, slide: str, reasons: list[str], excluded: Reason | None = None) -> Path:
    """Write the verdicts of a slide, or why it cannot be used, to ``folder/slide.h5``."""
    reason = np.array([REASONS[name] for name in reasons], np.uint8)
    attrs: dict[str, object] = {"slide": slide}
    if excluded:
        attrs |= excluded.as_row()
    else:
        attrs |= NOT_EXCLUDED | {
            "mpp": 0.25, "mpp_source": "header", "effective_mpp": 0.5, "tissue_mm2": 1.5,
            "stain_status": "fitted", "stain_detail": "",
        }  # fmt: skip
    path = folder / f"{slide}.h5"
    with create_store(path, "qc/1", attrs) as store:
        store.create_dataset("reason", data=reason, dtype=h5py.enum_dtype(REASONS, np.uint8))
        not_stored = [REASONS[name] for name in ("unreadable", "background", "stain")]
        store["coords"] = np.arange(2 * len(reason), dtype=np.int32).reshape(-1, 2)
        store["stored"] = (~np.isin(reason, not_stored)).astype(np.uint8)
    return path


UNREADABLE = Reason("slide_unreadable", "no TIFF", "Copy it again")


def judged_cohort(folder: Path) -> tuple[Path, dict[str, str], dict[str, Path]]:
    """Write the verdicts of four slides; return their folder, patients, and tables to write."""
    verdicts = folder / "verdicts"
    write_qc(verdicts, "s1", ["kept", "kept", "pen", "background"])
    write_qc(verdicts, "s2", [], UNREADABLE)
    write_qc(verdicts, "s3", ["blurred", "blurred", "background"])
    write_qc(verdicts, "s0", ["kept"])
    patients = {"s1": "NA", "s2": "NA", "s3": "007", "s0": "008"}
    tables = {f"{name}_table": folder / f"{name}.tsv" for name in ("qc", "excluded", "cohort")}
    return verdicts, patients, tables
