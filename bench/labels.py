"""Reading labels at the size of the genome: `make bench-labels`.

500 patients and 18,000 genes: a MAF of 150,000 variants with its list of samples, a table of
expression and one of protein changes. Beside each stands the shortest pandas program that reads
the same file into the same numbers, without any check and without writing them; a ratio tells how
much the checks and the files cost. The results must be equal.
"""

from __future__ import annotations

import csv
import resource
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from histotransfer.core.tables import write_table
from histotransfer.labels.files import read_labels_file
from histotransfer.labels.task_labels import write_labels
from histotransfer.labels.variant_classes import NON_SILENT, OTHERS
from histotransfer.study.tasks import LabelParameters
from ratios import report

PATIENTS, GENES, VARIANTS = 500, 18_000, 150_000
LIMIT_S = 60
COLUMNS = ["Hugo_Symbol", "Variant_Classification", "Tumor_Sample_Barcode"]


def main() -> None:
    """Write the tables, read each in both ways, and print the ratios."""
    rng = np.random.default_rng(1)
    patients = [f"TCGA-{i // 100:02d}-{i:04d}" for i in range(PATIENTS)]
    genes = [f"GENE{i}" for i in range(GENES)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohort = pd.DataFrame({"patient": patients, "n_patches": 1, "n_slides": 1})
        write_table(cohort.assign(n_slides_used=1), folder / "cohort.tsv")
        barcodes = [f"{patient}-01A-11D" for patient in patients]
        maf = pd.DataFrame(
            {
                COLUMNS[0]: rng.choice(genes, VARIANTS),
                COLUMNS[1]: rng.choice([*NON_SILENT, *OTHERS], VARIANTS),
                COLUMNS[2]: rng.choice(barcodes, VARIANTS),
                "note": '3" end',
            }
        )
        maf.to_csv(folder / "x.maf", sep="\t", index=False, quoting=3)
        pd.DataFrame({"Barcode": patients}).to_csv(folder / "samples.tsv", sep="\t", index=False)
        tpm = rng.gamma(1, 10, (PATIENTS, GENES)).round(4)
        _write(folder / "tpm.csv", barcodes, genes, tpm.tolist())
        changes = np.where(rng.random((PATIENTS, GENES)) < 0.01, "R273H", "WT")
        _write(folder / "changes.csv", barcodes, genes, changes.tolist())

        source = {"maf": str(folder / "x.maf"), "samples": str(folder / "samples.tsv")}
        maf_source = {**source, "variant_classes": "non-silent"}
        _compare("maf", folder, "mutation", maf_source, _naive_maf)
        _compare("expression", folder, "expression", {"table": str(folder / "tpm.csv")}, _naive_tpm)
        changed = {"table": str(folder / "changes.csv")}
        _compare("protein", folder, "mutation", changed, _naive_changes)


def _write(
    path: Path, barcodes: list[str], genes: list[str], rows: Iterable[Iterable[object]]
) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sample", *genes])
        writer.writerows([name, *row] for name, row in zip(barcodes, rows, strict=True))


def _compare(
    name: str,
    folder: Path,
    kind: str,
    source: dict[str, str],
    naive: Callable[[Path], pd.DataFrame],
) -> None:
    files = [folder / f"{name}.{part}.tsv" for part in ("labels", "excluded", "flow")]
    transform = "log2p1" if kind == "expression" else "none"
    start = time.perf_counter()
    parameters = LabelParameters(kind, source, "all", transform)
    write_labels(parameters, *files, cohort_table=folder / "cohort.tsv")
    ours = time.perf_counter() - start
    start = time.perf_counter()
    expected = naive(folder)
    plain = time.perf_counter() - start
    found = read_labels_file(files[0]).values.astype(float)
    if not np.allclose(found, expected.loc[found.index, found.columns]):
        raise AssertionError(f"{name}: the two programs differ")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{name}: {found.shape[0]} patients, {found.shape[1]} targets, at most {memory} MB so far",
        flush=True,
    )
    report(f"labels {name}: naive pandas / ours", plain / ours, 0.05)
    report(f"labels {name}: a minute / ours", LIMIT_S / ours, 1)


def _naive_maf(folder: Path) -> pd.DataFrame:
    maf = pd.read_csv(folder / "x.maf", sep="\t", usecols=COLUMNS, quoting=3)
    patients = pd.read_csv(folder / "samples.tsv")["Barcode"]
    hits = maf[maf[COLUMNS[1]].isin(NON_SILENT)]
    hits = hits.assign(patient=hits[COLUMNS[2]].str[:12], hit=1.0)
    hits = hits.drop_duplicates([COLUMNS[0], "patient"]).pivot(
        index="patient", columns=COLUMNS[0], values="hit"
    )
    return hits.reindex(index=patients, columns=maf[COLUMNS[0]].unique()).fillna(0)


def _naive_tpm(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "tpm.csv", index_col=0)
    return np.log2(table.rename(index=lambda barcode: barcode[:12]) + 1)


def _naive_changes(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "changes.csv", index_col=0)
    return table.rename(index=lambda barcode: barcode[:12]).ne("WT") * 1.0


if __name__ == "__main__":
    main()
