"""Labels of two values, of numbers and of classes: what is read, and what stops and asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.errors import HistotransferError
from histotransfer.core.tables import read_table
from histotransfer.core.user_numbers import MISSING
from histotransfer.labels.exclusions import EXCLUDED, Excluded
from histotransfer.labels.files import read_labels_file
from histotransfer.labels.task_labels import patient_labels, write_labels
from histotransfer.study.tasks import Task
from support.errors import assert_clear
from support.tasks import write_cohort

PATIENTS = [f"P{i}" for i in range(6)]


def table_of(folder: Path, **columns: list[str]) -> Path:
    path = folder / "labels.tsv"
    table = pd.DataFrame({"patient": PATIENTS, **columns})
    table.to_csv(path, sep="\t", index=False)
    return path


def task_of(path: Path, kind: str, name: str = "MSI", **entry: object) -> Task:
    predictor = {"predictor": "knn", "grid": {"n_neighbors": [5]}}
    return Task.from_config(name, {"kind": kind, **predictor, **entry}, {"table": str(path)})


def read(path: Path, kind: str, **entry: object) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    excluded = Excluded()
    labels, _ = patient_labels(task_of(path, kind, **entry).labels, PATIENTS, excluded)
    assert labels.group.tolist() == labels.samples
    rows = [(row["item"], row["code"]) for row in excluded if row["code"] != "id_column"]
    return labels.values, rows


@pytest.mark.parametrize(
    ("cells", "positive", "expected"),
    [
        (list("010101"), None, [0, 1, 0, 1, 0, 1]),
        (["0", "1.0", "1", "0.0", "", "NA"], None, [0, 1, 1, 0]),
        (["yes", "No", "YES", "true", "FALSE", "n/a"], None, [1, 0, 1, 1, 0]),
        (["mut", "WT", "wild-type", "Mutated", "-", "none"], None, [1, 0, 0, 1]),
        (["MSI-H", "MSS", "mss", "MSI-H", "", "[Unknown]"], "MSI-H", [1, 0, 0, 1]),
        (["MSI-H", "MSS", "MSS", "MSI-H ", "MSS", "MSS"], "mss", [0, 1, 1, 0, 1, 1]),
        (["1", "2", "2", "1", "2", "."], 2, [0, 1, 1, 0, 1]),
        (["1", "2", "2.0", "1", "2", "."], "1", [1, 0, 0, 1, 0]),
        (["0", "1", "1", "0", "0", "1"], 0, [1, 0, 0, 1, 1, 0]),
        (["yes", "no", "no", "yes", "no", "no"], "no", [0, 1, 1, 0, 1, 1]),
    ],
)
def test_two_values(tmp_path, cells, positive, expected):
    more = {} if positive is None else {"positive": positive}
    values, rows = read(table_of(tmp_path, MSI=cells), "binary", **more)
    assert values["MSI"].tolist() == expected
    assert values.columns.tolist() == ["MSI"]
    assert [code for _, code in rows] == ["no_label_value"] * (6 - len(expected))


@given(
    st.lists(
        st.text("abcXYZ-+", min_size=1, max_size=4).filter(lambda w: w.casefold() not in MISSING),
        min_size=2, max_size=2, unique_by=str.casefold,
    ),
    st.data(),
)  # fmt: skip
def test_any_two_words_are_read_and_the_words_for_missing_stay_missing(tmp_path_factory, two, data):
    other = st.sampled_from([*two, *MISSING])
    cells = data.draw(st.permutations([*two, *(data.draw(other) for _ in range(4))]))
    path = table_of(tmp_path_factory.mktemp("two"), MSI=cells)
    values, _ = read(path, "binary", positive=two[0])
    expected = {p: float(c == two[0]) for p, c in zip(PATIENTS, cells, strict=True) if c in two}
    assert values["MSI"].to_dict() == expected


BINARY = {
    "two other words": (
        ["MSI-H", "MSS", "MSS", "", "MSS", "MSI-H"], {},
        "'MSI-H' and 'MSS', and nothing says which is positive",
        "Write `positive: MSI-H` or `positive: MSS` in the task",
    ),
    "two other numbers": (
        ["1", "2", "2", "", "1", "2"], {}, "holds '1' and '2', and nothing says", "`positive: 1`"
    ),
    "one word of a mutation and another": (
        ["mut", "foo", "mut", "", "foo", "mut"], {}, "nothing says which", "`positive: foo`"
    ),
    "three words": (
        ["MSI-H", "MSI-L", "MSS", "", "MSS", "MSS"], {},
        "holds 3 different values ('MSI-H', 'MSI-L', 'MSS'), not two", "Use `kind: multiclass`",
    ),
    "three words, one positive": (
        ["MSI-H", "MSI-L", "MSS", "", "MSS", "MSS"], {"positive": "MSI-H"},
        "holds 3 different values", "Use `kind: multiclass`",
    ),
    "many numbers": (list("123456"), {}, "holds 6 different values", "Use `kind: regression`"),
    "protein changes": (
        ["R273H", "WT", "E545K", "", "WT", "WT"], {}, "3 different values", "Use `kind: mutation`"
    ),
    "an absent positive": (
        ["MSI-H", "MSS", "MSS", "", "MSS", "MSS"], {"positive": "MSI"},
        "holds no 'MSI', which is `positive`, but 'MSI-H', 'MSS'", "Correct `positive`",
    ),
    "one word": (["MSS"] * 6, {}, "holds no value but 'MSS'", "another column"),
}  # fmt: skip


@pytest.mark.parametrize("case", BINARY)
def test_what_two_values_must_not_be(tmp_path, case):
    cells, more, cause, remedy = BINARY[case]
    with pytest.raises(HistotransferError) as caught:
        read(table_of(tmp_path, MSI=cells), "binary", **more)
    assert_clear(caught.value, "labels.tsv", "'MSI'", cause)
    assert remedy in caught.value.remedy


def test_numbers_are_read_as_they_are_and_text_among_them_is_told(tmp_path):
    cells = ["-1.5", "2", "1e3", "", "NA", "7"]
    values, rows = read(table_of(tmp_path, purity=cells), "regression", targets=["purity"])
    assert values["purity"].tolist() == [-1.5, 2, 1000, 7]
    assert rows == [("P3", "no_label_value"), ("P4", "no_label_value")]
    for cells in (["1", "2", "high", "4", "5", "6"], ["low", "low", "high", "", "low", "low"]):
        path = table_of(tmp_path, purity=cells, TMB=list("123456"))
        with pytest.raises(HistotransferError) as caught:
            read(path, "regression", targets=["purity", "TMB"])
        word, row = ("high", "P2") if cells[0] == "1" else ("low", "P0")
        said = f"column 'purity' holds '{word}' for {row}, which is not a number"
        assert_clear(caught.value, "labels.tsv", said, "`kind: binary` or `kind: multiclass`")


def test_of_all_columns_those_of_text_are_left_out_and_listed(tmp_path):
    path = table_of(tmp_path, sex=list("mfmfmf"), TMB=list("123456"), age=["3"] * 6)
    values, rows = read(path, "regression", targets="all")
    assert values.columns.tolist() == ["TMB"]
    assert rows == [("sex", "no_number"), ("age", "no_variance")]
    path = table_of(tmp_path, A=list("010101"), B=list("110011"), C=[""] * 6)
    values, rows = read(path, "binary", targets="all")
    assert values.columns.tolist() == ["A", "B"]
    assert rows == [("C", "no_number")]


def test_classes_are_text_and_the_words_for_missing_are_missing(tmp_path):
    cells = ["1", "LUAD", "1", "not reported", "LUSC", ""]
    cohort = write_cohort(tmp_path / "cohort.tsv", PATIENTS)
    path = table_of(tmp_path, subtype=cells)
    task = task_of(path, "multiclass", targets=["subtype"])
    out, excluded = tmp_path / "out.tsv", tmp_path / "excluded.tsv"
    write_labels(task.labels, out, excluded, tmp_path / "flow.tsv", cohort_table=cohort)
    assert out.read_text().startswith("sample\tgroup\tclass\nP0\tP0\t1\n")
    labels = read_labels_file(out).values
    assert labels["class"].to_dict() == {"P0": "1", "P1": "LUAD", "P2": "1", "P4": "LUSC"}
    left_out = read_table(excluded, EXCLUDED)
    assert left_out.loc[left_out["what"] == "patient", ["item", "code"]].to_numpy().tolist() == [
        ["P3", "no_label_value"], ["P5", "no_label_value"]
    ]  # fmt: skip


def test_only_the_classes_that_count_are_kept_and_the_others_listed(tmp_path):
    path = table_of(tmp_path, subtype=["LUAD", "LUSC", "other", "", "LUAD", "x"])
    excluded = Excluded()
    task = task_of(path, "multiclass", targets=["subtype"], classes=["LUSC", "LUAD"])
    labels, _ = patient_labels(task.labels, PATIENTS, excluded)
    assert labels.values["class"].to_dict() == {"P0": "LUAD", "P1": "LUSC", "P4": "LUAD"}
    rows = {row["item"]: row for row in excluded if row["what"] == "patient"}
    assert {item: (row["code"], row["detail"]) for item, row in rows.items()} == {
        "P2": ("class_left_out", "other"),
        "P5": ("class_left_out", "x"),
        "P3": ("no_label_value", ""),
    }
    assert "`classes`" in rows["P2"]["remedy"]


CLASSES = {
    "one class": (["LUAD"] * 5 + [""], {}, "patients of one class only, 'LUAD'", "another column"),
    "one of those that count": (
        ["LUAD", "LUAD", "x", "x", "y", "y"], {"classes": ["LUAD", "z"]},
        "has no class 'z' (it has 'LUAD', 'x', 'y')", "Correct `classes`",
    ),
    "two spellings": (
        ["LUAD", "Luad", "LUSC", "LUSC", "LUAD", "LUAD"], {},
        "'LUAD' and 'Luad', which differ only in capitals", "Write both alike",
    ),
    "the name of the scores of all": (["all", "some"] * 3, {}, "a class 'all'", "Rename it"),
}  # fmt: skip


@pytest.mark.parametrize("case", CLASSES)
def test_what_classes_must_not_be(tmp_path, case):
    cells, more, cause, remedy = CLASSES[case]
    path = table_of(tmp_path, subtype=cells)
    with pytest.raises(HistotransferError) as caught:
        read(path, "multiclass", targets=["subtype"], **more)
    assert_clear(caught.value, "labels.tsv", "'subtype'", cause)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("kind", ["binary", "regression", "multiclass"])
def test_without_targets_the_column_is_called_like_the_task(tmp_path, kind):
    cells = {"binary": list("010101"), "regression": list("123456"), "multiclass": list("aabbcc")}
    columns = {f"X{i}": list("010101") for i in range(12)}
    path = table_of(tmp_path, **columns, MSI=cells[kind])
    values, _ = read(path, kind)
    assert values.iloc[:, 0].astype(str).str[0].tolist() == cells[kind]
    path = table_of(tmp_path, **columns, msi=cells[kind])
    with pytest.raises(HistotransferError) as caught:
        read(path, kind)
    assert_clear(caught.value, "labels.tsv", "has no column 'MSI'", "msi, X0, X1", "and 5 more")
    assert "`targets`" in caught.value.remedy


@pytest.mark.parametrize("kind", ["binary", "regression", "multiclass"])
def test_targets_that_are_not_there_are_no_silent_guess(tmp_path, kind):
    path = table_of(tmp_path, A=list("010101"))
    with pytest.raises(HistotransferError, match="no usable target; B is not in the labels table"):
        read(path, kind, targets=["B"])


@pytest.mark.parametrize("kind", ["binary", "regression", "multiclass"])
def test_two_rows_of_a_patient_that_differ_stop_the_study(tmp_path, kind):
    path = table_of(tmp_path, MSI=["0", "1", "0", "1", "0", "1"])
    path.write_text(path.read_text() + "P1\t0\n")
    with pytest.raises(
        HistotransferError, match="two rows of P1, with '1' and '0' in column 'MSI'"
    ):
        read(path, kind)


def test_labels_of_two_values_are_written_as_whole_numbers(tmp_path):
    cohort = write_cohort(tmp_path / "cohort.tsv", PATIENTS)
    path = table_of(tmp_path, A=[*"01010", ""], B=list("111000"))
    task = task_of(path, "binary", targets="all")
    out = tmp_path / "out.tsv"
    write_labels(task.labels, out, tmp_path / "e.tsv", tmp_path / "f.tsv", cohort_table=cohort)
    assert out.read_text().splitlines()[-1] == "P5\tP5\t\t0"
    assert np.isnan(read_labels_file(out).values.loc["P5", "A"])


def survival(path: Path) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Read the columns OS_months and OS."""
    return read(path, "survival", time="OS_months", event="OS")


@pytest.mark.parametrize(
    "events",
    [
        ["1", "0", "1", "0", "", "1"],
        ["1:DECEASED", "0:LIVING", "1:DECEASED", "0:LIVING", "", "1:DECEASED"],
        ["Dead", "Alive", "dead", "alive", "not reported", "DEAD"],
        ["yes", "no", "TRUE", "False", "NA", "1"],
    ],
)
def test_times_and_events_become_signed_times(tmp_path, events):
    path = table_of(tmp_path, OS=events, OS_months=["12.5", "3", "0", "8", "9", "-1"])
    values, rows = survival(path)
    assert values["MSI"].to_dict() == {"P0": 12.5, "P1": -3, "P3": -8}
    left_out = {("P2", "time_not_positive"), ("P5", "time_not_positive"), ("P4", "no_label_value")}
    assert left_out <= set(rows)


SURVIVAL = {
    "a column that is absent": ({"OS": list("110101")}, "no column 'OS_months'", "`time`"),
    "no event column": ({"OS_months": list("123456")}, "no column 'OS'", "`event`"),
    "text for a time": (
        {"OS": list("110101"), "OS_months": ["1", "2", "long", "4", "5", "6"]},
        "'OS_months' holds 'long' for P2, which is not a number",
        "Correct the cell",
    ),
    "a word that says nothing": (
        {"OS": ["1", "0", "lost", "1", "0", "1"], "OS_months": list("123456")},
        "'OS' holds 'lost', which does not say whether the event was observed",
        "Write 1",
    ),
    "years for events": (
        {"OS": ["1999"] * 6, "OS_months": list("123456")},
        "'OS' holds '1999'",
        "Write 1",
    ),
    "no event known": ({"OS": [""] * 6, "OS_months": list("123456")}, "'OS' has no value", "event"),
}


@pytest.mark.parametrize("case", SURVIVAL)
def test_what_times_and_events_must_not_be(tmp_path, case):
    columns, *said = SURVIVAL[case]
    with pytest.raises(HistotransferError) as caught:
        survival(table_of(tmp_path, **columns))
    assert_clear(caught.value, "labels.tsv", *said)
