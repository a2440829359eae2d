"""The cohort in tables: what became of every slide and of every patient."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.hdf5 import open_store
from ..core.tables import write_table
from .verdicts import REASONS


def summarise(
    qc_paths: Mapping[str, Path],
    patients: Mapping[str, str],
    *,
    qc_table: str | Path,
    excluded_table: str | Path,
    cohort_table: str | Path,
    apply_qc: bool,
) -> None:
    """Write one row per slide, per excluded slide and per patient.

    Parameters
    ----------
    qc_paths : mapping of str to Path
        The slides' verdicts (`qc/1`) by slide.
    patients : mapping of str to str
        The patient of each slide.
    qc_table : str or Path
        To write: slide, patient, n_tiles, patches by reason, scale, tissue, stain, error.
    excluded_table : str or Path
        To write: slide, patient and the reason why the slide contributes nothing.
    cohort_table : str or Path
        To write: patient, n_slides, n_slides_used, n_patches (those that are pooled).
    apply_qc : bool
        Whether pooling leaves out the patches that QC rejects; if not, every stored patch counts.
    """
    rows = []
    for slide, patient in patients.items():
        row, n_pooled = _slide_row(qc_paths[slide], apply_qc)
        rows.append({"slide": slide, "patient": patient, **row, "n_patches": n_pooled})
    table = pd.DataFrame(rows).sort_values("slide", ignore_index=True)
    write_table(table, qc_table)

    excluded = table[table["n_patches"] == 0]
    reasons = [row["error"] or _why_none(row) for row in excluded.to_dict("records")]
    write_table(excluded[["slide", "patient"]].assign(reason=reasons), excluded_table)

    used = table.assign(used=table["n_patches"] > 0)
    cohort = used.groupby("patient", as_index=False).agg(
        n_slides=("slide", "size"), n_slides_used=("used", "sum"), n_patches=("n_patches", "sum")
    )
    write_table(cohort, cohort_table)


def _slide_row(path: Path, apply_qc: bool) -> tuple[dict[str, Any], int]:
    with open_store(path, "qc/1") as store:
        attrs = dict(store.attrs)
        reason, stored = store["reason"][:], store["stored"][:]
    counts = {name: int((reason == value).sum()) for name, value in REASONS.items()}
    copied = (
        *("mpp", "mpp_source", "effective_mpp", "tissue_mm2", "pixel_source"),
        *("stain_status", "stain_degenerate", "stain_clipped_fraction", "error"),
    )
    row = {"n_tiles": len(reason), **counts, **{name: attrs.get(name, "") for name in copied}}
    return row, counts["kept"] if apply_qc else int(stored.sum())


def _why_none(row: Mapping[Any, Any]) -> str:
    found = [f"{row[name]} {name}" for name in REASONS if row[name]]
    return f"none of its {row['n_tiles']} tiles is used: {', '.join(found)}"
