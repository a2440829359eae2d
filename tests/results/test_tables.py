"""Reading results: by schema, and each of several tables as what its key says."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.tables import write_table
from histotransfer.results.tables import SCHEMAS, SEVERAL, read_tables
from support.results import rows, written
from support.root import ROOT


def scores_of(task, extractor, path):
    row = {"task": task, "extractor": extractor, "target": "NA", "metric": "auroc", "fold": -1}
    return written("scores", rows("scores", [row | {"repeat": 0, "value": 0.5}]), path)


def test_several_tables_are_joined_and_told_apart_by_their_keys(tmp_path):
    excluded = rows("excluded_labels", [{"item": "007", "what": "patient", "code": "no_label_row"}])
    one = written("excluded_labels", excluded, tmp_path / "same.tsv")
    table = read_tables({"excluded_labels": {"a": one, "b": one}})["excluded_labels"]
    assert table["task"].tolist() == ["a", "b"]
    assert table["item"].tolist() == ["007", "007"]


def test_a_table_under_the_key_of_another_is_refused(tmp_path):
    path = scores_of("t", "A", tmp_path / "scores.tsv")
    table = read_tables({"scores": {"t": {"A": path}}})["scores"]
    assert table.loc[0, ["task", "extractor", "target"]].tolist() == ["t", "A", "NA"]
    with pytest.raises(HistotransferError, match="is of extractor A, expected B"):
        read_tables({"scores": {"t": {"B": path}}})


@pytest.mark.parametrize("name", SEVERAL)
def test_none_of_several_is_a_table_without_rows(name):
    table = read_tables({name: {}})[name]
    assert table.empty
    assert set(table) == {*SCHEMAS[name].columns, *SEVERAL[name]}


def test_a_table_without_one_of_its_columns_is_refused(tmp_path):
    table = rows("cohort", [{"patient": "P"}]).drop(columns="n_slides")
    write_table(table, tmp_path / "cohort.tsv")
    with pytest.raises(HistotransferError, match="has no column n_slides"):
        read_tables({"cohort": tmp_path / "cohort.tsv"})


def test_every_registered_schema_stands_under_its_own_name():
    assert all(name == schema.name for name, schema in SCHEMAS.items())


def test_tables_are_read_without_what_they_were_made_with() -> None:
    """Each of some forty jobs of a study would pay for it."""
    heavy = "{'scipy.stats', 'scipy.ndimage', 'sklearn', 'fastparquet', 'matplotlib'}"
    code = f"import sys, histotransfer.results.tables; print({heavy} & set(sys.modules) or 'none')"
    command, scripts = [sys.executable, "-c", code], str(ROOT / "workflow/scripts")
    found = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": scripts}, capture_output=True, check=True
    )
    assert found.stdout.decode().strip() == "none"
