"""What slides and jobs cost, from the benchmark files that Snakemake writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd

from ..core.hdf5 import open_store
from ..core.tables import TableSchema, write_table
from ..study.catalogue import FIGURES

_RULES: Mapping[str, Sequence[str]] = {
    "simulate": ("simulate_slide", "simulate_patches", "simulate_labels"),
    "fetch": ("fetch_dataset", "unpack_dataset", "fetch_slide", "fetch_labels"),
    "slides": ("tile_slide",),
    "patches": ("pack_dataset", "fit_stain", "extract_patches"),
    "qc": ("judge_patches", "export_geojson", "summarise_cohort"),
    "models": (
        "fetch_weights",
        "build_imagenet",
        "build_control",
        "compute_frozen_blocks",
        "fine_tune",
        "admit_model",
        "admit_timm",
        "admit_torchscript",
    ),
    "features": (
        *("extract_features", "extract_batch", "pool_features", "pool_external"),
        "admit_features",
    ),
    "labels": ("read_labels", "read_external_labels"),
    "evaluation": (
        *("draw_splits", "cross_validate", "score_predictions", "compare_extractors"),
        *("cross_validate_beside", "tabulate_sites"),
        *("trace_curve", "tabulate_curves", "audit_sites", "validate", "tabulate_validation"),
    ),
    "results": (
        *("find_near_duplicates", "answer_questions", "rank_extractors", "check_claims"),
        *("check_truth", "embed_patches", "classify", "tabulate_tuning", "pick_patches"),
        *("read_gallery", "map_best_slides", "map_slide", "export_heatmap"),
        *(
            "tabulate_robustness",
            "tabulate_table1",
            "tabulate_flow",
            "tabulate_slide_costs",
            "tabulate_costs",
        ),
    ),
    "figures": (*(f"draw_{figure}" for figure in FIGURES), "draw_map"),
    "report": ("write_paper_tables", "write_summary", "write_explore"),
}

STAGES: Mapping[str, str] = {rule: stage for stage, rules in _RULES.items() for rule in rules}
"""The stage of each rule that makes a file, in the order of the data."""

COSTS = TableSchema.of(
    "costs",
    "text: stage rule",
    "integer: jobs",
    "number: wall_hours cpu_hours gpu_hours median_seconds longest_seconds max_rss_mb",
)

SLIDE_JOBS = {
    "tile_seconds": "tile_slide",
    "extract_seconds": "extract_patches",
    "judge_seconds": "judge_patches",
}
"""The rules that run once per slide, by the column of their seconds."""

SLIDE_COSTS = TableSchema.of(
    "slide_costs",
    "text: slide",
    "integer: n_tiles",
    f"number: {' '.join(SLIDE_JOBS)} seconds tiles_per_second max_rss_mb",
)


def tabulate_slides(
    slides: Collection[str], verdicts: str | Path, benchmarks: str | Path, table: str | Path
) -> None:
    """Write one row per slide (`SLIDE_COSTS`).

    Parameters
    ----------
    slides : collection of str
        All slides.
    verdicts : str or Path
        The folder of the slides' verdicts (`qc/1`).
    benchmarks : str or Path
        The folder of Snakemake's benchmark files: ``{rule}/{slide}.tsv``. Cells are empty where a
        file is missing.
    table : str or Path
        The table to write.
    """
    rows = []
    for slide in sorted(slides):
        with open_store(Path(verdicts, f"{slide}.h5"), "qc/1", slide=slide) as store:
            n_tiles = len(store["reason"])
        files = {job: Path(benchmarks, rule, f"{slide}.tsv") for job, rule in SLIDE_JOBS.items()}
        jobs = {job: _measured(path) for job, path in files.items() if path.exists()}
        row = {"slide": slide, "n_tiles": n_tiles, **{job: run["s"] for job, run in jobs.items()}}
        if len(jobs) == len(SLIDE_JOBS):
            row["seconds"] = round(sum(run["s"] for run in jobs.values()), 4)
        if seconds := row.get("extract_seconds"):
            row["tiles_per_second"] = round(n_tiles / seconds, 1)
        row["max_rss_mb"] = max((run["max_rss"] for run in jobs.values()), default=None)
        rows.append(row)
    write_table(pd.DataFrame(rows, columns=list(SLIDE_COSTS.columns)), table, SLIDE_COSTS)


def tabulate_jobs(benchmarks: str | Path, on_gpu: Collection[str], table: str | Path) -> None:
    """Write one row per rule (`COSTS`): its jobs, their hours and their memory.

    `gpu_hours` is the wall time of jobs that hold a GPU, and seconds are wall time. Snakemake
    measures neither CPU time nor memory of a job that ends at once; such a job counts its wall time
    as CPU time.

    Parameters
    ----------
    benchmarks : str or Path
        The folder of Snakemake's benchmark files: ``{rule}.tsv`` or ``{rule}/**/*.tsv``.
    on_gpu : collection of str
        The rules whose jobs hold a GPU.
    table : str or Path
        The table to write.
    """
    rows = []
    for rule, stage in STAGES.items():
        folder = Path(benchmarks)
        files = sorted([*folder.glob(f"{rule}.tsv"), *folder.glob(f"{rule}/**/*.tsv")])
        if not files:
            continue
        jobs = pd.DataFrame([_measured(path) for path in files])
        seconds, cpu = jobs["s"], jobs["cpu_time"].fillna(jobs["s"]).sum() / 3600
        wall, memory = seconds.sum() / 3600, jobs["max_rss"].max()
        hours = (wall, cpu, wall if rule in on_gpu else 0.0)
        rows.append((stage, rule, len(jobs), *hours, seconds.median(), seconds.max(), memory))
    write_table(pd.DataFrame(rows, columns=list(COSTS.columns)).round(6), table, COSTS)


def _measured(path: Path) -> pd.Series:
    """Read what a job's last run took: seconds, CPU seconds and MB; NaN where not measured."""
    last = pd.read_csv(path, sep="\t").iloc[-1]
    return pd.to_numeric(last.reindex(["s", "cpu_time", "max_rss"]), errors="coerce")
