"""Labels of a task: a row per patient or patch, a column per target, and what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from ..core.errors import HistotransferError, listed
from ..core.exclusions import KEPT, Reason
from ..core.hdf5 import open_store
from ..core.tables import read_table, write_table
from ..patches.names import PATCH_NAMES, read_notes
from ..qc.cohort import COHORT
from ..study.parameters import CohortParameters
from ..study.tasks import CLASSES, TIMES, TWO_VALUES, LabelParameters
from .cohorts import cohort_of, labels_of
from .covariates import FILES_OF_PATIENTS, refuse_labels_in
from .exclusions import EXCLUDED, FLOW, Excluded
from .files import CLASS, TaskLabels, write_labels_file
from .matrix import read_matrix, rows_of_patients
from .molecular import FILE, maf_rows, maf_rows_by_sample, maf_status, star_tpm
from .samples import SequencedSamples, sequenced_samples
from .survival_times import signed_times
from .targets import columns_of, symbols, wanted_targets
from .values import check_statuses, numbers_of, statuses_of, transformed
from .words import classes_in, two_values_of


def write_labels(
    parameters: LabelParameters,
    out_path: str | Path,
    excluded_path: str | Path,
    flow_path: str | Path,
    *,
    cohort_table: str | Path | None = None,
    pooled: Sequence[str | Path] = (),
    patches: str | Path | None = None,
    features: Sequence[str | Path] = (),
    cohorts: CohortParameters | None = None,
) -> None:
    """Write the labels of a task, what was left out of them (`EXCLUDED`) and the counts (`FLOW`).

    A task of patches needs `patches`: the patch store or feature file of its dataset; and the
    ``features/1`` files of extractors that may lack patches. A task of patients needs the
    ``pooled/1`` files of extractors that may lack patients, and the ``covariates/1`` file. Only
    samples that all of these files have are compared. Where slides were read, it needs
    ``tables/cohort.tsv``, too; otherwise the cohort is whoever any of these files has. With
    `cohorts`, only the labels of the training cohort are written.

    Raises
    ------
    HistotransferError
        If the labels cannot be read, match no patient, or hold values of another kind.
    """
    excluded = Excluded()
    if patches is not None:
        labels, came_in, unit = patch_labels(patches, features, excluded), {}, "patch"
    else:
        everyone, patients = _everyone(cohort_table, pooled, excluded)
        labels, n_rows = patient_labels(parameters, patients, excluded)
        for path in pooled:
            refuse_labels_in(path, labels, parameters)
        if cohorts is not None:
            of_patients = cohort_of(cohorts, patients)
            labels = labels_of(cohorts.train, labels, of_patients, cohorts, excluded)
        came_in, unit = {"patient": len(everyone), "row": n_rows}, "patient"
    labelled = {unit: len(labels.values), "target": labels.values.shape[1]}
    write_labels_file(labels, out_path, whole=parameters.values == TWO_VALUES)
    rows = pd.DataFrame(excluded, columns=list(EXCLUDED.columns))
    write_table(rows, excluded_path, EXCLUDED)
    write_table(excluded.flow(came_in, labelled), flow_path, FLOW)


def write_external_labels(
    parameters: LabelParameters,
    out_path: str | Path,
    *,
    cohort_table: str | Path | None = None,
    pooled: Sequence[str | Path] = (),
    cohorts: CohortParameters,
) -> None:
    """Write the labels of the external cohort, which may be nobody's; otherwise as `write_labels`.

    A class that the training cohort does not have is left out.
    """
    excluded = Excluded()
    _, patients = _everyone(cohort_table, pooled, excluded)
    labels, _ = patient_labels(parameters, patients, excluded)
    of_patients = cohort_of(cohorts, patients)
    labels = labels_of(cohorts.test, labels, of_patients, cohorts, excluded)
    write_labels_file(labels, out_path, whole=parameters.values == TWO_VALUES)


def _everyone(
    cohort_table: str | Path | None, pooled: Sequence[str | Path], excluded: Excluded
) -> tuple[list[str], list[str]]:
    """Return all patients, and those whom every extractor can use."""
    if cohort_table is not None:
        cohort = read_table(cohort_table, COHORT)
        everyone, usable = cohort["patient"].tolist(), cohort["n_patches"] > 0
        excluded.add(cohort["patient"][~usable], "patient", Reason("no_usable_patch"))
        patients = sorted(cohort["patient"][usable])
    else:
        everyone = patients = sorted({name for path in pooled for name in _known(path)[1]})
    return everyone, _shared(patients, pooled, "patient", excluded)


def _known(path: str | Path) -> tuple[str, set[str], str]:
    """Return the extractor of features, the samples that have them, and the table of those used."""
    with open_store(path, (*FILES_OF_PATIENTS, "features/1")) as store:
        extractor, of_patches = str(store.attrs["extractor"]), "dataset" in store.attrs
        names = {str(name) for name in store["names" if of_patches else "patient"].asstr()[:]}
        folder = f"features/{extractor}" if of_patches else "pooled"
        used = f"{folder}/{store.attrs['dataset'] if of_patches else extractor}.used.tsv"
        return extractor, names, used


def _shared(
    samples: Sequence[str], files: Sequence[str | Path], what: str, excluded: Excluded
) -> list[str]:
    """Return the samples (patients or patches: `what`) of which every extractor has features."""
    shared, tables = list(samples), []
    for path in files:
        extractor, known, used = _known(path)
        without = [sample for sample in shared if sample not in known]
        excluded.add(without, what, Reason("no_features", extractor, f"See {used}"))
        shared = [sample for sample in shared if sample in known]
        tables.append(used)
    if samples and not shared:
        raise HistotransferError(
            files[0],
            f"leaves no {what} that all extractors share",
            f"See {listed(tables)}, and leave an extractor out",
        )
    return shared


def patch_labels(
    store_path: str | Path,
    features: Sequence[str | Path] = (),
    excluded: Excluded | None = None,
) -> TaskLabels:
    """Return the class of every patch of a dataset that all files of `features` have.

    The patches of a patient are a group. The public patch sets do not name patients; there, each
    patch is its own group.
    """
    excluded = Excluded() if excluded is None else excluded
    with open_store(store_path, ("features/1", "patches/1", PATCH_NAMES)) as store:
        classes, groups = _classes_and_groups(store)
        excluded.note(read_notes(store))
    shared = _shared(classes.index.tolist(), features, "patch", excluded)
    classes, groups = classes[shared], groups[shared]
    if classes.nunique() < 2:
        raise HistotransferError(
            store_path,
            "has patches of one class only, so there is nothing to tell apart",
            "Give the task's dataset patches of at least two classes that all extractors know",
        )
    return TaskLabels(groups, classes.to_frame(CLASS))


def _classes_and_groups(store: h5py.File) -> tuple[pd.Series[str], pd.Series[str]]:
    """Return the name of each patch's class, and its group, indexed by patch and sorted."""
    classes = [str(name) for name in store.attrs["classes"]]
    names = pd.Index([str(name) for name in store["names"].asstr()[:]], name="sample")
    groups = store["groups"].asstr()[:] if "groups" in store else names
    of_patch = pd.Series([classes[label] for label in store["labels"][:]], names)
    return of_patch.sort_index(), pd.Series(groups, names, name="group").sort_index()


def patient_labels(
    parameters: LabelParameters, patients: Sequence[str], excluded: Excluded
) -> tuple[TaskLabels, int]:
    """Return the targets' values of the patients that the labels table knows, and its rows' number.

    The values are float64, of two values 0, 1 or NaN, or a column `CLASS` of text; each patient is
    its own group.

    Raises
    ------
    HistotransferError
        If a table cannot be read, matches no patient, or admits several readings.
    """
    source = parameters.labels
    place = source.get("table") or source.get("star_counts") or source["maf"]
    path = Path(place if isinstance(place, str) else place[0])  # that errors name
    rows_of = Path(source.get("samples", path))
    of_times = parameters.values == TIMES
    panel = wanted_targets([parameters.time, parameters.event] if of_times else parameters.targets)
    cells = read_matrix(rows_of, excluded)
    if "maf" in source:
        samples = sequenced_samples(
            cells, patients, rows_of, excluded, id_column=source.get("id", "")
        )
        rows, table = samples.rows, _maf_table(source, samples, symbols(panel), excluded)
    else:
        rows = rows_of_patients(cells, patients, rows_of, excluded, id_column=source.get("id", ""))
        table = rows.values
        if "star_counts" in source:
            table = star_tpm(path, _files(table, rows_of), symbols(panel), excluded)
    if not len(table):
        raise _no_label(rows_of, excluded)
    suffix = source.get("suffix", "")
    table = columns_of(panel, table, path, excluded, suffix)
    if parameters.named_like_task and not table.shape[1]:
        raise _no_column(parameters.targets[0], rows.values, path)
    if of_times and table.shape[1] < 2:
        raise _no_time_or_event(parameters, rows.values, path)
    values = _read(table, parameters, path, excluded)
    if values.shape[1] == 0:
        raise HistotransferError(
            path,
            f"has no usable target{_why(excluded, 'target')}",
            "Correct `targets` of the task in the config",
        )
    if "table" in source:
        further = columns_of(panel, rows.further, path, Excluded(), suffix)
        compared = table.columns if of_times else values.columns
        _refuse_contradictions(table[compared], further[compared], path)
    empty = values.isna().all(axis=1)
    excluded.add(values.index[empty], "patient", Reason("no_label_value"))
    values = values[~empty].rename_axis("sample")
    if values.empty:
        raise _no_label(path, excluded)
    if parameters.values == CLASSES:
        values = values.set_axis([CLASS], axis=1)
    return TaskLabels(values.index.to_series(name="group"), values), rows.count


def _read(
    table: pd.DataFrame, parameters: LabelParameters, path: Path, excluded: Excluded
) -> pd.DataFrame:
    """Return the values of the targets; those of the GDC's files are numbers already."""
    if parameters.values == CLASSES:
        return classes_in(table, parameters.classes, path, excluded)
    if parameters.values == TIMES:
        return signed_times(table, parameters, path, excluded)
    if parameters.kind == "binary":
        return two_values_of(table, parameters.positive, path, excluded)
    of_words = "table" in parameters.labels
    if parameters.values == TWO_VALUES:
        values = statuses_of(table, path, excluded) if of_words else table
        check_statuses(values, path)
        return values
    named = parameters.kind == "regression" and parameters.targets != "all"
    values = numbers_of(table, path, excluded, named=named) if of_words else table
    return transformed(values, parameters.transform, path, excluded)


def _maf_table(
    source: Mapping[str, Any],
    samples: SequencedSamples,
    wanted: Sequence[str] | None,
    excluded: Excluded,
) -> pd.DataFrame:
    """Read who is mutated from one MAF of all samples, or from one of each."""
    place, table = source["maf"], samples.rows.values
    path = Path(place if isinstance(place, str) else place[0])
    if path.is_dir() and FILE in table:
        rows, patients = maf_rows_by_sample(path, table[FILE], samples, excluded)
        samples = samples.only(patients)
    else:
        rows = maf_rows(place, excluded)
    return maf_status(rows, samples, source["variant_classes"], wanted, path, excluded)


def _files(table: pd.DataFrame, path: Path) -> pd.Series[str]:
    if FILE not in table:
        raise HistotransferError(
            path, f"has no column {FILE!r}", "Give the sample sheet of the GDC's portal"
        )
    return table[FILE]


def _refuse_contradictions(table: pd.DataFrame, further: pd.DataFrame, path: Path) -> None:
    """Raise an error if a patient has further rows of other values, which no id puts in order.

    `table` has a row per patient, `further` any number; both are the text of the targets.
    """
    own, others = table.loc[further.index].to_numpy(), further.to_numpy()
    for row, column in np.argwhere(own != others).tolist():
        raise HistotransferError(
            path,
            f"has two rows of {further.index[row]}, with {own[row, column]!r} and "
            f"{others[row, column]!r} in column {further.columns[column]!r}",
            "Keep the row that counts",
        )


def _no_column(name: str, table: pd.DataFrame, path: Path) -> HistotransferError:
    columns = sorted(map(str, table), key=lambda column: column.casefold() != name.casefold())
    return HistotransferError(
        path,
        f"has no column {name!r}, like the task, which names no `targets` (it has "
        f"{listed(columns)})",
        "Name the columns to predict as `targets` of the task",
    )


def _no_time_or_event(
    parameters: LabelParameters, table: pd.DataFrame, path: Path
) -> HistotransferError:
    lacking = [name for name in (parameters.time, parameters.event) if name not in table]
    return HistotransferError(
        path,
        f"has no column {' and no column '.join(map(repr, lacking))} (it has "
        f"{listed([str(name) for name in table])})",
        "Correct `time` and `event` of the task",
    )


def _no_label(path: Path, excluded: Excluded) -> HistotransferError:
    return HistotransferError(
        path,
        f"has a label for no patient of the cohort{_why(excluded, 'patient', 'row')}",
        "Compare its ids and cells with docs/labels.md",
    )


def _why(excluded: Excluded, *what: str) -> str:
    """Tell of each reason for which items were left out how many, and of whom it is true."""
    rows = [row for row in excluded if row["what"] in what and row["code"] not in KEPT]
    codes = Counter(row["code"] for row in rows)
    said = []
    for code, n in codes.most_common(3):
        row = next(row for row in rows if row["code"] == code)
        reason = Reason(code, row["detail"])
        said.append(f"; {row['item']}{f' and {n - 1} more: it' if n > 1 else ''} {reason.cause}")
    return "".join(said)
