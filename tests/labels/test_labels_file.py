"""The labels file: any target comes back, under its own name and with its own values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.errors import HistotransferError
from histotransfer.core.files import written_with_digest
from histotransfer.labels.files import TaskLabels, read_labels_file, write_labels_file

WORDS = ["sample", "group", "class", "all", "", "NA", "nan", "0", "a b", 'a"b', "a\tb", "#"]
NAMES = st.sampled_from(WORDS) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=5
)


def of_numbers(samples, targets, values):
    index = pd.Index(samples, name="sample", dtype=str)
    group = pd.Series(samples, index, name="group", dtype=str)
    return TaskLabels(group, pd.DataFrame(values, index, targets))


@given(
    st.lists(NAMES, min_size=1, max_size=5, unique=True),
    st.lists(NAMES.filter(bool), min_size=1, max_size=4, unique=True),
    st.data(),
)
def test_targets_of_any_name_come_back(tmp_path_factory, targets, samples, data):
    path = tmp_path_factory.getbasetemp() / "labels.tsv"
    number = st.just(np.nan) | st.floats(-1e6, 1e6) | st.integers(0, 1).map(float)
    values = data.draw(
        st.lists(
            st.lists(number, min_size=len(targets), max_size=len(targets)),
            min_size=len(samples), max_size=len(samples),
        )
    )  # fmt: skip
    labels = of_numbers(samples, targets, values)
    write_labels_file(labels, path)
    found = read_labels_file(path)
    assert found.samples == samples
    assert found.group.tolist() == samples
    assert found.values.columns.tolist() == targets
    np.testing.assert_array_equal(found.values.to_numpy(float), labels.values.to_numpy())


@pytest.mark.parametrize("names", [["1", "02"], ["NA", "nan"], ["TUM", "STR"]])
def test_classes_come_back_as_text_whatever_they_look_like(tmp_path, names):
    index = pd.Index(["a", "b"], name="sample")
    group = pd.Series(["007", "NA"], index, name="group")
    write_labels_file(TaskLabels(group, pd.DataFrame({"class": names}, index)), tmp_path / "l.tsv")
    found = read_labels_file(tmp_path / "l.tsv")
    assert found.values["class"].tolist() == names
    assert found.group.tolist() == ["007", "NA"]
    assert (tmp_path / "l.tsv").read_text().startswith("sample\tgroup\tclass\na\t007\t")


def test_a_target_called_class_has_numbers(tmp_path):
    write_labels_file(of_numbers(["a", "b"], ["class"], [[1], [0]]), tmp_path / "l.tsv")
    assert read_labels_file(tmp_path / "l.tsv").values["class"].tolist() == [1, 0]
    assert pd.read_csv(tmp_path / "l.tsv", sep="\t").columns.tolist()[2] == "class"


def test_samples_and_targets_are_there_once_and_groups_are_of_the_samples():
    with pytest.raises(ValueError, match="target 'A' stands there twice"):
        of_numbers(["a"], ["A", "B", "A"], [[1, 2, 3]])
    with pytest.raises(ValueError, match="sample 'a' stands there twice"):
        of_numbers(["a", "a"], ["A"], [[1], [2]])
    values = pd.DataFrame({"A": [1.0, 2.0]}, ["a", "b"])
    with pytest.raises(ValueError, match="different samples"):
        TaskLabels(pd.Series(["a", "b"], ["b", "a"]), values)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "is not a labels file"),
        ("sample\tA\na\t1\n", r"its first columns are \['sample', 'A'\]"),
        ("sample\tgroup\tA\tA\na\ta\t1\t2\n", "target 'A' stands there twice"),
        ("sample\tgroup\tA\na\ta\t1\t2\n", "is not a labels file"),
    ],
)
def test_another_file_is_refused(tmp_path, text, cause):
    with written_with_digest(tmp_path / "l.tsv") as partial:
        partial.write_text(text)
    with pytest.raises(HistotransferError, match=cause):
        read_labels_file(tmp_path / "l.tsv")
