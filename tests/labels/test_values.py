"""Cells of labels: numbers, and words that say whether a gene is mutated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.errors import HistotransferError
from histotransfer.labels.exclusions import Excluded
from histotransfer.labels.values import numbers_of, status_of, statuses_of

PATH = Path("t.csv")
RESIDUE = st.sampled_from("ACDEFGHIKLMNPQRSTVWY*")
POSITION = st.integers(1, 3000)
CHANGES = st.builds("{}{}{}".format, RESIDUE, POSITION, RESIDUE)


def column(read, *cells):
    excluded = Excluded()
    table = pd.DataFrame({"G": list(cells)}, index=[f"p{i}" for i in range(len(cells))], dtype=str)
    values = read(table, PATH, excluded)
    return (values["G"].tolist() if "G" in values else None), excluded


@given(CHANGES, st.sampled_from(["{}", "p.{}", "{} E545Q", "{},L2=", "NP_1.2:p.{}"]))
def test_a_protein_change_is_a_mutation(change, form):
    assert status_of(form.format(change)) == 1


@pytest.mark.parametrize(
    "word",
    ["p.Arg273His", "E746_A750del", "Y772_A775dup", "E709_T710delinsD", "D53Tfs*11", "X125_splice",
     "Q675*", "M1?", "M1ext-5", "TSPKANKE751del", "*394*", "c.35G>A", "R195Hfs*37", "MUT", "Yes",
     "mutated", "TRUE", "1", "1.0", "Missense_Mutation", "Frame_Shift_DEL", "stop_gained"],
)  # fmt: skip
def test_words_for_mutated(word):
    assert status_of(word) == 1


@pytest.mark.parametrize(
    "word",
    ["WT", "wt", "Wild-Type", "wild type", "wildtype", "WILD_TYPE", "no", "False", "0", "0.0",
     "L210=", "p.L210=", "p.(Leu210=)", "Silent", "synonymous_variant"],
)  # fmt: skip
def test_words_for_wild_type(word):
    assert status_of(word) == 0


@pytest.mark.parametrize(
    "word", ["high", "unclear", "gain", "TP53", "p53", "2n", "failed", "x", "??"]
)
def test_any_other_word_among_statuses_is_an_error_that_names_the_cell(word):
    assert np.isnan(status_of(word))
    with pytest.raises(HistotransferError, match=r"column 'G' holds .* for p2, which is not 0, 1"):
        column(statuses_of, "WT", "R273H", word)


@pytest.mark.parametrize("word", ["NS", "NP", "np", "NA", "", "N/A", "#N/A", "nan", "Not Profiled",
                                  "[Not Available]", "'--", ".", "NULL"])  # fmt: skip
def test_what_is_missing_is_neither_mutated_nor_wild_type(word):
    for read in (statuses_of, numbers_of):
        values, _ = column(read, "1", word, "0")
        assert values[0] == 1
        assert np.isnan(values[1])


def test_a_column_that_holds_something_else_is_left_out_with_a_cell():
    for read, wanted in ((numbers_of, "a number"), (statuses_of, "0, 1, a word")):
        values, excluded = column(read, "", "LUAD", "LUSC")
        assert values is None
        assert excluded[0]["code"] == "no_number"
        assert excluded[0]["detail"].startswith(f"p1 has 'LUAD', which is not {wanted}")


@given(st.lists(st.decimals(-1000, 1000, places=2), min_size=1))
def test_decimal_commas_are_the_same_numbers(numbers):
    values, excluded = column(numbers_of, "0,5", *(str(n).replace(".", ",") for n in numbers))
    assert values == [0.5, *map(float, numbers)]
    assert [row["code"] for row in excluded] == ["decimal_commas"]


def test_one_column_shows_what_the_commas_of_a_table_are():
    table = pd.DataFrame({"A": ["1,234", "2,000"], "B": ["0,5", "1"]}, dtype=str)
    assert numbers_of(table, PATH, Excluded()).to_dict("list") == {"A": [1.234, 2], "B": [0.5, 1]}
    with pytest.raises(
        HistotransferError, match=r"'A' holds '1,234' for 0, which may be .*thousands"
    ):
        numbers_of(table[["A"]], PATH, Excluded())


@pytest.mark.parametrize(
    ("cells", "cause"),
    [
        (("1,5", "1.5"), r"'1,5' for p0, and '1\.5' for p1"),
        (("1,5", "1,234,567"), "'1,234,567' for p1, which is not a number"),
        (("1", "inf"), "'inf' for p1"),
        (("1", "True"), "'True' for p1"),
    ],
)
def test_other_numbers_are_errors(cells, cause):
    with pytest.raises(HistotransferError, match=rf"t\.csv: column 'G' holds {cause}"):
        column(numbers_of, *cells)
