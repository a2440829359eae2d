"""Mutations and expression from files as the GDC keeps them: MAFs and STAR counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from ..core.user_files import MAFS, STAR_COUNTS, files_meant
from ..core.user_tables import read_user_table
from .exclusions import Excluded
from .samples import SequencedSamples
from .variant_classes import counted_and_unknown

GENE, CLASS, SAMPLE = "Hugo_Symbol", "Variant_Classification", "Tumor_Sample_Barcode"
FILE = "File Name"
"""The sample sheet's column of file names."""


def maf_rows(place: str | Sequence[str], excluded: Excluded) -> pd.DataFrame:
    """Read the columns `GENE`, `CLASS` and `SAMPLE` of a MAF, of several, or of all in a folder."""
    paths = [Path(place)] if isinstance(place, str) else [Path(path) for path in place]
    if len(paths) == 1 and paths[0].is_dir():
        paths = files_meant(paths[0], MAFS)
    if not paths:
        raise HistotransferError(str(place), "holds no MAF", "Correct `maf` in the config")
    return pd.concat([_maf(path, excluded) for path in paths], ignore_index=True)


def maf_rows_by_sample(
    folder: Path, files: pd.Series[str], samples: SequencedSamples, excluded: Excluded
) -> tuple[pd.DataFrame, list[str]]:
    """Read MAFs of one sample each; return their rows, and the patients of whom there is a file.

    `files` are indexed by patient. A patient whose file is not there is left out: nothing says that
    the sample has no variant. A file with variants of other samples only is an error.
    """
    found = _find_files(folder, files, MAFS, excluded)
    parts = []
    for patient, path in found.items():
        rows = _maf(path, excluded)
        barcodes = rows[SAMPLE].unique().tolist()
        owners = samples.owners(samples.rows_of(barcodes))
        if barcodes and patient not in owners.values():
            raise HistotransferError(
                path,
                f"has variants of {barcodes[0]}, but the sample sheet says "
                f"{samples.sample_of(str(patient))}",
                "Correct the sample sheet",
            )
        parts.append(rows)
    return pd.concat(parts, ignore_index=True), [str(patient) for patient in found.index]


def maf_status(
    maf: pd.DataFrame,
    samples: SequencedSamples,
    classes: str | Sequence[str],
    wanted: Sequence[str] | None,
    path: str | Path,
    excluded: Excluded,
) -> pd.DataFrame:
    """Tell from variants which patients have a counted one in which gene.

    Returns 0, 1 and NaN as float64, patients × genes. A patient without a row is wild type because
    the list says that the sample was sequenced; one whose only variants are of an unknown class has
    no value. A gene without a row has no column, since nothing says that it was looked at.

    Parameters
    ----------
    maf : pandas.DataFrame
        Of `maf_rows`.
    samples : SequencedSamples
        Of the patients to tell of, and of others.
    classes : str or sequence of str
        ``non-silent``, or the variant classes that count.
    wanted : sequence of str, optional
        The genes to keep; None for all.
    path : path
        The MAF, for errors.
    excluded : Excluded
        Gets the variants that are left out.

    Raises
    ------
    HistotransferError
        If the MAF is of other samples than the list, or has classes that nobody knows.
    """
    barcodes = maf[SAMPLE].unique().tolist()
    rows = samples.rows_of(barcodes)
    samples.refuse_strange(barcodes, rows, path)
    maf = maf if wanted is None else maf[maf[GENE].isin(wanted)]
    genes = sorted(set(maf[GENE]))
    owner = maf[SAMPLE].map(samples.owners(rows))
    _list_variants(maf[owner.isna()], "other_sample", excluded)
    maf, owner = maf[owner.notna()], owner.dropna()
    counted, unknown = counted_and_unknown(maf[CLASS], classes, path, excluded)
    _list_variants(maf[~counted & ~unknown], "class_not_counted", excluded)
    _list_variants(maf[unknown], "class_not_given", excluded)
    patients = samples.rows.values.index
    status = np.zeros((len(patients), len(genes)))
    for which, value in ((unknown, np.nan), (counted, 1.0)):  # a counted one is certain
        of_patient = patients.get_indexer(pd.Index(owner[which], dtype=object))
        status[of_patient, pd.Index(genes, dtype=object).get_indexer(maf[GENE][which])] = value
    return pd.DataFrame(status, index=patients, columns=genes)


def star_tpm(
    folder: Path, files: pd.Series[str], wanted: Sequence[str] | None, excluded: Excluded
) -> pd.DataFrame:
    """Read the TPM of STAR-counts files, one per patient; return float64, patients × symbols.

    A gene symbol on several rows (several Ensembl genes, or the copies on X and Y) gets their sum,
    as TPM adds up. `files` are indexed by patient; `wanted` are the symbols to keep, None for all.
    """
    values, several = {}, pd.Series(dtype=int)
    for patient, path in _find_files(folder, files, STAR_COUNTS, excluded).items():
        rows = _star_rows(path)
        if wanted is not None:
            rows = rows[rows["gene_name"].isin(wanted)]
        by_gene = rows.groupby("gene_name", sort=False)["tpm_unstranded"]
        values[patient], several = by_gene.sum(), by_gene.size()
    for gene, count in several[several > 1].items():
        excluded.add([gene], "target", Reason("rows_summed", f"{count} rows"))
    return pd.DataFrame(values).T


def _list_variants(maf: pd.DataFrame, code: str, excluded: Excluded) -> None:
    excluded.add(maf[SAMPLE] + " " + maf[GENE] + " " + maf[CLASS], "variant", Reason(code))


def _find_files(
    folder: Path, files: pd.Series[str], patterns: Sequence[str], excluded: Excluded
) -> pd.Series[Any]:
    """Find each patient's file in a folder, at any depth, gzipped or not."""
    places: dict[str, Path] = {}
    wanted = set(files.str.removesuffix(".gz"))
    for path in files_meant(folder, patterns):
        name = path.name.removesuffix(".gz")
        if (other := places.setdefault(name, path)) != path and name in wanted:
            raise HistotransferError(
                path, f"has the name of {other}", "Keep the one that the sample sheet means"
            )
    found = files.str.removesuffix(".gz").map(places)
    remedy = "Download the file, or correct the sample sheet"
    excluded.add(files.index[found.isna()], "patient", Reason("no_label_file", remedy=remedy))
    found = found.dropna()
    if found.empty:
        raise HistotransferError(
            folder,
            "holds none of the sample sheet's files",
            "Correct `labels` of the task in the config",
        )
    return found


def _maf(path: Path, excluded: Excluded) -> pd.DataFrame:
    columns = [GENE, CLASS, SAMPLE]
    remedy = f"Give a MAF, tab-separated, with the columns {', '.join(columns)}"
    table = read_user_table(path, remedy, columns)
    if lacking := [name for name in columns if name not in table.cells]:
        raise HistotransferError(path, f"is no MAF: it lacks {', '.join(lacking)}", remedy)
    excluded.note(table.notes)
    return table.cells


def _star_rows(path: Path) -> pd.DataFrame:
    columns = ["gene_name", "tpm_unstranded"]
    remedy = f"Give a file with the columns {' and '.join(columns)}"
    rows = read_user_table(path, remedy, columns).cells
    try:
        rows = rows[rows["gene_name"] != ""]  # N_unmapped and the like are not genes
        return rows.astype({"tpm_unstranded": float})
    except (KeyError, ValueError) as error:
        raise HistotransferError(
            path, f"is not a STAR-counts file of the GDC ({error})", remedy
        ) from error
