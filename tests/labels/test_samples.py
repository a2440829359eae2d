"""The list of sequenced samples, and which of them a variant's barcode is of."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from histotransfer.labels.exclusions import Excluded
from histotransfer.labels.samples import sequenced_samples


def listed(columns, patients, **named):
    return sequenced_samples(pd.DataFrame(columns), patients, Path("list.tsv"), Excluded(), **named)


def owners(samples, *barcodes):
    return samples.owners(samples.rows_of(barcodes))


@pytest.mark.parametrize(
    ("listed_as", "in_maf"),
    [
        ("TCGA-05-4244-01", "TCGA-05-4244-01A-01D-1105-08"),
        ("TCGA-05-4244-01A-01D-1105-08", "TCGA-05-4244-01"),
        ("TCGA-05-4244-01A", "TCGA.05.4244.01A.01D"),
        ("TCGA-05-4244", "TCGA-05-4244-01A"),
        ("Case 7", "case_7"),
        ("case-7", "case-7"),
    ],
)
def test_a_barcode_is_found_in_another_length_and_spelling(listed_as, in_maf):
    samples = listed({"sample": [listed_as, "TCGA-05-4249-01"]}, [listed_as, "TCGA-05-4249"])
    other = "TCGA-05-4249-02A"
    assert owners(samples, in_maf, other, "stranger") == {in_maf: listed_as}
    assert samples.sample_of(listed_as) == listed_as


def test_a_spelling_that_two_samples_share_is_of_neither_but_their_own_are():
    samples = listed({"sample": ["case 7", "CASE 7"]}, ["case 7", "CASE 7"])
    assert owners(samples, "Case 7", "case 7", "CASE 7") == {
        "case 7": "case 7",
        "CASE 7": "CASE 7",
    }


def test_the_patients_own_sample_comes_before_another_of_the_same_name():
    """A portal's list may have a sample twice, once for a patient who is not of the study."""
    table = {"PATIENT_ID": ["A1", "B2"], "SAMPLE_ID": ["S1", "S1"]}
    for patient in ("A1", "B2"):
        assert owners(listed(table, [patient]), "S1") == {"S1": patient}


def test_a_list_of_patients_and_samples_links_the_two():
    """In either order of the columns, and for other columns than those of ids."""
    table = {"PATIENT_ID": ["A1", "B2"], "note": ["S9", "S8"], "SAMPLE_ID": ["S2", "S1"]}
    for columns in (table, dict(reversed(table.items()))):
        samples = listed(columns, ["A1", "B2"])
        assert samples.rows.places.to_dict() == {"A1": 1, "B2": 0}
        assert owners(samples, "S1", "S2", "S8") == {"S1": "B2", "S2": "A1"}
        assert [samples.sample_of(patient) for patient in ("A1", "B2")] == ["S2", "S1"]


def test_of_equal_patients_the_first_sample_by_name_is_used():
    table = {"PATIENT_ID": ["A1", "A1"], "SAMPLE_ID": ["S2", "S1"]}
    samples = listed(table, ["A1"])
    assert samples.sample_of("A1") == "S1"
    assert owners(samples, "S1", "S2") == {"S1": "A1"}
    assert owners(samples.only(["A1"]), "S1", "S2") == {"S1": "A1"}


def test_without_a_column_that_is_named_for_ids_the_first_one_has_them():
    samples = listed({"x": ["A1", "B2"], "y": ["u", "v"]}, ["A1", "B2"])
    assert samples.names == [("A1",), ("B2",)]
    assert owners(samples, "A1", "B2", "u") == {"A1": "A1", "B2": "B2"}


def test_a_named_column_is_one_of_ids():
    table = {"SAMPLE_ID": ["S1", "S2"], "who": ["A1", "B2"]}
    samples = listed(table, ["A1", "B2"], id_column="who")
    assert owners(samples, "S1", "B2") == {"S1": "A1", "B2": "B2"}
