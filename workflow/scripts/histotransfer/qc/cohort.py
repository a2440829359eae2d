"""The cohort in tables: what became of every slide and of every patient."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.exclusions import Reason
from ..core.hdf5 import open_store
from ..core.tables import TableSchema, write_table
from .verdicts import REASONS

QC = TableSchema.of(
    "qc",
    "text: slide patient",
    f"integer: n_tiles {' '.join(REASONS)}",
    "number: mpp",
    "text: mpp_source",
    "number: effective_mpp tissue_mm2",
    "text: pixel_source stain_status stain_detail",
    "integer: stain_degenerate",
    "number: stain_clipped_fraction",
    "text: levels_passed_over other_pictures",
    "text: icc_profile icc_status scale_doubts",
    "text: code detail remedy",
    "integer: n_patches",
)
"""A row per slide: its tiles by verdict, its scale and stain, why it cannot be used, and the number
of its patches that are pooled."""

EXCLUDED_SLIDES = TableSchema.of("excluded_slides", "text: slide patient code detail remedy")
"""A row per slide that contributes nothing, with the reason."""

COHORT = TableSchema.of("cohort", "text: patient", "integer: n_slides n_slides_used n_patches")
"""A row per patient; `n_patches` are those that are pooled."""

_FROM_STORE = list(QC.columns)[list(QC.columns).index("mpp") : -1]


def summarise(
    verdict_folder: str | Path,
    patients: Mapping[str, str],
    *,
    qc_table: str | Path,
    excluded_table: str | Path,
    cohort_table: str | Path,
    apply_qc: bool,
) -> None:
    """Write a row per slide (`QC`), per excluded slide (`EXCLUDED_SLIDES`), per patient (`COHORT`).

    Parameters
    ----------
    verdict_folder : str or Path
        Holds the verdicts (`qc/1`) of each slide as ``{slide}.h5``.
    patients : mapping of str to str
        The patient of each slide.
    apply_qc : bool
        Whether pooling leaves out the patches that QC rejects; if not, every stored patch counts.
    """
    rows = [
        {"slide": slide, "patient": patient}
        | _slide_row(Path(verdict_folder, f"{slide}.h5"), slide, apply_qc)
        for slide, patient in sorted(patients.items())
    ]
    table = pd.DataFrame(rows)
    write_table(table, qc_table, QC)
    excluded = [
        row | (Reason.of(row) or _why_none(row)).as_row()
        for row in table.to_dict("records")
        if row["n_patches"] == 0
    ]
    write_table(pd.DataFrame(excluded, columns=table.columns), excluded_table, EXCLUDED_SLIDES)
    used = table.assign(used=table["n_patches"] > 0)
    cohort = used.groupby("patient", as_index=False).agg(
        n_slides=("slide", "size"), n_slides_used=("used", "sum"), n_patches=("n_patches", "sum")
    )
    write_table(cohort, cohort_table, COHORT)


def _slide_row(path: Path, slide: str, apply_qc: bool) -> dict[str, Any]:
    with open_store(path, "qc/1", slide=slide) as store:
        attrs = dict(store.attrs)
        reason, stored = store["reason"][:], store["stored"][:]
    counts = {name: int((reason == value).sum()) for name, value in REASONS.items()}
    return {
        "n_tiles": len(reason),
        **counts,
        **{name: attrs.get(name, "") for name in _FROM_STORE},
        "n_patches": counts["kept"] if apply_qc else int(stored.sum()),
    }


def _why_none(row: Mapping[Any, Any]) -> Reason:
    return Reason(
        "no_patch_passes_qc",
        ", ".join(f"{row[name]} {name}" for name in REASONS if row[name]),
        "Look at its overview; if the patches are good, relax the thresholds in `qc`",
    )
