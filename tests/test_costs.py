"""What slides cost, from Snakemake's benchmark files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from histotransfer.costs import tabulate_slides
from histotransfer.qc import REASONS
from histotransfer.store import create_store, read_table


def test_seconds_and_memory_are_tabulated_and_lost_benchmarks_are_empty(tmp_path: Path):
    qc, benchmarks = {}, {job: {} for job in ("tile", "cut", "judge")}
    for slide, n_tiles in {"s2": 0, "s1": 100}.items():
        qc[slide] = tmp_path / f"{slide}.h5"
        with create_store(qc[slide], "qc/1", {}) as store:
            reason = np.zeros(n_tiles, np.uint8)
            store.create_dataset("reason", data=reason, dtype=h5py.enum_dtype(REASONS, np.uint8))
        for number, job in enumerate(benchmarks):
            path = benchmarks[job][slide] = tmp_path / f"{job}_{slide}.tsv"
            # A job that ends at once has no memory measured: Snakemake writes NA.
            memory = "NA" if job == "judge" else str(100 * (number + 1))
            path.write_text(f"s\th:m:s\tmax_rss\n{number + 0.5}\t0:00:00\t{memory}\n")
    benchmarks["cut"]["s2"].unlink()
    tabulate_slides(qc, benchmarks, tmp_path / "costs.tsv")
    table = read_table(tmp_path / "costs.tsv").set_index("slide")
    assert list(table.index) == ["s1", "s2"]
    assert table.loc["s1"].tolist() == [100, 0.5, 1.5, 2.5, 4.5, 66.7, 200]
    assert table.loc["s2", ["cut_seconds", "seconds", "tiles_per_second"]].isna().all()
    assert table.loc["s2", "judge_seconds"] == 2.5
