"""Classes of variants: the MAF format's own, and how other tools call them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from ..core.patient_ids import near
from .exclusions import Excluded

NON_SILENT = (
    *("Frame_Shift_Del", "Frame_Shift_Ins", "In_Frame_Del", "In_Frame_Ins", "Missense_Mutation"),
    *("Nonsense_Mutation", "Nonstop_Mutation", "Splice_Site", "Translation_Start_Site"),
)
"""Variant classes of the MAF format that change the protein or its splicing."""
OTHERS = (
    *("Silent", "Splice_Region", "Intron", "RNA", "IGR", "3'UTR", "3'Flank", "5'UTR", "5'Flank"),
    *("De_novo_Start_InFrame", "De_novo_Start_OutOfFrame"),
)
"""The format's other classes."""
_SYNONYMS = {
    "Frame_Shift_Del": "frame_shift_deletion|frameshift_variant|frameshift_substitution|frameshift",
    "Frame_Shift_Ins": "frame_shift_insertion|frameshift_variant|frameshift_substitution"
    "|frameshift",
    "In_Frame_Del": "inframe_deletion|nonframeshift_deletion|nonframeshift_substitution"
    "|protein_altering_variant|inframe_variant",
    "In_Frame_Ins": "inframe_insertion|nonframeshift_insertion|nonframeshift_substitution"
    "|protein_altering_variant|inframe_variant",
    "Missense_Mutation": "missense|missense_variant|nonsynonymous_snv|nonsynonymous",
    "Nonsense_Mutation": "nonsense|stopgain|stop_gained|stopgain_snv|stop_codon_ins",
    "Nonstop_Mutation": "nonstop|stoploss|stop_lost|stoploss_snv|readthrough|stop_codon_del",
    "Splice_Site": "splicing|splice|splice_site_snp|splice_site_dnp|splice_site_ins|splice_site_del"
    "|splice_acceptor_variant|splice_donor_variant|splice_acceptor|splice_donor|exonic_splicing",
    "Translation_Start_Site": "startloss|start_lost|initiator_codon_variant|start_codon_snp"
    "|start_codon_dnp|start_codon_ins|start_codon_del",
    "Silent": "synonymous|synonymous_snv|synonymous_variant|stop_retained_variant"
    "|start_retained_variant|coding_silent",
    "Splice_Region": "splice_region_variant|splice_polypyrimidine_tract_variant"
    "|splice_donor_region_variant|splice_donor_5th_base_variant",
    "Intron": "intron_variant|intronic|nmd_transcript_variant",
    "RNA": "lincrna|ncrna|ncrna_exonic|ncrna_intronic|ncrna_splicing|mirna|non_coding_transcript"
    "_exon_variant|non_coding_transcript_variant|mature_mirna_variant",
    "IGR": "intergenic|intergenic_variant|intergenic_region|regulatory_region_variant"
    "|tf_binding_site_variant",
    "3'UTR": "utr3|3_prime_utr_variant|three_prime_utr",
    "5'UTR": "utr5|5_prime_utr_variant|five_prime_utr",
    "3'Flank": "downstream|downstream_gene_variant",
    "5'Flank": "upstream|upstream_gene_variant|promoter",
    "De_novo_Start_OutOfFrame": "5_prime_utr_premature_start_codon_gain_variant",
}
"""Names of VEP, ANNOVAR, SnpEff, Oncotator and of those who write by hand."""
_UNKNOWN = frozenset({"", "na", "unknown", "couldnotdetermine", "targetedregion"})


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


_CLASSES: dict[str, set[str]] = {_key(name): {name} for name in (*NON_SILENT, *OTHERS)}
for _class, _names in _SYNONYMS.items():
    for _name in _names.split("|"):
        _CLASSES.setdefault(_key(_name), set()).add(_class)


def classes_of(name: str) -> frozenset[str] | None:
    """Return the MAF classes that a name may stand for; None if it stands for none.

    Neither capitals nor what separates words count. Names joined by ``&``, ``,``, ``;`` or ``~``,
    as VEP writes several consequences, stand for each. Empty where a class is said to be unknown.
    """
    if _key(name) in _UNKNOWN:
        return frozenset()
    found = [_CLASSES.get(_key(part)) for part in re.split(r"[&,;~]", name)]
    return frozenset[str]().union(*(one for one in found if one)) if all(found) else None


def counted_and_unknown(
    variants: pd.Series[str],
    counting: str | Sequence[str],
    path: str | Path,
    excluded: Excluded,
) -> tuple[pd.Series[bool], pd.Series[bool]]:
    """Tell which variants count, and of which the class is unknown.

    Parameters
    ----------
    variants : pandas.Series of str
        Classes as the MAF has them.
    counting : str or sequence of str
        ``non-silent``, or a list of the classes that count.
    path : path
        The MAF, for errors.
    excluded : Excluded
        Gets the classes that the config names and no variant has, and those that only a list in the
        config can leave out.

    Raises
    ------
    HistotransferError
        If a class is not of the format's vocabulary and the config does not say what it is, or if
        the config names a class that is neither in the vocabulary nor in the MAF.
    """
    listed = NON_SILENT if isinstance(counting, str) else counting
    counts = variants.value_counts()
    own = {_key(name) for name in listed}
    wanted = frozenset[str]().union(*(classes_of(name) or () for name in listed))
    status: dict[str, bool | None] = {}
    strange = {}
    for name, n in counts.items():
        classes = classes_of(str(name))
        if _key(str(name)) in own or (classes and classes & wanted):
            status[str(name)] = True
        elif classes is None:
            status[str(name)] = False
            strange[str(name)] = int(n)
        else:
            status[str(name)] = False if classes else None
    named = ", ".join(f"{name} ({n} {'row' if n == 1 else 'rows'})" for name, n in strange.items())
    if strange and isinstance(counting, str):
        raise HistotransferError(
            path,
            f"has variant classes that the MAF format does not know: {named}",
            "List the classes that count as `variant_classes` of the task's labels",
        )
    for name, n in strange.items():
        excluded.add([name], "class", Reason("class_unknown", f"{n} rows"))
    if not isinstance(counting, str):
        _check_listed(listed, [str(name) for name in counts.index], path, excluded)
    counted = variants.map({name: value is True for name, value in status.items()}).astype(bool)
    unknown = variants.map({name: value is None for name, value in status.items()}).astype(bool)
    return counted, unknown


def _check_listed(
    listed: Sequence[str], present: Sequence[str], path: str | Path, excluded: Excluded
) -> None:
    """List classes of the config that no variant has; one outside the vocabulary is an error."""
    keys = {_key(name) for name in present}
    classes = frozenset[str]().union(*(classes_of(name) or () for name in present))
    for name in listed:
        known = classes_of(name)
        if _key(name) in keys or (known and known & classes):
            continue
        if known is None:
            meant = near(name, [*NON_SILENT, *OTHERS])
            raise HistotransferError(
                path,
                f"has no variant of class {name!r}, which the MAF format does not know",
                "Correct `variant_classes` of the task's labels"
                + (f"; perhaps you mean {meant}" if meant else ""),
            )
        excluded.add([name], "class", Reason("class_absent"))
