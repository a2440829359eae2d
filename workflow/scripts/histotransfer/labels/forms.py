"""The forms in which labels come: a matrix, GDC's STAR counts, a MAF with its list of samples."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import HistotransferError
from ..core.tables import UNREADABLE

EXCLUDED_COLUMNS = ["item", "what", "reason"]
KEPT = "kept target"  # listed for what was done to it, not left out
#: Variant classes of the MAF format that change the protein or its splicing.
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
FILE = "File Name"  # as GDC's sample sheet names it
MAF_COLUMNS = {"gene": "Hugo_Symbol", "class": "Variant_Classification"}
MAF_SAMPLE = "Tumor_Sample_Barcode"
TCGA_PATIENT = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}")
NO_TARGET = "\0"  # starts the name of a column that is none of the targets


class Excluded:
    """The list of items left out, in the order in which the rules meet them."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []

    def add(self, items: Sequence[str] | pd.Index[str], what: str, reason: str) -> None:
        """Leave out items (samples, rows, columns, targets or variants) for one reason."""
        self.rows += [(str(item), what, reason) for item in items]

    def table(self) -> pd.DataFrame:
        """Return item, what and reason."""
        return pd.DataFrame(self.rows, columns=EXCLUDED_COLUMNS)


def read_matrix(path: Path, excluded: Excluded, suffix: str = "") -> pd.DataFrame:
    """Read a CSV or TSV table as text, so that an id such as ``007`` or a gene ``NA`` survives.

    Parameters
    ----------
    path : Path
        The table, with a header; may be compressed (.gz, .zip).
    excluded : Excluded
        Receives the columns that repeat a name: the first is used.
    suffix : str
        What the names of the targets' columns end in, such as ``_rnaseq``; it is cut off.

    Returns
    -------
    pandas.DataFrame
        Text in every cell.

    Raises
    ------
    HistotransferError
        If it is not a table, or no column has the suffix.
    """
    separator = "," if ".csv" in path.suffixes else "\t"
    try:
        cells = pd.read_csv(
            path, sep=separator, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except UNREADABLE as error:
        raise HistotransferError(
            path,
            f"cannot be read as a table ({error})",
            "Give a CSV or TSV file with a row per patient as the task's `labels`",
        ) from error
    header = pd.Index(cells.iloc[0].str.strip(), dtype=str)
    if suffix:
        header = _without_suffix(header, suffix, path)
    table = cells.iloc[1:].set_axis(header, axis=1)
    table = _first_of_a_name(table, excluded)
    return pd.DataFrame({name: table[name].str.strip() for name in table.columns})


def transposed(table: pd.DataFrame, excluded: Excluded) -> pd.DataFrame:
    """Turn a matrix with genes in rows; its first column names them, its header the samples."""
    genes = table.columns[0]
    turned = table.set_index(genes).T
    return _first_of_a_name(turned, excluded).rename_axis("id").reset_index()


def _first_of_a_name(table: pd.DataFrame, excluded: Excluded) -> pd.DataFrame:
    twice = table.columns.duplicated()
    excluded.add(table.columns[twice], "column", "a second column of this name: the first is used")
    return table.loc[:, ~twice]


def _without_suffix(header: pd.Index[str], suffix: str, path: Path) -> pd.Index[str]:
    """Cut the suffix off; columns without it keep a name that no gene has, so that none is one."""
    ends = header.str.endswith(suffix)
    if not ends.any():
        raise HistotransferError(
            path, f"has no column that ends in {suffix!r}", "Correct `suffix` of the task's labels"
        )
    names = [
        name.removesuffix(suffix) if end else f"{NO_TARGET}{name}"
        for name, end in zip(header, ends, strict=True)
    ]
    return pd.Index(names, dtype=str)


def star_tpm(
    folder: Path, files: pd.Series[str], wanted: Sequence[str] | None, excluded: Excluded
) -> pd.DataFrame:
    """Read the TPM of GDC's STAR-counts files, one per patient.

    A gene symbol on several rows (several Ensembl genes, or the copies on X and Y) gets their sum,
    as TPM adds up.

    Parameters
    ----------
    folder : Path
        Where the files are, at any depth, as GDC's client leaves them; may be gzipped.
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
        If a file is not of this format, or none is there.
    """
    found = _places(folder, files, "*.tsv*", excluded)
    values, several = {}, pd.Series(dtype=int)
    for patient, path in found.items():
        rows = _star_rows(path)
        if wanted is not None:
            rows = rows[rows["gene_name"].isin(wanted)]
        by_gene = rows.groupby("gene_name", sort=False)["tpm_unstranded"]
        values[patient], several = by_gene.sum(), by_gene.size()
    several = several[several > 1]
    for gene, count in several.items():
        excluded.add([str(gene)], KEPT, f"has {count} rows: their TPM are summed")
    return pd.DataFrame(values).T


def _places(
    folder: Path, files: pd.Series[str], pattern: str, excluded: Excluded
) -> pd.Series[Any]:
    """Find each patient's file in a folder, at any depth, gzipped or not."""
    places = {path.name.removesuffix(".gz"): path for path in sorted(folder.rglob(pattern))}
    found = files.str.removesuffix(".gz").map(places)
    excluded.add(files.index[found.isna()], "sample", "its file is not in the folder")
    found = found.dropna()
    if found.empty:
        raise HistotransferError(
            folder,
            "holds none of the sample sheet's files",
            "Correct `labels` of the task in the config",
        )
    return found


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
            "Expected are the columns gene_name and tpm_unstranded",
        ) from error
    return table[table["gene_name"] != ""]  # the rows N_unmapped … are no genes


def maf_rows(place: str | Sequence[str]) -> pd.DataFrame:
    """Read the variants of a MAF, of several, or of all in a folder (at any depth).

    Parameters
    ----------
    place : str or sequence of str
        The MAF, the MAFs or the folder. Expected are the columns Hugo_Symbol,
        Variant_Classification and Tumor_Sample_Barcode; may be gzipped.

    Returns
    -------
    pandas.DataFrame
        Text: those three columns.

    Raises
    ------
    HistotransferError
        If one of them is not a MAF, or there is none.
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

    A patient whose file is not there is left out: nothing says that there is no variant.

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
        That of the patients whose file is there.

    Raises
    ------
    HistotransferError
        If a file is not a MAF, or has variants and none of the sample that it is said to be of.
    """
    found = _places(folder, files, "*.maf*", excluded)
    parts = []
    for patient, path in found.items():
        rows = _maf(path)
        barcodes = rows[MAF_SAMPLE].unique().tolist()
        sample = sequenced.loc[[str(patient)]]
        if barcodes and not _owners(barcodes, sample):
            raise HistotransferError(
                path,
                f"has variants of {barcodes[0]}, and by the sample sheet it is of {sample.item()}",
                "Correct the sample sheet",
            )
        parts.append(rows)
    return pd.concat(parts, ignore_index=True), sequenced[found.index]


def _maf(path: Path) -> pd.DataFrame:
    columns = [*MAF_COLUMNS.values(), MAF_SAMPLE]
    try:
        return pd.read_csv(
            path, sep="\t", comment="#", usecols=columns, dtype=str, keep_default_na=False
        )
    except UNREADABLE as error:
        raise HistotransferError(
            path, f"is not a MAF ({error})", f"Expected are the columns {', '.join(columns)}"
        ) from error


def maf_status(
    maf: pd.DataFrame,
    sequenced: pd.Series[str],
    classes: str | Sequence[str],
    wanted: Sequence[str] | None,
    excluded: Excluded,
) -> pd.DataFrame:
    """Tell from variants which sequenced patients have a counted one in which gene.

    A patient without a row is wild type because the list says that it was sequenced.

    Parameters
    ----------
    maf : DataFrame
        Text: Hugo_Symbol, Variant_Classification, Tumor_Sample_Barcode.
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
        0 and 1, patients × genes. A gene without any row is no column: that it was looked at is
        not known.
    """
    columns = [*MAF_COLUMNS.values(), MAF_SAMPLE]
    gene, variant, barcode = (maf[name] for name in columns)
    owner = barcode.map(_owners(barcode.unique().tolist(), sequenced))
    genes = sorted(set(gene) if wanted is None else set(gene) & set(wanted))
    counted = variant.isin(NON_SILENT if classes == "non-silent" else list(classes))
    of_targets = gene.isin(genes)
    for rows, reason in (
        (owner.isna(), "of a sample that is not used"),
        (owner.notna() & ~counted, "its class does not count"),
    ):
        said = barcode + " " + gene + " " + variant
        excluded.add(said[of_targets & rows].tolist(), "variant", reason)
    status = pd.DataFrame(0, index=sequenced.index, columns=genes)
    hits = maf[owner.notna() & counted & of_targets]
    for patient, symbol in zip(owner[hits.index], hits[MAF_COLUMNS["gene"]], strict=True):
        status.loc[patient, symbol] = 1
    return status


def _owners(barcodes: Sequence[str], sequenced: pd.Series[str]) -> dict[str, str]:
    """Find the patient of each barcode; it may say more or less of the sample than the list does.

    So ``TCGA-05-4244-01A-01D-…`` is of ``TCGA-05-4244-01``, and not of ``TCGA-05-4244-02``.
    """
    exact = {sample: str(patient) for patient, sample in sequenced.items()}
    shorter = {form: patient for sample, patient in exact.items() for form in _forms(sample)}
    owners = {}
    for barcode in barcodes:
        found = [exact[form] for form in _forms(barcode) if form in exact]
        if found or barcode in shorter:
            owners[barcode] = found[0] if found else shorter[barcode]
    return owners


def _forms(barcode: str) -> list[str]:
    """Return an id and, of a TCGA barcode, what it says of the vial, the sample and the patient."""
    if not TCGA_PATIENT.match(barcode):
        return [barcode]
    return [barcode, *(barcode[:length] for length in (16, 15, 12) if len(barcode) > length)]
