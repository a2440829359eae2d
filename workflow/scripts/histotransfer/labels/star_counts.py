"""Expression from the GDC's STAR-counts files, one per sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from ..core.tables import UNREADABLE
from .exclusions import Excluded
from .gdc_files import find_files


def star_tpm(
    folder: Path, files: pd.Series[str], wanted: Sequence[str] | None, excluded: Excluded
) -> pd.DataFrame:
    """Read the TPM of STAR-counts files, one per patient.

    A gene symbol on several rows (several Ensembl genes, or the copies on X and Y) gets their sum,
    as TPM adds up.

    Parameters
    ----------
    folder : Path
        Where the files are, at any depth, as the GDC's client leaves them; may be gzipped.
    files : Series of str
        Names of the files, indexed by patient.
    wanted : sequence of str or None
        The gene symbols to keep; None for all.
    excluded : Excluded
        Receives the patients whose file is not there, and the symbols that were summed.

    Returns
    -------
    pandas.DataFrame
        float64 TPM, patients × symbols.

    Raises
    ------
    HistotransferError
        If a file has another format, or the folder has none of them.
    """
    found = find_files(folder, files, "*.tsv*", excluded)
    values, several = {}, pd.Series(dtype=int)
    for patient, path in found.items():
        rows = _star_rows(path)
        if wanted is not None:
            rows = rows[rows["gene_name"].isin(wanted)]
        by_gene = rows.groupby("gene_name", sort=False)["tpm_unstranded"]
        values[patient], several = by_gene.sum(), by_gene.size()
    several = several[several > 1]
    for gene, count in several.items():
        excluded.add([gene], "target", Reason("rows_summed", f"{count} rows"))
    return pd.DataFrame(values).T


def _star_rows(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            path, sep="\t", comment="#", usecols=["gene_name", "tpm_unstranded"],
            dtype={"gene_name": str, "tpm_unstranded": float}, keep_default_na=False,
            na_values={"tpm_unstranded": [""]},
        )  # fmt: skip
    except UNREADABLE as error:
        raise HistotransferError(
            path,
            f"is not a STAR-counts file of the GDC ({error})",
            "Give a file with the columns gene_name and tpm_unstranded",
        ) from error
    return table[table["gene_name"] != ""]  # N_unmapped and the like are not genes
