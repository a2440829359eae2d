"""Labels of a task: a row per patient or patch, a column per target, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import pandas as pd

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from ..core.hdf5 import open_store
from ..core.tables import read_table, write_table
from ..qc.cohort import COHORT
from ..study.tasks import LabelParameters
from .exclusions import EXCLUDED, FLOW, Excluded, flow
from .files import TISSUE, TaskLabels, write_labels_file
from .gdc_files import FILE
from .maf import maf_rows, maf_rows_by_sample, maf_status
from .matrix import one_row_per_patient, patients_in_rows, read_matrix
from .star_counts import star_tpm
from .targets import columns_of, symbols, wanted_targets
from .values import mutation_status, numbers_of, transformed


def write_labels(
    parameters: LabelParameters,
    out_path: str | Path,
    excluded_path: str | Path,
    flow_path: str | Path,
    *,
    cohort_table: str | Path | None = None,
    pooled: Sequence[str | Path] = (),
    patches: str | Path | None = None,
) -> None:
    """Write the labels of one task, what was left out of them and why, and the counts.

    Parameters
    ----------
    parameters : LabelParameters
    out_path : str or Path
        ``labels/{task}.tsv`` to write (see `labels.files`).
    excluded_path : str or Path
        ``labels/{task}.excluded.tsv`` to write (`EXCLUDED`).
    flow_path : str or Path
        ``labels/{task}.flow.tsv`` to write (`FLOW`).
    cohort_table : str or Path, optional
        ``tables/cohort.tsv``; of a task of patients.
    pooled : sequence of str or Path
        ``pooled/1`` files of extractors that may lack patients; of a task of patients, who are
        compared only if all of these files have them.
    patches : str or Path, optional
        The patch store or feature file of the dataset; of a tissue task.

    Raises
    ------
    HistotransferError
        If the labels cannot be read, match no patient, or hold values of another kind.
    """
    excluded = Excluded()
    if patches is not None:
        labels, came_in, unit = tissue_labels(patches), {}, "patch"
    elif cohort_table is not None:
        cohort = read_table(cohort_table, COHORT)
        usable = cohort["n_patches"] > 0
        excluded.add(cohort["patient"][~usable], "patient", Reason("no_usable_patch"))
        patients = _shared(sorted(cohort["patient"][usable]), pooled, excluded)
        labels, n_rows = patient_labels(parameters, patients, excluded)
        came_in, unit = {"patient": len(cohort), "row": n_rows}, "patient"
    else:
        raise ValueError("labels need a cohort or the patches of a dataset")
    labelled = {unit: len(labels.values), "target": labels.values.shape[1]}
    write_labels_file(labels, out_path)
    write_table(excluded.table(), excluded_path, EXCLUDED)
    write_table(flow(came_in, excluded.table(), labelled), flow_path, FLOW)


def _shared(patients: Sequence[str], pooled: Sequence[str | Path], excluded: Excluded) -> list[str]:
    """Return the patients of whom every extractor has features."""
    shared = list(patients)
    for path in pooled:
        with open_store(path, "pooled/1") as store:
            known = {str(name) for name in store["patient"].asstr()[:]}
            extractor = str(store.attrs["extractor"])
        without = [patient for patient in shared if patient not in known]
        remedy = f"See pooled/{extractor}.used.tsv"
        excluded.add(without, "patient", Reason("no_features", extractor, remedy))
        shared = [patient for patient in shared if patient in known]
    if patients and not shared:
        raise HistotransferError(
            pooled[0],
            "leaves no patient whom all extractors share",
            "See the tables pooled/*.used.tsv, and leave an extractor out",
        )
    return shared


def tissue_labels(store_path: str | Path) -> TaskLabels:
    """Return the class of every patch of a dataset.

    The public patch sets do not say which slide a patch is from, so each patch is its own group.

    Raises
    ------
    HistotransferError
        If all patches are of one class.
    """
    try:
        with open_store(store_path, "features/1") as store:
            classes = _classes(store)
    except HistotransferError:
        with open_store(store_path, "patches/1") as store:
            classes = _classes(store)
    if classes.nunique() < 2:
        raise HistotransferError(
            store_path,
            "has patches of one class only, so there is nothing to tell apart",
            "Give the task's dataset a sub-folder of patches for each of at least two classes",
        )
    return TaskLabels(classes.index.to_series(name="group"), classes.to_frame(TISSUE))


def _classes(store: h5py.File) -> pd.Series[str]:
    """Return the name of each patch's class, indexed by patch and sorted."""
    classes = [str(name) for name in store.attrs["classes"]]
    names = pd.Index([str(name) for name in store["names"].asstr()[:]], name="sample")
    return pd.Series([classes[label] for label in store["labels"][:]], names).sort_index()


def patient_labels(
    parameters: LabelParameters, patients: Sequence[str], excluded: Excluded
) -> tuple[TaskLabels, int]:
    """Return the targets' values of the patients that the labels table knows.

    Parameters
    ----------
    parameters : LabelParameters
    patients : sequence of str
        The cohort's patients that have patches, sorted.
    excluded : Excluded
        Receives every patient, row, column, variant and target left out or changed.

    Returns
    -------
    labels : TaskLabels
        float64 (expression) or Int64 (mutation); each patient is its own group.
    n_rows : int
        How many rows the table has.
    """
    source = parameters.labels
    place = source.get("table") or source.get("star_counts") or source["maf"]
    path = Path(place if isinstance(place, str) else place[0])  # that errors name
    rows_of = Path(source.get("samples", path))
    panel = wanted_targets(parameters.targets)
    matrix = read_matrix(rows_of, excluded, source.get("suffix", ""))
    if "table" in source:
        matrix = patients_in_rows(matrix, patients, excluded)
    table, ids = one_row_per_patient(matrix, patients, rows_of, excluded)
    if "star_counts" in source:
        if FILE not in table:
            raise HistotransferError(
                rows_of, f"has no column {FILE!r}", "Give the sample sheet of the GDC's portal"
            )
        table = star_tpm(path, table[FILE], symbols(panel), excluded)
    elif "maf" in source:
        if path.is_dir() and FILE in table:
            rows, ids = maf_rows_by_sample(path, table[FILE], ids, excluded)
        else:
            rows = maf_rows(place)
        table = maf_status(rows, ids, source["variant_classes"], symbols(panel), excluded)
    values = numbers_of(columns_of(panel, table, excluded), path, excluded, parameters.kind)
    if parameters.kind == "mutation":
        values = mutation_status(values, path)
    else:
        values = transformed(values, parameters.transform, path, excluded)
    if values.shape[1] == 0:
        raise HistotransferError(
            path, "has no usable target", "Correct `targets` of the task in the config"
        )
    empty = values.isna().all(axis=1)
    excluded.add(values.index[empty], "patient", Reason("no_label_value"))
    values = values[~empty].rename_axis("sample")
    return TaskLabels(values.index.to_series(name="group"), values), len(matrix)
