"""Mutations and expression from files as the GDC keeps them: MAFs and STAR counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from ..core.tables import UNREADABLE
from .exclusions import Excluded
from .matrix import PATIENT, PATIENT_LENGTH

NON_SILENT = (
    *("Frame_Shift_Del", "Frame_Shift_Ins", "In_Frame_Del", "In_Frame_Ins", "Missense_Mutation"),
    *("Nonsense_Mutation", "Nonstop_Mutation", "Splice_Site", "Translation_Start_Site"),
)
"""Variant classes of the MAF format that change the protein or its splicing."""
GENE, CLASS, SAMPLE = "Hugo_Symbol", "Variant_Classification", "Tumor_Sample_Barcode"
FILE = "File Name"
"""The sample sheet's column of file names."""
_SAMPLE_LENGTH, _VIAL_LENGTH = 15, 16


def maf_rows(place: str | Sequence[str]) -> pd.DataFrame:
    """Read the columns `GENE`, `CLASS` and `SAMPLE` of a MAF, of several, or of all in a folder."""
    paths = [Path(place)] if isinstance(place, str) else [Path(path) for path in place]
    if len(paths) == 1 and paths[0].is_dir():
        paths = sorted(paths[0].rglob("*.maf*"))
    if not paths:
        raise HistotransferError(str(place), "holds no MAF", "Correct `maf` in the config")
    return pd.concat([_maf(path) for path in paths], ignore_index=True)


def maf_rows_by_sample(
    folder: Path, files: pd.Series[str], sequenced: pd.Series[str], excluded: Excluded
) -> tuple[pd.DataFrame, pd.Series[str]]:
    """Read MAFs of one sample each; return their rows, and the samples of which there is a file.

    `files` and `sequenced` are the file's name and the sequenced sample of each patient. A patient
    whose file is not there is left out: nothing says that the sample has no variant. A file with
    variants of other samples only is an error.
    """
    found = _find_files(folder, files, "*.maf*", excluded)
    parts = []
    for patient, path in found.items():
        rows = _maf(path)
        barcodes = rows[SAMPLE].unique().tolist()
        sample = sequenced.loc[[str(patient)]]
        if barcodes and not _owners(barcodes, sample):
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

    Returns 0 and 1, patients × genes. A patient without a row is wild type because the list says
    that the sample was sequenced; a gene without a row has no column, since nothing says that it
    was looked at.

    `maf` is of `maf_rows`; `sequenced` holds each patient's sample; `classes` are ``non-silent`` or
    a list of the variant classes that count; `wanted` are the genes to keep, None for all.
    """
    gene, variant, barcode = maf[GENE], maf[CLASS], maf[SAMPLE]
    owner = barcode.map(_owners(barcode.unique().tolist(), sequenced))
    genes = sorted(set(gene) if wanted is None else set(gene) & set(wanted))
    counted = variant.isin(NON_SILENT if classes == "non-silent" else list(classes))
    of_targets = gene.isin(genes)
    named = barcode + " " + gene + " " + variant
    excluded.add(named[of_targets & owner.isna()], "variant", Reason("other_sample"))
    not_counted = of_targets & owner.notna() & ~counted
    excluded.add(named[not_counted], "variant", Reason("class_not_counted"))
    status = pd.DataFrame(0, index=sequenced.index, columns=genes)
    hits = owner.notna() & counted & of_targets
    for patient, symbol in zip(owner[hits], gene[hits], strict=True):
        status.loc[patient, symbol] = 1
    return status


def star_tpm(
    folder: Path, files: pd.Series[str], wanted: Sequence[str] | None, excluded: Excluded
) -> pd.DataFrame:
    """Read the TPM of STAR-counts files, one per patient; return float64, patients × symbols.

    A gene symbol on several rows (several Ensembl genes, or the copies on X and Y) gets their sum,
    as TPM adds up. `files` are indexed by patient; `wanted` are the symbols to keep, None for all.
    """
    values, several = {}, pd.Series(dtype=int)
    for patient, path in _find_files(folder, files, "*.tsv*", excluded).items():
        rows = _star_rows(path)
        if wanted is not None:
            rows = rows[rows["gene_name"].isin(wanted)]
        by_gene = rows.groupby("gene_name", sort=False)["tpm_unstranded"]
        values[patient], several = by_gene.sum(), by_gene.size()
    for gene, count in several[several > 1].items():
        excluded.add([gene], "target", Reason("rows_summed", f"{count} rows"))
    return pd.DataFrame(values).T


def _find_files(
    folder: Path, files: pd.Series[str], pattern: str, excluded: Excluded
) -> pd.Series[Any]:
    """Find each patient's file in a folder, at any depth, gzipped or not."""
    places = {path.name.removesuffix(".gz"): path for path in sorted(folder.rglob(pattern))}
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


def _maf(path: Path) -> pd.DataFrame:
    columns = [GENE, CLASS, SAMPLE]
    try:
        return pd.read_csv(
            path, sep="\t", comment="#", usecols=columns, dtype=str, keep_default_na=False
        )
    except UNREADABLE as error:
        raise HistotransferError(
            path,
            f"is not a MAF ({error})",
            f"Give a file with the columns {', '.join(columns)}",
        ) from error


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


def _owners(barcodes: Iterable[str], sequenced: pd.Series[str]) -> dict[str, str]:
    """Find the patient of each barcode; it may be longer or shorter than the patient's sample.

    ``TCGA-05-4244-01A-01D-…`` belongs to ``TCGA-05-4244-01``, and not to ``TCGA-05-4244-02``.
    Barcodes of samples that are not among the sequenced are left out.
    """
    exact = {sample: str(patient) for patient, sample in sequenced.items()}
    shorter = {form: patient for sample, patient in exact.items() for form in _forms(sample)}
    found = {}
    for barcode in barcodes:
        of_forms = [exact[form] for form in _forms(barcode) if form in exact]
        if of_forms or barcode in shorter:
            found[barcode] = of_forms[0] if of_forms else shorter[barcode]
    return found


def _forms(barcode: str) -> list[str]:
    """Return an id and, of a TCGA barcode, its vial, its sample and its patient."""
    if not PATIENT.match(barcode):
        return [barcode]
    lengths = (_VIAL_LENGTH, _SAMPLE_LENGTH, PATIENT_LENGTH)
    return [barcode, *(barcode[:length] for length in lengths if len(barcode) > length)]
