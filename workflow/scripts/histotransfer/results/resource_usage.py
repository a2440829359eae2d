"""What slides and jobs cost, from the benchmarks that Snakemake keeps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from ..core.hdf5 import open_store
from ..core.tables import read_table, write_table

COLUMNS = [
    *("stage", "rule", "jobs", "wall_hours", "cpu_hours", "gpu_hours"),
    *("median_seconds", "longest_seconds", "max_rss_mb"),
]
"""The columns of `tabulate_jobs`."""


def tabulate_slides(
    qc_paths: Mapping[str, Path], benchmarks: Mapping[str, Mapping[str, Path]], table: str | Path
) -> None:
    """Write one row per slide: its tiles, seconds by job and in all, tiles per second, memory.

    Parameters
    ----------
    qc_paths : mapping of str to Path
        The slides' verdicts (`qc/1`) by slide.
    benchmarks : mapping of str to mapping of str to Path
        By job (`tile`, `cut`, `judge`) and slide, Snakemake's benchmark files. Cells whose file is
        gone are empty.
    table : str or Path
        The table to write.
    """
    rows = []
    for slide, path in qc_paths.items():
        with open_store(path, "qc/1") as store:
            n_tiles = len(store["reason"])
        seconds, memory = {}, []
        for job, files in benchmarks.items():
            if files[slide].exists():
                measured = read_table(files[slide]).apply(pd.to_numeric, errors="coerce").iloc[-1]
                seconds[f"{job}_seconds"] = measured["s"]
                memory.append(measured["max_rss"])
        complete = len(seconds) == len(benchmarks)
        row = {"slide": slide, "n_tiles": n_tiles, **seconds}
        if complete:
            row["seconds"] = round(sum(seconds.values()), 4)
        if seconds.get("cut_seconds"):
            row["tiles_per_second"] = round(n_tiles / seconds["cut_seconds"], 1)
        rows.append(row | {"max_rss_mb": max(memory, default=None)})
    columns = ["slide", "n_tiles", *(f"{job}_seconds" for job in benchmarks)]
    columns += ["seconds", "tiles_per_second", "max_rss_mb"]
    write_table(pd.DataFrame(rows).reindex(columns=columns).sort_values("slide"), table)


def tabulate_jobs(
    benchmarks: Path, stages: Mapping[str, str], on_gpu: Collection[str], table: str | Path
) -> None:
    """Write one row per rule: its jobs, their hours and their memory.

    Parameters
    ----------
    benchmarks : Path
        The folder of Snakemake's benchmark files: ``{rule}.tsv`` or ``{rule}/**/*.tsv``, of each
        job the last time that it ran.
    stages : mapping of str to str
        The stage of each rule, in the order of the data.
    on_gpu : collection of str
        The rules whose jobs hold a GPU.
    table : str or Path
        To write: stage, rule, jobs, wall_hours, cpu_hours, gpu_hours (wall time of jobs that hold a
        GPU), median_seconds, longest_seconds (wall), max_rss_mb. Snakemake measures neither CPU
        time nor memory of a job that ends at once; such a job counts its wall time as CPU time.
    """
    rows = []
    for rule, stage in stages.items():
        files = [*benchmarks.glob(f"{rule}.tsv"), *benchmarks.glob(f"{rule}/**/*.tsv")]
        if not files:
            continue
        jobs = pd.concat([read_table(path).iloc[-1:] for path in sorted(files)])
        jobs = jobs.reindex(columns=["s", "cpu_time", "max_rss"]).apply(
            pd.to_numeric, errors="coerce"
        )
        wall = jobs["s"].sum() / 3600
        rows.append(
            {
                "stage": stage,
                "rule": rule,
                "jobs": len(jobs),
                "wall_hours": wall,
                "cpu_hours": jobs["cpu_time"].fillna(jobs["s"]).sum() / 3600,
                "gpu_hours": wall if rule in on_gpu else 0.0,
                "median_seconds": jobs["s"].median(),
                "longest_seconds": jobs["s"].max(),
                "max_rss_mb": jobs["max_rss"].max(),
            }
        )
    write_table(pd.DataFrame(rows, columns=COLUMNS).round(6), table)
