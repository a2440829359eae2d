"""What slides and jobs cost, from Snakemake's benchmark files."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import create_store
from histotransfer.core.tables import read_table
from histotransfer.qc.verdicts import REASONS
from histotransfer.results.resource_usage import (
    COSTS,
    SLIDE_COSTS,
    SLIDE_JOBS,
    STAGES,
    tabulate_jobs,
    tabulate_slides,
)
from histotransfer.study.catalogue import FIGURES
from support.root import ROOT


def write_verdicts(folder: Path, slide: str, n_tiles: int, of: str = "") -> None:
    with create_store(folder / f"{slide}.h5", "qc/1", {"slide": of or slide}) as store:
        reason = np.zeros(n_tiles, np.uint8)
        store.create_dataset("reason", data=reason, dtype=h5py.enum_dtype(REASONS, np.uint8))


def test_seconds_and_memory_are_tabulated_and_lost_benchmarks_are_empty(tmp_path: Path):
    for slide, n_tiles in {"s2": 0, "s1": 100}.items():
        write_verdicts(tmp_path, slide, n_tiles)
        for number, rule in enumerate(SLIDE_JOBS.values()):
            path = tmp_path / rule / f"{slide}.tsv"
            path.parent.mkdir(exist_ok=True)
            # A job that ends at once has no memory measured: Snakemake writes NA.
            memory = "NA" if rule == "judge_patches" else str(100 * (number + 1))
            path.write_text(f"s\th:m:s\tmax_rss\n{number + 0.5}\t0:00:00\t{memory}\n")
    (tmp_path / "extract_patches/s2.tsv").unlink()
    tabulate_slides(["s2", "s1"], tmp_path, tmp_path, tmp_path / "costs.tsv")
    table = read_table(tmp_path / "costs.tsv", SLIDE_COSTS).set_index("slide")
    assert list(table.index) == ["s1", "s2"]
    assert table.loc["s1"].tolist() == [100, 0.5, 1.5, 2.5, 4.5, 66.7, 200]
    assert table.loc["s2", ["extract_seconds", "seconds", "tiles_per_second"]].isna().all()
    assert table.loc["s2", "judge_seconds"] == 2.5


def test_verdicts_of_another_slide_are_refused(tmp_path: Path):
    write_verdicts(tmp_path, "s1", 1, of="s2")
    with pytest.raises(HistotransferError, match="is of slide s2, expected s1"):
        tabulate_slides(["s1"], tmp_path, tmp_path, tmp_path / "costs.tsv")


def test_jobs_are_summed_by_rule_in_the_order_of_the_stages(tmp_path: Path):
    head = "s\th:m:s\tmax_rss\tcpu_time\n"
    for name, text in {
        "extract_patches/s1.tsv": "7200\t2:00:00\t100\t3600\n",
        "extract_patches/deep/s2.tsv": "3600\t1:00:00\t300\tNA\n",
        # A job repeated in its rule has several lines, of which the last is the file's.
        "fine_tune.tsv": "9\t0:00:09\t9\t9\n1800\t0:30:00\t-\t900\n",
        "of_another_workflow/x.tsv": "1\t0:00:01\t1\t1\n",
    }.items():
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / name).write_text(head + text)
    tabulate_jobs(tmp_path / "b", ["fine_tune"], tmp_path / "costs.tsv")
    table = read_table(tmp_path / "costs.tsv", COSTS).set_index("rule")
    assert table["stage"].to_dict() == {"extract_patches": "patches", "fine_tune": "models"}
    extracted = table.loc["extract_patches", ["jobs", "wall_hours", "cpu_hours", "gpu_hours"]]
    assert extracted.tolist() == [2, 3, 2, 0]
    assert table.loc["extract_patches", "max_rss_mb"] == 300
    tuned = table.loc["fine_tune", ["wall_hours", "cpu_hours", "gpu_hours"]]
    assert tuned.tolist() == [0.5, 0.25, 0.5]
    assert np.isnan(table.loc["fine_tune", "max_rss_mb"])


def test_without_benchmarks_the_costs_are_an_empty_table(tmp_path: Path):
    tabulate_jobs(tmp_path, [], tmp_path / "costs.tsv")
    assert read_table(tmp_path / "costs.tsv", COSTS).empty


def test_every_rule_that_makes_a_file_has_a_stage_whatever_file_it_stands_in():
    """All rule files are read as one text, so a rule that moves keeps its stage."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    blocks = re.split(r"^[ ]*rule\b", text, flags=re.MULTILINE)[1:]
    makers = [block for block in blocks if re.search(r"^\s*output:", block, re.MULTILINE)]
    named = {name for block in makers for name in re.findall(r"^ (\w+):", block)}
    drawn = {f"draw_{figure}" for figure in FIGURES}
    assert len(makers) == len(named) + 1  # the figures share one, whose name is made
    assert set(STAGES) == named | drawn
