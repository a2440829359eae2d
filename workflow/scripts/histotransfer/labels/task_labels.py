"""Labels of a task: a row per patient or patch, a column per target, a list of what is left out."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from ..core.errors import HistotransferError
from ..core.hdf5 import open_store
from ..core.tables import read_table, write_table
from .forms import (
    FILE,
    KEPT,
    NO_TARGET,
    TCGA_PATIENT,
    Excluded,
    maf_rows,
    maf_rows_by_sample,
    maf_status,
    read_matrix,
    star_tpm,
    transposed,
)

MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"})
WILD_TYPE = "WT"
Panel = dict[str, list[str]]
"""Targets, each with the names that a labels table may give it, the target's own first."""
#: Names that the tables between the stages give to something else.
RESERVED = frozenset({"", "sample", "group", "tissue", "all"})
_TCGA_NORMALS = range(10, 20)  # sample types 10-19 of the TCGA barcode: normal tissue or blood


def write_labels(
    task: Mapping[str, Any],
    out_path: str | Path,
    excluded_path: str | Path,
    flow_path: str | Path,
    *,
    cohort_table: str | Path | None,
    dataset_features: str | Path | None,
    pooled: Sequence[str | Path] = (),
) -> None:
    """Write the labels of one task, and the list of the samples, rows and targets left out.

    Parameters
    ----------
    task : mapping
        The task's entry in the config: ``kind`` and, unless ``tissue``, ``labels``, ``targets``
        and (expression) ``transform``.
    out_path : str or Path
        ``labels/{task}.tsv``: `sample`, (tissue: `group`), one column per target; sorted by sample.
    excluded_path : str or Path
        ``labels/{task}.excluded.tsv``: item, what (sample, row, target or column), reason.
    flow_path : str or Path
        ``labels/{task}.flow.tsv``: step, n: how many patients, rows and targets came in, were left
        out for which reason, and remain.
    cohort_table : str or Path or None
        ``tables/cohort.tsv`` (patient, n_patches); not used by ``tissue``.
    dataset_features : str or Path or None
        The feature file or patch store of the dataset; only used by ``tissue``.
    pooled : sequence of str or Path
        ``pooled/1`` files of extractors that may lack patients; only patients that all of them have
        are compared. Not used by ``tissue``.

    Raises
    ------
    HistotransferError
        If the labels cannot be read, match no patient, or hold values that are not of the kind.
    """
    excluded = Excluded()
    came_in: dict[str, int] = {}
    if task["kind"] == "tissue":
        if dataset_features is None:
            raise ValueError("a tissue task needs its dataset's store")
        labels = tissue_labels(Path(dataset_features))
    else:
        if cohort_table is None:
            raise ValueError(f"a task of kind {task['kind']} needs the cohort table")
        cohort = read_table(cohort_table, patient="str")
        came_in["patients of the cohort"] = len(cohort)
        usable = cohort["n_patches"] > 0
        excluded.add(cohort["patient"][~usable].tolist(), "sample", "no usable patch")
        patients = _shared(sorted(cohort["patient"][usable]), pooled, excluded)
        labels = patient_labels(task, patients, excluded, came_in)
    write_table(labels, out_path)
    write_table(excluded.table(), excluded_path)
    write_table(flow(came_in, excluded.table(), labels), flow_path)


def flow(came_in: Mapping[str, int], excluded: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Count what came in, what was left out or changed for which reason, and what remains."""
    treated = (excluded["what"] + ": " + excluded["reason"]).value_counts(sort=False)
    steps = [
        *came_in.items(),
        *treated.items(),
        ("samples with labels", len(labels)),
        ("targets", labels.shape[1] - (2 if "tissue" in labels else 1)),
    ]
    return pd.DataFrame(steps, columns=["step", "n"])


def _shared(patients: Sequence[str], pooled: Sequence[str | Path], excluded: Excluded) -> list[str]:
    """Return the patients of whom every extractor has features."""
    shared = list(patients)
    for path in pooled:
        with open_store(path, "pooled/1") as store:
            known = {str(name) for name in store["patient"].asstr()[:]}
            extractor = store.attrs["extractor"]
        without = [patient for patient in shared if patient not in known]
        excluded.add(without, "sample", f"no features under {extractor}")
        shared = [patient for patient in shared if patient in known]
    if patients and not shared:
        raise HistotransferError(
            pooled[0],
            "leaves no patient whom all extractors share",
            "See the tables pooled/*.used.tsv, and leave an extractor out",
        )
    return shared


def tissue_labels(store_path: Path) -> pd.DataFrame:
    """Return sample, group and tissue of every patch of a dataset, sorted by sample.

    The public patch sets do not say which slide a patch is from, so each patch is its own group.

    Raises
    ------
    HistotransferError
        If the patches are of one class.
    """
    try:
        with open_store(store_path, "features/1") as store:
            names, classes = _names_and_classes(store)
    except HistotransferError:
        with open_store(store_path, "patches/1") as store:
            names, classes = _names_and_classes(store)
    if len(set(classes)) < 2:
        raise HistotransferError(
            store_path,
            "its patches are all of one class, so there is nothing to tell apart",
            "Give the task's dataset a sub-folder of patches for each of at least two classes",
        )
    table = pd.DataFrame({"sample": names, "group": names, "tissue": classes})
    return table.sort_values("sample", ignore_index=True)


def _names_and_classes(store: h5py.File) -> tuple[list[str], list[str]]:
    classes = [str(name) for name in store.attrs["classes"]]
    names = [str(name) for name in store["names"].asstr()[:]]
    return names, [classes[label] for label in store["labels"][:]]


def patient_labels(
    task: Mapping[str, Any],
    patients: Sequence[str],
    excluded: Excluded,
    came_in: dict[str, int] | None = None,
) -> pd.DataFrame:
    """Return `sample` and the targets' values of the patients that the labels table knows.

    Parameters
    ----------
    task : mapping
        The task's entry in the config.
    patients : sequence of str
        The cohort's patients that have patches, sorted.
    excluded : Excluded
        Receives every patient, row and target left out.
    came_in : dict, optional
        Receives the number of rows that the table has.

    Returns
    -------
    pandas.DataFrame
        `sample` and float64 (expression) or Int64 (mutation) targets; sorted by sample.
    """
    source = task["labels"]
    source = {"table": source} if isinstance(source, str) else source
    place = source.get("table") or source.get("star_counts") or source["maf"]
    path = Path(place if isinstance(place, str) else place[0])  # that errors name
    rows_of = Path(source.get("samples", path))
    panel = _wanted(task["targets"])
    # An earlier symbol is looked for beside the present one.
    wanted = None if panel is None else [name for names in panel.values() for name in names]
    matrix = read_matrix(rows_of, excluded, source.get("suffix", ""))
    in_header = set(patients).intersection(_patients_of(matrix.columns, patients))
    if "table" in source and len(in_header) > _id_column(matrix, patients)[0]:
        matrix = transposed(matrix, excluded)
    if came_in is not None:
        came_in["rows of the labels table"] = len(matrix)
    table, ids = _one_row_per_patient(matrix, patients, rows_of, excluded)
    if "star_counts" in source:
        if FILE not in table:
            raise HistotransferError(
                rows_of, f"has no column {FILE!r}", "Give the sample sheet of the GDC's portal"
            )
        table = star_tpm(path, table[FILE], wanted, excluded)
    elif "maf" in source:
        if path.is_dir() and FILE in table:
            rows, ids = maf_rows_by_sample(path, table[FILE], ids, excluded)
        else:
            rows = maf_rows(place)
        table = maf_status(rows, ids, source["variant_classes"], wanted, excluded)
    values = _numeric(_chosen(panel, table, excluded), path, excluded, task["kind"])
    if task["kind"] == "mutation":
        labels = _mutation_values(values, path)
    else:
        labels = _expression_values(values, task["transform"], path, excluded)
    if labels.shape[1] == 0:
        raise HistotransferError(
            path, "holds no usable target", "See `targets` of the task in the config"
        )
    empty = labels.isna().all(axis=1)
    excluded.add(labels.index[empty], "sample", "no value for any target")
    return labels[~empty].rename_axis("sample").reset_index()


def _patients_of(ids: Iterable[str], patients: Sequence[str]) -> list[str]:
    """Cut barcodes to the patient where the cohort is one of TCGA."""
    return [name[:12] for name in ids] if _is_tcga(patients) else list(ids)


def _is_tcga(patients: Sequence[str]) -> bool:
    return all(TCGA_PATIENT.fullmatch(patient) for patient in patients)


def _id_column(table: pd.DataFrame, patients: Sequence[str]) -> tuple[int, str]:
    """Return the column that names the most patients, and how many it names.

    Among equals it is the one with the longest ids, because an aliquot's barcode says more than its
    patient's.
    """
    known, length = set(patients), 12 if _is_tcga(patients) else None
    best = (0, 0, "")
    for name in table.columns:
        ids = table[name].tolist()
        found = len(known.intersection(text[:length] for text in ids))
        if found:
            best = max(best, (found, sum(map(len, ids)), name), key=lambda entry: entry[:2])
    return best[0], best[2]


def _one_row_per_patient(
    table: pd.DataFrame, patients: Sequence[str], path: Path, excluded: Excluded
) -> tuple[pd.DataFrame, pd.Series[str]]:
    """Find the column of ids and index the table by patient: one row each, in the patients' order.

    Returns the table without that column, and the id of each patient's row.

    In a cohort of TCGA patients, barcodes are cut to the patient; normal samples are left out; of
    several samples of a patient the first by barcode is used, which is the primary tumour (01)
    where there is one.
    """
    known = set(patients)
    found, id_column = _id_column(table, patients)
    if not found:
        raise HistotransferError(
            path,
            "names no patient of the cohort in any column"
            + (f" (the cohort has {patients[0]}, …)" if patients else ""),
            "Use the sample sheet's patient ids in one column of the labels table",
        )
    ids = table[id_column]
    table = table.drop(columns=id_column)
    if _is_tcga(patients):
        normal = pd.to_numeric(ids.str.slice(13, 15), errors="coerce").isin(_TCGA_NORMALS)
        excluded.add(ids[normal].tolist(), "row", "normal sample")
        ids = ids[~normal]
    stranger = ~pd.Series(_patients_of(ids, patients), ids.index).isin(known)
    excluded.add(ids[stranger].tolist(), "row", "patient not in the cohort")
    ids = ids[~stranger].sort_values(kind="stable")
    owner = pd.Series(_patients_of(ids, patients), ids.index)
    again = owner.duplicated()
    excluded.add(ids[again].tolist(), "row", "a further row of a patient: the first by id is used")
    owner = owner[~again]
    excluded.add(sorted(known - set(owner)), "sample", "no row in the labels table")
    patient = pd.Index(owner)
    return table.loc[owner.index].set_axis(patient), ids[~again].set_axis(patient)


def _wanted(targets: str | Sequence[str]) -> Panel | None:
    """Resolve `targets` of the config: ``all`` (None), a list, or a file of them.

    A file holds a symbol a line, or is tab-separated with the columns gene and, optionally,
    previous: further symbols of the same gene, separated by ``|``.
    """
    if targets == "all":
        return None
    if not isinstance(targets, str):
        return {target: [target] for target in targets}
    try:
        lines = Path(targets).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HistotransferError(
            targets,
            f"cannot be read as a list of targets ({error})",
            "Give `all`, a list, or a file with a symbol on each line as the task's `targets`",
        ) from error
    lines = [line.strip(" ") for line in lines if line.strip() and line.strip()[0] != "#"]
    if not any("\t" in line for line in lines):
        return {line.strip(): [line.strip()] for line in lines}
    rows = list(csv.DictReader(lines, delimiter="\t"))
    if "gene" not in rows[0]:
        raise HistotransferError(
            targets, "has no column `gene`", "Give it a header (config/panels/immune.tsv has one)"
        )
    panel = {
        row["gene"]: [row["gene"], *filter(None, (row.get("previous") or "").split("|"))]
        for row in rows
    }
    # Where an earlier symbol is now another target's, it is that one's alone.
    return {
        gene: [n for n in names if n == gene or n not in panel] for gene, names in panel.items()
    }


def _chosen(panel: Panel | None, table: pd.DataFrame, excluded: Excluded) -> pd.DataFrame:
    """Return the columns of the targets that the table has, under the targets' own names."""
    if panel is None:
        panel = {name: [name] for name in table.columns if not name.startswith(NO_TARGET)}
    reserved = [target for target in panel if target in RESERVED]
    excluded.add(reserved, "target", "its name means something here")
    panel = {target: names for target, names in panel.items() if target not in RESERVED}
    found = {
        target: next((name for name in names if name in table), None)
        for target, names in panel.items()
    }
    absent = [target for target, name in found.items() if name is None]
    excluded.add(absent, "target", "not in the labels table")
    columns = {target: name for target, name in found.items() if name is not None}
    for target, name in columns.items():
        if name != target:
            excluded.add([target], KEPT, f"under its earlier symbol {name} in the labels table")
    return table[list(columns.values())].set_axis(list(columns), axis=1)


def _numeric(table: pd.DataFrame, path: Path, excluded: Excluded, kind: str) -> pd.DataFrame:
    """Parse the targets' columns; one without any number is left out, a stray text is an error.

    In a mutation table a column with ``WT`` in it holds protein changes: ``WT`` and changes that
    leave the protein as it is (``L210=``) are 0, any other is 1.
    """
    columns: dict[str, pd.Series[float]] = {}
    for target in table.columns:
        text = table[target]
        numbers = pd.to_numeric(text, errors="coerce").astype(float)
        if np.isfinite(numbers).all():
            columns[target] = numbers
            continue
        text = text.mask(text.isin(MISSING))
        if kind == "mutation" and text.eq(WILD_TYPE).any():
            mutated = ~(text.eq(WILD_TYPE) | text.str.endswith("=").eq(True))
            text = mutated.astype(float).where(text.notna())
        numbers = pd.to_numeric(text, errors="coerce").astype(float)
        if numbers.notna().sum() == 0:
            excluded.add([target], "target", "no number in its column")
            continue
        stray = text.notna() & ~np.isfinite(numbers)
        if stray.any():
            row = str(stray.idxmax())
            raise HistotransferError(
                path,
                f"column {target!r} holds {text[row]!r} for {row}, which is not a number",
                "Correct the cell, empty it if it is missing, or leave the column out of `targets`",
            )
        columns[target] = numbers
    return pd.DataFrame(columns, index=table.index)


def _mutation_values(values: pd.DataFrame, path: Path) -> pd.DataFrame:
    wrong = ~values.isin([0, 1]) & values.notna()
    if wrong.any(axis=None):
        gene = wrong.any().idxmax()
        raise HistotransferError(
            path,
            f"column {gene!r} holds {values[gene][wrong[gene]].iloc[0]:g}",
            "A mutation table holds 1 (mutated), 0 (wild type) or nothing (not sequenced)",
        )
    return values.astype("Int64")


def _expression_values(
    values: pd.DataFrame, transform: str | Mapping[str, float], path: Path, excluded: Excluded
) -> pd.DataFrame:
    if transform == "log2p1":
        negative = (values < 0).any()
        if negative.any():
            raise HistotransferError(
                path,
                f"column {negative.idxmax()!r} holds negative values, which are not TPM",
                "Use `transform: none` for values that are logarithms or z-scores already",
            )
        values = (values + 1).transform(np.log2)
    elif not isinstance(transform, str):
        bound = float(transform["clip"])
        beyond = values.abs() > bound
        excluded.add(
            values.columns[beyond.any()],
            KEPT,
            f"its values beyond ±{bound:g} are set to it",
        )
        values = values.clip(-bound, bound)
    constant = values.max() == values.min()
    excluded.add(values.columns[constant], "target", "no variance among the cohort's patients")
    return values.loc[:, ~constant]
