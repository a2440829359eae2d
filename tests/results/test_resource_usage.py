"""What slides cost, from Snakemake's benchmark files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from histotransfer.core.hdf5 import create_store
from histotransfer.core.tables import read_table
from histotransfer.qc.verdicts import REASONS
from histotransfer.results.resource_usage import tabulate_jobs, tabulate_slides


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


def test_jobs_are_summed_by_rule_in_the_order_of_the_stages(tmp_path: Path):
    head = "s\th:m:s\tmax_rss\tcpu_time\n"
    for name, text in {
        "cut/s1.tsv": "7200\t2:00:00\t100\t3600\n",
        "cut/deep/s2.tsv": "3600\t1:00:00\t300\tNA\n",
        # A job repeated in its rule has several lines, of which the last is the file's.
        "tune.tsv": "9\t0:00:09\t9\t9\n1800\t0:30:00\t-\t900\n",
        "of_another_workflow/x.tsv": "1\t0:00:01\t1\t1\n",
    }.items():
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / name).write_text(head + text)
    stages = {"tune": "finetune", "cut": "tiling", "never_run": "tiling"}
    tabulate_jobs(tmp_path / "b", stages, ["tune"], tmp_path / "costs.tsv")
    table = read_table(tmp_path / "costs.tsv").set_index("rule")
    assert list(table.index) == ["tune", "cut"]
    cut = table.loc["cut", ["jobs", "wall_hours", "cpu_hours", "gpu_hours", "max_rss_mb"]]
    assert cut.tolist() == [2, 3, 2, 0, 300]
    assert table.loc["tune", ["wall_hours", "cpu_hours", "gpu_hours"]].tolist() == [0.5, 0.25, 0.5]
    assert np.isnan(table.loc["tune", "max_rss_mb"])


def test_without_benchmarks_the_costs_are_an_empty_table(tmp_path: Path):
    tabulate_jobs(tmp_path, {"cut": "tiling"}, [], tmp_path / "costs.tsv")
    assert list(read_table(tmp_path / "costs.tsv").columns)[:3] == ["stage", "rule", "jobs"]
