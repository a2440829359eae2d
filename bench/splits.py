"""Drawing the folds of many genes: each gene takes the same time, however many there are.

`make bench-splits`. Mutations of 500 simulated patients, as `targets: all` of a MAF gives them,
most of them rare. The folds of 50 repeats are drawn by the library's own function, from the labels
file to the table of splits, for 2,000 genes and for 18,000.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from histotransfer.evaluation.splits import write_splits
from histotransfer.labels.files import TaskLabels, write_labels_file
from histotransfer.study.parameters import SplitParameters
from ratios import report

PATIENTS, FEW, MANY = 500, 2_000, 18_000
LIMIT_S = 60


def write_mutations(path: Path, patients: int, genes: int) -> None:
    """Write the labels of genes of which most are rarely mutated."""
    rng = np.random.default_rng(genes)
    rate = np.clip(rng.gamma(0.5, 0.03, genes), 0.002, 0.5)
    names = pd.Index([f"P{i:04d}" for i in range(patients)], name="sample")
    mutated = (rng.random((patients, genes)) < rate).astype(int)
    values = pd.DataFrame(mutated, index=names, columns=[f"G{i:05d}" for i in range(genes)])
    write_labels_file(TaskLabels(names.to_series().rename("group"), values), path)


def seconds_for(genes: int, patients: int, repeats: int) -> float:
    """Return the time in which the folds are drawn."""
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder) / "labels.tsv"
        write_mutations(labels, patients, genes)
        started = time.perf_counter()
        write_splits(
            labels, Path(folder) / "splits.tsv", task="mutation", kind="mutation",
            parameters=SplitParameters(5, repeats, "patient", seed=0),
        )  # fmt: skip
        spent = time.perf_counter() - started
        size = (Path(folder) / "splits.tsv").stat().st_size
    print(f"  {genes:,} genes, {repeats} repeats: {spent:.1f} s, {size / 1e6:.2f} MB", flush=True)
    return spent


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="try whether the bench runs")
    tiny = parser.parse_args().tiny
    patients, few, many, repeats = (40, 20, 60, 2) if tiny else (PATIENTS, FEW, MANY, 50)
    of_few, of_many = (seconds_for(genes, patients, repeats) for genes in (few, many))
    report("splits-per-gene", (of_few / few) / (of_many / many), 0.8)
    report(f"splits-{many}-genes/{LIMIT_S}s", LIMIT_S / of_many, 1)


if __name__ == "__main__":
    main()
