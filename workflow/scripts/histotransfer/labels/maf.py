"""Mutations from MAF files, with the list of the samples that were sequenced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from ..core.tables import UNREADABLE
from .barcodes import owners
from .exclusions import Excluded
from .gdc_files import find_files

NON_SILENT = (
    "Frame_Shift_Del",
    "Frame_Shift_Ins",
    "In_Frame_Del",
    "In_Frame_Ins",
    "Missense_Mutation",
    "Nonsense_Mutation",
    "Nonstop_Mutation",
    "Splice_Site",
    "Translation_Start_Site",
)
"""Variant classes of the MAF format that change the protein or its splicing."""
GENE, CLASS, SAMPLE = MAF_COLUMNS = [
    "Hugo_Symbol",
    "Variant_Classification",
    "Tumor_Sample_Barcode",
]


def maf_rows(place: str | Sequence[str]) -> pd.DataFrame:
    """Read the variants of a MAF, of several, or of all in a folder (at any depth).

    Parameters
    ----------
    place : str or sequence of str
        The MAF, the MAFs or the folder; files may be gzipped.

    Returns
    -------
    pandas.DataFrame
        Text: `MAF_COLUMNS`.

    Raises
    ------
    HistotransferError
        If a file is not a MAF, or the folder has none.
    """
    paths = [Path(place)] if isinstance(place, str) else [Path(path) for path in place]
    if len(paths) == 1 and paths[0].is_dir():
        paths = sorted(paths[0].rglob("*.maf*"))
    if not paths:
        raise HistotransferError(str(place), "holds no MAF", "Correct `maf` in the config")
    return pd.concat([_maf(path) for path in paths], ignore_index=True)


def maf_rows_by_sample(
    folder: Path, files: pd.Series[str], sequenced: pd.Series[str], excluded: Excluded
) -> tuple[pd.DataFrame, pd.Series[str]]:
    """Read MAFs of one sample each, as the GDC keeps them.

    A patient whose file is not there is left out: nothing says that the sample has no variant.

    Parameters
    ----------
    folder : Path
        Where the files are, at any depth; may be gzipped.
    files, sequenced : Series of str
        Name of the file, and the sequenced sample, of each patient.
    excluded : Excluded
        Receives the patients whose file is not there.

    Returns
    -------
    rows : pandas.DataFrame
        As `maf_rows`.
    sequenced : Series of str
        The samples of the patients whose file is there.

    Raises
    ------
    HistotransferError
        If a file is not a MAF, or has variants, but none of the sample sheet's sample.
    """
    found = find_files(folder, files, "*.maf*", excluded)
    parts = []
    for patient, path in found.items():
        rows = _maf(path)
        barcodes = rows[SAMPLE].unique().tolist()
        sample = sequenced.loc[[str(patient)]]
        if barcodes and not owners(barcodes, sample):
            raise HistotransferError(
                path,
                f"has variants of {barcodes[0]}, but the sample sheet says {sample.item()}",
                "Correct the sample sheet",
            )
        parts.append(rows)
    return pd.concat(parts, ignore_index=True), sequenced[found.index]


def maf_status(
    maf: pd.DataFrame,
    sequenced: pd.Series[str],
    classes: str | Sequence[str],
    wanted: Sequence[str] | None,
    excluded: Excluded,
) -> pd.DataFrame:
    """Tell from variants which sequenced patients have a counted one in which gene.

    A patient without a row is wild type because the list says that the sample was sequenced.

    Parameters
    ----------
    maf : DataFrame
        Text: `MAF_COLUMNS`.
    sequenced : Series of str
        The sequenced sample of each patient, indexed by patient.
    classes : "non-silent" or sequence of str
        The variant classes that count.
    wanted : sequence of str or None
        The genes to keep; None for all that have a row.
    excluded : Excluded
        Receives the targets' variants of other samples, and those that do not count.

    Returns
    -------
    pandas.DataFrame
        0 and 1, patients × genes. A gene without a row has no column: nothing says that it was
        looked at.
    """
    gene, variant, barcode = (maf[name] for name in MAF_COLUMNS)
    owner = barcode.map(owners(barcode.unique().tolist(), sequenced))
    genes = sorted(set(gene) if wanted is None else set(gene) & set(wanted))
    counted = variant.isin(NON_SILENT if classes == "non-silent" else list(classes))
    of_targets = gene.isin(genes)
    named = barcode + " " + gene + " " + variant
    for rows, code in (
        (owner.isna(), "other_sample"),
        (owner.notna() & ~counted, "class_not_counted"),
    ):
        excluded.add(named[of_targets & rows], "variant", Reason(code))
    status = pd.DataFrame(0, index=sequenced.index, columns=genes)
    hits = maf[owner.notna() & counted & of_targets]
    for patient, symbol in zip(owner[hits.index], hits[GENE], strict=True):
        status.loc[patient, symbol] = 1
    return status


def _maf(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(
            path, sep="\t", comment="#", usecols=MAF_COLUMNS, dtype=str, keep_default_na=False
        )
    except UNREADABLE as error:
        raise HistotransferError(
            path,
            f"is not a MAF ({error})",
            f"Give a file with the columns {', '.join(MAF_COLUMNS)}",
        ) from error
