"""Tables: typed columns, whole files, and whose they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import create_store, open_store
from histotransfer.core.tables import TableSchema, read_table, write_table

SCHEMA = TableSchema(
    "example", {"task": "text", "id": "text", "n": "integer", "x": "number", "ok": "flag"}
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    table = pd.DataFrame(
        {
            "more": [1, 2],
            "ok": [True, None],
            "x": [0.1, np.nan],
            "n": pd.array([3, None], dtype="Int64"),
            "id": ["007", "NA"],
            "task": ["tissue", "tissue"],
        }
    )
    write_table(table, tmp_path / "t.tsv", SCHEMA)
    return tmp_path / "t.tsv"


def test_a_table_has_its_columns_in_order_and_no_others(path: Path) -> None:
    assert path.read_text() == ("task\tid\tn\tx\tok\ntissue\t007\t3\t0.1\tTrue\ntissue\tNA\t\t\t\n")


def test_a_table_comes_back_with_its_types(path: Path) -> None:
    table = read_table(path, SCHEMA)
    assert table["id"].tolist() == ["007", "NA"]
    assert table["n"].tolist() == [3, pd.NA]
    assert table["ok"].tolist() == [True, pd.NA]
    assert table["x"].dtype == np.float64
    write_table(table, path.with_name("again.tsv"), SCHEMA)
    assert path.with_name("again.tsv").read_bytes() == path.read_bytes()


def test_a_table_without_rows_keeps_its_header(tmp_path: Path) -> None:
    write_table(SCHEMA.empty(), tmp_path / "t.tsv", SCHEMA)
    assert list(read_table(tmp_path / "t.tsv", SCHEMA)) == list(SCHEMA.columns)


def test_a_table_of_something_else_is_refused(path: Path) -> None:
    assert len(read_table(path, SCHEMA, task="tissue")) == 2
    with pytest.raises(HistotransferError, match=r"t\.tsv: is of task tissue, expected mutation"):
        read_table(path, SCHEMA, task="mutation")


def test_a_table_that_lacks_a_column_is_refused(path: Path) -> None:
    wider = TableSchema("example", {**SCHEMA.columns, "delta": "number"})
    with pytest.raises(HistotransferError, match=r"t\.tsv: has no column delta"):
        read_table(path, wider)


def test_a_number_that_is_text_is_refused(path: Path) -> None:
    path.with_name(".t.tsv.sha256").unlink()
    path.write_text(path.read_text().replace("0.1", "a tenth"))
    with pytest.raises(HistotransferError, match=r"t\.tsv: is not a table of ours"):
        read_table(path, SCHEMA)


def test_a_store_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "S1.h5"
    with create_store(path, "tiles/1", {"slide": "S1"}):
        pass
    with open_store(path, "tiles/1", slide="S1") as store:
        assert store.attrs["slide"] == "S1"
    with (
        pytest.raises(HistotransferError, match=r"S1\.h5: is of slide S1, expected S2"),
        open_store(path, "tiles/1", slide="S2"),
    ):
        pass
    with (
        pytest.raises(HistotransferError, match=r"S1\.h5: is of dataset None, expected CRC"),
        open_store(path, "tiles/1", dataset="CRC"),
    ):
        pass
