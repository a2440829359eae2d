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
from .exclusions import EXCLUDED, FLOW, Excluded
from .files import TISSUE, TaskLabels, write_labels_file
from .matrix import one_row_per_patient, patients_in_rows, read_matrix
from .molecular import FILE, maf_rows, maf_rows_by_sample, maf_status, star_tpm
from .targets import columns_of, mutation_status, numbers_of, symbols, transformed, wanted_targets


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
    """Write the labels of a task, what was left out of them (`EXCLUDED`) and the counts (`FLOW`).

    A tissue task needs `patches`: the patch store or feature file of its dataset. A task of
    patients needs ``tables/cohort.tsv``, and the ``pooled/1`` files of extractors that may lack
    patients: only those whom all of these files have are compared.

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
    rows = pd.DataFrame(excluded, columns=list(EXCLUDED.columns))
    write_table(rows, excluded_path, EXCLUDED)
    write_table(excluded.flow(came_in, labelled), flow_path, FLOW)


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
    """Return the targets' values of the patients that the labels table knows, and its rows' number.

    The values are float64 (expression) or Int64 (mutation); each patient is its own group.
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
