"""Ids: each is read for itself, in the spellings that tables give it."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.errors import HistotransferError
from histotransfer.core.id_columns import find_ids, is_of_genes, is_of_patients
from histotransfer.core.patient_ids import PatientIds, is_normal, near

TCGA = st.from_regex(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}", fullmatch=True)
OTHERS = st.from_regex(r"(LUNG|P|C3L)-?[1-9][0-9]{1,6}", fullmatch=True)
ENDINGS = st.sampled_from(["", "-01", "-01A", "-02A-11D", "-11A", "-01Z-00-DX1"])


@given(st.lists(TCGA | OTHERS, min_size=1, max_size=8, unique_by=str.casefold), st.data())
def test_an_id_is_read_in_the_same_way_whoever_else_is_in_the_cohort(patients, data):
    patient = data.draw(st.sampled_from(patients))
    text = patient + (data.draw(ENDINGS) if patient.startswith("TCGA") else "")
    alone = PatientIds([patient]).owner(text)
    assert PatientIds(patients).owner(text) == alone == patient


@given(TCGA, ENDINGS)
def test_dots_and_small_letters_of_barcodes_are_forgiven(patient, ending):
    ids = PatientIds([patient, "LUNG-001"])
    for text in (f"{patient}{ending}".replace("-", "."), f"{patient}{ending}".lower()):
        assert ids.owner(text) == patient
        assert ids.is_respelled(text)
    assert not ids.is_respelled(f"{patient}{ending}")


@pytest.mark.parametrize(
    ("patient", "spellings"),
    [
        ("1001", ["1001.0", "1001.", "X1001", "01001"]),
        ("007", ["7", "7.0", "07"]),
        ("P-0000001", ["P.0000001", "p_0000001", "P 0000001", "p-0000001 "]),
    ],
)
def test_other_spellings_are_recognised_and_said(patient, spellings):
    ids = PatientIds([patient, "other"])
    for text in spellings:
        assert ids.owner(text) == patient
        assert ids.is_respelled(text)


def test_a_spelling_that_two_patients_share_names_neither():
    ids = PatientIds(["7", "007", "8"])
    assert [ids.owner(text) for text in ("7", "007", "07", "08")] == ["7", "007", None, "8"]


def test_beside_the_patients_own_spelling_another_is_a_stranger():
    assert PatientIds(["7"]).owners(["7", "007", "x"]) == ["7", None, None]
    assert PatientIds(["7"]).owners(["007", "x"]) == ["7", None]


def test_normals_and_controls_are_told_by_their_type():
    types = {"01": False, "06": False, "10": True, "11": True, "14": True, "20": True, "50": False}
    for code, normal in types.items():
        assert is_normal(f"TCGA-05-0001-{code}A-01D") == normal
        assert not is_normal(f"LUNG-05-0001-{code}A")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("TCGA-O5-4244", "TCGA-05-4244"),
        ("TCGA-05-42244", "TCGA-05-4244"),
        ("TCGA-054244", "TCGA-05-4244"),
        ("LUNG-0001", "LUNG-001"),
        ("P1", ""),
        ("C3L-00001", ""),
    ],
)
def test_a_typo_is_near_what_was_meant(text, meant):
    assert near(text, ["TCGA-05-4244", "TCGA-91-6840", "LUNG-001"]) == meant


@pytest.mark.parametrize(
    "name",
    ["patient", "PATIENT_ID", "case_barcode", "Case ID", "Tumor_Sample_Barcode", "submitter_id",
     "cases.submitter_id", "bcr_patient_barcode", "sampleID", "SAMPLEID", "Samples", "id", "donor"],
)  # fmt: skip
def test_names_of_columns_of_ids(name):
    assert is_of_patients(name)
    assert not is_of_genes(name)


@pytest.mark.parametrize(
    "name",
    ["File ID", "", "age", "sample_type", "Sample Type", "Entrez_Gene_Id", "Hugo_Symbol",
     "Matched_Norm_Sample_Barcode", "normal", "patient_age", "slide_id"],
)  # fmt: skip
def test_names_of_other_columns(name):
    assert not is_of_patients(name)


def ids_of(columns: dict[str, list[str]], patients: list[str], named: str = ""):
    return find_ids(
        pd.DataFrame(columns), PatientIds(patients), "t.csv", named=named, key="labels.id"
    )


NUMBERS = [str(i) for i in range(1, 31)]


@given(st.permutations(range(10, 40)), st.permutations(["", "id", "A", "age"]))
def test_row_names_and_ages_never_beat_the_column_of_ids(numbers, order):
    """Whatever the order of the columns, and however many patients the others name."""
    columns = {
        "": [str(i) for i in range(1, 31)],
        "id": [str(number) for number in numbers],
        "A": [str(10 * number) for number in numbers],
        "age": [str(number % 30 + 1) for number in numbers],
    }
    found = ids_of({name: columns[name] for name in order}, NUMBERS)
    assert found.columns == ("id",)
    assert found.owners.dropna().tolist() == [str(n) for n in numbers if n <= 30]


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"": NUMBERS, "A": ["0.5"] * 30}, "the unnamed column"),
        ({"X": NUMBERS, "A": ["0.5"] * 30}, "'X'"),
        ({"nr": NUMBERS[::-1], "age": [*NUMBERS[1:], "1"]}, "'nr', 'age'"),
        ({"patient": ["P1", "P2"], "age": ["21", "22"]}, "'patient', 'age'"),
        ({"first": ["21", "22"], "age": ["22", "21"]}, "'first', 'age'"),
        ({"nr": ["21", "22"], "1": ["0.1", "0.2"], "2": ["0", "0"]}, "the header, 'nr'"),
        ({"patient": ["1.0", "2.0"], "sample": ["2", "1"]}, "'patient' .such as '1.0'., 'sample'"),
        ({"patient": ["1", "2"], "sample": ["2", "1"]}, "'patient' .such as '1'., 'sample' .such"),
    ],
)
def test_where_two_readings_are_possible_the_candidates_are_listed(columns, named):
    with pytest.raises(HistotransferError, match=rf"several places: {named}.*`labels\.id`"):
        ids_of(columns, NUMBERS)


def test_the_config_decides():
    columns = {"nr": ["21", "22"], "age": ["22", "21"], "name": ["a", "b"]}
    assert ids_of(columns, NUMBERS, "age").owners.tolist() == ["22", "21"]
    with pytest.raises(
        HistotransferError, match=r"has no column 'case'; it has 'nr', 'age', 'name'"
    ):
        ids_of(columns, NUMBERS, "case")
    with pytest.raises(HistotransferError, match=r"names no patient .*'name' has a"):
        ids_of(columns, NUMBERS, "name")


def test_genes_in_rows_are_told_from_patients_in_rows():
    genes = {
        "Hugo_Symbol": ["A", "B"],
        "Entrez_Gene_Id": ["1", "2"],
        "1": ["5", "7"],
        "2": ["3", "9"],
    }
    found = ids_of(genes, NUMBERS)
    assert found.columns == ()
    assert found.owners.dropna().tolist() == ["1", "2"]
    # Xena calls the column of genes `sample`.
    xena = {"sample": ["A", "B"], "TCGA-05-0001-01": ["1", "2"], "TCGA-05-0002-01": ["3", "4"]}
    assert ids_of(xena, ["TCGA-05-0001", "TCGA-05-0002"]).columns == ()
    features = {"patient": ["1", "2", "3"], **{str(i): ["0.1"] * 3 for i in range(5)}}
    assert ids_of(features, NUMBERS).columns == ("patient",)


def test_of_several_columns_each_row_has_its_longest_id():
    columns = {
        "case": ["TCGA-05-0001", "LUNG-001", "TCGA-05-0002"],
        "sample": ["TCGA-05-0001-11A", "S17", "TCGA-05-0002-01A"],
    }
    found = ids_of(columns, ["TCGA-05-0001", "TCGA-05-0002", "LUNG-001"])
    assert found.ids.tolist() == ["TCGA-05-0001-11A", "LUNG-001", "TCGA-05-0002-01A"]


def test_of_a_tumour_and_its_normal_the_tumour_is_the_id():
    columns = {"sample 1": ["TCGA-05-0001-10A"], "sample 2": ["TCGA-05-0001-01A"]}
    assert ids_of(columns, ["TCGA-05-0001"]).ids.tolist() == ["TCGA-05-0001-01A"]
