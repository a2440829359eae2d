"""Labels of a task: a row per patient or patch, a column per target, a list of what is left out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from .errors import HistotransferError
from .store import open_store, read_table, write_table

MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"})
EXCLUDED_COLUMNS = ["item", "what", "reason"]
_TCGA_PATIENT = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}")
_TCGA_NORMALS = range(10, 20)  # sample types 10-19 of the TCGA barcode: normal tissue or blood


class _Excluded:
    """The list of items left out, in the order in which the rules meet them."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []

    def add(self, items: Sequence[str] | pd.Index[str], what: str, reason: str) -> None:
        self.rows += [(str(item), what, reason) for item in items]

    def table(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=EXCLUDED_COLUMNS)


def write_labels(
    task: Mapping[str, Any],
    out_path: str | Path,
    excluded_path: str | Path,
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
    excluded = _Excluded()
    if task["kind"] == "tissue":
        if dataset_features is None:
            raise ValueError("a tissue task needs its dataset's store")
        labels = tissue_labels(Path(dataset_features))
    else:
        if cohort_table is None:
            raise ValueError(f"a task of kind {task['kind']} needs the cohort table")
        cohort = read_table(cohort_table, patient="str")
        usable = cohort["n_patches"] > 0
        excluded.add(cohort["patient"][~usable].tolist(), "sample", "no usable patch")
        patients = _shared(sorted(cohort["patient"][usable]), pooled, excluded)
        labels = patient_labels(task, patients, excluded)
    write_table(labels, out_path)
    write_table(excluded.table(), excluded_path)


def _shared(
    patients: Sequence[str], pooled: Sequence[str | Path], excluded: _Excluded
) -> list[str]:
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
    """
    try:
        with open_store(store_path, "features/1") as store:
            names, classes = _names_and_classes(store)
    except HistotransferError:
        with open_store(store_path, "patches/1") as store:
            names, classes = _names_and_classes(store)
    table = pd.DataFrame({"sample": names, "group": names, "tissue": classes})
    return table.sort_values("sample", ignore_index=True)


def _names_and_classes(store: h5py.File) -> tuple[list[str], list[str]]:
    classes = [str(name) for name in store.attrs["classes"]]
    names = [str(name) for name in store["names"].asstr()[:]]
    return names, [classes[label] for label in store["labels"][:]]


def patient_labels(
    task: Mapping[str, Any], patients: Sequence[str], excluded: _Excluded
) -> pd.DataFrame:
    """Return `sample` and the targets' values of the patients that the labels table knows.

    Parameters
    ----------
    task : mapping
        The task's entry in the config.
    patients : sequence of str
        The cohort's patients that have patches, sorted.
    excluded : _Excluded
        Receives every patient, row and target left out.

    Returns
    -------
    pandas.DataFrame
        `sample` and float64 (expression) or Int64 (mutation) targets; sorted by sample.
    """
    path = Path(task["labels"])
    table = _one_row_per_patient(_read_text(path, excluded), patients, path, excluded)
    values = _numeric(table, _chosen_targets(task["targets"], table, excluded), path, excluded)
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


def _read_text(path: Path, excluded: _Excluded) -> pd.DataFrame:
    """Read a CSV or TSV table as text, so that an id such as ``007`` or a gene ``NA`` survives."""
    separator = "," if ".csv" in path.suffixes else "\t"
    try:
        cells = pd.read_csv(
            path, sep=separator, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except (OSError, ValueError) as error:
        raise HistotransferError(
            path,
            f"cannot be read as a table ({error})",
            "Give a CSV or TSV file with a row per patient as the task's `labels`",
        ) from error
    header = pd.Index(cells.iloc[0].str.strip(), dtype=str)
    twice = header.duplicated()
    excluded.add(header[twice], "column", "a second column of this name: the first is used")
    table = cells.iloc[1:].loc[:, ~twice]
    table.columns = header[~twice]
    return pd.DataFrame({name: table[name].str.strip() for name in table.columns})


def _one_row_per_patient(
    table: pd.DataFrame, patients: Sequence[str], path: Path, excluded: _Excluded
) -> pd.DataFrame:
    """Find the column of ids and index the table by patient: one row each, in the patients' order.

    The column of ids is the one that names the most patients of the cohort; among equals the one
    with the longest ids, because an aliquot's barcode says more than its patient's. In a cohort of
    TCGA patients, barcodes are cut to the patient; normal samples are left out; of several samples
    of a patient the first by barcode is used, which is the primary tumour (01) where there is one.
    """
    known = set(patients)
    tcga = all(_TCGA_PATIENT.fullmatch(patient) for patient in patients)

    def patient_of(ids: pd.Series[str]) -> pd.Series[str]:
        return ids.str.slice(0, 12) if tcga else ids

    def fitness(name: str) -> tuple[int, float]:
        found = known & set(patient_of(table[name]))
        return len(found), float(table[name].str.len().mean())

    id_column = max(table.columns, key=fitness, default=None)
    if id_column is None or fitness(id_column)[0] == 0:
        raise HistotransferError(
            path,
            "names no patient of the cohort in any column"
            + (f" (the cohort has {patients[0]}, …)" if patients else ""),
            "Use the sample sheet's patient ids in one column of the labels table",
        )
    ids = table[id_column]
    table = table.drop(columns=id_column)
    if tcga:
        normal = pd.to_numeric(ids.str.slice(13, 15), errors="coerce").isin(_TCGA_NORMALS)
        excluded.add(ids[normal].tolist(), "row", "normal sample")
        ids = ids[~normal]
    stranger = ~patient_of(ids).isin(known)
    excluded.add(ids[stranger].tolist(), "row", "patient not in the cohort")
    ids = ids[~stranger].sort_values(kind="stable")
    owner = patient_of(ids)
    again = owner.duplicated()
    excluded.add(ids[again].tolist(), "row", "a further row of a patient: the first by id is used")
    owner = owner[~again]
    excluded.add(sorted(known - set(owner)), "sample", "no row in the labels table")
    return table.loc[owner.index].set_axis(pd.Index(owner))


def _chosen_targets(
    targets: str | Sequence[str], table: pd.DataFrame, excluded: _Excluded
) -> list[str]:
    """Resolve `targets` of the config: ``all``, a list, or a file with a symbol on each line."""
    if targets == "all":
        return list(table.columns)
    if isinstance(targets, str):
        try:
            lines = Path(targets).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise HistotransferError(
                targets,
                f"cannot be read as a list of targets ({error.strerror})",
                "Give `all`, a list, or a file with a symbol on each line as the task's `targets`",
            ) from error
        targets = [line.strip() for line in lines if line.strip() and line.strip()[0] != "#"]
    wanted = list(dict.fromkeys(targets))
    excluded.add([t for t in wanted if t not in table], "target", "not in the labels table")
    return [target for target in wanted if target in table]


def _numeric(
    table: pd.DataFrame, targets: Sequence[str], path: Path, excluded: _Excluded
) -> pd.DataFrame:
    """Parse the targets' columns; one without any number is left out, a stray text is an error."""
    columns: dict[str, pd.Series[float]] = {}
    for target in targets:
        text = table[target]
        text = text.mask(text.isin(MISSING))
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
    values: pd.DataFrame, transform: str, path: Path, excluded: _Excluded
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
    constant = values.max() == values.min()
    excluded.add(values.columns[constant], "target", "no variance among the cohort's patients")
    return values.loc[:, ~constant]
