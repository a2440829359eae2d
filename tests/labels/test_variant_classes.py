"""Classes of variants: none that changes the protein is taken for a silent one."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.errors import HistotransferError
from histotransfer.labels.exclusions import Excluded
from histotransfer.labels.variant_classes import (
    NON_SILENT,
    OTHERS,
    classes_of,
    counted_and_unknown,
)

CAPITALS = st.sampled_from([str, str.lower, str.upper, str.title])
BETWEEN = st.sampled_from(["_", " ", "-", ""])


def counted(names, counting="non-silent"):
    excluded = Excluded()
    counts, unknown = counted_and_unknown(pd.Series(names, dtype=str), counting, "x.maf", excluded)
    return counts.tolist(), unknown.tolist(), excluded


@given(st.lists(st.sampled_from([*NON_SILENT, *OTHERS]), min_size=1), CAPITALS, BETWEEN)
def test_neither_capitals_nor_separators_count(names, capitals, between):
    spelled = [capitals(name.replace("_", between)) for name in names]
    assert counted(spelled)[0] == [name in NON_SILENT for name in names]
    assert counted(spelled, ["Silent"])[0] == [name == "Silent" for name in names]


@pytest.mark.parametrize(
    "name",
    ["Missense", "missense_variant", "nonsynonymous SNV", "Nonsense", "stopgain", "stop_gained",
     "frameshift deletion", "frameshift_variant", "nonframeshift insertion", "inframe_deletion",
     "Start_Codon_SNP", "start_lost", "stop_lost", "Splice_Site_SNP", "splice_donor_variant",
     "splicing", "missense_variant&splice_region_variant", "intron_variant,stop_gained"],
)  # fmt: skip
def test_names_of_other_tools_count(name):
    assert counted([name, "Silent"])[0] == [True, False]


@pytest.mark.parametrize(
    "name",
    ["synonymous_variant", "synonymous SNV", "intron_variant", "UTR3", "3_prime_UTR_variant",
     "upstream_gene_variant", "intergenic", "ncRNA_exonic", "stop_retained_variant"],
)  # fmt: skip
def test_names_of_other_tools_for_silent_ones_do_not(name):
    assert counted([name])[:2] == ([False], [False])


def test_a_class_that_nobody_knows_is_an_error_with_its_count():
    with pytest.raises(
        HistotransferError, match=r"does not know: odd \(2 rows\), strange \(1 row\)"
    ):
        counted(["odd", "Silent", "strange", "odd"])


def test_where_the_config_lists_the_classes_it_is_listed_or_counted():
    assert counted(["odd", "Silent"], ["ODD", "Silent"])[0] == [True, True]
    counts, _, excluded = counted(["odd", "Missense", "odd"], ["Missense_Mutation"])
    assert counts == [False, True, False]
    assert [(row["item"], row["code"], row["detail"]) for row in excluded] == [
        ("odd", "class_unknown", "2 rows")
    ]


def test_a_class_of_the_config_that_no_row_has_is_named():
    _, _, excluded = counted(["Silent"], ["Silent", "Nonstop_Mutation"])
    assert [(row["item"], row["code"]) for row in excluded] == [
        ("Nonstop_Mutation", "class_absent")
    ]
    with pytest.raises(HistotransferError, match=r"'Misense_Mutation'.*you mean Missense_Mutation"):
        counted(["Missense_Mutation"], ["Misense_Mutation"])


@pytest.mark.parametrize("name", ["", "Unknown", "NA", "COULD_NOT_DETERMINE"])
def test_an_unknown_class_is_neither(name):
    assert classes_of(name) == frozenset()
    assert counted([name, "Missense_Mutation"])[:2] == ([False, True], [True, False])
