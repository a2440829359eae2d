"""What the slides cost, from the benchmarks that Snakemake keeps of its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from .store import open_store, read_table, write_table


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
