"""Clinical covariates: every form of a table is read alike, and what is odd is named."""

from __future__ import annotations

import fastparquet
import numpy as np
import pandas as pd
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import open_store
from histotransfer.core.tables import read_table
from histotransfer.features.covariates import SCHEMA, read_covariates, write_covariates
from histotransfer.features.external import USED
from support.errors import assert_clear

PATIENTS = [f"P{number}" for number in range(1, 7)]
TABLE = """patient,age,stage,smoker,grade,site,note
P1,61,II,yes,1,A,
P2,48.5,I,no,2,A,
P3,,III,NA,2,A,
P4,70,II,no,3,A,
P5,55,,yes,,A,
P9,33,IV,yes,1,B,x
"""


def read(folder, text=TABLE, name="clinical.csv", patients=PATIENTS, **options):
    """Return the covariates by column and what was said of rows and columns."""
    if text is not None:
        (folder / name).write_text(text, encoding="utf-8")
    found = read_covariates(folder / name, patients, **options)
    write_covariates(found, folder / "c.h5", folder / "used.tsv", extractor="covariates")
    with open_store(folder / "c.h5", SCHEMA, extractor="covariates") as store:
        names = store["column"].asstr()[:].tolist()
        values = pd.DataFrame(store["features"][:], store["patient"].asstr()[:], names)
        of_words = dict(zip(names, store["is_category"][:].tolist(), strict=True))
        assert store.attrs["source"] == str(folder / name)
    return values, of_words, read_table(folder / "used.tsv", USED).set_index("item")


def test_columns_are_numbers_or_categories_and_what_is_missing_stays_missing(tmp_path):
    values, of_words, used = read(tmp_path)
    assert of_words == {"age": False, "stage": True, "smoker": True, "grade": False}
    assert values.index.tolist() == ["P1", "P2", "P3", "P4", "P5"]
    nan = np.nan
    np.testing.assert_array_equal(values["age"], [61, 48.5, nan, 70, 55])
    np.testing.assert_array_equal(values["stage"], [1, 0, 2, 1, nan])
    np.testing.assert_array_equal(values["smoker"], [1, 0, nan, 0, 1])
    np.testing.assert_array_equal(values["grade"], [1, 2, 2, 3, nan])
    said = used[["what", "code", "detail"]].fillna("")
    assert said.loc["P6"].tolist() == ["patient", "no_feature_row", ""]
    assert said.loc["P1"].tolist() == ["patient", "", ""]
    assert said.loc["age"].tolist() == ["column", "covariate_of_numbers", "1 missing"]
    categories = ["column", "covariate_of_categories", "I, II, III; 1 missing"]
    assert said.loc["stage"].tolist() == categories
    assert said.loc["site", "code"] == "no_variance"
    assert said.loc["note", "code"] == "no_covariate"
    assert said.loc["patient", "code"] == "id_column"


@pytest.mark.parametrize("form", ["tsv", "semicolons", "decimal commas", "parquet", "barcodes"])
def test_every_form_of_a_table_says_the_same(tmp_path, form):
    expected, kinds, _ = read(tmp_path)
    frame = pd.read_csv(tmp_path / "clinical.csv", dtype={"patient": str}, keep_default_na=True)
    options: dict[str, object] = {}
    name = "mine.csv"
    if form == "tsv":
        frame.to_csv(tmp_path / (name := "mine.tsv"), sep="\t", index=False)
    elif form == "parquet":
        fastparquet.write(str(tmp_path / (name := "mine.parquet")), frame.drop(columns="note"))
    elif form == "barcodes":
        frame = frame.rename(columns={"patient": "whose"})[["age", *frame.columns[2:-1], "whose"]]
        frame.to_csv(tmp_path / name, index=False)
        options["id_column"] = "whose"
    else:
        decimal = "," if form == "decimal commas" else "."
        frame.to_csv(tmp_path / name, sep=";", decimal=decimal, index=False)
    values, of_words, _ = read(tmp_path, None, name, **options)
    assert of_words == kinds
    pd.testing.assert_frame_equal(values, expected)


def test_the_columns_that_count_can_be_named(tmp_path):
    values, _, used = read(tmp_path, columns=["stage", "age"])
    assert list(values) == ["stage", "age"]
    assert "smoker" not in used.index


def test_without_a_sheet_every_row_is_a_patient(tmp_path):
    values, _, _ = read(tmp_path, patients=[])
    assert values.index.tolist() == ["P1", "P2", "P3", "P4", "P5", "P9"]


def test_a_row_of_empty_cells_is_no_row(tmp_path):
    values, _, used = read(tmp_path, TABLE + "P6,,,,,,\n")
    assert "P6" not in values.index
    assert used.loc["P6", ["code", "detail"]].tolist() == ["no_feature_row", "its cells are empty"]


ROWS = [f"P{number}" for number in range(1, 7)]
WRONG = {
    "words like ids": (
        ["A1", "A2", "A3", "A4", "", ""], "holds 4 different words for 4 patients, as ids would"
    ),
    "capitals": (["yes", "no", "Yes", "no", "no", ""], "differ only in capitals"),
    "one value": (["1"] * 6, "no column whose values differ"),
    "nothing": ([""] * 6, "no column whose values differ"),
}  # fmt: skip


@pytest.mark.parametrize(("cells", "said"), WRONG.values(), ids=WRONG)
def test_a_column_that_is_no_covariate_is_named(tmp_path, cells, said):
    rows = [f"{patient},{cell}" for patient, cell in zip(ROWS, cells, strict=True)]
    with pytest.raises(HistotransferError, match=said) as caught:
        read(tmp_path, "\n".join(["patient,odd", *rows]))
    assert_clear(caught.value)


def test_numbers_with_a_word_among_them_are_an_error_that_shows_it(tmp_path):
    patients = [f"P{number}" for number in range(40)]
    rows = [f"P{number},{20 + number}" for number in range(39)] + ["P39,>89"]
    with pytest.raises(HistotransferError, match=r"'age' holds numbers, and '>89' for P39"):
        read(tmp_path, "\n".join(["patient,age", *rows]), patients=patients)


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("patient,age,age\nP1,1,2\nP2,2,1\n", {}, "has two columns 'age'"),
        (TABLE, {"columns": ["Age"]}, r"no column 'Age' \(it has age, stage"),
        ("patient,age\nP1,1\nP1,2\n", {}, "two rows of P1"),
        ("name,age\nX,1\n", {}, "names no patient of the cohort"),
    ],
)
def test_a_wrong_table_is_named(tmp_path, text, options, said):
    with pytest.raises(HistotransferError, match=said):
        read(tmp_path, text, **options)
